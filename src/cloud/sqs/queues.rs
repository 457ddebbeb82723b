//! The queues of a cloud, without the wire and without a clock of their own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::attributes::{Attributes, RedrivePolicy, check_name};
use super::errors::{self, bad, invalid};
use super::letter::Letter;
use super::{Message, arn};
use crate::cloud::answer::AwsError;
use crate::plan::{ClientId, Mark, SessionId};
use crate::queue::{Depth, Expired, Queue, Receipt, Received, Repeats, Rules};
use crate::site;
use crate::worker::ports::Instruction;

/// How long a message that is sent again is taken for the same.
const REPEATED_WITHIN: Duration = Duration::from_secs(5 * 60);

/// All queues by their names.
#[derive(Default)]
pub(super) struct Queues {
    queues: BTreeMap<String, Stored>,
    /// How many messages were ever put in a queue.
    put: u64,
    /// The sessions of the instructions whose messages have a form of their own.
    pub(super) announced: BTreeMap<Mark, SessionId>,
    /// The newest acknowledged instruction of a session.
    pub(super) handled: BTreeMap<SessionId, Letter>,
    pub(super) moves: Vec<Move>,
}

/// A queue and what is known of it.
pub(super) struct Stored {
    pub(super) attributes: Attributes,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) created: Duration,
    pub(super) modified: Duration,
    purged: Option<Duration>,
    queue: Queue<Letter, u64, Duration, Arc<str>>,
    /// What was sent first.
    repeats: Repeats<RepeatKey, Sent, Duration>,
}

/// What messages that are the same have in common: the group, where only repeats in it count, and the
/// deduplication id.
type RepeatKey = (Option<Arc<str>>, Arc<str>);

/// What became of a message that was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sent {
    pub(super) number: u64,
    pub(super) sequence: Option<u64>,
    /// Whether it was not sent before.
    pub(super) is_new: bool,
}

/// What a receive came upon.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) delivered: Vec<Message>,
    pub(super) given_up: Vec<Letter>,
}

/// Messages that were moved out of a queue of dead letters.
pub(super) struct Move {
    pub(super) source: String,
    pub(super) destination: Option<String>,
    pub(super) moved: usize,
    pub(super) at: Duration,
}

impl Stored {
    fn new(attributes: Attributes, now: Duration) -> Self {
        let rules = Rules {
            is_fifo: attributes.is_fifo(),
            max_receives: None,
        };
        Self {
            attributes,
            tags: BTreeMap::new(),
            created: now,
            modified: now,
            purged: None,
            queue: Queue::new(rules),
            repeats: Repeats::default(),
        }
    }

    pub(super) fn depth(&self, now: Duration) -> Depth {
        self.queue.depth(now)
    }

    pub(super) fn letters(&self) -> impl Iterator<Item = &Letter> {
        self.queue.messages().iter().map(|message| &message.body)
    }

    pub(super) fn next_visible(&self, now: Duration) -> Option<Duration> {
        self.queue.next_visible(now)
    }

    /// Removes what is older than it is kept.
    fn forget_old(&mut self, now: Duration) {
        let kept = self.attributes.seconds("MessageRetentionPeriod");
        self.queue
            .remove_where(|message| message.body.sent_at + kept <= now);
    }

    /// Checks a message against the queue's kind, and completes its deduplication id.
    fn check(&self, letter: &mut Letter, delay: Option<Duration>) -> Result<(), AwsError> {
        let most = self.attributes.number("MaximumMessageSize");
        if letter.size() as u64 > most {
            return Err(bad(format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {most} bytes."
            )));
        }
        if !self.queue.is_fifo() {
            return match &letter.deduplication {
                Some(id) => Err(invalid(id, "MessageDeduplicationId", OF_OTHER_KIND)),
                None => Ok(()),
            };
        }
        if letter.group.is_none() {
            return Err(errors::missing("MessageGroupId"));
        }
        if let Some(delay) = delay.filter(|delay| !delay.is_zero()) {
            return Err(invalid(
                &delay.as_secs().to_string(),
                "DelaySeconds",
                OF_OTHER_KIND,
            ));
        }
        if letter.deduplication.is_none() {
            if !self.attributes.is("ContentBasedDeduplication", "true") {
                return Err(bad(
                    "The queue should either have ContentBasedDeduplication enabled or \
                     MessageDeduplicationId provided explicitly",
                ));
            }
            letter.deduplication = Some(content_hash(&letter.text));
        }
        Ok(())
    }
}

const OF_OTHER_KIND: &str = "The request include parameter that is not valid for this queue type.";

/// What stands for a text where its content says whether it was sent before.
fn content_hash(text: &str) -> Arc<str> {
    let digest = Sha256::digest(text.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.into()
}

impl Queues {
    /// The session and mark of an instruction's message: of the reference worker's form, or of the form
    /// that a profile gives, in which its text occurs.
    pub(super) fn instruction_in(&self, body: &str) -> Option<(SessionId, Mark)> {
        if let Ok(instruction) = serde_json::from_str::<Instruction>(body) {
            let mark = Mark::parse(&instruction.instruction_id)?;
            return Some((instruction.session_id, mark));
        }
        let mark = site::mark_in(site::instruction_in(body)?)?;
        Some((self.announced.get(&mark)?.clone(), mark))
    }

    /// Adds a queue that is there from the beginning.
    pub(super) fn add(&mut self, name: String, attributes: Attributes) {
        self.queues
            .insert(name, Stored::new(attributes, Duration::ZERO));
    }

    /// Makes a queue, unless there is the same already.
    pub(super) fn create(
        &mut self,
        name: &str,
        given: Attributes,
        tags: BTreeMap<String, String>,
        now: Duration,
    ) -> Result<(), AwsError> {
        check_name(name, &given)?;
        if let Some(known) = self.queues.get(name) {
            return match known.attributes.differs(&given) {
                None => Ok(()),
                Some(attribute) => Err(AwsError::new(
                    "com.amazonaws.sqs#QueueNameExists",
                    format!(
                        "A queue already exists with the same name and a different value for attribute \
                         {attribute}"
                    ),
                )),
            };
        }
        self.check_redrive(given.redrive(), given.is_fifo())?;
        let mut stored = Stored::new(Attributes::default(), now);
        stored.queue = Queue::new(Rules {
            is_fifo: given.is_fifo(),
            max_receives: None,
        });
        stored.attributes.set(given);
        stored.tags = tags;
        self.queues.insert(name.to_owned(), stored);
        Ok(())
    }

    pub(super) fn set_attributes(
        &mut self,
        name: &str,
        given: Attributes,
        now: Duration,
    ) -> Result<(), AwsError> {
        let is_fifo = self.find(name)?.queue.is_fifo();
        self.check_redrive(given.redrive(), is_fifo)?;
        let stored = self.find(name)?;
        stored.attributes.set(given);
        stored.modified = now;
        Ok(())
    }

    fn check_redrive(&self, policy: Option<RedrivePolicy>, is_fifo: bool) -> Result<(), AwsError> {
        let Some(policy) = policy else {
            return Ok(());
        };
        let why = match self.queues.get(&policy.target) {
            None => "Dead letter target does not exist.",
            Some(target) if target.queue.is_fifo() != is_fifo => {
                "Dead-letter queue must be same type of queue as the source."
            }
            Some(_) => return Ok(()),
        };
        Err(invalid(&arn(&policy.target), "RedrivePolicy", why))
    }

    pub(super) fn delete_queue(&mut self, name: &str) -> Result<(), AwsError> {
        let deleted = self.queues.remove(name);
        deleted.map(drop).ok_or_else(errors::no_queue)
    }

    pub(super) fn purge(&mut self, name: &str, now: Duration) -> Result<(), AwsError> {
        const PAUSE: Duration = Duration::from_secs(60);
        let stored = self.find(name)?;
        if stored.purged.is_some_and(|at| now < at + PAUSE) {
            return Err(AwsError::new(
                "com.amazonaws.sqs#PurgeQueueInProgress",
                format!("Only one PurgeQueue operation on {name} is allowed every 60 seconds."),
            ));
        }
        stored.purged = Some(now);
        stored.queue.remove_where(|_| true);
        Ok(())
    }

    pub(super) fn find(&mut self, name: &str) -> Result<&mut Stored, AwsError> {
        self.queues.get_mut(name).ok_or_else(errors::no_queue)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Stored> {
        self.queues.get(name)
    }

    /// All queues, in the order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Stored)> {
        self.queues
            .iter()
            .map(|(name, stored)| (name.as_str(), stored))
    }

    /// Takes a message of a client, which may be one that it sent before.
    pub(super) fn send(
        &mut self,
        name: &str,
        mut letter: Letter,
        delay: Option<Duration>,
        now: Duration,
    ) -> Result<Sent, AwsError> {
        let stored = self.find(name)?;
        stored.check(&mut letter, delay)?;
        let by_group = stored.attributes.is("DeduplicationScope", "messageGroup");
        let key = letter.deduplication.clone().map(|id| {
            let group = letter.group.clone().filter(|_| by_group);
            (group, id)
        });
        if let Some(key) = &key
            && let Some(earlier) = stored.repeats.earlier(key, now)
        {
            return Ok(Sent {
                is_new: false,
                ..*earlier
            });
        }
        let delay = delay.filter(|_| !stored.queue.is_fifo());
        let delay = delay.unwrap_or_else(|| stored.attributes.seconds("DelaySeconds"));
        let sent = self.put(name, letter, now, now + delay)?;
        if let Some(key) = key {
            let repeats = &mut self.find(name)?.repeats;
            repeats.remember(key, sent, now + REPEATED_WITHIN);
        }
        Ok(sent)
    }

    /// Puts a new message in a queue, whatever was sent before.
    pub(super) fn put(
        &mut self,
        name: &str,
        mut letter: Letter,
        now: Duration,
        visible_at: Duration,
    ) -> Result<Sent, AwsError> {
        let id = self.put + 1;
        let stored = self.find(name)?;
        letter.number = id;
        letter.sequence = stored.queue.is_fifo().then_some(id);
        letter.sent_at = now;
        letter.first_received = None;
        let sent = Sent {
            number: id,
            sequence: letter.sequence,
            is_new: true,
        };
        stored
            .queue
            .send_in(letter.order_group(), id, letter, visible_at);
        self.put = id;
        Ok(sent)
    }

    /// Takes up to so many messages; those that were received too often go to the dead letters.
    pub(super) fn receive(
        &mut self,
        name: &str,
        most: usize,
        visibility: Option<Duration>,
        now: Duration,
    ) -> Result<Batch, AwsError> {
        let policy = self.find(name)?.attributes.redrive();
        let policy = policy.filter(|policy| self.queues.contains_key(&policy.target));
        let stored = self.find(name)?;
        stored.forget_old(now);
        stored
            .queue
            .set_max_receives(policy.as_ref().map(|policy| policy.receives));
        let visibility =
            visibility.unwrap_or_else(|| stored.attributes.seconds("VisibilityTimeout"));
        let mut batch = Batch::default();
        for received in stored.queue.receive_up_to(most, now, now + visibility) {
            match received {
                Received::Delivered(mut message) => {
                    let first = *message.body.first_received.get_or_insert(now);
                    if let Some(kept) = stored.queue.body_mut(message.id) {
                        kept.first_received = Some(first);
                    }
                    batch.delivered.push(message);
                }
                Received::DeadLettered(message) => batch.given_up.push(message.body),
            }
        }
        if let Some(policy) = policy {
            for letter in &batch.given_up {
                self.give_up(name, &policy.target, letter.clone(), now)?;
            }
        }
        Ok(batch)
    }

    /// A dead letter is the same message on another queue.
    fn give_up(
        &mut self,
        name: &str,
        target: &str,
        letter: Letter,
        now: Duration,
    ) -> Result<(), AwsError> {
        let id = self.put + 1;
        let target = self.find(target)?;
        let letter = Letter {
            given_up_by: Some(name.into()),
            ..letter
        };
        target.queue.send_in(letter.order_group(), id, letter, now);
        self.put = id;
        Ok(())
    }

    /// Deletes the message of a receipt; `None` where it is gone already.
    pub(super) fn delete(
        &mut self,
        name: &str,
        receipt: &str,
        now: Duration,
    ) -> Result<Option<Letter>, AwsError> {
        let known = self.receipt(name, receipt)?;
        let deleted = self.find(name)?.queue.delete(known, now);
        let deleted = deleted.map_err(|Expired| errors::expired(receipt))?;
        Ok(deleted.map(|message| message.body))
    }

    /// Keeps the message of a receipt hidden for so long from now.
    pub(super) fn extend(
        &mut self,
        name: &str,
        receipt: &str,
        visibility: Duration,
        now: Duration,
    ) -> Result<(), AwsError> {
        let known = self.receipt(name, receipt)?;
        let queue = &mut self.find(name)?.queue;
        if queue.message(known.id).is_none() {
            return Err(errors::expired(receipt));
        }
        let extended = queue.extend(known, now, now + visibility);
        extended.map_err(|Expired| errors::not_in_flight())
    }

    /// A receipt that was given at some time.
    fn receipt(&mut self, name: &str, text: &str) -> Result<Receipt, AwsError> {
        self.find(name)?;
        let receipt = text.parse().ok();
        receipt
            .filter(|receipt: &Receipt| (1..=self.put).contains(&receipt.id))
            .ok_or_else(|| errors::no_receipt(text))
    }

    /// The queues whose dead letters go to this one.
    pub(super) fn sources(&self, name: &str) -> Vec<String> {
        let gives_up = |stored: &Stored| {
            let policy = stored.attributes.redrive();
            policy.is_some_and(|policy| policy.target == name)
        };
        let sources = self.iter().filter(|(_, stored)| gives_up(stored));
        sources.map(|(name, _)| name.to_owned()).collect()
    }

    /// Moves all dead letters that are not in flight: to a queue, or to those that gave them up.
    /// Returns how many.
    pub(super) fn redrive(
        &mut self,
        source: &str,
        destination: Option<&str>,
        now: Duration,
    ) -> Result<usize, AwsError> {
        self.find(source)?;
        if self.sources(source).is_empty() {
            return Err(bad(
                "Source queue must be configured as a Dead Letter Queue.",
            ));
        }
        if let Some(destination) = destination {
            self.find(destination)?;
        }
        let known: Vec<String> = self.queues.keys().cloned().collect();
        let target = |letter: &Letter| -> Option<String> {
            let target = destination.or(letter.given_up_by.as_deref())?;
            known.iter().find(|name| *name == target).cloned()
        };
        let queue = &mut self.find(source)?.queue;
        let moved = queue.remove_where(|one| {
            let is_free = !one.is_hidden(now) || one.receives == 0;
            is_free && target(&one.body).is_some()
        });
        let count = moved.len();
        for message in moved {
            if let Some(target) = target(&message.body) {
                let letter = Letter {
                    given_up_by: None,
                    ..message.body
                };
                self.put(&target, letter, now, now)?;
            }
        }
        self.moves.push(Move {
            source: source.to_owned(),
            destination: destination.map(str::to_owned),
            moved: count,
            at: now,
        });
        Ok(count)
    }
}

impl Letter {
    /// What the queue keeps in order.
    fn order_group(&self) -> Arc<str> {
        self.group.clone().unwrap_or_default()
    }

    /// A message of the tester to a client, all of which are in one group.
    pub(super) fn to(client: &ClientId, text: &str) -> Self {
        Self {
            group: Some(client.0.clone()),
            ..Self::of(text)
        }
    }
}

#[cfg(test)]
mod tests;
