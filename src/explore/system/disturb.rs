//! What the tester does to it.

use std::sync::Arc;

use super::{Act, Container, Job, ModelFault, Moment, Seen, Sent, Stage, System};
use crate::coverage::Sometimes;
use crate::history::{Branch, Commit, Death, What};
use crate::plan::{Edit, Mark, Outsider, Phase};

impl System {
    /// Whether a disturbance can change anything now.
    pub fn can(&self, act: Act) -> bool {
        let is_down = matches!(self.container, Container::Down { .. });
        match act {
            Act::Instruct(session, _) | Act::PushFromOutside(session, _) => self.may_use(session),
            Act::Inject(fault) => {
                let session = match fault {
                    ModelFault::BuildError(at) | ModelFault::BuildWarning(at) => usize::from(at),
                    _ => 0,
                };
                self.may_use(session) && !self.active.iter().any(|t| t.excludes(fault))
            }
            Act::Heal(fault) => self.has(fault),
            Act::Crash | Act::LoseWorkspace => !is_down,
            Act::RetryPush(session) => {
                !self.threads[session].retry_asked && self.threads[session].notes.is_written
            }
            Act::Redeliver(session) => {
                let is_newest_handled = self.newest_handled(session).is_some();
                is_newest_handled && self.messages.messages().iter().all(|m| m.body != session)
            }
            _ => false,
        }
    }

    /// Sessions come into use in their order: which of those that were never used comes first
    /// makes no difference.
    fn may_use(&self, session: usize) -> bool {
        session == 0 || self.is_used(session) || self.is_used(session - 1)
    }

    fn is_used(&self, session: usize) -> bool {
        let at = session as u8;
        self.sent.iter().any(|sent| sent.session == session)
            || !self.threads[session].remote.commits.is_empty()
            || self.has(ModelFault::BuildError(at))
            || self.has(ModelFault::BuildWarning(at))
    }

    fn newest_handled(&self, session: usize) -> Option<Mark> {
        self.threads[session].notes.handled.last().copied()
    }

    /// Takes a disturbance; `mark` is that of the edit or the outsider's commit.
    pub(super) fn disturbed(&mut self, act: Act, mark: Option<Mark>, seen: &mut Seen) {
        match (act, mark) {
            (Act::Instruct(session, edit), Some(mark)) => {
                self.sent.push(Sent {
                    mark,
                    session,
                    edit,
                });
                self.messages.send(mark, session, Moment::Now);
                seen.see(What::Sent {
                    session: self.threads[session].id.clone(),
                    mark,
                });
            }
            (Act::PushFromOutside(session, kind), Some(mark)) => {
                self.outsiders.push((mark, kind));
                let thread = &mut self.threads[session];
                let mut remote = (*thread.remote).clone();
                remote.commits.push(Commit {
                    subject: format!("Outside change ({mark})").into(),
                    adds: vec![mark],
                    merge: false,
                    content: None,
                });
                add_to_tree(&mut remote, mark, kind == Outsider::Conflicting);
                thread.remote = Arc::new(remote);
                seen.see(What::OutsiderPushed {
                    session: thread.id.clone(),
                    mark,
                    branch: thread.remote.clone(),
                });
            }
            (Act::Inject(fault), _) => {
                self.active.push(fault);
                self.active.sort_unstable();
            }
            (Act::Heal(fault), _) => {
                self.active.retain(|other| *other != fault);
                if fault == ModelFault::Partition {
                    self.is_awaited = true;
                }
            }
            (Act::Crash, _) => self.die(Death::Crash, seen),
            (Act::LoseWorkspace, _) => self.die(Death::WorkspaceLost, seen),
            (Act::RetryPush(session), _) => {
                let thread = &mut self.threads[session];
                thread.retry_asked = true;
                seen.see(What::RetrySent {
                    session: thread.id.clone(),
                });
            }
            (Act::Redeliver(session), _) => {
                if let Some(mark) = self.newest_handled(session) {
                    self.messages.send(mark, session, Moment::Now);
                }
            }
            _ => {}
        }
    }

    /// The container dies.
    pub(super) fn die(&mut self, cause: Death, seen: &mut Seen) {
        self.note_reached_by_death(seen);
        let out_of_memory = cause == Death::OutOfMemory;
        self.container = Container::Down { out_of_memory };
        if cause == Death::WorkspaceLost {
            for thread in &mut self.threads {
                thread.local = None;
            }
        }
        seen.see(What::Died {
            client: self.client.clone(),
            cause,
        });
    }

    fn note_reached_by_death(&self, seen: &mut Seen) {
        let Container::Busy(task) = &self.container else {
            return;
        };
        if matches!(task.stage, Stage::Sync { asked: 1.., .. }) {
            seen.reach(Sometimes::CrashDuringDeploy);
        }
        let Job::Instruction(mark) = task.job else {
            return;
        };
        let thread = &self.threads[task.session];
        let is_unpushed = thread.is_ahead();
        let phase = match task.stage {
            // Of what was handled before the container says nothing.
            Stage::Begin if thread.notes.handled.contains(&mark) => return,
            Stage::Begin => Phase::Received,
            Stage::Think { .. } => Phase::Thinking,
            Stage::Edit => Phase::Editing,
            Stage::Commit => Phase::Committing,
            Stage::Push { .. } | Stage::Integrate { .. } => Phase::Pushing,
            Stage::Build => Phase::Building,
            Stage::Acknowledge => Phase::Done,
            _ => Phase::Deploying,
        };
        seen.reach(Sometimes::CrashIn(phase));
        if phase == Phase::Pushing && is_unpushed {
            seen.reach(Sometimes::CrashBetweenCommitAndPush);
        }
        if self.messages.message(mark).is_some_and(|m| m.receives > 1) {
            seen.reach(Sometimes::CrashDuringRecovery);
        }
    }

    pub(super) fn start(&mut self, seen: &mut Seen) {
        if self.container
            == (Container::Down {
                out_of_memory: true,
            })
        {
            seen.reach(Sometimes::OutOfMemoryRestart);
        }
        self.container = Container::Idle;
        seen.see(What::Started {
            client: self.client.clone(),
        });
    }

    pub(super) fn edit_of(&self, mark: Mark) -> Edit {
        let sent = self.sent.iter().find(|sent| sent.mark == mark);
        sent.map_or(Edit::Change, |sent| sent.edit)
    }
}

/// Marks of changes come in the order made; those of clean outsiders are in files of their own,
/// after them.
pub(super) fn add_to_tree(branch: &mut Branch, mark: Mark, among_changes: bool) {
    let clean = |mark: &Mark| matches!(mark, Mark::Outside(_));
    if among_changes {
        // A conflicting outsider's mark is a line like any edit's: it goes to the end of them.
        let at = branch
            .tree
            .iter()
            .position(clean)
            .unwrap_or(branch.tree.len());
        branch.tree.insert(at, mark);
    } else {
        branch.tree.push(mark);
    }
}

impl ModelFault {
    /// Whether the two cannot be active at once.
    pub fn excludes(self, other: Self) -> bool {
        match (self, other) {
            (
                Self::BuildError(a) | Self::BuildWarning(a),
                Self::BuildError(b) | Self::BuildWarning(b),
            ) => a == b,
            _ => self == other,
        }
    }
}
