//! What can be seen of the system at one moment: branches, sites, records, workspaces.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::plan::{ClientId, Mark, SessionId};
use crate::profile::{Evidence, Profile, Seen};

/// A branch as it is: its commits, oldest first, and the marks in its newest tree.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Branch {
    /// The commits, oldest first.
    pub commits: Vec<Commit>,
    /// Every mark in the newest tree, as often as it is there.
    pub tree: Vec<Mark>,
}

impl Branch {
    /// Whether the branch has what a commit adds: in one that makes the same change, or with others
    /// in commits that are cut otherwise (squashed, split). A merge is held as it is.
    pub fn holds(&self, commit: &Commit) -> bool {
        if commit.merge {
            return self.commits.contains(commit);
        }
        let ordinary = || self.commits.iter().filter(|other| !other.merge);
        let is_cut_otherwise = || {
            let adds =
                |mark: &Mark| ordinary().any(|it| it.adds != commit.adds && it.adds.contains(mark));
            !commit.adds.is_empty() && commit.adds.iter().all(adds)
        };
        commit.content == Some(0)
            || ordinary().any(|other| commit.is_same_change(other))
            || is_cut_otherwise()
    }

    /// The marks up to one of them, oldest first; `None` where no commit has it.
    pub fn marks_up_to(&self, mark: Mark) -> Option<Vec<Mark>> {
        let marks = self.commits.iter().flat_map(|commit| &commit.adds);
        let marks: Vec<Mark> = marks.copied().collect();
        let at = marks.iter().position(|known| *known == mark)?;
        Some(marks[..=at].to_vec())
    }
}

/// A commit: what identifies it, wherever it is rebased to, is what it adds.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Commit {
    /// The first line of the message.
    pub subject: Arc<str>,
    /// The marks that its own change adds; none for a merge.
    pub adds: Vec<Mark>,
    /// Whether it has more than one parent.
    pub merge: bool,
    /// A hash of all that its change adds, 0 where it changes nothing; `None` where that was not
    /// seen, and for a merge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<u64>,
}

impl Commit {
    /// Whether another commit makes the same change, as far as that was seen. The message may be
    /// another.
    fn is_same_change(&self, other: &Self) -> bool {
        let is_same_content = match (self.content, other.content) {
            (Some(one), Some(two)) => one == two,
            // Nothing but the message is left to know it by.
            _ if self.adds.is_empty() => self.subject == other.subject,
            _ => true,
        };
        self.adds == other.adds && is_same_content
    }
}

/// What an object of a site holds, as far as judgement needs it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Content {
    /// CRC-32 (cksum) of the bytes.
    pub digest: u32,
    /// Its length, in bytes.
    pub size: usize,
    /// The marks in it, in order.
    pub marks: Vec<Mark>,
    /// The keys of the assets in the same site that it names.
    pub names: Vec<Arc<str>>,
}

/// The attributes of a session's record that the contract names.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// How the session is, in the system's words.
    pub status: String,
    /// What stopped the last instruction.
    pub last_error: Option<String>,
    /// What the last build or push warned of.
    pub warnings: Vec<String>,
}

/// The objects of a site, by key.
pub type Objects = BTreeMap<Arc<str>, Arc<Content>>;

/// Everything that can be seen of the system at one moment. A part that a target cannot look at is
/// [`Seen::NotSeen`], and the rules that rest on it are not asked.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// The branches of the remote.
    pub remote: Seen<BTreeMap<SessionId, Branch>>,
    /// The workspaces that exist.
    pub workspaces: Seen<BTreeMap<SessionId, Workspace>>,
    /// The objects of each client's site.
    pub sites: Seen<BTreeMap<ClientId, Objects>>,
    /// The records of the sessions.
    pub records: Seen<BTreeMap<SessionId, Record>>,
    /// Messages that are visible, delayed or in flight.
    pub queued: Seen<Vec<Mark>>,
    /// The messages of the dead-letter queues.
    pub dead_letters: Seen<Vec<Mark>>,
    /// The clients whose containers run.
    pub running: Seen<Vec<ClientId>>,
}

impl Snapshot {
    /// A system of which every part is seen, and is empty.
    pub fn empty() -> Self {
        fn empty<T: Default>() -> Seen<T> {
            Seen::Seen(T::default())
        }
        Self {
            remote: empty(),
            workspaces: empty(),
            sites: empty(),
            records: empty(),
            queued: empty(),
            dead_letters: empty(),
            running: empty(),
        }
    }

    /// Whether the parts that show this were seen.
    pub fn shows(&self, evidence: Evidence) -> bool {
        match evidence {
            Evidence::Remote => self.remote.get().is_some(),
            Evidence::Workspace => self.workspaces.get().is_some(),
            Evidence::Site => self.sites.get().is_some(),
            Evidence::Record => self.records.get().is_some(),
            Evidence::Queue => self.queued.get().and(self.dead_letters.get()).is_some(),
            Evidence::Process => self.running.get().is_some(),
            // Events show these alone.
            Evidence::Agent
            | Evidence::Log
            | Evidence::Outcome
            | Evidence::Report
            | Evidence::Requests
            | Evidence::Secrets => true,
        }
    }

    /// The same, without the parts that the profile says cannot be seen.
    #[must_use]
    pub fn as_seen_by(mut self, profile: &Profile) -> Self {
        let hidden = |evidence| profile.unseen(evidence).is_some();
        let Self {
            remote,
            workspaces,
            sites,
            records,
            queued,
            dead_letters,
            running,
        } = &mut self;
        remote.hide_if(hidden(Evidence::Remote));
        workspaces.hide_if(hidden(Evidence::Workspace));
        sites.hide_if(hidden(Evidence::Site));
        records.hide_if(hidden(Evidence::Record));
        queued.hide_if(hidden(Evidence::Queue));
        dead_letters.hide_if(hidden(Evidence::Queue));
        running.hide_if(hidden(Evidence::Process));
        self
    }
}

/// A container's checkout of a session's branch.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Workspace {
    /// The branch that is checked out.
    pub branch: Branch,
    /// What git would call unfinished or stray: a merge, a rebase, a stash, a lock, a file.
    pub debris: Vec<String>,
}
