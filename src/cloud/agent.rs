//! The agent API: Anthropic's Messages, answered from the script of the instruction.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::answer::{Answer, Body, json};
use super::credentials::AGENT_KEY;
use super::route::Asked;
use super::services::Services;
use crate::files::FileChange;
use crate::history::{CallAnswer, ServiceCall, What};
use crate::site;

/// How long a 429 asks to wait, in the system's own time.
const ASKED_WAIT: Duration = Duration::from_secs(5);

/// Where the stubs of the agent's program ask what to do.
pub const STUB_PATH: &str = "/shakedown/agent";

/// Answers a request to the agent API.
pub(super) fn answer(services: &Services, asked: &Asked) -> Answer {
    if asked.parts.uri.path() != "/v1/messages" {
        let operation = format!("{} {}", asked.parts.method, asked.parts.uri.path());
        services.recorder.record(What::Called {
            client: asked.client.clone(),
            call: Arc::new(ServiceCall {
                service: "agent".into(),
                operation: operation.into(),
                about: None,
                answer: CallAnswer::NotServed,
            }),
        });
        return error(StatusCode::NOT_FOUND, "not_found_error", "Not Found");
    }
    let request = serde_json::from_slice::<Value>(&asked.body).unwrap_or_default();
    let text = first_text(&request);
    let instruction = text.as_deref().and_then(site::instruction_in);
    if let Some(failed) = fails(services, asked, instruction) {
        return failed;
    }
    match check(asked, &request) {
        Err((status, kind, message)) => {
            record(services, asked, instruction, Some(status), None);
            error(status, kind, message)
        }
        Ok(()) => {
            record(services, asked, instruction, Some(StatusCode::OK), None);
            let changes = instruction
                .filter(|_| !is_answer_to_tools(&request))
                .and_then(|text| services.config.site.script(text))
                .filter(|changes| changes.iter().all(|change| offers_tool(&request, change)));
            turn(&request, changes.unwrap_or_default())
        }
    }
}

/// Answers `shakedown agent-stub`: all changes at once.
pub(super) fn answer_stub(services: &Services, asked: &Asked) -> Answer {
    let request = serde_json::from_slice::<Value>(&asked.body).unwrap_or_default();
    let instruction = request["prompt"].as_str().and_then(site::instruction_in);
    if let Some(failed) = fails(services, asked, instruction) {
        return failed;
    }
    record(services, asked, instruction, Some(StatusCode::OK), None);
    let changes = instruction.and_then(|text| services.config.site.script(text));
    let body = json!({ "changes": changes.unwrap_or_default() });
    json(StatusCode::OK, "application/json", &body)
}

fn record(
    services: &Services,
    asked: &Asked,
    instruction: Option<&str>,
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
) {
    services.recorder.record(What::AgentAsked {
        client: asked.client.clone(),
        mark: instruction.and_then(site::mark_in),
        status: status.map(|status| status.as_u16()),
        retry_after,
    });
}

/// How a request ends under the faults of the agent, which is recorded; `None` without any.
fn fails(services: &Services, asked: &Asked, instruction: Option<&str>) -> Option<Answer> {
    if asked.faults.agent_is_silent() {
        record(services, asked, instruction, None, None);
        return Some(Answer::Never);
    }
    let status = asked.faults.agent_error()?;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let wait = (status == StatusCode::TOO_MANY_REQUESTS).then_some(ASKED_WAIT);
    record(services, asked, instruction, Some(status), wait);
    Some(failure(status, wait))
}

/// What the real API would not take.
fn check(asked: &Asked, request: &Value) -> Result<(), (StatusCode, &'static str, &'static str)> {
    let header = |name: &str| {
        let value = asked.parts.headers.get(name)?;
        value.to_str().ok()
    };
    let bad = |message| (StatusCode::BAD_REQUEST, "invalid_request_error", message);
    if asked.parts.method != Method::POST {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err((status, "invalid_request_error", "Method Not Allowed"));
    }
    if header("x-api-key") != Some(AGENT_KEY) {
        let status = StatusCode::UNAUTHORIZED;
        return Err((status, "authentication_error", "invalid x-api-key"));
    }
    if header("anthropic-version").is_none() {
        return Err(bad("anthropic-version: header is required"));
    }
    if !request["model"].is_string() {
        return Err(bad("model: Field required"));
    }
    if request["max_tokens"].as_u64().is_none_or(|most| most == 0) {
        return Err(bad("max_tokens: Field required"));
    }
    let messages = request["messages"].as_array();
    if messages.is_none_or(|messages| messages.first().is_none_or(|first| first["role"] != "user"))
    {
        return Err(bad("messages: first message must use the \"user\" role"));
    }
    if !answers_every_tool(messages.map_or(&[], Vec::as_slice)) {
        return Err(bad(
            "messages: `tool_use` ids were found without `tool_result` blocks immediately after",
        ));
    }
    Ok(())
}

/// Whether each tool that the agent used was answered in the message after it.
fn answers_every_tool(messages: &[Value]) -> bool {
    messages.iter().enumerate().all(|(at, message)| {
        let answers: Vec<&Value> = messages
            .get(at + 1)
            .map(|next| blocks(next, "tool_result").map(|block| &block["tool_use_id"]))
            .into_iter()
            .flatten()
            .collect();
        blocks(message, "tool_use").all(|block| answers.contains(&&block["id"]))
    })
}

/// The content blocks of one type in a message.
fn blocks<'a>(message: &'a Value, kind: &'static str) -> impl Iterator<Item = &'a Value> {
    let content = message["content"].as_array().into_iter().flatten();
    content.filter(move |block| block["type"] == kind)
}

/// The text of the first message, which is the instruction.
fn first_text(request: &Value) -> Option<String> {
    let first = request["messages"].get(0)?;
    match &first["content"] {
        Value::String(text) => Some(text.clone()),
        _ => blocks(first, "text").find_map(|block| block["text"].as_str().map(str::to_owned)),
    }
}

/// Whether the newest message has the results of the tools: then the agent has finished.
fn is_answer_to_tools(request: &Value) -> bool {
    let last = request["messages"].as_array().and_then(|all| all.last());
    last.is_some_and(|last| blocks(last, "tool_result").next().is_some())
}

fn offers_tool(request: &Value, change: &FileChange) -> bool {
    let tools = request["tools"].as_array().into_iter().flatten();
    let name = tool(change);
    tools.into_iter().any(|tool| tool["name"] == name)
}

fn tool(change: &FileChange) -> &'static str {
    match change {
        FileChange::Write { .. } => "write_file",
        FileChange::Append { .. } => "append_line",
        FileChange::Delete { .. } => "delete_file",
    }
}

/// One turn of the agent: the tools that make the changes, or that it has finished.
fn turn(request: &Value, changes: Vec<FileChange>) -> Answer {
    let turns = request["messages"].as_array().map_or(0, Vec::len);
    let stop_reason = if changes.is_empty() {
        "end_turn"
    } else {
        "tool_use"
    };
    let mut head = json!({
        "id": format!("msg_loopback_{turns}"),
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "stop_reason": stop_reason,
        "stop_sequence": null,
        "usage": { "input_tokens": 1, "output_tokens": 1 },
    })
    .to_string();
    // The blocks are sent one by one: a memory-hungry edit is large, and is not held here.
    head.pop();
    head.push_str(",\"content\":[");
    let said = if changes.is_empty() {
        json!({ "type": "text", "text": "Done." })
    } else {
        json!({ "type": "text", "text": "I will make these changes." })
    };
    // Many large files share one text, which is written as JSON once.
    let mut written: Option<(Arc<str>, Bytes)> = None;
    let used = changes
        .into_iter()
        .enumerate()
        .flat_map(move |(n, change)| {
            let (path, field, text) = match &change {
                FileChange::Write { path, text } => (path, "text", Some(text)),
                FileChange::Append { path, line } => (path, "line", Some(line)),
                FileChange::Delete { path } => (path, "", None),
            };
            let mut head = json!({
                "type": "tool_use",
                "id": format!("toolu_loopback_{turns}_{n}"),
                "name": tool(&change),
            })
            .to_string();
            head.pop();
            let head = format!(",{head},\"input\":{{\"path\":{}", json!(path));
            let Some(text) = text else {
                return vec![Bytes::from(head), Bytes::from_static(b"}}")];
            };
            let json_text = match &written {
                Some((of, json_text)) if Arc::ptr_eq(of, text) => json_text.clone(),
                _ => Bytes::from(json!(text).to_string()),
            };
            written = Some((text.clone(), json_text.clone()));
            let head = format!("{head},\"{field}\":");
            vec![Bytes::from(head), json_text, Bytes::from_static(b"}}")]
        });
    let parts = [Bytes::from(head), Bytes::from(said.to_string())]
        .into_iter()
        .chain(used)
        .chain([Bytes::from_static(b"]}")])
        .map(|part| Ok::<_, Infallible>(Frame::data(part)));
    let body: Body = StreamBody::new(stream::iter(parts)).boxed_unsync();
    let mut response = Response::new(body);
    let content_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    Answer::Reply(response)
}

/// The answer of an API that fails.
fn failure(status: StatusCode, wait: Option<Duration>) -> Answer {
    let (kind, message) = match status.as_u16() {
        429 => (
            "rate_limit_error",
            "This request would exceed your account's rate limit. Please try again later.",
        ),
        529 => ("overloaded_error", "Overloaded"),
        _ => ("api_error", "Internal server error"),
    };
    let mut answer = error(status, kind, message);
    if let (Answer::Reply(response), Some(wait)) = (&mut answer, wait) {
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    answer
}

fn error(status: StatusCode, kind: &str, message: &str) -> Answer {
    let body = json!({ "type": "error", "error": { "type": kind, "message": message } });
    json(status, "application/json", &body)
}

#[cfg(test)]
mod tests;
