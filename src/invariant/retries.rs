//! bounded-retries: how often and how fast things are tried again.

use std::time::Duration;

use super::Breach;
use crate::history::{Claim, Event, GitOutcome, What};
use crate::model::Model;
use crate::model::observe::ONE_PUSH;
use crate::plan::Fault;

/// Attempts of one S3 sync (`contract.md`, Numbers).
const SYNC_ATTEMPTS: u32 = 3;
/// Attempts to get an answer of the agent.
const AGENT_ATTEMPTS: u32 = 5;
/// Receives of a message before it goes to the dead letters.
const RECEIVES: u32 = 3;
/// Attempts of one push.
const PUSH_ATTEMPTS: u32 = 3;
/// With full jitter from 2 s on, the four waits between five requests sum up to less than this
/// once in some hundred thousand times; a loop without a wait, always.
const NO_WAIT: Duration = Duration::from_millis(500);

pub fn bounded_retries(model: &Model, event: &Event) -> Option<Breach> {
    match &event.what {
        What::Logged {
            client,
            claim: Some(Claim::SyncAttempt(n)),
            ..
        } if *n > SYNC_ATTEMPTS => Breach::new(
            "sync",
            format!("at most {SYNC_ATTEMPTS} attempts of an S3 sync"),
            format!("attempt {n} by {client}"),
        ),
        What::Delivered { mark, receives, .. } if *receives > RECEIVES => Breach::new(
            "receives",
            format!("at most {RECEIVES} receives of {mark}, then the dead letters"),
            format!("receive {receives}"),
        ),
        What::AgentAsked {
            mark: Some(mark),
            client,
            ..
        } => {
            let instruction = model.instruction(*mark)?;
            let (asked, retry_after) = instruction.agent_asked?;
            let gap = event.at.saturating_sub(asked);
            if instruction.agent_failures >= AGENT_ATTEMPTS {
                return Breach::new(
                    "agent",
                    format!("at most {AGENT_ATTEMPTS} agent requests for {mark} without an answer"),
                    format!("one more by {client}"),
                );
            }
            if let Some(wait) = retry_after
                && gap < wait.mul_f64(0.9)
            {
                return Breach::new(
                    "retry-after",
                    format!("the next agent request for {mark} after the {wait:?} asked for"),
                    format!("it came after {gap:?}"),
                );
            }
            let waited = instruction.agent_waited + gap;
            if instruction.agent_failures + 1 >= AGENT_ATTEMPTS
                && !instruction.agent_was_slow
                && waited < NO_WAIT
            {
                return Breach::new(
                    "no-wait",
                    format!("growing waits between agent requests for {mark}"),
                    format!("{AGENT_ATTEMPTS} requests within {waited:?}"),
                );
            }
            None
        }
        What::Pushed {
            session,
            outcome: GitOutcome::AuthFailed | GitOutcome::Unavailable,
            ..
        } => {
            let own = &model.sessions[model.session_index(session)?];
            let is_same_push = event.at.saturating_sub(own.push_failed_at) < ONE_PUSH;
            let is_down = model.has_fault(|f| matches!(f, Fault::GitAuth | Fault::GitDown));
            if !(is_same_push && is_down && own.push_failures >= PUSH_ATTEMPTS) {
                return None;
            }
            Breach::new(
                "push",
                format!("at most {PUSH_ATTEMPTS} attempts of a push of {session}, then a wait"),
                format!("attempt {} at once", own.push_failures + 1),
            )
        }
        _ => None,
    }
}
