//! The names in a plan: of clients, of sessions, and the marks of edits.

use std::fmt;
use std::sync::Arc;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

/// The owner of a site: it has a bucket and one container.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ClientId(pub Arc<str>);

impl From<&str> for ClientId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A chat thread of a client: it has a branch of its own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId {
    /// The client that owns it.
    pub client: ClientId,
    /// The chat thread.
    pub thread: Arc<str>,
}

impl SessionId {
    /// The session of these names.
    pub fn new(client: &str, thread: &str) -> Self {
        Self {
            client: client.into(),
            thread: thread.into(),
        }
    }

    /// Reads `client/thread`, the form that plans, records and messages use.
    pub fn parse(text: &str) -> Option<Self> {
        let (client, thread) = text.split_once('/')?;
        (is_name(client) && is_name(thread)).then(|| Self::new(client, thread))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.client, self.thread)
    }
}

impl Serialize for SessionId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not client/thread")))
    }
}

/// The mark of one edit, which the scripted agent writes into the site: `edit-3`, `outside-1`.
///
/// An instruction's mark is also its id. Marks are numbered from 1 in the order of the plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Mark {
    /// Of an instruction's edit.
    Edit(u32),
    /// Of an outsider's commit.
    Outside(u32),
}

impl Mark {
    /// Reads `edit-N` or `outside-N`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(n) = text.strip_prefix("edit-") {
            return n.parse().ok().map(Self::Edit);
        }
        text.strip_prefix("outside-")?
            .parse()
            .ok()
            .map(Self::Outside)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edit(n) => write!(f, "edit-{n}"),
            Self::Outside(n) => write!(f, "outside-{n}"),
        }
    }
}

impl Serialize for Mark {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mark {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a mark")))
    }
}

/// Fills the placeholders of a name: `{client}`, `{thread}` and `{session}` (client/thread), and each
/// with `.uuid`, a UUID that is derived from it.
pub fn fill_name(pattern: &str, client: &ClientId, session: Option<&SessionId>) -> String {
    let mut text = pattern.to_owned();
    let mut put = |word: &str, value: &str| {
        if !text.contains('{') {
            return;
        }
        let derived = format!("{{{word}.uuid}}");
        if text.contains(&derived) {
            text = text.replace(&derived, &uuid(value));
        }
        text = text.replace(&format!("{{{word}}}"), value);
    };
    put("client", &client.0);
    if let Some(session) = session {
        put("thread", &session.thread);
        put("session", &session.to_string());
    }
    text
}

/// A UUID that is derived from a name (version 3 of RFC 9562, in a namespace of nothing).
fn uuid(name: &str) -> String {
    let mut bytes: [u8; 16] = Md5::digest(name.as_bytes()).into();
    bytes[6] = bytes[6] & 0x0f | 0x30;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}

/// How a session is written.
pub(super) const FORM: &str = "client/thread in lower-case letters, digits and inner hyphens, each of at \
                               most 40 characters";

/// Whether a text can name a client or a thread: it becomes part of bucket and branch names.
fn is_name(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}
