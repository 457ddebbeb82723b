//! Objects as they are put, copied and deleted.

use s3s::dto::*;
use s3s::{S3Error, S3Result, s3_error};

use super::acl::{self, grants};
use super::conditions::{Conditions, check_write};
use super::digest::{Claims, Upload, md5, sums_of};
use super::object::{self, Headers, Object, set_sums, take_headers, take_sums};
use super::reading::{check_version, denied};
use super::store::{Buckets, Examined};
use super::tags::from_header;
use super::{Call, digest};

/// How many keys one DeleteObjects may name.
const MOST_DELETIONS: usize = 1000;

impl Buckets {
    pub(super) async fn put_object(
        &self,
        call: &Call,
        mut input: PutObjectInput,
    ) -> S3Result<PutObjectOutput> {
        let (bucket, key) = (input.bucket, input.key);
        // The key of a form is in its body, so that no one has looked at it before.
        self.permit(call, "s3:PutObject", &bucket, &key)?;
        let grants = grants!(input);
        self.check_public(call, &bucket, &grants)?;
        let tags = from_header(input.tagging.as_deref())?;
        let claims = Claims {
            md5: input.content_md5.take(),
            sums: take_sums!(input),
            algorithm: input.checksum_algorithm.take(),
            trailer: call.trailer.get().cloned(),
        };
        let upload = Upload::receive(input.body.take(), claims).await?;
        self.take_one(call, &bucket)?;
        let examined = Examined::of(&key, &upload.bytes).await?;
        let object = Object {
            etag: digest::hex(&upload.md5),
            bytes: upload.bytes,
            modified: object::now(),
            headers: take_headers!(input),
            sums: upload.sums,
            parts: Vec::new(),
            tags,
            grants,
            content: examined.content.clone(),
        };
        let mut output = PutObjectOutput {
            e_tag: Some(object.etag()),
            server_side_encryption: object.headers.server_side_encryption.clone(),
            checksum_type: object.sums.checksum_type.clone(),
            ..PutObjectOutput::default()
        };
        set_sums!(output, object.sums);
        self.within(call, &bucket, |it| {
            let there = it.objects.get(&key);
            check_write(input.if_match.as_ref(), input.if_none_match.as_ref(), there)?;
            self.record_put(call, &bucket, &key, &examined);
            it.objects.insert(key, object);
            Ok(output)
        })
    }

    /// Counts one upload of data, where a fault takes the first ones only.
    pub(super) fn take_one(&self, call: &Call, bucket: &str) -> S3Result<()> {
        match self.owner(bucket) {
            Some(client) => self.partial().take_one(call, client),
            None => Ok(()),
        }
    }

    /// The source of a copy, where the call may read it.
    pub(super) fn source(
        &self,
        call: &Call,
        source: &CopySource,
        conditions: &Conditions,
    ) -> S3Result<(String, String, Object)> {
        let CopySource::Bucket {
            bucket: name,
            key,
            version_id,
        } = source
        else {
            return Err(s3_error!(
                NotImplemented,
                "The loopback cloud has no access points to copy from."
            ));
        };
        check_version(version_id.as_deref())?;
        self.permit(call, "s3:GetObject", name, key)?;
        let object = self.within(call, name, |bucket| {
            let object = self.find(call, bucket, name, key)?;
            conditions.check_source(object)?;
            Ok(object.clone())
        })?;
        Ok((name.to_string(), key.to_string(), object))
    }

    pub(super) async fn copy_object(
        &self,
        call: &Call,
        mut input: CopyObjectInput,
    ) -> S3Result<CopyObjectOutput> {
        let conditions = Conditions {
            if_match: input.copy_source_if_match.take(),
            if_none_match: input.copy_source_if_none_match.take(),
            if_modified_since: input.copy_source_if_modified_since.take(),
            if_unmodified_since: input.copy_source_if_unmodified_since.take(),
        };
        let (from, from_key, source) = self.source(call, &input.copy_source, &conditions)?;
        let replaces = |directive: Option<&str>| directive == Some(MetadataDirective::REPLACE);
        let replaces_headers = replaces(
            input
                .metadata_directive
                .as_ref()
                .map(MetadataDirective::as_str),
        );
        let replaces_tags = replaces(
            input
                .tagging_directive
                .as_ref()
                .map(TaggingDirective::as_str),
        );
        let tags = from_header(input.tagging.as_deref())?;
        let given = take_headers!(input);
        let is_itself = from == input.bucket && from_key == input.key;
        if is_itself && !replaces_headers && !changes(&given, &source) {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself \
                 without changing the object's metadata, storage class, website redirect location \
                 or encryption attributes."
            ));
        }
        let grants = grants!(input);
        self.check_public(call, &input.bucket, &grants)?;
        self.take_one(call, &input.bucket)?;
        let (bucket, key) = (input.bucket, input.key);
        let examined = Examined::of(&key, &source.bytes).await?;
        let mut algorithms = digest::algorithms_in(&source.sums);
        algorithms.extend(input.checksum_algorithm);
        let object = Object {
            etag: match source.parts.is_empty() {
                true => source.etag.clone(),
                false => md5(&source.bytes),
            },
            modified: object::now(),
            headers: if replaces_headers {
                given
            } else {
                Headers {
                    storage_class: given.storage_class,
                    server_side_encryption: given.server_side_encryption,
                    website_redirect_location: given.website_redirect_location,
                    ..source.headers
                }
            },
            sums: sums_of(&source.bytes, &algorithms),
            parts: Vec::new(),
            tags: if replaces_tags { tags } else { source.tags },
            grants,
            content: examined.content.clone(),
            bytes: source.bytes,
        };
        let mut result = CopyObjectResult {
            e_tag: Some(object.etag()),
            last_modified: Some(object.modified()),
            checksum_type: object.sums.checksum_type.clone(),
            ..CopyObjectResult::default()
        };
        set_sums!(result, object.sums);
        let server_side_encryption = object.headers.server_side_encryption.clone();
        self.within(call, &bucket, |it| {
            self.record_put(call, &bucket, &key, &examined);
            it.objects.insert(key, object);
            Ok(())
        })?;
        Ok(CopyObjectOutput {
            copy_object_result: Some(result),
            server_side_encryption,
            ..CopyObjectOutput::default()
        })
    }

    pub(super) fn delete_object(
        &self,
        call: &Call,
        input: DeleteObjectInput,
    ) -> S3Result<DeleteObjectOutput> {
        check_version(input.version_id.as_deref())?;
        self.within(call, &input.bucket, |bucket| {
            let there = bucket.objects.get(&input.key);
            check_write(input.if_match.as_ref(), None, there)?;
            if bucket.objects.remove(&input.key).is_some() {
                self.record_deletion(call, &input.bucket, &input.key);
            }
            Ok(DeleteObjectOutput::default())
        })
    }

    pub(super) fn delete_objects(
        &self,
        call: &Call,
        input: DeleteObjectsInput,
    ) -> S3Result<DeleteObjectsOutput> {
        let Delete { objects, quiet } = input.delete;
        if objects.is_empty() || objects.len() > MOST_DELETIONS {
            return Err(s3_error!(
                MalformedXML,
                "The XML you provided was not well-formed or did not validate against our \
                 published schema"
            ));
        }
        let name = input.bucket;
        self.within(call, &name, |bucket| {
            let mut output = DeleteObjectsOutput::default();
            for ObjectIdentifier {
                key,
                version_id,
                e_tag,
                ..
            } in objects
            {
                let there = bucket.objects.get(&key);
                let allowed = self
                    .permits(call, bucket, "s3:DeleteObject", &name, &key)
                    .and_then(|()| check_version(version_id.as_deref()))
                    .and_then(|()| {
                        check_write(e_tag.map(ETagCondition::ETag).as_ref(), None, there)
                    });
                match allowed {
                    Ok(()) => {
                        if bucket.objects.remove(&key).is_some() {
                            self.record_deletion(call, &name, &key);
                        }
                        if quiet != Some(true) {
                            output.deleted.get_or_insert_default().push(DeletedObject {
                                key: Some(key),
                                ..DeletedObject::default()
                            });
                        }
                    }
                    Err(error) => {
                        let errors = output.errors.get_or_insert_default();
                        errors.push(entry_of(key, version_id, &error));
                    }
                }
            }
            Ok(output)
        })
    }

    /// Refuses grants to everybody, where the bucket blocks those.
    pub(super) fn check_public(&self, call: &Call, name: &str, grants: &[Grant]) -> S3Result<()> {
        if !acl::is_public(grants) {
            return Ok(());
        }
        self.within(call, name, |bucket| {
            let block = bucket.documents.public_access_block.as_ref();
            match block.and_then(|block| block.block_public_acls) {
                Some(true) => Err(denied()),
                _ => Ok(()),
            }
        })
    }
}

/// Whether a copy of an object onto itself changes something without new metadata.
fn changes(given: &Headers, source: &Object) -> bool {
    given.storage_class.is_some()
        || given.server_side_encryption.is_some()
        || given.website_redirect_location != source.headers.website_redirect_location
}

fn entry_of(key: String, version_id: Option<String>, error: &S3Error) -> Error {
    Error {
        code: Some(error.code().as_str().to_owned()),
        key: Some(key),
        message: error.message().map(str::to_owned),
        version_id,
    }
}
