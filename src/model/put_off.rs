//! When a container last tried what it had put off, and when something last held it up.

use std::time::Duration;

use super::{Client, Model};
use crate::history::{Claim, What};
use crate::plan::Fault;

/// Moments of a container, by which it is judged whether an attempt is late.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct HeldUp {
    /// The last attempt of a push that did not name its branch.
    pub push: Duration,
    /// The last request to S3, or line of a sync, or moment at which the breaker was not closed.
    pub deploy: Duration,
    /// When it last started or died, or a fault that touches it began or ended.
    pub other: Duration,
    /// When it last ended or began an instruction.
    pub handled: Duration,
}

impl HeldUp {
    /// All at one moment.
    pub fn at(now: Duration) -> Self {
        Self {
            push: now,
            deploy: now,
            other: now,
            handled: now,
        }
    }
}

impl Model {
    /// Notes what an event says of it.
    pub(super) fn note_held_up(&mut self, what: &What) {
        let now = self.now;
        if !self.breaker.is_closed() {
            for client in &mut self.clients {
                client.held_up.deploy = now;
            }
        }
        let Some(at) = what.subject().0.and_then(|of| self.client_index(of)) else {
            return;
        };
        let held_up = &mut self.clients[at].held_up;
        match what {
            What::Pushed { session: None, .. } => held_up.push = now,
            What::S3Asked { .. } | What::ObjectPut { .. } | What::ObjectDeleted { .. } => {
                held_up.deploy = now;
            }
            What::Logged {
                claim:
                    Some(
                        Claim::SyncAttempt(_)
                        | Claim::SyncDone
                        | Claim::SyncFailed
                        | Claim::SyncPrevented,
                    ),
                ..
            } => held_up.deploy = now,
            What::Fetched { .. } | What::Refused { .. } => {
                (held_up.push, held_up.deploy) = (now, now);
            }
            What::Started { .. } | What::Died { .. } | What::RetryDelivered { .. } => {
                held_up.other = now;
            }
            What::Delivered { .. } | What::Acknowledged { .. } | What::DeadLettered { .. } => {
                held_up.handled = now;
            }
            _ => {}
        }
    }

    /// Notes that a fault began or ended.
    pub(super) fn note_fault(&mut self, fault: &Fault) {
        let now = self.now;
        let touches = |client: &&mut Client| fault.client().is_none_or(|of| *of == client.id);
        for client in self.clients.iter_mut().filter(touches) {
            client.held_up.other = now;
        }
    }
}
