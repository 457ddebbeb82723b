//! The agent API, scripted; and the two ports that need no request: the clock and the log.

use std::time::Duration;

use async_trait::async_trait;

use super::time::Span;
use super::world::{Answer, Link};
use crate::history::What;
use crate::plan::{Cut, Fault};
use crate::site::{self, SiteKind};
use crate::worker::ports::{
    Agent, Clock, Instruction, Kind, Line, Log, PortError, PortResult, Turn,
};

/// How long the agent thinks about a turn.
const THINKING: Span = Span::millis(500, 5_000);

pub struct AgentPort {
    pub link: Link,
}

impl AgentPort {
    fn answer(&self, instruction: &Instruction, so_far: &[Turn]) -> Answer<Turn> {
        let mut world = self.link.world();
        let is_slow = world.has_fault(|fault| matches!(fault, Fault::AgentSlow));
        let error = world.faults.iter().find_map(|fault| match fault {
            Fault::AgentError(status) => Some(*status),
            _ => None,
        });
        if let Some(status) = error {
            world.course.note(status);
        }
        let status = if is_slow { None } else { error.or(Some(200)) };
        let retry_after =
            (status == Some(429)).then(|| Duration::from_secs(world.chance.between(1, 5)));
        // What is refused, or not answered, has no answer to be cut.
        let is_good = status == Some(200);
        let cut = world.faults.iter().find_map(|fault| match fault {
            Fault::AgentCut(cut) => Some(*cut),
            _ => None,
        });
        let cut = cut.filter(|_| is_good);
        if let Some(cut) = cut {
            world.course.note(cut);
        }
        let client = world.clients[self.link.client].id.clone();
        world.emit(What::AgentAsked {
            client,
            mark: site::mark_in(&instruction.instruction),
            status,
            retry_after,
            cut,
        });
        if let Some(cut) = cut {
            return Some(Err(cut_off(cut)));
        }
        match status? {
            200 if so_far.is_empty() => Some(Ok(Turn {
                changes: SiteKind::Shell
                    .script(&instruction.instruction)
                    .unwrap_or_default(),
            })),
            200 => Some(Ok(Turn::default())),
            status => {
                let (kind, text) = match status {
                    429 => (Kind::Throttled, "rate_limit_error: too many requests"),
                    529 => (Kind::Throttled, "overloaded_error: Overloaded"),
                    _ => (Kind::Other, "api_error: Internal server error"),
                };
                Some(Err(PortError {
                    status: Some(status),
                    retry_after,
                    ..PortError::new(kind, text)
                }))
            }
        }
    }
}

/// What a client makes of an answer that is cut.
fn cut_off(cut: Cut) -> PortError {
    let (kind, text) = match cut {
        Cut::MaxTokens => (Kind::Other, "the agent stopped early: max_tokens"),
        Cut::StreamError => (Kind::Network, "the agent's answer: connection reset"),
        Cut::Empty => (Kind::Other, "cannot read the agent's answer: it is empty"),
        Cut::Dangling => (
            Kind::Other,
            "cannot read the agent's answer: it ends in its middle",
        ),
    };
    PortError::new(kind, text)
}

#[async_trait(?Send)]
impl Agent for AgentPort {
    async fn ask(&self, instruction: &Instruction, so_far: &[Turn]) -> PortResult<Turn> {
        self.link.there().await?;
        let answer = self.answer(instruction, so_far);
        // An error comes at once; only an answer takes thought.
        match answer {
            Some(Err(error)) => self.link.back(Some(Err(error))).await,
            answer => self.link.back_after(THINKING, answer).await,
        }
    }
}

pub struct ClockPort {
    pub link: Link,
}

#[async_trait(?Send)]
impl Clock for ClockPort {
    fn now(&self) -> Duration {
        self.link.timers.now()
    }

    async fn sleep(&self, time: Duration) {
        self.link.sleep(time).await;
    }

    fn chance(&self) -> f64 {
        self.link.world().chance.fraction()
    }
}

pub struct LogPort {
    pub link: Link,
}

#[async_trait(?Send)]
impl Log for LogPort {
    async fn write(&self, line: Line) {
        let client = self.link.client;
        let mut world = self.link.world();
        let stamp = world.now();
        if world.is_partitioned(client) {
            world.clients[client].kept_lines.push((stamp, line));
        } else {
            world.log(client, stamp, line);
        }
    }
}
