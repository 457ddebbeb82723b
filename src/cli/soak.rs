//! `shakedown soak`: its arguments, and what it does with them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::bugs::Bugs;
use super::outputs::OutputArgs;
use super::run::failed;
use super::{PlansArgs, SiteName, TargetName};
use crate::campaign::{self, CampaignEnd, Shard};
use crate::cli::aws;
use crate::cli::dispatch::{Exit, interrupted_by_signals, print_data};
use crate::cli::open::open_with;
use crate::finding::Finding;
use crate::regression::{Seed, parse_seed};
use crate::repeat::{Command, Repeat, Setup};
use crate::report::page::campaign::Campaign;
use crate::report::{self, lines};
use crate::soak::{self, Config, Identity, News, SoakOutcome, SoakState};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SoakArgs {
    #[command(flatten)]
    pub plans: PlansArgs,
    /// How long, over all its starts, such as 8h, 30m or 1h30m [default: until it is asked to end]
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub time: Option<Duration>,
    /// How many plans, over all shards [default: PROPTEST_CASES, else until it is asked to end]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub cases: Option<u64>,
    /// Run every Nth case from the Ith on, I from 0 [default: what AWS Batch, Kubernetes or Slurm
    /// says of an array job, else all]
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// How many shards there are, where the scheduler names only which one this is
    #[arg(long, value_name = "N", conflicts_with = "shard", value_parser = clap::value_parser!(u32).range(1..))]
    pub shard_count: Option<u32>,
    /// Where the soak keeps its state and what it found; shards have a folder each in it
    #[arg(long, value_name = "DIR", default_value = "shakedown-soak")]
    pub out: PathBuf,
    /// Go on with the soak in that folder, if there is one
    #[arg(long)]
    pub resume: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  shakedown soak --for 8h                          on sim, all cores, until the morning
  shakedown soak --for 8h --target local --seed 7
  shakedown soak --resume                          go on after Ctrl-C, a crash or a reboot
  shakedown soak --for 1h --seed 7 --shard 0/4     the first of four machines
  sbatch --array=0-3 --wrap 'shakedown soak --for 1h --seed 7 --resume'
  touch shakedown-soak/stop                        ends it as Ctrl-C does

It ends with the runs under way; a second Ctrl-C ends it at once, and loses nothing that was found.

--html writes the page of the soak, and the timeline of each bug; --junit a test case for the plans
and one for each bug; --json a line of type `bug` for each bug as it is found, one of type `known` for
each kept plan that fails again, and a `summary`.";

/// Soaks until a bound is reached or it is asked to end.
pub fn run(args: &SoakArgs, quiet: bool) -> Exit {
    match soak(args, quiet) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn soak(args: &SoakArgs, quiet: bool) -> Result<Exit, Exit> {
    args.output.distinct(&[], &[])?;
    let shard = shard(args)?;
    let out = match shard {
        Shard::WHOLE => args.out.clone(),
        Shard { index, count } => args.out.join(format!("shard-{index}-of-{count}")),
    };
    let asked = asked(args, &out)?;
    let seed = match (asked.seed, shard) {
        (Some(seed), _) => seed,
        (None, Shard::WHOLE) => campaign::seed_or_drawn(None),
        (None, _) if let Some(seed) = campaign::seed_of_environment() => seed,
        (None, _) => {
            eprintln!("all shards of a soak need one seed; add --seed S to each");
            return Err(Exit::Usage);
        }
    };
    let name = asked.target_name();
    aws::refuse(name, "soak")?;
    let target = open_with(name, &asked.target, asked.defect.as_deref())?;
    let shape = asked.shape().possible(|step| target.cannot(step));
    let identity = Identity {
        version: env!("CARGO_PKG_VERSION").into(),
        setup: setup(target.name(), &asked),
        seed: Seed(seed).to_string(),
        max_steps: shape.max_steps,
        profile: format!("{:016x}", target.profile().hash()),
        plans: soak::hash_of_plans(&shape, seed).map_err(|error| failed(&error))?,
    };
    let of_proptest = std::env::var_os("PROPTEST_CASES").is_some();
    let command = repeat(&asked, target.name(), seed);
    let config = Config {
        campaign: campaign::Config {
            command: command.to_string(),
            seed,
            shape,
            cases: args
                .cases
                .or_else(|| of_proptest.then(|| campaign::cases_or(None, 0).into())),
            jobs: asked.jobs(),
            kept_for: None,
            keep_going: true,
            quiet,
            out,
            regressions: PathBuf::from("proptest-regressions"),
            first: Vec::new(),
            replays: true,
        },
        identity,
        shard,
        time: args.time,
        resume: args.resume,
    };
    if !quiet {
        eprintln!(
            "{}, in {}",
            command.as_called(),
            config.campaign.out.display()
        );
    }
    let output = &args.output;
    let style = output.style();
    let identity = &config.identity;
    let mut report = |news: News<'_>| {
        let again = match news {
            News::Bug(bug) => Repeat::replay(&identity.setup, &bug.file, bug.seed).as_called(),
            News::Resumed(_) | News::Known(_) => String::new(),
        };
        output.print(&report::soak_news(&news, &again, style));
        match news {
            News::Bug(bug) if output.json => print_data(&lines::other("bug", bug)),
            News::Known(known) if output.json => print_data(&lines::other("known", known)),
            _ => {}
        }
    };
    let ended = soak::run(&*target, &config, &interrupted_by_signals(), &mut report)
        .map_err(|error| failed(&error))?;
    let bugs = Bugs {
        identity,
        folders: vec![&config.campaign.out],
    };
    let replay = |bug: &Finding| bugs.replay(bug);
    output.print(&report::soak(&ended, &replay, style));
    bugs.print_violated_by_all(output, &ended.state.totals);
    let campaign = Campaign::of_soak(&ended, &command.as_called());
    let written = bugs.write(output, campaign, &ended.state.totals);
    Ok(exit(&ended).where_written(written))
}

fn exit(of: &SoakOutcome) -> Exit {
    let totals = &of.state.totals;
    let by_all = of.state.identity.violated_by_all(totals);
    if totals.violated > 0 || !of.pending.is_empty() || !by_all.is_empty() {
        Exit::Violated
    } else if of.end != CampaignEnd::Completed || totals.unknown > 0 {
        Exit::Unknown
    } else {
        Exit::Held
    }
}

fn shard(args: &SoakArgs) -> Result<Shard, Exit> {
    if let Some(shard) = args.shard {
        return Ok(shard);
    }
    let var = |name: &str| std::env::var(name).ok();
    match Shard::of_environment(var, args.shard_count) {
        Ok(Some(shard)) => Ok(shard),
        Ok(None) if args.shard_count.is_some_and(|count| count > 1) => {
            eprintln!(
                "--shard-count is for array jobs, and no scheduler says which shard this is; say \
                 --shard I/N"
            );
            Err(Exit::Usage)
        }
        Ok(None) => Ok(Shard::WHOLE),
        Err(error) => {
            eprintln!("{error}");
            Err(Exit::Usage)
        }
    }
}

/// What was asked for; on `--resume`, what was left out is as it was at the first start.
fn asked(args: &SoakArgs, out: &Path) -> Result<PlansArgs, Exit> {
    let mut asked = args.plans.clone();
    if !args.resume {
        return Ok(asked);
    }
    let state = match SoakState::read(out) {
        Ok(Some(state)) => state,
        Ok(None) => {
            eprintln!("there is no soak in {} yet; it begins", out.display());
            return Ok(asked);
        }
        Err(error) => {
            eprintln!("{error}");
            return Err(Exit::Usage);
        }
    };
    let was = state.identity;
    let target = TargetName::choose(asked.target.target, Some(&was.setup.target), out)?;
    asked.target.target = Some(target);
    asked.seed = asked.seed.or(parse_seed(&was.seed));
    asked.max_steps = asked.max_steps.or(was.max_steps.try_into().ok());
    let Setup {
        target: _,
        site,
        time_scale,
        profile,
        known,
        only: _,
        defect,
        // No soak runs there.
        yes_account: _,
    } = was.setup;
    if site.is_some() {
        asked.target.site = Some(SiteName::Astro);
    }
    asked.target.time_scale = asked.target.time_scale.or(time_scale);
    asked.target.profile = asked.target.profile.or(profile.map(PathBuf::from));
    asked.target.known = asked.target.known.or(known.map(PathBuf::from));
    asked.defect = asked.defect.or(defect);
    Ok(asked)
}

/// The command that starts the same soak again.
pub fn repeat(asked: &PlansArgs, target: &str, seed: u64) -> Repeat {
    Repeat {
        command: Command::Soak {
            max_steps: asked.shape().max_steps,
        },
        setup: Some(setup(target, asked)),
        seed,
    }
}

/// All that changes what runs do, with the time scale that local has by default.
fn setup(target: &str, asked: &PlansArgs) -> Setup {
    let setup = asked.target.setup(target, asked.defect.as_deref());
    let is_local = asked.target_name() == TargetName::Local;
    Setup {
        time_scale: is_local.then(|| asked.target.time_scale()),
        ..setup
    }
}

/// Reads a time such as `8h`, `1h30m` or `45s`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let bad = || "write a time such as 8h, 1h30m or 45s, of at most 1000 days".to_owned();
    let mut sum = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        let unit = rest[digits..].chars().next().ok_or_else(bad)?;
        let seconds = match unit {
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return Err(bad()),
        };
        sum = number
            .checked_mul(seconds)
            .and_then(|more| sum.checked_add(more))
            .filter(|sum| *sum <= 86_400_000)
            .ok_or_else(bad)?;
        rest = &rest[digits + 1..];
    }
    if sum == 0 {
        return Err(bad());
    }
    Ok(Duration::from_secs(sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_write_them() {
        for (text, seconds) in [
            ("8h", 28_800),
            ("1h30m", 5_400),
            ("45s", 45),
            ("2d", 172_800),
            ("90m", 5_400),
        ] {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)));
        }
        for bad in [
            "",
            "8",
            "h",
            "0s",
            "-1h",
            "8x",
            "8h5",
            "1.5h",
            "99999999999999999999h",
            "8µ",
        ] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }
}
