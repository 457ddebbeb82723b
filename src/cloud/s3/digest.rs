//! The sums of bytes: ETags, and the checksums that clients send along and S3 checks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::TryStreamExt;
use hyper::HeaderMap;
use hyper::body::Bytes;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as Hash, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::{Checksum, ChecksumAlgorithm, ChecksumType, StreamingBlob};
use s3s::{S3Result, TrailingHeaders, s3_error};

/// Bytes above this size are hashed on a thread of their own, so that other requests go on.
const BIG: usize = 1 << 20;

/// The body of an upload, checked against what the client said of it.
pub(super) struct Upload {
    pub(super) bytes: Bytes,
    pub(super) md5: [u8; 16],
    pub(super) sums: Checksum,
}

/// What a client said of the body that it sends.
#[derive(Default)]
pub(super) struct Claims {
    pub(super) md5: Option<String>,
    pub(super) sums: Checksum,
    pub(super) algorithm: Option<ChecksumAlgorithm>,
    /// Headers that come after the body.
    pub(super) trailer: Option<TrailingHeaders>,
}

impl Upload {
    /// Reads a body, and with it checks its signature and its sums.
    pub(super) async fn receive(body: Option<StreamingBlob>, mut claims: Claims) -> S3Result<Self> {
        let mut chunks: Vec<Bytes> = Vec::new();
        if let Some(body) = body {
            let read = body.try_collect().await;
            chunks = read.map_err(|error| s3_error!(IncompleteBody, "{error}"))?;
        }
        let bytes = match <[Bytes; 1]>::try_from(chunks) {
            Ok([only]) => only,
            Err(chunks) => chunks.concat().into(),
        };
        if let Some(trailer) = claims.trailer.take().and_then(|trailer| trailer.take()) {
            claims.read_trailer(&trailer);
        }
        let wanted = claims.algorithms();
        let hashed = move |bytes: &[u8]| (Md5::checksum(bytes), sums_of(bytes, &wanted));
        let (md5, sums) = aside(&bytes, hashed).await?;
        claims.check(&md5, &sums)?;
        Ok(Self { bytes, md5, sums })
    }
}

impl Claims {
    fn read_trailer(&mut self, trailer: &HeaderMap) {
        let value = |name| Some(trailer.get(name)?.to_str().ok()?.trim().to_owned());
        let sums = &mut self.sums;
        for (sum, name) in [
            (&mut sums.checksum_crc32, "x-amz-checksum-crc32"),
            (&mut sums.checksum_crc32c, "x-amz-checksum-crc32c"),
            (&mut sums.checksum_crc64nvme, "x-amz-checksum-crc64nvme"),
            (&mut sums.checksum_sha1, "x-amz-checksum-sha1"),
            (&mut sums.checksum_sha256, "x-amz-checksum-sha256"),
        ] {
            *sum = sum.take().or_else(|| value(name));
        }
    }

    /// The algorithms that the client names, or has used.
    fn algorithms(&self) -> Vec<ChecksumAlgorithm> {
        let mut all = algorithms_in(&self.sums);
        all.extend(self.algorithm.clone());
        all
    }

    fn check(&self, md5: &[u8; 16], sums: &Checksum) -> S3Result<()> {
        if let Some(said) = &self.md5 {
            let is_digest = BASE64.decode(said).is_ok_and(|bytes| bytes.len() == 16);
            if !is_digest {
                return Err(s3_error!(
                    InvalidDigest,
                    "The Content-MD5 you specified was invalid."
                ));
            }
            if *said != BASE64.encode(md5) {
                return Err(s3_error!(
                    BadDigest,
                    "The Content-MD5 you specified did not match what we received."
                ));
            }
        }
        check_sums(&self.sums, sums)
    }
}

/// Refuses sums that are not those of the bytes.
pub(super) fn check_sums(said: &Checksum, are: &Checksum) -> S3Result<()> {
    for algorithm in algorithms_in(said) {
        if sum(said, &algorithm) != sum(are, &algorithm) {
            let name = algorithm.as_str();
            return Err(s3_error!(
                BadDigest,
                "The {name} you specified did not match the calculated checksum."
            ));
        }
    }
    Ok(())
}

/// The algorithms of the sums that there are.
pub(super) fn algorithms_in(sums: &Checksum) -> Vec<ChecksumAlgorithm> {
    [
        ChecksumAlgorithm::CRC32,
        ChecksumAlgorithm::CRC32C,
        ChecksumAlgorithm::CRC64NVME,
        ChecksumAlgorithm::SHA1,
        ChecksumAlgorithm::SHA256,
    ]
    .map(ChecksumAlgorithm::from_static)
    .into_iter()
    .filter(|algorithm| sum(sums, algorithm).is_some())
    .collect()
}

pub(super) fn sum<'a>(sums: &'a Checksum, algorithm: &ChecksumAlgorithm) -> Option<&'a String> {
    match algorithm.as_str() {
        ChecksumAlgorithm::CRC32 => sums.checksum_crc32.as_ref(),
        ChecksumAlgorithm::CRC32C => sums.checksum_crc32c.as_ref(),
        ChecksumAlgorithm::CRC64NVME => sums.checksum_crc64nvme.as_ref(),
        ChecksumAlgorithm::SHA1 => sums.checksum_sha1.as_ref(),
        ChecksumAlgorithm::SHA256 => sums.checksum_sha256.as_ref(),
        _ => None,
    }
}

/// The sums of bytes by some algorithms.
pub(super) fn sums_of(bytes: &[u8], algorithms: &[ChecksumAlgorithm]) -> Checksum {
    let has = |name: &str| algorithms.iter().any(|it| it.as_str() == name);
    let mut hasher = ChecksumHasher {
        crc32: has(ChecksumAlgorithm::CRC32).then(Crc32::new),
        crc32c: has(ChecksumAlgorithm::CRC32C).then(Crc32c::new),
        crc64nvme: has(ChecksumAlgorithm::CRC64NVME).then(Crc64Nvme::new),
        sha1: has(ChecksumAlgorithm::SHA1).then(Sha1::new),
        sha256: has(ChecksumAlgorithm::SHA256).then(Sha256::new),
    };
    hasher.update(bytes);
    let is_any = !algorithms.is_empty();
    Checksum {
        checksum_type: is_any.then(|| ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
        ..hasher.finalize()
    }
}

/// The sum of an object in parts: that of the parts' own sums, and how many they are.
pub(super) fn sums_of_parts(parts: &[&Checksum], algorithm: &ChecksumAlgorithm) -> Checksum {
    let mut bytes = Vec::new();
    for part in parts {
        let sum = sum(part, algorithm).and_then(|sum| BASE64.decode(sum).ok());
        bytes.extend(sum.unwrap_or_default());
    }
    let mut sums = sums_of(&bytes, std::slice::from_ref(algorithm));
    sums.checksum_type = Some(ChecksumType::from_static(ChecksumType::COMPOSITE));
    for sum in [
        &mut sums.checksum_crc32,
        &mut sums.checksum_crc32c,
        &mut sums.checksum_crc64nvme,
        &mut sums.checksum_sha1,
        &mut sums.checksum_sha256,
    ] {
        *sum = sum.take().map(|sum| format!("{sum}-{}", parts.len()));
    }
    sums
}

/// The MD5 sum of bytes in hexadecimal digits, which is the ETag of an object.
pub(in crate::cloud) fn md5(bytes: &[u8]) -> String {
    hex(&Md5::checksum(bytes))
}

/// The ETag of an object in parts, by the MD5 sums of the parts.
pub(super) fn etag_of_parts(parts: &[[u8; 16]]) -> String {
    format!("{}-{}", md5(parts.as_flattened()), parts.len())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Computes something of bytes, of big ones on a thread of their own.
pub(super) async fn aside<T: Send + 'static>(
    bytes: &Bytes,
    compute: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> S3Result<T> {
    if bytes.len() < BIG {
        return Ok(compute(bytes));
    }
    let bytes = bytes.clone();
    tokio::task::spawn_blocking(move || compute(&bytes))
        .await
        .map_err(|error| s3_error!(InternalError, "{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_that_s3_documents() {
        assert_eq!(md5(b""), "d41d8cd98f00b204e9800998ecf8427e");
        let crc32 = ChecksumAlgorithm::from_static(ChecksumAlgorithm::CRC32);
        let sums = sums_of(b"123456789", std::slice::from_ref(&crc32));
        assert_eq!(sums.checksum_crc32.as_deref(), Some("y/Q5Jg=="));
        assert_eq!(sums.checksum_sha256, None);
        let two = sums_of_parts(&[&sums, &sums], &crc32);
        assert!(two.checksum_crc32.unwrap().ends_with("==-2"));
        // Of the parts "a" and "b".
        let parts = [b"a", b"b"].map(|part| Md5::checksum(part));
        assert_eq!(
            etag_of_parts(&parts),
            format!("{}-2", md5(&[parts[0], parts[1]].concat()))
        );
    }

    #[tokio::test]
    async fn a_body_that_is_not_what_its_client_said_is_refused() {
        let receive = |claims| {
            let body = s3s::Body::from(Bytes::from_static(b"123456789"));
            Upload::receive(Some(StreamingBlob::from(body)), claims)
        };
        let claims = |md5: &str, crc32: &str| Claims {
            md5: Some(md5.to_owned()).filter(|md5| !md5.is_empty()),
            sums: Checksum {
                checksum_crc32: Some(crc32.to_owned()).filter(|sum| !sum.is_empty()),
                ..Checksum::default()
            },
            ..Claims::default()
        };
        let right = BASE64.encode(Md5::checksum(b"123456789"));
        let upload = receive(claims(&right, "y/Q5Jg==")).await.unwrap();
        assert_eq!(&*upload.bytes, b"123456789");
        assert_eq!(upload.sums.checksum_crc32.as_deref(), Some("y/Q5Jg=="));
        for (md5, crc32, code) in [
            ("bm8=", "", "InvalidDigest"),
            (&*BASE64.encode(Md5::checksum(b"other")), "", "BadDigest"),
            (&*right, "AAAAAA==", "BadDigest"),
        ] {
            let refused = receive(claims(md5, crc32)).await.err().unwrap();
            assert_eq!(refused.code().as_str(), code);
        }
    }
}
