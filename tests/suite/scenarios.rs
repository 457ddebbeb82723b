//! The thirteen scenarios of the contract, on both targets, and with defects that they catch.

use std::process::{Command, Output};

use shakedown::defect::{Defect, planted_sim};
use shakedown::report::{Style, scenario as report};
use shakedown::scenario::{Grade, Scenario, ScenarioRun};
use shakedown::target::local::{Local, WorkerCommand};
use shakedown::target::sim::Sim;
use shakedown::target::{Interrupt, Target};

const PROGRAM: &str = env!("CARGO_BIN_EXE_shakedown");

fn run(name: &str, target: &(dyn Target + Sync), seed: u64) -> ScenarioRun {
    let scenario = Scenario::by_name(name).unwrap();
    scenario.run(target, seed, &Interrupt::default())
}

#[track_caller]
fn check(ended: &ScenarioRun, grade: Grade) {
    let text = report(ended, "", Style::PLAIN);
    assert_eq!(ended.grade(), grade, "{text}\n{:?}", ended.outcome.verdict);
}

fn local(arguments: &[&str]) -> Local {
    Local {
        worker: WorkerCommand {
            program: PROGRAM.into(),
            arguments: arguments.iter().map(|&word| word.into()).collect(),
        },
        ..Local::new().unwrap()
    }
}

fn shakedown(arguments: &[&str]) -> (Option<i32>, String) {
    let out: Output = Command::new(PROGRAM).args(arguments).output().unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    (out.status.code(), text)
}

#[test]
fn all_pass_on_sim_whatever_the_seed() {
    assert_eq!(Scenario::all().len(), 13);
    for seed in 1..=20 {
        for scenario in Scenario::all() {
            check(&run(scenario.name, &Sim::default(), seed), Grade::Passed);
        }
    }
}

#[test]
fn all_pass_on_local() {
    for scenario in Scenario::all() {
        let mut target = local(&["worker"]);
        target.time_scale = scenario.time_scale(target.time_scale);
        // What the machine may have made is unknown.
        let mut runs = (1..=3).map(|seed| run(scenario.name, &target, seed));
        let judged = runs.find(|ended| ended.grade() != Grade::Unknown);
        check(&judged.expect("the machine stalls"), Grade::Passed);
    }
}

#[test]
fn with_a_defect_that_concerns_it_a_scenario_fails() {
    for (name, defect) in [
        ("s3-permission-error", "panics-on-denied"),
        ("s3-permission-error", "swallows-put-errors"),
        ("s3-sync-retried", "six-sync-attempts"),
        ("s3-sync-retried", "never-tries-again"),
        ("push-conflict", "force-push"),
        ("push-conflict", "drops-conflict"),
        ("git-authentication", "claims-push"),
        ("git-authentication", "token-in-error"),
        ("build-error", "deploys-failed-build"),
        ("build-error", "tells-no-error"),
        ("partial-build", "tells-no-warning"),
        ("out-of-memory", "acknowledges-on-receipt"),
        ("network-partition", "pages-first"),
        ("agent-timeout", "acknowledges-on-receipt"),
        ("agent-rate-limit", "ignores-retry-after"),
        ("no-cascade", "ignores-injected-error"),
        ("circuit-breaker", "breaker-never-opens"),
        ("circuit-breaker", "breaker-of-each-container"),
        (
            "watched-dead-letters-and-restarts",
            "acknowledges-on-receipt",
        ),
    ] {
        let planted = planted_sim(Defect::by_name(defect).unwrap());
        let ended = run(name, &planted, 1);
        assert_eq!(ended.grade(), Grade::Failed, "{name} with {defect}");
    }
}

#[test]
fn a_defect_fails_a_scenario_on_local_and_the_report_says_how_to_repeat_it() {
    let (code, text) = shakedown(&[
        "scenario",
        "push-conflict",
        "--target",
        "local",
        "--defect",
        "force-push",
    ]);
    assert_eq!(code, Some(1), "{text}");
    for part in [
        "commits-preserved",
        "FAILED   3 push-conflict",
        "scenario push-conflict --target local --defect force-push --seed 0x1",
        "0 of 1 passed on local",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn depth_dead_letters_and_restarts_are_in_the_report() {
    let (code, text) = shakedown(&["scenario", "watched-dead-letters-and-restarts"]);
    assert_eq!(code, Some(0), "{text}");
    let part = "queue depth 2, now 0; 1 dead letter: edit-1 of dead-letter/chat; container \
                restarts: dead-letter 3";
    let in_one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(in_one_line.contains(part), "{part:?} is not in:\n{text}");
}

#[test]
fn names_are_listed_and_a_wrong_one_is_a_matter_of_usage() {
    let (code, text) = shakedown(&["scenario", "list"]);
    assert_eq!(code, Some(0));
    for scenario in Scenario::all() {
        assert!(text.contains(scenario.name), "{text}");
    }
    for arguments in [
        ["scenario", "s3-permision-error", "--quiet"],
        ["scenario", "all", "--defect=none-such"],
        ["scenario", "all", "--history=events.jsonl"],
    ] {
        let (code, text) = shakedown(&arguments);
        assert_eq!(code, Some(64), "{text}");
    }
    let (_, text) = shakedown(&["scenario", "s3-permision-error"]);
    assert!(text.contains("s3-permission-error"), "{text}");
}
