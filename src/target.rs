//! Where a plan runs: the one interface, and how a target is opened by name.

/// What a target that wraps another has as that has it.
macro_rules! passes_on {
    () => {
        fn name(&self) -> &'static str {
            self.target.name()
        }

        fn is_deterministic(&self) -> bool {
            self.target.is_deterministic()
        }

        fn site(&self) -> $crate::site::SiteKind {
            self.target.site()
        }

        fn time_scale(&self) -> Option<f64> {
            self.target.time_scale()
        }

        fn defect(&self) -> Option<&str> {
            self.target.defect()
        }

        fn runs_for_shrinking(&self) -> Option<u32> {
            self.target.runs_for_shrinking()
        }
    };
}

pub(crate) mod aws;
mod heeding;
mod interruptible;
pub mod local;
mod profiled;
pub mod sim;

use std::sync::Arc;
use std::time::Duration;

use crate::history::{Event, OwnBuild, Snapshot};
use crate::plan::{ClientId, Mark, SessionId, Step};
use crate::profile::Profile;
use crate::site::SiteKind;

pub use crate::cloud::GIT_TOKEN;
pub use crate::error::TargetError;
pub use heeding::Heeding;
pub use interruptible::{Interrupt, Interruptible};
pub(crate) use profiled::Profiled;

/// A kind of system that plans can be run against.
pub trait Target {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// Whether the same plan and seed always give the same history.
    fn is_deterministic(&self) -> bool;

    /// What its sites are built with.
    fn site(&self) -> SiteKind {
        SiteKind::Shell
    }

    /// Real seconds for each of the system's seconds; `None` where time is virtual.
    fn time_scale(&self) -> Option<f64> {
        None
    }

    /// The defect that is planted in its systems, by name.
    fn defect(&self) -> Option<&str> {
        None
    }

    /// How many of its runs shrinking a finding may take, where each has its price: the plan is then made smaller
    /// on the [`twin`](Self::twin) alone. `None` where as many as are useful.
    fn runs_for_shrinking(&self) -> Option<u32> {
        None
    }

    /// What is particular to the system, and what can be seen of it here.
    fn profile(&self) -> Arc<Profile> {
        Profile::reference()
    }

    /// Why this target cannot carry out a step, where it cannot; runs leave such steps out and
    /// say so.
    fn cannot(&self, step: &Step) -> Option<String> {
        let _ = step;
        None
    }

    /// Starts a fresh system with these sessions, all containers running and no fault active.
    ///
    /// # Errors
    /// When it cannot be started; nothing is left behind then.
    fn start(&self, sessions: &[SessionId], seed: u64) -> Result<Box<dyn Run>, TargetError>;

    /// Starts one as [`start`](Self::start) does, to which everything takes so many times as long in
    /// real time as usual, so that the machine's own stalls matter less. Where time is virtual, or
    /// not the tester's to set, it is started as usual.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    fn start_slowed(
        &self,
        sessions: &[SessionId],
        seed: u64,
        times: u32,
    ) -> Result<Box<dyn Run>, TargetError> {
        let _ = times;
        self.start(sessions, seed)
    }

    /// A target where runs cost less and the same system runs, if there is one: what is wrong with
    /// the one is likely to show on the other. Shrinking tries there first, and asks the target
    /// itself in the end.
    fn twin(&self) -> Option<&(dyn Target + Sync)> {
        None
    }
}

/// A time scale, so many times slower. Beyond real time there is nothing to gain, and a worker that knows no other is
/// wrong.
pub(crate) fn slowed(scale: f64, times: u32) -> f64 {
    match scale < 1.0 {
        true => (scale * f64::from(times)).min(1.0),
        false => scale,
    }
}

/// Why what a run shows may be the doing of the machine that it ran on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Doubt {
    /// Something stalled for so long that a right system may miss a time limit.
    Stalled(String),
    /// The machine refused what the system needs: room, memory, processes. Nothing that was seen is
    /// then sure to be the system's.
    Failed(String),
}

/// A started system. Dropping it removes every trace of it.
///
/// A rule can only be judged by what a run reports: the events (variants of
/// [`What`](crate::history::What)) that [`apply`](Self::apply) and [`rest`](Self::rest) append, in
/// the order of time, and the fields of the [`Snapshot`] after recovery. `Sent` and
/// `OutsiderPushed` belong to the steps that make them; `StepBegan`, `Healed` and `SiteBuilt` (of
/// [`build_commits`](Self::build_commits)) are the runner's.
///
/// | rule | events | fields of the snapshot |
/// |---|---|---|
/// | `no-broken-deploy` | `Delivered`, `ObjectPut`, `BuildBegan`, `BuildEnded` | |
/// | `no-dangling-page` | `ObjectPut`, `ObjectDeleted` | |
/// | `commits-preserved` | `Committed`, `Pushed`, `OutsiderPushed` | |
/// | `exactly-once` | `Committed`, `Pushed`, `OutsiderPushed` | |
/// | `no-cascade` | `Committed`, `Pushed`, `OutsiderPushed`, `ObjectPut`, `RecordWritten`, `Trespassed`, `Died` | |
/// | `breaker` | `Logged`, `ObjectPut`, `ObjectDeleted`, `S3Asked`, `RecordWritten`, `Died` | |
/// | `bounded-retries` | `Delivered`, `AgentAsked`, `PushBegan`, `Pushed`, `Fetched`, `RetryDelivered`, `Refused`, `S3Asked`, `Logged`, `Committed`, `Acknowledged`, `ObjectPut`, `Started`, `Died` | |
/// | `stays-up` | `Started`, `Died` | |
/// | `errors-told` | `Delivered`, `Acknowledged`, `Committed`, `Pushed`, `ObjectPut`, `RecordWritten`, `Logged` | |
/// | `no-secret-told` | `SecretSeen` | |
/// | `nothing-lost` | `Delivered`, `Acknowledged`, `DeadLettered`, `Committed`, `Pushed`, `RecordWritten` | `remote`, `workspaces`, `queued`, `dead_letters` |
/// | `pushed` | | `remote`, `workspaces` |
/// | `fresh` | `Delivered`, `Acknowledged`, `DeadLettered`, `Committed`, `Pushed`, `Died` | `sites` |
/// | `settled` | `Delivered`, `AgentAsked`, `Acknowledged`, `DeadLettered`, `Committed`, `Pushed`, `Logged`, `S3Asked`, `ObjectPut`, `RecordWritten`, `Died` | `queued`, `running`, `records` |
/// | `usable` | `Delivered`, `Acknowledged`, `DeadLettered`, `Committed`, `Pushed`, `RecordWritten` | `remote`, `sites`, `records` |
pub trait Run {
    /// Carries out one step. For `wait` and `until` that lets the system run; every other step
    /// takes no time. What happened meanwhile is appended to `events`.
    ///
    /// # Errors
    /// When the harness itself failed; the verdict is then unknown.
    fn apply(
        &mut self,
        step: &Step,
        mark: Option<Mark>,
        events: &mut Vec<Event>,
    ) -> Result<(), TargetError>;

    /// Lets the system run until it is at rest (nothing queued or in flight, and nothing happened
    /// for `quiet`), at most for `bound`, both in its own time. Returns whether it came to rest.
    ///
    /// Without an implementation of its own, a system waits in small steps and looks at its queue.
    ///
    /// # Errors
    /// As [`Run::apply`].
    fn rest(
        &mut self,
        quiet: Duration,
        bound: Duration,
        events: &mut Vec<Event>,
    ) -> Result<bool, TargetError> {
        let end = self.now() + bound;
        let slice = (quiet / 10).max(Duration::from_millis(1));
        let mut quiet_since = self.now();
        while self.now() < end {
            let seen = events.len();
            let left = end.saturating_sub(self.now());
            self.apply(&Step::Wait(slice.min(left)), None, events)?;
            if events.len() > seen {
                quiet_since = self.now();
            } else if self.now() >= quiet_since + quiet
                && self.snapshot()?.queued.get().is_none_or(Vec::is_empty)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The system's own time since the start.
    fn now(&self) -> Duration;

    /// Why what was seen may be the doing of this machine and not of the system, where it may.
    fn doubt(&self) -> Option<Doubt> {
        None
    }

    /// Everything that can be seen now.
    ///
    /// # Errors
    /// As [`Run::apply`].
    fn snapshot(&mut self) -> Result<Snapshot, TargetError>;

    /// Builds the commits of a client whose marks are exactly these, to know what its site should
    /// hold; `&mut self` may be blocked as long as that takes. What cannot be built is left out, and
    /// without an implementation that is all.
    fn build_commits(&mut self, client: &ClientId, marks: &[Mark]) -> Vec<OwnBuild> {
        let _ = (client, marks);
        Vec::new()
    }

    /// Is shown, before its first step, what is set once the run is to end: a step that takes long looks at it now
    /// and then, and ends early. What comes of the run is of no interest then.
    fn watch(&mut self, interrupt: &Interrupt) {
        let _ = interrupt;
    }

    /// Why the run is not to go on, where it is not.
    ///
    /// # Errors
    /// That it was interrupted.
    fn goes_on(&self) -> Result<(), TargetError> {
        Ok(())
    }

    /// A hash of all that the system's future depends on, if it can be computed: two runs with the
    /// same seed and hash go on in the same way, bit for bit.
    fn fingerprint(&self) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests;
