//! bounded-retries: how often and how fast things are tried again.

pub(crate) mod pace;
mod put_off;

use std::time::Duration;

use super::{Breach, kinds};
use crate::history::{Claim, Event, GitOutcome, What};
use crate::model::pace::Repeated;
use crate::model::retries::{ONE_PUSH, RetryTracker};
use crate::model::session::Session;
use crate::model::{Client, Model};
use crate::plan::Place;

pub use put_off::{deploy_late, push_late};

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
        "Attempts, refused requests or postponed syncs followed each other without a wait.";
    RETRY_IGNORED = "retry-ignored",
        "A container had nothing else to do and did not push after RETRY_GIT_PUSH.";
    LATE = "late",
        "What was put off was not tried for longer than its interval, and nothing held it up.";
    GAVE_UP = "gave-up",
        "A sync failed before it had made all its attempts, although S3 was only unavailable.";
    NO_GROWTH = "no-growth",
        "Over a campaign, later waits between attempts were no longer than the first ones.";
    NO_JITTER = "no-jitter",
        "Over a campaign, the waits before the same attempt were all the same.";
    AGENT_EARLY = "agent-early",
        "Over a campaign, requests to the agent were given up long before its time-out.";
}

/// With full jitter from 2 s on, the four waits between five requests sum up to less than this
/// once in some hundred thousand times; a loop without a wait, always.
const NO_WAIT: Duration = Duration::from_millis(500);
/// What else may come between two requests to the agent.
const SLACK: Duration = Duration::from_secs(10);
/// Attempts of syncs at once, in a row: those of five syncs. With full jitter that comes once in
/// some thousand million times.
const HASTY_ATTEMPTS: u32 = 10;
/// Syncs that were put off and tried at once: three in a row, or five times twice.
const HASTY_SYNCS: u32 = 6;
/// First attempts of one sync: of a system that begins to count again each time.
const FIRST_ATTEMPTS: u32 = 5;
/// A sync that took longer may have been given up for the time that it took.
const QUICK_SYNC: Duration = Duration::from_secs(20);
/// With so many requests to the agent, waits that add up to nothing are no chance.
const FEW_ATTEMPTS: u32 = 5;
/// How soon an idle container tries a push that it was asked for.
const ASKED_PUSH: Duration = Duration::from_secs(30);
/// What was put off is tried again after this at the soonest.
const AGAIN: Duration = Duration::from_secs(15);

/// No sync has more attempts than it may.
pub fn sync_attempts(model: &Model, event: &Event) -> Option<Breach> {
    let most = model.profile.limits.sync_attempts;
    let What::Logged {
        client,
        claim: Some(Claim::SyncAttempt(n)),
        ..
    } = &event.what
    else {
        return None;
    };
    if *n <= most {
        return None;
    }
    Breach::new(
        SYNC,
        format!("at most {most} attempts of an S3 sync"),
        format!("attempt {n} by {client}"),
    )
}

/// No message is received more often than it may be.
pub fn receives(model: &Model, event: &Event) -> Option<Breach> {
    let most = model.profile.limits.receives;
    let What::Delivered { mark, receives, .. } = &event.what else {
        return None;
    };
    if *receives <= most {
        return None;
    }
    Breach::new(
        TOO_MANY_RECEIVES,
        format!("at most {most} receives of {mark}, then the dead-letter queue"),
        format!("receive {receives}"),
    )
}

/// The agent is asked a bounded number of times, with waits, and not sooner than it asks for.
pub fn agent(model: &Model, event: &Event) -> Option<Breach> {
    let What::AgentAsked {
        mark: Some(mark),
        client,
        ..
    } = &event.what
    else {
        return None;
    };
    let limits = &model.profile.limits;
    let attempts = limits.agent_attempts;
    let instruction = model.instruction(*mark)?;
    // Each delivery that is not seen has attempts of its own, and waits for nothing of the one before.
    let most = attempts.saturating_mul(instruction.came_again.saturating_add(1));
    if instruction.came_again > 0 && instruction.agent_failures < most {
        return None;
    }
    let (asked, retry_after) = instruction.agent_asked?;
    let gap = event.at.saturating_sub(asked);
    if instruction.agent_failures >= most {
        return Breach::new(
            AGENT,
            format!("at most {most} agent requests for {mark} without an answer"),
            format!("{client} sent another one"),
        );
    }
    if let Some(wait) = retry_after
        && gap < wait.min(limits.agent_wait).mul_f64(0.9)
    {
        let cap = limits.agent_wait;
        return Breach::new(
            RETRY_AFTER,
            format!("the next agent request for {mark} after the {wait:?} asked for, or {cap:?}"),
            format!("it came after {gap:?}"),
        );
    }
    let (timeout, cap) = (limits.agent_timeout, limits.agent_wait);
    // Waits may more than double: beyond the first one only the cap is promised.
    let longest = match instruction.agent_failures {
        0 | 1 => limits.agent_first_wait,
        _ => cap,
    };
    let limit = timeout + longest.max(retry_after.unwrap_or_default().min(cap)) + SLACK;
    if instruction.agent_alone && gap > limit {
        return Breach::new(
            AGENT_TOO_LONG,
            format!(
                "the agent has {timeout:?} to answer {mark}, and is asked again after \
                 {longest:?} at most, as often as it failed"
            ),
            format!("it was asked again after {gap:?}"),
        );
    }
    let waited = instruction.agent_waited + gap;
    // What fewer requests wait for can be as short by chance.
    let is_last = attempts >= FEW_ATTEMPTS && instruction.agent_failures + 1 >= attempts;
    if is_last && !instruction.agent_was_slow && waited < NO_WAIT {
        return Breach::new(
            AGENT_WITHOUT_WAIT,
            format!("growing waits between agent requests for {mark}"),
            format!("{attempts} requests within {waited:?}"),
        );
    }
    None
}

/// A push is tried a bounded number of times, then put off.
pub fn pushes(model: &Model, event: &Event) -> Option<Breach> {
    let What::Pushed {
        client,
        outcome: GitOutcome::AuthFailed | GitOutcome::Unavailable,
        ..
    } = &event.what
    else {
        return None;
    };
    let at = model.client_index(client)?;
    let pushing = &model.clients[at].pushing;
    let is_same_push = event.at.saturating_sub(pushing.failed_at) < ONE_PUSH;
    let is_down = model.has_fault(|fault| fault.place() == Place::Git);
    // A refused push does not say its branch: one after the other may be tried.
    let has_work = |session: &&Session| session.client == at && !session.local.commits.is_empty();
    let branches = model.sessions.iter().filter(has_work).count().max(1);
    let attempts = model.profile.limits.push_attempts;
    // Each branch is tried again on its own, so that the attempts of several need not pause together.
    let rounds = match branches {
        1 => 1,
        _ => 1 + event.at.saturating_sub(pushing.failing_since).as_secs() / AGAIN.as_secs(),
    };
    let tried = (branches as u64).saturating_mul(rounds);
    let most = attempts.saturating_mul(u32::try_from(tried).unwrap_or(u32::MAX));
    if !(is_same_push && is_down && pushing.failures >= most) {
        return None;
    }
    Breach::new(
        PUSH,
        format!("at most {most} attempts in a row by {client} to push, then a wait"),
        format!("attempt {} without a wait", pushing.failures + 1),
    )
}

/// The retries of the container that an event is of, with the event.
fn retries_with<'a>(model: &'a Model, event: &Event) -> Option<(RetryTracker, &'a Client)> {
    let client = &model.clients[model.container_of(&event.what)?];
    let mut retries = client.retries.clone();
    retries.take(&event.what, event.at);
    Some((retries, client))
}

/// The same for a line that claims something; syncs are counted by these alone.
fn syncs_with<'a>(model: &'a Model, event: &Event) -> Option<(RetryTracker, &'a Client)> {
    let is_claim = matches!(event.what, What::Logged { claim: Some(_), .. });
    is_claim.then(|| retries_with(model, event))?
}

/// No loop of attempts of syncs without a wait.
pub fn sync_at_once(model: &Model, event: &Event) -> Option<Breach> {
    let (retries, client) = syncs_with(model, event)?;
    at_once(
        "attempts of S3 syncs",
        retries.attempts,
        HASTY_ATTEMPTS,
        client,
    )
}

/// No loop of requests to a service that refuses them without a wait, or with waits that do not grow.
pub fn requests_at_once(model: &Model, event: &Event) -> Option<Breach> {
    let of = Repeated::of(&event.what)?;
    matches!(of, Repeated::Queue | Repeated::Table).then(|| repeated(model, event, of))?
}

/// The same for requests to git, of clients that work on one branch: requests for several follow
/// each other.
pub fn git_at_once(model: &Model, event: &Event) -> Option<Breach> {
    let of = Repeated::of(&event.what)?;
    let at = model.container_of(&event.what)?;
    let branches = match of {
        Repeated::Push => worked_on(model, at, |session, _| {
            !model.sessions[session].local.commits.is_empty()
        }),
        Repeated::Fetch => worked_on(model, at, |_, deliveries| deliveries > 0),
        Repeated::Queue | Repeated::Table | Repeated::List => return None,
    };
    (branches <= 1).then(|| repeated(model, event, of))?
}

/// The same for requests to S3 that an attempt begins with.
pub fn lists_at_once(model: &Model, event: &Event) -> Option<Breach> {
    let of = Repeated::of(&event.what)?;
    (of == Repeated::List).then(|| repeated(model, event, of))?
}

/// How many sessions of a client are such, by their number and the deliveries of their instructions.
fn worked_on(model: &Model, client: usize, is_one: impl Fn(usize, u32) -> bool) -> usize {
    let deliveries = |session: usize| {
        let own = model.instructions.iter().filter(|it| it.session == session);
        own.map(|it| it.deliveries).sum()
    };
    (0..model.sessions.len())
        .filter(|at| model.sessions[*at].client == client && is_one(*at, deliveries(*at)))
        .count()
}

fn repeated(model: &Model, event: &Event, of: Repeated) -> Option<Breach> {
    let client = &model.clients[model.container_of(&event.what)?];
    let row = client.retries.rows.with(of, event.at);
    if let Some(mean) = row.short_mean() {
        return Breach::new(
            AT_ONCE,
            format!("waits between {} that grow", of.name()),
            format!(
                "a row of {} that are {mean:?} apart on the average",
                client.id
            ),
        );
    }
    if row.hasty < of.too_many() {
        return None;
    }
    Breach::new(
        AT_ONCE,
        format!(
            "waits between {} that are refused, and that grow",
            of.name()
        ),
        format!("{} made them again and again without a wait", client.id),
    )
}

/// No loop of syncs that were put off without a wait.
pub fn put_off_at_once(model: &Model, event: &Event) -> Option<Breach> {
    let (retries, client) = syncs_with(model, event)?;
    let what = "syncs that were put off";
    at_once(what, retries.put_off, HASTY_SYNCS, client)
}

fn at_once(what: &str, times: u32, too_often: u32, client: &Client) -> Option<Breach> {
    if times < too_often {
        return None;
    }
    Breach::new(
        AT_ONCE,
        format!("growing waits between {what}, and an interval before what was put off"),
        format!("{times} in a row of {} came without a wait", client.id),
    )
}

/// No sync without an end.
pub fn endless_sync(model: &Model, event: &Event) -> Option<Breach> {
    let (retries, client) = syncs_with(model, event)?;
    if retries.first_attempts < FIRST_ATTEMPTS {
        return None;
    }
    let most = model.profile.limits.sync_attempts;
    Breach::new(
        SYNC,
        format!("at most {most} attempts of an S3 sync"),
        format!(
            "{} began its attempts {FIRST_ATTEMPTS} times, and its log never reported an end",
            client.id
        ),
    )
}

/// A push that an idle container is asked for is tried.
pub fn asked_push(model: &Model, event: &Event) -> Option<Breach> {
    model.sessions.iter().find_map(|session| {
        let asked = session
            .retry_asked
            .filter(|at| event.at > *at + ASKED_PUSH)?;
        Breach::new(
            RETRY_IGNORED,
            format!(
                "a push of {}, for RETRY_GIT_PUSH reached its idle container {} s into the run",
                session.id,
                asked.as_secs()
            ),
            format!("none within {ASKED_PUSH:?}"),
        )
    })
}

/// A sync is tried as often as it is promised where S3 is out of service.
pub fn gave_up(model: &Model, event: &Event) -> Option<Breach> {
    let most = model.profile.limits.sync_attempts;
    let What::Logged {
        client,
        claim: Some(Claim::SyncFailed),
        stamp,
        ..
    } = &event.what
    else {
        return None;
    };
    let retries = &model.clients[model.client_index(client)?].retries;
    let sync = retries.sync.as_ref()?;
    let is_given_up = sync.attempt < most
        && sync.unavailable
        && !sync.refused
        && *stamp < sync.began + QUICK_SYNC;
    if !is_given_up {
        return None;
    }
    Breach::new(
        GAVE_UP,
        format!("{most} attempts of an S3 sync before it fails"),
        format!("{client} gave one up after attempt {}", sync.attempt),
    )
}
