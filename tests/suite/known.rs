//! Known findings: counted, not told again, and told when they are gone; and one finding looked for alone.

use crate::program::{self, check};

#[test]
fn known_findings_are_counted_and_those_that_are_gone_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let campaign = [
        "run",
        "--target",
        "sim",
        "--defect",
        "force-push",
        "--cases",
        "60",
        "--seed",
        "3",
        "--quiet",
    ];
    let out = program::run(folder.path(), &campaign);
    check(&out, 1, &["VIOLATED commits-preserved (remote)"]);
    let known = "# accepted\n\ncommits-preserved   ticket 12\nfresh/mixed\n";
    std::fs::write(folder.path().join("known"), known).unwrap();
    let with_known = [&campaign[..], &["--keep-going", "--known", "known"]].concat();
    let out = program::run(folder.path(), &with_known);
    let parts = [
        "known: commits-preserved, in",
        "known, and gone: fresh/mixed; take it off the list",
    ];
    check(&out, 0, &parts);
    for (text, why) in [
        ("fresh/red\n", "known:1:1: `fresh/red` is no kind of breach"),
        ("# x\nfrsh\n", "known:2:1: `frsh` is no rule"),
    ] {
        std::fs::write(folder.path().join("known"), text).unwrap();
        check(&program::run(folder.path(), &with_known), 64, &[why]);
    }
    std::fs::remove_file(folder.path().join("known")).unwrap();
    let missing = "known: cannot read the known findings";
    check(&program::run(folder.path(), &with_known), 64, &[missing]);
}

#[test]
fn one_finding_is_looked_for_alone_and_its_history_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let plan = "# shakedown plan v1\nsession acme/home\ninstruct acme/home break-build\n";
    std::fs::write(folder.path().join("a.plan"), plan).unwrap();
    let replay = |more: &[&str]| {
        let args = ["replay", "a.plan", "--defect", "deploys-failed-build"];
        program::run(folder.path(), &[&args[..], more].concat())
    };
    check(&replay(&[]), 1, &["VIOLATED no-broken-deploy (broken)"]);
    let only = ["--only", "exactly-once/commit", "--history", "a.jsonl"];
    let went_on = "went on at no-broken-deploy/broken";
    check(&replay(&only), 0, &["HELD", went_on]);
    let again = program::run(folder.path(), &["replay", "a.jsonl"]);
    check(&again, 0, &["HELD", went_on]);
    let only = replay(&["--only", "no-broken-deploy"]);
    check(&only, 1, &["VIOLATED no-broken-deploy (broken)"]);
}
