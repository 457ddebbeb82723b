//! What can be seen of a system, and the type of what was not.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of the world that rules rest on.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// The messages of the instruction queue: sent, delivered, deleted, given up.
    Queue,
    /// The requests to the agent.
    Agent,
    /// The branches of the git remote, and who pushes and fetches.
    Remote,
    /// The checkouts of the containers.
    Workspace,
    /// The objects of the sites, and the requests to S3.
    Site,
    /// The sessions' records, and the requests to their table.
    Record,
    /// The lines of the log.
    Log,
    /// The containers' starts and ends.
    Process,
    /// The outcomes of instructions that it reports: by callback, HTTP or exit code.
    #[serde(skip)]
    Outcome,
    /// That an instruction failed, where the system reports it: its record, its log or its outcomes,
    /// as the profile says.
    #[serde(skip)]
    Report,
    /// The requests of the containers one by one, in their order and each at its moment. A system
    /// that is only looked at now and then shows what came of them.
    #[serde(skip)]
    Requests,
    /// The tokens and keys that the system holds, to find them where they must not be.
    #[serde(skip)]
    Secrets,
}

impl Evidence {
    /// Every kind that a profile names.
    pub const ALL: [Self; 8] = [
        Self::Queue,
        Self::Agent,
        Self::Remote,
        Self::Workspace,
        Self::Site,
        Self::Record,
        Self::Log,
        Self::Process,
    ];

    /// The word that profiles and reports use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Agent => "agent",
            Self::Remote => "remote",
            Self::Workspace => "workspace",
            Self::Site => "site",
            Self::Record => "record",
            Self::Log => "log",
            Self::Process => "process",
            Self::Outcome => "outcome",
            Self::Report => "report of failures",
            Self::Requests => "requests, one by one,",
            Self::Secrets => "secrets",
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What was seen of a part of the system. That it was not seen does not mean that it is empty.
///
/// In JSON the part itself, or `null`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Option<T>", into = "Option<T>")]
#[serde(bound(serialize = "T: Clone + Serialize"))]
pub enum Seen<T> {
    /// The target has no way to look at this part.
    #[default]
    NotSeen,
    /// The part as it was.
    Seen(T),
}

impl<T> Seen<T> {
    /// What was seen, if the target could look.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::NotSeen => None,
            Self::Seen(it) => Some(it),
        }
    }

    pub(crate) fn hide_if(&mut self, is_hidden: bool) {
        if is_hidden {
            *self = Self::NotSeen;
        }
    }

    /// The part, to be changed; it counts as seen from now on.
    pub fn or_default(&mut self) -> &mut T
    where
        T: Default,
    {
        if let Self::NotSeen = self {
            *self = Self::Seen(T::default());
        }
        match self {
            Self::Seen(it) => it,
            Self::NotSeen => unreachable!("it was set above"),
        }
    }
}

impl<T> From<Option<T>> for Seen<T> {
    fn from(of: Option<T>) -> Self {
        of.map_or(Self::NotSeen, Self::Seen)
    }
}

impl<T> From<Seen<T>> for Option<T> {
    fn from(of: Seen<T>) -> Self {
        match of {
            Seen::NotSeen => None,
            Seen::Seen(it) => Some(it),
        }
    }
}
