//! The container's way through an instruction, and what each act changes.

use std::sync::Arc;
use std::time::Duration;

use super::disturb::add_to_tree;
use super::{Act, Container, Habits, Job, ModelFault, Order, Seen, Stage, System, TakenIn, Task};
use crate::coverage::{Sometimes, seen_at_work};
use crate::explore::mutant::Mutant;
use crate::history::{Branch, Commit, Death, Level, What};
use crate::plan::{Cut, Mark, Phase};
use crate::queue::{MAX_RECEIVES, VISIBILITY};

/// Attempts to get an answer of the agent.
const AGENT_ATTEMPTS: u8 = 5;
/// What a throttled answer asks to wait.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// The agent's time-out and a first wait after it.
const AGENT_WAIT: Duration = Duration::from_secs(40);

/// What was put off is tried again after so long at the least (`docs/contract.md`, Numbers).
const PUT_OFF: Duration = Duration::from_secs(15);

impl System {
    /// Carries out an act that is enabled. `mark` is for the acts that make one.
    pub fn perform(&mut self, act: Act, mark: Option<Mark>, habits: Habits, seen: &mut Seen) {
        self.change(act, mark, habits, seen);
        let is_at_work = |(_, what): &(Duration, What)| seen_at_work(what).is_some();
        if self.is_awaited && seen.events.iter().any(is_at_work) {
            self.is_awaited = false;
            seen.reach(Sometimes::PartitionHealed);
        }
    }

    fn change(&mut self, act: Act, mark: Option<Mark>, habits: Habits, seen: &mut Seen) {
        match act {
            act if act.is_testers() => self.disturbed(act, mark, seen),
            Act::Deliver | Act::DeadLetter => self.receive(habits, seen),
            Act::BecomeVisible(mark) => {
                seen.waited = VISIBILITY;
                self.become_visible(mark);
            }
            Act::Start => self.start(seen),
            Act::DeliverRetry(session) => {
                self.threads[session].retry_asked = false;
                seen.see(What::RetryDelivered {
                    session: self.threads[session].id.clone(),
                });
                self.begin_push(session);
            }
            Act::Open(session) => self.open(session, habits, seen),
            Act::PutOffPush(session) => {
                seen.waited = PUT_OFF;
                self.begin_push(session);
            }
            Act::PutOffDeploy => {
                seen.waited = PUT_OFF;
                self.begin_put_off_deploy(seen);
            }
            _ => {
                let container = std::mem::replace(&mut self.container, Container::Idle);
                let Container::Busy(mut task) = container else {
                    self.container = container;
                    return;
                };
                self.container = match self.work(act, &mut task, habits, seen) {
                    After::GoesOn => Container::Busy(task),
                    After::Ends => Container::Idle,
                    After::Died => {
                        self.container = Container::Busy(task);
                        self.die(Death::OutOfMemory, seen);
                        return;
                    }
                };
            }
        }
    }

    fn work(&mut self, act: Act, task: &mut Task, habits: Habits, seen: &mut Seen) -> After {
        let session = task.session;
        match (act, task.job) {
            (Act::Begin, Job::Instruction(mark)) => self.begin(task, mark, habits, seen),
            (Act::AgentAnswers, Job::Instruction(mark)) => self.answered(task, mark, seen),
            (Act::AgentFails, Job::Instruction(mark)) => {
                self.agent_failed(task, mark, habits, seen);
            }
            (Act::RunOutOfMemory, _) => {
                seen.is_hit = true;
                return After::Died;
            }
            (Act::Edit, Job::Instruction(mark)) => {
                task.stage = Stage::Commit;
                seen.see(self.enter(session, Phase::Committing, mark));
            }
            (Act::Commit, Job::Instruction(mark)) => self.commit(task, mark, habits, seen),
            (Act::Push, _) => return self.push(task, habits, seen),
            (Act::Integrate, _) => self.integrate(task, habits, seen),
            (Act::Build, Job::Instruction(mark)) => self.build(task, mark, habits, seen),
            (Act::Ask(answer), _) => self.admitted(task, answer, seen),
            (Act::Request, _) => self.request(task, habits, seen),
            (Act::Count { opens }, _) => self.count(task, opens),
            (Act::Report, _) => self.report(task, seen),
            (Act::Settle, _) => return self.settle(task, habits, seen),
            (Act::Finish, Job::Instruction(mark)) => {
                let notes = &mut self.threads[session].notes;
                if !notes.handled.contains(&mark) {
                    notes.handled.push(mark);
                }
                if !habits.has(Mutant::TellsNoFailure) || notes.failure.is_none() {
                    self.write_record(session, seen);
                }
                seen.see(self.enter(session, Phase::Done, mark));
                task.stage = Stage::Acknowledge;
            }
            (Act::Acknowledge, Job::Instruction(mark)) => {
                self.acknowledge(mark, seen);
                return After::Ends;
            }
            _ => {}
        }
        After::GoesOn
    }

    fn begin(&mut self, task: &mut Task, mark: Mark, habits: Habits, seen: &mut Seen) {
        let session = task.session;
        if self.threads[session].notes.handled.contains(&mark) && !habits.is_forgetful {
            task.stage = Stage::Acknowledge;
            return;
        }
        let message = self.messages.message(mark);
        let is_last = message.is_some_and(|message| message.receives >= MAX_RECEIVES);
        let notes = &mut self.threads[session].notes;
        notes.failure = is_last.then_some("cut off twice; if it is again, it is given up");
        notes.lost.clear();
        self.write_record(session, seen);
        if self.threads[session].has_local(mark) && !habits.has(Mutant::ForgetsCommit) {
            self.committed(task, mark, seen);
        } else {
            task.stage = Stage::Think {
                failed: 0,
                then: None,
            };
            seen.see(self.enter(session, Phase::Thinking, mark));
        }
    }

    fn answered(&mut self, task: &mut Task, mark: Mark, seen: &mut Seen) {
        if let Stage::Think {
            then: Some(then), ..
        } = task.stage
        {
            seen.reach(then);
        }
        // Whatever was waited for is over by now.
        let asked = What::AgentAsked {
            client: self.client.clone(),
            mark: Some(mark),
            status: Some(200),
            retry_after: None,
            cut: None,
        };
        seen.see_after(RETRY_AFTER, asked);
        task.stage = Stage::Edit;
        seen.see(self.enter(task.session, Phase::Editing, mark));
    }

    fn agent_failed(&mut self, task: &mut Task, mark: Mark, habits: Habits, seen: &mut Seen) {
        let Stage::Think { failed, .. } = task.stage else {
            return;
        };
        let slow = self.has(ModelFault::AgentSlow);
        let throttled = !slow && self.has(ModelFault::AgentThrottled);
        let (status, cut, then) = match (slow, throttled) {
            (true, _) => (None, None, Some(Sometimes::AgentTimedOutThenAnswered)),
            (_, true) => (Some(429), None, Some(Sometimes::BackedOffThenAnswered)),
            _ => (Some(200), Some(Cut::Dangling), None),
        };
        seen.is_hit = true;
        let asked = What::AgentAsked {
            client: self.client.clone(),
            mark: Some(mark),
            status,
            retry_after: throttled.then_some(RETRY_AFTER),
            cut,
        };
        let wait = match (slow, failed) {
            (_, 0) => super::TICK,
            (true, _) => AGENT_WAIT,
            (false, _) if habits.has(Mutant::IgnoresRetryAfter) => super::TICK,
            (false, _) => RETRY_AFTER,
        };
        seen.see_after(wait, asked);
        let most = AGENT_ATTEMPTS + u8::from(habits.has(Mutant::AsksAgentOnceMore));
        if failed + 1 >= most {
            let text = "agent failed after 5 attempts";
            self.threads[task.session].notes.failure = Some(text);
            seen.see(self.say(task.session, Level::Error, None, text.into()));
            task.stage = Stage::Finish;
        } else {
            task.stage = Stage::Think {
                failed: failed + 1,
                then,
            };
        }
    }

    fn commit(&mut self, task: &mut Task, mark: Mark, habits: Habits, seen: &mut Seen) {
        let thread = &mut self.threads[task.session];
        let mut local = thread.local.as_deref().cloned().unwrap_or_default();
        local.commits.push(commit_of(mark));
        add_to_tree(&mut local, mark, true);
        let local = Arc::new(local);
        thread.local = Some(local.clone());
        if habits.has(Mutant::CommitsToSibling) && self.threads.len() > 1 {
            let other = (task.session + 1) % self.threads.len();
            self.threads[other].local = Some(local.clone());
            seen.see(What::Committed {
                session: self.threads[other].id.clone(),
                branch: local.clone(),
            });
        }
        seen.see(What::Committed {
            session: self.threads[task.session].id.clone(),
            branch: local,
        });
        self.after_commit(task, mark, habits, seen);
    }

    /// The instruction's commit is on the branch already.
    fn committed(&mut self, task: &mut Task, mark: Mark, seen: &mut Seen) {
        self.go_push(task, mark, seen);
    }

    fn after_commit(&mut self, task: &mut Task, mark: Mark, habits: Habits, seen: &mut Seen) {
        match habits.order {
            Order::PushFirst => self.go_push(task, mark, seen),
            Order::DeployFirst => self.go_build(task, mark, seen),
        }
    }

    fn go_push(&mut self, task: &mut Task, mark: Mark, seen: &mut Seen) {
        seen.see(self.enter(task.session, Phase::Pushing, mark));
        task.stage = Stage::Push {
            tried: 0,
            taken_in: TakenIn::Nothing,
        };
    }

    pub(super) fn go_build(&mut self, task: &mut Task, mark: Mark, seen: &mut Seen) {
        seen.see(self.enter(task.session, Phase::Building, mark));
        task.stage = Stage::Build;
    }

    /// After the push of an instruction, or of what was put off.
    pub(super) fn after_push(&mut self, task: &mut Task, habits: Habits, seen: &mut Seen) -> After {
        match task.job {
            Job::Instruction(mark) => {
                let is_built = self
                    .wanted
                    .as_ref()
                    .is_some_and(|wanted| wanted.marks.contains(&mark));
                let notes = &self.threads[task.session].notes;
                let is_settled = self.is_deployed || notes.deploy_put_off;
                let has_failed = notes.failure.is_some();
                if habits.order == Order::DeployFirst && (is_built && is_settled || has_failed) {
                    task.stage = Stage::Finish;
                } else {
                    self.go_build(task, mark, seen);
                }
                After::GoesOn
            }
            Job::Push | Job::Deploy => {
                self.write_record(task.session, seen);
                After::Ends
            }
        }
    }

    /// After the deploy of an instruction, or of what was put off.
    pub(super) fn after_deploy(
        &mut self,
        task: &mut Task,
        habits: Habits,
        seen: &mut Seen,
    ) -> After {
        let Job::Instruction(mark) = task.job else {
            return After::Ends;
        };
        if habits.order == Order::DeployFirst && self.threads[task.session].is_ahead() {
            self.go_push(task, mark, seen);
        } else {
            task.stage = Stage::Finish;
        }
        After::GoesOn
    }
}

/// What is left of a job.
pub(super) enum After {
    GoesOn,
    Ends,
    /// The container is killed.
    Died,
}

fn commit_of(mark: Mark) -> Commit {
    Commit {
        subject: format!("Change the headline ({mark})").into(),
        adds: vec![mark],
        merge: false,
        content: None,
    }
}

impl super::Thread {
    fn has_local(&self, mark: Mark) -> bool {
        let local = self.local.as_deref();
        local.is_some_and(|branch: &Branch| branch.commits.iter().any(|c| c.adds.contains(&mark)))
    }
}
