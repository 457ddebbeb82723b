//! Places that take no output: it never ends as if all had been written.

use super::case::{Case, NOT_HELD};
use super::files::{HISTORY, PLAN};

/// What cannot be written: a full disk, a file as a folder, a folder as a file, a place that takes no files.
const PLACES: [&str; 4] = [
    "/dev/full",
    "good.plan/x.html",
    "folder.html",
    "/proc/x.html",
];

pub fn outputs() -> Vec<Case> {
    let mut cases = Vec::new();
    let files = |case: Case| {
        let case = case
            .file("good.plan", PLAN)
            .file("h.jsonl", HISTORY.clone());
        case.file("folder.html/x", "")
    };
    let prints = [
        "--help",
        "--version",
        "help soak",
        "rules",
        "rules stays-up",
        "profile show",
        "profile schema",
        "completions bash",
        "scenario list",
        "explore --target sim --list",
        "run --cases 2 --seed 7",
        "run --cases 2 --seed 7 --json",
        "run --cases 2 --seed 7 --quiet",
        "replay good.plan",
        "replay good.plan --json",
        "shrink good.plan",
        "shrink good.plan --json",
        "scenario push-conflict",
        "scenario push-conflict --json",
        "soak --cases 2 --seed 7",
        "soak --cases 2 --seed 7 --json",
        "report h.jsonl",
        "explore --max-states 10",
        "explore --target sim --depth 1",
        "defects force-push --cases 1",
    ];
    for line in prints {
        cases.push(files(Case::new(line, NOT_HELD, "standard output")).stdout("/dev/full"));
    }
    let options = [
        "run --cases 2 --seed 7 --html",
        "run --cases 2 --seed 7 --junit",
        "run --cases 2 --seed 7 --out",
        "replay good.plan --history",
        "replay good.plan --html",
        "shrink good.plan --html",
        "scenario push-conflict --html",
        "scenario push-conflict --junit",
        "scenario push-conflict --history",
        "soak --cases 2 --seed 7 --html",
        "soak --cases 2 --seed 7 --junit",
        "report h.jsonl --html",
        "explore --mutant claims-push --max-states 100000 --plan",
        "explore --target sim --depth 3 --defect force-push --write",
    ];
    for option in options {
        for place in PLACES {
            // A folder is where a campaign's page may go, and where its plans go.
            let takes_folder = option.ends_with("--out") && place == "folder.html";
            if !takes_folder {
                cases.push(files(Case::new(&format!("{option} {place}"), NOT_HELD, "")));
            }
        }
    }
    // What cannot even be complained about.
    for (line, codes) in [
        ("no-such-command", &[64][..]),
        ("run --cases 1", &[0]),
        ("replay no-such.plan", &[64]),
        ("run --cases 2 --defect force-push --json", NOT_HELD),
    ] {
        let codes: &'static [i32] = codes;
        cases.push(
            Case::new(
                line,
                if line.contains("--defect") {
                    &[0, 1]
                } else {
                    codes
                },
                "",
            )
            .stderr("/dev/full"),
        );
    }
    cases
}
