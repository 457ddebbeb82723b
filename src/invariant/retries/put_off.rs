//! bounded-retries: what was put off is tried again at an interval, whatever else goes on.

use std::time::Duration;

use super::LATE;
use crate::history::{Event, What};
use crate::invariant::Breach;
use crate::model::Model;
use crate::model::put_off::HeldUp;
use crate::model::session::Session;
use crate::plan::Place;

/// What an attempt may take that cannot be seen: a poll, a build, a record.
const SLACK: Duration = Duration::from_secs(60);

/// Commits that wait are pushed at an interval.
pub fn push_late(model: &Model, event: &Event) -> Option<Breach> {
    let is_attempt = matches!(event.what, What::PushBegan { .. } | What::Pushed { .. });
    late(
        model,
        event,
        is_attempt,
        |client| client.push,
        |at, since, until| {
            // A deploy that is refused at once holds nothing up.
            let is_well = |place| place == Place::S3;
            let s3_hangs = hangs(model, Place::S3);
            // One that has not named its branch yet may be of any.
            let pushing = &model.clients[at].pushing;
            let since = match pushing.is_unnamed {
                true => since.max(pushing.began),
                false => since,
            };
            if s3_hangs || !can_work(model, at, is_well) {
                return None;
            }
            let own = model.sessions.iter().enumerate();
            let mut own = own.filter(|(n, own)| own.client == at && model.push_waits(*n));
            let late = |own: &Session| until.saturating_sub(since.max(own.push_tried));
            let (_, own) = own.find(|(_, own)| late(own) > longest(model))?;
            let what = format!("the commits of {} that wait to be pushed", own.id);
            breach(model, what, late(own))
        },
    )
}

/// The newest good build that waits is deployed at an interval.
pub fn deploy_late(model: &Model, event: &Event) -> Option<Breach> {
    let is_attempt = matches!(
        event.what,
        What::S3Asked { .. } | What::ObjectPut { .. } | What::ObjectDeleted { .. }
    );
    late(
        model,
        event,
        is_attempt,
        |client| client.deploy,
        |at, since, until| {
            // A push that is refused at once holds nothing up.
            let is_well = |place| place == Place::Git;
            let git_hangs = hangs(model, Place::Git);
            let waits = |session: &usize| {
                model.sessions[*session].client == at && model.deploy_waits(*session)
            };
            if git_hangs || !model.knows_syncs() || !can_work(model, at, is_well) {
                return None;
            }
            (0..model.sessions.len()).find(waits)?;
            let id = &model.clients[at].id;
            breach(
                model,
                format!("the newest good build of {id}, which waits to be deployed"),
                until.saturating_sub(since),
            )
        },
    )
}

/// Asks of each client for which nothing was tried for too long, at events that show that time has
/// passed: a step, an attempt, and a message that a container takes although an attempt was due when
/// it had ended the one before.
fn late(
    model: &Model,
    event: &Event,
    is_attempt: bool,
    tried: impl Fn(&HeldUp) -> Duration,
    ask: impl Fn(usize, Duration, Duration) -> Option<Breach>,
) -> Option<Breach> {
    let of = match &event.what {
        What::StepBegan { .. } | What::Healed => None,
        What::Delivered { session, .. } => Some(&session.client),
        what if is_attempt => Some(what.subject().0?),
        _ => return None,
    };
    let takes_message = matches!(event.what, What::Delivered { .. });
    model.clients.iter().enumerate().find_map(|(at, client)| {
        if of.is_some_and(|of| *of != client.id) {
            return None;
        }
        let held_up = &client.held_up;
        let since = tried(held_up).max(held_up.other);
        let (since, until) = match takes_message {
            true => (since, held_up.handled),
            false => (since.max(held_up.handled), event.at),
        };
        (until.saturating_sub(since) > longest(model)).then(|| ask(at, since, until))?
    })
}

fn longest(model: &Model) -> Duration {
    model.profile.limits.put_off + SLACK
}

/// Whether requests to a service may take as long as their time-out.
fn hangs(model: &Model, place: Place) -> bool {
    model.has_fault(|fault| fault.place() == place && !fault.is_refusal())
}

/// Whether a container has nothing else to do, and nothing that it needs is out of service.
fn can_work(model: &Model, client: usize, is_well: impl Fn(Place) -> bool) -> bool {
    let own = &model.clients[client];
    let is_hit = model.faults.iter().any(|(fault, _)| {
        let touches = fault.client().is_none_or(|of| *of == own.id);
        let holds_up = match fault.place() {
            Place::Agent | Place::Build => false,
            Place::Git => !is_well(Place::Git),
            Place::S3 => !is_well(Place::S3),
            Place::Table | Place::Queue | Place::Container => true,
        };
        touches && holds_up
    });
    let is_busy = model
        .instructions
        .iter()
        .any(|it| it.in_flight && model.sessions[it.session].client == client);
    own.is_up && !is_hit && !is_busy
}

fn breach(model: &Model, what: String, late: Duration) -> Option<Breach> {
    let interval = model.profile.limits.put_off;
    Breach::new(
        LATE,
        format!("an attempt with {what}, every {interval:?} at most"),
        format!("none for {late:?}, and nothing held it up"),
    )
}
