//! The binary from outside: exit codes, messages of bad input, and what it leaves behind.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::program::{check, command, run as shakedown};

fn left_in(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

#[track_caller]
fn check_bad_plan(lines: &str, parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("# shakedown plan v1\nsession acme/home\n{lines}\n");
    std::fs::write(folder.path().join("bad.plan"), text).unwrap();
    let out = shakedown(folder.path(), &["replay", "bad.plan"]);
    check(&out, 64, parts);
    assert_eq!(left_in(folder.path()), ["bad.plan"]);
}

#[test]
fn a_bad_plan_is_reported_with_its_place_and_the_remedy() {
    check_bad_plan(
        "instrct acme/home change",
        &["bad.plan:3:1: unknown step `instrct`"],
    );
    check_bad_plan(
        "wait 30s\ninstruct globex/home change",
        &[
            "bad.plan:4:10: ",
            "add the line `session globex/home` below the first one",
        ],
    );
    check_bad_plan(
        "wait 99999999999999999999h",
        &["bad.plan:3:6: ", "from 1ms to 24h"],
    );
    check_bad_plan(
        "inject s3-partial acme 4294967296",
        &["bad.plan:3:24: ", "from 0 to 1000"],
    );
    check_bad_plan(
        "heal s3-denid",
        &["bad.plan:3:6: unknown fault `s3-denid`; known: "],
    );
    check_bad_plan(
        "crash",
        &["bad.plan:3:6: ", "the line ends where a client is needed"],
    );
}

#[test]
fn a_plan_that_cannot_be_read_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    let out = shakedown(folder.path(), &["replay", "none.plan"]);
    check(
        &out,
        64,
        &["none.plan: cannot read the plan", "check the path"],
    );
    std::fs::write(folder.path().join("empty.plan"), "").unwrap();
    let out = shakedown(folder.path(), &["replay", "empty.plan"]);
    check(&out, 64, &["empty.plan:1:1: ", "add it"]);
    std::fs::write(folder.path().join("newer.plan"), "# shakedown plan v9\n").unwrap();
    let out = shakedown(folder.path(), &["replay", "newer.plan"]);
    check(&out, 64, &["newer.plan:1:18: ", "use a newer program"]);
}

#[test]
fn a_plan_of_a_target_that_is_unknown_is_run_on_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let text = "# shakedown plan v1\n# violates fresh on moon; found 2026-11-29 by a test\n\
                session acme/home\ninstruct acme/home change\n";
    std::fs::write(folder.path().join("moon.plan"), text).unwrap();
    for command in ["replay", "shrink"] {
        let out = shakedown(folder.path(), &[command, "moon.plan"]);
        check(&out, 64, &["moon.plan", "target `moon`", "--target"]);
    }
    let out = shakedown(folder.path(), &["replay", "moon.plan", "--target", "sim"]);
    check(&out, 0, &[]);
}

#[test]
fn bad_arguments_are_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    for (args, part) in [
        (&["frobnicate"][..], "unrecognized subcommand 'frobnicate'"),
        (
            &["run", "--target", "moon"],
            "[possible values: sim, local, aws]",
        ),
        (&["run", "--cases", "0"], "0 is not in 1..="),
        (&["run", "--cases", "99999999999"], "invalid value"),
        (&["run", "--seed", "0xhello"], "write a whole number, or 0x"),
        (&["run", "--max-steps", "-1"], "unexpected argument '-1'"),
        (&["run", "--time-scale", "1/0"], "a fraction such as 1/30"),
        (&["replay"], "<FILE>"),
    ] {
        check(&shakedown(folder.path(), args), 64, &[part]);
    }
    assert!(left_in(folder.path()).is_empty());
}

#[test]
fn help_lists_the_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let parts = [
        "a rule was violated",
        "64  the arguments or a plan are wrong",
    ];
    check(&shakedown(folder.path(), &["--help"]), 0, &parts);
    let version = shakedown(folder.path(), &["--version"]);
    check(&version, 0, &[env!("CARGO_PKG_VERSION")]);
}

#[test]
fn the_rules_are_printed_with_their_kinds_of_breach() {
    let folder = tempfile::tempdir().unwrap();
    let one = shakedown(folder.path(), &["rules", "stays-up"]);
    assert_eq!(one.status.code(), Some(0));
    assert_eq!(
        String::from_utf8_lossy(&one.stdout),
        "stays-up  checked always
  A container survives everything but crash and out-of-memory, and is up again
  within 120 s of those.
  evidence: process
    down  A container was still down when its time to restart was over.
    exit  A container ended by itself.
"
    );
    let parts = ["no-broken-deploy  checked always\n", "\nsettled  checked"];
    check(&shakedown(folder.path(), &["rules"]), 0, &parts);
    let unknown = shakedown(folder.path(), &["rules", "stays-upp"]);
    check(
        &unknown,
        64,
        &["'stays-upp'", "a similar value exists: 'stays-up'"],
    );
}

#[test]
fn a_bad_kept_plan_stops_a_campaign_before_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("proptest-regressions");
    std::fs::create_dir(&kept).unwrap();
    std::fs::write(kept.join("old.plan"), "# shakedown plan v1\nwiat 3s\n").unwrap();
    let out = shakedown(folder.path(), &["run", "--quiet"]);
    check(&out, 64, &["old.plan:2:1: unknown step `wiat`"]);
    assert_eq!(left_in(folder.path()), ["proptest-regressions"]);
}

#[test]
fn a_campaign_that_held_exits_0_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["run", "--target", "sim", "--cases", "8", "--seed", "0x1f3c"];
    let out = shakedown(folder.path(), &args);
    check(
        &out,
        0,
        &["sim all held: 8 plans held", "seed 0x1f3c", "8 plans, "],
    );
    assert!(left_in(folder.path()).is_empty());
}

#[test]
fn proptest_variables_count_where_no_option_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        command(folder.path(), args)
            .env("PROPTEST_CASES", "3")
            .env("PROPTEST_RNG_SEED", "42")
            .output()
            .unwrap()
    };
    check(&run(&["run"]), 0, &["3 plans held", "seed 0x2a"]);
    check(
        &run(&["run", "--cases", "2", "--seed", "7"]),
        0,
        &["2 plans held", "seed 0x7"],
    );
}

#[test]
fn the_same_plan_and_seed_give_the_same_history_in_two_processes() {
    let folder = tempfile::tempdir().unwrap();
    let plan = "# shakedown plan v1\n# seed 0x2a\nsession acme/home\nsession globex/home\n\
                instruct acme/home change\nuntil acme/home pushing\n\
                push-from-outside acme/home conflicting\ninject s3-down reset\ncrash acme\n\
                instruct globex/home warn\nwait 40s\n";
    std::fs::write(folder.path().join("a.plan"), plan).unwrap();
    let history = |args: &[&str]| {
        let args = [&["replay", "a.plan", "--history", "h.jsonl"], args].concat();
        check(
            &shakedown(folder.path(), &args),
            0,
            &["HELD on sim: 7 steps"],
        );
        std::fs::read_to_string(folder.path().join("h.jsonl")).unwrap()
    };
    let first = history(&[]);
    assert!(first.lines().count() > 50);
    let lines: Vec<&str> = first.lines().collect();
    let [header, events @ .., end] = &lines[..] else {
        panic!("{first}")
    };
    assert!(header.starts_with("{\"history\":1,") && end.starts_with("{\"end\":"));
    assert!(events.iter().all(|line| line.starts_with("{\"at\":")));
    assert_eq!(history(&[]), first);
    // The plan names its seed; another gives another history.
    assert_eq!(history(&["--seed", "42"]), first);
    assert_ne!(history(&["--seed", "43"]), first);
}

#[test]
fn an_interrupt_ends_a_campaign_with_its_summary() {
    let folder = tempfile::tempdir().unwrap();
    let child = command(folder.path(), &["run", "--cases", "4000000000", "--quiet"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let running = folder.path().join("shakedown-out");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !running.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    let out = child.wait_with_output().unwrap();
    check(
        &out,
        2,
        &["sim interrupted: ", "ending after the step under way"],
    );
    assert!(left_in(folder.path()).is_empty());
}

#[test]
fn a_target_that_cannot_start_is_reported_once_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let empty = tempfile::tempdir().unwrap();
    let without_git = |args: &[&str]| {
        command(folder.path(), args)
            .env("PATH", empty.path())
            .output()
            .unwrap()
    };
    let out = without_git(&["run", "--target", "local"]);
    check(&out, 2, &["`git` cannot be run", "install git"]);
    let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(stderr.matches("install git").count(), 1, "{stderr}");
    assert!(left_in(folder.path()).is_empty());

    std::fs::write(
        folder.path().join("a.plan"),
        "# shakedown plan v1\nsession a/b\n",
    )
    .unwrap();
    let out = without_git(&["replay", "a.plan", "--target", "local"]);
    check(&out, 2, &["`git` cannot be run", "install git"]);
    assert_eq!(left_in(folder.path()), ["a.plan"]);
}

#[test]
fn a_plain_plan_holds_on_real_processes_and_its_history_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    let plan = "# shakedown plan v1\nsession acme/home\ninstruct acme/home change\n\
                until acme/home done\n";
    std::fs::write(folder.path().join("a.plan"), plan).unwrap();
    let args = [
        "replay",
        "a.plan",
        "--target",
        "local",
        "--history",
        "h.jsonl",
    ];
    check(
        &shakedown(folder.path(), &args),
        0,
        &["HELD on local: 2 steps"],
    );
    let history = std::fs::read_to_string(folder.path().join("h.jsonl")).unwrap();
    for part in [
        "\"event\":\"pushed\"",
        "\"event\":\"object-put\"",
        "\"phase\":\"deploying\"",
    ] {
        assert!(history.contains(part), "{part} is not in:\n{history}");
    }
}

#[test]
fn the_example_for_ci_runs_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let workflow = include_str!("../../examples/github-actions.yml");
    let lines = workflow.lines().map(str::trim);
    let steps = lines.filter_map(|line| line.strip_prefix("- run: "));
    let program = env!("CARGO_BIN_EXE_shakedown");
    let step = |step: &str, shard: u32, folder: &Path| {
        let step = step
            .replace("cargo run --release -- ", &format!("{program} "))
            .replace("./target/release/shakedown ", &format!("{program} "));
        let out = Command::new("bash")
            .args(["-eo", "pipefail", "-c", &step])
            .current_dir(folder)
            .env("TIME", "1s")
            .env("SEED", "19876543210")
            .env("SHARD", shard.to_string())
            .env("PROPTEST_CASES", "8")
            .output()
            .unwrap();
        check(&out, 0, &[]);
    };
    for line in steps.filter(|step| !step.contains("cargo test") && !step.contains("cargo build")) {
        if line.contains(" soak ") {
            // What one machine leaves, another gets under the artifact's name.
            for shard in 0..4 {
                let machine = folder.path().join(format!("shards/soak-{shard}"));
                std::fs::create_dir_all(&machine).unwrap();
                step(line, shard, &machine);
            }
        } else {
            step(line, 0, folder.path());
        }
    }
    for file in [
        "scenarios/index.html",
        "scenarios.xml",
        "index.html",
        "junit.xml",
    ] {
        assert!(folder.path().join("report").join(file).exists(), "{file}");
    }
    let merged = std::fs::read_to_string(folder.path().join("report/index.html")).unwrap();
    assert!(merged.contains("Soak of 4 shards on sim"));
}

#[test]
fn a_profile_decides_what_is_asked_drawn_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let reference = shakedown(folder.path(), &["profile", "show"]);
    let reference = String::from_utf8(reference.stdout).unwrap();
    let with = |name: &str, edits: &[(&str, &str)]| {
        let edited = edits.iter().fold(reference.clone(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        std::fs::write(folder.path().join(name), edited).unwrap();
    };
    let unseen = ("[sees]", "[sees]\nworkspace = { not = \"no volume\" }");
    let no_memory = ("[faults]", "[faults]\nout-of-memory = { not = \"400 MB\" }");
    with("my.toml", &[unseen, no_memory]);
    let run = |arguments: &[&str]| shakedown(folder.path(), arguments);
    let campaign = [
        "run",
        "--cases",
        "60",
        "--seed",
        "7",
        "--profile",
        "my.toml",
        "--junit",
        "j.xml",
        "--json",
        "--html",
        "h.html",
    ];
    let out = run(&campaign);
    let why = "its workspace cannot be seen: no volume";
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    let lines = String::from_utf8(out.stdout).unwrap();
    let summary: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let row = serde_json::json!({ "rule": "pushed", "whole": true, "why": why });
    let rows = summary["not_asked"].as_array().unwrap();
    assert!(rows.contains(&row), "{rows:?}");
    assert_eq!(
        summary["left_out"],
        serde_json::json!([]),
        "it is not drawn"
    );
    let stderr = String::from_utf8(out.stderr).unwrap();
    assert!(
        stderr.contains(&format!("not asked: pushed: {why}")),
        "{stderr}"
    );
    let junit = std::fs::read_to_string(folder.path().join("j.xml")).unwrap();
    assert!(
        junit.contains(&format!("name=\"not-asked\" value=\"pushed: {why}\"")),
        "{junit}"
    );
    let page = std::fs::read_to_string(folder.path().join("h.html")).unwrap();
    assert!(page.contains(why), "the page has it");

    // What is hidden from the judge is not in the history either.
    let plan = "# shakedown plan v1\nsession acme/home\ninstruct acme/home change\n\
                inject out-of-memory acme\n";
    std::fs::write(folder.path().join("a.plan"), plan).unwrap();
    let replay = [
        "replay",
        "a.plan",
        "--profile",
        "my.toml",
        "--history",
        "h.jsonl",
    ];
    let parts = [
        "left out step 2: 400 MB",
        "not asked: pushed: its workspace",
        "HELD on sim",
    ];
    check(&run(&replay), 0, &parts);
    let history = std::fs::read_to_string(folder.path().join("h.jsonl")).unwrap();
    assert!(history.contains("\"workspaces\":null"), "{history}");
    // A history brings its profile along.
    check(
        &run(&["replay", "h.jsonl"]),
        0,
        &["not asked: pushed: its workspace"],
    );
    check(
        &run(&["report", "h.jsonl"]),
        0,
        &["not asked: pushed: its workspace"],
    );
    check(
        &run(&["scenario", "all", "--profile", "my.toml"]),
        2,
        &["not asked: pushed"],
    );

    // The judge asks for the profile's numbers, and commands that repeat a run name the profile.
    with(
        "strict.toml",
        &[("restart = \"120s\"", "restart = \"1ms\"")],
    );
    let strict = [
        "run",
        "--cases",
        "50",
        "--seed",
        "7",
        "--profile",
        "strict.toml",
    ];
    check(&run(&strict), 1, &["stays-up", "--profile strict.toml"]);
    // By default everything is asked, and nothing is said of it.
    let plain = run(&["run", "--cases", "5", "--seed", "7"]);
    assert!(!String::from_utf8_lossy(&plain.stdout).contains("not asked"));

    with("wrong.toml", &[("restart = \"120s\"", "restart = 120")]);
    let out = run(&["run", "--profile", "wrong.toml"]);
    check(&out, 64, &["wrong.toml:", "invalid type: integer `120`"]);
    with("other.toml", &[("^S3 sync complete", "^upload ready")]);
    let out = run(&["run", "--profile", "other.toml"]);
    check(
        &out,
        64,
        &["other.toml: its [words] differs from that of the built-in worker"],
    );
}
