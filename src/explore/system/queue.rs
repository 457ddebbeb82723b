//! The queue's side: deliveries, dead letters, the visibility timeout.

use super::{Act, Container, Habits, Job, ModelFault, Moment, Seen, Stage, System, Task};
use crate::coverage::Sometimes;
use crate::explore::mutant::Mutant;
use crate::history::What;
use crate::plan::{Mark, Phase, Place};
use crate::queue::{Next, Received};

impl System {
    /// What comes next of the queue. One in flight comes again once no container works on it.
    pub(super) fn queue_acts(&self) -> Vec<Act> {
        let is_free = self.container == Container::Idle
            && !self.has(ModelFault::Partition)
            && !self.has(ModelFault::QueueDown)
            && self.threads.iter().all(|thread| thread.local.is_some());
        let is_at_work = |mark: Mark| match &self.container {
            Container::Busy(task) => task.job == Job::Instruction(mark),
            _ => false,
        };
        let act = match self.messages.next(Moment::Now) {
            Some(Next::GiveUp(_)) => (!self.has(ModelFault::QueueDown)).then_some(Act::DeadLetter),
            Some(Next::Deliver(_)) => is_free.then_some(Act::Deliver),
            None => {
                let first = self.messages.messages().first();
                let hidden = first.filter(|first| !is_at_work(first.id));
                hidden.map(|first| Act::BecomeVisible(first.id))
            }
        };
        let retries = self.threads.iter().enumerate();
        let retries = retries.filter(|(_, thread)| is_free && thread.retry_asked);
        act.into_iter()
            .chain(retries.map(|(session, _)| Act::DeliverRetry(session)))
            .collect()
    }

    pub(super) fn become_visible(&mut self, mark: Mark) {
        if let Some(receipt) = self.messages.message(mark).map(|m| m.receipt()) {
            let _ = self.messages.extend(receipt, Moment::Now, Moment::Now);
        }
    }

    /// The queue delivers a message, or gives it up.
    pub(super) fn receive(&mut self, habits: Habits, seen: &mut Seen) {
        match self.messages.receive(Moment::Now, Moment::Later) {
            Some(Received::Delivered(message)) => {
                self.deliver(message.id, message.body, message.receives, habits, seen);
            }
            Some(Received::DeadLettered(message)) => {
                self.dead_letters.push(message.id);
                seen.reach(Sometimes::DeadLettered);
                seen.see(What::DeadLettered {
                    session: self.threads[message.body].id.clone(),
                    mark: message.id,
                });
            }
            None => {}
        }
    }

    fn deliver(
        &mut self,
        mark: Mark,
        session: usize,
        receives: u32,
        habits: Habits,
        seen: &mut Seen,
    ) {
        let is_new = !self.threads[session].notes.handled.contains(&mark);
        if receives > 1 || !is_new {
            seen.reach(Sometimes::Redelivered);
        }
        seen.see(What::Delivered {
            session: self.threads[session].id.clone(),
            mark,
            receives,
        });
        if is_new || habits.is_forgetful {
            seen.see(self.enter(session, Phase::Received, mark));
        }
        self.container = Container::Busy(Task {
            job: Job::Instruction(mark),
            session,
            stage: Stage::Begin,
        });
        if habits.has(Mutant::AcknowledgesAtDelivery) {
            self.acknowledge(mark, seen);
        }
    }

    /// The container deletes a message. Where the queue is down, it comes again.
    pub(super) fn acknowledge(&mut self, mark: Mark, seen: &mut Seen) {
        if self.has(ModelFault::QueueDown) {
            seen.is_hit = true;
            return seen.see(What::Refused {
                client: self.client.clone(),
                place: Place::Queue,
            });
        }
        let receipt = self.messages.message(mark).map(|m| m.receipt());
        let deleted = receipt.map(|receipt| self.messages.delete(receipt, Moment::Now));
        if let Some(Ok(Some(message))) = deleted {
            seen.see(What::Acknowledged {
                session: self.threads[message.body].id.clone(),
                mark,
            });
        }
    }
}
