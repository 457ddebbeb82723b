//! `shakedown conformance`: its arguments, and what it does with them.

use std::path::PathBuf;

use clap::Args;

use super::{SiteName, TargetArgs, TargetName, seed, time_scale};
use crate::{Exit, interrupted_by_signals, open, print};
use shakedown::conformance;
use shakedown::plan::Plan;
use shakedown::regression;
use shakedown::report::{self, Style};
use shakedown::target::Interruptible;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ConformanceArgs {
    /// The plans [default: those that come with the program]
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
}

const EXAMPLES: &str = "\
Examples:
  shakedown conformance                            the plans that come with the program
  shakedown conformance my.plan other.plan --seed 3";

/// Runs plans on sim and on local, and tells where they end in different ways.
pub fn run(args: &ConformanceArgs) -> Exit {
    match compare(args) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn compare(args: &ConformanceArgs) -> Result<Exit, Exit> {
    let plans = plans(&args.files)?;
    let on = TargetArgs {
        target: None,
        site: SiteName::Shell,
        time_scale: args.time_scale,
    };
    let (sim, local) = (open(TargetName::Sim, &on)?, open(TargetName::Local, &on)?);
    let interrupt = interrupted_by_signals();
    let [sim, local] = [&*sim, &*local].map(|target| Interruptible {
        target,
        interrupt: interrupt.clone(),
    });
    let compared = conformance::compare_all(&plans, [&sim, &local], args.seed, args.jobs.into());
    let style = Style::of_stdout();
    print(&report::conformance(&compared, ["sim", "local"], style));
    Ok(
        if compared.iter().any(|plan| !plan.differences.is_empty()) {
            Exit::Violated
        } else if compared.iter().any(|plan| plan.unknown.is_some()) {
            Exit::Unknown
        } else {
            Exit::Held
        },
    )
}

/// The plans of these files, or those that come with the program, by name.
fn plans(files: &[PathBuf]) -> Result<Vec<(String, Plan)>, Exit> {
    if files.is_empty() {
        return conformance::own_plans().map_err(|error| {
            eprintln!("a plan that comes with the program cannot be read: {error}; report it");
            Exit::Unknown
        });
    }
    let read = |file: &PathBuf| match regression::read(file) {
        Ok(kept) => Ok((file.display().to_string(), kept.plan)),
        Err(error) => {
            eprintln!("{error}");
            Err(Exit::Usage)
        }
    };
    files.iter().map(read).collect()
}
