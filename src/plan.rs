//! Plans: what is done to the system, step by step, and the text that keeps them.
//!
//! A plan is data. The same plan means the same on every target, and its text form is the
//! regression format: one step a line, comments kept, an unknown word an error with its place.
//!
//! All that can be said of a fault, of a step and of an edit without a system is one row of the
//! table in `fault`, `step` and `edit`; parsing, printing, generation, coverage, reports and
//! the model read it there.

mod table;

mod argument;
mod edit;
mod fault;
mod line;
mod name;
mod step;
mod text;

use std::time::Duration;

pub use argument::{NameMut, Scope, Subject, Variety};
pub use edit::{Cut, Edit, Outage, Outsider, Phase, UnknownWord};
pub use fault::{Fault, FaultKind, FaultRow, Injection, Place};
pub use line::ParseError;
pub use name::{ClientId, Mark, SessionId, fill_name};
pub use step::{Role, Step, StepKind, StepRow};
pub use text::VERSION_LINE;

/// How long `until` waits for its phase, in the system's own time.
pub const UNTIL_BOUND: Duration = Duration::from_secs(150);

/// What is done to a system: the sessions that exist, then the steps.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Plan {
    /// The sessions of the plan.
    pub sessions: Vec<SessionId>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// Comment lines, without `#`, each with the number of steps before it.
    pub comments: Vec<(usize, String)>,
}

impl Plan {
    /// The clients of the plan, in the order of their first session.
    pub fn clients(&self) -> Vec<ClientId> {
        clients(&self.sessions)
    }

    /// The session's mark for each `instruct` and `push-from-outside`, by step index.
    pub fn marks(&self) -> Vec<Option<Mark>> {
        let (mut edits, mut outsiders) = (0, 0);
        self.steps
            .iter()
            .map(|step| match step {
                Step::Instruct(..) => {
                    edits += 1;
                    Some(Mark::Edit(edits))
                }
                Step::PushFromOutside(..) => {
                    outsiders += 1;
                    Some(Mark::Outside(outsiders))
                }
                Step::Until { .. }
                | Step::UntilStarted { .. }
                | Step::Wait(_)
                | Step::Inject(_)
                | Step::Heal(_)
                | Step::Crash(_)
                | Step::LoseWorkspace(_)
                | Step::RetryPush(_)
                | Step::Redeliver(_) => None,
            })
            .collect()
    }
}

/// Adds a fault to the active ones, or takes it away; both can be done twice without harm.
pub fn set_fault(active: &mut Vec<Fault>, fault: &Fault, on: bool) {
    active.retain(|other| !other.excludes(fault));
    if on {
        active.push(fault.clone());
    }
}

/// The clients of some sessions, in the order of their first session.
fn clients(sessions: &[SessionId]) -> Vec<ClientId> {
    let mut clients: Vec<ClientId> = Vec::new();
    for session in sessions {
        if !clients.contains(&session.client) {
            clients.push(session.client.clone());
        }
    }
    clients
}
