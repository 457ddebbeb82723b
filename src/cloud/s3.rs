//! S3: signatures, XML and routing by `s3s`, the buckets in memory, with the faults of the contract
//! and a record of what changed.

mod operations;
mod store;

mod object;

mod access;
mod acl;
mod bucket;
mod conditions;
mod cors;
mod digest;
mod documents;
mod form;
mod host;
mod listing;
mod multipart;
mod partial;
mod policy;
mod reading;
mod tags;
mod website;
mod writing;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::header::CONTENT_LENGTH;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, TrailingHeaders, s3_error};

use self::access::Keys;
pub(super) use self::digest::md5;
use self::host::{Hosts, Site};
use self::store::Buckets;
use super::answer::{Answer, full, reply};
use super::faults::Active;
use super::hosts;
use super::recorder::Recorder;
use super::route::Asked;
use super::services::Services;
use crate::history::{S3Operation, S3Outcome, What};
use crate::oracle::Objects;
use crate::plan::{ClientId, Outage, Place};

/// The buckets of all clients.
pub(super) struct S3 {
    service: S3Service,
    buckets: Buckets,
}

impl S3 {
    /// Makes the bucket of each client.
    pub(super) fn new(names: BTreeMap<ClientId, String>, recorder: Arc<Recorder>) -> Self {
        let buckets = Buckets::new(names, recorder);
        let mut builder = S3ServiceBuilder::new(buckets.clone());
        builder.set_auth(Keys);
        builder.set_access(buckets.clone());
        builder.set_host(Hosts(buckets.clone()));
        Self {
            service: builder.build(),
            buckets,
        }
    }

    /// The objects of each client's site.
    pub(super) fn sites(&self) -> BTreeMap<ClientId, Objects> {
        self.buckets.sites()
    }
}

/// What travels with a request through `s3s` to the buckets.
pub(super) struct Call {
    /// The container that asks.
    client: ClientId,
    faults: Active,
    headers: HeaderMap,
    /// The address that the request came to.
    base_url: String,
    query: String,
    /// Whether the request is signed, known once that was checked.
    signed: AtomicBool,
    /// The region that it is signed for.
    region: OnceLock<String>,
    /// The headers that come after its body.
    trailer: OnceLock<TrailingHeaders>,
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
    fn new(asked: &Asked, loses_answer: bool) -> Self {
        Self {
            client: asked.client.clone(),
            faults: asked.faults.clone(),
            headers: asked.parts.headers.clone(),
            base_url: hosts::base_url(&asked.parts),
            query: asked.parts.uri.query().unwrap_or_default().into(),
            signed: AtomicBool::new(false),
            region: OnceLock::new(),
            trailer: OnceLock::new(),
            loses_answer,
            lost: AtomicBool::new(false),
            slowed: AtomicBool::new(false),
            changed: AtomicBool::new(false),
        }
    }

    /// The call that a request belongs to.
    fn of<T>(request: &mut S3Request<T>) -> S3Result<Arc<Self>> {
        let call = request.extensions.get::<Arc<Self>>().cloned();
        let call = call.ok_or_else(|| s3_error!(InternalError, "a request came past its front"))?;
        if let Some(region) = request.region.take() {
            let _ = call.region.set(region.as_str().to_owned());
        }
        if let Some(trailer) = request.trailing_headers.take() {
            let _ = call.trailer.set(trailer);
        }
        Ok(call)
    }
}

/// Answers a request to S3.
pub(super) async fn answer(services: &Services, asked: Asked) -> Answer {
    let site = Site::asked(&asked.parts, &services.s3.buckets);
    let operation = operation(&asked.parts, &site);
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
    let call = Arc::new(Call::new(&asked, loses_answer));
    let buckets = &services.s3.buckets;
    if asked.parts.method == Method::OPTIONS {
        let allowed = cors::preflight(buckets, &call, &site, &asked.parts);
        return match loses_answer {
            true => Answer::Reset,
            false => Answer::Reply(allowed),
        };
    }
    if let Site::Website(bucket) = &site {
        let mut page = website::answer(buckets, &call, bucket, &asked.parts);
        cors::add(buckets, &call, &site, &asked.parts, page.headers_mut());
        return match loses_answer {
            true => Answer::Reset,
            false => Answer::Reply(page),
        };
    }
    let mut parts = asked.parts.clone();
    let body = form::fill(&mut parts, &asked.body);
    let mut request = Request::from_parts(parts, s3s::Body::from(body));
    request.extensions_mut().insert(call.clone());
    let Some(mut response) = call_service(services, request).await else {
        services
            .recorder
            .fail("the store of objects gave no answer");
        return Answer::Close;
    };
    if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
        // No fault answers so.
        let said = String::from_utf8_lossy(response.body()).into_owned();
        services
            .recorder
            .fail(format!("the store of objects failed: {said}"));
    }
    let is_slowed = call.slowed.load(Ordering::Relaxed);
    if !call.changed.load(Ordering::Relaxed) {
        record(if loses_answer || is_slowed {
            S3Outcome::Unavailable
        } else {
            outcome(&response)
        });
    }
    cors::add(buckets, &call, &site, &asked.parts, response.headers_mut());
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

async fn call_service(services: &Services, request: Request<s3s::Body>) -> Option<Response<Bytes>> {
    let query = request.uri().query().unwrap_or_default();
    let asks_location = query == "location";
    let asks_attributes = query
        .split('&')
        .any(|part| part.trim_end_matches('=') == "attributes");
    let response = services.s3.service.call(request).await.ok()?;
    let (mut parts, body) = response.into_parts();
    let mut bytes = body.collect().await.ok()?.to_bytes();
    if !parts.status.is_success() && bytes.ends_with(b"</Code></Error>") {
        bytes = with_message(&bytes);
        parts.headers.remove(CONTENT_LENGTH);
    }
    if asks_attributes && parts.status == StatusCode::OK {
        // Only here S3 writes an ETag without its quotes.
        let text = String::from_utf8_lossy(&bytes).replace("<ETag>\"", "<ETag>");
        bytes = text.replace("\"</ETag>", "</ETag>").into();
        parts.headers.remove(CONTENT_LENGTH);
    }
    if asks_location && parts.status == StatusCode::OK {
        // S3 answers with the constraint itself, without an element around it.
        bytes = unwrap_location(&bytes);
        parts.headers.remove(CONTENT_LENGTH);
    }
    Some(Response::from_parts(parts, bytes))
}

/// Adds the message that S3 gives with an error, where `s3s` gives none.
fn with_message(bytes: &[u8]) -> Bytes {
    let text = String::from_utf8_lossy(bytes);
    let message = match text.contains("<Code>SignatureDoesNotMatch</Code>") {
        true => {
            "The request signature we calculated does not match the signature you provided. \
             Check your key and signing method."
        }
        false => "The request cannot be served as it is.",
    };
    let message = format!("</Code><Message>{message}</Message></Error>");
    text.replace("</Code></Error>", &message).into()
}

fn unwrap_location(bytes: &[u8]) -> Bytes {
    let text = String::from_utf8_lossy(bytes);
    let inner = text
        .rsplit_once("<LocationConstraint")
        .and_then(|(_, rest)| rest.split_once('>'))
        .and_then(|(_, rest)| rest.split_once('<'))
        .map_or("", |(region, _)| region);
    let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LocationConstraint xmlns=\"\
               http://s3.amazonaws.com/doc/2006-03-01/\">";
    format!("{xml}{inner}</LocationConstraint>").into()
}

/// What a request asks of a site's objects, as far as the history records it: not how a bucket is
/// configured, and not what a browser looks at.
fn operation(parts: &Parts, site: &Site) -> Option<S3Operation> {
    /// Parts of a query that ask for a bucket's or an object's configuration.
    const CONFIGURATION: [&str; 22] = [
        "accelerate",
        "acl",
        "analytics",
        "cors",
        "encryption",
        "inventory",
        "lifecycle",
        "location",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "ownershipControls",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "replication",
        "requestPayment",
        "tagging",
        "versioning",
        "website",
        "intelligent-tiering",
    ];
    let query = parts.uri.query().unwrap_or_default();
    let mut names = query.split('&').filter_map(|part| part.split('=').next());
    if names.any(|name| CONFIGURATION.contains(&name)) {
        return None;
    }
    let path = parts.uri.path().trim_start_matches('/');
    let names_key = match site {
        Site::Service => path.split_once('/').is_some_and(|(_, key)| !key.is_empty()),
        Site::Bucket(_) => !path.is_empty(),
        Site::Website(_) => return None,
    };
    match parts.method {
        Method::PUT if names_key => Some(S3Operation::Put),
        // Forms, and uploads in parts, which begin and end by a POST.
        Method::POST
            if !query
                .split('&')
                .any(|part| part == "delete" || part == "delete=") =>
        {
            Some(S3Operation::Put)
        }
        Method::POST => Some(S3Operation::Delete),
        Method::DELETE if names_key => Some(S3Operation::Delete),
        // Buckets that are made and removed.
        Method::PUT | Method::DELETE => None,
        // What browsers ask before their request.
        Method::OPTIONS => None,
        _ if names_key => Some(S3Operation::Get),
        _ => Some(S3Operation::List),
    }
}

/// How a request ended, by its answer.
fn outcome(response: &Response<Bytes>) -> S3Outcome {
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

/// An error of which `s3s` does not know the status.
fn refusal(
    code: &'static str,
    status: StatusCode,
    message: impl Into<Cow<'static, str>>,
) -> S3Error {
    let code = code.parse().unwrap_or(S3ErrorCode::InvalidRequest);
    let mut error = S3Error::with_message(code, message);
    error.set_status_code(status);
    error
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
