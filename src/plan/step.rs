//! The table of steps.

use std::time::Duration;

use super::argument::{Form, NameMut, Product, Requests, Scope, Started, Subject, Variety};
use super::table::{form, table};
use super::{ClientId, Edit, Fault, Outsider, Phase, SessionId};

table!(
    /// One step of a plan.
    Step,
    /// A step without its arguments.
    StepKind,
    StepRow {
        "instruct" Instruct(session: SessionId, edit: Edit)
            = "Sends an instruction to the session's queue.",
            StepRow::of(Role::Work, 5);
        "until" Until {
            /// Whose work.
            session: SessionId,
            /// The phase that it enters.
            phase: Phase,
            /// How many of its requests reach an endpoint after that.
            requests: u32 as Requests
        }
            = "Lets the system run until the session's work enters the phase and so many more of \
               its requests have reached an endpoint. Goes on when nothing is left to do, or after \
               10 minutes of the system's time.",
            StepRow::of(Role::Time, 1);
        "crash" Crash(client: ClientId)
            = "SIGKILL; memory is lost, the workspace is kept.",
            StepRow::of(Role::Fault, 4).drawn_with(14);
        "until" UntilStarted {
            /// Whose container.
            client: ClientId,
            /// How many of its requests reach an endpoint after its start.
            requests: u32 as Started
        }
            = "Lets the system run until the client's container is up and so many of its requests \
               have reached an endpoint since it started. Goes on at once where it has been up \
               for longer.",
            StepRow::of(Role::Time, 1);
        "workspace-lost" LoseWorkspace(client: ClientId)
            = "A crash that takes the workspace too.",
            StepRow::of(Role::Fault, 4).drawn_with(17);
        "push-from-outside" PushFromOutside(session: SessionId, kind: Outsider)
            = "Somebody else pushes to the session's branch.",
            StepRow::of(Role::Fault, 4).drawn_with(15);
        "retry-push" RetryPush(session: SessionId)
            = "Sends `RETRY_GIT_PUSH` to the retry queue.",
            StepRow::of(Role::Work, 2);
        "redeliver" Redeliver(session: SessionId)
            = "The session's newest handled instruction is delivered again.",
            StepRow::of(Role::Fault, 2).drawn_with(16);
        "wait" Wait(time: Duration)
            = "Lets the system run for so much of its own time.",
            StepRow::of(Role::Time, 1);
        "inject" Inject(fault: Fault)
            = "Puts the world in a state that lasts.",
            StepRow::of(Role::Fault, 2);
        "heal" Heal(fault: Fault)
            = "Ends that state.",
            StepRow::of(Role::Heal, 0);
    }
);

/// What every row says beside name, arguments and sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StepRow {
    /// What it is in a plan for.
    pub role: Role,
    /// How likely it is to matter to a violation, beside the others.
    pub matters: u32,
    /// Its bit among those that say which kinds a random plan has; without one, every plan has it.
    pub swarm: Option<u32>,
}

impl StepRow {
    const fn of(role: Role, matters: u32) -> Self {
        Self {
            role,
            matters,
            swarm: None,
        }
    }

    const fn drawn_with(self, bit: u32) -> Self {
        Self {
            swarm: Some(bit),
            ..self
        }
    }
}

/// What a step is in a plan for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Asks the system for something.
    Work,
    /// Lets time pass.
    Time,
    /// Disturbs, at once or from now on.
    Fault,
    /// Ends a disturbance.
    Heal,
}

impl Step {
    /// What it is in a plan for.
    pub fn role(&self) -> Role {
        self.kind().row().role
    }
}

impl StepKind {
    /// The names of all that disturb at once.
    pub fn disturbing_at_once() -> impl Iterator<Item = &'static str> {
        let lasts = |kind: &Self| *kind == Self::Inject;
        Self::ALL
            .into_iter()
            .filter(move |kind| kind.row().role == Role::Fault && !lasts(kind))
            .map(Self::name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::FaultKind;

    #[test]
    fn no_step_has_the_bit_of_a_fault() {
        for kind in StepKind::ALL {
            let bit = kind.row().swarm;
            assert!(
                FaultKind::ALL
                    .iter()
                    .all(|fault| Some(fault.row().swarm) != bit)
            );
        }
    }
}
