//! The same plan in another order: steps that take no time and touch nothing in common can be
//! done either way round, and what is done and undone at one moment never was.
//!
//! Only the smallest order is tried. Swapping two such steps changes which of two simultaneous
//! timers fires first and which random times they draw, and nothing that a plan names.

use super::alphabet::{Alphabet, Letter};
use crate::plan::{ClientId, Fault, SessionId, Step};

/// What a step touches. Two steps that touch nothing in common commute.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Touched {
    /// The client's queue of instructions, whose order counts.
    Instructions(ClientId),
    /// The client's queue of retry requests.
    Retries(ClientId),
    /// The session's branch on the remote.
    Remote(SessionId),
    /// Whether the session has an instruction at all, without which some steps make no sense.
    HasInstruction(SessionId),
    Container(ClientId),
    /// The fault, and those that exclude it.
    Fault(Fault),
}

impl Touched {
    fn conflicts(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fault(a), Self::Fault(b)) => a.excludes(b),
            _ => self == other,
        }
    }
}

/// Nothing for a step that lets time pass: it commutes with none.
fn touched(step: &Step) -> Option<Vec<Touched>> {
    use Touched::{Container, HasInstruction, Instructions, Remote, Retries};
    Some(match step {
        Step::Until { .. } | Step::UntilStarted { .. } | Step::Wait(_) => return None,
        Step::Instruct(session, _) => vec![
            Instructions(session.client.clone()),
            HasInstruction(session.clone()),
        ],
        Step::Redeliver(session) => vec![
            Instructions(session.client.clone()),
            HasInstruction(session.clone()),
        ],
        Step::RetryPush(session) => vec![
            Retries(session.client.clone()),
            HasInstruction(session.clone()),
        ],
        Step::PushFromOutside(session, _) => vec![Remote(session.clone())],
        Step::Crash(client) | Step::LoseWorkspace(client) => vec![Container(client.clone())],
        Step::Inject(fault) | Step::Heal(fault) => {
            let mut touched = vec![Touched::Fault(fault.clone())];
            if let Fault::Partition(client) = fault {
                // A container that dies loses the lines which a heal would let through.
                touched.push(Container(client.clone()));
            }
            touched
        }
    })
}

/// Which letters of an alphabet commute.
pub struct Order {
    letters: usize,
    commute: Vec<bool>,
    passes_time: Vec<bool>,
    /// The letter that heals what a letter injects.
    heal: Vec<Option<Letter>>,
    is_heal: Vec<bool>,
}

impl Order {
    pub fn of(alphabet: &Alphabet) -> Self {
        let steps = &alphabet.steps;
        let touched: Vec<_> = steps.iter().map(touched).collect();
        let mut commute = Vec::with_capacity(steps.len() * steps.len());
        for a in &touched {
            for b in &touched {
                commute.push(match (a, b) {
                    (Some(a), Some(b)) => !a.iter().any(|a| b.iter().any(|b| a.conflicts(b))),
                    _ => false,
                });
            }
        }
        let heal_of = |step: &Step| match step {
            Step::Inject(fault) => {
                let heal = Step::Heal(fault.clone());
                let at = steps.iter().position(|other| *other == heal)?;
                Letter::try_from(at).ok()
            }
            _ => None,
        };
        Self {
            letters: steps.len(),
            commute,
            passes_time: touched.iter().map(Option::is_none).collect(),
            heal: steps.iter().map(heal_of).collect(),
            is_heal: steps.iter().map(|s| matches!(s, Step::Heal(_))).collect(),
        }
    }

    fn commutes(&self, a: Letter, b: Letter) -> bool {
        self.commute[usize::from(a) * self.letters + usize::from(b)]
    }

    fn passes_time(&self, letter: Letter) -> bool {
        self.passes_time[usize::from(letter)]
    }

    /// Whether the last step could as well come before a greater one: then that order is tried.
    pub fn cuts(&self, word: &[Letter]) -> bool {
        let Some((last, before)) = word.split_last() else {
            return false;
        };
        before
            .iter()
            .rev()
            .take_while(|other| self.commutes(**other, *last))
            .any(|other| last < other)
    }

    /// Whether the last step heals a fault that was injected at this very moment.
    pub fn undoes(&self, word: &[Letter]) -> bool {
        let Some((last, before)) = word.split_last() else {
            return false;
        };
        self.is_heal[usize::from(*last)]
            && before
                .iter()
                .rev()
                .take_while(|other| !self.passes_time(**other))
                .any(|other| self.heal[usize::from(*other)] == Some(*last))
    }

    /// Whether the plan ends as a shorter one does, since recovery begins with healing.
    /// `has_fault` says whether a fault is active before its last step.
    pub fn end(&self, alphabet: &Alphabet, word: &[Letter], has_fault: bool) -> PlanEnd {
        let Some(last) = word.last() else {
            return PlanEnd::New;
        };
        if self.passes_time(*last) {
            // A system without a fault does the same while it is waited for and in recovery, which
            // takes longer: it ends no sooner than all messages are handled and containers are up.
            // A plain wait may be longer still.
            let is_wait = matches!(alphabet.step(*last), Step::Wait(_));
            return if has_fault || is_wait {
                PlanEnd::New
            } else {
                PlanEnd::Waits
            };
        }
        let block = word.iter().rev().take_while(|at| !self.passes_time(**at));
        let steps: Vec<&Step> = block.map(|at| alphabet.step(*at)).collect();
        let dies = |client: &ClientId| {
            steps.iter().any(
                |step| matches!(step, Step::Crash(of) | Step::LoseWorkspace(of) if of == client),
            )
        };
        let is_idle = steps.iter().any(|step| match step {
            Step::Inject(_) => true,
            // What waited for the connection is logged before the container dies, or never.
            Step::Heal(Fault::Partition(client)) => !dies(client),
            Step::Heal(_) => true,
            _ => false,
        });
        if is_idle {
            PlanEnd::Heals
        } else {
            PlanEnd::New
        }
    }
}

/// How a plan ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlanEnd {
    /// In a way that no shorter plan does.
    New,
    /// With faults that begin or end at the moment when recovery heals everything anyway.
    Heals,
    /// With the way to a phase while nothing is disturbed, which recovery goes as well.
    Waits,
}
