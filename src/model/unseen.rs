//! What may have happened where it cannot be seen of the system: ends of containers, deliveries, losses.
//!
//! What the tester does itself is known all the same, by its steps.

use std::time::Duration;

use super::Model;
use super::instruction::{HandlingEnd, Instruction};
use super::session::Loss;
use crate::history::{Death, What};
use crate::plan::{ClientId, Edit, Fault, Mark, SessionId};
use crate::profile::Evidence;

/// How long a container goes on at most after the step that kills it began; one that is looked at now and then may take
/// as long as it may to start again.
const KILL: Duration = Duration::from_secs(2);

impl Model {
    /// Whether this can be seen of the system.
    pub fn sees(&self, evidence: Evidence) -> bool {
        self.profile.sees(evidence)
    }

    /// A step kills a container: where ends of containers are not seen, it is down from now on, and up again
    /// in time.
    pub(super) fn kill_unseen(&mut self, client: &ClientId, cause: Death) {
        if self.sees(Evidence::Process) {
            return;
        }
        self.died(client, cause);
        if let Some(at) = self.client_index(client) {
            self.start_unseen(at);
        }
    }

    /// Where ends of containers are not seen, one whose memory is too little may have ended at any moment.
    pub(super) fn note_unseen_ends(&mut self) {
        if self.sees(Evidence::Process) {
            return;
        }
        for at in 0..self.clients.len() {
            let id = &self.clients[at].id;
            if !self.has_fault(|fault| matches!(fault, Fault::OutOfMemory(of) if of == id)) {
                continue;
            }
            self.put_off = Some(self.now);
            self.clients[at].may_have_ended = true;
            self.clients[at].pushing.is_unnamed = false;
            self.hold_up(at);
            for session in self.sessions.iter_mut().filter(|own| own.client == at) {
                (session.unlogged, session.unlogged_prevented) = (None, None);
                session.may_have_error = true;
            }
            for instruction in &mut self.instructions {
                if self.sessions[instruction.session].client == at {
                    instruction.agent_asked = None;
                    instruction.may_be_dropped |= instruction.at_work;
                }
            }
            self.start_unseen(at);
            let client = self.clients[at].id.clone();
            self.may_come_again(|of| of.client == client);
        }
    }

    /// A container that ended unseen starts again within its time.
    fn start_unseen(&mut self, at: usize) {
        let (now, started) = (self.now, self.now + self.profile.limits.restart);
        let ended = match self.profile.is_polled {
            true => started,
            false => now + KILL,
        };
        let client = &mut self.clients[at];
        client.is_up = true;
        client.died = Some(ended);
        client.held_up.other = started;
        client.pushing.failures = 0;
        let restart = What::Started {
            client: client.id.clone(),
        };
        client.retries.take(&restart, now);
        for session in self.sessions.iter_mut().filter(|own| own.client == at) {
            session.disturbed = session.disturbed.max(Some(started));
        }
    }

    /// Where deliveries are not seen, messages of these sessions may be delivered again from now on.
    pub(super) fn may_come_again(&mut self, is_of: impl Fn(&SessionId) -> bool) {
        if self.sees(Evidence::Queue) {
            return;
        }
        for instruction in &mut self.instructions {
            if is_of(&self.sessions[instruction.session].id) {
                instruction.agent_asked = None;
                instruction.came_again = instruction.came_again.saturating_add(1);
            }
        }
    }

    /// Notes on which session a container works, where deliveries do not show it.
    pub(super) fn note_worked_on(&mut self, what: &What) {
        if self.sees(Evidence::Queue) {
            return;
        }
        let session = match what {
            What::AgentAsked {
                mark: Some(mark), ..
            } => self.owner(*mark),
            What::Committed { session, .. } | What::RecordWritten { session, .. } => {
                self.session_index(session)
            }
            What::Pushed { session, .. } => session.as_ref().and_then(|of| self.session_index(of)),
            _ => None,
        };
        let Some(session) = session else {
            return;
        };
        let client = &mut self.clients[self.sessions[session].client];
        client.worked_on = Some(session);
        if let What::AgentAsked { .. } = what {
            client.retries.begin_instruction();
            self.sessions[session].asked_agent = self.now;
        }
    }

    /// The marks that a lost workspace may have taken, where it cannot be seen.
    pub(super) fn may_be_lost(&self, session: usize) -> Vec<Mark> {
        let was_delivered = |it: &&Instruction| {
            it.session == session && (it.delivered.is_some() || !self.sees(Evidence::Queue))
        };
        let own = self.instructions.iter().filter(was_delivered);
        own.map(|it| it.mark)
            .filter(|mark| !self.sessions[session].remote_has(*mark))
            .collect()
    }

    /// Whether a session's branch may not build, for not all of it is seen.
    pub fn may_be_broken(&self, session: usize) -> bool {
        let own = &self.sessions[session];
        let is_known = match self.sees(Evidence::Workspace) {
            true => self.sees(Evidence::Remote) || !self.clients[own.client].lost_workspace,
            false => false,
        };
        let may_break = |it: &Instruction| {
            it.session == session && it.edit == Edit::BreakBuild && !own.remote_has(it.mark)
        };
        match is_known {
            true => self.build_of(&own.local.tree).fails && !self.sees(Evidence::Remote),
            false => self.instructions.iter().any(may_break),
        }
    }

    /// Whether messages of the session may be delivered again, unseen: that all is done that they ask for does not show
    /// that they were acknowledged.
    pub(super) fn may_be_cut_off(&self, session: usize) -> bool {
        let mut instructions = self.instructions.iter();
        instructions.any(|it| it.session == session && it.came_again > 0)
    }

    /// How an instruction ended of which no commit was seen.
    pub(super) fn end_without_commit(&self, instruction: &Instruction) -> HandlingEnd {
        let client = self.sessions[instruction.session].client;
        let is_known = match self.sees(Evidence::Remote) {
            // In the end the remote has whatever the workspace had, or a lost one took it.
            true => self.sees(Evidence::Workspace) || !self.clients[client].lost_workspace,
            false => self.sees(Evidence::Workspace),
        };
        let fails = instruction.build_error.always || instruction.edit == Edit::BreakBuild;
        match is_known || fails {
            true => HandlingEnd::Failed,
            false => HandlingEnd::Unclear,
        }
    }

    /// Takes losses back that only seemed to be some, for not all of the branch is seen.
    pub(super) fn forget_seeming_loss(&mut self, session: &SessionId) {
        if self.sees(Evidence::Remote) && self.sees(Evidence::Workspace) {
            return;
        }
        if let Some(session) = self.session_mut(session)
            && session.lost.is_empty()
            && session.loss == Loss::Unreported
        {
            session.loss = Loss::None;
        }
    }
}
