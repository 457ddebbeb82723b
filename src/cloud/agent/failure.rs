//! How the agent API refuses and fails: what the real one would not take, and the faults of a plan.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{Entry, HeaderValue, RETRY_AFTER};

use super::message::{self, End};
use crate::cloud::answer::{Answer, json};
use crate::cloud::protocol;
use crate::cloud::route::Asked;
use crate::cloud::services::Services;
use crate::plan::Cut;

/// How long a 429 asks to wait, in the system's own time.
const ASKED_WAIT: Duration = Duration::from_secs(5);

const REQUEST_ID: &str = "request-id";

/// What the real API would not take: status, type and message.
pub(super) type Refused = (StatusCode, &'static str, &'static str);

/// How a request ends under the faults of the agent.
pub(super) enum Failure {
    Never,
    Status(StatusCode),
    /// A stream that begins, and the status that its end amounts to.
    Broken(Option<StatusCode>, End),
    /// An answer of a good status that does not come whole.
    CutOff(Cut),
}

/// How a request ends under the faults of the agent; `None` without any.
pub(super) fn fault(services: &Services, asked: &Asked, can_break: bool) -> Option<Failure> {
    let breaks = || can_break && services.faults.either();
    if asked.faults.agent_is_silent() {
        return Some(match breaks() {
            true => Failure::Broken(None, End::Stalled),
            false => Failure::Never,
        });
    }
    let Some(status) = asked.faults.agent_error() else {
        return asked.faults.agent_cut().map(Failure::CutOff);
    };
    let status = match status {
        // Bedrock has no status of Anthropic's own.
        529 if asked.call.is_some() => StatusCode::SERVICE_UNAVAILABLE,
        status => StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
    };
    // The limit of requests is known before anything is said.
    if status == StatusCode::TOO_MANY_REQUESTS || !breaks() {
        return Some(Failure::Status(status));
    }
    let (kind, message) = words(status);
    let end = match status.as_u16() == 500 && services.faults.either() {
        true => End::Cut,
        false => End::Failed(kind, message),
    };
    Some(Failure::Broken(Some(status), end))
}

/// What the API says with a status that is its own trouble.
pub(super) fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        429 => (
            "rate_limit_error",
            "This request would exceed your account's rate limit. Please try again later.",
        ),
        529 => ("overloaded_error", "Overloaded"),
        _ => ("api_error", "Internal server error"),
    }
}

/// The answer of an API that fails, and how long it asks to wait.
pub(super) fn failure(asked: &Asked, status: StatusCode) -> (Answer, Option<Duration>) {
    let (kind, message) = words(status);
    let mut answer = refusal(asked, status, kind, message);
    let wait = (status == StatusCode::TOO_MANY_REQUESTS).then_some(ASKED_WAIT);
    if let (Answer::Reply(response), Some(wait)) = (&mut answer, wait) {
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    (answer, wait)
}

/// An error, in the form of the API or of Bedrock.
pub(super) fn refusal(asked: &Asked, status: StatusCode, kind: &str, message: &str) -> Answer {
    if let Some(call) = &asked.call {
        let code = match status.as_u16() {
            400 => "ValidationException",
            429 => "ThrottlingException",
            503 => "ServiceUnavailableException",
            _ => "InternalServerException",
        };
        return protocol::error(call, status, code, message);
    }
    let id = format!("req_{}", unique());
    let mut body = message::error(kind, message);
    body["request_id"] = id.as_str().into();
    let mut answer = json(status, "application/json", &body);
    if let (Answer::Reply(response), Ok(id)) = (&mut answer, HeaderValue::from_str(&id)) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    answer
}

/// An answer with an id of its own.
pub(super) fn with_id(asked: &Asked, answer: Answer) -> Answer {
    match answer {
        Answer::Reply(response) if asked.call.is_some() => {
            Answer::Reply(protocol::with_id(response))
        }
        Answer::Reply(mut response) => {
            let id = HeaderValue::from_str(&format!("req_{}", unique()));
            if let (Ok(id), Entry::Vacant(entry)) = (id, response.headers_mut().entry(REQUEST_ID)) {
                entry.insert(id);
            }
            Answer::Reply(response)
        }
        answer => answer,
    }
}

/// An id unlike those before it.
pub(super) fn unique() -> String {
    protocol::request_id().replace('-', "")
}
