//! The command line: its arguments, and what they say when they are wrong.

mod aws;
mod bugs;
mod cloud;
mod completions;
mod conformance;
mod defects;
mod dispatch;
mod doctor;
mod explore;
mod given;
mod init;
mod known;
mod merge;
mod open;
mod outputs;
mod profile;
mod profile_try;
mod replay;
mod report;
mod rules;
mod run;
mod scenario;
mod shrink;
mod signals;
mod soak;
mod target;

pub use dispatch::main;

use clap::{Args, Parser, Subcommand};

use self::aws::{HealArgs, InjectArgs};
use self::cloud::CloudArgs;
use self::completions::CompletionsArgs;
use self::conformance::ConformanceArgs;
use self::defects::DefectsArgs;
use self::doctor::DoctorArgs;
use self::explore::ExploreArgs;
use self::init::InitArgs;
use self::merge::MergeArgs;
use self::profile::ProfileArgs;
use self::replay::ReplayArgs;
use self::report::ReportArgs;
use self::rules::RulesArgs;
use self::run::RunArgs;
use self::scenario::ScenarioArgs;
use self::shrink::ShrinkArgs;
use self::soak::SoakArgs;
use self::target::{PlansArgs, SiteName, TargetArgs, TargetName, time_scale};
use crate::agent_stub::StubArgs;
use crate::build_shim::ShimArgs;
use crate::process::namespace::Wanted;
use crate::regression::parse_seed;

/// Tests how a system recovers: random plans of work and faults, run against the real thing and
/// judged by its recovery contract.
///
/// Without a command: 256 plans on the simulated system, then 10 on real processes, real git and
/// S3 on this machine.
#[derive(Debug, Parser)]
#[command(version, after_help = MORE)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Print only what went wrong, and the summary
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Without a command: where plans go that do not hold [default: shakedown-out]
    #[arg(long, value_name = "DIR")]
    pub out: Option<std::path::PathBuf>,
}

const MORE: &str = "\
Examples:
  shakedown                                        what a change must pass
  shakedown run --target local --seed 0x1f3c
  shakedown soak --for 8h                          until the morning
  shakedown doctor                                 what of this machine can be used
  shakedown init my-system                         begin with a system of your own
  shakedown help soak                              each command has examples of its own

Exit codes:
   0  every rule held
   1  a rule was violated; the report names it and the command that shows it again
   2  the harness could not judge, was interrupted, or could not write what was asked for
  64  the arguments or a plan are wrong

Environment:
  PROPTEST_CASES, PROPTEST_RNG_SEED, PROPTEST_MAX_SHRINK_ITERS and the other variables of proptest
  NO_COLOR  no colours
  RUST_LOG  what the harness itself does, on standard error, such as `debug`";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Generate plans and run them on one target
    Run(RunArgs),
    /// Run plans for hours, on all cores and on many machines, and go on after any end
    Soak(SoakArgs),
    /// Add up what the shards of a soak came to
    Merge(MergeArgs),
    /// Run one plan again, from its file or from a history
    Replay(ReplayArgs),
    /// Make a plan that violates a rule as small as it can be, keep it, and explain it
    Shrink(ShrinkArgs),
    /// Make the page of a run that was written down before
    Report(ReportArgs),
    /// Run the scenarios of the contract: plans with the log words and times to be seen in them
    Scenario(ScenarioArgs),
    /// Print the rules of the contract, and the ways in which each can be broken
    Rules(RulesArgs),
    /// Check or print a profile: all that is particular to one system
    Profile(ProfileArgs),
    /// Write the first files for a system of your own: its profile, a plan, a workflow for CI
    Init(InitArgs),
    /// Look at what of this machine can be used, and print how to get what is missing
    Doctor(DoctorArgs),
    /// List the faults that a plan can inject
    Faults,
    /// List the steps of a plan, and the edits and phases that they name
    Steps,
    /// List what a campaign should reach, so that it tests what it claims to test
    Sometimes,
    /// Plant mistakes in the edit system, and show which rule catches each
    Defects(DefectsArgs),
    /// Run plans on sim and on local, and compare where they end
    Conformance(ConformanceArgs),
    /// Run the loopback cloud alone, for a worker that is started by hand or in a debugger
    Cloud(CloudArgs),
    /// Disturb a system that is deployed on AWS, for a time, in an account whose guards allow it
    Inject(InjectArgs),
    /// Undo what a killed `inject` left in an account
    Heal(HealArgs),
    /// Print a script that completes the arguments in a shell
    Completions(CompletionsArgs),
    /// Explore every state of the reference model at small scope, or every short plan on sim
    Explore(ExploreArgs),
    /// Be a container of the edit system, configured by the environment (see docs/targets.md)
    Worker(WorkerArgs),
    /// Be the agent's program in a container, such as `claude` (see docs/profiles.md)
    #[command(hide = true)]
    AgentStub(StubArgs),
    /// Run a command of a container, and report it as a build (see docs/profiles.md)
    #[command(hide = true)]
    BuildShim(ShimArgs),
    /// Make the network of a container, and hand it to the process that asks
    #[command(hide = true)]
    MakeNetwork(Wanted),
}

#[derive(Debug, Args)]
#[command(after_help = WORKER_EXAMPLES)]
pub struct WorkerArgs {
    /// Plant a defect in it, to see whether it is caught
    #[arg(long, value_name = "NAME", hide = true)]
    pub defect: Option<String>,
    /// Work as the system with the profile profiles/other.toml
    #[arg(long, hide = true)]
    pub other_profile: bool,
}

const WORKER_EXAMPLES: &str = "\
Examples:
  CLIENT_ID=acme WORKSPACE_ROOT=/var/lib/edit ... shakedown worker
docs/targets.md lists every variable. A message names those that are missing or invalid.";

fn seed(text: &str) -> Result<u64, String> {
    parse_seed(text).ok_or_else(|| "write a whole number, or 0x and hexadecimal digits".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repeat::Repeat;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_default_is_the_same_with_and_without_a_command() {
        let cli = Cli::parse_from(["shakedown", "run"]);
        let Some(Command::Run(args)) = cli.command else {
            panic!("{cli:?} is no run");
        };
        let default = TargetArgs::of(TargetName::Sim).time_scale();
        assert_eq!(args.plans.target.time_scale(), default);
    }

    /// The command that repeats a command line, made as the command itself makes it.
    fn repeated(cli: &Cli) -> Repeat {
        match cli.command.as_ref().expect("a command") {
            Command::Run(args) => {
                let setup = args
                    .plans
                    .target
                    .setup("local", args.plans.defect.as_deref());
                let (seed, cases) = (args.plans.seed.unwrap(), args.cases.unwrap());
                run::repeat(args, &setup, seed, cases)
            }
            Command::Soak(args) => soak::repeat(&args.plans, "local", args.plans.seed.unwrap()),
            Command::Replay(args) => {
                let setup = args.target.setup("local", args.defect.as_deref());
                Repeat::replay(&setup, &args.file, args.seed.unwrap())
            }
            Command::Shrink(args) => {
                let setup = args.target.setup("local", args.defect.as_deref());
                shrink::repeat(args, &setup, args.seed.unwrap())
            }
            Command::Scenario(args) => scenario::repeat(args, &args.name, "local"),
            Command::Conformance(args) => {
                let files = args.files.iter().map(|file| file.display().to_string());
                conformance::repeat(args, &files.collect::<Vec<_>>())
            }
            Command::Explore(args) => explore::plans::repeat(&args.plans, None),
            other => panic!("{other:?} repeats no run"),
        }
    }

    #[test]
    fn the_command_that_repeats_a_run_has_every_option_that_changes_it() {
        let on = "--target local --site astro --time-scale 0.05 --profile my.toml --seed 0x2a --defect force-push";
        for command in [
            format!("run {on} --max-steps 9 --cases 3 --keep-going"),
            format!("soak {on} --max-steps 9"),
            format!("replay x.plan {on}"),
            format!("shrink x.plan {on} --runs 9 --no-twin"),
            format!("scenario all {on}"),
            "explore --target sim --profile my.toml --seed 0x2a --depth 4 --alphabet git --seeds 2"
                .into(),
            "conformance a.plan b.plan --time-scale 0.05 --seed 0x2a".into(),
            "conformance --cases 3 --target aws --profile my.toml --yes-account 123456789012"
                .into(),
        ] {
            let parse = |words: &str| Cli::parse_from(words.split(' '));
            let first = parse(&format!("shakedown {command}"));
            let again = parse(&repeated(&first).to_string());
            assert_eq!(format!("{again:?}"), format!("{first:?}"));
        }
    }
}
