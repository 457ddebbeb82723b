//! A client's site, as a bucket on S3.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use md5::{Digest, Md5};

use super::aws::read_error;
use super::secrets::Secrets;
use crate::worker::ports::{PortResult, Site};

/// A bucket whose objects' ETags are the MD5 of their bytes, as S3 has it for objects that are put
/// in one part and not encrypted with KMS. Where they are not, every object counts as changed.
pub struct S3Site {
    pub client: Client,
    pub bucket: String,
    pub secrets: Secrets,
}

#[async_trait(?Send)]
impl Site for S3Site {
    async fn list(&self) -> PortResult<BTreeMap<Arc<str>, Arc<str>>> {
        let mut objects = BTreeMap::new();
        let mut next = None;
        loop {
            let page = self
                .client
                .list_objects_v2()
                .bucket(&self.bucket)
                .set_continuation_token(next)
                .send()
                .await
                .map_err(|error| read_error("ListObjectsV2", &error, &self.secrets))?;
            for object in page.contents.unwrap_or_default() {
                let digest = object.e_tag.unwrap_or_default();
                if let Some(key) = object.key {
                    objects.insert(key.into(), digest.trim_matches('"').into());
                }
            }
            next = page.next_continuation_token;
            if page.is_truncated != Some(true) || next.is_none() {
                return Ok(objects);
            }
        }
    }

    async fn put(&self, key: &str, bytes: &Arc<[u8]>) -> PortResult<()> {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type(content_type(key))
            .body(ByteStream::from(bytes.to_vec()))
            .send()
            .await
            .map_err(|error| read_error(&format!("PutObject {key}"), &error, &self.secrets))?;
        Ok(())
    }

    async fn delete(&self, key: &str) -> PortResult<()> {
        self.client
            .delete_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await
            .map_err(|error| read_error(&format!("DeleteObject {key}"), &error, &self.secrets))?;
        Ok(())
    }

    fn digest(&self, bytes: &[u8]) -> Arc<str> {
        let mut text = String::with_capacity(32);
        for byte in Md5::digest(bytes) {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text.into()
    }
}

/// The headers that a browser needs for a file of a site.
fn content_type(key: &str) -> &'static str {
    match key.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "xml" => "application/xml",
        "txt" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "pdf" => "application/pdf",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}
