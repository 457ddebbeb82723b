//! An answer of the Messages API, as one JSON object or as the events of a stream.

use std::collections::VecDeque;
use std::io;

use futures::stream::{self, Stream, StreamExt};
use http_body_util::{BodyExt, StreamBody};
use hyper::Response;
use hyper::body::{Bytes, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};

use crate::cloud::answer::Answer;

/// What the agent says in one turn.
pub(super) struct Message {
    /// Unlike that of any other: clients take answers with one id for parts of one.
    pub(super) id: String,
    pub(super) model: Value,
    pub(super) input_tokens: usize,
    pub(super) words: String,
    /// The tools that it uses. They are made one by one: a memory-hungry edit is large, and is not
    /// held here.
    pub(super) uses: Box<dyn Iterator<Item = ToolUse> + Send>,
    pub(super) stop_reason: &'static str,
}

/// One use of a tool.
pub(super) struct ToolUse {
    pub(super) id: String,
    pub(super) name: String,
    /// What the tool is given, as JSON.
    pub(super) input: String,
}

/// How a stream ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// With its last event.
    Whole,
    /// Within a block, with an error event of this type and message.
    Failed(&'static str, &'static str),
    /// Within a block, with the connection.
    Cut,
    /// Within a block, as if that were all.
    Dangling,
    /// Before anything is said.
    Empty,
    /// Never: within a block, nothing more comes.
    Stalled,
}

impl Message {
    fn head(&self) -> Value {
        json!({
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "stop_sequence": null,
        })
    }

    /// The same, stopped at the limit of tokens: within what its first tool is given, or within its words.
    pub(super) fn at_limit(mut self, streams: bool) -> Self {
        self.stop_reason = "max_tokens";
        match self.uses.next() {
            Some(used) => self.uses = Box::new(std::iter::once(used.at_limit(streams))),
            None => {
                let half = self.words.ceil_char_boundary(self.words.len() / 2);
                self.words.truncate(half);
            }
        }
        self
    }

    /// As one JSON object, which ends in some way.
    pub(super) fn whole(self, end: End) -> Answer {
        let mut head = self.head();
        head["stop_reason"] = self.stop_reason.into();
        let mut head = head.to_string();
        head.pop();
        let words = json!({ "type": "text", "text": self.words });
        let mut written = self.words.len();
        let mut uses = self.uses;
        let mut parts = std::iter::once(format!("{head},\"content\":[{words}"));
        let mut is_done = false;
        let parts = std::iter::from_fn(move || {
            if let Some(first) = parts.next() {
                return Some(first);
            }
            if let Some(ToolUse { id, name, input }) = uses.next() {
                written += input.len();
                let (id, name) = (json!(id), json!(name));
                let used = format!(
                    "{{\"type\":\"tool_use\",\"id\":{id},\"name\":{name},\"input\":{input}}}"
                );
                return Some(format!(",{used}"));
            }
            let usage = usage(self.input_tokens, written);
            (!std::mem::replace(&mut is_done, true)).then(|| format!("],\"usage\":{usage}}}"))
        });
        const JSON: &str = "application/json";
        match end {
            End::Whole => reply(JSON, stream::iter(parts.map(Ok))),
            End::Empty => reply(JSON, stream::empty()),
            End::Dangling => reply(JSON, stream::iter(parts.take(1).map(Ok))),
            End::Cut | End::Failed(..) => {
                reply(JSON, stream::iter(parts.take(1).map(Ok)).chain(reset()))
            }
            End::Stalled => reply(
                JSON,
                stream::iter(parts.take(1).map(Ok)).chain(stream::pending()),
            ),
        }
    }

    /// As a stream of events.
    pub(super) fn stream(self, end: End) -> Answer {
        let mut head = self.head();
        head["content"] = json!([]);
        head["stop_reason"] = Value::Null;
        head["usage"] = usage(self.input_tokens, 1);
        let mut events = Events {
            ready: VecDeque::new(),
            blocks: 0,
            written: 0,
            uses: self.uses,
            stop_reason: Some(self.stop_reason),
        };
        events.push(&json!({ "type": "message_start", "message": head }));
        events.push(&json!({ "type": "ping" }));
        let text = json!({ "type": "text", "text": "" });
        events.block(
            &text,
            &self.words,
            |text| json!({ "type": "text_delta", "text": text }),
        );
        const EVENTS: &str = "text/event-stream";
        if end == End::Whole {
            return reply(EVENTS, stream::iter(events.map(Ok)));
        }
        events.next_block();
        // The last piece of a block and its end do not come.
        let begun = events.ready.len() - 2;
        let begun: Vec<String> = events.ready.drain(..begun).collect();
        let begun = stream::iter(begun.into_iter().map(Ok));
        match end {
            End::Failed(kind, message) => {
                let error = event(&error(kind, message));
                reply(EVENTS, begun.chain(stream::iter([Ok(error)])))
            }
            End::Stalled => reply(EVENTS, begun.chain(stream::pending())),
            End::Dangling => reply(EVENTS, begun),
            End::Empty => reply(EVENTS, stream::empty()),
            End::Whole | End::Cut => reply(EVENTS, begun.chain(reset())),
        }
    }
}

/// The end of the connection; what was said before it goes out first.
fn reset() -> impl Stream<Item = io::Result<String>> + Send {
    let pause = stream::once(tokio::task::yield_now()).filter_map(|()| async { None });
    pause.chain(stream::iter([Err(io::ErrorKind::ConnectionReset.into())]))
}

impl ToolUse {
    /// The same with half of what the tool is given: of the JSON itself in a stream, else of its longest text.
    fn at_limit(mut self, streams: bool) -> Self {
        let half = |text: &str| text[..text.ceil_char_boundary(text.len() / 2)].to_owned();
        if streams {
            self.input = half(&self.input);
            return self;
        }
        let mut input: Value = serde_json::from_str(&self.input).unwrap_or_default();
        let texts = input
            .as_object_mut()
            .into_iter()
            .flat_map(|it| it.values_mut());
        let longest = texts.max_by_key(|text| text.as_str().map_or(0, str::len));
        if let Some(Value::String(text)) = longest {
            *text = half(text);
        }
        self.input = input.to_string();
        self
    }
}

/// The events of a stream, made block by block.
struct Events {
    ready: VecDeque<String>,
    /// How many blocks have begun.
    blocks: usize,
    /// How many bytes the agent has said.
    written: usize,
    uses: Box<dyn Iterator<Item = ToolUse> + Send>,
    /// Why it stops, until that is said.
    stop_reason: Option<&'static str>,
}

/// In how many pieces a block comes.
const PIECES: usize = 4;

impl Events {
    fn push(&mut self, data: &Value) {
        self.ready.push_back(event(data));
    }

    /// A block: how it begins, and its text in pieces.
    fn block(&mut self, start: &Value, text: &str, delta: impl Fn(&str) -> Value) {
        let index = self.blocks;
        self.blocks += 1;
        self.written += text.len();
        self.push(
            &json!({ "type": "content_block_start", "index": index, "content_block": start }),
        );
        let mut rest = text;
        for left in (1..=PIECES).rev() {
            let end = rest.ceil_char_boundary(rest.len().div_ceil(left));
            let (piece, after) = rest.split_at(end);
            self.push(
                &json!({ "type": "content_block_delta", "index": index, "delta": delta(piece) }),
            );
            rest = after;
        }
        self.push(&json!({ "type": "content_block_stop", "index": index }));
    }

    /// Makes the events of the next use of a tool; returns whether there was one.
    fn next_block(&mut self) -> bool {
        let Some(ToolUse { id, name, input }) = self.uses.next() else {
            return false;
        };
        let start = json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
        self.block(
            &start,
            &input,
            |piece| json!({ "type": "input_json_delta", "partial_json": piece }),
        );
        true
    }
}

impl Iterator for Events {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if self.ready.is_empty() && !self.next_block() {
            let stop_reason = self.stop_reason.take()?;
            let tokens = tokens(self.written);
            self.push(&json!({
                "type": "message_delta",
                "delta": { "stop_reason": stop_reason, "stop_sequence": null },
                "usage": { "output_tokens": tokens },
            }));
            self.push(&json!({ "type": "message_stop" }));
        }
        self.ready.pop_front()
    }
}

/// About how many tokens a text of so many bytes has. It never fills a model's window: a client
/// would ask for a summary in place of its next turn.
pub(super) fn tokens(bytes: usize) -> usize {
    (bytes / 4).clamp(1, 50_000)
}

fn usage(input_tokens: usize, written: usize) -> Value {
    json!({ "input_tokens": input_tokens, "output_tokens": tokens(written) })
}

/// What an error of the API looks like, but for the id of its request.
pub(super) fn error(kind: &str, message: &str) -> Value {
    json!({ "type": "error", "error": { "type": kind, "message": message } })
}

/// A server-sent event, named as its data says.
fn event(data: &Value) -> String {
    let name = data["type"].as_str().unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n")
}

fn reply(
    content_type: &'static str,
    parts: impl Stream<Item = io::Result<String>> + Send + 'static,
) -> Answer {
    let frames = parts.map(|part| Ok(Frame::data(Bytes::from(part?))));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Answer::Reply(response)
}
