//! The queues of a client: instructions in order with a dead-letter queue, and retry requests.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;

use super::world::{Answer, Link, World};
use crate::history::What;
use crate::plan::{Fault, Mark, Outage, Place, SessionId};
use crate::profile::Limits;
use crate::queue::{self, Expired, Receipt, Received, Rules};
use crate::worker::ports::{Delivery, Kind, PortError, PortResult, Queue};

/// What a client has in SQS.
pub struct Queues {
    instructions: queue::Queue<Letter>,
    retries: queue::Queue<Letter>,
    pub dead_letters: Vec<Mark>,
    /// The newest acknowledged instruction of each session, for redelivery.
    handled: BTreeMap<SessionId, Letter>,
    /// How many messages were ever sent.
    sent: u64,
}

/// An instruction, or without a mark a request to push again.
#[derive(Clone, Hash)]
pub struct Letter {
    pub session: SessionId,
    pub mark: Option<Mark>,
    pub body: Arc<str>,
}

impl Queues {
    /// Empty queues.
    pub fn new(limits: &Limits) -> Self {
        Self {
            instructions: queue::Queue::new(Rules {
                max_receives: Some(limits.receives),
                ..Rules::INSTRUCTIONS
            }),
            retries: queue::Queue::new(Rules::RETRIES),
            dead_letters: Vec::new(),
            handled: BTreeMap::new(),
            sent: 0,
        }
    }

    /// Whether no message waits or is in flight.
    pub fn is_empty(&self) -> bool {
        self.instructions.messages().is_empty() && self.retries.messages().is_empty()
    }

    /// The instructions that wait or are in flight.
    pub fn queued(&self) -> impl Iterator<Item = Mark> {
        let messages = self.instructions.messages().iter();
        messages.filter_map(|message| message.body.mark)
    }

    fn queue(&mut self, which: Which) -> &mut queue::Queue<Letter> {
        match which {
            Which::Instructions => &mut self.instructions,
            Which::Retries => &mut self.retries,
        }
    }
}

impl World {
    /// A user's instruction, or a request to push again, reaches its queue.
    pub fn send(&mut self, client: usize, letter: Letter) {
        self.course.note(&letter);
        let session = letter.session.clone();
        let (which, what) = match letter.mark {
            Some(mark) => (Which::Instructions, What::Sent { session, mark }),
            None => (Which::Retries, What::RetrySent { session }),
        };
        self.emit(what);
        let queues = &mut self.clients[client].queues;
        queues.sent += 1;
        let id = queues.sent;
        queues.queue(which).send(id, letter, Duration::ZERO);
        self.timers.wake_at(client, self.now());
    }

    /// The newest instruction of the session that was acknowledged comes again.
    pub fn redeliver(&mut self, client: usize, session: &SessionId) {
        if let Some(newest) = self.clients[client].queues.handled.get(session) {
            self.send(client, newest.clone());
        }
    }

    /// The next message that may be delivered; what was received too often goes to the dead
    /// letters.
    fn take(&mut self, client: usize, which: Which) -> Option<Delivery> {
        let now = self.now();
        let visible_at = now + self.limits.visibility;
        loop {
            let queues = &mut self.clients[client].queues;
            match queues.queue(which).receive(now, visible_at)? {
                Received::Delivered(message) => {
                    let receipt = message.receipt().to_string().into();
                    let (
                        Letter {
                            session,
                            mark,
                            body,
                        },
                        receives,
                    ) = (message.body, message.receives);
                    self.emit(match mark {
                        Some(mark) => What::Delivered {
                            session,
                            mark,
                            receives,
                        },
                        None => What::RetryDelivered { session },
                    });
                    return Some(Delivery {
                        body,
                        receipt,
                        receives,
                    });
                }
                Received::DeadLettered(message) => {
                    let Letter { session, mark, .. } = message.body;
                    queues.dead_letters.extend(mark);
                    if let Some(mark) = mark {
                        self.emit(What::DeadLettered { session, mark });
                    }
                }
            }
        }
    }

    fn delete(&mut self, client: usize, which: Which, receipt: &str) -> Result<(), PortError> {
        let now = self.now();
        let queues = &mut self.clients[client].queues;
        let deleted = queues
            .queue(which)
            .delete(read(receipt)?, now)
            .map_err(|Expired| PortError::new(Kind::Other, "the receipt handle has expired"))?;
        if let Some(message) = deleted
            && let Some(mark) = message.body.mark
        {
            let session = message.body.session.clone();
            queues.handled.insert(session.clone(), message.body);
            self.emit(What::Acknowledged { session, mark });
        }
        Ok(())
    }
}

fn read(receipt: &str) -> Result<Receipt, PortError> {
    let read = receipt.parse();
    read.map_err(|_| PortError::new(Kind::Other, "ReceiptHandleIsInvalid: it cannot be read"))
}

/// Which of the two queues a port uses.
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
    /// How the queue is down for a request that arrives now, where it is.
    fn outage(&self) -> Option<Outage> {
        let mut world = self.link.world();
        let outage = world.faults.iter().find_map(|fault| match fault {
            Fault::QueueDown(outage) => Some(*outage),
            _ => None,
        })?;
        world.course.note(outage);
        let client = world.clients[self.link.client].id.clone();
        let place = Place::Queue;
        world.emit(What::Refused { client, place });
        Some(outage)
    }
}

/// What comes of a request to a queue that is down.
fn failed<T>(outage: Outage) -> Answer<T> {
    let error = match outage {
        Outage::SlowDown => PortError {
            status: Some(503),
            ..PortError::new(Kind::Throttled, "ServiceUnavailable: the queue is down")
        },
        Outage::Refused => PortError::new(Kind::Network, "SQS: connection refused"),
        Outage::Reset => PortError::new(Kind::Network, "SQS: connection reset"),
        Outage::Timeout => return None,
    };
    Some(Err(error))
}

#[async_trait(?Send)]
impl Queue for QueuePort {
    async fn receive(&self, wait: Duration) -> PortResult<Option<Delivery>> {
        self.link.there().await?;
        if let Some(outage) = self.outage() {
            return self.link.back(failed(outage)).await;
        }
        let mut limit = self.link.sleep(wait);
        let mut wakes_at = None;
        let received = poll_fn(|context| {
            let (mut world, client) = (self.link.world(), self.link.client);
            if world.is_partitioned(client) {
                let error = PortError::new(Kind::Network, "connection reset");
                return Poll::Ready(Err(error));
            }
            if let Some(delivery) = world.take(client, self.which) {
                return Poll::Ready(Ok(Some(delivery)));
            }
            if wait.is_zero() {
                return Poll::Ready(Ok(None));
            }
            let now = world.now();
            let queues = &mut world.clients[client].queues;
            let visible_at = queues.queue(self.which).next_visible(now);
            if visible_at.is_some() && wakes_at != visible_at {
                wakes_at = visible_at;
                let at = visible_at.unwrap_or_default();
                self.link.timers.wake_at(client, at);
            }
            drop(world);
            Pin::new(&mut limit).poll(context).map(|()| Ok(None))
        })
        .await;
        self.link.back(Some(received)).await
    }

    async fn extend(&self, receipt: &str, visibility: Duration) -> PortResult<()> {
        self.link.there().await?;
        if let Some(outage) = self.outage() {
            return self.link.back(failed(outage)).await;
        }
        let extended = read(receipt).and_then(|receipt| {
            let now = self.link.timers.now();
            let mut client = self.link.mine();
            let queue = client.queues.queue(self.which);
            queue
                .extend(receipt, now, now + visibility)
                .map_err(|Expired| PortError::new(Kind::Other, "the message is not in flight"))
        });
        self.link.back(Some(extended)).await
    }

    async fn delete(&self, receipt: &str) -> PortResult<()> {
        self.link.there().await?;
        let client = self.link.client;
        if let Some(outage) = self.outage() {
            // A reset may come when the message is deleted already, and only the answer is lost.
            if outage == Outage::Reset && self.link.world().chance.coin() {
                let _ = self.link.world().delete(client, self.which, receipt);
            }
            return self.link.back(failed(outage)).await;
        }
        let deleted = self.link.world().delete(client, self.which, receipt);
        self.link.back(Some(deleted)).await
    }
}
