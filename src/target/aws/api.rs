//! Signed requests to AWS.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_s3::config::SharedCredentialsProvider;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::{Builder, Connector, tls};
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use hyper::{Method, http};
use md5::{Digest, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::xml;
use crate::chance::Chance;
use crate::target::TargetError;

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(30);
/// For how long a request is repeated that AWS throttles, and how often one that failed in passing.
const REPEATED_FOR: Duration = Duration::from_secs(120);
const TRIES: u32 = 4;
/// The upper limit of the wait before the first repetition, and of all later ones; it doubles in between.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What is not itself in the path of a key.
const IN_PATHS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A service, and how its requests name an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Service {
    /// Its name in signatures and host names.
    scope: &'static str,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// JSON; what comes before the operation, and the version of JSON.
    Json(&'static str, &'static str),
    /// A form of this version, answered in XML.
    Query(&'static str),
    /// A method and a path, with JSON.
    Rest,
}

pub const STS: Service = Service {
    scope: "sts",
    form: Form::Query("2011-06-15"),
};
pub const IAM: Service = Service {
    scope: "iam",
    form: Form::Query("2010-05-08"),
};
pub const ALARMS: Service = Service {
    scope: "monitoring",
    form: Form::Query("2010-08-01"),
};
pub const SQS: Service = Service {
    scope: "sqs",
    form: Form::Json("AmazonSQS", "1.0"),
};
pub const TABLES: Service = Service {
    scope: "dynamodb",
    form: Form::Json("DynamoDB_20120810", "1.0"),
};
pub const LOGS: Service = Service {
    scope: "logs",
    form: Form::Json("Logs_20140328", "1.1"),
};
pub const ECS: Service = Service {
    scope: "ecs",
    form: Form::Json("AmazonEC2ContainerServiceV20141113", "1.1"),
};

pub const FIS: Service = Service {
    scope: "fis",
    form: Form::Rest,
};

/// Why a request was not answered as it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiError {
    /// What was asked of what.
    what: String,
    /// AWS's code; empty where there was no answer.
    pub code: String,
    message: String,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            code,
            message,
        } = self;
        match code.is_empty() {
            true => write!(f, "{what}: {message}"),
            false => write!(f, "{what}: {code}: {message}"),
        }
    }
}

/// The account, as the usual configuration of AWS says.
pub struct Api {
    region: String,
    endpoint: Option<String>,
    credentials: SharedCredentialsProvider,
    connector: Connector,
    requests: AtomicU64,
}

impl Api {
    /// Reads the configuration: variables, files, a web identity, the role of a task or machine.
    ///
    /// # Errors
    /// Where there is no region, or nothing to sign requests with.
    pub async fn load(endpoint: Option<String>) -> Result<Self, TargetError> {
        let missing = |what: &str| {
            TargetError::new(
                "reading the configuration of AWS",
                format!("there is no {what}"),
                "set AWS_PROFILE, or AWS_REGION and credentials, as for the AWS CLI",
            )
        };
        let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        let of_config = Builder::new().tls_provider(ring.clone()).build_https();
        let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(of_config);
        let config = loader.load().await;
        let region = config.region().map(Region::to_string);
        let is_plain = |url: &String| url.starts_with("http://");
        // Without TLS there are no root certificates to read.
        let connector = match endpoint.as_ref().is_some_and(is_plain) {
            true => Connector::builder().build_http(),
            false => Connector::builder().tls_provider(ring).build(),
        };
        Ok(Self {
            region: region.ok_or_else(|| missing("region"))?,
            endpoint,
            credentials: config
                .credentials_provider()
                .ok_or_else(|| missing("credential"))?,
            connector,
            requests: AtomicU64::new(0),
        })
    }

    /// The same in another region.
    #[must_use]
    pub fn in_region(mut self, region: &str) -> Self {
        self.region = region.to_owned();
        self
    }

    /// The region that is asked.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// How many requests were made.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn endpoint(&self, scope: &str) -> String {
        match (&self.endpoint, scope) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, "iam") => "https://iam.amazonaws.com".into(),
            (None, scope) => format!("https://{scope}.{}.amazonaws.com", self.region),
        }
    }

    /// Asks a service that answers in JSON.
    ///
    /// # Errors
    /// Where it refuses or does not answer.
    pub async fn json(
        &self,
        service: Service,
        operation: &str,
        body: Value,
    ) -> Result<Value, ApiError> {
        let what = format!("{} {operation}", service.scope);
        let Form::Json(prefix, version) = service.form else {
            return Err(failed(&what, "it does not take JSON"));
        };
        let request = http::Request::post(format!("{}/", self.endpoint(service.scope)))
            .header("content-type", format!("application/x-amz-json-{version}"))
            .header("x-amz-target", format!("{prefix}.{operation}"))
            .body(body.to_string());
        let answer = self.ask(&what, service.scope, request).await?;
        serde_json::from_slice(&answer).map_err(|error| failed(&what, error))
    }

    /// Asks a service whose operations are methods and paths; no body is sent where it is null.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub async fn rest(
        &self,
        service: Service,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Value, ApiError> {
        let kind = path.split(['/', '?']).next().unwrap_or_default();
        let what = format!("{} {method} {kind}", service.scope);
        let request = http::Request::builder()
            .method(&method)
            .uri(format!("{}/{path}", self.endpoint(service.scope)))
            .header("content-type", "application/json")
            .body(match body.is_null() {
                true => String::new(),
                false => body.to_string(),
            });
        let answer = self.ask(&what, service.scope, request).await?;
        serde_json::from_slice(&answer).map_err(|error| failed(&what, error))
    }

    /// Asks a service that answers in XML.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub async fn xml(
        &self,
        service: Service,
        operation: &str,
        values: &[(&str, &str)],
    ) -> Result<String, ApiError> {
        let what = format!("{} {operation}", service.scope);
        let Form::Query(version) = service.form else {
            return Err(failed(&what, "it does not take a form"));
        };
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", operation)
            .append_pair("Version", version)
            .extend_pairs(values)
            .finish();
        let request = http::Request::post(format!("{}/", self.endpoint(service.scope)))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let answer = self.ask(&what, service.scope, request).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Reads, puts or deletes a document of a bucket, such as its policy, where the bucket is of this account.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub async fn bucket(
        &self,
        method: Method,
        bucket: &str,
        document: &str,
        owner: &str,
        body: &str,
    ) -> Result<String, ApiError> {
        let what = format!("s3 {method} {document} of {bucket}");
        let url = format!("{}/{bucket}?{document}", self.endpoint("s3"));
        let mut request = http::Request::builder()
            .method(&method)
            .uri(url)
            .header("x-amz-expected-bucket-owner", owner);
        if method == Method::PUT {
            request = request.header("content-md5", BASE64.encode(Md5::digest(body)));
        }
        let answer = self.ask(&what, "s3", request.body(body.to_owned())).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Reads or deletes an object.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub async fn object(
        &self,
        method: Method,
        (bucket, key): (&str, &str),
        owner: &str,
    ) -> Result<Vec<u8>, ApiError> {
        let what = format!("s3 {method} of {bucket}/{key}");
        let path = utf8_percent_encode(key, IN_PATHS);
        let request = http::Request::builder()
            .method(&method)
            .uri(format!("{}/{bucket}/{path}", self.endpoint("s3")))
            .header("x-amz-expected-bucket-owner", owner);
        self.ask(&what, "s3", request.body(String::new())).await
    }

    /// The keys of a bucket with their ETags, page by page.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub async fn keys(
        &self,
        bucket: &str,
        owner: &str,
    ) -> Result<BTreeMap<String, String>, ApiError> {
        let mut keys = BTreeMap::new();
        let mut from = String::new();
        loop {
            let query = format!("list-type=2{from}");
            let page = self.bucket(Method::GET, bucket, &query, owner, "").await?;
            let tags = xml::texts(&page, "ETag");
            keys.extend(xml::texts(&page, "Key").into_iter().zip(tags));
            let Some(next) = xml::texts(&page, "NextContinuationToken").pop() else {
                return Ok(keys);
            };
            from = format!(
                "&continuation-token={}",
                utf8_percent_encode(&next, NON_ALPHANUMERIC)
            );
        }
    }

    /// Makes a request, and repeats it where AWS throttles it or it failed in passing: each of them may be made
    /// twice. Every request goes this way.
    async fn ask(
        &self,
        what: &str,
        scope: &'static str,
        request: Result<http::Request<String>, http::Error>,
    ) -> Result<Vec<u8>, ApiError> {
        let request = request.map_err(|error| failed(what, error))?;
        let (began, mut failures, mut longest) = (Instant::now(), 0, FIRST_WAIT);
        loop {
            let error = match self.ask_once(what, scope, &request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let is_throttled = is_throttling(&error.code);
            failures += u32::from(!is_throttled);
            let may_pass = is_throttled || is_passing(&error.code) && failures < TRIES;
            if !may_pass || began.elapsed() >= REPEATED_FOR {
                return Err(error);
            }
            // A random part of the longest wait, so that those who were throttled together do not come back together.
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let nanos = now.unwrap_or_default().subsec_nanos();
            let part = Chance::new(nanos.into()).fraction();
            tokio::time::sleep(longest.mul_f64(part)).await;
            longest = (longest * 2).min(LONGEST_WAIT);
        }
    }

    async fn ask_once(
        &self,
        what: &str,
        scope: &'static str,
        request: &http::Request<String>,
    ) -> Result<Vec<u8>, ApiError> {
        let wrong = |error: &dyn fmt::Display| failed(what, error);
        let mut request = request.clone();
        let credentials = self.credentials.provide_credentials().await;
        let identity = credentials.map_err(|error| wrong(&error))?.into();
        let mut settings = SigningSettings::default();
        if scope == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        // The one service that is in no region.
        let region = if scope == "iam" {
            "us-east-1"
        } else {
            &self.region
        };
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(scope)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|error| wrong(&error))?
            .into();
        let headers = request.headers().iter();
        let headers: Vec<(&str, &str)> = headers
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect();
        let signable = SignableRequest::new(
            request.method().as_str(),
            request.uri().to_string(),
            headers.into_iter(),
            SignableBody::Bytes(request.body().as_bytes()),
        );
        let signed = signable.and_then(|it| sign(it, &params));
        let (instructions, _) = signed.map_err(|error| wrong(&error))?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        let request = HttpRequest::try_from(request.map(SdkBody::from));
        let request = request.map_err(|error| wrong(&error))?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let answer = tokio::time::timeout(WITHIN, async {
            let answer = self.connector.call(request).await;
            let answer = answer.map_err(|error| wrong(&error))?;
            let status = answer.status().as_u16();
            let body = ByteStream::new(answer.into_body()).collect().await;
            let body = body.map_err(|error| wrong(&error))?.into_bytes();
            Ok((status, body.to_vec()))
        });
        let (status, body) = answer
            .await
            .unwrap_or_else(|_| Err(wrong(&"no answer came")))?;
        match status {
            200..300 => Ok(body),
            _ => Err(refusal(what, status, &body)),
        }
    }
}

fn failed(what: &str, why: impl fmt::Display) -> ApiError {
    ApiError {
        what: what.into(),
        code: String::new(),
        message: why.to_string(),
    }
}

/// What an answer with an error says, in XML or JSON.
fn refusal(what: &str, status: u16, body: &[u8]) -> ApiError {
    let text = String::from_utf8_lossy(body);
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let of_json = |names: [&str; 2]| names.iter().find_map(|name| json[*name].as_str());
    let first = |name| xml::texts(&text, name).into_iter().next();
    let code = of_json(["__type", "code"]).map(str::to_owned);
    let code = code
        .or_else(|| first("Code"))
        .unwrap_or_else(|| status.to_string());
    let message = of_json(["message", "Message"]).map(str::to_owned);
    ApiError {
        what: what.into(),
        code: code.rsplit('#').next().unwrap_or_default().into(),
        message: message.or_else(|| first("Message")).unwrap_or_default(),
    }
}

/// Whether AWS says with this code that requests come too often (the list of its SDKs).
fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "RequestLimitExceeded"
            | "BandwidthLimitExceeded"
            | "LimitExceededException"
            | "TooManyRequestsException"
            | "PriorRequestNotComplete"
            | "TransactionInProgressException"
            | "ProvisionedThroughputExceededException"
            | "SlowDown"
            | "429"
    )
}

/// Whether the same request may be answered when it is made again: there was no answer, or a service failed.
fn is_passing(code: &str) -> bool {
    matches!(
        code,
        "" | "InternalError"
            | "InternalFailure"
            | "InternalServerError"
            | "InternalServerException"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
            | "RequestTimeout"
            | "RequestTimeoutException"
            | "500"
            | "502"
            | "503"
            | "504"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_read_in_each_of_its_shapes() {
        for (body, code, message) in [
            (
                r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no"}"#,
                "QueueDoesNotExist",
                "no",
            ),
            (
                "<Error><Code>NoSuchTagSet</Code><Message>none</Message></Error>",
                "NoSuchTagSet",
                "none",
            ),
            (
                "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>",
                "AccessDenied",
                "",
            ),
            ("", "403", ""),
        ] {
            let error = refusal("s3 tagging of b", 403, body.as_bytes());
            assert_eq!((&*error.code, &*error.message), (code, message), "{body}");
        }
    }
}
