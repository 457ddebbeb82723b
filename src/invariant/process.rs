//! stays-up and no-secret-told.

use std::time::Duration;

use super::Breach;
use crate::history::{Death, Event, What};
use crate::model::{Client, Model};
use crate::verdict::Subject;

/// How soon a container is up again after its death.
const RESTART: Duration = Duration::from_secs(120);

/// A container survives everything but crash and out-of-memory, and is soon up again after those.
pub fn stays_up(model: &Model, event: &Event) -> Option<Breach> {
    let is_late = |client: &&Client| {
        let died = client.died.unwrap_or(Duration::MAX);
        !client.is_up && event.at.saturating_sub(died) > RESTART
    };
    if let Some(down) = model.clients.iter().find(is_late) {
        return Breach::standing(
            Subject::Container(down.id.clone()),
            "down",
            format!("a container is up again within {RESTART:?} of its death"),
            format!("that of {} is still down", down.id),
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
        "exit",
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
        "secret",
        "no token or key leaves the container but as a credential",
        format!("the container of {client} wrote one into {place}"),
    )
}
