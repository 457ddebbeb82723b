//! A client's repository: the remote's branches, and the checkouts of its sessions.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::git::{Commits, Index, TEMPLATE};
use super::tree::Tree;
use super::world::World;
use crate::history::{self, Branch, What};
use crate::plan::{Mark, Outsider, SessionId};
use crate::site;

/// What git holds for a client: every commit, the remote's branches, the checkouts.
#[derive(Default)]
pub struct Repository {
    pub commits: Commits,
    /// The newest commit of each session's branch on the remote.
    pub remote: BTreeMap<SessionId, Index>,
    pub checkouts: BTreeMap<SessionId, Checkout>,
    /// How often something was cloned.
    pub clones: u32,
}

/// A clone, standing on its session's branch.
pub struct Checkout {
    /// Which clone it is, from 1.
    pub number: u32,
    pub head: Index,
    /// The remote's branch as it was last seen; none while the remote had none.
    pub tracking: Option<Index>,
    /// Changes to the files that no commit holds yet.
    pub edits: Option<Tree>,
    pub lock: bool,
    pub unfinished: Option<&'static str>,
}

impl Repository {
    pub fn branch(&self, head: Index) -> Arc<Branch> {
        self.commits.branch(head)
    }

    /// Everything that can be seen of a checkout.
    pub fn look_at(&self, checkout: &Checkout) -> history::Workspace {
        let mut debris: Vec<String> = Vec::new();
        debris.extend(checkout.unfinished.map(String::from));
        if checkout.lock {
            debris.push("index.lock".into());
        }
        if checkout.edits.is_some() {
            debris.push("uncommitted changes".into());
        }
        history::Workspace {
            branch: (*self.branch(checkout.head)).clone(),
            debris,
        }
    }

    /// The tree of a commit, if the session's checkout has that commit.
    pub fn tree_of(&self, session: &SessionId, commit: &str) -> Option<&Rc<Tree>> {
        let checkout = self.checkouts.get(session)?;
        let index = self.commits.find(commit)?;
        let commit = self.commits.get(index);
        let tips = [Some(checkout.head), checkout.tracking];
        let is_here = commit.made_in == checkout.number
            || tips
                .into_iter()
                .flatten()
                .any(|tip| self.commits.is_ancestor(tip, index));
        is_here.then_some(&commit.tree)
    }
}

impl World {
    /// An outsider's commit reaches the remote.
    pub fn push_from_outside(
        &mut self,
        client: usize,
        session: &SessionId,
        kind: Outsider,
        mark: Mark,
    ) {
        self.course.note((session, kind, mark));
        let repository = &mut self.clients[client].repository;
        let parent = repository.remote.get(session).copied().unwrap_or(TEMPLATE);
        let mut tree = (*repository.commits.get(parent).tree).clone();
        tree.apply(&site::outsider_change(kind == Outsider::Conflicting, mark));
        let subject = format!("Outside change {mark}").into();
        let head = repository
            .commits
            .commit(parent, Rc::new(tree), subject, None, 0);
        repository.remote.insert(session.clone(), head);
        let branch = repository.branch(head);
        self.emit(What::OutsiderPushed {
            session: session.clone(),
            mark,
            branch,
        });
    }
}
