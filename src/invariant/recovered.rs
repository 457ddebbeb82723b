//! nothing-lost and pushed: every instruction has an outcome, and the remote has the work.

use super::{Breach, kinds, list};
use crate::history::Snapshot;
use crate::model::Model;
use crate::profile::Evidence;
use crate::verdict::Subject;

kinds! {
    NOTHING_LOST:
    PENDING = "pending",
        "An accepted instruction has no outcome: it is still in the queue, or nowhere.";
    DEAD_LETTER = "dead-letter", "A dead letter is gone from the dead-letter queue.";
    WORK = "work", "Acknowledged work is on no branch, and no lastError names it as lost.";
    NOT_REDONE = "not-redone",
        "Work that a lost workspace took before its message was acknowledged was not done again.";
    REFUSED = "refused",
        "An instruction was acknowledged without a commit, and nothing kept it from being made.";
    UNTOLD = "untold", "An instruction was acknowledged without a commit and without a lastError.";
}

kinds! {
    PUSHED:
    COMMITS = "commits", "The remote branch lacks a commit of the workspace.";
    DEBRIS = "debris",
        "The workspace contains something unfinished or stray: a merge, a rebase, a stash, a \
         file or a lock.";
}

/// No instruction is still pending, and the dead letters stay where they are.
pub fn all_ended(model: &Model, seen: &Snapshot) -> Option<Breach> {
    let (queued, dead_letters) = (seen.queued.get()?, seen.dead_letters.get()?);
    model.instructions.iter().find_map(|instruction| {
        let mark = instruction.mark;
        let id = &model.sessions[instruction.session].id;
        let about = Subject::Work(id.clone());
        if instruction.is_pending() {
            let place = if queued.contains(&mark) {
                "it is still in the queue"
            } else {
                "it is in no queue"
            };
            return Breach::standing(
                about,
                PENDING,
                format!("{mark} of {id} ends: done, reported as failed, or a dead letter"),
                format!("{place}; receives so far: {}", instruction.deliveries),
            );
        }
        if !instruction.dead_lettered || dead_letters.contains(&mark) {
            return None;
        }
        Breach::standing(
            about,
            DEAD_LETTER,
            format!("{mark} of {id} stays in the dead-letter queue"),
            "it is no longer there",
        )
    })
}

/// Every instruction that was acknowledged is done, or failed and reported.
pub fn nothing_lost(model: &Model, seen: &Snapshot) -> Option<Breach> {
    let (remote, workspaces) = (seen.remote.get()?, seen.workspaces.get());
    for instruction in model
        .instructions
        .iter()
        .filter(|it| it.acknowledged && !it.dead_lettered)
    {
        let mark = instruction.mark;
        let session = &model.sessions[instruction.session];
        let id = &session.id;
        let on_remote = remote.get(id).is_some_and(|branch| {
            branch
                .commits
                .iter()
                .any(|commit| commit.adds.contains(&mark))
        });
        if on_remote {
            continue;
        }
        // Whether a lost workspace took it is not seen; and when what was reported, not by looks.
        let is_lost = model.clients[session.client].lost_workspace;
        if workspaces.is_none() && (is_lost || model.profile.is_polled) {
            continue;
        }
        let workspace = workspaces.and_then(|all| all.get(id));
        let is_in_workspace = workspace.is_some_and(|workspace| {
            let commits = &workspace.branch.commits;
            commits.iter().any(|commit| commit.adds.contains(&mark))
        });
        if is_in_workspace {
            // Not lost yet; that it is not pushed is another rule's.
            continue;
        }
        let by_log = model.profile.reports_by(Evidence::Log);
        let in_log = by_log && model.reported_in_log(instruction);
        // A crash after the loss may have taken the line along.
        let may_be_lost = by_log && model.clients[session.client].died > session.lost_at;
        if instruction.saved && !may_be_lost && !session.reported_lost.contains(&mark) {
            return Breach::standing(
                Subject::Branch(id.clone()),
                WORK,
                format!(
                    "the acknowledged work of {mark} is on the remote, or reported as lost by name"
                ),
                format!("the branch of {id} lacks it, and no report of a failure ever named it"),
            );
        }
        if instruction.lost_in_flight && !instruction.saved && !instruction.excused {
            return Breach::standing(
                Subject::Work(id.clone()),
                NOT_REDONE,
                format!(
                    "{mark} of {id} is done again: the workspace was lost before its message was \
                     acknowledged"
                ),
                "it was acknowledged, and no branch has it",
            );
        }
        if !instruction.error_recorded && !in_log && !session.reported_lost.contains(&mark) {
            return Breach::standing(
                Subject::Work(id.clone()),
                UNTOLD,
                format!("{mark} of {id} is done, or its failure was reported"),
                "it was acknowledged, left no commit, and no failure was reported",
            );
        }
        // Where neither is seen, the agent may have failed.
        let is_excused =
            instruction.excused || workspaces.is_none() && !model.sees(Evidence::Agent);
        if !instruction.saved && !is_excused {
            return Breach::standing(
                Subject::Work(id.clone()),
                REFUSED,
                format!(
                    "{mark} of {id} is done: its agent did not fail, and its container was not cut off"
                ),
                "it was acknowledged without a commit",
            );
        }
    }
    None
}

/// The remote branch has every commit of the local one.
pub fn pushed(model: &Model, seen: &Snapshot) -> Option<Breach> {
    let remotes = seen.remote.get()?;
    for (id, workspace) in seen.workspaces.get()? {
        model.session_index(id)?;
        let nothing = crate::history::Branch::default();
        let remote = remotes.get(id).unwrap_or(&nothing);
        let missing: Vec<&str> = workspace
            .branch
            .commits
            .iter()
            .filter(|commit| !remote.holds(commit))
            .map(|commit| &*commit.subject)
            .collect();
        if !missing.is_empty() {
            return Breach::standing(
                Subject::Branch(id.clone()),
                COMMITS,
                format!("every commit of {id} is on the remote"),
                format!("it lacks `{}`", missing.join("`, `")),
            );
        }
    }
    None
}

/// Nothing in a workspace is unfinished or stray.
pub fn clean(model: &Model, seen: &Snapshot) -> Option<Breach> {
    for (id, workspace) in seen.workspaces.get()? {
        model.session_index(id)?;
        if !workspace.debris.is_empty() {
            return Breach::standing(
                Subject::Workspace(id.clone()),
                DEBRIS,
                format!("the workspace of {id} is clean"),
                format!("it holds {}", list(&workspace.debris)),
            );
        }
    }
    None
}
