//! The loopback cloud: every service that the system under test calls, in this process.
//!
//! S3, DynamoDB, SQS, CloudWatch Logs, a git remote over HTTP and the agent API answer on
//! 127.0.0.1, at a [`Front`] for each container. What reaches them is recorded as events, in the
//! order in which it took effect; the faults of a plan are made here, by the request.

mod answer;
mod front;
mod protocol;
mod recorder;
mod route;
mod services;

mod agent;
mod branch;
mod builds;
mod children;
mod credentials;
mod ecs;
mod faults;
mod git;
mod github;
mod hosts;
mod logs;
mod outcomes;
mod remote;
mod s3;
mod settings;
mod sqs;
mod sts;
mod table;
mod tasks;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::AbortHandle;

pub use agent::STUB_PATH;
pub use branch::{check_out, read_branch, read_clone, trees_with};
pub use builds::{BuildReport, TO_FAIL, with_short_path};
pub use credentials::{ACCESS_KEY, ACCOUNT, AGENT_KEY, GIT_TOKEN, REGION, SECRET_KEY};
pub use front::Front;
pub use logs::ContainerLog;
#[cfg(test)]
pub use logs::LOG_GROUP;
pub use outcomes::{OUTCOME_PATH, task_token};
pub use recorder::{Recorder, Trap};
pub(crate) use remote::{commit_from_outside, find_backend};
pub use sqs::Depths;
pub use watch::Request;

use self::faults::Faults;
use self::github::GitHub;
use self::hosts::Hosts;
use self::logs::Logs;
use self::outcomes::Outcomes;
use self::remote::Remote;
use self::s3::S3;
use self::services::Services;
use self::settings::Settings;
use self::sqs::Sqs;
use self::table::Table;
use self::tasks::Tasks;
use self::watch::Watch;
use crate::error::TargetError;
use crate::history::{Branch, Record};
use crate::oracle::Objects;
use crate::plan::{ClientId, Edit, Fault, Mark, Outsider, SessionId};
use crate::profile::{LineReader, Names, Profile};
use crate::scratch::Scratch;
use crate::site::{self, SiteKind};
use crate::worker::ports::{Instruction, RetryRequest};

/// What a cloud is started with.
#[derive(Clone, PartialEq, Debug)]
pub struct CloudConfig {
    /// The sessions of the plan; their clients have repositories, buckets and queues.
    pub sessions: Vec<SessionId>,
    /// Real time over the system's own time: 1/30 makes half a minute a second.
    pub time_scale: f64,
    /// Decides where a fault has more than one face.
    pub seed: u64,
    /// The `git` program.
    pub git: String,
    /// What the sites are built with; their sources are on `main`.
    pub site: SiteKind,
    /// How the system names things, and what the lines of its log say.
    pub profile: Arc<Profile>,
    /// Whether containers are to have networks of their own, where the profile has `[network]`; else it is by proxy
    /// settings that they are led here.
    pub encloses: bool,
    /// Where containers with networks of their own may write; anywhere, where it is empty.
    pub writable: Vec<PathBuf>,
}

impl CloudConfig {
    /// A cloud for these sessions, thirty times as fast as real time.
    pub fn of(sessions: Vec<SessionId>) -> Self {
        Self {
            sessions,
            time_scale: 1.0 / 30.0,
            seed: 0,
            git: "git".into(),
            site: SiteKind::Shell,
            profile: Profile::reference(),
            encloses: false,
            writable: Vec::new(),
        }
    }

    /// The table in which the containers keep what they know: that of the records, where there are
    /// such.
    pub fn table(&self) -> String {
        self.profile.record.clone().unwrap_or_default().table
    }

    /// What a process that works for the front's client has to know of the cloud, as variables of
    /// its environment.
    pub fn environment(&self, front: &Front) -> Vec<(&'static str, String)> {
        let client = front.client();
        let names = &self.profile.names;
        let mut environment = vec![
            ("CLIENT_ID", client.to_string()),
            ("AWS_ENDPOINT_URL", front.url()),
            ("AWS_REGION", REGION.into()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.into()),
            ("INSTRUCTION_QUEUE_URL", front.instruction_queue_url()),
            ("RETRY_QUEUE_URL", front.retry_queue_url()),
            ("SESSION_TABLE", self.table()),
            ("SITE_BUCKET", names.bucket(client)),
            ("LOG_GROUP", names.log_group.clone()),
            ("LOG_STREAM", client.to_string()),
            ("GIT_BASE_URL", front.git_url()),
            ("BRANCH_PATTERN", names.branch_pattern().into()),
            ("GIT_TOKEN", GIT_TOKEN.into()),
            ("ANTHROPIC_BASE_URL", front.url()),
            ("ANTHROPIC_API_KEY", AGENT_KEY.into()),
            ("TIME_SCALE", self.time_scale.to_string()),
        ];
        environment.extend(front.environment());
        environment
    }

    /// The bucket of each client.
    fn buckets(&self) -> BTreeMap<ClientId, String> {
        let clients = self.clients().into_iter();
        clients
            .map(|client| {
                let bucket = self.profile.names.bucket(&client);
                (client, bucket)
            })
            .collect()
    }

    /// The clients of the sessions, in their order.
    pub fn clients(&self) -> Vec<ClientId> {
        let mut clients: Vec<ClientId> = Vec::new();
        for session in &self.sessions {
            if !clients.contains(&session.client) {
                clients.push(session.client.clone());
            }
        }
        clients
    }
}

/// A running cloud. Dropping it ends its children and removes its folder; its ports close as soon
/// as the runtime runs again, or is dropped.
pub struct Cloud {
    services: Arc<Services>,
    runtime: Handle,
    fronts: Mutex<BTreeMap<ClientId, Arc<Front>>>,
    tasks: Mutex<Vec<AbortHandle>>,
    /// Dropped last, when all writers but the last requests have finished.
    _folder: Scratch,
}

impl Cloud {
    /// Starts the services for the configured sessions; `runtime` runs them, and must go on doing
    /// so while anything is asked of them.
    ///
    /// # Errors
    /// When `git` is missing, the temporary folder cannot be used, or the time scale is not a
    /// number above 0. Nothing is left behind then.
    pub fn start(config: CloudConfig, runtime: &Handle) -> Result<Self, TargetError> {
        if !(config.time_scale.is_finite() && config.time_scale > 0.0) {
            return Err(TargetError::new(
                "starting the loopback cloud",
                format!("the time scale is {}", config.time_scale),
                "give a number above 0: the real time for each unit of the system's own",
            ));
        }
        let folder = Scratch::new("cloud")?;
        let clients = config.clients();
        let recorder = Arc::new(Recorder::new(config.time_scale));
        let path = |name: &str| folder.path().join(name);
        let remote = Remote::new(&path("git"), &config, recorder.clone())?;
        let tasks = Arc::new(Tasks::default());
        let network = config.profile.network.as_ref();
        let hosts = network.map(|it| Hosts::new(it, &config, folder.path()));
        let services = Services {
            hosts: hosts.transpose()?,
            reader: LineReader::new(config.profile.clone(), &config.sessions),
            s3: S3::new(config.buckets(), recorder.clone()),
            table: Table::new(&config.profile, &config.sessions)?,
            sqs: Sqs::new(&clients, &config.profile, recorder.clone(), tasks.clone()),
            tasks,
            outcomes: Outcomes::default(),
            logs: Logs::default(),
            settings: Settings::new(
                config.profile.names.clone(),
                config.profile.resources.clone(),
            ),
            remote,
            github: GitHub::default(),
            faults: Faults::new(config.seed),
            watch: Watch::default(),
            recorder,
            config,
        };
        Ok(Self {
            services: Arc::new(services),
            runtime: runtime.clone(),
            fronts: Mutex::default(),
            tasks: Mutex::default(),
            _folder: folder,
        })
    }

    /// The address that the client's container is given; the same one each time.
    ///
    /// # Errors
    /// When no port of the loopback interface is free.
    pub fn open_front(&self, client: &ClientId) -> Result<Arc<Front>, TargetError> {
        let mut fronts = lock(&self.fronts);
        if let Some(front) = fronts.get(client) {
            return Ok(front.clone());
        }
        let _inside = self.runtime.enter();
        let (front, serving) = Front::open(self.services.clone(), client.clone())?;
        lock(&self.tasks).push(self.runtime.spawn(serving).abort_handle());
        let front = Arc::new(front);
        fronts.insert(client.clone(), front.clone());
        Ok(front)
    }

    /// Takes the reports of the shims of the client's container, at this socket. A build in a checkout of a session
    /// whose builds are to fail, fails.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn watch_builds(
        &self,
        client: &ClientId,
        socket: &Path,
        checkouts: Vec<(SessionId, PathBuf)>,
    ) -> Result<(), TargetError> {
        let _inside = self.runtime.enter();
        let listener = with_short_path(socket, |path| UnixListener::bind(path));
        let listener = listener.map_err(|error| {
            TargetError::new(
                format!("making the socket {}", socket.display()),
                error,
                "set TMPDIR to a folder that can be written to",
            )
        })?;
        let watching = builds::watch(self.services.clone(), client.clone(), listener, checkouts);
        lock(&self.tasks).push(self.runtime.spawn(watching).abort_handle());
        Ok(())
    }

    /// Where the lines go that a container of the client prints.
    pub fn container_log(&self, client: &ClientId) -> ContainerLog {
        ContainerLog::new(self.services.clone(), client.clone())
    }

    /// The record of what reached the endpoints.
    pub fn recorder(&self) -> &Recorder {
        &self.services.recorder
    }

    /// Each request from now on, as it is answered, for one watcher.
    pub fn watch(&self) -> UnboundedReceiver<Request> {
        self.services.watch.begin()
    }

    /// Makes a fault, or heals it; both can be done twice without harm. An out-of-memory fault is
    /// not the cloud's, and changes nothing here.
    ///
    /// # Errors
    /// When the session table does not take a `failureInjection`.
    pub fn set_fault(&self, fault: &Fault, on: bool) -> Result<(), TargetError> {
        self.services.faults.set(fault, on);
        match fault {
            // The shims ask for it at each build.
            Fault::BuildError(_) if self.services.config.profile.start.is_some() => Ok(()),
            Fault::BuildError(session) | Fault::BuildWarning(session) => {
                let injection = self.services.faults.active().injection(session);
                self.services.table.inject(session, injection)
            }
            Fault::Partition(client) => {
                self.open_front(client)?.set_partition(on);
                Ok(())
            }
            // Asked for at each request.
            Fault::S3Denied(_)
            | Fault::S3Missing(_)
            | Fault::S3Down(_)
            | Fault::S3Partial { .. }
            | Fault::S3AckLost(_)
            | Fault::GitAuth
            | Fault::GitDown
            | Fault::AgentSlow
            | Fault::AgentError(_)
            | Fault::AgentCut(_)
            | Fault::StoreThrottled
            | Fault::QueueDown(_) => Ok(()),
            // The target sets the limit of its container.
            Fault::OutOfMemory(_) => Ok(()),
        }
    }

    /// Waits until the client's front is as it was set: cut off, or not any more.
    ///
    /// # Errors
    /// When no port of the loopback interface is free for it.
    pub async fn settled(&self, client: &ClientId) -> Result<(), TargetError> {
        self.open_front(client)?.settled().await;
        Ok(())
    }

    /// Sends an instruction to the session's queue.
    ///
    /// # Errors
    /// When the session is not one of the cloud's.
    pub fn send_instruction(
        &self,
        session: &SessionId,
        edit: Edit,
        mark: Mark,
    ) -> Result<(), TargetError> {
        let body = Instruction {
            instruction_id: mark.to_string().into(),
            session_id: session.clone(),
            instruction: site::instruction_text(edit, mark).into(),
        };
        let queue = self.names().queue(&session.client);
        self.send(session, &queue, &body)
    }

    /// Sends `RETRY_GIT_PUSH` for the session.
    ///
    /// # Errors
    /// As [`Self::send_instruction`].
    pub fn send_retry(&self, session: &SessionId) -> Result<(), TargetError> {
        let body = RetryRequest::RetryGitPush {
            session_id: session.clone(),
        };
        let queue = self.names().retry_queue(&session.client);
        self.send(session, &queue, &body)
    }

    fn send(
        &self,
        session: &SessionId,
        queue: &str,
        body: &impl serde::Serialize,
    ) -> Result<(), TargetError> {
        let body = serde_json::to_string(body);
        let body = body.map_err(|error| unsendable(session, queue, &error))?;
        self.send_text(session, queue, &body)
    }

    /// Makes known whose instruction has this mark, before a message of a profile's form has it.
    pub fn announce(&self, session: &SessionId, mark: Mark) {
        self.services.sqs.announce(session, mark);
        self.services.outcomes.announce(session, mark);
        self.services.tasks.announce(&task_token(mark));
    }

    /// Sends a message of any form.
    ///
    /// # Errors
    /// When there is no such queue.
    pub fn send_text(
        &self,
        session: &SessionId,
        queue: &str,
        body: &str,
    ) -> Result<(), TargetError> {
        match self.services.sqs.send(&session.client, queue, body) {
            true => Ok(()),
            false => Err(unsendable(session, queue, &"there is no such queue")),
        }
    }

    /// Whether a table that the profile names as a resource has an item.
    pub fn has_item(&self, table: &str, key: &str) -> bool {
        self.services.table.has(table, key)
    }

    fn names(&self) -> &Names {
        &self.services.config.profile.names
    }

    /// Delivers the session's newest acknowledged instruction again. Returns whether there was
    /// one.
    pub fn redeliver(&self, session: &SessionId) -> bool {
        self.services.sqs.redeliver(session)
    }

    /// Pushes a commit of an outsider to the session's branch.
    ///
    /// # Errors
    /// When the session is not one of the cloud's, or `git` fails.
    pub fn push_from_outside(
        &self,
        session: &SessionId,
        outsider: Outsider,
        mark: Mark,
    ) -> Result<(), TargetError> {
        self.services
            .remote
            .push_from_outside(session, outsider, mark)
    }

    /// How many messages are in the client's queues.
    pub fn depths(&self, client: &ClientId) -> Depths {
        self.services.sqs.depths(client)
    }

    /// The instructions that are visible, delayed or in flight.
    pub fn queued(&self) -> Vec<Mark> {
        self.marks(Names::queue)
    }

    /// The instructions that were given up.
    pub fn dead_letters(&self) -> Vec<Mark> {
        self.marks(Names::dead_letters)
    }

    fn marks(&self, queue: fn(&Names, &ClientId) -> String) -> Vec<Mark> {
        let clients = self.services.config.clients();
        clients
            .iter()
            .flat_map(|client| self.services.sqs.marks(&queue(self.names(), client)))
            .collect()
    }

    /// The folder of the client's repository.
    pub fn repository(&self, client: &ClientId) -> PathBuf {
        self.services.remote.path(client)
    }

    /// The branches of the sessions on the remote, as far as they exist.
    ///
    /// # Errors
    /// When `git` fails.
    pub fn remote_branches(&self) -> Result<BTreeMap<SessionId, Branch>, TargetError> {
        let mut branches = BTreeMap::new();
        for session in &self.services.config.sessions {
            let branch = self.services.remote.branch(session).map_err(|error| {
                TargetError::new(
                    format!("reading the remote branch of {session}"),
                    error,
                    "make sure that git works",
                )
            })?;
            branches.extend(branch.map(|branch| (session.clone(), branch)));
        }
        Ok(branches)
    }

    /// The objects of each client's site.
    pub fn sites(&self) -> BTreeMap<ClientId, Objects> {
        self.services.s3.sites()
    }

    /// The records of the sessions, as far as they exist.
    pub fn records(&self) -> BTreeMap<SessionId, Record> {
        self.services.table.records(&self.services.config.sessions)
    }

    /// The folder that holds the cloud's files, and is removed with it.
    #[cfg(test)]
    fn folder(&self) -> &std::path::Path {
        self._folder.path()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        for task in lock(&self.tasks).drain(..) {
            task.abort();
        }
        self.services.recorder.release();
        self.services.remote.children.end();
    }
}

fn unsendable(session: &SessionId, queue: &str, why: &dyn std::fmt::Display) -> TargetError {
    TargetError::new(
        format!("sending a message for {session} to {queue}"),
        why,
        "declare the session before the cloud is started",
    )
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
