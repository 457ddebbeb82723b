//! How likely each next step is.

use std::time::Duration;

use crate::model::Model;
use crate::plan::{ClientId, Edit, Fault, Outage, Outsider, Phase, SessionId, Step};

/// The kinds of fault that one plan has; small sets reach further than all at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Swarm(u64);

impl Swarm {
    /// Half of all kinds in most plans, few in some, all in some.
    pub fn from_bits(bits: u64) -> Self {
        let (density, kinds) = (bits >> 60, bits & 0x0fff_ffff_ffff_ffff);
        Self(match density {
            0 | 1 => u64::MAX,
            2..=4 => kinds & (kinds >> 20) & (kinds >> 40),
            5..=7 => kinds & (kinds >> 24),
            _ => kinds,
        })
    }

    fn has(self, kind: usize) -> bool {
        self.0 >> kind & 1 == 1
    }
}

/// Kinds of the swarm that are no `Fault`.
const CRASHES: usize = 16;
const OUTSIDERS: usize = 17;
const REDELIVERY: usize = 18;
const LOST_WORKSPACE: usize = 19;

/// Every step that may be next, with its weight.
pub fn steps(model: &Model, swarm: Swarm, last: Option<&Step>) -> Vec<(u32, Step)> {
    let mut steps = Vec::with_capacity(64);
    for session in &model.sessions {
        let at = model.session_index(&session.id).unwrap_or_default();
        session_steps(model, swarm, last, at, &session.id, &mut steps);
    }
    let per_client = 12 / model.clients.len().max(1) as u32;
    for client in &model.clients {
        client_steps(swarm, last, &client.id, per_client, &mut steps);
    }
    // A fault that nothing meets, or that nothing outlasts, shows little.
    for (seconds, weight) in [(1, 1), (5, 2), (15, 2), (40, 3), (130, 2), (300, 1)] {
        steps.push((weight, Step::Wait(Duration::from_secs(seconds))));
    }
    shared_faults(swarm, &mut steps);
    for (fault, _) in &model.faults {
        steps.push((4, Step::Heal(fault.clone())));
    }
    steps
}

fn session_steps(
    model: &Model,
    swarm: Swarm,
    last: Option<&Step>,
    at: usize,
    id: &SessionId,
    steps: &mut Vec<(u32, Step)>,
) {
    let instruct = |edit| Step::Instruct(id.clone(), edit);
    let build = {
        let mut build = crate::model::BuildOf::default();
        for instruction in model.instructions.iter().filter(|i| i.session == at) {
            build.take(instruction.edit);
        }
        build
    };
    let is_starved = model.has_fault(|f| matches!(f, Fault::OutOfMemory(of) if *of == id.client));
    steps.push((9, instruct(Edit::Change)));
    steps.push((if build.fails { 1 } else { 2 }, instruct(Edit::BreakBuild)));
    let is_bad = build.fails || build.warns;
    steps.push((if is_bad { 5 } else { 1 }, instruct(Edit::Repair)));
    steps.push((if build.warns { 1 } else { 2 }, instruct(Edit::Warn)));
    steps.push((if is_starved { 6 } else { 1 }, instruct(Edit::MemoryHungry)));

    let follows = matches!(last, Some(Step::Instruct(of, _)) if of == id);
    let weight = if follows { 4 } else { 1 };
    for phase in Phase::ALL {
        for requests in [0, 1, 2, 3, 5, 8] {
            let share = if requests == 0 { 2 } else { 1 };
            let until = Step::Until {
                session: id.clone(),
                phase,
                requests,
            };
            if follows || (requests + phase as u32).is_multiple_of(3) {
                steps.push((weight * share / if follows { 2 } else { 1 }, until));
            }
        }
    }
    let outside = if swarm.has(OUTSIDERS) { 3 } else { 0 };
    steps.push((outside, Step::PushFromOutside(id.clone(), Outsider::Clean)));
    steps.push((
        outside,
        Step::PushFromOutside(id.clone(), Outsider::Conflicting),
    ));
    let git_troubled = model.has_fault(|f| matches!(f, Fault::GitAuth | Fault::GitDown));
    steps.push((
        if git_troubled { 3 } else { 1 },
        Step::RetryPush(id.clone()),
    ));
    if swarm.has(REDELIVERY) {
        steps.push((3, Step::Redeliver(id.clone())));
    }
    for (kind, fault) in [
        (0, Fault::BuildError(id.clone())),
        (1, Fault::BuildWarning(id.clone())),
    ] {
        if swarm.has(kind) {
            steps.push((2, Step::Inject(fault)));
        }
    }
}

fn client_steps(
    swarm: Swarm,
    last: Option<&Step>,
    id: &ClientId,
    weight: u32,
    steps: &mut Vec<(u32, Step)>,
) {
    if swarm.has(CRASHES) {
        let reached = matches!(last, Some(Step::Until { session, .. }) if session.client == *id);
        let again = matches!(last, Some(Step::UntilStarted { client, .. }) if client == id);
        let factor = if reached || again { 4 } else { 1 };
        steps.push((weight / 2 * factor, Step::Crash(id.clone())));
        if swarm.has(LOST_WORKSPACE) {
            steps.push((weight / 4 * factor, Step::LoseWorkspace(id.clone())));
        }
    }
    for requests in [0, 1, 2, 4, 7] {
        let until = Step::UntilStarted {
            client: id.clone(),
            requests,
        };
        steps.push((5, until));
    }
    let one = |client: &ClientId| client.clone();
    for (kind, share, fault) in [
        (2, 2, Fault::S3Denied(Some(one(id)))),
        (3, 2, Fault::S3Missing(one(id))),
        (
            4,
            1,
            Fault::S3Partial {
                client: one(id),
                taken: 1,
            },
        ),
        (
            4,
            1,
            Fault::S3Partial {
                client: one(id),
                taken: 3,
            },
        ),
        (5, 2, Fault::S3AckLost(one(id))),
        (6, 2, Fault::OutOfMemory(one(id))),
        (7, 2, Fault::Partition(one(id))),
    ] {
        if swarm.has(kind) {
            steps.push((share, Step::Inject(fault)));
        }
    }
}

fn shared_faults(swarm: Swarm, steps: &mut Vec<(u32, Step)>) {
    let mut add = |kind, weight, fault| {
        if swarm.has(kind) {
            steps.push((weight, Step::Inject(fault)));
        }
    };
    add(2, 2, Fault::S3Denied(None));
    for outage in Outage::ALL {
        add(8, 1, Fault::S3Down(outage));
    }
    add(9, 3, Fault::GitAuth);
    add(10, 3, Fault::GitDown);
    add(11, 2, Fault::AgentSlow);
    for status in [429, 500, 529] {
        add(12, 1, Fault::AgentError(status));
    }
    add(13, 2, Fault::StoreThrottled);
}
