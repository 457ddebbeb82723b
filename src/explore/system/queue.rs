//! The queue's side: deliveries, dead letters, the visibility timeout.

use super::{Act, Container, Habits, Job, Message, Seen, Stage, System, Task, Trouble};
use crate::coverage::Sometimes;
use crate::explore::mutant::Mutant;
use crate::history::What;
use crate::plan::{Mark, Phase};

/// A message goes to the dead letters instead of another receive after so many.
const MOST_RECEIVES: u32 = 3;

impl System {
    pub(super) fn queue_acts(&self, habits: Habits) -> Vec<Act> {
        let mut acts = Vec::new();
        // In the order sent: one in flight blocks those behind it.
        let is_at_work = |mark: Mark| match &self.container {
            Container::Busy(task) => task.job == Job::Instruction(mark),
            _ => false,
        };
        if let Some(first) = self.messages.first() {
            if first.in_flight {
                if !is_at_work(first.mark) {
                    acts.push(Act::BecomeVisible(first.mark));
                }
            } else if first.receives
                >= MOST_RECEIVES + u32::from(habits.has(Mutant::DeadLettersLate))
            {
                acts.push(Act::DeadLetter);
            } else if self.container == Container::Idle
                && !self.has(Trouble::Partition)
                && self.threads.iter().all(|thread| thread.local.is_some())
            {
                acts.push(Act::Deliver);
            }
        }
        acts
    }

    pub(super) fn deliver(&mut self, habits: Habits, seen: &mut Seen) {
        let message = &mut self.messages[0];
        message.in_flight = true;
        message.receives += 1;
        let (mark, session, receives) = (message.mark, message.session, message.receives);
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

    pub(super) fn dead_letter(&mut self, seen: &mut Seen) {
        let Message { mark, session, .. } = self.messages.remove(0);
        self.dead_letters.push(mark);
        seen.reach(Sometimes::DeadLettered);
        seen.see(What::DeadLettered {
            session: self.threads[session].id.clone(),
            mark,
        });
    }

    pub(super) fn acknowledge(&mut self, mark: Mark, seen: &mut Seen) {
        let at = self
            .messages
            .iter()
            .position(|m| m.mark == mark && m.in_flight);
        if let Some(at) = at {
            let message = self.messages.remove(at);
            seen.see(What::Acknowledged {
                session: self.threads[message.session].id.clone(),
                mark,
            });
        }
    }
}
