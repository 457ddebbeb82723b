//! A deployed system, with moto in the place of AWS.

use crate::clients::{Moto, python, run};
use crate::program;

/// Runs a script of `tests/suite/aws/` against an account of its own.
fn script(name: &str) {
    let moto = Moto::start();
    let folder = tempfile::tempdir().unwrap();
    let script = format!("{}/tests/suite/aws/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut command = program::without_callers(python().to_str().unwrap());
    let url = format!("http://127.0.0.1:{}", moto.port);
    // Nothing is left beside the scripts.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.args([&script, env!("CARGO_BIN_EXE_shakedown"), &url]);
    print!("{}", run(command.arg(folder.path())));
}

#[test]
fn every_guard_of_an_account_refuses_before_anything_is_written() {
    script("guards.py");
}

#[test]
fn a_fault_in_an_account_is_undone_whatever_ends_it() {
    script("heal.py");
}
