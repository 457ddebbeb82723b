//! bounded-retries: how often and how fast things are tried again.

use std::time::Duration;

use super::{Breach, kinds};
use crate::history::{Claim, Event, GitOutcome, What};
use crate::model::Model;
use crate::model::pace::ONE_PUSH;
use crate::model::session::Session;
use crate::plan::Place;

kinds! {
    BOUNDED_RETRIES:
    SYNC = "sync",
        "A sync made more attempts than it may, or began again and again without an end.";
    TOO_MANY_RECEIVES = "receives",
        "A message was received more often than the queue allows before it is a dead letter.";
    AGENT = "agent", "The agent was asked more often than it may be without an answer.";
    RETRY_AFTER = "retry-after",
        "The agent was asked again before the time in its retry-after header was over.";
    AGENT_TOO_LONG = "agent-limit",
        "A request to the agent was not given up after its time-out, or the wait before the next \
         one was longer than the cap.";
    AGENT_WITHOUT_WAIT = "no-wait", "The agent was asked again and again without waits that grow.";
    PUSH = "push", "A push made more attempts at once than it may.";
    AT_ONCE = "at-once",
        "Attempts, table requests or postponed syncs followed each other without a wait.";
    RETRY_IGNORED = "retry-ignored",
        "A container had nothing else to do and did not push after RETRY_GIT_PUSH.";
    GAVE_UP = "gave-up",
        "A sync failed before it had made all its attempts, although S3 was only unavailable.";
}

/// Attempts of one S3 sync (`docs/contract.md`, Numbers).
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
/// How long the agent may take to answer.
const AGENT_LIMIT: Duration = Duration::from_secs(30);
/// The longest wait before it is asked again.
const AGENT_CAP: Duration = Duration::from_secs(60);
/// What else may come between two requests to the agent.
const SLACK: Duration = Duration::from_secs(10);
/// Attempts of syncs at once, in a row: those of five syncs. With full jitter that comes once in
/// some thousand million times.
const HASTY_ATTEMPTS: u32 = 10;
/// Refused requests to the session table at once, in a row; no system sends so many side by side.
const HASTY_REQUESTS: u32 = 50;
/// Syncs that were put off and tried at once, in a row.
const HASTY_SYNCS: u32 = 3;
/// First attempts of one sync: of a system that begins to count again each time.
const FIRST_ATTEMPTS: u32 = 5;
/// A sync that took longer may have been given up for the time that it took.
const QUICK_SYNC: Duration = Duration::from_secs(20);
/// How soon an idle container tries a push that it was asked for.
const ASKED_PUSH: Duration = Duration::from_secs(30);

pub fn bounded_retries(model: &Model, event: &Event) -> Option<Breach> {
    if let Some(breach) = by_pace(model, event) {
        return Some(breach);
    }
    if let Some(breach) = not_tried(model, event) {
        return Some(breach);
    }
    match &event.what {
        What::Logged {
            client,
            claim: Some(Claim::SyncAttempt(n)),
            ..
        } if *n > SYNC_ATTEMPTS => Breach::new(
            SYNC,
            format!("at most {SYNC_ATTEMPTS} attempts of an S3 sync"),
            format!("attempt {n} by {client}"),
        ),
        What::Delivered { mark, receives, .. } if *receives > RECEIVES => Breach::new(
            TOO_MANY_RECEIVES,
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
                    AGENT,
                    format!("at most {AGENT_ATTEMPTS} agent requests for {mark} without an answer"),
                    format!("one more by {client}"),
                );
            }
            if let Some(wait) = retry_after
                && gap < wait.mul_f64(0.9)
            {
                return Breach::new(
                    RETRY_AFTER,
                    format!("the next agent request for {mark} after the {wait:?} asked for"),
                    format!("it came after {gap:?}"),
                );
            }
            let limit = AGENT_LIMIT + AGENT_CAP.max(retry_after.unwrap_or_default()) + SLACK;
            if instruction.agent_alone && gap > limit {
                return Breach::new(
                    AGENT_TOO_LONG,
                    format!(
                        "the agent has {AGENT_LIMIT:?} to answer {mark}, and is asked again after \
                         {AGENT_CAP:?} at most"
                    ),
                    format!("it was asked again after {gap:?}"),
                );
            }
            let waited = instruction.agent_waited + gap;
            if instruction.agent_failures + 1 >= AGENT_ATTEMPTS
                && !instruction.agent_was_slow
                && waited < NO_WAIT
            {
                return Breach::new(
                    AGENT_WITHOUT_WAIT,
                    format!("growing waits between agent requests for {mark}"),
                    format!("{AGENT_ATTEMPTS} requests within {waited:?}"),
                );
            }
            None
        }
        What::Pushed {
            client,
            outcome: GitOutcome::AuthFailed | GitOutcome::Unavailable,
            ..
        } => {
            let at = model.client_index(client)?;
            let pushing = &model.clients[at].pushing;
            let is_same_push = event.at.saturating_sub(pushing.failed_at) < ONE_PUSH;
            let is_down = model.has_fault(|fault| fault.place() == Place::Git);
            // A refused push does not say its branch: one after the other may be tried.
            let has_work =
                |session: &&Session| session.client == at && !session.local.commits.is_empty();
            let branches = model.sessions.iter().filter(has_work).count().max(1);
            let most = PUSH_ATTEMPTS * u32::try_from(branches).unwrap_or(u32::MAX);
            if !(is_same_push && is_down && pushing.failures >= most) {
                return None;
            }
            Breach::new(
                PUSH,
                format!("at most {most} attempts in a row to push, of {client}, then a wait"),
                format!("attempt {} at once", pushing.failures + 1),
            )
        }
        _ => None,
    }
}

/// No loop without a wait: not of attempts, not of requests to the table, not of put-off syncs. And
/// no sync without an end.
fn by_pace(model: &Model, event: &Event) -> Option<Breach> {
    let client = &model.clients[model.container_of(&event.what)?];
    let mut pace = client.pace.clone();
    pace.take(&event.what, event.at);
    let (what, times) = if pace.attempts >= HASTY_ATTEMPTS {
        ("attempts of S3 syncs", pace.attempts)
    } else if pace.table >= HASTY_REQUESTS {
        ("requests to the session table", pace.table)
    } else if pace.put_off >= HASTY_SYNCS {
        ("syncs that were put off", pace.put_off)
    } else if pace.first_attempts >= FIRST_ATTEMPTS {
        return Breach::new(
            SYNC,
            format!("at most {SYNC_ATTEMPTS} attempts of an S3 sync"),
            format!(
                "{} began its attempts {FIRST_ATTEMPTS} times without a word of an end between",
                client.id
            ),
        );
    } else {
        return None;
    };
    Breach::new(
        AT_ONCE,
        format!("growing waits between {what}, and an interval before what was put off"),
        format!("{times} of {} in a row came at once", client.id),
    )
}

/// What the contract asks to be tried: a sync three times where S3 is out of service, and a push
/// that somebody asks for.
fn not_tried(model: &Model, event: &Event) -> Option<Breach> {
    for session in &model.sessions {
        // The push that goes on may be the one.
        if model.clients[session.client].pushing.is_unnamed {
            continue;
        }
        let asked = session.retry_asked.filter(|at| event.at > *at + ASKED_PUSH);
        if let Some(asked) = asked {
            return Breach::new(
                RETRY_IGNORED,
                format!(
                    "a push of {}, for RETRY_GIT_PUSH reached its idle container {} s into the run",
                    session.id,
                    asked.as_secs()
                ),
                format!("none within {ASKED_PUSH:?}"),
            );
        }
    }
    let What::Logged {
        client,
        claim: Some(Claim::SyncFailed),
        stamp,
        ..
    } = &event.what
    else {
        return None;
    };
    let sync = model.clients[model.client_index(client)?]
        .pace
        .sync
        .as_ref()?;
    let is_given_up = sync.attempt < SYNC_ATTEMPTS
        && sync.unavailable
        && !sync.refused
        && *stamp < sync.began + QUICK_SYNC;
    if !is_given_up {
        return None;
    }
    Breach::new(
        GAVE_UP,
        format!("{SYNC_ATTEMPTS} attempts of an S3 sync before it fails"),
        format!("{client} gave one up after attempt {}", sync.attempt),
    )
}
