//! What is in a bucket, page by page.

mod page;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use s3s::dto::*;
use s3s::{S3Error, S3Result, s3_error};

use self::page::{Encoding, Query};
use super::Call;
use super::acl::owner;
use super::multipart::initiator;
use super::store::Buckets;

impl Buckets {
    /// A listing of a client's site is how its next deploy begins.
    fn begin_deploy(&self, bucket: &str) {
        if let Some(client) = self.owner(bucket) {
            self.partial().begin_deploy(client);
        }
    }

    pub(super) fn list_objects(
        &self,
        call: &Call,
        input: ListObjectsInput,
    ) -> S3Result<ListObjectsOutput> {
        let encoding = Encoding::of(input.encoding_type)?;
        let query = Query::new(
            input.prefix.as_deref(),
            input.delimiter.as_deref(),
            input.marker.as_deref(),
            input.max_keys,
        )?;
        self.begin_deploy(&input.bucket);
        self.within(call, &input.bucket, |bucket| {
            let page = query.page(&bucket.objects);
            Ok(ListObjectsOutput {
                name: Some(input.bucket.clone()),
                prefix: Some(encoding.write(&query.prefix)),
                marker: Some(encoding.write(&query.after)),
                max_keys: i32::try_from(query.most).ok(),
                is_truncated: Some(page.next.is_some()),
                contents: Some(encoding.objects(&page.entries, true)),
                common_prefixes: encoding.prefixes(page.prefixes),
                next_marker: page
                    .next
                    .filter(|_| query.delimiter.is_some())
                    .map(|next| encoding.write(&next)),
                delimiter: query.delimiter.as_deref().map(|it| encoding.write(it)),
                encoding_type: encoding.0,
                ..ListObjectsOutput::default()
            })
        })
    }

    pub(super) fn list_objects_v2(
        &self,
        call: &Call,
        input: ListObjectsV2Input,
    ) -> S3Result<ListObjectsV2Output> {
        let encoding = Encoding::of(input.encoding_type)?;
        let token = input.continuation_token.as_deref();
        let after = token.map(key_of).transpose()?;
        let query = Query::new(
            input.prefix.as_deref(),
            input.delimiter.as_deref(),
            after.as_deref().or(input.start_after.as_deref()),
            input.max_keys,
        )?;
        self.begin_deploy(&input.bucket);
        self.within(call, &input.bucket, |bucket| {
            let page = query.page(&bucket.objects);
            let count = page.entries.len() + page.prefixes.len();
            Ok(ListObjectsV2Output {
                name: Some(input.bucket.clone()),
                prefix: Some(encoding.write(&query.prefix)),
                max_keys: i32::try_from(query.most).ok(),
                key_count: i32::try_from(count).ok(),
                continuation_token: input.continuation_token.clone(),
                is_truncated: Some(page.next.is_some()),
                next_continuation_token: page.next.map(|next| BASE64.encode(next)),
                contents: Some(encoding.objects(&page.entries, input.fetch_owner == Some(true))),
                common_prefixes: encoding.prefixes(page.prefixes),
                delimiter: query.delimiter.as_deref().map(|it| encoding.write(it)),
                start_after: input.start_after.as_deref().map(|it| encoding.write(it)),
                encoding_type: encoding.0,
                ..ListObjectsV2Output::default()
            })
        })
    }

    /// Every object has one version, whose id is `null`.
    pub(super) fn list_object_versions(
        &self,
        call: &Call,
        input: ListObjectVersionsInput,
    ) -> S3Result<ListObjectVersionsOutput> {
        let encoding = Encoding::of(input.encoding_type)?;
        let query = Query::new(
            input.prefix.as_deref(),
            input.delimiter.as_deref(),
            input.key_marker.as_deref(),
            input.max_keys,
        )?;
        self.within(call, &input.bucket, |bucket| {
            let page = query.page(&bucket.objects);
            let objects = encoding.objects(&page.entries, true).into_iter();
            let versions = objects.map(|object| ObjectVersion {
                checksum_algorithm: object.checksum_algorithm,
                checksum_type: object.checksum_type,
                e_tag: object.e_tag,
                is_latest: Some(true),
                key: object.key,
                last_modified: object.last_modified,
                owner: object.owner,
                restore_status: None,
                size: object.size,
                storage_class: object.storage_class.map(|it| it.as_str().to_owned().into()),
                version_id: Some("null".into()),
            });
            Ok(ListObjectVersionsOutput {
                name: Some(input.bucket.clone()),
                prefix: Some(encoding.write(&query.prefix)),
                key_marker: Some(encoding.write(&query.after)),
                version_id_marker: Some(input.version_id_marker.clone().unwrap_or_default()),
                max_keys: i32::try_from(query.most).ok(),
                is_truncated: Some(page.next.is_some()),
                next_version_id_marker: page.next.as_ref().map(|_| "null".into()),
                next_key_marker: page.next.map(|next| encoding.write(&next)),
                versions: Some(versions.collect()),
                common_prefixes: encoding.prefixes(page.prefixes),
                delimiter: query.delimiter.as_deref().map(|it| encoding.write(it)),
                encoding_type: encoding.0,
                ..ListObjectVersionsOutput::default()
            })
        })
    }

    pub(super) fn list_multipart_uploads(
        &self,
        call: &Call,
        input: ListMultipartUploadsInput,
    ) -> S3Result<ListMultipartUploadsOutput> {
        let encoding = Encoding::of(input.encoding_type)?;
        // In the order of keys, and of one key in that of their beginnings.
        let marker = input.key_marker.as_deref().unwrap_or_default();
        let id_marker = input.upload_id_marker.as_deref().unwrap_or_default();
        let query = Query::new(
            input.prefix.as_deref(),
            input.delimiter.as_deref(),
            None,
            input.max_uploads,
        )?;
        self.within(call, &input.bucket, |bucket| {
            let mut all: BTreeMap<String, (&String, &super::multipart::Uploading)> =
                BTreeMap::new();
            for (id, upload) in &bucket.uploads {
                let since = upload.initiated.duration_since(std::time::UNIX_EPOCH);
                let since = since.unwrap_or_default().as_millis();
                all.insert(format!("{}\0{since:020}\0{id}", upload.key), (id, upload));
            }
            if !marker.is_empty() {
                let at = all
                    .iter()
                    .find(|(_, (id, upload))| upload.key == marker && *id == id_marker);
                let after = at.map_or_else(|| format!("{marker}\u{1}"), |(place, _)| place.clone());
                all = all.split_off(&format!("{after}\u{1}"));
            }
            let page = query.page(&all);
            let uploads = page
                .entries
                .iter()
                .map(|(_, (id, upload))| MultipartUpload {
                    checksum_algorithm: upload.algorithm.clone(),
                    checksum_type: upload.checksum_type.clone(),
                    initiated: Some(upload.initiated.into()),
                    initiator: Some(initiator()),
                    key: Some(encoding.write(&upload.key)),
                    owner: Some(owner()),
                    storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
                    upload_id: Some((*id).clone()),
                });
            let uploads: Vec<MultipartUpload> = uploads.collect();
            let last = uploads.last().cloned().unwrap_or_default();
            let is_truncated = page.next.is_some();
            Ok(ListMultipartUploadsOutput {
                bucket: Some(input.bucket.clone()),
                prefix: Some(encoding.write(&query.prefix)),
                key_marker: Some(encoding.write(marker)),
                upload_id_marker: Some(id_marker.into()),
                max_uploads: i32::try_from(query.most).ok(),
                is_truncated: Some(is_truncated),
                next_key_marker: Some(last.key.unwrap_or_default()),
                next_upload_id_marker: Some(last.upload_id.unwrap_or_default()),
                uploads: Some(uploads),
                common_prefixes: encoding.prefixes(page.prefixes),
                delimiter: query.delimiter.as_deref().map(|it| encoding.write(it)),
                encoding_type: encoding.0,
                ..ListMultipartUploadsOutput::default()
            })
        })
    }
}

/// The key that a continuation token names.
fn key_of(token: &str) -> S3Result<String> {
    let bad = || -> S3Error {
        s3_error!(
            InvalidArgument,
            "The continuation token provided is incorrect"
        )
    };
    let key = BASE64.decode(token).map_err(|_| bad())?;
    String::from_utf8(key).map_err(|_| bad())
}
