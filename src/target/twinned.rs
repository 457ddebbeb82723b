//! A target that has a cheaper one beside it, on which the same system runs.

use super::{Run, Target, TargetError};
use crate::plan::{SessionId, Step};
use crate::site::SiteKind;

/// A target, and a cheaper one that whoever opens it says runs the same system: what is wrong with
/// the one is likely to show on the other. Shrinking tries there first, and asks the target itself
/// in the end.
pub struct Twinned<T, U> {
    pub target: T,
    pub twin: U,
}

impl<T: Target, U: Target + Sync> Target for Twinned<T, U> {
    fn name(&self) -> &'static str {
        self.target.name()
    }

    fn is_deterministic(&self) -> bool {
        self.target.is_deterministic()
    }

    fn site(&self) -> SiteKind {
        self.target.site()
    }

    fn cannot(&self, step: &Step) -> Option<String> {
        self.target.cannot(step)
    }

    fn start(&self, sessions: &[SessionId], seed: u64) -> Result<Box<dyn Run>, TargetError> {
        self.target.start(sessions, seed)
    }

    fn twin(&self) -> Option<&(dyn Target + Sync)> {
        Some(&self.twin)
    }
}
