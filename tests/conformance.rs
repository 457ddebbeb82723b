//! The same plans end the same on sim and on local.

use std::collections::BTreeSet;

use shakedown::conformance::{Compared, compare_all, own_plans};
use shakedown::plan::Step;
use shakedown::target::local::{Local, WorkerCommand};
use shakedown::target::sim::Sim;

fn local() -> Local {
    Local {
        worker: WorkerCommand {
            program: env!("CARGO_BIN_EXE_shakedown").into(),
            arguments: vec!["worker".into()],
        },
        ..Local::new().unwrap()
    }
}

#[test]
fn sim_and_local_end_the_same() {
    let plans = own_plans().unwrap();
    let compared = compare_all(&plans, [&Sim::default(), &local()], 1, 3);
    assert_eq!(compared.len(), plans.len());
    let odd: Vec<&Compared> = compared.iter().filter(|it| !it.agrees()).collect();
    assert!(odd.is_empty(), "{odd:#?}");
}

#[test]
fn a_worker_that_does_otherwise_is_seen() {
    let mut plans = own_plans().unwrap();
    plans.retain(|(name, _)| name == "left-broken");
    let other = local().with_worker_arguments(["--defect", "tells-no-error"]);
    let compared = compare_all(&plans, [&Sim::default(), &other], 1, 1);
    let what: Vec<&str> = compared[0].differences.iter().map(|it| &*it.what).collect();
    assert!(what.contains(&"the verdict"), "{what:?}");
}

#[test]
fn the_plans_have_every_step_and_every_fault() {
    let plans = own_plans().unwrap();
    let steps = || plans.iter().flat_map(|(_, plan)| &plan.steps);
    let names: BTreeSet<&str> = steps().map(Step::name).collect();
    for name in [
        "instruct",
        "until",
        "wait",
        "push-from-outside",
        "inject",
        "heal",
        "crash",
        "workspace-lost",
        "retry-push",
        "redeliver",
    ] {
        assert!(names.contains(name), "no plan has `{name}`");
    }
    let faults: BTreeSet<&str> = steps()
        .filter_map(|step| match step {
            Step::Inject(fault) => Some(fault.name()),
            _ => None,
        })
        .collect();
    assert_eq!(faults.len(), 14, "{faults:?}");
    assert!(plans.len() >= 25);
}
