//! The agent, through the Anthropic Messages API.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::HttpConnector;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::aws::{retry_after, with_sources};
use super::secrets::Secrets;
use crate::worker::ports::{Agent, FileChange, Instruction, Kind, PortError, PortResult, Turn};

/// The version of the API that requests are written for.
const VERSION: &str = "2023-06-01";
/// The most tokens of one answer.
const MAX_TOKENS: u32 = 16_000;
const SYSTEM: &str = "You edit the sources of a static web site as the user asks. Change files \
                      with the tools; when nothing is left to change, answer without a tool.";

/// A model that edits files with three tools.
pub struct ClaudeAgent {
    client: Connector,
    url: String,
    key: String,
    model: String,
    secrets: Secrets,
}

impl ClaudeAgent {
    pub fn new(base: &str, key: &str, model: &str, secrets: Secrets) -> Self {
        let builder = Connector::builder();
        // Without TLS there are no root certificates to read, which would slow a cold start.
        let client = if base.starts_with("http://") {
            builder.build_http()
        } else {
            let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
            builder
                .proxy_config(ProxyConfig::from_env())
                .tls_provider(ring)
                .build()
        };
        Self {
            client,
            url: format!("{}/v1/messages", base.trim_end_matches('/')),
            key: key.into(),
            model: model.into(),
            secrets,
        }
    }

    /// Sends a request. The client of the SDK is enough for it.
    async fn send(&self, body: Vec<u8>) -> PortResult<HttpResponse> {
        let wrong = |error: &dyn Error| self.error(Kind::Other, error);
        let mut request = HttpRequest::new(body.into());
        request.set_method("POST").map_err(|error| wrong(&error))?;
        request.set_uri(&*self.url).map_err(|error| wrong(&error))?;
        for (name, value) in [
            ("content-type", "application/json"),
            ("x-api-key", &self.key),
            ("anthropic-version", VERSION),
        ] {
            let set = request.headers_mut().try_insert(name, value.to_owned());
            set.map_err(|error| wrong(&error))?;
        }
        self.client.call(request).await.map_err(|error| {
            let kind = if error.is_user() {
                Kind::Other
            } else {
                Kind::Network
            };
            self.error(kind, &error)
        })
    }

    fn error(&self, kind: Kind, error: &dyn Error) -> PortError {
        PortError::new(kind, self.secrets.hide(&with_sources(error)))
    }

    fn read_refusal(&self, status: u16, retry_after: Option<Duration>, body: &[u8]) -> PortError {
        let text = match serde_json::from_slice::<Refusal>(body) {
            Ok(Refusal { error }) => format!("{}: {}", error.kind, error.message),
            Err(_) => StatusCode::from_u16(status)
                .ok()
                .and_then(|status| status.canonical_reason())
                .unwrap_or("error")
                .into(),
        };
        PortError {
            kind: match status {
                401 | 403 => Kind::Denied,
                // 529 is "overloaded", a status of Anthropic's own.
                429 | 503 | 529 => Kind::Throttled,
                _ => Kind::Other,
            },
            text: self.secrets.hide(&text),
            retry_after,
            status: Some(status),
        }
    }
}

#[async_trait(?Send)]
impl Agent for ClaudeAgent {
    async fn ask(&self, instruction: &Instruction, so_far: &[Turn]) -> PortResult<Turn> {
        let request = serde_json::to_vec(&request(&self.model, instruction, so_far));
        let request = request.map_err(|error| self.error(Kind::Other, &error))?;
        let response = self.send(request).await?;
        let status = response.status();
        let retry_after = retry_after(&response);
        let body = ByteStream::new(response.into_body()).collect().await;
        if !status.is_success() {
            // What can be read of it is enough.
            let body = body.map(|body| body.into_bytes()).unwrap_or_default();
            return Err(self.read_refusal(status.as_u16(), retry_after, &body));
        }
        let body = body
            .map_err(|error| self.error(Kind::Network, &error))?
            .into_bytes();
        let answer = serde_json::from_slice(&body).map_err(|error| {
            let text = format!("cannot read the agent's answer: {error}");
            PortError::new(Kind::Other, self.secrets.hide(&text))
        })?;
        turn(answer)
    }
}

/// A request: the conversation so far, with the result of every change that was done. It borrows
/// what it sends, which may be large.
#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    max_tokens: u32,
    system: &'static str,
    tools: Value,
    messages: Vec<Message<'a>>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Words(&'a str),
    Parts(Vec<ContentBlock<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ContentBlock<'a> {
    ToolUse {
        id: String,
        name: &'static str,
        input: Input<'a>,
    },
    ToolResult {
        tool_use_id: String,
        content: &'static str,
    },
}

/// What a tool is given.
#[derive(Serialize, Default)]
struct Input<'a> {
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<&'a str>,
}

fn request<'a>(model: &'a str, instruction: &'a Instruction, so_far: &'a [Turn]) -> Request<'a> {
    let mut messages = vec![Message {
        role: "user",
        content: Content::Words(&instruction.instruction),
    }];
    for (t, turn) in so_far.iter().enumerate() {
        let id = |n: usize| format!("toolu_{t}_{n}");
        let uses = turn.changes.iter().enumerate().map(|(n, change)| {
            let (name, input) = tool_use(change);
            ContentBlock::ToolUse {
                id: id(n),
                name,
                input,
            }
        });
        let results = (0..turn.changes.len()).map(|n| ContentBlock::ToolResult {
            tool_use_id: id(n),
            content: "done",
        });
        messages.push(Message {
            role: "assistant",
            content: Content::Parts(uses.collect()),
        });
        messages.push(Message {
            role: "user",
            content: Content::Parts(results.collect()),
        });
    }
    Request {
        model,
        max_tokens: MAX_TOKENS,
        system: SYSTEM,
        tools: tools(),
        messages,
    }
}

fn tool_use(change: &FileChange) -> (&'static str, Input<'_>) {
    match change {
        FileChange::Write { path, text } => (
            "write_file",
            Input {
                path,
                text: Some(text),
                ..Input::default()
            },
        ),
        FileChange::Append { path, line } => (
            "append_line",
            Input {
                path,
                line: Some(line),
                ..Input::default()
            },
        ),
        FileChange::Delete { path } => (
            "delete_file",
            Input {
                path,
                ..Input::default()
            },
        ),
    }
}

fn tools() -> Value {
    let tool = |name: &str, description: &str, parameters: &[(&str, &str)]| {
        let properties: serde_json::Map<String, Value> = parameters
            .iter()
            .map(|(name, meaning)| {
                let schema = json!({ "type": "string", "description": meaning });
                ((*name).to_owned(), schema)
            })
            .collect();
        let names: Vec<&str> = parameters.iter().map(|(name, _)| *name).collect();
        json!({
            "name": name,
            "description": description,
            "input_schema": { "type": "object", "properties": properties, "required": names },
        })
    };
    let path = (
        "path",
        "the file, relative to the top of the site's sources",
    );
    json!([
        tool(
            "write_file",
            "Writes a whole file, in place of what was there.",
            &[path, ("text", "the file's new content")],
        ),
        tool(
            "append_line",
            "Adds a line at the end of a file, which is made if it is missing.",
            &[path, ("line", "the line, without its line break")],
        ),
        tool("delete_file", "Deletes a file.", &[path]),
    ])
}

#[derive(Deserialize)]
struct Answer {
    content: Vec<Block>,
    stop_reason: Option<String>,
}

/// A part of an answer; what is not a use of a tool is for the reader only.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    ToolUse {
        name: String,
        input: Value,
    },
    #[serde(other)]
    Words,
}

#[derive(Deserialize)]
struct Refusal {
    error: RefusalError,
}

#[derive(Deserialize)]
struct RefusalError {
    #[serde(rename = "type")]
    kind: String,
    message: String,
}

/// The changes that an answer asks for.
fn turn(answer: Answer) -> PortResult<Turn> {
    if let Some(reason @ ("max_tokens" | "refusal")) = answer.stop_reason.as_deref() {
        let text = format!("the agent stopped early: {reason}");
        return Err(PortError::new(Kind::Other, text));
    }
    let mut changes = Vec::new();
    for block in answer.content {
        let Block::ToolUse { name, mut input } = block else {
            continue;
        };
        if let Some(input) = input.as_object_mut() {
            input.insert("tool".into(), name.as_str().into());
        }
        let change: FileChange = serde_json::from_value(input).map_err(|error| {
            let text = format!("the agent used the tool `{name}` wrongly: {error}");
            PortError::new(Kind::Other, text)
        })?;
        changes.push(change);
    }
    Ok(Turn { changes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::SessionId;

    #[test]
    fn the_changes_of_an_answer_come_back_in_the_next_request() {
        let answer = json!({
            "stop_reason": "tool_use",
            "content": [
                { "type": "text", "text": "I shall." },
                {
                    "type": "tool_use", "id": "toolu_abc", "name": "append_line",
                    "input": { "path": "a.txt", "line": "edit-1" },
                },
                {
                    "type": "tool_use", "id": "toolu_def", "name": "delete_file",
                    "input": { "path": "b.txt" },
                },
            ],
        });
        let turn = turn(serde_json::from_value(answer.clone()).unwrap()).unwrap();
        assert_eq!(turn.changes.len(), 2);
        let instruction = Instruction {
            instruction_id: "edit-1".into(),
            session_id: SessionId::new("acme", "home"),
            instruction: "Change it".into(),
        };
        let request = json!(request("model", &instruction, &[turn]));
        assert_eq!(request["messages"][0]["content"], "Change it");
        let uses = &request["messages"][1]["content"];
        for n in 0..2 {
            assert_eq!(uses[n]["name"], answer["content"][n + 1]["name"]);
            assert_eq!(uses[n]["input"], answer["content"][n + 1]["input"]);
            let result = &request["messages"][2]["content"][n];
            assert_eq!(result["tool_use_id"], uses[n]["id"]);
        }
    }

    #[test]
    fn answers_that_are_no_turn_are_errors() {
        for (stop_reason, name, words) in [
            ("max_tokens", "write_file", "max_tokens"),
            ("tool_use", "run_shell", "run_shell"),
            ("tool_use", "write_file", "missing field `text`"),
        ] {
            let answer = json!({
                "stop_reason": stop_reason,
                "content": [{ "type": "tool_use", "id": "x", "name": name, "input": { "path": "a" } }],
            });
            let error = turn(serde_json::from_value(answer).unwrap()).unwrap_err();
            assert!(error.text.contains(words), "{error}");
        }
    }
}
