//! Buckets as they are made, looked for and removed.

use std::sync::atomic::Ordering;

use s3s::dto::*;
use s3s::{S3Error, S3Result, s3_error};

use super::Call;
use super::acl::{grants, is_public, owner};
use super::store::{Bucket, Buckets};
use crate::cloud::credentials::REGION;

/// The region in which a bucket has no location constraint.
const FIRST_REGION: &str = "us-east-1";

impl Buckets {
    pub(super) fn create_bucket(
        &self,
        call: &Call,
        input: CreateBucketInput,
    ) -> S3Result<CreateBucketOutput> {
        let name = input.bucket.clone();
        if !call.signed.load(Ordering::Relaxed) {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        let asked = call.region.get().map_or(REGION, String::as_str);
        let wanted = input.create_bucket_configuration.as_ref();
        let wanted = wanted.and_then(|it| it.location_constraint.as_ref());
        let region = match wanted.map(|it| it.as_str()).filter(|it| !it.is_empty()) {
            None if asked == FIRST_REGION => FIRST_REGION,
            Some("EU") => "eu-west-1",
            Some(wanted) if asked == FIRST_REGION || asked == wanted => wanted,
            wanted => {
                let wanted = wanted.unwrap_or("unspecified");
                return Err(s3_error!(
                    IllegalLocationConstraintException,
                    "The {wanted} location constraint is incompatible for the region specific \
                     endpoint this request was sent to."
                ));
            }
        };
        let grants = grants!(input);
        if !self.is_there(call, &name) {
            return Err(s3_error!(
                OperationAborted,
                "A conflicting conditional operation is currently in progress against this \
                 resource. Please try again."
            ));
        }
        self.within_all(|buckets| match buckets.get(&name) {
            // The first region says nothing of a second creation, as it always did.
            Some(there) if there.region == FIRST_REGION && region == FIRST_REGION => Ok(()),
            Some(_) => Err(s3_error!(
                BucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own it."
            )),
            None => {
                buckets.insert(name.clone(), Bucket::new(region, grants));
                Ok(())
            }
        })?;
        Ok(CreateBucketOutput {
            location: Some(format!("/{name}")),
        })
    }

    pub(super) fn delete_bucket(
        &self,
        call: &Call,
        input: DeleteBucketInput,
    ) -> S3Result<DeleteBucketOutput> {
        self.within(call, &input.bucket, |bucket| {
            if bucket.objects.is_empty() {
                return Ok(());
            }
            Err(s3_error!(
                BucketNotEmpty,
                "The bucket you tried to delete is not empty"
            ))
        })?;
        self.within_all(|buckets| buckets.remove(&input.bucket));
        Ok(DeleteBucketOutput::default())
    }

    pub(super) fn head_bucket(
        &self,
        call: &Call,
        input: HeadBucketInput,
    ) -> S3Result<HeadBucketOutput> {
        self.within(call, &input.bucket, |bucket| {
            Ok(HeadBucketOutput {
                bucket_region: Some(bucket.region.clone()),
                ..HeadBucketOutput::default()
            })
        })
    }

    pub(super) fn get_bucket_location(
        &self,
        call: &Call,
        input: GetBucketLocationInput,
    ) -> S3Result<GetBucketLocationOutput> {
        self.within(call, &input.bucket, |bucket| {
            let region = Some(bucket.region.clone()).filter(|region| region != FIRST_REGION);
            Ok(GetBucketLocationOutput {
                location_constraint: region.map(Into::into),
            })
        })
    }

    pub(super) fn list_buckets(
        &self,
        call: &Call,
        input: ListBucketsInput,
    ) -> S3Result<ListBucketsOutput> {
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = input.continuation_token.unwrap_or_default();
        let most = usize::try_from(input.max_buckets.unwrap_or(10_000)).unwrap_or(1);
        let mut listed: Vec<s3s::dto::Bucket> = self.within_all(|buckets| {
            let there = buckets.iter().filter(|(name, _)| {
                name.starts_with(&prefix) && **name > after && self.is_there(call, name)
            });
            there
                .map(|(name, bucket)| s3s::dto::Bucket {
                    bucket_region: Some(bucket.region.clone()),
                    creation_date: Some(bucket.created.into()),
                    name: Some(name.clone()),
                })
                .collect()
        });
        let is_truncated = listed.len() > most;
        listed.truncate(most);
        let last = listed.last().and_then(|bucket| bucket.name.clone());
        Ok(ListBucketsOutput {
            buckets: Some(listed),
            continuation_token: last.filter(|_| is_truncated),
            owner: Some(owner()),
            prefix: input.prefix,
        })
    }

    pub(super) fn put_bucket_policy(
        &self,
        call: &Call,
        input: PutBucketPolicyInput,
    ) -> S3Result<PutBucketPolicyOutput> {
        let policy = super::policy::Policy::parse(&input.policy, &input.bucket)
            .map_err(|why| s3_error!(MalformedPolicy, "{why}"))?;
        self.within(call, &input.bucket, |bucket| {
            let block = bucket.documents.public_access_block.as_ref();
            let is_blocked = block.and_then(|block| block.block_public_policy) == Some(true);
            if is_blocked && policy.is_public() {
                return Err(s3_error!(
                    AccessDenied,
                    "Public policies are prevented by the BlockPublicPolicy setting in S3 Block \
                     Public Access."
                ));
            }
            for what in policy.not_evaluated() {
                tracing::warn!("the policy of bucket {} is kept, but {what}", input.bucket);
            }
            bucket.policy = Some(policy);
            Ok(PutBucketPolicyOutput::default())
        })
    }

    pub(super) fn get_bucket_policy(
        &self,
        call: &Call,
        input: GetBucketPolicyInput,
    ) -> S3Result<GetBucketPolicyOutput> {
        self.within(call, &input.bucket, |bucket| {
            let policy = bucket.policy.as_ref().ok_or_else(no_policy)?;
            Ok(GetBucketPolicyOutput {
                policy: Some(policy.text().to_owned()),
            })
        })
    }

    pub(super) fn delete_bucket_policy(
        &self,
        call: &Call,
        input: DeleteBucketPolicyInput,
    ) -> S3Result<DeleteBucketPolicyOutput> {
        self.within(call, &input.bucket, |bucket| {
            bucket.policy = None;
            Ok(DeleteBucketPolicyOutput::default())
        })
    }

    pub(super) fn get_bucket_policy_status(
        &self,
        call: &Call,
        input: GetBucketPolicyStatusInput,
    ) -> S3Result<GetBucketPolicyStatusOutput> {
        self.within(call, &input.bucket, |bucket| {
            let policy = bucket.policy.as_ref().ok_or_else(no_policy)?;
            Ok(GetBucketPolicyStatusOutput {
                policy_status: Some(PolicyStatus {
                    is_public: Some(policy.is_public() || is_public(&bucket.grants)),
                }),
            })
        })
    }
}

fn no_policy() -> S3Error {
    s3_error!(NoSuchBucketPolicy, "The bucket policy does not exist")
}
