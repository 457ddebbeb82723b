//! The session table, with versions for conditional writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::world::{Answer, Link, World};
use crate::history::{Record, What};
use crate::plan::{Fault, Injection, Place, SessionId};
use crate::worker::ports::{Item, Key, Kind, PortError, PortResult, SessionRecord, Store};

#[derive(Default)]
pub struct Table {
    items: BTreeMap<Key, Item>,
}

impl Table {
    /// The records of the sessions, as users see them.
    pub fn records(&self) -> impl Iterator<Item = (&SessionId, Record)> {
        self.items
            .iter()
            .filter_map(|(key, item)| match (key, item) {
                (Key::Session(session), Item::Session(record)) => Some((session, seen(record))),
                _ => None,
            })
    }

    /// The version that is stored; 0 where nothing is.
    fn version(&self, key: &Key) -> u64 {
        match self.items.get(key) {
            Some(Item::Site(record)) => record.version,
            Some(Item::Breaker(record)) => record.version,
            Some(Item::Session(_)) | None => 0,
        }
    }
}

/// The attributes that the contract names.
fn seen(record: &SessionRecord) -> Record {
    Record {
        status: record.status.clone(),
        last_error: record.last_error(),
        warnings: record.warnings(),
    }
}

impl World {
    /// What was set from outside on a session: the newest that is still active.
    fn failure_injection(&self, session: &SessionId) -> Option<Injection> {
        let newest_first = self.faults.iter().rev();
        newest_first
            .filter_map(|fault| fault.injection())
            .find_map(|(whose, injection)| (whose == session).then_some(injection))
    }

    fn read_item(&self, key: &Key) -> Option<Item> {
        let item = self.table.items.get(key);
        let Key::Session(session) = key else {
            return item.cloned();
        };
        let injected = self.failure_injection(session);
        if let Some(injected) = injected {
            self.course.note(injected);
        }
        let mut record = match item {
            Some(Item::Session(record)) => record.clone(),
            _ if injected.is_some() => SessionRecord::default(),
            _ => return None,
        };
        record.failure_injection = injected.map(|injected| injected.to_string());
        Some(Item::Session(record))
    }

    fn write_item(&mut self, client: usize, key: &Key, item: &Item, expected: Option<u64>) -> bool {
        if expected.is_some_and(|version| version != self.table.version(key)) {
            return false;
        }
        self.table.items.insert(key.clone(), item.clone());
        if let (Key::Session(session), Item::Session(record)) = (key, item) {
            let record = seen(record);
            for text in record.last_error.iter().chain(&record.warnings) {
                self.look_for_secret(client, text, "record");
            }
            self.emit(What::RecordWritten {
                session: session.clone(),
                record: Arc::new(record),
            });
        }
        true
    }
}

pub struct StorePort {
    pub link: Link,
}

impl StorePort {
    fn ask<T>(&self, serve: impl FnOnce(&mut World) -> T) -> Answer<T> {
        let mut world = self.link.world();
        if world.has_fault(|fault| matches!(fault, Fault::StoreThrottled)) {
            let client = world.clients[self.link.client].id.clone();
            let place = Place::Table;
            world.emit(What::Refused { client, place });
            let text = "ProvisionedThroughputExceededException: the table is throttled";
            return Some(Err(PortError::new(Kind::Throttled, text)));
        }
        Some(Ok(serve(&mut world)))
    }
}

#[async_trait(?Send)]
impl Store for StorePort {
    async fn read(&self, key: &Key) -> PortResult<Option<Item>> {
        self.link.there().await?;
        let answer = self.ask(|world| world.read_item(key));
        self.link.back(answer).await
    }

    async fn write(&self, key: &Key, item: &Item, expected: Option<u64>) -> PortResult<bool> {
        self.link.there().await?;
        let answer = self.ask(|world| world.write_item(self.link.client, key, item, expected));
        self.link.back(answer).await
    }
}
