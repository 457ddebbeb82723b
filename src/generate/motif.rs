//! Short sequences that single steps seldom make: each is a way to one entry of the contract's
//! sometimes-list. Three of four plans have one, at a random place among their other steps.

mod waiting;

use std::time::Duration;

use super::weigh::MOMENTS;
use crate::model::Model;
use crate::plan::{ClientId, Cut, Edit, Fault, Outage, Outsider, Phase, SessionId, Step};

/// Random numbers, drawn from one word.
struct Draws(u64);

impl Draws {
    fn below(&mut self, most: usize) -> usize {
        // A multiplicative generator does for choices among a handful.
        self.0 = self
            .0
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) as usize % most.max(1)
    }
}

/// The steps of a motif, on random sessions of the model.
pub fn steps(model: &Model, bits: u64) -> Vec<Step> {
    let mut draws = Draws(bits);
    if model.sessions.is_empty() {
        return Vec::new();
    }
    let session = model.sessions[draws.below(model.sessions.len())].id.clone();
    let other = model
        .sessions
        .iter()
        .map(|other| &other.id)
        .find(|other| other.client != session.client)
        .unwrap_or(&session)
        .clone();
    let sibling = model.sessions.iter().map(|sibling| &sibling.id);
    let sibling = sibling
        .filter(|sibling| sibling.client == session.client)
        .find(|sibling| **sibling != session)
        .cloned();
    let active = model
        .faults
        .iter()
        .map(|(fault, _)| fault.clone())
        .collect();
    let writer = Writer {
        session,
        other,
        sibling,
        active,
    };
    let motifs: [fn(&Writer, &mut Draws) -> Vec<Step>; 45] = [
        Writer::crash_in_a_phase,
        Writer::crash_in_a_phase,
        Writer::crash_in_a_phase,
        Writer::crash_before_the_push,
        Writer::crash_in_the_deploy,
        Writer::crash_in_recovery,
        Writer::agent_recovers,
        Writer::agent_recovers,
        Writer::memory_runs_out,
        Writer::memory_runs_out,
        Writer::memory_runs_out,
        Writer::work_is_saved_locally,
        Writer::work_is_saved_locally,
        Writer::work_is_saved_locally,
        Writer::s3_fails_again_and_again,
        Writer::s3_fails_again_and_again,
        Writer::both_wait_for_the_breaker,
        Writer::retry_is_asked_for,
        Writer::retry_is_asked_for,
        Writer::retry_is_asked_for,
        Writer::push_meets_an_outage,
        Writer::push_meets_an_outage,
        Writer::conflict,
        Writer::conflict,
        Writer::deploy_is_overtaken,
        Writer::deploy_is_overtaken,
        Writer::partition,
        Writer::delivered_again,
        Writer::delivered_again,
        Writer::builds_of_all_kinds,
        Writer::one_service_stays_away,
        Writer::one_service_stays_away,
        Writer::one_service_stays_away,
        Writer::one_service_stays_away,
        Writer::both_sessions_wait,
        Writer::both_sessions_wait,
        Writer::older_build_is_left,
        Writer::older_build_is_left,
        Writer::loss_is_reported,
        Writer::deploy_is_cut_off,
        Writer::deploy_is_cut_off,
        Writer::deploy_is_cut_off,
        Writer::deploy_is_cut_off,
        Writer::conflict_is_cut_off,
        Writer::many_pushes_meet_an_outage,
    ];
    let motif = motifs[draws.below(motifs.len())];
    motif(&writer, &mut draws)
}

/// Writes motifs on a session, and on one of another client where there is one.
struct Writer {
    session: SessionId,
    other: SessionId,
    /// Another session of the same client, where there is one.
    sibling: Option<SessionId>,
    /// The faults that are active before it.
    active: Vec<Fault>,
}

impl Writer {
    fn client(&self) -> ClientId {
        self.session.client.clone()
    }

    fn instruct(&self, edit: Edit) -> Step {
        Step::Instruct(self.session.clone(), edit)
    }

    fn until(&self, phase: Phase, requests: u32) -> Step {
        Step::Until {
            session: self.session.clone(),
            phase,
            requests,
        }
    }

    fn done(&self) -> Step {
        self.until(Phase::Done, 0)
    }

    fn crash_in_a_phase(&self, draws: &mut Draws) -> Vec<Step> {
        let phase = Phase::ALL[draws.below(Phase::ALL.len())];
        let requests = match phase {
            Phase::Editing | Phase::Committing => 0,
            _ => draws.below(5) as u32,
        };
        let mut steps = vec![self.instruct(Edit::Change), self.until(phase, requests)];
        if draws.below(2) == 0 {
            steps.push(Step::Wait(MOMENTS[draws.below(MOMENTS.len())]));
        }
        steps.push(Step::Crash(self.client()));
        steps
    }

    fn crash_before_the_push(&self, draws: &mut Draws) -> Vec<Step> {
        vec![
            self.instruct([Edit::Change, Edit::Warn][draws.below(2)]),
            self.until(Phase::Pushing, draws.below(2) as u32),
            Step::Crash(self.client()),
        ]
    }

    fn crash_in_the_deploy(&self, draws: &mut Draws) -> Vec<Step> {
        vec![
            self.instruct([Edit::Change, Edit::Warn][draws.below(2)]),
            self.until(Phase::Deploying, 4 + draws.below(8) as u32),
            Step::Crash(self.client()),
        ]
    }

    fn crash_in_recovery(&self, draws: &mut Draws) -> Vec<Step> {
        vec![
            self.instruct(Edit::Change),
            self.until(Phase::ALL[3 + draws.below(4)], draws.below(3) as u32),
            Step::Crash(self.client()),
            Step::UntilStarted {
                client: self.client(),
                requests: 1 + draws.below(6) as u32,
            },
            Step::Crash(self.client()),
        ]
    }

    fn agent_recovers(&self, draws: &mut Draws) -> Vec<Step> {
        let (fault, wait) = match draws.below(5) {
            0 => (Fault::AgentSlow, [35, 200][draws.below(2)]),
            1 => (Fault::AgentError(529), 3),
            2 => (Fault::AgentCut(Cut::Dangling), 3),
            _ => (Fault::AgentError(429), 3),
        };
        vec![
            Step::Inject(fault.clone()),
            self.instruct(Edit::Change),
            self.until(Phase::Thinking, 1),
            Step::Wait(Duration::from_secs(wait)),
            Step::Heal(fault),
            self.done(),
        ]
    }

    fn memory_runs_out(&self, draws: &mut Draws) -> Vec<Step> {
        let waits = [15, 130, 300, 300][draws.below(4)];
        vec![
            Step::Inject(Fault::OutOfMemory(self.client())),
            self.instruct(Edit::MemoryHungry),
            self.done(),
            Step::Wait(Duration::from_secs(waits)),
        ]
    }

    fn work_is_saved_locally(&self, draws: &mut Draws) -> Vec<Step> {
        let fault = [Fault::GitAuth, Fault::GitDown][draws.below(2)].clone();
        let mut steps = vec![
            self.instruct(Edit::Change),
            self.until(Phase::Editing, 0),
            Step::Inject(fault.clone()),
            self.done(),
        ];
        // Before it is acknowledged, and after.
        if draws.below(3) > 0 {
            steps.push(Step::Wait(Duration::from_secs(1)));
        }
        match draws.below(4) {
            0 | 1 => steps.push(Step::LoseWorkspace(self.client())),
            2 => steps.push(Step::Crash(self.client())),
            _ => steps.extend([
                Step::Heal(fault),
                Step::RetryPush(self.session.clone()),
                Step::Wait(Duration::from_secs(15)),
            ]),
        }
        steps
    }

    /// Failed syncs, a success, and failed ones again: the breaker's count in all its turns.
    fn s3_fails_again_and_again(&self, draws: &mut Draws) -> Vec<Step> {
        let fault = match draws.below(4) {
            0 => Fault::S3Missing(self.client()),
            1 => Fault::S3Down(Outage::SlowDown),
            2 => Fault::S3Denied(None),
            _ => Fault::S3Denied(Some(self.client())),
        };
        let wait = |draws: &mut Draws| {
            let seconds = [40, 90, 130, 300][draws.below(4)];
            Step::Wait(Duration::from_secs(seconds))
        };
        vec![
            Step::Inject(fault.clone()),
            self.instruct(Edit::Change),
            wait(draws),
            Step::Heal(fault.clone()),
            Step::Wait(Duration::from_secs(70)),
            Step::Inject(fault),
            self.instruct(Edit::Change),
            wait(draws),
        ]
    }

    /// Two clients whose deploys are put off, when the cool-down is over for both.
    fn both_wait_for_the_breaker(&self, draws: &mut Draws) -> Vec<Step> {
        let fault = match draws.below(3) {
            0 => Fault::S3Down(Outage::Timeout),
            1 => Fault::S3Down(Outage::SlowDown),
            _ => Fault::S3Denied(None),
        };
        let mut steps = vec![
            Step::Inject(fault.clone()),
            self.instruct(Edit::Change),
            Step::Instruct(self.other.clone(), Edit::Change),
            Step::Wait(Duration::from_secs(300)),
        ];
        match draws.below(3) {
            0 => steps.push(Step::Crash(self.client())),
            1 => steps.push(Step::Heal(fault)),
            _ => {}
        }
        steps.push(Step::Wait(Duration::from_secs(130)));
        steps
    }

    /// The remote is well again, and a user asks for the push that waits, of the session that was
    /// handled last or of another.
    fn retry_is_asked_for(&self, draws: &mut Draws) -> Vec<Step> {
        // Nothing else may hold the container up.
        let mut steps: Vec<Step> = self.active.iter().cloned().map(Step::Heal).collect();
        let sibling = self.sibling.clone().filter(|_| draws.below(3) > 0);
        // A checkout that is there needs no remote.
        steps.extend(sibling.iter().flat_map(|of| Self::work(of, Edit::Change)));
        steps.extend([
            Step::Wait(Duration::from_secs(70)),
            self.instruct(Edit::Change),
            self.until(Phase::Committing, 0),
            Step::Inject(Fault::GitAuth),
            self.done(),
        ]);
        steps.extend(sibling.iter().flat_map(|of| Self::work(of, Edit::Change)));
        steps.extend([
            Step::Wait(Duration::from_secs(1)),
            Step::Heal(Fault::GitAuth),
            Step::RetryPush(self.session.clone()),
            Step::Wait(Duration::from_secs(40)),
        ]);
        steps
    }

    /// The remote is well while the work begins, and fails at its first push, for long.
    fn push_meets_an_outage(&self, draws: &mut Draws) -> Vec<Step> {
        let fault = [Fault::GitDown, Fault::GitDown, Fault::GitAuth][draws.below(3)].clone();
        let mut steps: Vec<Step> = self.active.iter().cloned().map(Step::Heal).collect();
        steps.extend([
            self.instruct(Edit::Change),
            self.until(Phase::Editing, 0),
            Step::Inject(fault.clone()),
            self.done(),
            Step::Wait(Duration::from_secs([40, 130, 300, 600][draws.below(4)])),
            Step::Heal(fault),
            Step::Wait(Duration::from_secs(15)),
        ]);
        steps
    }

    fn conflict(&self, draws: &mut Draws) -> Vec<Step> {
        let kind = [
            Outsider::Conflicting,
            Outsider::Conflicting,
            Outsider::Clean,
        ][draws.below(3)];
        vec![
            self.instruct(Edit::Change),
            self.until(Phase::ALL[draws.below(Phase::ALL.len())], 0),
            Step::PushFromOutside(self.session.clone(), kind),
            self.instruct(Edit::Change),
            self.done(),
        ]
    }

    /// Newer work comes while a deploy that failed half way is put off.
    fn deploy_is_overtaken(&self, draws: &mut Draws) -> Vec<Step> {
        let fault = match draws.below(4) {
            0 => Fault::S3Denied(Some(self.client())),
            1 => Fault::S3AckLost(self.client()),
            _ => Fault::S3Partial {
                client: self.client(),
                taken: [0, 1, 1, 2, 3][draws.below(5)],
            },
        };
        let mut steps = vec![
            Step::Inject(fault.clone()),
            self.instruct(Edit::Change),
            self.done(),
        ];
        if draws.below(2) == 0 {
            steps.push(Step::Heal(fault));
        }
        steps.extend([
            self.instruct([Edit::Change, Edit::Warn][draws.below(2)]),
            self.done(),
            Step::Wait(Duration::from_secs([40, 130][draws.below(2)])),
        ]);
        steps
    }

    fn partition(&self, draws: &mut Draws) -> Vec<Step> {
        let fault = Fault::Partition(self.client());
        vec![
            self.instruct(Edit::Change),
            self.until(Phase::ALL[draws.below(7)], draws.below(3) as u32),
            Step::Inject(fault.clone()),
            Step::Wait(Duration::from_secs([5, 15, 40][draws.below(3)])),
            Step::Heal(fault),
            self.done(),
        ]
    }

    fn delivered_again(&self, draws: &mut Draws) -> Vec<Step> {
        let edit = [Edit::Change, Edit::Warn, Edit::BreakBuild][draws.below(3)];
        let mut steps = vec![self.instruct(edit), self.done()];
        if draws.below(2) == 0 {
            steps.push(Step::Wait(Duration::from_secs(15)));
        }
        if draws.below(3) == 0 {
            steps.extend([self.instruct(Edit::Change), self.done()]);
        }
        steps.extend([
            Step::Redeliver(self.session.clone()),
            Step::Wait(Duration::from_secs(15)),
        ]);
        steps
    }

    fn builds_of_all_kinds(&self, draws: &mut Draws) -> Vec<Step> {
        let bad = [Edit::BreakBuild, Edit::Warn][draws.below(2)];
        vec![
            self.instruct(bad),
            Step::Instruct(self.other.clone(), Edit::Change),
            self.done(),
            self.instruct(Edit::Repair),
            self.done(),
        ]
    }
}
