//! A deployed system, with moto in the place of AWS.

use crate::clients::{Moto, python, run};
use crate::program;

/// Runs a script of `tests/suite/aws/` against an account of its own.
fn script(name: &str, more: &[&str]) {
    let moto = Moto::start();
    let folder = tempfile::tempdir().unwrap();
    let script = format!("{}/tests/suite/aws/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut command = program::without_callers(python().to_str().unwrap());
    let url = format!("http://127.0.0.1:{}", moto.port);
    // Nothing is left beside the scripts.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.args([&script, env!("CARGO_BIN_EXE_shakedown"), &url]);
    print!("{}", run(command.arg(folder.path()).args(more)));
}

#[test]
fn every_guard_of_an_account_refuses_before_anything_is_written() {
    script("guards.py", &[]);
}

#[test]
fn a_fault_in_an_account_is_undone_whatever_ends_it() {
    script("heal.py", &[]);
}

#[test]
fn plans_hold_on_a_deployed_system_that_keeps_the_contract() {
    script("plans.py", &["plain", "outsider", "redelivered"]);
}

#[test]
fn a_deployed_system_recovers_from_what_is_done_to_it() {
    script("plans.py", &["denied", "crash"]);
}

#[test]
fn a_failure_is_injected_into_a_record_and_taken_out_of_it() {
    script("plans.py", &["injected", "ignored"]);
}

#[test]
fn instructions_are_sent_one_by_one_where_a_queue_keeps_no_order() {
    script("plans.py", &["standard"]);
}

#[test]
fn an_experiment_cuts_the_tasks_off_for_a_time() {
    script("plans.py", &["partition"]);
}

#[test]
fn verdicts_are_the_same_where_one_request_in_three_is_throttled() {
    script("plans.py", &["throttled", "denied", "broken"]);
}

#[test]
fn mistakes_of_a_deployed_system_are_found() {
    script("plans.py", &["lost", "broken", "twice"]);
    if is_thorough() {
        // Each in an account of its own: what a mistake left undone would be done in the next one's run.
        for name in PLANTED {
            script("plans.py", &[name]);
        }
    }
}

/// The plans of `plans.py` that show other planted mistakes, most of which wait for the end of the recovery, twice.
const PLANTED: &[&str] = &[
    "remains",
    "silent",
    "refused",
    "forced",
    "dropped",
    "shared",
    "first",
    "error-stays",
    "early",
];

#[test]
fn a_run_on_a_deployed_system_that_is_killed_at_any_request_is_undone() {
    let moments = if is_thorough() { "100" } else { "2" };
    script("kills.py", &[moments, "2026"]);
}

#[test]
fn plans_end_the_same_on_sim_on_local_and_on_a_deployed_system() {
    if is_thorough() {
        script("conform.py", &["30", "1"]);
    }
}

/// Whether there is time for the tests that take half an hour.
fn is_thorough() -> bool {
    std::env::var_os("SHAKEDOWN_AWS_THOROUGH").is_some()
}

#[test]
fn a_run_on_a_deployed_system_that_is_ended_leaves_nothing() {
    script("plans.py", &["interrupted", "killed"]);
}
