//! `shakedown defects`: mistakes that are planted, and systems that are right in other ways.

use clap::Args;

use super::dispatch::{Exit, SIM_CASES, listed, print};
use super::open::{defect, open_local, other_local, planted};
use super::{TargetArgs, TargetName, seed};
use crate::defect::other::WHOLE;
use crate::defect::{DEFECTS, trial};
use crate::generate::Shape;
use crate::repeat::program;
use crate::report::{self, Style};
use crate::target::Target;

/// Plans that may be needed to catch a planted defect on local.
const LOCAL_TRIAL_CASES: u32 = 20;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DefectsArgs {
    /// Only these, with --harmless only those systems [default: all]
    pub names: Vec<String>,
    #[command(flatten)]
    pub target: TargetArgs,
    /// List them by name, with the mistake of each, and run nothing
    #[arg(long, conflicts_with_all = ["names", "target", "cases", "seed", "seeds", "plans", "other_profile"])]
    pub list: bool,
    /// How many plans each may take [default: 256 on sim, 20 on local]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub cases: Option<u32>,
    /// How often each is tried, with the seeds from --seed on
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub seeds: u64,
    /// The first seed
    #[arg(long, value_name = "S", default_value = "1", value_parser = seed)]
    pub seed: u64,
    /// Show the smallest plans too
    #[arg(long)]
    pub plans: bool,
    /// Run systems on sim that keep the contract in other ways instead: no rule may object
    #[arg(long, conflicts_with = "plans")]
    pub harmless: bool,
    /// Plant the defects on sim in a system with another profile (profiles/other.toml), and say which of
    /// them what is left of the evidence cannot show
    #[arg(long, conflicts_with_all = ["harmless", "target"])]
    pub other_profile: bool,
}

const EXAMPLES: &str = "\
Examples:
  shakedown defects --list                         their names, and what each does wrong
  shakedown defects                                all of them, on sim
  shakedown defects force-push --seeds 20 --plans
  shakedown defects --harmless other-profile --cases 5000
  shakedown defects --harmless --target local      the system with another profile, as processes
  shakedown defects --other-profile
  shakedown defects --target local force-push token-in-commit";

/// Plants each defect and prints what catches it.
pub fn run(args: &DefectsArgs) -> Exit {
    if args.list {
        return listed(match args.harmless {
            true => report::lists::harmless,
            false => report::lists::defects,
        });
    }
    if args.harmless {
        return harmless(args);
    }
    let mut chosen = Vec::new();
    for name in &args.names {
        match defect(name) {
            Ok(defect) => chosen.push(defect),
            Err(exit) => return exit,
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
                print(&report::not_asked_row(defect, &why, style));
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
    let is_known = |name: &str| systems.iter().any(|(own, ..)| *own == name);
    if let Some(name) = args.names.iter().find(|name| !is_known(name)) {
        eprintln!(
            "unknown system `{name}`; `{} defects --harmless --list` lists them",
            program()
        );
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
