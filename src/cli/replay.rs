//! What `shakedown replay` does: one plan, run again and reported.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::outputs::{RunOutputArgs, distinct};
use super::{TargetArgs, TargetName, given, seed};
use crate::campaign::{self, Finished};
use crate::cli::dispatch::{Exit, interrupted_by_signals, print_data};
use crate::cli::open::open_with;
use crate::coverage::Coverage;
use crate::finding::{Finding, Origin};
use crate::history::Writer;
use crate::plan::Plan;
use crate::regression::Seed;
use crate::repeat::Repeat;
use crate::report::page::run::Run;
use crate::report::{self, lines};
use crate::runner::{self, Outcome};
use crate::target::{Interrupt, Interruptible, Target};
use crate::verdict::{Demand, Verdict};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReplayArgs {
    /// The plan, or a history with its plan, target and seed
    pub file: PathBuf,
    #[command(flatten)]
    pub target: TargetArgs,
    /// The run's seed [default: the one that the file names]
    #[arg(long, value_name = "S", value_parser = seed)]
    pub seed: Option<u64>,
    /// Write the history there, while it happens
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
    /// Plant a defect in every container, where the plan was found with one
    #[arg(long, value_name = "NAME")]
    pub defect: Option<String>,
    #[command(flatten)]
    pub output: RunOutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  shakedown replay proptest-regressions/fresh-1f3c5a70.plan
  shakedown replay my.plan --target local --history events.jsonl
  shakedown replay events.jsonl                    the run of a history, once more
  shakedown replay my.plan --seed 0x2a --html run.html

--json prints a line of type `plan`, as `run --json` does for each plan.";

pub fn run(args: &ReplayArgs) -> Exit {
    match replay(args) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn replay(args: &ReplayArgs) -> Result<Exit, Exit> {
    let history = ("--history", args.history.as_deref());
    distinct(
        &[&args.file],
        &[history, ("--html", args.output.html.as_deref())],
    )?;
    let given = given::read(&args.file, &args.target, args.seed, args.defect.as_deref())?;
    let target = open_with(given.name, &given.target, given.defect.as_deref())?;
    let seed = given.seed.unwrap_or_default();
    let began = Instant::now();
    let interrupt = interrupted_by_signals();
    let target = Interruptible {
        target: &*target,
        interrupt: interrupt.clone(),
    };
    let (outcome, coverage) = run_written(args, &target, &given.plan, seed, &interrupt)?;
    let took = began.elapsed();
    let setup = given.target.setup(target.name(), given.defect.as_deref());
    let replay = Repeat::replay(&setup, &args.file, seed).as_called();
    let (on, verdict, history) = (target.name(), &outcome.verdict, &outcome.history);
    let found = Finding::of(on, Origin::Kept, &given.plan, seed, verdict, history);
    let finding = found.map(|found| {
        let mut found = Finding {
            file: args.file.clone(),
            ..found
        };
        found.explain_on(&target);
        found
    });
    let output = &args.output;
    let written = output.write(&Run {
        target: target.name(),
        site: target.site(),
        plan: &given.plan,
        seed,
        verdict: &outcome.verdict,
        history: &outcome.history,
        settled: outcome.settled.as_deref(),
        left_out: &outcome.left_out,
        origin: &format!("kept in {}", args.file.display()),
        replay: &replay,
        finding: finding.as_ref(),
    });
    if let Err(error) = written {
        eprintln!("{error}");
        return Err(Exit::Unknown);
    }
    if output.json {
        let held = matches!(outcome.verdict, Verdict::Held);
        let finished = Finished {
            number: 1,
            kept: Some(&args.file),
            plan: &given.plan,
            seed,
            verdict: &outcome.verdict,
            coverage: &coverage,
            left_out: &outcome.left_out,
            not_asked: outcome.history.not_asked(),
            took,
            file: (!held).then_some(&*args.file),
        };
        print_data(&lines::plan(target.name(), &finished));
    }
    if given.name == TargetName::Aws {
        output.print(&format!("{}\n", given.target.spent.words()));
    }
    let style = output.style();
    for (step, why) in &outcome.left_out {
        let text = format!("left out step {}: {why}", step + 1);
        output.print(&format!("{}\n", style.odd(&text)));
    }
    output.print(&report::not_served(&coverage, style));
    for known in &outcome.passed_over {
        let text = format!("went on at {}: {}", Demand::of(known), known.observed);
        output.print(&format!("{}\n", style.odd(&text)));
    }
    output.print(&report::not_asked(outcome.history.not_asked(), style));
    Ok(match outcome.verdict {
        Verdict::Held => {
            output.print(&format!(
                "{} on {}: {} steps, {} events, run seed {}\n",
                style.good("HELD"),
                target.name(),
                coverage.steps,
                coverage.events,
                Seed(seed)
            ));
            Exit::Held
        }
        Verdict::Violated(_) => {
            let found = finding.iter();
            found.for_each(|found| output.print(&report::violation(found, &replay, style)));
            Exit::Violated
        }
        Verdict::Unknown { why } => {
            output.print(&format!(
                "{} on {}: {why}\n",
                style.odd("UNKNOWN"),
                target.name()
            ));
            Exit::Unknown
        }
    })
}

/// Runs the plan, and writes its history while it happens where that is asked for.
fn run_written(
    args: &ReplayArgs,
    target: &(dyn Target + Sync),
    plan: &Plan,
    seed: u64,
    interrupt: &Interrupt,
) -> Result<(Outcome, Coverage), Exit> {
    let Some(path) = &args.history else {
        return Ok(campaign::run_one(target, plan.clone(), seed, interrupt));
    };
    let failed = |error: std::io::Error| {
        eprintln!(
            "{}: cannot write the history: {error}; name a file that can be written",
            path.display()
        );
        Exit::Unknown
    };
    let mut writer = Writer::create(path, &runner::header(target, plan, seed)).map_err(failed)?;
    let ran = campaign::run_one_recorded(target, plan.clone(), seed, interrupt, &mut |event| {
        writer.event(event);
    });
    writer.finish(ran.0.history.end.as_ref()).map_err(failed)?;
    Ok(ran)
}
