//! Steps, as the model takes them: which make sense now, and what they change.

use std::time::Duration;

use super::instruction::Instruction;
use super::session::Expected;
use super::{Model, Outside};
use crate::history::Death;
use crate::plan::{
    ClientId, Edit, Fault, Injection, Mark, Outsider, Place, SessionId, Step, Subject,
};
use crate::profile::Evidence;

/// How long an answer takes to its container at most.
const ON_THE_WAY: Duration = Duration::from_secs(1);

impl Model {
    /// Whether a step makes sense now: what it names exists, and it can change something.
    pub fn enables(&self, step: &Step) -> bool {
        match step {
            Step::Instruct(session, _) | Step::PushFromOutside(session, _) => {
                self.session_index(session).is_some()
            }
            Step::Until { session, .. } | Step::RetryPush(session) | Step::Redeliver(session) => {
                self.session_index(session)
                    .is_some_and(|at| self.instructions.iter().any(|i| i.session == at))
            }
            Step::UntilStarted { client, .. } => self
                .client_index(client)
                .is_some_and(|at| self.clients[at].is_down_for_now),
            Step::Crash(client) | Step::LoseWorkspace(client) => self
                .client_index(client)
                .is_some_and(|at| !self.clients[at].is_down_for_now),
            Step::Wait(time) => !time.is_zero(),
            Step::Inject(fault) => {
                self.knows(fault) && !self.has_fault(|active| active.excludes(fault))
            }
            Step::Heal(fault) => self.has_fault(|active| active == fault),
        }
    }

    fn knows(&self, fault: &Fault) -> bool {
        match fault.subject() {
            Subject::Session(session) => self.session_index(session).is_some(),
            Subject::Client(client) => self.client_index(client).is_some(),
            Subject::All => true,
        }
    }

    /// Takes a step. `mark` is that of the edit or of the outsider's commit which it makes.
    pub fn begin_step(&mut self, step: &Step, mark: Option<Mark>, now: Duration) {
        self.now = now;
        let is_remote_seen = self.sees(Evidence::Remote);
        match step {
            Step::Instruct(session, edit) => {
                if let (Some(at), Some(mark)) = (self.session_index(session), mark) {
                    self.instructions.push(Instruction::new(mark, at, *edit));
                    match edit {
                        Edit::BreakBuild => self.sessions[at].may_have_error = true,
                        Edit::Warn => self.sessions[at].may_warn = true,
                        Edit::Change | Edit::Repair | Edit::MemoryHungry => {}
                    }
                }
            }
            Step::PushFromOutside(session, kind) => {
                if let (Some(at), Some(mark)) = (self.session_index(session), mark) {
                    self.outsiders.push(Outside {
                        mark,
                        session: at,
                        kind: *kind,
                    });
                    let session = &mut self.sessions[at];
                    session.may_have_error = true;
                    session.may_warn = true;
                    session.conflict_landed |= *kind == Outsider::Conflicting;
                    if !is_remote_seen && *kind == Outsider::Conflicting {
                        session.push_conflict = Expected::Maybe;
                    }
                }
            }
            Step::Inject(fault) => self.set_fault(fault, true),
            Step::Heal(fault) => self.set_fault(fault, false),
            Step::Crash(client) | Step::LoseWorkspace(client) => {
                if let Some(at) = self.client_index(client) {
                    self.clients[at].is_down_for_now = true;
                }
                let cause = match step {
                    Step::LoseWorkspace(_) => Death::WorkspaceLost,
                    _ => Death::Crash,
                };
                self.kill_unseen(client, cause);
            }
            Step::UntilStarted { .. } | Step::Until { .. } | Step::Wait(_) => {
                for client in &mut self.clients {
                    client.is_down_for_now = false;
                }
            }
            Step::RetryPush(_) => {}
            Step::Redeliver(session) => self.may_come_again(|of| of == session),
        }
    }

    /// The agent's answers that were on their way to a container when it was cut off: their
    /// `retry-after` no longer applies.
    fn lose_answers(&mut self, client: &ClientId) {
        for instruction in &mut self.instructions {
            if let Some((asked, retry_after)) = &mut instruction.agent_asked
                && self.sessions[instruction.session].id.client == *client
                && self.now.saturating_sub(*asked) <= ON_THE_WAY
            {
                *retry_after = None;
            }
        }
    }

    fn set_fault(&mut self, fault: &Fault, on: bool) {
        if fault.place() != Place::Agent {
            for instruction in &mut self.instructions {
                instruction.agent_alone = false;
            }
        }
        if fault.place().holds_up_idle() {
            for at in 0..self.sessions.len() {
                if self.touches(fault, at) {
                    self.sessions[at].retry_asked = None;
                    // What is refused at once keeps no container waiting.
                    if *fault != Fault::GitAuth {
                        self.sessions[at].disturbed = Some(self.now);
                    }
                }
            }
        }
        self.note_unseen_ends();
        let place = fault.place();
        if matches!(place, Place::Container | Place::Queue) {
            self.may_come_again(|of| fault.client().is_none_or(|client| *client == of.client));
        }
        // What S3 refuses, and what cannot reach it, is counted by a breaker that is not seen.
        self.s3_refused |= matches!(place, Place::S3 | Place::Container)
            && !(self.sees(Evidence::Log) && self.sees(Evidence::Site));
        self.faults.retain(|(active, _)| !active.excludes(fault));
        if on {
            self.faults.push((fault.clone(), self.now));
            for at in 0..self.sessions.len() {
                if self.touches(fault, at) {
                    self.sessions[at].may_have_error = true;
                }
            }
        }
        for instruction in &mut self.instructions {
            let client = &self.sessions[instruction.session].id.client;
            instruction.may_not_have_come |= on
                && fault.cuts_off_queue(client)
                && self.now.saturating_sub(instruction.delivered_last) <= ON_THE_WAY;
        }
        if let Fault::Partition(client) = fault
            && on
        {
            self.lose_answers(client);
        }
        self.put_off = Some(self.now);
        self.note_fault(fault);
        for instruction in &mut self.instructions {
            let client = &self.sessions[instruction.session].id.client;
            instruction.excused |= instruction.in_flight
                && instruction.delivered.is_some()
                && fault.keeps_from_editing(client);
        }
        if let Some((session, injection)) = fault.injection() {
            self.toggle_injection(session, injection, on);
        }
    }

    fn toggle_injection(&mut self, session: &SessionId, injection: Injection, on: bool) {
        let Some(at) = self.session_index(session) else {
            return;
        };
        let is_error = injection == Injection::Error;
        self.sessions[at].injected |= on;
        self.sessions[at].may_warn |= !is_error;
        for instruction in &mut self.instructions {
            // One that had ended may be made anew.
            let is_redone = instruction.in_flight && instruction.was_missing;
            if instruction.session == at && (instruction.is_pending() || is_redone) {
                let toggled = if is_error {
                    &mut instruction.build_error
                } else {
                    &mut instruction.build_warning
                };
                toggled.set(on);
            }
        }
    }

    /// Whether a fault may be the reason of an error that a session records.
    pub fn touches(&self, fault: &Fault, session: usize) -> bool {
        let id = &self.sessions[session].id;
        match fault.subject() {
            Subject::Session(of) => of == id,
            Subject::Client(of) => *of == id.client,
            Subject::All => true,
        }
    }

    /// Whether anything that goes on now may be the reason of an error that a session records.
    pub fn is_troubled(&self, session: usize) -> bool {
        let own = &self.sessions[session];
        own.may_have_error
            || self.clients[own.client].lost_workspace
            || self
                .faults
                .iter()
                .any(|(fault, _)| self.touches(fault, session))
            || !self.breaker.is_closed()
            || self.s3_refused && !self.knows_syncs()
            || self.instructions.iter().any(|instruction| {
                instruction.session == session
                    && (instruction.dead_lettered
                        || instruction.is_pending() && instruction.deliveries > 1)
            })
            || self.build_of(&own.remote.tree).fails
            || self.build_of(&own.local.tree).fails
            || self.may_be_broken(session)
            || self.may_be_cut_off(session)
    }
}
