//! Mistakes about which commit is built.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use async_trait::async_trait;

use super::wrap;
use crate::plan::SessionId;
use crate::worker::ports::{
    Build, Builder, CommitId, FileChange, Force, PortResult, Ports, PushError, Rebase, Status,
    Workspace,
};

/// What is built is the commit as it was made, before it was rebased.
pub(super) fn plant_building_before_rebase(ports: &mut Ports) {
    let seen = Rc::new(Seen::default());
    wrap(&mut ports.workspace, |inner| {
        let seen = seen.clone();
        Rc::new(Watched { inner, seen })
    });
    wrap(&mut ports.builder, |inner| {
        Rc::new(OtherCommit { inner, seen })
    });
}

/// What was seen of the workspaces.
#[derive(Default)]
struct Seen {
    /// The commit that was made last in each.
    made: RefCell<BTreeMap<SessionId, CommitId>>,
}

struct Watched {
    inner: Rc<dyn Workspace>,
    seen: Rc<Seen>,
}

struct OtherCommit {
    inner: Rc<dyn Builder>,
    seen: Rc<Seen>,
}

#[async_trait(?Send)]
impl Builder for OtherCommit {
    async fn build(&self, session: &SessionId, commit: &CommitId) -> PortResult<Build> {
        let other = self.seen.made.borrow().get(session).cloned();
        self.inner
            .build(session, other.as_ref().unwrap_or(commit))
            .await
    }
}

#[async_trait(?Send)]
impl Workspace for Watched {
    async fn open(&self, session: &SessionId) -> PortResult<bool> {
        self.inner.open(session).await
    }

    async fn sessions(&self) -> PortResult<Vec<SessionId>> {
        self.inner.sessions().await
    }

    async fn fetch(&self, session: &SessionId) -> PortResult<()> {
        self.inner.fetch(session).await
    }

    async fn status(&self, session: &SessionId) -> PortResult<Status> {
        self.inner.status(session).await
    }

    async fn has_instruction(&self, session: &SessionId, id: &str) -> PortResult<bool> {
        self.inner.has_instruction(session, id).await
    }

    async fn instructed(&self, session: &SessionId) -> PortResult<Vec<CommitId>> {
        self.inner.instructed(session).await
    }

    async fn apply(&self, session: &SessionId, changes: &[FileChange]) -> PortResult<()> {
        self.inner.apply(session, changes).await
    }

    async fn commit(&self, session: &SessionId, message: &str, id: &str) -> PortResult<CommitId> {
        let made = self.inner.commit(session, message, id).await?;
        let mut all = self.seen.made.borrow_mut();
        all.insert(session.clone(), made.clone());
        Ok(made)
    }

    async fn rebase(&self, session: &SessionId) -> PortResult<Rebase> {
        self.inner.rebase(session).await
    }

    async fn merge(&self, session: &SessionId) -> PortResult<()> {
        self.inner.merge(session).await
    }

    async fn push(&self, session: &SessionId, force: Force) -> Result<(), PushError> {
        self.inner.push(session, force).await
    }
}
