//! What `shakedown run` does: a campaign, and its reports.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::outputs::{OutputArgs, Outputs};
use clap::Args;

use super::{PlansArgs, TargetName};
use crate::campaign::{self, CampaignEnd, CampaignError, Config, Summary};
use crate::cli::dispatch::{AWS_CASES, Exit, LOCAL_CASES, SIM_CASES, interrupted_by_signals};
use crate::cli::open::open_with;
use crate::durable;
use crate::generate::short_plans;
use crate::repeat::{Command, Repeat, Setup};
use crate::report;
use crate::soak::FolderError;
use crate::target::Interrupt;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RunArgs {
    #[command(flatten)]
    pub plans: PlansArgs,
    /// How many plans [default: PROPTEST_CASES, else 256 on sim and 10 on local]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub cases: Option<u32>,
    /// Go on after a violation
    #[arg(long)]
    pub keep_going: bool,
    /// Where plans are while they run, and stay if they do not hold [default: shakedown-out]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  shakedown run                                    256 plans on sim
  shakedown run --target local --cases 50 --jobs 2
  shakedown run --seed 0x1f3c --keep-going         all failures of a seed, not only its first
  shakedown run --html report/ --junit junit.xml   for people, and for CI
  shakedown run --target aws --profile my.toml     what a run on the deployed system would touch
  shakedown run --target aws --profile my.toml --yes-account 123456789012 --cases 3
  PROPTEST_CASES=10000 shakedown run --quiet

--html writes the campaign's page, and the timeline of each violation; --junit a test case for each
kept plan, one for the generated plans, and one for each violation; --json a line of type `plan` for
each plan, and a `summary`.";

/// Without a command, kept plans begin on local only within this time, in turns with new ones; `shakedown run --target
/// local` and `cargo test` run all of them.
const KEPT_FOR: Duration = Duration::from_secs(10);
/// Without a command, plans on local have at most so many steps: ten of them took 0.7 of the time of ten with thirty.
const LOCAL_STEPS: u32 = 20;
/// Where plans go that do not hold, where nothing else is asked for.
const OUT: &str = "shakedown-out";

/// Both targets, one after the other; the second only when the first held.
pub fn default_campaigns(out: Option<PathBuf>, quiet: bool) -> Exit {
    let args = |name, cases, max_steps| RunArgs {
        plans: PlansArgs {
            max_steps,
            ..PlansArgs::of(name)
        },
        cases,
        keep_going: false,
        out: out.clone(),
        output: OutputArgs::default(),
    };
    let interrupt = interrupted_by_signals();
    let exit = run(&args(TargetName::Sim, None, None), quiet, &interrupt);
    if exit != Exit::Held {
        return exit;
    }
    // More plans on sim are a matter of seconds, on local of minutes.
    let cases = campaign::cases_or(None, LOCAL_CASES).min(LOCAL_CASES);
    let args = args(TargetName::Local, Some(cases), Some(LOCAL_STEPS));
    run_for(&args, Some(KEPT_FOR), quiet, &interrupt)
}

pub fn run(args: &RunArgs, quiet: bool, interrupt: &Interrupt) -> Exit {
    run_for(args, None, quiet, interrupt)
}

fn run_for(args: &RunArgs, kept_for: Option<Duration>, quiet: bool, interrupt: &Interrupt) -> Exit {
    let plans = &args.plans;
    let name = plans.target_name();
    let default_cases = match name {
        TargetName::Aws if plans.target.yes_account.is_none() => {
            return super::aws::run(plans.target.profile.as_deref());
        }
        TargetName::Aws => AWS_CASES,
        TargetName::Sim => SIM_CASES,
        TargetName::Local => LOCAL_CASES,
    };
    if let Err(exit) = args.output.distinct(&[], &[]) {
        return exit;
    }
    let mut shape = plans.shape();
    let seed = campaign::seed_or_drawn(plans.seed);
    let target = match open_with(name, &plans.target, plans.defect.as_deref()) {
        Ok(target) => target,
        Err(exit) => return exit,
    };
    if let (TargetName::Aws, Some(deployed)) = (name, &target.profile().deployed) {
        shape.sessions.clone_from(&deployed.sessions);
    }
    // Where runs are slow, the short plans come first, and are all that runs by default.
    let first = match (&target.profile().start, name) {
        (None, _) | (_, TargetName::Aws) => Vec::new(),
        (Some(_), _) => short_plans(&shape.clone().possible(|step| target.cannot(step))),
    };
    let default_cases = match first.len() {
        0 => default_cases,
        short => u32::try_from(short).unwrap_or(default_cases),
    };
    let cases = campaign::cases_or(args.cases, default_cases);
    let out = match folder(args.out.as_deref()) {
        Ok(out) => out,
        Err(exit) => return exit,
    };
    let setup = plans.target.setup(target.name(), plans.defect.as_deref());
    let command = repeat(args, &setup, seed, cases);
    let config = Config {
        cases: Some(cases.into()),
        seed,
        first,
        jobs: plans.jobs(),
        kept_for,
        keep_going: args.keep_going,
        quiet,
        // What a planted mistake breaks is no regression.
        regressions: match plans.defect {
            None => PathBuf::from("proptest-regressions"),
            Some(_) => out.clone(),
        },
        replays: plans.defect.is_none() && name != TargetName::Aws,
        out,
        command: command.to_string(),
        shape,
    };
    let mut outputs = Outputs::new(&args.output, target.site(), setup, &config.command);
    outputs.looks_for_each = args.keep_going && !target.is_deterministic();
    let ended = campaign::run_watched(&*target, &config, interrupt, &mut |finished| {
        outputs.see(finished);
    });
    match ended {
        Ok(summary) => {
            let exit = report_all(&summary, &config.out, &command, &args.output, &outputs);
            if name == TargetName::Aws {
                args.output
                    .print(&format!("{}\n", plans.target.spent.words()));
            }
            exit
        }
        Err(error) => failed(&error),
    }
}

/// The folder of plans while they run and of those that did not hold: the one that was asked for; without one, a
/// temporary one where the usual one cannot be written, which is printed.
fn folder(asked: Option<&Path>) -> Result<PathBuf, Exit> {
    let usual = asked.unwrap_or(Path::new(OUT));
    let Err(why) = can_write(usual) else {
        return Ok(usual.to_owned());
    };
    let why = format!("{}: cannot write there: {why}", usual.display());
    if asked.is_some() {
        eprintln!("{why}; name a folder that can be written with --out");
        return Err(Exit::Unknown);
    }
    let other = std::env::temp_dir().join(format!("{OUT}-{}", std::process::id()));
    eprintln!(
        "{why}; plans that do not hold are written to {}, or where --out says",
        other.display()
    );
    Ok(other)
}

/// Whether files can be made in a folder, which is left as it was.
fn can_write(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(format!(".{}.probe", std::process::id()));
    durable::in_its_folder(&probe, || std::fs::write(&probe, "probe"))?;
    std::fs::remove_file(&probe)?;
    // Where nothing else is in it.
    let _ = std::fs::remove_dir(folder);
    Ok(())
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
    out: &Path,
    command: &Repeat,
    output: &OutputArgs,
    outputs: &Outputs<'_>,
) -> Exit {
    let style = output.style();
    let pages = outputs.run_pages(summary, out);
    for (index, found) in summary.found.iter().enumerate() {
        output.print(&report::violation(found, &outputs.replay(found), style));
        if let Some(page) = pages.iter().flatten().nth(index) {
            let history = Outputs::history_of(found, out);
            for (what, path) in [("Timeline", page), ("History", &history)] {
                output.print(&format!("{} {}\n", style.strong(what), path.display()));
            }
        }
        output.print("\n");
    }
    output.print(&report::summary(summary, style));
    let written = pages.and_then(|pages| outputs.finish(summary, &command.as_called(), &pages));
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
