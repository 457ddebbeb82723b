//! The container's loop: one instruction at a time, and what was put off in between.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures::future::select;

use super::deploy::Built;
use super::ports::{
    BreakerRecord, Delivery, Instruction, Item, Key, Kind, Line, PortError, PortResult, Ports,
    Queue, RetryRequest, SessionRecord, SiteRecord,
};
use super::retry::within;
use super::settings::Settings;
use crate::history::Level;
use crate::plan::{Phase, SessionId};

/// A container of one client.
pub struct Worker {
    pub(super) ports: Ports,
    pub(super) settings: Settings,
    /// Sessions whose commits wait in the workspace, and when each is due to be pushed again.
    pub(super) unpushed: RefCell<BTreeMap<SessionId, Duration>>,
    /// When the deploy is due again, where the site does not show what it should yet.
    pub(super) undeployed: Cell<Option<Duration>>,
    /// When the next round of what was put off begins, unless something is due before.
    due: Cell<Duration>,
    /// The newest good build, kept so that a deploy that was put off need not build again.
    pub(super) built: RefCell<Option<Built>>,
    /// The services that did not answer when they were last asked.
    offline: RefCell<BTreeSet<&'static str>>,
}

impl Worker {
    pub fn new(ports: Ports, settings: Settings) -> Self {
        Self {
            ports,
            settings,
            unpushed: RefCell::default(),
            undeployed: Cell::default(),
            due: Cell::new(Duration::ZERO),
            built: RefCell::default(),
            offline: RefCell::default(),
        }
    }

    /// Runs for ever. Only a crash ends it.
    pub async fn run(&self) {
        self.say(Level::Info, None, "Container started").await;
        self.recover().await;
        let mut idle_failures = 0;
        loop {
            if self.has_due() {
                self.do_put_off().await;
            }
            let polled = self.poll().await;
            if let Err(error) = polled {
                idle_failures += 1;
                let wait = self.settings.store.wait(
                    idle_failures,
                    self.ports.clock.chance(),
                    error.retry_after,
                );
                self.ports.clock.sleep(wait).await;
            } else {
                idle_failures = 0;
            }
        }
    }

    /// Takes one message of each queue, if there is one, and handles it.
    async fn poll(&self) -> PortResult<()> {
        let limit = self.settings.poll + self.settings.request_limit;
        let instructions = &self.ports.instructions;
        let received = self
            .ask("queue", limit, instructions.receive(self.settings.poll))
            .await?;
        if let Some(delivery) = received {
            self.handle(&delivery).await;
        }
        let retries = &self.ports.retries;
        let limit = self.settings.request_limit;
        if let Some(delivery) = self
            .ask("queue", limit, retries.receive(Duration::ZERO))
            .await?
        {
            self.handle_retry(&delivery).await;
        }
        Ok(())
    }

    /// Handles an instruction while keeping its message invisible, and acknowledges it once its
    /// outcome is durable.
    async fn handle(&self, delivery: &Delivery) {
        let instruction: Instruction = match serde_json::from_str(&delivery.body) {
            Ok(instruction) => instruction,
            Err(error) => {
                // Left on the queue, it reaches the dead letters, where an operator can look at it.
                let text = format!("Cannot read an instruction message: {error}");
                return self.say(Level::Error, None, &text).await;
            }
        };
        let work = pin!(self.carry_out(&instruction, delivery.receives));
        let queue = &*self.ports.instructions;
        let keep = pin!(self.keep_invisible(queue, delivery));
        select(work, keep).await;
        self.acknowledge(queue, delivery).await;
    }

    async fn handle_retry(&self, delivery: &Delivery) {
        let queue = &*self.ports.retries;
        match serde_json::from_str(&delivery.body) {
            Ok(RetryRequest::RetryGitPush { session_id }) => {
                let work = pin!(self.push_put_off(&session_id));
                let keep = pin!(self.keep_invisible(queue, delivery));
                select(work, keep).await;
            }
            Err(error) => {
                let text = format!("Cannot read a retry message: {error}");
                self.say(Level::Error, None, &text).await;
            }
        }
        self.acknowledge(queue, delivery).await;
    }

    /// Deletes a message. Where that fails for good, it comes again and is known as handled.
    async fn acknowledge(&self, queue: &dyn Queue, delivery: &Delivery) {
        for attempt in 1..=3 {
            let limit = self.settings.request_limit;
            let deleted = self
                .ask("queue", limit, queue.delete(&delivery.receipt))
                .await;
            if deleted.is_ok() {
                return;
            }
            let wait = self
                .settings
                .push
                .wait(attempt, self.ports.clock.chance(), None);
            self.ports.clock.sleep(wait).await;
        }
    }

    async fn keep_invisible(&self, queue: &dyn Queue, delivery: &Delivery) {
        loop {
            self.ports.clock.sleep(self.settings.visibility / 3).await;
            let limit = self.settings.request_limit;
            let extend = queue.extend(&delivery.receipt, self.settings.visibility);
            // A message that could not be kept comes again; handling it twice does no harm.
            let _ = self.ask("queue", limit, extend).await;
        }
    }

    /// Lets something wait for a random time within the bounds. Returns when it is due.
    pub(super) fn put_off(&self) -> Duration {
        let (shortest, longest) = self.settings.put_off;
        let wait = shortest + (longest - shortest).mul_f64(self.ports.clock.chance());
        self.due.set(self.ports.clock.now() + wait);
        self.due.get()
    }

    fn has_due(&self) -> bool {
        let now = self.ports.clock.now();
        let is_due = |due: &Duration| *due <= now;
        is_due(&self.due.get())
            || self.undeployed.get().is_some_and(|due| is_due(&due))
            || self.unpushed.borrow().values().any(is_due)
    }

    /// Tries what is due. A push of one session waits neither for those of others nor for the deploy.
    pub(super) async fn do_put_off(&self) {
        let now = self.ports.clock.now();
        let mut pushes = self.unpushed.borrow().clone();
        pushes.retain(|_, due| *due <= now);
        for session in pushes.keys() {
            self.push_put_off(session).await;
        }
        let deploys = self.undeployed.get().is_some_and(|due| due <= now);
        if deploys {
            self.deploy_put_off().await;
        }
        let again = self.put_off();
        for (session, due) in self.unpushed.borrow_mut().iter_mut() {
            if pushes.contains_key(session) {
                *due = again;
            }
        }
        if deploys && self.undeployed.get().is_some() {
            self.undeployed.set(Some(again));
        }
    }

    /// Asks a service, with a time limit, and logs when it goes away and comes back.
    pub(super) async fn ask<T>(
        &self,
        service: &'static str,
        limit: Duration,
        request: impl Future<Output = PortResult<T>>,
    ) -> PortResult<T> {
        let result = within(&*self.ports.clock, limit, service, request).await;
        let is_network = matches!(&result, Err(error) if error.kind == Kind::Network);
        if is_network {
            if self.offline.borrow_mut().insert(service)
                && let Err(error) = &result
            {
                let text = format!("Network error: {service}: {error}");
                self.say(Level::Warn, None, &text).await;
            }
        } else if self.offline.borrow_mut().remove(service) {
            let text = format!("Connection restored: {service}");
            self.say(Level::Info, None, &text).await;
        }
        result
    }

    pub(super) async fn say(&self, level: Level, session: Option<&SessionId>, text: &str) {
        self.ports
            .log
            .write(Line {
                level,
                session: session.cloned(),
                phase: None,
                text: text.into(),
            })
            .await;
    }

    pub(super) async fn enter(&self, session: &SessionId, phase: Phase, text: String) {
        self.ports
            .log
            .write(Line {
                level: Level::Info,
                session: Some(session.clone()),
                phase: Some(phase),
                text,
            })
            .await;
    }

    /// Reads an item of the session table, trying until the table answers.
    pub(super) async fn read(&self, key: &Key) -> Option<Item> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let limit = self.settings.request_limit;
            match self
                .ask("session table", limit, self.ports.store.read(key))
                .await
            {
                Ok(item) => return item,
                Err(error) => self.wait_for_store(attempt, &error).await,
            }
        }
    }

    /// Writes an item of the session table, trying until the table answers. Returns whether the
    /// expected version was there.
    pub(super) async fn write(&self, key: &Key, item: &Item, expected: Option<u64>) -> bool {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let limit = self.settings.request_limit;
            let write = self.ports.store.write(key, item, expected);
            match self.ask("session table", limit, write).await {
                Ok(written) => return written,
                Err(error) => self.wait_for_store(attempt, &error).await,
            }
        }
    }

    async fn wait_for_store(&self, attempt: u32, error: &PortError) {
        if attempt == 1 {
            let text = format!("Session table failed, trying again: {error}");
            self.say(Level::Warn, None, &text).await;
        }
        let chance = self.ports.clock.chance();
        let wait = self.settings.store.wait(attempt, chance, error.retry_after);
        self.ports.clock.sleep(wait).await;
    }

    pub(super) async fn session_record(&self, session: &SessionId) -> SessionRecord {
        match self.read(&Key::Session(session.clone())).await {
            Some(Item::Session(record)) => record,
            _ => SessionRecord::default(),
        }
    }

    /// Writes a session's record. Only this container writes it, so no version is expected.
    pub(super) async fn save_session(&self, session: &SessionId, record: &SessionRecord) {
        let item = Item::Session(record.clone());
        self.write(&Key::Session(session.clone()), &item, None)
            .await;
    }

    pub(super) async fn site_record(&self) -> SiteRecord {
        match self.read(&Key::Site(self.settings.client.clone())).await {
            Some(Item::Site(record)) => record,
            _ => SiteRecord::default(),
        }
    }

    /// Writes the client's site record. Only this container writes it.
    pub(super) async fn save_site(&self, record: &SiteRecord) {
        let key = Key::Site(self.settings.client.clone());
        self.write(&key, &Item::Site(record.clone()), None).await;
    }

    pub(super) async fn breaker_record(&self) -> BreakerRecord {
        match self.read(&Key::Breaker).await {
            Some(Item::Breaker(record)) => record,
            _ => BreakerRecord::default(),
        }
    }
}
