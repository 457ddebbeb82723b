//! `shakedown explore`, and that what it finds in the model the worker shows too.

use std::process::Command;

/// Runs the program with these arguments of `explore`.
fn shakedown(arguments: &str) -> (Option<i32>, String) {
    program(&format!("explore {arguments}"))
}

fn program(arguments: &str) -> (Option<i32>, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .args(arguments.split_whitespace())
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
        ("forgets-put-off-push", "forgets-unpushed", "pushed"),
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
