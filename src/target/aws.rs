//! A system that is deployed on AWS: whether it may be tested, what that would touch, and a fault that is undone
//! whatever happens.

mod api;
mod deployed;
mod experiment;
mod faults;
mod git;
mod guards;
mod journal;
mod look;
mod policy;
#[cfg(test)]
mod polled;
mod run;
mod steps;
mod undo;
mod xml;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

pub use self::api::Api;
pub use self::deployed::{Aws, Spent};
pub use self::faults::way;
pub use self::guards::{Guard, Touched};
pub use self::journal::Entry;
use self::journal::Journal;
use super::{Interrupt, TargetError};
use crate::plan::ClientId;
use crate::profile::{Deployed, Profile};

/// How often it is looked whether the alarm is on, while there is a fault.
const LOOK: Duration = Duration::from_secs(5);
/// How often it is looked whether the program is to end.
const TICK: Duration = Duration::from_millis(50);
/// What was found of an account before anything is done to it.
pub struct DryRun {
    /// Each guard that was asked, in order; the last one is the one that refuses, where one does.
    pub guards: Vec<Guard>,
    /// What a run would touch, and how that would be undone.
    pub touched: Vec<Touched>,
    /// How many requests were made; all of them only read.
    pub requests: u64,
    /// The account, where it may be tested.
    pub account: Option<String>,
}

impl DryRun {
    /// Whether every guard lets a run begin.
    pub fn is_allowed(&self) -> bool {
        self.guards.iter().all(|guard| guard.found.is_ok())
    }
}

fn runtime() -> Result<Runtime, TargetError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| {
        let remedy = "close other programs, or raise `ulimit -n`";
        TargetError::new("preparing requests to AWS", error, remedy)
    })
}

/// Asks every guard, until one refuses, and lists what a run would touch.
///
/// # Errors
/// When no requests can be made from here at all.
pub fn dry_run(profile: &Arc<Profile>, deployed: &Deployed) -> Result<DryRun, TargetError> {
    runtime()?.block_on(async {
        let api = Api::load(deployed.endpoint.clone()).await?;
        let (guards, account) = guards::ask(&api, profile, deployed).await;
        Ok(DryRun {
            touched: guards::touched(profile, deployed),
            guards,
            requests: api.requests(),
            account,
        })
    })
}

fn failed(doing: &str, why: impl std::fmt::Display, remedy: &str) -> TargetError {
    TargetError::new(doing, why, remedy)
}

const BY_HEAL: &str =
    "see with `shakedown heal --list` what is left, and undo it with `shakedown heal`";

/// Denies the worker to write the client's site, for a time, in an account whose guards allow it; then puts the
/// bucket's policy back. Returns what there is to be said of that.
///
/// # Errors
/// Where the policy cannot be changed, or is not put back, or the alarm went on.
pub fn deny(
    profile: &Profile,
    deployed: &Deployed,
    account: &str,
    client: &ClientId,
    time: Duration,
    interrupt: &Interrupt,
) -> Result<String, TargetError> {
    runtime()?.block_on(async {
        let api = Api::load(deployed.endpoint.clone()).await?;
        let bucket = profile.names.bucket(client);
        let doing = format!("changing the policy of {bucket}");
        let failed = |why: String| failed(&doing, why, BY_HEAL);
        let mut journal =
            begin(&api, deployed, account).map_err(|error| failed(error.to_string()))?;
        let denied = undo::deny(&api, &mut journal, &bucket, &deployed.role).await;
        let lasted = match denied {
            Ok(_) => last(&api, &deployed.alarm, time, interrupt).await,
            Err(why) => Err(why),
        };
        let undone = undo::all(&api, &mut journal).await.map_err(failed)?;
        lasted.map(|()| undone.join("; ")).map_err(failed)
    })
}

/// The journal of this process for an account.
fn begin(api: &Api, deployed: &Deployed, account: &str) -> io::Result<Journal> {
    Journal::begin(Entry {
        account: account.into(),
        region: api.region().into(),
        endpoint: deployed.endpoint.clone(),
        process: std::process::id(),
        changes: Vec::new(),
    })
}

/// Waits for the end of a fault, while the alarm is quiet.
async fn last(api: &Api, alarm: &str, time: Duration, interrupt: &Interrupt) -> Result<(), String> {
    let (began, mut looked) = (Instant::now(), Instant::now());
    while began.elapsed() < time && !interrupt.load(Ordering::Relaxed) {
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            let state = guards::alarm(api, alarm).await;
            state.map_err(|why| format!("it was ended early: alarm {alarm}: {why}"))?;
        }
        tokio::time::sleep(TICK.min(time)).await;
    }
    Ok(())
}

/// What is not known to be undone, in all accounts.
///
/// # Errors
/// Where the journals cannot be read.
pub fn left() -> Result<Vec<Entry>, TargetError> {
    let remedy = "repair or remove the file, once the account is as it should be";
    journal::all().map_err(|error| {
        let place = journal::folder().unwrap_or_default();
        failed(
            &format!("reading the journals in {}", place.display()),
            error,
            remedy,
        )
    })
}

/// Undoes what a program left which is gone. Returns what was done.
///
/// # Errors
/// Where these are the credentials of another account, or AWS refuses.
pub fn heal(entry: &Entry) -> Result<Vec<String>, TargetError> {
    let doing = format!("healing the account {}", entry.account);
    let remedy = "give credentials of that account, and heal again";
    runtime()?.block_on(async {
        let api = Api::load(entry.endpoint.clone())
            .await?
            .in_region(&entry.region);
        let account = guards::account(&api).await;
        let account = account.map_err(|error| failed(&doing, error, remedy))?;
        if account != entry.account {
            let why = format!("the credentials are of the account {account}");
            return Err(failed(&doing, why, remedy));
        }
        let at_work = "wait until it has ended";
        let journal = Journal::take_over(entry.clone());
        let mut journal = journal.map_err(|why| failed(&doing, why, at_work))?;
        undo::all(&api, &mut journal)
            .await
            .map_err(|why| failed(&doing, why, remedy))
    })
}
