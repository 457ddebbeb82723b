//! Mistakes that come after the fact: what was put off, cleared or lost is done wrong later.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::wrap;
use crate::worker::deploy::is_page;
use crate::worker::ports::{
    Delivery, Instruction, Item, Key, PortResult, Ports, Queue, SessionRecord, Site, Store,
};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Later {
    /// A page whose upload failed is uploaded once more.
    Page,
    /// The assets that were not there when an upload failed are deleted.
    Assets,
    /// A record that said why something was put off is written once more.
    Record,
    /// A message that comes again takes the error of its session away.
    ClearsErrorAgain,
    /// A message that comes again takes the warnings of its session away.
    ClearsWarningsAgain,
    /// What was lost with a workspace is reported for ever.
    KeepsLoss,
    /// What was lost with a workspace is reported until the record is written again.
    ReportsLossOnce,
    /// An instruction that begins clears what older ones left.
    ClearsAtStart,
    /// A push that succeeds clears the error of a deploy.
    PushClearsDeploy,
    /// A failed build leaves the warnings of the one before.
    FailureKeepsWarnings,
    /// A failed instruction is reported instead of what waits.
    FailureAlone,
}

/// How long after the fact: longer than a look after recovery takes.
const AFTER: Duration = Duration::from_secs(45);

pub(super) fn plant(ports: &mut Ports, later: Later) {
    let memory = Rc::new(Memory::default());
    let before = ports.clone();
    macro_rules! wrap_each {
        ($($port:ident),+) => {
            $({
                let (memory, ports_before) = (memory.clone(), before.clone());
                wrap(&mut ports.$port, |inner| Rc::new(Remembering { inner, later, memory, ports: ports_before }));
            })+
        };
    }
    wrap_each!(instructions, site, store);
}

/// Something, and when it came about.
type Since<T> = (Duration, T);
type Object = (String, Arc<[u8]>);
type Listing = BTreeMap<Arc<str>, Arc<str>>;

/// What a container remembers.
#[derive(Default)]
struct Memory {
    page: RefCell<Option<Since<Object>>>,
    assets: RefCell<Option<Since<Listing>>>,
    record: RefCell<Option<Since<(Key, SessionRecord)>>>,
    lost_work: RefCell<BTreeMap<Key, String>>,
    begins: Cell<bool>,
}

struct Remembering<P: ?Sized> {
    later: Later,
    memory: Rc<Memory>,
    ports: Ports,
    inner: Rc<P>,
}

impl<P: ?Sized> Remembering<P> {
    fn is_due(&self, since: Duration) -> bool {
        self.ports.clock.now() >= since + AFTER
    }

    /// Does what is due, between two instructions.
    async fn do_late(&self) -> PortResult<()> {
        let memory = &self.memory;
        let page = memory.page.borrow().clone();
        if let Some((_, (key, bytes))) = page.filter(|(since, _)| self.is_due(*since)) {
            memory.page.take();
            self.ports.site.put(&key, &bytes).await?;
        }
        let assets = memory.assets.borrow().clone();
        if let Some((_, there)) = assets.filter(|(since, _)| self.is_due(*since)) {
            memory.assets.take();
            for key in self.ports.site.list().await?.keys() {
                if !there.contains_key(key) && !is_page(key) {
                    self.ports.site.delete(key).await?;
                }
            }
        }
        let record = memory.record.borrow().clone();
        if let Some((_, (key, record))) = record.filter(|(since, _)| self.is_due(*since)) {
            memory.record.take();
            let store = &self.ports.store;
            store.write(&key, &Item::Session(record), None).await?;
        }
        Ok(())
    }

    /// A message was delivered.
    async fn delivered(&self, delivery: &Delivery) -> PortResult<()> {
        self.memory.begins.set(true);
        let Ok(instruction) = serde_json::from_str::<Instruction>(&delivery.body) else {
            return Ok(());
        };
        let key = Key::Session(instruction.session_id);
        let Some(Item::Session(mut record)) = self.ports.store.read(&key).await? else {
            return Ok(());
        };
        if !record.handled.contains(&instruction.instruction_id) {
            return Ok(());
        }
        match self.later {
            Later::ClearsErrorAgain => record.failure = None,
            Later::ClearsWarningsAgain => record.build_warnings.clear(),
            _ => return Ok(()),
        }
        let store = &self.ports.store;
        store.write(&key, &Item::Session(record), None).await?;
        Ok(())
    }

    fn session_written(&self, key: &Key, before: &SessionRecord, record: &mut SessionRecord) {
        let now = self.ports.clock.now();
        match self.later {
            Later::Record if record.last_error().is_some() => {
                let remembered = (now, (key.clone(), record.clone()));
                self.memory.record.replace(Some(remembered));
            }
            Later::KeepsLoss => {
                let mut kept = self.memory.lost_work.borrow_mut();
                if let Some(lost) = &record.lost_work {
                    kept.insert(key.clone(), lost.clone());
                }
                record.lost_work = kept.get(key).cloned();
            }
            Later::ReportsLossOnce if before.lost_work.is_some() => record.lost_work = None,
            Later::ClearsAtStart if self.memory.begins.take() => {
                (record.push_put_off, record.deploy_put_off) = (None, None);
            }
            Later::PushClearsDeploy
                if before.push_put_off.is_some() && record.push_put_off.is_none() =>
            {
                record.deploy_put_off = None;
            }
            Later::FailureKeepsWarnings if record.failure.is_some() => {
                record.build_warnings.clone_from(&before.build_warnings);
            }
            Later::FailureAlone if record.failure.is_some() => {
                (record.push_put_off, record.deploy_put_off) = (None, None);
            }
            _ => {}
        }
    }
}

#[async_trait(?Send)]
impl Queue for Remembering<dyn Queue> {
    async fn receive(&self, wait: Duration) -> PortResult<Option<Delivery>> {
        // What cannot be done late is left.
        let _ = self.do_late().await;
        let received = self.inner.receive(wait).await?;
        if let Some(delivery) = &received {
            let _ = self.delivered(delivery).await;
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

#[async_trait(?Send)]
impl Site for Remembering<dyn Site> {
    async fn list(&self) -> PortResult<BTreeMap<Arc<str>, Arc<str>>> {
        let there = self.inner.list().await?;
        Ok(there)
    }

    async fn put(&self, key: &str, bytes: &Arc<[u8]>) -> PortResult<()> {
        let put = self.inner.put(key, bytes).await;
        if put.is_err() {
            let now = self.ports.clock.now();
            match self.later {
                Later::Page if is_page(key) => {
                    let page = (now, (key.to_owned(), bytes.clone()));
                    self.memory.page.replace(Some(page));
                }
                Later::Assets => {
                    if let Ok(there) = self.inner.list().await {
                        self.memory.assets.replace(Some((now, there)));
                    }
                }
                _ => {}
            }
        }
        put
    }

    async fn delete(&self, key: &str) -> PortResult<()> {
        self.inner.delete(key).await
    }

    fn digest(&self, bytes: &[u8]) -> Arc<str> {
        self.inner.digest(bytes)
    }
}

#[async_trait(?Send)]
impl Store for Remembering<dyn Store> {
    async fn read(&self, key: &Key) -> PortResult<Option<Item>> {
        self.inner.read(key).await
    }

    async fn write(&self, key: &Key, item: &Item, expected: Option<u64>) -> PortResult<bool> {
        let mut item = item.clone();
        if let Item::Session(record) = &mut item {
            let before = match self.inner.read(key).await? {
                Some(Item::Session(before)) => before,
                _ => SessionRecord::default(),
            };
            self.session_written(key, &before, record);
        }
        self.inner.write(key, &item, expected).await
    }
}
