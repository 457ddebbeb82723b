//! What `shakedown cloud` does: the loopback cloud alone, until it is ended.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use clap::Args;
use nix::sys::signal::SigHandler;
use tokio::runtime::Builder;
use tokio::signal::unix::Signal;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use crate::cli::dispatch::{Exit, print_data};
use crate::cli::signals::{any, listened};
use crate::cloud::{Cloud, CloudConfig, Request};
use crate::coverage::Coverage;
use crate::history::{CallAnswer, What};
use crate::plan::SessionId;
use crate::profile::Profile;
use crate::report::{self, Style};
use crate::target::TargetError;
use crate::target::local::check_needs;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CloudArgs {
    /// The sessions, as `client/thread`; each client has a front, queues, a bucket and a repository
    #[arg(default_value = "acme/home", value_parser = session)]
    sessions: Vec<SessionId>,
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

It prints the environment of the first client's worker for a shell (that of others as comments), and each
request on standard error as it is answered. It ends by Ctrl-C, SIGTERM, or the end of its standard input, where
that is a pipe or a terminal.";

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
    let config = CloudConfig {
        time_scale: args.time_scale,
        profile,
        ..CloudConfig::of(args.sessions.clone())
    };
    match serve(config, quiet) {
        Ok(()) => Exit::Held,
        Err(error) => {
            eprintln!("{error}");
            Exit::Unknown
        }
    }
}

fn serve(config: CloudConfig, quiet: bool) -> Result<(), TargetError> {
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
    let signals = {
        let _inside = runtime.enter();
        Signals::listen().map_err(failed)?
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
    print_data(&text);
    if !quiet {
        eprintln!("the loopback cloud answers; Ctrl-C ends it");
    }
    let not_served = runtime.block_on(show_until_ended(&cloud, requests, signals, quiet));
    let coverage = Coverage {
        not_served,
        ..Coverage::default()
    };
    eprint!("{}", report::not_served(&coverage, Style::of_stderr()));
    Ok(())
}

/// What ends the program from outside.
struct Signals(Vec<Signal>);

impl Signals {
    fn listen() -> io::Result<Self> {
        listened().map(Self)
    }
}

/// Shows requests until a signal comes, or the standard input ends. Returns what was asked and is not
/// served, and how often.
async fn show_until_ended(
    cloud: &Cloud,
    mut requests: UnboundedReceiver<Request>,
    mut signals: Signals,
    quiet: bool,
) -> BTreeMap<String, u64> {
    let mut not_served = BTreeMap::new();
    let (ended, mut end) = oneshot::channel();
    // Not a task: a read under way would hold up the end of the runtime.
    let read = move || match input_ends() {
        true => drop(ended.send(())),
        // Kept open, so that it never resolves.
        false => std::mem::forget(ended),
    };
    // Where there is no thread for it, it counts as having ended.
    let _ = std::thread::Builder::new().spawn(read);
    loop {
        let request = tokio::select! {
            // What was answered before the end is shown.
            biased;
            Some(request) = requests.recv() => request,
            () = any(&mut signals.0) => return not_served,
            _ = &mut end => return not_served,
        };
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

/// Reads the standard input to its end, where it is a pipe or the terminal of this program. Returns
/// whether it ended: one that was given nothing, as a program in the background, ends nothing.
fn input_ends() -> bool {
    let is_pipe = std::fs::metadata("/dev/stdin")
        .is_ok_and(|file| file.file_type().is_fifo() || file.file_type().is_socket());
    if !is_pipe && !io::stdin().is_terminal() {
        return false;
    }
    // SAFETY: no handler is installed. In the background a read then fails, and stops nothing.
    if unsafe { nix::sys::signal::signal(nix::sys::signal::SIGTTIN, SigHandler::SigIgn) }.is_err() {
        return false;
    }
    let mut buffer = [0; 512];
    loop {
        match io::stdin().read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

fn session(text: &str) -> Result<SessionId, String> {
    SessionId::parse(text).ok_or_else(|| {
        "write the client and the thread in small letters, digits and hyphens, as acme/home".into()
    })
}
