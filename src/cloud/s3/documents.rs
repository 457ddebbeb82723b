//! What is configured of a bucket: kept as it was put, and given back.

use hyper::StatusCode;
use s3s::dto::*;
use s3s::{S3Result, s3_error};

use super::store::Buckets;
use super::{Call, refusal};

/// The configuration of a bucket, as far as there is one.
#[derive(Default)]
pub(super) struct Documents {
    pub(super) tags: Option<Vec<Tag>>,
    pub(super) website: Option<WebsiteConfiguration>,
    pub(super) public_access_block: Option<PublicAccessBlockConfiguration>,
    pub(super) cors: Option<CORSConfiguration>,
    versioning: Option<VersioningConfiguration>,
    encryption: Option<ServerSideEncryptionConfiguration>,
    ownership: Option<OwnershipControls>,
    lifecycle: Option<BucketLifecycleConfiguration>,
}

/// One document: how it is put, got and deleted, and what is said where there is none.
macro_rules! document {
    ($field:ident:
        $put:ident($put_input:ident.$from:ident) -> $put_output:ident,
        $get:ident($get_input:ident) -> $get_output:ident = |$it:ident| $got:expr,
        $delete:ident($delete_input:ident) -> $delete_output:ident,
        $code:literal, $message:literal) => {
        impl Buckets {
            pub(super) fn $put(&self, call: &Call, input: $put_input) -> S3Result<$put_output> {
                self.within(call, &input.bucket, |bucket| {
                    bucket.documents.$field = input.$from.into();
                    Ok($put_output::default())
                })
            }

            pub(super) fn $get(&self, call: &Call, input: $get_input) -> S3Result<$get_output> {
                self.within(call, &input.bucket, |bucket| {
                    let $it = bucket
                        .documents
                        .$field
                        .clone()
                        .ok_or_else(|| refusal($code, StatusCode::NOT_FOUND, $message))?;
                    Ok($got)
                })
            }

            pub(super) fn $delete(
                &self,
                call: &Call,
                input: $delete_input,
            ) -> S3Result<$delete_output> {
                self.within(call, &input.bucket, |bucket| {
                    bucket.documents.$field = None;
                    Ok($delete_output::default())
                })
            }
        }
    };
}

document!(website:
    put_bucket_website(PutBucketWebsiteInput.website_configuration) -> PutBucketWebsiteOutput,
    get_bucket_website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput = |it| {
        GetBucketWebsiteOutput {
            error_document: it.error_document,
            index_document: it.index_document,
            redirect_all_requests_to: it.redirect_all_requests_to,
            routing_rules: it.routing_rules,
        }
    },
    delete_bucket_website(DeleteBucketWebsiteInput) -> DeleteBucketWebsiteOutput,
    "NoSuchWebsiteConfiguration",
    "The specified bucket does not have a website configuration");

document!(cors:
    put_bucket_cors(PutBucketCorsInput.cors_configuration) -> PutBucketCorsOutput,
    get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput = |it| GetBucketCorsOutput {
        cors_rules: Some(it.cors_rules),
    },
    delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput,
    "NoSuchCORSConfiguration",
    "The CORS configuration does not exist");

document!(public_access_block:
    put_public_access_block(PutPublicAccessBlockInput.public_access_block_configuration)
        -> PutPublicAccessBlockOutput,
    get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput = |it| {
        GetPublicAccessBlockOutput {
            public_access_block_configuration: Some(it),
        }
    },
    delete_public_access_block(DeletePublicAccessBlockInput) -> DeletePublicAccessBlockOutput,
    "NoSuchPublicAccessBlockConfiguration",
    "The public access block configuration was not found");

document!(encryption:
    put_bucket_encryption(PutBucketEncryptionInput.server_side_encryption_configuration)
        -> PutBucketEncryptionOutput,
    get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput = |it| {
        GetBucketEncryptionOutput {
            server_side_encryption_configuration: Some(it),
        }
    },
    delete_bucket_encryption(DeleteBucketEncryptionInput) -> DeleteBucketEncryptionOutput,
    "ServerSideEncryptionConfigurationNotFoundError",
    "The server side encryption configuration was not found");

document!(ownership:
    put_bucket_ownership_controls(PutBucketOwnershipControlsInput.ownership_controls)
        -> PutBucketOwnershipControlsOutput,
    get_bucket_ownership_controls(GetBucketOwnershipControlsInput)
        -> GetBucketOwnershipControlsOutput = |it| GetBucketOwnershipControlsOutput {
        ownership_controls: Some(it),
    },
    delete_bucket_ownership_controls(DeleteBucketOwnershipControlsInput)
        -> DeleteBucketOwnershipControlsOutput,
    "OwnershipControlsNotFoundError",
    "The bucket ownership controls were not found");

document!(lifecycle:
    put_bucket_lifecycle_configuration(
        PutBucketLifecycleConfigurationInput.lifecycle_configuration
    ) -> PutBucketLifecycleConfigurationOutput,
    get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput)
        -> GetBucketLifecycleConfigurationOutput = |it| GetBucketLifecycleConfigurationOutput {
        rules: Some(it.rules),
        ..GetBucketLifecycleConfigurationOutput::default()
    },
    delete_bucket_lifecycle(DeleteBucketLifecycleInput) -> DeleteBucketLifecycleOutput,
    "NoSuchLifecycleConfiguration",
    "The lifecycle configuration does not exist");

impl Buckets {
    pub(super) fn put_bucket_versioning(
        &self,
        call: &Call,
        input: PutBucketVersioningInput,
    ) -> S3Result<PutBucketVersioningOutput> {
        let status = input.versioning_configuration.status.as_ref();
        let status = status.map(BucketVersioningStatus::as_str);
        if !matches!(status, Some("Enabled" | "Suspended")) {
            return Err(s3_error!(
                IllegalVersioningConfigurationException,
                "The Versioning element must be specified"
            ));
        }
        self.within(call, &input.bucket, |bucket| {
            bucket.documents.versioning = Some(input.versioning_configuration);
            Ok(PutBucketVersioningOutput::default())
        })
    }

    /// A bucket whose versioning nobody set has an answer without a status.
    pub(super) fn get_bucket_versioning(
        &self,
        call: &Call,
        input: GetBucketVersioningInput,
    ) -> S3Result<GetBucketVersioningOutput> {
        self.within(call, &input.bucket, |bucket| {
            let versioning = bucket.documents.versioning.as_ref();
            Ok(GetBucketVersioningOutput {
                status: versioning.and_then(|it| it.status.clone()),
                ..GetBucketVersioningOutput::default()
            })
        })
    }
}
