//! A target whose runs end at other breaches.

use std::sync::Arc;

use super::{Run, Target, TargetError};
use crate::plan::{SessionId, Step};
use crate::profile::Profile;
use crate::verdict::Heeded;

/// Another target; its runs go on at some of what breaks a rule.
pub struct Heeding<'a> {
    target: &'a dyn Target,
    profile: Arc<Profile>,
}

impl<'a> Heeding<'a> {
    /// The target whose runs end at what is heeded.
    pub fn new(target: &'a dyn Target, heeded: &Heeded) -> Self {
        Self {
            target,
            profile: target.profile().heeding(heeded),
        }
    }
}

impl Target for Heeding<'_> {
    passes_on!();

    fn profile(&self) -> Arc<Profile> {
        self.profile.clone()
    }

    fn cannot(&self, step: &Step) -> Option<String> {
        self.target.cannot(step)
    }

    fn twin(&self) -> Option<&(dyn Target + Sync)> {
        self.target.twin()
    }

    fn start(&self, sessions: &[SessionId], seed: u64) -> Result<Box<dyn Run>, TargetError> {
        self.target.start(sessions, seed)
    }

    fn start_slowed(
        &self,
        sessions: &[SessionId],
        seed: u64,
        times: u32,
    ) -> Result<Box<dyn Run>, TargetError> {
        self.target.start_slowed(sessions, seed, times)
    }
}
