//! The reference model: what is known of a system from the steps taken and the events seen.
//!
//! A pure state machine without I/O, clock or chance. It says which steps make sense now (for
//! [`generate`](crate::generate)), and it is what the rules in [`invariant`](crate::invariant) are
//! judged on: each asks the model as it was before an event, then the event is taken in. It
//! says no more than the contract: systems may commit, build, deploy and push in orders of their
//! own.

pub mod breaker;
pub mod builds;
pub mod instruction;
pub mod retries;
pub mod session;

mod known;
pub mod observe;
pub mod pace;
pub mod put_off;
mod standing;
mod steps;
mod unseen;

use std::sync::Arc;
use std::time::Duration;

use crate::history::OwnBuild;
use crate::oracle::{Asked, BuildOfMarks, Objects};
use crate::plan::{ClientId, Fault, Mark, Outsider, Plan, SessionId};
use crate::profile::{Evidence, Profile};

use breaker::Breaker;
use builds::ShownBuilds;
use instruction::Instruction;
use put_off::HeldUp;
use retries::{Pushing, RetryTracker};
use session::Session;

/// Everything that is known at one moment.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Model {
    pub now: Duration,
    pub clients: Vec<Client>,
    pub sessions: Vec<Session>,
    /// In the order sent; the mark's number ascends.
    pub instructions: Vec<Instruction>,
    pub outsiders: Vec<Outside>,
    /// The active faults, each with the moment that it began.
    pub faults: Vec<(Fault, Duration)>,
    pub breaker: Breaker,
    /// Whether S3 ever refused anything, or may have where that is not seen.
    pub s3_refused: bool,
    /// When work was sent once more, after recovery.
    pub sent_again: Option<Duration>,
    /// When work was last put off, or may have been: a sync or a push failed, or a container died.
    pub put_off: Option<Duration>,
    /// What knows how the sites should look.
    pub oracle: Asked,
    /// What the tester built itself.
    pub own_builds: Vec<Arc<OwnBuild>>,
    /// What is particular to the system.
    pub profile: Arc<Profile>,
}

/// A client: its container and its site.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Client {
    pub id: ClientId,
    pub site: Objects,
    pub is_up: bool,
    /// A step killed it, and no step since then let time pass.
    pub is_down_for_now: bool,
    /// Whether it ever lost its workspace.
    pub lost_workspace: bool,
    /// The handlings that ended, in order.
    pub ends: Vec<Handled>,
    /// Marks of builds that were whole in the site at some moment.
    pub shown: Vec<Vec<Mark>>,
    /// When it last died.
    pub died: Option<Duration>,
    /// Whether its log ever had a line of its own.
    pub says_something: bool,
    /// The stamp of the newest ERROR line in its log.
    pub error_line: Option<Duration>,
    pub retries: RetryTracker,
    pub pushing: Pushing,
    pub held_up: HeldUp,
    pub builds: ShownBuilds,
    /// Whether it asked anything of S3, or its log spoke of a sync, since it was last given a message.
    pub synced_since_delivery: bool,
    /// Whether its log ever had the words of a sync.
    pub logs_syncs: bool,
    /// Whether its container ever asked anything of S3.
    pub asks_s3: bool,
    /// The session that it last did anything for, where deliveries are not seen.
    pub worked_on: Option<usize>,
    /// It may have ended without a step, where that is not seen.
    pub may_have_ended: bool,
}

/// A handling that ended: its message was acknowledged or given up.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Handled {
    pub mark: Mark,
    pub session: usize,
    pub end: HandledEnd,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HandledEnd {
    Acknowledged,
    /// A message that had been acknowledged before.
    Again,
    /// The same, of an instruction whose commit was only made then, or made anew.
    Redone,
    DeadLettered,
}

/// An outsider's commit.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Outside {
    pub mark: Mark,
    pub session: usize,
    pub kind: Outsider,
}

impl Model {
    /// The model of a fresh system with the plan's sessions.
    pub fn new(plan: &Plan) -> Self {
        Self::with_sessions(&plan.sessions)
    }

    pub fn with_sessions(ids: &[SessionId]) -> Self {
        let mut clients: Vec<Client> = Vec::new();
        let mut sessions = Vec::new();
        for id in ids {
            let known = clients.iter().position(|client| client.id == id.client);
            let client = known.unwrap_or_else(|| {
                clients.push(Client {
                    id: id.client.clone(),
                    site: Objects::new(),
                    is_up: true,
                    is_down_for_now: false,
                    lost_workspace: false,
                    ends: Vec::new(),
                    shown: Vec::new(),
                    died: None,
                    says_something: false,
                    error_line: None,
                    retries: RetryTracker::default(),
                    pushing: Pushing::default(),
                    held_up: HeldUp::default(),
                    builds: ShownBuilds::default(),
                    synced_since_delivery: false,
                    logs_syncs: false,
                    asks_s3: false,
                    worked_on: None,
                    may_have_ended: false,
                });
                clients.len() - 1
            });
            sessions.push(Session::new(id.clone(), client));
        }
        Self {
            now: Duration::ZERO,
            breaker: Breaker::new(clients.len()),
            s3_refused: false,
            clients,
            sessions,
            instructions: Vec::new(),
            outsiders: Vec::new(),
            faults: Vec::new(),
            sent_again: None,
            put_off: None,
            oracle: Asked::default(),
            own_builds: Vec::new(),
            profile: Profile::reference(),
        }
    }

    /// The same, of a system with another profile, of which nothing was seen yet.
    pub fn with_profile(mut self, profile: Arc<Profile>) -> Self {
        self.breaker =
            Breaker::with_limits(self.clients.len(), breaker::Limits::of(&profile.limits));
        self.profile = profile;
        self
    }

    pub fn session_index(&self, id: &SessionId) -> Option<usize> {
        self.sessions.iter().position(|session| session.id == *id)
    }

    pub fn client_index(&self, id: &ClientId) -> Option<usize> {
        self.clients.iter().position(|client| client.id == *id)
    }

    pub fn instruction(&self, mark: Mark) -> Option<&Instruction> {
        let at = self
            .instructions
            .binary_search_by_key(&mark, |instruction| instruction.mark)
            .ok()?;
        Some(&self.instructions[at])
    }

    fn instruction_mut(&mut self, mark: Mark) -> Option<&mut Instruction> {
        let at = self
            .instructions
            .binary_search_by_key(&mark, |instruction| instruction.mark)
            .ok()?;
        Some(&mut self.instructions[at])
    }

    /// How many instructions have an outcome: acknowledged, or a dead letter.
    pub fn ended_instructions(&self) -> usize {
        self.instructions
            .iter()
            .filter(|it| !it.is_pending())
            .count()
    }

    /// The session that a mark belongs to; `None` for a mark that no step made.
    pub fn owner(&self, mark: Mark) -> Option<usize> {
        match mark {
            Mark::Edit(_) => Some(self.instruction(mark)?.session),
            Mark::Outside(_) => self
                .outsiders
                .iter()
                .find(|outside| outside.mark == mark)
                .map(|outside| outside.session),
        }
    }

    /// Since when a fault that satisfies `is` has been active, the longest.
    pub fn fault_since(&self, is: impl Fn(&Fault) -> bool) -> Option<Duration> {
        self.faults
            .iter()
            .filter(|(fault, _)| is(fault))
            .map(|(_, since)| *since)
            .min()
    }

    pub fn has_fault(&self, is: impl Fn(&Fault) -> bool) -> bool {
        self.fault_since(is).is_some()
    }

    /// Whether every container that asked anything of S3 logs its syncs, and all of them are seen: otherwise
    /// they cannot be counted.
    pub fn knows_syncs(&self) -> bool {
        self.sees(Evidence::Log)
            && self.sees(Evidence::Site)
            && self
                .clients
                .iter()
                .all(|c| (c.logs_syncs || !c.asks_s3) && !c.may_have_ended)
    }

    /// What a build of these marks, in the order of the tree, comes to.
    pub fn build_of(&self, marks: &[Mark]) -> BuildOf {
        let mut build = BuildOf::default();
        for instruction in marks.iter().filter_map(|mark| self.instruction(*mark)) {
            build.take(instruction.edit);
        }
        // What the tester built itself is known better than by the edits; that a build of its own
        // failed may have other reasons.
        build.fails &= !self.own_builds.iter().any(|own| own.is_good_of(marks));
        build
    }

    /// Whether a build of these marks may leave something out with a warning, by an edit or an injection.
    pub fn may_warn(&self, marks: &[Mark]) -> bool {
        let mut instructions = marks.iter().filter_map(|mark| self.instruction(*mark));
        self.build_of(marks).warns || instructions.any(|it| it.build_warning.sometimes)
    }

    /// The build of these marks that a client's site may show, with all that is known of it.
    pub fn wanted_build<'a>(&'a self, client: &'a ClientId, marks: &'a [Mark]) -> BuildOfMarks<'a> {
        BuildOfMarks {
            client,
            marks,
            warns: self.build_of(marks).warns,
            own: &self.own_builds,
        }
    }
}

/// What a build comes to, by the edits that it holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct BuildOf {
    pub fails: bool,
    pub warns: bool,
}

impl BuildOf {
    pub fn take(&mut self, edit: crate::plan::Edit) {
        use crate::plan::Edit;
        match edit {
            Edit::BreakBuild => self.fails = true,
            Edit::Repair => (self.fails, self.warns) = (false, false),
            Edit::Warn => self.warns = true,
            Edit::Change | Edit::MemoryHungry => {}
        }
    }
}
