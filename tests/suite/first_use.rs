//! What somebody meets who runs the program for the first time.

use crate::program::{check, command, run};
use shakedown::coverage::Sometimes;
use shakedown::defect::DEFECTS;
use shakedown::invariant;
use shakedown::plan::{Edit, FaultKind, Phase, StepKind};

#[test]
fn everything_that_has_a_name_is_listed_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let lists = |args: &[&str], names: &[String]| {
        let out = run(folder.path(), args);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        check(&out, 0, &names);
        let text = String::from_utf8(out.stdout).unwrap();
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(80), "{text}");
    };
    let texts = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let rules = invariant::rules();
    lists(
        &["rules"],
        &rules.iter().map(ToString::to_string).collect::<Vec<_>>(),
    );
    let defects = DEFECTS
        .iter()
        .flat_map(|of| [of.name.to_owned(), first_words(of.what)]);
    lists(&["defects", "--list"], &defects.collect::<Vec<_>>());
    lists(
        &["defects", "--list", "--harmless"],
        &texts(&["other-profile", "deploys-first"]),
    );
    let faults = FaultKind::ALL.iter();
    let faults = faults.flat_map(|kind| [kind.name().to_owned(), first_words(kind.about())]);
    lists(&["faults"], &faults.collect::<Vec<_>>());
    let steps = StepKind::ALL.map(|kind| kind.usage()).to_vec();
    let words = Edit::ALL.map(|edit| first_words(edit.about())).to_vec();
    lists(
        &["steps"],
        &[
            steps,
            words,
            Phase::ALL.map(|phase| phase.to_string()).to_vec(),
        ]
        .concat(),
    );
    let entries = Sometimes::all().filter(|of| !of.to_string().starts_with("crash in"));
    lists(
        &["sometimes"],
        &entries.map(|of| of.to_string()).collect::<Vec<_>>(),
    );
}

/// Words that are not parted at the end of a line.
fn first_words(sentence: &str) -> String {
    sentence.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_planted_mistake_is_shown_small_with_all_that_the_next_command_needs() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("proptest-regressions");
    std::fs::create_dir(&kept).unwrap();
    // It shows the mistake, too, but with steps that do not matter.
    let long = "# shakedown plan v1\nsession acme/home\ninject agent-slow\nwait 5s\n\
                heal agent-slow\ninstruct acme/home change\nuntil acme/home committing\n\
                push-from-outside acme/home clean\nwait 30s\n";
    std::fs::write(kept.join("long.plan"), long).unwrap();
    let out = run(
        folder.path(),
        &["run", "--seed", "1", "--defect", "force-push"],
    );
    check(
        &out,
        1,
        &[
            "VIOLATED commits-preserved (remote)",
            "after",
            "of shrinking",
        ],
    );
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(!text.contains("the step does not matter"), "{text}");
    let after = |word: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(word));
        line.unwrap_or_else(|| panic!("no {word} in {text}"))
    };
    assert!(folder.path().join(after("Timeline ")).exists());
    let history = after("History ");
    let parts = ["VIOLATED commits-preserved (remote)"];
    for next in ["report", "replay", "shrink"] {
        check(&run(folder.path(), &[next, history]), 1, &parts);
    }
    // It is no regression of a system without the mistake.
    assert_eq!(
        std::fs::read_dir(&kept).unwrap().count(),
        1 + 1,
        "that of `shrink`"
    );
}

#[test]
fn a_command_to_repeat_a_run_is_called_as_the_program_was() {
    let folder = tempfile::tempdir().unwrap();
    let plan = "# shakedown plan v1\nsession acme/home\ninstruct acme/home change\n\
                until acme/home committing\npush-from-outside acme/home clean\n";
    let name = "it is mine.plan";
    std::fs::write(folder.path().join(name), plan).unwrap();
    let args = ["replay", name, "--defect", "force-push"];
    let out = command(folder.path(), &args)
        .env("CARGO_PKG_NAME", env!("CARGO_PKG_NAME"))
        .output()
        .unwrap();
    let cargo = match cfg!(debug_assertions) {
        true => "cargo run --",
        false => "cargo run --release --",
    };
    let rest = "replay 'it is mine.plan' --target sim --defect force-push --seed 0x0\n";
    check(&out, 1, &[&format!("\n  {cargo} {rest}")]);
    let out = run(folder.path(), &args);
    check(
        &out,
        1,
        &[&format!("\n  {} {rest}", env!("CARGO_BIN_EXE_shakedown"))],
    );
}

#[test]
fn init_writes_what_a_system_begins_with_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = run(folder.path(), &["init", "mine"]);
    check(
        &out,
        0,
        &[
            "wrote mine/shakedown.toml",
            "profile check mine/shakedown.toml",
        ],
    );
    assert!(
        folder
            .path()
            .join("mine/.github/workflows/shakedown.yml")
            .exists()
    );
    for args in [
        &["profile", "check", "mine/shakedown.toml"][..],
        &[
            "replay",
            "mine/plans/first.plan",
            "--profile",
            "mine/shakedown.toml",
        ],
        &["run", "--cases", "2", "--profile", "mine/shakedown.toml"],
    ] {
        check(&run(folder.path(), args), 0, &[]);
    }
    let again = run(folder.path(), &["init", "mine"]);
    check(
        &again,
        64,
        &["mine/shakedown.toml exists, so nothing was written"],
    );
    // One that is there is enough: nothing is written beside it.
    std::fs::create_dir(folder.path().join("half")).unwrap();
    std::fs::write(folder.path().join("half/shakedown.toml"), "mine").unwrap();
    check(
        &run(folder.path(), &["init", "half"]),
        64,
        &["half/shakedown.toml exists"],
    );
    assert_eq!(
        std::fs::read_dir(folder.path().join("half"))
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn doctor_says_what_is_missing_and_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = run(folder.path(), &["doctor"]);
    check(&out, 0, &["ok       git", "git-http-backend", "ready: "]);
    let without = |args: &[&str]| {
        let mut doctor = command(folder.path(), args);
        doctor.env("PATH", folder.path()).output().unwrap()
    };
    let parts = [
        "missing  git",
        "needed for the target local; install git",
        "not ready",
    ];
    check(&without(&["doctor"]), 2, &parts);
    let out = without(&["doctor", "--json"]);
    check(&out, 2, &["\"ready\":false"]);
    for line in String::from_utf8(out.stdout).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            line["type"] == "checked" || line["missing"][0] == "git",
            "{line}"
        );
    }
}
