//! commits-preserved and exactly-once: what the branches hold.

use super::{Breach, kinds, list};
use crate::history::{Branch, Commit, Event, GitOutcome, What};
use crate::model::{Model, Outside};
use crate::plan::{Mark, Outsider, SessionId};

kinds! {
    COMMITS_PRESERVED:
    REMOTE = "remote", "A commit of the remote branch is gone from it after a push.";
    LOCAL = "local",
        "A commit of the workspace is gone from its branch, and the remote does not have it.";
    CONTENT = "content",
        "The commit of an edit is on the branch, and its content is gone from the files.";
}

kinds! {
    EXACTLY_ONCE:
    COMMIT = "commit", "Two commits of one branch add the edit of the same instruction.";
    TREE = "tree", "The files of a branch contain the edit of one instruction twice.";
}

/// The branch that an event shows, and whether it is the remote's.
pub(super) fn shown(event: &Event) -> Option<(&SessionId, &Branch, bool)> {
    match &event.what {
        What::Pushed {
            session: Some(session),
            branch: Some(branch),
            outcome: GitOutcome::Done,
            ..
        }
        | What::OutsiderPushed {
            session, branch, ..
        } => Some((session, branch, true)),
        What::Committed { session, branch } => Some((session, branch, false)),
        _ => None,
    }
}

/// A commit once on a session's branch, local or remote, stays reachable from that branch.
///
/// A merge itself may go: what counts is what an instruction or an outsider made.
pub fn commits_preserved(model: &Model, event: &Event) -> Option<Breach> {
    let (id, branch, is_remote) = shown(event)?;
    let session = &model.sessions[model.session_index(id)?];
    // One that ended unseen may only now be gone with its workspace.
    let died = model.clients[session.client].died;
    if !is_remote && died.is_some_and(|died| died > event.at) {
        return None;
    }
    let (before, place, also) = if is_remote {
        (&session.remote, "on the remote", None)
    } else {
        (&session.local, "in the workspace", Some(&session.remote))
    };
    let dropped: Vec<&str> = before
        .commits
        .iter()
        .filter(|commit| !commit.merge && !branch.holds(commit))
        .filter(|commit| also.is_none_or(|remote| !remote.holds(commit)))
        .map(|commit| &*commit.subject)
        .collect();
    if dropped.is_empty() {
        return None;
    }
    Breach::new(
        if is_remote { REMOTE } else { LOCAL },
        format!("every commit of {id} stays on its branch {place}"),
        format!("gone: `{}`", dropped.join("`, `")),
    )
}

/// What a push brings to the remote has the content of its commits, and of those that were there.
///
/// Only what an outsider changed in the same place may have to give way, in a merge.
pub fn content_preserved(model: &Model, event: &Event) -> Option<Breach> {
    let What::Pushed { .. } = event.what else {
        return None;
    };
    let (id, branch, _) = shown(event)?;
    let before = &model.sessions[model.session_index(id)?].remote;
    if *branch == **before {
        return None;
    }
    let merges = |of: &Branch| of.commits.iter().filter(|commit| commit.merge).count();
    let is_merged = merges(branch) > merges(before);
    let may_give_way = |mark: &Mark| {
        let conflicts = |it: &Outside| it.mark == *mark && it.kind == Outsider::Conflicting;
        is_merged && model.outsiders.iter().any(conflicts)
    };
    let is_known = |commit: &&Commit| before.holds(commit);
    let new = branch.commits.iter().filter(|commit| !is_known(commit));
    let new = new.flat_map(|commit| &commit.adds);
    let mut expected = before.tree.iter().chain(new);
    let gone = expected.find(|mark| !branch.tree.contains(mark) && !may_give_way(mark))?;
    Breach::new(
        CONTENT,
        format!("the content of {gone} in the files of {id}, for its commit is on the branch"),
        format!("the files hold {}", list(&branch.tree)),
    )
}

/// An instruction's edit is in its branch at most once.
pub fn exactly_once(model: &Model, event: &Event) -> Option<Breach> {
    let (id, branch, _) = shown(event)?;
    model.session_index(id)?;
    let committed = branch
        .commits
        .iter()
        .filter(|commit| !commit.merge)
        .flat_map(|commit| &commit.adds);
    if let Some(twice) = repeated(committed) {
        return Breach::new(
            COMMIT,
            format!("one commit of {twice} on the branch of {id}"),
            format!(
                "more than one: {}",
                list(branch.commits.iter().map(|c| format!("`{}`", c.subject)))
            ),
        );
    }
    let twice = repeated(branch.tree.iter())?;
    Breach::new(
        TREE,
        format!("the edit of {twice} once in the files of {id}"),
        format!("the files hold {}", list(&branch.tree)),
    )
}

fn repeated<'a>(marks: impl Iterator<Item = &'a Mark>) -> Option<Mark> {
    let mut sorted: Vec<Mark> = marks.copied().collect();
    sorted.sort_unstable();
    sorted
        .windows(2)
        .find(|pair| pair[0] == pair[1])
        .map(|pair| pair[0])
}
