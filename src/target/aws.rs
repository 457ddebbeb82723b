//! A system that is deployed on AWS: whether it may be tested, what that would touch, and a fault that is undone
//! whatever happens.

mod api;
mod faults;
mod guards;
mod journal;
mod policy;
mod xml;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hyper::Method;
use tokio::runtime::{Builder, Runtime};

pub use self::api::Api;
use self::api::ApiError;
pub use self::faults::way;
pub use self::guards::{Guard, Touched};
pub use self::journal::Entry;
use self::policy::Undo;
use super::{Interrupt, TargetError};
use crate::plan::ClientId;
use crate::profile::{Deployed, Profile};

/// How often it is looked whether the alarm is on, while there is a fault.
const LOOK: Duration = Duration::from_secs(5);
/// How often it is looked whether the program is to end.
const TICK: Duration = Duration::from_millis(50);
/// How long after a look our statement may still appear, where its request was under way when its sender was killed.
const UNDER_WAY: Duration = Duration::from_secs(1);

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
        let before = policy_of(&api, &bucket, account).await;
        let before = before.map_err(|error| failed(error.to_string()))?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        // AWS takes letters and digits only.
        let statement = format!("shakedown{:x}step1", now.as_millis());
        let ours = policy::with_denial(before.as_deref(), &bucket, &deployed.role, &statement);
        let ours = ours.map_err(failed)?;
        let entry = Entry {
            account: account.into(),
            region: api.region().into(),
            endpoint: deployed.endpoint.clone(),
            bucket,
            statement,
            before,
            ours,
            process: std::process::id(),
        };
        let _lock = journal::begin(&entry).map_err(|error| failed(error.to_string()))?;
        let put = put(&api, &entry, Some(&entry.ours)).await;
        let lasted = match put {
            Ok(()) => last(&api, &deployed.alarm, time, interrupt).await,
            Err(error) => Err(error.to_string()),
        };
        let undone = undo(&api, &entry).await.map_err(failed)?;
        lasted.map(|()| undone).map_err(failed)
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

async fn policy_of(api: &Api, bucket: &str, account: &str) -> Result<Option<String>, ApiError> {
    match api.bucket(Method::GET, bucket, "policy", account, "").await {
        Ok(policy) => Ok(Some(policy)),
        Err(error) if error.code == "NoSuchBucketPolicy" => Ok(None),
        Err(error) => Err(error),
    }
}

async fn put(api: &Api, entry: &Entry, policy: Option<&str>) -> Result<(), ApiError> {
    let (method, body) = match policy {
        Some(policy) => (Method::PUT, policy),
        None => (Method::DELETE, ""),
    };
    let put = api.bucket(method, &entry.bucket, "policy", &entry.account, body);
    put.await.map(drop)
}

/// Takes our statement out of the policy, and looks that it is gone; then the journal ends. Returns what was done.
async fn undo(api: &Api, entry: &Entry) -> Result<String, String> {
    let text = |error: ApiError| error.to_string();
    let now = || policy_of(api, &entry.bucket, &entry.account);
    let decide = |now: Option<String>| policy::undo(now.as_deref(), &entry.ours, &entry.statement);
    let mut found = decide(now().await.map_err(text)?)?;
    if found == Undo::Nothing {
        tokio::time::sleep(UNDER_WAY).await;
        found = decide(now().await.map_err(text)?)?;
    }
    let bucket = &entry.bucket;
    let done = match &found {
        Undo::Nothing => format!("the policy of {bucket} has no statement of ours"),
        Undo::PutBack => {
            put(api, entry, entry.before.as_deref())
                .await
                .map_err(text)?;
            format!("the policy of {bucket} is as it was")
        }
        Undo::Keep(policy) => {
            put(api, entry, Some(policy)).await.map_err(text)?;
            format!(
                "somebody else changed the policy of {bucket}: that stays, without our statement"
            )
        }
        Undo::Remove => {
            put(api, entry, None).await.map_err(text)?;
            format!(
                "somebody else changed the policy of {bucket}; only our statement was left, and it is gone"
            )
        }
    };
    if decide(now().await.map_err(text)?)? != Undo::Nothing {
        return Err("our statement is still there".into());
    }
    journal::end(entry).map_err(|error| error.to_string())?;
    Ok(done)
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

/// Undoes a change that a program left which is gone. Returns what was done.
///
/// # Errors
/// Where these are the credentials of another account, or AWS refuses.
pub fn heal(entry: &Entry) -> Result<String, TargetError> {
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
        let _lock = journal::lock(&entry.account).map_err(|why| failed(&doing, why, at_work))?;
        undo(&api, entry)
            .await
            .map_err(|why| failed(&doing, why, remedy))
    })
}
