//! What a request to the Messages API says: the instruction, the folder, what the tools answered.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::site;

/// A request to the Messages API.
pub(super) struct Request {
    pub(super) body: Value,
    /// The newest instruction, and in which message it is.
    instruction: Option<(usize, String)>,
}

impl Request {
    /// Reads a request; one that is no JSON says nothing.
    pub(super) fn read(body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let instruction = body["messages"].as_array().and_then(|messages| {
            let mut users = messages.iter().enumerate().rev();
            users.find_map(|(at, message)| Some((at, instruction_of(message)?)))
        });
        Self { body, instruction }
    }

    pub(super) fn instruction(&self) -> Option<&str> {
        self.instruction.as_ref().map(|(_, text)| &**text)
    }

    /// Whether it can ask for no edit: the agent has no tools in it. Clients ask so for titles and
    /// summaries beside their work.
    pub(super) fn is_side(&self) -> bool {
        self.tools().next().is_none()
    }

    pub(super) fn streams(&self) -> bool {
        self.body["stream"] == true
    }

    pub(super) fn messages(&self) -> &[Value] {
        self.body["messages"].as_array().map_or(&[], Vec::as_slice)
    }

    pub(super) fn tools(&self) -> impl Iterator<Item = &Value> {
        self.body["tools"].as_array().into_iter().flatten()
    }

    /// Whether the agent may use several tools in one turn.
    pub(super) fn takes_many_uses(&self) -> bool {
        self.body["tool_choice"]["disable_parallel_tool_use"] != true
    }

    /// The folder that paths begin at, where the client says one, as Claude Code does.
    pub(super) fn folder(&self) -> Option<String> {
        static FOLDER: LazyLock<Option<Regex>> = LazyLock::new(|| {
            Regex::new(r"(?mi)^[^\n/]{0,40}working directory:[ \t]*(/[^\r\n]*?)[ \t]*$").ok()
        });
        let system = std::iter::once(&self.body["system"]);
        let said = system.chain(self.messages().iter().map(|message| &message["content"]));
        said.flat_map(texts).find_map(|text| {
            let found = FOLDER.as_ref()?.captures(text)?;
            Some(found[1].trim_end_matches('/').to_owned())
        })
    }

    /// What came of the tools that the agent used for the instruction, turn by turn.
    pub(super) fn turns(&self) -> impl Iterator<Item = Vec<Option<ToolResult>>> {
        let begin = self.instruction.as_ref().map_or(0, |(at, _)| *at);
        let messages = &self.messages()[begin..];
        messages
            .iter()
            .enumerate()
            .filter_map(move |(at, message)| {
                let uses: Vec<&Value> = blocks(message, "tool_use").collect();
                let answers: Vec<&Value> = answers_to(messages, at).collect();
                let result = |of: &&Value| {
                    let answer = answers
                        .iter()
                        .find(|answer| answer["tool_use_id"] == of["id"]);
                    answer.map(|answer| ToolResult::read(answer))
                };
                (!uses.is_empty()).then(|| uses.iter().map(result).collect())
            })
    }

    /// Whether each tool that the agent used was answered in the message after it.
    pub(super) fn answers_every_tool(&self) -> bool {
        let messages = self.messages();
        messages.iter().enumerate().all(|(at, message)| {
            let answers: Vec<&Value> = answers_to(messages, at)
                .map(|block| &block["tool_use_id"])
                .collect();
            blocks(message, "tool_use").all(|block| answers.contains(&&block["id"]))
        })
    }
}

/// Whether a body is a turn of an agent: it offers tools. All else of it is passed over.
pub(super) fn offers_tools(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Offer {
        tools: Vec<IgnoredAny>,
    }
    serde_json::from_slice::<Offer>(body).is_ok_and(|offer| !offer.tools.is_empty())
}

/// What a tool answered: a text, or an error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ToolResult {
    pub(super) is_error: bool,
    pub(super) text: String,
}

impl ToolResult {
    fn read(block: &Value) -> Self {
        let texts: Vec<&str> = texts(&block["content"]).collect();
        Self {
            is_error: block["is_error"] == true,
            text: without_reminders(&texts.join("\n")).into_owned(),
        }
    }
}

/// The instruction in what a user says; what clients add to it by themselves is none.
fn instruction_of(message: &Value) -> Option<String> {
    let said = texts(&message["content"]).filter(|_| message["role"] == "user");
    let said: Vec<&str> = said.collect();
    said.iter().rev().find_map(|text| {
        let text = without_reminders(text);
        site::instruction_in(&text).map(str::to_owned)
    })
}

fn without_reminders(text: &str) -> Cow<'_, str> {
    static REMINDER: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?s)<system-reminder>.*?</system-reminder>").ok());
    match REMINDER.as_ref() {
        Some(reminder) => reminder.replace_all(text, ""),
        None => text.into(),
    }
}

/// The texts of a content, which is one text or a list of blocks.
fn texts(content: &Value) -> impl Iterator<Item = &str> {
    let blocks = content.as_array().into_iter().flatten();
    let blocks = blocks.filter(|block| block["type"] == "text");
    let texts = blocks.filter_map(|block| block["text"].as_str());
    content.as_str().into_iter().chain(texts)
}

/// The content blocks of one type in a message.
fn blocks<'a>(message: &'a Value, kind: &'static str) -> impl Iterator<Item = &'a Value> {
    let content = message["content"].as_array().into_iter().flatten();
    content.filter(move |block| block["type"] == kind)
}

/// The results of tools in the message after one; what a client says as `system` between is none.
fn answers_to(messages: &[Value], at: usize) -> impl Iterator<Item = &Value> {
    let mut later = messages[at + 1..].iter();
    let next = later.find(|message| message["role"] != "system");
    next.into_iter()
        .flat_map(|next| blocks(next, "tool_result"))
}
