//! The queues of a client: instructions in order with a dead-letter queue, and retry requests.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;

use super::world::{Client, Link, World};
use crate::history::What;
use crate::plan::{Mark, SessionId};
use crate::worker::ports::{Delivery, Kind, PortError, PortResult, Queue};

/// How long a delivered message stays invisible, unless that is extended.
const VISIBILITY: Duration = Duration::from_secs(120);
/// A message that was received so often goes to the dead letters instead of another receive.
const MOST_RECEIVES: u32 = 3;

/// Instructions in the order sent: one in flight blocks those behind it.
#[derive(Default)]
pub struct Instructions {
    pub waiting: VecDeque<Message<Mark>>,
    pub dead_letters: Vec<Mark>,
    /// The newest acknowledged instruction of each session, for redelivery.
    handled: Vec<Message<Mark>>,
}

/// Requests to try again, in any order.
#[derive(Default)]
pub struct Retries {
    pub waiting: VecDeque<Message<()>>,
}

#[derive(Clone)]
pub struct Message<T> {
    pub mark: T,
    session: SessionId,
    body: Arc<str>,
    receives: u32,
    visible_at: Duration,
    /// Of the newest delivery.
    receipt: Option<Arc<str>>,
}

impl<T> Message<T> {
    fn new(session: SessionId, mark: T, body: Arc<str>) -> Self {
        Self {
            mark,
            session,
            body,
            receives: 0,
            visible_at: Duration::ZERO,
            receipt: None,
        }
    }

    fn deliver(&mut self, now: Duration) -> Delivery {
        self.receives += 1;
        self.visible_at = now + VISIBILITY;
        // Made of what the message and the moment are, so that no two deliveries share one.
        let receipt: Arc<str> = format!("{}@{}", self.receives, now.as_micros()).into();
        self.receipt = Some(receipt.clone());
        Delivery {
            body: self.body.clone(),
            receipt,
            receives: self.receives,
        }
    }

    fn has_receipt(&self, receipt: &str) -> bool {
        self.receipt.as_deref() == Some(receipt)
    }
}

impl Client {
    /// Whether no message waits or is in flight.
    pub fn has_no_message(&self) -> bool {
        self.instructions.waiting.is_empty() && self.retries.waiting.is_empty()
    }
}

impl World {
    /// A user's instruction reaches the queue.
    pub fn send(&mut self, client: usize, session: &SessionId, mark: Mark, body: Arc<str>) {
        self.put_in(client, Message::new(session.clone(), mark, body));
    }

    /// The newest instruction of the session that was acknowledged comes again.
    pub fn redeliver(&mut self, client: usize, session: &SessionId) {
        let handled = &self.clients[client].instructions.handled;
        if let Some(newest) = handled.iter().find(|one| one.session == *session) {
            let again = Message::new(session.clone(), newest.mark, newest.body.clone());
            self.put_in(client, again);
        }
    }

    fn put_in(&mut self, client: usize, message: Message<Mark>) {
        self.course
            .note((&message.session, message.mark, &message.body));
        self.emit(What::Sent {
            session: message.session.clone(),
            mark: message.mark,
        });
        self.clients[client].instructions.waiting.push_back(message);
        self.timers.wake_at(client, self.now());
    }

    /// A request to push again reaches the retry queue.
    pub fn send_retry(&mut self, client: usize, session: &SessionId, body: Arc<str>) {
        self.course.note((session, &body));
        self.emit(What::RetrySent {
            session: session.clone(),
        });
        let message = Message::new(session.clone(), (), body);
        self.clients[client].retries.waiting.push_back(message);
        self.timers.wake_at(client, self.now());
    }

    /// The next instruction that may be delivered; what was received too often goes to the dead
    /// letters.
    fn take_instruction(&mut self, client: usize) -> Option<Delivery> {
        let now = self.now();
        loop {
            let instructions = &mut self.clients[client].instructions;
            let first = instructions.waiting.front_mut()?;
            if first.visible_at > now {
                return None;
            }
            let (session, mark) = (first.session.clone(), first.mark);
            if first.receives < MOST_RECEIVES {
                let delivery = first.deliver(now);
                let receives = delivery.receives;
                self.emit(What::Delivered {
                    session,
                    mark,
                    receives,
                });
                return Some(delivery);
            }
            instructions.waiting.pop_front();
            instructions.dead_letters.push(mark);
            self.emit(What::DeadLettered { session, mark });
        }
    }

    fn take_retry(&mut self, client: usize) -> Option<Delivery> {
        let now = self.now();
        let retries = &mut self.clients[client].retries;
        let message = retries
            .waiting
            .iter_mut()
            .find(|message| message.visible_at <= now)?;
        let session = message.session.clone();
        let delivery = message.deliver(now);
        self.emit(What::RetryDelivered { session });
        Some(delivery)
    }

    fn delete_instruction(&mut self, client: usize, receipt: &str) {
        let instructions = &mut self.clients[client].instructions;
        let at = |one: &Message<Mark>| one.has_receipt(receipt);
        // A receipt that a later delivery has replaced deletes nothing.
        let Some(message) = instructions
            .waiting
            .iter()
            .position(at)
            .and_then(|place| instructions.waiting.remove(place))
        else {
            return;
        };
        let (session, mark) = (message.session.clone(), message.mark);
        instructions.handled.retain(|one| one.session != session);
        instructions.handled.push(message);
        self.emit(What::Acknowledged { session, mark });
    }
}

/// Which of the two queues a port speaks with.
#[derive(Clone, Copy, PartialEq)]
pub enum Which {
    Instructions,
    Retries,
}

pub struct QueuePort {
    pub link: Link,
    pub which: Which,
}

impl QueuePort {
    fn take(&self, world: &mut World) -> Option<Delivery> {
        match self.which {
            Which::Instructions => world.take_instruction(self.link.client),
            Which::Retries => world.take_retry(self.link.client),
        }
    }

    /// When the message that blocks the queue becomes visible.
    fn visible_at(&self, world: &World) -> Option<Duration> {
        let client = &world.clients[self.link.client];
        match self.which {
            Which::Instructions => client.instructions.waiting.front().map(|m| m.visible_at),
            Which::Retries => client.retries.waiting.iter().map(|m| m.visible_at).min(),
        }
    }
}

#[async_trait(?Send)]
impl Queue for QueuePort {
    async fn receive(&self, wait: Duration) -> PortResult<Option<Delivery>> {
        self.link.there().await?;
        let mut limit = self.link.sleep(wait);
        let mut wakes_at = None;
        let received = poll_fn(|context| {
            let mut world = self.link.world();
            if world.is_partitioned(self.link.client) {
                let error = PortError::new(Kind::Network, "connection reset");
                return Poll::Ready(Err(error));
            }
            if let Some(delivery) = self.take(&mut world) {
                return Poll::Ready(Ok(Some(delivery)));
            }
            if wait.is_zero() {
                return Poll::Ready(Ok(None));
            }
            let visible_at = self.visible_at(&world);
            if visible_at.is_some() && wakes_at != visible_at {
                wakes_at = visible_at;
                let at = visible_at.unwrap_or_default();
                self.link.timers.wake_at(self.link.client, at);
            }
            drop(world);
            Pin::new(&mut limit).poll(context).map(|()| Ok(None))
        })
        .await;
        self.link.back(Some(received)).await
    }

    async fn extend(&self, receipt: &str, visibility: Duration) -> PortResult<()> {
        self.link.there().await?;
        let extended = {
            let mut client = self.link.mine();
            let until = self.link.timers.now() + visibility;
            let visible_at = match self.which {
                Which::Instructions => find(&mut client.instructions.waiting, receipt),
                Which::Retries => find(&mut client.retries.waiting, receipt),
            };
            match visible_at {
                Some(visible_at) => {
                    *visible_at = until;
                    Ok(())
                }
                None => Err(PortError::new(
                    Kind::Other,
                    "ReceiptHandleIsInvalid: the message is not in flight",
                )),
            }
        };
        self.link.back(Some(extended)).await
    }

    async fn delete(&self, receipt: &str) -> PortResult<()> {
        self.link.there().await?;
        {
            let mut world = self.link.world();
            match self.which {
                Which::Instructions => world.delete_instruction(self.link.client, receipt),
                Which::Retries => world.clients[self.link.client]
                    .retries
                    .waiting
                    .retain(|message| !message.has_receipt(receipt)),
            }
        }
        self.link.back(Some(Ok(()))).await
    }
}

/// The visibility of the message that was last delivered with this receipt.
fn find<'a, T>(waiting: &'a mut VecDeque<Message<T>>, receipt: &str) -> Option<&'a mut Duration> {
    waiting
        .iter_mut()
        .find(|message| message.has_receipt(receipt))
        .map(|message| &mut message.visible_at)
}
