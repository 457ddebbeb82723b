//! Workers that misbehave where they are started: what is printed, and that nothing of them is left.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use crate::bad_input::case::processes_of;
use crate::hosts;
use crate::program::{self, check};

const PLAN: &str = "# shakedown plan v1\nsession acme/home\ninstruct acme/home change\nwait 5s\n";

/// What runs it.
const REPLAY: [&str; 8] = [
    "replay",
    "a.plan",
    "--profile",
    "p.toml",
    "--time-scale",
    "0.1",
    "--history",
    "a.jsonl",
];

/// Replays a plan with a worker that is a shell script. Its processes are named in the file `pids`; they and all that
/// the run wrote are gone afterwards.
fn run(script: &str) -> Output {
    run_with(script, "3s", "", Path::new("/nonexistent"))
}

/// The same with another time to be ready, more sections in the profile, and the folder that the script finds in `OTHER`.
fn run_with(script: &str, within: &str, sections: &str, other: &Path) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let temporary = folder.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let pids = folder.path().join("pids");
    write_run(folder.path(), (script, within), sections, &pids, other);
    let out = program::command(folder.path(), &REPLAY)
        .env("TMPDIR", &temporary)
        .output()
        .unwrap();
    for pid in std::fs::read_to_string(pids).unwrap_or_default().lines() {
        assert!(is_gone(pid), "process {pid} is left of\n{script}");
    }
    let living = processes_of(&temporary);
    assert!(living.is_empty(), "{living:?} live on after\n{script}");
    let left: Vec<_> = std::fs::read_dir(&temporary).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?} is left of\n{script}");
    let history = folder.path().join("a.jsonl");
    let size = |path: &Path| path.metadata().map_or(0, |of| of.len());
    assert!(
        size(&history) < 64 << 20,
        "the history has {} bytes",
        size(&history)
    );
    out
}

/// Writes the plan, and the profile whose worker is the script.
fn write_run(
    folder: &Path,
    (script, within): (&str, &str),
    sections: &str,
    pids: &Path,
    other: &Path,
) {
    let profile = format!(
        r#"
version = 1
name = "misbehaving"
[start]
command = ["sh", "-c", '''{script}''']
[start.env]
PIDS = "{}"
OTHER = "{}"
URL = "{{aws.url}}"
[ready]
log = "^ready$"
within = "{within}"
[[accept]]
via = "sqs"
body = "{{instruction}}"
[names]
session = "{{session}}"
branch = "{{thread}}"
bucket = "site-{{client}}"
[outcome]
reported-by = ["log"]
[limits]
recovery = "10s"
{sections}
"#,
        pids.display(),
        other.display(),
    );
    std::fs::write(folder.join("p.toml"), profile).unwrap();
    std::fs::write(folder.join("a.plan"), PLAN).unwrap();
}

#[test]
fn one_that_does_not_start_is_reported_with_its_last_words() {
    // It dies at once.
    let out = run("echo $$ >>$PIDS; echo no such module >&2; exit 1");
    check(&out, 2, &["starting the worker of acme", "no such module"]);
    // Its port is taken.
    let out = run(r#"echo $$ >>$PIDS; exec python3 -c '
import os, socket
socket.create_server(("127.0.0.1", int(os.environ["URL"].rsplit(":", 1)[1])))'"#);
    check(
        &out,
        2,
        &["starting the worker of acme", "Address already in use"],
    );
    // It never gets ready.
    let out = run("echo $$ >>$PIDS; echo connecting; exec sleep 600");
    check(&out, 2, &["starting the worker of acme", "connecting"]);
}

#[test]
fn one_that_floods_its_log_is_bounded() {
    let out = run(
        "echo $$ >>$PIDS; echo ready; head -c 100000000 /dev/zero | tr '\\0' '\\n'; exec sleep 600",
    );
    // It handles nothing.
    check(&out, 1, &["nothing-lost"]);
}

#[test]
fn what_one_starts_ends_with_it_and_so_does_one_that_ignores_sigterm() {
    let script = "trap '' TERM; echo $$ >>$PIDS; \
                  (while :; do sleep 600 & echo $! >>$PIDS; sleep 0.05; done) & \
                  echo $! >>$PIDS; echo ready; wait";
    check(&run(script), 1, &["nothing-lost"]);
    // In a session of its own, and without a parent that is left.
    let script = r#"echo $$ >>$PIDS; (setsid sh -c "echo \$\$ >>$PIDS; >~/up; exec sleep 600" &)
until test -e ~/up; do sleep 0.01; done; echo ready; exec sleep 600"#;
    check(&run(script), 1, &["nothing-lost"]);
}

#[test]
fn what_a_killed_tester_leaves_of_its_containers_goes_with_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let temporary = folder.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let pid = folder.path().join("pid");
    // The process that has the file is in a session of its own, and nobody's child.
    let script = r#"(setsid sh -c "echo \$\$ >$PIDS.new; mv $PIDS.new $PIDS; exec sleep 600" &); echo ready; exec sleep 600"#;
    write_run(
        folder.path(),
        (script, "20s"),
        "",
        &pid,
        Path::new("/nonexistent"),
    );
    let start = || {
        let mut replay = program::command(folder.path(), &REPLAY);
        replay
            .env("TMPDIR", &temporary)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        replay
    };
    let mut tester = start().spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !pid.exists() {
        assert!(Instant::now() < deadline, "the worker does not start");
        std::thread::sleep(Duration::from_millis(5));
    }
    tester.kill().unwrap();
    tester.wait().unwrap();
    let left = std::fs::read_to_string(&pid).unwrap();
    assert!(!is_gone(left.trim()), "it went by itself");
    assert!(start().status().unwrap().code().is_some());
    assert!(is_gone(left.trim()), "process {left} is left");
    // A folder that was being made goes after a minute.
    let mut names = std::fs::read_dir(&temporary).unwrap().flatten();
    let is_full =
        |folder: &std::fs::DirEntry| std::fs::read_dir(folder.path()).unwrap().count() > 1;
    let full = names.find(is_full);
    assert!(full.is_none(), "{full:?}");
}

/// Whether a process has ended.
fn is_gone(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.map_or(true, |stat| stat.contains(") Z "))
}

#[test]
fn one_that_forks_without_end_is_ended_with_all_of_them() {
    // It has a minute for a thousand, and is never ready.
    let script = "echo $$ >>$PIDS; while :; do sleep 600 & done";
    let out = run_with(script, "60s", "", Path::new("/nonexistent"));
    check(
        &out,
        2,
        &["running the worker of acme", "more than 1000 processes"],
    );
}

#[test]
fn one_that_writes_outside_of_its_folders_is_kept_from_that_where_it_has_a_namespace() {
    let other = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let is_writable = ["/tmp", "/var/tmp", "/dev", "/run"]
        .iter()
        .any(|it| other.path().starts_with(it));
    if is_writable || !hosts::has_namespaces() {
        println!("nothing keeps it from that here");
        return;
    }
    let script = "echo $$ >>$PIDS; echo x >$OTHER/file; cd && echo x >file && cat file && \
                  echo x >/tmp/of-$$ && rm /tmp/of-$$ && echo ready; exec sleep 600";
    let out = run_with(script, "20s", "[network]\nmode = \"auto\"", other.path());
    check(&out, 1, &["nothing-lost", "write outside of its folders"]);
    assert!(!other.path().join("file").exists());
}
