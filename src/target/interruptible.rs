//! A target whose runs end at their next step when the interrupt is set.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Doubt, Run, Target, TargetError};
use crate::history::{Event, OwnBuild, Snapshot};
use crate::plan::{ClientId, Mark, SessionId, Step};
use crate::profile::Profile;

/// Set when everything that is running has to end; shared by all that look at it.
pub type Interrupt = Arc<AtomicBool>;

/// Another target; once the interrupt is set, every call fails, and runs clean up as they do
/// after any failure of the harness.
pub struct Interruptible<'a> {
    /// The target.
    pub target: &'a (dyn Target + Sync),
    /// Ends its runs once it is set.
    pub interrupt: Interrupt,
}

impl Target for Interruptible<'_> {
    passes_on!();

    fn profile(&self) -> Arc<Profile> {
        self.target.profile()
    }

    fn cannot(&self, step: &Step) -> Option<String> {
        self.target.cannot(step)
    }

    fn twin(&self) -> Option<&(dyn Target + Sync)> {
        self.target.twin()
    }

    fn start(&self, sessions: &[SessionId], seed: u64) -> Result<Box<dyn Run>, TargetError> {
        self.start_slowed(sessions, seed, 1)
    }

    fn start_slowed(
        &self,
        sessions: &[SessionId],
        seed: u64,
        times: u32,
    ) -> Result<Box<dyn Run>, TargetError> {
        check(&self.interrupt)?;
        let mut run = self.target.start_slowed(sessions, seed, times)?;
        run.watch(&self.interrupt);
        Ok(Box::new(InterruptibleRun {
            run,
            interrupt: self.interrupt.clone(),
        }))
    }
}

struct InterruptibleRun {
    run: Box<dyn Run>,
    interrupt: Interrupt,
}

impl Run for InterruptibleRun {
    fn apply(
        &mut self,
        step: &Step,
        mark: Option<Mark>,
        events: &mut Vec<Event>,
    ) -> Result<(), TargetError> {
        check(&self.interrupt)?;
        self.run.apply(step, mark, events)?;
        check(&self.interrupt)
    }

    fn rest(
        &mut self,
        quiet: Duration,
        bound: Duration,
        events: &mut Vec<Event>,
    ) -> Result<bool, TargetError> {
        check(&self.interrupt)?;
        let rested = self.run.rest(quiet, bound, events)?;
        check(&self.interrupt)?;
        Ok(rested)
    }

    fn now(&self) -> Duration {
        self.run.now()
    }

    fn doubt(&self) -> Option<Doubt> {
        self.run.doubt()
    }

    fn snapshot(&mut self) -> Result<Snapshot, TargetError> {
        check(&self.interrupt)?;
        self.run.snapshot()
    }

    fn build_commits(&mut self, client: &ClientId, marks: &[Mark]) -> Vec<OwnBuild> {
        self.run.build_commits(client, marks)
    }

    fn watch(&mut self, interrupt: &Interrupt) {
        self.run.watch(interrupt);
    }

    fn goes_on(&self) -> Result<(), TargetError> {
        check(&self.interrupt)?;
        self.run.goes_on()
    }

    fn fingerprint(&self) -> Option<u64> {
        self.run.fingerprint()
    }
}

fn check(interrupt: &Interrupt) -> Result<(), TargetError> {
    if interrupt.load(Ordering::Relaxed) {
        return Err(TargetError::new(
            "running a plan",
            "it was interrupted",
            "start it again with the same seed",
        ));
    }
    Ok(())
}
