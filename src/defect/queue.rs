//! Mistakes around the queue of instructions.

use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;

use super::wrap;
use crate::worker::ports::{Delivery, PortResult, Ports, Queue};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mistake {
    AcknowledgesOnReceipt,
}

pub(super) fn plant(ports: &mut Ports, mistake: Mistake) {
    wrap(&mut ports.instructions, |inner| {
        Rc::new(Bad { inner, mistake })
    });
}

struct Bad {
    inner: Rc<dyn Queue>,
    mistake: Mistake,
}

#[async_trait(?Send)]
impl Queue for Bad {
    async fn receive(&self, wait: Duration) -> PortResult<Option<Delivery>> {
        let received = self.inner.receive(wait).await?;
        if let Some(delivery) = &received
            && self.mistake == Mistake::AcknowledgesOnReceipt
        {
            // Whether that worked makes no difference to what follows.
            let _ = self.inner.delete(&delivery.receipt).await;
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
