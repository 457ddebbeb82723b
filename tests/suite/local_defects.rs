//! Defects planted in worker processes are caught on local too, each by a plan of a few steps.

use shakedown::defect::Defect;
use shakedown::plan::Plan;
use shakedown::runner;
use shakedown::target::local::{Local, WorkerCommand};
use shakedown::verdict::Verdict;

/// Runs the plan on worker processes with the defect; the defect's rule is what breaks.
fn check_caught(name: &str, steps: &[&str]) {
    let defect = Defect::by_name(name).expect("the defect is in the list");
    let local = Local {
        worker: WorkerCommand {
            program: env!("CARGO_BIN_EXE_shakedown").into(),
            arguments: ["worker", "--defect", name].map(Into::into).into(),
        },
        ..Local::new().unwrap()
    };
    let head = ["# shakedown plan v1", "session acme/home"];
    let text = [&head, steps].concat().join("\n");
    let plan: Plan = text.parse().unwrap();
    match runner::run(&local, &plan, 1).verdict {
        Verdict::Violated(violation) => assert_eq!(violation.rule, defect.rule, "{violation:?}"),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn defects_that_one_instruction_shows_are_caught() {
    let breaks = ["instruct acme/home break-build", "until acme/home done"];
    let changes = ["instruct acme/home change", "until acme/home done"];
    check_caught("deploys-failed-build", &breaks);
    check_caught("pages-first", &changes);
    check_caught("token-in-commit", &changes);
    check_caught("acknowledges-on-receipt", &changes);
}

#[test]
fn a_forced_push_is_caught() {
    let steps = [
        "instruct acme/home change",
        "until acme/home committing",
        "push-from-outside acme/home clean",
        "until acme/home done",
    ];
    check_caught("force-push", &steps);
}
