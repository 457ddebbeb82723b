//! Who may know whom: the modules of the program and what each of them may use.
//!
//! Every path `crate::MODULE` in the source is read, tests and comments left out. What the laws
//! forbid and is still there is listed in [`EXCEPTIONS`], each with its reason; one that is gone
//! must be taken off the list.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What modules may not use, and why.
const LAWS: &[(&[&str], &[&str], &str)] = &[
    (
        &[
            "plan",
            "history",
            "profile",
            "oracle",
            "model",
            "invariant",
            "verdict",
            "coverage",
            "generate",
        ],
        &["worker", "cloud", "site", "target"],
        "what judges is pure: it knows no system, no site and no target",
    ),
    (
        &["worker"],
        &[
            "site",
            "cloud",
            "target",
            "profile",
            "model",
            "invariant",
            "verdict",
            "coverage",
            "generate",
            "runner",
            "campaign",
            "report",
            "shrink",
            "explain",
            "explore",
            "words",
            "defect",
            "scenario",
        ],
        "the worker knows nothing of the tester but plain data below both",
    ),
    (
        &["cloud"],
        &[
            "worker",
            "target",
            "model",
            "invariant",
            "verdict",
            "coverage",
            "generate",
            "runner",
            "campaign",
            "report",
            "shrink",
            "explain",
            "explore",
            "defect",
            "scenario",
        ],
        "the cloud records and disturbs, and judges nothing",
    ),
    (
        &["site", "files", "error", "words"],
        &["worker", "cloud", "target", "model", "invariant", "runner"],
        "plain data and text are below worker, cloud and target",
    ),
    (
        &[
            "explain", "shrink", "campaign", "runner", "target", "explore",
        ],
        &["report", "cli"],
        "`report` only reads what the others made",
    ),
];

/// Uses that the laws forbid and that other changes are to remove: from, to, why it is there.
const EXCEPTIONS: &[(&str, &str, &str)] = &[(
    "cloud",
    "worker",
    "the bodies of messages are the worker's types",
)];

#[test]
fn the_laws_are_kept() {
    let uses = uses();
    let mut broken = Vec::new();
    let mut needed = BTreeSet::new();
    for (from, to, why) in LAWS {
        for (from, to) in from
            .iter()
            .flat_map(|from| to.iter().map(move |to| (*from, *to)))
        {
            let Some(places) = uses.get(&(from.to_owned(), to.to_owned())) else {
                continue;
            };
            if EXCEPTIONS.iter().any(|(f, t, _)| (*f, *t) == (from, to)) {
                needed.insert((from, to));
                continue;
            }
            broken.push(format!(
                "`{from}` must not use `{to}` ({why}): {}",
                places.join(", ")
            ));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    for (from, to, _) in EXCEPTIONS {
        assert!(
            needed.contains(&(*from, *to)),
            "`{from}` does not use `{to}` any more: take that off the exceptions"
        );
    }
}

#[test]
fn a_path_in_code_is_found_and_one_in_a_comment_or_a_test_is_not() {
    let text = "use crate::plan::{Plan, Step};\n\
                // crate::site is not used\n\
                /// See [`crate::cloud`].\n\
                fn f() { crate::worker::run(); } // crate::report\n\
                #[cfg(test)]\nmod tests {\n    use crate::target::Sim;\n}\n";
    let found: Vec<String> = named(text).into_iter().map(|(_, name)| name).collect();
    assert_eq!(found, ["plan", "worker"]);
}

/// Which module uses which, and where.
fn uses() -> BTreeMap<(String, String), Vec<String>> {
    let mut uses: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in files(&source) {
        let relative = path.strip_prefix(&source).unwrap();
        let from = relative.iter().next().unwrap().to_string_lossy();
        let from = from.trim_end_matches(".rs").to_owned();
        let is_test = relative
            .iter()
            .any(|part| part == "tests" || part == "tests.rs");
        if is_test || from == "lib" || from == "main" {
            continue;
        }
        for (line, to) in named(&std::fs::read_to_string(&path).unwrap()) {
            let place = format!("src/{}:{line}", relative.display());
            uses.entry((from.clone(), to)).or_default().push(place);
        }
    }
    assert!(uses.len() > 50, "the source was not read: {uses:?}");
    uses
}

/// The modules that a file names by `crate::`, with the lines; what comes after its tests begin is
/// left out, as are comments.
fn named(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim_start().starts_with("#[cfg(test)]") && !text_goes_on(text, number) {
            break;
        }
        let code = line.split("//").next().unwrap_or_default();
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + "crate::".len()..];
            let name: String = rest
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            if !name.is_empty() {
                found.push((number, name));
            }
        }
    }
    found
}

/// Whether `#[cfg(test)]` in this line is before a single item and not before the tests.
fn text_goes_on(text: &str, number: usize) -> bool {
    let next = text.lines().nth(number).unwrap_or_default();
    !next.trim_start().starts_with("mod tests")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Files that may make a child process, and why; all others ask `process` for one.
const SPAWNERS: &[(&str, &str)] = &[(
    "process/child.rs",
    "it decides what a child sees of this process",
)];

#[test]
fn children_are_made_in_one_place() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    for path in files(&source) {
        let text = std::fs::read_to_string(&path).unwrap();
        let is_spawner = text
            .lines()
            .any(|line| line.split("//").next().unwrap().contains("Command::new("));
        if is_spawner {
            let relative = path.strip_prefix(&source).unwrap();
            found.insert(relative.to_str().unwrap().to_owned());
        }
    }
    let allowed: BTreeSet<String> = SPAWNERS.iter().map(|(file, _)| (*file).into()).collect();
    assert_eq!(
        found, allowed,
        "make children by `process::command` or `process::git`, which keep the caller's environment \
         from them"
    );
}
