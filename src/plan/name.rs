//! The names in a plan: of clients, of sessions, and the marks of edits.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The owner of a site: the bucket `edit.<client>.webordinary.com` and one container.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ClientId(pub Arc<str>);

impl ClientId {
    /// The bucket that this client's site is served from.
    pub fn bucket(&self) -> String {
        format!("edit.{}.webordinary.com", self.0)
    }
}

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

/// A chat thread of a client: its branch is `thread-<thread>`, its record the item `client/thread`.
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

    /// The git branch that holds this session's work.
    pub fn branch(&self) -> String {
        format!("thread-{}", self.thread)
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

/// Whether a text can name a client or a thread: it becomes part of bucket and branch names.
fn is_name(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}
