//! What happened in a run: events as the endpoints saw them, in order, and the file that keeps them.
//!
//! There are three kinds of event: what the tester did, what reached an endpoint (the
//! record that judgement rests on), and what the system claimed (log lines, session records).

mod build;
mod call;
mod file;
mod header;
mod make;
mod outcome;
mod own_build;
mod snapshot;
mod step_text;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::plan::{ClientId, Cut, Mark, Phase, Place, SessionId, Step};
use crate::profile::{Evidence, Profile};
use crate::verdict::NotAsked;

pub use build::BuildEnd;
pub use call::{CallAnswer, ServiceCall, TaskReport};
pub use file::{Incomplete, ReadHistory, Writer};
pub use header::{FORMAT, Header, HistoryEnd, ProfileRef};
pub use outcome::{
    Claim, Death, GitOutcome, Level, OutcomeChannel, ReportedOutcome, S3Operation, S3Outcome,
};
pub use own_build::{OwnBuild, OwnFile};
pub use snapshot::{Branch, Commit, Content, Objects, Record, Snapshot, Workspace};

pub(crate) mod change;
pub(crate) mod describe;
mod line;
pub mod phases;

pub use line::{Dialect, Line};

/// One thing that happened.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// The system's own time since the run began; scaled where real time is.
    pub at: Duration,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened, by who saw it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    // What the tester did.
    /// A step begins. `index` is its place in the plan, from 0; `None` for what recovery does by
    /// itself. `mark` is that of the edit or commit which it makes.
    StepBegan {
        /// The number of the step in the plan, from 0.
        index: Option<usize>,
        /// The step.
        #[serde(with = "step_text")]
        step: Step,
        /// The mark of the edit, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mark: Option<Mark>,
    },
    /// Recovery begins: every active fault is healed by a step of its own next.
    Healed,
    /// An outsider's commit reached the remote; `branch` is the branch as it is then.
    OutsiderPushed {
        /// The session that it is about.
        session: SessionId,
        /// The mark of the edit.
        mark: Mark,
        /// The branch as it then is.
        branch: Arc<Branch>,
    },

    /// The tester built a commit itself, to know what a site should hold.
    SiteBuilt {
        /// The client whose commit it is.
        client: ClientId,
        /// What the build made.
        build: Arc<OwnBuild>,
    },

    // Queue.
    /// An instruction reached the queue.
    Sent {
        /// The session that it is about.
        session: SessionId,
        /// The mark of the edit.
        mark: Mark,
    },
    /// A message went to a container; `receives` counts from 1.
    Delivered {
        /// The session that it is about.
        session: SessionId,
        /// The mark of the edit.
        mark: Mark,
        /// How often it was delivered so far.
        receives: u32,
    },
    /// A message was deleted by the container that handled it.
    Acknowledged {
        /// The session that it is about.
        session: SessionId,
        /// The mark of the edit.
        mark: Mark,
    },
    /// A message went to the dead-letter queue.
    DeadLettered {
        /// The session that it is about.
        session: SessionId,
        /// The mark of the edit.
        mark: Mark,
    },
    /// `RETRY_GIT_PUSH` reached the retry queue.
    RetrySent {
        /// The session that it is about.
        session: SessionId,
    },
    /// `RETRY_GIT_PUSH` went to a container.
    RetryDelivered {
        /// The session that it is about.
        session: SessionId,
    },

    // Agent API.
    /// A request of a container arrived; `status` is how it is answered, `None` where it is not.
    AgentAsked {
        /// The client whose container it is of.
        client: ClientId,
        /// The mark of the edit, where there is one.
        mark: Option<Mark>,
        /// The status of the answer.
        status: Option<u16>,
        /// The wait that the answer asks for.
        retry_after: Option<Duration>,
        /// How the answer is cut, where it does not come whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cut: Option<Cut>,
    },

    // Git remote.
    /// A fetch was answered.
    Fetched {
        /// The client whose container it is of.
        client: ClientId,
        /// How it was answered.
        outcome: GitOutcome,
    },
    /// A container asked for the refs to push, and was given them. A git client that sees from
    /// them that the remote has more goes no further: nothing is pushed then.
    PushBegan {
        /// The client whose container it is of.
        client: ClientId,
    },
    /// A push was answered, or refused before it named its branch. `branch` is the branch as it
    /// is then.
    Pushed {
        /// The client whose container it is of.
        client: ClientId,
        /// The session that it names, where it names one.
        session: Option<SessionId>,
        /// How it was answered.
        outcome: GitOutcome,
        /// The branch as it then is, where it is known.
        branch: Option<Arc<Branch>>,
    },
    /// The branch in a container's workspace changed.
    Committed {
        /// The session that it is about.
        session: SessionId,
        /// The branch as it then is.
        branch: Arc<Branch>,
    },

    // S3.
    /// An object was stored.
    ObjectPut {
        /// The client whose container it is of.
        client: ClientId,
        /// The key of the object.
        key: Arc<str>,
        /// What the object holds.
        content: Arc<Content>,
        /// Whether the container got the answer.
        answered: bool,
    },
    /// An object was deleted.
    ObjectDeleted {
        /// The client whose container it is of.
        client: ClientId,
        /// The key of the object.
        key: Arc<str>,
    },
    /// A request that changed nothing: a list, or one that was refused.
    S3Asked {
        /// The client whose container it is of.
        client: ClientId,
        /// What was asked.
        operation: S3Operation,
        /// How it was answered.
        outcome: S3Outcome,
    },

    // Session table and queue.
    /// A session's record was written, by the container of `client`.
    RecordWritten {
        /// The session that it is about.
        session: SessionId,
        /// The record as it then is.
        record: Arc<Record>,
    },
    /// A service refused a request for being out of service, or did not answer it.
    Refused {
        /// The client whose container it is of.
        client: ClientId,
        /// The service.
        place: Place,
    },

    // Other services.
    /// A task's end or heartbeat was reported by its token.
    TaskReported {
        /// The client whose container it is of.
        client: ClientId,
        /// The token that the task was given with.
        token: Arc<str>,
        /// What is reported.
        report: TaskReport,
        /// The error that refused it, where one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refused: Option<Arc<str>>,
    },
    /// A service was asked for something that is no event of its own.
    Called {
        /// The client whose container it is of.
        client: ClientId,
        /// What was asked, and how it was answered.
        call: Arc<ServiceCall>,
    },

    /// A token or key was in what reached an endpoint: a log line, a record, a commit, an object.
    SecretSeen {
        /// The client whose container it is of.
        client: ClientId,
        /// Where it was seen.
        place: Arc<str>,
    },

    /// A container asked for what is another client's, and was refused.
    Trespassed {
        /// The client whose container it is of.
        client: ClientId,
        /// Whose it is.
        owner: ClientId,
        /// What it asked for.
        what: Arc<str>,
    },

    // Builds, where a shim shows them.
    /// A build of the system is about to begin.
    BuildBegan {
        /// The client whose container it is of.
        client: ClientId,
        /// The command, as the profile names it.
        command: Arc<str>,
    },
    /// It ended.
    BuildEnded {
        /// The client whose container it is of.
        client: ClientId,
        /// The command, as the profile names it.
        command: Arc<str>,
        /// How, and what it wrote.
        end: Arc<BuildEnd>,
    },

    // Container.
    /// A container started.
    Started {
        /// The client whose container it is of.
        client: ClientId,
    },
    /// A container ended.
    Died {
        /// The client whose container it is of.
        client: ClientId,
        /// Why.
        cause: Death,
    },

    // Claims: what the system said.
    /// The system reported the outcome of an instruction.
    OutcomeReported {
        /// The session that it is about.
        session: SessionId,
        /// The mark of the edit.
        mark: Mark,
        /// What was reported.
        outcome: ReportedOutcome,
        /// How.
        by: OutcomeChannel,
    },
    /// A log line. `phase` is what the line says of the instruction's way, if it says so.
    Logged {
        /// The client whose container it is of.
        client: ClientId,
        /// The line's own time stamp, in the run's time: what was kept during a partition comes late.
        stamp: Duration,
        /// The session that it names, where it names one.
        session: Option<SessionId>,
        /// Its level.
        level: Level,
        /// Its text.
        text: Arc<str>,
        /// The phase that it names.
        phase: Option<Phase>,
        /// What its words claim.
        claim: Option<Claim>,
    },
}

impl What {
    /// The event with which a step of the plan begins, or recovery.
    pub fn begins(&self) -> bool {
        matches!(self, Self::Healed | Self::StepBegan { index: Some(_), .. })
    }

    /// The part of the world that it is seen of; `None` where it is the tester's own.
    pub fn evidence(&self) -> Option<Evidence> {
        Some(match self {
            Self::StepBegan { .. } | Self::Healed | Self::SiteBuilt { .. } => return None,
            // No rule asks for these.
            Self::TaskReported { .. }
            | Self::Called { .. }
            | Self::BuildBegan { .. }
            | Self::BuildEnded { .. } => return None,
            Self::OutcomeReported { .. } => Evidence::Outcome,
            Self::Sent { .. }
            | Self::Delivered { .. }
            | Self::Acknowledged { .. }
            | Self::DeadLettered { .. }
            | Self::RetrySent { .. }
            | Self::RetryDelivered { .. } => Evidence::Queue,
            Self::AgentAsked { .. } => Evidence::Agent,
            Self::OutsiderPushed { .. }
            | Self::Fetched { .. }
            | Self::PushBegan { .. }
            | Self::Pushed { .. }
            | Self::Trespassed { .. } => Evidence::Remote,
            Self::Committed { .. } => Evidence::Workspace,
            Self::ObjectPut { .. } | Self::ObjectDeleted { .. } | Self::S3Asked { .. } => {
                Evidence::Site
            }
            Self::RecordWritten { .. } => Evidence::Record,
            Self::Refused { place, .. } => match place {
                Place::Agent => Evidence::Agent,
                Place::Git => Evidence::Remote,
                Place::S3 => Evidence::Site,
                Place::Table => Evidence::Record,
                Place::Queue => Evidence::Queue,
                Place::Build | Place::Container => Evidence::Process,
            },
            Self::SecretSeen { place, .. } => match &**place {
                "log" => Evidence::Log,
                "record" | "session table" => Evidence::Record,
                // In a commit or in an object.
                _ => return None,
            },
            Self::Started { .. } | Self::Died { .. } => Evidence::Process,
            Self::Logged { .. } => Evidence::Log,
        })
    }

    /// The client or session that it is about.
    pub fn subject(&self) -> (Option<&ClientId>, Option<&SessionId>) {
        match self {
            Self::Logged {
                client, session, ..
            }
            | Self::Pushed {
                client, session, ..
            } => (Some(client), session.as_ref()),
            Self::OutsiderPushed { session, .. }
            | Self::Sent { session, .. }
            | Self::Delivered { session, .. }
            | Self::Acknowledged { session, .. }
            | Self::OutcomeReported { session, .. }
            | Self::DeadLettered { session, .. }
            | Self::RetrySent { session }
            | Self::RetryDelivered { session }
            | Self::Committed { session, .. }
            | Self::RecordWritten { session, .. } => (Some(&session.client), Some(session)),
            Self::SiteBuilt { client, .. }
            | Self::AgentAsked { client, .. }
            | Self::Fetched { client, .. }
            | Self::PushBegan { client }
            | Self::ObjectPut { client, .. }
            | Self::ObjectDeleted { client, .. }
            | Self::S3Asked { client, .. }
            | Self::Refused { client, .. }
            | Self::TaskReported { client, .. }
            | Self::Called { client, .. }
            | Self::BuildBegan { client, .. }
            | Self::BuildEnded { client, .. }
            | Self::SecretSeen { client, .. }
            | Self::Trespassed { client, .. }
            | Self::Started { client }
            | Self::Died { client, .. } => (Some(client), None),
            Self::StepBegan { .. } | Self::Healed => (None, None),
        }
    }
}

/// One run: what it was, what happened, and how it ended.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct History {
    /// `None` where the events are of no run, but put together by hand.
    pub header: Option<Header>,
    /// Append-only.
    pub events: Vec<Event>,
    /// `None` until the run has ended.
    pub end: Option<HistoryEnd>,
}

impl History {
    /// The parts of rules that were not asked, and why, as its last line says.
    pub fn not_asked(&self) -> &[NotAsked] {
        self.end.as_ref().map_or(&[], |end| &end.not_asked)
    }

    /// The profile of the system; that of the built-in worker where the events are of no run.
    pub fn profile(&self) -> Arc<Profile> {
        let of_run = self.header.as_ref().map(|header| header.profile.read());
        // A header whose profile cannot be read does not come this far.
        of_run
            .and_then(Result::ok)
            .unwrap_or_else(Profile::reference)
    }
}
