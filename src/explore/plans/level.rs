//! All plans with one step more, on threads: handed out in order, taken in order.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use super::alphabet::Letter;
use super::{Config, Fate, Level, Limits, Look, PlansEnd, Pruned, Space, Summary};
use crate::finding::{Finding, Origin};
use crate::model::Model;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::runner::{self, Outcome};
use crate::target::Target;
use crate::verdict::Verdict;

/// Prefixes that a thread takes at once.
const BATCH: usize = 8;
/// Plans that the harness could not judge, kept for the report.
const UNKNOWN_KEPT: usize = 3;

/// The exploration with one seed, as far as it has come.
pub(super) struct Search {
    seed: u64,
    /// The plans to go on from, each as long as the last level's.
    frontier: Vec<Letter>,
    length: usize,
    /// The states that plans led to.
    seen: HashSet<u64>,
}

/// What became of one plan.
struct Child {
    letter: Letter,
    state: Option<u64>,
    came: PlanResult,
}

enum PlanResult {
    Cut(Pruned),
    /// It was not judged, and is gone on from.
    Passed(Pruned),
    /// Its state had been seen before.
    Seen,
    Held,
    Judged(Box<Outcome>),
}

impl Search {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            frontier: Vec::new(),
            length: 0,
            seen: HashSet::new(),
        }
    }

    /// Runs every plan with one step more than before.
    pub(super) fn go_deeper(
        &mut self,
        target: &(dyn Target + Sync),
        space: &Space<'_>,
        config: &Config,
        limits: &Limits<'_>,
        is_last: bool,
        summary: &mut Summary,
    ) {
        let prefixes = match self.length {
            0 => 1,
            length => self.frontier.len() / length,
        };
        let mut taking = Taking {
            space,
            config,
            is_last,
            began: Instant::now(),
            run_before: summary.run(),
            next: Vec::new(),
            new: HashSet::new(),
            seed: self.seed,
            summary,
        };
        taking.level().begun_from.1 += prefixes as u64;
        let this = &*self;
        let batches = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let title = format!("{}, {} steps", config.title, self.length + 1);
        let mut progress = Progress::begin(config.quiet, &title, prefixes as u64);
        std::thread::scope(|scope| {
            let (send, done) = mpsc::sync_channel(1024);
            for job in 0..config.jobs.max(1) {
                let (send, batches, stop) = (send.clone(), &batches, &stop);
                let work = move || {
                    while !stop.load(Ordering::Relaxed) {
                        let batch = batches.fetch_add(1, Ordering::Relaxed);
                        let first = batch * BATCH;
                        if first >= prefixes {
                            break;
                        }
                        for at in first..(first + BATCH).min(prefixes) {
                            let children = this.children(target, space, at, is_last, limits);
                            if send.send((at, children)).is_err() {
                                return;
                            }
                        }
                    }
                };
                if job == 0 {
                    scope.spawn(work);
                } else {
                    // Fewer threads do the same work.
                    let _ = std::thread::Builder::new().spawn_scoped(scope, work);
                }
            }
            drop(send);
            let (mut early, mut expected) = (BTreeMap::new(), 0);
            'taking: while let Ok((at, children)) = done.recv() {
                early.insert(at, children);
                while let Some(children) = early.remove(&expected) {
                    let complete = taking.take(this, expected, children, limits);
                    if !complete {
                        stop.store(true, Ordering::Relaxed);
                        break 'taking;
                    }
                    expected += 1;
                    progress.at(expected as u64, prefixes as u64, &taking.summary());
                }
            }
            // A sender must not wait for a receiver that is gone.
            drop(done);
        });
        progress.end();
        let (next, new) = (taking.next, taking.new);
        self.seen.extend(new);
        self.frontier = next;
        self.length += 1;
    }

    fn prefix(&self, at: usize) -> &[Letter] {
        &self.frontier[at * self.length..(at + 1) * self.length]
    }

    /// Tries every letter after a prefix. `None` where there was no time for all.
    fn children(
        &self,
        target: &(dyn Target + Sync),
        space: &Space<'_>,
        at: usize,
        is_last: bool,
        limits: &Limits<'_>,
    ) -> Option<Vec<Child>> {
        let mut word = self.prefix(at).to_vec();
        let model = model_after(space, &word);
        let mut children = Vec::new();
        let mut siblings = HashSet::new();
        for letter in 0..space.alphabet.steps.len() {
            let letter = letter as Letter;
            word.push(letter);
            let fate = space.fate(&model, &word);
            let child = match fate {
                Fate::Cut(why) => Child {
                    letter,
                    state: None,
                    came: PlanResult::Cut(why),
                },
                Fate::Passed(why, look) => {
                    let is_worth_it = look == Look::AtState && space.pruning.states && !is_last;
                    let (state, outcome) = if is_worth_it {
                        self.run(target, space, &word, &mut |_| false)
                    } else {
                        (None, None)
                    };
                    Child {
                        letter,
                        state,
                        // What ended before the end of the steps has a verdict.
                        came: outcome.map_or(PlanResult::Passed(why), PlanResult::of),
                    }
                }
                Fate::Run => {
                    let (state, outcome) = self.run(target, space, &word, &mut |state| {
                        !space.pruning.states
                            || !self.seen.contains(&state) && siblings.insert(state)
                    });
                    Child {
                        letter,
                        state,
                        came: outcome.map_or(PlanResult::Seen, PlanResult::of),
                    }
                }
            };
            word.pop();
            children.push(child);
            let is_over = limits.deadline.is_some_and(|end| Instant::now() >= end);
            if is_over || limits.interrupt.load(Ordering::Relaxed) {
                return None;
            }
        }
        Some(children)
    }

    /// Runs a plan; `goes_on` is asked before recovery, given the state. A panic is a failure of
    /// the harness, so its verdict is unknown.
    fn run(
        &self,
        target: &(dyn Target + Sync),
        space: &Space<'_>,
        word: &[Letter],
        goes_on: &mut dyn FnMut(u64) -> bool,
    ) -> (Option<u64>, Option<Outcome>) {
        let plan = space.alphabet.plan(word);
        let mut state = None;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            runner::run_if(target, &plan, self.seed, &mut |model, system| {
                let Some(fingerprint) = system.fingerprint() else {
                    return true;
                };
                let mut hasher = DefaultHasher::new();
                (fingerprint, model).hash(&mut hasher);
                goes_on(*state.insert(hasher.finish()))
            })
        }));
        let outcome = outcome.unwrap_or_else(|_| {
            let why = "the harness panicked; please report it with the plan";
            Some(Outcome::unknown(why.into()))
        });
        (state, outcome)
    }
}

impl PlanResult {
    fn of(outcome: Outcome) -> Self {
        match outcome.verdict {
            Verdict::Held => Self::Held,
            _ => Self::Judged(Box::new(outcome)),
        }
    }
}

/// The model after the steps of a word, as far as the steps alone say.
fn model_after(space: &Space<'_>, word: &[Letter]) -> Model {
    let mut model = Model::with_sessions(&space.alphabet.sessions);
    let steps = word
        .iter()
        .map(|letter| space.alphabet.step(*letter).clone());
    let plan = Plan {
        steps: steps.collect(),
        ..Plan::default()
    };
    for (step, mark) in plan.steps.iter().zip(plan.marks()) {
        model.begin_step(step, mark, model.now);
    }
    model
}

/// What is taken in, in the order of the plans.
struct Taking<'a> {
    space: &'a Space<'a>,
    config: &'a Config,
    is_last: bool,
    began: Instant,
    run_before: u64,
    /// The plans to go on from.
    next: Vec<Letter>,
    /// The states that were new.
    new: HashSet<u64>,
    seed: u64,
    summary: &'a mut Summary,
}

impl Taking<'_> {
    /// Takes in what became of a prefix's plans. Returns whether to go on.
    fn take(
        &mut self,
        search: &Search,
        at: usize,
        children: Option<Vec<Child>>,
        limits: &Limits<'_>,
    ) -> bool {
        let Some(children) = children else {
            self.summary.ended = if limits.interrupt.load(Ordering::Relaxed) {
                PlansEnd::Interrupted
            } else {
                PlansEnd::TimeOver
            };
            return false;
        };
        let prefix = search.prefix(at);
        for child in children {
            let is_seen = self.space.pruning.states
                && child
                    .state
                    .is_some_and(|state| search.seen.contains(&state) || self.new.contains(&state));
            let mut goes_on = true;
            match child.came {
                PlanResult::Cut(why) => {
                    self.level().pruned[why as usize] += 1;
                    continue;
                }
                _ if is_seen => {
                    self.level().pruned[Pruned::Seen as usize] += 1;
                    continue;
                }
                // A sibling led there, which is taken before.
                PlanResult::Seen => {
                    self.level().pruned[Pruned::Seen as usize] += 1;
                    continue;
                }
                PlanResult::Passed(why) => self.level().pruned[why as usize] += 1,
                PlanResult::Held => {
                    self.level().run += 1;
                    self.level().held += 1;
                }
                PlanResult::Judged(outcome) => {
                    goes_on = child.state.is_some();
                    self.judged(prefix, child.letter, *outcome);
                }
            }
            if let Some(state) = child.state {
                self.new.insert(state);
                self.level().states += 1;
            }
            if goes_on && !self.is_last {
                self.next.extend_from_slice(prefix);
                self.next.push(child.letter);
            }
            if !self.summary.found.is_empty() && !self.config.keep_going {
                self.summary.ended = PlansEnd::Violated;
                return false;
            }
            if limits
                .max_plans
                .is_some_and(|most| self.summary.run() >= most)
            {
                self.summary.ended = PlansEnd::MaxPlans;
                return false;
            }
        }
        self.level().begun_from.0 += 1;
        true
    }

    /// Takes in a plan that did not hold.
    fn judged(&mut self, prefix: &[Letter], letter: Letter, outcome: Outcome) {
        let word: Vec<Letter> = prefix.iter().copied().chain([letter]).collect();
        self.level().run += 1;
        match outcome.verdict {
            Verdict::Held => self.level().held += 1,
            Verdict::Unknown { why } => {
                self.level().unknown += 1;
                if self.summary.unknown.len() < UNKNOWN_KEPT {
                    let plan = self.space.alphabet.plan(&word);
                    self.summary.unknown.push((plan, self.seed, why));
                }
            }
            Verdict::Violated(violation) => {
                self.level().violated += 1;
                let found = &mut self.summary.found;
                match found.iter_mut().find(|it| it.violation.is_same(&violation)) {
                    Some(known) => known.more += 1,
                    None => found.push(Finding::new(
                        self.summary.target,
                        Origin::Explored,
                        self.space.alphabet.plan(&word),
                        self.seed,
                        violation,
                        outcome.history,
                    )),
                }
            }
        }
    }

    fn level(&mut self) -> &mut Level {
        let at = self.summary.levels.len() - 1;
        &mut self.summary.levels[at]
    }

    /// How far it is, for the progress line.
    fn summary(&self) -> String {
        let run = self.summary.run() - self.run_before;
        let rate = run as f64 / self.began.elapsed().as_secs_f64().max(1e-3);
        format!("{run} plans run, {rate:.0} plans/s")
    }
}
