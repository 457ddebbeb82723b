//! One client and what the judge knows of it: every act is carried out by the abstract system, and
//! what it shows is judged by the same model and the same rules as a real run.
//!
//! The judge's knowledge falls into parts by client, but for the breaker: no rule compares what
//! two clients did in any other way. So each client has a model of its own, with the breaker's
//! standing put into it, and the breaker has one for all clients (see [`shared`](super::shared)).

use std::sync::Arc;
use std::time::Duration;

use super::mutant::Mutant;
use super::shared::Op;
use super::system::{Act, Container, Habits, Seen, Stage, System};
use crate::history::{Claim, Event, Snapshot, What};
use crate::invariant::{Breach, Check, INVARIANTS, check_recovered};
use crate::judge::feed;
use crate::model::breaker::{Breaker, Standing};
use crate::model::put_off::HeldUp;
use crate::model::retries::{ONE_PUSH, Pushing, RetryTracker};
use crate::model::{Client, Model};
use crate::oracle::Asked;
use crate::plan::{Fault, Mark, SessionId, Step};
use crate::site::Twin;
use crate::verdict::Rule;

/// The moment at which every situation is taken to be.
pub const NOW: Duration = Duration::from_secs(3600);

/// A client: what it is, and what is known of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct JudgedClient {
    pub system: System,
    pub judge: Model,
}

/// A rule that an act breaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    pub rule: Rule,
    pub breach: Breach,
}

/// The result of an act.
pub struct Acted {
    pub next: Result<JudgedClient, Broken>,
    /// What it does to what all clients share.
    pub op: Op,
    pub seen: Seen,
}

impl JudgedClient {
    pub fn new(sessions: u8, habits: Habits) -> Self {
        let ids = ["home", "blog"].map(|thread| SessionId::new("acme", thread));
        let ids = &ids[..usize::from(sessions)];
        let system = System::new("acme".into(), ids.to_vec(), habits);
        let mut part = Self {
            system,
            judge: Model::with_sessions(ids),
        };
        part.judge.oracle = Asked(Arc::new(Twin::default()));
        part.judge.breaker = Breaker::standing_as(1, Standing::Closed);
        part.forget_time();
        part
    }

    /// Carries out an act that is enabled.
    pub fn act(&self, act: Act, habits: Habits) -> Acted {
        let mut system = self.system.clone();
        let mut judge = self.judge.clone();
        let op = self.op_of(act);
        let mark = self.mark_of(act);
        if let Some(step) = self.system.step_of(act) {
            judge.begin_step(&step, mark, NOW);
        }
        let mut seen = Seen::default();
        system.perform(act, mark, habits, &mut seen);
        let op = op.refined(&seen);
        let standing = self.standing();
        let judged = judge_all(&mut judge, &seen, habits, |rule| rule != Rule::Breaker);
        judge.breaker = Breaker::standing_as(1, standing);
        let mut next = Self { system, judge };
        next.forget_time();
        Acted {
            next: judged.map(|()| next),
            op,
            seen,
        }
    }

    /// The mark that an act makes, numbered within the client.
    fn mark_of(&self, act: Act) -> Option<Mark> {
        match act {
            Act::Instruct(..) => Some(Mark::Edit(self.system.sent.len() as u32 + 1)),
            Act::PushFromOutside(..) => Some(Mark::Outside(self.system.outsiders.len() as u32 + 1)),
            _ => None,
        }
    }

    fn op_of(&self, act: Act) -> Op {
        let stage = match &self.system.container {
            Container::Busy(task) => Some(task.stage),
            _ => None,
        };
        match (act, stage) {
            (Act::Ask(answer), _) => Op::Ask(answer),
            (Act::Request, _) => Op::Request,
            (
                Act::Count { .. },
                Some(Stage::Count {
                    succeeded, probe, ..
                }),
            ) => Op::Count { succeeded, probe },
            (
                Act::Report,
                Some(Stage::Report {
                    succeeded, opened, ..
                }),
            ) => Op::Report { succeeded, opened },
            (Act::Crash | Act::LoseWorkspace | Act::RunOutOfMemory, _) => Op::Died,
            _ => Op::Nothing,
        }
    }

    pub fn standing(&self) -> Standing {
        self.judge.breaker.standing()
    }

    /// Whether a session's record has an error, as it was written.
    pub fn records_error(&self) -> bool {
        let mut sessions = self.judge.sessions.iter();
        sessions.any(|session| session.record.last_error.is_some())
    }

    /// The same, once the breaker is known to be in this state.
    pub fn with_standing(&self, standing: Standing) -> Self {
        let mut next = self.clone();
        next.judge.breaker = Breaker::standing_as(1, standing);
        if standing != Standing::Closed {
            for session in &mut next.judge.sessions {
                session.may_have_error = true;
            }
        }
        next
    }

    /// Whether the same comes of an act before and after every change of the breaker's standing.
    pub fn is_indifferent(&self, act: Act, habits: Habits) -> bool {
        let mut parts = vec![self.clone()];
        let mut at = 0;
        while at < parts.len() {
            for standing in Standing::ALL {
                let other = parts[at].with_standing(standing);
                if !parts.contains(&other) {
                    parts.push(other);
                }
            }
            at += 1;
        }
        let after: Vec<Option<Self>> = parts
            .iter()
            .map(|part| part.act(act, habits).next.ok())
            .collect();
        parts.iter().zip(&after).all(|(part, acted)| {
            Standing::ALL.into_iter().all(|standing| {
                let first = part.with_standing(standing);
                let at = parts.iter().position(|other| *other == first);
                let acted = acted.as_ref().map(|acted| acted.with_standing(standing));
                acted.is_some() && at.is_some_and(|at| after[at] == acted)
            })
        })
    }

    /// The same with all faults healed.
    pub fn healed(&self) -> Self {
        let mut next = self.clone();
        let faults: Vec<Fault> = self.judge.faults.iter().map(|(f, _)| f.clone()).collect();
        for fault in faults {
            next.judge.begin_step(&Step::Heal(fault), None, NOW);
        }
        next.system.active.clear();
        next.forget_time();
        next
    }

    /// The first rule that does not hold of it when it has come to rest.
    pub fn check_rest(&self) -> Option<Broken> {
        let mut seen = Snapshot::empty();
        self.system.add_to(&mut seen);
        let (part, breach) = check_recovered(&self.judge, &seen)?;
        Some(Broken {
            rule: part.rule,
            breach,
        })
    }

    /// Makes situations in which the same can follow equal.
    ///
    /// An act takes a millisecond, or the wait that the contract asks for. So of two moments all
    /// that matters is which came first, or whether such a wait was between them.
    fn forget_time(&mut self) {
        let judge = &mut self.judge;
        let was = judge.now.max(NOW);
        judge.now = NOW;
        // Only an injection before the first delivery says anything of every build.
        let before = |n: u32| NOW - Duration::from_secs(n.into());
        let mut since = Vec::new();
        for (fault, began) in &mut judge.faults {
            if let Fault::BuildError(session) = fault {
                since.push((session.clone(), *began));
            }
            *began = before(2);
        }
        for instruction in &mut judge.instructions {
            let session = &judge.sessions[instruction.session].id;
            if let Some(delivered) = &mut instruction.delivered {
                let is_after = since
                    .iter()
                    .any(|(of, began)| of == session && began < delivered);
                *delivered = before(if is_after { 1 } else { 3 });
            }
            if let Some((asked, _)) = &mut instruction.agent_asked {
                *asked = NOW;
            }
            let long_enough = Duration::from_secs(1);
            instruction.agent_waited = instruction.agent_waited.min(long_enough);
            instruction.deliveries = instruction.deliveries.min(2);
            instruction.delivered_last = Duration::ZERO;
        }
        judge.put_off = None;
        for session in &mut judge.sessions {
            // Judged by the clock, as its retries are.
            session.retry_asked = None;
            session.disturbed = None;
            session.push_tried = Duration::ZERO;
            session.recorded_at = NOW;
            for moment in [
                &mut session.error_line,
                &mut session.prevented_line,
                &mut session.unlogged,
                &mut session.unlogged_prevented,
            ] {
                *moment = moment.map(|_| NOW);
            }
            session.trees.sort_unstable();
        }
        for client in &mut judge.clients {
            client.shown.sort_unstable();
            client.says_something = true;
            let pushing = &mut client.pushing;
            if was.saturating_sub(pushing.failed_at) >= ONE_PUSH || pushing.failures == 0 {
                *pushing = Pushing::default();
            } else {
                (pushing.failed_at, pushing.failing_since) = (NOW, NOW);
                pushing.is_unnamed = false;
            }
            forget_retries(client, NOW);
            // What no rule asks for.
            client.is_up = true;
            client.is_down_for_now = false;
        }
    }
}

/// Leaves out what is judged by the clock: every act takes its time, as if it were the right one.
pub fn forget_retries(client: &mut Client, now: Duration) {
    client.retries = RetryTracker::default();
    client.held_up = HeldUp::at(now);
    client.pushing.began = now;
    for moment in [&mut client.died, &mut client.error_line] {
        *moment = moment.map(|_| now);
    }
}

/// Asks the rules about each event, and lets the model take it in.
///
/// # Errors
/// The first rule that an event breaks.
pub fn judge_all(
    judge: &mut Model,
    seen: &Seen,
    habits: Habits,
    is_asked: impl Fn(Rule) -> bool,
) -> Result<(), Broken> {
    let mut at = judge.now + seen.waited;
    judge.now = at;
    for (wait, what) in &seen.events {
        at += *wait;
        let mut what = what.clone();
        if let What::Logged { stamp, .. } = &mut what {
            *stamp = at;
        }
        let event = Event { at, what };
        let ask = |model: &Model| {
            let mut asked = INVARIANTS.iter().filter(|i| is_asked(i.rule));
            asked.find_map(|invariant| match invariant.check {
                Check::Always(check) => Some(Broken {
                    rule: invariant.rule,
                    breach: check(model, &event)?,
                }),
                Check::AfterRecovery(_) => None,
            })
        };
        let broken = match is_missed(&event.what, habits) {
            true => ask(judge),
            false => feed(judge, &event, ask),
        };
        if let Some(broken) = broken {
            return Err(broken);
        }
        judge.now = at;
    }
    Ok(())
}

/// Whether a mutated model is blind to an event.
fn is_missed(what: &What, habits: Habits) -> bool {
    match habits.mutant {
        Some(Mutant::MissesDeaths) => matches!(what, What::Died { .. }),
        Some(Mutant::MissesRecords) => matches!(what, What::RecordWritten { .. }),
        Some(Mutant::MissesDeliveries) => matches!(what, What::Delivered { .. }),
        Some(Mutant::MissesPuts) => matches!(what, What::ObjectPut { .. }),
        Some(Mutant::MissesAcknowledgements) => matches!(what, What::Acknowledged { .. }),
        Some(Mutant::MissesDeadLetters) => matches!(what, What::DeadLettered { .. }),
        Some(Mutant::MissesSyncEnds) => matches!(
            what,
            What::Logged {
                claim: Some(Claim::SyncDone),
                ..
            }
        ),
        _ => false,
    }
}
