//! `shakedown shrink`: what it keeps, says and refuses.

use shakedown::defect::{Defect, planted_sim};
use shakedown::plan::Plan;
use shakedown::runner;

const LONG: &str = "# shakedown plan v1
session acme/home
session globex/home
instruct globex/home change
until globex/home done
instruct acme/home change
until acme/home committing
push-from-outside acme/home clean
wait 5s
crash globex
until acme/home done
";

/// Runs `shakedown shrink` in a folder; returns its exit code and what it printed.
fn shrink_command(folder: &std::path::Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .arg("shrink")
        .args(arguments)
        .arg("--quiet")
        .current_dir(folder)
        .env_remove("PROPTEST_MAX_SHRINK_ITERS")
        .env_remove("PROPTEST_MAX_SHRINK_TIME")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    // Lines are broken at any place.
    let words: Vec<&str> = text.split_whitespace().collect();
    (output.status.code(), words.join(" "))
}

#[test]
fn the_command_shrinks_plans_and_histories_keeps_them_and_explains() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("long.plan"), LONG).unwrap();
    let arguments = ["long.plan", "--seed", "3", "--defect", "force-push"];
    let (code, text) = shrink_command(at, &arguments);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("given with 8 steps, 3 after "), "{text}");
    assert!(
        text.contains("On sim, without steps 1, 2 or 3: every rule holds."),
        "{text}"
    );
    let kept = shakedown::regression::read_all(&at.join("proptest-regressions")).unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].plan.steps.len(), 3);

    // The same from a history, which contains the plan.
    let plan: Plan = LONG.parse().unwrap();
    let target = planted_sim(Defect::by_name("force-push").unwrap());
    let history = runner::run(&target, &plan, 3).history;
    history.write_file(&at.join("events.jsonl")).unwrap();
    let arguments = ["events.jsonl", "--seed", "3", "--defect", "force-push"];
    let (code, text) = shrink_command(at, &arguments);
    assert_eq!(code, Some(1), "{text}");
    let kept = shakedown::regression::read_all(&at.join("proptest-regressions")).unwrap();
    assert_eq!(kept.len(), 1, "it comes to the same plan");
}

#[test]
fn the_command_says_when_there_is_nothing_to_shrink_or_to_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("long.plan"), LONG).unwrap();
    let (code, text) = shrink_command(at, &["long.plan"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("there is nothing to shrink"), "{text}");
    assert!(!at.join("proptest-regressions").exists());
    std::fs::write(at.join("new.plan"), "# shakedown plan v9\nsession a/b\n").unwrap();
    let (code, text) = shrink_command(at, &["new.plan"]);
    assert_eq!(code, Some(64), "{text}");
    assert!(text.contains("new.plan:1:"), "{text}");
    let (code, text) = shrink_command(at, &["none.plan"]);
    assert_eq!(code, Some(64), "{text}");
    assert!(text.contains("none.plan: cannot read the plan"), "{text}");
}
