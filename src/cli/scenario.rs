//! `shakedown scenario`: its arguments, and what it does with them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Args;

use super::outputs::{OutputArgs, WriteError, kind};
use super::{SiteName, TargetArgs, TargetName, seed};
use crate::cli::aws;
use crate::cli::dispatch::{Exit, interrupted_by_signals, print};
use crate::cli::open::{defect, open, planted};
use crate::finding::{Finding, Origin};
use crate::regression::Seed;
use crate::repeat::{Command, Repeat};
use crate::report::checks::{Check, CheckResult, Checks};
use crate::report::page::run::Run;
use crate::report::{self, Style};
use crate::scenario::{Grade, Scenario, ScenarioRun};
use crate::target::Target;
use crate::terminal::quoted;
use crate::verdict::Verdict;

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
    #[command(flatten)]
    pub output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  shakedown scenario list
  shakedown scenario push-conflict --target local
  shakedown scenario all --defect force-push       shows that they can fail
  shakedown scenario all --html report/ --junit junit.xml

--html writes a list of the scenarios, and the timeline of each; --junit a test case for each;
--json a line of type `scenario` for each, and a `summary`.";

impl ScenarioArgs {
    /// Whether there is any option beside those that have a value by default.
    fn has_options(&self) -> bool {
        let TargetArgs {
            target,
            site,
            time_scale,
            profile,
            known,
            only,
            yes_account,
            recorded: _,
            spent: _,
        } = &self.target;
        let OutputArgs { html, junit, json } = &self.output;
        target.is_some()
            || site.is_some()
            || time_scale.is_some()
            || self.defect.is_some()
            || only.is_some()
            || yes_account.is_some()
            || *json
            || [profile, known, html, junit, &self.history]
                .into_iter()
                .any(Option::is_some)
    }
}

/// Runs the scenarios that were asked for; the worst of them says how it ends.
pub fn run(args: &ScenarioArgs) -> Exit {
    let chosen: Vec<&Scenario> = match args.name.as_str() {
        "list" if args.has_options() => {
            eprintln!(
                "`scenario list` runs nothing, and takes no options; name a scenario, or `all`"
            );
            return Exit::Usage;
        }
        "list" => {
            print(&report::lists::scenarios(Style::of_stdout()));
            return Exit::Held;
        }
        "all" => Scenario::all().iter().collect(),
        name => match Scenario::by_name(name) {
            Some(scenario) => vec![scenario],
            None => return unknown_name(name),
        },
    };
    let history = ("--history", args.history.as_deref());
    if let Err(exit) = args.output.distinct(&[], &[history]) {
        return exit;
    }
    if args.history.is_some() && chosen.len() > 1 {
        eprintln!("--history is for one scenario; name it instead of `all`");
        return Exit::Usage;
    }
    if args.defect.is_some() {
        // A planted panic is part of the run, and no news.
        std::panic::set_hook(Box::new(|_| {}));
    }
    let interrupt = interrupted_by_signals();
    let mut exit = Exit::Held;
    let mut checks = Checks {
        title: String::new(),
        kind: "scenario",
        target: String::new(),
        seed: Seed(args.seed).to_string(),
        command: String::new(),
        interrupted: false,
        not_asked: BTreeSet::new(),
        checks: Vec::new(),
    };
    for scenario in &chosen {
        let target = match target(args, scenario) {
            Ok(target) => target,
            Err(exit) => return exit,
        };
        let began = Instant::now();
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
        let repeat = |name: &str| repeat(args, name, ended.target).as_called();
        let not_asked = ended.outcome.history.not_asked();
        checks.not_asked.extend(not_asked.iter().cloned());
        checks.target = ended.target.into();
        checks.command = repeat(&args.name);
        let repeat = repeat(scenario.name);
        match report_one(
            &args.output,
            args.target.site(),
            &ended,
            &repeat,
            began.elapsed(),
        ) {
            Ok(check) => checks.checks.push(check),
            Err(error) => {
                eprintln!("{error}");
                return Exit::Unknown;
            }
        }
        match ended.grade() {
            Grade::Passed => {}
            Grade::Failed => exit = Exit::Violated,
            Grade::Unknown if exit == Exit::Held => exit = Exit::Unknown,
            Grade::Unknown => {}
        }
        if interrupt.load(Ordering::Relaxed) {
            break;
        }
    }
    checks.title = format!("Scenarios on {}", checks.target);
    let not_asked = report::not_asked(&checks.not_asked, args.output.style());
    args.output.print(&not_asked);
    checks.interrupted = checks.checks.len() < chosen.len();
    args.output.print(&format!(
        "{} of {} passed on {}\n",
        checks.count(CheckResult::Passed),
        chosen.len(),
        checks.target
    ));
    exit.where_written(args.output.write_checks(&checks))
}

/// Reports the result of a scenario, and writes its page where one was asked for.
fn report_one(
    output: &OutputArgs,
    site: SiteName,
    ended: &ScenarioRun,
    repeat: &str,
    took: Duration,
) -> Result<Check, WriteError> {
    let style = output.style();
    let ScenarioRun { outcome, plan, .. } = ended;
    let origin = format!("the scenario {}", ended.scenario.name);
    let mut finding = None;
    if let Verdict::Violated(violation) = &outcome.verdict {
        let origin = Origin::Scenario(ended.scenario.name.into());
        let (plan, history) = (plan.clone(), outcome.history.clone());
        let (on, seed, violation) = (ended.target, ended.seed, violation.clone());
        let mut found = Finding::new(on, origin, plan, seed, violation, history);
        found.explain(kind(site));
        output.print(&report::violation(&found, repeat, style));
        finding = Some(found);
    }
    output.print(&report::scenario(ended, repeat, style));
    let page = output.write_run(
        ended.scenario.name,
        &Run {
            target: ended.target,
            site: kind(site),
            plan,
            seed: ended.seed,
            verdict: &outcome.verdict,
            history: &outcome.history,
            settled: outcome.settled.as_deref(),
            left_out: &outcome.left_out,
            origin: &origin,
            replay: repeat,
            finding: finding.as_ref(),
        },
    )?;
    let seconds = took.as_secs_f64();
    Ok(report::scenario_check(ended, repeat, seconds, page))
}

fn unknown_name(name: &str) -> Exit {
    eprintln!(
        "unknown scenario `{}`; write `all`, or one of these names:\n{}",
        quoted(name),
        report::lists::scenarios(Style {
            coloured: false,
            ..Style::of_stderr()
        })
        .trim_end()
    );
    Exit::Usage
}

/// The target that was asked for, with the defect planted that was asked for.
fn target(args: &ScenarioArgs, scenario: &Scenario) -> Result<Box<dyn Target + Sync>, Exit> {
    let name = args.target.name();
    aws::refuse(name, "scenario")?;
    let target = match name {
        TargetName::Sim | TargetName::Aws => args.target.clone(),
        TargetName::Local => TargetArgs {
            time_scale: Some(scenario.time_scale(args.target.time_scale())),
            ..args.target.clone()
        },
    };
    match &args.defect {
        None => open(name, &target),
        Some(name) => planted(defect(name)?, &target),
    }
}

/// The command that runs a scenario again, or all, with the program as it was called.
pub fn repeat(args: &ScenarioArgs, name: &str, target: &str) -> Repeat {
    Repeat {
        command: Command::Scenario { name: name.into() },
        setup: Some(args.target.setup(target, args.defect.as_deref())),
        seed: args.seed,
    }
}
