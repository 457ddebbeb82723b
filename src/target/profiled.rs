//! A target whose system is judged by another profile.

use std::sync::Arc;

use super::{Run, Target, TargetError};
use crate::plan::{SessionId, Step};
use crate::profile::Profile;

/// Another target, with a profile of its own: other promises and numbers, and other evidence.
pub struct Profiled {
    target: Box<dyn Target + Sync>,
    profile: Arc<Profile>,
    twin: Option<Box<Profiled>>,
}

impl Profiled {
    /// The target with this profile.
    pub fn new(target: Box<dyn Target + Sync>, profile: Arc<Profile>) -> Self {
        Self {
            target,
            profile,
            twin: None,
        }
    }

    /// The same with another twin, which gets the profile too.
    #[must_use]
    pub fn with_twin(mut self, twin: Option<Box<dyn Target + Sync>>) -> Self {
        let twin = twin.map(|twin| Self::new(twin, self.profile.clone()));
        self.twin = twin.map(Box::new);
        self
    }
}

impl Target for Profiled {
    passes_on!();

    fn profile(&self) -> Arc<Profile> {
        self.profile.clone()
    }

    fn cannot(&self, step: &Step) -> Option<String> {
        let by_profile = self.profile.cannot(step);
        by_profile.or_else(|| self.target.cannot(step))
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

    fn twin(&self) -> Option<&(dyn Target + Sync)> {
        self.twin
            .as_deref()
            .map(|twin| twin as &(dyn Target + Sync))
    }
}
