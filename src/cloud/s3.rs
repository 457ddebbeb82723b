//! S3: `s3s` in front of `s3s-fs`, with the faults of the contract and a record of what changed.

mod buckets;
mod objects;
mod partial;
mod policy;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http_body_util::BodyExt;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Request, S3Result, s3_error};

use self::buckets::Buckets;
pub(super) use self::objects::md5;
use super::answer::{Answer, full, reply};
use super::credentials::{ACCESS_KEY, SECRET_KEY};
use super::faults::Active;
use super::recorder::Recorder;
use super::route::Asked;
use super::services::Services;
use crate::error::TargetError;
use crate::history::{S3Operation, S3Outcome, What};
use crate::oracle::Objects;
use crate::plan::{ClientId, Outage, Place};

/// The buckets of all clients.
pub(super) struct S3 {
    service: S3Service,
    buckets: Buckets,
}

impl S3 {
    /// Makes the bucket of each client under a folder of its own.
    pub(super) fn new(
        root: &Path,
        names: BTreeMap<ClientId, String>,
        recorder: Arc<Recorder>,
    ) -> Result<Self, TargetError> {
        let buckets = Buckets::new(root, names, recorder)?;
        let mut builder = S3ServiceBuilder::new(buckets.clone());
        builder.set_auth(s3s::auth::SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        Ok(Self {
            service: builder.build(),
            buckets,
        })
    }

    /// Lets the change that is under way end, and takes no other.
    pub(super) fn close(&self) {
        self.buckets.close();
    }

    /// The objects of each client's site.
    pub(super) fn sites(&self) -> Result<BTreeMap<ClientId, Objects>, TargetError> {
        self.buckets.sites()
    }
}

/// What travels with a request through `s3s` to the buckets.
pub(super) struct Call {
    /// The container that asks.
    client: ClientId,
    faults: Active,
    /// Whether the answer will be lost whatever it is.
    loses_answer: bool,
    /// Whether the answer to this very request turned out to be lost.
    lost: AtomicBool,
    /// Whether the request was refused with SlowDown. The services' own log shows every server
    /// error, so this one does not go through it.
    slowed: AtomicBool,
    /// Whether a change was recorded, so that the request needs no record of its own.
    changed: AtomicBool,
}

impl Call {
    /// The call that a request belongs to.
    fn of<T>(request: &S3Request<T>) -> S3Result<Arc<Self>> {
        let call = request.extensions.get::<Arc<Self>>().cloned();
        call.ok_or_else(|| s3_error!(InternalError, "a request came past its front"))
    }
}

/// Answers a request to S3.
pub(super) async fn answer(services: &Services, asked: Asked) -> Answer {
    let operation = operation(&asked.parts);
    let record = |outcome| {
        if let Some(operation) = operation {
            services.recorder.record(What::S3Asked {
                client: asked.client.clone(),
                operation,
                outcome,
            });
        }
    };
    let mut loses_answer = false;
    if let Some(outage) = asked.faults.outage(Place::S3) {
        loses_answer = outage == Outage::Reset && services.faults.either();
        if !loses_answer {
            record(S3Outcome::Unavailable);
            return Answer::of_outage(outage, slow_down);
        }
    }
    let call = Arc::new(Call {
        client: asked.client.clone(),
        faults: asked.faults.clone(),
        loses_answer,
        lost: AtomicBool::new(false),
        slowed: AtomicBool::new(false),
        changed: AtomicBool::new(false),
    });
    let mut request = Request::from_parts(asked.parts.clone(), s3s::Body::from(asked.body.clone()));
    request.extensions_mut().insert(call.clone());
    let Some(response) = call_service(services, request).await else {
        return Answer::Close;
    };
    let is_slowed = call.slowed.load(Ordering::Relaxed);
    if !call.changed.load(Ordering::Relaxed) {
        record(if loses_answer || is_slowed {
            S3Outcome::Unavailable
        } else {
            outcome(&response)
        });
    }
    if loses_answer {
        Answer::Reset
    } else if is_slowed {
        slow_down()
    } else if call.lost.load(Ordering::Relaxed) {
        Answer::Never
    } else {
        Answer::Reply(response.map(full))
    }
}

async fn call_service(
    services: &Services,
    request: Request<s3s::Body>,
) -> Option<Response<hyper::body::Bytes>> {
    let response = services.s3.service.call(request).await.ok()?;
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.ok()?.to_bytes();
    Some(Response::from_parts(parts, bytes))
}

/// What a request asks for, as far as the history records it: not policies.
fn operation(parts: &Parts) -> Option<S3Operation> {
    let query = parts.uri.query().unwrap_or_default();
    if query.split('&').any(|part| part.starts_with("policy")) {
        return None;
    }
    let names_key = parts
        .uri
        .path()
        .trim_start_matches('/')
        .split_once('/')
        .is_some_and(|(_, key)| !key.is_empty());
    Some(match parts.method {
        Method::PUT => S3Operation::Put,
        Method::DELETE | Method::POST => S3Operation::Delete,
        _ if names_key => S3Operation::Get,
        _ => S3Operation::List,
    })
}

/// How a request ended, by its answer.
fn outcome(response: &Response<hyper::body::Bytes>) -> S3Outcome {
    let is_missing_bucket = || {
        let body = response.body();
        String::from_utf8_lossy(body).contains("<Code>NoSuchBucket</Code>")
    };
    match response.status() {
        StatusCode::FORBIDDEN => S3Outcome::Denied,
        StatusCode::NOT_FOUND if is_missing_bucket() => S3Outcome::NoSuchBucket,
        status if status.is_server_error() => S3Outcome::Unavailable,
        _ => S3Outcome::Done,
    }
}

fn slow_down() -> Answer {
    let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>SlowDown</Code>\
                <Message>Please reduce your request rate.</Message></Error>";
    Answer::Reply(reply(
        StatusCode::SERVICE_UNAVAILABLE,
        "application/xml",
        body,
    ))
}

#[cfg(test)]
mod tests;
