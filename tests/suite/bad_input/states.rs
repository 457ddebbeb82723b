//! The state of a soak, and its folder.

use std::sync::LazyLock;

use super::case::{ANY, Case, NOT_HELD, USAGE};
use crate::program;

/// What a soak with a bug writes: its state.
static STATE: LazyLock<String> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let args = [
        "soak",
        "--cases",
        "20",
        "--seed",
        "7",
        "--jobs",
        "1",
        "--defect",
        "force-push",
        "--quiet",
    ];
    assert_eq!(program::run(folder.path(), &args).status.code(), Some(1));
    std::fs::read_to_string(folder.path().join("shakedown-soak/state.json")).unwrap()
});

const FILE: &str = "soak/state.json";

pub fn states() -> Vec<Case> {
    let merge = |codes, part: &str| Case::new("merge soak", codes, part);
    let state = &*STATE;
    let mut cases = vec![
        merge(USAGE, "damaged").file(FILE, ""),
        merge(USAGE, "damaged").file(FILE, "[".repeat(100_000)),
        merge(USAGE, "damaged").file(FILE, vec![0; 1000]),
        merge(USAGE, "use the program that wrote it").file(FILE, "{\"shakedown_soak\":9}"),
        merge(USAGE, "no soak's state").file("soak/other", ""),
        Case::new("merge no-such-folder", USAGE, ""),
        Case::new("merge soak soak", USAGE, "").file(FILE, state.clone()),
    ];
    let fields = [
        ("max_steps", "1000000000"),
        ("max_steps", "0"),
        ("max_steps", "18446744073709551615"),
        ("most_cases", "18446744073709551615"),
        ("most_ms", "18446744073709551615"),
        ("done", "18446744073709551615"),
        ("done", "19"),
        ("starts", "4294967295"),
        ("starts", "-1"),
        ("worked_ms", "18446744073709551615"),
        ("cpu_ms", "18446744073709551615"),
        ("cases", "18446744073709551615"),
        ("cases", "21"),
        ("held", "18446744073709551615"),
        ("violated", "18446744073709551615"),
        ("unknown", "18446744073709551615"),
        ("count", "18446744073709551615"),
        ("every_ms", "0"),
        ("every_ms", "18446744073709551615"),
        ("at_ms", "18446744073709551615"),
        ("plans", "18446744073709551615"),
        ("secs", "18446744073709551615"),
        ("step", "9007199254740991"),
        ("index", "1"),
        ("count", "0"),
        ("time_scale", "1e-300"),
        ("time_scale", "-1"),
    ];
    for (field, value) in fields {
        let name = format!("\"{field}\": ");
        let at = state
            .find(&name)
            .unwrap_or_else(|| panic!("no {field} in {state}"))
            + name.len();
        let end = at + state[at..].find([',', '\n']).unwrap();
        let changed = format!("{}{value}{}", &state[..at], &state[end..]);
        let case = merge(USAGE, "damaged").file(FILE, changed.clone());
        cases.push(case.named(format!("{field} {value}")));
        // Going on with it is refused in the same way, and changes nothing.
        let case = Case::new(
            "soak --resume --out soak --cases 1 --quiet",
            USAGE,
            "damaged",
        );
        cases.push(case.file(FILE, changed).named(format!("{field} {value}")));
    }
    for at in (0..40).map(|part| part * state.len() / 41) {
        let name = format!("cut at {at}");
        cases.push(merge(USAGE, "damaged").file(FILE, &state[..at]).named(name));
    }
    for at in (0..80).map(|part| part * state.len() / 80) {
        let mut flipped = state.clone().into_bytes();
        flipped[at] ^= 1 << (at % 7);
        cases.push(
            merge(ANY, "")
                .file(FILE, flipped)
                .named(format!("flipped at {at}")),
        );
    }
    cases
}

pub fn folders() -> Vec<Case> {
    let resume = |codes, part: &str| {
        Case::new(
            "soak --resume --out soak --cases 20 --seed 7 --defect force-push --quiet",
            codes,
            part,
        )
    };
    let state = &*STATE;
    vec![
        resume(USAGE, "and no state.json; nothing was changed")
            .file("soak/state.previous.json", state.clone()),
        resume(USAGE, "and no state.json").file("soak/bugs/fresh-1.plan", "# shakedown plan v1\n"),
        resume(USAGE, "and no state.json").file("soak/found/case-3.json", "{}"),
        Case::new(
            "soak --out soak --cases 1 --quiet",
            USAGE,
            "and no state.json",
        )
        .file("soak/bugs/fresh-1.plan", ""),
        Case::new("soak --out soak --cases 1 --quiet", USAGE, "--resume").file(FILE, state.clone()),
        resume(USAGE, "what the soak found is damaged")
            .file(FILE, state.clone())
            .file("soak/found/case-90.json", "{"),
        resume(USAGE, "whose seed is")
            .variable("X", "")
            .file(FILE, state.replace("\"0x7\"", "\"0x8\"")),
        Case::new("soak --resume --out soak --cases 1 --quiet", NOT_HELD, "")
            .file("soak", "a file"),
        Case::new("soak --out /dev/null --cases 1 --quiet", NOT_HELD, ""),
        Case::new("soak --out /proc/soak --cases 1 --quiet", NOT_HELD, ""),
    ]
}
