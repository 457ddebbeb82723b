//! `shakedown scenario`: its arguments, and what it does with them.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use clap::Args;

use super::{SiteName, TargetArgs, TargetName, seed};
use crate::{Exit, interrupted_by_signals, open, planted, print};
use shakedown::defect::{DEFECTS, Defect};
use shakedown::regression::Seed;
use shakedown::report::{self, Style, Violated};
use shakedown::scenario::{Ended, Grade, Scenario};
use shakedown::target::Target;
use shakedown::verdict::Verdict;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ScenarioArgs {
    /// The scenario, or `all` of them, or `list` to see their names
    pub name: String,
    #[command(flatten)]
    pub target: TargetArgs,
    /// The run's seed
    #[arg(long, value_name = "S", default_value = "1", value_parser = seed)]
    pub seed: u64,
    /// Plant a defect in every container, to see whether the scenario fails
    #[arg(long, value_name = "NAME")]
    pub defect: Option<String>,
    /// Write every event of the scenario there, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  shakedown scenario list
  shakedown scenario push-conflict --target local
  shakedown scenario all --defect force-push       shows that they can fail";

/// Runs the scenarios that were asked for; the worst of them says how it ends.
pub fn run(args: &ScenarioArgs) -> Exit {
    let chosen: Vec<&Scenario> = match args.name.as_str() {
        "list" => {
            print(&report::scenario_list());
            return Exit::Held;
        }
        "all" => Scenario::all().iter().collect(),
        name => match Scenario::by_name(name) {
            Some(scenario) => vec![scenario],
            None => return unknown_name(name),
        },
    };
    if args.history.is_some() && chosen.len() > 1 {
        eprintln!("--history is for one scenario; name it instead of `all`");
        return Exit::Usage;
    }
    if args.defect.is_some() {
        // A planted panic is part of the run, and no news.
        std::panic::set_hook(Box::new(|_| {}));
    }
    let interrupt = interrupted_by_signals();
    let style = Style::of_stdout();
    let mut exit = Exit::Held;
    let mut passed = 0;
    let mut on = String::new();
    for scenario in &chosen {
        let target = match target(args, scenario) {
            Ok(target) => target,
            Err(exit) => return exit,
        };
        let ended = scenario.run(&*target, args.seed, &interrupt);
        if let Some(path) = &args.history
            && let Err(error) = ended.outcome.history.write_file(path)
        {
            eprintln!(
                "{}: cannot write the history: {error}; name a file that can be written",
                path.display()
            );
            return Exit::Unknown;
        }
        on = format!(" on {}", ended.target);
        tell(&ended, &repeat(args, &ended), style);
        match ended.grade() {
            Grade::Passed => passed += 1,
            Grade::Failed => exit = Exit::Violated,
            Grade::Unknown if exit == Exit::Held => exit = Exit::Unknown,
            Grade::Unknown => {}
        }
        if interrupt.load(Ordering::Relaxed) {
            break;
        }
    }
    print(&format!("{passed} of {} passed{on}\n", chosen.len()));
    exit
}

fn tell(ended: &Ended, repeat: &str, style: Style) {
    if let Verdict::Violated(violation) = &ended.outcome.verdict {
        print(&report::violation(
            &Violated {
                target: ended.target,
                plan: &ended.plan,
                seed: ended.seed,
                violation,
                history: &ended.outcome.history,
                origin: &format!("the scenario {}", ended.scenario.name),
                replay: repeat,
                others: &[],
                more: &[],
                explanation: None,
            },
            style,
        ));
    }
    print(&report::scenario(ended, repeat, style));
}

fn unknown_name(name: &str) -> Exit {
    eprint!(
        "unknown scenario `{name}`; write `all`, or one of these names:\n{}",
        report::scenario_list()
    );
    Exit::Usage
}

/// The target that was asked for, with the defect planted that was asked for.
fn target(args: &ScenarioArgs, scenario: &Scenario) -> Result<Box<dyn Target + Sync>, Exit> {
    let name = args.target.target.unwrap_or(TargetName::Sim);
    let target = TargetArgs {
        time_scale: Some(scenario.time_scale(args.target.time_scale())),
        ..args.target
    };
    let Some(defect) = &args.defect else {
        return open(name, &target);
    };
    let Some(defect) = Defect::by_name(defect) else {
        let known: Vec<&str> = DEFECTS.iter().map(|defect| defect.name).collect();
        eprintln!("unknown defect `{defect}`; known: {}", known.join(", "));
        return Err(Exit::Usage);
    };
    planted(defect, &target)
}

/// The command that runs a scenario again, with the program as it was called.
fn repeat(args: &ScenarioArgs, ended: &Ended) -> String {
    let program = std::env::args_os().next().unwrap_or("shakedown".into());
    let mut text = format!(
        "{} scenario {} --target {} --seed {}",
        program.display(),
        ended.scenario.name,
        ended.target,
        Seed(ended.seed)
    );
    if args.target.site == SiteName::Astro {
        text.push_str(" --site astro");
    }
    if let Some(scale) = args.target.time_scale {
        text.push_str(&format!(" --time-scale {scale}"));
    }
    if let Some(defect) = &args.defect {
        text.push_str(&format!(" --defect {defect}"));
    }
    text
}
