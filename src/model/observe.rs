//! Events, as the model takes them in.

mod instructions;
mod pushes;

use std::sync::Arc;
use std::time::Duration;

use super::session::Loss;
use super::{Client, Model};
use crate::history::{
    Claim, Commit, Death, Event, GitOutcome, Level, Record, ReportedOutcome, S3Outcome, What,
};
use crate::plan::{ClientId, Mark, SessionId, Step};
use crate::profile::Evidence;

/// No request lasts longer, with the wait after it.
const LONG_WAIT: Duration = Duration::from_secs(60);

impl Model {
    /// Takes in what happened. The rules were asked before.
    pub fn observe(&mut self, event: &Event) {
        self.now = self.now.max(event.at);
        self.note_unseen_ends();
        if let Some(at) = self.container_of(&event.what) {
            self.clients[at].retries.take(&event.what, event.at);
        }
        match &event.what {
            What::StepBegan {
                index: None,
                step: Step::Instruct(..),
                mark: Some(mark),
            } => {
                self.sent_again = self.sent_again.or(Some(event.at));
                if let Some(instruction) = self.instruction_mut(*mark) {
                    instruction.sent_again = true;
                }
            }
            What::StepBegan { .. }
            | What::Healed
            | What::RetrySent { .. }
            | What::Refused { .. }
            | What::TaskReported { .. }
            | What::Called { .. }
            | What::SecretSeen { .. }
            | What::Trespassed { .. } => {}
            // Where its delivery cannot be seen, it may come at any moment from now on.
            What::Sent { session, mark } if self.profile.is_polled => {
                self.delivered(session, *mark);
            }
            What::Sent { .. } => {}
            What::BuildBegan { client, .. } => {
                if let Some(at) = self.client_index(client) {
                    self.clients[at].builds.began();
                }
            }
            What::BuildEnded { client, end, .. } => {
                if let Some(at) = self.client_index(client) {
                    self.clients[at].builds.ended(end);
                }
            }
            What::SiteBuilt { build, .. } => self.own_builds.push(build.clone()),
            What::OutsiderPushed {
                session, branch, ..
            } => {
                if let Some(session) = self.session_mut(session) {
                    session.remote = branch.clone();
                    session.see(branch);
                }
            }
            What::Delivered { session, mark, .. } => self.delivered(session, *mark),
            What::Acknowledged { mark, .. } => self.handled(*mark, false),
            What::DeadLettered { mark, .. } => self.handled(*mark, true),
            What::OutcomeReported { mark, outcome, .. } => {
                if let Some(instruction) = self.instruction_mut(*mark) {
                    instruction.outcome.get_or_insert(*outcome);
                    instruction.error_recorded |= *outcome == ReportedOutcome::Failed;
                }
            }
            What::RetryDelivered { session } => self.retry_delivered(session),
            What::AgentAsked {
                mark,
                status,
                retry_after,
                cut,
                ..
            } => {
                let is_answered = *status == Some(200) && cut.is_none();
                self.agent_asked(
                    *mark,
                    (is_answered, status.is_none()),
                    *retry_after,
                    event.at,
                );
            }
            What::Fetched { client, outcome } => {
                self.push_ended_unnamed(client);
                if *outcome != GitOutcome::Done {
                    self.put_off = Some(self.now);
                }
            }
            What::PushBegan { client } => {
                self.push_ended_unnamed(client);
                if let Some(at) = self.client_index(client) {
                    self.clients[at].pushing.is_unnamed = true;
                    self.clients[at].pushing.began = self.now;
                }
            }
            What::Pushed {
                client,
                session,
                outcome,
                branch,
            } => {
                self.push_answered(client, session.as_ref(), *outcome);
                if let (Some(session), GitOutcome::Done, Some(branch)) = (session, outcome, branch)
                {
                    self.pushed(session, branch);
                }
            }
            What::Committed { session, branch } => {
                if let Some(session) = self.session_mut(session) {
                    session.local = branch.clone();
                    session.see(branch);
                }
                self.forget_seeming_loss(session);
            }
            What::ObjectPut {
                client,
                key,
                content,
                ..
            } => {
                self.s3_request(client);
                if let Some(at) = self.client_index(client) {
                    self.clients[at].site.insert(key.clone(), content.clone());
                    self.note_shown(at, &content.marks);
                }
            }
            What::ObjectDeleted { client, key } => {
                self.s3_request(client);
                if let Some(at) = self.client_index(client) {
                    self.clients[at].site.remove(key);
                }
            }
            What::S3Asked {
                client, outcome, ..
            } => {
                if *outcome != S3Outcome::Done {
                    self.s3_refused = true;
                    self.put_off = Some(self.now);
                }
                self.s3_request(client);
            }
            What::RecordWritten { session, record } => self.record_written(session, record),
            What::Started { client } => {
                if let Some(at) = self.client_index(client) {
                    self.clients[at].is_up = true;
                    self.clients[at].pushing.failures = 0;
                    // One that starts again has much to look after.
                    let restarted = self.clients[at].died.map(|_| event.at);
                    for session in self.sessions.iter_mut().filter(|s| s.client == at) {
                        session.disturbed = session.disturbed.max(restarted);
                    }
                }
            }
            What::Died { client, cause } => self.died(client, *cause),
            What::Logged {
                client,
                session,
                level,
                claim,
                stamp,
                text,
                ..
            } => {
                if let Some(at) = self.client_index(client) {
                    // What the platform says of a death names no session, and is an error.
                    let is_own = session.is_some() || *level != Level::Error;
                    self.clients[at].says_something |= is_own;
                    if *level == Level::Error {
                        self.clients[at].error_line = self.clients[at].error_line.max(Some(*stamp));
                        self.note_error_line(at, session.as_ref(), text, *stamp);
                    }
                    if let Some(claim) = claim {
                        self.claimed(at, *claim, *stamp);
                        if *claim == Claim::SyncPrevented {
                            self.note_prevented_line(at, session.as_ref(), *stamp);
                        }
                    }
                }
            }
        }
        self.note_held_up(&event.what);
        self.note_worked_on(&event.what);
        if !self.breaker.is_closed() {
            for session in &mut self.sessions {
                session.may_have_error = true;
            }
        }
    }

    /// Notes an ERROR line of a client's log, where the system reports failures by them.
    fn note_error_line(
        &mut self,
        client: usize,
        session: Option<&SessionId>,
        text: &str,
        stamp: Duration,
    ) {
        let is_report = self.profile.reports_by(Evidence::Log);
        let is_seen = self.sees(Evidence::Workspace);
        for own in self.sessions.iter_mut().filter(|own| own.client == client) {
            if session.is_none_or(|id| own.id == *id) {
                own.error_line = own.error_line.max(Some(stamp));
                own.unlogged.take_if(|since| *since <= stamp);
                if is_report {
                    own.note_lost(text, is_seen);
                }
            }
        }
    }

    /// Notes a line that says that the breaker stopped a sync.
    fn note_prevented_line(&mut self, client: usize, session: Option<&SessionId>, stamp: Duration) {
        for own in self.sessions.iter_mut().filter(|own| own.client == client) {
            if session.is_none_or(|id| own.id == *id) {
                own.prevented_line = own.prevented_line.max(Some(stamp));
                own.unlogged_prevented.take_if(|since| *since <= stamp);
            }
        }
    }

    /// Notes what an error that a record reports has to have in the log: what is not in it by now may
    /// come later. A crash takes lines along that were not sent.
    fn note_reported(&mut self, session: usize, error: &str) {
        let words = &self.profile.words;
        let died = self.clients[self.sessions[session].client].died;
        // While an instruction is handled, its record may be written more than once for other reasons.
        let handled = self.instructions.iter();
        let handled = handled.filter(|it| it.session == session && it.in_flight);
        let begun = handled.filter_map(|it| it.delivered).min();
        // Where no delivery shows that, it began before its agent was asked.
        let begun = match self.profile.sees(Evidence::Queue) {
            true => begun,
            false => Some(self.sessions[session].asked_agent),
        };
        let own = &mut self.sessions[session];
        let since = std::mem::replace(&mut own.recorded_at, self.now);
        let since = begun.map_or(since, |begun| begun.min(since));
        let before = own.record.last_error.as_deref().unwrap_or_default();
        if !error.is_empty() && own.last_report.as_deref() != Some(error) {
            own.last_report = Some(error.into());
        }
        if error.is_empty() || died.is_some_and(|died| died >= since) {
            return;
        }
        let has_line = |line: Option<Duration>| line.is_some_and(|line| line >= since);
        let is_new = error.split("; ").any(|part| !before.contains(part));
        if is_new && !has_line(own.error_line) {
            own.unlogged = own.unlogged.or(Some(since));
        }
        let is_prevented = words.says_prevented(error) && !words.says_prevented(before);
        if is_prevented && !has_line(own.prevented_line) {
            own.unlogged_prevented = own.unlogged_prevented.or(Some(since));
        }
    }

    /// The client whose container an event is of, as far as its retries are concerned.
    pub fn container_of(&self, what: &What) -> Option<usize> {
        match what {
            What::ObjectPut { client, .. }
            | What::ObjectDeleted { client, .. }
            | What::S3Asked { client, .. }
            | What::Refused { client, .. }
            | What::Fetched { client, .. }
            | What::Pushed { client, .. }
            | What::Started { client }
            | What::Logged { client, .. } => self.client_index(client),
            What::Delivered { session, .. } | What::RetryDelivered { session } => {
                self.client_index(&session.client)
            }
            _ => None,
        }
    }

    pub(super) fn session_mut(&mut self, id: &SessionId) -> Option<&mut super::Session> {
        let at = self.session_index(id)?;
        Some(&mut self.sessions[at])
    }

    fn s3_request(&mut self, client: &ClientId) {
        if let Some(at) = self.client_index(client) {
            self.clients[at].synced_since_delivery = true;
            self.clients[at].asks_s3 = true;
            self.breaker.request(at, self.now);
        }
    }

    /// Notes the build of these marks where all of it is now in the site.
    fn note_shown(&mut self, client: usize, marks: &[Mark]) {
        let Client {
            id, site, shown, ..
        } = &self.clients[client];
        // Pages come last; only a site whose front page shows these marks needs a look.
        if shown.iter().any(|shown| shown == marks) || self.oracle.marks(site) != Some(marks) {
            return;
        }
        let is_good = !self.build_of(marks).fails;
        if is_good && self.oracle.whole(self.wanted_build(id, marks), site) {
            self.clients[client].shown.push(marks.to_vec());
        }
    }

    fn record_written(&mut self, session: &SessionId, record: &Arc<Record>) {
        let Some(at) = self.session_index(session) else {
            return;
        };
        self.note_reported(at, record.last_error.as_deref().unwrap_or_default());
        self.sessions[at].record = (**record).clone();
        for instruction in &mut self.instructions {
            instruction.got_on |=
                instruction.session == at && instruction.at_work && !instruction.may_not_have_come;
        }
        if let Some(error) = &record.last_error {
            let is_seen = self.sees(Evidence::Workspace);
            self.sessions[at].note_lost(error, is_seen);
        } else {
            let own = &self.sessions[at];
            let is_new = |commit: &Commit| commit.adds.iter().any(|mark| !own.local_has(*mark));
            // What is not taken in yet may still stop a push.
            let is_unseen = !self.sees(Evidence::Remote)
                && self.outsiders.iter().any(|outside| outside.session == at);
            let outsiders_wait =
                own.conflict_landed || is_unseen || own.remote.commits.iter().any(is_new);
            self.sessions[at].may_have_error = outsiders_wait;
            let still = self.is_troubled(at);
            self.sessions[at].may_have_error = still;
        }
    }

    pub(super) fn died(&mut self, client: &ClientId, cause: Death) {
        let Some(at) = self.client_index(client) else {
            return;
        };
        self.put_off = Some(self.now);
        self.clients[at].is_up = false;
        self.clients[at].died = Some(self.now);
        self.clients[at].pushing.is_unnamed = false;
        self.hold_up(at);
        self.breaker.died(at, self.now);
        let (sees_queue, sees_workspace) =
            (self.sees(Evidence::Queue), self.sees(Evidence::Workspace));
        for index in 0..self.sessions.len() {
            if self.sessions[index].client != at {
                continue;
            }
            let unseen = match sees_workspace {
                true => Vec::new(),
                false => self.may_be_lost(index),
            };
            let session = &mut self.sessions[index];
            (session.unlogged, session.unlogged_prevented) = (None, None);
            if cause == Death::WorkspaceLost {
                let local = session.local.commits.iter().flat_map(|it| &it.adds);
                let lost: Vec<Mark> = local
                    .copied()
                    .filter(|mark| !session.remote_has(*mark))
                    .chain(unseen)
                    .collect();
                session.delivered_since_loss = false;
                if !lost.is_empty() {
                    session.loss = Loss::Unreported;
                    session.lost_at = session.lost_at.or(Some(self.now));
                }
                for instruction in &mut self.instructions {
                    if instruction.is_pending() && lost.contains(&instruction.mark) {
                        instruction.lost_in_flight = true;
                        instruction.excused = false;
                    }
                }
                session.lost.extend(lost);
                session.local = Arc::default();
                session.may_have_error = true;
            }
            session.may_have_error |= self
                .instructions
                .iter()
                .any(|it| it.session == index && (it.in_flight || !sees_queue));
        }
        self.clients[at].lost_workspace |= cause == Death::WorkspaceLost;
        self.may_come_again(|of| of.client == *client);
        for instruction in &mut self.instructions {
            if self.sessions[instruction.session].client == at {
                instruction.agent_asked = None;
                instruction.at_work = false;
            }
        }
    }

    fn claimed(&mut self, client: usize, claim: Claim, stamp: Duration) {
        let now = self.now;
        match claim {
            Claim::SyncAttempt(_) | Claim::SyncPrevented | Claim::SyncFailed => {
                self.clients[client].synced_since_delivery = true;
            }
            _ => {}
        }
        match claim {
            Claim::SyncAttempt(1) => {
                self.clients[client].logs_syncs = true;
                self.breaker.begin(client, stamp, now);
            }
            Claim::SyncDone => {
                self.breaker.end(client, true, now);
            }
            Claim::SyncFailed => {
                self.put_off = Some(now);
                self.breaker.end(client, false, now);
            }
            Claim::SyncPrevented => {
                self.put_off = Some(now);
                self.breaker.prevented(client, stamp, now);
            }
            Claim::BreakerOpened => {
                self.breaker.opened(stamp, now);
            }
            Claim::SyncAttempt(_) => {
                self.breaker.request(client, now);
            }
            Claim::PushDone | Claim::SavedLocally | Claim::BuildDone | Claim::BuildFailed => {}
        }
    }
}
