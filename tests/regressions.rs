//! The kept plans, which once violated a rule, hold on every target, with the seeds that they name.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use shakedown::regression::{self, Kept};
use shakedown::runner::run;
use shakedown::target::Target;
use shakedown::target::local::{Local, WorkerCommand};
use shakedown::target::sim::Sim;
use shakedown::verdict::Verdict;

/// A machine that is busy with something else makes a run unknown; then it is tried again.
const TRIES: usize = 3;

fn kept() -> Vec<Kept> {
    let kept = regression::read_all(Path::new("proptest-regressions")).unwrap();
    assert!(!kept.is_empty(), "the crate comes with kept plans");
    kept
}

/// Runs every kept plan on the target, some at once, and tells all that do not hold.
fn check(target: &(dyn Target + Sync), at_once: usize) {
    let kept = kept();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(kept) = kept.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let seed = kept.seed.unwrap_or_default();
                    let mut verdict = run(target, &kept.plan, seed).verdict;
                    for _ in 1..TRIES {
                        if matches!(verdict, Verdict::Unknown { .. }) {
                            verdict = run(target, &kept.plan, seed).verdict;
                        }
                    }
                    if verdict != Verdict::Held {
                        failed.lock().unwrap().push((kept.path.clone(), verdict));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn proptest_kept_plans_hold_on_sim() {
    check(&Sim::default(), 1);
}

#[test]
fn proptest_kept_plans_hold_on_local() {
    let local = Local {
        worker: WorkerCommand {
            program: env!("CARGO_BIN_EXE_shakedown").into(),
            arguments: vec!["worker".into()],
        },
        ..Local::new().unwrap()
    };
    check(&local, 4);
}

#[test]
fn a_plan_of_the_first_version_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.plan");
    let text = "# shakedown plan v1
# violates commits-preserved on sim; found 2026-11-24 by run --seed 0x1f3c
# seed 0x1f3c
session acme/home
instruct acme/home change
until acme/home pushing +2
until acme started
push-from-outside acme/home conflicting
inject s3-partial acme 3
crash acme
wait 1500ms
";
    std::fs::write(&path, text).unwrap();
    let old = regression::read(&path).unwrap();
    assert_eq!(old.seed, Some(0x1f3c));
    assert_eq!(old.target.as_deref(), Some("sim"));
    assert_eq!(old.plan.to_string(), text);
    std::fs::write(&path, text.replace("plan v1", "plan v2")).unwrap();
    let error = regression::read(&path).unwrap_err().to_string();
    assert!(
        error.contains("plan v2") && error.contains("newer program"),
        "{error}"
    );
}
