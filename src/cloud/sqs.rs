//! SQS: for each client an instruction queue with dead letters, and a retry queue; and whatever queues
//! are made.
//!
//! Times on the wire are in the system's own seconds.

mod attributes;
mod errors;
mod letter;
mod query;
mod queues;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use self::attributes::{Attributes, RedrivePolicy};
use self::letter::Letter;
use self::queues::{Queues, Sent, Stored};
pub(super) use self::wire::{QUIET, answer, polls};
use super::answer::AwsError;
use super::credentials::{ACCOUNT, REGION};
use super::recorder::Recorder;
use super::tasks::Tasks;
use crate::history::What;
use crate::plan::{ClientId, Mark, SessionId};
use crate::profile::{Names, Profile};
use crate::worker::ports::RetryRequest;

type Message = crate::queue::Message<Letter, u64, Duration, Arc<str>>;

pub(super) fn url(base: &str, queue: &str) -> String {
    format!("{base}/{ACCOUNT}/{queue}")
}

/// The ARN of a queue.
fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")
}

/// How many messages are in a client's queues.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Depths {
    /// Instructions that can be received now.
    pub visible: usize,
    /// Instructions in flight or delayed.
    pub hidden: usize,
    /// Messages on the retry queue, visible or not.
    pub retries: usize,
    pub dead_letters: usize,
}

/// All queues of one cloud.
pub(super) struct Sqs {
    names: Names,
    recorder: Arc<Recorder>,
    /// Learns the tokens that messages have.
    tasks: Arc<Tasks>,
    state: Mutex<Queues>,
    /// Wakes the receivers that wait for a message.
    changed: Notify,
}

impl Sqs {
    pub(super) fn new(
        clients: &[ClientId],
        profile: &Profile,
        recorder: Arc<Recorder>,
        tasks: Arc<Tasks>,
    ) -> Self {
        let (names, limits) = (profile.names.clone(), profile.limits);
        let mut queues = Queues::default();
        let visibility = limits.visibility.as_secs().to_string();
        for client in clients {
            let add = |queues: &mut Queues, name: String, more: &[(&str, String)]| {
                let mut all = vec![("VisibilityTimeout", visibility.clone())];
                if name.ends_with(".fifo") {
                    all.push(("FifoQueue", "true".into()));
                }
                all.extend_from_slice(more);
                queues.add(name, Attributes::of(&all));
            };
            let dead = names.dead_letters(client);
            let policy = RedrivePolicy::text(&arn(&dead), limits.receives);
            add(&mut queues, dead, &[]);
            let policy = ("RedrivePolicy", policy);
            add(&mut queues, names.queue(client), &[policy]);
            add(&mut queues, names.retry_queue(client), &[]);
            for (name, visibility) in profile.resources.queues(client) {
                let visibility = ("VisibilityTimeout", visibility.as_secs().to_string());
                add(&mut queues, name, &[visibility]);
            }
        }
        Self {
            names,
            recorder,
            tasks,
            state: Mutex::new(queues),
            changed: Notify::new(),
        }
    }

    /// Makes known whose instruction has this mark.
    pub(super) fn announce(&self, session: &SessionId, mark: Mark) {
        self.state().announced.insert(mark, session.clone());
    }

    /// Sends a message of the tester to a client's queue. Returns whether there is such a queue.
    pub(super) fn send(&self, client: &ClientId, queue: &str, body: &str) -> bool {
        let mut state = self.state();
        let now = self.recorder.now();
        let is_sent = state.put(queue, Letter::to(client, body), now, now).is_ok();
        if is_sent {
            self.record_sent(&state, body);
        }
        drop(state);
        self.changed.notify_waiters();
        is_sent
    }

    /// Sends the session's newest acknowledged instruction once more. Returns whether there was
    /// one.
    pub(super) fn redeliver(&self, session: &SessionId) -> bool {
        let mut state = self.state();
        let Some(letter) = state.handled.get(session).cloned() else {
            return false;
        };
        let now = self.recorder.now();
        // No client sent it, so that is not recorded: the queue delivers it again by itself.
        let sent = state.put(&self.names.queue(&session.client), letter, now, now);
        drop(state);
        self.changed.notify_waiters();
        sent.is_ok()
    }

    pub(super) fn depths(&self, client: &ClientId) -> Depths {
        let state = self.state();
        let now = self.recorder.now();
        let depth = |queue: &str| {
            state
                .get(queue)
                .map(|queue| queue.depth(now))
                .unwrap_or_default()
        };
        let all = |queue: &str| state.get(queue).map_or(0, |queue| queue.letters().count());
        let instructions = depth(&self.names.queue(client));
        Depths {
            visible: instructions.visible,
            hidden: instructions.in_flight + instructions.delayed,
            retries: all(&self.names.retry_queue(client)),
            dead_letters: all(&self.names.dead_letters(client)),
        }
    }

    /// The marks of the instructions in a queue, in order.
    pub(super) fn marks(&self, queue: &str) -> Vec<Mark> {
        let state = self.state();
        let letters = state.get(queue).into_iter().flat_map(Stored::letters);
        letters
            .filter_map(|letter| Some(state.instruction_in(&letter.text)?.1))
            .collect()
    }

    /// Takes a message of a client.
    fn take_in(
        &self,
        queue: &str,
        letter: Letter,
        delay: Option<Duration>,
    ) -> Result<Sent, AwsError> {
        let text = letter.text.clone();
        let mut state = self.state();
        let sent = state.send(queue, letter, delay, self.recorder.now())?;
        if sent.is_new {
            self.record_sent(&state, &text);
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(sent)
    }

    /// Takes up to so many messages, waiting for the first at most for `wait`.
    async fn receive(
        &self,
        queue: &str,
        most: usize,
        visibility: Option<Duration>,
        wait: Option<Duration>,
    ) -> Result<Vec<Message>, AwsError> {
        let wait = match wait {
            Some(wait) => wait,
            None => {
                let mut state = self.state();
                let attributes = &state.find(queue)?.attributes;
                attributes.seconds("ReceiveMessageWaitTimeSeconds")
            }
        };
        let deadline = self.recorder.now() + wait;
        loop {
            let changed = self.changed.notified();
            let (messages, next) = self.take(queue, most, visibility)?;
            let now = self.recorder.now();
            if !messages.is_empty() || now >= deadline {
                return Ok(messages);
            }
            let until = next.unwrap_or(deadline).min(deadline);
            let pause = self.recorder.real(until.saturating_sub(now));
            // Either way the queue is looked at again.
            let _ = tokio::time::timeout(pause, changed).await;
        }
    }

    /// Takes messages that are visible, and says when the next becomes visible by itself.
    fn take(
        &self,
        name: &str,
        most: usize,
        visibility: Option<Duration>,
    ) -> Result<(Vec<Message>, Option<Duration>), AwsError> {
        let mut state = self.state();
        let now = self.recorder.now();
        let batch = state.receive(name, most, visibility, now)?;
        for letter in &batch.given_up {
            if let Some((session, mark)) = state.instruction_in(&letter.text) {
                self.recorder.record(What::DeadLettered { session, mark });
            }
        }
        for message in &batch.delivered {
            self.record_delivered(&state, message);
        }
        Ok((batch.delivered, state.find(name)?.next_visible(now)))
    }

    fn delete(&self, name: &str, receipt: &str) -> Result<(), AwsError> {
        let mut state = self.state();
        let deleted = state.delete(name, receipt, self.recorder.now())?;
        if let Some(letter) = deleted
            && let Some((session, mark)) = state.instruction_in(&letter.text)
        {
            self.recorder.record(What::Acknowledged {
                session: session.clone(),
                mark,
            });
            state.handled.insert(session, letter);
        }
        drop(state);
        // What was behind the message is free now.
        self.changed.notify_waiters();
        Ok(())
    }

    fn extend(&self, name: &str, receipt: &str, visibility: Duration) -> Result<(), AwsError> {
        let now = self.recorder.now();
        self.state().extend(name, receipt, visibility, now)?;
        self.changed.notify_waiters();
        Ok(())
    }

    fn record_sent(&self, state: &Queues, body: &str) {
        self.tasks.see(body);
        if let Some((session, mark)) = state.instruction_in(body) {
            self.recorder.record(What::Sent { session, mark });
        } else if let Some(session) = retry_in(body) {
            self.recorder.record(What::RetrySent { session });
        }
    }

    fn record_delivered(&self, state: &Queues, message: &Message) {
        if let Some((session, mark)) = state.instruction_in(&message.body.text) {
            self.recorder.record(What::Delivered {
                session,
                mark,
                receives: message.receives,
            });
        } else if let Some(session) = retry_in(&message.body.text) {
            self.recorder.record(What::RetryDelivered { session });
        }
    }

    fn state(&self) -> MutexGuard<'_, Queues> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session of a retry message.
fn retry_in(body: &str) -> Option<SessionId> {
    let RetryRequest::RetryGitPush { session_id } = serde_json::from_str(body).ok()?;
    Some(session_id)
}

#[cfg(test)]
mod tests;
