//! Child processes: how they are made, and that they and what they start are killed when the
//! process that started them ends.

mod child;
pub mod home;
pub mod namespace;
pub mod relay;

pub use child::{
    LONGEST, command, finish, git, installer, output, spawn_piped, spawn_with, successor,
};

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::{Mutex, PoisonError, mpsc};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::error::TargetError;

/// Lets a child be killed when this process dies, where the system can do that; also when this
/// process died before the child ran its program.
pub fn die_with_parent(command: &mut Command) {
    let parent = Pid::this();
    let before_exec = move || {
        #[cfg(target_os = "linux")]
        {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
            if nix::unistd::getppid() != parent {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = parent;
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes system calls only.
    unsafe {
        command.pre_exec(before_exec);
    }
}

/// Why a command cannot go on without a thread.
pub fn no_thread(what: &str, why: &io::Error) -> TargetError {
    TargetError::new(
        format!("starting a thread {what}"),
        why,
        "close other programs, raise `ulimit -u` or the container's limit of processes, or ask for fewer `--jobs`",
    )
}

/// So many threads are needed at once, at least: of the plans, of signals, and on local of the cloud.
const THREADS: usize = 16;

/// Starts as many threads as a campaign has at once, and lets them end.
///
/// # Errors
/// When the system refuses one.
pub fn check_threads() -> Result<(), TargetError> {
    let (hold, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let started = std::thread::scope(|scope| {
        let wait = || {
            // Ends when the sender is gone.
            let _ = held.lock().unwrap_or_else(PoisonError::into_inner).recv();
        };
        let started = (0..THREADS).try_for_each(|_| {
            let thread = std::thread::Builder::new();
            thread.spawn_scoped(scope, wait).map(drop)
        });
        drop(hold);
        started
    });
    started.map_err(|why| no_thread(&format!("beside {THREADS} others"), &why))
}

/// Kills all processes of a group; one that has ended by itself is no error.
///
/// # Errors
/// When the system refuses.
pub fn kill_group(leader: i32) -> io::Result<()> {
    match killpg(Pid::from_raw(leader), Signal::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether a process of the group still runs.
pub fn has_members(group: i32) -> bool {
    kill(Pid::from_raw(-group), None) != Err(Errno::ESRCH)
        && running().iter().any(|process| process.group == group)
}

/// Whether a signal stops a process now; without `/proc` that is not known.
pub fn is_stopped(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything; the state follows it.
    let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    state.starts_with(['T', 't'])
}

/// Kills a process and all its descendants, whatever their groups; without `/proc`, only itself.
pub fn kill_tree(root: i32) {
    for id in tree(root) {
        let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
    }
}

/// Kills all descendants of this process.
pub fn kill_descendants() {
    let own = Pid::this().as_raw();
    for id in tree(own).into_iter().filter(|id| *id != own) {
        let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
    }
}

/// A process and its descendants, all of them stopped but this process itself.
fn tree(root: i32) -> Vec<i32> {
    // Stopped processes start no others, so nothing escapes between looking and killing.
    let own = Pid::this().as_raw();
    let mut tree = vec![root];
    let mut seen = 0;
    while seen < tree.len() {
        let begin = std::mem::replace(&mut seen, tree.len());
        for id in tree[begin..].iter().filter(|id| **id != own) {
            // A process that has ended meanwhile needs no signal.
            let _ = kill(Pid::from_raw(*id), Signal::SIGSTOP);
        }
        for process in running() {
            if tree.contains(&process.parent) && !tree.contains(&process.id) {
                tree.push(process.id);
            }
        }
    }
    tree
}

struct Process {
    id: i32,
    parent: i32,
    group: i32,
}

/// The processes of the system, where it has `/proc`. Those that have ended and only wait for
/// their parent are left out: that parent may be one that never asks.
fn running() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let running = entries.flatten().filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name in parentheses may hold anything; state, parent and group follow it.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let has_ended = matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        (!has_ended).then_some(Process { id, parent, group })
    });
    running.collect()
}
