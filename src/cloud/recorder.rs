//! The shared record of what reached the endpoints, and the trap that stops time at a phase.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::history::phases::{PhaseBegan, Phases};
use crate::history::{Death, Event, What};
use crate::plan::{ClientId, Phase, SessionId};

/// Where a run is to be held until the next step is carried out: what `until` waits for.
///
/// When it springs, the container's requests get no answer, and further ones wait at the door,
/// until [`Recorder::release`]. So the next step falls exactly there, however fast the machine is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trap {
    /// The phase of the session's instruction began (see [`Phases`]), and then so many requests of
    /// its container came.
    Phase {
        session: SessionId,
        phase: Phase,
        requests: u32,
    },
    /// The client's container has made so many requests in all; see [`Recorder::requests`].
    Requests { client: ClientId, total: u64 },
}

/// The events of a run so far, in the order in which they reached the endpoints.
pub struct Recorder {
    began: Instant,
    /// The same moment, since the Unix epoch.
    began_unix: Duration,
    time_scale: f64,
    state: Mutex<Recorded>,
    changed: Notify,
}

#[derive(Default)]
struct Recorded {
    events: Vec<Event>,
    requests: BTreeMap<ClientId, u64>,
    phases: Phases,
    trap: Option<Trap>,
    sprung: bool,
    held: Option<ClientId>,
    containers: BTreeMap<ClientId, SeenContainer>,
    failure: Option<String>,
}

/// The newest container of a client.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct SeenContainer {
    /// How many there were, with this one.
    pub(super) starts: u32,
    pub(super) started: Duration,
    pub(super) death: Option<(Duration, Death)>,
    /// Whether somebody asked to stop it.
    pub(super) is_to_stop: bool,
}

impl Recorder {
    /// Starts the run's clock. Real time is the system's own time multiplied by `time_scale`.
    pub(super) fn new(time_scale: f64) -> Self {
        Self {
            began: Instant::now(),
            began_unix: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
            time_scale,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// The system's own time since the start.
    pub fn now(&self) -> Duration {
        self.began.elapsed().div_f64(self.time_scale)
    }

    /// The time since the Unix epoch of a time of the run, in the system's own time.
    pub(super) fn unix(&self, at: Duration) -> Duration {
        self.began_unix + at
    }

    /// How long a span of the system's own time takes in real time.
    pub fn real(&self, span: Duration) -> Duration {
        span.mul_f64(self.time_scale)
    }

    /// The system's own time of a time stamp in real milliseconds since the Unix epoch, between
    /// the start and now.
    pub(super) fn time_of_stamp(&self, millis: u64) -> Duration {
        let real = Duration::from_millis(millis).saturating_sub(self.began_unix);
        real.div_f64(self.time_scale).min(self.now())
    }

    /// Appends an event with the present time.
    pub fn record(&self, what: What) {
        let mut state = self.state();
        // The time is read under the lock, so that times never run backwards in the record.
        let at = self.now();
        state.see(&what);
        state.events.push(Event { at, what });
        drop(state);
        self.changed.notify_waiters();
    }

    /// Takes notice that the cloud itself could not do its work: what the system did from then on is
    /// not judged.
    pub(super) fn fail(&self, why: impl Into<String>) {
        self.state().failure.get_or_insert(why.into());
        self.changed.notify_waiters();
    }

    /// What the cloud could not do, if anything.
    pub fn failure(&self) -> Option<String> {
        self.state().failure.clone()
    }

    /// Takes notice of what was seen elsewhere: a commit, a start, a death.
    pub(crate) fn note(&self, what: &What) {
        let now = self.now();
        let mut state = self.state();
        state.see(what);
        match what {
            What::Started { client } => {
                let before = state.containers.get(client);
                let seen = SeenContainer {
                    starts: before.map_or(0, |before| before.starts) + 1,
                    started: now,
                    death: None,
                    is_to_stop: false,
                };
                state.containers.insert(client.clone(), seen);
            }
            What::Died { client, cause } => {
                if let Some(seen) = state.containers.get_mut(client) {
                    seen.death = Some((now, *cause));
                }
            }
            _ => {}
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// The newest container of each client that had one.
    pub(super) fn containers(&self) -> BTreeMap<ClientId, SeenContainer> {
        self.state().containers.clone()
    }

    /// Asks whoever runs the client's container to stop it in order.
    pub(super) fn ask_to_stop(&self, client: &ClientId) {
        if let Some(seen) = self.state().containers.get_mut(client) {
            seen.is_to_stop = true;
        }
        self.changed.notify_waiters();
    }

    /// Whether the client's container runs and is to be stopped.
    pub(crate) fn is_to_stop(&self, client: &ClientId) -> bool {
        let state = self.state();
        let seen = state.containers.get(client);
        seen.is_some_and(|seen| seen.is_to_stop && seen.death.is_none())
    }

    /// Takes the events that came since the last call.
    pub fn drain(&self) -> Vec<Event> {
        std::mem::take(&mut self.state().events)
    }

    /// How many requests of the client's container have reached the agent, the git remote, S3,
    /// the session table and the queues since the run began.
    pub fn requests(&self, client: &ClientId) -> u64 {
        self.state().requests.get(client).copied().unwrap_or(0)
    }

    /// Resolves once something is recorded, counted or released after this call.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Sets the trap, in place of any other. One that is already due springs at once.
    pub fn set_trap(&self, trap: Trap) {
        let mut state = self.state();
        state.sprung = false;
        state.held = None;
        state.trap = Some(trap);
        if let Some(Trap::Requests { client, total }) = &state.trap {
            // Its moment has passed; holding the container now would mean something else.
            state.sprung = state.requests.get(client).is_some_and(|n| n >= total);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Whether the trap that was set last has sprung.
    pub fn sprung(&self) -> bool {
        self.state().sprung
    }

    /// Removes the trap and lets what it holds go on.
    pub fn release(&self) {
        let mut state = self.state();
        state.trap = None;
        state.held = None;
        drop(state);
        self.changed.notify_waiters();
    }

    /// A request of the client's container is at the door: waits while the container is held,
    /// then counts the request, if it `counts`.
    pub(super) async fn arrive(&self, client: &ClientId, counts: bool) {
        self.while_held(client).await;
        if counts {
            self.state().request_arrived(client);
            self.changed.notify_waiters();
        }
    }

    /// Waits while the client's container is held.
    pub(super) async fn while_held(&self, client: &ClientId) {
        loop {
            let released = self.changed.notified();
            if self.state().held.as_ref() != Some(client) {
                return;
            }
            released.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, Recorded> {
        // The state is whole after every statement, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorded {
    fn see(&mut self, what: &What) {
        if let Some(began) = self.phases.see(what) {
            self.phase_began(&began);
        }
    }

    fn phase_began(&mut self, began: &PhaseBegan) {
        let Some(Trap::Phase {
            session: wanted,
            phase,
            requests,
        }) = &self.trap
        else {
            return;
        };
        if self.sprung || began.session != *wanted || !began.reaches(*phase) {
            return;
        }
        let client = &began.session.client;
        let count = self.requests.get(client).copied().unwrap_or(0);
        let total = count + u64::from(*requests);
        self.trap = Some(Trap::Requests {
            client: client.clone(),
            total,
        });
        if total == count {
            self.spring(client);
        }
    }

    fn request_arrived(&mut self, client: &ClientId) {
        let count = self.requests.entry(client.clone()).or_default();
        *count += 1;
        let count = *count;
        if let Some(Trap::Requests { client: of, total }) = &self.trap
            && of == client
            && count >= *total
            && !self.sprung
        {
            self.spring(client);
        }
    }

    fn spring(&mut self, client: &ClientId) {
        self.sprung = true;
        self.held = Some(client.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Level;
    use crate::plan::Mark;

    fn delivered() -> What {
        What::delivered(&SessionId::new("acme", "home"), Mark::Edit(1), 1)
    }

    fn entered(phase: Phase) -> What {
        What::Logged {
            client: "acme".into(),
            stamp: Duration::ZERO,
            session: Some(SessionId::new("acme", "home")),
            level: Level::Info,
            text: "".into(),
            phase: Some(phase),
            claim: None,
        }
    }

    fn trap(requests: u32) -> Trap {
        Trap::Phase {
            session: SessionId::new("acme", "home"),
            phase: Phase::Pushing,
            requests,
        }
    }

    /// Whether the client's next request gets through the door at once.
    async fn gets_in(recorder: &Recorder, client: &str) -> bool {
        let client = client.into();
        let arrival = recorder.arrive(&client, true);
        tokio::time::timeout(Duration::from_millis(20), arrival)
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn the_trap_springs_at_the_phase_and_holds_that_container_only() {
        let recorder = Recorder::new(1.0);
        recorder.set_trap(trap(0));
        recorder.record(delivered());
        recorder.record(entered(Phase::Committing));
        assert!(!recorder.sprung());
        recorder.record(entered(Phase::Pushing));
        assert!(recorder.sprung());
        assert!(!gets_in(&recorder, "acme").await);
        assert!(gets_in(&recorder, "globex").await);
        recorder.release();
        assert!(gets_in(&recorder, "acme").await);
    }

    #[tokio::test]
    async fn what_is_seen_springs_the_trap_without_a_word() {
        let recorder = Recorder::new(1.0);
        recorder.set_trap(trap(0));
        recorder.record(delivered());
        let client = || "acme".into();
        recorder.note(&What::Started {
            client: "globex".into(),
        });
        assert!(!recorder.sprung());
        recorder.record(What::PushBegan { client: client() });
        assert!(recorder.sprung());
        recorder.release();
        recorder.set_trap(trap(0));
        recorder.record(What::PushBegan { client: client() });
        assert!(!recorder.sprung(), "it had begun before");
    }

    #[tokio::test]
    async fn requests_are_counted_from_the_phase_on() {
        let recorder = Recorder::new(1.0);
        assert!(gets_in(&recorder, "acme").await);
        recorder.set_trap(trap(2));
        recorder.record(delivered());
        recorder.record(entered(Phase::Pushing));
        assert!(gets_in(&recorder, "acme").await);
        assert!(!recorder.sprung());
        assert!(gets_in(&recorder, "globex").await);
        assert!(!recorder.sprung(), "another container's request");
        assert!(gets_in(&recorder, "acme").await);
        assert!(recorder.sprung());
        assert!(!gets_in(&recorder, "acme").await);
        assert_eq!(recorder.requests(&"acme".into()), 3);
    }

    #[tokio::test]
    async fn a_trap_that_is_due_springs_without_holding() {
        let recorder = Recorder::new(1.0);
        assert!(gets_in(&recorder, "acme").await);
        recorder.set_trap(Trap::Requests {
            client: "acme".into(),
            total: 1,
        });
        assert!(recorder.sprung());
        assert!(gets_in(&recorder, "acme").await);
    }

    #[test]
    fn time_is_the_systems_own() {
        let recorder = Recorder::new(1.0 / 1000.0);
        std::thread::sleep(Duration::from_millis(5));
        assert!(recorder.now() >= Duration::from_secs(5));
        assert_eq!(
            recorder.real(Duration::from_secs(1)),
            Duration::from_millis(1)
        );
        recorder.record(entered(Phase::Done));
        assert_eq!(recorder.drain().len(), 1);
        assert!(recorder.drain().is_empty());
    }
}
