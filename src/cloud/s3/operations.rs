//! The operations that are served. What is not here, `s3s` answers with NotImplemented.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};

use super::Call;
use super::store::Buckets;

/// Serves each operation by the function of the same name, `later` where that is asynchronous.
macro_rules! serve {
    ($($when:ident $name:ident($input:ident) -> $output:ident;)*) => {
        #[async_trait::async_trait]
        impl s3s::S3 for Buckets {
            $(
                async fn $name(
                    &self,
                    mut request: S3Request<$input>,
                ) -> S3Result<S3Response<$output>> {
                    let call = Call::of(&mut request)?;
                    let output = serve!(@ $when Buckets::$name(self, &call, request.input));
                    Ok(S3Response::new(output?))
                }
            )*
        }
    };
    (@ now $call:expr) => { $call };
    (@ later $call:expr) => { $call.await };
}

serve! {
    // Objects.
    later put_object(PutObjectInput) -> PutObjectOutput;
    now get_object(GetObjectInput) -> GetObjectOutput;
    now head_object(HeadObjectInput) -> HeadObjectOutput;
    now get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput;
    now delete_object(DeleteObjectInput) -> DeleteObjectOutput;
    now delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput;
    later copy_object(CopyObjectInput) -> CopyObjectOutput;

    // Uploads in parts.
    now create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput;
    later upload_part(UploadPartInput) -> UploadPartOutput;
    later upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput;
    now list_parts(ListPartsInput) -> ListPartsOutput;
    now list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput;
    later complete_multipart_upload(CompleteMultipartUploadInput)
        -> CompleteMultipartUploadOutput;
    now abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput;

    // Listings.
    now list_objects(ListObjectsInput) -> ListObjectsOutput;
    now list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output;
    now list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput;

    // Buckets.
    now create_bucket(CreateBucketInput) -> CreateBucketOutput;
    now delete_bucket(DeleteBucketInput) -> DeleteBucketOutput;
    now head_bucket(HeadBucketInput) -> HeadBucketOutput;
    now list_buckets(ListBucketsInput) -> ListBucketsOutput;
    now get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput;

    // Who may do what.
    now put_bucket_policy(PutBucketPolicyInput) -> PutBucketPolicyOutput;
    now get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput;
    now delete_bucket_policy(DeleteBucketPolicyInput) -> DeleteBucketPolicyOutput;
    now get_bucket_policy_status(GetBucketPolicyStatusInput) -> GetBucketPolicyStatusOutput;
    now put_bucket_acl(PutBucketAclInput) -> PutBucketAclOutput;
    now get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput;
    now put_object_acl(PutObjectAclInput) -> PutObjectAclOutput;
    now get_object_acl(GetObjectAclInput) -> GetObjectAclOutput;

    // Documents that are kept.
    now put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput;
    now get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput;
    now delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput;
    now put_bucket_tagging(PutBucketTaggingInput) -> PutBucketTaggingOutput;
    now get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput;
    now delete_bucket_tagging(DeleteBucketTaggingInput) -> DeleteBucketTaggingOutput;
    now put_bucket_website(PutBucketWebsiteInput) -> PutBucketWebsiteOutput;
    now get_bucket_website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput;
    now delete_bucket_website(DeleteBucketWebsiteInput) -> DeleteBucketWebsiteOutput;
    now put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput;
    now get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput;
    now delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput;
    now put_public_access_block(PutPublicAccessBlockInput) -> PutPublicAccessBlockOutput;
    now get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput;
    now delete_public_access_block(DeletePublicAccessBlockInput)
        -> DeletePublicAccessBlockOutput;
    now put_bucket_versioning(PutBucketVersioningInput) -> PutBucketVersioningOutput;
    now get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput;
    now put_bucket_encryption(PutBucketEncryptionInput) -> PutBucketEncryptionOutput;
    now get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput;
    now delete_bucket_encryption(DeleteBucketEncryptionInput) -> DeleteBucketEncryptionOutput;
    now put_bucket_ownership_controls(PutBucketOwnershipControlsInput)
        -> PutBucketOwnershipControlsOutput;
    now get_bucket_ownership_controls(GetBucketOwnershipControlsInput)
        -> GetBucketOwnershipControlsOutput;
    now delete_bucket_ownership_controls(DeleteBucketOwnershipControlsInput)
        -> DeleteBucketOwnershipControlsOutput;
    now put_bucket_lifecycle_configuration(PutBucketLifecycleConfigurationInput)
        -> PutBucketLifecycleConfigurationOutput;
    now get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput)
        -> GetBucketLifecycleConfigurationOutput;
    now delete_bucket_lifecycle(DeleteBucketLifecycleInput) -> DeleteBucketLifecycleOutput;
}
