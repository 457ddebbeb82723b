//! A step inside an event: the text that a plan has for it.

use std::collections::BTreeSet;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

use crate::plan::{ParseError, Plan, SessionId, Step, VERSION_LINE};

pub fn serialize<S: Serializer>(step: &Step, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(step)
}

pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Step, D::Error> {
    let text = String::deserialize(from)?;
    parse(&text).map_err(D::Error::custom)
}

/// Reads one step. A plan declares its sessions first, so every word that can name one is declared.
fn parse(text: &str) -> Result<Step, String> {
    let mut sessions = BTreeSet::new();
    for word in text.split_whitespace() {
        sessions.extend(SessionId::parse(word));
        sessions.extend(SessionId::parse(&format!("{word}/any")));
    }
    let sessions = sessions.iter().map(|session| format!("session {session}"));
    let sessions: Vec<String> = sessions.collect();
    let plan = format!("{VERSION_LINE}\n{}\n{text}", sessions.join("\n"));
    let plan: Plan = plan.parse().map_err(|error: ParseError| error.message)?;
    match <[Step; 1]>::try_from(plan.steps) {
        Ok([step]) => Ok(step),
        Err(_) => Err(format!("`{text}` is not one step")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_step_is_read_as_it_was_written() {
        for text in [
            "instruct acme/home break-build",
            "until acme/home deploying +3",
            "until acme started",
            "wait 1500ms",
            "push-from-outside acme/home clean",
            "inject s3-denied",
            "inject s3-partial acme 4",
            "heal build-error acme/home",
            "crash acme",
            "redeliver acme/home",
        ] {
            assert_eq!(parse(text).map(|step| step.to_string()), Ok(text.into()));
        }
        for bad in [
            "",
            "# nothing",
            "wait 1s\nwait 2s",
            "session a/b",
            "crsh acme",
            "wait 99999h",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
