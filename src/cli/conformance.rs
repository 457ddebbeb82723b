//! `shakedown conformance`: its arguments, and what it does with them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use super::outputs::{OutputArgs, WriteError};
use super::{TargetArgs, TargetName, seed, time_scale};
use crate::cli::dispatch::{Exit, interrupted_by_signals};
use crate::cli::open::open;
use crate::conformance::{self, Compared};
use crate::finding::{Finding, Origin};
use crate::plan::Plan;
use crate::regression::{self, Seed};
use crate::repeat::{Command, Repeat};
use crate::report;
use crate::report::checks::Checks;
use crate::report::page::run::Run;
use crate::site::SiteKind;
use crate::target::Interruptible;
use crate::verdict::NotAsked;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ConformanceArgs {
    /// Files of plans, or names of those that come with the program [default: all of these]
    pub files: Vec<PathBuf>,
    /// The seed of every run
    #[arg(long, value_name = "S", default_value = "1", value_parser = seed)]
    pub seed: u64,
    /// How many plans run at once
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: u16,
    /// Real seconds for each of the system's seconds, on local; such as 0.05 [default: 1/30]
    #[arg(long, value_name = "X", value_parser = time_scale)]
    pub time_scale: Option<f64>,
    #[command(flatten)]
    pub output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  shakedown conformance                            the plans that come with the program
  shakedown conformance my.plan other.plan --seed 3
  shakedown conformance --html report/ --junit junit.xml

--html writes a list of the plans, and the timelines of both runs of each; --junit a test case for
each plan; --json a line of type `comparison` for each, and a `summary`.";

/// Where plans are compared.
const TARGETS: [&str; 2] = ["sim", "local"];

/// Runs plans on sim and on local, and reports where they end in different ways.
pub fn run(args: &ConformanceArgs) -> Exit {
    match compare(args) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn compare(args: &ConformanceArgs) -> Result<Exit, Exit> {
    let files: Vec<&Path> = args.files.iter().map(PathBuf::as_path).collect();
    args.output.distinct(&files, &[])?;
    let plans = plans(&args.files)?;
    let on = TargetArgs {
        target: None,
        time_scale: args.time_scale,
        ..TargetArgs::of(TargetName::Sim)
    };
    let sim = open(TargetName::Sim, &TargetArgs::of(TargetName::Sim))?;
    let local = open(TargetName::Local, &on)?;
    let interrupt = interrupted_by_signals();
    let [sim, local] = [&*sim, &*local].map(|target| Interruptible {
        target,
        interrupt: interrupt.clone(),
    });
    let compared = conformance::compare_all(&plans, [&sim, &local], args.seed, args.jobs.into());
    let output = &args.output;
    output.print(&report::conformance(&compared, TARGETS, output.style()));
    let not_asked = not_asked(&compared);
    output.print(&report::not_asked(&not_asked, output.style()));
    let exit = if compared.iter().any(|plan| !plan.differences.is_empty()) {
        Exit::Violated
    } else if compared.iter().any(|plan| plan.unknown.is_some()) {
        Exit::Unknown
    } else {
        Exit::Held
    };
    Ok(exit.where_written(write(args, &compared)))
}

/// What was not asked on either target.
fn not_asked(compared: &[Compared]) -> BTreeSet<NotAsked> {
    let runs = compared.iter().flat_map(|of| &of.outcomes);
    runs.flat_map(|run| run.history.not_asked())
        .cloned()
        .collect()
}

/// Writes what was asked for.
fn write(args: &ConformanceArgs, compared: &[Compared]) -> Result<(), WriteError> {
    let checks = compared.iter().map(|of| {
        let repeat = repeat(args, std::slice::from_ref(&of.name)).as_called();
        let [sim, local] = TARGETS.map(|target| page(args, of, target, &repeat));
        Ok(report::comparison(of, TARGETS, &repeat, [sim?, local?]))
    });
    let files: Vec<String> = args.files.iter().map(|f| f.display().to_string()).collect();
    args.output.write_checks(&Checks {
        title: "Sim and local compared".into(),
        kind: "comparison",
        target: TARGETS.join("-"),
        seed: Seed(args.seed).to_string(),
        command: repeat(args, &files).as_called(),
        interrupted: false,
        not_asked: not_asked(compared),
        checks: checks.collect::<Result<_, _>>()?,
    })
}

/// Writes the page of a plan's run on one target, and returns the link to it.
fn page(
    args: &ConformanceArgs,
    of: &Compared,
    target: &'static str,
    repeat: &str,
) -> Result<Option<String>, WriteError> {
    let outcome = &of.outcomes[usize::from(target != TARGETS[0])];
    let (verdict, history) = (&outcome.verdict, &outcome.history);
    let found = Finding::of(target, Origin::Given, &of.plan, args.seed, verdict, history);
    let finding = found.map(|mut found| {
        found.explain(SiteKind::Shell);
        found
    });
    // Files of several folders may have one name.
    let name = of.name.trim_end_matches(".plan").replace(['/', '\\'], "-");
    args.output.write_run(
        &format!("{name}-{target}"),
        &Run {
            target,
            site: SiteKind::Shell,
            plan: &of.plan,
            seed: args.seed,
            verdict: &outcome.verdict,
            history: &outcome.history,
            settled: outcome.settled.as_deref(),
            left_out: &outcome.left_out,
            origin: &format!(
                "the plan {}, compared on {}",
                of.name,
                TARGETS.join(" and ")
            ),
            replay: repeat,
            finding: finding.as_ref(),
        },
    )
}

/// The command that compares these plans again, with the program as it was called.
pub fn repeat(args: &ConformanceArgs, plans: &[String]) -> Repeat {
    Repeat {
        command: Command::Conformance {
            plans: plans.to_vec(),
            time_scale: args.time_scale,
        },
        setup: None,
        seed: args.seed,
    }
}

/// The plans of these files or names, or all those that come with the program.
fn plans(files: &[PathBuf]) -> Result<Vec<(String, Plan)>, Exit> {
    let own = conformance::own_plans().map_err(|error| {
        eprintln!("a plan that comes with the program cannot be read: {error}; report it");
        Exit::Unknown
    })?;
    if files.is_empty() {
        return Ok(own);
    }
    let read = |file: &PathBuf| {
        let known = own.iter().find(|(name, _)| file == Path::new(name));
        if let Some(known) = known.filter(|_| !file.exists()) {
            return Ok(known.clone());
        }
        match regression::read(file) {
            Ok(kept) => Ok((file.display().to_string(), kept.plan)),
            Err(error) => {
                eprintln!("{error}");
                Err(Exit::Usage)
            }
        }
    };
    files.iter().map(read).collect()
}
