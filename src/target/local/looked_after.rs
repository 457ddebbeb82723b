//! What is looked after beside a container's end: that nothing stops it from outside, and that it does not fork without
//! end.

use std::time::{Duration, Instant};

use super::container::MOST_PROCESSES;
use super::machine::Stalled;
use super::run::LocalRun;
use crate::plan::ClientId;
use crate::target::TargetError;

/// How often they are asked whether something stops them: shorter stops are no stalls.
const STOP_LOOK: Duration = Duration::from_millis(50);
/// How often their processes are counted.
const COUNT: Duration = Duration::from_millis(200);

impl LocalRun {
    /// Notices when something outside of the run stops a container's process, and lets it go on.
    pub(super) fn notice_stop(&mut self, client: &ClientId) -> Result<(), TargetError> {
        let slot = self.slot(client)?;
        if slot.looked.elapsed() < STOP_LOOK {
            return Ok(());
        }
        slot.looked = Instant::now();
        let began = slot.stopped.take();
        if slot.container.is_stopped() {
            slot.stopped = began.or(Some(Instant::now()));
        }
        if let Some(began) = began {
            // Also while it lasts: the run may end before the stop does.
            self.machine.record(Stalled::Container, began.elapsed());
        }
        Ok(())
    }

    /// Ends a container that forks without end, and the run with it.
    pub(super) fn notice_swarm(&mut self, client: &ClientId) -> Result<(), TargetError> {
        let slot = self.slot(client)?;
        if slot.counted.elapsed() < COUNT {
            return Ok(());
        }
        slot.counted = Instant::now();
        if !slot.container.is_swarming() {
            return Ok(());
        }
        slot.container.kill()?;
        Err(TargetError::new(
            format!("running the worker of {client}"),
            format!(
                "it had more than {MOST_PROCESSES} processes at once, and was killed with all of them"
            ),
            "look for what it starts again and again, without waiting for the end of the last one",
        ))
    }
}
