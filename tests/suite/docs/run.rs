//! The commands of the documents, run as they stand.

use std::path::Path;

use super::documents;
use crate::program;

/// Commands of the documents that are only checked for their options: what they begin with or contain,
/// and why they are not run.
const NOT_RUN: [(&str, &str); 23] = [
    (
        "--target local",
        "minutes of real time; tests/suite/local.rs runs there",
    ),
    (
        "--target aws",
        "an account; tests/suite/aws.rs has one in moto",
    ),
    ("shakedown inject", "an account; tests/suite/aws.rs"),
    (
        "shakedown heal",
        "it would undo what is open; tests/suite/aws.rs",
    ),
    ("naive-node", "minutes of real time, and npm"),
    (
        "webordinary",
        "the source of another system, and its packages",
    ),
    (
        "shakedown conformance",
        "minutes of real time; tests/suite/conformance.rs",
    ),
    ("shakedown defects", "plants every mistake; the gate does"),
    (
        "shakedown explore",
        "minutes in this profile; tests/suite/exploration.rs",
    ),
    (
        "a.plan",
        "explore makes the plan; tests/suite/exploration.rs",
    ),
    ("shakedown soak", "hours; tests/suite/soak"),
    ("shakedown-soak/stop", "it ends a soak; tests/suite/soak"),
    ("shakedown merge", "the shards of a soak; tests/suite/soak"),
    (
        "profile try",
        "needs a system to start; tests/suite/foreign.rs",
    ),
    ("tests/kill", "kills for minutes"),
    ("cargo +nightly", "needs another compiler and cargo-fuzz"),
    ("shakedown cloud", "it runs until it is ended"),
    ("cargo install", "compiles the program"),
    ("cargo test", "the tests are these"),
    ("cargo bench", "minutes"),
    ("cargo run --example", "tests/suite/check.rs runs it"),
    ("docker", "a container"),
    ("DEFAULT", "the default run: minutes of real time; the gate"),
];

/// The blocks of code of a document, each with what its fence says.
fn blocks(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.trim_start().strip_prefix("```") {
            let body = lines
                .by_ref()
                .take_while(|line| !line.trim_start().starts_with("```"));
            blocks.push((info.trim(), body.collect()));
        }
    }
    blocks
}

/// Why a command is not run, as an index of [`NOT_RUN`].
fn not_run(command: &str) -> Option<usize> {
    if command.contains("--list") {
        return None;
    }
    let is_default = ["shakedown", "cargo run --release"].contains(&command);
    let why = |(what, _): &(&str, &str)| command.contains(what) || is_default && *what == "DEFAULT";
    NOT_RUN.iter().position(why)
}

/// Text in which figures and the places of line breaks are the same.
fn without_figures(text: &str) -> String {
    let is_figure = |c: char| c.is_ascii_digit() || c == ',' || c == '.';
    let mut out = String::new();
    for c in text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
    {
        match is_figure(c) {
            true if out.ends_with('#') => {}
            true => out.push('#'),
            false => out.push(c),
        }
    }
    out
}

#[test]
fn the_commands_of_each_document_run_one_after_the_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bin = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_shakedown");
    std::os::unix::fs::symlink(program, bin.path().join("shakedown")).unwrap();
    let path = format!(
        "{}:{}",
        bin.path().display(),
        std::env::var("PATH").unwrap()
    );
    let mut needless: Vec<&str> = NOT_RUN.iter().map(|(what, _)| *what).collect();
    let mut run = 0;
    let mut samples = 0;
    for (document, text) in documents() {
        let folder = tempfile::tempdir().unwrap();
        for part in ["docs", "profiles", "proptest-regressions"] {
            let mut copy = program::without_callers("cp");
            let copied = copy
                .arg("-r")
                .arg(root.join(part))
                .arg(folder.path())
                .status();
            assert!(copied.unwrap().success());
        }
        let (mut has_defect, mut last): (bool, Option<String>) = (false, None);
        for (info, lines) in blocks(&text) {
            if info == "text" {
                if let Some(printed) = last.take() {
                    let sample = without_figures(&lines.join("\n"));
                    let printed = without_figures(&printed);
                    assert!(
                        printed.contains(&sample),
                        "{}: {sample}\n{printed}",
                        document.display()
                    );
                    samples += 1;
                }
                continue;
            }
            last = None;
            if !["", "sh"].contains(&info) {
                continue;
            }
            for line in lines
                .into_iter()
                .filter(|line| !line.trim_start().starts_with('#'))
            {
                let command = line.split(" #").next().unwrap().trim();
                if let Some(why) = not_run(command) {
                    needless.retain(|what| *what != NOT_RUN[why].0);
                    last = None;
                    continue;
                }
                let place = format!("{}: {line}", document.display());
                has_defect |= command.contains("--defect");
                let command = command.replace("cargo run --release -- ", "shakedown ");
                let mut shell = program::without_callers("sh");
                shell
                    .args(["-c", &command])
                    .env("PATH", &path)
                    .current_dir(folder.path());
                let out = shell.output().unwrap();
                let printed = String::from_utf8_lossy(&out.stdout).into_owned();
                let said = String::from_utf8_lossy(&out.stderr);
                let code = out.status.code();
                let is_right = code == Some(0) || has_defect && code == Some(1);
                assert!(is_right, "{place}: {code:?}\n{printed}{said}");
                run += 1;
                last = Some(printed);
            }
        }
    }
    assert!(
        run > 30 && samples >= 2,
        "{run} commands ran, with {samples} samples"
    );
    assert_eq!(needless, Vec::<&str>::new(), "no command is like these");
}
