//! Pushes, and how they ended.

use std::sync::Arc;

use crate::history::{Branch, GitOutcome};
use crate::model::session::Expected;
use crate::model::{Model, Outside};
use crate::plan::{ClientId, Mark, Outsider, SessionId};

impl Model {
    /// The client does something else. A push of its that had seen the refs went no further, and
    /// said no branch, so that it may have been of any.
    pub(super) fn push_ended_unnamed(&mut self, client: &ClientId) {
        if let Some(at) = self.client_index(client)
            && std::mem::take(&mut self.clients[at].pushing.is_unnamed)
        {
            self.clients[at].held_up.push = self.now;
            self.hold_up(at);
        }
    }

    pub(super) fn push_answered(
        &mut self,
        client: &ClientId,
        session: Option<&SessionId>,
        outcome: GitOutcome,
    ) {
        let Some(at) = self.client_index(client) else {
            return;
        };
        let now = self.now;
        let pushing = &mut self.clients[at].pushing;
        pushing.is_unnamed = false;
        match outcome {
            GitOutcome::Done => pushing.failures = 0,
            GitOutcome::Rejected => {}
            GitOutcome::AuthFailed | GitOutcome::Unavailable => {
                pushing.refused(now);
                self.put_off = Some(now);
            }
        }
        match session {
            Some(session) => {
                if let Some(session) = self.session_mut(session) {
                    session.retry_asked = None;
                    session.push_tried = now;
                }
            }
            None => self.hold_up(at),
        }
    }

    /// Notes which builds have to hold what the branch is pushed with: those of instructions whose commits
    /// get to the remote before anything is deployed for them.
    pub(super) fn note_pushed_first(&mut self, session: &SessionId, branch: &Arc<Branch>) {
        let Some(at) = self.session_index(session) else {
            return;
        };
        let (own, client) = (&self.sessions[at], self.sessions[at].client);
        // What is seen late may have been pushed after the deploy.
        if self.clients[client].synced_since_delivery || self.profile.is_polled {
            return;
        }
        let of_branch = branch.commits.iter().flat_map(|commit| &commit.adds);
        let new: Vec<Mark> = of_branch
            .filter(|mark| !own.remote_has(**mark))
            .copied()
            .collect();
        for mark in new {
            if let Some(instruction) = self.instruction_mut(mark)
                && instruction.at_work
                && instruction.deliveries == 1
            {
                instruction.pushed_first = Some(branch.clone());
            }
        }
    }

    pub(super) fn pushed(&mut self, session: &SessionId, branch: &Arc<Branch>) {
        self.note_pushed_first(session, branch);
        let may_be_of_another = self.profile.is_polled
            && self.session_index(session).is_some_and(|at| {
                let conflicts = |it: &Outside| it.session == at && it.kind == Outsider::Conflicting;
                self.outsiders.iter().any(conflicts)
            });
        let session_id = session;
        let Some(session) = self.session_mut(session_id) else {
            return;
        };
        if branch != &session.remote {
            let merges = |branch: &Branch| branch.commits.iter().filter(|c| c.merge).count();
            let merged = merges(branch) > merges(&session.remote);
            session.push_conflict = match (merged, session.conflict_landed) {
                // Which of several pushes resolved it is not seen.
                _ if may_be_of_another => Expected::Maybe,
                (true, true) => Expected::Yes,
                // One whose answer was lost before was reported as failed: to the container this is
                // the push that brings the conflict's resolution.
                (false, false) if session.record.last_error.is_some() => {
                    session.push_conflict.or_not()
                }
                (false, false) => Expected::No,
                _ => Expected::Maybe,
            };
            session.conflict_landed = false;
        }
        session.remote = branch.clone();
        session.see(branch);
        self.forget_seeming_loss(session_id);
    }
}
