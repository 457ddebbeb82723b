//! Mistakes around the session table, and so around the breaker and the records.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;

use super::{FOR_EVER, wrap};
use crate::plan::SessionId;
use crate::worker::ports::{
    BreakerRecord, BreakerState, Item, Key, PortResult, Ports, SessionRecord, SiteRecord, Store,
    Wanted,
};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mistake {
    HidesInjection,
    ForgetsHandled,
    ForgetsSaved,
    MarksNeighbour,
    /// A build's warnings are written into another session's record too.
    WarnsNeighbour,
    TellsNoError,
    KeepsError,
    KeepsWarning,
    TellsNoWarning,
    CountsAsDeployed,
    /// Keeps the first build that was put off as the wanted one.
    KeepsOldWanted,
    NeverResetsCount,
    HalfOpenIsClosed,
    OwnBreaker,
    /// The permit is written without its holder.
    PermitWithoutHolder,
    ClosesBreakerAtStart,
    /// A probe that succeeds opens the breaker again.
    ProbeNeverCloses,
    /// A probe that fails opens the breaker without a new cool-down.
    ReopensWithoutCoolDown,
    ForgetsDeployAtStart,
    ForgetsSessionsAtStart,
    /// Writes that cannot be made bring the container down.
    PanicsOnThrottle,
    /// A start knows the first session alone.
    ForgetsOthersAtStart,
    /// Remembers one commit that was saved locally.
    RemembersNewestSaved,
    TellsNoConflict,
    TellsNoPutOffPush,
    TellsNoDeadLetter,
    TokenInRecord,
}

pub(super) fn plant(ports: &mut Ports, mistake: Mistake) {
    wrap(&mut ports.store, |inner| {
        Rc::new(DefectiveStore {
            inner,
            mistake,
            own: RefCell::default(),
        })
    });
}

struct DefectiveStore {
    inner: Rc<dyn Store>,
    mistake: Mistake,
    own: RefCell<Own>,
}

/// What the mistakes remember in the container.
#[derive(Default)]
struct Own {
    breaker: BreakerRecord,
    failures: u32,
    sessions: Vec<SessionId>,
    error: Option<String>,
    warnings: Vec<String>,
    wanted: Option<Wanted>,
    has_read_breaker: bool,
    has_read_site: bool,
    was_half_open: bool,
}

impl DefectiveStore {
    fn session_read(&self, record: &mut SessionRecord) {
        match self.mistake {
            Mistake::HidesInjection => record.failure_injection = None,
            Mistake::ForgetsHandled => record.handled.clear(),
            Mistake::ForgetsSaved => record.saved_locally.clear(),
            _ => {}
        }
    }

    fn session_written(&self, record: &mut SessionRecord) {
        let mut own = self.own.borrow_mut();
        match self.mistake {
            Mistake::TellsNoError => {
                record.failure = None;
                record.push_put_off = None;
                record.deploy_put_off = None;
            }
            Mistake::KeepsError => {
                if record.failure.is_some() {
                    own.error.clone_from(&record.failure);
                }
                record.failure.clone_from(&own.error);
            }
            Mistake::KeepsWarning => {
                if !record.build_warnings.is_empty() {
                    own.warnings.clone_from(&record.build_warnings);
                }
                record.build_warnings.clone_from(&own.warnings);
            }
            Mistake::TellsNoWarning => {
                record.build_warnings.clear();
                record.push_warning = None;
            }
            Mistake::TellsNoConflict => record.push_warning = None,
            Mistake::RemembersNewestSaved => {
                let older = record.saved_locally.len().saturating_sub(1);
                record.saved_locally.drain(..older);
            }
            Mistake::TellsNoPutOffPush => record.push_put_off = None,
            Mistake::TellsNoDeadLetter => {
                let is_cut_off = |failure: &String| failure.contains("dead-letter");
                record.failure.take_if(|failure| is_cut_off(failure));
            }
            Mistake::TokenInRecord => {
                if let Some(failure) = &mut record.failure {
                    failure.push_str(crate::target::GIT_TOKEN);
                }
            }
            _ => {}
        }
    }

    fn site_written(&self, record: &mut SiteRecord) {
        match self.mistake {
            Mistake::CountsAsDeployed => record.deployed = true,
            Mistake::KeepsOldWanted => {
                let mut own = self.own.borrow_mut();
                if record.deployed {
                    own.wanted = None;
                } else if own.wanted.is_some() {
                    record.wanted.clone_from(&own.wanted);
                } else {
                    own.wanted.clone_from(&record.wanted);
                }
            }
            _ => {}
        }
    }

    fn breaker_written(&self, record: &mut BreakerRecord) {
        let mut own = self.own.borrow_mut();
        match (self.mistake, record.state) {
            (Mistake::NeverResetsCount, BreakerState::Closed) => {
                record.failures = record.failures.max(own.failures);
                own.failures = record.failures;
            }
            (Mistake::NeverResetsCount, _) => own.failures = 0,
            (Mistake::PermitWithoutHolder, BreakerState::HalfOpen) => {
                record.until = FOR_EVER;
            }
            (Mistake::ProbeNeverCloses, BreakerState::Closed) if own.was_half_open => {
                record.state = BreakerState::Open;
                record.until = record.until.max(Duration::from_secs(1));
            }
            (Mistake::ReopensWithoutCoolDown, BreakerState::Open) if own.was_half_open => {
                record.until = Duration::ZERO;
            }
            _ => {}
        }
        own.was_half_open = record.state == BreakerState::HalfOpen;
    }

    /// What a container finds when it has just started.
    fn first_read(&self, item: &mut Item) {
        let mut own = self.own.borrow_mut();
        let was_read = match item {
            Item::Breaker(_) => &mut own.has_read_breaker,
            Item::Site(_) => &mut own.has_read_site,
            Item::Session(_) => return,
        };
        if std::mem::replace(was_read, true) {
            return;
        }
        match (self.mistake, item) {
            (Mistake::ClosesBreakerAtStart, Item::Breaker(record)) => {
                record.state = BreakerState::Closed;
                record.failures = 0;
            }
            (Mistake::ForgetsDeployAtStart, Item::Site(record)) => record.deployed = true,
            (Mistake::ForgetsSessionsAtStart, Item::Site(record)) => record.sessions.clear(),
            (Mistake::ForgetsOthersAtStart, Item::Site(record)) => record.sessions.truncate(1),
            _ => {}
        }
    }

    async fn mark_neighbour(&self, key: &Key, record: &SessionRecord) -> PortResult<()> {
        let Key::Session(session) = key else {
            return Ok(());
        };
        let neighbour = {
            let mut own = self.own.borrow_mut();
            if !own.sessions.contains(session) {
                own.sessions.push(session.clone());
            }
            own.sessions.iter().find(|other| *other != session).cloned()
        };
        let warns = self.mistake == Mistake::WarnsNeighbour && !record.build_warnings.is_empty();
        let fails = self.mistake == Mistake::MarksNeighbour && record.failure.is_some();
        let Some(neighbour) = neighbour.filter(|_| warns || fails) else {
            return Ok(());
        };
        let key = Key::Session(neighbour);
        if let Some(Item::Session(mut other)) = self.inner.read(&key).await? {
            if warns {
                other.build_warnings.clone_from(&record.build_warnings);
            } else {
                other.failure.clone_from(&record.failure);
            }
            self.inner.write(&key, &Item::Session(other), None).await?;
        }
        Ok(())
    }
}

#[async_trait(?Send)]
impl Store for DefectiveStore {
    async fn read(&self, key: &Key) -> PortResult<Option<Item>> {
        if self.mistake == Mistake::OwnBreaker && *key == Key::Breaker {
            return Ok(Some(Item::Breaker(self.own.borrow().breaker.clone())));
        }
        let mut item = self.inner.read(key).await?;
        if let Some(item) = &mut item {
            self.first_read(item);
        }
        match &mut item {
            Some(Item::Session(record)) => self.session_read(record),
            Some(Item::Breaker(record)) => match (self.mistake, record.state) {
                (Mistake::HalfOpenIsClosed, BreakerState::HalfOpen) => {
                    record.state = BreakerState::Closed;
                }
                (Mistake::PermitWithoutHolder, BreakerState::HalfOpen) => record.probe = None,
                _ => {}
            },
            _ => {}
        }
        Ok(item)
    }

    async fn write(&self, key: &Key, item: &Item, expected: Option<u64>) -> PortResult<bool> {
        let mut item = item.clone();
        match &mut item {
            Item::Session(record) => {
                self.session_written(record);
                if matches!(
                    self.mistake,
                    Mistake::MarksNeighbour | Mistake::WarnsNeighbour
                ) {
                    self.mark_neighbour(key, record).await?;
                }
            }
            Item::Site(record) => self.site_written(record),
            Item::Breaker(record) if self.mistake == Mistake::OwnBreaker => {
                self.own.borrow_mut().breaker = record.clone();
                return Ok(true);
            }
            Item::Breaker(record) => self.breaker_written(record),
        }
        let written = self.inner.write(key, &item, expected).await;
        if self.mistake == Mistake::PanicsOnThrottle
            && let Err(error) = &written
        {
            panic!("planted defect: {error}");
        }
        written
    }
}
