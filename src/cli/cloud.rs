//! What `shakedown cloud` does: the loopback cloud alone, until it is ended.

mod steps;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tokio::runtime::Builder;
use tokio::sync::mpsc::UnboundedReceiver;

use self::steps::{Steps, lines};
use crate::cli::dispatch::{Exit, print_data};
use crate::cli::signals::{any, listened};
use crate::cloud::{Cloud, CloudConfig, Request};
use crate::coverage::Coverage;
use crate::history::{CallAnswer, What};
use crate::plan::{Plan, SessionId, Step};
use crate::profile::Profile;
use crate::regression;
use crate::report::{self, Style};
use crate::target::TargetError;
use crate::target::local::check_needs;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CloudArgs {
    /// The sessions, as `client/thread`; each client has a front, queues, a bucket and a repository
    #[arg(default_value = "acme/home", value_parser = session)]
    sessions: Vec<SessionId>,
    /// A plan, in place of the sessions; its steps are carried out as far as they are the cloud's
    #[arg(long, value_name = "FILE", conflicts_with = "sessions")]
    plan: Option<PathBuf>,
    /// Take the place of *.amazonaws.com, github.com and api.anthropic.com too, by proxy settings and a CA
    #[arg(long)]
    hosts: bool,
    /// How the system names things [default: the built-in profile]
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Real seconds for each of the system's seconds: 1 for a worker whose clock is real
    #[arg(long, value_name = "X", default_value = "1", value_parser = super::time_scale)]
    time_scale: f64,
}

const EXAMPLES: &str = "\
Examples:
  shakedown cloud acme/home globex/home
  shakedown cloud >cloud.env &                     then, in the shell of the worker: . ./cloud.env
  shakedown cloud --plan faults.plan               disturb a worker that is started by hand
  echo 'inject git-down' | shakedown cloud

It prints the environment of the first client's worker for a shell (that of others as comments), and each
request on standard error as it is answered. Each line of the standard input is a step of a plan, such as
`inject s3-denied acme` or `instruct acme/home change` (`shakedown steps` lists them); those that are the
worker's, such as crash, are left out with a message. It ends by Ctrl-C, SIGTERM, or the end of its standard
input, where that is a pipe or a terminal; with 64 where a line was left out.";

/// Runs the command.
pub fn run(args: &CloudArgs, quiet: bool) -> Exit {
    let profile = match &args.profile {
        None => Profile::reference(),
        Some(path) => match Profile::read(path) {
            Ok(profile) => profile.into(),
            Err(error) => {
                eprintln!("{error}");
                return Exit::Usage;
            }
        },
    };
    let mut profile = Profile::clone(&profile);
    if args.hosts {
        profile.network.get_or_insert_default();
    }
    let plan = match args.plan.as_deref().map(regression::read).transpose() {
        Ok(Some(kept)) => kept.plan,
        Ok(None) => Plan {
            sessions: args.sessions.clone(),
            ..Plan::default()
        },
        Err(why) => {
            eprintln!("{why}");
            return Exit::Usage;
        }
    };
    let config = CloudConfig {
        time_scale: args.time_scale,
        profile: Arc::new(profile),
        ..CloudConfig::of(plan.sessions)
    };
    match serve(config, &plan.steps, quiet) {
        Ok(true) => Exit::Held,
        Ok(false) => Exit::Usage,
        Err(error) => {
            eprintln!("{error}");
            Exit::Unknown
        }
    }
}

/// Serves until it is ended. Returns whether all steps could be carried out.
fn serve(config: CloudConfig, steps: &[Step], quiet: bool) -> Result<bool, TargetError> {
    let failed = |error: io::Error| {
        TargetError::new(
            "running the loopback cloud",
            error,
            "close other programs, or raise `ulimit -n`",
        )
    };
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    // A signal that comes while the cloud starts ends it too, with nothing left behind.
    let mut signals = {
        let _inside = runtime.enter();
        listened().map_err(failed)?
    };
    check_needs(&config.git, false)?;
    let cloud = Cloud::start(config.clone(), runtime.handle())?;
    let requests = cloud.watch();
    let mut text = String::new();
    for (client, number) in config.clients().iter().zip(0..) {
        let front = cloud.open_front(client)?;
        let begins = if number == 0 { "export " } else { "# " };
        let _ = writeln!(text, "# The worker of {client}:");
        for (name, value) in config.environment(&front) {
            let value = value.replace('\'', r"'\''");
            let _ = writeln!(text, "{begins}{name}='{value}'");
        }
    }
    let driver = Steps::new(&cloud, &config, quiet)?;
    print_data(&text);
    if !quiet {
        eprintln!("the loopback cloud answers; Ctrl-C ends it");
    }
    let mut not_served = BTreeMap::new();
    let is_done = runtime.block_on(async {
        tokio::select! {
            // What was answered before the end is shown.
            biased;
            () = show(&cloud, requests, quiet, &mut not_served) => true,
            is_done = driver.run(steps, lines()) => is_done,
            () = any(&mut signals) => true,
        }
    });
    let coverage = Coverage {
        not_served,
        ..Coverage::default()
    };
    eprint!("{}", report::not_served(&coverage, Style::of_stderr()));
    Ok(is_done)
}

/// Shows requests as they are answered, and counts what was asked and is not served.
async fn show(
    cloud: &Cloud,
    mut requests: UnboundedReceiver<Request>,
    quiet: bool,
    not_served: &mut BTreeMap<String, u64>,
) {
    while let Some(request) = requests.recv().await {
        if !quiet {
            eprintln!("{request}");
        }
        // Taken as they come, so that they do not fill the memory.
        for event in cloud.recorder().drain() {
            if let What::Called { call, .. } = event.what
                && call.answer == CallAnswer::NotServed
            {
                *not_served.entry(call.name()).or_default() += 1;
            }
        }
    }
}

fn session(text: &str) -> Result<SessionId, String> {
    SessionId::parse(text).ok_or_else(|| {
        "write the client and the thread in small letters, digits and hyphens, as acme/home".into()
    })
}
