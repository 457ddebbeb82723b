//! The simulated target: the worker itself on simulated ports, in virtual time.
//!
//! One thread runs all containers. Each is one future; it waits on timers alone, and the soonest
//! timer says who goes on. Every port call takes seeded virtual time, and where it is a request,
//! its effect happens half way: a crash drops the future wherever it waits, so that it can fall
//! before the effect, or after it and before the answer. The same plan and seed give the same
//! history, bit for bit.

mod agent;
mod build;
mod course;
mod git;
mod queue;
mod repository;
mod site;
mod store;
mod time;
mod tree;
mod workspace;
mod world;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::Duration;

use self::queue::{Letter, QueuePort, Which};
use self::time::Timers;
use self::world::{Link, Log, Service, Watch, World};
use super::{Interrupt, Run, Target, TargetError};
use crate::history::{Death, Dialect, Event, Snapshot, What};
use crate::plan::{ClientId, Fault, Mark, SessionId, Step, UNTIL_BOUND, set_fault};
use crate::profile::{LineReader, Profile, Seen};
use crate::site::{SiteKind, instruction_text};
use crate::worker::Worker;
use crate::worker::ports::{Instruction, Ports, RetryRequest};
use crate::worker::settings::Settings;

/// What a container is given, changed before it starts.
pub(crate) type Alter = dyn Fn(&mut Ports, &mut Settings) + Send + Sync;

/// The simulated target.
#[derive(Clone, Default)]
pub struct Sim {
    alter: Option<Arc<Alter>>,
    /// The planted defect, by name.
    defect: Option<&'static str>,
    /// Another profile, and the form of the log lines that it reads.
    other: Option<(Arc<Profile>, Arc<Dialect>)>,
    /// What its builds are judged as.
    site: SiteKind,
}

impl Sim {
    /// A target whose containers are given other ports or settings than the right ones.
    pub(crate) fn altered(alter: Arc<Alter>) -> Self {
        Self {
            alter: Some(alter),
            ..Self::default()
        }
    }

    /// The same for a planted defect, with its name.
    pub(crate) fn planted(name: &'static str, alter: Arc<Alter>) -> Self {
        Self {
            defect: Some(name),
            ..Self::altered(alter)
        }
    }

    /// The same containers as a system with another profile, whose log lines have the form that the
    /// profile reads.
    pub(crate) fn with_profile(mut self, profile: Arc<Profile>, dialect: Arc<Dialect>) -> Self {
        self.other = Some((profile, dialect));
        self
    }

    /// The same with sites of another kind, which its builders make.
    pub(crate) fn with_site(mut self, site: SiteKind) -> Self {
        self.site = site;
        self
    }
}

impl Target for Sim {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn defect(&self) -> Option<&str> {
        self.defect
    }

    fn site(&self) -> SiteKind {
        self.site
    }

    fn profile(&self) -> Arc<Profile> {
        match &self.other {
            Some((profile, _)) => profile.clone(),
            None => Profile::reference(),
        }
    }

    fn cannot(&self, step: &Step) -> Option<String> {
        self.profile().cannot(step)
    }

    fn start(&self, sessions: &[SessionId], seed: u64) -> Result<Box<dyn Run>, TargetError> {
        let mut clients: Vec<ClientId> = Vec::new();
        for session in sessions {
            if !clients.contains(&session.client) {
                clients.push(session.client.clone());
            }
        }
        let timers = Rc::new(Timers::default());
        let log = Log {
            reader: LineReader::new(self.profile(), sessions),
            dialect: self.other.as_ref().map(|(_, dialect)| dialect.clone()),
        };
        let containers = clients.iter().map(|_| None).collect();
        let world = Rc::new(RefCell::new(World::new(clients, log, seed, timers.clone())));
        let mut run = SimRun {
            world,
            timers,
            containers,
            alter: self.alter.clone(),
            interrupt: Interrupt::default(),
        };
        for client in 0..run.containers.len() {
            run.start(client);
        }
        Ok(Box::new(run))
    }
}

/// A container at work; dropping it is its death.
type Container = Pin<Box<dyn Future<Output = ()>>>;

struct SimRun {
    world: Rc<RefCell<World>>,
    timers: Rc<Timers>,
    containers: Vec<Option<Container>>,
    alter: Option<Arc<Alter>>,
    interrupt: Interrupt,
}

impl SimRun {
    /// Starts a client's container; it is first looked at when time goes on.
    fn start(&mut self, client: usize) {
        let link = Link {
            world: self.world.clone(),
            timers: self.timers.clone(),
            client,
            service: Service::Queue,
        };
        let mut settings = Settings::of(self.world.borrow().clients[client].id.clone());
        let mut ports = ports(&link);
        if let Some(alter) = &self.alter {
            alter(&mut ports, &mut settings);
        }
        let worker = Worker::new(ports, settings);
        self.containers[client] = Some(Box::pin(async move { worker.run().await }));
        self.world.borrow_mut().start(client);
        self.timers.wake_at(client, self.timers.now());
    }

    /// Ends a client's container, if it is up.
    fn kill(&mut self, client: usize, cause: Death) {
        if self.containers[client].take().is_some() {
            self.world.borrow_mut().die(client, cause);
        }
    }

    /// Lets the one whose timer is due go on.
    fn go_on(&mut self) {
        let Some(client) = self.timers.fire() else {
            return;
        };
        let Some(container) = &mut self.containers[client] else {
            if self.timers.now() >= self.world.borrow().clients[client].starts_at {
                self.start(client);
            }
            return;
        };
        let mut context = Context::from_waker(Waker::noop());
        // A container that panics dies as a process does, and alone.
        let poll = AssertUnwindSafe(|| container.as_mut().poll(&mut context).is_ready());
        if catch_unwind(poll).unwrap_or(true) {
            self.kill(client, Death::Exit);
        }
        let killed = self.world.borrow_mut().clients[client].killed.take();
        if let Some(cause) = killed {
            self.kill(client, cause);
        }
    }

    /// Lets the system run until something holds, at most until a moment, which is then reached.
    fn run_until(&mut self, limit: Duration, mut holds: impl FnMut(&World) -> bool) {
        while !holds(&self.world.borrow()) && !self.interrupt.load(Ordering::Relaxed) {
            match self.timers.next() {
                Some(at) if at <= limit => self.go_on(),
                _ => return self.timers.skip_to(limit),
            }
        }
    }

    fn client(&self, client: &ClientId) -> Result<usize, TargetError> {
        self.world.borrow().index(client).ok_or_else(|| {
            TargetError::new(
                "carrying out a step on the simulated target",
                format!("no session of client `{client}` was declared"),
                "declare one in the plan",
            )
        })
    }

    fn carry_out(&mut self, step: &Step, mark: Option<Mark>) -> Result<(), TargetError> {
        match step {
            Step::Instruct(session, edit) => {
                let mark = need(mark)?;
                let body = to_json(&Instruction {
                    instruction_id: mark.to_string().into(),
                    session_id: session.clone(),
                    instruction: instruction_text(*edit, mark).into(),
                })?;
                let client = self.client(&session.client)?;
                self.world.borrow_mut().send(
                    client,
                    Letter {
                        session: session.clone(),
                        mark: Some(mark),
                        body,
                    },
                );
            }
            Step::Until {
                session,
                phase,
                requests,
            } => {
                let client = self.client(&session.client)?;
                self.world.borrow_mut().watch = Some(Watch {
                    session: session.clone(),
                    phase: *phase,
                    seen_at: None,
                });
                self.run_until(self.timers.now() + UNTIL_BOUND, |world| {
                    let it = &world.clients[client];
                    let seen_at = world.watch.as_ref().and_then(|watch| watch.seen_at);
                    seen_at.is_some_and(|at| it.requests - at >= *requests) || it.queues.is_empty()
                });
                self.world.borrow_mut().watch = None;
            }
            Step::UntilStarted { client, requests } => {
                let client = self.client(client)?;
                self.run_until(self.timers.now() + UNTIL_BOUND, |world| {
                    let it = &world.clients[client];
                    it.running && it.requests - it.requests_at_start >= *requests
                });
            }
            Step::Wait(time) => self.run_until(self.timers.now() + *time, |_| false),
            Step::PushFromOutside(session, kind) => {
                let client = self.client(&session.client)?;
                self.world
                    .borrow_mut()
                    .push_from_outside(client, session, *kind, need(mark)?);
            }
            Step::Inject(fault) => self.set_fault(fault, true)?,
            Step::Heal(fault) => self.set_fault(fault, false)?,
            Step::Crash(client) => self.kill(self.client(client)?, Death::Crash),
            Step::LoseWorkspace(client) => self.lose_workspace(self.client(client)?),
            Step::RetryPush(session) => {
                let body = to_json(&RetryRequest::RetryGitPush {
                    session_id: session.clone(),
                })?;
                let client = self.client(&session.client)?;
                self.world.borrow_mut().send(
                    client,
                    Letter {
                        session: session.clone(),
                        mark: None,
                        body,
                    },
                );
            }
            Step::Redeliver(session) => {
                let client = self.client(&session.client)?;
                self.world.borrow_mut().redeliver(client, session);
            }
        }
        Ok(())
    }

    fn lose_workspace(&mut self, client: usize) {
        let was_up = self.containers[client].is_some();
        self.kill(client, Death::WorkspaceLost);
        let mut world = self.world.borrow_mut();
        world.course.note((client, Death::WorkspaceLost));
        world.clients[client].repository.checkouts.clear();
        if !was_up {
            // It was down already: its restart stays as it was due.
            let client = world.clients[client].id.clone();
            let cause = Death::WorkspaceLost;
            world.emit(What::Died { client, cause });
        }
    }

    fn set_fault(&mut self, fault: &Fault, on: bool) -> Result<(), TargetError> {
        set_fault(&mut self.world.borrow_mut().faults, fault, on);
        match fault {
            Fault::Partition(client) => {
                let client = self.client(client)?;
                self.world.borrow().course.note((client, on));
                if !on {
                    self.world.borrow_mut().flush_lines(client);
                }
                // A poll that waits for a message sees that the connection is gone.
                self.timers.wake_at(client, self.timers.now());
            }
            // Asked for at each request: `site`, `workspace`, `agent`, `store`, `queue`, `build`.
            Fault::S3Denied(_)
            | Fault::S3Missing(_)
            | Fault::S3Down(_)
            | Fault::S3Partial { .. }
            | Fault::S3AckLost(_)
            | Fault::GitAuth
            | Fault::GitDown
            | Fault::OutOfMemory(_)
            | Fault::AgentSlow
            | Fault::AgentError(_)
            | Fault::AgentCut(_)
            | Fault::StoreThrottled
            | Fault::QueueDown(_)
            | Fault::BuildError(_)
            | Fault::BuildWarning(_) => {}
        }
        Ok(())
    }
}

impl Run for SimRun {
    fn apply(
        &mut self,
        step: &Step,
        mark: Option<Mark>,
        events: &mut Vec<Event>,
    ) -> Result<(), TargetError> {
        let done = self.carry_out(step, mark);
        events.append(&mut self.world.borrow_mut().events);
        done
    }

    fn rest(
        &mut self,
        quiet: Duration,
        bound: Duration,
        events: &mut Vec<Event>,
    ) -> Result<bool, TargetError> {
        let began = self.timers.now();
        let limit = began + bound;
        let rested = loop {
            let world = self.world.borrow();
            let quiet_at = world.last_change.max(began) + quiet;
            let next = self.timers.next().unwrap_or(limit);
            let is_idle = world
                .clients
                .iter()
                .all(|client| client.running && client.queues.is_empty());
            drop(world);
            if is_idle && quiet_at <= next.min(limit) {
                self.timers.skip_to(quiet_at);
                break true;
            }
            if next >= limit {
                self.timers.skip_to(limit);
                break false;
            }
            if self.interrupt.load(Ordering::Relaxed) {
                break false;
            }
            self.go_on();
        };
        events.append(&mut self.world.borrow_mut().events);
        Ok(rested)
    }

    fn now(&self) -> Duration {
        self.timers.now()
    }

    fn watch(&mut self, interrupt: &Interrupt) {
        self.interrupt = interrupt.clone();
    }

    fn snapshot(&mut self) -> Result<Snapshot, TargetError> {
        let world = self.world.borrow();
        let records = world.table.records();
        let mut seen = Snapshot {
            records: Seen::Seen(records.map(|(id, it)| (id.clone(), it)).collect()),
            ..Snapshot::empty()
        };
        for client in &world.clients {
            let repository = &client.repository;
            for (session, head) in &repository.remote {
                let branch = (*repository.branch(*head)).clone();
                seen.remote.or_default().insert(session.clone(), branch);
            }
            for (session, checkout) in &repository.checkouts {
                let workspace = repository.look_at(checkout);
                seen.workspaces
                    .or_default()
                    .insert(session.clone(), workspace);
            }
            let objects: BTreeMap<_, _> = client
                .bucket
                .objects
                .iter()
                .map(|(key, object)| (key.clone(), object.content.clone()))
                .collect();
            seen.sites.or_default().insert(client.id.clone(), objects);
            seen.queued.or_default().extend(client.queues.queued());
            let dead_letters = &client.queues.dead_letters;
            seen.dead_letters.or_default().extend(dead_letters);
            if client.running {
                seen.running.or_default().push(client.id.clone());
            }
        }
        Ok(seen)
    }

    fn fingerprint(&self) -> Option<u64> {
        let world = self.world.borrow();
        let mut faults: Vec<&Fault> = world.faults.iter().collect();
        faults.sort_unstable();
        let mut hasher = DefaultHasher::new();
        (world.course.hash(), faults).hash(&mut hasher);
        Some(hasher.finish())
    }
}

fn ports(link: &Link) -> Ports {
    let to = |service| Link {
        service,
        ..link.clone()
    };
    Ports {
        clock: Rc::new(agent::ClockPort { link: link.clone() }),
        log: Rc::new(agent::LogPort { link: link.clone() }),
        instructions: Rc::new(QueuePort {
            link: to(Service::Queue),
            which: Which::Instructions,
        }),
        retries: Rc::new(QueuePort {
            link: to(Service::Queue),
            which: Which::Retries,
        }),
        agent: Rc::new(agent::AgentPort {
            link: to(Service::Agent),
        }),
        workspace: Rc::new(workspace::WorkspacePort {
            link: to(Service::Git),
        }),
        builder: Rc::new(build::BuilderPort { link: link.clone() }),
        site: Rc::new(site::SitePort {
            link: to(Service::S3),
        }),
        store: Rc::new(store::StorePort {
            link: to(Service::Table),
        }),
    }
}

fn need(mark: Option<Mark>) -> Result<Mark, TargetError> {
    mark.ok_or_else(|| {
        TargetError::new(
            "carrying out a step on the simulated target",
            "the step has no mark",
            "pass the mark that Plan::marks gives for it",
        )
    })
}

fn to_json(body: &impl serde::Serialize) -> Result<Arc<str>, TargetError> {
    match serde_json::to_string(body) {
        Ok(text) => Ok(text.into()),
        Err(error) => Err(TargetError::new(
            "writing a message for the queue",
            error,
            "report this as a defect of Shakedown",
        )),
    }
}
