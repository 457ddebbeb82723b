//! One container: a worker process in a process group of its own.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::memory::{Limit, limit_memory};
use super::output::LogSink;
use crate::history::Death;
use crate::process::{self, home, namespace::Namespace};
use crate::target::TargetError;

/// A program that plays the container's part, and its arguments.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WorkerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// What a container is started as.
#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    pub(super) command: WorkerCommand,
    /// All that its environment has.
    pub(super) environment: Vec<(OsString, OsString)>,
    /// Where it runs; `None` where it does not matter.
    pub(super) folder: Option<PathBuf>,
    /// The network that it runs in; `None` for the machine's.
    pub(super) namespace: Option<Arc<Namespace>>,
    /// The HOME that it alone has, and what it starts.
    pub(super) home: Option<PathBuf>,
}

/// A container that is up or down, with what it is started with.
pub(super) struct Container {
    pub(super) program: Program,
    /// Where what the process says on standard error goes.
    errors: PathBuf,
    /// Takes what it says, line by line, where that is its log.
    log: Option<LogSink>,
    limit: Limit,
    process: Option<Child>,
}

/// How long what was killed may take to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// How long its last words may take to be read.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(2);
/// No container has more processes at once: one that has forks without end.
pub(super) const MOST_PROCESSES: usize = 1000;

impl Container {
    pub(super) fn new(program: Program, errors: PathBuf, log: Option<LogSink>) -> Self {
        Self {
            program,
            errors,
            log,
            limit: Limit::None,
            process: None,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// Starts the process, with the memory limit that is set now.
    pub(super) fn start(&mut self) -> Result<(), TargetError> {
        let limit = self.limit;
        let is_logged = self.log.is_some();
        let process = File::create(&self.errors).and_then(|errors| {
            let own = &self.program;
            let mut command = process::command(&own.command.program);
            command
                .args(&own.command.arguments)
                .envs(own.environment.iter().map(|(name, value)| (name, value)))
                .process_group(0);
            match is_logged {
                true => command.stdout(Stdio::piped()).stderr(Stdio::piped()),
                false => command.stdout(Stdio::null()).stderr(errors),
            };
            if let Some(folder) = &own.folder {
                command.current_dir(folder);
            }
            if let Some(namespace) = &own.namespace {
                let folder = own.folder.as_deref().unwrap_or(Path::new("/"));
                // First: who enters has to be told anew what ends it.
                namespace.enter(&mut command, folder)?;
            }
            process::die_with_parent(&mut command);
            // SAFETY: between fork and exec the closure makes system calls only.
            unsafe {
                command.pre_exec(move || limit_memory(0, limit));
            }
            command.spawn()
        });
        match process {
            Ok(mut process) => {
                if let Some(log) = &self.log {
                    let errors = &self.errors;
                    let both = log
                        .take(process.stdout.take(), errors)
                        .and_then(|()| log.take(process.stderr.take(), errors));
                    if let Err(error) = both {
                        // Killed with the container; without its log nothing can be said.
                        self.process = Some(process);
                        return Err(TargetError::new(
                            "starting the thread that reads a container's log",
                            error,
                            "close other programs, or raise `ulimit -u`",
                        ));
                    }
                }
                self.process = Some(process);
                Ok(())
            }
            Err(error) => Err(TargetError::new(
                format!(
                    "starting the worker {}",
                    self.program.command.program.display()
                ),
                error,
                "check that the program exists and may be run",
            )),
        }
    }

    /// Whether a signal stops the process now.
    pub(super) fn is_stopped(&self) -> bool {
        let id = self.process.as_ref().map(Child::id);
        id.is_some_and(process::is_stopped)
    }

    /// Sets how much memory the process and all that it starts may have, from now on.
    pub(super) fn set_limit(&mut self, limit: Limit) -> Result<(), TargetError> {
        self.limit = limit;
        let Some(process) = &self.process else {
            return Ok(());
        };
        limit_memory(process.id(), limit).map_err(|error| {
            TargetError::new(
                "limiting the memory of a worker",
                error,
                "leave out the fault out-of-memory",
            )
        })
    }

    /// How the process ended by itself, if it did since it was last asked.
    pub(super) fn take_death(&mut self) -> Result<Option<Death>, TargetError> {
        let was_limited = self.is_limited();
        let Some(status) = self.take_end()? else {
            return Ok(None);
        };
        death(status, was_limited).map(Some).ok_or_else(|| {
            TargetError::new(
                "looking after a worker process",
                "something outside of this run killed it",
                "see in the kernel's log whether memory ran out, and run it again",
            )
        })
    }

    /// Whether its memory is limited.
    pub(super) fn is_limited(&self) -> bool {
        self.limit != Limit::None
    }

    /// How the process ended, where that is no accident, if it did since it was last asked.
    pub(super) fn take_end(&mut self) -> Result<Option<ExitStatus>, TargetError> {
        let Some(process) = &mut self.process else {
            return Ok(None);
        };
        let ended = process.try_wait().map_err(|error| {
            TargetError::new("looking after a worker process", error, "run it again")
        })?;
        if ended.is_some() {
            // What it left behind belongs to it.
            self.kill()?;
        }
        Ok(ended)
    }

    /// Asks the process to end, by SIGTERM.
    pub(super) fn ask_to_end(&self) {
        let id = self.process.as_ref().map(std::process::Child::id);
        if let Some(id) = id.and_then(|id| i32::try_from(id).ok()) {
            // One that has ended meanwhile needs no signal.
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), Signal::SIGTERM);
        }
    }

    /// Kills the process with everything that it started, and waits until all are gone.
    pub(super) fn kill(&mut self) -> Result<(), TargetError> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        let failed = |error: io::Error| {
            TargetError::new("killing a worker process", error, "end it by hand")
        };
        let Ok(id) = i32::try_from(process.id()) else {
            return Ok(());
        };
        process::kill_group(id).map_err(failed)?;
        process.wait().map_err(failed)?;
        let deadline = Instant::now() + KILL_LIMIT;
        while process::has_members(id) {
            if Instant::now() > deadline {
                let text = format!("process group {id} is still there");
                return Err(failed(io::Error::other(text)));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // What left its group.
        let is_gone = |home: &PathBuf| home::kill_living_in(home, KILL_LIMIT);
        match self.program.home.as_ref().is_none_or(is_gone) {
            true => Ok(()),
            false => Err(failed(io::Error::other("it starts others without end"))),
        }
    }

    /// Whether it forks without end.
    pub(super) fn is_swarming(&self) -> bool {
        let more = |home: &PathBuf| home::living_in(home).len() > MOST_PROCESSES;
        home::are_more_than(MOST_PROCESSES) && self.program.home.as_ref().is_some_and(more)
    }

    /// The end of what the process said on standard error.
    pub(super) fn last_words(&self) -> String {
        let read = || last_words(&self.errors).unwrap_or_default();
        let deadline = Instant::now() + LAST_WORDS_WITHIN;
        loop {
            // Threads may still be reading them; those of one that lives never end.
            let log = self.log.as_ref();
            let is_over = log.is_none_or(LogSink::has_ended) || Instant::now() > deadline;
            let words = read();
            if is_over || self.is_up() && !words.is_empty() {
                return words;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // The error has no receiver any more; the process dies with the tester at the latest.
        let _ = self.kill();
    }
}

/// What an end means; `None` where it is not the process's own doing. One that cannot get
/// memory aborts, or is killed by the system.
fn death(status: ExitStatus, was_limited: bool) -> Option<Death> {
    let by_memory = [Signal::SIGABRT as i32, Signal::SIGKILL as i32];
    match status.signal() {
        Some(signal) if was_limited && by_memory.contains(&signal) => Some(Death::OutOfMemory),
        Some(signal) if signal == Signal::SIGKILL as i32 => None,
        _ => Some(Death::Exit),
    }
}

fn last_words(file: &Path) -> io::Result<String> {
    const LONGEST: u64 = 2000;
    let mut file = File::open(file)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(folder: &Path, script: &str) -> Container {
        let command = WorkerCommand {
            program: "sh".into(),
            arguments: vec!["-c".into(), script.into()],
        };
        let program = Program {
            command,
            ..Program::default()
        };
        Container::new(program, folder.join("errors"), None)
    }

    fn wait_for_death(container: &mut Container) -> Death {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(death) = container.take_death().unwrap() {
                return death;
            }
            assert!(Instant::now() < deadline, "it lives on");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn a_killed_container_takes_all_that_it_started_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 60 & echo $! >{}; wait", file.display());
        let mut container = shell(folder.path(), &script);
        container.start().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let id = loop {
            if let Ok(text) = std::fs::read_to_string(&file)
                && let Ok(id) = text.trim().parse::<i32>()
            {
                break id;
            }
            assert!(Instant::now() < deadline);
        };
        container.kill().unwrap();
        assert!(!container.is_up());
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"));
        assert!(stat.is_err() || stat.unwrap().contains(") Z "));
    }

    #[test]
    fn a_container_that_ends_by_itself_is_noticed_with_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut container = shell(folder.path(), "echo no such thing >&2; exit 64");
        container.start().unwrap();
        assert_eq!(wait_for_death(&mut container), Death::Exit);
        assert_eq!(container.last_words(), "no such thing");
    }

    #[test]
    fn a_program_that_is_not_there_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let command = WorkerCommand {
            program: folder.path().join("missing"),
            arguments: Vec::new(),
        };
        let program = Program {
            command,
            ..Program::default()
        };
        let mut container = Container::new(program, folder.path().join("errors"), None);
        let error = container.start().unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
    }

    #[test]
    fn aborts_and_kills_count_as_out_of_memory_only_under_a_limit() {
        let ended = |raw, limited| death(ExitStatus::from_raw(raw), limited);
        assert_eq!(ended(6, true), Some(Death::OutOfMemory));
        assert_eq!(ended(9, true), Some(Death::OutOfMemory));
        assert_eq!(ended(6, false), Some(Death::Exit));
        assert_eq!(ended(1 << 8, true), Some(Death::Exit));
        assert_eq!(ended(9, false), None, "the run itself did not kill it");
    }
}
