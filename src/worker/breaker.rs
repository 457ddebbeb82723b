//! The S3 breaker: one for all containers, kept in the session table.

use super::container::Worker;
use super::ports::{BreakerRecord, BreakerState, Counted, Item, Key};

/// Whether a sync may begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Admission {
    /// The breaker is closed.
    Ordinary,
    /// The breaker is half-open and this sync is its one probe.
    Probe,
    Prevented,
}

impl Worker {
    /// Asks the breaker for a sync.
    pub(super) async fn admit_sync(&self) -> Admission {
        loop {
            let record = self.breaker_record().await;
            let now = self.ports.clock.now();
            let may_probe = match record.state {
                BreakerState::Closed => return Admission::Ordinary,
                BreakerState::Open => now >= record.until,
                // A permit of this container's own is one that a crash left; another's runs out.
                BreakerState::HalfOpen => {
                    record.probe.as_ref() == Some(&self.settings.client) || now >= record.until
                }
            };
            if !may_probe {
                return Admission::Prevented;
            }
            let half_open = BreakerRecord {
                version: record.version + 1,
                state: BreakerState::HalfOpen,
                failures: record.failures,
                until: now + self.settings.probe_permit,
                probe: Some(self.settings.client.clone()),
                counted: record.counted.clone(),
            };
            // A permit that was long in coming may run out before the sync ends: it is renewed.
            if self.swap_breaker(&record, half_open).await
                && self.ports.clock.now() < now + self.settings.request_limit
            {
                return Admission::Probe;
            }
        }
    }

    /// Counts a sync that ended. Returns whether that opened the breaker.
    pub(super) async fn count_sync(&self, admission: Admission, succeeded: bool) -> bool {
        let (client, ended) = (&self.settings.client, self.ports.clock.now());
        loop {
            let record = self.breaker_record().await;
            let counted = record.counted.get(client);
            if let Some(counted) = counted.filter(|it| it.ended == ended) {
                // The write was done, and its answer lost: it is not counted again.
                return counted.opened;
            }
            let is_probe = admission == Admission::Probe
                && record.state == BreakerState::HalfOpen
                && record.probe.as_ref() == Some(&self.settings.client);
            // Only the probe decides while the breaker is not closed.
            if record.state != BreakerState::Closed && !is_probe {
                return false;
            }
            let failures = if succeeded { 0 } else { record.failures + 1 };
            let opened = !succeeded && (is_probe || failures >= self.settings.breaker_failures);
            if succeeded && !is_probe && record.failures == 0 {
                return false;
            }
            let mut counted = record.counted.clone();
            counted.insert(client.clone(), Counted { ended, opened });
            let next = BreakerRecord {
                version: record.version + 1,
                state: if opened {
                    BreakerState::Open
                } else {
                    BreakerState::Closed
                },
                failures,
                until: if opened {
                    self.ports.clock.now() + self.settings.cool_down
                } else {
                    record.until
                },
                probe: None,
                counted,
            };
            if self.swap_breaker(&record, next).await {
                return opened;
            }
        }
    }

    /// Writes the breaker's next state, unless another container was faster.
    async fn swap_breaker(&self, from: &BreakerRecord, to: BreakerRecord) -> bool {
        self.write(&Key::Breaker, &Item::Breaker(to), Some(from.version))
            .await
    }
}
