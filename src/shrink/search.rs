//! The search itself: which candidates are run, in which order, and which are believed.

use std::time::{Duration, Instant};

use super::clues::{self, Clues};
use super::{Budget, Progress, repair, simpler, sketch, sweep, time, twin};
use crate::finding::Finding;
use crate::history::History;
use crate::plan::{Plan, Step};
use crate::runner::{self, Outcome};
use crate::target::Target;
use crate::verdict::{Verdict, Violation};

pub(super) struct Search<'a> {
    target: &'a dyn Target,
    budget: Budget,
    began: Instant,
    /// Every plan that did not show it, by the form that names do not change, with the seed.
    tried: Vec<(Plan, u64)>,
    progress: &'a mut dyn FnMut(Progress),
    /// The plan that was found, up to the violation.
    found: Plan,
    best: Finding,
}

/// Waits of so long are tried on every target.
const LEAST_WAIT: Duration = Duration::from_secs(60);
/// Runs that are left for simpler arguments, or a quarter of all where that is less.
const FOR_ARGUMENTS: u32 = 8;
/// Plans longer than this are sketched anew before single steps are left out.
const SKETCHED: usize = 4;
/// Seeds that a plan is tried with before it is thought not to show the violation; one other is
/// enough where the plan is short.
const OTHER_SEEDS: u64 = 3;
const SHORT: usize = 3;
/// Plans longer than this are not tried with a longer wait for each other step.
const WAITS_UP_TO: usize = 6;

impl<'a> Search<'a> {
    pub(super) fn new(
        target: &'a dyn Target,
        found: &Finding,
        budget: &Budget,
        progress: &'a mut dyn FnMut(Progress),
    ) -> Self {
        Self {
            target,
            budget: *budget,
            began: Instant::now(),
            tried: Vec::new(),
            progress,
            found: found.plan.clone(),
            best: Finding {
                shrunk_on: target.name().into(),
                ..found.clone()
            },
        }
    }

    pub(super) fn smallest(mut self) -> Finding {
        self.cut_unseen();
        self.found = self.best.plan.clone();
        self.run();
        self.confirm();
        self.best.rename();
        self.best
    }

    fn run(&mut self) {
        let all = self.budget.runs;
        self.budget.runs = all - FOR_ARGUMENTS.min(all / 4);
        self.sketch();
        self.shorter(self.best.plan.clone());
        self.focus();
        self.sweep();
        if self.best.plan.steps.len() > SKETCHED {
            self.sketch();
            self.sketch_more(&self.best.plan.clone());
        }
        if self.best.plan.steps.len() > 2 * SKETCHED {
            self.sketch_more(&self.found.clone());
        }
        self.shorten();
        self.budget.runs = all;
        self.simplify();
        self.shorten();
    }

    /// Fewer steps, until nothing makes them fewer.
    fn shorten(&mut self) {
        loop {
            let before = self.best.plan.clone();
            self.merge_times();
            self.delete_singles(&[0]);
            self.fewer_sessions();
            if self.best.plan == before {
                self.sketch();
                self.sketch_more(&self.best.plan.clone());
                self.sketch_more(&self.found.clone());
                self.delete_pairs();
                self.lengthen_waits();
            }
            if self.best.plan == before {
                // Deletions change what chance brings; a step that only mattered by luck goes now.
                let is_short = self.best.plan.steps.len() <= SHORT;
                let others = 1..=if is_short { 1 } else { OTHER_SEEDS };
                self.delete_singles(&others.collect::<Vec<u64>>());
            }
            if self.best.plan == before || self.is_spent() {
                break;
            }
        }
    }

    fn is_spent(&self) -> bool {
        self.best.shrink_runs >= self.budget.runs || self.began.elapsed() >= self.budget.time
    }

    /// Steps after the violation were never made.
    fn cut_unseen(&mut self) {
        if let Some(step) = self.best.violation.step {
            self.best.plan.steps.truncate(step + 1);
        }
        self.best.plan.comments.clear();
    }

    fn clues(&self) -> Clues {
        let best = &self.best;
        let limits = self.target.profile().limits;
        Clues::of(&best.plan, &best.violation, &best.history, &limits)
    }

    /// As [`Clues::long`].
    fn long(&self) -> Duration {
        self.target.profile().limits.recovery
    }

    fn lasted(&self) -> Vec<Duration> {
        clues::durations(&self.best.history, &self.best.violation)
    }

    /// Small plans made of the pieces of this one.
    fn sketch(&mut self) {
        let sketches = sketch::sketches(&self.best.plan, &self.clues());
        self.first_shorter(sketches);
    }

    /// More of them, made of the pieces of a plan.
    fn sketch_more(&mut self, of: &Plan) {
        let seed = self.best.seed;
        let _ = sketch::more(of, &self.clues())
            .into_iter()
            .any(|(plan, more)| self.shorter_with(plan, seed.wrapping_add(more)));
    }

    /// The plan without what other sessions do, or other clients.
    fn focus(&mut self) {
        let (plan, clues, lasted) = (self.best.plan.clone(), self.clues(), self.lasted());
        let Some(home) = clues.home(&plan) else {
            return;
        };
        let session = time::only(&plan, &lasted, &|session| *session == home);
        let client = time::only(&plan, &lasted, &|session| session.client == home.client);
        self.first_shorter(vec![session, client]);
    }

    /// Leaves out halves of what is least likely to matter, then halves of those.
    fn sweep(&mut self) {
        let plan = self.best.plan.clone();
        let units = sweep::units(&plan, &self.clues());
        let mut gone = Vec::new();
        let (first, second) = units.split_at(units.len() / 2);
        self.leave_out(&plan, first, &mut gone, false);
        self.leave_out(&plan, second, &mut gone, false);
    }

    /// Leaves out all of these units, or as many as it can; `gone` has what is left out already.
    /// Where it is known that one of them matters, leaving out all is not tried. Returns
    /// whether all could be left out.
    fn leave_out(
        &mut self,
        plan: &Plan,
        units: &[Vec<usize>],
        gone: &mut Vec<usize>,
        one_matters: bool,
    ) -> bool {
        if units.is_empty() {
            return true;
        }
        if !one_matters {
            let mut more = gone.clone();
            more.extend(units.iter().flatten());
            if self.shorter(sweep::without(plan, &more)) {
                *gone = more;
                return true;
            }
        }
        if units.len() == 1 {
            return false;
        }
        let (first, second) = units.split_at(units.len() / 2);
        let is_first_gone = self.leave_out(plan, first, gone, false);
        self.leave_out(plan, second, gone, is_first_gone) && is_first_gone
    }

    /// Fewer times to wait for, until none can be spared.
    fn merge_times(&mut self) {
        loop {
            let mut candidates = time::with_one_wait(&self.best.plan, self.long());
            candidates.extend(time::with_merged_waits(&self.best.plan, &self.lasted()));
            if !self.first_shorter(candidates) {
                break;
            }
        }
    }

    /// Leaves out single steps, with these numbers added to the seed.
    fn delete_singles(&mut self, seeds: &[u64]) {
        loop {
            let plan = self.best.plan.clone();
            let units = sweep::units(&plan, &self.clues());
            let mut singles: Vec<Vec<usize>> = units.clone();
            singles.extend(
                units
                    .iter()
                    .filter(|unit| unit.len() > 1)
                    .flatten()
                    .map(|at| vec![*at]),
            );
            let is_shorter = singles.iter().any(|gone| {
                let candidate = sweep::without(&plan, gone);
                let seed = self.best.seed;
                seeds
                    .iter()
                    .any(|more| self.shorter_with(candidate.clone(), seed.wrapping_add(*more)))
            });
            if !is_shorter {
                break;
            }
        }
    }

    /// Leaves out neighbours together: one may make sense of the other.
    fn delete_pairs(&mut self) {
        let plan = self.best.plan.clone();
        let pairs = (1..plan.steps.len()).rev().map(|at| [at - 1, at]);
        self.first_shorter(pairs.map(|pair| sweep::without(&plan, &pair)).collect());
    }

    fn lengthen_waits(&mut self) {
        if self.best.plan.steps.len() <= WAITS_UP_TO {
            self.first_shorter(time::with_longer_wait(&self.best.plan, self.long()));
        }
    }

    fn fewer_sessions(&mut self) {
        // The first that works leaves fewer pairs of sessions; then the rest are tried.
        loop {
            let candidates = simpler::with_fewer_sessions(&self.best.plan);
            let mut candidates = candidates.into_iter();
            if !candidates.any(|candidate| self.accepts(candidate, self.best.seed)) {
                break;
            }
        }
    }

    fn simplify(&mut self) {
        let mut at = 0;
        while at < self.best.plan.steps.len() {
            let violated_at = self.best.violation.step;
            let needed = self
                .lasted()
                .get(at)
                .copied()
                .filter(|_| violated_at == Some(at));
            let found = simpler::with_simpler_step(&self.best.plan, at, needed)
                .into_iter()
                .any(|candidate| self.accepts(candidate, self.best.seed));
            if !found {
                at += 1;
            }
        }
    }

    /// Takes the first of these plans that is shorter and shows the violation.
    fn first_shorter(&mut self, candidates: Vec<Plan>) -> bool {
        candidates
            .into_iter()
            .any(|candidate| self.shorter(candidate))
    }

    fn shorter(&mut self, candidate: Plan) -> bool {
        self.shorter_with(candidate, self.best.seed)
    }

    /// Takes a plan if it has fewer steps, and shows the violation.
    fn shorter_with(&mut self, candidate: Plan, seed: u64) -> bool {
        let candidate = repair::repaired(candidate);
        candidate.steps.len() < self.best.plan.steps.len() && self.accepts(candidate, seed)
    }

    /// The plan with no wait that is much longer than the violation took, where time is real.
    fn hurried(&self, mut plan: Plan) -> Plan {
        if !self.target.is_deterministic() {
            let seen = self.best.violation.at.as_secs() + 1;
            let most = LEAST_WAIT.max(Duration::from_secs(2 * seen));
            for step in &mut plan.steps {
                if let Step::Wait(time) = step {
                    *time = (*time).min(most);
                }
            }
        }
        plan
    }

    /// Runs a candidate, and takes it where it breaks the same rule in the same way.
    fn accepts(&mut self, candidate: Plan, seed: u64) -> bool {
        let candidate = repair::repaired(self.hurried(candidate));
        if self.is_spent() || candidate == self.best.plan || candidate.steps.is_empty() {
            return false;
        }
        let form = repair::canonical(&candidate);
        // Where it shows only when all is healed, a longer wait for that is another plan.
        let is_in_plan = self.best.violation.step.is_some();
        let is_tried = |(tried, of): &(Plan, u64)| {
            *of == seed && (*tried == form || is_in_plan && repair::outlasts(tried, &form))
        };
        if self.tried.iter().any(is_tried) {
            return false;
        }
        // Where the target is not deterministic, two runs are believed. One that shows nothing is
        // enough to go on: there are many more to try, and each takes its time.
        let times = if self.target.is_deterministic() { 1 } else { 2 };
        let mut shown = None;
        for _ in 0..times {
            shown = self.violates(&candidate, seed);
            if shown.is_none() {
                break;
            }
        }
        let Some((violation, history)) = shown else {
            self.tried.push((form, seed));
            return false;
        };
        self.best.plan = candidate;
        self.best.seed = seed;
        self.best.violation = violation;
        self.best.history = history;
        self.cut_unseen();
        true
    }

    /// Runs a plan. Returns what it violates and how, where that is the same failure.
    fn violates(&mut self, candidate: &Plan, seed: u64) -> Option<(Violation, History)> {
        self.best.shrink_runs += 1;
        (self.progress)(Progress {
            runs: self.best.shrink_runs,
            steps: self.best.plan.steps.len(),
        });
        let Outcome {
            verdict, history, ..
        } = runner::run(self.target, candidate, seed);
        tracing::debug!(run = self.best.shrink_runs, plan = ?steps_of(candidate), ?verdict, "candidate");
        let Verdict::Violated(violation) = verdict else {
            return None;
        };
        if violation.is_same(&self.best.violation) {
            return Some((violation, history));
        }
        let is_known = |other: &Violation| other.is_same(&violation);
        if !self.best.others.iter().any(is_known) {
            self.best.others.push(violation);
        }
        None
    }

    fn confirm(&mut self) {
        if self.target.is_deterministic() {
            return;
        }
        let violation = self.best.violation.clone();
        let (began, time) = (self.began, self.budget.time);
        let is_spent = || began.elapsed() >= time;
        let (shown, of) = twin::confirm(self.target, &mut self.best, &violation, &is_spent);
        self.best.reproduced = (shown, of);
    }
}

/// The steps on one line.
fn steps_of(plan: &Plan) -> String {
    let steps: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
    steps.join("; ")
}
