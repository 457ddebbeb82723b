//! The rule `breaker`: the claims of the log and the S3 endpoint's record against the model's.

use std::time::Duration;

use super::{Breach, kinds};
use crate::history::{Claim, Event, Snapshot, What};
use crate::model::breaker::{BreakerState, Limits};
use crate::model::{Client, Model};
use crate::plan::{ClientId, Place};
use crate::verdict::Subject;

kinds! {
    BREAKER:
    REQUEST_WHILE_OPEN = "request-while-open",
        "An S3 request reached the endpoint while the breaker was open, from a client without a \
         sync under way.";
    SECOND_PROBE = "second-probe",
        "Two syncs were under way while the breaker was half-open, or a sync went on beside what \
         the log says of the others.";
    SYNC_WHILE_OPEN = "sync-while-open",
        "A sync began before the cool-down of an open breaker was over.";
    PREVENTED_WHILE_CLOSED = "prevented-while-closed",
        "A sync was stopped although the breaker was closed.";
    OPENED_EARLY = "opened-early",
        "The log says that the breaker opened before enough syncs had failed in a row.";
    NO_PROBE = "no-probe",
        "A sync was stopped long after the cool-down, in place of a probe.";
    PREVENTED_SILENTLY = "prevented-silently",
        "The breaker stopped a sync, and no line of the log says so.";
}

/// How long a probe may keep its permit without a line: the container that holds it may be down, or
/// cut off from the answer that gave it the permit.
const PERMIT: Duration = Duration::from_secs(180);

/// Whether a container that was cut off or ended lately may hold the probe's permit.
fn may_hold_a_permit(model: &Model, now: Duration) -> bool {
    let is_cut_off =
        model.has_fault(|fault| matches!(fault.place(), Place::Table | Place::Container));
    let is_new = |client: &Client| now < client.held_up.other + PERMIT;
    is_cut_off || model.clients.iter().any(is_new)
}

/// How much later than its permit the line of a probe may come.
const PROBE_LINE: Duration = Duration::from_secs(10);

pub fn breaker(model: &Model, event: &Event) -> Option<Breach> {
    // Whether a container ended in the midst of a sync is not seen.
    if model.clients.iter().any(|client| client.may_have_ended) {
        return None;
    }
    match &event.what {
        What::Logged {
            client,
            claim: Some(claim),
            stamp,
            ..
        } if model.knows_syncs() => claimed(model, client, *claim, *stamp, event),
        What::ObjectPut { client, .. }
        | What::ObjectDeleted { client, .. }
        | What::S3Asked { client, .. } => {
            let at = model.client_index(client)?;
            if !breaker_goes_on(model, at, event.at) {
                return beside(client);
            }
            let is_outside = model.clients[at].logs_syncs
                && !model.breaker.has_sync(at)
                && model.breaker.is_open(event.at);
            if !is_outside {
                return None;
            }
            Breach::new(
                REQUEST_WHILE_OPEN,
                "no S3 request while the breaker is open, but of syncs that had begun before",
                format!("a request of {client}, which has no sync under way"),
            )
        }
        _ => None,
    }
}

/// Whether a sync of the client may still be under way.
fn breaker_goes_on(model: &Model, client: usize, now: Duration) -> bool {
    !model.breaker.has_sync(client) || model.breaker.clone().request(client, now)
}

fn beside(client: &ClientId) -> Option<Breach> {
    Breach::new(
        SECOND_PROBE,
        "what other containers read of the breaker, given how this sync goes on",
        format!(
            "a sync of {client} goes on, or ended otherwise, although it must have ended before \
             theirs could begin or be stopped"
        ),
    )
}

fn claimed(
    model: &Model,
    client: &ClientId,
    claim: Claim,
    stamp: Duration,
    event: &Event,
) -> Option<Breach> {
    let at = model.client_index(client)?;
    let breaker = &model.breaker;
    let Limits {
        failures,
        cool_down,
        ..
    } = breaker.limits();
    match claim {
        Claim::SyncAttempt(1) => {
            if breaker.clone().begin(at, stamp, event.at) {
                return None;
            }
            match breaker.state() {
                BreakerState::HalfOpen { .. } => Breach::new(
                    SECOND_PROBE,
                    "one probe while the breaker is half-open",
                    format!("{client} began another sync beside the probe"),
                ),
                _ => Breach::new(
                    SYNC_WHILE_OPEN,
                    format!(
                        "no sync begins for {} s after {failures} failed syncs in a row, or a \
                         failed probe",
                        cool_down.as_secs()
                    ),
                    format!("{client} began one"),
                ),
            }
        }
        Claim::SyncAttempt(_) if !breaker_goes_on(model, at, event.at) => beside(client),
        Claim::SyncDone | Claim::SyncFailed => {
            let succeeded = claim == Claim::SyncDone;
            if breaker.clone().end(at, succeeded, event.at) {
                return None;
            }
            beside(client)
        }
        Claim::SyncPrevented
            if breaker.overdue_for(stamp) > PROBE_LINE && !may_hold_a_permit(model, event.at) =>
        {
            Breach::new(
                NO_PROBE,
                format!(
                    "a probe {} s after the breaker opened, or some time later",
                    cool_down.as_secs()
                ),
                format!("a sync of {client} was stopped in its place, and not for the first time"),
            )
        }
        Claim::SyncPrevented => {
            if breaker.clone().prevented(at, stamp, event.at) {
                return None;
            }
            Breach::new(
                PREVENTED_WHILE_CLOSED,
                format!(
                    "a closed breaker stops no sync; {}",
                    counted(breaker.state())
                ),
                format!("a sync of {client} was stopped"),
            )
        }
        Claim::BreakerOpened => {
            if breaker.clone().opened(stamp, event.at) {
                return None;
            }
            Breach::new(
                OPENED_EARLY,
                format!("the breaker opens after {failures} failed syncs in a row"),
                format!("{client} says that it opened; {}", counted(breaker.state())),
            )
        }
        _ => None,
    }
}

/// Each sync that the breaker stops says so in the log.
///
/// Asked in the end, for lines may come late; a crash may take lines along that were not sent yet.
pub fn is_in_log(model: &Model, _: &Snapshot) -> Option<Breach> {
    let silent = model.sessions.iter().find(|session| {
        session.unlogged_prevented.is_some() && model.clients[session.client].says_something
    })?;
    Breach::standing(
        Subject::Log(silent.id.client.clone()),
        PREVENTED_SILENTLY,
        "each sync that the breaker stops says so in the log",
        format!(
            "a lastError of {} reports one, and no line of the log says so since {} s into the run",
            silent.id,
            silent.unlogged_prevented.unwrap_or_default().as_secs()
        ),
    )
}

pub(super) fn counted(state: BreakerState) -> String {
    match state {
        BreakerState::Closed { failures } => format!("{failures} syncs failed in a row"),
        BreakerState::Open { .. } => "it was open".into(),
        BreakerState::HalfOpen { .. } => "it was half-open".into(),
    }
}
