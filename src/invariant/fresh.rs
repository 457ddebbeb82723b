//! fresh: the site is exactly the output of the newest good build.

use std::collections::BTreeSet;

use super::{Breach, kinds, list};
use crate::history::Snapshot;
use crate::model::instruction::HandlingEnd;
use crate::model::{HandledEnd, Model};
use crate::oracle::Objects;
use crate::plan::Mark;
use crate::profile::Evidence;
use crate::verdict::Subject;

kinds! {
    FRESH:
    EMPTY = "empty", "The site is empty although a build was good.";
    STALE = "stale", "The site shows another build than the newest good one.";
    MIXED = "mixed",
        "The site is not exactly one build: an object is missing, left over or of another build.";
}

/// The site is exactly the output of one build: the newest good build of the client's sessions,
/// in the order handled.
pub fn fresh(model: &Model, seen: &Snapshot) -> Option<Breach> {
    let (nothing, sites) = (Objects::new(), seen.sites.get()?);
    (0..model.clients.len()).find_map(|client| {
        let site = sites.get(&model.clients[client].id).unwrap_or(&nothing);
        check_site(model, client, site)
    })
}

/// A build that the site may show.
struct Candidate {
    session: usize,
    /// The newest edit in it.
    newest: Mark,
}

/// The builds that the site may show, newest first, and whether it may show none.
fn candidates(model: &Model, client: usize) -> (Vec<Candidate>, bool) {
    let facts = &model.clients[client];
    let is_unseen = model.profile.unseen(Evidence::Workspace).is_some();
    let mut found = Vec::new();
    for (n, handled) in facts.ends.iter().enumerate().rev() {
        let Some(instruction) = model.instruction(handled.mark) else {
            continue;
        };
        let (newest, end) = match handled.end {
            // Handled anew or known as handled: then the branch was built as it was.
            HandledEnd::Again | HandledEnd::Redone => {
                let newest = facts.ends[..=n]
                    .iter()
                    .filter(|other| other.session == handled.session)
                    .map(|other| other.mark)
                    .filter(|mark| model.sessions[handled.session].committed.contains(mark))
                    .max();
                (newest.unwrap_or(handled.mark), HandlingEnd::Unclear)
            }
            HandledEnd::DeadLettered => (handled.mark, HandlingEnd::Unclear),
            HandledEnd::Acknowledged => (handled.mark, model.end_of(instruction)),
        };
        let candidate = Candidate {
            session: handled.session,
            newest,
        };
        match end {
            // A first try that was good was lost with the workspace; the next one failed for it.
            HandlingEnd::Failed
                if facts.lost_workspace
                    && (instruction.deliveries > 1 || model.profile.is_polled) =>
            {
                found.push(candidate);
            }
            // Whether it left a commit that is lost now was not seen.
            HandlingEnd::Failed
                if is_unseen && !model.sessions[handled.session].remote_has(handled.mark) =>
            {
                found.push(candidate);
            }
            HandlingEnd::Failed => {}
            HandlingEnd::Unclear => found.push(candidate),
            HandlingEnd::Good => {
                found.push(candidate);
                // With a lost workspace its commit may be gone, and what was left was built.
                if !facts.lost_workspace || is_left(model, found.last()) {
                    return (found, false);
                }
            }
        }
    }
    (found, true)
}

/// Whether a build has all that the branch had when the instruction's commit was pushed, where that was
/// before anything was deployed for it: an outsider's content among it.
fn has_pushed(model: &Model, mark: Mark, shown: &[Mark]) -> bool {
    let pushed = model
        .instruction(mark)
        .and_then(|it| it.pushed_first.as_ref());
    pushed.is_none_or(|branch| branch.tree.iter().all(|mark| shown.contains(mark)))
}

/// Whether what is shown may be a tree that nobody saw, where no workspace can be seen: with the edits that the remote
/// has up to the newest of them, which it may lack itself, and some of what came from outside.
fn may_be_unseen(model: &Model, candidate: &Candidate, shown: &[Mark]) -> bool {
    if model.profile.unseen(Evidence::Workspace).is_none() {
        return false;
    }
    let own = &model.sessions[candidate.session];
    let is_own = |mark: &Mark| match model.instruction(*mark) {
        Some(instruction) => instruction.session == candidate.session,
        None => own.remote.tree.contains(mark),
    };
    let has_edits = match own.remote.marks_up_to(candidate.newest) {
        Some(upto) => {
            let edits = |marks: &[Mark]| marks.iter().copied().filter(is_edit).collect();
            let (upto, shown): (BTreeSet<Mark>, BTreeSet<Mark>) = (edits(&upto), edits(shown));
            upto == shown
        }
        None => {
            let mut older = own.remote.tree.iter().filter(|mark| is_edit(mark));
            older.all(|mark| *mark > candidate.newest || shown.contains(mark))
        }
    };
    has_edits && shown.iter().all(is_own)
}

/// Whether the remote has what a build needs, and that builds.
fn is_left(model: &Model, candidate: Option<&Candidate>) -> bool {
    candidate.is_some_and(|c| {
        let upto = model.sessions[c.session].remote.marks_up_to(c.newest);
        upto.is_some_and(|marks| !model.build_of(&marks).fails)
    })
}

/// The newest edits of the builds that a client's site may show, newest build first, and whether
/// it may show none.
pub fn wanted(model: &Model, client: usize) -> (Vec<Mark>, bool) {
    let (candidates, may_be_empty) = candidates(model, client);
    let newest = candidates.iter().map(|candidate| candidate.newest);
    (newest.collect(), may_be_empty)
}

/// The same of one client's site.
pub fn check_site(model: &Model, client: usize, site: &Objects) -> Option<Breach> {
    let id = &model.clients[client].id;
    let about = || Subject::Site(id.clone());
    let (candidates, may_be_empty) = candidates(model, client);
    let lost_workspace = model.clients[client].lost_workspace;
    let none_left = !candidates.iter().any(|c| is_left(model, Some(c)));
    if lost_workspace && none_left {
        // What a lost workspace took cannot be built again: the site stays as it is.
        return None;
    }
    if site.keys().all(|key| model.profile.site.ignores(key)) {
        let wanted = candidates.iter().find(|c| is_left(model, Some(c)));
        let wanted = wanted.or(candidates.first())?;
        if may_be_empty {
            return None;
        }
        return Breach::standing(
            about(),
            EMPTY,
            format!("the site of {id} shows the build with {}", wanted.newest),
            "it is empty",
        );
    }
    let shown = model.oracle.marks(site).unwrap_or_default();
    let newest_shown = shown.iter().copied().filter(is_edit).max();
    let matching = candidates.iter().find(|candidate| {
        let trees = &model.sessions[candidate.session].trees;
        Some(candidate.newest) == newest_shown
            && (trees.iter().any(|tree| tree == shown) || may_be_unseen(model, candidate, shown))
            && has_pushed(model, candidate.newest, shown)
    });
    // The newest build that is certainly left, and whether what is shown was handled no earlier.
    let owed = candidates
        .last()
        .filter(|c| !may_be_empty && is_left(model, Some(c)));
    let handled = |mark: Mark| {
        let mut ends = model.clients[client].ends.iter();
        ends.rposition(|handled| handled.mark == mark)
    };
    let is_no_older = || {
        let newest = shown.iter().filter_map(|mark| handled(*mark)).max();
        owed.is_none_or(|owed| newest >= handled(owed.newest))
    };
    // What a lost workspace took is built again from what the remote has of its session by then,
    // up to the newest of its edits that builds.
    let is_what_is_left = lost_workspace
        && candidates.iter().any(|candidate| {
            let remote = &model.sessions[candidate.session].remote;
            let is_upto = |mark| {
                let upto = remote.marks_up_to(mark);
                upto.is_some_and(|marks| is_same_tree(marks, shown))
            };
            // What came to the remote after that build does not count: an edit whose own build failed
            // only by an injection may build by then, and so may what an outsider pushed.
            let is_newer = || {
                newest_shown >= Some(candidate.newest)
                    && shown.iter().any(|mark| is_upto(*mark))
                    && !model.build_of(shown).fails
            };
            remote.tree == shown && is_no_older() || is_upto(candidate.newest) || is_newer()
        });
    if matching.is_none() && !is_what_is_left {
        let wanted = candidates.iter().map(|candidate| candidate.newest);
        return Breach::standing(
            about(),
            STALE,
            match candidates.len() {
                0 => format!("the site of {id} is empty: no build was good"),
                _ => format!(
                    "the site of {id} shows the newest good build, with {}",
                    list(wanted)
                ),
            },
            format!("it shows {}", list(shown)),
        );
    }
    let build = model.wanted_build(id, shown);
    model.oracle.difference(build, site).and_then(|difference| {
        Breach::standing(
            about(),
            MIXED,
            format!("the site of {id} is exactly one build, of {}", list(shown)),
            difference,
        )
    })
}

/// Whether these marks, in whatever order, are those of a tree.
fn is_same_tree(mut marks: Vec<Mark>, tree: &[Mark]) -> bool {
    let mut tree = tree.to_vec();
    marks.sort_unstable();
    tree.sort_unstable();
    marks == tree
}

fn is_edit(mark: &Mark) -> bool {
    matches!(mark, Mark::Edit(_))
}
