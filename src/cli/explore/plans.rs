//! `shakedown explore --target sim`: all short plans, or the shortest that shows a defect.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::cli::dispatch::{Exit, interrupted_by_signals, print, print_data};
use crate::cli::open::{defect, open, planted};
use crate::cli::{TargetArgs, TargetName, seed};
use crate::defect::{DEFECTS, Defect};
use crate::explore::plans::alphabet::Alphabet;
use crate::explore::plans::minima::Minimum;
use crate::explore::plans::{Config, PlansEnd, Pruning, Summary, explore};
use crate::finding::Finding;
use crate::regression;
use crate::repeat::{Command, Repeat};
use crate::report::{self, Style};
use crate::target::{Interrupt, Target};

/// What a list of the alphabet makes no use of.
const LISTED: [&str; 9] = [
    "depth",
    "defect",
    "seed",
    "seeds",
    "max_plans",
    "keep_going",
    "write",
    "time",
    "threads",
];

#[derive(Debug, Args)]
pub struct PlansArgs {
    /// The most steps of a plan
    #[arg(long, value_name = "N", default_value_t = 3, requires = "target", value_parser = clap::value_parser!(u8).range(1..=12))]
    pub depth: u8,
    /// Plant this defect, or `all` one after the other, and look for the shortest plan that shows it
    #[arg(long, value_name = "NAME", requires = "target")]
    pub defect: Option<String>,
    /// The steps that plans are made of: `small`, `full`, `breaker`, `git`, or a plan file that has
    /// each step once
    #[arg(
        long,
        value_name = "FILE",
        default_value = "small",
        requires = "target"
    )]
    pub alphabet: String,
    /// Print the alphabet as a plan file, and run nothing
    #[arg(long, requires = "target", conflicts_with_all = LISTED)]
    pub list: bool,
    /// The run seed of every plan
    #[arg(long, value_name = "S", default_value = "1", requires = "target", value_parser = seed)]
    pub seed: u64,
    /// How many run seeds each plan has, from --seed on
    #[arg(long, value_name = "N", default_value_t = 1, requires = "target", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub seeds: u64,
    /// End after so many plans [default: no bound]
    #[arg(long, value_name = "N", requires = "target", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_plans: Option<u64>,
    /// Go on after a violation; the first plan of each kind is reported
    #[arg(long, requires = "target", conflicts_with = "defect")]
    pub keep_going: bool,
    /// The profile to judge by: other numbers, promises and evidence [default: the built-in one]
    #[arg(long, value_name = "FILE", requires = "target")]
    pub profile: Option<PathBuf>,
    /// Write the shortest plan of each defect there, one after the other
    #[arg(long, value_name = "FILE", requires = "defect")]
    pub write: Option<PathBuf>,
}

impl PlansArgs {
    /// The target that the plans run on.
    fn on(&self) -> TargetArgs {
        TargetArgs {
            profile: self.profile.clone(),
            ..TargetArgs::of(TargetName::Sim)
        }
    }
}

/// What the plans share with the rest of `explore`.
pub struct Bounds {
    pub jobs: usize,
    pub time: Option<Duration>,
    pub quiet: bool,
}

/// Runs every short plan on a target.
pub fn run(args: &PlansArgs, target: TargetName, bounds: &Bounds) -> Exit {
    if target != TargetName::Sim {
        eprintln!(
            "all plans can only be run where a run is a matter of microseconds; use --target sim"
        );
        return Exit::Usage;
    }
    let right = match open(target, &args.on()) {
        Ok(target) => target,
        Err(exit) => return exit,
    };
    let alphabet = alphabet(&args.alphabet).and_then(|all| possible(&all, &*right));
    let alphabet = match alphabet {
        Ok(alphabet) => alphabet,
        Err(why) => {
            eprintln!("{why}");
            return Exit::Usage;
        }
    };
    if args.list {
        print_data(&alphabet.to_plan().to_string());
        return Exit::Held;
    }
    let config = Config {
        alphabet,
        depth: args.depth.into(),
        seeds: (0..args.seeds).map(|n| args.seed.wrapping_add(n)).collect(),
        jobs: bounds.jobs,
        keep_going: args.keep_going,
        max_plans: args.max_plans,
        time: bounds.time,
        pruning: Pruning::ALL,
        quiet: bounds.quiet,
        title: "sim".into(),
    };
    let interrupt = interrupted_by_signals();
    match &args.defect {
        None => right_worker(args, &*right, &config, &interrupt),
        Some(name) => defects(args, name, config, &interrupt),
    }
}

fn alphabet(name: &str) -> Result<Alphabet, String> {
    match name {
        "small" => Ok(Alphabet::small()),
        "full" => Ok(Alphabet::full()),
        "breaker" => Alphabet::breaker(),
        "git" => Alphabet::git(),
        file => {
            let kept = regression::read(Path::new(file)).map_err(|error| error.to_string())?;
            Alphabet::of(&kept.plan).map_err(|why| format!("{file}: {why}"))
        }
    }
}

/// The alphabet without the steps that the target cannot make, which are printed.
fn possible(all: &Alphabet, target: &dyn Target) -> Result<Alphabet, String> {
    let mut letters = all.to_plan();
    letters.steps.retain(|step| match target.cannot(step) {
        None => true,
        Some(why) => {
            eprintln!("left out `{step}`: {why}");
            false
        }
    });
    Alphabet::of(&letters)
}

/// The worker as it is: every rule is to hold.
fn right_worker(
    args: &PlansArgs,
    target: &(dyn Target + Sync),
    config: &Config,
    interrupt: &Interrupt,
) -> Exit {
    let summary = explore(target, config, interrupt);
    let style = Style::of_stdout();
    for found in &summary.found {
        let folder = Path::new("proptest-regressions");
        let mut found = found.clone();
        let replay = match regression::keep(folder, &found, &repeat(args, None).to_string()) {
            Ok(file) => {
                found.file = file;
                Repeat::replay(&args.on().setup("sim", None), &found.file, found.seed)
            }
            Err(error) => {
                eprintln!(
                    "while writing {}: {error}; make the folder writable",
                    folder.display()
                );
                repeat(args, None)
            }
        };
        report_one(&found, &replay, style);
    }
    print(&report::explored(&summary, style));
    exit_of(&summary)
}

/// Planted defects: each is to be shown, and by how short a plan is the question.
fn defects(args: &PlansArgs, name: &str, mut config: Config, interrupt: &Interrupt) -> Exit {
    let chosen: Vec<&'static Defect> = match name {
        "all" => DEFECTS.iter().collect(),
        name => match defect(name) {
            Ok(defect) => vec![defect],
            Err(exit) => return exit,
        },
    };
    // A planted panic is part of the search, and no news.
    std::panic::set_hook(Box::new(|_| {}));
    let style = Style::of_stdout();
    if chosen.len() > 1 {
        print(&report::shortest_head());
    }
    let (mut shown, mut exit) = (0, Exit::Held);
    let mut minima = String::new();
    for defect in &chosen {
        config.title = format!("{} on sim", defect.name);
        let target = match planted(defect, &args.on()) {
            Ok(target) => target,
            Err(exit) => return exit,
        };
        let summary = explore(&*target, &config, interrupt);
        shown += usize::from(!summary.found.is_empty());
        if chosen.len() > 1 {
            print(&report::shortest_row(defect, &summary, style));
        } else {
            for found in &summary.found {
                report_one(found, &repeat(args, Some(defect)), style);
            }
            print(&report::explored(&summary, style));
        }
        if let (Some(file), Some(found)) = (&args.write, summary.found.first()) {
            minima += &Minimum::new(defect.name, found, &args.alphabet, &config.seeds).text();
            // Written each time, so that what ends early has written what it found.
            if let Err(error) = std::fs::write(file, &minima) {
                eprintln!(
                    "{}: cannot write the plan of {}: {error}; name a file that can be written",
                    file.display(),
                    defect.name
                );
                return Exit::Unknown;
            }
        }
        exit = exit_of(&summary);
        if summary.ended == PlansEnd::Interrupted {
            break;
        }
    }
    if chosen.len() > 1 {
        print(&format!("{shown} of {} defects shown\n", chosen.len()));
        // To show all of them is what was asked for.
        exit = if shown == chosen.len() {
            Exit::Held
        } else {
            Exit::Unknown
        };
    }
    exit
}

fn report_one(found: &Finding, repeat: &Repeat, style: Style) {
    let text = report::violation(found, &repeat.as_called(), style);
    print(&format!("{text}\n"));
}

/// The command that explores the same again.
pub fn repeat(args: &PlansArgs, defect: Option<&Defect>) -> Repeat {
    Repeat {
        command: Command::Explore {
            depth: args.depth.into(),
            alphabet: args.alphabet.clone(),
            seeds: args.seeds,
        },
        setup: Some(args.on().setup("sim", defect.map(|defect| defect.name))),
        seed: args.seed,
    }
}

fn exit_of(summary: &Summary) -> Exit {
    if !summary.found.is_empty() {
        Exit::Violated
    } else if summary.ended == PlansEnd::Covered && summary.unknown.is_empty() {
        Exit::Held
    } else {
        Exit::Unknown
    }
}
