//! `soak`, `merge` and `completions` as they are called: exit codes, and what bad input prints.

use std::path::Path;

use crate::program::{self, check as check_output, command};

#[track_caller]
fn check(folder: &Path, args: &[&str], code: i32, parts: &[&str]) {
    check_output(&program::run(folder, args), code, parts);
}

#[test]
fn a_soak_that_held_exits_0_and_goes_on_when_more_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let soak = ["soak", "--cases", "8", "--seed", "0x1f3c"];
    let parts = ["sim soak all held: 8 plans held", "seed 0x1f3c"];
    check(folder, &soak, 0, &parts);
    check(
        folder,
        &soak,
        64,
        &["8 cases done; go on with it by --resume"],
    );
    let other = ["soak", "--cases", "9", "--seed", "7", "--resume"];
    check(folder, &other, 64, &["whose seed is 0x1f3c, not 0x7"]);
    // Everything but the bound is as it was.
    let more = ["soak", "--cases", "12", "--resume", "--json"];
    let parts = ["12 plans held", "\"type\":\"summary\"", "in 2 starts"];
    check(folder, &more, 0, &parts);
    let state = folder.join("shakedown-soak/state.json");
    let text = std::fs::read_to_string(&state).unwrap();
    std::fs::write(&state, &text[..text.len() / 3]).unwrap();
    let parts = ["state.json:", "is damaged", "state.previous.json"];
    check(folder, &["soak", "--resume"], 64, &parts);
    check(folder, &["merge", "shakedown-soak"], 64, &parts);
    assert_eq!(
        std::fs::read_to_string(&state).unwrap().len(),
        text.len() / 3
    );
}

#[test]
fn shards_are_set_by_the_scheduler_and_the_missing_ones_by_merge() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let soak = ["soak", "--cases", "8", "--seed", "7", "--quiet"];
    for index in ["0", "2"] {
        let out = command(folder, &soak)
            .env("AWS_BATCH_JOB_ARRAY_INDEX", index)
            .env("AWS_BATCH_JOB_ARRAY_SIZE", "3")
            .output()
            .unwrap();
        check_output(&out, 0, &[&format!("shard {index}/3")]);
    }
    let parts = ["2 of 3 shards", "missing: shard 1 of 3"];
    check(folder, &["merge", "shakedown-soak"], 2, &parts);
    check(
        folder,
        &[&soak[..], &["--shard", "1/3"]].concat(),
        0,
        &["shard 1/3"],
    );
    let merge = [
        "merge",
        "shakedown-soak",
        "--html",
        "report",
        "--junit",
        "junit.xml",
    ];
    let parts = ["all held: 8 plans held", "3 of 3 shards"];
    check(folder, &merge, 0, &parts);
    assert!(folder.join("report/index.html").exists() && folder.join("junit.xml").exists());

    // One of another seed is refused.
    let other = [
        "soak", "--cases", "4", "--seed", "8", "--shard", "0/3", "--out", "other",
    ];
    check(folder, &other, 0, &[]);
    let parts = [
        "are not of one soak",
        "the seed of the first is 0x",
        "merge them apart",
    ];
    check(folder, &["merge", "shakedown-soak", "other"], 64, &parts);
}

#[test]
fn bad_arguments_are_reported_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (args, part) in [
        (&["soak", "--for", "8"][..], "write a time such as 8h"),
        (&["soak", "--shard", "4/4"], "counted from 0: 0/4 to 3/4"),
        (&["soak", "--shard", "0/2"], "add --seed S to each"),
        (&["soak", "--shard-count", "4"], "say --shard I/N"),
        (&["soak", "--defect", "none"], "unknown defect `none`"),
        (&["merge"], "<DIR>"),
        (&["merge", "."], "there is no soak's state"),
        (&["merge", "none"], "cannot list the folder"),
        (&["completions", "ksh"], "possible values"),
    ] {
        check(folder, args, 64, &[part]);
    }
    let out = command(folder, &["soak", "--seed", "1"])
        .env("JOB_COMPLETION_INDEX", "2")
        .output()
        .unwrap();
    check_output(&out, 64, &["add --shard-count N, or --shard 0/1"]);
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
}

#[test]
fn every_command_shows_examples_and_shells_learn_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let help = command(folder.path(), &["--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let commands = help.split_once("Commands:\n").unwrap().1;
    let commands: Vec<&str> = commands
        .split_once("\n\n")
        .unwrap()
        .0
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help")
        .collect();
    assert!(
        commands.contains(&"soak") && commands.contains(&"run"),
        "{commands:?}"
    );
    for name in &commands {
        let example = format!("shakedown {name}");
        check(folder.path(), &[name, "--help"], 0, &[&example]);
        // A list takes no arguments.
        if !["faults", "steps", "sometimes"].contains(name) {
            check(folder.path(), &[name, "--help"], 0, &["Examples:"]);
        }
    }
    for shell in ["bash", "zsh", "fish"] {
        check(folder.path(), &["completions", shell], 0, &commands);
    }
}
