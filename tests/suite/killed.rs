//! Long commands that are killed at random moments: no process outlives them, what they wrote can be read, and the next
//! start leaves nothing of them.
//!
//! `tests/kill COMMAND TIMES` kills more often.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shakedown::history::ReadHistory;
use shakedown::regression;

use crate::bad_input::case::{names_in, processes_of};
use crate::program::command;

/// Each long command but `soak`, which has tests of its own.
const COMMANDS: [(&str, &str); 9] = [
    ("run", "run --target local --cases 50 --jobs 2 --quiet"),
    (
        "run-sim",
        "run --cases 1000000 --defect force-push --keep-going --quiet",
    ),
    (
        "replay",
        "replay local.plan --target local --history h.jsonl --html h.html",
    ),
    ("scenario", "scenario all --target local"),
    ("conformance", "conformance --jobs 2"),
    ("defects", "defects --target local"),
    (
        "shrink",
        "shrink long.plan --target local --defect force-push --no-twin --quiet",
    ),
    ("explore", "explore --target sim --depth 5 --quiet"),
    // Another system: that of `KILL_PROFILE`, else a job for each instruction in a network of its own.
    (
        "foreign",
        "run --profile PROFILE --jobs 2 --keep-going --quiet",
    ),
];

/// How long what a killed command had started may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn killed_commands_leave_nothing_that_the_next_start_does_not_clean() {
    let asked = |name: &str| std::env::var(name).ok();
    let only = asked("KILL").filter(|only| only != "all");
    let times: u64 = asked("KILLS").map_or(1, |times| times.parse().expect("a whole number"));
    let mut word: u64 = asked("KILL_SEED").map_or(1, |seed| seed.parse().expect("a whole number"));
    for (name, line) in COMMANDS {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let line = &with_profile(line, folder.path());
        for _ in 0..times {
            // Knuth's constants; the high bits are the random ones.
            word = word
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            kill_once(
                folder.path(),
                line,
                Duration::from_millis((word >> 33) % 4000),
            );
        }
        check_next_start(folder.path(), line);
        eprintln!("{name}: {times} kills, and nothing is left");
    }
}

/// The command with the profile of another system, where it has one.
fn with_profile(line: &str, folder: &Path) -> String {
    let asked = std::env::var("KILL_PROFILE");
    let profile = asked.unwrap_or_else(|_| {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/foreign");
        let text = std::fs::read_to_string(own.join("job.toml")).unwrap();
        let script = format!("\"{}\"", own.join("job.py").display());
        let text = text.replace("\"job.py\"", &script) + "[network]\nmode = \"auto\"\n";
        let path = folder.join("job.toml");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    });
    line.replace("PROFILE", &profile)
}

/// Starts a command, kills it at a moment, and looks at what is left of it.
fn kill_once(folder: &Path, line: &str, moment: Duration) {
    let (work, files) = (folder.join("work"), folder.join("files"));
    std::fs::create_dir_all(&work).unwrap();
    std::fs::create_dir_all(&files).unwrap();
    let plain = "# shakedown plan v1\nsession acme/home\n";
    let step = "instruct acme/home change\nuntil acme/home done\n";
    let outsider = "until acme/home committing\npush-from-outside acme/home clean\n";
    std::fs::write(
        work.join("local.plan"),
        format!("{plain}{}", step.repeat(50)),
    )
    .unwrap();
    let long = format!(
        "{plain}{}instruct acme/home change\n{outsider}",
        step.repeat(4)
    );
    std::fs::write(work.join("long.plan"), long).unwrap();
    let args: Vec<&str> = line.split_whitespace().collect();
    let mut program = command(&work, &args);
    program.env("TMPDIR", &files).process_group(0);
    program.env("JOB_DEFECT", "none");
    program
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = program.spawn().unwrap();
    std::thread::sleep(moment);
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    let gone_by = Instant::now() + GONE_WITHIN;
    while !processes_of(folder).is_empty() {
        let left = processes_of(folder);
        assert!(
            Instant::now() < gone_by,
            "{line}, killed after {moment:?}, leaves {left:?}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    assert!(!mounts.contains(folder.to_str().unwrap()), "{mounts}");
    // What has its name is whole.
    regression::read_all(&work.join("proptest-regressions")).unwrap();
    // Hundreds of plans break a rule in a second; some of them tell of all.
    for name in names_in(&work.join("shakedown-out")).into_iter().take(40) {
        let path = work.join("shakedown-out").join(&name);
        if name.ends_with(".plan") && !name.contains("running-") {
            regression::read(&path).unwrap();
        }
        if name.ends_with(".jsonl") && !name.starts_with('.') {
            let read = ReadHistory::parse(&std::fs::read(path).unwrap()).unwrap();
            assert_eq!(read.incomplete, None, "{name}");
        }
    }
}

/// The next start names the plans that were running, and removes all that was left.
fn check_next_start(folder: &Path, line: &str) {
    let (work, files) = (folder.join("work"), folder.join("files"));
    let running = |name: &String| name.contains("running-");
    let left: Vec<String> = names_in(&work.join("shakedown-out"))
        .into_iter()
        .filter(running)
        .collect();
    let mut program = command(
        &work,
        &[
            "run", "--target", "local", "--cases", "1", "--seed", "7", "--quiet",
        ],
    );
    let out = program.env("TMPDIR", &files).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    for name in &left {
        assert!(
            said.contains(name.as_str()),
            "{line}: {name} is not named in {said}"
        );
    }
    // Folders that were made, and not locked before the end of their owner, go after a minute.
    let still: Vec<String> = names_in(&files)
        .into_iter()
        .filter(|name| std::fs::read_dir(files.join(name)).is_ok_and(|within| within.count() > 1))
        .collect();
    assert_eq!(still, Vec::<String>::new(), "{line}");
    for folder in ["shakedown-out", "proptest-regressions"] {
        let names = names_in(&work.join(folder));
        let is_left = |name: &String| name.contains("running-") || name.ends_with(".unfinished");
        assert!(!names.iter().any(is_left), "{line}: {names:?}");
    }
}
