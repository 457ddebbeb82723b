//! Rules, violations of them, and the three verdicts.

mod heeded;

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use heeded::{Demand, Heeded};

use crate::plan::{ClientId, SessionId};

/// A rule of the recovery contract, by its id.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    // Always.
    /// `no-broken-deploy`.
    NoBrokenDeploy,
    /// `no-dangling-page`.
    NoDanglingPage,
    /// `commits-preserved`.
    CommitsPreserved,
    /// `exactly-once`.
    ExactlyOnce,
    /// `no-cascade`.
    NoCascade,
    /// `breaker`.
    Breaker,
    /// `bounded-retries`.
    BoundedRetries,
    /// `stays-up`.
    StaysUp,
    /// `errors-told`.
    ErrorsTold,
    /// `no-secret-told`.
    NoSecretTold,
    // After recovery.
    /// `nothing-lost`.
    NothingLost,
    /// `pushed`.
    Pushed,
    /// `fresh`.
    Fresh,
    /// `settled`.
    Settled,
    /// `usable`.
    Usable,
}

impl Rule {
    /// The id that the contract and every report use.
    pub fn id(self) -> &'static str {
        match self {
            Self::NoBrokenDeploy => "no-broken-deploy",
            Self::NoDanglingPage => "no-dangling-page",
            Self::CommitsPreserved => "commits-preserved",
            Self::ExactlyOnce => "exactly-once",
            Self::NoCascade => "no-cascade",
            Self::Breaker => "breaker",
            Self::BoundedRetries => "bounded-retries",
            Self::StaysUp => "stays-up",
            Self::ErrorsTold => "errors-told",
            Self::NoSecretTold => "no-secret-told",
            Self::NothingLost => "nothing-lost",
            Self::Pushed => "pushed",
            Self::Fresh => "fresh",
            Self::Settled => "settled",
            Self::Usable => "usable",
        }
    }

    /// The rule in the contract's words, short enough for a report.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoBrokenDeploy => "No object made by a failed build is ever in a site.",
            Self::NoDanglingPage => {
                "A page in a site never refers to an asset that the site lacks, not even for a moment."
            }
            Self::CommitsPreserved => {
                "A commit once on a session's branch, local or remote, by an instruction or an \
                 outsider, stays reachable from that branch. No force-push drops one."
            }
            Self::ExactlyOnce => {
                "An instruction's edit is in its branch at most once, whatever is redelivered, \
                 retried or restarted."
            }
            Self::NoCascade => {
                "What fails in one session changes nothing of another session. An outage of a \
                 shared dependency may delay others, but corrupts and loses nothing."
            }
            Self::Breaker => {
                "The S3 breaker opens after 5 failed syncs in a row, then no sync begins until \
                 one probe after the cool-down, which closes or reopens it. One state for all \
                 containers."
            }
            Self::BoundedRetries => {
                "S3 sync: 3 attempts; agent: at most 5; push: 3. Waits between them grow, with \
                 jitter, up to a cap. No retry loop without a wait."
            }
            Self::StaysUp => {
                "A container survives everything but crash and out-of-memory, and is up again \
                 within 120 s of those."
            }
            Self::ErrorsTold => {
                "What stopped an instruction is in the session's lastError or warnings and in the \
                 log; success is never reported for a deploy or push that has not happened."
            }
            Self::NoSecretTold => {
                "Tokens and keys are never in a log line, a session record, a commit or a site."
            }
            Self::NothingLost => {
                "After recovery every accepted instruction is done, or failed with its lastError \
                 set, or in the dead-letter queue."
            }
            Self::Pushed => {
                "After recovery the remote branch has every commit of the local one, and nothing \
                 in the workspace is unfinished or stray."
            }
            Self::Fresh => {
                "After recovery the site is exactly the output of one build: the newest good \
                 build of the client's sessions."
            }
            Self::Settled => {
                "After recovery the queue is empty, the breaker closed, the containers running, \
                 and lastError and warnings are set exactly where they should be."
            }
            Self::Usable => {
                "Work is possible again: what each session is sent after recovery ends done, \
                 committed once, pushed, built and deployed, without a lastError."
            }
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A rule that did not hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// Which of the rule's demands: a smaller plan shows the same failure when both agree.
    pub kind: String,
    /// The step during which it was seen, from 0; `None` once all steps had been made.
    pub step: Option<usize>,
    /// Whether it was seen in a system at rest, and so in no event; without it the run's last
    /// event violates.
    #[serde(default)]
    pub after_recovery: bool,
    /// What is not as it should be, where the event that violates does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Subject>,
    /// The system's own time.
    pub at: Duration,
    /// What was expected.
    pub expected: String,
    /// What was seen instead.
    pub observed: String,
}

impl Violation {
    /// Whether two violations are the same failure.
    pub fn is_same(&self, other: &Self) -> bool {
        self.rule == other.rule && self.kind == other.kind
    }

    /// Whether a system that keeps the rule in quiet may break it so where the machine is too
    /// slow: it depends on time limits, or on what came before one.
    pub fn depends_on_time(&self) -> bool {
        match self.rule {
            Rule::NoBrokenDeploy
            | Rule::NoDanglingPage
            | Rule::CommitsPreserved
            | Rule::ExactlyOnce
            | Rule::NoSecretTold => false,
            // A process that ends by itself does so on any machine, and an edit is where it does
            // not belong.
            Rule::StaysUp => self.kind != "exit",
            Rule::NoCascade => !matches!(self.kind.as_str(), "branch" | "site"),
            Rule::Breaker
            | Rule::BoundedRetries
            | Rule::ErrorsTold
            | Rule::NothingLost
            | Rule::Pushed
            | Rule::Fresh
            | Rule::Settled
            | Rule::Usable => true,
        }
    }

    /// When in its run it was seen, as every report says it.
    pub fn place(&self) -> String {
        match self.step {
            Some(step) => format!("at step {}", step + 1),
            None if self.rule == Rule::Usable => "when work was sent after recovery".into(),
            None if self.after_recovery => "after recovery".into(),
            None => "while it recovered".into(),
        }
    }
}

/// A thing that the model knows about, and that can be other than it should be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// The S3 breaker.
    Breaker,
    /// The queue of instructions.
    Queue,
    /// The container of a client.
    Container(ClientId),
    /// The site of a client.
    Site(ClientId),
    /// What the container of a client logs.
    Log(ClientId),
    /// The branch of a session, on the remote.
    Branch(SessionId),
    /// The checkout of a session.
    Workspace(SessionId),
    /// The instructions of a session.
    Work(SessionId),
    /// The record of a session.
    Record(SessionId),
}

impl Subject {
    /// The client that it belongs to, if one alone.
    pub fn client(&self) -> Option<&ClientId> {
        match self {
            Self::Breaker | Self::Queue => None,
            Self::Container(client) | Self::Site(client) | Self::Log(client) => Some(client),
            Self::Branch(session)
            | Self::Workspace(session)
            | Self::Work(session)
            | Self::Record(session) => Some(&session.client),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Breaker => f.write_str("S3 breaker"),
            Self::Queue => f.write_str("queue"),
            Self::Container(client) => write!(f, "container {client}"),
            Self::Site(client) => write!(f, "site {client}"),
            Self::Log(client) => write!(f, "log of {client}"),
            Self::Branch(session) => write!(f, "branch of {session}"),
            Self::Workspace(session) => write!(f, "workspace of {session}"),
            Self::Work(session) => write!(f, "work of {session}"),
            Self::Record(session) => write!(f, "record of {session}"),
        }
    }
}

/// A part of a rule that is not asked of a system, and why.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct NotAsked {
    /// The rule.
    pub rule: Rule,
    /// Whether no other part of the rule is asked either.
    pub whole: bool,
    /// The evidence that is missing, or the promise.
    pub why: String,
}

impl fmt::Display for NotAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = if self.whole { "" } else { " (in part)" };
        write!(f, "{}{part}: {}", self.rule, self.why)
    }
}

/// How a run of a plan ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// Every rule held.
    Held,
    /// A rule was violated.
    Violated(Violation),
    /// The harness itself could not judge, and why; never counted as held or violated.
    Unknown {
        /// Why.
        why: String,
    },
}
