//! A queue as SQS keeps one: at-least-once delivery, a visibility timeout, a receive count.
//!
//! It knows nothing of the wire, of real time or of events.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How long a message stays invisible after a receive that does not say it.
pub(super) const VISIBILITY: Duration = Duration::from_secs(120);
/// After so many receives a message goes to the dead letters instead.
pub(super) const MAX_RECEIVES: u32 = 3;

/// Messages in order. All times are the system's own, since the start.
pub(super) struct Queue {
    /// First in, first out: a message in flight blocks those behind it.
    is_fifo: bool,
    /// Whether messages go to the dead letters after [`MAX_RECEIVES`].
    has_dead_letters: bool,
    messages: VecDeque<Message>,
    next_id: u64,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) struct Message {
    pub(super) id: u64,
    pub(super) body: Arc<str>,
    pub(super) receives: u32,
    visible_at: Duration,
}

impl Message {
    /// What a receiver needs to delete this delivery of the message.
    pub(super) fn receipt(&self) -> String {
        format!("{}-{}", self.id, self.receives)
    }
}

/// Why a receipt does not do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ReceiptError {
    Unreadable,
    /// The message is visible again, or was delivered again.
    Expired,
}

impl Queue {
    pub(super) fn new(is_fifo: bool, has_dead_letters: bool) -> Self {
        Self {
            is_fifo,
            has_dead_letters,
            messages: VecDeque::new(),
            next_id: 1,
        }
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.is_fifo
    }

    /// Adds a message that becomes visible at a time; returns its id.
    pub(super) fn send(&mut self, body: Arc<str>, visible_at: Duration) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.messages.push_back(Message {
            id,
            body,
            receives: 0,
            visible_at,
        });
        id
    }

    /// Takes the next visible message in flight. Those that were received too often on the way
    /// come back in the second place: they are dead letters, and no longer here.
    pub(super) fn receive(
        &mut self,
        now: Duration,
        visibility: Duration,
    ) -> (Option<Message>, Vec<Message>) {
        let mut dead = Vec::new();
        let mut at = 0;
        while let Some(message) = self.messages.get_mut(at) {
            if message.visible_at > now {
                if self.is_fifo {
                    break;
                }
                at += 1;
            } else if self.has_dead_letters && message.receives >= MAX_RECEIVES {
                dead.extend(self.messages.remove(at));
            } else {
                message.receives += 1;
                message.visible_at = now + visibility;
                return (Some(message.clone()), dead);
            }
        }
        (None, dead)
    }

    /// When the next message becomes visible by itself, where one is hidden now.
    pub(super) fn next_visible(&self, now: Duration) -> Option<Duration> {
        let mut hidden = self.messages.iter().map(|message| message.visible_at);
        if self.is_fifo {
            hidden.next().filter(|at| *at > now)
        } else {
            hidden.filter(|at| *at > now).min()
        }
    }

    /// Deletes the message of a receipt; `None` where it is gone already, which is no error.
    pub(super) fn delete(
        &mut self,
        receipt: &str,
        now: Duration,
    ) -> Result<Option<Message>, ReceiptError> {
        let Some(at) = self.find(receipt)? else {
            return Ok(None);
        };
        // A standard queue takes a late receipt, a FIFO queue does not.
        if self.is_fifo {
            self.check_in_flight(at, receipt, now)?;
        }
        Ok(self.messages.remove(at))
    }

    /// Keeps the message of a receipt invisible until a time; `false` where it is gone.
    pub(super) fn extend(
        &mut self,
        receipt: &str,
        now: Duration,
        until: Duration,
    ) -> Result<bool, ReceiptError> {
        let Some(at) = self.find(receipt)? else {
            return Ok(false);
        };
        self.check_in_flight(at, receipt, now)?;
        self.messages[at].visible_at = until;
        Ok(true)
    }

    /// The bodies of all messages: visible, delayed and in flight.
    pub(super) fn bodies(&self) -> impl Iterator<Item = &Arc<str>> {
        self.messages.iter().map(|message| &message.body)
    }

    /// How many messages are visible, and how many are in flight or delayed.
    pub(super) fn depth(&self, now: Duration) -> (usize, usize) {
        let visible = self
            .messages
            .iter()
            .filter(|message| message.visible_at <= now)
            .count();
        (visible, self.messages.len() - visible)
    }

    fn find(&self, receipt: &str) -> Result<Option<usize>, ReceiptError> {
        let id: u64 = receipt
            .split_once('-')
            .filter(|(_, receives)| receives.parse::<u32>().is_ok())
            .and_then(|(id, _)| id.parse().ok())
            .filter(|id| *id < self.next_id)
            .ok_or(ReceiptError::Unreadable)?;
        Ok(self.messages.iter().position(|message| message.id == id))
    }

    fn check_in_flight(&self, at: usize, receipt: &str, now: Duration) -> Result<(), ReceiptError> {
        let message = &self.messages[at];
        if message.receipt() == receipt && message.visible_at > now {
            Ok(())
        } else {
            Err(ReceiptError::Expired)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn queue(is_fifo: bool, bodies: &[&str]) -> Queue {
        let mut queue = Queue::new(is_fifo, is_fifo);
        for body in bodies {
            queue.send((*body).into(), Duration::ZERO);
        }
        queue
    }

    fn take(queue: &mut Queue, now: u64) -> Option<Message> {
        queue.receive(seconds(now), VISIBILITY).0
    }

    #[test]
    fn a_message_in_flight_blocks_those_behind_it() {
        let mut fifo = queue(true, &["a", "b"]);
        let first = take(&mut fifo, 0).unwrap();
        assert_eq!((&*first.body, first.receives), ("a", 1));
        assert_eq!(take(&mut fifo, 1), None);
        assert_eq!(fifo.next_visible(seconds(1)), Some(VISIBILITY));
        assert!(fifo.delete(&first.receipt(), seconds(2)).unwrap().is_some());
        assert_eq!(&*take(&mut fifo, 3).unwrap().body, "b");
    }

    #[test]
    fn a_standard_queue_delivers_past_a_message_in_flight() {
        let mut standard = queue(false, &["a", "b"]);
        assert_eq!(&*take(&mut standard, 0).unwrap().body, "a");
        assert_eq!(&*take(&mut standard, 0).unwrap().body, "b");
        assert_eq!(take(&mut standard, 0), None);
    }

    #[test]
    fn the_fourth_delivery_goes_to_the_dead_letters() {
        let mut fifo = queue(true, &["a", "b"]);
        for receives in 1..=3 {
            let message = take(&mut fifo, 200 * u64::from(receives)).unwrap();
            assert_eq!((&*message.body, message.receives), ("a", receives));
        }
        let (next, dead) = fifo.receive(seconds(1000), VISIBILITY);
        assert_eq!(&*next.unwrap().body, "b");
        assert_eq!(dead.len(), 1);
        assert_eq!(&*dead[0].body, "a");
    }

    #[test]
    fn visibility_is_extended_only_while_in_flight() {
        let mut fifo = queue(true, &["a"]);
        let message = take(&mut fifo, 0).unwrap();
        let receipt = message.receipt();
        assert_eq!(fifo.extend(&receipt, seconds(100), seconds(220)), Ok(true));
        assert_eq!(take(&mut fifo, 219), None);
        let again = take(&mut fifo, 220).unwrap();
        assert_eq!(again.receives, 2);
        let late = fifo.extend(&receipt, seconds(221), seconds(400));
        assert_eq!(late, Err(ReceiptError::Expired));
        assert_eq!(
            fifo.delete(&receipt, seconds(221)),
            Err(ReceiptError::Expired)
        );
        assert!(
            fifo.delete(&again.receipt(), seconds(222))
                .unwrap()
                .is_some()
        );
        assert_eq!(fifo.delete(&again.receipt(), seconds(223)), Ok(None));
    }

    #[test]
    fn receipts_that_were_never_given_are_errors() {
        let mut fifo = queue(true, &["a"]);
        for receipt in ["", "x", "1", "1-x", "2-1"] {
            let error = fifo.delete(receipt, seconds(0));
            assert_eq!(error, Err(ReceiptError::Unreadable), "{receipt}");
        }
        assert_eq!(fifo.depth(seconds(0)), (1, 0));
    }

    #[test]
    fn a_delayed_message_is_hidden_until_its_time() {
        let mut standard = Queue::new(false, false);
        standard.send("a".into(), seconds(9));
        assert_eq!(take(&mut standard, 8), None);
        assert_eq!(standard.next_visible(seconds(8)), Some(seconds(9)));
        assert_eq!(standard.bodies().count(), 1);
        assert!(take(&mut standard, 9).is_some());
    }
}
