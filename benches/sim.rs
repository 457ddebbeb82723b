//! How many plan steps a second the simulated target carries out on one core, start, recovery and
//! snapshot included, judging not.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use shakedown::plan::{ClientId, Edit, Fault, Outage, Outsider, Phase, Plan, SessionId, Step};
use shakedown::target::sim::Sim;
use shakedown::target::{Target, set_fault};

const PLANS: u64 = 64;
const STEPS: u64 = 30;

/// A fixed sequence of choices.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn one_of<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// A plan of the default shape: instructions, faults aimed at phases, crashes, pushes of others.
fn plan(number: u64) -> Plan {
    let mut choices = Choices(number);
    let sessions = [
        SessionId::new("acme", "home"),
        SessionId::new("acme", "blog"),
        SessionId::new("globex", "home"),
    ];
    let mut active: Vec<Fault> = Vec::new();
    let mut steps = Vec::new();
    while (steps.len() as u64) < STEPS {
        let session = choices.one_of(&sessions);
        let client: ClientId = session.client.clone();
        steps.push(match choices.below(20) {
            0..=5 => Step::Instruct(session, choices.one_of(&Edit::ALL[..4])),
            6..=9 => Step::Until {
                session,
                phase: choices.one_of(&Phase::ALL),
                requests: choices.below(3) as u32,
            },
            10 => Step::Wait(Duration::from_secs(choices.below(60) as u64)),
            11 => {
                let kinds = [Outsider::Clean, Outsider::Conflicting];
                Step::PushFromOutside(session, choices.one_of(&kinds))
            }
            12 | 13 => Step::Crash(client),
            14 => Step::RetryPush(session),
            15 | 16 if !active.is_empty() => Step::Heal(active.remove(0)),
            _ => {
                let fault = match choices.below(7) {
                    0 => Fault::S3Denied(Some(client)),
                    1 => Fault::S3Missing(client),
                    2 => Fault::S3Down(choices.one_of(&Outage::ALL)),
                    3 => Fault::GitAuth,
                    4 => Fault::AgentError(choices.one_of(&[429, 500, 529])),
                    5 => Fault::BuildError(session),
                    _ => Fault::Partition(client),
                };
                set_fault(&mut active, &fault, true);
                Step::Inject(fault)
            }
        });
    }
    Plan {
        sessions: sessions.to_vec(),
        steps,
        comments: Vec::new(),
    }
}

/// Carries out a plan, heals everything and waits for the rest; returns the count of events.
fn run(plan: &Plan, seed: u64) -> usize {
    let mut run = Sim::default()
        .start(&plan.sessions, seed)
        .expect("the simulated target starts");
    let mut events = Vec::new();
    let mut active = Vec::new();
    for (step, mark) in plan.steps.iter().zip(plan.marks()) {
        match step {
            Step::Inject(fault) => set_fault(&mut active, fault, true),
            Step::Heal(fault) => set_fault(&mut active, fault, false),
            _ => {}
        }
        run.apply(step, mark, &mut events).expect("a step succeeds");
    }
    for fault in active {
        run.apply(&Step::Heal(fault), None, &mut events)
            .expect("a fault is healed");
    }
    let bound = Duration::from_secs(600);
    run.rest(Duration::from_secs(90), bound, &mut events)
        .expect("the system can rest");
    black_box(run.snapshot().expect("the system can be seen"));
    events.len()
}

fn steps(criterion: &mut Criterion) {
    let plans: Vec<Plan> = (0..PLANS).map(plan).collect();
    let mut group = criterion.benchmark_group("sim");
    group.throughput(Throughput::Elements(PLANS * STEPS));
    group.bench_function("steps", |bencher| {
        let mut seed = 0;
        bencher.iter(|| {
            seed += 1;
            plans.iter().map(|plan| run(plan, seed)).sum::<usize>()
        });
    });
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
