//! Events and branches in short, for a target that reports what it saw.

use std::sync::Arc;

use super::{Branch, Commit, Content, GitOutcome, What};
use crate::plan::{ClientId, Mark, SessionId};

impl What {
    /// An instruction reached the queue.
    pub fn sent(session: &SessionId, mark: Mark) -> Self {
        Self::Sent {
            session: session.clone(),
            mark,
        }
    }

    /// A message went to a container, for the time of this number, from 1.
    pub fn delivered(session: &SessionId, mark: Mark, receives: u32) -> Self {
        Self::Delivered {
            session: session.clone(),
            mark,
            receives,
        }
    }

    /// A message was deleted by the container that handled it.
    pub fn acknowledged(session: &SessionId, mark: Mark) -> Self {
        Self::Acknowledged {
            session: session.clone(),
            mark,
        }
    }

    /// A message went to the dead-letter queue.
    pub fn dead_lettered(session: &SessionId, mark: Mark) -> Self {
        Self::DeadLettered {
            session: session.clone(),
            mark,
        }
    }

    /// The agent was asked for an edit, and answers with this status, or not at all.
    pub fn agent_asked(client: &ClientId, mark: Mark, status: Option<u16>) -> Self {
        Self::AgentAsked {
            client: client.clone(),
            mark: Some(mark),
            status,
            retry_after: None,
            cut: None,
        }
    }

    /// The branch in a container's workspace is now this one.
    pub fn committed(session: &SessionId, branch: Branch) -> Self {
        Self::Committed {
            session: session.clone(),
            branch: Arc::new(branch),
        }
    }

    /// A push was taken, and the branch is now this one.
    pub fn pushed(session: &SessionId, branch: Branch) -> Self {
        Self::Pushed {
            client: session.client.clone(),
            session: Some(session.clone()),
            outcome: GitOutcome::Done,
            branch: Some(Arc::new(branch)),
        }
    }

    /// An object was stored, and the container got the answer.
    pub fn put(client: &ClientId, key: &Arc<str>, content: &Arc<Content>) -> Self {
        Self::ObjectPut {
            client: client.clone(),
            key: key.clone(),
            content: content.clone(),
            answered: true,
        }
    }

    /// An object was deleted.
    pub fn deleted(client: &ClientId, key: &Arc<str>) -> Self {
        Self::ObjectDeleted {
            client: client.clone(),
            key: key.clone(),
        }
    }
}

impl Branch {
    /// A branch whose commits each add one of these marks, oldest first.
    pub fn of(marks: &[Mark]) -> Self {
        Self {
            commits: marks.iter().map(|mark| Commit::of(*mark)).collect(),
            tree: marks.to_vec(),
        }
    }
}

impl Commit {
    /// A commit that adds a mark; of its content nothing more is known.
    pub fn of(mark: Mark) -> Self {
        Self {
            subject: format!("Change the headline ({mark})").into(),
            adds: vec![mark],
            merge: false,
            content: None,
        }
    }
}
