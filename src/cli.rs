//! The command line: its arguments, and what they say when they are wrong.

mod bugs;
mod completions;
mod conformance;
mod contest;
mod dispatch;
mod explore;
mod given;
mod merge;
mod outputs;
mod profile;
mod replay;
mod report;
mod rules;
mod run;
mod scenario;
mod shrink;
mod signals;
mod soak;

pub use dispatch::main;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Parser, Subcommand, ValueEnum};

use self::completions::CompletionsArgs;
use self::conformance::ConformanceArgs;
use self::dispatch::Exit;
use self::explore::ExploreArgs;
use self::merge::MergeArgs;
use self::outputs::{OutputArgs, RunOutputArgs};
use self::profile::ProfileArgs;
use self::report::ReportArgs;
use self::rules::RulesArgs;
use self::scenario::ScenarioArgs;
use self::shrink::ShrinkArgs;
use self::soak::SoakArgs;
use crate::generate::Shape;
use crate::profile::Profile;
use crate::regression::parse_seed;
use crate::repeat::Setup;

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
}

const MORE: &str = "\
Examples:
  shakedown                                        what a change must pass
  shakedown run --target local --seed 0x1f3c
  shakedown soak --for 8h                          until the morning
  shakedown help soak                              each command has examples of its own

Exit codes:
   0  every rule held
   1  a rule was violated; the report names it and the command that shows it again
   2  the harness could not judge, or was interrupted
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
    /// Plant mistakes in the edit system, and show which rule catches each
    Defects(DefectsArgs),
    /// Run plans on sim and on local, and compare where they end
    Conformance(ConformanceArgs),
    /// Print a script that completes the arguments in a shell
    Completions(CompletionsArgs),
    /// Explore every state of the reference model at small scope, or every short plan on sim
    Explore(ExploreArgs),
    /// Be a container of the edit system, configured by the environment (see docs/targets.md)
    Worker(WorkerArgs),
}

#[derive(Debug, Args)]
#[command(after_help = DEFECTS_EXAMPLES)]
pub struct DefectsArgs {
    /// Only these, with --harmless only those systems [default: all]
    pub names: Vec<String>,
    #[command(flatten)]
    pub target: TargetArgs,
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
    /// Let this shrinker and proptest's own work on the same plans on sim, and compare what they
    /// come to with the shortest plans known
    #[arg(long, conflicts_with_all = ["harmless", "other_profile", "target"])]
    pub shrink_bench: bool,
    /// With --shrink-bench: write the shortest plans there, those known and those found
    #[arg(long, value_name = "FILE", requires = "shrink_bench")]
    pub known: Option<PathBuf>,
}

const DEFECTS_EXAMPLES: &str = "\
Examples:
  shakedown defects                                all of them, on sim
  shakedown defects force-push --seeds 20 --plans
  shakedown defects --shrink-bench --seeds 20      the shrinker's own bench
  shakedown defects --harmless other-profile --cases 5000
  shakedown defects --harmless --target local      the system with another profile, as processes
  shakedown defects --other-profile
  shakedown defects --target local force-push token-in-commit";

#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub struct RunArgs {
    #[command(flatten)]
    pub plans: PlansArgs,
    /// How many plans [default: PROPTEST_CASES, else 256 on sim and 10 on local]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub cases: Option<u32>,
    /// Go on after a violation
    #[arg(long)]
    pub keep_going: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

const RUN_EXAMPLES: &str = "\
Examples:
  shakedown run                                    256 plans on sim
  shakedown run --target local --cases 50 --jobs 2
  shakedown run --seed 0x1f3c --keep-going         all failures of a seed, not only its first
  shakedown run --html report/ --junit junit.xml   for people, and for CI
  PROPTEST_CASES=10000 shakedown run --quiet

--html writes the campaign's page, and the timeline of each violation; --junit a test case for each
kept plan, one for the generated plans, and one for each violation; --json a line of type `plan` for
each plan, and a `summary`.";

/// What generated plans are, and where they run.
#[derive(Clone, Debug, Args)]
pub struct PlansArgs {
    #[command(flatten)]
    pub target: TargetArgs,
    /// What all plans and runs follow from [default: PROPTEST_RNG_SEED, else drawn and printed]
    #[arg(long, value_name = "S", value_parser = seed)]
    pub seed: Option<u64>,
    /// The most steps of a plan [default: 30]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub max_steps: Option<u32>,
    /// How many plans run at once [default: one a core on sim, two on local]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// Plant a defect in every container, to see what is found and reported
    #[arg(long, value_name = "NAME")]
    pub defect: Option<String>,
}

impl PlansArgs {
    /// Plans of a target with everything else as it is by default.
    pub fn of(target: TargetName) -> Self {
        Self {
            target: TargetArgs::of(target),
            seed: None,
            max_steps: None,
            jobs: None,
            defect: None,
        }
    }

    pub fn target_name(&self) -> TargetName {
        self.target.target.unwrap_or(TargetName::Sim)
    }

    pub fn shape(&self) -> Shape {
        let default = Shape::default();
        Shape {
            max_steps: self
                .max_steps
                .map_or(default.max_steps, |most| most as usize),
            ..default
        }
    }

    /// How many plans run at once.
    pub fn jobs(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let default = match self.target_name() {
            TargetName::Sim => cores,
            // Most of a real run is waiting.
            TargetName::Local => 2 * cores,
        };
        self.jobs.map_or(default, usize::from)
    }
}

#[derive(Debug, Args)]
#[command(after_help = REPLAY_EXAMPLES)]
pub struct ReplayArgs {
    /// The plan, or a history with its plan, target and seed
    pub file: PathBuf,
    #[command(flatten)]
    pub target: TargetArgs,
    /// The run's seed [default: the one that the file names]
    #[arg(long, value_name = "S", value_parser = seed)]
    pub seed: Option<u64>,
    /// Write the history there, while it happens
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
    /// Plant a defect in every container, where the plan was found with one
    #[arg(long, value_name = "NAME")]
    pub defect: Option<String>,
    #[command(flatten)]
    pub output: RunOutputArgs,
}

const REPLAY_EXAMPLES: &str = "\
Examples:
  shakedown replay proptest-regressions/fresh-1f3c5a70.plan
  shakedown replay my.plan --target local --history events.jsonl
  shakedown replay events.jsonl                    the run of a history, once more
  shakedown replay my.plan --seed 0x2a --html run.html

--json prints a line of type `plan`, as `run --json` does for each plan.";

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

#[derive(Clone, Debug, Args)]
pub struct TargetArgs {
    /// What to test [default: sim; for replay, where the plan was found]
    #[arg(long, value_enum)]
    pub target: Option<TargetName>,
    /// What builds the sites, on local [default: shell]
    #[arg(long, value_enum)]
    pub site: Option<SiteName>,
    /// Real seconds for each of the system's seconds, on local; such as 0.05
    /// [default: 1/30, or 1/6 with Astro]
    #[arg(long, value_name = "X", value_parser = time_scale)]
    pub time_scale: Option<f64>,
    /// The profile to judge by: other numbers, promises and evidence [default: the built-in one; for
    /// a history, the one in its header]
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// That of a history.
    #[arg(skip)]
    pub recorded: Option<Arc<Profile>>,
}

impl TargetArgs {
    /// A target with everything else as it is by default.
    pub fn of(target: TargetName) -> Self {
        Self {
            target: Some(target),
            site: None,
            time_scale: None,
            profile: None,
            recorded: None,
        }
    }

    /// All that changes a run, for the command that repeats it on this target.
    pub fn setup(&self, target: &str, defect: Option<&str>) -> Setup {
        // An option that is new must be written here.
        let Self {
            target: _,
            site,
            time_scale,
            profile,
            // The file that is replayed has it.
            recorded: _,
        } = self;
        Setup {
            target: target.into(),
            site: match site {
                None | Some(SiteName::Shell) => None,
                Some(SiteName::Astro) => Some("astro".into()),
            },
            time_scale: *time_scale,
            profile: profile.as_ref().map(|path| path.display().to_string()),
            defect: defect.map(str::to_owned),
        }
    }

    /// The profile that was asked for; `None` where it is the built-in one.
    ///
    /// # Errors
    /// Where it has mistakes, or words that the system under test does not use; they are printed.
    pub fn read_profile(&self) -> Result<Option<Arc<Profile>>, Exit> {
        let Some(path) = &self.profile else {
            return Ok(self.recorded.clone());
        };
        let profile = Profile::read(path).map_err(|error| {
            eprintln!("{error}");
            Exit::Usage
        })?;
        let reference = Profile::reference();
        if let Some(section) = profile.section_unlike(&reference) {
            eprintln!(
                "{}: its [{section}] differs from that of the built-in worker, which sim and local \
                 run; keep that section as `shakedown profile show` prints it",
                path.display()
            );
            return Err(Exit::Usage);
        }
        Ok(Some(profile.into()))
    }

    /// What builds the sites.
    pub fn site(&self) -> SiteName {
        self.site.unwrap_or(SiteName::Shell)
    }

    /// Real time over the system's own time.
    pub fn time_scale(&self) -> f64 {
        self.time_scale.unwrap_or(match self.site() {
            SiteName::Shell => 1.0 / 30.0,
            // A build takes seconds; it must not look like a minute to everything else.
            SiteName::Astro => 1.0 / 6.0,
        })
    }
}

/// The kinds of site by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum SiteName {
    /// A shell script, which needs nothing else
    Shell,
    /// Astro 5, installed by npm under target/ at the first use
    Astro,
}

/// The targets by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum TargetName {
    /// The worker on simulated services, in virtual time
    Sim,
    /// The worker as processes, on real git and loopback services
    Local,
}

impl TargetName {
    /// The target that was asked for, else the one that a file names, else sim.
    ///
    /// # Errors
    /// [`Exit::Usage`] where the file names a target that this program does not know; says so.
    pub fn choose(asked: Option<Self>, named: Option<&str>, file: &Path) -> Result<Self, Exit> {
        let (None, Some(named)) = (asked, named) else {
            return Ok(asked.unwrap_or(Self::Sim));
        };
        Self::from_str(named, false).map_err(|_| {
            let file = file.display();
            eprintln!(
                "{file} was made on the target `{named}`, which this program does not know; use a \
                 program that knows it, or choose another with `--target`"
            );
            Exit::Usage
        })
    }
}

fn seed(text: &str) -> Result<u64, String> {
    parse_seed(text).ok_or_else(|| "write a whole number, or 0x and hexadecimal digits".into())
}

fn time_scale(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let scale = match text.split_once('/') {
        Some((over, under)) => number(over).zip(number(under)).map(|(a, b)| a / b),
        None => number(text),
    };
    scale
        .filter(|scale| (0.001..=1.0).contains(scale))
        .ok_or_else(|| "write a number from 0.001 to 1, or a fraction such as 1/30".into())
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
            "conformance a.plan b.plan --time-scale 0.05 --seed 0x2a".into(),
        ] {
            let parse = |words: &str| Cli::parse_from(words.split(' '));
            let first = parse(&format!("shakedown {command}"));
            let again = parse(&repeated(&first).to_string());
            assert_eq!(format!("{again:?}"), format!("{first:?}"));
        }
    }

    #[test]
    fn time_scales_are_numbers_or_fractions() {
        assert_eq!(time_scale("1/4"), Ok(0.25));
        assert_eq!(time_scale("0.5"), Ok(0.5));
        for bad in ["0", "2", "1/0", "-1", "x", "1/", "NaN"] {
            assert!(time_scale(bad).is_err(), "{bad}");
        }
    }
}
