//! A command in this process's place: it gets the signals that this process is sent, and this process ends as it does.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus};

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, kill, raise, signal};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};

use super::die_with_parent;

/// The signals that are passed on. Those of the terminal that stop and continue reach the whole group by themselves.
const PASSED_ON: [Signal; 8] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGWINCH,
];

/// Lets a command have the signals that this process blocks, and no others.
///
/// # Errors
/// When the system does not say which they are.
pub fn keep_mask(command: &mut Command) -> io::Result<()> {
    let mask = SigSet::thread_get_mask()?;
    // SAFETY: between fork and exec the closure makes system calls only.
    unsafe {
        command.pre_exec(move || Ok(mask.thread_set_mask()?));
    }
    Ok(())
}

/// Runs a command to its end, and passes on each signal that this process alone is sent. Only a process with one
/// thread may do this.
///
/// # Errors
/// When the command cannot be started, or the system refuses what is needed.
pub fn run(command: &mut Command) -> io::Result<ExitStatus> {
    keep_mask(command)?;
    let mut waited: SigSet = PASSED_ON.into_iter().collect();
    waited.add(Signal::SIGCHLD);
    // SAFETY: it is the default, not a function of ours. An ignored one would take the child's status away.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
    let before = waited.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    die_with_parent(command);
    let mut child = command.spawn()?;
    let id = Pid::from_raw(child.id().cast_signed());
    let mut sent_to_group = SentToGroup::new()?;
    let status = loop {
        match waited.wait()? {
            Signal::SIGCHLD => {
                if let Some(status) = child.try_wait()? {
                    break status;
                }
            }
            // The child was sent it with the group.
            signal if sent_to_group.has(signal)? => {}
            signal => {
                // A child that has ended meanwhile needs no signal.
                let _ = kill(id, signal);
            }
        }
    };
    drop(sent_to_group);
    before.thread_set_mask()?;
    Ok(status)
}

/// Ends this process as another one ended: by its exit code, which is returned, or by its signal.
pub fn end_as(status: ExitStatus) -> ExitCode {
    if let Some(number) = status.signal() {
        if let Ok(number) = Signal::try_from(number) {
            // One core file is enough. What cannot be had leaves the exit code that shells give.
            let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
            // SAFETY: it is the default, not a function of ours.
            let _ = unsafe { signal(number, SigHandler::SigDfl) };
            let _ = raise(number);
        }
        return ExitCode::from(u8::try_from(128 + number).unwrap_or(u8::MAX));
    }
    ExitCode::from(status.code().map_or(u8::MAX, |code| (code & 0xff) as u8))
}

/// Which signals the group was sent, and not this process alone.
struct SentToGroup {
    witness: Witness,
    /// Those that an earlier witness had, and this process has not taken yet.
    waiting: SigSet,
}

impl SentToGroup {
    fn new() -> io::Result<Self> {
        Ok(Self {
            witness: Witness::new()?,
            waiting: SigSet::empty(),
        })
    }

    /// Whether this signal, which this process has just taken, was sent to the group.
    fn has(&mut self, signal: Signal) -> io::Result<bool> {
        let is_waiting = self.waiting.contains(signal);
        self.waiting.remove(signal);
        if !self.witness.pending().contains(signal) {
            return Ok(is_waiting);
        }
        // The next one is there before the last one is looked at: no signal comes in between.
        let last = std::mem::replace(&mut self.witness, Witness::new()?);
        let mut others = last.pending();
        others.remove(signal);
        self.waiting.extend(&others);
        Ok(true)
    }
}

/// A process that does nothing, in the same group: a signal that waits for it was sent to the group. A group's newest
/// process is sent a signal first, so it is there before this process has it.
struct Witness(Pid);

impl Witness {
    fn new() -> io::Result<Self> {
        let own = Pid::this();
        // SAFETY: this process has one thread, and the child makes system calls only.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Self(child)),
            ForkResult::Child => {
                let _ = SigSet::all().thread_set_mask();
                #[cfg(target_os = "linux")]
                let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
                while nix::unistd::getppid() == own {
                    nix::unistd::pause();
                }
                // SAFETY: it ends this process, without what this program does at its end.
                unsafe { nix::libc::_exit(0) }
            }
        }
    }

    /// The signals that wait for it; without `/proc` that is not known.
    fn pending(&self) -> SigSet {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0));
        let status = status.unwrap_or_default();
        let mask = status
            .lines()
            .find_map(|line| line.strip_prefix("ShdPnd:"))
            .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        let mask = mask.unwrap_or_default();
        let waits = |signal: &Signal| mask & (1 << (*signal as i32 - 1)) != 0;
        PASSED_ON.into_iter().filter(waits).collect()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
        let _ = waitpid(self.0, None);
    }
}
