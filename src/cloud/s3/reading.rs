//! Objects as they are read.

use std::ops::Range;

use hyper::StatusCode;
use hyper::body::Bytes;
use s3s::dto::*;
use s3s::{S3Result, s3_error};

use super::conditions::{Conditions, no_such_key};
use super::object::{Object, described, set_sums};
use super::store::{Bucket, Buckets};
use super::{Call, refusal};

impl Buckets {
    /// An object, where the call may know of it.
    pub(super) fn find<'a>(
        &self,
        call: &Call,
        bucket: &'a Bucket,
        name: &str,
        key: &str,
    ) -> S3Result<&'a Object> {
        bucket.objects.get(key).ok_or_else(|| {
            // Who may not list a bucket does not learn what is not in it.
            let listed = self.permits(call, bucket, "s3:ListBucket", name, "");
            if listed.is_ok() {
                no_such_key()
            } else {
                denied()
            }
        })
    }

    pub(super) fn get_object(
        &self,
        call: &Call,
        input: GetObjectInput,
    ) -> S3Result<GetObjectOutput> {
        check_version(input.version_id.as_deref())?;
        let conditions = Conditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        self.within(call, &input.bucket, |bucket| {
            let object = self.find(call, bucket, &input.bucket, &input.key)?;
            conditions.check(object)?;
            let span = span(object, input.range, input.part_number)?;
            let mut output = described!(GetObjectOutput, object);
            let bytes = match &span {
                Some(span) => object.bytes.slice(span.clone()),
                None => object.bytes.clone(),
            };
            if span.is_none() && input.checksum_mode.is_some() {
                set_sums!(output, object.sums);
                output.checksum_type = object.sums.checksum_type.clone();
            }
            output.content_range = span.map(|span| content_range(&span, &object.bytes));
            output.content_length = i64::try_from(bytes.len()).ok();
            output.tag_count = i32::try_from(object.tags.len()).ok().filter(|n| *n > 0);
            output.parts_count = parts_count(object, input.part_number);
            output.body = Some(StreamingBlob::from(s3s::Body::from(bytes)));
            Ok(output)
        })
    }

    pub(super) fn head_object(
        &self,
        call: &Call,
        input: HeadObjectInput,
    ) -> S3Result<HeadObjectOutput> {
        check_version(input.version_id.as_deref())?;
        let conditions = Conditions {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        self.within(call, &input.bucket, |bucket| {
            let object = self.find(call, bucket, &input.bucket, &input.key)?;
            conditions.check(object)?;
            let span = span(object, input.range, input.part_number)?;
            let mut output = described!(HeadObjectOutput, object);
            if span.is_none() && input.checksum_mode.is_some() {
                set_sums!(output, object.sums);
                output.checksum_type = object.sums.checksum_type.clone();
            }
            let length = span
                .as_ref()
                .map_or(object.bytes.len(), ExactSizeIterator::len);
            output.content_range = span.map(|span| content_range(&span, &object.bytes));
            output.content_length = i64::try_from(length).ok();
            output.parts_count = parts_count(object, input.part_number);
            Ok(output)
        })
    }

    pub(super) fn get_object_attributes(
        &self,
        call: &Call,
        input: GetObjectAttributesInput,
    ) -> S3Result<GetObjectAttributesOutput> {
        check_version(input.version_id.as_deref())?;
        let wants = |name| {
            // Some clients write all of them in one header.
            let mut said = input.object_attributes.iter();
            said.any(|said| said.as_str().split(',').any(|it| it.trim() == name))
        };
        self.within(call, &input.bucket, |bucket| {
            let object = self.find(call, bucket, &input.bucket, &input.key)?;
            let has_sums = object.sums.checksum_type.is_some();
            let parts = || GetObjectAttributesParts {
                is_truncated: Some(false),
                max_parts: Some(1000),
                next_part_number_marker: Some(0),
                part_number_marker: Some(0),
                parts: has_sums.then(|| attributes_of_parts(object)),
                total_parts_count: i32::try_from(object.parts.len()).ok(),
            };
            Ok(GetObjectAttributesOutput {
                checksum: (wants(ObjectAttributes::CHECKSUM) && has_sums)
                    .then(|| object.sums.clone()),
                e_tag: wants(ObjectAttributes::ETAG).then(|| object.etag()),
                last_modified: Some(object.modified()),
                object_parts: (wants(ObjectAttributes::OBJECT_PARTS) && !object.parts.is_empty())
                    .then(parts),
                object_size: wants(ObjectAttributes::OBJECT_SIZE).then(|| object.size()),
                storage_class: wants(ObjectAttributes::STORAGE_CLASS)
                    .then(|| object.storage_class().to_owned().into()),
                ..GetObjectAttributesOutput::default()
            })
        })
    }
}

fn attributes_of_parts(object: &Object) -> Vec<s3s::dto::ObjectPart> {
    let parts = object.parts.iter();
    parts
        .map(|part| {
            let mut output = s3s::dto::ObjectPart {
                part_number: Some(part.number),
                size: i64::try_from(part.size).ok(),
                ..s3s::dto::ObjectPart::default()
            };
            set_sums!(output, part.sums);
            output
        })
        .collect()
}

pub(super) fn denied() -> s3s::S3Error {
    s3_error!(AccessDenied, "Access Denied")
}

/// Versions are not kept: every object has one, whose id is `null`.
pub(super) fn check_version(version_id: Option<&str>) -> S3Result<()> {
    match version_id {
        None | Some("null") => Ok(()),
        Some(_) => Err(s3_error!(
            NoSuchVersion,
            "The specified version does not exist."
        )),
    }
}

/// The part of an object that is asked for, where that is not all of it.
fn span(
    object: &Object,
    range: Option<s3s::dto::Range>,
    part_number: Option<i32>,
) -> S3Result<Option<Range<usize>>> {
    let unsatisfiable = || s3_error!(InvalidRange, "The requested range is not satisfiable");
    let length = object.bytes.len();
    if let Some(range) = range {
        let all = u64::try_from(length).unwrap_or(u64::MAX);
        let span = range.check(all).map_err(|_| unsatisfiable())?;
        let bound = |at| usize::try_from(at).unwrap_or(length);
        return Ok(Some(bound(span.start)..bound(span.end)));
    }
    let Some(number) = part_number else {
        return Ok(None);
    };
    let mut from = 0;
    for part in &object.parts {
        if part.number == number {
            return Ok(Some(from..from + part.size));
        }
        from += part.size;
    }
    match number {
        1 if object.parts.is_empty() => Ok((length > 0).then_some(0..length)),
        _ => Err(refusal(
            "InvalidPartNumber",
            StatusCode::RANGE_NOT_SATISFIABLE,
            "The requested partnumber is not satisfiable",
        )),
    }
}

fn content_range(span: &Range<usize>, all: &Bytes) -> String {
    let last = span.end.saturating_sub(1);
    format!("bytes {}-{last}/{}", span.start, all.len())
}

/// How many parts an object has, which is said where one is asked for.
fn parts_count(object: &Object, part_number: Option<i32>) -> Option<i32> {
    part_number.and_then(|_| i32::try_from(object.parts.len()).ok().filter(|n| *n > 0))
}
