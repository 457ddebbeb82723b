//! What can happen next, one act at a time.

use super::{Container, Habits, Job, ModelFault, Stage, System, Task};
use crate::explore::mutant::Mutant;
use crate::plan::{Edit, Mark, Outsider};

/// Something that happens, small enough that everything may come between two of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Act {
    // The tester's.
    Instruct(usize, Edit),
    PushFromOutside(usize, Outsider),
    Inject(ModelFault),
    Heal(ModelFault),
    Crash,
    LoseWorkspace,
    RetryPush(usize),
    Redeliver(usize),
    // The queue's, and the platform's.
    Deliver,
    DeadLetter,
    /// The visibility timeout passes.
    BecomeVisible(Mark),
    Start,
    DeliverRetry(usize),
    // The container's.
    Open(usize),
    PutOffPush(usize),
    PutOffDeploy,
    Begin,
    AgentAnswers,
    AgentFails,
    Edit,
    RunOutOfMemory,
    Commit,
    Push,
    Integrate,
    Build,
    Ask(Admitted),
    /// The next request of a sync, or the end of it.
    Request,
    Count {
        opens: bool,
    },
    Report,
    Settle,
    Finish,
    Acknowledge,
}

/// What the breaker says to a sync.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Admitted {
    Ordinary,
    Probe,
    Prevented,
}

impl Admitted {
    pub const ALL: [Self; 3] = [Self::Ordinary, Self::Probe, Self::Prevented];
}

impl Act {
    /// Whether the tester does it.
    pub fn is_testers(self) -> bool {
        matches!(
            self,
            Self::Instruct(..)
                | Self::PushFromOutside(..)
                | Self::Inject(_)
                | Self::Heal(_)
                | Self::Crash
                | Self::LoseWorkspace
                | Self::RetryPush(_)
                | Self::Redeliver(_)
        )
    }

    /// Whether it comes by time passing: in a system that is not disturbed, only when nothing else
    /// can happen any more.
    pub fn is_timed(self) -> bool {
        matches!(
            self,
            Self::BecomeVisible(_) | Self::PutOffPush(_) | Self::PutOffDeploy
        )
    }
}

impl System {
    /// What the system itself may do next. What needs an answer of the breaker is listed once
    /// for each answer.
    pub fn own_acts(&self, habits: Habits) -> Vec<Act> {
        let mut acts = self.queue_acts();
        let (is_cut_off, is_mute) = (
            self.has(ModelFault::Partition),
            self.has(ModelFault::StoreThrottled),
        );
        match &self.container {
            // A line that waits for the partition's end is written before it, for all that follows.
            _ if is_cut_off && !self.is_reporting() => {}
            Container::Down { .. } => {}
            Container::Idle => self.idle_acts(habits, &mut acts),
            Container::Busy(task) => {
                let writes = matches!(
                    task.stage,
                    Stage::Begin
                        | Stage::Admit
                        | Stage::Count { .. }
                        | Stage::Settle { .. }
                        | Stage::Finish
                );
                if !(writes && is_mute) {
                    self.task_acts(task, &mut acts);
                }
            }
        }
        if matches!(self.container, Container::Down { .. }) && !habits.has(Mutant::StaysDown) {
            acts.push(Act::Start);
        }
        acts
    }

    fn idle_acts(&self, habits: Habits, acts: &mut Vec<Act>) {
        let missing = self.threads.iter().position(|t| t.local.is_none());
        if let Some(session) = missing {
            // What was lost is looked at before anything else.
            let fault_kinds = [
                ModelFault::GitAuth,
                ModelFault::GitDown,
                ModelFault::StoreThrottled,
            ];
            if !fault_kinds.into_iter().any(|fault| self.has(fault)) {
                acts.push(Act::Open(session));
            }
            return;
        }
        for (session, thread) in self.threads.iter().enumerate() {
            let is_due = thread.is_ahead() || thread.notes.push_put_off;
            if is_due && !habits.has(Mutant::ForgetsPutOffPush) {
                acts.push(Act::PutOffPush(session));
            }
        }
        if self.wanted.is_some() && !self.is_deployed && !habits.has(Mutant::ForgetsPutOffDeploy) {
            acts.push(Act::PutOffDeploy);
        }
    }

    fn task_acts(&self, task: &Task, acts: &mut Vec<Act>) {
        match task.stage {
            Stage::Begin => acts.push(Act::Begin),
            Stage::Think { .. } => {
                let fails = [
                    ModelFault::AgentSlow,
                    ModelFault::AgentThrottled,
                    ModelFault::AgentCut,
                ];
                let fails = fails.iter().any(|fault| self.has(*fault));
                acts.push(if fails {
                    Act::AgentFails
                } else {
                    Act::AgentAnswers
                });
            }
            Stage::Edit if self.runs_out_of_memory(task) => acts.push(Act::RunOutOfMemory),
            Stage::Edit => acts.push(Act::Edit),
            Stage::Commit => acts.push(Act::Commit),
            Stage::Push { .. } => acts.push(Act::Push),
            Stage::Integrate { .. } => acts.push(Act::Integrate),
            Stage::Build => acts.push(Act::Build),
            Stage::Admit => acts.extend(Admitted::ALL.map(Act::Ask)),
            Stage::Sync { .. } => acts.push(Act::Request),
            Stage::Count { succeeded, .. } => {
                acts.push(Act::Count { opens: false });
                if !succeeded {
                    acts.push(Act::Count { opens: true });
                }
            }
            Stage::Report { .. } => acts.push(Act::Report),
            Stage::Settle { .. } => acts.push(Act::Settle),
            Stage::Finish => acts.push(Act::Finish),
            Stage::Acknowledge => acts.push(Act::Acknowledge),
        }
    }

    fn runs_out_of_memory(&self, task: &Task) -> bool {
        let Job::Instruction(mark) = task.job else {
            return false;
        };
        self.has(ModelFault::OutOfMemory)
            && self
                .sent
                .iter()
                .any(|sent| sent.mark == mark && sent.edit == Edit::MemoryHungry)
    }
}
