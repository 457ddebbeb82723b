//! The next steps of a client, as small as they can be: they are gone through for every state.

use std::sync::atomic::{AtomicU32, Ordering};

use super::scope::Scope;
use super::shared::Op;
use super::system::{Act, Admitted};
use crate::coverage::Sometimes;
use crate::invariant::INVARIANTS;
use crate::verdict::Rule;

/// What can happen at a client, as far as that depends on the client.
#[derive(Debug)]
pub struct Moves {
    /// What the search needs of each; four fit into one line of the processor's cache.
    pub steps: Box<[Move]>,
    /// What each is.
    pub acts: Box<[Act]>,
    /// A line about a sync is due, so no wait ends.
    pub is_reporting: bool,
    /// Its records have an error.
    pub is_failing: bool,
    /// The faults of all clients that are active, a bit each.
    pub active_faults: u32,
}

/// A part's next step.
#[derive(Clone, Copy, Debug)]
pub struct Move {
    /// What the part becomes, or the rule that this breaks.
    pub next: Next,
    /// A bit for each entry of the sometimes-list that it may reach.
    pub reached: u32,
    pub cost: Cost,
    /// The number of what it does to the breaker.
    pub op: u8,
    pub gate: Gate,
    pub when: When,
}

/// When a move comes in a system that is not disturbed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    Now,
    /// When nothing else can happen.
    Later,
    /// Never: the tester does it.
    Never,
}

impl When {
    pub fn of(act: Act) -> Self {
        if act.is_testers() {
            Self::Never
        } else if act.is_timed() {
            Self::Later
        } else {
            Self::Now
        }
    }
}

/// What must be so at the breaker for a move to be possible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gate {
    Free,
    /// It answers a sync with this.
    Ordinary,
    Probe,
    Prevented,
    /// The end of the sync opens it, or leaves it as it is.
    Opens,
    Stays,
    /// The same of a probe.
    OpensByProbe,
    StaysByProbe,
    /// No line about a sync is due.
    Time,
}

impl Gate {
    pub fn of(act: Act, op: Op) -> Self {
        match (act, op) {
            (Act::Ask(Admitted::Ordinary), _) => Self::Ordinary,
            (Act::Ask(Admitted::Probe), _) => Self::Probe,
            (Act::Ask(Admitted::Prevented), _) => Self::Prevented,
            (
                Act::Count { opens },
                Op::Count {
                    succeeded: false,
                    probe,
                },
            ) => match (opens, probe) {
                (true, false) => Self::Opens,
                (false, false) => Self::Stays,
                (true, true) => Self::OpensByProbe,
                (false, true) => Self::StaysByProbe,
            },
            (act, _) if act.is_timed() => Self::Time,
            _ => Self::Free,
        }
    }
}

/// The gates that are open, a bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Gates(u16);

impl Gates {
    pub fn open(self, gate: Gate, is_open: bool) -> Self {
        Self(self.0 | u16::from(is_open) << gate as u16)
    }

    pub fn lets(self, gate: Gate) -> bool {
        self.0 >> gate as u16 & 1 != 0
    }
}

/// What is left of each budget of the tester, four bits each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Left(u32);

/// The budgets, in the order in which they are in [`Left`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Budget {
    Instructions,
    Injections,
    Crashes,
    Outsiders,
    Repeats,
    /// Faults that may come beside those that are active.
    Faults,
}

impl Budget {
    fn one(self) -> u32 {
        1 << (4 * self as u32)
    }
}

/// What a move takes from the budgets, and what it gives back: one of each at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cost {
    takes: u32,
}

/// Set in a cost that gives a fault back.
const HEALS: u32 = 1 << 31;
const ONES: u32 = 0x0011_1111;

impl Cost {
    pub fn of(act: Act) -> Self {
        let takes = match act {
            Act::Instruct(..) => Budget::Instructions.one(),
            Act::PushFromOutside(..) => Budget::Outsiders.one(),
            Act::Crash | Act::LoseWorkspace => Budget::Crashes.one(),
            Act::RetryPush(_) | Act::Redeliver(_) => Budget::Repeats.one(),
            Act::Inject(_) => Budget::Injections.one() | Budget::Faults.one(),
            Act::Heal(_) => HEALS,
            _ => 0,
        };
        Self { takes }
    }
}

impl Left {
    /// All that a scope has.
    pub fn of(scope: &Scope) -> Self {
        let budgets = [
            (Budget::Instructions, scope.instructions),
            (Budget::Injections, scope.injections),
            (Budget::Crashes, scope.crashes),
            (Budget::Outsiders, scope.outsiders),
            (Budget::Repeats, scope.repeats),
            (Budget::Faults, scope.faults),
        ];
        let budgets = budgets.map(|(budget, n)| budget.one() * u32::from(n.min(15)));
        Self(budgets.into_iter().sum())
    }

    /// What is left once a move is paid for, where there is enough.
    pub fn after(self, cost: Cost) -> Option<Self> {
        if cost.takes == 0 {
            return Some(self);
        }
        if cost.takes & HEALS != 0 {
            return Some(Self(self.0 + Budget::Faults.one()));
        }
        let halves = self.0 | self.0 >> 1;
        let some = (halves | halves >> 2) & ONES;
        (cost.takes & !some == 0).then(|| Self(self.0 - cost.takes))
    }

    /// How many faults are active.
    pub fn active(self, scope: &Scope) -> u32 {
        let free = self.0 / Budget::Faults.one();
        u32::from(scope.faults) - free
    }

    /// In 24 bits.
    pub fn bits(self) -> u32 {
        self.0
    }

    pub fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

/// A number in a table, or the rule that breaks where it would come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Next(u32);

/// From here on the numbers mean rules, by their place among the invariants.
/// [`Table`](super::table::Table) gives no such number.
const BROKEN: u32 = u32::MAX - 64;

impl Next {
    pub fn get(self) -> Result<u32, Rule> {
        match self.0.checked_sub(BROKEN) {
            None => Ok(self.0),
            Some(at) => Err(INVARIANTS[at as usize].rule),
        }
    }
}

impl From<Result<u32, Rule>> for Next {
    fn from(next: Result<u32, Rule>) -> Self {
        Self(next.unwrap_or_else(|broken| {
            let at = INVARIANTS.iter().position(|known| known.rule == broken);
            BROKEN + at.expect("what breaks is one of the invariants") as u32
        }))
    }
}

/// A number that is found out when it is first asked for. Threads that ask at the same time all
/// find the same.
pub struct Memo(AtomicU32);

const UNKNOWN: u32 = u32::MAX;

impl Default for Memo {
    fn default() -> Self {
        Self(AtomicU32::new(UNKNOWN))
    }
}

impl Memo {
    pub fn next(&self, find: impl FnOnce() -> Result<u32, Rule>) -> Next {
        // The value of the number was put into its table before, and comes with it.
        let known = self.0.load(Ordering::Acquire);
        if known != UNKNOWN {
            return Next(known);
        }
        let found = Next::from(find());
        self.0.store(found.0, Ordering::Release);
        found
    }

    pub fn number(&self, find: impl FnOnce() -> u32) -> u32 {
        self.next(|| Ok(find())).0
    }
}

/// A bit for an entry of the sometimes-list.
pub fn bit_of(entry: Sometimes) -> u32 {
    let at = Sometimes::all().position(|other| other == entry);
    1 << at.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_to_its_end_and_faults_come_back() {
        let scope = Scope {
            instructions: 1,
            injections: 8,
            faults: 2,
            ..Scope::default()
        };
        let mut left = Left::of(&scope);
        let instruct = Cost::of(Act::Instruct(0, crate::plan::Edit::Change));
        left = left.after(instruct).unwrap();
        assert_eq!(left.after(instruct), None);
        let fault = super::super::system::ModelFault::S3Denied;
        let (inject, heal) = (Cost::of(Act::Inject(fault)), Cost::of(Act::Heal(fault)));
        for n in 0..4 {
            assert_eq!(left.active(&scope), 0, "{n}");
            left = left.after(inject).unwrap().after(inject).unwrap();
            assert_eq!(left.after(inject), None, "{n}");
            assert_eq!(left.active(&scope), 2, "{n}");
            left = left.after(heal).unwrap().after(heal).unwrap();
        }
        assert_eq!(left.after(inject), None, "all eight are spent");
        assert_eq!(left.after(Cost::of(Act::Deliver)), Some(left));
    }

    #[test]
    fn every_operation_and_every_rule_has_the_number_of_its_place() {
        for (at, op) in Op::ALL.into_iter().enumerate() {
            assert_eq!(op.number(), at);
        }
        for rule in INVARIANTS.iter().map(|invariant| invariant.rule) {
            assert_eq!(Next::from(Err(rule)).get(), Err(rule));
        }
        assert_eq!(Next::from(Ok(7)).get(), Ok(7));
    }
}
