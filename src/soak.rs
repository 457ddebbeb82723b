//! Campaigns that run unattended: for hours, on all cores and many machines, until they are asked
//! to end. What was found survives being killed.
//!
//! A soak runs the cases of a seed in the order of their numbers, and its [`SoakState`] says how many
//! of them are done and what their results are. It is written to the disk, whole, every few seconds
//! and before any finding is reported, so a soak that dies goes on where it was, and runs again what
//! was under way. Several machines each run a [`Shard`] of the cases; [`merge`] adds up their
//! states to what one machine would have found. A failure is shrunk at once, and is the same bug
//! as another when rule, kind and smallest plan are the same.

mod folder;
mod line;
mod lock;
mod merge;
mod state;
mod threads;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::campaign::{
    self, CampaignEnd, CampaignError, Case, Cases, GoOn, Progressed, Ran, Sample, Shard, Source,
    processor_time,
};
use crate::coverage::Promised;
use crate::finding::{Finding, Origin};
use crate::generate::{self, Shape};
use crate::history::History;
use crate::plan::Plan;
use crate::regression::{self, Seed};
use crate::runner;
use crate::site::cksum;
use crate::target::{Interrupt, Interruptible, Target};
use crate::verdict::Verdict;
use folder::Folder;
use line::Line;
use lock::Lock;

pub use merge::{Merged, MergedShard, merge};
pub use state::{Identity, SoakState, StateError};

/// The longest time between two writings of the state.
const WRITE_EVERY: Duration = Duration::from_secs(2);

/// The shortest time between two looks at anything but the cases.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// After so many cases in a row that the harness could not judge, a soak ends.
const UNKNOWN_IN_A_ROW: usize = 10;

/// So many cases distinguish one generator from another.
const HASHED_CASES: u64 = 16;

/// What a soak does.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its cases count over all shards, and it goes on after violations. Its folder is that of the
    /// soak: its state, and the plans that it found.
    pub campaign: campaign::Config,
    pub identity: Identity,
    pub shard: Shard,
    /// Time at work over all starts, if it is bounded.
    pub time: Option<Duration>,
    /// Goes on with the soak whose state is in the folder, if there is one.
    pub resume: bool,
}

/// What is reported while a soak goes on. It is on the disk before.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// The soak goes on with what an earlier start of it did.
    Resumed(&'a SoakState),
    /// A bug unlike those before it.
    Bug(&'a Finding),
    /// A kept plan fails again.
    Known(&'a Finding),
}

/// Why a folder cannot be that of a soak.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error(
        "{} holds a soak of seed {seed} with {done} cases done; go on with it by --resume, or name \
         another folder with --out", folder.display()
    )]
    Exists {
        folder: PathBuf,
        seed: String,
        done: u64,
    },
    #[error(
        "{} holds a soak whose {what} is {found}, not {asked}; ask for the same, or name another \
         folder with --out", folder.display()
    )]
    Differs {
        folder: PathBuf,
        what: &'static str,
        found: String,
        asked: String,
    },
    #[error(
        "{} holds what a soak left ({}), and no state.json; nothing was changed: copy its \
         state.previous.json to state.json and go on by --resume, or name another folder with --out",
        folder.display(), remains.display()
    )]
    NoState { folder: PathBuf, remains: PathBuf },
    #[error(
        "another soak is at work in {} (process {holder}); wait for its end, or name another folder \
         with --out", folder.display()
    )]
    Locked { folder: PathBuf, holder: String },
}

/// The result of a soak.
#[derive(Clone, PartialEq, Debug)]
pub struct SoakOutcome {
    pub state: SoakState,
    pub end: CampaignEnd,
    /// Cases that broke a rule, and could not be shrunk before the end: the next start does.
    pub pending: Vec<u64>,
}

/// Runs a soak until a bound is reached or it is asked to end. Everything that `report` gets is on
/// the disk by then.
///
/// # Errors
/// Where the folder is another soak's or cannot be written to, its state or a kept plan cannot be
/// read, or the target cannot start.
pub fn run(
    target: &(dyn Target + Sync),
    config: &Config,
    interrupt: &Interrupt,
    report: &mut dyn FnMut(News<'_>),
) -> Result<SoakOutcome, CampaignError> {
    let target = Interruptible {
        target,
        interrupt: interrupt.clone(),
    };
    let folder = Folder::open(&config.campaign.out, &config.campaign.regressions)?;
    let _lock = Lock::take(&config.campaign.out)?;
    let mut state = begin(config, &folder)?;
    state.totals.coverage.waits.promised = Some(Promised::of(&target.profile()));
    folder.sweep();
    // What keeps it from starting is reported once, and not as the fault of some plans.
    drop(target.start(&config.campaign.shape.sessions, config.campaign.seed)?);
    folder.write_state(&state)?;
    if state.starts > 1 {
        report(News::Resumed(&state));
    }
    let mut soak = Soak {
        config,
        interrupt,
        folder,
        worked_before: state.worked(),
        cpu_before: Duration::from_millis(state.cpu_ms).saturating_sub(processor_time()),
        began: Instant::now(),
        written: Instant::now(),
        looked: Instant::now(),
        unknown_in_a_row: 0,
        bugs: state.totals.families().count() as u64,
        line: Line::begin(config.campaign.quiet),
        report,
        state,
    };
    if config.shard.index == 0 && !soak.state.has_replayed {
        soak.replay(&target)?;
    }
    let end = soak.work(&target)?;
    soak.advance();
    soak.state.is_complete = end == CampaignEnd::Completed;
    soak.write_state()?;
    soak.line.end();
    let pending = soak.folder.read_found(config.shard, soak.state.done)?;
    Ok(SoakOutcome {
        state: soak.state,
        end,
        pending: pending.into_keys().collect(),
    })
}

/// A hash of the first cases of a seed, which distinguishes generators.
///
/// # Errors
/// Where the strategy rejects too many of its own plans.
pub fn hash_of_plans(shape: &Shape, seed: u64) -> Result<String, CampaignError> {
    let strategy = generate::plans(shape);
    let mut text = String::new();
    for number in 0..HASHED_CASES {
        let case = Case::generate(&strategy, seed, number).map_err(CampaignError::Generate)?;
        let _ = write!(text, "{}{}", case.plan, Seed(case.seed));
    }
    Ok(format!("{:08x}", cksum(text.as_bytes())))
}

/// The state to go on from.
fn begin(config: &Config, folder: &Folder) -> Result<SoakState, CampaignError> {
    let differs = |what, found, asked| FolderError::Differs {
        folder: config.campaign.out.clone(),
        what,
        found,
        asked,
    };
    let mut state = match SoakState::read(&config.campaign.out)? {
        None => match folder.remains() {
            Some(remains) => {
                let folder = config.campaign.out.clone();
                return Err(FolderError::NoState { folder, remains }.into());
            }
            None => SoakState::new(config.identity.clone(), config.shard),
        },
        Some(state) if !config.resume => {
            return Err(FolderError::Exists {
                folder: config.campaign.out.clone(),
                seed: state.identity.seed,
                done: state.done,
            }
            .into());
        }
        Some(state) => state,
    };
    if let Some((what, found, asked)) = state.identity.difference(&config.identity) {
        return Err(differs(what, found, asked).into());
    }
    if state.shard != config.shard {
        let (found, asked) = (state.shard.to_string(), config.shard.to_string());
        return Err(differs("shard", found, asked).into());
    }
    let most_ms = config.time.map(|time| time.as_millis() as u64);
    state.most_cases = config.campaign.cases.or(state.most_cases);
    state.most_ms = most_ms.or(state.most_ms);
    state.is_complete = false;
    state.starts += 1;
    Ok(state)
}

/// A soak at work.
struct Soak<'a> {
    config: &'a Config,
    interrupt: &'a Interrupt,
    folder: Folder,
    state: SoakState,
    worked_before: Duration,
    /// What the processor's time of this process is added to.
    cpu_before: Duration,
    began: Instant,
    /// When the state was last written.
    written: Instant,
    /// When it last looked up from taking cases.
    looked: Instant,
    unknown_in_a_row: usize,
    /// How many bugs there are, as they are reported.
    bugs: u64,
    line: Line,
    report: &'a mut dyn FnMut(News<'_>),
}

impl Soak<'_> {
    /// Runs the kept plans, as every campaign does first.
    fn replay(&mut self, target: &(dyn Target + Sync)) -> Result<(), CampaignError> {
        let config = &self.config.campaign;
        let mut kept = regression::read_all(&config.regressions)?;
        // What another shard found of the same cases is no news.
        let is_own = |(_, text): &(usize, String)| text.ends_with(&config.command);
        kept.retain(|kept| !kept.plan.comments.iter().any(is_own));
        let judge = |plan: &Plan, seed| runner::run_confirmed(target, plan, seed);
        let folder = self.folder.clone();
        let cases = Cases {
            config: &campaign::Config {
                cases: Some(0),
                ..config.clone()
            },
            shard: self.config.shard,
            done: 0,
            kept: &kept,
            case_file: &|job| folder.running(job),
        };
        let mut is_cut_off = false;
        let run = |_, case: Case| Ok(Some(case.ran(&judge)));
        cases.run(&run, &mut |progressed| {
            let Progressed::Next(Source::Kept(kept), ran) = progressed else {
                return Ok(GoOn::Yes);
            };
            if self.is_interrupted() {
                // All of them run again at the next start.
                is_cut_off = true;
                return Ok(GoOn::No);
            }
            let Ran { case, outcome, .. } = ran;
            let totals = &mut self.state.totals;
            let not_asked = outcome.history.not_asked().to_vec();
            totals.count(true, &ran.coverage, Vec::new(), not_asked);
            match outcome.verdict {
                Verdict::Held => totals.held += 1,
                Verdict::Unknown { .. } => totals.unknown += 1,
                Verdict::Violated(violation) => {
                    totals.violated += 1;
                    let (on, history) = (target.name(), History::default());
                    let known =
                        Finding::new(on, Origin::Kept, case.plan, case.seed, violation, history);
                    totals.known.push(Finding {
                        file: kept.path.clone(),
                        ..known
                    });
                }
            }
            self.advance();
            Ok(GoOn::Yes)
        })?;
        if is_cut_off {
            return Ok(());
        }
        self.state.has_replayed = true;
        self.write_state()?;
        for known in &self.state.totals.known {
            self.line.aside(|| (self.report)(News::Known(known)));
        }
        Ok(())
    }

    fn is_interrupted(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed)
    }

    /// Whether the time that was asked for is over.
    fn is_over(&self) -> bool {
        let worked = self.worked();
        self.state
            .most_ms
            .is_some_and(|most| worked >= Duration::from_millis(most))
    }

    fn worked(&self) -> Duration {
        self.worked_before + self.began.elapsed()
    }

    /// Now and then takes a sample, shows how far it is, and writes the state. Returns how it
    /// ends, if it has to.
    fn look_up(&mut self) -> Result<Option<CampaignEnd>, CampaignError> {
        if self.looked.elapsed() < LOOK_EVERY {
            return Ok(None);
        }
        self.looked = Instant::now();
        self.advance();
        if self.written.elapsed() >= WRITE_EVERY {
            self.write_state()?;
        }
        Ok(if self.is_interrupted() || self.folder.take_stop() {
            Some(CampaignEnd::Interrupted)
        } else if self.unknown_in_a_row >= UNKNOWN_IN_A_ROW {
            Some(CampaignEnd::GaveUp)
        } else {
            self.is_over().then_some(CampaignEnd::Completed)
        })
    }

    fn advance(&mut self) {
        self.state.worked_ms = self.worked().as_millis() as u64;
        self.state.cpu_ms = (self.cpu_before + processor_time()).as_millis() as u64;
        let state = &mut self.state;
        let sample = Sample::of(&state.totals, state.worked_ms, state.cpu_ms);
        if state.samples.is_due(sample.at_ms) {
            state.samples.take(sample);
        }
        self.line.show(&self.state, &sample, self.bugs);
    }

    fn write_state(&mut self) -> Result<(), CampaignError> {
        self.state.worked_ms = self.worked().as_millis() as u64;
        self.folder.write_state(&self.state)?;
        self.written = Instant::now();
        tracing::debug!("state written: {} cases done", self.state.done);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
