//! Conditions on requests: If-Match and its like.

use hyper::HeaderMap;
use hyper::header::{ETAG, LAST_MODIFIED};
use s3s::dto::{ETagCondition, Timestamp, TimestampFormat};
use s3s::{S3Error, S3Result, s3_error};

use super::object::Object;

/// The conditions of a read, or on the source of a copy.
#[derive(Default)]
pub(super) struct Conditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
    pub(super) if_modified_since: Option<Timestamp>,
    pub(super) if_unmodified_since: Option<Timestamp>,
}

impl Conditions {
    /// Refuses to read an object that does not meet the conditions.
    pub(super) fn check(&self, object: &Object) -> S3Result<()> {
        let modified = object.modified_second();
        let is_the_one = match &self.if_match {
            Some(condition) => matches(condition, object),
            None => {
                let bound = self.if_unmodified_since.as_ref();
                bound.is_none_or(|bound| modified <= *bound)
            }
        };
        if !is_the_one {
            return Err(failed());
        }
        let is_known = match &self.if_none_match {
            Some(condition) => matches(condition, object),
            None => {
                let bound = self.if_modified_since.as_ref();
                bound.is_some_and(|bound| modified <= *bound)
            }
        };
        if is_known {
            return Err(not_modified(object));
        }
        Ok(())
    }

    /// Refuses to copy an object that does not meet the conditions: always by 412.
    pub(super) fn check_source(&self, object: &Object) -> S3Result<()> {
        self.check(object).map_err(|_| failed())
    }
}

/// Refuses to write over an object, or where none is, against the conditions of the write.
pub(super) fn check_write(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
    there: Option<&Object>,
) -> S3Result<()> {
    if let Some(condition) = if_match {
        let object = there.ok_or_else(no_such_key)?;
        if !matches(condition, object) {
            return Err(failed());
        }
    }
    if let (Some(condition), Some(object)) = (if_none_match, there)
        && matches(condition, object)
    {
        return Err(failed());
    }
    Ok(())
}

pub(super) fn no_such_key() -> S3Error {
    s3_error!(NoSuchKey, "The specified key does not exist.")
}

fn matches(condition: &ETagCondition, object: &Object) -> bool {
    let etag = condition.as_etag();
    etag.is_none_or(|etag| etag.value() == object.etag)
}

fn failed() -> S3Error {
    s3_error!(
        PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold"
    )
}

/// The refusal that says that the client has the object already.
fn not_modified(object: &Object) -> S3Error {
    let mut error = s3_error!(NotModified, "Not Modified");
    let mut headers = HeaderMap::new();
    let mut date = Vec::new();
    if let Ok(etag) = object.etag().to_http_header() {
        headers.insert(ETAG, etag);
    }
    let modified = object.modified_second();
    if modified
        .format(TimestampFormat::HttpDate, &mut date)
        .is_ok()
        && let Ok(date) = date.try_into()
    {
        headers.insert(LAST_MODIFIED, date);
    }
    error.set_headers(headers);
    error
}
