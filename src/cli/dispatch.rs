//! The program: arguments, then a command, then an exit code.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::agent_stub;
use crate::build_shim;
use crate::campaign;
use crate::cli::outputs::WriteError;
pub use crate::cli::signals::interrupted_by_signals;
use crate::cli::{self, Cli, Command, WorkerArgs};
use crate::defect::Defect;
use crate::defect::other::WHOLE;
use crate::history::Dialect;
use crate::process;
use crate::report::{self, Style};
pub use crate::terminal::{print, print_data};
use crate::worker::production::worker_main;

/// Plans that a campaign generates on each target when nothing else is asked for.
pub const SIM_CASES: u32 = 256;
pub const LOCAL_CASES: u32 = 10;
pub const AWS_CASES: u32 = 3;

/// How the program ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    Held = 0,
    Violated = 1,
    /// The harness could not judge, or was interrupted.
    Unknown = 2,
    Usage = 64,
}

impl Exit {
    /// The same, but not held where a report could not be written, which is printed.
    pub fn where_written(self, written: Result<(), WriteError>) -> Self {
        let Err(error) = written else {
            return self;
        };
        eprintln!("{error}");
        match self {
            Self::Held => Self::Unknown,
            worse => worse,
        }
    }
}

/// What `shakedown` does with the arguments that it was given, and how it ends.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let text = error.render().to_string();
            let exit = if error.use_stderr() {
                crate::terminal::print_aside(&text);
                Exit::Usage
            } else {
                // Help and version come this way too.
                print(&text);
                Exit::Held
            };
            return ended(exit);
        }
    };
    if let Some(Command::BuildShim(args)) = &cli.command {
        // In the place of another program, in an environment of its own: nothing else is set up.
        return build_shim::run(args);
    }
    campaign::normalize_seed();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .with_env_filter(logged())
        .init();
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(ToString::to_string);
        eprintln!(
            "a mistake of shakedown itself, at {}: {message}; report it, with the command and its files",
            place.unwrap_or_default()
        );
    }));
    // What went wrong is printed by the hook, or planted.
    let done = catch_unwind(AssertUnwindSafe(|| carry_out(cli)));
    done.unwrap_or_else(|_| ended(Exit::Unknown))
}

/// The exit code; what was to be printed is held only where it was.
fn ended(exit: Exit) -> ExitCode {
    let Some(why) = crate::terminal::failure() else {
        return ExitCode::from(exit as u8);
    };
    eprintln!("while writing to standard output: {why}; send it to a place that takes all of it");
    ExitCode::from(match exit {
        Exit::Held => Exit::Unknown,
        worse => worse,
    } as u8)
}

fn carry_out(cli: Cli) -> ExitCode {
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let value = value.to_string_lossy().into_owned();
        Some((name.into_string().ok()?, value))
    });
    if let Err(why) = campaign::check_environment(variables) {
        eprintln!("{why}");
        return ended(Exit::Usage);
    }
    let is_short = matches!(
        cli.command,
        Some(
            Command::Merge(_)
                | Command::Report(_)
                | Command::Profile(_)
                | Command::Rules(_)
                | Command::Faults
                | Command::Steps
                | Command::Sometimes
                | Command::Completions(_)
                | Command::Worker(_)
                | Command::AgentStub(_)
                | Command::BuildShim(_)
                | Command::MakeNetwork(_)
        )
    );
    if let Some(Err(error)) = (!is_short).then(process::check_threads) {
        eprintln!("{error}");
        return ended(Exit::Unknown);
    }
    ended(match cli.command {
        Some(_) if cli.out.is_some() => {
            eprintln!("--out before a command has no effect; write it after the command");
            Exit::Usage
        }
        None => cli::run::default_campaigns(cli.out, cli.quiet),
        Some(Command::Run(args)) => cli::run::run(&args, cli.quiet, &interrupted_by_signals()),
        Some(Command::Soak(args)) => cli::soak::run(&args, cli.quiet),
        Some(Command::Merge(args)) => cli::merge::run(&args),
        Some(Command::Replay(args)) => cli::replay::run(&args),
        Some(Command::Report(args)) => cli::report::run(&args),
        Some(Command::Profile(args)) => cli::profile::run(&args),
        Some(Command::Rules(args)) => cli::rules::run(&args),
        Some(Command::Init(args)) => cli::init::run(&args),
        Some(Command::Doctor(args)) => cli::doctor::run(&args),
        Some(Command::Faults) => listed(report::lists::faults),
        Some(Command::Steps) => listed(report::lists::steps),
        Some(Command::Sometimes) => listed(report::lists::sometimes),
        Some(Command::Shrink(args)) => cli::shrink::run(&args, cli.quiet),
        Some(Command::Scenario(args)) => cli::scenario::run(&args),
        Some(Command::Defects(args)) => cli::defects::run(&args),
        Some(Command::Conformance(args)) => cli::conformance::run(&args),
        Some(Command::Cloud(args)) => cli::cloud::run(&args, cli.quiet),
        Some(Command::Completions(args)) => cli::completions::run(&args),
        Some(Command::Explore(args)) => cli::explore::run(&args, cli.quiet),
        Some(Command::Inject(args)) => cli::aws::inject(&args),
        Some(Command::Heal(args)) => cli::aws::heal(&args),
        Some(Command::Worker(args)) => return worker(&args),
        Some(Command::AgentStub(args)) => return agent_stub::run(&args),
        Some(Command::BuildShim(args)) => return build_shim::run(&args),
        Some(Command::MakeNetwork(wanted)) => match process::namespace::inside(&wanted) {
            Ok(()) => Exit::Held,
            Err(error) => {
                eprintln!("{error}");
                Exit::Unknown
            }
        },
    })
}

/// Prints a list.
pub fn listed(list: fn(Style) -> String) -> Exit {
    print(&list(Style::of_stdout()));
    Exit::Held
}

/// What the harness logs: what the environment says, else errors, but not what S3 refuses a client.
fn logged() -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error,s3s=off"))
}

/// Runs a container until it is asked to end.
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
    let dialect: Arc<Dialect> = match args.other_profile {
        true => WHOLE.dialect(),
        false => Arc::new(|line| line.to_string()),
    };
    worker_main(dialect, |ports, settings| {
        if args.other_profile {
            WHOLE.alter(settings);
        }
        if let Some(defect) = defect {
            defect.plant(ports, settings);
        }
    })
}
