//! `shakedown shrink`: its arguments, and how a plan from elsewhere is made as small as it can be.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use super::outputs::{RunOutputArgs, distinct, write};
use super::soak::time;
use super::{TargetArgs, given, seed};
use crate::campaign::Finished;
use crate::cli::aws;
use crate::cli::dispatch::{Exit, interrupted_by_signals, print_data};
use crate::cli::open::open_with;
use crate::coverage::Coverage;
use crate::finding::{Finding, Origin, shrink_budget};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::regression;
use crate::repeat::{Command, Repeat, Setup};
use crate::report::page::run::Run;
use crate::report::{self, lines, page};
use crate::runner::{self, Outcome};
use crate::shrink::{shrink, shrink_here};
use crate::target::{Interrupt, Interruptible, Target};
use crate::verdict::Verdict;

/// Runs that a plan of unknown seed, or on a target with chances of its own, is given to show its
/// violation.
const TRIES: u64 = 8;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ShrinkArgs {
    /// The plan, or a history with its plan, target and seed
    pub file: PathBuf,
    #[command(flatten)]
    pub target: TargetArgs,
    /// The run's seed [default: the one that the file names]
    #[arg(long, value_name = "S", value_parser = seed)]
    pub seed: Option<u64>,
    /// The most runs [default: PROPTEST_MAX_SHRINK_ITERS, else 60 on sim and 40 on local]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: Option<u32>,
    /// The longest time, such as 90s or 10m [default: PROPTEST_MAX_SHRINK_TIME, else 2m]
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub time: Option<Duration>,
    /// Make it small on the target itself: what is found on local is tried on sim first otherwise,
    /// which is quicker where sim shows the same
    #[arg(long)]
    pub no_twin: bool,
    /// Where the smallest plan is kept
    #[arg(long, value_name = "DIR", default_value = "proptest-regressions")]
    pub regressions: PathBuf,
    /// Plant a defect in the system, to see how its plans shrink
    #[arg(long, value_name = "NAME")]
    pub defect: Option<String>,
    #[command(flatten)]
    pub output: RunOutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  shakedown shrink colleague.plan                  where it was found, with its seed
  shakedown shrink events.jsonl --target local     the plan of a history
  shakedown shrink long.plan --runs 500 --for 10m
  shakedown shrink found.plan --target local --no-twin
  shakedown shrink long.plan --html small.html     the timeline of the smallest plan

--json prints a line of type `shrunk`, or of type `plan` where the plan breaks no rule.";

/// Runs the plan, and shrinks it if it violates a rule.
pub fn run(args: &ShrinkArgs, quiet: bool) -> Exit {
    match shrink_file(args, quiet) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn shrink_file(args: &ShrinkArgs, quiet: bool) -> Result<Exit, Exit> {
    distinct(&[&args.file], &[("--html", args.output.html.as_deref())])?;
    let given = given::read(&args.file, &args.target, args.seed, args.defect.as_deref())?;
    aws::refuse(given.name, "shrink")?;
    let target = open_with(given.name, &given.target, given.defect.as_deref())?;
    if args.no_twin && target.twin().is_none() {
        eprintln!(
            "{} has no twin; --no-twin is for `--target local`",
            target.name()
        );
        return Err(Exit::Usage);
    }
    let setup = given.target.setup(target.name(), given.defect.as_deref());
    let interrupt = interrupted_by_signals();
    let target = Interruptible {
        target: &*target,
        interrupt: interrupt.clone(),
    };
    let seed = given.seed;
    let output = &args.output;
    let style = output.style();
    let began = Instant::now();
    let (seed, outcome) = first_violation(&target, &given.plan, seed, &interrupt);
    if !matches!(outcome.verdict, Verdict::Violated(_)) {
        not_violated(
            args,
            &target,
            &setup,
            &given.plan,
            seed,
            &outcome,
            began.elapsed(),
        )?;
    }
    let found = match outcome.verdict {
        Verdict::Violated(violation) => {
            let (on, origin, plan) = (target.name(), Origin::Given, given.plan);
            Finding::new(on, origin, plan, seed, violation, outcome.history)
        }
        Verdict::Held => {
            output.print(&format!(
                "{} on {}: {} steps break no rule, so there is nothing to shrink; if it is seldom \
                 that they do, name the run's seed with --seed\n",
                style.good("HELD"),
                target.name(),
                given.plan.steps.len()
            ));
            return Ok(Exit::Held);
        }
        Verdict::Unknown { why } => {
            output.print(&format!(
                "{} on {}: {why}\n",
                style.odd("UNKNOWN"),
                target.name()
            ));
            return Ok(Exit::Unknown);
        }
    };
    let mut budget = shrink_budget(&target);
    budget.runs = args.runs.unwrap_or(budget.runs);
    budget.time = args.time.unwrap_or(budget.time);
    let most = u64::from(budget.runs);
    let mut progress = Progress::begin(quiet, &format!("shrinking {}", found.violation.rule), most);
    let shrink = if args.no_twin { shrink_here } else { shrink };
    let smallest = shrink(&target, &found, &budget, &mut |at| {
        progress.at(u64::from(at.runs), most, &format!("{} steps", at.steps));
    });
    progress.end();
    keep_and_report(args, &target, &setup, smallest)?;
    if interrupt.load(std::sync::atomic::Ordering::Relaxed) {
        eprintln!("interrupted; a smaller plan may be found by running the command again");
    }
    Ok(Exit::Violated)
}

/// Writes what was asked for of a plan that breaks no rule, or that could not be judged.
fn not_violated(
    args: &ShrinkArgs,
    target: &dyn Target,
    setup: &Setup,
    plan: &Plan,
    seed: u64,
    outcome: &Outcome,
    took: Duration,
) -> Result<(), Exit> {
    let written = args.output.write(&Run {
        target: target.name(),
        site: target.site(),
        plan,
        seed,
        verdict: &outcome.verdict,
        history: &outcome.history,
        settled: outcome.settled.as_deref(),
        left_out: &outcome.left_out,
        origin: &format!("from {}", args.file.display()),
        replay: &Repeat::replay(setup, &args.file, seed).as_called(),
        finding: None,
    });
    if args.output.json {
        let finished = Finished {
            number: 1,
            kept: Some(&args.file),
            plan,
            seed,
            verdict: &outcome.verdict,
            coverage: &Coverage::of(plan, &outcome.history),
            left_out: &outcome.left_out,
            not_asked: outcome.history.not_asked(),
            took,
            file: None,
        };
        print_data(&lines::plan(target.name(), &finished));
    }
    written.map_err(|error| {
        eprintln!("{error}");
        Exit::Unknown
    })
}

/// The first run that violates a rule, or the last one, and its seed. More than one is tried where
/// the seed is not known or does not decide.
fn first_violation(
    target: &dyn Target,
    plan: &Plan,
    seed: Option<u64>,
    interrupt: &Interrupt,
) -> (u64, Outcome) {
    let is_certain = seed.is_some() && target.is_deterministic();
    let tries = if is_certain { 1 } else { TRIES };
    let first = seed.unwrap_or_default();
    let mut last = (first, runner::run_confirmed(target, plan, first));
    for more in 1..tries {
        let is_over = interrupt.load(std::sync::atomic::Ordering::Relaxed);
        if is_over || matches!(last.1.verdict, Verdict::Violated(_)) {
            break;
        }
        let seed = first.wrapping_add(more);
        last = (seed, runner::run_confirmed(target, plan, seed));
    }
    last
}

/// The command that shrinks the same again.
pub fn repeat(args: &ShrinkArgs, setup: &Setup, seed: u64) -> Repeat {
    Repeat {
        command: Command::Shrink {
            file: args.file.clone(),
            runs: args.runs,
            no_twin: args.no_twin,
        },
        setup: Some(setup.clone()),
        seed,
    }
}

/// Keeps the smallest plan, explains it, and writes what was asked for.
fn keep_and_report(
    args: &ShrinkArgs,
    target: &dyn Target,
    setup: &Setup,
    mut smallest: Finding,
) -> Result<(), Exit> {
    let command = repeat(args, setup, smallest.seed).to_string();
    let kept = regression::keep(&args.regressions, &smallest, &command);
    smallest.file = kept.map_err(|why| {
        eprintln!(
            "while writing {}: {why}; make the folder writable, or name another with --regressions",
            args.regressions.display()
        );
        Exit::Unknown
    })?;
    if args.no_twin && !target.is_deterministic() {
        smallest.explain(target.site());
    } else {
        smallest.explain_on(target);
    }
    let replay = Repeat::replay(setup, &smallest.file, smallest.seed).as_called();
    let output = &args.output;
    output.print(&report::violation(&smallest, &replay, output.style()));
    if output.json {
        print_data(&lines::shrunk(&smallest, &replay));
    }
    if let Some(path) = &output.html
        && let Err(error) = write(path, &page::finding(&smallest, target.site(), &replay))
    {
        // It is violated, whatever cannot be written.
        eprintln!("{error}");
    }
    Ok(())
}
