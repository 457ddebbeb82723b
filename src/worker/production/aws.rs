//! What the AWS clients have in common: their set-up, and how their errors are read.

use std::error::Error;
use std::time::Duration;

use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::{Builder, tls};

use super::secrets::Secrets;
use crate::worker::ports::{Kind, PortError};

/// The longest text of an error that is reported.
const LONGEST: usize = 400;

/// The configuration of all clients. They neither retry nor limit: the worker does, in its own
/// time.
pub async fn load(endpoint: Option<&str>, region: &str) -> SdkConfig {
    let is_plain = endpoint.is_some_and(|url| url.starts_with("http://"));
    // Without TLS there are no root certificates to read, which would slow a cold start.
    let http = if is_plain {
        Builder::new().build_http()
    } else {
        let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        Builder::new().tls_provider(ring).build_https()
    };
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .http_client(http)
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    loader.load().await
}

/// Reads an error of any client; `doing` says what was asked of what.
pub fn read_error<E>(doing: &str, error: &SdkError<E, HttpResponse>, secrets: &Secrets) -> PortError
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let answer = error.raw_response();
    let status = answer.map(|answer| answer.status().as_u16());
    let retry_after = answer.and_then(retry_after);
    let (kind, text) = match error {
        SdkError::ServiceError(_) => {
            let code = error.code().unwrap_or_default();
            let kind = service_kind(code, status.unwrap_or_default());
            (kind, describe(kind, code, error.message(), status))
        }
        SdkError::ConstructionFailure(_) => (Kind::Other, with_sources(error)),
        SdkError::DispatchFailure(failure) if failure.is_user() => {
            (Kind::Other, with_sources(error))
        }
        _ => (Kind::Network, with_sources(error)),
    };
    let text: String = text.chars().take(LONGEST).collect();
    PortError {
        kind,
        text: secrets.hide(&format!("{doing}: {text}")),
        retry_after,
        status,
    }
}

fn service_kind(code: &str, status: u16) -> Kind {
    match (code, status) {
        ("AccessDenied" | "AccessDeniedException", _) => Kind::Denied,
        ("NoSuchBucket" | "ResourceNotFoundException", _) => Kind::Missing,
        (
            "SlowDown"
            | "ThrottlingException"
            | "Throttling"
            | "RequestLimitExceeded"
            | "ProvisionedThroughputExceededException"
            | "TooManyRequestsException",
            _,
        ) => Kind::Throttled,
        (_, 401 | 403) => Kind::Denied,
        (_, 429 | 503) => Kind::Throttled,
        _ => Kind::Other,
    }
}

fn describe(kind: Kind, code: &str, message: Option<&str>, status: Option<u16>) -> String {
    // S3 says it in these words, the other services in their own.
    let what = match (kind, code) {
        (Kind::Denied, _) => "Access Denied",
        (_, "") => "error",
        (_, code) => code,
    };
    let mut text = what.to_owned();
    if let Some(message) = message.filter(|message| !message.is_empty() && *message != what) {
        text.push_str(": ");
        text.push_str(message);
    }
    if let Some(status) = status {
        text.push_str(&format!(" ({status})"));
    }
    text
}

/// The wait that an answer asks for, where it does so in seconds.
pub fn retry_after(answer: &HttpResponse) -> Option<Duration> {
    let seconds = answer.headers().get("retry-after")?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// An error with all that caused it.
pub fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let message = error.to_string();
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        source = error.source();
    }
    text
}
