//! What each step of a plan means on the local target.

use std::path::Path;

use super::foreign::Accepted;
use super::memory::Limit;
use super::run::LocalRun;
use super::workspace_root;
use crate::cloud::Trap;
use crate::history::{Death, What};
use crate::plan::{ClientId, Fault, Mark, Step, UNTIL_BOUND};
use crate::target::TargetError;

impl LocalRun {
    /// Carries out a step; what happens meanwhile is kept.
    pub(super) fn carry_out(&mut self, step: &Step, mark: Option<Mark>) -> Result<(), TargetError> {
        // What a trap holds goes on only after the step is done, unless the step is to wait.
        match step {
            Step::Until {
                session,
                phase,
                requests,
            } => {
                let trap = Trap::Phase {
                    session: session.clone(),
                    phase: *phase,
                    requests: *requests,
                };
                self.recorder().set_trap(trap);
                return self.run_into_trap(&session.client);
            }
            Step::UntilStarted { client, requests } => {
                let slot = self.slot(client)?;
                let at_start = slot.container.is_up().then_some(slot.requests_at_start);
                // One that is down asks nothing until it starts.
                let at_start = at_start.unwrap_or_else(|| self.recorder().requests(client));
                self.recorder().set_trap(Trap::Requests {
                    client: client.clone(),
                    total: at_start + u64::from(*requests),
                });
                let limit = self.recorder().now() + UNTIL_BOUND;
                let client = client.clone();
                self.run_until(limit, |run| {
                    Ok(run.recorder().sprung() && run.is_up(&client))
                })?;
                return Ok(());
            }
            Step::Wait(time) => {
                self.recorder().release();
                let limit = self.recorder().now() + *time;
                self.run_until(limit, |_| Ok(false))?;
                return Ok(());
            }
            Step::Instruct(session, edit) => {
                let mark = need(mark)?;
                match &self.system {
                    Some(system) => {
                        let places = (&mut self.jobs, &mut self.direct);
                        let accepted = system.accept(&self.cloud, places, session, *edit, mark)?;
                        if accepted != Accepted::ByQueue {
                            self.emit(What::sent(session, mark));
                        }
                        if accepted == Accepted::AtWork {
                            self.handed_over(session.clone(), mark);
                        }
                    }
                    None => self.cloud.send_instruction(session, *edit, mark)?,
                }
            }
            Step::PushFromOutside(session, outsider) => {
                self.cloud
                    .push_from_outside(session, *outsider, need(mark)?)?;
            }
            Step::Inject(fault) => self.set_fault(fault, true)?,
            Step::Heal(fault) => self.set_fault(fault, false)?,
            Step::Crash(client) => {
                self.kill(client, Death::Crash)?;
            }
            Step::LoseWorkspace(client) => self.lose_workspace(client)?,
            Step::RetryPush(session) => self.cloud.send_retry(session)?,
            Step::Redeliver(session) => {
                self.cloud.redeliver(session);
            }
        }
        self.recorder().release();
        Ok(())
    }

    /// Waits for the trap that was set, for nothing left to do, or for the bound.
    fn run_into_trap(&mut self, client: &ClientId) -> Result<(), TargetError> {
        let limit = self.recorder().now() + UNTIL_BOUND;
        let client = client.clone();
        self.run_until(limit, |run| {
            Ok(run.recorder().sprung() || run.has_no_message(&client))
        })?;
        Ok(())
    }

    fn set_fault(&mut self, fault: &Fault, on: bool) -> Result<(), TargetError> {
        if let Fault::OutOfMemory(client) = fault {
            let limit = if on { Limit::TIGHT } else { Limit::None };
            return self.slot(client)?.container.set_limit(limit);
        }
        self.cloud.set_fault(fault, on)?;
        if let Fault::Partition(client) = fault {
            let settled = self.cloud.settled(client);
            self.thread.handle().block_on(settled)?;
        }
        Ok(())
    }

    fn lose_workspace(&mut self, client: &ClientId) -> Result<(), TargetError> {
        let was_up = self.kill(client, Death::WorkspaceLost)?;
        let root = workspace_root(self.folder.path(), client);
        remove(&root, self.system.is_some())?;
        self.checkouts.forget(client);
        if !was_up {
            // It was down already: its restart stays as it was due.
            self.emit(What::Died {
                client: client.clone(),
                cause: Death::WorkspaceLost,
            });
        }
        Ok(())
    }
}

fn need(mark: Option<Mark>) -> Result<Mark, TargetError> {
    mark.ok_or_else(|| {
        TargetError::new(
            "carrying out a step on the local target",
            "the step has no mark",
            "pass the mark that Plan::marks gives for it",
        )
    })
}

/// Empties a client's place for workspaces; where the system expects the folder itself, an empty one
/// is there afterwards.
fn remove(folder: &Path, is_mounted: bool) -> Result<(), TargetError> {
    let removed = match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ if is_mounted => std::fs::create_dir_all(folder),
        _ => Ok(()),
    };
    removed.map_err(|error| {
        TargetError::new(
            format!("removing the workspaces in {}", folder.display()),
            error,
            "check who else uses the folder",
        )
    })
}
