//! How work came to the remote: rebased, merged, or saved and pushed later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Reached, Sometimes, entry, marks_added};
use crate::history::{Branch, Claim, Death, GitOutcome, What};
use crate::plan::{ClientId, Mark, SessionId};

#[derive(Default)]
pub(super) struct Publishing {
    sessions: BTreeMap<SessionId, Session>,
    /// Containers whose push began, and has not named its branch.
    pushing: BTreeSet<ClientId>,
}

#[derive(Default)]
struct Session {
    local: Arc<Branch>,
    remote: Arc<Branch>,
    /// The remote branch that a push was rejected for.
    rejected_for: Option<Arc<Branch>>,
    is_saved_locally: bool,
}

impl Publishing {
    pub(super) fn see(&mut self, what: &What, reached: &mut Reached) {
        match what {
            What::PushBegan { client } => {
                self.goes_no_further(client);
                self.pushing.insert(client.clone());
            }
            What::Fetched { client, .. } => self.goes_no_further(client),
            What::Pushed {
                client,
                session: Some(session),
                outcome,
                branch: Some(branch),
            } => {
                self.pushing.remove(client);
                let session = entry(&mut self.sessions, session);
                session.remote = branch.clone();
                match outcome {
                    GitOutcome::Rejected => session.rejected_for = Some(branch.clone()),
                    GitOutcome::Done => session.pushed(reached),
                    GitOutcome::AuthFailed | GitOutcome::Unavailable => {}
                }
            }
            What::Pushed { client, .. } => {
                self.pushing.remove(client);
            }
            What::OutsiderPushed {
                session, branch, ..
            } => entry(&mut self.sessions, session).remote = branch.clone(),
            What::Committed { session, branch } => {
                entry(&mut self.sessions, session).local = branch.clone();
            }
            What::Logged {
                session: Some(session),
                claim: Some(Claim::SavedLocally),
                ..
            } => entry(&mut self.sessions, session).is_saved_locally = true,
            What::Died { client, cause } => {
                self.pushing.remove(client);
                if *cause == Death::WorkspaceLost {
                    for (_, session) in self
                        .sessions
                        .iter_mut()
                        .filter(|(s, _)| s.client == *client)
                    {
                        *session = Session {
                            remote: std::mem::take(&mut session.remote),
                            ..Session::default()
                        };
                    }
                }
            }
            _ => {}
        }
    }

    /// The client does something else after it saw the refs. Where it lacks what the remote has,
    /// that was its push.
    fn goes_no_further(&mut self, client: &ClientId) {
        if self.pushing.remove(client) {
            for (_, session) in self
                .sessions
                .iter_mut()
                .filter(|(s, _)| s.client == *client)
            {
                let ours: BTreeSet<Mark> = marks_added(&session.local).collect();
                if marks_added(&session.remote).any(|mark| !ours.contains(&mark)) {
                    session.rejected_for = Some(session.remote.clone());
                }
            }
        }
    }
}

impl Session {
    fn pushed(&mut self, reached: &mut Reached) {
        if let Some(theirs) = self.rejected_for.take()
            && let Some(how) = integrated(&theirs, &self.remote)
        {
            reached.insert(how);
        }
        if std::mem::take(&mut self.is_saved_locally) {
            reached.insert(Sometimes::SavedThenPushed);
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
