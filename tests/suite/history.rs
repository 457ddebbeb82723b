//! Histories as files: everything that is done with one needs nothing but the file.

use std::path::Path;

use crate::program::{check, run as shakedown};
use shakedown::history::{ReadHistory, Writer};
use shakedown::runner;
use shakedown::target::sim::Sim;

const PLAN: &str = "# shakedown plan v1\nsession acme/home\ninstruct acme/home change\n\
    until acme/home committing\npush-from-outside acme/home clean\ninstruct acme/home change\n";

/// The history of a run in a folder of its own, and nothing else there.
fn history(args: &[&str]) -> tempfile::TempDir {
    let made = tempfile::tempdir().unwrap();
    std::fs::write(made.path().join("a.plan"), PLAN).unwrap();
    let args = [
        &["replay", "a.plan", "--seed", "0x2a", "--history", "h.jsonl"],
        args,
    ]
    .concat();
    shakedown(made.path(), &args);
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(made.path().join("h.jsonl"), folder.path().join("h.jsonl")).unwrap();
    folder
}

fn read(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap()
}

#[test]
fn a_history_alone_is_reported_replayed_and_shrunk() {
    let folder = history(&["--defect", "force-push"]);
    let at = folder.path();
    let out = shakedown(at, &["report", "h.jsonl"]);
    check(&out, 1, &["VIOLATED commits-preserved (remote): 4 steps"]);
    let page = read(at, "h.html");
    assert!(page.contains("replay h.jsonl --target sim --defect force-push --seed 0x2a"));
    // The same run, byte for byte: target, seed and defect are in the header.
    let out = shakedown(at, &["replay", "h.jsonl", "--history", "again.jsonl"]);
    check(&out, 1, &["commits-preserved"]);
    assert_eq!(read(at, "again.jsonl"), read(at, "h.jsonl"));
    let out = shakedown(at, &["shrink", "h.jsonl"]);
    check(&out, 1, &["commits-preserved", "given with 4 steps"]);
    // The command line comes before the header.
    let out = shakedown(
        at,
        &[
            "replay",
            "h.jsonl",
            "--seed",
            "7",
            "--history",
            "other.jsonl",
        ],
    );
    check(&out, 1, &["commits-preserved"]);
    assert!(read(at, "other.jsonl").contains("\"seed\":\"0x7\""));
}

#[test]
fn a_target_that_the_program_cannot_start_is_not_taken_for_another() {
    let folder = history(&[]);
    let at = folder.path();
    let text = read(at, "h.jsonl").replace("\"target\":\"sim\"", "\"target\":\"moon\"");
    std::fs::write(at.join("h.jsonl"), text).unwrap();
    for command in ["replay", "shrink"] {
        let out = shakedown(at, &[command, "h.jsonl"]);
        check(
            &out,
            64,
            &["made on the target `moon`, which this program does not know"],
        );
    }
    check(
        &shakedown(at, &["replay", "h.jsonl", "--target", "sim"]),
        0,
        &["HELD on sim"],
    );
    check(&shakedown(at, &["report", "h.jsonl"]), 0, &["HELD"]);
}

#[test]
fn a_history_that_is_cut_at_any_line_is_reported_as_incomplete() {
    let folder = history(&[]);
    let at = folder.path();
    let text = read(at, "h.jsonl");
    check(
        &shakedown(at, &["report", "h.jsonl"]),
        0,
        &["HELD: 4 steps"],
    );
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    assert!(lines.len() > 20);
    for kept in 0..lines.len() {
        let whole = lines[..kept].concat();
        let torn = format!("{whole}{}", &lines[kept][..lines[kept].len() / 2]);
        for cut in [whole, torn] {
            std::fs::write(at.join("cut.jsonl"), cut).unwrap();
            let out = shakedown(at, &["report", "cut.jsonl"]);
            check(&out, 2, &["incomplete: not judged to the end"]);
            assert!(!String::from_utf8_lossy(&out.stderr).contains("panicked"));
        }
    }
}

#[test]
fn each_event_is_in_the_file_before_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.jsonl");
    let (target, plan) = (Sim::default(), PLAN.parse().unwrap());
    let mut writer = Writer::create(&path, &runner::header(&target, &plan, 3)).unwrap();
    let mut seen = 0;
    let outcome = runner::run_recorded(&target, &plan, 3, &mut |event| {
        writer.event(event);
        seen += 1;
        let so_far = ReadHistory::parse(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(so_far.history.events.len(), seen);
        assert_eq!(so_far.incomplete.unwrap().line, seen + 1);
    });
    writer.finish(outcome.history.end.as_ref()).unwrap();
    let whole = ReadHistory::parse(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!((whole.history, whole.incomplete), (outcome.history, None));
}
