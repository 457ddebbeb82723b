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
fn mistakes_of_a_deployed_system_are_found() {
    script("plans.py", &["lost", "broken", "twice"]);
}

#[test]
fn a_run_on_a_deployed_system_that_is_ended_leaves_nothing() {
    script("plans.py", &["interrupted", "killed"]);
}
