//! What `shakedown run` does: a campaign, and its reports.

use std::path::PathBuf;

use super::outputs::{OutputArgs, Outputs};
use super::{PlansArgs, RunArgs, TargetName};
use crate::campaign::{self, CampaignEnd, CampaignError, Config, Summary};
use crate::cli::dispatch::{Exit, LOCAL_CASES, SIM_CASES, interrupted_by_signals, open_with};
use crate::repeat::{Command, Repeat, Setup};
use crate::report;
use crate::soak::FolderError;
use crate::target::Interrupt;

/// Both targets, one after the other; the second only when the first held.
pub fn default_campaigns(quiet: bool) -> Exit {
    let args = |name, cases| RunArgs {
        plans: PlansArgs::of(name),
        cases,
        keep_going: false,
        output: OutputArgs::default(),
    };
    let interrupt = interrupted_by_signals();
    let exit = run(&args(TargetName::Sim, None), quiet, &interrupt);
    if exit != Exit::Held {
        return exit;
    }
    // More plans on sim are a matter of seconds, on local of minutes.
    let cases = campaign::cases_or(None, LOCAL_CASES).min(LOCAL_CASES);
    run(&args(TargetName::Local, Some(cases)), quiet, &interrupt)
}

pub fn run(args: &RunArgs, quiet: bool, interrupt: &Interrupt) -> Exit {
    let plans = &args.plans;
    let name = plans.target_name();
    let default_cases = match name {
        TargetName::Sim => SIM_CASES,
        TargetName::Local => LOCAL_CASES,
    };
    let shape = plans.shape();
    let seed = campaign::seed_or_drawn(plans.seed);
    let cases = campaign::cases_or(args.cases, default_cases);
    let target = match open_with(name, &plans.target, plans.defect.as_deref()) {
        Ok(target) => target,
        Err(exit) => return exit,
    };
    let setup = plans.target.setup(target.name(), plans.defect.as_deref());
    let config = Config {
        cases: Some(cases.into()),
        seed,
        jobs: plans.jobs(),
        keep_going: args.keep_going,
        quiet,
        out: PathBuf::from("shakedown-out"),
        regressions: PathBuf::from("proptest-regressions"),
        command: repeat(args, &setup, seed, cases).to_string(),
        shape,
    };
    let mut outputs = Outputs::new(&args.output, target.site(), setup);
    let ended = campaign::run_watched(&*target, &config, interrupt, &mut |finished| {
        outputs.see(finished);
    });
    match ended {
        Ok(summary) => report_all(&summary, &config, &args.output, &outputs),
        Err(error) => failed(&error),
    }
}

/// The command that runs the same campaign again.
pub fn repeat(args: &RunArgs, setup: &Setup, seed: u64, cases: u32) -> Repeat {
    Repeat {
        command: Command::Run {
            cases,
            max_steps: args.plans.shape().max_steps,
            keep_going: args.keep_going,
        },
        setup: Some(setup.clone()),
        seed,
    }
}

/// Prints the result of a campaign, and writes the reports that were asked for.
fn report_all(
    summary: &Summary,
    config: &Config,
    output: &OutputArgs,
    outputs: &Outputs<'_>,
) -> Exit {
    let style = output.style();
    let pages = outputs.run_pages(summary, &config.out);
    for (index, found) in summary.found.iter().enumerate() {
        output.print(&report::violation(found, &outputs.replay(found), style));
        if let Some(page) = pages.iter().flatten().nth(index) {
            output.print(&format!(
                "{} {}\n",
                style.strong("Timeline"),
                page.display()
            ));
        }
        output.print("\n");
    }
    output.print(&report::summary(summary, style));
    let written = pages.and_then(|pages| outputs.finish(summary, &config.command, &pages));
    if !summary.found.is_empty() {
        if let Err(error) = written {
            eprintln!("{error}");
        }
        return Exit::Violated;
    }
    if let Err(error) = written {
        eprintln!("{error}");
        return Exit::Unknown;
    }
    if summary.end == CampaignEnd::Interrupted || summary.totals.unknown > 0 {
        Exit::Unknown
    } else {
        Exit::Held
    }
}

/// Prints why a campaign could not go on.
pub fn failed(error: &CampaignError) -> Exit {
    eprintln!("{error}");
    match error {
        CampaignError::Folder(FolderError::Locked { .. })
        | CampaignError::Write { .. }
        | CampaignError::Target(_) => Exit::Unknown,
        CampaignError::Folder(_)
        | CampaignError::State(_)
        | CampaignError::Kept(_)
        | CampaignError::Generate(_) => Exit::Usage,
    }
}
