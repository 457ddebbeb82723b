//! The agent API: Anthropic's Messages, answered from the script of the instruction, also as Bedrock
//! has it.

mod failure;
mod message;
mod request;
mod script;
mod tools;

use std::sync::Arc;
use std::time::Duration;

use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use self::failure::{Failure, Refused, failure, fault, refusal, unique, with_id};
use self::message::{End, Message, tokens};
use self::request::{Request, offers_tools};
use self::script::Script;
use self::tools::Toolbox;
use super::answer::{Answer, json};
use super::credentials::AGENT_KEY;
use super::protocol::header;
use super::route::Asked;
use super::services::Services;
use crate::history::{CallAnswer, ServiceCall, What};
use crate::plan::Cut;
use crate::site;

/// Where the stubs of the agent's program ask what to do.
pub const STUB_PATH: &str = "/shakedown/agent";

/// Answers a request to the agent API.
pub(super) fn answer(services: &Services, asked: &Asked) -> Answer {
    let answer = match asked.parts.uri.path().trim_end_matches('/') {
        "/v1/messages" => messages(services, asked),
        "/v1/messages/count_tokens" => count(services, asked),
        path if is_bedrock(path) => messages(services, asked),
        path => match path.strip_prefix("/v1/models") {
            Some(model) => models(services, asked, model.trim_start_matches('/')),
            None => not_served(services, asked),
        },
    };
    with_id(asked, answer)
}

/// Whether a request is a turn of an agent. What clients ask beside their work says nothing of it.
pub(super) fn is_turn(parts: &Parts, body: &[u8]) -> bool {
    let path = parts.uri.path().trim_end_matches('/');
    (path == "/v1/messages" || is_bedrock(path)) && offers_tools(body)
}

/// Whether a path is that of a model in Bedrock. Of its streams, in a form of their own, there are
/// none: clients then ask without.
pub(super) fn is_bedrock(path: &str) -> bool {
    path.starts_with("/model/") && path.ends_with("/invoke")
}

fn messages(services: &Services, asked: &Asked) -> Answer {
    let request = Request::read(&asked.body);
    let refused = check(asked, &request);
    // A stream can also fail after it has begun, where there is one.
    let can_break = refused.is_ok() && request.streams();
    let mut cut = None;
    let (answer, status, wait) = match fault(services, asked, can_break) {
        Some(Failure::Never) => (Answer::Never, None, None),
        Some(Failure::Status(status)) => {
            let (answer, wait) = failure(asked, status);
            (answer, Some(status), wait)
        }
        Some(Failure::Broken(status, end)) => {
            let message = turn(services, asked, &request);
            (message.stream(end), status, None)
        }
        // What is refused is not cut.
        Some(Failure::CutOff(how)) if refused.is_ok() => {
            cut = Some(how);
            let message = turn(services, asked, &request);
            let answer = cut_off(services, message, how, request.streams());
            (answer, Some(StatusCode::OK), None)
        }
        Some(Failure::CutOff(_)) | None => match refused {
            Err((status, kind, message)) => {
                (refusal(asked, status, kind, message), Some(status), None)
            }
            Ok(()) => {
                let message = turn(services, asked, &request);
                let answer = match request.streams() {
                    true => message.stream(End::Whole),
                    false => message.whole(End::Whole),
                };
                (answer, Some(StatusCode::OK), None)
            }
        },
    };
    if request.is_side() {
        let how = match status {
            Some(StatusCode::OK) if cut.is_none() => CallAnswer::Done,
            Some(StatusCode::OK) => CallAnswer::Failed("cut".into()),
            Some(status) => CallAnswer::Failed(status.as_str().into()),
            None => CallAnswer::Failed("no answer".into()),
        };
        called(services, asked, "request without tools", how);
    } else {
        record(services, asked, request.instruction(), status, wait, cut);
    }
    answer
}

/// An answer of a good status that does not come whole.
fn cut_off(services: &Services, message: Message, cut: Cut, streams: bool) -> Answer {
    let (kind, text) = failure::words(StatusCode::INTERNAL_SERVER_ERROR);
    let end = match cut {
        Cut::MaxTokens => {
            let message = message.at_limit(streams);
            return match streams {
                true => message.stream(End::Whole),
                false => message.whole(End::Whole),
            };
        }
        Cut::StreamError => End::Failed(kind, text),
        Cut::Empty => End::Empty,
        Cut::Dangling if services.faults.either() => End::Cut,
        Cut::Dangling => End::Dangling,
    };
    match streams {
        true => message.stream(end),
        false => message.whole(end),
    }
}

/// What the agent says next.
fn turn(services: &Services, asked: &Asked, request: &Request) -> Message {
    let id = unique();
    let mut message = Message {
        id: format!("msg_{id}"),
        model: model(asked, request),
        input_tokens: tokens(asked.body.len()),
        words: "Done.".into(),
        uses: Box::new(std::iter::empty()),
        stop_reason: "end_turn",
    };
    let changes = request
        .instruction()
        .and_then(|text| services.config.site.script(text));
    let Some(changes) = changes.filter(|_| !request.is_side()) else {
        return message;
    };
    let tools = Toolbox::read(request.tools());
    let start = services.config.profile.start.as_ref();
    let by_shell = start.is_some_and(|start| start.edits_by_shell);
    let mut script = Script::new(tools, request.folder(), changes).by_shell(by_shell);
    if !script.is_possible() {
        let names = request.tools().filter_map(|tool| tool["name"].as_str());
        let names: Vec<&str> = names.collect();
        let tools = format!("edits with the tools {}", names.join(", "));
        called(services, asked, &tools, CallAnswer::NotServed);
        message.words = "I cannot make these changes with the tools that I have.".into();
        return message;
    }
    for turn in request.turns() {
        script.see(turn);
    }
    if script.is_done() {
        for (path, why) in script.failures() {
            message
                .words
                .push_str(&format!("\nI could not change {path}: {why}"));
        }
        return message;
    }
    let most = match request.takes_many_uses() {
        true => usize::MAX,
        false => 1,
    };
    message.words = "I will make these changes.".into();
    message.stop_reason = "tool_use";
    message.uses = Box::new(script.uses(most, &id));
    message
}

/// The model that is asked, which Bedrock has in the path.
fn model(asked: &Asked, request: &Request) -> Value {
    let path = asked.parts.uri.path();
    let in_path = path.strip_prefix("/model/");
    match in_path.and_then(|rest| rest.strip_suffix("/invoke")) {
        Some(id) => percent_decode_str(id).decode_utf8_lossy().into(),
        None => request.body["model"].clone(),
    }
}

/// Answers `shakedown agent-stub`: all changes at once.
pub(super) fn answer_stub(services: &Services, asked: &Asked) -> Answer {
    let request = serde_json::from_slice::<Value>(&asked.body).unwrap_or_default();
    let instruction = request["prompt"].as_str().and_then(site::instruction_in);
    let mut cut = None;
    let (answer, status, wait) = match fault(services, asked, false) {
        Some(Failure::Status(status)) => {
            let (answer, wait) = failure(asked, status);
            (answer, Some(status), wait)
        }
        Some(Failure::Never | Failure::Broken(..)) => (Answer::Never, None, None),
        // An agent's program that gets no whole answer changes nothing, and says so.
        Some(Failure::CutOff(how)) => {
            cut = Some(how);
            let answer = json(StatusCode::OK, "application/json", &json!({}));
            (answer, Some(StatusCode::OK), None)
        }
        None => {
            let changes = instruction.and_then(|text| services.config.site.script(text));
            let body = json!({ "changes": changes.unwrap_or_default() });
            let answer = json(StatusCode::OK, "application/json", &body);
            (answer, Some(StatusCode::OK), None)
        }
    };
    record(services, asked, instruction, status, wait, cut);
    answer
}

/// How many tokens a request has, roughly.
fn count(services: &Services, asked: &Asked) -> Answer {
    called(services, asked, "count_tokens", CallAnswer::Done);
    if let Err((status, kind, message)) = check_key(asked) {
        return refusal(asked, status, kind, message);
    }
    let body = json!({ "input_tokens": tokens(asked.body.len()) });
    json(StatusCode::OK, "application/json", &body)
}

/// The models; every name is one.
fn models(services: &Services, asked: &Asked, model: &str) -> Answer {
    called(services, asked, "models", CallAnswer::Done);
    if let Err((status, kind, message)) = check_key(asked) {
        return refusal(asked, status, kind, message);
    }
    let describe = |id: &str| {
        json!({
            "type": "model",
            "id": id,
            "display_name": id,
            "created_at": "2025-01-01T00:00:00Z",
            "max_input_tokens": 200_000,
            "max_tokens": 64_000,
        })
    };
    const SOME: [&str; 3] = ["claude-opus-4-8", "claude-sonnet-4-6", "claude-haiku-4-5"];
    let body = match model {
        "" => json!({
            "data": SOME.map(describe),
            "has_more": false,
            "first_id": SOME[0],
            "last_id": SOME[2],
        }),
        model => describe(model),
    };
    json(StatusCode::OK, "application/json", &body)
}

fn not_served(services: &Services, asked: &Asked) -> Answer {
    let operation = format!("{} {}", asked.parts.method, asked.parts.uri.path());
    called(services, asked, &operation, CallAnswer::NotServed);
    refusal(asked, StatusCode::NOT_FOUND, "not_found_error", "Not Found")
}

fn record(
    services: &Services,
    asked: &Asked,
    instruction: Option<&str>,
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
    cut: Option<Cut>,
) {
    services.recorder.record(What::AgentAsked {
        client: asked.client.clone(),
        mark: instruction.and_then(site::mark_in),
        status: status.map(|status| status.as_u16()),
        retry_after,
        cut,
    });
}

/// Records what was asked beside the turns.
fn called(services: &Services, asked: &Asked, operation: &str, answer: CallAnswer) {
    services.recorder.record(What::Called {
        client: asked.client.clone(),
        call: Arc::new(ServiceCall {
            service: "agent".into(),
            operation: operation.into(),
            about: None,
            answer,
        }),
    });
}

/// Whether the caller has the key of the API, in either of its places. Who asks Bedrock has signed.
fn check_key(asked: &Asked) -> Result<(), Refused> {
    if asked.call.is_some() {
        return Ok(());
    }
    let bearer = header(&asked.parts, AUTHORIZATION.as_str())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim());
    let message = match (header(&asked.parts, "x-api-key"), bearer) {
        (Some(AGENT_KEY), _) | (None, Some(AGENT_KEY)) => return Ok(()),
        (Some(_), _) => "invalid x-api-key",
        (None, Some(_)) => "Invalid bearer token",
        (None, None) => "x-api-key header is required",
    };
    Err((StatusCode::UNAUTHORIZED, "authentication_error", message))
}

/// What the real API would not take.
fn check(asked: &Asked, request: &Request) -> Result<(), Refused> {
    let bad = |message| Err((StatusCode::BAD_REQUEST, "invalid_request_error", message));
    if asked.parts.method != Method::POST {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err((status, "invalid_request_error", "Method Not Allowed"));
    }
    check_key(asked)?;
    if is_bedrock(asked.parts.uri.path()) {
        if !request.body["anthropic_version"].is_string() {
            return bad("anthropic_version: Field required");
        }
    } else if header(&asked.parts, "anthropic-version").is_none() {
        return bad("anthropic-version: header is required");
    } else if !request.body["model"].is_string() {
        return bad("model: Field required");
    }
    if request.body["max_tokens"]
        .as_u64()
        .is_none_or(|most| most == 0)
    {
        return bad("max_tokens: Field required");
    }
    let first = request.messages().first();
    if first.is_none_or(|first| first["role"] != "user") {
        return bad("messages: first message must use the \"user\" role");
    }
    if !request.answers_every_tool() {
        return bad(
            "messages: `tool_use` ids were found without `tool_result` blocks immediately after",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
