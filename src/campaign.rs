//! Many plans on one target: kept ones first, then generated ones, until one violates a rule.
//!
//! Case `i` of a seed is always the same plan with the same run seed, and results are taken in
//! the order of the cases, so that a campaign comes out the same on any number of threads.

mod case;
mod keep;
mod samples;
mod threads;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use proptest::strategy::BoxedStrategy;
use proptest::test_runner::{Config as ProptestConfig, RngSeed};

use crate::coverage::Coverage;
use crate::finding::{Finding, Origin};
use crate::generate::Shape;
use crate::history::Event;
use crate::plan::Plan;
use crate::regression::{self, Kept, ReadError, Seed};
use crate::runner::{self, Outcome};
use crate::target::{Interrupt, Interruptible, Target, TargetError};
use crate::verdict::Verdict;

pub use case::tree;
pub(crate) use case::{Case, CaseFile};
pub use samples::{Sample, Samples};

/// After so many cases in a row that the harness could not judge, a campaign ends: it is not the
/// plans.
const UNKNOWN_IN_A_ROW: usize = 3;

/// Of the plans that fail as another did, so many are named.
const NAMED: usize = 4;

/// What a campaign does.
#[derive(Clone, Debug)]
pub struct Config {
    /// Plans to generate.
    pub cases: u32,
    /// What all plans and runs follow from.
    pub seed: u64,
    /// What the plans look like.
    pub shape: Shape,
    /// Plans that run at the same time.
    pub jobs: usize,
    /// Goes on after a violation.
    pub keep_going: bool,
    /// Whether no progress is shown.
    pub quiet: bool,
    /// The folder of plans while they run, and of those that did not hold.
    pub out: PathBuf,
    /// Where kept plans are, and where new ones go.
    pub regressions: PathBuf,
    /// The command line that starts this campaign again, for the comment of a kept plan.
    pub command: String,
}

/// The number of cases: what is asked for, else `PROPTEST_CASES`, else the target's own.
pub fn cases_or(asked: Option<u32>, default: u32) -> u32 {
    asked.unwrap_or_else(|| match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default().cases,
        None => default,
    })
}

/// The seed: what is asked for, else `PROPTEST_RNG_SEED`, else one drawn at random.
pub fn seed_or_drawn(asked: Option<u64>) -> u64 {
    asked.unwrap_or_else(|| match ProptestConfig::default().rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => case::drawn_seed(),
    })
}

/// The result of a campaign.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The name of the target.
    pub target: &'static str,
    /// What all plans and runs follow from.
    pub seed: u64,
    /// Plans that were to be generated.
    pub cases: u32,
    /// Kept plans that were run again.
    pub replayed: u32,
    /// Plans that held.
    pub held: u64,
    /// One for each failure: the rule and which of its demands.
    pub found: Vec<Finding>,
    /// Plans that could not be judged.
    pub unknown: Vec<Unjudged>,
    /// What the plans reached.
    pub coverage: Coverage,
    /// Why steps were left out, and how often.
    pub left_out: BTreeMap<String, u64>,
    /// How far it was at moments of its way.
    pub samples: Samples,
    /// How long the plans took, shrinking aside.
    pub took: Duration,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// The harness failed again and again, so the rest was not tried.
    pub gave_up: bool,
}

impl Summary {
    /// How many plans violated a rule.
    pub fn violated(&self) -> u64 {
        self.found.iter().map(|found| 1 + found.more).sum()
    }
}

/// A plan that the harness could not judge.
#[derive(Clone, Debug)]
pub struct Unjudged {
    /// Why it failed.
    pub why: String,
    /// The file of the plan.
    pub file: PathBuf,
}

/// A plan that has run, as it is reported while the campaign goes on: in the order of the cases.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// From 1, kept plans first.
    pub number: u64,
    /// The file of a kept plan.
    pub kept: Option<&'a Path>,
    /// The plan.
    pub plan: &'a Plan,
    /// The run's seed.
    pub seed: u64,
    /// How its run ended.
    pub verdict: &'a Verdict,
    /// What this run alone reached.
    pub coverage: &'a Coverage,
    /// The steps that the target cannot make, by index from 0, and why.
    pub left_out: &'a [(usize, String)],
    /// How long the run took, in real time.
    pub took: Duration,
    /// The file of the plan, when it did not hold.
    pub file: Option<&'a Path>,
}

/// Is called with every plan that has run.
pub type Watch<'a> = dyn FnMut(&Finished<'_>) + 'a;

/// Why a campaign could not go on. A violation is no error.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// A kept plan cannot be read.
    #[error(transparent)]
    Kept(#[from] ReadError),
    /// A plan cannot be written.
    #[error("while writing {}: {why}; make the folder writable, or run elsewhere", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// The target cannot start at all.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Generation itself failed.
    #[error("{0}; ask for another seed or fewer steps")]
    Generate(String),
}

/// Runs a campaign. `interrupt` ends it early, and the runs under way with it.
///
/// # Errors
/// Where the target cannot start, a kept plan cannot be read, or a plan not be written.
pub fn run(
    target: &(dyn Target + Sync),
    config: &Config,
    interrupt: &Interrupt,
) -> Result<Summary, CampaignError> {
    run_watched(target, config, interrupt, &mut |_| {})
}

/// Runs a campaign, as [`run`] does, and calls `watch` with every plan that has run.
///
/// # Errors
/// As [`run`].
pub fn run_watched(
    target: &(dyn Target + Sync),
    config: &Config,
    interrupt: &Interrupt,
    watch: &mut Watch<'_>,
) -> Result<Summary, CampaignError> {
    let target = Interruptible {
        target,
        interrupt: interrupt.clone(),
    };
    // What keeps it from starting is reported once, and not as the fault of some plans.
    drop(target.start(&config.shape.sessions, config.seed)?);
    let judge = |plan: &Plan, seed| runner::run(&target, plan, seed);
    let mut campaign = Campaign::new(target.name(), config, interrupt);
    campaign.watch = Some(watch);
    let began = Instant::now();
    if !campaign.replay(&judge)? {
        campaign.generate(&judge)?;
    }
    campaign.summary.took = began.elapsed();
    campaign.sample_last();
    campaign.shrink_and_keep(&target)?;
    // Where everything held it is empty; otherwise it stays.
    let _ = std::fs::remove_dir(&config.out);
    Ok(campaign.summary)
}

/// The case of this number: its plan and its run seed.
///
/// # Errors
/// Where the strategy rejects too many of its own plans.
pub fn case(strategy: &BoxedStrategy<Plan>, seed: u64, index: u32) -> Result<(Plan, u64), String> {
    let case = Case::generate(strategy, seed, index.into())?;
    Ok((case.plan, case.seed))
}

/// Runs one plan, as a campaign would, and counts what it reached.
pub fn run_one(
    target: &(dyn Target + Sync),
    plan: Plan,
    seed: u64,
    interrupt: &Interrupt,
) -> (Outcome, Coverage) {
    run_one_recorded(target, plan, seed, interrupt, &mut |_| {})
}

/// Runs one plan as [`run_one`] does, and shows each event to `record` as soon as it is judged.
pub fn run_one_recorded(
    target: &(dyn Target + Sync),
    plan: Plan,
    seed: u64,
    interrupt: &Interrupt,
    record: &mut (dyn FnMut(&Event) + Send),
) -> (Outcome, Coverage) {
    let record = Mutex::new(record);
    let target = Interruptible {
        target,
        interrupt: interrupt.clone(),
    };
    let judge = |plan: &Plan, seed| {
        let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
        runner::run_recorded(&target, plan, seed, &mut **record)
    };
    Case { plan, seed }.run(&judge)
}

/// Runs one plan and judges it.
pub(crate) type Judge<'a> = dyn Fn(&Plan, u64) -> Outcome + Sync + 'a;

struct Campaign<'a> {
    config: &'a Config,
    interrupt: &'a Interrupt,
    watch: Option<&'a mut Watch<'a>>,
    began: Instant,
    finished: u64,
    summary: Summary,
    unknown_in_a_row: usize,
}

impl<'a> Campaign<'a> {
    fn new(target: &'static str, config: &'a Config, interrupt: &'a Interrupt) -> Self {
        let summary = Summary {
            target,
            seed: config.seed,
            cases: config.cases,
            replayed: 0,
            held: 0,
            found: Vec::new(),
            unknown: Vec::new(),
            coverage: Coverage::default(),
            left_out: BTreeMap::new(),
            samples: Samples::default(),
            took: Duration::ZERO,
            interrupted: false,
            gave_up: false,
        };
        Self {
            config,
            interrupt,
            watch: None,
            began: Instant::now(),
            finished: 0,
            summary,
            unknown_in_a_row: 0,
        }
    }

    /// Runs the kept plans, whatever they were found on, as many at once as jobs. Returns whether
    /// the campaign is over.
    fn replay(&mut self, judge: &Judge<'_>) -> Result<bool, CampaignError> {
        let kept = regression::read_all(&self.config.regressions)?;
        for some in kept.chunks(self.config.jobs.max(1)) {
            let run = |kept: &Kept| {
                let case = Case {
                    seed: kept.seed.unwrap_or_default(),
                    plan: kept.plan.clone(),
                };
                let began = Instant::now();
                let (outcome, coverage) = case.run(judge);
                (case, outcome, coverage, began.elapsed())
            };
            let done: Vec<_> = std::thread::scope(|scope| {
                let runs: Vec<_> = some
                    .iter()
                    .map(|kept| scope.spawn(move || run(kept)))
                    .collect();
                runs.into_iter().map(|run| run.join()).collect()
            });
            for (kept, done) in some.iter().zip(done) {
                // A panic of the harness is caught within.
                let Ok((case, outcome, coverage, took)) = done else {
                    continue;
                };
                self.summary.replayed += 1;
                if self.take(case, outcome, coverage, took, Some(kept.path.clone()))? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Counts one run. Returns whether the campaign is over.
    fn take(
        &mut self,
        case: Case,
        outcome: Outcome,
        coverage: Coverage,
        took: Duration,
        kept: Option<PathBuf>,
    ) -> Result<bool, CampaignError> {
        if self.interrupt.load(Ordering::Relaxed) {
            self.summary.interrupted = true;
            // A run that was cut off says nothing of the harness.
            if matches!(outcome.verdict, Verdict::Unknown { .. }) {
                return Ok(true);
            }
        }
        let is_known = kept.is_some();
        self.finished += 1;
        let file = match (&outcome.verdict, &kept) {
            (Verdict::Held, _) => None,
            (_, Some(path)) => Some(path.clone()),
            (_, None) => Some(self.put_down(&case, &outcome.history)?),
        };
        if let Some(watch) = &mut self.watch {
            watch(&Finished {
                number: self.finished,
                kept: kept.as_deref(),
                plan: &case.plan,
                seed: case.seed,
                verdict: &outcome.verdict,
                coverage: &coverage,
                left_out: &outcome.left_out,
                took,
                file: file.as_deref(),
            });
        }
        let file = file.unwrap_or_default();
        let summary = &mut self.summary;
        summary.coverage.add(&coverage);
        for (_, why) in &outcome.left_out {
            *summary.left_out.entry(why.clone()).or_default() += 1;
        }
        let is_unknown = matches!(outcome.verdict, Verdict::Unknown { .. });
        self.unknown_in_a_row = if is_unknown {
            self.unknown_in_a_row + 1
        } else {
            0
        };
        match outcome.verdict {
            Verdict::Held => summary.held += 1,
            Verdict::Violated(violation) => {
                let origin = match is_known {
                    true => Origin::Kept,
                    false => Origin::Case(self.finished - 1 - u64::from(self.summary.replayed)),
                };
                let mut found = self.summary.found.iter_mut();
                match found.find(|found| found.violation.is_same(&violation)) {
                    Some(found) => {
                        found.more += 1;
                        if found.more_files.len() < NAMED {
                            found.more_files.push(file);
                        }
                    }
                    None => {
                        let (on, history) = (self.summary.target, outcome.history);
                        let found =
                            Finding::new(on, origin, case.plan, case.seed, violation, history);
                        self.summary.found.push(Finding { file, ..found });
                    }
                }
                self.sample();
                return Ok(!self.config.keep_going);
            }
            Verdict::Unknown { why } => {
                self.summary.unknown.push(Unjudged { why, file });
                self.summary.gave_up = self.unknown_in_a_row >= UNKNOWN_IN_A_ROW;
            }
        }
        self.sample();
        Ok(self.summary.gave_up || self.summary.interrupted)
    }

    /// Notes how far it is, where enough time has gone by.
    fn sample(&mut self) {
        if self.summary.samples.is_due(self.began.elapsed()) {
            self.sample_last();
        }
    }

    fn sample_last(&mut self) {
        let summary = &mut self.summary;
        let sample = Sample {
            seconds: self.began.elapsed().as_secs_f64(),
            plans: summary.coverage.plans,
            steps: summary.coverage.steps,
            violated: summary.violated(),
            unknown: summary.unknown.len() as u64,
            reached: summary.coverage.sometimes.len() as u64,
            ..Sample::default()
        };
        summary.samples.take(sample);
    }

    fn slip_name(&self) -> String {
        format!("{}-{}", self.summary.target, Seed(self.config.seed))
    }
}

#[cfg(test)]
mod tests;
