//! Messages of instructions, and what the agent is asked for them.

use std::time::Duration;

use super::LONG_WAIT;
use crate::model::instruction::Toggled;
use crate::model::retries::Pushing;
use crate::model::session::Loss;
use crate::model::{Handled, HandledEnd, Model};
use crate::plan::{Fault, Mark, Place, SessionId};

impl Model {
    pub(super) fn delivered(&mut self, session: &SessionId, mark: Mark) {
        let now = self.now;
        let error = self.has_fault(|f| matches!(f, Fault::BuildError(of) if of == session));
        let warning = self.has_fault(|f| matches!(f, Fault::BuildWarning(of) if of == session));
        // The builds of another system fail by a shim, which is in front of those that it knows.
        let is_sure = self.profile.start.is_none();
        // One that only comes again may be handled already, and then changes no record.
        let is_first = self.instruction(mark).is_none_or(|it| it.deliveries == 0);
        let mut was_missing = false;
        if let Some(own) = self.session_mut(session) {
            was_missing = !own.has(mark);
            own.delivered_since_loss = true;
            if own.loss == Loss::Reported && is_first {
                own.loss = Loss::None;
            }
        }
        let is_excused = self.has_fault(|fault| fault.keeps_from_editing(&session.client));
        let is_cut_off = self.has_fault(|fault| fault.cuts_off_queue(&session.client));
        if let Some(client) = self.client_index(&session.client) {
            self.clients[client].pushing.failures = 0;
            self.clients[client].synced_since_delivery = false;
            self.hold_up(client);
        }
        let Some(instruction) = self.instruction_mut(mark) else {
            return;
        };
        if instruction.delivered.is_none() {
            instruction.delivered = Some(now);
            instruction.excused = is_excused;
            instruction.build_error = Toggled {
                always: error && is_sure,
                sometimes: error,
            };
            instruction.build_warning = Toggled::is(warning);
        } else {
            instruction.build_error.set(error);
            instruction.build_warning.set(warning);
        }
        instruction.was_missing = was_missing;
        if instruction.acknowledged {
            // Delivered again although it had ended: it ends once more, and may end otherwise.
            instruction.outcome = None;
        }
        instruction.deliveries += 1;
        instruction.delivered_last = now;
        instruction.may_not_have_come = is_cut_off;
        instruction.in_flight = true;
        instruction.got_on = false;
        instruction.at_work = true;
        instruction.may_be_dropped = false;
        instruction.agent_failures = 0;
        instruction.agent_asked = None;
        instruction.agent_waited = Duration::ZERO;
        instruction.agent_was_slow = false;
    }

    pub(super) fn retry_delivered(&mut self, session: &SessionId) {
        let now = self.now;
        let Some(at) = self.session_index(session) else {
            return;
        };
        let client = self.sessions[at].client;
        let disturbed = self.sessions[at].disturbed;
        let is_held_up =
            |(fault, _): &(Fault, _)| self.touches(fault, at) && fault.place().holds_up_idle();
        let is_idle = !self.faults.iter().any(is_held_up)
            && disturbed.is_none_or(|at| now > at + LONG_WAIT)
            && self.breaker.is_closed()
            && !self.instructions.iter().any(|instruction| {
                instruction.in_flight && self.sessions[instruction.session].client == client
            });
        self.clients[client].pushing = Pushing::default();
        let session = &mut self.sessions[at];
        if is_idle && session.is_ahead() {
            session.retry_asked = session.retry_asked.or(Some(now));
        }
    }

    /// Something holds a client's container up: it is unknown when it gets to a push that it was
    /// asked for.
    pub(in crate::model) fn hold_up(&mut self, client: usize) {
        for session in &mut self.sessions {
            if session.client == client {
                session.retry_asked = None;
            }
        }
    }

    pub(super) fn handled(&mut self, mark: Mark, dead: bool) {
        let Some(instruction) = self.instruction(mark) else {
            return;
        };
        let session = instruction.session;
        let is_redone = instruction.was_missing && self.sessions[session].has(mark);
        let end = match (dead, instruction.acknowledged) {
            (true, _) => HandledEnd::DeadLettered,
            (false, true) if is_redone => HandledEnd::Redone,
            (false, true) => HandledEnd::Again,
            (false, false) => HandledEnd::Acknowledged,
        };
        let has_error = self.sessions[session].record.last_error.is_some();
        let saved = self.sessions[session].has(mark);
        let unreported = if !dead && self.profile.reports_late() {
            self.unreported(mark)
        } else {
            Vec::new()
        };
        let client = self.sessions[session].client;
        if end != HandledEnd::Again {
            let id = self.sessions[session].id.clone();
            self.sessions[session].injected = self.has_fault(|fault| {
                fault
                    .injection()
                    .is_some_and(|(injected, _)| *injected == id)
            });
        }
        self.clients[client]
            .ends
            .push(Handled { mark, session, end });
        if let Some(instruction) = self.instruction_mut(mark) {
            instruction.in_flight = false;
            instruction.at_work = false;
            if dead {
                instruction.dead_lettered = true;
            } else if !instruction.acknowledged {
                instruction.acknowledged = true;
                instruction.error_recorded |= has_error;
                instruction.saved = saved;
                instruction.unreported = unreported;
            }
        }
    }

    pub(super) fn agent_asked(
        &mut self,
        mark: Option<Mark>,
        (is_answered, is_slow): (bool, bool),
        retry_after: Option<Duration>,
        at: Duration,
    ) {
        let only_the_agent = !self.has_fault(|fault| fault.place() != Place::Agent);
        let asker = mark.and_then(|mark| self.instruction(mark));
        let asker = asker.map(|instruction| &self.sessions[instruction.session].id.client);
        let is_cut_off = self
            .has_fault(|fault| matches!(fault, Fault::Partition(client) if Some(client) == asker));
        let Some(instruction) = mark.and_then(|mark| self.instruction_mut(mark)) else {
            return;
        };
        if is_answered {
            instruction.got_on = true;
            instruction.agent_failures = 0;
            instruction.agent_asked = None;
            instruction.agent_waited = Duration::ZERO;
            instruction.agent_was_slow = false;
            return;
        }
        instruction.got_on = true;
        instruction.excused = true;
        instruction.agent_alone = only_the_agent;
        if let Some((before, _)) = instruction.agent_asked {
            instruction.agent_waited += at.saturating_sub(before);
        }
        instruction.agent_failures += 1;
        // The answer does not come through, so its `retry-after` does not apply.
        instruction.agent_asked = Some((at, retry_after.filter(|_| !is_cut_off)));
        instruction.agent_was_slow |= is_slow;
    }
}
