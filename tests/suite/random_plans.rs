//! Random plans keep every rule, on each target, after the kept ones.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use shakedown::campaign::cases_or;
use shakedown::generate::{Shape, plans};
use shakedown::plan::Plan;
use shakedown::runner::run;
use shakedown::target::local::{Local, WorkerCommand};
use shakedown::target::sim::Sim;

#[test]
fn proptest_random_plans_hold_on_sim() {
    shakedown::check(&Sim::default());
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
    // Time is real here, so plans are short and few.
    shakedown::Check::new(&local)
        .cases(10)
        .max_steps(10)
        .jobs(4)
        .run();
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
