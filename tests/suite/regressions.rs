//! Kept plans are read as they were written. That they hold is asked with the random ones.

use shakedown::regression;

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
