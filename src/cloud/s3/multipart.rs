//! Uploads in parts.

mod join;

use std::collections::BTreeMap;
use std::time::SystemTime;

use hyper::body::Bytes;
use s3s::dto::*;
use s3s::{S3Error, S3Result, s3_error};

use self::join::{choose, join, slice};
use super::Call;
use super::acl::{grants, owner};
use super::conditions::{Conditions, check_write};
use super::digest::{Claims, Upload, check_sums, hex};
use super::object::{self, Headers, set_sums, take_headers, take_sums};
use super::store::{Bucket, Buckets, Examined};
use super::tags::from_header;

/// The largest number of a part.
const MOST_PARTS: i32 = 10_000;

/// An upload that is under way.
#[derive(Clone)]
pub(super) struct Uploading {
    pub(super) key: String,
    pub(super) initiated: SystemTime,
    pub(super) parts: BTreeMap<i32, Part>,
    pub(super) headers: Headers,
    pub(super) algorithm: Option<ChecksumAlgorithm>,
    pub(super) checksum_type: Option<ChecksumType>,
    tags: Vec<Tag>,
    grants: Vec<Grant>,
}

/// A part that was uploaded.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) bytes: Bytes,
    pub(super) md5: [u8; 16],
    pub(super) sums: Checksum,
    pub(super) modified: SystemTime,
}

/// An upload that was completed, and what was answered.
#[derive(Clone)]
pub(super) struct Completed {
    key: String,
    etag: ETag,
    sums: Checksum,
}

impl Part {
    pub(super) fn etag(&self) -> ETag {
        ETag::Strong(hex(&self.md5))
    }
}

impl Bucket {
    /// The upload of a key by its id.
    pub(super) fn upload(&mut self, key: &str, id: &str) -> S3Result<&mut Uploading> {
        let upload = self.uploads.get_mut(id);
        upload
            .filter(|upload| upload.key == key)
            .ok_or_else(no_such_upload)
    }
}

impl Buckets {
    pub(super) fn create_multipart_upload(
        &self,
        call: &Call,
        mut input: CreateMultipartUploadInput,
    ) -> S3Result<CreateMultipartUploadOutput> {
        let grants = grants!(input);
        self.check_public(call, &input.bucket, &grants)?;
        if let Some(client) = self.owner(&input.bucket) {
            self.partial().check(call, client)?;
        }
        let tags = from_header(input.tagging.as_deref())?;
        let headers = take_headers!(input);
        let server_side_encryption = headers.server_side_encryption.clone();
        let id = self.within(call, &input.bucket, |bucket| {
            let id = upload_id(bucket, &input.key);
            let uploading = Uploading {
                key: input.key.clone(),
                initiated: object::now(),
                parts: BTreeMap::new(),
                headers,
                algorithm: input.checksum_algorithm.clone(),
                checksum_type: input.checksum_type.clone(),
                tags,
                grants,
            };
            bucket.uploads.insert(id.clone(), uploading);
            Ok(id)
        })?;
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: input.checksum_type,
            server_side_encryption,
            ..CreateMultipartUploadOutput::default()
        })
    }

    pub(super) async fn upload_part(
        &self,
        call: &Call,
        mut input: UploadPartInput,
    ) -> S3Result<UploadPartOutput> {
        let algorithm = self.begin_part(
            call,
            (&input.bucket, &input.key),
            &input.upload_id,
            input.part_number,
        )?;
        let claims = Claims {
            md5: input.content_md5.take(),
            sums: take_sums!(input),
            algorithm: input.checksum_algorithm.take().or(algorithm),
            trailer: call.trailer.get().cloned(),
        };
        let upload = Upload::receive(input.body.take(), claims).await?;
        self.take_one(call, &input.bucket)?;
        let part = Part::new(upload);
        let mut output = UploadPartOutput {
            e_tag: Some(part.etag()),
            ..UploadPartOutput::default()
        };
        set_sums!(output, part.sums);
        self.within(call, &input.bucket, |bucket| {
            let upload = bucket.upload(&input.key, &input.upload_id)?;
            upload.parts.insert(input.part_number, part);
            Ok(output)
        })
    }

    pub(super) async fn upload_part_copy(
        &self,
        call: &Call,
        mut input: UploadPartCopyInput,
    ) -> S3Result<UploadPartCopyOutput> {
        let algorithm = self.begin_part(
            call,
            (&input.bucket, &input.key),
            &input.upload_id,
            input.part_number,
        )?;
        let conditions = Conditions {
            if_match: input.copy_source_if_match.take(),
            if_none_match: input.copy_source_if_none_match.take(),
            if_modified_since: input.copy_source_if_modified_since.take(),
            if_unmodified_since: input.copy_source_if_unmodified_since.take(),
        };
        let (_, _, source) = self.source(call, &input.copy_source, &conditions)?;
        let bytes = match input.copy_source_range.as_deref() {
            None => source.bytes,
            Some(range) => slice(&source.bytes, range)?,
        };
        let claims = Claims {
            algorithm,
            ..Claims::default()
        };
        let body = StreamingBlob::from(s3s::Body::from(bytes));
        let upload = Upload::receive(Some(body), claims).await?;
        self.take_one(call, &input.bucket)?;
        let part = Part::new(upload);
        let mut result = CopyPartResult {
            e_tag: Some(part.etag()),
            last_modified: Some(part.modified.into()),
            ..CopyPartResult::default()
        };
        set_sums!(result, part.sums);
        self.within(call, &input.bucket, |bucket| {
            let upload = bucket.upload(&input.key, &input.upload_id)?;
            upload.parts.insert(input.part_number, part);
            Ok(())
        })?;
        Ok(UploadPartCopyOutput {
            copy_part_result: Some(result),
            ..UploadPartCopyOutput::default()
        })
    }

    /// Looks whether a part can be uploaded. Returns the upload's kind of checksum.
    fn begin_part(
        &self,
        call: &Call,
        (bucket, key): (&str, &str),
        id: &str,
        number: i32,
    ) -> S3Result<Option<ChecksumAlgorithm>> {
        if !(1..=MOST_PARTS).contains(&number) {
            return Err(s3_error!(
                InvalidArgument,
                "Part number must be an integer between 1 and 10000, inclusive"
            ));
        }
        self.within(call, bucket, |bucket| {
            bucket
                .upload(key, id)
                .map(|upload| upload.algorithm.clone())
        })
    }

    pub(super) async fn complete_multipart_upload(
        &self,
        call: &Call,
        mut input: CompleteMultipartUploadInput,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let said = take_sums!(input);
        let (bucket, key, id) = (input.bucket, input.key, input.upload_id);
        let location = format!("{}/{bucket}/{key}", call.base_url);
        let answer = |completed: Completed| {
            let mut output = CompleteMultipartUploadOutput {
                bucket: Some(bucket.clone()),
                key: Some(completed.key),
                location: Some(location),
                e_tag: Some(completed.etag),
                checksum_type: completed.sums.checksum_type.clone(),
                ..CompleteMultipartUploadOutput::default()
            };
            set_sums!(output, completed.sums);
            output
        };
        let named = input.multipart_upload.and_then(|upload| upload.parts);
        let named = named.unwrap_or_default();
        let chosen = self.within(call, &bucket, |it| {
            if let Some(completed) = it.completed.get(&id).filter(|it| it.key == key) {
                return Ok(Err(completed.clone()));
            }
            let upload = it.upload(&key, &id)?;
            Ok(Ok((choose(upload, &named)?, upload.clone())))
        })?;
        let (parts, upload) = match chosen {
            Ok(chosen) => chosen,
            Err(completed) => return Ok(answer(completed)),
        };
        let bytes: Vec<&[u8]> = parts.iter().map(|(_, part)| &*part.bytes).collect();
        let bytes = Bytes::from(bytes.concat());
        let examined = Examined::of(&key, &bytes).await?;
        let object = join(upload, &parts, bytes, examined.content.clone());
        check_sums(&said, &object.sums)?;
        let completed = Completed {
            key: key.clone(),
            etag: object.etag(),
            sums: object.sums.clone(),
        };
        self.within(call, &bucket, |it| {
            let there = it.objects.get(&key);
            check_write(input.if_match.as_ref(), input.if_none_match.as_ref(), there)?;
            it.uploads.remove(&id).ok_or_else(no_such_upload)?;
            it.completed.insert(id, completed.clone());
            self.record_put(call, &bucket, &key, &examined);
            it.objects.insert(key, object);
            Ok(())
        })?;
        Ok(answer(completed))
    }

    pub(super) fn abort_multipart_upload(
        &self,
        call: &Call,
        input: AbortMultipartUploadInput,
    ) -> S3Result<AbortMultipartUploadOutput> {
        self.within(call, &input.bucket, |bucket| {
            bucket.upload(&input.key, &input.upload_id)?;
            bucket.uploads.remove(&input.upload_id);
            Ok(AbortMultipartUploadOutput::default())
        })
    }

    pub(super) fn list_parts(
        &self,
        call: &Call,
        input: ListPartsInput,
    ) -> S3Result<ListPartsOutput> {
        let most = input.max_parts.unwrap_or(1000).clamp(0, 1000);
        let after = input.part_number_marker.unwrap_or(0);
        self.within(call, &input.bucket, |bucket| {
            let upload = bucket.upload(&input.key, &input.upload_id)?;
            let mut parts: Vec<s3s::dto::Part> = Vec::new();
            let mut is_truncated = false;
            for (number, part) in upload.parts.range(after.saturating_add(1)..) {
                if i32::try_from(parts.len()).unwrap_or(i32::MAX) == most {
                    is_truncated = true;
                    break;
                }
                let mut listed = s3s::dto::Part {
                    e_tag: Some(part.etag()),
                    last_modified: Some(part.modified.into()),
                    part_number: Some(*number),
                    size: Some(object::size(&part.bytes)),
                    ..s3s::dto::Part::default()
                };
                set_sums!(listed, part.sums);
                parts.push(listed);
            }
            let storage_class = upload.headers.storage_class.clone();
            Ok(ListPartsOutput {
                bucket: Some(input.bucket.clone()),
                key: Some(input.key.clone()),
                upload_id: Some(input.upload_id.clone()),
                checksum_algorithm: upload.algorithm.clone(),
                checksum_type: upload.checksum_type.clone(),
                initiator: Some(initiator()),
                owner: Some(owner()),
                storage_class: storage_class
                    .or_else(|| Some(StorageClass::from_static(StorageClass::STANDARD))),
                max_parts: Some(most),
                part_number_marker: Some(after),
                next_part_number_marker: Some(
                    parts.last().and_then(|part| part.part_number).unwrap_or(0),
                ),
                is_truncated: Some(is_truncated),
                parts: Some(parts),
                ..ListPartsOutput::default()
            })
        })
    }
}

impl Part {
    fn new(upload: Upload) -> Self {
        Self {
            bytes: upload.bytes,
            md5: upload.md5,
            sums: upload.sums,
            modified: object::now(),
        }
    }
}

pub(super) fn initiator() -> Initiator {
    let Owner { display_name, id } = owner();
    Initiator { display_name, id }
}

fn no_such_upload() -> S3Error {
    s3_error!(
        NoSuchUpload,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may \
         have been aborted or completed."
    )
}

/// An id that no other upload of the bucket has.
fn upload_id(bucket: &Bucket, key: &str) -> String {
    let number = bucket.uploads.len() + bucket.completed.len();
    let seed = format!("{number} {key} {:?}", SystemTime::now());
    super::digest::md5(seed.as_bytes())
}
