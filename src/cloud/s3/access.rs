//! Who may do what: keys, faults, policies and access control lists.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::Permission;
use s3s::{S3Result, s3_error};
use url::form_urlencoded;

use super::Call;
use super::acl::gives_all_users;
use super::policy::{Ask, Effect};
use super::reading::denied;
use super::store::{Bucket, Buckets};
use crate::cloud::credentials::{ACCESS_KEY, SECRET_KEY};

/// The keys that sign requests.
pub(super) struct Keys;

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == ACCESS_KEY {
            return Ok(SECRET_KEY.into());
        }
        Err(s3_error!(
            InvalidAccessKeyId,
            "The AWS Access Key Id you provided does not exist in our records."
        ))
    }
}

/// The action that an operation needs, where it is not `s3:` and the operation's name.
const ACTIONS: [(&str, &str); 21] = [
    ("AbortMultipartUpload", "s3:AbortMultipartUpload"),
    ("CompleteMultipartUpload", "s3:PutObject"),
    ("CopyObject", "s3:PutObject"),
    ("CreateMultipartUpload", "s3:PutObject"),
    ("DeleteBucketCors", "s3:PutBucketCORS"),
    ("DeleteBucketEncryption", "s3:PutEncryptionConfiguration"),
    ("DeleteBucketLifecycle", "s3:PutLifecycleConfiguration"),
    ("DeleteBucketTagging", "s3:PutBucketTagging"),
    ("GetBucketEncryption", "s3:GetEncryptionConfiguration"),
    (
        "GetBucketLifecycleConfiguration",
        "s3:GetLifecycleConfiguration",
    ),
    ("GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock"),
    ("HeadBucket", "s3:ListBucket"),
    ("HeadObject", "s3:GetObject"),
    ("ListMultipartUploads", "s3:ListBucketMultipartUploads"),
    ("ListObjectVersions", "s3:ListBucketVersions"),
    ("ListObjects", "s3:ListBucket"),
    ("ListObjectsV2", "s3:ListBucket"),
    ("ListParts", "s3:ListMultipartUploadParts"),
    ("PutPublicAccessBlock", "s3:PutBucketPublicAccessBlock"),
    ("UploadPart", "s3:PutObject"),
    ("UploadPartCopy", "s3:PutObject"),
];

/// How many seconds a presigned URL may be valid for, at most.
const LONGEST_PRESIGNED: u64 = 604_800;

/// How many seconds a presigned URL is valid for, where the query is that of one.
fn presigned_seconds(query: &str) -> Option<u64> {
    let mut fields = form_urlencoded::parse(query.as_bytes());
    let (_, seconds) = fields.find(|(name, _)| name == "X-Amz-Expires")?;
    seconds.parse().ok()
}

#[async_trait::async_trait]
impl S3Access for Buckets {
    async fn check(&self, asked: &mut S3AccessContext<'_>) -> S3Result<()> {
        let call = asked.extensions_mut().get::<Arc<Call>>().cloned();
        let call = call.ok_or_else(|| s3_error!(InternalError, "a request came past its front"))?;
        let is_signed = asked.credentials().is_some();
        call.signed.store(is_signed, Ordering::Relaxed);
        if presigned_seconds(&call.query).is_some_and(|seconds| seconds > LONGEST_PRESIGNED) {
            return Err(s3_error!(
                AuthorizationQueryParametersError,
                "X-Amz-Expires must be less than a week (in seconds); that is, the given \
                 X-Amz-Expires must be less than 604800 seconds"
            ));
        }
        let operation = asked.s3_op().name();
        let path = asked.s3_path();
        match (operation, path.get_bucket_name()) {
            // They ask for their keys themselves.
            ("PutObject" | "PostObject" | "DeleteObjects" | "CreateBucket", _) => Ok(()),
            // The owner is never kept from the policy itself.
            ("PutBucketPolicy" | "GetBucketPolicy" | "DeleteBucketPolicy", _) if is_signed => {
                Ok(())
            }
            (_, Some(bucket)) => {
                let named = ACTIONS.iter().find(|(name, _)| *name == operation);
                let action = match named {
                    Some((_, action)) => (*action).to_owned(),
                    None => format!("s3:{operation}"),
                };
                let key = path.get_object_key().unwrap_or_default();
                self.permit(&call, &action, bucket, key)
            }
            (_, None) if is_signed => Ok(()),
            (_, None) => Err(denied()),
        }
    }
}

impl Buckets {
    /// Refuses an action that the call may not do; the key is empty for the bucket itself.
    pub(super) fn permit(&self, call: &Call, action: &str, name: &str, key: &str) -> S3Result<()> {
        self.within(call, name, |bucket| {
            self.permits(call, bucket, action, name, key)
        })
    }

    /// The same with the bucket at hand.
    pub(super) fn permits(
        &self,
        call: &Call,
        bucket: &Bucket,
        action: &str,
        name: &str,
        key: &str,
    ) -> S3Result<()> {
        let is_change = action == "s3:PutObject" || action == "s3:DeleteObject";
        let owner = self.owner(name);
        if is_change && owner.is_some_and(|client| call.faults.s3_denies(client)) {
            return Err(denied());
        }
        let is_signed = call.signed.load(Ordering::Relaxed);
        let policy = bucket.policy.as_ref();
        let decided = policy.and_then(|policy| {
            policy.decide(&Ask {
                action,
                bucket: name,
                key,
                is_signed,
                headers: &call.headers,
                query: &call.query,
            })
        });
        if decided == Some(Effect::Deny) {
            return Err(denied());
        }
        // Whoever signs is the owner of all.
        if is_signed {
            return Ok(());
        }
        let block = bucket.documents.public_access_block.as_ref();
        let is_restricted = block.and_then(|it| it.restrict_public_buckets) == Some(true);
        if decided == Some(Effect::Allow) && !is_restricted {
            return Ok(());
        }
        let ignores = block.and_then(|it| it.ignore_public_acls) == Some(true);
        let (grants, permission) = match action {
            "s3:GetObject" => {
                // That there is none is for those to know who may list the bucket.
                let object = bucket.objects.get(key);
                let grants = object.map_or(&bucket.grants, |object| &object.grants);
                (Some(grants), Permission::READ)
            }
            "s3:ListBucket" => (Some(&bucket.grants), Permission::READ),
            _ if is_change => (Some(&bucket.grants), Permission::WRITE),
            _ => (None, Permission::READ),
        };
        match grants {
            Some(grants) if !ignores && gives_all_users(grants, permission) => Ok(()),
            _ => Err(denied()),
        }
    }
}
