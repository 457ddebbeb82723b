//! A run on the aws target: time is real, and what happened is found by looking.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::runtime::Runtime;

use super::api::Api;
use super::deployed::Spent;
use super::journal::{Change, Journal};
use super::look::World;
use super::{BY_HEAL, LOOK, TICK, experiment, failed, guards, undo};
use crate::history::{Event, OwnBuild, Snapshot, What};
use crate::plan::{ClientId, Fault, Mark, SessionId, Step};
use crate::profile::{Deployed, Evidence, LineReader, Profile, Seen};
use crate::target::local::own_builds::OwnBuilds;
use crate::target::{Interrupt, Run, TargetError};

/// The wait after the first look, and between looks at which nothing changes, in the system's own time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// No account is looked at more often.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// A fault that lasts longer, in real time, is no test any more.
const LONGEST_FAULT: Duration = Duration::from_secs(600);

/// A plan on a deployed system.
pub(super) struct AwsRun {
    pub(super) profile: Arc<Profile>,
    pub(super) deployed: Deployed,
    pub(super) account: String,
    /// The sessions as the plan names them, and as the system knows them.
    pub(super) sessions: Vec<(SessionId, SessionId)>,
    pub(super) clients: Vec<ClientId>,
    /// The run's name, which is in all that it leaves.
    pub(super) name: String,
    pub(super) journal: Journal,
    /// Whether the journal says what work leaves.
    pub(super) is_changed: bool,
    /// The active faults, and since when.
    pub(super) faults: Vec<(Fault, Vec<Change>, Instant)>,
    pub(super) queues: BTreeMap<ClientId, Value>,
    /// How many messages were sent.
    pub(super) sent: u32,
    pub(super) world: World,
    pub(super) reader: LineReader,
    pub(super) began: Instant,
    pub(super) scale: f64,
    /// The wait before the next look; the first one where it is `None`.
    pub(super) pause: Option<Duration>,
    pub(super) alarm_seen: Instant,
    pub(super) events: Vec<Event>,
    /// When something other than a line of the log was last seen.
    pub(super) last_change: Duration,
    pub(super) last_look: Duration,
    pub(super) interrupt: Interrupt,
    pub(super) own_builds: Option<OwnBuilds>,
    pub(super) spent: Arc<Spent>,
    pub(super) api: Api,
    pub(super) runtime: Runtime,
}

impl AwsRun {
    /// Looks at what is there before the run, which is not of it.
    pub(super) fn look_first(&mut self) -> Result<(), TargetError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        // The clocks of others may be behind.
        let from = now.saturating_sub(Duration::from_secs(60));
        self.world.log_from = u64::try_from(from.as_millis()).unwrap_or_default();
        if self.profile.unseen(Evidence::Log).is_none() {
            self.new_lines()?;
        }
        for client in self.clients.clone() {
            if self.deployed.service(&client).is_some() {
                let running = self.running_tasks(&client)?;
                self.world.tasks.insert(client, running);
            }
        }
        Ok(())
    }

    pub(super) fn now_of_run(&self) -> Duration {
        self.began.elapsed().div_f64(self.scale)
    }

    pub(super) fn real(&self, time: Duration) -> Duration {
        time.mul_f64(self.scale)
    }

    pub(super) fn emit(&mut self, what: What) {
        let at = self.now_of_run();
        self.take(Event { at, what });
    }

    pub(super) fn take(&mut self, event: Event) {
        if !matches!(event.what, What::Logged { .. }) {
            self.last_change = self.last_change.max(event.at);
            self.pause = None;
        }
        self.events.push(event);
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed)
    }

    /// Looks now and then until something holds, at most until a moment of the system's time. Returns whether it came
    /// to hold.
    pub(super) fn run_until(
        &mut self,
        limit: Duration,
        holds: impl Fn(&Self) -> bool,
    ) -> Result<bool, TargetError> {
        loop {
            self.look()?;
            if holds(self) {
                return Ok(true);
            }
            let now = self.now_of_run();
            if now >= limit || self.is_interrupted() {
                return Ok(false);
            }
            let pause = self.pause.unwrap_or(FIRST_PAUSE);
            self.pause = Some((pause * 3 / 2).min(LONGEST_PAUSE));
            let pause = self.real(pause).max(SHORTEST_PAUSE);
            self.sleep(pause.min(self.real(limit - now)));
        }
    }

    pub(super) fn sleep(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.is_interrupted() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(TICK));
        }
    }

    /// Ends the run where the alarm of the profile is on, or a fault lasts too long.
    pub(super) fn check_alarm(&mut self) -> Result<(), TargetError> {
        let doing = "running a plan on the deployed system";
        if let Some((fault, ..)) = self.faults.iter().find(|it| it.2.elapsed() > LONGEST_FAULT) {
            let why = format!("`{fault}` has been on for ten minutes");
            return Err(failed(doing, why, "run a plan that heals it sooner"));
        }
        if self.alarm_seen.elapsed() < LOOK {
            return Ok(());
        }
        self.alarm_seen = Instant::now();
        let changes = self.faults.iter().flat_map(|(_, changes, _)| changes);
        for change in changes {
            if let Change::Experiment { name } = change {
                let running = self.runtime.block_on(experiment::running(&self.api, name));
                let remedy = "look at the experiment in the console of FIS";
                running.map_err(|why| failed(doing, why, remedy))?;
            }
        }
        let name = &self.deployed.alarm;
        let state = self.runtime.block_on(guards::alarm(&self.api, name));
        let remedy = "see what the alarm is about before anything else is tested";
        state
            .map(drop)
            .map_err(|why| failed(doing, format!("alarm {name}: {why}"), remedy))
    }

    /// Whether no message of the client is known to be left.
    pub(super) fn is_idle(&self, client: &ClientId) -> bool {
        self.world.pending.get(client).is_none_or(Vec::is_empty)
    }

    fn is_up(&self, client: &ClientId) -> bool {
        self.world.tasks.get(client).is_none_or(|it| !it.is_empty())
    }
}

impl Run for AwsRun {
    fn apply(
        &mut self,
        step: &Step,
        mark: Option<Mark>,
        events: &mut Vec<Event>,
    ) -> Result<(), TargetError> {
        self.journal.is_at_rest = false;
        let done = self.carry_out(step, mark);
        events.append(&mut self.events);
        done
    }

    fn rest(
        &mut self,
        quiet: Duration,
        bound: Duration,
        events: &mut Vec<Event>,
    ) -> Result<bool, TargetError> {
        let began = self.now_of_run();
        let rested = self.run_until(began + bound, |run| {
            let is_idle = |client| run.is_up(client) && run.is_idle(client);
            let quiet_since = run.last_change.max(began);
            run.clients.iter().all(is_idle) && run.now_of_run() >= quiet_since + quiet
        });
        events.append(&mut self.events);
        self.journal.is_at_rest = rested.as_ref().is_ok_and(|rested| *rested);
        rested
    }

    fn now(&self) -> Duration {
        self.now_of_run()
    }

    fn watch(&mut self, interrupt: &Interrupt) {
        self.interrupt = interrupt.clone();
    }

    fn build_commits(&mut self, client: &ClientId, marks: &[Mark]) -> Vec<OwnBuild> {
        let (Some(builds), Some(remote)) = (&self.own_builds, self.world.remotes.get(client))
        else {
            return Vec::new();
        };
        builds.of(&[remote.path().to_owned()], marks)
    }

    /// What was seen at the last look.
    fn snapshot(&mut self) -> Result<Snapshot, TargetError> {
        let world = &self.world;
        let pending = world.pending.values().flatten();
        let has_tasks = |client: &&ClientId| self.deployed.service(client).is_some();
        let running = match self.clients.iter().all(|it| has_tasks(&it)) {
            true => {
                let up = self.clients.iter().filter(|client| self.is_up(client));
                Seen::Seen(up.cloned().collect())
            }
            false => Seen::NotSeen,
        };
        Ok(Snapshot {
            remote: Seen::Seen(world.branches.clone()),
            workspaces: Seen::NotSeen,
            sites: Seen::Seen(world.sites.clone()),
            records: Seen::Seen(world.records.clone()),
            queued: Seen::Seen(pending.map(|sent| sent.mark).collect()),
            dead_letters: Seen::Seen(world.dead_letters.clone()),
            running,
        })
    }
}

impl Drop for AwsRun {
    fn drop(&mut self) {
        if !self.journal.entry().changes.is_empty() {
            if self.is_interrupted() {
                eprintln!(
                    "undoing what the run {} changed, once the system has worked off its messages",
                    self.name
                );
            }
            let undone = undo::all(&self.api, &mut self.journal);
            if let Err(why) = self.runtime.block_on(undone) {
                eprintln!(
                    "undoing what the run {} changed: {why}; {BY_HEAL}",
                    self.name
                );
            }
        }
        let of_git: u64 = self.world.remotes.values().map(|it| it.requests()).sum();
        let add = |to: &std::sync::atomic::AtomicU64, count| {
            to.fetch_add(count, Ordering::Relaxed);
        };
        add(&self.spent.requests, self.api.requests());
        add(&self.spent.of_git, of_git);
        add(&self.spent.runs, u64::from(self.is_changed));
    }
}
