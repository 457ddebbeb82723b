//! What all clients share: the breaker, as it is and as the judge sees it.

use std::sync::Arc;
use std::time::Duration;

use super::client::{Broken, NOW, judge_all};
use super::mutant::Mutant;
use super::system::{Admitted, Habits, Seen, TICK};
use crate::history::{Claim, Death, Level, S3Operation, S3Outcome, What};
use crate::model::Model;
use crate::model::breaker::{Breaker, Limits, Standing};
use crate::model::put_off::HeldUp;
use crate::model::retries::RetryTracker;
use crate::oracle::Asked;
use crate::plan::{ClientId, SessionId};
use crate::site::Twin;
use crate::verdict::Rule;

/// The names of the clients, in their order.
pub const CLIENTS: [&str; 3] = ["acme", "globex", "initech"];

/// The breaker's own state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SharedBreaker {
    Closed { failures: u8 },
    Open { is_cool: bool },
    HalfOpen { probe: Probe },
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Probe {
    Alive(u8),
    /// Its container died with it.
    Dead(u8),
    /// So long ago that others may take its place.
    GivenUp,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Shared {
    pub state: SharedBreaker,
    judge: Model,
}

/// What a client does to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    Nothing,
    Ask(Admitted),
    Request,
    /// A request after which the log shows another attempt.
    NextAttempt,
    Count {
        succeeded: bool,
        probe: bool,
    },
    Report {
        succeeded: bool,
        opened: bool,
    },
    /// The container died.
    Died,
    // Time.
    CoolDown,
    GiveUp,
}

impl Op {
    /// All that there are, each at its number.
    pub const ALL: [Self; 17] = [
        Self::Nothing,
        Self::Ask(Admitted::Ordinary),
        Self::Ask(Admitted::Probe),
        Self::Ask(Admitted::Prevented),
        Self::Request,
        Self::NextAttempt,
        Self::count(false, false),
        Self::count(false, true),
        Self::count(true, false),
        Self::count(true, true),
        Self::report(false, false),
        Self::report(false, true),
        Self::report(true, false),
        Self::report(true, true),
        Self::Died,
        Self::CoolDown,
        Self::GiveUp,
    ];

    const fn count(succeeded: bool, probe: bool) -> Self {
        Self::Count { succeeded, probe }
    }

    const fn report(succeeded: bool, opened: bool) -> Self {
        Self::Report { succeeded, opened }
    }

    /// Its number, from 0.
    pub fn number(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Ask(answer) => 1 + answer as usize,
            Self::Request => 4,
            Self::NextAttempt => 5,
            Self::Count { succeeded, probe } => 6 + 2 * usize::from(succeeded) + usize::from(probe),
            Self::Report { succeeded, opened } => {
                10 + 2 * usize::from(succeeded) + usize::from(opened)
            }
            Self::Died => 14,
            Self::CoolDown => 15,
            Self::GiveUp => 16,
        }
    }

    /// The same, by what the act showed.
    pub fn refined(self, seen: &Seen) -> Self {
        let shows_attempt = |(_, what): &(Duration, What)| {
            matches!(
                what,
                What::Logged {
                    claim: Some(Claim::SyncAttempt(_)),
                    ..
                }
            )
        };
        if self == Self::Request && seen.events.iter().any(shows_attempt) {
            return Self::NextAttempt;
        }
        self
    }
}

/// What the judge goes by in exploration: every line comes at once.
pub fn limits(habits: Habits) -> Limits {
    let less = u32::from(habits.has(Mutant::MissesLimits));
    Limits {
        failures: Limits::CONTRACT.failures - less,
        cool_down: Limits::CONTRACT.cool_down,
        blur: Duration::ZERO,
    }
}

impl Shared {
    pub fn new(clients: usize, habits: Habits) -> Self {
        let ids: Vec<SessionId> = CLIENTS[..clients]
            .iter()
            .map(|client| SessionId::new(client, "home"))
            .collect();
        let mut judge = Model::with_sessions(&ids);
        judge.oracle = Asked(Arc::new(Twin::default()));
        judge.breaker = Breaker::with_limits(clients, limits(habits));
        judge.now = NOW;
        judge.breaker.forget_time(NOW, NOW);
        Self {
            state: SharedBreaker::Closed { failures: 0 },
            judge,
        }
    }

    pub fn standing(&self) -> Standing {
        self.judge.breaker.standing()
    }

    /// What the breaker says to a client's sync.
    pub fn admits(&self, client: u8, habits: Habits) -> Admitted {
        match self.state {
            SharedBreaker::Closed { .. } => Admitted::Ordinary,
            SharedBreaker::Open { is_cool } if is_cool || habits.has(Mutant::ProbesAtOnce) => {
                Admitted::Probe
            }
            SharedBreaker::Open { .. } => Admitted::Prevented,
            SharedBreaker::HalfOpen { probe } => match probe {
                Probe::GivenUp => Admitted::Probe,
                Probe::Dead(of) if of == client && !habits.has(Mutant::KeepsDeadProbe) => {
                    Admitted::Probe
                }
                _ if habits.has(Mutant::ProbesTwice) => Admitted::Probe,
                _ => Admitted::Prevented,
            },
        }
    }

    /// Whether the end of a client's sync opens it.
    pub fn opens(&self, client: u8, op: Op, habits: Habits) -> bool {
        let Op::Count {
            succeeded: false,
            probe,
        } = op
        else {
            return false;
        };
        match self.state {
            SharedBreaker::Closed { failures } => u32::from(failures) + 1 >= most(habits),
            SharedBreaker::Open { .. } => false,
            SharedBreaker::HalfOpen { probe: of } => probe && of == Probe::Alive(client),
        }
    }

    /// Whether time can change it, and how.
    pub fn timed(&self, habits: Habits) -> Option<Op> {
        match self.state {
            SharedBreaker::Open { is_cool: false } => Some(Op::CoolDown),
            SharedBreaker::HalfOpen {
                probe: Probe::Dead(_),
            } if !habits.has(Mutant::KeepsDeadProbe) => Some(Op::GiveUp),
            _ => None,
        }
    }

    /// What comes of an operation.
    ///
    /// # Errors
    /// The breaker's rule, where what it shows breaks that.
    pub fn apply(&self, client: u8, op: Op, habits: Habits) -> Result<Self, Broken> {
        let mut next = self.clone();
        next.state = self.state_after(client, op, habits);
        let mut seen = Seen::default();
        let id = ClientId::from(CLIENTS[usize::from(client)]);
        for what in shown(&id, op) {
            seen.events.push((TICK, what));
        }
        judge_all(&mut next.judge, &seen, habits, |rule| rule == Rule::Breaker)?;
        let mut was = next.judge.now;
        if matches!(op, Op::CoolDown | Op::GiveUp) {
            was += Limits::CONTRACT.cool_down + Duration::from_secs(1);
        }
        next.judge.breaker.forget_time(was, NOW);
        next.judge.now = NOW;
        // Nothing but the breaker is judged here.
        next.judge.put_off = None;
        next.judge.sessions.clone_from(&self.judge.sessions);
        for client in &mut next.judge.clients {
            client.retries = RetryTracker::default();
            client.held_up = HeldUp::at(NOW);
            client.synced_since_delivery = false;
            client.died = None;
            client.error_line = None;
            client.is_up = true;
            // A sync is logged before it asks anything, so that it asks decides nothing.
            client.asks_s3 = false;
            client.says_something = true;
        }
        Ok(next)
    }

    fn state_after(&self, client: u8, op: Op, habits: Habits) -> SharedBreaker {
        match (op, self.state) {
            (Op::Ask(Admitted::Probe), _) => SharedBreaker::HalfOpen {
                probe: Probe::Alive(client),
            },
            (Op::Count { succeeded, probe }, state) => {
                if self.opens(client, op, habits) {
                    return SharedBreaker::Open { is_cool: false };
                }
                match state {
                    SharedBreaker::Closed { failures } if succeeded => SharedBreaker::Closed {
                        failures: if habits.has(Mutant::ForgetsReset) {
                            failures
                        } else {
                            0
                        },
                    },
                    SharedBreaker::Closed { failures } => SharedBreaker::Closed {
                        failures: failures + 1,
                    },
                    SharedBreaker::HalfOpen { probe: of }
                        if probe && of == Probe::Alive(client) =>
                    {
                        SharedBreaker::Closed { failures: 0 }
                    }
                    other => other,
                }
            }
            (Op::Died, SharedBreaker::HalfOpen { probe }) if probe == Probe::Alive(client) => {
                SharedBreaker::HalfOpen {
                    probe: Probe::Dead(client),
                }
            }
            (Op::CoolDown, _) => SharedBreaker::Open { is_cool: true },
            (Op::GiveUp, _) => SharedBreaker::HalfOpen {
                probe: Probe::GivenUp,
            },
            (_, state) => state,
        }
    }

    /// The same with other numbers for the clients: `order[new]` is the old number.
    pub fn renumbered(&self, order: &[usize]) -> Self {
        let new = |old: u8| {
            let at = order.iter().position(|other| *other == usize::from(old));
            at.map_or(old, |at| at as u8)
        };
        let mut next = self.clone();
        if let SharedBreaker::HalfOpen { probe } = &mut next.state {
            *probe = match *probe {
                Probe::Alive(of) => Probe::Alive(new(of)),
                Probe::Dead(of) => Probe::Dead(new(of)),
                Probe::GivenUp => Probe::GivenUp,
            };
        }
        next.judge.breaker = self.judge.breaker.renumbered(order);
        for (to, from) in order.iter().enumerate() {
            next.judge.clients[to].logs_syncs = self.judge.clients[*from].logs_syncs;
        }
        next
    }
}

/// Failed syncs in a row that open it.
fn most(habits: Habits) -> u32 {
    match habits.mutant {
        Some(Mutant::OpensEarly) => Limits::CONTRACT.failures - 1,
        Some(Mutant::OpensLate) => Limits::CONTRACT.failures + 1,
        _ => Limits::CONTRACT.failures,
    }
}

/// What the world sees of an operation, as far as the breaker is concerned.
fn shown(client: &ClientId, op: Op) -> Vec<What> {
    let say = |claim| What::Logged {
        client: client.clone(),
        stamp: Duration::ZERO,
        session: None,
        level: Level::Info,
        text: "".into(),
        phase: None,
        claim: Some(claim),
    };
    let asked = || What::S3Asked {
        client: client.clone(),
        operation: S3Operation::Put,
        outcome: S3Outcome::Done,
    };
    match op {
        Op::Nothing | Op::Count { .. } | Op::CoolDown | Op::GiveUp => Vec::new(),
        Op::Ask(Admitted::Prevented) => vec![say(Claim::SyncPrevented)],
        Op::Ask(_) => vec![say(Claim::SyncAttempt(1))],
        Op::Request => vec![asked()],
        Op::NextAttempt => vec![asked(), say(Claim::SyncAttempt(2))],
        Op::Report {
            succeeded: true, ..
        } => vec![say(Claim::SyncDone)],
        Op::Report { opened: false, .. } => vec![say(Claim::SyncFailed)],
        Op::Report { .. } => vec![say(Claim::SyncFailed), say(Claim::BreakerOpened)],
        Op::Died => vec![What::Died {
            client: client.clone(),
            cause: Death::Crash,
        }],
    }
}
