//! Systems of other people's, started by their profiles.

use std::path::Path;
use std::process::Output;

use crate::program::{self, check};

mod examples;
mod job_runner;
mod misbehaving;
mod naive_node;

const PLAN: &str = "\
# shakedown plan v1
session acme/home
instruct acme/home change
until acme/home done
";

#[test]
fn a_worker_in_another_language_is_started_given_work_and_judged() {
    let folder = tempfile::tempdir().unwrap();
    let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/foreign/profile.toml");
    std::fs::write(folder.path().join("a.plan"), PLAN).unwrap();
    let profile = profile.to_str().unwrap();
    let args = [
        "replay",
        "a.plan",
        "--profile",
        profile,
        "--history",
        "a.jsonl",
    ];
    let out = program::run(folder.path(), &args);
    // It works, but never deploys; on a busy machine that is seen and not believed.
    let code = out.status.code().unwrap();
    assert!(matches!(code, 1 | 2), "{code}");
    check(&out, code, &["errors-told", "never showed it whole"]);
    let history = std::fs::read_to_string(folder.path().join("a.jsonl")).unwrap();
    for event in [
        "delivered",
        "agent-asked",
        "committed",
        "pushed",
        "acknowledged",
    ] {
        let event = format!("\"event\":\"{event}\"");
        assert!(history.contains(&event), "{event} in\n{history}");
    }
    assert!(
        history.contains("\"text\":\"working\""),
        "its log is read:\n{history}"
    );
}

#[test]
fn a_process_for_each_instruction_is_started_and_started_again_when_it_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let plan = "\
# shakedown plan v1
session acme/home
instruct acme/home change
until acme/home thinking
crash acme
until acme/home done
instruct acme/home change
until acme/home done
";
    let (out, history) = replay("job.toml", plan, "none", folder.path());
    check(&out, 0, &["HELD on local"]);
    let times = |part: &str| history.matches(part).count();
    assert_eq!(times("\"event\":\"died\""), 1);
    assert_eq!(times("\"receives\":2"), 1, "{history}");
    // Recovery sends one more.
    assert_eq!(times("\"event\":\"acknowledged\""), 3);
    for by in ["http", "exit"] {
        let reported = format!("\"outcome\":\"done\",\"by\":\"{by}\"");
        assert_eq!(times(&reported), 3, "{history}");
    }
}

#[test]
fn two_outcomes_of_one_instruction_are_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let (out, _) = replay("job.toml", PLAN, "two-outcomes", folder.path());
    let parts = [
        "errors-told",
        "one outcome of edit-1, which was reported as done",
        "it was reported as failed by exit code",
    ];
    check(&out, 1, &parts);
}

#[test]
fn work_comes_by_http_until_it_is_taken_and_ends_with_its_callback() {
    let folder = tempfile::tempdir().unwrap();
    // Sent while the container is down, it is taken by the next one.
    let plan = "\
# shakedown plan v1
session acme/home
crash acme
instruct acme/home change
until acme/home done
";
    let (out, history) = replay("server.toml", plan, "none", folder.path());
    check(&out, 0, &["HELD on local"]);
    let reported = "\"outcome\":\"done\",\"by\":\"callback\"";
    assert_eq!(history.matches(reported).count(), 2, "{history}");
    // What it has taken is in its memory only.
    let plan = "\
# shakedown plan v1
session acme/home
instruct acme/home change
until acme/home thinking
crash acme
";
    let (out, _) = replay("server.toml", plan, "none", folder.path());
    check(&out, 1, &["nothing-lost", "edit-1"]);
}

#[test]
fn builds_are_seen_by_a_shim_of_a_system_that_logs_nothing() {
    let plan = "\
# shakedown plan v1
session acme/home
instruct acme/home change
until acme/home building
crash acme
until acme/home done
instruct acme/home break-build
until acme/home done
";
    for network in ["", "[network]\nmode = \"auto\"\n"] {
        let folder = tempfile::tempdir().unwrap();
        let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/foreign");
        let text = std::fs::read_to_string(profiles.join("builds.toml")).unwrap();
        let script = format!("\"{}\"", profiles.join("job.py").display());
        let text = text.replace("\"job.py\"", &script) + network;
        std::fs::write(folder.path().join("builds.toml"), text).unwrap();
        let profile = folder.path().join("builds.toml");
        let (out, history) = replay(profile.to_str().unwrap(), plan, "none", folder.path());
        check(&out, 0, &["HELD on local"]);
        let lines = |part: &str| -> Vec<usize> {
            let lines = history.lines().enumerate();
            let found = lines.filter(|(_, line)| line.contains(part));
            found.map(|(at, _)| at).collect()
        };
        let began = lines("\"event\":\"build-began\"");
        let ended = lines("\"event\":\"build-ended\"");
        let died = lines("\"event\":\"died\"");
        // The crash fell on the first build; the last ones are those of recovery.
        assert_eq!(began.len(), ended.len() + 1, "{history}");
        assert!(began[0] < died[0] && died[0] < ended[0], "{history}");
        let good = "\"command\":\"sh build.sh\",\"end\":{\"code\":0,";
        assert!(lines(good).contains(&ended[0]), "{history}");
        assert!(
            lines("\"marks\":[\"edit-1\"]").contains(&ended[0]),
            "{history}"
        );
        assert!(
            lines("\"end\":{\"code\":1,").contains(&ended[1]),
            "{history}"
        );
    }
}

#[test]
fn builds_fail_by_a_shim_where_that_is_injected() {
    let plan = "\
# shakedown plan v1
session acme/home
session acme/blog
inject build-error acme/home
instruct acme/home change
until acme/home done
instruct acme/blog change
until acme/blog done
heal build-error acme/home
instruct acme/home change
until acme/home done
";
    let folder = tempfile::tempdir().unwrap();
    let (out, history) = replay("builds.toml", plan, "none", folder.path());
    check(&out, 0, &["HELD on local"]);
    let ends = history
        .lines()
        .filter(|line| line.contains("\"event\":\"build-ended\""));
    let codes: Vec<&str> = ends
        .map(|line| line.split("\"code\":").nth(1).unwrap())
        .map(|rest| rest.split([',', '}']).next().unwrap())
        .collect();
    // The job's three, and those of the work that is sent after recovery.
    assert_eq!(codes[..3], ["1", "0", "0"], "{history}");
    assert!(codes[3..].iter().all(|code| *code == "0"), "{history}");
    assert!(
        history.contains("\"outcome\":\"failed\",\"by\":\"http\""),
        "{history}"
    );
}

/// Replays a plan with a profile of this folder. Returns its history too.
fn replay(profile: &str, plan: &str, defect: &str, folder: &Path) -> (Output, String) {
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/foreign");
    let profile = profiles.join(profile);
    std::fs::write(folder.join("a.plan"), plan).unwrap();
    let mut command = program::command(
        folder,
        &[
            "replay",
            "a.plan",
            "--profile",
            profile.to_str().unwrap(),
            "--time-scale",
            "0.2",
            "--history",
            "a.jsonl",
        ],
    );
    let out = command.env("JOB_DEFECT", defect).output().unwrap();
    let history = std::fs::read_to_string(folder.join("a.jsonl")).unwrap_or_default();
    (out, history)
}

#[test]
fn a_profile_is_tried_with_one_instruction() {
    let folder = tempfile::tempdir().unwrap();
    let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/foreign/profile.toml");
    let out = program::run(
        folder.path(),
        &["profile", "try", profile.to_str().unwrap()],
    );
    let parts = [
        "instruction edit-1 delivered, receive 1",
        "remote has edit-1",
        "nothing was deployed to",
    ];
    check(&out, 0, &parts);
    // A name that does not fit is proposed from what was seen.
    let text = std::fs::read_to_string(&profile).unwrap();
    let text = text
        .replace("branch = \"{thread}\"", "branch = \"thread-{thread}\"")
        .replace(
            "[start]\n",
            &format!("[start]\nfolder = {:?}\n", profile.parent().unwrap()),
        );
    std::fs::write(folder.path().join("other.toml"), text).unwrap();
    let out = program::run(folder.path(), &["profile", "try", "other.toml"]);
    let parts = [
        "no push to `thread-home` of {git.repository} was seen",
        "`home` was pushed: should it be `branch = \"{thread}\"`?",
    ];
    check(&out, 0, &parts);
    let out = program::run(folder.path(), &["profile", "try", "missing.toml"]);
    check(&out, 64, &["missing.toml"]);
}

#[test]
fn what_a_started_system_cannot_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/foreign/profile.toml");
    let profile = profile.to_str().unwrap();
    for (options, why) in [
        (["--target", "sim"], "sim runs the built-in worker only"),
        (
            ["--defect", "force-push"],
            "planted in the built-in worker only",
        ),
        (["--site", "astro"], "the site is that of the profile"),
    ] {
        let args = [&["run", "--profile", profile][..], &options].concat();
        check(&program::run(folder.path(), &args), 64, &[why]);
    }
}
