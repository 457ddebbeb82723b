//! How likely each next step is.

use std::time::Duration;

use crate::model::Model;
use crate::plan::{
    ClientId, Edit, Fault, FaultKind, Outsider, Phase, Place, Scope, SessionId, Step, StepKind,
    Subject, Variety,
};

/// Times that end between two requests, in what a container does without one: a clone that is put
/// in place, a rebase, a commit.
pub(super) const MOMENTS: [Duration; 6] = [
    Duration::from_millis(2),
    Duration::from_millis(8),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(120),
    Duration::from_millis(400),
];

/// The kinds of fault that one plan has; small sets reach further than all at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Swarm {
    kinds: u32,
    /// What a plan prefers to disturb, for problems that only show when they are repeated: S3 fails
    /// and recovers, long enough for the breaker to open and close; the remote fails while work is
    /// saved locally, and workspaces come and go.
    focus: Option<Place>,
}

impl Swarm {
    /// Half of all kinds in most plans, few in some, all in some; in others one family and little
    /// else.
    pub fn from_bits(bits: u64) -> Self {
        let (rest, kinds) = ((bits >> 56) as u8, bits as u32);
        let few = kinds & (bits >> 18) as u32;
        let crashes = of_step(StepKind::Crash) | of_step(StepKind::LoseWorkspace);
        let (focus, kinds) = match rest % 16 {
            0 | 1 => (None, u32::MAX),
            2 => (None, few & (bits >> 36) as u32),
            3 | 4 => (None, few),
            5..=8 => (None, kinds),
            9..=12 => {
                let one = [
                    FaultKind::S3Denied,
                    FaultKind::S3Denied,
                    FaultKind::S3Down,
                    FaultKind::S3Missing,
                ][rest as usize / 16 % 4];
                (Some(Place::S3), of_fault(one) | few)
            }
            13 | 14 => {
                let one = [FaultKind::GitAuth, FaultKind::GitDown][rest as usize / 16 % 2];
                (Some(Place::Git), of_fault(one) | crashes | few)
            }
            _ => {
                let errors = of_fault(FaultKind::AgentError) | of_fault(FaultKind::AgentCut);
                (Some(Place::Agent), errors | of_step(StepKind::Crash) | few)
            }
        };
        Self { kinds, focus }
    }

    fn has(self, kind: FaultKind) -> bool {
        self.kinds & of_fault(kind) != 0
    }

    fn has_step(self, kind: StepKind) -> bool {
        let of = of_step(kind);
        of == 0 || self.kinds & of != 0
    }

    /// How much likelier a step is that disturbs or repairs this.
    fn lean(self, place: Place) -> u32 {
        if self.focus == Some(place) { 4 } else { 1 }
    }
}

/// The bit of a kind of fault in a swarm.
fn of_fault(kind: FaultKind) -> u32 {
    1 << kind.row().swarm
}

/// The bit of a kind of step; none for those that every plan has.
fn of_step(kind: StepKind) -> u32 {
    kind.row().swarm.map_or(0, |bit| 1 << bit)
}

/// The faults of a swarm that are on this, each with its weight.
fn faults(swarm: Swarm, on: Subject<'_>, steps: &mut Vec<(u32, Step)>) {
    for kind in FaultKind::ALL.into_iter().filter(|kind| swarm.has(*kind)) {
        let row = kind.row();
        let weight = row.weight * swarm.lean(row.place);
        let all = kind.each(Variety::Drawn, Scope::On(on));
        steps.extend(all.into_iter().map(|fault| (weight, Step::Inject(fault))));
    }
}

/// Every step that may be next, with its weight: those of each session, of each client, and those
/// that concern everyone.
pub fn steps(model: &Model, swarm: Swarm, last: Option<&Step>) -> Vec<(u32, Step)> {
    let mut steps = Vec::with_capacity(64);
    let draw = Draw { model, swarm, last };
    let kinds = || StepKind::ALL.into_iter().filter(|of| swarm.has_step(*of));
    for session in &model.sessions {
        let at = model.session_index(&session.id).unwrap_or_default();
        kinds().for_each(|kind| draw.of_session(kind, at, &session.id, &mut steps));
    }
    for client in &model.clients {
        kinds().for_each(|kind| draw.of_client(kind, &client.id, &mut steps));
    }
    kinds().for_each(|kind| draw.of_everyone(kind, &mut steps));
    steps
}

/// What the weights follow from.
struct Draw<'a> {
    model: &'a Model,
    swarm: Swarm,
    last: Option<&'a Step>,
}

impl Draw<'_> {
    fn of_session(&self, kind: StepKind, at: usize, id: &SessionId, steps: &mut Vec<(u32, Step)>) {
        let is_down = |(fault, _): &(Fault, _)| fault.place() == Place::Git;
        let git_troubled = self.model.faults.iter().any(is_down);
        match kind {
            StepKind::Instruct => self.instruct(at, id, steps),
            StepKind::Until => self.until(id, git_troubled, steps),
            StepKind::PushFromOutside => {
                for outsider in [Outsider::Clean, Outsider::Conflicting] {
                    steps.push((4, Step::PushFromOutside(id.clone(), outsider)));
                }
            }
            StepKind::RetryPush => {
                let weight = if git_troubled { 3 } else { 1 };
                steps.push((weight, Step::RetryPush(id.clone())));
            }
            StepKind::Redeliver => steps.push((4, Step::Redeliver(id.clone()))),
            StepKind::Inject => faults(self.swarm, Subject::Session(id), steps),
            StepKind::Crash
            | StepKind::UntilStarted
            | StepKind::LoseWorkspace
            | StepKind::Wait
            | StepKind::Heal => {}
        }
    }

    fn instruct(&self, at: usize, id: &SessionId, steps: &mut Vec<(u32, Step)>) {
        let mut build = crate::model::BuildOf::default();
        let instructions = self.model.instructions.iter();
        for instruction in instructions.filter(|i| i.session == at) {
            build.take(instruction.edit);
        }
        for edit in Edit::ALL {
            let is_met = |fault: &Fault| {
                fault.client() == Some(&id.client) && fault.kind().row().met_by == Some(edit)
            };
            let weight = match edit {
                Edit::Change => 9,
                Edit::BreakBuild => {
                    if build.fails {
                        1
                    } else {
                        4
                    }
                }
                Edit::Repair => {
                    if build.fails || build.warns {
                        5
                    } else {
                        1
                    }
                }
                Edit::Warn => {
                    if build.warns {
                        1
                    } else {
                        4
                    }
                }
                Edit::MemoryHungry => {
                    if self.model.has_fault(is_met) {
                        6
                    } else {
                        1
                    }
                }
            };
            steps.push((weight, Step::Instruct(id.clone(), edit)));
        }
    }

    fn until(&self, id: &SessionId, git_troubled: bool, steps: &mut Vec<(u32, Step)>) {
        let follows = matches!(self.last, Some(Step::Instruct(of, _)) if of == id);
        // Right after its instruction, any phase and any request of it; else a few.
        let requests: &[u32] = match (follows, self.swarm.focus) {
            (true, Some(Place::S3)) => &[0, 2],
            (true, _) => &[0, 1, 2, 3, 5, 8],
            (false, Some(Place::S3)) => &[],
            (false, _) => &[0, 1],
        };
        for phase in Phase::ALL {
            for requests in requests.iter().copied() {
                let until = Step::Until {
                    session: id.clone(),
                    phase,
                    requests,
                };
                // Work that is saved locally is at stake once its instruction is done.
                let is_saved = git_troubled && phase == Phase::Done && requests == 0;
                let weight = if is_saved { 8 } else { 1 };
                steps.push((if requests == 0 { 2 * weight } else { 1 }, until));
            }
        }
    }

    fn of_client(&self, kind: StepKind, id: &ClientId, steps: &mut Vec<(u32, Step)>) {
        match kind {
            StepKind::Crash => {
                let weight = 12 / self.model.clients.len().max(1) as u32;
                let is_reached = match self.last {
                    Some(Step::Until { session, .. }) => session.client == *id,
                    Some(Step::UntilStarted { client, .. }) => client == id,
                    Some(Step::Wait(time)) => MOMENTS.contains(time),
                    _ => false,
                };
                let factor = if is_reached { 4 } else { 1 };
                steps.push((weight / 2 * factor, Step::Crash(id.clone())));
                if self.swarm.has_step(StepKind::LoseWorkspace) {
                    let weight = weight / 4 * factor * self.swarm.lean(Place::Git);
                    steps.push((weight, Step::LoseWorkspace(id.clone())));
                }
            }
            StepKind::UntilStarted => {
                for requests in [0, 1, 2, 4, 7] {
                    let client = id.clone();
                    steps.push((5, Step::UntilStarted { client, requests }));
                }
            }
            StepKind::Inject => faults(self.swarm, Subject::Client(id), steps),
            // Drawn with the crash.
            StepKind::LoseWorkspace => {}
            StepKind::Instruct
            | StepKind::Until
            | StepKind::PushFromOutside
            | StepKind::RetryPush
            | StepKind::Redeliver
            | StepKind::Wait
            | StepKind::Heal => {}
        }
    }

    fn of_everyone(&self, kind: StepKind, steps: &mut Vec<(u32, Step)>) {
        match kind {
            StepKind::Wait => {
                // A fault that nothing meets, or that nothing outlasts, shows little.
                let long = self.swarm.lean(Place::S3);
                let weights = [1, 2, 2, 3, 2 * long, long];
                let waits = kind.each(Variety::Drawn, Scope::On(Subject::All));
                steps.extend(weights.into_iter().zip(waits));
                if matches!(
                    self.last,
                    Some(Step::Until { .. } | Step::UntilStarted { .. })
                ) {
                    steps.extend(MOMENTS.map(|time| (2, Step::Wait(time))));
                }
            }
            StepKind::Inject => faults(self.swarm, Subject::All, steps),
            StepKind::Heal => {
                for (fault, _) in &self.model.faults {
                    let weight = 4 * self.swarm.lean(fault.place());
                    steps.push((weight, Step::Heal(fault.clone())));
                }
            }
            StepKind::Instruct
            | StepKind::Until
            | StepKind::Crash
            | StepKind::UntilStarted
            | StepKind::LoseWorkspace
            | StepKind::PushFromOutside
            | StepKind::RetryPush
            | StepKind::Redeliver => {}
        }
    }
}
