//! Mistakes that end instructions without doing them: politely, and for no reason.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::wrap;
use crate::plan::SessionId;
use crate::worker::ports::{
    Agent, BreakerState, Build, BuildStatus, Builder, CommitId, Delivery, Instruction, Item, Key,
    Kind, PortError, PortResult, Ports, Queue, Turn,
};

/// When an instruction is refused.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Refuses {
    /// A build of its session failed in this container.
    AfterFailedBuild,
    /// Its message was delivered before.
    SecondReceive,
    WhileBreakerOpen,
    /// Commits of its session wait to be pushed.
    BesideUnpushed,
    /// A request to the agent failed for its session: the conversation is kept, and broken.
    BrokenConversation,
    /// Its session was worked on by a container before this one: that one's lock is still there.
    OlderLock,
    /// Its message was delivered before, and its session has a new checkout.
    LostInFlight,
}

/// Makes the agent's answer a refusal.
pub(super) fn plant(ports: &mut Ports, refuses: Refuses) {
    let seen = Rc::new(Seen::default());
    let ports_before = ports.clone();
    wrap(&mut ports.instructions, |inner| {
        let seen = seen.clone();
        Rc::new(Watched { inner, seen })
    });
    wrap(&mut ports.builder, |inner| {
        let seen = seen.clone();
        Rc::new(Watched { inner, seen })
    });
    wrap(&mut ports.agent, |inner| {
        Rc::new(Refusing {
            inner,
            seen,
            refuses,
            ports: ports_before,
        })
    });
}

/// What was seen of the other ports.
#[derive(Default)]
struct Seen {
    receives: Cell<u32>,
    failed_builds: RefCell<BTreeSet<SessionId>>,
    failed_asks: RefCell<BTreeSet<SessionId>>,
    handled_here: RefCell<BTreeSet<SessionId>>,
}

struct Watched<P: ?Sized> {
    seen: Rc<Seen>,
    inner: Rc<P>,
}

struct Refusing {
    refuses: Refuses,
    seen: Rc<Seen>,
    ports: Ports,
    inner: Rc<dyn Agent>,
}

impl Refusing {
    async fn is_refused(&self, session: &SessionId) -> PortResult<bool> {
        let seen = &self.seen;
        Ok(match self.refuses {
            Refuses::AfterFailedBuild => seen.failed_builds.borrow().contains(session),
            Refuses::SecondReceive => seen.receives.get() > 1,
            Refuses::WhileBreakerOpen => matches!(
                self.ports.store.read(&Key::Breaker).await?,
                Some(Item::Breaker(record)) if record.state != BreakerState::Closed
            ),
            Refuses::BesideUnpushed => {
                !self.ports.workspace.status(session).await?.ahead.is_empty()
            }
            Refuses::BrokenConversation => seen.failed_asks.borrow().contains(session),
            Refuses::OlderLock => {
                let is_first = seen.handled_here.borrow_mut().insert(session.clone());
                let key = Key::Session(session.clone());
                let record = self.ports.store.read(&key).await?;
                let is_locked =
                    matches!(&record, Some(Item::Session(record)) if !record.handled.is_empty());
                if is_first && is_locked {
                    seen.failed_asks.borrow_mut().insert(session.clone());
                }
                seen.failed_asks.borrow().contains(session)
            }
            Refuses::LostInFlight => {
                seen.receives.get() > 1
                    && self.ports.workspace.instructed(session).await?.is_empty()
            }
        })
    }
}

#[async_trait(?Send)]
impl Agent for Refusing {
    async fn ask(&self, instruction: &Instruction, so_far: &[Turn]) -> PortResult<Turn> {
        let session = &instruction.session_id;
        if so_far.is_empty() && self.is_refused(session).await? {
            return Err(PortError::new(Kind::Denied, "the instruction is refused"));
        }
        let answer = self.inner.ask(instruction, so_far).await;
        if answer.is_err() && self.refuses == Refuses::BrokenConversation {
            self.seen.failed_asks.borrow_mut().insert(session.clone());
        }
        answer
    }
}

#[async_trait(?Send)]
impl Builder for Watched<dyn Builder> {
    async fn build(&self, session: &SessionId, commit: &CommitId) -> PortResult<Build> {
        let build = self.inner.build(session, commit).await?;
        if matches!(build.status, BuildStatus::Failed(_)) {
            self.seen.failed_builds.borrow_mut().insert(session.clone());
        }
        Ok(build)
    }
}

#[async_trait(?Send)]
impl Queue for Watched<dyn Queue> {
    async fn receive(&self, wait: Duration) -> PortResult<Option<Delivery>> {
        let received = self.inner.receive(wait).await?;
        if let Some(delivery) = &received {
            self.seen.receives.set(delivery.receives);
        }
        Ok(received)
    }

    async fn extend(&self, receipt: &str, visibility: Duration) -> PortResult<()> {
        self.inner.extend(receipt, visibility).await
    }

    async fn delete(&self, receipt: &str) -> PortResult<()> {
        self.inner.delete(receipt).await
    }
}

/// A message that comes again to a container without a checkout of its session is deleted, and its
/// work reported as lost.
pub(super) fn plant_giving_up_lost(ports: &mut Ports) {
    let others = ports.clone();
    wrap(&mut ports.instructions, |inner| {
        Rc::new(GivingUpLost { inner, others })
    });
}

struct GivingUpLost {
    inner: Rc<dyn Queue>,
    others: Ports,
}

#[async_trait(?Send)]
impl Queue for GivingUpLost {
    async fn receive(&self, wait: Duration) -> PortResult<Option<Delivery>> {
        let received = self.inner.receive(wait).await?;
        let again = received.as_ref().filter(|delivery| delivery.receives > 1);
        let Some(instruction) = again.and_then(|it| read(&it.body)) else {
            return Ok(received);
        };
        let session = &instruction.session_id;
        let id = &instruction.instruction_id;
        let key = Key::Session(session.clone());
        let Some(Item::Session(mut record)) = self.others.store.read(&key).await? else {
            return Ok(received);
        };
        let workspace = &self.others.workspace;
        let was_begun = !record.status.is_empty();
        if was_begun && !workspace.has_instruction(session, id).await.unwrap_or(true) {
            record.failure = Some(format!("lost with the workspace: {id}"));
            record.handled.push(id.clone());
            self.others
                .store
                .write(&key, &Item::Session(record), None)
                .await?;
        }
        Ok(received)
    }

    async fn extend(&self, receipt: &str, visibility: Duration) -> PortResult<()> {
        self.inner.extend(receipt, visibility).await
    }

    async fn delete(&self, receipt: &str) -> PortResult<()> {
        self.inner.delete(receipt).await
    }
}

fn read(body: &Arc<str>) -> Option<Instruction> {
    serde_json::from_str(body).ok()
}
