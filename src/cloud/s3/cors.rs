//! What browsers are told of who else may read a bucket: its CORS configuration, asked before a request and with it.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, VARY,
};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use percent_encoding::percent_decode_str;
use s3s::dto::CORSRule;

use super::Call;
use super::host::Site;
use super::store::Buckets;
use crate::cloud::answer::{Body, reply};
use crate::cloud::protocol::header;

/// What a browser asks for.
struct Wish<'a> {
    origin: &'a str,
    method: &'a str,
    /// The headers that it is going to send, in small letters.
    headers: Vec<String>,
}

/// The rules of the bucket that a request is for; none where there are no such.
fn rules(buckets: &Buckets, call: &Call, site: &Site, parts: &Parts) -> Vec<CORSRule> {
    let path = parts.uri.path().trim_start_matches('/');
    let name = match site {
        Site::Bucket(name) | Site::Website(name) => name.clone(),
        Site::Service => {
            let first = path.split('/').next().unwrap_or_default();
            percent_decode_str(first).decode_utf8_lossy().into_owned()
        }
    };
    let found = buckets.within(call, &name, |bucket| Ok(bucket.documents.cors.clone()));
    let found = found.ok().flatten();
    found.map(|found| found.cors_rules).unwrap_or_default()
}

/// Answers the question of a browser whether it may make a request.
pub(super) fn preflight(
    buckets: &Buckets,
    call: &Call,
    site: &Site,
    parts: &Parts,
) -> Response<Body> {
    let Some(origin) = header(parts, ORIGIN.as_str()) else {
        let why = "Insufficient information. Origin request header needed.";
        return refused(StatusCode::BAD_REQUEST, "BadRequest", why);
    };
    let Some(method) = header(parts, ACCESS_CONTROL_REQUEST_METHOD.as_str()) else {
        let why = "Invalid Access-Control-Request-Method: null";
        return refused(StatusCode::BAD_REQUEST, "BadRequest", why);
    };
    let rules = rules(buckets, call, site, parts);
    if rules.is_empty() {
        let why = "CORSResponse: CORS is not enabled for this bucket.";
        return refused(StatusCode::FORBIDDEN, "AccessForbidden", why);
    }
    let headers = header(parts, ACCESS_CONTROL_REQUEST_HEADERS.as_str()).unwrap_or_default();
    let headers = headers
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase());
    let wish = Wish {
        origin,
        method,
        headers: headers.filter(|name| !name.is_empty()).collect(),
    };
    let Some(rule) = rules.iter().find(|rule| wish.fits(rule)) else {
        let why = "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, \
                   request method / Access-Control-Request-Method or Access-Control-Request-Headers are not \
                   whitelisted by the resource's CORS spec.";
        return refused(StatusCode::FORBIDDEN, "AccessForbidden", why);
    };
    let mut response = reply(StatusCode::OK, "text/plain", "");
    wish.allow(rule, response.headers_mut());
    response
}

/// Adds to an answer what a browser has to know of it, where a page of somewhere else asked.
pub(super) fn add(
    buckets: &Buckets,
    call: &Call,
    site: &Site,
    parts: &Parts,
    headers: &mut HeaderMap,
) {
    let Some(origin) = header(parts, ORIGIN.as_str()) else {
        return;
    };
    // What was asked before counts where it is named again.
    let asked_before = header(parts, ACCESS_CONTROL_REQUEST_METHOD.as_str());
    let wish = Wish {
        origin,
        method: asked_before.unwrap_or(parts.method.as_str()),
        headers: Vec::new(),
    };
    let rules = rules(buckets, call, site, parts);
    if let Some(rule) = rules.iter().find(|rule| wish.fits(rule)) {
        wish.allow(rule, headers);
    }
}

impl Wish<'_> {
    fn fits(&self, rule: &CORSRule) -> bool {
        let origins = &rule.allowed_origins;
        let allowed = rule.allowed_headers.as_deref().unwrap_or_default();
        let allowed: Vec<String> = allowed.iter().map(|it| it.to_ascii_lowercase()).collect();
        let is_allowed = |name: &String| allowed.iter().any(|pattern| is_like(name, pattern));
        origins.iter().any(|pattern| is_like(self.origin, pattern))
            && rule.allowed_methods.iter().any(|it| it == self.method)
            && self.headers.iter().all(is_allowed)
    }

    fn allow(&self, rule: &CORSRule, headers: &mut HeaderMap) {
        let is_for_all = rule.allowed_origins.iter().any(|it| it == "*");
        let exposed = rule.expose_headers.as_deref().unwrap_or_default();
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value)
                && !value.is_empty()
            {
                headers.insert(name, value);
            }
        };
        set(
            ACCESS_CONTROL_ALLOW_ORIGIN,
            if is_for_all { "*" } else { self.origin },
        );
        set(
            ACCESS_CONTROL_ALLOW_METHODS,
            &rule.allowed_methods.join(", "),
        );
        set(ACCESS_CONTROL_ALLOW_HEADERS, &self.headers.join(", "));
        set(ACCESS_CONTROL_EXPOSE_HEADERS, &exposed.join(", "));
        if let Some(seconds) = rule.max_age_seconds {
            set(ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
        }
        if !is_for_all {
            set(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        set(
            VARY,
            "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
        );
    }
}

/// Whether a text is as a pattern, which may have one `*`.
fn is_like(text: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => text == pattern,
        Some((begin, end)) => {
            text.len() >= begin.len() + end.len() && text.starts_with(begin) && text.ends_with(end)
        }
    }
}

fn refused(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    reply(status, "application/xml", body)
}
