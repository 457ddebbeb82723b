//! errors-told: what the system says against what the world saw.

use std::time::Duration;

use super::settled::expected_error;
use super::{Breach, BreachKind, kinds, list};
use crate::history::{Claim, Event, ReportedOutcome, Snapshot, What};
use crate::model::Model;
use crate::model::instruction::{HandlingEnd, Owed};
use crate::model::session::{Expected, Loss, names};
use crate::plan::{ClientId, Mark, SessionId};
use crate::profile::Evidence;
use crate::verdict::{Rule, Subject};

kinds! {
    ERRORS_TOLD:
    NOT_PUSHED = "not-pushed",
        "An instruction was acknowledged without its commit on the remote and without a \
         lastError.";
    NOT_FAILED = "not-failed",
        "An instruction whose build failed was acknowledged without a lastError.";
    NOT_DEPLOYED = "not-deployed",
        "An instruction was acknowledged without its build in the site and without a lastError.";
    TWO_OUTCOMES = "two-outcomes",
        "An instruction was reported as done and as failed.";
    PUSH_CLAIMED = "push-claimed",
        "The log says that a push is complete, and the remote lacks a commit.";
    SYNC_CLAIMED = "sync-claimed",
        "The log says that a sync is complete, and the site shows no whole build.";
    NOT_LOGGED = "not-logged",
        "A record reports an error, or an instruction failed, and no ERROR line of the log says so.";
    NO_CAUSE = "no-cause",
        "An instruction was done, and its session has a lastError for which there is no cause.";
    CLEARED = "cleared", "A record has no lastError although its problem is still there.";
    LEFT_OUT = "left-out",
        "A record no longer reports a problem that is still there, but another one.";
}

/// A line that comes later than this after its stamp was kept back, and the world has moved on.
const LATE: Duration = Duration::from_secs(2);

/// An acknowledgement says that the outcome is durable: done, or reported.
pub fn acknowledged(model: &Model, event: &Event) -> Option<Breach> {
    let What::Acknowledged { mark, .. } = event.what else {
        return None;
    };
    // A line of the log may come after what it reports, and so may a callback: then it is asked in
    // the end.
    if model.profile.reports_late() {
        return None;
    }
    unreported(model, &model.unreported(mark), mark, "acknowledged")
}

/// What is reported as done is done; a line of the log takes nothing of that back.
pub fn done_claimed(model: &Model, event: &Event) -> Option<Breach> {
    let What::OutcomeReported {
        mark,
        outcome: ReportedOutcome::Done,
        ..
    } = event.what
    else {
        return None;
    };
    unreported(model, &model.unreported(mark), mark, "reported as done")
}

/// An instruction has one outcome, however often it is reported.
pub fn one_outcome(model: &Model, event: &Event) -> Option<Breach> {
    let What::OutcomeReported {
        mark, outcome, by, ..
    } = event.what
    else {
        return None;
    };
    let first = model.instruction(mark)?.outcome?;
    if first == outcome {
        return None;
    }
    Breach::new(
        TWO_OUTCOMES,
        format!("one outcome of {mark}, which was reported as {first}"),
        format!("it was reported as {outcome} by {by}"),
    )
}

/// The same, of a system that may report failures after that.
pub fn reported_at_last(model: &Model, _: &Snapshot) -> Option<Breach> {
    let mut owing = model.instructions.iter();
    owing.find_map(|instruction| {
        if instruction.unreported.is_empty() {
            return None;
        }
        let in_log = model.profile.reports_by(Evidence::Log) && model.reported_in_log(instruction);
        if in_log || instruction.outcome == Some(ReportedOutcome::Failed) {
            return None;
        }
        unreported(
            model,
            &instruction.unreported,
            instruction.mark,
            "acknowledged",
        )
    })
}

/// The first of what is owed that a run ends at, else the first.
fn unreported(model: &Model, owed: &[Owed], mark: Mark, ended: &str) -> Option<Breach> {
    let heeded = &model.profile.heeded;
    let is_heeded = |owed: &&Owed| !heeded.passes_over(Rule::ErrorsTold, kind_of(**owed).id);
    let owed = *owed.iter().find(is_heeded).or(owed.first())?;
    let session = &model.sessions[model.instruction(mark)?.session];
    let id = &session.id;
    let client = &id.client;
    let report = model.profile.report_words();
    let (expected, observed) = match owed {
        Owed::Push => (
            format!("{mark} is {ended} when its commit is pushed, or with {report}"),
            format!("it was {ended}; the remote branch of {id} lacks it, and nothing reports that"),
        ),
        Owed::Failure => (
            format!("the failed build of {mark} is reported: {report}"),
            format!("it was {ended} without such a report"),
        ),
        Owed::Deploy => (
            format!("{mark} is {ended} when its build is deployed, or with {report}"),
            format!(
                "it was {ended}; the site of {client} never showed it whole, and nothing \
                 reports that"
            ),
        ),
    };
    Breach::new(kind_of(owed), expected, observed)
}

fn kind_of(owed: Owed) -> BreachKind {
    match owed {
        Owed::Push => NOT_PUSHED,
        Owed::Failure => NOT_FAILED,
        Owed::Deploy => NOT_DEPLOYED,
    }
}

/// What is done leaves no error of its own.
pub fn without_cause(model: &Model, event: &Event) -> Option<Breach> {
    let What::Acknowledged { mark, .. } = event.what else {
        return None;
    };
    let instruction = model.instruction(mark)?;
    let session = &model.sessions[instruction.session];
    let error = session.record.last_error.as_ref()?;
    if model.is_troubled(instruction.session) || !session.remote_has(mark) {
        return None;
    }
    Breach::new(
        NO_CAUSE,
        format!(
            "no lastError for {}: {mark} is done, and nothing failed",
            session.id
        ),
        format!("it has `{error}`"),
    )
}

/// A record reports every problem that is still there.
pub fn still_there(model: &Model, event: &Event) -> Option<Breach> {
    let What::RecordWritten { session, record } = &event.what else {
        return None;
    };
    let at = model.session_index(session)?;
    let before = model.sessions[at].record.last_error.as_deref();
    let before = before.unwrap_or_default();
    let error = record.last_error.as_deref().unwrap_or_default();
    if before.is_empty() || before == error {
        return None;
    }
    let words = &model.profile.words;
    let left_out = |says: &dyn Fn(&str) -> bool| says(before) && !says(error);
    let problem = if model.push_waits(at)
        && (error.is_empty() || left_out(&|it| words.says_unpushed(it)))
    {
        "acknowledged commits wait to be pushed"
    } else if model.deploy_waits(at)
        && (error.is_empty() || left_out(&|it| words.says_undeployed(it)))
    {
        "the newest good build waits to be deployed"
    } else if is_idle(model, at) && own_loss_left_out(model, at, before, error) {
        "work was lost with the workspace, and no instruction came since"
    } else if error.is_empty() && is_idle(model, at) && expected_error(model, at) == Expected::Yes {
        "its last instruction failed"
    } else {
        return None;
    };
    let expected = format!("the lastError of {session} reports that {problem}");
    match error.is_empty() {
        true => Breach::new(CLEARED, expected, format!("`{before}` was cleared")),
        false => Breach::new(LEFT_OUT, expected, format!("`{before}` became `{error}`")),
    }
}

/// Whether a record names no more what it named as lost before.
fn own_loss_left_out(model: &Model, at: usize, before: &str, error: &str) -> bool {
    let own = &model.sessions[at];
    let left_out = |mark: &Mark| names(before, *mark) && !names(error, *mark);
    let is_seen = model.sees(Evidence::Workspace);
    is_seen && own.loss == Loss::Reported && own.lost.iter().any(left_out)
}

/// Whether no message of the session is being handled.
fn is_idle(model: &Model, session: usize) -> bool {
    let mut own = model.instructions.iter().filter(|it| it.session == session);
    !own.any(|it| it.in_flight)
}

/// A line claims that a push is complete while commits of the workspace are not on the remote.
pub fn push_claimed(model: &Model, event: &Event) -> Option<Breach> {
    let What::Logged {
        session: Some(session),
        claim: Some(Claim::PushDone),
        stamp,
        ..
    } = &event.what
    else {
        return None;
    };
    push_incomplete(model, session, *stamp, event.at)
}

/// A line claims that a sync is complete while no whole build is in the site.
pub fn sync_claimed(model: &Model, event: &Event) -> Option<Breach> {
    let What::Logged {
        client,
        claim: Some(Claim::SyncDone),
        stamp,
        ..
    } = &event.what
    else {
        return None;
    };
    sync_incomplete(model, client, *stamp, event.at)
}

fn push_incomplete(
    model: &Model,
    id: &SessionId,
    stamp: Duration,
    now: Duration,
) -> Option<Breach> {
    if now.saturating_sub(stamp) > LATE {
        return None;
    }
    let session = &model.sessions[model.session_index(id)?];
    let missing: Vec<&str> = session
        .local
        .commits
        .iter()
        .filter(|commit| !commit.merge && !session.remote.holds(commit))
        .map(|commit| &*commit.subject)
        .collect();
    if missing.is_empty() {
        return None;
    }
    Breach::new(
        PUSH_CLAIMED,
        format!("`Git push complete` for {id} when the remote has every commit"),
        format!("the remote lacks `{}`", missing.join("`, `")),
    )
}

fn sync_incomplete(
    model: &Model,
    client: &ClientId,
    stamp: Duration,
    now: Duration,
) -> Option<Breach> {
    if now.saturating_sub(stamp) > LATE {
        return None;
    }
    let facts = &model.clients[model.client_index(client)?];
    let marks = model.oracle.marks(&facts.site);
    if marks.is_some_and(|marks| facts.shown.iter().any(|shown| shown == marks)) {
        return None;
    }
    Breach::new(
        SYNC_CLAIMED,
        format!("`S3 sync complete` when a whole build is in the site of {client}"),
        format!("the site holds {}", list(facts.site.keys())),
    )
}

/// Each error that a record reports is in the log as an ERROR line too.
///
/// Asked in the end, for lines may come late; a crash may take lines along that were not sent yet.
/// Of a system that keeps no log, nothing can be asked.
pub fn errors_are_in_log(model: &Model, _: &Snapshot) -> Option<Breach> {
    let own = model
        .sessions
        .iter()
        .find(|own| own.unlogged.is_some() && model.clients[own.client].says_something)?;
    Breach::standing(
        Subject::Log(own.id.client.clone()),
        NOT_LOGGED,
        format!(
            "an ERROR line in the log of {} for each lastError of {}",
            own.id.client, own.id
        ),
        format!(
            "a lastError came, and no ERROR line of {} since {} s into the run",
            own.id,
            own.unlogged.unwrap_or_default().as_secs()
        ),
    )
}

/// The same of each instruction that failed, whatever a record says.
pub fn failures_are_in_log(model: &Model, _: &Snapshot) -> Option<Breach> {
    model.instructions.iter().find_map(|instruction| {
        let session = &model.sessions[instruction.session];
        let client = &model.clients[session.client];
        let delivered = instruction.delivered?;
        let may_be_lost = client.died.is_some_and(|died| died >= delivered);
        let is_logged = client.error_line.is_some_and(|line| line >= delivered);
        if !instruction.acknowledged
            || !client.says_something
            || may_be_lost
            || is_logged
            || model.end_of(instruction) != HandlingEnd::Failed
        {
            return None;
        }
        Breach::standing(
            Subject::Log(client.id.clone()),
            NOT_LOGGED,
            format!(
                "an ERROR line in the log of {} says why {} failed",
                client.id, instruction.mark
            ),
            "no ERROR line came since it was delivered",
        )
    })
}
