//! A bucket as a web site, as browsers see it: index and error documents, redirects.

use hyper::header::{ETAG, HeaderValue, LOCATION};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use percent_encoding::percent_decode_str;
use s3s::dto::{ETag, WebsiteConfiguration};
use s3s::{S3Error, S3Result, s3_error};

use super::Call;
use super::store::{Bucket, Buckets};
use crate::cloud::answer::{Body, full, reply};

/// Answers a request for a page of a bucket's site.
pub(super) fn answer(buckets: &Buckets, call: &Call, name: &str, parts: &Parts) -> Response<Body> {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return failure(&s3_error!(
            MethodNotAllowed,
            "The specified method is not allowed against this resource."
        ));
    }
    let path = percent_decode_str(parts.uri.path()).decode_utf8_lossy();
    let key = path.trim_start_matches('/');
    let answer = buckets.within(call, name, |bucket| {
        let website = bucket.documents.website.clone().ok_or_else(|| {
            s3_error!(
                NoSuchWebsiteConfiguration,
                "The specified bucket does not have a website configuration"
            )
        })?;
        if let Some(target) = &website.redirect_all_requests_to {
            let protocol = target.protocol.as_ref().map_or("http", |it| it.as_str());
            return Ok(redirect(
                StatusCode::MOVED_PERMANENTLY,
                &format!("{protocol}://{}{}", target.host_name, parts.uri.path()),
            ));
        }
        let page = page(buckets, call, bucket, name, key, &website);
        Ok(page.unwrap_or_else(|error| {
            let document = website.error_document.as_ref();
            let document =
                document.and_then(|it| object(buckets, call, bucket, name, &it.key).ok());
            match document {
                Some(mut document) => {
                    *document.status_mut() = status(&error);
                    document
                }
                None => failure(&error),
            }
        }))
    });
    answer.unwrap_or_else(|error| failure(&error))
}

fn page(
    buckets: &Buckets,
    call: &Call,
    bucket: &Bucket,
    name: &str,
    key: &str,
    website: &WebsiteConfiguration,
) -> S3Result<Response<Body>> {
    let index = website.index_document.as_ref().map(|index| &index.suffix);
    let Some(index) = index else {
        return object(buckets, call, bucket, name, key);
    };
    if key.is_empty() || key.ends_with('/') {
        return object(buckets, call, bucket, name, &format!("{key}{index}"));
    }
    let found = object(buckets, call, bucket, name, key);
    let below = format!("{key}/{index}");
    if found.is_err() && object(buckets, call, bucket, name, &below).is_ok() {
        return Ok(redirect(StatusCode::FOUND, &format!("/{key}/")));
    }
    found
}

fn object(
    buckets: &Buckets,
    call: &Call,
    bucket: &Bucket,
    name: &str,
    key: &str,
) -> S3Result<Response<Body>> {
    buckets.permits(call, bucket, "s3:GetObject", name, key)?;
    let object = buckets.find(call, bucket, name, key)?;
    if let Some(target) = &object.headers.website_redirect_location {
        return Ok(redirect(StatusCode::MOVED_PERMANENTLY, target));
    }
    let mut response = Response::new(full(object.bytes.clone()));
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-type", &object.headers.content_type),
        ("content-encoding", &object.headers.content_encoding),
        ("cache-control", &object.headers.cache_control),
        ("content-language", &object.headers.content_language),
    ] {
        if let Some(value) = value
            .as_deref()
            .and_then(|it| HeaderValue::from_str(it).ok())
        {
            headers.insert(name, value);
        }
    }
    if let Ok(etag) = ETag::Strong(object.etag.clone()).to_http_header() {
        headers.insert(ETAG, etag);
    }
    Ok(response)
}

fn redirect(status: StatusCode, target: &str) -> Response<Body> {
    let mut response = reply(status, "text/html; charset=utf-8", "");
    if let Ok(target) = HeaderValue::from_str(target) {
        response.headers_mut().insert(LOCATION, target);
    }
    response
}

fn status(error: &S3Error) -> StatusCode {
    error
        .status_code()
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn failure(error: &S3Error) -> Response<Body> {
    let status = status(error);
    let (code, message) = (error.code().as_str(), error.message().unwrap_or_default());
    let body = format!(
        "<html>\n<head><title>{status}</title></head>\n<body>\n<h1>{status}</h1>\n<ul>\n\
         <li>Code: {code}</li>\n<li>Message: {message}</li>\n</ul>\n</body>\n</html>\n"
    );
    reply(status, "text/html; charset=utf-8", body)
}
