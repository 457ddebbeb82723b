//! `shakedown conformance`: its arguments, and what it does with them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use super::outputs::{OutputArgs, WriteError};
use super::{TargetArgs, TargetName, seed, time_scale};
use crate::campaign;
use crate::cli::dispatch::{Exit, interrupted_by_signals};
use crate::cli::open::open;
use crate::conformance::{self, Compared};
use crate::finding::{Finding, Origin};
use crate::generate::{self, Shape};
use crate::plan::{Plan, Step};
use crate::regression::{self, Seed};
use crate::repeat::{Command, Repeat};
use crate::report;
use crate::report::checks::Checks;
use crate::report::page::run::Run;
use crate::site::SiteKind;
use crate::target::{Interruptible, Target};
use crate::verdict::NotAsked;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ConformanceArgs {
    /// Files of plans, or names of those that come with the program [default: all of these]
    pub files: Vec<PathBuf>,
    /// Instead of files, so many plans as `run` draws them, of what both targets can do. What they leave to
    /// chance may rightly differ
    #[arg(long, value_name = "N", conflicts_with = "files")]
    pub cases: Option<u32>,
    /// What sim is compared with
    #[arg(long, value_enum, default_value_t = TargetName::Local)]
    pub target: TargetName,
    /// The profile of both; with aws, that of the deployed system alone
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// The account of the deployed system, by its id
    #[arg(long, value_name = "ID")]
    pub yes_account: Option<String>,
    /// The seed of every run
    #[arg(long, value_name = "S", default_value = "1", value_parser = seed)]
    pub seed: u64,
    /// How many plans run at once
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: u16,
    /// Real seconds for each of the system's seconds, such as 0.05 [default: 1/30 on local, 1 on aws]
    #[arg(long, value_name = "X", value_parser = time_scale)]
    pub time_scale: Option<f64>,
    #[command(flatten)]
    pub output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  shakedown conformance                            the plans that come with the program
  shakedown conformance my.plan other.plan --seed 3
  shakedown conformance --cases 30 --target aws --profile my.toml --yes-account 123456789012
  shakedown conformance --html report/ --junit junit.xml

--html writes a list of the plans, and the timelines of both runs of each; --junit a test case for
each plan; --json a line of type `comparison` for each, and a `summary`.";

/// Where plans are compared.
fn targets(args: &ConformanceArgs) -> [&'static str; 2] {
    let other = match args.target {
        TargetName::Sim => "sim",
        TargetName::Local => "local",
        TargetName::Aws => "aws",
    };
    ["sim", other]
}

/// What sim is compared with.
fn other(args: &ConformanceArgs) -> TargetArgs {
    TargetArgs {
        time_scale: args.time_scale,
        profile: args.profile.clone(),
        yes_account: args.yes_account.clone(),
        ..TargetArgs::of(args.target)
    }
}

/// Runs plans on sim and on another target, and reports where they end in different ways.
pub fn run(args: &ConformanceArgs) -> Exit {
    match compare(args) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn compare(args: &ConformanceArgs) -> Result<Exit, Exit> {
    let files: Vec<&Path> = args.files.iter().map(PathBuf::as_path).collect();
    args.output.distinct(&files, &[])?;
    if args.target == TargetName::Sim {
        eprintln!("sim is compared with another target: `--target local` or `--target aws`");
        return Err(Exit::Usage);
    }
    let on_sim = TargetArgs {
        // The names and numbers of a deployed system are not those of sim.
        profile: args
            .profile
            .clone()
            .filter(|_| args.target != TargetName::Aws),
        ..TargetArgs::of(TargetName::Sim)
    };
    let sim = open(TargetName::Sim, &on_sim)?;
    let other = open(args.target, &other(args))?;
    let plans = match args.cases {
        Some(cases) => drawn(cases, args.seed, [&*sim, &*other])?,
        None => plans(&args.files)?,
    };
    let interrupt = interrupted_by_signals();
    let [sim, other] = [&*sim, &*other].map(|target| Interruptible {
        target,
        interrupt: interrupt.clone(),
    });
    // There is one deployed system.
    let jobs = match args.target {
        TargetName::Aws => 1,
        TargetName::Sim | TargetName::Local => args.jobs.into(),
    };
    let compared = conformance::compare_all(&plans, [&sim, &other], args.seed, jobs);
    let output = &args.output;
    output.print(&report::conformance(
        &compared,
        targets(args),
        output.style(),
    ));
    let not_asked = not_asked(&compared);
    output.print(&report::not_asked(&not_asked, output.style()));
    let exit = if compared.iter().any(|plan| !plan.differences.is_empty()) {
        Exit::Violated
    } else if compared.iter().any(|plan| plan.unknown.is_some()) {
        Exit::Unknown
    } else {
        Exit::Held
    };
    Ok(exit.where_written(write(args, &compared)))
}

/// What was not asked on either target.
fn not_asked(compared: &[Compared]) -> BTreeSet<NotAsked> {
    let runs = compared.iter().flat_map(|of| &of.outcomes);
    runs.flat_map(|run| run.history.not_asked())
        .cloned()
        .collect()
}

/// Writes what was asked for.
fn write(args: &ConformanceArgs, compared: &[Compared]) -> Result<(), WriteError> {
    let checks = compared.iter().map(|of| {
        // One that was drawn is drawn with all others.
        let name = std::slice::from_ref(&of.name);
        let names = if args.cases.is_some() { &[] } else { name };
        let repeat = repeat(args, names).as_called();
        let [sim, other] = targets(args).map(|target| page(args, of, target, &repeat));
        Ok(report::comparison(
            of,
            targets(args),
            &repeat,
            [sim?, other?],
        ))
    });
    let files: Vec<String> = args.files.iter().map(|f| f.display().to_string()).collect();
    args.output.write_checks(&Checks {
        title: format!("Sim and {} compared", targets(args)[1]),
        kind: "comparison",
        target: targets(args).join("-"),
        seed: Seed(args.seed).to_string(),
        command: repeat(args, &files).as_called(),
        interrupted: false,
        not_asked: not_asked(compared),
        checks: checks.collect::<Result<_, _>>()?,
    })
}

/// Writes the page of a plan's run on one target, and returns the link to it.
fn page(
    args: &ConformanceArgs,
    of: &Compared,
    target: &'static str,
    repeat: &str,
) -> Result<Option<String>, WriteError> {
    let outcome = &of.outcomes[usize::from(target != "sim")];
    let (verdict, history) = (&outcome.verdict, &outcome.history);
    let found = Finding::of(target, Origin::Given, &of.plan, args.seed, verdict, history);
    let finding = found.map(|mut found| {
        found.explain(SiteKind::Shell);
        found
    });
    // Files of several folders may have one name.
    let name = of.name.trim_end_matches(".plan").replace(['/', '\\'], "-");
    args.output.write_run(
        &format!("{name}-{target}"),
        &Run {
            target,
            site: SiteKind::Shell,
            plan: &of.plan,
            seed: args.seed,
            verdict: &outcome.verdict,
            history: &outcome.history,
            settled: outcome.settled.as_deref(),
            left_out: &outcome.left_out,
            origin: &format!(
                "the plan {}, compared on {}",
                of.name,
                targets(args).join(" and ")
            ),
            replay: repeat,
            finding: finding.as_ref(),
        },
    )
}

/// The command that compares these plans again, with the program as it was called.
pub fn repeat(args: &ConformanceArgs, plans: &[String]) -> Repeat {
    Repeat {
        command: Command::Conformance {
            plans: plans.to_vec(),
            cases: args.cases,
        },
        setup: Some(other(args).setup(targets(args)[1], None)),
        seed: args.seed,
    }
}

/// So many plans, as a campaign draws them, of what both targets can do.
fn drawn(
    cases: u32,
    seed: u64,
    targets: [&(dyn Target + Sync); 2],
) -> Result<Vec<(String, Plan)>, Exit> {
    let mut shape = Shape::default();
    for target in targets {
        if let Some(deployed) = &target.profile().deployed {
            shape.sessions.clone_from(&deployed.sessions);
        }
    }
    let cannot = |step: &Step| targets.iter().find_map(|target| target.cannot(step));
    let strategy = generate::plans(&shape.possible(cannot));
    let case = |number| {
        let (mut plan, _) = campaign::case(&strategy, seed, number).map_err(|why| {
            eprintln!("drawing the plan {number}: {why}");
            Exit::Unknown
        })?;
        // Motifs have steps of all kinds.
        plan.steps.retain(|step| cannot(step).is_none());
        Ok((format!("case {number}"), plan))
    };
    (0..cases).map(case).collect()
}

/// The plans of these files or names, or all those that come with the program.
fn plans(files: &[PathBuf]) -> Result<Vec<(String, Plan)>, Exit> {
    let own = conformance::own_plans().map_err(|error| {
        eprintln!("a plan that comes with the program cannot be read: {error}; report it");
        Exit::Unknown
    })?;
    if files.is_empty() {
        return Ok(own);
    }
    let read = |file: &PathBuf| {
        let known = own.iter().find(|(name, _)| file == Path::new(name));
        if let Some(known) = known.filter(|_| !file.exists()) {
            return Ok(known.clone());
        }
        match regression::read(file) {
            Ok(kept) => Ok((file.display().to_string(), kept.plan)),
            Err(error) => {
                eprintln!("{error}");
                Err(Exit::Usage)
            }
        }
    };
    files.iter().map(read).collect()
}
