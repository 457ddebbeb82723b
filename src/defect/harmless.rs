//! Other ways to keep the contract, to show that the rules let them be.
//!
//! A rule that catches every defect may still ask for more than the contract. These systems work
//! more slowly than the worker, ask more often, say less or give up sooner, and are right.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{pace, wrap};
use crate::history::Level;
use crate::plan::SessionId;
use crate::worker::ports::{
    Agent, Build, Builder, Clock, CommitId, Delivery, Instruction, Item, Key, Line, Log,
    PortResult, Ports, Queue, Site, Store, Turn,
};
use crate::worker::retry::{Backoff, Jitter};
use crate::worker::settings::Settings;

/// A way that no rule may object to.
pub struct Harmless {
    pub name: &'static str,
    /// What the system does otherwise than the worker.
    pub what: &'static str,
    plant: fn(&mut Ports, &mut Settings),
}

impl Harmless {
    /// Makes a container that is about to start work in this way.
    pub fn plant(&self, ports: &mut Ports, settings: &mut Settings) {
        (self.plant)(ports, settings);
    }
}

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

macro_rules! harmless {
    ($($name:literal, $what:literal, $plant:expr;)+) => {
        /// Every other way.
        pub static HARMLESS: &[Harmless] = &[$(Harmless {
            name: $name,
            what: $what,
            plant: $plant,
        }),+];
    };
}

harmless! {
    "slow-thinking", "the agent takes twenty seconds for each answer",
        |ports, _| around(ports, Difference { thinking: seconds(20), ..Difference::default() });
    "slow-builds", "a build takes forty seconds",
        |ports, _| around(ports, Difference { building: seconds(40), ..Difference::default() });
    "asks-twice", "builds, lists, deletes messages and writes records twice",
        |ports, _| around(ports, Difference { twice: true, ..Difference::default() });
    "uploads-all", "every sync uploads every object",
        |ports, _| around(ports, Difference { knows_no_digests: true, ..Difference::default() });
    "carries-on", "a message that comes again goes on from the commit, to the same site",
        |ports, _| around(ports, Difference { forgets_handled: true, ..Difference::default() });
    "tells-no-attempts", "the log says nothing of the attempts of syncs",
        |ports, _| around(ports, Difference { says: |line| !line.text.starts_with("S3 sync attempt"), ..Difference::default() });
    "tells-only-errors", "the log holds errors alone",
        |ports, _| around(ports, Difference { says: |line| line.level == Level::Error, ..Difference::default() });
    "says-nothing", "the log is empty",
        |ports, _| around(ports, Difference { says: |_| false, ..Difference::default() });
    "tells-no-phases", "the log names no phases",
        |ports, _| around(ports, Difference { tells_no_phases: true, ..Difference::default() });
    "one-attempt", "neither the agent nor a push is tried a second time at once",
        |_, settings| {
            settings.agent.attempts = 1;
            settings.push.attempts = 1;
        };
    "patient", "waits are longer than they need be",
        |_, settings| {
            settings.agent.first = seconds(15);
            settings.push.first = seconds(10);
            settings.sync.first = seconds(10);
            settings.put_off = (seconds(60), seconds(60));
            settings.poll = seconds(20);
        };
    "low-caps", "waits grow to five seconds and no further",
        |_, settings| all_waits(settings, |own| own.cap = seconds(5));
    "short-first-waits", "waits begin with half a second",
        |_, settings| all_waits(settings, |own| own.first = Duration::from_millis(500));
    "jitter-from-zero", "waits are of any length up to their ceilings",
        |ports, settings| {
            settings.put_off = (seconds(30), seconds(30));
            pace::plant_full_jitter(ports);
        };
    "equal-jitter", "half of each wait is left to chance",
        |_, settings| all_waits(settings, |own| own.jitter = Jitter::Share(0.5));
    "little-jitter", "a seventh of each wait is left to chance",
        |_, settings| all_waits(settings, |own| own.jitter = Jitter::Share(0.15));
    "decorrelated-jitter", "each wait is between the first one and three times the one before",
        |_, settings| all_waits(settings, |own| own.jitter = Jitter::Decorrelated);
    "long-first-waits", "waits begin with five seconds",
        |_, settings| all_waits(settings, |own| own.first = seconds(5));
    "cools-down-longer", "the breaker stays open for fifty seconds",
        |_, settings| settings.cool_down = seconds(50);
    "lists-again", "a list that fails is asked for twice more, after waits",
        |ports, _| around(ports, Difference { lists_again: true, ..Difference::default() });
    "eager", "what was put off is tried as soon as it may be",
        |_, settings| {
            settings.put_off = (seconds(15), seconds(15));
            settings.poll = seconds(1);
        };
}

fn all_waits(settings: &mut Settings, change: impl Fn(&mut Backoff)) {
    let Settings {
        sync,
        push,
        store,
        agent,
        ..
    } = settings;
    [sync, push, store, agent].into_iter().for_each(change);
}

/// How a system differs from the worker.
#[derive(Clone)]
struct Difference {
    thinking: Duration,
    building: Duration,
    twice: bool,
    knows_no_digests: bool,
    forgets_handled: bool,
    says: fn(&Line) -> bool,
    tells_no_phases: bool,
    lists_again: bool,
}

impl Default for Difference {
    fn default() -> Self {
        Self {
            thinking: Duration::ZERO,
            building: Duration::ZERO,
            twice: false,
            knows_no_digests: false,
            forgets_handled: false,
            says: |_| true,
            tells_no_phases: false,
            lists_again: false,
        }
    }
}

fn around(ports: &mut Ports, difference: Difference) {
    let clock = ports.clock.clone();
    let other = |difference: &Difference| (difference.clone(), clock.clone());
    macro_rules! wrap_each {
        ($($port:ident),+) => {
            $({
                let (difference, clock) = other(&difference);
                wrap(&mut ports.$port, |inner| Rc::new(Altered { inner, difference, clock }));
            })+
        };
    }
    wrap_each!(agent, builder, site, store, log, instructions);
}

struct Altered<P: ?Sized> {
    difference: Difference,
    clock: Rc<dyn Clock>,
    inner: Rc<P>,
}

#[async_trait(?Send)]
impl Agent for Altered<dyn Agent> {
    async fn ask(&self, instruction: &Instruction, so_far: &[Turn]) -> PortResult<Turn> {
        let answer = self.inner.ask(instruction, so_far).await?;
        self.clock.sleep(self.difference.thinking).await;
        Ok(answer)
    }
}

#[async_trait(?Send)]
impl Builder for Altered<dyn Builder> {
    async fn build(&self, session: &SessionId, commit: &CommitId) -> PortResult<Build> {
        if self.difference.twice {
            self.inner.build(session, commit).await?;
        }
        self.clock.sleep(self.difference.building).await;
        self.inner.build(session, commit).await
    }
}

#[async_trait(?Send)]
impl Site for Altered<dyn Site> {
    async fn list(&self) -> PortResult<BTreeMap<Arc<str>, Arc<str>>> {
        if self.difference.twice {
            self.inner.list().await?;
        }
        let mut listed = self.inner.list().await;
        for wait in [300, 700] {
            if listed.is_err() && self.difference.lists_again {
                let jitter = 0.2 + 0.8 * self.clock.chance();
                self.clock
                    .sleep(Duration::from_millis(wait).mul_f64(jitter))
                    .await;
                listed = self.inner.list().await;
            }
        }
        let mut there = listed?;
        if self.difference.knows_no_digests {
            there.values_mut().for_each(|digest| *digest = "".into());
        }
        Ok(there)
    }

    async fn put(&self, key: &str, bytes: &Arc<[u8]>) -> PortResult<()> {
        self.inner.put(key, bytes).await
    }

    async fn delete(&self, key: &str) -> PortResult<()> {
        self.inner.delete(key).await
    }

    fn digest(&self, bytes: &[u8]) -> Arc<str> {
        self.inner.digest(bytes)
    }
}

#[async_trait(?Send)]
impl Store for Altered<dyn Store> {
    async fn read(&self, key: &Key) -> PortResult<Option<Item>> {
        let mut item = self.inner.read(key).await?;
        if let Some(Item::Session(record)) = &mut item
            && self.difference.forgets_handled
        {
            record.handled.clear();
        }
        Ok(item)
    }

    async fn write(&self, key: &Key, item: &Item, expected: Option<u64>) -> PortResult<bool> {
        if self.difference.twice && expected.is_none() {
            self.inner.write(key, item, expected).await?;
        }
        self.inner.write(key, item, expected).await
    }
}

#[async_trait(?Send)]
impl Log for Altered<dyn Log> {
    async fn write(&self, mut line: Line) {
        if self.difference.tells_no_phases {
            line.phase = None;
        }
        if (self.difference.says)(&line) {
            self.inner.write(line).await;
        }
    }
}

#[async_trait(?Send)]
impl Queue for Altered<dyn Queue> {
    async fn receive(&self, wait: Duration) -> PortResult<Option<Delivery>> {
        self.inner.receive(wait).await
    }

    async fn extend(&self, receipt: &str, visibility: Duration) -> PortResult<()> {
        self.inner.extend(receipt, visibility).await
    }

    async fn delete(&self, receipt: &str) -> PortResult<()> {
        if self.difference.twice {
            self.inner.delete(receipt).await?;
        }
        self.inner.delete(receipt).await
    }
}
