//! Mistakes around the queues.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::pending;

use super::{workspace, wrap};
use crate::plan::SessionId;
use crate::worker::ports::{Clock, Delivery, Instruction, PortResult, Ports, Queue, RetryRequest};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mistake {
    AcknowledgesOnReceipt,
    /// A poll that failed is the last one.
    StopsPolling,
    /// Whatever comes on the retry queue is deleted.
    DeletesRetries,
    /// A poll that failed is repeated until it succeeds.
    PollsWithoutWait,
    /// The same, every half second.
    PollsAtFixedPace,
}

pub(super) fn plant(ports: &mut Ports, mistake: Mistake) {
    let queue = match mistake {
        Mistake::DeletesRetries => &mut ports.retries,
        Mistake::AcknowledgesOnReceipt
        | Mistake::StopsPolling
        | Mistake::PollsWithoutWait
        | Mistake::PollsAtFixedPace => &mut ports.instructions,
    };
    let clock = ports.clock.clone();
    wrap(queue, |inner| {
        Rc::new(DefectiveQueue {
            inner,
            mistake,
            clock,
            is_asking: Cell::new(false),
        })
    });
}

/// Deletes the message under way as soon as a push succeeds.
pub(super) fn plant_acknowledging_push(ports: &mut Ports) {
    let under_way: Rc<RefCell<Option<Arc<str>>>> = Rc::default();
    let queue = ports.instructions.clone();
    wrap(&mut ports.instructions, |inner| {
        let under_way = under_way.clone();
        Rc::new(Watched { inner, under_way })
    });
    workspace::plant_after_push(ports, queue, under_way);
}

/// A push that is asked for is made for the session that was handled last.
pub(super) fn plant_retrying_last(ports: &mut Ports) {
    let last: Rc<RefCell<Option<SessionId>>> = Rc::default();
    for (queue, is_retries) in [(&mut ports.instructions, false), (&mut ports.retries, true)] {
        let last = last.clone();
        wrap(queue, |inner| {
            Rc::new(OfLast {
                inner,
                last,
                is_retries,
            })
        });
    }
}

struct OfLast {
    inner: Rc<dyn Queue>,
    last: Rc<RefCell<Option<SessionId>>>,
    is_retries: bool,
}

#[async_trait(?Send)]
impl Queue for OfLast {
    async fn receive(&self, wait: Duration) -> PortResult<Option<Delivery>> {
        let mut received = self.inner.receive(wait).await?;
        let Some(delivery) = &mut received else {
            return Ok(None);
        };
        let last = self.last.borrow().clone();
        if !self.is_retries {
            let instruction = serde_json::from_str::<Instruction>(&delivery.body);
            *self.last.borrow_mut() = instruction.ok().map(|it| it.session_id);
        } else if let Some(session_id) = last
            && let Ok(body) = serde_json::to_string(&RetryRequest::RetryGitPush { session_id })
        {
            delivery.body = body.into();
        }
        Ok(received)
    }

    async fn extend(&self, receipt: &str, visibility: Duration) -> PortResult<()> {
        self.inner.extend(receipt, visibility).await
    }

    async fn delete(&self, receipt: &str) -> PortResult<()> {
        self.inner.delete(receipt).await
    }
}

struct DefectiveQueue {
    inner: Rc<dyn Queue>,
    mistake: Mistake,
    clock: Rc<dyn Clock>,
    is_asking: Cell<bool>,
}

/// Notes the receipt of the message under way.
struct Watched {
    inner: Rc<dyn Queue>,
    under_way: Rc<RefCell<Option<Arc<str>>>>,
}

#[async_trait(?Send)]
impl Queue for Watched {
    async fn receive(&self, wait: Duration) -> PortResult<Option<Delivery>> {
        let received = self.inner.receive(wait).await?;
        *self.under_way.borrow_mut() = received.as_ref().map(|delivery| delivery.receipt.clone());
        Ok(received)
    }

    async fn extend(&self, receipt: &str, visibility: Duration) -> PortResult<()> {
        self.inner.extend(receipt, visibility).await
    }

    async fn delete(&self, receipt: &str) -> PortResult<()> {
        self.inner.delete(receipt).await
    }
}

#[async_trait(?Send)]
impl Queue for DefectiveQueue {
    async fn receive(&self, wait: Duration) -> PortResult<Option<Delivery>> {
        if self.mistake == Mistake::StopsPolling && self.is_asking.replace(true) {
            // The last poll never came back with an answer.
            return pending().await;
        }
        let received = loop {
            match self.inner.receive(wait).await {
                Err(_) if self.mistake == Mistake::PollsWithoutWait => {}
                Err(_) if self.mistake == Mistake::PollsAtFixedPace => {
                    self.clock.sleep(Duration::from_millis(500)).await;
                }
                received => break received?,
            }
        };
        self.is_asking.set(false);
        let deletes = match self.mistake {
            Mistake::AcknowledgesOnReceipt | Mistake::DeletesRetries => true,
            Mistake::StopsPolling | Mistake::PollsWithoutWait | Mistake::PollsAtFixedPace => false,
        };
        if let Some(delivery) = &received
            && deletes
        {
            // Whether that worked makes no difference to what follows.
            let _ = self.inner.delete(&delivery.receipt).await;
        }
        Ok(received.filter(|_| self.mistake != Mistake::DeletesRetries))
    }

    async fn extend(&self, receipt: &str, visibility: Duration) -> PortResult<()> {
        self.inner.extend(receipt, visibility).await
    }

    async fn delete(&self, receipt: &str) -> PortResult<()> {
        self.inner.delete(receipt).await
    }
}
