//! The local target: worker processes on the loopback cloud, in real time, scaled.
//!
//! A container is a process group of its own, with a front of the cloud as its only world; a crash
//! is SIGKILL. Everything that a run makes is in one temporary folder, and is removed with it.

mod astro;
mod by_hand;
mod checkouts;
mod container;
mod direct;
mod foreign;
mod jobs;
mod looked_after;
mod machine;
mod memory;
mod needs;
mod output;
pub(super) mod own_builds;
mod run;
mod shims;
mod steps;
mod thread;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::checkouts::Checkouts;
use self::container::{Container, Program};
use self::foreign::System;
use self::machine::MachineWatch;
use self::output::LogSink;
use self::own_builds::OwnBuilds;
use self::run::LocalRun;
use self::thread::CloudThread;
use super::sim::Sim;
use super::{Run, Target, TargetError, slowed};
use crate::cloud::{Cloud, CloudConfig, Front};
use crate::plan::{ClientId, Fault, SessionId, Step};
use crate::profile::{Per, Profile};
use crate::scratch::Scratch;
use crate::site::SiteKind;

pub use self::astro::Astro;
pub(crate) use self::by_hand::ByHand;
pub use self::container::WorkerCommand;
pub(crate) use self::needs::check as check_needs;

/// What the sites are built with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Sites {
    /// A shell script, which needs nothing else.
    #[default]
    Shell,
    /// A shell script with another template.
    Leaflet,
    /// Astro, with these packages.
    Astro(Astro),
}

/// Worker processes on this machine.
#[derive(Clone)]
pub struct Local {
    /// Real time over the system's own time: 1/30 makes half a minute a second.
    pub time_scale: f64,
    /// This program, as it is called: what is run as a container, where the profile does not say how
    /// its system is started, and in the place of an agent's program, where it does.
    pub worker: WorkerCommand,
    /// The `git` program of the remote.
    pub git: String,
    /// What is particular to the system that the worker is.
    pub profile: Arc<Profile>,
    /// What the sites are built with.
    pub sites: Sites,
    /// The simulated target on which the same worker runs, if there is one.
    pub twin: Option<Sim>,
}

impl Local {
    /// The reference worker, as this very program runs it, thirty times as fast as real time.
    ///
    /// # Errors
    /// When the system cannot say which program this is.
    pub fn new() -> Result<Self, TargetError> {
        let program = std::env::current_exe().map_err(|error| {
            TargetError::new(
                "looking for this program's own file",
                error,
                "start shakedown by its full path",
            )
        })?;
        Ok(Self {
            time_scale: 1.0 / 30.0,
            worker: WorkerCommand {
                program,
                arguments: vec!["worker".into()],
            },
            git: "git".into(),
            profile: Profile::reference(),
            sites: Sites::Shell,
            twin: None,
        })
    }

    /// The same, with more arguments for every worker.
    pub fn with_worker_arguments<'a>(mut self, more: impl IntoIterator<Item = &'a str>) -> Self {
        let more = more.into_iter().map(str::to_owned);
        self.worker.arguments.extend(more);
        self
    }

    /// The environment of a client's container.
    fn environment(
        &self,
        cloud: &CloudConfig,
        front: &Front,
        root: &Path,
        home: &Path,
    ) -> Vec<(OsString, OsString)> {
        let mut environment: Vec<(OsString, OsString)> = cloud
            .environment(front)
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        // Nothing of this user's own: no AWS profile, no proxy between the worker and the cloud.
        for name in ["HOME", "TMPDIR"] {
            environment.push((name.into(), home.into()));
        }
        // And nothing of this machine's.
        for (name, value) in [
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
        ] {
            environment.push((name.into(), value.into()));
        }
        if let Sites::Astro(astro) = &self.sites {
            let variables = astro.environment();
            environment.extend(variables.map(|(name, value)| (name.into(), value.into())));
        }
        environment.push(("WORKSPACE_ROOT".into(), root.into()));
        let (name, value) = memory::NOTHING_AHEAD;
        environment.push((name.into(), value.into()));
        environment
    }
}

impl Target for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn is_deterministic(&self) -> bool {
        false
    }

    fn site(&self) -> SiteKind {
        match self.sites {
            Sites::Shell => SiteKind::Shell,
            Sites::Leaflet => SiteKind::Leaflet,
            Sites::Astro(_) => SiteKind::Astro,
        }
    }

    fn time_scale(&self) -> Option<f64> {
        Some(self.time_scale)
    }

    fn defect(&self) -> Option<&str> {
        let mut arguments = self.worker.arguments.iter();
        arguments.find(|argument| *argument == "--defect")?;
        arguments.next().map(String::as_str)
    }

    fn cannot(&self, step: &Step) -> Option<String> {
        if let Some(start) = &self.profile.start
            && let Some(why) = foreign::cannot(&self.profile, start, step)
        {
            return Some(why);
        }
        match step {
            Step::Inject(Fault::OutOfMemory(_)) if !cfg!(target_os = "linux") => {
                Some("only Linux can limit the memory of a running process".into())
            }
            Step::Inject(Fault::OutOfMemory(_)) if self.site() == SiteKind::Astro => {
                Some("a build with Astro needs more memory than the limit leaves".into())
            }
            _ => self.profile.cannot(step),
        }
    }

    fn profile(&self) -> Arc<Profile> {
        self.profile.clone()
    }

    fn twin(&self) -> Option<&(dyn Target + Sync)> {
        self.twin.as_ref().map(|twin| twin as &(dyn Target + Sync))
    }

    fn start_slowed(
        &self,
        sessions: &[SessionId],
        seed: u64,
        times: u32,
    ) -> Result<Box<dyn Run>, TargetError> {
        let slower = Self {
            time_scale: slowed(self.time_scale, times),
            ..self.clone()
        };
        slower.start(sessions, seed)
    }

    fn start(&self, sessions: &[SessionId], seed: u64) -> Result<Box<dyn Run>, TargetError> {
        if let Some(start) = &self.profile.start {
            foreign::set_up(&self.profile, start)?;
        }
        let machine = MachineWatch::start(self.time_scale).map_err(|error| {
            TargetError::new(
                "looking whether the machine has what a run needs",
                error,
                "make room, or set TMPDIR to a folder with more; close other programs, or raise \
                 `ulimit -u`",
            )
        })?;
        let thread = CloudThread::start().map_err(|error| {
            TargetError::new(
                "starting the thread of the loopback cloud",
                error,
                "close other programs, or raise `ulimit -u`",
            )
        })?;
        let profile = self.profile();
        let folder = Scratch::new("local")?;
        let own = profile.start.as_ref();
        let writable = own.map(|start| foreign::writable(&profile, start, folder.path()));
        let config = CloudConfig {
            time_scale: self.time_scale,
            seed,
            git: self.git.clone(),
            site: self.site(),
            profile: profile.clone(),
            encloses: true,
            writable: writable.transpose()?.unwrap_or_default(),
            ..CloudConfig::of(sessions.to_vec())
        };
        let cloud = Cloud::start(config.clone(), thread.handle())?;
        let mut containers: BTreeMap<ClientId, Container> = BTreeMap::new();
        let mut own_builds = BTreeMap::new();
        let mut systems = BTreeMap::new();
        for session in sessions {
            let client = &session.client;
            if containers.contains_key(client) {
                continue;
            }
            let root = workspace_root(folder.path(), client);
            let front = cloud.open_front(client)?;
            let home = folder.path().join("homes").join(&*client.0);
            let (program, log) = match &profile.start {
                None => {
                    let environment = self.environment(&config, &front, &root, folder.path());
                    let program = Program {
                        command: self.worker.clone(),
                        environment,
                        folder: None,
                        namespace: None,
                        home: None,
                    };
                    (program, None)
                }
                Some(start) => {
                    let values = foreign::values(&profile, &config, &front, &root, &home);
                    let own = config.sessions.iter().filter(|of| of.client == *client);
                    let checkouts = own.filter_map(|session| {
                        let folder = foreign::checkout(&profile, start, &values, session);
                        Some(folder.transpose()?.map(|folder| (session.clone(), folder)))
                    });
                    let checkouts = checkouts.collect::<Result<_, _>>()?;
                    shims::watch(&cloud, client, start, &home, checkouts)?;
                    let program = match start.per {
                        Per::Client => {
                            let tester = &self.worker.program;
                            foreign::program(&profile, start, &values, (&front, tester))?
                        }
                        // Each instruction has its own.
                        Per::Instruction => Program::default(),
                    };
                    systems.insert(client.clone(), values);
                    (program, Some(LogSink::new(cloud.container_log(client))))
                }
            };
            if let Some(build) = &profile.site.build {
                let environment = match &profile.start {
                    Some(start) => foreign::build_environment(build, start, &systems[client])?,
                    None => program.environment.clone(),
                };
                let builds = OwnBuilds::new(build.clone(), &environment);
                own_builds.insert(client.clone(), builds);
            }
            let errors = folder.path().join(format!("{client}.errors"));
            let container = Container::new(program, errors, log);
            containers.insert(client.clone(), container);
        }
        let mut checkouts = Vec::new();
        for session in sessions {
            let root = workspace_root(folder.path(), &session.client);
            let branch = self.profile.names.branch(session);
            let checkout = match &profile.start {
                None => Some(root.join(&*session.thread)),
                Some(start) => {
                    let values = &systems[&session.client];
                    foreign::checkout(&profile, start, values, session)?
                }
            };
            let of = (cloud.repository(&session.client), branch);
            checkouts.extend(checkout.map(|checkout| (session.clone(), checkout, of)));
        }
        let checkouts = Checkouts::new(checkouts.into_iter());
        let mut run = LocalRun::new(
            containers, checkouts, own_builds, cloud, thread, machine, folder,
        );
        run.restart = self.profile.limits.restart / 24;
        run.system = profile.start.is_some().then(|| System {
            profile: profile.clone(),
            values: systems,
            tester: self.worker.program.clone(),
        });
        run.start()?;
        Ok(Box::new(run))
    }
}

/// The checkouts of a client are folders in this one, named by their threads.
fn workspace_root(folder: &Path, client: &ClientId) -> PathBuf {
    folder.join("workspaces").join(&*client.0)
}
