//! What the caller's environment says, and programs that are not there.

use super::case::{ANY, Case, UNKNOWN, USAGE};
use super::files::PLAN;

pub fn variables() -> Vec<Case> {
    let mut cases = Vec::new();
    let run = |codes, part| Case::new("run --cases 1", codes, part);
    let numbers = [
        "PROPTEST_CASES",
        "PROPTEST_MAX_SHRINK_ITERS",
        "PROPTEST_MAX_SHRINK_TIME",
        "PROPTEST_MAX_LOCAL_REJECTS",
        "PROPTEST_MAX_GLOBAL_REJECTS",
        "PROPTEST_VERBOSE",
    ];
    for name in numbers {
        for value in ["", "x", "-1", "1.5", "99999999999", "0x10", " 1"] {
            cases.push(run(USAGE, name).variable(name, value));
        }
    }
    for value in ["", "0x", "x", "-1", "1 2", "18446744073709551616"] {
        cases.push(run(USAGE, "PROPTEST_RNG_SEED").variable("PROPTEST_RNG_SEED", value));
    }
    for (value, shown) in [
        ("0x7", "seed 0x7"),
        ("7", "seed 0x7"),
        ("0xFF", "seed 0xff"),
    ] {
        cases.push(run(&[0], shown).variable("PROPTEST_RNG_SEED", value));
    }
    for name in ["PROPTEST_SEED", "PROPTEST_CASE", "PROPTEST_"] {
        cases.push(run(USAGE, "is no variable of proptest").variable(name, "7"));
    }
    let soak = |codes, part| Case::new("soak --cases 1 --seed 7 --quiet", codes, part);
    for (name, value, part) in [
        ("AWS_BATCH_JOB_ARRAY_INDEX", "x", "no whole number"),
        ("AWS_BATCH_JOB_ARRAY_INDEX", "-1", "no whole number"),
        ("AWS_BATCH_JOB_ARRAY_INDEX", "2", "--shard-count"),
        ("JOB_COMPLETION_INDEX", "99999999999", "no whole number"),
        ("JOB_COMPLETION_INDEX", "1", "--shard-count"),
        ("SLURM_ARRAY_TASK_ID", "", "no whole number"),
        ("SLURM_ARRAY_TASK_ID", "3", "--shard-count"),
    ] {
        cases.push(soak(USAGE, part).variable(name, value));
    }
    let of_five = soak(USAGE, "no shard 4 of 4");
    cases.push(
        of_five
            .variable("SLURM_ARRAY_TASK_ID", "4")
            .variable("SLURM_ARRAY_TASK_COUNT", "4"),
    );
    for (name, value) in [
        ("RUST_LOG", "=,=!"),
        ("RUST_LOG", "\u{1b}[2J"),
        ("NO_COLOR", ""),
        ("TERM", "no-such-terminal"),
        ("LANG", "xx_XX"),
        ("COLUMNS", "0"),
        ("HOME", "/no/such/home"),
        ("RUST_BACKTRACE", "full"),
    ] {
        cases.push(run(ANY, "").variable(name, value));
    }
    cases
}

/// Commands that need local, on a machine without what that needs.
pub fn programs() -> Vec<Case> {
    let lines = [
        "run --target local --cases 1",
        "replay good.plan --target local",
        "shrink good.plan --target local",
        "scenario push-conflict --target local",
        "defects force-push --target local",
        "defects --harmless --target local",
        "conformance",
        "soak --target local --cases 1",
        "run --target local --site astro --cases 1",
        "cloud",
    ];
    let without = lines.into_iter().map(|line| {
        let case = Case::new(line, UNKNOWN, "install git").variable("PATH", "/no/such/folder");
        case.file("good.plan", PLAN)
    });
    without.collect()
}
