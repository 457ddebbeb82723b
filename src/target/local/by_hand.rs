//! Work for a system that somebody starts by hand, on a cloud that runs alone.

use std::path::{Path, PathBuf};

use super::direct::Direct;
use super::foreign::{System, values};
use super::jobs::Jobs;
use crate::cloud::{Cloud, CloudConfig};
use crate::plan::{Edit, Mark, SessionId};
use crate::profile::{Accept, Per};
use crate::target::TargetError;

/// Hands instructions to such a system.
pub(crate) struct ByHand(System);

impl ByHand {
    /// What is handed over is as the profile says; without a section `[start]`, as the built-in worker takes it.
    ///
    /// # Errors
    /// When no port of the loopback interface is free.
    pub(crate) fn new(cloud: &Cloud, config: &CloudConfig) -> Result<Self, TargetError> {
        let profile = config.profile.clone();
        let mut all = std::collections::BTreeMap::new();
        for client in config.clients() {
            let front = cloud.open_front(&client)?;
            let unknown = Path::new("/nonexistent");
            all.insert(client, values(&profile, config, &front, unknown, unknown));
        }
        Ok(Self(System {
            // Nobody starts a container.
            tester: PathBuf::new(),
            profile,
            values: all,
        }))
    }

    /// Sends an instruction to the session's queue.
    ///
    /// # Errors
    /// Where the system takes it in another way, which only somebody who knows where it runs can do.
    pub(crate) fn instruct(
        &self,
        cloud: &Cloud,
        session: &SessionId,
        edit: Edit,
        mark: Mark,
    ) -> Result<(), TargetError> {
        let Some(start) = self.0.start() else {
            return cloud.send_instruction(session, edit, mark);
        };
        let is_message = |accept: &Accept| matches!(accept, Accept::Sqs { .. });
        if start.per == Per::Instruction || !start.accept.iter().all(is_message) {
            return Err(TargetError::new(
                format!("handing an instruction for {session} to the system"),
                "its profile says another way than a message",
                "hand it over by hand, or let `shakedown replay` start the system",
            ));
        }
        let places = (&mut Jobs::default(), &mut Direct::default());
        self.0.accept(cloud, places, session, edit, mark)?;
        Ok(())
    }
}
