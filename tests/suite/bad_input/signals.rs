//! Signals: every long command ends by each of them in the same way.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::case::{names_in, processes_of};
use crate::program::command;

const SIGNALS: [Signal; 4] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
];

fn start(folder: &Path, line: &str) -> Child {
    let (work, files) = (folder.join("work"), folder.join("files"));
    std::fs::create_dir_all(&work).unwrap();
    std::fs::create_dir_all(&files).unwrap();
    let plain = "# shakedown plan v1\nsession acme/home\n";
    let long = format!("{plain}{}", "instruct acme/home change\n".repeat(10_000));
    std::fs::write(work.join("long.plan"), long).unwrap();
    let local = format!(
        "{plain}{}",
        "instruct acme/home change\nuntil acme/home done\n".repeat(50)
    );
    std::fs::write(work.join("local.plan"), local).unwrap();
    let args: Vec<&str> = line.split_whitespace().collect();
    let mut program = command(&work, &args);
    program.env("TMPDIR", &files).process_group(0);
    program
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    program.spawn().unwrap()
}

/// Sends signals, one after the other, and returns how it ended and what it said.
fn end(mut child: Child, signals: &[Signal]) -> (Option<i32>, String) {
    let id = Pid::from_raw(child.id().cast_signed());
    for signal in signals {
        kill(id, *signal).unwrap();
        if signals.len() > 1 {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{signals:?} did not end it within a minute");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut said = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    (status.code(), said)
}

fn check_nothing_left(folder: &Path, what: &str) {
    assert_eq!(
        names_in(&folder.join("files")),
        Vec::<String>::new(),
        "{what} leaves folders"
    );
    let gone_by = Instant::now() + Duration::from_secs(60);
    while !processes_of(folder).is_empty() {
        assert!(
            Instant::now() < gone_by,
            "{what} leaves {:?}",
            processes_of(folder)
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    let out = names_in(&folder.join("work/shakedown-out"));
    assert!(
        !out.iter().any(|name| name.contains("running")),
        "{what} leaves {out:?}"
    );
}

#[test]
fn every_signal_ends_every_long_command_with_its_summary() {
    for (number, (line, part)) in [
        ("run --cases 4000000000 --quiet", "interrupted"),
        ("soak --seed 7 --quiet", "soak"),
        ("replay long.plan", "UNKNOWN"),
        ("shrink long.plan --quiet", "UNKNOWN"),
        ("defects --seeds 1000", "interrupted"),
        ("defects --harmless --cases 1000000", "interrupted"),
        (
            "explore --clients 3 --instructions 4 --faults 4 --injections 8 --quiet",
            "",
        ),
        ("explore --target sim --depth 12 --quiet", ""),
        ("explore --mutants", "interrupted"),
    ]
    .into_iter()
    .enumerate()
    {
        // Each command gets two of the four, and all are had.
        for signal in [SIGNALS[number % 4], SIGNALS[(number + 1) % 4]] {
            let folder = tempfile::tempdir().unwrap();
            let child = start(folder.path(), line);
            // An optimised program has tried all mutants in half a second.
            let is_short = line == "explore --mutants";
            std::thread::sleep(Duration::from_millis(if is_short { 400 } else { 1500 }));
            let (code, said) = end(child, &[signal]);
            let what = format!("{line}, ended by {signal}");
            if is_short && code == Some(0) {
                // It was at its last step already.
                assert!(!said.contains("interrupted"), "{what}: {said}");
            } else {
                assert_eq!(code, Some(2), "{what}: {said}");
                assert!(
                    said.contains("once more ends at once") && said.contains(part),
                    "{what}: {said}"
                );
            }
            check_nothing_left(folder.path(), &what);
        }
    }
}

#[test]
fn a_second_signal_ends_at_once_and_leaves_nothing() {
    for (line, wait) in [
        ("replay local.plan --target local", 3000),
        ("run --target local --cases 10 --quiet", 3000),
        ("scenario all --target local", 2000),
        ("conformance", 2000),
        ("run --cases 4000000000 --quiet", 500),
        ("soak --seed 7 --quiet", 500),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let child = start(folder.path(), line);
        std::thread::sleep(Duration::from_millis(wait));
        let (code, said) = end(child, &[Signal::SIGINT, Signal::SIGTERM]);
        assert_eq!(code, Some(2), "{line}: {said}");
        assert!(said.contains("once more ends at once"), "{line}: {said}");
        check_nothing_left(folder.path(), line);
    }
}
