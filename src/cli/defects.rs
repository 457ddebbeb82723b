//! `shakedown defects`: mistakes that are planted, and systems that are right in other ways.

use std::sync::atomic::Ordering;

use clap::Args;

use super::dispatch::{Exit, SIM_CASES, interrupted_by_signals, listed, print};
use super::open::{defect, open_local, other_local, planted};
use super::{TargetArgs, TargetName, seed};
use crate::defect::Defect;
use crate::defect::other::{WHOLE, habit_of_whole};
use crate::defect::trial::{self, Trial};
use crate::generate::Shape;
use crate::repeat::program;
use crate::report::{self, Style};
use crate::target::{Interrupt, Interruptible, Target};

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
    #[arg(long, conflicts_with_all = ["plans", "profile"])]
    pub harmless: bool,
    /// Plant the defects on sim in a system with another profile (profiles/other.toml), and say which of
    /// them what is left of the evidence cannot show
    #[arg(long, conflicts_with_all = ["harmless", "target", "site", "time_scale", "profile"])]
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
    if args.seed.checked_add(args.seeds).is_none() {
        eprintln!(
            "the last seed would be beyond {}; begin with a smaller --seed",
            u64::MAX
        );
        return Exit::Usage;
    }
    let interrupt = interrupted_by_signals();
    let ended = match args.harmless {
        true => harmless(args, &interrupt),
        false => plant(args, &interrupt),
    };
    ended.unwrap_or_else(|exit| exit)
}

fn plant(args: &DefectsArgs, interrupt: &Interrupt) -> Result<Exit, Exit> {
    let chosen = chosen(&args.names)?;
    let on = args.target.target.unwrap_or(TargetName::Sim);
    args.target.check_effect(on)?;
    let cases = args.cases.unwrap_or(match on {
        TargetName::Sim | TargetName::Aws => SIM_CASES,
        TargetName::Local => LOCAL_TRIAL_CASES,
    });
    // A planted panic is part of the trial, and no news.
    std::panic::set_hook(Box::new(|_| {}));
    let try_all = |target: &(dyn Target + Sync), shape: &Shape| {
        try_all(target, shape, args, cases, interrupt)
    };
    let style = Style::of_stdout();
    let mut counts = Counts::default();
    for (index, defect) in chosen.iter().enumerate() {
        let target: Box<dyn Target + Sync> = match planted(defect, &args.target)? {
            _ if args.other_profile => Box::new(WHOLE.sim(Some(defect))),
            target => target,
        };
        if index == 0 {
            print(&report::trials_head());
        }
        let shape = trial::unseen(defect);
        let Some(trials) = try_all(&*target, &shape)? else {
            break;
        };
        let is_missed = |trial: &Trial| trial.caught.is_none();
        if args.other_profile && trials.iter().all(is_missed) {
            if let Some(why) = habit_of_whole(defect.name) {
                print(&report::not_asked_row(defect, why, style));
                counts.no_mistake += 1;
                continue;
            }
            let Some(by_reference) = try_all(&trial::planted_sim(defect), &shape)? else {
                break;
            };
            let profile = WHOLE.profile();
            let mut reasons = by_reference.iter();
            let why = reasons.find_map(|trial| trial::why_not_asked(trial, &profile));
            if let Some(why) = why {
                print(&report::not_asked_row(defect, &why, style));
                counts.not_asked += 1;
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
        match trials.iter().any(is_missed) {
            false => counts.caught += 1,
            // Nothing was asked of a plan that could not be judged.
            true if trials
                .iter()
                .any(|of| is_missed(of) && of.unknown == of.plans) =>
            {
                counts.unknown += 1;
            }
            true => counts.missed += 1,
        }
    }
    let is_cut_off = interrupt.load(Ordering::Relaxed);
    Ok(counts.report(is_cut_off, chosen.len()))
}

/// How many defects came to what.
#[derive(Default)]
struct Counts {
    caught: usize,
    missed: usize,
    not_asked: usize,
    no_mistake: usize,
    unknown: usize,
}

impl Counts {
    fn report(&self, is_cut_off: bool, all: usize) -> Exit {
        let asked = self.caught + self.missed + self.unknown;
        print(&format!(
            "{} of {asked} defects caught with every seed\n",
            self.caught
        ));
        if self.not_asked > 0 {
            print(&format!(
                "{} not asked: what is seen of the system cannot show them\n",
                self.not_asked
            ));
        }
        if self.no_mistake > 0 {
            print(&format!(
                "{} not asked: what is a mistake of the built-in worker is a habit of the system\n",
                self.no_mistake
            ));
        }
        if self.unknown > 0 {
            print(&format!(
                "{} could not be tried: none of their plans could be judged; `shakedown run` with the \
                 same options says why\n",
                self.unknown
            ));
        }
        if is_cut_off {
            let tried = asked + self.not_asked + self.no_mistake;
            print(&format!(
                "interrupted: {} of {all} were not tried\n",
                all - tried
            ));
        }
        match self {
            _ if self.missed > 0 => Exit::Violated,
            _ if is_cut_off || self.unknown > 0 => Exit::Unknown,
            _ => Exit::Held,
        }
    }
}

fn chosen(names: &[String]) -> Result<Vec<&'static Defect>, Exit> {
    if names.is_empty() {
        return Ok(Defect::all().collect());
    }
    names.iter().map(|name| defect(name)).collect()
}

/// The trials with all seeds; `None` where they were cut off.
fn try_all(
    target: &(dyn Target + Sync),
    shape: &Shape,
    args: &DefectsArgs,
    cases: u32,
    interrupt: &Interrupt,
) -> Result<Option<Vec<Trial>>, Exit> {
    let target = Interruptible {
        target,
        interrupt: interrupt.clone(),
    };
    let mut trials = Vec::new();
    for turn in 0..args.seeds {
        let seed = args.seed.wrapping_add(turn);
        let trial = trial::run(&target, shape, seed, cases, interrupt);
        trials.push(trial.map_err(|why| {
            eprintln!("{why}");
            Exit::Unknown
        })?);
        if interrupt.load(Ordering::Relaxed) {
            return Ok(None);
        }
    }
    Ok(Some(trials))
}

/// Runs plans on systems that keep the contract in other ways, and prints what a rule says of them.
fn harmless(args: &DefectsArgs, interrupt: &Interrupt) -> Result<Exit, Exit> {
    args.target
        .check_effect(args.target.target.unwrap_or(TargetName::Sim))?;
    let on_local = args.target.target == Some(TargetName::Local);
    let cases = match on_local {
        true => LOCAL_TRIAL_CASES,
        false => SIM_CASES,
    };
    let cases = args.cases.unwrap_or(cases);
    let mut systems: Vec<(&str, &str, Box<dyn Target + Sync>)> = match on_local {
        true => match open_local(&args.target) {
            Ok(local) => vec![(WHOLE.name, WHOLE.what, Box::new(other_local(local)))],
            Err(error) => {
                eprintln!("{error}");
                return Err(Exit::Unknown);
            }
        },
        false => {
            let boxed = |(name, what, sim)| (name, what, Box::new(sim) as Box<dyn Target + Sync>);
            trial::harmless_sims().into_iter().map(boxed).collect()
        }
    };
    let is_known = |name: &str| systems.iter().any(|(own, ..)| *own == name);
    if let Some(name) = args.names.iter().find(|name| !is_known(name)) {
        eprintln!(
            "unknown system `{name}`; `{} defects --harmless --list` lists them",
            program()
        );
        return Err(Exit::Usage);
    }
    systems.retain(|(own, ..)| args.names.is_empty() || args.names.iter().any(|name| name == own));
    let mut exit = Exit::Held;
    for (at, (name, what, target)) in systems.iter().enumerate() {
        let Some(trials) = try_all(&**target, &Shape::default(), args, cases, interrupt)? else {
            let left = systems.len() - at;
            print(&format!(
                "interrupted: {left} of {} were not tried\n",
                systems.len()
            ));
            return Ok(match exit {
                Exit::Held => Exit::Unknown,
                worse => worse,
            });
        };
        for trial in &trials {
            print(&report::harmless_row(name, what, trial, Style::of_stdout()));
            if trial.caught.is_some() {
                exit = Exit::Violated;
            }
        }
    }
    Ok(exit)
}
