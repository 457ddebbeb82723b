//! `shakedown explore`, and that what it finds in the model the worker shows too.

use std::path::Path;
use std::process::Command;

/// Runs the program with these arguments of `explore`.
fn shakedown(arguments: &str) -> (Option<i32>, String) {
    program(&format!("explore {arguments}"))
}

fn program(arguments: &str) -> (Option<i32>, String) {
    program_in(Path::new("."), arguments)
}

fn program_in(folder: &Path, arguments: &str) -> (Option<i32>, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    let text = [out.stdout, out.stderr].concat();
    (out.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn the_command_ends_with_the_documented_codes() {
    let (code, text) = shakedown("--clients 1 --instructions 1 --crashes 0 --injections 0");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("HELD, every reachable state seen"), "{text}");
    assert!(text.contains("breaker opened: out of scope; needs --of s3-denied"));
    let (code, text) = shakedown("--max-states 100");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("the bound on states was reached"), "{text}");
    let (code, text) = shakedown("--of s3-dinied");
    assert_eq!(code, Some(64), "{text}");
    assert!(
        text.contains("unknown fault `s3-dinied`; known: s3-denied"),
        "{text}"
    );
}

/// Each of these plans is printed for a mutant of the model, and the worker with the same mistake
/// breaks the same rule in it; without the mistake it holds.
#[test]
fn what_a_mutant_breaks_the_worker_with_the_same_mistake_breaks_on_sim() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mutant.plan");
    let file = file.to_str().unwrap();
    for (mutant, defect, rule) in [
        ("forgets-put-off-deploy", "never-tries-again", "fresh"),
        ("forgets-commit", "applies-redelivered", "exactly-once"),
        ("claims-push", "claims-push", "errors-told"),
        (
            "deploys-broken-build",
            "deploys-failed-build",
            "no-broken-deploy",
        ),
        ("pages-first", "pages-first", "no-dangling-page"),
        ("leaves-old-objects", "never-deletes", "fresh"),
        ("syncs-once-more", "six-sync-attempts", "bounded-retries"),
        (
            "ignores-retry-after",
            "ignores-retry-after",
            "bounded-retries",
        ),
        ("opens-early", "breaker-opens-early", "breaker"),
    ] {
        let (code, text) = shakedown(&format!("--mutant {mutant} --plan {file}"));
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(&format!("breaks {rule} in it")), "{text}");
        let (code, text) = program(&format!("replay {file} --defect {defect}"));
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(rule), "{text}");
        let (code, text) = program(&format!("replay {file}"));
        assert_eq!(code, Some(0), "{text}");
    }
    let (code, text) = shakedown("--mutant claims-pushes");
    assert_eq!(code, Some(64), "{text}");
    assert!(text.contains("unknown mutant `claims-pushes`; known: stays-down"));
}

#[test]
fn all_short_plans_are_judged_by_the_profile_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let (_, reference) = program("profile show");
    let explore = |from: &str, to: &str, options: &str| {
        assert!(reference.contains(from), "{from}");
        write("my.toml", &reference.replace(from, to));
        let on = format!("explore --target sim --profile my.toml {options}");
        program_in(folder.path(), &on)
    };
    let no_git = "[faults]\ngit-down = { not = \"no way\" }";
    let (code, text) = explore("[faults]", no_git, "--depth 1");
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("left out `inject git-down`: no way"),
        "{text}"
    );
    // The worker tries a sync three times, whatever the profile promises.
    let steps = "session acme/home\ninject s3-denied\ninstruct acme/home change\nwait 2m\n";
    write("letters.plan", &format!("# shakedown plan v1\n{steps}"));
    let options = "--depth 3 --alphabet letters.plan";
    let (code, text) = explore("sync-attempts = 3", "sync-attempts = 2", options);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("bounded-retries"), "{text}");
    assert!(text.contains("--profile my.toml"), "{text}");
    let (code, text) = explore("thread-{thread}", "{thread}", "--depth 1");
    assert_eq!(code, Some(64), "{text}");
    assert!(text.contains("its [names] differs"), "{text}");
}
