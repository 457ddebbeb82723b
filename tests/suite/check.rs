//! The one-line test of other crates: what it runs, keeps and prints.

use std::process::Command;

use shakedown::Check;
use shakedown::defect::{Defect, planted_sim};
use shakedown::target::sim::Sim;

#[test]
fn what_breaks_a_rule_is_kept_and_runs_first_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let forced = planted_sim(Defect::by_name("force-push").unwrap());
    let check = Check::new(&forced).regressions(folder.path());
    let report = check.report().unwrap_err();
    for expected in [
        "VIOLATED commits-preserved (remote) on sim",
        "runs of shrinking; kept in",
        "without it every rule holds",
        "what_breaks_a_rule_is_kept_and_runs_first_from_then_on -- --exact",
        "The plan as text\n# shakedown plan v1\n",
    ] {
        assert!(report.contains(expected), "{expected} in\n{report}");
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    // No other plan is needed to see it again.
    let again = check.cases(1).report().unwrap_err();
    assert!(
        again.contains("sim violated: 0 plans held, 1 violated, 0 unknown (1 kept, 0 new)"),
        "{again}"
    );
    let right = Sim::default();
    let fixed = Check::new(&right)
        .cases(2)
        .regressions(folder.path())
        .report();
    let fixed = fixed.unwrap();
    assert!(
        fixed.contains("3 plans held, 0 violated, 0 unknown (1 kept, 2 new)"),
        "{fixed}"
    );
}

/// Run as a program of its own below, too.
#[test]
fn the_right_system_holds() {
    let folder = tempfile::tempdir().unwrap();
    let sim = Sim::default();
    Check::new(&sim).cases(5).regressions(folder.path()).run();
}

/// Run as a program of its own below, too.
#[test]
#[should_panic(expected = "VIOLATED commits-preserved (remote) on sim")]
fn a_wrong_system_fails() {
    let folder = tempfile::tempdir().unwrap();
    let forced = planted_sim(Defect::by_name("force-push").unwrap());
    Check::new(&forced).regressions(folder.path()).run();
}

#[test]
fn variables_of_proptest_are_honoured() {
    let with = |test: &str, variables: &[(&str, &str)]| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]);
        let out = command.envs(variables.iter().copied()).output().unwrap();
        String::from_utf8(out.stdout).unwrap() + &String::from_utf8(out.stderr).unwrap()
    };
    let seed = ("PROPTEST_RNG_SEED", "7");
    let output = with(
        "check::the_right_system_holds",
        &[("PROPTEST_CASES", "3"), seed],
    );
    assert!(
        output.contains("3 plans held, 0 violated, 0 unknown; seed 0x7"),
        "{output}"
    );
    let unkept = ("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
    let unshrunk = ("PROPTEST_MAX_SHRINK_ITERS", "0");
    let output = with("check::a_wrong_system_fails", &[seed, unkept, unshrunk]);
    // What comes after the violating step is left out without a run.
    let is_unshrunk = output.contains("after 0 runs of shrinking")
        || (output.contains("found with") && !output.contains("of shrinking"));
    assert!(is_unshrunk, "{output}");
    let repeat = "PROPTEST_CASES=256 PROPTEST_RNG_SEED=7 cargo test -p shakedown check::a_wrong_system_fails";
    assert!(output.contains(repeat), "{output}");
}
