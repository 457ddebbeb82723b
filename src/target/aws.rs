//! A system that is deployed on AWS: whether it may be tested, and what that would touch.
//!
//! Nothing here changes anything in an account.

mod api;
mod faults;
mod guards;
mod xml;

use std::sync::Arc;

use tokio::runtime::Builder;

pub use self::api::Api;
pub use self::faults::way;
pub use self::guards::{Guard, Touched};
use super::TargetError;
use crate::profile::{Deployed, Profile};

/// What was found of an account before anything is done to it.
pub struct DryRun {
    /// Each guard that was asked, in order; the last one is the one that refuses, where one does.
    pub guards: Vec<Guard>,
    /// What a run would touch, and how that would be undone.
    pub touched: Vec<Touched>,
    /// How many requests were made; all of them only read.
    pub requests: u64,
}

impl DryRun {
    /// Whether every guard lets a run begin.
    pub fn is_allowed(&self) -> bool {
        self.guards.iter().all(|guard| guard.found.is_ok())
    }
}

/// Asks every guard, until one refuses, and lists what a run would touch.
///
/// # Errors
/// When no requests can be made from here at all.
pub fn dry_run(profile: &Arc<Profile>, deployed: &Deployed) -> Result<DryRun, TargetError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        let remedy = "close other programs, or raise `ulimit -n`";
        TargetError::new("preparing requests to AWS", error, remedy)
    })?;
    runtime.block_on(async {
        let api = Api::load(deployed).await?;
        let guards = guards::ask(&api, profile, deployed).await;
        Ok(DryRun {
            touched: guards::touched(profile, deployed),
            guards,
            requests: api.requests(),
        })
    })
}
