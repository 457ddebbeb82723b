//! Plans: what is done to the system, step by step, and the text that keeps them.
//!
//! A plan is data. The same plan means the same on every target, and its text form is the
//! regression format: one step a line, comments kept, an unknown word an error with its place.

mod text;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use text::{FAULT_WORDS, STEP_WORDS};
pub use text::{ParseError, VERSION_LINE};

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
    pub client: ClientId,
    pub thread: Arc<str>,
}

impl SessionId {
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
        (text::is_name(client) && text::is_name(thread)).then(|| Self::new(client, thread))
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
    Edit(u32),
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

/// What an instruction asks the agent for; simplest first, so that shrinking goes to the front.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    Change,
    BreakBuild,
    Repair,
    Warn,
    MemoryHungry,
}

impl Edit {
    pub const ALL: [Self; 5] = [
        Self::Change,
        Self::BreakBuild,
        Self::Repair,
        Self::Warn,
        Self::MemoryHungry,
    ];
}

/// Where an instruction is on its way, in the contract's order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    Received,
    Thinking,
    Editing,
    Committing,
    Pushing,
    Building,
    Deploying,
    Done,
}

impl Phase {
    pub const ALL: [Self; 8] = [
        Self::Received,
        Self::Thinking,
        Self::Editing,
        Self::Committing,
        Self::Pushing,
        Self::Building,
        Self::Deploying,
        Self::Done,
    ];
}

/// How S3 shows that it is down.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outage {
    /// 503 SlowDown.
    SlowDown,
    /// The connection is refused.
    Refused,
    /// The connection is reset while the request is under way.
    Reset,
    /// No answer ever comes.
    Timeout,
}

impl Outage {
    pub const ALL: [Self; 4] = [Self::SlowDown, Self::Refused, Self::Reset, Self::Timeout];
}

/// A push by an outsider.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outsider {
    /// Touches a file of its own.
    Clean,
    /// Touches the lines that every edit touches.
    Conflicting,
}

/// A state that the world can be put in until it is healed; the table of the contract.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fault {
    /// 403 AccessDenied on PutObject, on one site or on all.
    S3Denied(Option<ClientId>),
    /// The bucket is gone: NoSuchBucket.
    S3Missing(ClientId),
    S3Down(Outage),
    /// The first `taken` objects of a deploy are taken, the rest refused.
    S3Partial {
        client: ClientId,
        taken: u32,
    },
    /// The object is stored, the answer never comes.
    S3AckLost(ClientId),
    /// 401 on fetch and push.
    GitAuth,
    /// The remote does not answer.
    GitDown,
    /// `failureInjection = BUILD_ERROR` on the session's record.
    BuildError(SessionId),
    /// `failureInjection = BUILD_WARNING` on the session's record.
    BuildWarning(SessionId),
    /// The container's memory limit is too low for a memory-hungry edit.
    OutOfMemory(ClientId),
    /// No traffic between one container and anything.
    Partition(ClientId),
    /// The agent does not answer within the request time-out.
    AgentSlow,
    /// The agent answers 429, 500 or 529.
    AgentError(u16),
    /// The session table throttles.
    StoreThrottled,
}

impl Fault {
    /// The fault's name in a plan, without its arguments.
    pub fn name(&self) -> &'static str {
        match self {
            Self::S3Denied(_) => "s3-denied",
            Self::S3Missing(_) => "s3-missing",
            Self::S3Down(_) => "s3-down",
            Self::S3Partial { .. } => "s3-partial",
            Self::S3AckLost(_) => "s3-ack-lost",
            Self::GitAuth => "git-auth",
            Self::GitDown => "git-down",
            Self::BuildError(_) => "build-error",
            Self::BuildWarning(_) => "build-warning",
            Self::OutOfMemory(_) => "out-of-memory",
            Self::Partition(_) => "partition",
            Self::AgentSlow => "agent-slow",
            Self::AgentError(_) => "agent-error",
            Self::StoreThrottled => "store-throttled",
        }
    }

    /// The client that the fault is confined to, if it is confined to one.
    pub fn client(&self) -> Option<&ClientId> {
        match self {
            Self::S3Denied(client) => client.as_ref(),
            Self::S3Missing(client)
            | Self::S3Partial { client, .. }
            | Self::S3AckLost(client)
            | Self::OutOfMemory(client)
            | Self::Partition(client) => Some(client),
            Self::BuildError(session) | Self::BuildWarning(session) => Some(&session.client),
            Self::S3Down(_)
            | Self::GitAuth
            | Self::GitDown
            | Self::AgentSlow
            | Self::AgentError(_)
            | Self::StoreThrottled => None,
        }
    }

    /// Whether the two cannot be active at once: the same fault on the same thing, or the one
    /// `failureInjection` of a session set to two values.
    pub fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::BuildError(a) | Self::BuildWarning(a),
                Self::BuildError(b) | Self::BuildWarning(b),
            ) => a == b,
            _ => self.name() == other.name() && self.client() == other.client(),
        }
    }
}

/// One step of a plan.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Step {
    /// Sends an instruction to the session's queue.
    Instruct(SessionId, Edit),
    /// Lets the system run until the session's work enters the phase and `requests` more of its
    /// requests have reached an endpoint. Goes on when nothing is left to do, or after
    /// [`UNTIL_BOUND`].
    Until {
        session: SessionId,
        phase: Phase,
        requests: u32,
    },
    /// Lets the system run until the client's container is up and `requests` of its requests have
    /// reached an endpoint since it started. Goes on at once where it has been up for longer.
    UntilStarted {
        client: ClientId,
        requests: u32,
    },
    /// Lets the system run for so much of its own time.
    Wait(Duration),
    PushFromOutside(SessionId, Outsider),
    Inject(Fault),
    Heal(Fault),
    /// SIGKILL; memory is lost, the workspace is kept.
    Crash(ClientId),
    /// A crash that takes the workspace too.
    LoseWorkspace(ClientId),
    /// `RETRY_GIT_PUSH` on the retry queue.
    RetryPush(SessionId),
    /// The session's newest handled instruction is delivered again.
    Redeliver(SessionId),
}

impl Step {
    /// The step's first word in a plan.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Instruct(..) => "instruct",
            Self::Until { .. } | Self::UntilStarted { .. } => "until",
            Self::Wait(_) => "wait",
            Self::PushFromOutside(..) => "push-from-outside",
            Self::Inject(_) => "inject",
            Self::Heal(_) => "heal",
            Self::Crash(_) => "crash",
            Self::LoseWorkspace(_) => "workspace-lost",
            Self::RetryPush(_) => "retry-push",
            Self::Redeliver(_) => "redeliver",
        }
    }
}

/// The session or the client that a step names.
#[derive(PartialEq, Eq, Debug)]
pub enum NameMut<'a> {
    Session(&'a mut SessionId),
    Client(&'a mut ClientId),
}

impl Step {
    /// What the step names, to put another in its place.
    pub fn name_mut(&mut self) -> Option<NameMut<'_>> {
        Some(match self {
            Self::Instruct(of, _)
            | Self::Until { session: of, .. }
            | Self::PushFromOutside(of, _)
            | Self::RetryPush(of)
            | Self::Redeliver(of) => NameMut::Session(of),
            Self::UntilStarted { client: of, .. } | Self::Crash(of) | Self::LoseWorkspace(of) => {
                NameMut::Client(of)
            }
            Self::Inject(fault) | Self::Heal(fault) => match fault {
                Fault::BuildError(of) | Fault::BuildWarning(of) => NameMut::Session(of),
                Fault::S3Denied(Some(of))
                | Fault::S3Missing(of)
                | Fault::S3Partial { client: of, .. }
                | Fault::S3AckLost(of)
                | Fault::OutOfMemory(of)
                | Fault::Partition(of) => NameMut::Client(of),
                Fault::S3Denied(None)
                | Fault::S3Down(_)
                | Fault::GitAuth
                | Fault::GitDown
                | Fault::AgentSlow
                | Fault::AgentError(_)
                | Fault::StoreThrottled => return None,
            },
            Self::Wait(_) => return None,
        })
    }
}

/// How long `until` waits for its phase, in the system's own time.
pub const UNTIL_BOUND: Duration = Duration::from_secs(150);

/// What is done to a system: the sessions that exist, then the steps.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Plan {
    pub sessions: Vec<SessionId>,
    pub steps: Vec<Step>,
    /// Comment lines, without `#`, each with the number of steps before it.
    pub comments: Vec<(usize, String)>,
}

impl Plan {
    /// The clients of the plan, in the order of their first session.
    pub fn clients(&self) -> Vec<ClientId> {
        let mut clients: Vec<ClientId> = Vec::new();
        for session in &self.sessions {
            if !clients.contains(&session.client) {
                clients.push(session.client.clone());
            }
        }
        clients
    }

    /// The session's mark for each `instruct` and `push-from-outside`, by step index.
    pub fn marks(&self) -> Vec<Option<Mark>> {
        let (mut edits, mut outsiders) = (0, 0);
        self.steps
            .iter()
            .map(|step| match step {
                Step::Instruct(..) => {
                    edits += 1;
                    Some(Mark::Edit(edits))
                }
                Step::PushFromOutside(..) => {
                    outsiders += 1;
                    Some(Mark::Outside(outsiders))
                }
                _ => None,
            })
            .collect()
    }
}

/// Adds a fault to the active ones, or takes it away; both can be done twice without harm.
pub fn set_fault(active: &mut Vec<Fault>, fault: &Fault, on: bool) {
    active.retain(|other| !other.excludes(fault));
    if on {
        active.push(fault.clone());
    }
}
