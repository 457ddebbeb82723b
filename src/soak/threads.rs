//! The cases of a soak: each failure is shrunk on the thread that found it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::folder::{Folder, PLANS_OF_A_BUG};
use super::{News, Soak};
use crate::campaign::{
    self, CampaignEnd, CampaignError, Case, Cases, DISTINGUISHED, GoOn, Progressed, Ran, Source,
    Unjudged,
};
use crate::coverage::{Coverage, RuledOut};
use crate::finding::{Finding, Origin, shrink_budget};
use crate::history::History;
use crate::regression::Seed;
use crate::runner::{Outcome, Slowdown};
use crate::shrink::Budget;
use crate::target::{Interrupt, Interruptible, Target};
use crate::verdict::{NotAsked, Rule, Verdict, Violation};

/// Runs that shrinking may take on sim; what is as small as it can be needs far fewer.
const SHRINK_RUNS: u32 = 500;
/// It ends sooner only where a time was given, or something hangs.
const SHRINK_TIME: Duration = Duration::from_secs(1800);
/// A case that has run.
struct Done {
    coverage: Coverage,
    left_out: Vec<(usize, String)>,
    not_asked: Vec<NotAsked>,
    result: CaseResult,
}

/// How a case ended.
enum CaseResult {
    Held,
    Unknown(String),
    /// It broke a rule as others did often enough before.
    Counted(Rule, String),
    /// The case as it was generated, and with its smallest plan.
    Shrunk(Case, Box<Finding>),
}

/// What the threads share.
struct Shared<'a> {
    target: &'a Interruptible<'a>,
    interrupt: &'a Interrupt,
    folder: &'a Folder,
    budget: Budget,
    slowdown: Slowdown,
    /// How many of each failure were taken and shrunk.
    distinguished: Mutex<BTreeMap<(Rule, String), usize>>,
    /// What earlier starts found, by case.
    found: BTreeMap<u64, Finding>,
}

impl Soak<'_> {
    /// Runs the shard's cases from where the state is.
    pub(super) fn work(
        &mut self,
        target: &Interruptible<'_>,
    ) -> Result<CampaignEnd, CampaignError> {
        let (config, folder) = (self.config, self.folder.clone());
        let state = &self.state;
        let distinguished = state.totals.failures.iter();
        let distinguished = distinguished.map(|of| ((of.rule, of.kind.clone()), of.seen.len()));
        let mut budget = shrink_budget(target);
        budget.runs = budget.runs.min(SHRINK_RUNS);
        if target.is_deterministic() && budget.time == Budget::for_target(target).time {
            // A busy machine must not end it sooner, and so at another plan.
            budget.time = SHRINK_TIME;
        }
        let shared = Shared {
            target,
            interrupt: self.interrupt,
            found: folder.read_found(config.shard, state.done)?,
            folder: &folder,
            budget,
            slowdown: Slowdown::default(),
            distinguished: Mutex::new(distinguished.collect()),
        };
        let bounded = campaign::Config {
            cases: state.most_cases,
            shape: config
                .campaign
                .shape
                .clone()
                .possible(|step| target.cannot(step)),
            ..config.campaign.clone()
        };
        let reasons = bounded.shape.impossible.reasons();
        self.state.totals.ruled_out = RuledOut::of(&target.profile(), reasons);
        let cases = Cases {
            config: &bounded,
            shard: config.shard,
            done: self.state.done,
            kept: &[],
            case_file: &|job| folder.running(job),
        };
        let mut end = None;
        cases.run(
            &|source, case| match source {
                Source::Case(number) => run(&shared, number, case),
                // They ran before.
                Source::Kept(_) => Ok(None),
            },
            &mut |progressed| {
                match progressed {
                    Progressed::Next(Source::Case(number), done) => {
                        self.take(number, done, &shared)?;
                    }
                    Progressed::Next(Source::Kept(_), _)
                    | Progressed::Ran(_)
                    | Progressed::LeftOut => {}
                    // A first reason stays the reason.
                    Progressed::Waiting => end = end.or(self.look_up()?),
                }
                Ok(match end {
                    None => GoOn::Yes,
                    Some(_) => GoOn::WithThoseUnderWay,
                })
            },
        )?;
        Ok(match end {
            _ if self.is_interrupted() => CampaignEnd::Interrupted,
            end => end.unwrap_or_default(),
        })
    }

    /// Counts one case. A bug is on the disk before it is reported.
    fn take(&mut self, number: u64, done: Done, shared: &Shared<'_>) -> Result<(), CampaignError> {
        let totals = &mut self.state.totals;
        self.state.done += 1;
        totals.count(false, &done.coverage, done.left_out, done.not_asked);
        self.unknown_in_a_row = match done.result {
            CaseResult::Unknown(_) => self.unknown_in_a_row + 1,
            _ => 0,
        };
        match done.result {
            CaseResult::Held => totals.held += 1,
            CaseResult::Unknown(why) => totals.leave_unjudged(Unjudged {
                case: Some(number),
                file: PathBuf::new(),
                why,
            }),
            CaseResult::Counted(rule, kind) => {
                totals.violate(rule, &kind, None);
            }
            CaseResult::Shrunk(case, bug) => self.take_bug(number, &case, *bug, shared)?,
        }
        Ok(())
    }

    fn take_bug(
        &mut self,
        number: u64,
        case: &Case,
        mut bug: Finding,
        shared: &Shared<'_>,
    ) -> Result<(), CampaignError> {
        let (rule, kind) = (bug.violation.rule, bug.violation.kind.clone());
        let history = std::mem::take(&mut bug.history);
        let totals = &mut self.state.totals;
        let is_new = totals.violate(rule, &kind, Some(bug.clone()));
        bug.history = history;
        let distinguished = totals.distinguished(rule, &kind);
        let times = totals.times(&bug);
        shared
            .distinguished
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((rule, kind), distinguished);
        if times <= PLANS_OF_A_BUG {
            self.folder.write_generated(&bug, number, case)?;
        }
        let bugs = self.state.totals.families().count() as u64;
        let is_unlike = bugs > self.bugs;
        self.bugs = bugs;
        if is_new {
            self.folder.write_bug(&bug)?;
            if is_unlike {
                bug.file = self.folder.keep(&bug, &self.config.campaign.command)?;
            }
        }
        self.write_state()?;
        if is_new && is_unlike {
            self.line.aside(|| (self.report)(News::Bug(&bug)));
        }
        self.folder.remove_found(number)
    }
}

/// Runs a case, and shrinks it where it breaks a rule; `None` when the interrupt cut it off.
fn run(shared: &Shared<'_>, number: u64, case: Case) -> Result<Option<Done>, CampaignError> {
    let target = shared.target;
    let ran = case.ran(&|plan, seed| shared.slowdown.run(target, plan, seed));
    let Ran {
        case,
        outcome,
        coverage,
        ..
    } = ran;
    let case_seed = case.seed;
    let is_cut_off = || shared.interrupt.load(Ordering::Relaxed);
    let Outcome {
        verdict,
        mut history,
        left_out,
        ..
    } = outcome;
    let not_asked = history.not_asked().to_vec();
    let seen = match (verdict, shared.found.get(&number)) {
        (Verdict::Violated(violation), _) => Ok(violation),
        // It was seen once, and stays found though this run did not show it.
        (verdict, Some(found)) if found.plan == case.plan => {
            if is_cut_off() && matches!(verdict, Verdict::Unknown { .. }) {
                return Ok(None);
            }
            history = History::default();
            Ok(found.violation.clone())
        }
        (verdict, _) => Err(verdict),
    };
    let result = match seen {
        Ok(violation) => match shown(shared, number, case, violation, history)? {
            Some(result) => result,
            None => return Ok(None),
        },
        Err(Verdict::Unknown { .. }) if is_cut_off() => return Ok(None),
        Err(Verdict::Unknown { why }) => CaseResult::Unknown(why),
        Err(_) => CaseResult::Held,
    };
    let verdict = match &result {
        CaseResult::Held => "held",
        CaseResult::Unknown(_) => "unknown",
        CaseResult::Counted(..) | CaseResult::Shrunk(..) => "violated",
    };
    tracing::debug!("case {number}, run seed {}: {verdict}", Seed(case_seed));
    Ok(Some(Done {
        coverage,
        left_out,
        not_asked,
        result,
    }))
}

/// Makes a failing case's plan as small as it can be. It is on the disk before that begins.
fn shown(
    shared: &Shared<'_>,
    number: u64,
    case: Case,
    violation: Violation,
    history: History,
) -> Result<Option<CaseResult>, CampaignError> {
    let key = (violation.rule, violation.kind.clone());
    let distinguished = shared
        .distinguished
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&key)
        .copied();
    if distinguished.is_some_and(|count| count >= DISTINGUISHED) {
        return Ok(Some(CaseResult::Counted(key.0, key.1)));
    }
    let (on, plan) = (shared.target.name(), case.plan.clone());
    let origin = Origin::Case(number);
    let found = Finding::new(on, origin, plan, case.seed, violation, history);
    shared.folder.write_found(number, &found)?;
    let smallest = catch_unwind(AssertUnwindSafe(|| {
        found.shrunk(shared.target, &shared.budget, &mut |_| {})
    }));
    if shared.interrupt.load(Ordering::Relaxed) {
        // Not as small as it can be, so it is not known which bug it is; it is written down.
        return Ok(None);
    }
    // Where the harness panicked at a smaller plan, the whole one is that of the bug.
    let bug = smallest.unwrap_or(found);
    Ok(Some(CaseResult::Shrunk(case, Box::new(bug))))
}
