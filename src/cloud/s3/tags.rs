//! Tags of objects and of buckets.

use hyper::StatusCode;
use s3s::dto::*;
use s3s::{S3Error, S3Result, s3_error};

use super::object::Object;
use super::reading::check_version;
use super::store::Buckets;
use super::{Call, refusal};

/// How many tags an object may have.
const MOST: usize = 10;

/// The tags that a header of the form `a=b&c=d` gives.
pub(super) fn from_header(text: Option<&str>) -> S3Result<Vec<Tag>> {
    let pairs = url::form_urlencoded::parse(text.unwrap_or_default().as_bytes());
    let tags = pairs.map(|(key, value)| Tag {
        key: Some(key.into_owned()),
        value: Some(value.into_owned()),
    });
    checked(tags.collect(), MOST)
}

/// Refuses tags that S3 does not take.
fn checked(tags: Vec<Tag>, most: usize) -> S3Result<Vec<Tag>> {
    let bad = |what: &str| -> S3Error { s3_error!(InvalidTag, "{what}") };
    if tags.len() > most {
        return Err(refusal(
            "BadRequest",
            StatusCode::BAD_REQUEST,
            format!("Object tags cannot be greater than {most}"),
        ));
    }
    let mut keys = std::collections::BTreeSet::new();
    for tag in &tags {
        let key = tag.key.as_deref().unwrap_or_default();
        let value = tag.value.as_deref().unwrap_or_default();
        if key.is_empty() || key.chars().count() > 128 {
            return Err(bad("The TagKey you have provided is invalid"));
        }
        if value.chars().count() > 256 {
            return Err(bad("The TagValue you have provided is invalid"));
        }
        if !keys.insert(key) {
            return Err(bad("Cannot provide multiple Tags with the same key"));
        }
    }
    Ok(tags)
}

impl Buckets {
    /// Changes what is kept with an object, not its bytes.
    pub(super) fn change(
        &self,
        call: &Call,
        bucket: &str,
        key: &str,
        change: impl FnOnce(&mut Object),
    ) -> S3Result<()> {
        self.within(call, bucket, |it| {
            self.find(call, it, bucket, key)?;
            if let Some(object) = it.objects.get_mut(key) {
                change(object);
            }
            Ok(())
        })
    }

    pub(super) fn put_object_tagging(
        &self,
        call: &Call,
        input: PutObjectTaggingInput,
    ) -> S3Result<PutObjectTaggingOutput> {
        check_version(input.version_id.as_deref())?;
        let tags = checked(input.tagging.tag_set, MOST)?;
        self.change(call, &input.bucket, &input.key, |object| object.tags = tags)?;
        Ok(PutObjectTaggingOutput::default())
    }

    pub(super) fn get_object_tagging(
        &self,
        call: &Call,
        input: GetObjectTaggingInput,
    ) -> S3Result<GetObjectTaggingOutput> {
        check_version(input.version_id.as_deref())?;
        self.within(call, &input.bucket, |bucket| {
            let object = self.find(call, bucket, &input.bucket, &input.key)?;
            Ok(GetObjectTaggingOutput {
                tag_set: object.tags.clone(),
                version_id: None,
            })
        })
    }

    pub(super) fn delete_object_tagging(
        &self,
        call: &Call,
        input: DeleteObjectTaggingInput,
    ) -> S3Result<DeleteObjectTaggingOutput> {
        check_version(input.version_id.as_deref())?;
        self.change(call, &input.bucket, &input.key, |object| {
            object.tags.clear()
        })?;
        Ok(DeleteObjectTaggingOutput::default())
    }

    pub(super) fn put_bucket_tagging(
        &self,
        call: &Call,
        input: PutBucketTaggingInput,
    ) -> S3Result<PutBucketTaggingOutput> {
        let tags = checked(input.tagging.tag_set, 50)?;
        self.within(call, &input.bucket, |bucket| {
            bucket.documents.tags = Some(tags);
            Ok(PutBucketTaggingOutput::default())
        })
    }

    pub(super) fn get_bucket_tagging(
        &self,
        call: &Call,
        input: GetBucketTaggingInput,
    ) -> S3Result<GetBucketTaggingOutput> {
        self.within(call, &input.bucket, |bucket| {
            let tags = bucket.documents.tags.clone();
            let tag_set =
                tags.ok_or_else(|| s3_error!(NoSuchTagSet, "The TagSet does not exist"))?;
            Ok(GetBucketTaggingOutput { tag_set })
        })
    }

    pub(super) fn delete_bucket_tagging(
        &self,
        call: &Call,
        input: DeleteBucketTaggingInput,
    ) -> S3Result<DeleteBucketTaggingOutput> {
        self.within(call, &input.bucket, |bucket| {
            bucket.documents.tags = None;
            Ok(DeleteBucketTaggingOutput::default())
        })
    }
}
