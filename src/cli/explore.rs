//! `shakedown explore`: its arguments, and what it does with them.

mod plans;

use std::time::Duration;

use clap::Args;

use self::plans::PlansArgs;
use super::TargetName;
use crate::Exit;

/// Without `--target`, the reference model is explored; with it, all short plans run on a target.
#[derive(Debug, Args)]
pub struct ExploreArgs {
    /// How many clients
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=3))]
    pub clients: u8,
    /// How many sessions each client has
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub sessions: u8,
    /// How many instructions are sent in all
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=4))]
    pub instructions: u8,
    /// How many faults may be active at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=4))]
    pub faults: u8,
    /// How many crashes there may be in all
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=4))]
    pub crashes: u8,
    /// End after so many distinct states [default: no bound]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_states: Option<u64>,
    /// End after so long, such as 90s, 5m or 1h [default: no bound]
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub time: Option<Duration>,
    /// End before more memory than this is used, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 4096, value_parser = clap::value_parser!(u64).range(64..))]
    pub memory: u64,
    /// How many threads [default: one a core]
    #[arg(long, alias = "jobs", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Mutate the model, and show which mutants exploration catches
    #[arg(long, conflicts_with = "target")]
    pub mutants: bool,

    /// Run all short plans on this target instead
    #[arg(long, value_enum)]
    pub target: Option<TargetName>,
    #[command(flatten)]
    pub plans: PlansArgs,
}

/// Explores what was asked for.
pub fn run(args: &ExploreArgs, quiet: bool) -> Exit {
    match args.target {
        Some(target) => plans::run(&args.plans, target, &args.bounds(quiet)),
        None => model(args),
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
fn model(_args: &ExploreArgs) -> Exit {
    eprintln!("exploring the model is not there yet");
    Exit::Usage
}

fn time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: Option<u64> = digits.parse().ok();
    let seconds = match (&text[digits.len()..], number) {
        ("s" | "", Some(n)) => Some(n),
        ("m", Some(n)) => n.checked_mul(60),
        ("h", Some(n)) => n.checked_mul(3600),
        _ => None,
    };
    seconds
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
        .ok_or_else(|| "write a whole number and its unit, such as 90s, 5m or 1h".into())
}
