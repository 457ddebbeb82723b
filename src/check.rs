//! A crate's own test of its own system: one line that runs plans, and fails with the smallest plan
//! that breaks a rule.
//!
//! Implement [`Target`] and [`Run`](crate::target::Run) for the system, then:
//!
//! ```no_run
//! # fn my_target() -> shakedown::target::sim::Sim { Default::default() }
//! // #[test]
//! fn recovers() {
//!     shakedown::check(&my_target());
//! }
//! ```
//!
//! Plans that are kept in the crate's `proptest-regressions/` run first, generated ones next. A plan
//! that breaks a rule is shrunk, explained and kept there, and the test panics with the report, which
//! names the command that repeats it. `examples/toy.rs` shows all of it on a small system.
//!
//! `PROPTEST_CASES`, `PROPTEST_RNG_SEED`, `PROPTEST_MAX_SHRINK_ITERS`, `PROPTEST_MAX_SHRINK_TIME`,
//! `PROPTEST_MAX_LOCAL_REJECTS`, `PROPTEST_MAX_GLOBAL_REJECTS` and
//! `PROPTEST_DISABLE_FAILURE_PERSISTENCE` mean what they mean to proptest.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proptest::test_runner::Config as ProptestConfig;

use crate::campaign::{self, Config, Summary};
use crate::generate::Shape;
use crate::plan::SessionId;
use crate::report::{self, Style};
use crate::target::{Interrupt, Target};

/// Checks that a system recovers: kept plans first, then as many generated ones as `PROPTEST_CASES`
/// says, else 256.
///
/// # Panics
/// Where a plan breaks a rule, with its report; and where some could not be judged.
#[track_caller]
pub fn check(target: &(dyn Target + Sync)) {
    Check::new(target).run();
}

/// A check with numbers other than the default ones.
#[derive(Clone)]
pub struct Check<'a> {
    target: &'a (dyn Target + Sync),
    cases: u32,
    jobs: usize,
    shape: Shape,
    regressions: PathBuf,
}

impl<'a> Check<'a> {
    /// The check that [`check`] makes: one plan at a time where time is real, one for each core
    /// elsewhere.
    pub fn new(target: &'a (dyn Target + Sync)) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // Cargo sets it for tests and examples.
        let crate_folder = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
        Self {
            target,
            cases: 256,
            jobs: if target.is_deterministic() { cores } else { 1 },
            shape: Shape::default(),
            regressions: Path::new(&crate_folder).join("proptest-regressions"),
        }
    }

    /// Generates so many plans, where `PROPTEST_CASES` does not say otherwise.
    #[must_use]
    pub fn cases(self, cases: u32) -> Self {
        Self { cases, ..self }
    }

    /// Runs so many plans at the same time.
    #[must_use]
    pub fn jobs(self, jobs: usize) -> Self {
        Self { jobs, ..self }
    }

    /// Generates plans of at most so many steps [default: 30].
    #[must_use]
    pub fn max_steps(mut self, steps: usize) -> Self {
        self.shape.max_steps = steps;
        self
    }

    /// Generates plans for these sessions [default: two of one client, one of another].
    #[must_use]
    pub fn sessions(mut self, sessions: impl IntoIterator<Item = SessionId>) -> Self {
        self.shape.sessions = sessions.into_iter().collect();
        self
    }

    /// Reads kept plans from this folder and keeps new ones there [default: the crate's
    /// `proptest-regressions/`].
    #[must_use]
    pub fn regressions(self, folder: impl Into<PathBuf>) -> Self {
        Self {
            regressions: folder.into(),
            ..self
        }
    }

    /// Runs the plans, and prints what they reached.
    ///
    /// # Panics
    /// As [`check`].
    #[track_caller]
    pub fn run(&self) {
        match self.report() {
            Ok(summary) => print!("{summary}"),
            Err(report) => panic!("{report}"),
        }
    }

    /// Runs the plans, and returns what they reached.
    ///
    /// # Errors
    /// The report of each violation, or why plans could not be judged.
    pub fn report(&self) -> Result<String, String> {
        let config = self.config();
        let ended = campaign::run(self.target, &config, &Interrupt::default());
        let summary = ended.map_err(|error| error.to_string())?;
        let style = Style::PLAIN;
        let mut report = String::new();
        for found in &summary.found {
            report.push_str(&report::violation(found, &repeat(&config, &summary), style));
            let _ = writeln!(report, "\nThe plan as text\n{}", found.plan);
        }
        let reached = report::summary(&summary, style);
        if !summary.found.is_empty() {
            // What other plans did not reach is no concern of this one.
            report.extend(reached.split_inclusive('\n').take(1));
            return Err(report);
        }
        if summary.totals.unknown == 0 {
            Ok(reached)
        } else {
            Err(reached)
        }
    }

    fn config(&self) -> Config {
        let seed = campaign::seed_or_drawn(None);
        // Beside the test's own program, where nothing is kept under version control.
        let out = std::env::current_exe().unwrap_or_default();
        let out = out.with_extension("shakedown").join(test_name());
        let regressions = if keeps_failures() {
            self.regressions.clone()
        } else {
            let folder = out.join("regressions");
            // Those of an earlier run are not to run first.
            let _ = std::fs::remove_dir_all(&folder);
            folder
        };
        Config {
            cases: Some(campaign::cases_or(None, self.cases).into()),
            seed,
            shape: self.shape.clone(),
            jobs: self.jobs,
            kept_for: None,
            keep_going: false,
            quiet: true,
            out,
            regressions,
            first: Vec::new(),
            replays: true,
            command: format!("PROPTEST_RNG_SEED={seed} {}", test_command()),
        }
    }
}

/// Whether proptest's variables let failures be kept.
fn keeps_failures() -> bool {
    ProptestConfig::default().failure_persistence.is_some()
}

/// The command that shows a violation again: a kept plan is the first to run.
fn repeat(config: &Config, summary: &Summary) -> String {
    if keeps_failures() {
        test_command()
    } else {
        format!(
            "PROPTEST_CASES={} {}",
            summary.asked.unwrap_or_default(),
            config.command
        )
    }
}

/// The command that runs the test which calls this, as far as it can be known.
fn test_command() -> String {
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    let thread = std::thread::current();
    let test = thread.name().filter(|name| *name != "main");
    match test {
        Some(test) if !package.is_empty() => format!("cargo test -p {package} {test} -- --exact"),
        _ => std::env::args().collect::<Vec<_>>().join(" "),
    }
}

/// The test's name as that of a folder: libtest names the threads after the tests.
fn test_name() -> String {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("main");
    name.replace(|c: char| !c.is_alphanumeric(), "-")
}
