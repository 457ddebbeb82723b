//! An object: its bytes, and all that S3 keeps with them.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::body::Bytes;
use s3s::dto::{
    Checksum, ETag, Grant, Metadata, ServerSideEncryption, StorageClass, Tag, Timestamp,
};

use crate::history::Content;

/// An object of a bucket.
#[derive(Clone)]
pub(super) struct Object {
    pub(super) bytes: Bytes,
    /// The ETag without its quotes.
    pub(super) etag: String,
    pub(super) modified: SystemTime,
    pub(super) headers: Headers,
    pub(super) sums: Checksum,
    /// The parts that it was uploaded in, where there were such.
    pub(super) parts: Vec<ObjectPart>,
    pub(super) tags: Vec<Tag>,
    pub(super) grants: Vec<Grant>,
    /// What the judge sees of it.
    pub(super) content: Arc<Content>,
}

/// One part of an object that was uploaded in parts.
#[derive(Clone)]
pub(super) struct ObjectPart {
    pub(super) number: i32,
    pub(super) size: usize,
    pub(super) sums: Checksum,
}

/// What a client says about an object, and is given back with it.
#[derive(Clone, Default)]
pub(super) struct Headers {
    pub(super) cache_control: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) expires: Option<Timestamp>,
    pub(super) metadata: Option<Metadata>,
    pub(super) storage_class: Option<StorageClass>,
    pub(super) server_side_encryption: Option<ServerSideEncryption>,
    pub(super) website_redirect_location: Option<String>,
}

impl Object {
    pub(super) fn size(&self) -> i64 {
        size(&self.bytes)
    }

    pub(super) fn etag(&self) -> ETag {
        ETag::Strong(self.etag.clone())
    }

    pub(super) fn modified(&self) -> Timestamp {
        self.modified.into()
    }

    /// When it was changed in whole seconds, as HTTP's dates have it.
    pub(super) fn modified_second(&self) -> Timestamp {
        let since = self.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        (UNIX_EPOCH + std::time::Duration::from_secs(since.as_secs())).into()
    }

    pub(super) fn storage_class(&self) -> &str {
        let class = self.headers.storage_class.as_ref();
        class.map_or(StorageClass::STANDARD, StorageClass::as_str)
    }
}

impl Headers {
    /// Sets what S3 sets: the type where none was given; `aws-chunked` is how the body travelled
    /// and not the object's encoding.
    pub(super) fn completed(mut self) -> Self {
        let encodings = self.content_encoding.take().unwrap_or_default();
        let kept: Vec<&str> = encodings
            .split(',')
            .map(str::trim)
            .filter(|encoding| !encoding.is_empty() && *encoding != "aws-chunked")
            .collect();
        self.content_encoding = (!kept.is_empty()).then(|| kept.join(","));
        let given = self.content_type.take();
        let given = given.filter(|content_type| !content_type.is_empty());
        self.content_type = given.or_else(|| Some("binary/octet-stream".into()));
        self
    }
}

pub(super) fn size(bytes: &Bytes) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

/// What S3 stores as the time of a change: now, in milliseconds.
pub(super) fn now() -> SystemTime {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let millis = u64::try_from(since.as_millis()).unwrap_or_default();
    UNIX_EPOCH + std::time::Duration::from_millis(millis)
}

/// Takes the [`Headers`] out of a request that has them.
macro_rules! take_headers {
    ($input:expr) => {
        $crate::cloud::s3::object::Headers {
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $input.content_encoding.take(),
            content_language: $input.content_language.take(),
            content_type: $input.content_type.take(),
            expires: $input.expires.take(),
            metadata: $input.metadata.take(),
            storage_class: $input.storage_class.take(),
            server_side_encryption: $input.server_side_encryption.take(),
            website_redirect_location: $input.website_redirect_location.take(),
        }
        .completed()
    };
}

/// The answer that describes an object, but for its length and body.
macro_rules! described {
    ($output:ident, $object:expr) => {{
        let object: &$crate::cloud::s3::object::Object = $object;
        let headers = object.headers.clone();
        $output {
            accept_ranges: Some("bytes".into()),
            e_tag: Some(object.etag()),
            last_modified: Some(object.modified()),
            cache_control: headers.cache_control,
            content_disposition: headers.content_disposition,
            content_encoding: headers.content_encoding,
            content_language: headers.content_language,
            content_type: headers.content_type,
            expires: headers.expires,
            metadata: headers.metadata,
            storage_class: headers
                .storage_class
                .filter(|class| class.as_str() != s3s::dto::StorageClass::STANDARD),
            server_side_encryption: headers.server_side_encryption,
            website_redirect_location: headers.website_redirect_location,
            ..$output::default()
        }
    }};
}

/// Sets the checksums of an answer.
macro_rules! set_sums {
    ($output:expr, $sums:expr) => {{
        let sums: s3s::dto::Checksum = $sums.clone();
        $output.checksum_crc32 = sums.checksum_crc32;
        $output.checksum_crc32c = sums.checksum_crc32c;
        $output.checksum_crc64nvme = sums.checksum_crc64nvme;
        $output.checksum_sha1 = sums.checksum_sha1;
        $output.checksum_sha256 = sums.checksum_sha256;
    }};
}

/// Takes the checksums that a client says out of its request.
macro_rules! take_sums {
    ($input:expr) => {
        s3s::dto::Checksum {
            checksum_crc32: $input.checksum_crc32.take(),
            checksum_crc32c: $input.checksum_crc32c.take(),
            checksum_crc64nvme: $input.checksum_crc64nvme.take(),
            checksum_sha1: $input.checksum_sha1.take(),
            checksum_sha256: $input.checksum_sha256.take(),
            checksum_type: None,
        }
    };
}

pub(super) use {described, set_sums, take_headers, take_sums};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_body_travelled_is_not_its_encoding() {
        for (given, kept) in [
            (None, None),
            (Some("aws-chunked"), None),
            (Some("aws-chunked, gzip"), Some("gzip")),
            (Some("gzip,aws-chunked"), Some("gzip")),
            (Some("br"), Some("br")),
        ] {
            let headers = Headers {
                content_encoding: given.map(str::to_owned),
                ..Headers::default()
            };
            let headers = headers.completed();
            assert_eq!(headers.content_encoding.as_deref(), kept, "{given:?}");
            let content_type = headers.content_type.unwrap();
            assert_eq!(content_type, "binary/octet-stream");
        }
    }
}
