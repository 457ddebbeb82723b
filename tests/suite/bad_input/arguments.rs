//! Command lines: each option with each bad value, options that contradict or have no effect, unknown names.

use super::case::{Case, USAGE};
use super::files::PLAN;

/// Commands with what they need, and their options with the kind of value.
const OPTIONS: &[(&str, &[(&str, Value)])] = &[
    (
        "run",
        &[
            ("--cases", Value::Count),
            ("--jobs", Value::Count),
            ("--max-steps", Value::Count),
            ("--seed", Value::Seed),
            ("--time-scale", Value::Scale),
            ("--target", Value::Choice),
            ("--site", Value::Choice),
            ("--defect", Value::Name),
            ("--profile", Value::File),
        ],
    ),
    (
        "soak",
        &[
            ("--cases", Value::Count),
            ("--jobs", Value::Count),
            ("--max-steps", Value::Count),
            ("--seed", Value::Seed),
            ("--for", Value::Time),
            ("--shard", Value::Shard),
            ("--shard-count", Value::Count),
            ("--time-scale", Value::Scale),
            ("--target", Value::Choice),
            ("--defect", Value::Name),
            ("--profile", Value::File),
        ],
    ),
    (
        "replay good.plan",
        &[
            ("--seed", Value::Seed),
            ("--time-scale", Value::Scale),
            ("--target", Value::Choice),
            ("--site", Value::Choice),
            ("--defect", Value::Name),
            ("--profile", Value::File),
        ],
    ),
    (
        "shrink good.plan",
        &[
            ("--seed", Value::Seed),
            ("--runs", Value::Count),
            ("--for", Value::Time),
            ("--target", Value::Choice),
            ("--time-scale", Value::Scale),
            ("--profile", Value::File),
        ],
    ),
    (
        "scenario push-conflict",
        &[
            ("--seed", Value::Seed),
            ("--target", Value::Choice),
            ("--time-scale", Value::Scale),
            ("--defect", Value::Name),
        ],
    ),
    (
        "defects force-push",
        &[
            ("--cases", Value::Count),
            ("--seeds", Value::Count),
            ("--seed", Value::Seed),
            ("--target", Value::Choice),
            ("--site", Value::Choice),
            ("--time-scale", Value::Scale),
        ],
    ),
    (
        "conformance",
        &[
            ("--seed", Value::Seed),
            ("--jobs", Value::Count),
            ("--time-scale", Value::Scale),
        ],
    ),
    (
        "explore",
        &[
            ("--clients", Value::Count),
            ("--sessions", Value::Count),
            ("--instructions", Value::Small),
            ("--faults", Value::Small),
            ("--injections", Value::Small),
            ("--crashes", Value::Small),
            ("--outsiders", Value::Small),
            ("--repeats", Value::Small),
            ("--edits", Value::Name),
            ("--of", Value::Name),
            ("--system", Value::Choice),
            ("--max-states", Value::Count),
            ("--memory", Value::Count),
            ("--threads", Value::Count),
            ("--for", Value::Time),
            ("--mutant", Value::Name),
        ],
    ),
    (
        "explore --target sim",
        &[
            ("--depth", Value::Count),
            ("--defect", Value::Name),
            ("--alphabet", Value::File),
            ("--seed", Value::Seed),
            ("--seeds", Value::Count),
            ("--max-plans", Value::Count),
        ],
    ),
    (
        "report good.plan",
        &[
            ("--seed", Value::Seed),
            ("--site", Value::Choice),
            ("--target", Value::Choice),
        ],
    ),
];

/// What an option takes.
#[derive(Clone, Copy)]
enum Value {
    /// A number from 1.
    Count,
    /// A number from 0.
    Small,
    Seed,
    Scale,
    Time,
    Shard,
    /// One of a few words.
    Choice,
    /// A name of a list.
    Name,
    /// A file that is read.
    File,
}

impl Value {
    /// Bad for whatever takes it.
    fn bad(self) -> &'static [&'static str] {
        match self {
            Self::Count => &[
                "",
                "0",
                "-1",
                "x",
                "1.5",
                "0x10",
                "1e3",
                "99999999999999999999",
                "1 ",
                "é",
            ],
            Self::Small => &["", "-1", "x", "255", "256", "99999999999999999999"],
            Self::Seed => &[
                "",
                "0x",
                "0xg",
                "-1",
                "1.0",
                "18446744073709551616",
                "0x10000000000000000",
                "seed",
            ],
            Self::Scale => &[
                "", "0", "-1", "1.0001", "1e-300", "1e999", "nan", "inf", "1/0", "0/0", "1/", "x",
            ],
            Self::Time => &[
                "",
                "0s",
                "8",
                "h",
                "-1h",
                "1.5h",
                "99999999999999999999h",
                "1001d",
                "8x",
                "1h1",
            ],
            Self::Shard => &[
                "",
                "1",
                "4/4",
                "0/0",
                "-1/4",
                "1/4/2",
                "a/b",
                "1/99999999999",
            ],
            Self::Choice => &["", "moon", "SIM ", "-", "sim,local"],
            Self::Name => &["", "no-such-thing", "FORCE-PUSH", "force-push "],
            Self::File => &["no-such-file", "."],
        }
    }
}

/// Each option with each bad value.
pub fn values() -> Vec<Case> {
    let mut cases = Vec::new();
    for (command, options) in OPTIONS {
        for (option, value) in *options {
            for bad in value.bad() {
                let joined = format!("{option}={bad}");
                let mut args: Vec<&str> = command.split_whitespace().collect();
                args.push(&joined);
                cases.push(Case::of(&args, USAGE, "").file("good.plan", PLAN));
            }
        }
    }
    cases
}

/// Options that have no effect where they are written, or contradict each other.
pub fn without_effect() -> Vec<Case> {
    let lines = [
        ("run --time-scale 0.5", "sim has no real time"),
        ("run --target sim --time-scale 0.5", "sim has no real time"),
        ("run --site astro", "sim builds no real site"),
        ("soak --time-scale 0.5 --cases 1", "sim has no real time"),
        ("soak --site astro --cases 1", "sim builds no real site"),
        ("replay good.plan --time-scale 0.5", "sim has no real time"),
        ("replay good.plan --site astro", "sim builds no real site"),
        ("shrink good.plan --time-scale 0.5", "sim has no real time"),
        ("shrink good.plan --no-twin", "no twin"),
        (
            "scenario push-conflict --time-scale 0.5",
            "sim has no real time",
        ),
        (
            "scenario push-conflict --site astro",
            "sim builds no real site",
        ),
        ("scenario list --json", "takes no options"),
        ("scenario list --target sim", "takes no options"),
        ("scenario list --html x.html", "takes no options"),
        (
            "scenario all --history h.jsonl",
            "--history is for one scenario",
        ),
        ("defects --site astro", "sim builds no real site"),
        (
            "defects force-push --time-scale 0.5",
            "sim has no real time",
        ),
        (
            "defects --harmless --time-scale 0.5",
            "sim has no real time",
        ),
        ("defects --harmless --plans", "cannot be used with"),
        (
            "defects --harmless --profile good.plan",
            "cannot be used with",
        ),
        (
            "defects --other-profile --target sim",
            "cannot be used with",
        ),
        (
            "defects --other-profile --site shell",
            "cannot be used with",
        ),
        ("defects --other-profile --profile x", "cannot be used with"),
        ("explore --depth 3", "--target"),
        ("explore --list", "--target"),
        ("explore --keep-going", "--target"),
        ("explore --target sim --clients 2", "cannot be used with"),
        ("explore --target sim --of git-auth", "cannot be used with"),
        (
            "explore --target sim --system forgetful",
            "cannot be used with",
        ),
        ("explore --target sim --max-states 5", "cannot be used with"),
        ("explore --target sim --memory 100", "cannot be used with"),
        ("explore --target sim --plan x", "cannot be used with"),
        ("explore --target sim --verify", "cannot be used with"),
        (
            "explore --target sim --list --depth 2",
            "cannot be used with",
        ),
        (
            "explore --target sim --list --seed 2",
            "cannot be used with",
        ),
        (
            "explore --target sim --list --for 3s",
            "cannot be used with",
        ),
        ("explore --target local", "--target sim"),
        ("explore --mutants --clients 2", "cannot be used with"),
        ("explore --mutants --threads 2", "cannot be used with"),
        (
            "explore --mutant claims-push --faults 2",
            "cannot be used with",
        ),
        ("soak --shard 0/2 --shard-count 2", "cannot be used with"),
        ("soak --shard-count 2 --cases 1", "no scheduler says"),
        ("soak --shard 0/2 --cases 1", "need one seed"),
        ("profile show good.plan --other", "cannot be used with"),
        ("--out x run", "after the command"),
        ("run --html x.xml --junit x.xml/index.html", ""),
        ("run --html x.html --junit x.html", "are one file"),
        ("run --html x.html --junit ./x.html", "are one file"),
        (
            "soak --cases 1 --html x.html --junit x.html",
            "are one file",
        ),
        ("merge a --html x.html --junit x.html", "are one file"),
        ("replay good.plan --html x --history x", "are one file"),
        ("replay good.plan --history good.plan", "are one file"),
        ("replay good.plan --html ./good.plan", "are one file"),
        ("shrink good.plan --html good.plan", "are one file"),
        ("report good.plan --html good.plan", "are one file"),
        ("report good.html", "are one file"),
        (
            "scenario push-conflict --history x.html --html x.html",
            "are one file",
        ),
        ("conformance good.plan --junit good.plan", "are one file"),
        (
            "explore --target sim --alphabet good.plan --defect all --write good.plan",
            "are one file",
        ),
        ("run run", "unexpected argument"),
        ("replay", "required"),
        ("merge", "required"),
        ("no-such-command", "unrecognized subcommand"),
        ("run --no-such-option", "unexpected argument"),
        ("completions", "required"),
        ("completions no-such-shell", "invalid value"),
        ("defects --seed 18446744073709551615 --seeds 2", "beyond"),
    ];
    lines
        .into_iter()
        // A folder where a file is read, which would be another mistake.
        .filter(|(line, _)| !line.contains("x.xml/"))
        .map(|(line, part)| {
            let case = Case::new(line, USAGE, part);
            case.file("good.plan", PLAN).file("good.html", "<html>")
        })
        .collect()
}

/// Names that nothing has.
pub fn names() -> Vec<Case> {
    let long = "x".repeat(5000);
    let odd = [
        "no-such-name",
        "",
        "Ä",
        "a b",
        "../x",
        "--",
        "\u{1b}[2Jx",
        &long,
    ];
    let mut cases = Vec::new();
    for name in odd {
        for command in [
            "rules",
            "scenario",
            "defects",
            "conformance",
            "replay",
            "shrink",
            "report",
            "merge",
        ] {
            // Two dashes alone end the options, and name nothing.
            if name != "--" {
                cases.push(Case::of(&[command, "--", name], USAGE, ""));
            }
        }
        for args in [
            ["run", "--defect"],
            ["explore", "--mutant"],
            ["explore", "--of"],
            ["explore", "--edits"],
            ["profile", "check"],
        ] {
            cases.push(Case::of(&[args[0], args[1], name], USAGE, ""));
        }
    }
    cases
}
