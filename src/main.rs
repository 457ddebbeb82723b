//! The binary: arguments, then a command, then an exit code.

mod cli;
mod signals;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use cli::outputs::{OutputArgs, Outputs};
use cli::{
    Cli, Command, DefectsArgs, ReplayArgs, RunArgs, SiteName, TargetArgs, TargetName, WorkerArgs,
};
use shakedown::campaign::{self, CampaignError, Config, Found, Summary};
use shakedown::defect::harmless::HARMLESS;
use shakedown::defect::{DEFECTS, Defect, trial};
use shakedown::generate::Shape;
use shakedown::regression::{self, Seed};
use shakedown::report::page::run::Run;
use shakedown::report::{self, Style, Violated, page};
use shakedown::target::local::{Astro, Local};
use shakedown::target::sim::Sim;
use shakedown::target::{Interrupt, Target, TargetError, Twinned};
use shakedown::verdict::Verdict;
use shakedown::worker::production::worker_main;
use signals::interrupted_by_signals;

/// Plans that a campaign generates on each target when nothing else is asked for.
const SIM_CASES: u32 = 256;
const LOCAL_CASES: u32 = 10;
/// Plans that may be needed to catch a planted defect on local.
const LOCAL_TRIAL_CASES: u32 = 20;

/// How the program ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Exit {
    Held = 0,
    Violated = 1,
    /// The harness could not tell, or was interrupted.
    Unknown = 2,
    Usage = 64,
}

fn main() -> ExitCode {
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
        None => default_campaigns(cli.quiet),
        Some(Command::Run(args)) => run(&args, cli.quiet, &interrupted_by_signals()),
        Some(Command::Soak(args)) => cli::soak::run(&args, cli.quiet),
        Some(Command::Merge(args)) => cli::merge::run(&args),
        Some(Command::Replay(args)) => replay(&args),
        Some(Command::Report(args)) => cli::report::run(&args),
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

/// Both targets, one after the other; the second only when the first held.
fn default_campaigns(quiet: bool) -> Exit {
    let args = |name, cases| RunArgs {
        target: TargetArgs::of(name),
        cases,
        seed: None,
        max_steps: None,
        jobs: None,
        keep_going: false,
        defect: None,
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

fn run(args: &RunArgs, quiet: bool, interrupt: &Interrupt) -> Exit {
    let name = args.target.target.unwrap_or(TargetName::Sim);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (default_cases, default_jobs) = match name {
        TargetName::Sim => (SIM_CASES, cores),
        // Most of a real run is waiting.
        TargetName::Local => (LOCAL_CASES, 2 * cores),
    };
    let mut shape = Shape::default();
    if let Some(most) = args.max_steps {
        shape.max_steps = most as usize;
    }
    let seed = campaign::seed_or_drawn(args.seed);
    let cases = campaign::cases_or(args.cases, default_cases);
    let target = match open_with(name, &args.target, args.defect.as_deref()) {
        Ok(target) => target,
        Err(exit) => return exit,
    };
    let options = options(args.target.site, args.defect.as_deref());
    let config = Config {
        cases,
        seed,
        jobs: args.jobs.map_or(default_jobs, usize::from),
        keep_going: args.keep_going,
        quiet,
        out: PathBuf::from("shakedown-out"),
        regressions: PathBuf::from("proptest-regressions"),
        command: format!(
            "shakedown run --target {}{} --cases {cases} --seed {} --max-steps {}{}",
            target.name(),
            options,
            Seed(seed),
            shape.max_steps,
            if args.keep_going { " --keep-going" } else { "" },
        ),
        shape,
    };
    let mut outputs = Outputs::new(&args.output, target.name(), args.target.site, options);
    let ended = campaign::run_watched(&*target, &config, interrupt, &mut |finished| {
        outputs.see(finished);
    });
    match ended {
        Ok(summary) => tell(&summary, &config, &args.output, &outputs),
        Err(error) => {
            eprintln!("{error}");
            match error {
                CampaignError::Kept(_) | CampaignError::Generate(_) => Exit::Usage,
                CampaignError::Target(_) | CampaignError::Write { .. } => Exit::Unknown,
            }
        }
    }
}

/// Prints what came of a campaign, and writes the reports that were asked for.
fn tell(summary: &Summary, config: &Config, output: &OutputArgs, outputs: &Outputs<'_>) -> Exit {
    let style = output.style();
    let pages = outputs.run_pages(summary, &config.out);
    for (index, found) in summary.found.iter().enumerate() {
        output.print(&report::violation(
            &Violated {
                target: summary.target,
                plan: &found.plan,
                seed: found.seed,
                violation: &found.violation,
                history: &found.history,
                origin: &origin(found),
                replay: &outputs.replay(found),
                others: &found.others,
                more: &found.more,
                explanation: found.explanation.as_ref(),
            },
            style,
        ));
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
    if summary.interrupted || !summary.unknown.is_empty() {
        Exit::Unknown
    } else {
        Exit::Held
    }
}

fn origin(found: &Found) -> String {
    let kept = format!("kept in {}", found.file.display());
    if found.is_known {
        return kept;
    }
    let shown = match found.reproduced {
        (1, 1) => String::new(),
        (times, of) => format!(", violated in {times} of {of} runs"),
    };
    let on = match (found.reproduced, found.shrunk_on) {
        ((1, 1), _) => String::new(),
        (_, on) => format!(" on {on}"),
    };
    format!(
        "found with {} steps, {} after {} runs of shrinking{on}{shown}; {kept}",
        found.first_steps,
        found.plan.steps.len(),
        found.shrink_runs,
    )
}

/// What a command line says of a target beside its name.
fn options(site: SiteName, defect: Option<&str>) -> String {
    let defect = defect.map(|name| format!(" --defect {name}"));
    format!("{}{}", site.option(), defect.unwrap_or_default())
}

/// The command that runs a plan again, with the program as it was called.
fn replay_command(file: &Path, target: &str, options: &str, seed: u64) -> String {
    let program = std::env::args_os().next().unwrap_or("shakedown".into());
    format!(
        "{} replay {} --target {target}{options} --seed {}",
        program.display(),
        file.display(),
        Seed(seed)
    )
}

fn replay(args: &ReplayArgs) -> Exit {
    let kept = match regression::read(&args.file) {
        Ok(kept) => kept,
        Err(error) => {
            eprintln!("{error}");
            return Exit::Usage;
        }
    };
    let found_on = match kept.target.as_deref() {
        Some("local") => TargetName::Local,
        _ => TargetName::Sim,
    };
    let name = args.target.target.unwrap_or(found_on);
    let target = match open_with(name, &args.target, args.defect.as_deref()) {
        Ok(target) => target,
        Err(exit) => return exit,
    };
    let seed = args.seed.or(kept.seed).unwrap_or_default();
    let interrupt = interrupted_by_signals();
    let (outcome, coverage) = campaign::run_one(&*target, kept.plan.clone(), seed, &interrupt);
    if let Some(path) = &args.history
        && let Err(error) = outcome.history.write_file(path)
    {
        eprintln!(
            "{}: cannot write the history: {error}; name a file that can be written",
            path.display()
        );
        return Exit::Unknown;
    }
    let options = options(args.target.site, args.defect.as_deref());
    let replay = replay_command(&args.file, target.name(), &options, seed);
    let from = format!("from {}", args.file.display());
    let explanation = match &outcome.verdict {
        Verdict::Violated(violation) => {
            let (plan, history) = (&kept.plan, &outcome.history);
            let explanation = campaign::explain_on(&*target, plan, seed, history, violation);
            Some(explanation)
        }
        Verdict::Held | Verdict::Unknown { .. } => None,
    };
    if let Some(path) = &args.html {
        let page = page::run(&Run {
            target: target.name(),
            site: target.site(),
            plan: &kept.plan,
            seed,
            verdict: &outcome.verdict,
            history: &outcome.history,
            settled: outcome.settled.as_ref(),
            left_out: &outcome.left_out,
            origin: &from,
            replay: &replay,
            others: &[],
            explanation: explanation.as_ref(),
        });
        if let Err(error) = cli::outputs::write(path, &page) {
            eprintln!("{error}");
            return Exit::Unknown;
        }
    }
    let style = Style::of_stdout();
    for (step, why) in &outcome.left_out {
        let text = format!("left out step {}: {why}", step + 1);
        print(&format!("{}\n", style.odd(&text)));
    }
    match outcome.verdict {
        Verdict::Held => {
            print(&format!(
                "{} on {}: {} steps, {} events, run seed {}\n",
                style.good("HELD"),
                target.name(),
                coverage.steps,
                coverage.events,
                Seed(seed)
            ));
            Exit::Held
        }
        Verdict::Violated(violation) => {
            print(&report::violation(
                &Violated {
                    target: target.name(),
                    plan: &kept.plan,
                    seed,
                    violation: &violation,
                    history: &outcome.history,
                    origin: &from,
                    replay: &replay,
                    others: &[],
                    more: &[],
                    explanation: explanation.as_ref(),
                },
                style,
            ));
            Exit::Violated
        }
        Verdict::Unknown { why } => {
            print(&format!(
                "{} on {}: {why}\n",
                style.odd("UNKNOWN"),
                target.name()
            ));
            Exit::Unknown
        }
    }
}

/// Plants each defect and tells what catches it.
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
    let cases = args.cases.unwrap_or(match args.target.target {
        Some(TargetName::Local) => LOCAL_TRIAL_CASES,
        _ => SIM_CASES,
    });
    // A planted panic is part of the trial, and no news.
    std::panic::set_hook(Box::new(|_| {}));
    if args.shrink_bench {
        return cli::contest::run(args, &chosen, cases, quiet);
    }
    let style = Style::of_stdout();
    print(&report::trials_head());
    let mut missed = 0;
    for defect in &chosen {
        let target = match planted(defect, &args.target) {
            Ok(target) => target,
            Err(exit) => return exit,
        };
        let mut trials = Vec::new();
        for seed in args.seed..args.seed + args.seeds {
            match trial::run(&*target, &Shape::default(), seed, cases) {
                Ok(trial) => trials.push(trial),
                Err(why) => {
                    eprintln!("{why}");
                    return Exit::Unknown;
                }
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
        chosen.len() - missed,
        chosen.len()
    ));
    if missed == 0 {
        Exit::Held
    } else {
        Exit::Violated
    }
}

/// Runs plans on systems that keep the contract in other ways, and tells what a rule says of them.
fn harmless(args: &DefectsArgs) -> Exit {
    let cases = args.cases.unwrap_or(SIM_CASES);
    let mut exit = Exit::Held;
    for way in HARMLESS {
        let target = trial::harmless_sim(way);
        for seed in args.seed..args.seed + args.seeds {
            match trial::run(&target, &Shape::default(), seed, cases) {
                Ok(trial) => {
                    let told = report::harmless_row(way, &trial, Style::of_stdout());
                    print(&told);
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
fn planted(defect: &'static Defect, on: &TargetArgs) -> Result<Box<dyn Target + Sync>, Exit> {
    if on.target != Some(TargetName::Local) {
        return Ok(Box::new(trial::planted_sim(defect)));
    }
    match open_local(on) {
        Ok(local) => Ok(Box::new(Twinned {
            target: local.with_worker_arguments(["--defect", defect.name]),
            twin: trial::planted_sim(defect),
        })),
        Err(error) => {
            eprintln!("{error}");
            Err(Exit::Unknown)
        }
    }
}

/// A target by its name; where it cannot be had, says why and ends.
fn open(name: TargetName, args: &TargetArgs) -> Result<Box<dyn Target + Sync>, Exit> {
    if name == TargetName::Sim && args.site != SiteName::Shell {
        eprintln!("sim builds no real site; use `--site` with `--target local`");
        return Err(Exit::Usage);
    }
    match name {
        TargetName::Sim => Ok(Box::new(Sim::default())),
        TargetName::Local => match open_local(args) {
            Ok(local) => Ok(Box::new(Twinned {
                target: local,
                twin: Sim::default(),
            })),
            Err(error) => {
                eprintln!("{error}");
                Err(Exit::Unknown)
            }
        },
    }
}

/// A target by its name, with a defect in every container where one is named.
fn open_with(
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
    planted(defect, &TargetArgs { target, ..*args })
}

fn open_local(args: &TargetArgs) -> Result<Local, TargetError> {
    Ok(Local {
        time_scale: args.time_scale(),
        astro: match args.site {
            SiteName::Shell => None,
            SiteName::Astro => Some(Astro::install(Path::new("target"))?),
        },
        ..Local::new()?
    })
}

/// Runs a container until it is told to end.
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
    worker_main(|ports, settings| {
        if let Some(defect) = defect {
            defect.plant(ports, settings);
        }
    })
}

/// Prints to standard output. Whoever closed it does not want the rest.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
