//! A queue as SQS keeps one: at-least-once delivery, a visibility timeout, a receive count, dead
//! letters, and either the order of one message group or none.
//!
//! It knows nothing of the wire, of events or of how time passes: whatever is ordered can be its
//! clock. The simulated target and the loopback cloud have one of durations; the exploration has
//! one of two moments.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How long a message stays invisible after a receive that does not say it.
pub const VISIBILITY: Duration = Duration::from_secs(120);
/// After so many receives an instruction goes to the dead letters instead.
pub const MAX_RECEIVES: u32 = 3;

/// What distinguishes one queue from another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rules {
    /// First in, first out: a message that is hidden blocks those behind it.
    pub is_fifo: bool,
    /// After so many receives a message goes to the dead letters, where there are such.
    pub max_receives: Option<u32>,
}

impl Rules {
    /// Of a client's instructions.
    pub const INSTRUCTIONS: Self = Self {
        is_fifo: true,
        max_receives: Some(MAX_RECEIVES),
    };
    /// Of the requests to push again.
    pub const RETRIES: Self = Self {
        is_fifo: false,
        max_receives: None,
    };
    /// Of the instructions that were given up.
    pub const DEAD_LETTERS: Self = Self {
        is_fifo: true,
        max_receives: None,
    };
}

/// Messages in the order sent, with `B` as their bodies. No two have the same identity `I`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Queue<B, I = u64, T = Duration> {
    rules: Rules,
    messages: Vec<Message<B, I, T>>,
}

/// A message, visible or not.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Message<B, I = u64, T = Duration> {
    /// Which message it is.
    pub id: I,
    /// What was sent.
    pub body: B,
    /// How often it was delivered.
    pub receives: u32,
    visible_at: T,
}

impl<B, I: Copy, T: Ord> Message<B, I, T> {
    /// What a receiver needs to delete this delivery of the message.
    pub fn receipt(&self) -> Receipt<I> {
        Receipt {
            id: self.id,
            receives: self.receives,
        }
    }

    /// Whether it is in flight or delayed.
    pub fn is_hidden(&self, now: T) -> bool {
        self.visible_at > now
    }
}

/// One delivery of one message; as text `id-receives`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receipt<I = u64> {
    /// Which message.
    pub id: I,
    /// Which of its deliveries, from 1.
    pub receives: u32,
}

impl<I: fmt::Display> fmt::Display for Receipt<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.id, self.receives)
    }
}

impl<I: FromStr> FromStr for Receipt<I> {
    type Err = NoReceipt;

    fn from_str(text: &str) -> Result<Self, NoReceipt> {
        let parsed = text.split_once('-').and_then(|(id, receives)| {
            Some(Self {
                id: id.parse().ok()?,
                receives: receives.parse().ok()?,
            })
        });
        parsed.ok_or(NoReceipt)
    }
}

/// The text is not one that a queue gives as a receipt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoReceipt;

/// The message of a receipt is visible again, or was delivered again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expired;

/// What a receive comes upon next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// The message at this place can be delivered.
    Deliver(usize),
    /// The message at this place was received too often.
    GiveUp(usize),
}

/// What became of a message by a receive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received<B, I = u64, T = Duration> {
    /// It is in flight.
    Delivered(Message<B, I, T>),
    /// It is a dead letter, and no longer in the queue; the receive goes on.
    DeadLettered(Message<B, I, T>),
}

impl<B: Clone, I: Copy + PartialEq, T: Copy + Ord> Queue<B, I, T> {
    /// A queue without messages.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            messages: Vec::new(),
        }
    }

    /// Whether a message blocks those behind it.
    pub fn is_fifo(&self) -> bool {
        self.rules.is_fifo
    }

    /// Adds a message that becomes visible at a time.
    pub fn send(&mut self, id: I, body: B, visible_at: T) {
        self.messages.push(Message {
            id,
            body,
            receives: 0,
            visible_at,
        });
    }

    /// What a receive would come upon next.
    pub fn next(&self, now: T) -> Option<Next> {
        let at = self.messages.iter().position(|m| !m.is_hidden(now))?;
        if self.rules.is_fifo && at > 0 {
            return None;
        }
        Some(match self.rules.max_receives {
            Some(max) if self.messages[at].receives >= max => Next::GiveUp(at),
            _ => Next::Deliver(at),
        })
    }

    /// Takes the next visible message and hides it until a time, unless it was received too often.
    /// To be called again until there is a message for the receiver, or none.
    pub fn receive(&mut self, now: T, until: T) -> Option<Received<B, I, T>> {
        Some(match self.next(now)? {
            Next::GiveUp(at) => Received::DeadLettered(self.messages.remove(at)),
            Next::Deliver(at) => {
                let message = &mut self.messages[at];
                message.receives += 1;
                message.visible_at = until;
                Received::Delivered(message.clone())
            }
        })
    }

    /// When the next message becomes visible by itself, where one is hidden now.
    pub fn next_visible(&self, now: T) -> Option<T> {
        let mut hidden = self.messages.iter().map(|message| message.visible_at);
        if self.rules.is_fifo {
            hidden.next().filter(|at| *at > now)
        } else {
            hidden.filter(|at| *at > now).min()
        }
    }

    /// Deletes the message of a receipt; `None` where it is gone already, which is no error.
    ///
    /// # Errors
    /// When a FIFO queue's message is no longer in flight by this receipt; a standard queue takes
    /// a late one.
    pub fn delete(
        &mut self,
        receipt: Receipt<I>,
        now: T,
    ) -> Result<Option<Message<B, I, T>>, Expired> {
        let Some(at) = self.position(receipt.id) else {
            return Ok(None);
        };
        if self.rules.is_fifo {
            self.check_in_flight(at, receipt, now)?;
        }
        Ok(Some(self.messages.remove(at)))
    }

    /// Keeps the message of a receipt hidden until a time, which may be now.
    ///
    /// # Errors
    /// When the message is no longer in flight by this receipt.
    pub fn extend(&mut self, receipt: Receipt<I>, now: T, until: T) -> Result<(), Expired> {
        let at = self.position(receipt.id).ok_or(Expired)?;
        self.check_in_flight(at, receipt, now)?;
        self.messages[at].visible_at = until;
        Ok(())
    }

    /// All messages: visible, delayed and in flight.
    pub fn messages(&self) -> &[Message<B, I, T>] {
        &self.messages
    }

    /// The message of this identity.
    pub fn message(&self, id: I) -> Option<&Message<B, I, T>> {
        self.messages.iter().find(|message| message.id == id)
    }

    fn position(&self, id: I) -> Option<usize> {
        self.messages.iter().position(|message| message.id == id)
    }

    fn check_in_flight(&self, at: usize, receipt: Receipt<I>, now: T) -> Result<(), Expired> {
        let message = &self.messages[at];
        let is_newest = message.receives == receipt.receives;
        (is_newest && message.is_hidden(now))
            .then_some(())
            .ok_or(Expired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn queue(rules: Rules, bodies: &[&'static str]) -> Queue<&'static str> {
        let mut queue = Queue::new(rules);
        for (id, body) in (1..).zip(bodies) {
            queue.send(id, *body, Duration::ZERO);
        }
        queue
    }

    /// The next message, and those that were given up before it.
    fn receive(
        queue: &mut Queue<&'static str>,
        now: u64,
    ) -> (Option<Message<&'static str>>, Vec<&'static str>) {
        let mut dead = Vec::new();
        while let Some(received) = queue.receive(seconds(now), seconds(now) + VISIBILITY) {
            match received {
                Received::Delivered(message) => return (Some(message), dead),
                Received::DeadLettered(message) => dead.push(message.body),
            }
        }
        (None, dead)
    }

    fn take(queue: &mut Queue<&'static str>, now: u64) -> Option<Message<&'static str>> {
        receive(queue, now).0
    }

    #[test]
    fn a_message_in_flight_blocks_those_behind_it() {
        let mut fifo = queue(Rules::INSTRUCTIONS, &["a", "b"]);
        let first = take(&mut fifo, 0).unwrap();
        assert_eq!((first.body, first.receives), ("a", 1));
        assert_eq!(take(&mut fifo, 1), None);
        assert_eq!(fifo.next_visible(seconds(1)), Some(VISIBILITY));
        assert!(fifo.delete(first.receipt(), seconds(2)).unwrap().is_some());
        assert_eq!(take(&mut fifo, 3).unwrap().body, "b");
    }

    #[test]
    fn a_standard_queue_delivers_past_a_message_in_flight() {
        let mut standard = queue(Rules::RETRIES, &["a", "b"]);
        let first = take(&mut standard, 0).unwrap();
        assert_eq!(first.body, "a");
        assert_eq!(take(&mut standard, 0).unwrap().body, "b");
        assert_eq!(take(&mut standard, 0), None);
        assert_eq!(take(&mut standard, 120).unwrap().body, "a");
        let late = standard.delete(first.receipt(), seconds(121));
        assert!(late.unwrap().is_some(), "it takes a late receipt");
    }

    #[test]
    fn the_fourth_delivery_goes_to_the_dead_letters() {
        let mut fifo = queue(Rules::INSTRUCTIONS, &["a", "b"]);
        for receives in 1..=3 {
            let message = take(&mut fifo, 200 * u64::from(receives)).unwrap();
            assert_eq!((message.body, message.receives), ("a", receives));
        }
        let (next, dead) = receive(&mut fifo, 1000);
        assert_eq!(next.unwrap().body, "b");
        assert_eq!(dead, ["a"]);
    }

    #[test]
    fn visibility_is_extended_only_while_in_flight() {
        let mut fifo = queue(Rules::INSTRUCTIONS, &["a"]);
        let receipt = take(&mut fifo, 0).unwrap().receipt();
        assert_eq!(fifo.extend(receipt, seconds(100), seconds(220)), Ok(()));
        assert_eq!(take(&mut fifo, 219), None);
        let again = take(&mut fifo, 220).unwrap();
        assert_eq!(again.receives, 2);
        let late = fifo.extend(receipt, seconds(221), seconds(400));
        assert_eq!(late, Err(Expired));
        assert_eq!(fifo.delete(receipt, seconds(221)), Err(Expired));
        let again = again.receipt();
        assert!(fifo.delete(again, seconds(222)).unwrap().is_some());
        assert_eq!(fifo.delete(again, seconds(223)), Ok(None));
        assert_eq!(fifo.extend(again, seconds(223), seconds(400)), Err(Expired));
    }

    #[test]
    fn a_receipt_is_read_as_it_is_written() {
        let receipt = Receipt { id: 7, receives: 2 };
        assert_eq!(receipt.to_string().parse(), Ok(receipt));
        for text in ["", "x", "1", "1-x", "x-1"] {
            assert_eq!(text.parse::<Receipt>(), Err(NoReceipt), "{text}");
        }
    }

    #[test]
    fn a_delayed_message_is_hidden_until_its_time() {
        let mut standard = Queue::new(Rules::RETRIES);
        standard.send(1, "a", seconds(9));
        assert_eq!(take(&mut standard, 8), None);
        assert_eq!(standard.next_visible(seconds(8)), Some(seconds(9)));
        assert!(standard.messages()[0].is_hidden(seconds(8)));
        assert!(take(&mut standard, 9).is_some());
    }
}
