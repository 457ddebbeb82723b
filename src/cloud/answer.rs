//! How a request ends: with a response, or in one of the ways a broken network has.

use std::io;
use std::sync::Arc;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::Value;

use crate::plan::Outage;

/// A body; an error ends the connection within it.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// How a request ends.
pub(super) enum Answer {
    Reply(Response<Body>),
    /// No answer, for as long as the other side waits.
    Never,
    /// The connection is closed without an answer.
    Close,
    /// The connection is reset.
    Reset,
}

impl Answer {
    /// How a service that is down answers; `slow_down` is how it asks for less.
    pub(super) fn of_outage(outage: Outage, slow_down: impl FnOnce() -> Self) -> Self {
        match outage {
            Outage::SlowDown => slow_down(),
            Outage::Refused => Self::Close,
            Outage::Reset => Self::Reset,
            Outage::Timeout => Self::Never,
        }
    }
}

/// The dialects of AWS JSON.
pub(super) const JSON_1_0: &str = "application/x-amz-json-1.0";
pub(super) const JSON_1_1: &str = "application/x-amz-json-1.1";

pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    let body = Full::new(bytes.into());
    body.map_err(|never| match never {}).boxed_unsync()
}

/// A response with a body of one type.
pub(super) fn reply(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

pub(super) fn json(status: StatusCode, content_type: &'static str, body: &Value) -> Answer {
    Answer::Reply(reply(status, content_type, body.to_string()))
}

/// An error of an AWS JSON service: its code and message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct AwsError {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl AwsError {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// The code of the error that an answer is; part of its extensions.
#[derive(Clone, Debug)]
pub(super) struct ErrorCode(pub(super) Arc<str>);
