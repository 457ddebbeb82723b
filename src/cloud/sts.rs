//! STS: who a client is, and credentials for a time, which are the same as it has.

use std::time::Duration;

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use hyper::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, reply};
use super::credentials::{ACCESS_KEY, ACCOUNT, SECRET_KEY};
use super::protocol::{self, AwsCall, Protocol, escape};
use super::route::Asked;
use super::services::Services;

/// The operations that are asked for by a token instead of a signature.
pub(super) const UNSIGNED: [&str; 2] = ["AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"];

/// For how long credentials are good where nobody says.
const HOUR: u64 = 3600;

/// Answers a request to STS.
pub(super) fn answer(services: &Services, asked: &Asked) -> Answer {
    let Some(call) = &asked.call else {
        return Answer::Close;
    };
    let request = Request::read(call, &asked.body);
    let result = match &*call.operation {
        "GetCallerIdentity" => {
            let arn = format!("arn:aws:iam::{ACCOUNT}:user/{}", asked.client);
            Ok(json!({ "Arn": arn, "UserId": ACCESS_KEY, "Account": ACCOUNT }))
        }
        "GetSessionToken" => Ok(json!({ "Credentials": credentials(services, &request) })),
        "AssumeRole" | "AssumeRoleWithWebIdentity" => assume(services, call, &request),
        _ => {
            let error = protocol::not_served(call);
            Err((error.code, error.message))
        }
    };
    let answer = match result {
        Ok(answer) => answer,
        Err((code, message)) => {
            return protocol::error(call, StatusCode::BAD_REQUEST, code, &message);
        }
    };
    if call.protocol != Protocol::Query {
        return protocol::answer(call, Ok(answer));
    }
    let operation = &call.operation;
    let body = format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result>{}\
         </{operation}Result><ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{operation}Response>",
        xml(&answer),
        protocol::request_id()
    );
    Answer::Reply(protocol::with_id(reply(StatusCode::OK, "text/xml", body)))
}

/// A role is taken for granted; that a token is a good one is not looked at.
fn assume(
    services: &Services,
    call: &AwsCall,
    request: &Request,
) -> Result<Value, (&'static str, String)> {
    let needed = |field| {
        let missing = || {
            let why = format!("The request must contain the parameter {field}.");
            ("MissingParameter", why)
        };
        request.text(field).ok_or_else(missing)
    };
    let (role, session) = (needed("RoleArn")?, needed("RoleSessionName")?);
    let name = role.rsplit_once(":role/").map_or(&*role, |(_, name)| name);
    let name = name.rsplit('/').next().unwrap_or(name);
    let mut answer = json!({
        "Credentials": credentials(services, request),
        "AssumedRoleUser": {
            "AssumedRoleId": format!("{ACCESS_KEY}:{session}"),
            "Arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}"),
        },
    });
    if call.operation == "AssumeRoleWithWebIdentity" {
        needed("WebIdentityToken")?;
        answer["SubjectFromWebIdentityToken"] = session.into();
    }
    Ok(answer)
}

/// The client's own key, with a session token, which all services take.
fn credentials(services: &Services, request: &Request) -> Value {
    let seconds = request.text("DurationSeconds");
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(HOUR);
    let recorder = &services.recorder;
    let end = recorder.unix(recorder.now() + Duration::from_secs(seconds));
    let end = DateTime::from_secs(end.as_secs().try_into().unwrap_or(i64::MAX));
    json!({
        "AccessKeyId": ACCESS_KEY,
        "SecretAccessKey": SECRET_KEY,
        "SessionToken": "loopback-session-token",
        "Expiration": end.fmt(DateTimeFormat::DateTime).unwrap_or_default(),
    })
}

/// The fields of a request, in either protocol.
struct Request(Value);

impl Request {
    fn read(call: &AwsCall, body: &[u8]) -> Self {
        if call.protocol == Protocol::Query {
            let fields = url::form_urlencoded::parse(body);
            return Self(
                fields
                    .map(|(name, value)| (name.into_owned(), Value::from(value)))
                    .collect(),
            );
        }
        Self(serde_json::from_slice(body).unwrap_or_default())
    }

    fn text(&self, field: &str) -> Option<String> {
        match &self.0[field] {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

/// The fields of an answer as elements.
fn xml(answer: &Value) -> String {
    let fields = answer.as_object().into_iter().flatten();
    let elements = fields.map(|(name, value)| match value {
        Value::String(text) => format!("<{name}>{}</{name}>", escape(text)),
        other => format!("<{name}>{}</{name}>", xml(other)),
    });
    elements.collect()
}
