//! `shakedown explore`: its arguments, and what it does with them.

mod mutants;
pub mod plans;
mod scope;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;

use self::plans::PlansArgs;
use self::scope::ScopeArgs;
use super::TargetName;
use super::soak::time;
use crate::cli::dispatch::{Exit, print};
use crate::explore::run::{self, Explored, SearchEnd};
use crate::explore::scope::Bounds;
use crate::explore::verify::by_stateright;
use crate::progress::Progress;
use crate::report::{self, Style};
use crate::target::Interrupt;

/// Without `--target`, the reference model is explored; with it, all short plans run on a target.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExploreArgs {
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// End after so many distinct states [default: no bound]
    #[arg(long, value_name = "N", conflicts_with = "target", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_states: Option<u64>,
    /// End after so long, such as 90s, 5m or 1h [default: no bound]
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub time: Option<Duration>,
    /// End before more memory than this is used, in MiB
    #[arg(long, value_name = "MIB", conflicts_with = "target", default_value_t = 4096, value_parser = clap::value_parser!(u64).range(64..=1 << 40))]
    pub memory: u64,
    /// How many threads [default: one a core]
    #[arg(long, alias = "jobs", value_name = "N", conflicts_with_all = ["mutants", "mutant"], value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Then explore the same with stateright, and compare what both saw
    #[arg(long, conflicts_with_all = ["target", "mutants", "mutant"])]
    pub verify: bool,
    /// Mutate the model, and show which mutants exploration catches
    #[arg(long, conflicts_with = "target")]
    pub mutants: bool,
    /// Mutate the model in this way, and show what it breaks
    #[arg(long, value_name = "NAME", conflicts_with_all = ["target", "mutants"])]
    pub mutant: Option<String>,
    /// Write the plan of what is found there
    #[arg(long, value_name = "FILE", conflicts_with_all = ["target", "mutants"])]
    pub plan: Option<PathBuf>,

    /// Run all short plans on this target instead
    #[arg(long, value_enum)]
    pub target: Option<TargetName>,
    #[command(flatten)]
    pub plans: PlansArgs,
}

const EXAMPLES: &str = "\
Examples:
  shakedown explore                                every state of the model, at small scope
  shakedown explore --verify                       and once more by stateright
  shakedown explore --mutant claims-push --plan a.plan
  shakedown replay a.plan --defect claims-push     the same mistake, planted in the worker
  shakedown explore --target sim --depth 3         every plan of up to three steps, on sim
  shakedown explore --target sim --depth 4 --defect force-push";

/// Explores what was asked for.
pub fn run(args: &ExploreArgs, quiet: bool) -> Exit {
    let alphabet = Path::new(&args.plans.alphabet);
    let written = [
        ("--plan", args.plan.as_deref()),
        ("--write", args.plans.write.as_deref()),
    ];
    if let Err(exit) = super::outputs::distinct(&[alphabet], &written) {
        return exit;
    }
    match args.target {
        Some(target) => plans::run(&args.plans, target, &args.bounds(quiet)),
        None => model(args, quiet),
    }
}

impl ExploreArgs {
    fn bounds(&self, quiet: bool) -> plans::Bounds {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        plans::Bounds {
            jobs: self.threads.map_or(cores, usize::from),
            time: self.time,
            quiet,
        }
    }
}

/// Every state of the reference model.
fn model(args: &ExploreArgs, quiet: bool) -> Exit {
    let interrupt = crate::cli::dispatch::interrupted_by_signals();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.map_or(cores, usize::from);
    let bounds = Bounds {
        states: args.max_states,
        time: args.time,
        memory: Some(args.memory << 20),
    };
    let style = Style::of_stdout();
    if args.mutants {
        return mutants::all(bounds, &interrupt, style);
    }
    if let Some(name) = &args.mutant {
        return mutants::one(name, args.plan.as_deref(), bounds, &interrupt, style);
    }
    let scope = match args.scope.read() {
        Ok(scope) => scope,
        Err(text) => {
            eprintln!("{text}");
            return Exit::Usage;
        }
    };
    let mut line = Line::begin(quiet);
    let explored = run::explore(scope, bounds, threads, &interrupt, |now| line.at(now));
    line.end();
    print(&report::exploration(&explored, style));
    if args.verify
        && let Some(exit) = verify(&explored, threads, &interrupt, quiet, style)
    {
        return exit;
    }
    if let (Some(path), Some(failure)) = (&args.plan, &explored.failure) {
        let plan = report::story_of(&explored, failure).plan;
        if let Err(error) = super::outputs::write(path, &plan.to_string()) {
            eprintln!("{error}");
            return Exit::Unknown;
        }
    }
    exit_of(&explored)
}

/// Lets stateright explore the same. Returns how to end where the two do not agree, or that is not
/// known.
fn verify(
    explored: &Explored,
    threads: usize,
    interrupt: &Interrupt,
    quiet: bool,
    style: Style,
) -> Option<Exit> {
    if explored.ended != SearchEnd::Complete {
        eprintln!(
            "--verify compares whole explorations, and this one did not see every state; nothing \
             was compared"
        );
        return None;
    }
    let mut progress = Progress::begin(quiet, "stateright", explored.progress.states);
    let second = by_stateright(&explored.exploration, threads, interrupt, |states| {
        progress.counted(states, "");
    });
    progress.end();
    print(&report::second_opinion(explored, &second, style));
    (second.agrees(explored) != Some(true)).then_some(Exit::Unknown)
}

fn exit_of(explored: &Explored) -> Exit {
    match explored.ended {
        SearchEnd::Found => Exit::Violated,
        SearchEnd::Complete => Exit::Held,
        SearchEnd::States | SearchEnd::Time | SearchEnd::Memory | SearchEnd::Interrupted => {
            Exit::Unknown
        }
    }
}

/// Prints on standard error how far an exploration has come.
struct Line {
    progress: Progress,
    last: Instant,
}

impl Line {
    fn begin(quiet: bool) -> Self {
        Self {
            progress: Progress::begin(quiet, "explore", 0),
            last: Instant::now(),
        }
    }

    fn at(&mut self, now: run::Progress) {
        // The bar draws itself; its numbers need not change faster than they are read.
        if self.last.elapsed() < Duration::from_millis(500) {
            return;
        }
        self.last = Instant::now();
        let text = format!(
            "depth {}, {:.0} states/s, {} MiB",
            now.depth,
            now.states as f64 / now.time.as_secs_f64(),
            now.memory >> 20
        );
        self.progress.counted(now.states, &text);
    }

    fn end(self) {
        self.progress.end();
    }
}
