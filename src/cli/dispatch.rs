//! The program: arguments, then a command, then an exit code.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::cli::outputs::WriteError;
pub use crate::cli::signals::interrupted_by_signals;
use crate::cli::{self, Cli, Command, DefectsArgs, SiteName, TargetArgs, TargetName, WorkerArgs};
use crate::defect::other::WHOLE;
use crate::defect::{DEFECTS, Defect, trial};
use crate::generate::Shape;
use crate::history::Dialect;
use crate::report::{self, Style};
use crate::target::local::{Astro, Local};
use crate::target::sim::Sim;
use crate::target::{Profiled, Target, TargetError};
use crate::worker::production::worker_main;

/// Plans that a campaign generates on each target when nothing else is asked for.
pub const SIM_CASES: u32 = 256;
pub const LOCAL_CASES: u32 = 10;
/// Plans that may be needed to catch a planted defect on local.
const LOCAL_TRIAL_CASES: u32 = 20;

/// How the program ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    Held = 0,
    Violated = 1,
    /// The harness could not judge, or was interrupted.
    Unknown = 2,
    Usage = 64,
}

impl Exit {
    /// The same, but not held where a report could not be written, which is printed.
    pub fn where_written(self, written: Result<(), WriteError>) -> Self {
        let Err(error) = written else {
            return self;
        };
        eprintln!("{error}");
        match self {
            Self::Held => Self::Unknown,
            worse => worse,
        }
    }
}

/// What `shakedown` does with the arguments that it was given, and how it ends.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too. What cannot be printed has no reader.
            let _ = error.print();
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Held
            };
            return ExitCode::from(exit as u8);
        }
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(EnvFilter::from_default_env())
        .init();
    let exit = match cli.command {
        None => cli::run::default_campaigns(cli.quiet),
        Some(Command::Run(args)) => cli::run::run(&args, cli.quiet, &interrupted_by_signals()),
        Some(Command::Soak(args)) => cli::soak::run(&args, cli.quiet),
        Some(Command::Merge(args)) => cli::merge::run(&args),
        Some(Command::Replay(args)) => cli::replay::run(&args),
        Some(Command::Report(args)) => cli::report::run(&args),
        Some(Command::Profile(args)) => cli::profile::run(&args),
        Some(Command::Rules(args)) => cli::rules::run(&args),
        Some(Command::Shrink(args)) => cli::shrink::run(&args, cli.quiet),
        Some(Command::Scenario(args)) => cli::scenario::run(&args),
        Some(Command::Defects(args)) => defects(&args, cli.quiet),
        Some(Command::Conformance(args)) => cli::conformance::run(&args),
        Some(Command::Completions(args)) => cli::completions::run(&args),
        Some(Command::Explore(args)) => cli::explore::run(&args, cli.quiet),
        Some(Command::Worker(args)) => return worker(&args),
    };
    ExitCode::from(exit as u8)
}

/// Plants each defect and prints what catches it.
fn defects(args: &DefectsArgs, quiet: bool) -> Exit {
    if args.harmless {
        return harmless(args);
    }
    let mut chosen = Vec::new();
    for name in &args.names {
        match Defect::by_name(name) {
            Some(defect) => chosen.push(defect),
            None => {
                let known: Vec<&str> = DEFECTS.iter().map(|defect| defect.name).collect();
                eprintln!("unknown defect `{name}`; known: {}", known.join(", "));
                return Exit::Usage;
            }
        }
    }
    if chosen.is_empty() {
        chosen.extend(DEFECTS);
    }
    let on = args.target.target.unwrap_or(TargetName::Sim);
    let cases = args.cases.unwrap_or(match on {
        TargetName::Sim => SIM_CASES,
        TargetName::Local => LOCAL_TRIAL_CASES,
    });
    // A planted panic is part of the trial, and no news.
    std::panic::set_hook(Box::new(|_| {}));
    if args.shrink_bench {
        return cli::contest::run(args, &chosen, cases, quiet);
    }
    let style = Style::of_stdout();
    print(&report::trials_head());
    let mut missed = 0;
    let mut not_asked = 0;
    let try_all = |target: &dyn Target| {
        let seeds = args.seed..args.seed + args.seeds;
        seeds
            .map(|seed| trial::run(target, &Shape::default(), seed, cases))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|why| {
                eprintln!("{why}");
                Exit::Unknown
            })
    };
    for defect in &chosen {
        let target: Box<dyn Target> = match planted(defect, &args.target) {
            Ok(_) if args.other_profile => Box::new(WHOLE.sim(Some(defect))),
            Ok(target) => target,
            Err(exit) => return exit,
        };
        let trials = match try_all(&*target) {
            Ok(trials) => trials,
            Err(exit) => return exit,
        };
        if args.other_profile && trials.iter().all(|trial| trial.caught.is_none()) {
            let by_reference = match try_all(&trial::planted_sim(defect)) {
                Ok(trials) => trials,
                Err(exit) => return exit,
            };
            let profile = WHOLE.profile();
            let why = by_reference
                .iter()
                .find_map(|trial| trial::why_not_asked(trial, &profile));
            if let Some(why) = why {
                print(&report::not_asked_row(defect, &why));
                not_asked += 1;
                continue;
            }
        }
        print(&report::trials_row(defect, &trials, style));
        if args.plans
            && let Some(caught) = trials.iter().find_map(|trial| trial.caught.as_ref())
        {
            print(&format!(
                "  {}\n{}\n",
                caught.violation.observed, caught.plan
            ));
        }
        missed += usize::from(trials.iter().any(|trial| trial.caught.is_none()));
    }
    print(&format!(
        "{} of {} defects caught with every seed\n",
        chosen.len() - missed - not_asked,
        chosen.len() - not_asked
    ));
    if not_asked > 0 {
        print(&format!(
            "{not_asked} not asked: what is seen of the system cannot show them\n"
        ));
    }
    if missed == 0 {
        Exit::Held
    } else {
        Exit::Violated
    }
}

/// Runs plans on systems that keep the contract in other ways, and prints what a rule says of them.
fn harmless(args: &DefectsArgs) -> Exit {
    let mut exit = Exit::Held;
    let on_local = args.target.target == Some(TargetName::Local);
    let cases = match on_local {
        true => LOCAL_TRIAL_CASES,
        false => SIM_CASES,
    };
    let cases = args.cases.unwrap_or(cases);
    let mut systems: Vec<(&str, &str, Box<dyn Target>)> = match on_local {
        true => match open_local(&args.target) {
            Ok(local) => vec![(WHOLE.name, WHOLE.what, Box::new(other_local(local)))],
            Err(error) => {
                eprintln!("{error}");
                return Exit::Unknown;
            }
        },
        false => {
            let boxed = |(name, what, sim)| (name, what, Box::new(sim) as Box<dyn Target>);
            trial::harmless_sims().into_iter().map(boxed).collect()
        }
    };
    let known: Vec<&str> = systems.iter().map(|(name, ..)| *name).collect();
    if let Some(name) = args
        .names
        .iter()
        .find(|name| !known.contains(&name.as_str()))
    {
        eprintln!("unknown system `{name}`; known: {}", known.join(", "));
        return Exit::Usage;
    }
    systems.retain(|(own, ..)| args.names.is_empty() || args.names.iter().any(|name| name == own));
    for (name, what, target) in &systems {
        for seed in args.seed..args.seed + args.seeds {
            match trial::run(&**target, &Shape::default(), seed, cases) {
                Ok(trial) => {
                    let row = report::harmless_row(name, what, &trial, Style::of_stdout());
                    print(&row);
                    if trial.caught.is_some() {
                        exit = Exit::Violated;
                    }
                }
                Err(why) => {
                    eprintln!("{why}");
                    return Exit::Unknown;
                }
            }
        }
    }
    exit
}

/// The target that was asked for, with a defect in every container.
pub fn planted(defect: &'static Defect, on: &TargetArgs) -> Result<Box<dyn Target + Sync>, Exit> {
    let name = on.target.unwrap_or(TargetName::Sim);
    opened(
        name,
        on,
        trial::planted_sim(defect),
        &["--defect", defect.name],
    )
}

/// A target by its name; where it cannot be had, says why and ends.
pub fn open(name: TargetName, args: &TargetArgs) -> Result<Box<dyn Target + Sync>, Exit> {
    if name == TargetName::Sim && args.site() != SiteName::Shell {
        eprintln!("sim builds no real site; use `--site` with `--target local`");
        return Err(Exit::Usage);
    }
    opened(name, args, Sim::default(), &[])
}

/// Sim, or local with sim as its twin, with the profile that was asked for.
fn opened(
    name: TargetName,
    args: &TargetArgs,
    sim: Sim,
    of_worker: &[&str],
) -> Result<Box<dyn Target + Sync>, Exit> {
    let profile = args.read_profile()?;
    let (target, twin): (Box<dyn Target + Sync>, Option<Sim>) = match name {
        TargetName::Sim => (Box::new(sim), None),
        TargetName::Local => match open_local(args) {
            Ok(local) => {
                let local = local.with_worker_arguments(of_worker.iter().copied());
                let twin = Some(sim.clone());
                (Box::new(Local { twin, ..local }), Some(sim))
            }
            Err(error) => {
                eprintln!("{error}");
                return Err(Exit::Unknown);
            }
        },
    };
    Ok(match profile {
        None => target,
        Some(profile) => {
            let twin = twin.map(|twin| Box::new(twin) as Box<dyn Target + Sync>);
            Box::new(Profiled::new(target, profile).with_twin(twin))
        }
    })
}

/// A target by its name, with a defect in every container where one is named.
pub fn open_with(
    name: TargetName,
    args: &TargetArgs,
    defect: Option<&str>,
) -> Result<Box<dyn Target + Sync>, Exit> {
    let Some(defect) = defect else {
        return open(name, args);
    };
    let Some(defect) = Defect::by_name(defect) else {
        eprintln!("unknown defect `{defect}`; `shakedown defects` shows their names");
        return Err(Exit::Usage);
    };
    // A planted panic is part of the run, and no news.
    std::panic::set_hook(Box::new(|_| {}));
    let target = Some(name);
    planted(
        defect,
        &TargetArgs {
            target,
            ..args.clone()
        },
    )
}

/// Worker processes as the system with another profile.
fn other_local(local: Local) -> Local {
    Local {
        profile: WHOLE.profile(),
        twin: Some(WHOLE.sim(None)),
        ..local.with_worker_arguments(["--other-profile"])
    }
}

fn open_local(args: &TargetArgs) -> Result<Local, TargetError> {
    Ok(Local {
        time_scale: args.time_scale(),
        astro: match args.site() {
            SiteName::Shell => None,
            SiteName::Astro => Some(Astro::install(Path::new("target"))?),
        },
        ..Local::new()?
    })
}

/// Runs a container until it is asked to end.
fn worker(args: &WorkerArgs) -> ExitCode {
    let defect = match &args.defect {
        None => None,
        Some(name) => match Defect::by_name(name) {
            Some(defect) => Some(defect),
            None => {
                eprintln!("there is no defect `{name}` that could be planted in a worker");
                return ExitCode::from(Exit::Usage as u8);
            }
        },
    };
    let dialect: Arc<Dialect> = match args.other_profile {
        true => WHOLE.dialect(),
        false => Arc::new(|line| line.to_string()),
    };
    worker_main(dialect, |ports, settings| {
        if args.other_profile {
            WHOLE.alter(settings);
        }
        if let Some(defect) = defect {
            defect.plant(ports, settings);
        }
    })
}

/// Prints to standard output. A reader that closed it does not want the rest.
pub fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
