//! Mistakes of the waits themselves: around the clock.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;

use super::wrap;
use crate::worker::ports::{Clock, Ports};

/// Jitter that is all or nothing, in turns. A sync and the wait for the next one draw an odd number of
/// times, so that of the intervals between syncs every other is none.
pub(super) fn plant_alternating(ports: &mut Ports) {
    wrap(&mut ports.clock, |inner| {
        Rc::new(Alternating {
            inner,
            is_next: Cell::new(false),
        })
    });
}

struct Alternating {
    inner: Rc<dyn Clock>,
    is_next: Cell<bool>,
}

#[async_trait(?Send)]
impl Clock for Alternating {
    fn now(&self) -> Duration {
        self.inner.now()
    }

    async fn sleep(&self, time: Duration) {
        self.inner.sleep(time).await;
    }

    fn chance(&self) -> f64 {
        f64::from(u8::from(self.is_next.replace(!self.is_next.get())))
    }
}

/// Waits whose jitter begins at nothing: the worker's own begin at a tenth of the ceiling. An interval
/// of what was put off has to be as long as another.
pub(super) fn plant_full_jitter(ports: &mut Ports) {
    wrap(&mut ports.clock, |inner| Rc::new(FullJitter { inner }));
}

struct FullJitter {
    inner: Rc<dyn Clock>,
}

#[async_trait(?Send)]
impl Clock for FullJitter {
    fn now(&self) -> Duration {
        self.inner.now()
    }

    async fn sleep(&self, time: Duration) {
        self.inner.sleep(time).await;
    }

    fn chance(&self) -> f64 {
        // A tenth of the ceiling and nine tenths of this add up to any part of it.
        (self.inner.chance() - 0.1) / 0.9
    }
}
