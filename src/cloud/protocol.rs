//! How the APIs of AWS name an operation and shape an error: in JSON, as a form, in CBOR or by the path.

use std::sync::atomic::{AtomicU64, Ordering};

use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::answer::{Answer, AwsError, Body, ErrorCode, JSON_1_0, JSON_1_1, reply};
use super::sts;

/// How a request names its operation, and what an error looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protocol {
    /// `X-Amz-Target: PREFIX.OPERATION`, with JSON of this type.
    Json(&'static str),
    /// `Action=OPERATION` in a form; the answer is XML.
    Query,
    /// The same with the errors of EC2.
    Ec2,
    /// `/service/PREFIX/operation/OPERATION`, in CBOR.
    Cbor,
    /// The method and the path; errors in JSON.
    RestJson,
    /// The method and the path; errors in XML.
    RestXml,
}

/// The operation of a service of AWS other than S3 that a request asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct AwsCall {
    pub(super) protocol: Protocol,
    /// The service by its name in signatures; where there is none, as the request names it.
    pub(super) service: String,
    /// What comes before the operation in JSON and CBOR.
    pub(super) prefix: String,
    /// The operation; where only the path says it, the method and path.
    pub(super) operation: String,
}

/// Services whose operations are named by the path, and whose errors are XML.
const REST_XML: [&str; 3] = ["cloudfront", "route53", "s3-outposts"];

impl AwsCall {
    /// Reads what a request asks of AWS; `None` where it is for S3, or for none of its services.
    pub(super) fn read(parts: &Parts, body: &Bytes) -> Option<Self> {
        let scope = scope(parts);
        let named = |protocol, prefix: &str, operation: &str| Self {
            protocol,
            service: scope.clone().unwrap_or_else(|| prefix.to_owned()),
            prefix: prefix.to_owned(),
            operation: operation.to_owned(),
        };
        let path = parts.uri.path();
        if let Some(target) = header(parts, "x-amz-target") {
            let (prefix, operation) = target.split_once('.').unwrap_or((target, ""));
            let is_new = header(parts, CONTENT_TYPE.as_str()).is_none_or(|of| of != JSON_1_1);
            let protocol = Protocol::Json(if is_new { JSON_1_0 } else { JSON_1_1 });
            return Some(named(protocol, prefix, operation));
        }
        if header(parts, "smithy-protocol") == Some("rpc-v2-cbor") {
            let words: Vec<&str> = path.trim_matches('/').split('/').collect();
            if let ["service", prefix, "operation", operation] = words[..] {
                return Some(named(Protocol::Cbor, prefix, operation));
            }
        }
        if matches!(scope.as_deref(), Some("s3" | "s3express")) {
            return None;
        }
        if let Some((action, version)) = action(parts, body) {
            let protocol = match scope.as_deref() {
                Some("ec2") => Protocol::Ec2,
                _ => Protocol::Query,
            };
            let mut call = named(protocol, &version, &action);
            if scope.is_none() && sts::UNSIGNED.contains(&&*action) {
                call.service = "sts".into();
            }
            return Some(call);
        }
        let scope = scope.as_deref()?;
        let protocol = match REST_XML.contains(&scope) {
            true => Protocol::RestXml,
            false => Protocol::RestJson,
        };
        let operation = format!("{} {path}", parts.method);
        Some(named(protocol, "", &operation))
    }
}

/// The value of a header that is text.
pub(super) fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name)?.to_str().ok()
}

/// The credential that a request is signed with, by its header or in its URL.
pub(super) fn credential(parts: &Parts) -> Option<String> {
    if let Some(authorization) = header(parts, AUTHORIZATION.as_str()) {
        let (_, credential) = authorization.split_once("Credential=")?;
        return credential.split([',', ' ']).next().map(str::to_owned);
    }
    let mut pairs = form_urlencoded::parse(parts.uri.query()?.as_bytes());
    let (_, credential) = pairs.find(|(name, _)| name == "X-Amz-Credential")?;
    Some(credential.into_owned())
}

/// The service that a request is signed for.
fn scope(parts: &Parts) -> Option<String> {
    let credential = credential(parts)?;
    credential.split('/').nth(3).map(str::to_owned)
}

/// The `Action` and `Version` of a form, in the body or the URL.
fn action(parts: &Parts, body: &Bytes) -> Option<(String, String)> {
    let is_form = header(parts, CONTENT_TYPE.as_str())
        .is_some_and(|of| of.starts_with("application/x-www-form-urlencoded"));
    let form = match is_form && parts.method == Method::POST {
        true => &body[..],
        false => parts.uri.query().unwrap_or_default().as_bytes(),
    };
    let (mut action, mut version) = (None, String::new());
    for (name, value) in form_urlencoded::parse(form) {
        match &*name {
            "Action" => action = Some(value.into_owned()),
            "Version" => version = value.into_owned(),
            _ => {}
        }
    }
    action.map(|action| (action, version))
}

/// What a service that answers in JSON answers.
pub(super) fn answer(call: &AwsCall, result: Result<Value, AwsError>) -> Answer {
    let body = match result {
        Ok(body) => body,
        Err(failed) => {
            return error(call, StatusCode::BAD_REQUEST, failed.code, &failed.message);
        }
    };
    let content_type = match call.protocol {
        Protocol::Json(content_type) => content_type,
        _ => JSON_1_0,
    };
    Answer::Reply(with_id(reply(
        StatusCode::OK,
        content_type,
        body.to_string(),
    )))
}

/// That something was done of which nothing is said.
pub(super) fn done(call: &AwsCall) -> Answer {
    let operation = &call.operation;
    let (content_type, body): (_, Vec<u8>) = match call.protocol {
        Protocol::Cbor => ("application/cbor", cbor(&[])),
        Protocol::Json(content_type) => (content_type, b"{}".into()),
        Protocol::RestJson => ("application/json", b"{}".into()),
        Protocol::Query | Protocol::Ec2 | Protocol::RestXml => {
            let id = request_id();
            let body = format!(
                "<{operation}Response><ResponseMetadata><RequestId>{id}</RequestId>\
                 </ResponseMetadata></{operation}Response>"
            );
            ("text/xml", body.into())
        }
    };
    let mut response = with_id(reply(StatusCode::OK, content_type, body));
    if call.protocol == Protocol::Cbor {
        let name = HeaderValue::from_static("rpc-v2-cbor");
        response.headers_mut().insert("smithy-protocol", name);
    }
    Answer::Reply(response)
}

/// A response with an id of its own.
pub(super) fn with_id(mut response: Response<Body>) -> Response<Body> {
    if let Ok(id) = HeaderValue::from_str(&request_id()) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

/// That the operation is one which the cloud does not serve.
pub(super) fn not_served(call: &AwsCall) -> AwsError {
    let code = match call.protocol {
        Protocol::Query | Protocol::Ec2 => "InvalidAction",
        _ => UNKNOWN_OPERATION,
    };
    AwsError::new(
        code,
        format!(
            "The loopback cloud does not serve {} {}",
            call.service, call.operation
        ),
    )
}

/// The code of an operation that a service does not have.
const UNKNOWN_OPERATION: &str = "com.amazon.coral.service#UnknownOperationException";

/// Whether an error says that the operation is not served.
pub(super) fn is_not_served(code: &ErrorCode) -> bool {
    matches!(&*code.0, "UnknownOperationException" | "InvalidAction")
}

/// An error in the shape of the protocol. `message` is for a person.
pub(super) fn error(call: &AwsCall, status: StatusCode, code: &str, message: &str) -> Answer {
    let short = code.rsplit('#').next().unwrap_or(code);
    let id = request_id();
    let (code_xml, message_xml) = (escape(short), escape(message));
    let who = if status.is_server_error() {
        "Receiver"
    } else {
        "Sender"
    };
    let (content_type, body): (_, Vec<u8>) = match call.protocol {
        Protocol::Json(content_type) => {
            let body = json!({ "__type": code, "message": message });
            (content_type, body.to_string().into())
        }
        Protocol::RestJson => {
            let body = json!({ "code": short, "message": message });
            ("application/json", body.to_string().into())
        }
        Protocol::Cbor => {
            let texts = [("__type", code), ("message", message)];
            ("application/cbor", cbor(&texts))
        }
        Protocol::Query | Protocol::RestXml => {
            let body = format!(
                "<?xml version=\"1.0\"?><ErrorResponse><Error><Type>{who}</Type>\
                 <Code>{code_xml}</Code><Message>{message_xml}</Message><Detail/></Error>\
                 <RequestId>{id}</RequestId></ErrorResponse>"
            );
            ("text/xml", body.into())
        }
        Protocol::Ec2 => {
            let body = format!(
                "<?xml version=\"1.0\"?><Response><Errors><Error><Code>{code_xml}</Code>\
                 <Message>{message_xml}</Message></Error></Errors><RequestID>{id}</RequestID>\
                 </Response>"
            );
            ("text/xml", body.into())
        }
    };
    let mut response = reply(status, content_type, body);
    response.extensions_mut().insert(ErrorCode(short.into()));
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-amzn-requestid", id);
    }
    match call.protocol {
        Protocol::RestJson => {
            if let Ok(code) = HeaderValue::from_str(short) {
                headers.insert("x-amzn-errortype", code);
            }
        }
        Protocol::Cbor => {
            headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
        }
        _ => {}
    }
    Answer::Reply(response)
}

/// An id for an answer, unlike those before it.
pub(super) fn request_id() -> String {
    static ANSWERS: AtomicU64 = AtomicU64::new(0);
    let answers = ANSWERS.fetch_add(1, Ordering::Relaxed);
    format!("00000000-0000-4000-9000-{answers:012x}")
}

/// A text as XML has it.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#xD;"),
            c => out.push(c),
        }
    }
    out
}

/// A map of texts in CBOR (RFC 8949), of fewer than 24.
fn cbor(texts: &[(&str, &str)]) -> Vec<u8> {
    let mut out = vec![0xa0 | texts.len() as u8];
    for text in texts.iter().flat_map(|(name, value)| [name, value]) {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        out.push(0x7a);
        out.extend(length.to_be_bytes());
        out.extend(text.as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn call(
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: &'static str,
    ) -> Option<AwsCall> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        AwsCall::read(&parts, &Bytes::from_static(body.as_bytes()))
    }

    fn signed(scope: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=KEY/20261129/us-west-2/{scope}/aws4_request, Signature=x"
        )
    }

    #[test]
    fn each_protocol_names_its_operation() {
        let form = (
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        );
        let sqs = ("authorization", &*signed("sqs"));
        let json = call(
            "POST",
            "/",
            &[("x-amz-target", "AmazonSQS.SendMessage"), sqs],
            "{}",
        )
        .unwrap();
        assert_eq!(json.protocol, Protocol::Json(JSON_1_0));
        assert_eq!((&*json.service, &*json.operation), ("sqs", "SendMessage"));
        let query = call("POST", "/0/q", &[form, sqs], "Version=1&Action=SendMessage").unwrap();
        assert_eq!(
            (query.protocol, &*query.operation),
            (Protocol::Query, "SendMessage")
        );
        let path = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
        let cbor = call("POST", path, &[("smithy-protocol", "rpc-v2-cbor")], "").unwrap();
        assert_eq!(
            (cbor.protocol, &*cbor.operation),
            (Protocol::Cbor, "PutMetricData")
        );
        let lambda = ("authorization", &*signed("lambda"));
        let rest = call("POST", "/2015-03-31/functions/x", &[lambda], "").unwrap();
        assert_eq!(rest.protocol, Protocol::RestJson);
        assert_eq!(rest.operation, "POST /2015-03-31/functions/x");
        let front = ("authorization", &*signed("cloudfront"));
        assert_eq!(
            call("GET", "/x", &[front], "").unwrap().protocol,
            Protocol::RestXml
        );
    }

    #[test]
    fn what_is_s3s_is_no_call_of_another_service() {
        let s3 = ("authorization", &*signed("s3"));
        assert_eq!(call("GET", "/v1/key?Action=x", &[s3], ""), None);
        assert_eq!(call("GET", "/bucket/key", &[], ""), None);
        let presigned = "/b/k?X-Amz-Credential=KEY%2F20261129%2Fus-west-2%2Fs3%2Faws4_request";
        assert_eq!(call("GET", presigned, &[], ""), None);
    }

    #[test]
    fn a_short_map_is_written_in_cbor() {
        let bytes = cbor(&[("a", "bc")]);
        assert_eq!(bytes, b"\xa1\x7a\0\0\0\x01a\x7a\0\0\0\x02bc");
    }
}
