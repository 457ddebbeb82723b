//! The world around the containers: what the endpoints hold, which faults are active, and the way
//! of a request to an endpoint and back.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use memchr::memmem::Finder;

use super::course::RunHash;
use super::queue::Queues;
use super::repository::Repository;
use super::site::Bucket;
use super::store::Table;
use super::time::{Sleep, Span, Timers};
use crate::chance::Chance;
use crate::history::phases::Phases;
use crate::history::{Death, Dialect, Event, Level, What};
use crate::plan::{ClientId, Fault, Phase, SessionId};
use crate::profile::{Limits, LineReader, Reading};
use crate::target::GIT_TOKEN;
use crate::worker::ports::{Kind, Line, PortError, PortResult};

pub struct World {
    pub timers: Rc<Timers>,
    pub chance: Chance,
    pub course: RunHash,
    /// The active faults, newest last.
    pub faults: Vec<Fault>,
    pub clients: Vec<Client>,
    pub table: Table,
    /// What happened since the runner last asked.
    pub events: Vec<Event>,
    /// When something other than a log line was last seen.
    pub last_change: Duration,
    pub phases: Phases,
    pub watch: Option<Watch>,
    /// The numbers of the queues and of the platform.
    pub limits: Limits,
    pace: Pace,
    log: Log,
}

/// The log group: how lines are written there, and how they are read.
pub struct Log {
    pub reader: LineReader,
    /// How a line is written, where it is not in the reference worker's form.
    pub dialect: Option<Arc<Dialect>>,
}

impl Log {
    /// The log of the reference worker with these sessions.
    #[cfg(test)]
    pub fn reference(sessions: &[SessionId]) -> Self {
        Self {
            reader: LineReader::new(crate::profile::Profile::reference(), sessions),
            dialect: None,
        }
    }

    fn read(&self, line: Line) -> Reading {
        match &self.dialect {
            Some(dialect) => self.reader.read(&dialect(&line)),
            // What the reader would find in it, without writing it down first.
            None => Reading {
                level: line.level,
                session: line.session,
                phase: line.phase,
                claim: self.reader.claim(&line.text),
                text: line.text.into(),
            },
        }
    }
}

/// A client: its container and what the endpoints hold for it.
pub struct Client {
    pub id: ClientId,
    pub running: bool,
    /// When the platform starts the container again.
    pub starts_at: Duration,
    /// Requests of the container that reached an endpoint, ever, and when it last started.
    pub requests: u32,
    pub requests_at_start: u32,
    /// Set by what kills a container from within; the executor then ends it.
    pub killed: Option<Death>,
    /// Log lines that wait for the network, with their time.
    pub kept_lines: Vec<(Duration, Line)>,
    pub queues: Queues,
    pub repository: Repository,
    pub bucket: Bucket,
}

/// Looks out for a session's phase.
pub struct Watch {
    pub session: SessionId,
    pub phase: Phase,
    /// The requests of its container when the phase was entered.
    pub seen_at: Option<u32>,
}

impl World {
    pub fn new(clients: Vec<ClientId>, log: Log, seed: u64, timers: Rc<Timers>) -> Self {
        let limits = log.reader.profile().limits;
        let clients = clients
            .into_iter()
            .map(|id| Client {
                id,
                running: false,
                starts_at: Duration::ZERO,
                requests: 0,
                requests_at_start: 0,
                killed: None,
                kept_lines: Vec::new(),
                queues: Queues::new(&limits),
                repository: Repository::default(),
                bucket: Bucket::default(),
            })
            .collect();
        Self {
            course: RunHash::new(timers.clone()),
            timers,
            chance: Chance::new(seed),
            faults: Vec::new(),
            clients,
            table: Table::default(),
            events: Vec::new(),
            last_change: Duration::ZERO,
            phases: Phases::default(),
            watch: None,
            limits,
            pace: Pace::of(seed),
            log,
        }
    }

    pub fn now(&self) -> Duration {
        self.timers.now()
    }

    /// The branch that holds a session's work.
    pub fn branch(&self, session: &SessionId) -> String {
        self.log.reader.profile().names.branch(session)
    }

    /// Which of the clients it is.
    pub fn index(&self, client: &ClientId) -> Option<usize> {
        self.clients.iter().position(|other| other.id == *client)
    }

    pub fn emit(&mut self, what: What) {
        self.last_change = self.now();
        self.record(what);
    }

    fn record(&mut self, what: What) {
        if let Some(began) = self.phases.see(&what)
            && let Some(watch) = &mut self.watch
            && watch.seen_at.is_none()
            && began.session == watch.session
            && began.reaches(watch.phase)
        {
            let client = began.session.client;
            let its = self.clients.iter().find(|other| other.id == client);
            watch.seen_at = its.map(|client| client.requests);
        }
        let at = self.now();
        self.events.push(Event { at, what });
    }

    pub fn is_partitioned(&self, client: usize) -> bool {
        self.has_fault(
            |fault| matches!(fault, Fault::Partition(whose) if *whose == self.clients[client].id),
        )
    }

    /// Whether such a fault is active. One that is makes a difference, so that is noted.
    pub fn has_fault(&self, is_it: impl Fn(&Fault) -> bool) -> bool {
        let met = self.faults.iter().find(|fault| is_it(fault));
        if let Some(fault) = met {
            self.course.note(fault);
        }
        met.is_some()
    }

    /// A line reaches the log group.
    pub fn log(&mut self, client: usize, stamp: Duration, line: Line) {
        self.look_for_secret(client, &line.text, "log");
        let reading = self.log.read(line);
        let id = self.clients[client].id.clone();
        self.record(reading.logged(id, stamp));
    }

    /// Sends the lines that a partition held back.
    pub fn flush_lines(&mut self, client: usize) {
        for (stamp, line) in std::mem::take(&mut self.clients[client].kept_lines) {
            self.log(client, stamp, line);
        }
    }

    pub fn look_for_secret(&mut self, client: usize, text: &str, place: &str) {
        // Every line and record is searched.
        static TOKEN: LazyLock<Finder> = LazyLock::new(|| Finder::new(GIT_TOKEN));
        if TOKEN.find(text.as_bytes()).is_some() {
            self.emit(What::SecretSeen {
                client: self.clients[client].id.clone(),
                place: place.into(),
            });
        }
    }

    /// Marks a container as ended; the platform starts it again a few seconds later.
    pub fn die(&mut self, client: usize, cause: Death) {
        let (soonest, latest) = (self.limits.restart / 24, self.limits.restart / 6);
        let wait = self.chance.within(Span::between(soonest, latest));
        let starts_at = self.now() + wait;
        if cause == Death::OutOfMemory {
            // What the platform says of it, in its own name.
            let line = Line {
                level: Level::Error,
                session: None,
                phase: None,
                text: "OutOfMemoryError: container killed at its memory limit".into(),
            };
            self.log(client, self.now(), line);
        }
        self.course.note((client, cause));
        let it = &mut self.clients[client];
        it.running = false;
        it.starts_at = starts_at;
        it.killed = None;
        it.kept_lines.clear();
        let client_id = it.id.clone();
        self.timers.wake_at(client, starts_at);
        self.emit(What::Died {
            client: client_id,
            cause,
        });
    }

    pub fn start(&mut self, client: usize) {
        let it = &mut self.clients[client];
        it.running = true;
        it.requests_at_start = it.requests;
        let client = it.id.clone();
        self.emit(What::Started { client });
    }
}

/// How long a request to each service is under way in each direction: what races with what depends
/// on it.
struct Pace([Span; 5]);

/// What a request is under way as a rule.
const LEG: Span = Span::millis(3, 25);

impl Pace {
    /// In most runs all services take as long; in the others each has a pace of its own.
    fn of(seed: u64) -> Self {
        const LEGS: [Span; 4] = [
            LEG,
            Span::millis(1, 3),
            Span::millis(30, 200),
            Span::millis(200, 1_000),
        ];
        let mut chance = Chance::new(!seed);
        match chance.between(0, 2) {
            0 => Self([(); 5].map(|()| LEGS[chance.between(0, 3) as usize])),
            _ => Self([LEG; 5]),
        }
    }
}

/// How an endpoint answers: `None` never does.
pub type Answer<T> = Option<PortResult<T>>;

/// A container's line to the world.
#[derive(Clone)]
pub struct Link {
    pub world: Rc<RefCell<World>>,
    pub timers: Rc<Timers>,
    pub client: usize,
    /// What it leads to.
    pub service: Service,
}

/// What a container sends requests to.
#[derive(Clone, Copy)]
pub enum Service {
    Queue,
    Agent,
    Git,
    S3,
    Table,
}

impl Link {
    pub fn world(&self) -> RefMut<'_, World> {
        self.world.borrow_mut()
    }

    /// The part of the world that is this client's.
    pub fn mine(&self) -> RefMut<'_, Client> {
        RefMut::map(self.world(), |world| &mut world.clients[self.client])
    }

    pub fn sleep(&self, time: Duration) -> Sleep {
        Sleep::new(&self.timers, self.client, time)
    }

    /// Work of the container's own, without a request.
    pub async fn spend(&self, span: Span) {
        let time = self.world().chance.within(span);
        self.sleep(time).await;
    }

    fn leg(&self) -> Span {
        self.world().pace.0[self.service as usize]
    }

    /// The way to an endpoint. What the request does there happens when this returns.
    pub async fn there(&self) -> PortResult<()> {
        self.spend(self.leg()).await;
        let cut_off = {
            let mut world = self.world();
            let partitioned = world.is_partitioned(self.client);
            if !partitioned {
                world.clients[self.client].requests += 1;
            }
            partitioned.then(|| world.chance.coin())
        };
        match cut_off {
            None => Ok(()),
            Some(true) => Err(PortError::new(Kind::Network, "connection refused")),
            Some(false) => std::future::pending().await,
        }
    }

    /// The way back with the answer.
    pub async fn back<T>(&self, answer: Answer<T>) -> PortResult<T> {
        self.back_after(self.leg(), answer).await
    }

    /// The way back where the endpoint takes its time.
    pub async fn back_after<T>(&self, span: Span, answer: Answer<T>) -> PortResult<T> {
        let Some(answer) = answer else {
            return std::future::pending().await;
        };
        self.spend(span).await;
        if self.world().is_partitioned(self.client) {
            return Err(PortError::new(Kind::Network, "connection reset"));
        }
        answer
    }
}

/// A request that never got an answer worth the name, by chance refused or left hanging.
pub fn unavailable<T>(chance: &mut Chance, who: &str) -> Answer<T> {
    chance.coin().then(|| {
        Err(PortError::new(
            Kind::Network,
            format!("{who}: connection refused"),
        ))
    })
}
