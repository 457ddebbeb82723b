//! What an operator watches: the queue's depth, the dead letters, the restarts.

use std::collections::BTreeMap;

use crate::history::{History, What};
use crate::plan::{ClientId, Mark, SessionId};

/// What could be watched in a run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Watched {
    /// The most instruction messages that were on the queues at once, in flight or not.
    pub deepest: usize,
    /// Those that were there at the end.
    pub depth: usize,
    /// In the order in which they came to be.
    pub dead_letters: Vec<(SessionId, Mark)>,
    /// How often each client's container started again after a death.
    pub restarts: BTreeMap<ClientId, usize>,
}

impl Watched {
    /// Reads it from a run's events.
    pub fn of(history: &History) -> Self {
        let mut watched = Self::default();
        let mut queued: Vec<Mark> = Vec::new();
        let mut down: Vec<&ClientId> = Vec::new();
        for event in &history.events {
            match &event.what {
                // A message that is delivered again after it was handled is on the queue again.
                What::Sent { mark, .. } | What::Delivered { mark, .. }
                    if !queued.contains(mark) =>
                {
                    queued.push(*mark);
                }
                What::Acknowledged { mark, .. } => queued.retain(|other| other != mark),
                What::DeadLettered { session, mark } => {
                    queued.retain(|other| other != mark);
                    watched.dead_letters.push((session.clone(), *mark));
                }
                What::Died { client, .. } if !down.contains(&client) => down.push(client),
                What::Started { client } if down.contains(&client) => {
                    down.retain(|other| *other != client);
                    *watched.restarts.entry(client.clone()).or_default() += 1;
                }
                _ => {}
            }
            watched.deepest = watched.deepest.max(queued.len());
        }
        watched.depth = queued.len();
        watched
    }
}
