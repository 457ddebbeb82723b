//! The agent, through the Anthropic Messages API.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, ClientBuilder, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::aws::with_sources;
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
    client: Client,
    url: String,
    key: String,
    model: String,
    secrets: Secrets,
}

impl ClaudeAgent {
    /// # Errors
    /// When TLS cannot be set up: no root certificates.
    pub fn new(base: &str, key: &str, model: &str, secrets: Secrets) -> reqwest::Result<Self> {
        // A provider that was set before is as good; the first one is kept.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = ClientBuilder::new();
        if base.starts_with("http://") {
            // Without TLS there are no root certificates to read, which would slow a cold start.
            builder = builder.tls_certs_only([]);
        }
        Ok(Self {
            client: builder.build()?,
            url: format!("{}/v1/messages", base.trim_end_matches('/')),
            key: key.into(),
            model: model.into(),
            secrets,
        })
    }

    fn no_answer(&self, error: reqwest::Error) -> PortError {
        let kind = if error.is_builder() || error.is_decode() && !error.is_body() {
            Kind::Other
        } else {
            Kind::Network
        };
        let text = with_sources(&error.without_url());
        PortError::new(kind, self.secrets.hide(&text))
    }

    async fn read_refusal(&self, response: Response) -> PortError {
        let status = response.status();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|seconds| seconds.to_str().ok()?.trim().parse().ok())
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let body = response.text().await.unwrap_or_default();
        let text = match serde_json::from_str::<Refusal>(&body) {
            Ok(Refusal { error }) => format!("{}: {}", error.kind, error.message),
            Err(_) => status.canonical_reason().unwrap_or("error").into(),
        };
        PortError {
            kind: match status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Kind::Denied,
                StatusCode::TOO_MANY_REQUESTS => Kind::Throttled,
                // Overloaded, in Anthropic's own status.
                _ if status == 529 || status == 503 => Kind::Throttled,
                _ => Kind::Other,
            },
            text: self.secrets.hide(&text),
            retry_after,
            status: Some(status.as_u16()),
        }
    }
}

#[async_trait(?Send)]
impl Agent for ClaudeAgent {
    async fn ask(&self, instruction: &Instruction, so_far: &[Turn]) -> PortResult<Turn> {
        let response = self
            .client
            .post(&self.url)
            .header("x-api-key", &self.key)
            .header("anthropic-version", VERSION)
            .json(&request(&self.model, instruction, so_far))
            .send()
            .await
            .map_err(|error| self.no_answer(error))?;
        if !response.status().is_success() {
            return Err(self.read_refusal(response).await);
        }
        let body = response.bytes().await;
        let body = body.map_err(|error| self.no_answer(error))?;
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
