//! Random plans keep every rule, on each target.

use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestError, TestRunner};

use shakedown::campaign::{cases_or, shrink_budget};
use shakedown::generate::{Shape, plans};
use shakedown::plan::Plan;
use shakedown::report::{Style, Violated, violation};
use shakedown::runner::run;
use shakedown::shrink::shrink;
use shakedown::target::Target;
use shakedown::target::local::{Local, WorkerCommand};
use shakedown::target::sim::Sim;
use shakedown::verdict::Verdict;

/// Runs plans from proptest, as many as `PROPTEST_CASES` says, else `cases`.
fn check(target: &dyn Target, shape: &Shape, cases: u32, seeds: &'static str) {
    let config = ProptestConfig {
        cases: cases_or(None, cases),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(seeds))),
        // What fails is shrunk below: proptest would take another failure for the same one.
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    };
    let cases = (plans(shape), any::<u64>());
    let held = TestRunner::new(config).run(&cases, |(plan, seed)| {
        match run(target, &plan, seed).verdict {
            Verdict::Held => Ok(()),
            Verdict::Violated(violation) => Err(TestCaseError::fail(violation.rule.id())),
            Verdict::Unknown { why } => Err(TestCaseError::fail(why)),
        }
    });
    match held {
        Ok(()) => {}
        Err(TestError::Fail(_, (plan, seed))) => panic!("{}", told(target, &plan, seed)),
        Err(TestError::Abort(why)) => panic!("no plans could be generated: {why}"),
    }
}

/// The report of the smallest plan that fails in the same way.
fn told(target: &dyn Target, plan: &Plan, seed: u64) -> String {
    let outcome = run(target, plan, seed);
    let found = match outcome.verdict {
        Verdict::Violated(violation) => violation,
        Verdict::Held => {
            return format!("it failed, but held when run again, seed {seed}:\n{plan}");
        }
        Verdict::Unknown { why } => return format!("{why}, seed {seed}:\n{plan}"),
    };
    let budget = shrink_budget(target);
    let smallest = shrink(
        target,
        plan,
        seed,
        &found,
        &outcome.history,
        &budget,
        &mut |_| {},
    );
    let violated = Violated {
        target: target.name(),
        plan: &smallest.plan,
        seed: smallest.seed,
        violation: &smallest.violation,
        history: &smallest.history,
        origin: &format!("found with {} steps", plan.steps.len()),
        replay: "save the plan as FILE, then: shakedown replay FILE --seed SEED",
        others: &[],
        more: &[],
        explanation: None,
    };
    let plain = Style { coloured: false };
    format!(
        "{}\nas text:\n{}",
        violation(&violated, plain),
        smallest.plan
    )
}

#[test]
fn proptest_random_plans_hold_on_sim() {
    let shape = Shape::default();
    check(&Sim::default(), &shape, 256, "proptest-regressions/sim.txt");
}

#[test]
fn proptest_random_plans_hold_on_local() {
    let local = Local {
        worker: WorkerCommand {
            program: env!("CARGO_BIN_EXE_shakedown").into(),
            arguments: vec!["worker".into()],
        },
        ..Local::new().expect("this program knows its own file")
    };
    // Time is real here, so plans are short.
    let shape = Shape {
        max_steps: 10,
        ..Shape::default()
    };
    check(&local, &shape, 10, "proptest-regressions/local.txt");
}

#[test]
fn proptest_the_same_plan_and_seed_give_the_same_history_on_sim() {
    let config = ProptestConfig {
        cases: cases_or(None, 64),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let cases = (plans(&Shape::default()), any::<u64>());
    let history = |plan: &Plan, seed| {
        let mut lines = Vec::new();
        let history = run(&Sim::default(), plan, seed).history;
        history.write_json_lines(&mut lines).map(|()| lines)
    };
    let same = TestRunner::new(config).run(&cases, |(plan, seed)| {
        let (one, two) = (history(&plan, seed)?, history(&plan, seed)?);
        prop_assert!(one == two, "run seed {:#x} of\n{}", seed, plan);
        Ok(())
    });
    if let Err(error) = same {
        panic!("{error}");
    }
}
