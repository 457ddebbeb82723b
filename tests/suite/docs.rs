//! The documents against the program: commands, links, and the ids of the contract.

mod run;

use crate::program;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use shakedown::invariant;

/// The README and every file of `docs/`, with its text.
fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![root.join("README.md")];
    for entry in std::fs::read_dir(root.join("docs")).unwrap() {
        paths.push(entry.unwrap().path());
    }
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path, text)
        })
        .collect()
}

/// The lines of a document's code blocks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        inside && !fence
    })
}

/// The arguments of the program in a line of shell, where it calls the program.
fn arguments(line: &str) -> Option<Vec<&str>> {
    let line = line.split('#').next()?;
    let mut words = line
        .split(['|', ';'])
        .next()?
        .split_whitespace()
        .skip_while(|word| word.contains('='));
    match words.next()? {
        "shakedown" => Some(words.collect()),
        "cargo" if line.contains("cargo run ") => {
            let arguments = words.skip_while(|word| *word != "--").skip(1);
            Some(arguments.collect())
        }
        _ => None,
    }
}

#[test]
fn the_reference_of_profiles_is_that_of_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/profile-reference.md");
    let written = std::fs::read_to_string(path).unwrap();
    assert!(
        written == shakedown::profile::reference(),
        "run `shakedown profile reference >docs/profile-reference.md`"
    );
}

#[test]
fn every_command_in_the_documents_exists_with_its_options() {
    let folder = tempfile::tempdir().unwrap();
    let mut helps: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = 0;
    for (path, text) in documents() {
        for line in code(&text) {
            let Some(arguments) = arguments(line) else {
                continue;
            };
            let command = arguments.first().filter(|word| !word.starts_with('-'));
            let command = command.map(ToString::to_string).unwrap_or_default();
            if command == "help" {
                continue;
            }
            let help = helps.entry(command.clone()).or_insert_with(|| {
                let mut ask = vec![command.as_str(), "--help"];
                ask.retain(|word| !word.is_empty());
                let out = program::run(folder.path(), &ask);
                program::check(&out, 0, &[]);
                String::from_utf8(out.stdout).unwrap()
            });
            let is_described = |option: &str| {
                help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
                    .any(|word| word == option)
            };
            for option in arguments.iter().filter(|word| word.starts_with("--")) {
                let option = option.split('=').next().unwrap_or(option);
                assert!(
                    is_described(option),
                    "{}: {option} in: {line}",
                    path.display()
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 30, "only {seen} commands were found");
}

#[test]
fn the_site_has_every_document_and_no_document_leads_out_of_it() {
    let contents = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/SUMMARY.md");
    let contents = std::fs::read_to_string(contents).unwrap();
    for (path, text) in documents().into_iter().skip(1) {
        let name = path.file_name().unwrap().to_string_lossy();
        let is_listed = contents.contains(&format!("({name})"));
        assert!(
            is_listed || !name.ends_with(".md") || name == "SUMMARY.md",
            "{name}"
        );
        assert!(!text.contains("](../"), "{name} leads out of the site");
    }
}

#[test]
fn every_link_between_the_documents_leads_to_a_file() {
    for (path, text) in documents() {
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap_or_default();
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            let target = path.parent().unwrap().join(file);
            assert!(target.exists(), "{}: no {link}", path.display());
        }
    }
}

#[test]
fn the_contract_has_every_rule_and_marks_none_that_is_checked() {
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/contract.md");
    let contract = std::fs::read_to_string(contract).unwrap();
    for rule in invariant::rules() {
        let row = format!("\n| `{rule}` | ");
        assert!(contract.contains(&row), "no row for {rule}, or with a mark");
    }
}

#[test]
fn the_map_of_the_source_has_every_module() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = std::fs::read_to_string(root.join("docs/code.md")).unwrap();
    for entry in std::fs::read_dir(root.join("src")).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(
            module == "lib" || map.contains(&format!("`{module}`")),
            "no row for `{module}`"
        );
    }
}
