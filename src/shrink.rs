//! A plan that breaks a rule, made as short and simple as it can be while it breaks the same rule
//! in the same way.
//!
//! proptest's own shrinking deletes one step at a time and once; a fault and its heal, or two
//! sessions that could be one, survive it. This goes on until no deletion of a chunk or a pair, no
//! merge of sessions and no simpler argument shows the violation any more. What the model does
//! not allow is mended without a run.

mod simpler;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::generate::Draft;
use crate::history::History;
use crate::plan::{Plan, Step};
use crate::runner::{self, Outcome};
use crate::target::Target;
use crate::verdict::{Verdict, Violation};

/// How much a shrinking may cost.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Budget {
    pub runs: u32,
    pub time: Duration,
}

impl Budget {
    /// What is enough for a target: plenty where runs are quick, two minutes where they are slow.
    pub fn for_target(target: &dyn Target) -> Self {
        Self {
            runs: if target.is_deterministic() { 2000 } else { 40 },
            time: Duration::from_secs(120),
        }
    }
}

/// How far a shrinking is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    pub runs: u32,
    pub steps: usize,
}

/// The smallest plan found.
#[derive(Clone, Debug)]
pub struct Shrunk {
    pub plan: Plan,
    /// The seed of the run that shows it.
    pub seed: u64,
    pub violation: Violation,
    pub history: History,
    /// Runs that it took, the checking ones aside.
    pub runs: u32,
    /// How often the smallest plan broke the rule, of how many runs; 1 of 1 where the target is
    /// deterministic.
    pub reproduced: (u32, u32),
    /// Other violations met on the way: each its own failure, not mixed in.
    pub others: Vec<(Plan, Violation)>,
}

/// Shrinks a plan that broke a rule when it was run with this seed.
pub fn shrink(
    target: &dyn Target,
    plan: &Plan,
    seed: u64,
    violation: &Violation,
    history: &History,
    budget: &Budget,
    progress: &mut dyn FnMut(Progress),
) -> Shrunk {
    let mut search = Search {
        target,
        budget: *budget,
        began: Instant::now(),
        tried: HashSet::new(),
        progress,
        best: Shrunk {
            plan: plan.clone(),
            seed,
            violation: violation.clone(),
            history: history.clone(),
            runs: 0,
            reproduced: (1, 1),
            others: Vec::new(),
        },
    };
    search.cut_unseen();
    search.run();
    search.confirm();
    search.best
}

struct Search<'a> {
    target: &'a dyn Target,
    budget: Budget,
    began: Instant,
    /// Every list of steps that was run, with the seed.
    tried: HashSet<(Plan, u64)>,
    progress: &'a mut dyn FnMut(Progress),
    best: Shrunk,
}

/// Seeds that a short plan is tried with before it is thought not to show the violation.
const OTHER_SEEDS: u64 = 3;
/// Plans longer than this are not tried with each pair of steps left out.
const PAIRS_UP_TO: usize = 12;
/// Runs that tell how often a plan shows its violation, where that is not certain.
const CONFIRMATIONS: u32 = 5;

impl Search<'_> {
    /// The passes, from the coarse to the fine, until none of them changes anything.
    fn run(&mut self) {
        loop {
            let before = self.best.plan.clone();
            self.delete_chunks();
            self.merge_sessions();
            self.simplify();
            self.delete_pairs();
            if self.best.plan == before || self.is_spent() {
                break;
            }
        }
        // Deletions change what chance brings; a step that only mattered by luck goes now.
        let before = self.best.plan.clone();
        self.delete_singles_with_other_seeds();
        if self.best.plan != before && !self.is_spent() {
            self.run();
        }
    }

    fn is_spent(&self) -> bool {
        self.best.runs >= self.budget.runs || self.began.elapsed() >= self.budget.time
    }

    /// Steps after the violation were never made.
    fn cut_unseen(&mut self) {
        if let Some(step) = self.best.violation.step {
            self.best.plan.steps.truncate(step + 1);
        }
        self.best.plan.comments.clear();
    }

    fn delete_chunks(&mut self) {
        let mut size = self.best.plan.steps.len() / 2;
        while size >= 1 {
            let mut end = self.best.plan.steps.len();
            while end > 0 {
                let start = end.saturating_sub(size);
                self.try_without(&|at| (start..end).contains(&at));
                end = start.min(self.best.plan.steps.len());
            }
            size /= 2;
        }
    }

    fn delete_pairs(&mut self) {
        let count = self.best.plan.steps.len();
        if count > PAIRS_UP_TO {
            return;
        }
        for first in 0..count {
            for second in first + 1..count {
                if second < self.best.plan.steps.len() {
                    self.try_without(&|at| at == first || at == second);
                }
            }
        }
    }

    fn delete_singles_with_other_seeds(&mut self) {
        let mut at = self.best.plan.steps.len();
        while at > 0 && !self.is_spent() {
            at = (at - 1).min(self.best.plan.steps.len().saturating_sub(1));
            let seed = self.best.seed;
            for other in 1..=OTHER_SEEDS {
                let mut candidate = self.best.plan.clone();
                if candidate.steps.len() <= at {
                    break;
                }
                candidate.steps.remove(at);
                if self.accepts(candidate, seed.wrapping_add(other)) {
                    break;
                }
            }
        }
    }

    fn merge_sessions(&mut self) {
        for candidate in simpler::with_fewer_sessions(&self.best.plan) {
            // The first that works leaves fewer pairs; the next round tries the rest.
            if self.accepts(candidate, self.best.seed) {
                return self.merge_sessions();
            }
        }
    }

    fn simplify(&mut self) {
        let mut at = 0;
        while at < self.best.plan.steps.len() {
            let found = simpler::with_simpler_step(&self.best.plan, at)
                .into_iter()
                .any(|candidate| self.accepts(candidate, self.best.seed));
            if !found {
                at += 1;
            }
        }
    }

    fn try_without(&mut self, is_left_out: &dyn Fn(usize) -> bool) -> bool {
        let mut candidate = self.best.plan.clone();
        let mut at = 0;
        candidate.steps.retain(|_| {
            at += 1;
            !is_left_out(at - 1)
        });
        self.accepts(candidate, self.best.seed)
    }

    /// Runs a candidate, and takes it where it breaks the same rule in the same way.
    fn accepts(&mut self, candidate: Plan, seed: u64) -> bool {
        let candidate = mended(candidate);
        if self.is_spent()
            || candidate == self.best.plan
            || candidate.steps.is_empty()
            || !self.tried.insert((candidate.clone(), seed))
        {
            return false;
        }
        // A run that shows nothing may have been unlucky where the target is not deterministic.
        let tries = if self.target.is_deterministic() { 1 } else { 2 };
        (0..tries).any(|_| self.shows(&candidate, seed))
    }

    fn shows(&mut self, candidate: &Plan, seed: u64) -> bool {
        self.best.runs += 1;
        (self.progress)(Progress {
            runs: self.best.runs,
            steps: self.best.plan.steps.len(),
        });
        let Outcome {
            verdict, history, ..
        } = runner::run(self.target, candidate, seed);
        let Verdict::Violated(violation) = verdict else {
            return false;
        };
        if !is_same(&violation, &self.best.violation) {
            let known = |(_, other): &(Plan, Violation)| is_same(other, &violation);
            if !self.best.others.iter().any(known) {
                self.best.others.push((candidate.clone(), violation));
            }
            return false;
        }
        self.best.plan = candidate.clone();
        self.best.seed = seed;
        self.best.violation = violation;
        self.best.history = history;
        self.cut_unseen();
        true
    }

    fn confirm(&mut self) {
        if self.target.is_deterministic() {
            return;
        }
        let shown = (0..CONFIRMATIONS).filter(|_| {
            let outcome = runner::run(self.target, &self.best.plan, self.best.seed);
            matches!(&outcome.verdict, Verdict::Violated(v) if is_same(v, &self.best.violation))
        });
        self.best.reproduced = (shown.count() as u32, CONFIRMATIONS);
    }
}

/// Whether two violations are the same failure.
pub fn is_same(a: &Violation, b: &Violation) -> bool {
    a.rule == b.rule && a.kind == b.kind
}

/// The plan without the steps that make no sense in it, and without sessions that no step names.
fn mended(mut plan: Plan) -> Plan {
    let mut draft = Draft::new(&plan.sessions, 0);
    plan.steps.retain(|step| {
        let enabled = draft.model.enables(step);
        if enabled {
            draft.take(step);
        }
        enabled
    });
    let used = |session: &crate::plan::SessionId| {
        plan.steps.iter().any(|step| match simpler::subject(step) {
            simpler::Subject::Session(of) => of == session,
            simpler::Subject::Client(of) => *of == session.client,
            simpler::Subject::None => false,
        })
    };
    let kept: Vec<_> = plan.sessions.iter().filter(|s| used(s)).cloned().collect();
    // A plan for a client alone needs one session of it, not all.
    plan.sessions = kept
        .iter()
        .filter(|session| {
            let named = |step: &Step| {
                matches!(simpler::subject(step), simpler::Subject::Session(of) if of == *session)
            };
            plan.steps.iter().any(named)
                || kept.iter().find(|other| other.client == session.client) == Some(session)
        })
        .cloned()
        .collect();
    plan
}
