//! Systems of other people's, started by their profiles.

use std::path::Path;

use crate::program::{self, check};

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
    let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/foreign/job.toml");
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
    std::fs::write(folder.path().join("a.plan"), plan).unwrap();
    let profile = profile.to_str().unwrap();
    let args = [
        "replay",
        "a.plan",
        "--profile",
        profile,
        "--history",
        "a.jsonl",
    ];
    check(&program::run(folder.path(), &args), 0, &["HELD on local"]);
    let history = std::fs::read_to_string(folder.path().join("a.jsonl")).unwrap();
    let times = |part: &str| history.matches(part).count();
    assert_eq!(times("\"event\":\"died\""), 1);
    assert_eq!(times("\"receives\":2"), 1, "{history}");
    // Recovery sends one more.
    assert_eq!(times("\"event\":\"acknowledged\""), 3);
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
