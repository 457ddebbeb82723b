//! commits-preserved and exactly-once: what the branches hold.

use super::{Breach, kinds, list};
use crate::history::{Branch, Event, GitOutcome, What};
use crate::model::Model;
use crate::plan::{Mark, SessionId};

kinds! {
    COMMITS_PRESERVED:
    REMOTE = "remote", "A commit of the remote branch is gone from it after a push.";
    LOCAL = "local",
        "A commit of the workspace is gone from its branch, and the remote does not have it.";
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
