//! stays-up and no-secret-told.

use super::Breach;
use crate::history::{Death, Event, What};
use crate::model::Model;

/// A container survives everything but crash and out-of-memory.
pub fn stays_up(_: &Model, event: &Event) -> Option<Breach> {
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
