//! SQS: for each client an instruction queue with dead letters, and a retry queue.
//!
//! Times on the wire are in the system's own seconds.

mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

pub(super) use self::wire::{answer, polls};
use super::answer::AwsError;
use super::credentials::ACCOUNT;
use super::recorder::Recorder;
use crate::history::What;
use crate::plan::{ClientId, Mark, SessionId};
use crate::profile::{Limits, Names, Profile};
use crate::queue::{Expired, Receipt, Received, Rules};
use crate::site;
use crate::worker::ports::{Instruction, RetryRequest};

type Queue = crate::queue::Queue<Arc<str>>;
type Message = crate::queue::Message<Arc<str>>;

pub(super) fn url(base: &str, queue: &str) -> String {
    format!("{base}/{ACCOUNT}/{queue}")
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
    limits: Limits,
    names: Names,
    recorder: Arc<Recorder>,
    state: Mutex<Queues>,
    /// Wakes the receivers that wait for a message.
    changed: Notify,
}

#[derive(Default)]
struct Queues {
    queues: BTreeMap<String, Queue>,
    /// How many messages were ever sent.
    sent: u64,
    /// The sessions of the instructions whose messages have a form of their own.
    announced: BTreeMap<Mark, SessionId>,
    /// The body of the newest acknowledged instruction of a session.
    handled: BTreeMap<SessionId, Arc<str>>,
}

impl Queues {
    /// Puts a message in a queue; returns its id, or `None` where there is no such queue.
    fn put_in(&mut self, queue: &str, body: Arc<str>, visible_at: Duration) -> Option<u64> {
        let queue = self.queues.get_mut(queue)?;
        self.sent += 1;
        queue.send(self.sent, body, visible_at);
        Some(self.sent)
    }

    /// How many messages of a queue are visible, and how many are in flight or delayed.
    fn depth(&self, queue: &str, now: Duration) -> (usize, usize) {
        let messages = self.queues.get(queue).map_or(&[][..], Queue::messages);
        let hidden = messages.iter().filter(|one| one.is_hidden(now)).count();
        (messages.len() - hidden, hidden)
    }

    /// The session and mark of an instruction's message: of the reference worker's form, or of the form
    /// that a profile gives, in which its text occurs.
    fn instruction_in(&self, body: &str) -> Option<(SessionId, Mark)> {
        if let Ok(instruction) = serde_json::from_str::<Instruction>(body) {
            let mark = Mark::parse(&instruction.instruction_id)?;
            return Some((instruction.session_id, mark));
        }
        let mark = site::mark_in(site::instruction_in(body)?)?;
        Some((self.announced.get(&mark)?.clone(), mark))
    }

    /// A receipt that was given at some time.
    fn receipt(&self, text: &str) -> Result<Receipt, AwsError> {
        let receipt = text.parse().ok();
        receipt
            .filter(|receipt: &Receipt| receipt.id <= self.sent)
            .ok_or_else(|| {
                AwsError::new(
                    "com.amazonaws.sqs#ReceiptHandleIsInvalid",
                    "The input receipt handle is invalid.",
                )
            })
    }
}

impl Sqs {
    pub(super) fn new(clients: &[ClientId], profile: &Profile, recorder: Arc<Recorder>) -> Self {
        let (names, limits) = (profile.names.clone(), profile.limits);
        let rules = Rules {
            max_receives: Some(limits.receives),
            ..Rules::INSTRUCTIONS
        };
        let mut queues = BTreeMap::new();
        for client in clients {
            queues.insert(names.queue(client), Queue::new(rules));
            queues.insert(names.retry_queue(client), Queue::new(Rules::RETRIES));
            queues.insert(names.dead_letters(client), Queue::new(Rules::DEAD_LETTERS));
        }
        Self {
            limits,
            names,
            recorder,
            state: Mutex::new(Queues {
                queues,
                ..Queues::default()
            }),
            changed: Notify::new(),
        }
    }

    /// Makes known whose instruction has this mark.
    pub(super) fn announce(&self, session: &SessionId, mark: Mark) {
        self.state().announced.insert(mark, session.clone());
    }

    /// Sends a message that becomes visible after a delay; returns its id. `None` where there is
    /// no such queue.
    pub(super) fn send(&self, queue: &str, body: &str, delay: Duration) -> Option<u64> {
        let mut state = self.state();
        let visible_at = self.recorder.now() + delay;
        let id = state.put_in(queue, body.into(), visible_at)?;
        self.record_sent(&state, body);
        drop(state);
        self.changed.notify_waiters();
        Some(id)
    }

    /// Sends the session's newest acknowledged instruction once more. Returns whether there was
    /// one.
    pub(super) fn redeliver(&self, session: &SessionId) -> bool {
        let mut state = self.state();
        let Some(body) = state.handled.get(session).cloned() else {
            return false;
        };
        let now = self.recorder.now();
        // No client sent it, so that is not recorded: the queue delivers it again by itself.
        let sent = state.put_in(&self.names.queue(&session.client), body, now);
        drop(state);
        self.changed.notify_waiters();
        sent.is_some()
    }

    pub(super) fn depths(&self, client: &ClientId) -> Depths {
        let state = self.state();
        let now = self.recorder.now();
        let (visible, hidden) = state.depth(&self.names.queue(client), now);
        let all = |queue: &str| state.queues.get(queue).map_or(0, |q| q.messages().len());
        Depths {
            visible,
            hidden,
            retries: all(&self.names.retry_queue(client)),
            dead_letters: all(&self.names.dead_letters(client)),
        }
    }

    /// The marks of the instructions in a queue, in order.
    pub(super) fn marks(&self, queue: &str) -> Vec<Mark> {
        let state = self.state();
        let queue = state.queues.get(queue).into_iter();
        let messages = queue.flat_map(Queue::messages);
        messages
            .filter_map(|message| Some(state.instruction_in(&message.body)?.1))
            .collect()
    }

    /// Takes a message, waiting for one at most for `wait`.
    async fn receive(
        &self,
        queue: &str,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Option<Message>, AwsError> {
        let deadline = self.recorder.now() + wait;
        loop {
            let changed = self.changed.notified();
            let (message, next) = self.take(queue, visibility)?;
            let now = self.recorder.now();
            if message.is_some() || now >= deadline {
                return Ok(message);
            }
            let until = next.unwrap_or(deadline).min(deadline);
            let pause = self.recorder.real(until.saturating_sub(now));
            // Either way the queue is looked at again.
            let _ = tokio::time::timeout(pause, changed).await;
        }
    }

    /// Takes a message if one is visible; else says when the next becomes visible by itself.
    fn take(
        &self,
        name: &str,
        visibility: Duration,
    ) -> Result<(Option<Message>, Option<Duration>), AwsError> {
        let mut state = self.state();
        let now = self.recorder.now();
        while let Some(received) = find(&mut state, name)?.receive(now, now + visibility) {
            match received {
                Received::Delivered(message) => {
                    self.record_delivered(&state, &message);
                    return Ok((Some(message), None));
                }
                Received::DeadLettered(message) => {
                    let Some((session, mark)) = state.instruction_in(&message.body) else {
                        continue;
                    };
                    let dead_letters = self.names.dead_letters(&session.client);
                    self.recorder.record(What::DeadLettered { session, mark });
                    state.put_in(&dead_letters, message.body, now);
                }
            }
        }
        Ok((None, find(&mut state, name)?.next_visible(now)))
    }

    fn delete(&self, name: &str, receipt: &str) -> Result<(), AwsError> {
        let mut state = self.state();
        let now = self.recorder.now();
        let known = state.receipt(receipt)?;
        let deleted = find(&mut state, name)?.delete(known, now);
        let deleted = deleted.map_err(|Expired| expired(receipt))?;
        if let Some(message) = deleted
            && let Some((session, mark)) = state.instruction_in(&message.body)
        {
            self.recorder.record(What::Acknowledged {
                session: session.clone(),
                mark,
            });
            state.handled.insert(session, message.body);
        }
        drop(state);
        // What was behind the message is free now.
        self.changed.notify_waiters();
        Ok(())
    }

    fn extend(&self, name: &str, receipt: &str, visibility: Duration) -> Result<(), AwsError> {
        let mut state = self.state();
        let now = self.recorder.now();
        let known = state.receipt(receipt)?;
        let queue = find(&mut state, name)?;
        if queue.message(known.id).is_none() {
            return Err(expired(receipt));
        }
        queue
            .extend(known, now, now + visibility)
            .map_err(|Expired| {
                AwsError::new(
                    "com.amazonaws.sqs#MessageNotInflight",
                    "The message referred to is not in flight.",
                )
            })?;
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    fn record_sent(&self, state: &Queues, body: &str) {
        if let Some((session, mark)) = state.instruction_in(body) {
            self.recorder.record(What::Sent { session, mark });
        } else if let Some(session) = retry_in(body) {
            self.recorder.record(What::RetrySent { session });
        }
    }

    fn record_delivered(&self, state: &Queues, message: &Message) {
        if let Some((session, mark)) = state.instruction_in(&message.body) {
            self.recorder.record(What::Delivered {
                session,
                mark,
                receives: message.receives,
            });
        } else if let Some(session) = retry_in(&message.body) {
            self.recorder.record(What::RetryDelivered { session });
        }
    }

    fn state(&self) -> MutexGuard<'_, Queues> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find<'a>(state: &'a mut Queues, name: &str) -> Result<&'a mut Queue, AwsError> {
    state.queues.get_mut(name).ok_or_else(|| {
        AwsError::new(
            "com.amazonaws.sqs#QueueDoesNotExist",
            "The specified queue does not exist.",
        )
    })
}

/// The session of a retry message.
fn retry_in(body: &str) -> Option<SessionId> {
    let RetryRequest::RetryGitPush { session_id } = serde_json::from_str(body).ok()?;
    Some(session_id)
}

fn expired(receipt: &str) -> AwsError {
    AwsError::new(
        "com.amazonaws.sqs#InvalidParameterValueException",
        format!(
            "Value {receipt} for parameter ReceiptHandle is invalid. Reason: The receipt handle \
             has expired."
        ),
    )
}

#[cfg(test)]
mod tests;
