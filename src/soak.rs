//! Campaigns that run unattended: for hours, on all cores and many machines, until they are asked
//! to end. What was found survives being killed.
//!
//! A soak runs the cases of a seed in the order of their numbers, and its [`State`] says how many
//! of them are done and what their results are. It is written to the disk, whole, every few seconds
//! and before any finding is reported, so a soak that dies goes on where it was, and runs again what
//! was under way. Several machines each run a [`Shard`] of the cases; [`merge`] adds up their
//! states to what one machine would have found. A failure is shrunk at once, and is the same bug
//! as another when rule, kind and smallest plan are the same.

pub(crate) mod figures;
mod folder;
mod line;
mod lock;
mod merge;
mod shard;
mod state;
mod threads;
mod totals;

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::campaign::Case;
use crate::finding::{Finding, Origin};
use crate::generate::{self, Shape};
use crate::history::History;
use crate::regression::{self, ReadError, Seed};
use crate::runner;
use crate::site::cksum;
use crate::target::{Interrupt, Interruptible, Target, TargetError};
use crate::verdict::Verdict;
use figures::{memory_in_use, processor_time};
use folder::Folder;
use line::Line;
use lock::Lock;

pub use figures::{Quarters, Sample};
pub use merge::{Merged, Part, merge};
pub use shard::Shard;
pub use state::{Identity, State, StateError};
#[cfg(test)]
use totals::TOLD_APART;
pub use totals::{Failures, Totals};

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
    pub identity: Identity,
    /// The seed that the identity names.
    pub seed: u64,
    pub shape: Shape,
    pub shard: Shard,
    /// Cases over all shards, if they are bounded.
    pub cases: Option<u64>,
    /// Time at work over all starts, if it is bounded.
    pub time: Option<Duration>,
    /// Plans that run at the same time.
    pub jobs: usize,
    pub quiet: bool,
    /// Goes on with the soak whose state is in the folder, if there is one.
    pub resume: bool,
    /// The soak's folder: its state, and the plans that it found.
    pub out: PathBuf,
    /// Where kept plans are, and where new ones go.
    pub regressions: PathBuf,
    /// The command line that starts this soak again, for the comment of a kept plan.
    pub command: String,
}

/// What is reported while a soak goes on. It is on the disk before.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// The soak goes on with what an earlier start of it did.
    Resumed(&'a State),
    /// A bug unlike those before it.
    Bug(&'a Finding),
    /// A kept plan fails again.
    Known(&'a Finding),
}

/// Why a soak came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It did all that was asked for.
    Complete,
    /// By a signal, or because a file called `stop` was in its folder.
    Told,
    /// The harness failed again and again.
    GaveUp,
}

/// Why a soak could not go on. A violation is no error.
#[derive(Debug, thiserror::Error)]
pub enum SoakError {
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
        "another soak is at work in {} (process {holder}); wait for its end, or name another folder \
         with --out", folder.display()
    )]
    Locked { folder: PathBuf, holder: String },
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Kept(#[from] ReadError),
    #[error(
        "while writing {}: {why}; make room or the folder writable, then go on with --resume",
        path.display()
    )]
    Write { path: PathBuf, why: io::Error },
    /// The target cannot start at all.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Generation itself failed.
    #[error("{0}; ask for another seed or fewer steps")]
    Generate(String),
}

/// The result of a soak.
#[derive(Clone, PartialEq, Debug)]
pub struct Ended {
    pub state: State,
    pub how: End,
    /// Cases that broke a rule, and could not be shrunk before the end: the next start does.
    pub pending: Vec<u64>,
}

/// Runs a soak until a bound is reached or it is asked to end. Everything that `tell` gets is on
/// the disk by then.
///
/// # Errors
/// Where the folder is another soak's or cannot be written to, its state or a kept plan cannot be
/// read, or the target cannot start.
pub fn run(
    target: &(dyn Target + Sync),
    config: &Config,
    interrupt: &Interrupt,
    tell: &mut dyn FnMut(News<'_>),
) -> Result<Ended, SoakError> {
    let target = Interruptible {
        target,
        interrupt: interrupt.clone(),
    };
    let folder = Folder::open(&config.out, &config.regressions)?;
    let _lock = Lock::take(&config.out)?;
    folder.sweep();
    let state = begin(config)?;
    // What keeps it from starting is reported once, and not as the fault of some plans.
    drop(target.start(&config.shape.sessions, config.seed)?);
    folder.write_state(&state)?;
    if state.starts > 1 {
        tell(News::Resumed(&state));
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
        line: Line::begin(config.quiet),
        tell,
        state,
    };
    if config.shard.index == 0 && !soak.state.has_replayed {
        soak.replay(&target)?;
    }
    let how = soak.work(&target)?;
    soak.advance();
    soak.state.is_complete = how == End::Complete;
    soak.write_state()?;
    soak.line.end();
    let pending = soak.folder.read_found(config.shard, soak.state.done)?;
    Ok(Ended {
        state: soak.state,
        how,
        pending: pending.into_keys().collect(),
    })
}

/// A hash of the first cases of a seed, which distinguishes generators.
///
/// # Errors
/// Where the strategy rejects too many of its own plans.
pub fn hash_of_plans(shape: &Shape, seed: u64) -> Result<String, SoakError> {
    let strategy = generate::plans(shape);
    let mut text = String::new();
    for number in 0..HASHED_CASES {
        let case = Case::generate(&strategy, seed, number).map_err(SoakError::Generate)?;
        let _ = write!(text, "{}{}", case.plan, Seed(case.seed));
    }
    Ok(format!("{:08x}", cksum(text.as_bytes())))
}

/// The state to go on from.
fn begin(config: &Config) -> Result<State, SoakError> {
    let differs = |what, found, asked| SoakError::Differs {
        folder: config.out.clone(),
        what,
        found,
        asked,
    };
    let mut state = match State::read(&config.out)? {
        None => State::new(config.identity.clone(), config.shard),
        Some(state) if !config.resume => {
            return Err(SoakError::Exists {
                folder: config.out.clone(),
                seed: state.identity.seed,
                done: state.done,
            });
        }
        Some(state) => state,
    };
    if let Some((what, found, asked)) = state.identity.difference(&config.identity) {
        return Err(differs(what, found, asked));
    }
    if state.shard != config.shard {
        let (found, asked) = (state.shard.to_string(), config.shard.to_string());
        return Err(differs("shard", found, asked));
    }
    let most_ms = config.time.map(|time| time.as_millis() as u64);
    state.most_cases = config.cases.or(state.most_cases);
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
    state: State,
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
    tell: &'a mut dyn FnMut(News<'_>),
}

impl Soak<'_> {
    /// Runs the kept plans, as every campaign does first.
    fn replay(&mut self, target: &(dyn Target + Sync)) -> Result<(), SoakError> {
        for kept in regression::read_all(&self.config.regressions)? {
            // What another shard found of the same cases is no news.
            let is_own = |(_, text): &(usize, String)| text.ends_with(&self.config.command);
            if kept.plan.comments.iter().any(is_own) {
                continue;
            }
            let case = Case {
                seed: kept.seed.unwrap_or_default(),
                plan: kept.plan,
            };
            let (outcome, coverage) = case.run(&|plan, seed| runner::run(target, plan, seed));
            if self.is_interrupted() {
                // All of them run again at the next start.
                return Ok(());
            }
            let totals = &mut self.state.totals;
            totals.replayed += 1;
            totals.coverage.add(&coverage);
            match outcome.verdict {
                Verdict::Held => totals.held += 1,
                Verdict::Unknown { .. } => totals.unknown += 1,
                Verdict::Violated(violation) => {
                    totals.violated += 1;
                    let (on, history) = (&self.state.identity.setup.target, History::default());
                    let known =
                        Finding::new(on, Origin::Kept, case.plan, case.seed, violation, history);
                    totals.known.push(Finding {
                        file: kept.path,
                        ..known
                    });
                }
            }
            self.advance();
        }
        self.state.has_replayed = true;
        self.write_state()?;
        for known in &self.state.totals.known {
            self.line.aside(|| (self.tell)(News::Known(known)));
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
    fn look_up(&mut self) -> Result<Option<End>, SoakError> {
        if self.looked.elapsed() < LOOK_EVERY {
            return Ok(None);
        }
        self.looked = Instant::now();
        self.advance();
        if self.written.elapsed() >= WRITE_EVERY {
            self.write_state()?;
        }
        Ok(if self.is_interrupted() || self.folder.take_stop() {
            Some(End::Told)
        } else if self.unknown_in_a_row >= UNKNOWN_IN_A_ROW {
            Some(End::GaveUp)
        } else {
            self.is_over().then_some(End::Complete)
        })
    }

    fn advance(&mut self) {
        self.state.worked_ms = self.worked().as_millis() as u64;
        self.state.cpu_ms = (self.cpu_before + processor_time()).as_millis() as u64;
        let totals = &self.state.totals;
        let sample = Sample {
            at_ms: self.state.worked_ms,
            plans: totals.cases + totals.replayed,
            steps: totals.coverage.steps,
            violated: totals.violated,
            unknown: totals.unknown,
            bugs: self.bugs,
            reached: totals.coverage.sometimes.len() as u64,
            memory: memory_in_use(),
            cpu_ms: self.state.cpu_ms,
            start: self.state.starts,
        };
        self.state.figures.sample(sample);
        self.line.show(&self.state, &sample);
    }

    fn write_state(&mut self) -> Result<(), SoakError> {
        self.state.worked_ms = self.worked().as_millis() as u64;
        self.folder.write_state(&self.state)?;
        self.written = Instant::now();
        tracing::debug!("state written: {} cases done", self.state.done);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
