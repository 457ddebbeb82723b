//! A queue as SQS keeps one: at-least-once delivery, a visibility timeout, a receive count, dead
//! letters, and either the order of each message group or none.
//!
//! It knows nothing of the wire, of events or of how time passes: whatever is ordered can be its
//! clock. The simulated target and the loopback cloud have one of durations; the exploration has
//! one of two moments.

mod repeats;

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;
use std::str::FromStr;
use std::time::Duration;

pub use self::repeats::Repeats;

/// How long a message stays invisible after a receive that does not say it.
pub const VISIBILITY: Duration = Duration::from_secs(120);
/// After so many receives an instruction goes to the dead letters instead.
pub const MAX_RECEIVES: u32 = 3;

/// What distinguishes one queue from another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rules {
    /// First in, first out: a message that is hidden blocks those of its group that are behind it.
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
}

/// Messages in the order sent, with `B` as their bodies. No two have the same identity `I`. They are
/// in groups named by `G`; where that has no content, there is one group.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Queue<B, I = u64, T = Duration, G = ()> {
    rules: Rules,
    messages: Vec<Message<B, I, T, G>>,
}

/// A message, visible or not.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Message<B, I = u64, T = Duration, G = ()> {
    /// Which message it is.
    pub id: I,
    /// The group within which order is kept.
    pub group: G,
    /// What was sent.
    pub body: B,
    /// How often it was delivered.
    pub receives: u32,
    visible_at: T,
}

impl<B, I: Copy, T: Ord, G> Message<B, I, T, G> {
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
pub enum Received<B, I = u64, T = Duration, G = ()> {
    /// It is in flight.
    Delivered(Message<B, I, T, G>),
    /// It is a dead letter, and no longer in the queue; the receive goes on.
    DeadLettered(Message<B, I, T, G>),
}

/// How many messages are in a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Depth {
    /// Those that can be received now, their groups aside.
    pub visible: usize,
    /// Those that were received and are hidden.
    pub in_flight: usize,
    /// Those that are not to be received yet for the first time.
    pub delayed: usize,
}

impl<B: Clone, I: Copy + PartialEq, T: Copy + Ord> Queue<B, I, T> {
    /// Adds a message that becomes visible at a time.
    pub fn send(&mut self, id: I, body: B, visible_at: T) {
        self.send_in((), id, body, visible_at);
    }
}

impl<B: Clone, I: Copy + PartialEq, T: Copy + Ord, G: Clone + Eq + Hash> Queue<B, I, T, G> {
    /// A queue without messages.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            messages: Vec::new(),
        }
    }

    /// Whether a message blocks those of its group that are behind it.
    pub fn is_fifo(&self) -> bool {
        self.rules.is_fifo
    }

    /// Changes after how many receives a message goes to the dead letters.
    pub fn set_max_receives(&mut self, max: Option<u32>) {
        self.rules.max_receives = max;
    }

    /// Adds a message of a group that becomes visible at a time.
    pub fn send_in(&mut self, group: G, id: I, body: B, visible_at: T) {
        self.messages.push(Message {
            id,
            group,
            body,
            receives: 0,
            visible_at,
        });
    }

    /// What a receive would come upon next.
    pub fn next(&self, now: T) -> Option<Next> {
        self.next_beside(&[], now)
    }

    /// What a receive that took some messages already would come upon next. Those do not hold up
    /// their groups.
    fn next_beside(&self, taken: &[I], now: T) -> Option<Next> {
        let all = self.messages.iter().enumerate();
        let mut left = all.filter(|(_, one)| !taken.contains(&one.id));
        let (at, message) = if !self.rules.is_fifo {
            left.find(|(_, one)| !one.is_hidden(now))?
        } else if size_of::<G>() == 0 {
            left.next().filter(|(_, first)| !first.is_hidden(now))?
        } else {
            let mut held_up = HashSet::new();
            left.find(|(_, one)| {
                let is_first = held_up.insert(&one.group);
                is_first && !one.is_hidden(now)
            })?
        };
        Some(match self.rules.max_receives {
            Some(max) if message.receives >= max => Next::GiveUp(at),
            _ => Next::Deliver(at),
        })
    }

    /// Takes the next visible message and hides it until a time, unless it was received too often.
    /// To be called again until there is a message for the receiver, or none.
    pub fn receive(&mut self, now: T, until: T) -> Option<Received<B, I, T, G>> {
        let next = self.next(now)?;
        Some(self.take(next, until))
    }

    /// Takes at most so many messages in one receive, several of a group in their order, and what was
    /// received too often before them.
    pub fn receive_up_to(&mut self, most: usize, now: T, until: T) -> Vec<Received<B, I, T, G>> {
        let (mut received, mut taken) = (Vec::new(), Vec::new());
        while taken.len() < most
            && let Some(next) = self.next_beside(&taken, now)
        {
            let one = self.take(next, until);
            if let Received::Delivered(message) = &one {
                taken.push(message.id);
            }
            received.push(one);
        }
        received
    }

    fn take(&mut self, next: Next, until: T) -> Received<B, I, T, G> {
        match next {
            Next::GiveUp(at) => Received::DeadLettered(self.messages.remove(at)),
            Next::Deliver(at) => {
                let message = &mut self.messages[at];
                message.receives += 1;
                message.visible_at = until;
                Received::Delivered(message.clone())
            }
        }
    }

    /// When the next message becomes visible by itself, where one is hidden now.
    pub fn next_visible(&self, now: T) -> Option<T> {
        let mut hidden = self.messages.iter().map(|message| message.visible_at);
        if !self.rules.is_fifo {
            return hidden.filter(|at| *at > now).min();
        }
        if size_of::<G>() == 0 {
            return hidden.next().filter(|at| *at > now);
        }
        let mut groups = HashSet::new();
        let firsts = self.messages.iter().filter(|one| groups.insert(&one.group));
        firsts
            .map(|one| one.visible_at)
            .filter(|at| *at > now)
            .min()
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
    ) -> Result<Option<Message<B, I, T, G>>, Expired> {
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
    pub fn messages(&self) -> &[Message<B, I, T, G>] {
        &self.messages
    }

    /// How many messages there are.
    pub fn depth(&self, now: T) -> Depth {
        let mut depth = Depth::default();
        for message in &self.messages {
            *match (message.is_hidden(now), message.receives) {
                (false, _) => &mut depth.visible,
                (true, 0) => &mut depth.delayed,
                (true, _) => &mut depth.in_flight,
            } += 1;
        }
        depth
    }

    /// The message of this identity.
    pub fn message(&self, id: I) -> Option<&Message<B, I, T, G>> {
        self.messages.iter().find(|message| message.id == id)
    }

    /// What the message of this identity holds.
    pub fn body_mut(&mut self, id: I) -> Option<&mut B> {
        let at = self.position(id)?;
        Some(&mut self.messages[at].body)
    }

    /// Removes messages, and returns them in their order.
    pub fn remove_where(
        &mut self,
        is_removed: impl Fn(&Message<B, I, T, G>) -> bool,
    ) -> Vec<Message<B, I, T, G>> {
        self.messages
            .extract_if(.., |message| is_removed(message))
            .collect()
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
mod tests;
