//! no-cascade: what fails in one session changes nothing of another session.

use super::{Breach, branch, kinds, list};
use crate::history::{Event, Record, What};
use crate::model::Model;
use crate::model::instruction::Instruction;
use crate::plan::{Mark, SessionId};
use crate::profile::Evidence;

kinds! {
    NO_CASCADE:
    BRANCH = "branch", "The branch of a session contains an edit of another session.";
    SITE = "site", "An object with an edit of another client was put into a site.";
    LAST_ERROR = "last-error", "A session that nothing disturbed got a lastError.";
    TRESPASS = "trespass", "A container asked for what is another client's.";
    WARNINGS = "warnings",
        "A session whose builds were clean and that nothing disturbed got warnings.";
}

/// A branch holds only the edits of its own session.
pub fn foreign_edit_on_branch(model: &Model, event: &Event) -> Option<Breach> {
    let (id, branch, _) = branch::shown(event)?;
    let own = model.session_index(id)?;
    let of_commits = branch.commits.iter().flat_map(|commit| &commit.adds);
    let mut marks = of_commits.chain(&branch.tree);
    let first = marks.find(|mark| model.owner(**mark).is_some_and(|owner| owner != own))?;
    let owner = &model.sessions[model.owner(*first)?].id;
    Breach::new(
        BRANCH,
        format!("only edits of {id} on its branch"),
        format!("it holds {first}, an edit of {owner}"),
    )
}

/// A site holds only the edits of its own client.
pub fn foreign_edit_in_site(model: &Model, event: &Event) -> Option<Breach> {
    let What::ObjectPut {
        client,
        key,
        content,
        ..
    } = &event.what
    else {
        return None;
    };
    let own = model.client_index(client)?;
    let is_foreign = |mark: &&Mark| {
        let owner = model.owner(**mark);
        owner.is_some_and(|owner| model.sessions[owner].client != own)
    };
    let foreign: Vec<Mark> = content.marks.iter().filter(is_foreign).copied().collect();
    if foreign.is_empty() {
        return None;
    }
    Breach::new(
        SITE,
        format!("only edits of {client} in its site"),
        format!(
            "{key} was put with {}, edits of another client",
            list(foreign)
        ),
    )
}

/// A container asks for nothing of another client.
pub fn trespass(_: &Model, event: &Event) -> Option<Breach> {
    let What::Trespassed {
        client,
        owner,
        what,
    } = &event.what
    else {
        return None;
    };
    Breach::new(
        TRESPASS,
        format!("the container of {client} asks for what is {client}'s"),
        format!("it asked for {what}, which is {owner}'s"),
    )
}

/// A record holds errors and warnings only where the session has a cause for them.
pub fn foreign_trouble(model: &Model, event: &Event) -> Option<Breach> {
    let What::RecordWritten { session, record } = &event.what else {
        return None;
    };
    reports_another(model, session, record)
}

/// Whether the client works on an instruction of the session, and on none of another: what its record
/// says then is its own.
fn is_own(model: &Model, session: usize) -> bool {
    let client = model.sessions[session].client;
    if !model.sees(Evidence::Queue) {
        return model.clients[client].worked_on == Some(session);
    }
    let mut at_work = model
        .instructions
        .iter()
        .filter(|it| it.at_work && model.sessions[it.session].client == client);
    // One whose container may have ended counts where that helps.
    let is_of_another = |it: &Instruction| it.session != session && !it.may_be_dropped;
    at_work.clone().any(|it| it.session == session) && !at_work.any(is_of_another)
}

/// A record with an error or a warning, of a session that has no cause for it.
fn reports_another(model: &Model, id: &SessionId, record: &Record) -> Option<Breach> {
    let at = model.session_index(id)?;
    let session = &model.sessions[at];
    let reason = "no fault touches it, its edits build, its container lives, the breaker is closed";
    if let Some(error) = &record.last_error
        && session.record.last_error.as_ref() != Some(error)
        // One of its own that comes back is no other session's.
        && session.last_report.as_ref() != Some(error)
        && !model.is_troubled(at)
        && !is_own(model, at)
    {
        return Breach::new(
            LAST_ERROR,
            format!("no lastError for {id}: {reason}"),
            format!("its lastError became `{error}`"),
        );
    }
    if !record.warnings.is_empty()
        && record.warnings != session.record.warnings
        && !session.may_warn
        && !model.is_troubled(at)
    {
        return Breach::new(
            WARNINGS,
            format!("no warnings for {id}: none of its builds warned, no outsider pushed to it"),
            format!("its warnings became `{}`", record.warnings.join("; ")),
        );
    }
    None
}
