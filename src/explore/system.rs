//! An abstract system that keeps the contract: one client, with everything that it does as a step
//! of its own.
//!
//! It has no clock and no chance. Each phase, request, delivery, restart and passing of time is an
//! [`Act`]; which one comes next is for the exploration to choose, and what each shows to the
//! endpoints is an event like those of a real run. What survives a crash and what does not is kept
//! apart: [`Container`] is memory, all else is durable.

mod acts;
mod deploy;
mod disturb;
mod fault;
mod notes;
mod publish;
mod queue;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::mutant::Mutant;
use crate::coverage::Sometimes;
use crate::history::{Branch, Content, Level, Snapshot, What, Workspace};
use crate::model::BuildOf;
use crate::plan::{ClientId, Edit, Mark, Outsider, Phase, SessionId, Step};
use crate::profile::Profile;
use crate::queue::{MAX_RECEIVES, Queue, Rules};

pub use acts::{Act, Admitted};
pub use fault::ModelFault;

/// One client's part of the world.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct System {
    pub client: ClientId,
    pub threads: Vec<Thread>,
    /// Every instruction that was sent.
    pub sent: Vec<Sent>,
    pub outsiders: Vec<(Mark, Outsider)>,
    pub messages: Messages,
    pub dead_letters: Vec<Mark>,
    pub container: Container,
    pub site: BTreeMap<Arc<str>, Arc<Content>>,
    /// The newest good build: what the site should show.
    pub wanted: Option<Wanted>,
    pub is_deployed: bool,
    pub active: Vec<ModelFault>,
    /// A partition was healed, and the container was not seen since.
    pub is_awaited: bool,
}

/// A session: its branch on both sides, and what its record keeps.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Thread {
    pub id: SessionId,
    pub remote: Arc<Branch>,
    /// The branch in the workspace; `None` where there is no workspace.
    pub local: Option<Arc<Branch>>,
    pub notes: Notes,
    /// A request to push is on the retry queue.
    pub retry_asked: bool,
}

/// What the session's record says, and what it keeps for later.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Notes {
    pub failure: Option<&'static str>,
    pub push_put_off: bool,
    pub deploy_put_off: bool,
    pub build_warned: bool,
    pub conflict: bool,
    /// Reported as lost with the workspace.
    pub lost: Vec<Mark>,
    /// Saved in the workspace only.
    pub saved: Vec<Mark>,
    pub handled: Vec<Mark>,
    /// Whether anything was ever written.
    pub is_written: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Sent {
    pub mark: Mark,
    pub session: usize,
    pub edit: Edit,
}

/// The queue of instructions, each with its session, by marks. Its time has two moments: a message
/// in flight becomes visible later.
pub type Messages = Queue<usize, Mark, Moment>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Moment {
    Now,
    Later,
}

/// A good build.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Wanted {
    pub session: usize,
    pub marks: Vec<Mark>,
    pub warns: bool,
}

/// What the container holds in memory.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Container {
    Down { out_of_memory: bool },
    Idle,
    Busy(Task),
}

/// What the container is at.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Task {
    pub job: Job,
    pub session: usize,
    pub stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Job {
    Instruction(Mark),
    /// Pushing what was saved locally.
    Push,
    /// Deploying what was put off.
    Deploy,
}

/// How far a job has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stage {
    Begin,
    Think {
        failed: u8,
        /// What the last one that failed leads to, once there is an answer.
        then: Option<Sometimes>,
    },
    Edit,
    Commit,
    Push {
        tried: u8,
        taken_in: TakenIn,
    },
    /// The push was refused for what the remote has more.
    Integrate {
        tried: u8,
    },
    Build,
    /// Asks the breaker.
    Admit,
    Sync {
        attempt: u8,
        probe: bool,
        /// Requests of this sync so far, saturated.
        asked: u8,
    },
    Count {
        succeeded: bool,
        probe: bool,
        has_put: bool,
    },
    Report {
        succeeded: bool,
        probe: bool,
        opened: bool,
        has_put: bool,
    },
    /// Records the result of the deploy.
    Settle {
        succeeded: bool,
    },
    Finish,
    Acknowledge,
}

/// How a refused push took in what the remote had.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TakenIn {
    Nothing,
    Rebased,
    Merged,
}

/// How the system goes about its work, within the contract; and the mistake in it, if it has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Habits {
    pub order: Order,
    /// What comes again after it was handled is carried out again, which does no harm.
    pub is_forgetful: bool,
    pub mutant: Option<Mutant>,
}

impl Habits {
    pub(super) fn has(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// The rules of the queue of instructions.
    fn queue(&self) -> Rules {
        let late = u32::from(self.has(Mutant::DeadLettersLate));
        Rules {
            max_receives: Some(MAX_RECEIVES + late),
            ..Rules::INSTRUCTIONS
        }
    }
}

/// Orders of work that the contract allows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Order {
    /// Commit, push, build, deploy.
    #[default]
    PushFirst,
    /// Commit, build, deploy, push.
    DeployFirst,
}

/// What an act shows to the world, and what it means for what all clients share.
#[derive(Default)]
pub struct Seen {
    /// Each with the time since the event before it.
    pub events: Vec<(Duration, What)>,
    /// Entries of the sometimes-list that this may reach.
    pub reached: Vec<Sometimes>,
    /// A fault showed itself.
    pub is_hit: bool,
    /// A deploy was completed.
    pub is_deployed: bool,
    /// The time that passes before anything of it is seen.
    pub waited: Duration,
}

/// The time between two events, where nothing asks for more.
pub const TICK: Duration = Duration::from_millis(1);

impl Seen {
    fn see(&mut self, what: What) {
        self.events.push((TICK, what));
    }

    fn see_after(&mut self, wait: Duration, what: What) {
        self.events.push((wait, what));
    }

    fn reach(&mut self, entry: Sometimes) {
        self.reached.push(entry);
    }
}

impl System {
    pub fn new(client: ClientId, sessions: Vec<SessionId>, habits: Habits) -> Self {
        let thread = |id| Thread {
            id,
            remote: Arc::default(),
            local: Some(Arc::default()),
            notes: Notes::default(),
            retry_asked: false,
        };
        Self {
            client,
            threads: sessions.into_iter().map(thread).collect(),
            sent: Vec::new(),
            outsiders: Vec::new(),
            messages: Queue::new(habits.queue()),
            dead_letters: Vec::new(),
            container: Container::Idle,
            site: BTreeMap::new(),
            wanted: None,
            is_deployed: true,
            active: Vec::new(),
            is_awaited: false,
        }
    }

    fn has(&self, fault: ModelFault) -> bool {
        self.active.contains(&fault)
    }

    /// Whether a sync's end was counted and its line is yet to come.
    pub fn is_reporting(&self) -> bool {
        matches!(
            &self.container,
            Container::Busy(Task {
                stage: Stage::Report { .. },
                ..
            })
        )
    }

    fn build_of(&self, marks: &[Mark]) -> BuildOf {
        let mut build = BuildOf::default();
        for mark in marks {
            if let Some(sent) = self.sent.iter().find(|sent| sent.mark == *mark) {
                build.take(sent.edit);
            }
        }
        build
    }

    /// A line of the log, in the contract's words.
    fn say(&self, session: usize, level: Level, phase: Option<Phase>, text: String) -> What {
        What::Logged {
            client: self.client.clone(),
            stamp: Duration::ZERO,
            session: Some(self.threads[session].id.clone()),
            level,
            claim: Profile::reference().words.claim(&text),
            text: text.into(),
            phase,
        }
    }

    fn enter(&self, session: usize, phase: Phase, mark: Mark) -> What {
        let text = format!("{phase} {mark}");
        self.say(session, Level::Info, Some(phase), text)
    }

    fn write_record(&mut self, session: usize, seen: &mut Seen) {
        let thread = &mut self.threads[session];
        thread.notes.is_written = true;
        seen.see(What::RecordWritten {
            session: thread.id.clone(),
            record: Arc::new(thread.notes.record()),
        });
    }

    /// The step of a plan that an act of the tester is.
    pub fn step_of(&self, act: Act) -> Option<Step> {
        let id = |session: usize| self.threads[session].id.clone();
        Some(match act {
            Act::Instruct(session, edit) => Step::Instruct(id(session), edit),
            Act::PushFromOutside(session, kind) => Step::PushFromOutside(id(session), kind),
            Act::Inject(fault) => Step::Inject(fault.fault(self)),
            Act::Heal(fault) => Step::Heal(fault.fault(self)),
            Act::Crash => Step::Crash(self.client.clone()),
            Act::LoseWorkspace => Step::LoseWorkspace(self.client.clone()),
            Act::RetryPush(session) => Step::RetryPush(id(session)),
            Act::Redeliver(session) => Step::Redeliver(id(session)),
            _ => return None,
        })
    }

    /// Everything that can be seen of this client.
    pub fn add_to(&self, seen: &mut Snapshot) {
        for thread in &self.threads {
            seen.remote
                .or_default()
                .insert(thread.id.clone(), (*thread.remote).clone());
            if let Some(local) = &thread.local {
                let workspace = Workspace {
                    branch: (**local).clone(),
                    debris: Vec::new(),
                };
                seen.workspaces
                    .or_default()
                    .insert(thread.id.clone(), workspace);
            }
            if thread.notes.is_written {
                seen.records
                    .or_default()
                    .insert(thread.id.clone(), thread.notes.record());
            }
        }
        seen.sites
            .or_default()
            .insert(self.client.clone(), self.site.clone());
        seen.queued
            .or_default()
            .extend(self.messages.messages().iter().map(|m| m.id));
        seen.dead_letters.or_default().extend(&self.dead_letters);
        if !matches!(self.container, Container::Down { .. }) {
            seen.running.or_default().push(self.client.clone());
        }
    }
}
