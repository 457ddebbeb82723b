//! What is known of one session: its branch, its record, its errors.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::history::{Branch, Record};
use crate::plan::{Mark, SessionId};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Session {
    pub id: SessionId,
    pub client: usize,
    pub remote: Arc<Branch>,
    /// The branch in the container's workspace, as last seen.
    pub local: Arc<Branch>,
    pub record: Record,
    /// Every tree that the branch ever had, local or remote, by its marks.
    pub trees: Vec<Vec<Mark>>,
    /// The marks of all commits ever seen on the branch.
    pub committed: BTreeSet<Mark>,
    /// Something of its own, or of what it shares, may have been recorded as its error since
    /// its record last had none.
    pub may_have_error: bool,
    /// The same for its warnings, for ever: they are seldom recorded.
    pub may_warn: bool,
    /// Commits that were lost with a workspace before the remote had them.
    pub lost: BTreeSet<Mark>,
    /// When commits were first lost with a workspace.
    pub lost_at: Option<std::time::Duration>,
    /// What was lost and reported by name since: in a `lastError`, or in an ERROR line where the
    /// system reports by those.
    pub reported_lost: BTreeSet<Mark>,
    /// An outsider's conflicting commit came since the last push that succeeded.
    pub conflict_landed: bool,
    /// Whether the last push resolved a conflict.
    pub push_conflict: Expected,
    /// When a container that had nothing else to do was asked to push what waits: since then
    /// nothing has held it up, and it has not tried.
    pub retry_asked: Option<std::time::Duration>,
    /// The last attempt of a push that named its branch.
    pub push_tried: std::time::Duration,
    /// When what can leave its container in the midst of a long wait last began or ended.
    pub disturbed: Option<std::time::Duration>,
    /// The stamp of the newest ERROR line that names it, or names no session.
    pub error_line: Option<std::time::Duration>,
    /// The same of a line that says that the breaker stopped a sync.
    pub prevented_line: Option<std::time::Duration>,
    /// The last error that its record reported.
    pub last_report: Option<String>,
    /// When the agent was last asked for it, where deliveries are not seen.
    pub asked_agent: std::time::Duration,
    /// When its record was last written.
    pub recorded_at: std::time::Duration,
    /// A record reported an error that was not there before, and no ERROR line came since the record
    /// before that one, which was written then.
    pub unlogged: Option<std::time::Duration>,
    /// The same of a record that says that the breaker stopped a sync.
    pub unlogged_prevented: Option<std::time::Duration>,
    /// What is known of commits that were lost with a workspace.
    pub loss: Loss,
    /// Whether a message of it was delivered since its workspace was last lost.
    pub delivered_since_loss: bool,
    /// Whether a failure of its builds was injected at some time since an instruction was last handled.
    pub injected: bool,
}

/// Commits that were lost with a workspace, as far as records report them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Loss {
    /// There are none, or a new instruction came since they were reported.
    #[default]
    None,
    Unreported,
    Reported,
}

/// What the contract demands of something, as far as what was seen decides it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Expected {
    #[default]
    No,
    Maybe,
    Yes,
}

impl Expected {
    /// The same, if it is demanded at all.
    pub fn or_not(self) -> Self {
        match self {
            Self::No => Self::No,
            Self::Maybe | Self::Yes => Self::Maybe,
        }
    }
}

impl Session {
    pub fn new(id: SessionId, client: usize) -> Self {
        Self {
            id,
            client,
            remote: Arc::default(),
            local: Arc::default(),
            record: Record::default(),
            trees: vec![Vec::new()],
            committed: BTreeSet::new(),
            may_have_error: false,
            may_warn: false,
            lost: BTreeSet::new(),
            lost_at: None,
            reported_lost: BTreeSet::new(),
            conflict_landed: false,
            push_conflict: Expected::No,
            retry_asked: None,
            push_tried: std::time::Duration::ZERO,
            disturbed: None,
            error_line: None,
            prevented_line: None,
            last_report: None,
            asked_agent: std::time::Duration::ZERO,
            recorded_at: std::time::Duration::ZERO,
            unlogged: None,
            unlogged_prevented: None,
            loss: Loss::None,
            delivered_since_loss: true,
            injected: false,
        }
    }

    /// Whether the remote branch has a commit with this mark.
    pub fn remote_has(&self, mark: Mark) -> bool {
        self.remote
            .commits
            .iter()
            .any(|commit| commit.adds.contains(&mark))
    }

    /// Whether the branch in the workspace has a commit with this mark.
    pub fn local_has(&self, mark: Mark) -> bool {
        self.local
            .commits
            .iter()
            .any(|commit| commit.adds.contains(&mark))
    }

    /// Whether the branch has a commit with this mark, local or remote.
    pub fn has(&self, mark: Mark) -> bool {
        self.remote_has(mark) || self.local_has(mark)
    }

    /// Whether the branch in the workspace has a commit that the remote lacks.
    pub fn is_ahead(&self) -> bool {
        let local = &self.local.commits;
        local.iter().any(|commit| !self.remote.holds(commit))
    }

    /// Takes a report of a failure in: it may name what was lost.
    ///
    /// `is_seen` says whether what was lost is known: otherwise less may be lost than is noted.
    pub(super) fn note_lost(&mut self, report: &str, is_seen: bool) {
        let named = self.lost.iter().filter(|mark| names(report, **mark));
        self.reported_lost.extend(named);
        let is_named = match is_seen {
            true => self.lost.is_subset(&self.reported_lost),
            false => !self.lost.is_disjoint(&self.reported_lost),
        };
        if self.loss == Loss::Unreported && is_named {
            self.loss = Loss::Reported;
        }
    }

    /// Whether commits of acknowledged work wait in the workspace, given the marks of that.
    pub(super) fn waits_with(&self, mark: Mark) -> bool {
        self.local_has(mark) && !self.remote_has(mark)
    }

    pub(super) fn see(&mut self, branch: &Branch) {
        if !self.trees.contains(&branch.tree) {
            self.trees.push(branch.tree.clone());
        }
        for commit in &branch.commits {
            self.committed.extend(&commit.adds);
            // What was done again is lost no more.
            self.lost.retain(|mark| !commit.adds.contains(mark));
        }
    }
}

/// Whether a text names a mark, and not one that only begins like it.
pub fn names(text: &str, mark: Mark) -> bool {
    let word = mark.to_string();
    text.match_indices(&word)
        .any(|(at, _)| !text[at + word.len()..].starts_with(|c: char| c.is_ascii_digit()))
}
