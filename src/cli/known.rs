//! Which findings end a run: `--known FILE` and `--only RULE[/KIND]`.

use std::collections::BTreeSet;
use std::path::Path;

use super::dispatch::Exit;
use crate::invariant::{kinds_of, rules};
use crate::reading;
use crate::verdict::{Demand, Heeded};

/// Reads `RULE` or `RULE/KIND`.
pub fn demand(text: &str) -> Result<Demand, String> {
    let (rule, kind) = match text.split_once('/') {
        Some((rule, kind)) => (rule, Some(kind)),
        None => (text, None),
    };
    let rules = rules();
    let Some(rule) = rules.iter().find(|known| known.id() == rule) else {
        let ids: Vec<&str> = rules.iter().map(|rule| rule.id()).collect();
        return Err(format!(
            "`{rule}` is no rule: write RULE or RULE/KIND with one of {}",
            ids.join(", ")
        ));
    };
    let kinds = kinds_of(*rule);
    let is_one = |kind: &str| kinds.iter().any(|known| known.id == kind);
    if !kind.is_none_or(is_one) {
        let ids = kinds.iter().map(|kind| format!("{rule}/{}", kind.id));
        let ids: Vec<String> = ids.collect();
        return Err(format!(
            "`{text}` is no kind of breach: write one of {}",
            ids.join(", ")
        ));
    }
    Ok(Demand {
        rule: *rule,
        kind: kind.map(str::to_owned),
    })
}

/// Reads the file of known findings: `RULE` or `RULE/KIND` in each line, and what is to be said of it.
///
/// # Errors
/// Where it cannot be read, or a line has another form; that is printed.
pub fn read(path: &Path) -> Result<Heeded, Exit> {
    let failed = |why: String| {
        eprintln!("{}{why}", path.display());
        Exit::Usage
    };
    let bytes = reading::bytes(path, reading::LARGEST_TEXT)
        .map_err(|error| failed(format!(": cannot read the known findings: {error}")))?;
    let text = reading::text(&bytes)
        .map_err(|no| failed(format!(":{}:{}: {}", no.line, no.column, no.why)))?;
    let mut known = BTreeSet::new();
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let word = line.split_whitespace().next().unwrap_or_default();
        let one = demand(word).map_err(|why| failed(format!(":{number}:1: {why}")))?;
        known.insert(one);
    }
    Ok(match known.is_empty() {
        true => Heeded::All,
        false => Heeded::AllBut(known),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demands_are_rules_and_kinds() {
        for good in ["fresh/mixed", "fresh"] {
            assert_eq!(demand(good).unwrap().to_string(), good);
        }
        for (bad, why) in [
            ("fresh/", "is no kind of breach"),
            ("fresh/blue", "is no kind of breach: write one of fresh/"),
            ("frsh/mixed", "is no rule"),
            ("", "is no rule"),
        ] {
            let error = demand(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
