//! What has to do with real accounts: `run --target aws`, `inject` and `heal`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::cli::dispatch::{Exit, print};
use crate::cli::signals::interrupted_by_signals;
use crate::cli::{TargetArgs, TargetName};
use crate::plan::{ClientId, Fault, FaultKind, ParseError, Plan, Step, VERSION_LINE};
use crate::profile::{Deployed, Profile};
use crate::target::aws::{self, Aws, DryRun, Entry, deny, dry_run, left, way};
use crate::target::sim::Sim;
use crate::target::{Profiled, Target};
use crate::terminal::Style;

const HEAL_EXAMPLES: &str = "\
Examples:
  shakedown heal --list    what killed commands left
  shakedown heal           undo it";

const EXAMPLES: &str = "\
Examples:
  shakedown inject s3-denied acme --for 60s --profile staging.toml                             what it would do
  shakedown inject s3-denied acme --for 60s --profile staging.toml --yes-account 123456789012  do it

All guards of docs/real-accounts.md are asked first. The fault ends after its time, by Ctrl-C, or when the alarm
of the profile goes on, and the policy is then as it was. What a killed run leaves, `shakedown heal` undoes.";

/// A fault of a deployed system, by hand.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct InjectArgs {
    /// The fault, as a plan has it; this version makes `s3-denied CLIENT`
    #[arg(required = true)]
    fault: Vec<String>,
    /// The profile of the deployed system
    #[arg(long, value_name = "FILE")]
    profile: PathBuf,
    /// How long it lasts, in seconds, ten minutes at most: 60s
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    time: Duration,
    /// The account, by its id: without it nothing is done
    #[arg(long, value_name = "ID")]
    yes_account: Option<String>,
}

/// A fault that lasts longer is no test.
const LONGEST: Duration = Duration::from_secs(600);

fn time(text: &str) -> Result<Duration, String> {
    let seconds = text.strip_suffix('s').and_then(|text| text.parse().ok());
    let time = seconds.map(Duration::from_secs);
    time.filter(|time| !time.is_zero() && *time <= LONGEST)
        .ok_or_else(|| "write whole seconds, from 1s to 600s".into())
}

#[derive(Debug, Args)]
#[command(after_help = HEAL_EXAMPLES)]
pub struct HealArgs {
    /// Print what is left, and change nothing
    #[arg(long)]
    list: bool,
}

/// Reads a profile with a section `[aws]`.
fn read(path: &Path) -> Result<(Arc<Profile>, Deployed), Exit> {
    let usage = |why: &dyn std::fmt::Display| {
        eprintln!("{why}");
        Exit::Usage
    };
    let profile = Profile::read(path).map_err(|error| usage(&error))?;
    let deployed = profile.deployed.clone().ok_or_else(|| {
        let why = "there is no section [aws]: it says which account may be tested (docs/real-accounts.md)";
        usage(&format!("{}: {why}", path.display()))
    })?;
    Ok((Arc::new(profile), deployed))
}

/// Asks all guards, and prints what they found. Returns the account, where it may be tested.
fn asked(profile: &Arc<Profile>, deployed: &Deployed) -> Result<String, Exit> {
    match dry_run(profile, deployed) {
        Ok(found) => {
            print(&report(&found, profile, deployed, Style::of_stdout()));
            found.account.ok_or(Exit::Unknown)
        }
        Err(error) => {
            eprintln!("{error}");
            Err(Exit::Unknown)
        }
    }
}

/// Runs `run --target aws`.
pub fn run(profile: Option<&Path>) -> Exit {
    let Some(path) = profile else {
        eprintln!("--target aws needs the profile of the deployed system: add --profile FILE");
        return Exit::Usage;
    };
    let asked = read(path).and_then(|(profile, deployed)| asked(&profile, &deployed));
    asked.map_or_else(|exit| exit, |_| Exit::Held)
}

/// The deployed system of a profile, in the account that was named for it.
pub fn open(args: &TargetArgs) -> Result<Box<dyn Target + Sync>, Exit> {
    let Some(path) = &args.profile else {
        eprintln!("--target aws needs the profile of the deployed system: add --profile FILE");
        return Err(Exit::Usage);
    };
    let Some(account) = &args.yes_account else {
        eprintln!(
            "to run plans on a deployed system, name its account with --yes-account; what that would touch is shown by \
             `shakedown run --target aws --profile {}`",
            path.display()
        );
        return Err(Exit::Usage);
    };
    let (profile, deployed) = read(path)?;
    let profile = args.heeding(Some(profile.clone()))?.unwrap_or(profile);
    let scale = args.time_scale.unwrap_or(1.0);
    let aws = Aws::new(profile.clone(), deployed, account, scale, &args.spent);
    // A system that nothing here can start is tried nowhere else.
    let is_own = aws
        .profile()
        .deployed
        .as_ref()
        .is_some_and(|it| it.message.is_none());
    let twin: Option<Box<dyn Target + Sync>> = match profile.start.is_some() {
        true => Some(super::open::open(
            TargetName::Local,
            &TargetArgs {
                profile: Some(path.clone()),
                ..TargetArgs::of(TargetName::Local)
            },
        )?),
        false if is_own => Some(Box::new(Profiled::new(
            Box::<Sim>::default(),
            aws.profile(),
        ))),
        false => None,
    };
    Ok(match twin {
        Some(twin) => Box::new(aws.with_twin(twin)),
        None => Box::new(aws),
    })
}

/// Refuses a deployed system where runs are many and nobody counts them.
pub fn refuse(name: TargetName, command: &str) -> Result<(), Exit> {
    if name != TargetName::Aws {
        return Ok(());
    }
    eprintln!(
        "`shakedown {command}` does not run on a deployed system: `run --target aws` and `replay --target aws` do, and \
         `run` makes a finding smaller where the system also runs here"
    );
    Err(Exit::Usage)
}

/// Runs `inject`.
pub fn inject(args: &InjectArgs) -> Exit {
    match injected(args) {
        Ok(()) => Exit::Held,
        Err(exit) => exit,
    }
}

fn injected(args: &InjectArgs) -> Result<(), Exit> {
    let (profile, deployed) = read(&args.profile)?;
    let client = client(args, &profile, &deployed).map_err(|why| {
        eprintln!("{why}");
        Exit::Usage
    })?;
    let account = asked(&profile, &deployed)?;
    let Some(yes) = &args.yes_account else {
        print(&format!("To do it, add --yes-account {account}.\n"));
        return Ok(());
    };
    if *yes != account {
        eprintln!(
            "--yes-account {yes} is not the account of the credentials, {account}; nothing was done"
        );
        return Err(Exit::Usage);
    }
    let interrupt = interrupted_by_signals();
    let done = deny(
        &profile, &deployed, &account, &client, args.time, &interrupt,
    );
    match done {
        Ok(said) => {
            print(&format!("s3-denied {client}: {said}\n"));
            Ok(())
        }
        Err(error) => {
            eprintln!("{error}");
            Err(Exit::Unknown)
        }
    }
}

/// Whose site is not to be written any more.
fn client(args: &InjectArgs, profile: &Profile, deployed: &Deployed) -> Result<ClientId, String> {
    let sessions = deployed.sessions.clone();
    let declared: String = sessions
        .iter()
        .map(|it| format!("session {it}\n"))
        .collect();
    let line = format!("inject {}", args.fault.join(" "));
    let plan: Result<Plan, ParseError> = format!("{VERSION_LINE}\n{declared}{line}\n").parse();
    let plan = plan.map_err(|error| format!("`{line}`: {}", error.message))?;
    match &plan.steps[..] {
        [Step::Inject(Fault::S3Denied(Some(client)))] => Ok(client.clone()),
        [Step::Inject(Fault::S3Denied(None))] => {
            Err("name the client whose site it is about".into())
        }
        [Step::Inject(fault)] => Err(match way(fault.kind(), profile, deployed) {
            Ok(_) => format!("this version does not inject `{fault}` by hand"),
            Err(why) => format!("`{fault}` cannot be injected on AWS: {why}"),
        }),
        _ => Err(format!("`{line}` is no fault")),
    }
}

/// Runs `heal`.
pub fn heal(args: &HealArgs) -> Exit {
    let left = match left() {
        Ok(left) => left,
        Err(error) => {
            eprintln!("{error}");
            return Exit::Unknown;
        }
    };
    if left.is_empty() {
        print("nothing is left to be undone\n");
    }
    let mut exit = Exit::Held;
    // The newest first; an account has one at most.
    for entry in left.iter().rev() {
        let Entry {
            account,
            region,
            process,
            changes,
            ..
        } = entry;
        if args.list {
            for change in changes.iter().rev() {
                print(&format!(
                    "{account} in {region}: {change}, by process {process}\n"
                ));
            }
            continue;
        }
        match aws::heal(entry) {
            Ok(said) => print(&format!("{account}: {}\n", said.join("; "))),
            Err(error) => {
                eprintln!("{error}");
                exit = Exit::Unknown;
            }
        }
    }
    exit
}

fn report(of: &DryRun, profile: &Profile, deployed: &Deployed, style: Style) -> String {
    let mut text = String::from("Guards\n");
    for guard in &of.guards {
        let line = match &guard.found {
            Ok(found) => format!("ok       {}: {found}", guard.about),
            Err(why) => style.odd(&format!("refused  {}: {why}", guard.about)),
        };
        style.paragraph(&mut text, "  ", &line);
    }
    if of.is_allowed() {
        text.push_str("\nWhat a run would touch\n");
        for touched in &of.touched {
            let line = format!("{}: {}", touched.resource, touched.how);
            style.paragraph(&mut text, "  ", &line);
        }
        let _ = writeln!(text, "\nFaults, for {} alone", deployed.role);
        for fault in FaultKind::ALL {
            let line = match way(fault, profile, deployed) {
                Ok(how) => format!("{}: {how}", fault.name()),
                Err(why) => format!("{}: left out: {why}", fault.name()),
            };
            style.paragraph(&mut text, "  ", &line);
        }
    }
    let verdict = match of.is_allowed() {
        true => "Every guard lets a run begin.",
        false => "No run may begin.",
    };
    let _ = writeln!(
        text,
        "\n{verdict} Nothing was done yet: {} requests were made, all of which only read.",
        of.requests
    );
    text
}
