//! How work came to the remote: rebased, merged, or saved and pushed later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Reached, Sometimes, entry, marks_added};
use crate::history::{Branch, Claim, Death, GitOutcome, What};
use crate::plan::{Mark, SessionId};

#[derive(Default)]
pub(super) struct Publishing {
    sessions: BTreeMap<SessionId, Session>,
}

#[derive(Default)]
struct Session {
    /// The remote branch that a push was rejected for.
    rejected_for: Option<Arc<Branch>>,
    is_saved_locally: bool,
}

impl Publishing {
    pub(super) fn see(&mut self, what: &What, reached: &mut Reached) {
        match what {
            What::Pushed {
                session,
                outcome: GitOutcome::Rejected,
                branch,
            } => entry(&mut self.sessions, session).rejected_for = Some(branch.clone()),
            What::Pushed {
                session,
                outcome: GitOutcome::Done,
                branch,
            } => {
                let session = entry(&mut self.sessions, session);
                if let Some(theirs) = session.rejected_for.take()
                    && let Some(how) = integrated(&theirs, branch)
                {
                    reached.insert(how);
                }
                if std::mem::take(&mut session.is_saved_locally) {
                    reached.insert(Sometimes::SavedThenPushed);
                }
            }
            What::Logged {
                session: Some(session),
                claim: Some(Claim::SavedLocally),
                ..
            } => entry(&mut self.sessions, session).is_saved_locally = true,
            What::Died {
                client,
                cause: Death::WorkspaceLost,
            } => self.sessions.retain(|session, _| session.client != *client),
            _ => {}
        }
    }
}

/// How a push that was rejected went up in the end: with all that the remote had, and with more.
fn integrated(theirs: &Branch, pushed: &Branch) -> Option<Sometimes> {
    let kept: BTreeSet<Mark> = marks_added(pushed).collect();
    let all_kept = marks_added(theirs).all(|mark| kept.contains(&mark));
    if !all_kept || kept.len() <= marks_added(theirs).count() {
        return None;
    }
    let merges = |branch: &Branch| branch.commits.iter().filter(|c| c.merge).count();
    Some(if merges(pushed) > merges(theirs) {
        Sometimes::ConflictMerged
    } else {
        Sometimes::PushRebased
    })
}
