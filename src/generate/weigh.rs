//! How likely each next step is.

use std::time::Duration;

use crate::model::Model;
use crate::plan::{ClientId, Edit, Fault, Outage, Outsider, Phase, SessionId, Step};

/// The kinds of fault that one plan has; small sets reach further than all at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Swarm {
    kinds: u32,
    focus: Focus,
}

/// What a plan prefers: problems that only show when they are repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Focus {
    Nothing,
    /// S3 fails and recovers, long enough for the breaker to open and close.
    S3,
    /// The remote fails while work is saved locally, and workspaces come and go.
    Git,
    Agent,
}

// The kinds, as bits of a swarm.
const BUILD_ERROR: u32 = 1;
const BUILD_WARNING: u32 = 1 << 1;
const S3_DENIED: u32 = 1 << 2;
const S3_MISSING: u32 = 1 << 3;
const S3_PARTIAL: u32 = 1 << 4;
const S3_ACK_LOST: u32 = 1 << 5;
const OUT_OF_MEMORY: u32 = 1 << 6;
const PARTITION: u32 = 1 << 7;
const S3_DOWN: u32 = 1 << 8;
const GIT_AUTH: u32 = 1 << 9;
const GIT_DOWN: u32 = 1 << 10;
const AGENT_SLOW: u32 = 1 << 11;
const AGENT_ERROR: u32 = 1 << 12;
const STORE_THROTTLED: u32 = 1 << 13;
const CRASHES: u32 = 1 << 14;
const OUTSIDERS: u32 = 1 << 15;
const REDELIVERY: u32 = 1 << 16;
const LOST_WORKSPACE: u32 = 1 << 17;

impl Swarm {
    /// Half of all kinds in most plans, few in some, all in some; in others one family and little
    /// else.
    pub fn from_bits(bits: u64) -> Self {
        let (rest, kinds) = ((bits >> 56) as u8, bits as u32);
        let few = kinds & (bits >> 18) as u32;
        let (focus, kinds) = match rest % 16 {
            0 | 1 => (Focus::Nothing, u32::MAX),
            2 => (Focus::Nothing, few & (bits >> 36) as u32),
            3 | 4 => (Focus::Nothing, few),
            5..=8 => (Focus::Nothing, kinds),
            9..=12 => {
                let one = [S3_DENIED, S3_DENIED, S3_DOWN, S3_MISSING][rest as usize / 16 % 4];
                (Focus::S3, one | few)
            }
            13 | 14 => {
                let one = [GIT_AUTH, GIT_DOWN][rest as usize / 16 % 2];
                (Focus::Git, one | LOST_WORKSPACE | CRASHES | few)
            }
            _ => (Focus::Agent, AGENT_ERROR | CRASHES | few),
        };
        Self { kinds, focus }
    }

    fn has(self, kind: u32) -> bool {
        self.kinds & kind != 0
    }

    /// How much likelier a step of a family is.
    fn lean(self, focus: Focus) -> u32 {
        if self.focus == focus { 4 } else { 1 }
    }
}

/// How much likelier a fault is, and its heal.
fn lean(swarm: Swarm, fault: &Fault) -> u32 {
    match family(fault) {
        Focus::Nothing => 1,
        family => swarm.lean(family),
    }
}

/// The family of a fault.
fn family(fault: &Fault) -> Focus {
    match fault {
        Fault::S3Denied(_)
        | Fault::S3Missing(_)
        | Fault::S3Down(_)
        | Fault::S3Partial { .. }
        | Fault::S3AckLost(_) => Focus::S3,
        Fault::GitAuth | Fault::GitDown => Focus::Git,
        Fault::AgentSlow | Fault::AgentError(_) => Focus::Agent,
        Fault::BuildError(_)
        | Fault::BuildWarning(_)
        | Fault::OutOfMemory(_)
        | Fault::Partition(_)
        | Fault::StoreThrottled => Focus::Nothing,
    }
}

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
    let long = swarm.lean(Focus::S3);
    for (seconds, weight) in [
        (1, 1),
        (5, 2),
        (15, 2),
        (40, 3),
        (130, 2 * long),
        (300, long),
    ] {
        steps.push((weight, Step::Wait(Duration::from_secs(seconds))));
    }
    shared_faults(swarm, &mut steps);
    for (fault, _) in &model.faults {
        steps.push((4 * lean(swarm, fault), Step::Heal(fault.clone())));
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
    let git_troubled = model.has_fault(|f| matches!(f, Fault::GitAuth | Fault::GitDown));
    // Right after its instruction, any phase and any request of it; else a few.
    let requests: &[u32] = match (follows, swarm.focus) {
        (true, Focus::S3) => &[0, 2],
        (true, _) => &[0, 1, 2, 3, 5, 8],
        (false, Focus::S3) => &[],
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
    let outside = if swarm.has(OUTSIDERS) { 3 } else { 0 };
    steps.push((outside, Step::PushFromOutside(id.clone(), Outsider::Clean)));
    steps.push((
        outside,
        Step::PushFromOutside(id.clone(), Outsider::Conflicting),
    ));
    steps.push((
        if git_troubled { 3 } else { 1 },
        Step::RetryPush(id.clone()),
    ));
    if swarm.has(REDELIVERY) {
        steps.push((3, Step::Redeliver(id.clone())));
    }
    for (kind, fault) in [
        (BUILD_ERROR, Fault::BuildError(id.clone())),
        (BUILD_WARNING, Fault::BuildWarning(id.clone())),
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
            let lean = swarm.lean(Focus::Git);
            steps.push((weight / 4 * factor * lean, Step::LoseWorkspace(id.clone())));
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
        (S3_DENIED, 2, Fault::S3Denied(Some(one(id)))),
        (S3_MISSING, 2, Fault::S3Missing(one(id))),
        (
            S3_PARTIAL,
            1,
            Fault::S3Partial {
                client: one(id),
                taken: 1,
            },
        ),
        (
            S3_PARTIAL,
            1,
            Fault::S3Partial {
                client: one(id),
                taken: 3,
            },
        ),
        (S3_ACK_LOST, 2, Fault::S3AckLost(one(id))),
        (OUT_OF_MEMORY, 2, Fault::OutOfMemory(one(id))),
        (PARTITION, 2, Fault::Partition(one(id))),
    ] {
        if swarm.has(kind) {
            steps.push((share * lean(swarm, &fault), Step::Inject(fault)));
        }
    }
}

fn shared_faults(swarm: Swarm, steps: &mut Vec<(u32, Step)>) {
    let mut add = |kind, weight, fault| {
        if swarm.has(kind) {
            steps.push((weight * lean(swarm, &fault), Step::Inject(fault)));
        }
    };
    add(S3_DENIED, 2, Fault::S3Denied(None));
    for outage in Outage::ALL {
        add(S3_DOWN, 1, Fault::S3Down(outage));
    }
    add(GIT_AUTH, 3, Fault::GitAuth);
    add(GIT_DOWN, 3, Fault::GitDown);
    add(AGENT_SLOW, 2, Fault::AgentSlow);
    for status in [429, 500, 529] {
        add(AGENT_ERROR, 1, Fault::AgentError(status));
    }
    add(STORE_THROTTLED, 5, Fault::StoreThrottled);
}
