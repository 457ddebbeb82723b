//! Mistakes around the git workspaces.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::wrap;
use crate::plan::{Mark, SessionId};
use crate::worker::ports::{
    Clock, CommitId, FileChange, Force, Kind, PortError, PortResult, Ports, PushError, Queue,
    Rebase, Status, Workspace,
};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mistake {
    ForcePush,
    ForcePushOnConflict,
    NeverHasInstruction,
    /// Looks for an instruction only among the commits that the remote lacks.
    ForgetsPushed,
    /// Uses the first session's checkout for all.
    OneCheckout,
    ClaimsPush,
    TokenInError,
    TokenInCommit,
    NothingAhead,
    NeverMerges,
    PanicsOnDenied,
    /// A checkout that is there is used as it is.
    NeverCleans,
    /// The sessions of an older container's checkouts are not looked at.
    ForgetsSessions,
    /// Deletes the message under way once its commit is pushed.
    AcknowledgesPush,
    /// What is not pushed at once waits until no instruction came for minutes.
    PushesInQuiet,
    /// What a rebase or a merge brings from outside is deleted again.
    DropsForeign,
    /// A checkout that cannot be opened is opened again until it can, every half second or at once.
    OpensAtFixedPace,
    OpensWithoutWait,
    /// A checkout that cannot be opened is opened four times at once.
    OpensFourTimes,
    /// A push that fails is made again at once, twice, and no more often than it may be.
    PushesThriceAtOnce,
}

/// How long no instruction must have come.
const QUIET: Duration = Duration::from_secs(240);
/// A push within this of its commit is one of the instruction.
const AT_ONCE: Duration = Duration::from_secs(40);

pub(super) fn plant(ports: &mut Ports, mistake: Mistake) {
    plant_with(ports, mistake, None);
}

pub(super) fn plant_after_push(ports: &mut Ports, queue: Rc<dyn Queue>, under_way: UnderWay) {
    plant_with(ports, Mistake::AcknowledgesPush, Some((queue, under_way)));
}

/// The receipt of the message under way.
type UnderWay = Rc<RefCell<Option<Arc<str>>>>;

fn plant_with(ports: &mut Ports, mistake: Mistake, message: Option<(Rc<dyn Queue>, UnderWay)>) {
    let clock = ports.clock.clone();
    wrap(&mut ports.workspace, |inner| {
        Rc::new(DefectiveWorkspace {
            inner,
            mistake,
            first: RefCell::default(),
            conflicted: Cell::new(false),
            committed: Cell::new(None),
            clock,
            message,
        })
    });
}

struct DefectiveWorkspace {
    inner: Rc<dyn Workspace>,
    mistake: Mistake,
    first: RefCell<Option<SessionId>>,
    conflicted: Cell<bool>,
    /// When something was last committed.
    committed: Cell<Option<Duration>>,
    clock: Rc<dyn Clock>,
    message: Option<(Rc<dyn Queue>, UnderWay)>,
}

impl DefectiveWorkspace {
    fn session(&self, session: &SessionId) -> SessionId {
        if self.mistake != Mistake::OneCheckout {
            return session.clone();
        }
        let mut first = self.first.borrow_mut();
        first.get_or_insert_with(|| session.clone()).clone()
    }

    fn with_token(&self, mut error: PortError) -> PortError {
        if self.mistake == Mistake::TokenInError {
            error.text = format!("{} (token {})", error.text, crate::target::GIT_TOKEN);
        }
        error
    }
}

#[async_trait(?Send)]
impl Workspace for DefectiveWorkspace {
    async fn open(&self, session: &SessionId) -> PortResult<bool> {
        if self.mistake == Mistake::NeverCleans && self.inner.sessions().await?.contains(session) {
            return Ok(false);
        }
        let mut attempt = 0;
        loop {
            let opened = self.inner.open(&self.session(session)).await;
            attempt += 1;
            match self.mistake {
                _ if opened.is_ok() => return opened,
                Mistake::OpensWithoutWait => {}
                Mistake::OpensAtFixedPace => self.clock.sleep(Duration::from_millis(500)).await,
                Mistake::OpensFourTimes if attempt < 4 => {}
                _ => return opened,
            }
        }
    }

    async fn sessions(&self) -> PortResult<Vec<SessionId>> {
        if self.mistake == Mistake::ForgetsSessions {
            return Ok(Vec::new());
        }
        self.inner.sessions().await
    }

    async fn fetch(&self, session: &SessionId) -> PortResult<()> {
        self.inner.fetch(&self.session(session)).await
    }

    async fn status(&self, session: &SessionId) -> PortResult<Status> {
        let mut status = self.inner.status(&self.session(session)).await?;
        if self.mistake == Mistake::NothingAhead {
            status.ahead.clear();
        }
        Ok(status)
    }

    async fn has_instruction(&self, session: &SessionId, id: &str) -> PortResult<bool> {
        match self.mistake {
            Mistake::NeverHasInstruction => Ok(false),
            Mistake::ForgetsPushed => {
                let status = self.inner.status(session).await?;
                Ok(status.ahead.iter().any(|ahead| &**ahead == id))
            }
            _ => self.inner.has_instruction(&self.session(session), id).await,
        }
    }

    async fn instructed(&self, session: &SessionId) -> PortResult<Vec<CommitId>> {
        self.inner.instructed(&self.session(session)).await
    }

    async fn apply(&self, session: &SessionId, changes: &[FileChange]) -> PortResult<()> {
        self.inner.apply(&self.session(session), changes).await
    }

    async fn commit(&self, session: &SessionId, message: &str, id: &str) -> PortResult<CommitId> {
        let token = match self.mistake {
            Mistake::TokenInCommit => format!(" {}", crate::target::GIT_TOKEN),
            _ => String::new(),
        };
        let message = format!("{message}{token}");
        self.committed.set(Some(self.clock.now()));
        self.inner
            .commit(&self.session(session), &message, id)
            .await
    }

    async fn rebase(&self, session: &SessionId) -> PortResult<Rebase> {
        let rebase = self.inner.rebase(&self.session(session)).await?;
        self.conflicted.set(rebase == Rebase::Conflict);
        if self.mistake == Mistake::DropsForeign && rebase == Rebase::Done {
            let path = |n| format!("{}{}.txt", crate::site::OUTSIDE, Mark::Outside(n)).into();
            let delete: Vec<FileChange> = (1..=9)
                .map(|n| FileChange::Delete { path: path(n) })
                .collect();
            self.inner.apply(session, &delete).await?;
            self.inner.commit(session, "Tidy up", "").await?;
        }
        Ok(rebase)
    }

    async fn merge(&self, session: &SessionId) -> PortResult<()> {
        match self.mistake {
            Mistake::NeverMerges | Mistake::ForcePushOnConflict => Ok(()),
            _ => self.inner.merge(&self.session(session)).await,
        }
    }

    async fn push(&self, session: &SessionId, force: Force) -> Result<(), PushError> {
        if self.mistake == Mistake::PushesThriceAtOnce {
            for _ in 0..2 {
                let pushed = self.inner.push(session, force).await;
                if !matches!(pushed, Err(PushError::Failed(_))) {
                    return pushed;
                }
            }
        }
        let force = match self.mistake {
            Mistake::ForcePush => Force::Always,
            Mistake::ForcePushOnConflict if self.conflicted.take() => Force::Always,
            _ => force,
        };
        if self.mistake == Mistake::PushesInQuiet
            && let Some(committed) = self.committed.get()
        {
            let since = self.clock.now().saturating_sub(committed);
            if since > AT_ONCE && since < QUIET {
                return Err(PushError::Failed(PortError::new(Kind::Other, "not now")));
            }
        }
        match self.inner.push(&self.session(session), force).await {
            Err(PushError::Failed(_)) if self.mistake == Mistake::ClaimsPush => Ok(()),
            Err(PushError::Failed(error))
                if self.mistake == Mistake::PanicsOnDenied && error.kind == Kind::Denied =>
            {
                panic!("planted defect: {error}")
            }
            Err(PushError::Failed(error)) => Err(PushError::Failed(self.with_token(error))),
            Ok(()) => {
                if let Some((queue, under_way)) = &self.message
                    && let Some(receipt) = under_way.take()
                {
                    // Whether that worked makes no difference to what follows.
                    let _ = queue.delete(&receipt).await;
                }
                Ok(())
            }
            pushed => pushed,
        }
    }
}
