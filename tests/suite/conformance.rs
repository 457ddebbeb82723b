//! The same plans end the same on sim and on local.

use crate::program;
use std::collections::BTreeSet;

use shakedown::conformance::{Compared, compare_all, own_plans};
use shakedown::plan::{FaultKind, Step, StepKind};
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
    let shown = |it: &Compared| (it.name.clone(), it.differences.clone(), it.unknown.clone());
    let odd = compared.iter().filter(|it| !it.agrees()).map(shown);
    let odd: Vec<_> = odd.collect();
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
fn the_command_writes_pages_lines_and_a_junit_report() {
    let folder = tempfile::tempdir().unwrap();
    let plan = "# shakedown plan v1\nsession acme/home\ninstruct acme/home change\n";
    std::fs::write(folder.path().join("own.plan"), plan).unwrap();
    let args = "conformance own.plan left-broken --json --html pages --junit junit.xml";
    let out = program::run(folder.path(), &args.split(' ').collect::<Vec<_>>());
    program::check(&out, 0, &["2 of 2 plans end the same"]);
    let lines = String::from_utf8(out.stdout).unwrap();
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<&serde_json::Value> = lines.iter().map(|line| &line["name"]).collect();
    assert_eq!(names[..2], ["own.plan", "left-broken"]);
    assert_eq!(lines[2]["passed"], 2);
    for page in [
        "index",
        "own-sim",
        "own-local",
        "left-broken-sim",
        "left-broken-local",
    ] {
        let page = folder.path().join(format!("pages/{page}.html"));
        assert!(page.exists(), "{}", page.display());
    }
    let junit = std::fs::read_to_string(folder.path().join("junit.xml")).unwrap();
    assert!(junit.contains("tests=\"2\" failures=\"0\""), "{junit}");
}

#[test]
fn the_plans_have_every_step_and_every_fault() {
    let plans = own_plans().unwrap();
    let steps = || plans.iter().flat_map(|(_, plan)| &plan.steps);
    let names: BTreeSet<&str> = steps().map(Step::name).collect();
    let missing = |all: &[&'static str], reached: &BTreeSet<&str>| -> Vec<&'static str> {
        all.iter()
            .filter(|name| !reached.contains(**name))
            .copied()
            .collect()
    };
    let every_step = StepKind::ALL.map(StepKind::name);
    assert_eq!(missing(&every_step, &names), [""; 0]);
    let faults: BTreeSet<&str> = steps()
        .filter_map(|step| match step {
            Step::Inject(fault) => Some(fault.name()),
            _ => None,
        })
        .collect();
    let every_fault = FaultKind::ALL.map(FaultKind::name);
    assert_eq!(missing(&every_fault, &faults), [""; 0]);
    assert!(plans.len() >= 25);
}
