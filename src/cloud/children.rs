//! The child processes of the cloud: all end with it.

use std::collections::BTreeSet;
use std::io;
use std::process::{Command, Output, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::process;

/// How long killed children are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The children that run now, each the leader of a process group of its own.
#[derive(Default)]
pub(super) struct Children {
    state: Mutex<Running>,
    fewer: Condvar,
}

#[derive(Default)]
struct Running {
    running: BTreeSet<i32>,
    is_over: bool,
}

impl Children {
    /// Runs a command to its end and returns what it wrote.
    ///
    /// # Errors
    /// When it cannot be run, hangs, or the cloud is being taken down.
    pub(super) fn run(&self, command: &mut Command) -> io::Result<Output> {
        self.run_into(command, Stdio::piped())
    }

    /// The same, where what it writes on its standard output goes elsewhere.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(super) fn run_into(&self, command: &mut Command, out: Stdio) -> io::Result<Output> {
        process::die_with_parent(command);
        let mut state = self.state();
        if state.is_over {
            return Err(io::Error::other("the loopback cloud is being taken down"));
        }
        // Begun under the lock, so that no child is missed by the end.
        let child = process::spawn_with(command, out)?;
        let group = child.id().cast_signed();
        state.running.insert(group);
        drop(state);
        let output = process::finish(child, process::LONGEST);
        self.state().running.remove(&group);
        self.fewer.notify_all();
        output
    }

    /// Kills all children, and waits until they are gone.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.is_over = true;
        for group in &state.running {
            let _ = process::kill_group(*group);
        }
        let _ = self
            .fewer
            .wait_timeout_while(state, PATIENCE, |state| !state.running.is_empty());
    }

    fn state(&self) -> MutexGuard<'_, Running> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Instant;

    #[test]
    fn children_and_their_children_end_with_the_cloud() {
        let children = Arc::new(Children::default());
        let began = Instant::now();
        let runner = children.clone();
        let running = std::thread::spawn(move || {
            let mut shell = process::command("sh");
            runner.run(shell.args(["-c", "echo begun; sleep 60 & wait"]))
        });
        while children.state().running.is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        children.end();
        assert_eq!(children.state().running.len(), 0);
        running.join().unwrap().unwrap();
        assert!(began.elapsed() < Duration::from_secs(30));
        let refused = children.run(&mut process::command("true"));
        assert!(refused.is_err(), "nothing begins afterwards");
    }
}
