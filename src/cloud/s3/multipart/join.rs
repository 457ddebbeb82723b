//! How parts make an object.

use std::sync::Arc;

use hyper::body::Bytes;
use s3s::dto::{Checksum, ChecksumType, CompletedPart};
use s3s::{S3Result, s3_error};

use super::{Part, Uploading};
use crate::cloud::s3::digest::{etag_of_parts, hex, sums_of, sums_of_parts};
use crate::cloud::s3::object::{self, Object, ObjectPart};
use crate::history::Content;

/// The smallest size of a part but the last, in bytes.
const SMALLEST_PART: usize = 5 << 20;

/// The bytes of a range as `bytes=0-9` names it.
pub(super) fn slice(bytes: &Bytes, range: &str) -> S3Result<Bytes> {
    let bad = || {
        s3_error!(
            InvalidArgument,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first \
             and last are the zero-based offsets of the first and last bytes to copy"
        )
    };
    let (first, last) = range
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
        .ok_or_else(bad)?;
    let first: usize = first.parse().map_err(|_| bad())?;
    let last: usize = last.parse().map_err(|_| bad())?;
    if first > last || last >= bytes.len() {
        return Err(s3_error!(
            InvalidRange,
            "Range specified is not valid for source object of size: {}",
            bytes.len()
        ));
    }
    Ok(bytes.slice(first..=last))
}

/// The parts that a client names for its object, as S3 takes them.
pub(super) fn choose(upload: &Uploading, named: &[CompletedPart]) -> S3Result<Vec<(i32, Part)>> {
    if named.is_empty() {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published \
             schema"
        ));
    }
    let numbers = named.iter().map(|part| part.part_number.unwrap_or(0));
    if !numbers.is_sorted_by(|a, b| a < b) {
        return Err(s3_error!(
            InvalidPartOrder,
            "The list of parts was not in ascending order. The parts list must be specified in \
             order by part number."
        ));
    }
    let mut chosen = Vec::new();
    for it in named {
        let number = it.part_number.unwrap_or(0);
        let part = upload.parts.get(&number);
        let is_it = |part: &&Part| {
            let etag = it.e_tag.as_ref();
            etag.is_none_or(|etag| etag.value() == hex(&part.md5))
        };
        let part = part.filter(is_it).ok_or_else(|| {
            s3_error!(
                InvalidPart,
                "One or more of the specified parts could not be found. The part may not have \
                 been uploaded, or the specified entity tag may not match the part's entity tag."
            )
        })?;
        chosen.push((number, part.clone()));
    }
    let (_, but_last) = chosen.split_last().unwrap_or((&chosen[0], &[]));
    if but_last
        .iter()
        .any(|(_, part)| part.bytes.len() < SMALLEST_PART)
    {
        return Err(s3_error!(
            EntityTooSmall,
            "Your proposed upload is smaller than the minimum allowed size"
        ));
    }
    Ok(chosen)
}

/// The object that the parts make.
pub(super) fn join(
    upload: Uploading,
    parts: &[(i32, Part)],
    bytes: Bytes,
    content: Arc<Content>,
) -> Object {
    let is_whole =
        upload.checksum_type.as_ref().map(ChecksumType::as_str) == Some(ChecksumType::FULL_OBJECT);
    let sums = match &upload.algorithm {
        None => Checksum::default(),
        Some(algorithm) if is_whole => sums_of(&bytes, std::slice::from_ref(algorithm)),
        Some(algorithm) => {
            let sums: Vec<&Checksum> = parts.iter().map(|(_, part)| &part.sums).collect();
            sums_of_parts(&sums, algorithm)
        }
    };
    let md5s: Vec<[u8; 16]> = parts.iter().map(|(_, part)| part.md5).collect();
    Object {
        bytes,
        etag: etag_of_parts(&md5s),
        modified: object::now(),
        headers: upload.headers,
        sums,
        parts: parts
            .iter()
            .map(|(number, part)| ObjectPart {
                number: *number,
                size: part.bytes.len(),
                sums: part.sums.clone(),
            })
            .collect(),
        tags: upload.tags,
        grants: upload.grants,
        content,
    }
}
