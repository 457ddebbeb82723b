//! The lanes of a timeline, and which lane each event is in.

use serde::Serialize;

use crate::history::{
    CallAnswer, Claim, GitOutcome, Level, ReportedOutcome, S3Outcome, TaskReport, What,
};
use crate::model::Model;
use crate::plan::{self, ClientId, Plan, SessionId};

/// A lane of the timeline.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Lane {
    pub(super) kind: LaneKind,
    pub(super) label: String,
    pub(super) client: Option<ClientId>,
    pub(super) session: Option<SessionId>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LaneKind {
    /// What the tester did; its steps are along the axis.
    Tester,
    Faults,
    Breaker,
    Container,
    Site,
    Session,
    Branch,
}

/// The lanes in their order, and how to find them.
pub(super) struct Lanes {
    pub(super) all: Vec<Lane>,
}

/// The place of an event.
pub(super) struct Place {
    pub(super) lane: usize,
    /// Another lane that it is of interest in.
    pub(super) also: Option<usize>,
}

impl Lanes {
    pub(super) const TESTER: usize = 0;
    pub(super) const FAULTS: usize = 1;
    pub(super) const BREAKER: usize = 2;

    /// The shared lanes, then each client's container and site, then its sessions, each with
    /// its branch.
    pub(super) fn of(plan: &Plan) -> Self {
        let shared = |kind, label: &str| Lane {
            kind,
            label: label.into(),
            client: None,
            session: None,
        };
        let mut all = vec![
            shared(LaneKind::Tester, "plan"),
            shared(LaneKind::Faults, "faults"),
            shared(LaneKind::Breaker, "S3 breaker"),
        ];
        for client in plan.clients() {
            for (kind, name) in [(LaneKind::Container, "container"), (LaneKind::Site, "site")] {
                all.push(Lane {
                    kind,
                    label: format!("{client} {name}"),
                    client: Some(client.clone()),
                    session: None,
                });
            }
            for session in plan.sessions.iter().filter(|s| s.client == client) {
                for (kind, label) in [
                    (LaneKind::Session, session.to_string()),
                    (LaneKind::Branch, format!("{session} branch")),
                ] {
                    all.push(Lane {
                        kind,
                        label,
                        client: Some(client.clone()),
                        session: Some(session.clone()),
                    });
                }
            }
        }
        Self { all }
    }

    /// A lane of a client. What has no lane is put with the tester's.
    pub(super) fn client(&self, kind: LaneKind, client: &ClientId) -> usize {
        let is = |lane: &Lane| lane.kind == kind && lane.client.as_ref() == Some(client);
        self.all.iter().position(is).unwrap_or(Self::TESTER)
    }

    /// A lane of a session.
    pub(super) fn session(&self, kind: LaneKind, session: &SessionId) -> usize {
        let is = |lane: &Lane| lane.kind == kind && lane.session.as_ref() == Some(session);
        self.all.iter().position(is).unwrap_or(Self::TESTER)
    }

    /// The place of an event; `model` knows whose marks are.
    pub(super) fn place(&self, model: &Model, what: &What) -> Place {
        let mut also = None;
        let lane = match what {
            What::StepBegan { .. } | What::Healed => Self::TESTER,
            What::OutsiderPushed { session, .. }
            | What::Committed { session, .. }
            | What::Pushed {
                session: Some(session),
                ..
            } => self.session(LaneKind::Branch, session),
            What::Sent { session, .. }
            | What::Delivered { session, .. }
            | What::Acknowledged { session, .. }
            | What::DeadLettered { session, .. }
            | What::RetrySent { session }
            | What::RetryDelivered { session }
            | What::OutcomeReported { session, .. }
            | What::RecordWritten { session, .. } => self.session(LaneKind::Session, session),
            What::AgentAsked { client, mark, .. } => {
                match mark.and_then(|mark| model.owner(mark)) {
                    Some(owner) => self.session(LaneKind::Session, &model.sessions[owner].id),
                    None => self.client(LaneKind::Container, client),
                }
            }
            What::SiteBuilt { client, .. }
            | What::ObjectPut { client, .. }
            | What::ObjectDeleted { client, .. }
            | What::S3Asked { client, .. } => self.client(LaneKind::Site, client),
            What::Fetched { client, .. }
            | What::PushBegan { client }
            | What::Pushed { client, .. }
            | What::Refused { client, .. }
            | What::TaskReported { client, .. }
            | What::Called { client, .. }
            | What::BuildBegan { client, .. }
            | What::BuildEnded { client, .. }
            | What::SecretSeen { client, .. }
            | What::Trespassed { client, .. }
            | What::Started { client }
            | What::Died { client, .. } => self.client(LaneKind::Container, client),
            What::Logged {
                client,
                session,
                claim,
                ..
            } => {
                also = match claim {
                    Some(
                        Claim::SyncFailed
                        | Claim::SyncPrevented
                        | Claim::BreakerOpened
                        | Claim::SyncDone,
                    ) => Some(Self::BREAKER),
                    _ => None,
                };
                match session {
                    Some(session) => self.session(LaneKind::Session, session),
                    None => self.client(LaneKind::Container, client),
                }
            }
        };
        Place { lane, also }
    }
}

/// What an event is about, for the filters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Step,
    Queue,
    Agent,
    Git,
    S3,
    Record,
    Container,
    Log,
}

impl Kind {
    pub(super) fn of(what: &What) -> Self {
        match what {
            What::StepBegan { .. } | What::Healed => Self::Step,
            What::Sent { .. }
            | What::Delivered { .. }
            | What::Acknowledged { .. }
            | What::DeadLettered { .. }
            | What::RetrySent { .. }
            | What::OutcomeReported { .. }
            | What::RetryDelivered { .. } => Self::Queue,
            What::AgentAsked { .. } => Self::Agent,
            What::OutsiderPushed { .. }
            | What::Fetched { .. }
            | What::PushBegan { .. }
            | What::Pushed { .. }
            | What::Committed { .. } => Self::Git,
            What::SiteBuilt { .. }
            | What::ObjectPut { .. }
            | What::ObjectDeleted { .. }
            | What::S3Asked { .. } => Self::S3,
            What::RecordWritten { .. } => Self::Record,
            What::Refused { place, .. } => match place {
                plan::Place::Agent => Self::Agent,
                plan::Place::Git => Self::Git,
                plan::Place::S3 => Self::S3,
                plan::Place::Table => Self::Record,
                plan::Place::Queue => Self::Queue,
                plan::Place::Build | plan::Place::Container => Self::Container,
            },
            What::TaskReported { .. }
            | What::Called { .. }
            | What::BuildBegan { .. }
            | What::BuildEnded { .. }
            | What::SecretSeen { .. }
            | What::Trespassed { .. }
            | What::Started { .. }
            | What::Died { .. } => Self::Container,
            What::Logged { .. } => Self::Log,
        }
    }
}

/// How an event is to be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Tone {
    Plain,
    /// Something got done.
    Good,
    /// Something was refused, or reported as a warning.
    Odd,
    /// Something failed or died.
    Bad,
}

impl Tone {
    pub(super) fn of(what: &What) -> Self {
        let git = |outcome: GitOutcome| match outcome {
            GitOutcome::Done => Self::Good,
            GitOutcome::Rejected => Self::Odd,
            GitOutcome::AuthFailed | GitOutcome::Unavailable => Self::Bad,
        };
        match what {
            What::Acknowledged { .. } | What::Started { .. } => Self::Good,
            What::Pushed { outcome, .. } => git(*outcome),
            What::Fetched { outcome, .. } => match git(*outcome) {
                Self::Good => Self::Plain,
                other => other,
            },
            What::AgentAsked { status, cut, .. } => match (status, cut) {
                (Some(200), None) => Self::Plain,
                _ => Self::Bad,
            },
            What::ObjectPut { answered, .. } => match answered {
                true => Self::Good,
                false => Self::Bad,
            },
            What::S3Asked { outcome, .. } => match outcome {
                S3Outcome::Done => Self::Plain,
                _ => Self::Bad,
            },
            What::RecordWritten { record, .. } => match &record.last_error {
                Some(_) => Self::Bad,
                None if record.warnings.is_empty() => Self::Plain,
                None => Self::Odd,
            },
            What::Delivered { receives, .. } => match receives {
                1 => Self::Plain,
                _ => Self::Odd,
            },
            What::OutsiderPushed { .. } => Self::Odd,
            What::TaskReported {
                report, refused, ..
            } => match (report, refused) {
                (_, Some(_)) => Self::Bad,
                (TaskReport::Success(_), None) => Self::Good,
                (TaskReport::Failure { .. }, None) => Self::Odd,
                (TaskReport::Heartbeat, None) => Self::Plain,
            },
            What::OutcomeReported { outcome, .. } => match outcome {
                ReportedOutcome::Done => Self::Good,
                ReportedOutcome::Failed => Self::Odd,
            },
            What::Called { call, .. } => match call.answer {
                CallAnswer::Done => Self::Plain,
                CallAnswer::Failed(_) | CallAnswer::NotServed => Self::Odd,
            },
            What::BuildEnded { end, .. } => match end.is_good() {
                true => Self::Good,
                false => Self::Bad,
            },
            What::Refused { .. }
            | What::SecretSeen { .. }
            | What::Trespassed { .. }
            | What::Died { .. }
            | What::DeadLettered { .. } => Self::Bad,
            What::Logged { level, .. } => match level {
                Level::Info => Self::Plain,
                Level::Warn => Self::Odd,
                Level::Error => Self::Bad,
            },
            What::StepBegan { .. }
            | What::Healed
            | What::SiteBuilt { .. }
            | What::Sent { .. }
            | What::RetrySent { .. }
            | What::RetryDelivered { .. }
            | What::PushBegan { .. }
            | What::BuildBegan { .. }
            | What::Committed { .. }
            | What::ObjectDeleted { .. } => Self::Plain,
        }
    }
}
