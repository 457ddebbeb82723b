//! What the worker needs of the world, as traits that it owns.
//!
//! Production ports use SQS, the Messages API, `git`, S3, DynamoDB and CloudWatch Logs; the
//! simulated target has its own. Each call is one request or one command, so that a crash can
//! fall between any two.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::plan::{ClientId, SessionId};

pub use crate::files::FileChange;
pub use crate::history::Line;

/// Everything that a container is given.
#[derive(Clone)]
pub struct Ports {
    pub clock: Rc<dyn Clock>,
    pub log: Rc<dyn Log>,
    pub instructions: Rc<dyn Queue>,
    pub retries: Rc<dyn Queue>,
    pub agent: Rc<dyn Agent>,
    pub workspace: Rc<dyn Workspace>,
    pub builder: Rc<dyn Builder>,
    pub site: Rc<dyn Site>,
    pub store: Rc<dyn Store>,
}

/// Why a call did not do what it was asked, as far as the worker acts on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The request was understood and refused: AccessDenied, 401, 403.
    Denied,
    /// What was asked for is not there: NoSuchBucket.
    Missing,
    /// The other side asked to slow down: throttling, 429, 503.
    Throttled,
    /// No answer: the outcome is unknown.
    Network,
    /// Anything else; trying again may help.
    Other,
}

/// A failed call: its kind, and words for the log and the session record.
///
/// The words never hold a token or a key.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{text}")]
pub struct PortError {
    pub kind: Kind,
    pub text: String,
    /// How long the other side asked to wait (`retry-after`).
    pub retry_after: Option<Duration>,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
}

impl PortError {
    pub fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            retry_after: None,
            status: None,
        }
    }
}

pub type PortResult<T> = Result<T, PortError>;

/// Time, and the chance that jitter needs.
#[async_trait(?Send)]
pub trait Clock {
    /// The system's own time. Only differences and comparisons between containers count.
    fn now(&self) -> Duration;
    async fn sleep(&self, time: Duration);
    /// A number in `0.0..1.0`.
    fn chance(&self) -> f64;
}

/// A line for the log group. It never fails: what cannot be sent now is kept and sent later.
#[async_trait(?Send)]
pub trait Log {
    /// Returns when the line is with the log service, or kept for later.
    async fn write(&self, line: Line);
}

/// A queue with at-least-once delivery, a visibility timeout and a dead-letter queue.
#[async_trait(?Send)]
pub trait Queue {
    /// Long-polls for one message, at most for `wait`.
    async fn receive(&self, wait: Duration) -> PortResult<Option<Delivery>>;
    /// Keeps the message invisible for so long from now.
    async fn extend(&self, receipt: &str, visibility: Duration) -> PortResult<()>;
    async fn delete(&self, receipt: &str) -> PortResult<()>;
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    pub body: Arc<str>,
    pub receipt: Arc<str>,
    /// How often this message was delivered, this time included.
    pub receives: u32,
}

/// The body of an instruction message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instruction {
    /// Unique for ever; the commit carries it.
    pub instruction_id: Arc<str>,
    pub session_id: SessionId,
    pub instruction: Arc<str>,
}

/// The body of a message on the retry queue.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RetryRequest {
    #[serde(rename_all = "camelCase")]
    RetryGitPush { session_id: SessionId },
}

/// The agent API.
#[async_trait(?Send)]
pub trait Agent {
    /// One request: the conversation so far, answered with the next turn. Without a time-out of
    /// its own.
    async fn ask(&self, instruction: &Instruction, so_far: &[Turn]) -> PortResult<Turn>;
}

/// What the agent said in one turn, and so what was done for it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Turn {
    /// The file changes it asks for; none when it has finished.
    pub changes: Vec<FileChange>,
}

/// The checkouts of the client's sessions, one folder each, and their remote.
///
/// Calls that contact the remote are `open` (when it must clone), `fetch` and `push`.
#[async_trait(?Send)]
pub trait Workspace {
    /// Makes the session's checkout usable: clones it if it is missing, else removes what a crash
    /// left (locks, an unfinished rebase or merge, uncommitted changes, stray files). It is on the
    /// session's branch afterwards; commits of the branch are never dropped. A branch that exists
    /// nowhere yet begins at `main`. Returns whether it had to clone.
    async fn open(&self, session: &SessionId) -> PortResult<bool>;
    /// The sessions that have a checkout.
    async fn sessions(&self) -> PortResult<Vec<SessionId>>;
    /// Brings the remote-tracking branch up to date.
    async fn fetch(&self, session: &SessionId) -> PortResult<()>;
    /// How the branch differs from its remote-tracking branch.
    async fn status(&self, session: &SessionId) -> PortResult<Status>;
    /// Whether a commit of this instruction is on the branch.
    async fn has_instruction(&self, session: &SessionId, id: &str) -> PortResult<bool>;
    /// The commits of instructions on the branch, newest first.
    async fn instructed(&self, session: &SessionId) -> PortResult<Vec<CommitId>>;
    async fn apply(&self, session: &SessionId, changes: &[FileChange]) -> PortResult<()>;
    /// Commits everything; the message is `message`, then the trailer `Instruction: <id>`.
    /// Makes a commit even where no file changed.
    async fn commit(&self, session: &SessionId, message: &str, id: &str) -> PortResult<CommitId>;
    /// Rebases the branch onto its remote-tracking branch; on a conflict, aborts and says so.
    async fn rebase(&self, session: &SessionId) -> PortResult<Rebase>;
    /// Merges the remote-tracking branch, both histories kept, the session's version winning
    /// where they conflict.
    async fn merge(&self, session: &SessionId) -> PortResult<()>;
    /// Pushes the branch. `Force::Never` is refused where the remote has what the branch lacks;
    /// the error's kind then is [`Kind::Other`] and its text holds `rejected`.
    async fn push(&self, session: &SessionId, force: Force) -> Result<(), PushError>;
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Force {
    Never,
    /// `git push --force`: what a defect does. The worker itself never asks for it.
    Always,
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PushError {
    /// The remote has commits that the branch lacks.
    #[error("{0}")]
    Rejected(String),
    #[error(transparent)]
    Failed(#[from] PortError),
}

/// A commit's name.
pub type CommitId = Arc<str>;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    pub head: CommitId,
    /// The instruction ids of the commits that the remote-tracking branch lacks, oldest first;
    /// merges count with an empty id.
    pub ahead: Vec<Arc<str>>,
    /// How many commits the branch lacks.
    pub behind: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rebase {
    Done,
    Conflict,
}

/// The build of a site.
#[async_trait(?Send)]
pub trait Builder {
    /// Builds a commit from a clean checkout of it. An error means that the build could not be
    /// run; a build that ran and failed is [`BuildStatus::Failed`]. [`Kind::Missing`] says that
    /// the commit does not exist here.
    async fn build(&self, session: &SessionId, commit: &CommitId) -> PortResult<Build>;
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Build {
    pub status: BuildStatus,
    /// The files in the output folder, by key in the site, whatever the status.
    pub files: BTreeMap<Arc<str>, Arc<[u8]>>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BuildStatus {
    Good,
    Warned(Vec<String>),
    Failed(String),
}

/// The client's bucket.
#[async_trait(?Send)]
pub trait Site {
    /// Every key with the digest of its object.
    async fn list(&self) -> PortResult<BTreeMap<Arc<str>, Arc<str>>>;
    async fn put(&self, key: &str, bytes: &Arc<[u8]>) -> PortResult<()>;
    async fn delete(&self, key: &str) -> PortResult<()>;
    /// The digest that `list` would show for these bytes.
    fn digest(&self, bytes: &[u8]) -> Arc<str>;
}

/// The session table, and in it the shared items of a client's site and of the breaker.
#[async_trait(?Send)]
pub trait Store {
    /// A strongly consistent read.
    async fn read(&self, key: &Key) -> PortResult<Option<Item>>;
    /// Writes an item. With `expected`, only where the stored version is that one (0: the item
    /// does not exist yet); `false` says that it was not. A session's `failureInjection` is never
    /// touched.
    async fn write(&self, key: &Key, item: &Item, expected: Option<u64>) -> PortResult<bool>;
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Key {
    Session(SessionId),
    /// Item `site#<client>`.
    Site(ClientId),
    /// Item `breaker#s3`.
    Breaker,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    Session(SessionRecord),
    Site(SiteRecord),
    Breaker(BreakerRecord),
}

/// A session's item, as the worker keeps it.
///
/// `lastError` and `warnings` are what users read; they are made of the parts by
/// [`Self::last_error`] and [`Self::warnings`] at each write, so that one problem that ends never
/// hides another that goes on.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionRecord {
    /// `running` from the first instruction on.
    pub status: String,
    /// Why the last instruction failed.
    pub failure: Option<String>,
    /// The work that was lost with the workspace; shown until the next instruction.
    pub lost_work: Option<String>,
    /// Why commits wait in the workspace.
    pub push_put_off: Option<String>,
    /// Why the newest good build waits.
    pub deploy_put_off: Option<String>,
    /// What the last build warned of.
    pub build_warnings: Vec<String>,
    /// The conflict that the last push resolved.
    pub push_warning: Option<String>,
    /// Ids of instructions whose outcome is durable, newest last, at most [`Self::REMEMBERED`].
    pub handled: Vec<Arc<str>>,
    /// Ids of instructions acknowledged as saved locally, whose commits the remote may lack.
    pub saved_locally: Vec<Arc<str>>,
    /// `BUILD_ERROR` or `BUILD_WARNING`, set from outside; read only.
    #[serde(skip_serializing)]
    pub failure_injection: Option<String>,
}

impl SessionRecord {
    /// How many handled ids are remembered.
    pub const REMEMBERED: usize = 100;

    /// The attribute `lastError`: every problem that stops something now.
    pub fn last_error(&self) -> Option<String> {
        let problems: Vec<&str> = [
            &self.failure,
            &self.lost_work,
            &self.push_put_off,
            &self.deploy_put_off,
        ]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
        (!problems.is_empty()).then(|| problems.join("; "))
    }

    /// The attribute `warnings`.
    pub fn warnings(&self) -> Vec<String> {
        self.build_warnings
            .iter()
            .chain(&self.push_warning)
            .cloned()
            .collect()
    }
}

/// What a client's site should show: written before a deploy begins, so that any container can
/// finish what a crash or an outage left.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SiteRecord {
    pub version: u64,
    /// The session and commit of the newest good build.
    pub wanted: Option<Wanted>,
    /// The instructions whose builds were good, newest last, at most [`Self::REMEMBERED`]: one of
    /// them is what is left to show when a workspace took the wanted build with it.
    pub good: Vec<GoodBuild>,
    /// Whether the site is known to show exactly `wanted`.
    pub deployed: bool,
    /// The sessions whose record says that their deploy is postponed.
    pub waiting: Vec<SessionId>,
    /// The client's sessions, as far as they sent instructions.
    pub sessions: Vec<SessionId>,
}

impl SiteRecord {
    /// How many good builds are remembered.
    pub const REMEMBERED: usize = 20;
}

/// An instruction whose build was good. A rebase gives its commit another name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GoodBuild {
    pub session_id: SessionId,
    pub instruction: Arc<str>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wanted {
    pub session_id: SessionId,
    pub commit: CommitId,
}

/// The S3 breaker, one for all containers.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BreakerRecord {
    pub version: u64,
    pub state: BreakerState,
    /// Failed syncs in a row while closed.
    pub failures: u32,
    /// Open: when a probe may begin. Half-open: when the probe's permit runs out.
    pub until: Duration,
    /// Half-open: the client whose container holds the permit.
    pub probe: Option<ClientId>,
    /// The sync of each client that was counted last, so that a write whose answer was lost counts
    /// once, however many others were counted since.
    pub counted: BTreeMap<ClientId, Counted>,
}

/// A sync that the breaker has counted.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Counted {
    pub ended: Duration,
    /// Whether it opened the breaker.
    pub opened: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakerState {
    #[default]
    Closed,
    Open,
    HalfOpen,
}
