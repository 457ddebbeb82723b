//! Many plans on one target: kept ones first, then generated ones, until one violates a rule.
//!
//! Case `i` of a seed is always the same plan with the same run seed, and results are taken in
//! the order of the cases, so that a campaign comes out the same on any number of threads.

mod case;
mod environment;
mod keep;
pub(crate) mod pace;
mod samples;
mod shard;
mod summary;
mod threads;
mod totals;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use proptest::strategy::BoxedStrategy;
use proptest::test_runner::Config as ProptestConfig;

use crate::coverage::{Coverage, Promised, RuledOut};
use crate::durable;
use crate::finding::{Finding, Origin};
use crate::generate::Shape;
use crate::history::{Event, History};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::regression::{self, Kept, ReadError, Seed};
use crate::runner::{self, Outcome, Slowdown};
use crate::soak::{FolderError, StateError};
use crate::target::{Heeding, Interrupt, Interruptible, Target, TargetError};
use crate::verdict::{Demand, Heeded, Verdict, Violation};

pub use case::tree;
pub(crate) use case::{Case, Ran, sweep as sweep_cases};
pub(crate) use environment::{
    check as check_environment, normalize_seed, seed as seed_of_environment,
};
pub(crate) use samples::processor_time;
pub use samples::{Quarters, Sample, Samples};
pub use shard::{Shard, ShardError};
pub use summary::{CampaignEnd, Finished, Summary};
pub(crate) use threads::{Cases, GoOn, Progressed, Source};
pub use totals::{DISTINGUISHED, Failures, Seen, Totals, Unjudged};

/// After so many cases in a row that the harness could not judge, a campaign ends: it is not the
/// plans.
const UNKNOWN_IN_A_ROW: usize = 3;

/// The same where the machine stalls: runs become slower first.
const STALLED_IN_A_ROW: usize = 12;

/// Of the plans that fail as another did, so many are named.
const NAMED: usize = 4;

/// What a campaign does.
#[derive(Clone, Debug)]
pub struct Config {
    /// Plans to generate, over all shards of a soak; without end where it is not said.
    pub cases: Option<u64>,
    /// What all plans and runs follow from.
    pub seed: u64,
    /// What the plans look like.
    pub shape: Shape,
    /// The plans of the first cases; the others are drawn at random.
    pub first: Vec<Plan>,
    /// Plans that run at the same time.
    pub jobs: usize,
    /// No kept plan begins later than this after the start; without it all of them run.
    pub kept_for: Option<Duration>,
    /// Goes on after a violation.
    pub keep_going: bool,
    /// Whether no progress is shown.
    pub quiet: bool,
    /// The folder of plans while they run, and of those that did not hold.
    pub out: PathBuf,
    /// Where kept plans are, and where new ones go.
    pub regressions: PathBuf,
    /// Whether the kept plans run first.
    pub replays: bool,
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
    asked
        .or_else(seed_of_environment)
        .unwrap_or_else(case::drawn_seed)
}

/// Is called for every plan that has run.
pub type Watch<'a> = dyn FnMut(&Finished<'_>) + 'a;

/// Why a campaign could not go on. A violation is no error.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// A kept plan cannot be read.
    #[error(transparent)]
    Kept(#[from] ReadError),
    /// A file cannot be written.
    #[error(
        "while writing {}: {why}; make room or the folder writable, or name another folder",
        path.display()
    )]
    Write {
        /// The file.
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
    /// A soak's folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A soak's state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
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
    let config = &Config {
        shape: config.shape.clone().possible(|step| target.cannot(step)),
        ..config.clone()
    };
    // What keeps it from starting is reported once, and not as the fault of some plans.
    drop(target.start(&config.shape.sessions, config.seed)?);
    for folder in [&config.out, &config.regressions] {
        // One that is missing holds nothing; what stays in the others does no harm.
        let _ = durable::sweep(folder);
    }
    for left in case::sweep(&config.out) {
        eprintln!(
            "removed {}, the plan that a killed run was at; its seed and the number of the case give it again",
            left.display()
        );
    }
    let known = Mutex::new(target.profile().heeded.clone());
    let slowdown = Slowdown::default();
    let judge = |plan: &Plan, seed| {
        let heeded = known.lock().unwrap_or_else(PoisonError::into_inner);
        let target = Heeding::new(&target, &heeded);
        drop(heeded);
        slowdown.run(&target, plan, seed)
    };
    let mut campaign = Campaign::new(target.name(), config, interrupt);
    campaign.summary.list_known(&target.profile().heeded);
    campaign.summary.totals.ruled_out =
        RuledOut::of(&target.profile(), config.shape.impossible.reasons());
    campaign.summary.totals.coverage.waits.promised = Some(Promised::of(&target.profile()));
    // Where runs are slow, what was found once is not looked for again: other mistakes show then.
    campaign.known = (config.keep_going && !target.is_deterministic()).then_some(&known);
    campaign.watch = Some(watch);
    campaign.work(&judge)?;
    campaign.summary.took = campaign.began.elapsed();
    campaign.sample();
    campaign.shrink_and_keep(&target)?;
    campaign.judge_pace(&target);
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
        runner::run_confirmed_recorded(&target, plan, seed, &mut **record)
    };
    let ran = Case { plan, seed }.ran(&judge);
    (ran.outcome, ran.coverage)
}

/// Runs one plan and judges it.
pub(crate) type Judge<'a> = dyn Fn(&Plan, u64) -> Outcome + Sync + 'a;

struct Campaign<'a> {
    config: &'a Config,
    interrupt: &'a Interrupt,
    watch: Option<&'a mut Watch<'a>>,
    /// What runs do not end at, where that grows with what is found.
    known: Option<&'a Mutex<Heeded>>,
    began: Instant,
    cpu_before: Duration,
    summary: Summary,
    unknown_in_a_row: usize,
}

impl<'a> Campaign<'a> {
    fn new(target: &'static str, config: &'a Config, interrupt: &'a Interrupt) -> Self {
        let summary = Summary {
            target,
            seed: config.seed,
            asked: config.cases,
            totals: Totals::default(),
            kept_left_out: 0,
            known: BTreeMap::new(),
            found: Vec::new(),
            samples: Samples::default(),
            took: Duration::ZERO,
            end: CampaignEnd::Completed,
        };
        Self {
            config,
            interrupt,
            watch: None,
            known: None,
            began: Instant::now(),
            cpu_before: processor_time(),
            summary,
            unknown_in_a_row: 0,
        }
    }

    /// The kept plans, whatever they were found on. Where there is no time for all, those that were
    /// found on this target come first, and of the others another part with each seed.
    fn kept(&self) -> Result<Vec<Kept>, CampaignError> {
        if !self.config.replays {
            return Ok(Vec::new());
        }
        let mut kept = regression::read_all(&self.config.regressions)?;
        if self.config.kept_for.is_some() && !kept.is_empty() {
            let first = self.config.seed % kept.len() as u64;
            kept.rotate_left(first as usize);
            kept.sort_by_key(|kept| kept.target.as_deref() != Some(self.summary.target));
        }
        Ok(kept)
    }

    /// Runs the kept plans, and generates and runs the cases.
    fn work(&mut self, judge: &Judge<'_>) -> Result<(), CampaignError> {
        let config = self.config;
        let kept = self.kept()?;
        let total = kept.len() as u64 + config.cases.unwrap_or_default();
        let title = format!("{} seed {}", self.summary.target, Seed(config.seed));
        let mut progress = Progress::begin(config.quiet, &title, total);
        let (name, own) = (self.case_file_name(), std::process::id());
        let cases = Cases {
            config,
            shard: Shard::WHOLE,
            done: 0,
            kept: &kept,
            // Another process may run the same in the same folder.
            case_file: &|job| config.out.join(format!("{name}-running-{own}-{job}.plan")),
        };
        let (mut arrived, mut steps) = (0, 0);
        let began = Instant::now();
        let run = |_, case: Case| Ok(Some(case.ran(judge)));
        let result = cases.run(&run, &mut |progressed| match progressed {
            Progressed::Ran(ran) => {
                arrived += 1;
                steps += ran.coverage.steps;
                let rate = steps as f64 / began.elapsed().as_secs_f64().max(1e-3);
                let found = self.summary.found.len();
                let left =
                    began.elapsed().div_f64(arrived as f64) * total.saturating_sub(arrived) as u32;
                let what = format!(
                    "{rate:.0} steps/s, {found} found, {} s left",
                    left.as_secs()
                );
                progress.at(arrived, total, &what);
                let is_violated = matches!(ran.outcome.verdict, Verdict::Violated(_));
                let is_last =
                    is_violated && !config.keep_going || self.interrupt.load(Ordering::Relaxed);
                Ok(match is_last {
                    true => GoOn::WithThoseUnderWay,
                    false => GoOn::Yes,
                })
            }
            Progressed::Next(source, ran) => {
                let is_over = match source {
                    Source::Kept(kept) => self.take(Origin::Kept, ran, Some(&kept.path))?,
                    Source::Case(number) => self.take(Origin::Case(number), ran, None)?,
                };
                Ok(match is_over {
                    true => GoOn::No,
                    false => GoOn::Yes,
                })
            }
            Progressed::LeftOut => {
                arrived += 1;
                self.summary.kept_left_out += 1;
                Ok(GoOn::Yes)
            }
            Progressed::Waiting => Ok(match self.interrupt.load(Ordering::Relaxed) {
                true => GoOn::WithThoseUnderWay,
                false => GoOn::Yes,
            }),
        });
        progress.end();
        result
    }

    /// Counts one run. Returns whether the campaign is over.
    fn take(
        &mut self,
        origin: Origin,
        ran: Ran,
        kept: Option<&Path>,
    ) -> Result<bool, CampaignError> {
        let Ran {
            case,
            outcome,
            coverage,
            took,
        } = ran;
        if self.interrupt.load(Ordering::Relaxed) {
            self.summary.end = CampaignEnd::Interrupted;
            // A run that was cut off says nothing of the harness. Others that were under way may have ended before.
            if matches!(outcome.verdict, Verdict::Unknown { .. }) {
                return Ok(false);
            }
        }
        let file = match (&outcome.verdict, kept) {
            (Verdict::Held, _) => None,
            (_, Some(path)) => Some(path.to_owned()),
            (_, None) => match self.put_down(&case, &outcome.history) {
                Ok(file) => Some(file),
                // What was found is reported all the same.
                Err(error @ CampaignError::Write { .. }) => {
                    eprintln!("{error}");
                    None
                }
                Err(error) => return Err(error),
            },
        };
        if let Some(watch) = &mut self.watch {
            watch(&Finished {
                number: self.summary.totals.plans() + 1,
                kept,
                plan: &case.plan,
                seed: case.seed,
                verdict: &outcome.verdict,
                coverage: &coverage,
                left_out: &outcome.left_out,
                not_asked: outcome.history.not_asked(),
                took,
                file: file.as_deref(),
            });
        }
        self.count_passed_over(&outcome.passed_over);
        let most_in_a_row = match outcome.is_left_by_stall() {
            true => STALLED_IN_A_ROW,
            false => UNKNOWN_IN_A_ROW,
        };
        let file = file.unwrap_or_default();
        let (on, totals) = (self.summary.target, &mut self.summary.totals);
        let not_asked = outcome.history.not_asked().to_vec();
        totals.count(kept.is_some(), &coverage, outcome.left_out, not_asked);
        self.unknown_in_a_row = match outcome.verdict {
            Verdict::Unknown { .. } => self.unknown_in_a_row + 1,
            _ => 0,
        };
        let mut is_over = false;
        match outcome.verdict {
            Verdict::Held => totals.held += 1,
            Verdict::Violated(violation) => {
                totals.violate(violation.rule, &violation.kind, None);
                if let Some(known) = self.known {
                    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                    *known = known.but(Demand::of(&violation));
                }
                let (plan, history) = (case.plan, outcome.history);
                let found = Finding::new(on, origin, plan, case.seed, violation, history);
                self.find(Finding { file, ..found });
                if !self.config.keep_going {
                    self.summary.end = CampaignEnd::AtViolation;
                    is_over = true;
                }
            }
            Verdict::Unknown { why } => {
                let case = match origin {
                    Origin::Case(number) => Some(number),
                    _ => None,
                };
                totals.leave_unjudged(Unjudged { case, file, why });
                if self.unknown_in_a_row >= most_in_a_row {
                    self.summary.end = CampaignEnd::GaveUp;
                    is_over = true;
                }
            }
        }
        if self
            .summary
            .samples
            .is_due(self.began.elapsed().as_millis() as u64)
        {
            self.sample();
        }
        Ok(is_over)
    }

    /// Counts what runs did not end at: known findings, and those that this campaign found before.
    fn count_passed_over(&mut self, passed_over: &[Violation]) {
        for violation in passed_over {
            let listed = self.summary.known.iter_mut();
            let of_list = listed.filter(|(known, _)| known.is(violation.rule, &violation.kind));
            of_list.for_each(|(_, plans)| *plans += 1);
            let mut found = self.summary.found.iter_mut();
            if let Some(found) = found.find(|found| found.violation.is_same(violation)) {
                found.more += 1;
            }
        }
    }

    /// Takes note of a finding: of all that fail in the same way, the first is shrunk.
    fn find(&mut self, new: Finding) {
        let mut found = self.summary.found.iter_mut();
        match found.find(|found| found.violation.is_same(&new.violation)) {
            Some(found) => {
                found.more += 1;
                if found.more_files.len() < NAMED {
                    found.more_files.push(new.file);
                }
            }
            None => self.summary.found.push(new),
        }
    }

    /// Judges the waits of all runs together.
    fn judge_pace(&mut self, target: &dyn Target) {
        let (sessions, seed) = (&self.config.shape.sessions, self.config.seed);
        let summary = &mut self.summary;
        let waits = &mut summary.totals.coverage.waits;
        if summary.end == CampaignEnd::Completed {
            pace::complete(target, waits, sessions, seed);
        }
        for (_, violation) in pace::violations(waits) {
            let known = summary.known.iter_mut();
            let of_list = known.filter(|(known, _)| known.is(violation.rule, &violation.kind));
            of_list.for_each(|(_, times)| *times += 1);
        }
        let found = pace::findings(&summary.totals, summary.target, sessions, seed);
        summary.found.extend(found.into_iter().map(|found| {
            let history = match target.is_deterministic() {
                true => runner::run(target, &found.plan, seed).history,
                false => History::default(),
            };
            Finding { history, ..found }
        }));
    }

    /// Notes how far it is.
    fn sample(&mut self) {
        let cpu = processor_time().saturating_sub(self.cpu_before);
        let (at_ms, cpu_ms) = (self.began.elapsed().as_millis(), cpu.as_millis());
        let sample = Sample::of(&self.summary.totals, at_ms as u64, cpu_ms as u64);
        self.summary.samples.take(sample);
    }

    fn case_file_name(&self) -> String {
        format!("{}-{}", self.summary.target, Seed(self.config.seed))
    }
}

#[cfg(test)]
mod tests;
