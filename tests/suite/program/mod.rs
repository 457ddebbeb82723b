//! The program as it is called from a shell.

use std::path::Path;
use std::process::{Command, Output};

/// Variables that change what the program does, by how their names begin.
const UNWANTED: [&str; 7] = [
    "PROPTEST_",
    "SLURM_",
    "AWS_",
    "GIT_",
    "JOB_",
    "RUST_LOG",
    "CARGO_PKG_",
];

/// The program in a folder, with nothing of the caller's environment that changes what it does.
pub fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = without_callers(env!("CARGO_BIN_EXE_shakedown"));
    command.args(args).current_dir(folder);
    command
}

/// A program with nothing of the caller's environment that changes what it or git does.
pub fn without_callers(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if UNWANTED.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs it.
pub fn run(folder: &Path, args: &[&str]) -> Output {
    command(folder, args)
        .output()
        .expect("the binary that cargo built starts")
}

/// How it has to end, and what it has to print, on either stream.
#[track_caller]
pub fn check(out: &Output, code: i32, parts: &[&str]) {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    assert_eq!(out.status.code(), Some(code), "{text}");
    // Reports are broken at the width of the terminal.
    let unbroken = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts {
        assert!(
            text.contains(part) || unbroken(&text).contains(&unbroken(part)),
            "{part:?} is not in:\n{text}"
        );
    }
}
