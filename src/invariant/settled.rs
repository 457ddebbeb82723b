//! settled: everything is at rest, and the records say exactly what is.

use super::breaker::counted;
use super::{Breach, kinds, list};
use crate::history::{Record, Snapshot};
use crate::model::instruction::{HandlingEnd, Instruction};
use crate::model::session::{Expected, Loss};
use crate::model::{HandledEnd, Model};
use crate::profile::Evidence;
use crate::verdict::Subject;

kinds! {
    SETTLED:
    QUEUE = "queue", "A message is left in the queue.";
    BREAKER = "breaker", "The breaker is not closed.";
    CONTAINER = "container", "A container is not running.";
    ERROR_MISSING = "error-missing",
        "The last instruction of a session failed, and its record has no lastError.";
    ERROR_LEFT = "error-left",
        "A session has a lastError although its last instruction did not fail.";
    WARNING_MISSING = "warning-missing",
        "The last build warned or the last push met a conflict, and the record has no warnings.";
    WARNING_LEFT = "warning-left",
        "A session has warnings although its last build and push were clean.";
}

/// The queue is empty.
pub fn queue(_: &Model, seen: &Snapshot) -> Option<Breach> {
    let queued = seen.queued.get()?;
    if queued.is_empty() {
        return None;
    }
    Breach::standing(
        Subject::Queue,
        QUEUE,
        "the queue is empty",
        format!("it holds {}", list(queued)),
    )
}

/// The breaker is closed.
pub fn breaker(model: &Model, _: &Snapshot) -> Option<Breach> {
    let is_unseen = model.clients.iter().any(|client| client.may_have_ended);
    if is_unseen || model.breaker.may_be_closed() || may_lack_a_probe(model) {
        return None;
    }
    Breach::standing(
        Subject::Breaker,
        BREAKER,
        "the breaker is closed",
        counted(model.breaker.state()),
    )
}

/// Every container runs.
pub fn containers(model: &Model, seen: &Snapshot) -> Option<Breach> {
    let running = seen.running.get()?;
    let down = model.clients.iter().find(|c| !running.contains(&c.id))?;
    Breach::standing(
        Subject::Container(down.id.clone()),
        CONTAINER,
        "every container runs",
        format!("the container of {} does not run", down.id),
    )
}

/// `lastError` and `warnings` are exact.
pub fn records(model: &Model, seen: &Snapshot) -> Option<Breach> {
    let records = seen.records.get()?;
    (0..model.sessions.len()).find_map(|session| {
        let record = records.get(&model.sessions[session].id);
        check_record(model, session, &record.cloned().unwrap_or_default())
    })
}

/// Whether what a probe would have deployed may have gone with a workspace: a probe is a real sync,
/// and there may be none to make.
fn may_lack_a_probe(model: &Model) -> bool {
    model
        .sessions
        .iter()
        .any(|session| !session.lost.is_empty())
        && model
            .clients
            .iter()
            .all(|client| client.retries.wants_no_sync())
}

fn check_record(model: &Model, session: usize, record: &Record) -> Option<Breach> {
    let own = &model.sessions[session];
    let id = &own.id;
    let about = Subject::Record(id.clone());
    let last = last_handled(model, session);
    match (&record.last_error, expected_error(model, session)) {
        (None, Expected::Yes) => {
            let mark = last?.mark;
            return Breach::standing(
                about,
                ERROR_MISSING,
                format!("{id} has a lastError: its last instruction, {mark}, failed"),
                "it has none",
            );
        }
        (Some(error), Expected::No) => {
            return Breach::standing(
                about,
                ERROR_LEFT,
                format!("{id} has no lastError: its last instruction did not fail"),
                format!("it has `{error}`"),
            );
        }
        _ => {}
    }
    match (
        record.warnings.is_empty(),
        expected_warnings(model, session),
    ) {
        (true, Expected::Yes) => Breach::standing(
            about,
            WARNING_MISSING,
            format!("{id} has warnings: its last build warned, or its last push met a conflict"),
            "it has none",
        ),
        (false, Expected::No) => Breach::standing(
            about,
            WARNING_LEFT,
            format!("{id} has no warnings: its last build and push were clean"),
            format!("it has `{}`", record.warnings.join("; ")),
        ),
        _ => None,
    }
}

/// The session's last handled instruction, leaving out those that only came again.
fn last_handled(model: &Model, session: usize) -> Option<&Instruction> {
    let client = &model.clients[model.sessions[session].client];
    let last = client
        .ends
        .iter()
        .rev()
        .find(|handled| handled.session == session && handled.end != HandledEnd::Again)?;
    model.instruction(last.mark)
}

fn came_again_last(model: &Model, session: usize) -> bool {
    let client = &model.clients[model.sessions[session].client];
    let mut own = client.ends.iter().rev().filter(|h| h.session == session);
    own.next().is_some_and(|last| last.end == HandledEnd::Again)
}

/// Whether the session's record has a `lastError`, once all is settled.
pub fn expected_error(model: &Model, session: usize) -> Expected {
    let own = &model.sessions[session];
    let is_lost = own.loss != Loss::None;
    let came_again = came_again_last(model, session);
    let Some(last) = last_handled(model, session) else {
        return if is_lost {
            Expected::Maybe
        } else {
            Expected::No
        };
    };
    if last.dead_lettered && !last.acknowledged && !own.has(last.mark) && !is_lost {
        // No container can report a message when it died before it got to anything, and an
        // older one that comes again may be carried out again after it.
        return if last.got_on && !came_again {
            Expected::Yes
        } else {
            Expected::Maybe
        };
    }
    match model.end_of(last) {
        // An older message that is carried out again finds a branch that does not build.
        HandlingEnd::Failed if came_again && !breaks_build(model, last) => Expected::Maybe,
        HandlingEnd::Failed => Expected::Yes,
        HandlingEnd::Unclear => Expected::Maybe,
        HandlingEnd::Good if is_lost => Expected::Maybe,
        // One that left no commit may fail again, and a build by injection.
        HandlingEnd::Good if came_again && (own.injected || !all_committed(model, session)) => {
            Expected::Maybe
        }
        HandlingEnd::Good => Expected::No,
    }
}

/// Whether the branch with the instruction's commit does not build by its edits, whoever builds it again.
fn breaks_build(model: &Model, instruction: &Instruction) -> bool {
    let session = &model.sessions[instruction.session];
    session.remote_has(instruction.mark) && model.build_of(&session.remote.tree).fails
}

/// Whether every instruction of the session that was handled has its commit on the branch.
fn all_committed(model: &Model, session: usize) -> bool {
    let own = &model.sessions[session];
    let mut handled = model
        .instructions
        .iter()
        .filter(|it| it.session == session && !it.is_pending());
    handled.all(|it| own.has(it.mark))
}

/// Whether the session's record has warnings, once all is settled.
pub fn expected_warnings(model: &Model, session: usize) -> Expected {
    match last_handled(model, session) {
        None if model.instructions.iter().all(|i| i.session != session) => Expected::No,
        Some(last) if model.end_of(last) == HandlingEnd::Good => {
            expected_warning(model, session, last)
        }
        Some(last) if breaks_build(model, last) => {
            let own = &model.sessions[session];
            // A build that failed has no warnings, and the site shows none that warned.
            let shown = model.oracle.marks(&model.clients[own.client].site);
            let shows_own = shown
                .unwrap_or_default()
                .iter()
                .any(|mark| model.owner(*mark) == Some(session));
            let is_known = model.sees(Evidence::Site)
                && own.delivered_since_loss
                && !own.injected
                && !last.build_warning.sometimes;
            match own.push_conflict {
                Expected::No if is_known && !shows_own => Expected::No,
                _ => Expected::Maybe,
            }
        }
        _ => Expected::Maybe,
    }
}

fn expected_warning(model: &Model, session: usize, last: &Instruction) -> Expected {
    let own = &model.sessions[session];
    let came_again = came_again_last(model, session);
    if !own.delivered_since_loss || came_again && own.injected {
        return Expected::Maybe;
    }
    let branches = [&own.local, &own.remote].into_iter();
    let Some(upto) = branches.filter_map(|it| it.marks_up_to(last.mark)).next() else {
        return Expected::Maybe;
    };
    // A push of what is handled again meets no conflict.
    let push_conflict = match came_again || own.loss != Loss::None {
        true => own.push_conflict.or_not(),
        false => own.push_conflict,
    };
    let of_build = if model.build_of(&upto).warns || last.build_warning.always {
        Expected::Yes
    } else if last.build_warning.sometimes {
        Expected::Maybe
    } else {
        Expected::No
    };
    match (of_build, push_conflict) {
        (Expected::Yes, _) | (_, Expected::Yes) => Expected::Yes,
        (Expected::No, Expected::No) => Expected::No,
        _ => Expected::Maybe,
    }
}
