//! stays-up and no-secret-told.

use std::time::Duration;

use super::{Breach, kinds};
use crate::history::{Death, Event, What};
use crate::model::{Client, Model};
use crate::verdict::Subject;

kinds! {
    STAYS_UP:
    DOWN = "down", "A container was still down when its time to restart was over.";
    EXIT = "exit", "A container ended by itself.";
}

kinds! {
    NO_SECRET_TOLD:
    SECRET = "secret", "A token or key is in a log line, a session record, a commit or a site.";
}

/// A container survives everything but crash and out-of-memory, and is soon up again after those.
pub fn stays_up(model: &Model, event: &Event) -> Option<Breach> {
    let limit = model.profile.limits.restart;
    let is_late = |client: &&Client| {
        let died = client.died.unwrap_or(Duration::MAX);
        !client.is_up && event.at.saturating_sub(died) > limit
    };
    if let Some(down) = model.clients.iter().find(is_late) {
        return Breach::standing(
            Subject::Container(down.id.clone()),
            DOWN,
            format!("a container is up again within {limit:?} of its death"),
            format!("the container of {} is still down", down.id),
        );
    }
    let What::Died {
        client,
        cause: Death::Exit,
    } = &event.what
    else {
        return None;
    };
    Breach::new(
        EXIT,
        "a container ends only when it is killed or out of memory",
        format!("the container of {client} ended by itself"),
    )
}

/// Tokens and keys are never in a log line, a session record, a commit or a site.
pub fn no_secret_told(_: &Model, event: &Event) -> Option<Breach> {
    let What::SecretSeen { client, place } = &event.what else {
        return None;
    };
    Breach::new(
        SECRET,
        "no token or key leaves the container but as a credential",
        format!("the container of {client} wrote one into {place}"),
    )
}
