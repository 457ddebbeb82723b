//! The aws target: a system that is deployed, and given work as its users give it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::api::Api;
use super::git::Remote;
use super::look::World;
use super::run::AwsRun;
use super::{begin, faults, guards, runtime, undo};
use crate::plan::{ClientId, Edit, Fault, SessionId, Step};
use crate::profile::{Deployed, Evidence, LineReader, Profile};
use crate::target::local::own_builds::OwnBuilds;
use crate::target::{Run, Target, TargetError};

/// What runs have cost.
#[derive(Debug, Default)]
pub struct Spent {
    pub(super) runs: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) of_git: AtomicU64,
}

impl Spent {
    /// The same as a sentence.
    pub fn words(&self) -> String {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (runs, requests, of_git) = (of(&self.runs), of(&self.requests), of(&self.of_git));
        format!("{runs} runs on AWS: {requests} requests to it, and {of_git} to the git remote")
    }
}

/// A system that is deployed on AWS.
pub struct Aws {
    profile: Arc<Profile>,
    deployed: Deployed,
    /// The account that was named on the command line.
    account: String,
    /// Real time over the system's own time, where its waits were made shorter.
    time_scale: f64,
    spent: Arc<Spent>,
    /// Where the same system runs at no cost.
    twin: Option<Box<dyn Target + Sync>>,
}

impl Aws {
    /// The system of a profile, in an account that was named for it.
    pub fn new(
        profile: Arc<Profile>,
        deployed: Deployed,
        account: &str,
        time_scale: f64,
        spent: &Arc<Spent>,
    ) -> Self {
        Self {
            profile: profile.as_deployed(),
            deployed,
            account: account.into(),
            time_scale,
            spent: spent.clone(),
            twin: None,
        }
    }

    /// The same, with a target where the same system runs at no cost.
    #[must_use]
    pub fn with_twin(self, twin: Box<dyn Target + Sync>) -> Self {
        Self {
            twin: Some(twin),
            ..self
        }
    }

    fn cannot_stop(&self, client: &ClientId) -> Option<String> {
        match (&self.deployed.cluster, self.deployed.service(client)) {
            (Some(_), Some(_)) => None,
            _ => Some(format!(
                "[aws] has no `cluster`, and no service that is {client}'s alone, of which a task could be stopped or cut off"
            )),
        }
    }

    fn is_standard(&self, client: &ClientId) -> bool {
        !self.profile.names.queue(client).ends_with(".fifo")
    }

    fn cannot_inject(&self, fault: &Fault) -> Option<String> {
        let way = faults::way(fault.kind(), &self.profile, &self.deployed);
        let why = way.err().map(str::to_owned);
        why.or_else(|| match fault {
            Fault::Partition(client) if self.is_standard(client) => Some(
                "the queue keeps no order, and a message that waits for the end of the fault would be sent before another".into(),
            ),
            Fault::Partition(client) => self.cannot_stop(client),
            _ => None,
        })
    }
}

fn refused(why: impl std::fmt::Display) -> TargetError {
    let remedy = "`shakedown run --target aws` without --yes-account shows each guard";
    TargetError::new(
        "asking whether the deployed system may be tested",
        why,
        remedy,
    )
}

impl Target for Aws {
    fn name(&self) -> &'static str {
        "aws"
    }

    fn is_deterministic(&self) -> bool {
        false
    }

    fn time_scale(&self) -> Option<f64> {
        Some(self.time_scale)
    }

    fn profile(&self) -> Arc<Profile> {
        self.profile.clone()
    }

    fn cannot(&self, step: &Step) -> Option<String> {
        let kept = self.deployed.keeps_workspace;
        let why = match step {
            Step::Instruct(_, Edit::MemoryHungry) => Some(
                "the memory of a task is in its definition, which is never changed: nothing limits it".into(),
            ),
            Step::Inject(fault) | Step::Heal(fault) => self.cannot_inject(fault),
            Step::Crash(_) if !kept => Some(
                "a task's workspace is gone with it, where [aws] does not say `keeps-workspace = true`: that is \
                 `workspace-lost`"
                    .into(),
            ),
            Step::LoseWorkspace(_) if kept => {
                Some("a task's workspace outlives it, as [aws] says: that is `crash`".into())
            }
            Step::Crash(client) | Step::LoseWorkspace(client) => self.cannot_stop(client),
            Step::PushFromOutside(..) => self.profile.unseen(Evidence::Remote).map(str::to_owned),
            Step::UntilStarted { .. } => {
                Some("the requests of a deployed system cannot be counted".into())
            }
            Step::Until { requests, .. } if *requests > 0 => {
                Some("the requests of a deployed system cannot be counted".into())
            }
            Step::Until { .. } => self.profile.unseen(Evidence::Log).map(str::to_owned),
            Step::RetryPush(_) if self.deployed.message.is_some() => {
                Some("the profile does not say how a push is asked for again".into())
            }
            Step::RetryPush(session) => {
                let queue = self.profile.names.retry_queue(&session.client);
                let is_listed = self.deployed.queues.contains(&queue);
                (!is_listed).then(|| format!("the queue {queue} is not in `queues` of [aws]"))
            }
            Step::Instruct(..) | Step::Redeliver(_) | Step::Wait(_) => None,
        };
        self.profile.cannot(step).or(why)
    }

    fn runs_for_shrinking(&self) -> Option<u32> {
        Some(self.deployed.shrink_runs)
    }

    fn twin(&self) -> Option<&(dyn Target + Sync)> {
        self.twin.as_deref()
    }

    fn start(&self, sessions: &[SessionId], _: u64) -> Result<Box<dyn Run>, TargetError> {
        let (profile, deployed) = (&self.profile, &self.deployed);
        for session in sessions {
            if deployed
                .sessions
                .iter()
                .all(|it| it.client != session.client)
            {
                return Err(TargetError::new(
                    "starting a plan on the deployed system",
                    format!("its session {session} is of no client that `sessions` of [aws] lists"),
                    "run another plan, or list a session of that client",
                ));
            }
        }
        let runtime = runtime()?;
        let api = runtime.block_on(Api::load(deployed.endpoint.clone()))?;
        let (guards, account) = runtime.block_on(guards::ask(&api, profile, deployed));
        let Some(account) = account else {
            let last = guards.last().map(|guard| {
                let why = guard.found.as_ref().err().cloned().unwrap_or_default();
                format!("{}: {why}", guard.about)
            });
            return Err(refused(last.unwrap_or_default()));
        };
        if account != self.account {
            return Err(refused(format!(
                "--yes-account {} is not the account of the credentials, {account}",
                self.account
            )));
        }
        let journal = begin(&api, deployed, &account).map_err(refused)?;
        // Sessions that no run had before: what is known of old ones is nobody's to guess.
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let name = format!("sd{:x}", now.as_millis());
        let named = |session: &SessionId| {
            let thread = format!("{name}-{}", session.thread);
            SessionId::new(&session.client.0, &thread)
        };
        let real: Vec<SessionId> = sessions.iter().map(named).collect();
        let mut clients: Vec<ClientId> = sessions.iter().map(|it| it.client.clone()).collect();
        clients.sort();
        clients.dedup();
        let mut remotes = BTreeMap::new();
        let mut queues = BTreeMap::new();
        for client in &clients {
            let queue = profile.names.queue(client);
            if !queue.ends_with(".fifo") && !deployed.standard_queues {
                return Err(refused(format!(
                    "the queue {queue} is not a FIFO one; where [aws] says `standard-queues = true`, instructions \
                     of a client are sent one by one"
                )));
            }
            let url = runtime.block_on(undo::queue_url(&api, &queue, &account));
            queues.insert(client.clone(), url.map_err(refused)?);
            if let Some(url) = deployed.repository(client) {
                let of_client = real.iter().filter(|it| it.client == *client);
                let branches = of_client.map(|session| profile.names.branch(session));
                let token = deployed.git_token.as_deref();
                remotes.insert(client.clone(), Remote::open(&url, token, branches)?);
            }
        }
        let build = profile.site.build.clone();
        let mut run = AwsRun {
            reader: LineReader::new(profile.clone(), &real),
            profile: profile.clone(),
            deployed: deployed.clone(),
            account,
            sessions: sessions.iter().cloned().zip(real).collect(),
            clients,
            name,
            journal,
            is_changed: false,
            faults: Vec::new(),
            queues,
            sent: 0,
            world: World::new(remotes),
            began: Instant::now(),
            scale: self.time_scale,
            pause: None,
            alarm_seen: Instant::now(),
            events: Vec::new(),
            last_change: std::time::Duration::ZERO,
            last_look: std::time::Duration::ZERO,
            interrupt: crate::target::Interrupt::default(),
            own_builds: build.map(|build| OwnBuilds::new(build, &[])),
            spent: self.spent.clone(),
            api,
            runtime,
        };
        run.look_first()?;
        Ok(Box::new(run))
    }
}
