//! How many plan steps a second the simulated target carries out on one core: alone, and judged.
//! Start, recovery and snapshot are included; generation is not.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use shakedown::generate::{Shape, plans};
use shakedown::plan::{Plan, Step, set_fault};
use shakedown::runner;
use shakedown::target::Target;
use shakedown::target::sim::Sim;
use shakedown::verdict::Verdict;

const PLANS: usize = 128;

/// The same random plans of the default shape every time.
fn fixed_plans() -> Vec<Plan> {
    let mut runner = TestRunner::deterministic();
    let strategy = plans(&Shape::default());
    (0..PLANS)
        .map(|_| {
            let tree = strategy.new_tree(&mut runner).expect("a plan is generated");
            tree.current()
        })
        .collect()
}

/// Carries out a plan, heals everything and waits for the rest; returns the count of events.
fn carry_out(plan: &Plan, seed: u64) -> usize {
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
    run.rest(
        Duration::from_secs(90),
        Sim::default().profile().limits.recovery,
        &mut events,
    )
    .expect("the system can rest");
    black_box(run.snapshot().expect("the system can be seen"));
    events.len()
}

fn held(plan: &Plan, seed: u64) -> bool {
    runner::run(&Sim::default(), plan, seed).verdict == Verdict::Held
}

fn steps(criterion: &mut Criterion) {
    let plans = fixed_plans();
    let steps: usize = plans.iter().map(|plan| plan.steps.len()).sum();
    let mut group = criterion.benchmark_group("sim");
    group.throughput(Throughput::Elements(steps as u64));
    group.bench_function("steps", |bencher| {
        bencher.iter(|| -> usize { plans.iter().map(|plan| carry_out(plan, 1)).sum() });
    });
    group.bench_function("judged steps", |bencher| {
        bencher.iter(|| plans.iter().filter(|plan| held(plan, 1)).count());
    });
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
