//! What the agent answered after it failed, and what the queue delivered again or gave up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Reached, Sometimes};
use crate::history::{Event, What};
use crate::plan::{ClientId, Mark};

#[derive(Default)]
pub(super) struct AgentAndQueue {
    /// Requests that got no answer.
    unanswered: BTreeSet<Asked>,
    /// Requests that were asked to slow down, and when they may come again.
    throttled: BTreeMap<Asked, Duration>,
    delivered: BTreeSet<Mark>,
}

/// Who asked for what.
type Asked = (ClientId, Option<Mark>);

impl AgentAndQueue {
    pub(super) fn see(&mut self, event: &Event, reached: &mut Reached) {
        match &event.what {
            What::AgentAsked {
                client,
                mark,
                status,
                retry_after,
                cut,
            } => {
                let asked = (client.clone(), *mark);
                match status {
                    None => {
                        self.unanswered.insert(asked);
                    }
                    Some(429) => {
                        let wait = retry_after.unwrap_or_default();
                        self.throttled.insert(asked, event.at + wait);
                    }
                    Some(200) if cut.is_none() => {
                        if self.unanswered.remove(&asked) {
                            reached.insert(Sometimes::AgentTimedOutThenAnswered);
                        }
                        if let Some(from) = self.throttled.remove(&asked)
                            && event.at >= from
                        {
                            reached.insert(Sometimes::BackedOffThenAnswered);
                        }
                    }
                    Some(_) => {}
                }
            }
            What::Delivered { mark, receives, .. } => {
                let is_new = self.delivered.insert(*mark);
                if !is_new || *receives > 1 {
                    reached.insert(Sometimes::Redelivered);
                }
            }
            What::DeadLettered { .. } => {
                reached.insert(Sometimes::DeadLettered);
            }
            _ => {}
        }
    }
}
