//! A run on the local target: steps, and the time in which the system works on its own.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use regex::Regex;

use super::checkouts::Checkouts;
use super::container::Container;
use super::direct::{Direct, is_answered};
use super::foreign::{System, fill};
use super::jobs::Jobs;
use super::machine::MachineWatch;
use super::own_builds::OwnBuilds;
use super::thread::CloudThread;
use crate::cloud::{Cloud, Recorder};
use crate::history::{Death, Event, Level, OwnBuild, Snapshot, What};
use crate::plan::{ClientId, Mark, Step};
use crate::profile::{Per, Seen};
use crate::scratch::Scratch;
use crate::target::{Doubt, Interrupt, Run, TargetError};

/// How long after its death a container is started again, in the system's own time.
const RESTART: Duration = Duration::from_secs(5);
/// How long a container that is stopped in order may take, in the system's own time.
const GRACE: Duration = Duration::from_secs(30);
/// How often the containers are looked after, in real time.
const TICK: Duration = Duration::from_millis(5);
/// How long a worker may take to say that it is there, in real time.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A started system. Its fields are dropped in this order: each before what it needs.
pub(super) struct LocalRun {
    containers: BTreeMap<ClientId, Slot>,
    pub(super) checkouts: Checkouts,
    own_builds: BTreeMap<ClientId, OwnBuilds>,
    pub(super) cloud: Cloud,
    pub(super) thread: CloudThread,
    pub(super) machine: MachineWatch,
    pub(super) folder: Scratch,
    /// How soon a container that died is started again.
    pub(super) restart: Duration,
    /// The user's own system, where that is what runs.
    pub(super) system: Option<System>,
    /// The instructions of a system with a process for each.
    pub(super) jobs: Jobs,
    /// The instructions that are handed over without a queue.
    pub(super) direct: Direct,
    events: Vec<Event>,
    /// When something other than a log line was last seen.
    last_change: Duration,
    interrupt: Interrupt,
}

/// A client's place for a container.
pub(super) struct Slot {
    pub(super) container: Container,
    /// When it is started again, where it is down.
    pub(super) starts_at: Duration,
    /// Whether a process for an instruction could be started now.
    pub(super) is_platform_up: bool,
    /// Its requests, ever, when it last started.
    pub(super) requests_at_start: u64,
    /// When it is killed, where it was asked to end.
    killed_at: Option<Duration>,
    /// Since when something stops its process, as far as that was seen.
    pub(super) stopped: Option<Instant>,
    /// When that was last looked at.
    pub(super) looked: Instant,
    /// When its processes were last counted.
    pub(super) counted: Instant,
}

impl LocalRun {
    pub(super) fn new(
        containers: BTreeMap<ClientId, Container>,
        checkouts: Checkouts,
        own_builds: BTreeMap<ClientId, OwnBuilds>,
        cloud: Cloud,
        thread: CloudThread,
        machine: MachineWatch,
        folder: Scratch,
    ) -> Self {
        let slot = |container| Slot {
            container,
            starts_at: Duration::ZERO,
            is_platform_up: false,
            requests_at_start: 0,
            killed_at: None,
            stopped: None,
            looked: Instant::now(),
            counted: Instant::now(),
        };
        Self {
            containers: containers
                .into_iter()
                .map(|(client, container)| (client, slot(container)))
                .collect(),
            checkouts,
            own_builds,
            cloud,
            thread,
            machine,
            folder,
            events: Vec::new(),
            last_change: Duration::ZERO,
            interrupt: Interrupt::default(),
            restart: RESTART,
            system: None,
            jobs: Jobs::default(),
            direct: Direct::default(),
        }
    }

    /// Starts all containers and waits until each has said a word or asked for something.
    pub(super) fn start(&mut self) -> Result<(), TargetError> {
        self.look_after_containers()?;
        let clients: Vec<ClientId> = self.containers.keys().cloned().collect();
        let own = self.system.as_ref().and_then(System::start);
        let within = own.map_or(START_LIMIT, |start| start.ready.within);
        let word = own.and_then(|start| start.ready.log.clone());
        let url = |client: &ClientId| {
            let system = self.system.as_ref()?;
            let url = system.start()?.ready.http.as_ref()?;
            Some(fill(url, &system.values[client], "the URL of [ready]"))
        };
        let urls = clients
            .iter()
            .filter_map(|client| Some((client.clone(), url(client)?)));
        let urls: BTreeMap<ClientId, String> = urls
            .map(|(client, url)| Ok((client, url?)))
            .collect::<Result<_, TargetError>>()?;
        let limit = self.now() + within.div_f64(self.scale());
        let is_ready = |run: &Self, client: &ClientId| match urls.get(client) {
            Some(url) => is_answered(url),
            None => run.is_ready(client, word.as_ref()),
        };
        self.run_until(limit, |run| {
            Ok(clients
                .iter()
                .all(|client| is_ready(run, client) || !run.is_up(client)))
        })?;
        for (client, slot) in &self.containers {
            if !is_ready(self, client) {
                let words = slot.container.last_words();
                let why = if words.is_empty() {
                    "it asked for nothing and said nothing".into()
                } else {
                    words
                };
                return Err(TargetError::new(
                    format!("starting the worker of {client}"),
                    why,
                    "start it by hand with the same command to see more",
                ));
            }
        }
        Ok(())
    }

    /// Whether the client's container has said this word, or, without one, anything at all.
    fn is_ready(&self, client: &ClientId, word: Option<&Regex>) -> bool {
        let mut lines = self.events.iter().filter_map(|event| match &event.what {
            What::Logged {
                client: whose,
                text,
                ..
            } if whose == client => Some(text),
            _ => None,
        });
        match word {
            Some(word) => lines.any(|line| word.is_match(line)),
            // Its processes come with its instructions.
            None if self.is_per_instruction() => true,
            None => self.recorder().requests(client) > 0 || lines.next().is_some(),
        }
    }

    pub(super) fn recorder(&self) -> &Recorder {
        self.cloud.recorder()
    }

    fn scale(&self) -> f64 {
        self.recorder().real(Duration::from_secs(1)).as_secs_f64()
    }

    pub(super) fn is_up(&self, client: &ClientId) -> bool {
        let slot = self.containers.get(client);
        slot.is_some_and(|slot| match self.is_per_instruction() {
            true => slot.is_platform_up,
            false => slot.container.is_up(),
        })
    }

    /// Whether each instruction has a process of its own.
    fn is_per_instruction(&self) -> bool {
        let start = self.system.as_ref().and_then(System::start);
        start.is_some_and(|start| start.per == Per::Instruction)
    }

    pub(super) fn slot(&mut self, client: &ClientId) -> Result<&mut Slot, TargetError> {
        self.containers.get_mut(client).ok_or_else(|| {
            TargetError::new(
                "carrying out a step on the local target",
                format!("no session of client `{client}` was declared"),
                "declare one in the plan",
            )
        })
    }

    pub(super) fn emit(&mut self, what: What) {
        self.recorder().note(&what);
        let at = self.recorder().now();
        self.take(Event { at, what });
    }

    pub(super) fn take(&mut self, event: Event) {
        if !matches!(event.what, What::Logged { .. }) {
            self.last_change = event.at;
        }
        self.events.push(event);
    }

    /// What the cloud or the machine could not do, and the system is not to blame for.
    fn failure(&self) -> Option<String> {
        let of_cloud = self.recorder().failure();
        of_cloud.or_else(|| self.machine.failure())
    }

    /// Takes in what reached the endpoints, and what changed in the workspaces meanwhile.
    fn collect(&mut self) -> Result<(), TargetError> {
        if let Some(why) = self.failure() {
            return Err(TargetError::new(
                "running a plan on this machine",
                why,
                "give the machine what it lacks, and run it again",
            ));
        }
        for event in self.recorder().drain() {
            if let What::PushBegan { client } | What::Pushed { client, .. } = &event.what {
                // What is pushed was committed before.
                self.collect_commits(Some(client), Some(event.at))?;
            }
            self.note_outcome(event);
        }
        self.collect_commits(None, None)
    }

    fn collect_commits(
        &mut self,
        client: Option<&ClientId>,
        at: Option<Duration>,
    ) -> Result<(), TargetError> {
        for (session, branch) in self.checkouts.changed(client)? {
            // Looking takes a moment, in which more may have reached the endpoints.
            let at = at.unwrap_or(self.last_event());
            let what = What::Committed { session, branch };
            self.recorder().note(&what);
            self.take(Event { at, what });
        }
        Ok(())
    }

    fn last_event(&self) -> Duration {
        self.events
            .last()
            .map_or(self.last_change, |event| event.at)
    }

    /// Notices containers that ended by themselves, and starts those that are due.
    fn look_after_containers(&mut self) -> Result<(), TargetError> {
        let clients: Vec<ClientId> = self.containers.keys().cloned().collect();
        let is_per_instruction = self.is_per_instruction();
        for client in clients {
            self.notice_swarm(&client)?;
            if is_per_instruction {
                self.look_after_jobs(&client)?;
                continue;
            }
            self.stop_where_asked(&client)?;
            if let Some(cause) = self.slot(&client)?.container.take_death()? {
                let cause = match self.slot(&client)?.killed_at.take() {
                    // It ends as it was asked to.
                    Some(_) => Death::Crash,
                    None => cause,
                };
                self.has_died(&client, cause)?;
            }
            self.notice_stop(&client)?;
            let now = self.recorder().now();
            let requests = self.recorder().requests(&client);
            let slot = self.slot(&client)?;
            if !slot.container.is_up() && slot.starts_at <= now {
                slot.requests_at_start = requests;
                slot.container.start()?;
                self.emit(What::Started { client });
            }
        }
        Ok(())
    }

    /// Stops a client's container as a platform does, where somebody asked for that by the API: SIGTERM,
    /// and SIGKILL if it is still there after its grace.
    fn stop_where_asked(&mut self, client: &ClientId) -> Result<(), TargetError> {
        if !self.recorder().is_to_stop(client) {
            return Ok(());
        }
        let now = self.recorder().now();
        let slot = self.slot(client)?;
        match slot.killed_at {
            None => {
                slot.killed_at = Some(now + GRACE);
                slot.container.ask_to_end();
            }
            Some(at) if at <= now => {
                slot.killed_at = None;
                self.kill(client, Death::Crash)?;
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Kills a client's container, if it is up. Returns whether it was.
    pub(super) fn kill(&mut self, client: &ClientId, cause: Death) -> Result<bool, TargetError> {
        let was_up = self.is_up(client);
        if was_up {
            self.slot(client)?.killed_at = None;
            self.slot(client)?.container.kill()?;
            match self.is_per_instruction() {
                true => self.job_died(client, cause)?,
                false => self.has_died(client, cause)?,
            }
        }
        Ok(was_up)
    }

    pub(super) fn has_died(&mut self, client: &ClientId, cause: Death) -> Result<(), TargetError> {
        self.collect()?;
        if cause == Death::OutOfMemory {
            // What the platform says of it, in its own name.
            let at = self.recorder().now();
            let text = "OutOfMemoryError: container killed at its memory limit";
            self.emit(What::Logged {
                client: client.clone(),
                stamp: at,
                session: None,
                level: Level::Error,
                text: text.into(),
                phase: None,
                claim: None,
            });
        }
        self.emit(What::Died {
            client: client.clone(),
            cause,
        });
        let starts_at = self.recorder().now() + self.restart;
        self.slot(client)?.starts_at = starts_at;
        Ok(())
    }

    /// Lets the system run until something holds, at most until a moment of its own time. Returns
    /// whether it came to hold.
    pub(super) fn run_until(
        &mut self,
        limit: Duration,
        holds: impl Fn(&Self) -> Result<bool, TargetError>,
    ) -> Result<bool, TargetError> {
        loop {
            self.look_after_containers()?;
            self.look_after_requests()?;
            self.collect()?;
            if holds(self)? {
                return Ok(true);
            }
            let now = self.recorder().now();
            if now >= limit || self.interrupt.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let left = self.recorder().real(limit - now).min(TICK);
            let changed = self.recorder().changed();
            self.thread.handle().block_on(async {
                let _ = tokio::time::timeout(left, changed).await;
            });
        }
    }

    /// Whether no message of the client is left, visible or not.
    pub(super) fn has_no_message(&self, client: &ClientId) -> bool {
        let depths = self.cloud.depths(client);
        depths.visible + depths.hidden + depths.retries == 0
            && self.jobs.is_idle(client)
            && self.direct.is_idle(client)
    }
}

impl Run for LocalRun {
    fn apply(
        &mut self,
        step: &Step,
        mark: Option<Mark>,
        events: &mut Vec<Event>,
    ) -> Result<(), TargetError> {
        let done = self.carry_out(step, mark).and_then(|()| self.collect());
        events.append(&mut self.events);
        done
    }

    fn rest(
        &mut self,
        quiet: Duration,
        bound: Duration,
        events: &mut Vec<Event>,
    ) -> Result<bool, TargetError> {
        self.recorder().release();
        let began = self.recorder().now();
        let rested = self.run_until(began + bound, |run| {
            let is_idle = run
                .containers
                .keys()
                .all(|client| run.is_up(client) && run.has_no_message(client));
            let quiet_since = run.last_change.max(began);
            Ok(is_idle && run.now() >= quiet_since + quiet)
        });
        events.append(&mut self.events);
        rested
    }

    fn now(&self) -> Duration {
        self.recorder().now()
    }

    fn watch(&mut self, interrupt: &Interrupt) {
        self.interrupt = interrupt.clone();
    }

    fn doubt(&self) -> Option<Doubt> {
        self.failure()
            .map(Doubt::Failed)
            .or_else(|| self.machine.doubt())
    }

    fn build_commits(&mut self, client: &ClientId, marks: &[Mark]) -> Vec<OwnBuild> {
        let Some(builds) = self.own_builds.get(client) else {
            return Vec::new();
        };
        let mut repositories = vec![self.cloud.repository(client)];
        repositories.extend(self.checkouts.folders(client));
        builds.of(&repositories, marks)
    }

    fn snapshot(&mut self) -> Result<Snapshot, TargetError> {
        let clients = self.containers.keys();
        let running = clients
            .filter(|client| self.is_up(client))
            .cloned()
            .collect();
        let (mut queued, mut dead_letters) = (self.cloud.queued(), self.cloud.dead_letters());
        queued.extend(self.jobs.queued());
        queued.extend(self.direct.queued());
        dead_letters.extend(self.jobs.given_up());
        Ok(Snapshot {
            remote: Seen::Seen(self.cloud.remote_branches()?),
            workspaces: Seen::Seen(self.checkouts.look_at_all()?),
            sites: Seen::Seen(self.cloud.sites()),
            records: Seen::Seen(self.cloud.records()),
            queued: Seen::Seen(queued),
            dead_letters: Seen::Seen(dead_letters),
            running: Seen::Seen(running),
        })
    }
}
