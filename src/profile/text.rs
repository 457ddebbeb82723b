//! Texts of a profile with placeholders: what a system's environment, files and messages hold.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::plan::{ClientId, SessionId, fill_name};

/// A text with placeholders, such as `{aws.url}`, and variables of the caller, such as `${WORKER}`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Text(pub(super) String);

/// What a text may name of a run, besides the names of its client and session.
const OF_RUN: &[&str] = &[
    "agent.key",
    "agent.url",
    "aws.account",
    "aws.key",
    "aws.region",
    "aws.secret",
    "aws.url",
    "branch",
    "bucket",
    "ca",
    "callback.url",
    "git.repository",
    "git.token",
    "git.url",
    "home",
    "instruction",
    "log-group",
    "mark",
    "port",
    "queue",
    "queue.url",
    "retry-queue.url",
    "table",
    "task.token",
    "time-scale",
    "workspace",
];

/// The values that a text is filled with.
#[derive(Clone, Debug, Default)]
pub struct Values {
    client: Option<ClientId>,
    session: Option<SessionId>,
    of_run: BTreeMap<&'static str, String>,
}

impl Values {
    /// The values of a client's container.
    pub fn of(client: &ClientId) -> Self {
        Self {
            client: Some(client.clone()),
            ..Self::default()
        }
    }

    /// The same, for one session of the client.
    #[must_use]
    pub fn with_session(mut self, session: &SessionId) -> Self {
        self.session = Some(session.clone());
        self
    }

    /// The same, with one value more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        debug_assert!(OF_RUN.contains(&name), "{name} is no placeholder");
        self.of_run.insert(name, value.into());
        self
    }

    /// The value of a placeholder, which is without its braces.
    pub fn get(&self, name: &str) -> Option<String> {
        if let Some(name) = name.strip_suffix(".json") {
            return self
                .get(name)
                .map(|value| serde_json::json!(value).to_string());
        }
        if let Some(value) = self.of_run.get(name) {
            return Some(value.clone());
        }
        let client = self.client.as_ref()?;
        let braced = format!("{{{name}}}");
        let filled = fill_name(&braced, client, self.session.as_ref());
        (filled != braced).then_some(filled)
    }
}

impl Text {
    /// Whether it has a placeholder, in one of its forms.
    pub(super) fn has(&self, name: &str) -> bool {
        placeholders(&self.0).any(|at| at.strip_suffix(".json").unwrap_or(at) == name)
    }

    /// The text with its placeholders filled in.
    ///
    /// # Errors
    /// Names a placeholder that has no value here, or a variable that is not set.
    pub fn fill(
        &self,
        values: &Values,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<String, String> {
        let mut filled = String::with_capacity(self.0.len());
        let mut rest = self.0.as_str();
        while let Some((at, kind, name)) = next(rest) {
            filled.push_str(&rest[..at]);
            let (value, length) = match kind {
                Kind::Placeholder => (values.get(name), name.len() + 2),
                Kind::Variable => (variable(name), name.len() + 3),
            };
            let value = value.ok_or_else(|| match kind {
                Kind::Placeholder => format!("{{{name}}} has no value here"),
                Kind::Variable => format!("the environment variable {name} is not set"),
            })?;
            filled.push_str(&value);
            rest = &rest[at + length..];
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Placeholder,
    Variable,
}

/// The next placeholder or variable of a text: where it begins, and its name. Other braces, as JSON has
/// them, stay.
fn next(text: &str) -> Option<(usize, Kind, &str)> {
    text.match_indices('{').find_map(|(brace, _)| {
        let inner = &text[brace + 1..];
        let name = &inner[..inner.find('}')?];
        let is = |first: fn(char) -> bool, more: fn(char) -> bool| {
            name.starts_with(first) && name.chars().all(more)
        };
        if text[..brace].ends_with('$') {
            is(
                |c| c.is_ascii_uppercase() || c == '_',
                |c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_',
            )
            .then_some((brace - 1, Kind::Variable, name))
        } else {
            is(
                |c| c.is_ascii_lowercase(),
                |c| c.is_ascii_lowercase() || matches!(c, '.' | '-'),
            )
            .then_some((brace, Kind::Placeholder, name))
        }
    })
}

fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (at, kind, name) = next(rest)?;
            rest = &rest[at + name.len() + 2..];
            if kind == Kind::Placeholder {
                return Some(name);
            }
        }
    })
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let is_known = |name: &str| {
            let name = name.strip_suffix(".json").unwrap_or(name);
            OF_RUN.contains(&name) || super::fields::PLACEHOLDERS.contains(&name)
        };
        if let Some(unknown) = placeholders(&text).find(|name| !is_known(name)) {
            let all = super::fields::PLACEHOLDERS.iter().chain(OF_RUN);
            let all: Vec<String> = all.map(|name| format!("{{{name}}}")).collect();
            return Err(D::Error::custom(format!(
                "`{{{unknown}}}` is no placeholder: use one of {}, each also with .json",
                all.join(", ")
            )));
        }
        Ok(Self(text))
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let all = super::fields::PLACEHOLDERS.iter().chain(OF_RUN);
        let all: Vec<String> = all.map(|name| format!("{{{name}}}")).collect();
        json_schema!({
            "type": "string",
            "description": format!("a text; placeholders: {}, each also with .json; ${{NAME}} is a variable of the caller's environment", all.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let session = SessionId::new("acme", "home");
        let values = Values::of(&session.client)
            .with_session(&session)
            .with("instruction", "say \"hi\"")
            .with("aws.url", "http://127.0.0.1:1");
        let json = serde_json::json!(text);
        let filled = serde_json::from_value::<Text>(json)
            .map_err(|error| error.to_string())
            .and_then(|text| {
                text.fill(&values, |name| {
                    (name == "WORKER").then(|| "/opt/worker".into())
                })
            });
        match expected {
            Ok(expected) => assert_eq!(filled.as_deref(), Ok(expected)),
            Err(part) => {
                let error = filled.unwrap_err();
                assert!(error.contains(part), "{error}");
            }
        }
    }

    #[test]
    fn placeholders_are_filled_and_other_braces_stay() {
        check("{client}-{thread}", Ok("acme-home"));
        check(
            r#"{"text": {instruction.json}, "id": "{session}", "more": {}}"#,
            Ok(r#"{"text": "say \"hi\"", "id": "acme/home", "more": {}}"#),
        );
        check(
            "${WORKER}/dist at {aws.url}",
            Ok("/opt/worker/dist at http://127.0.0.1:1"),
        );
        check("${MISSING}", Err("MISSING is not set"));
        check("{home}", Err("{home} has no value here"));
        check("{aws.uri}", Err("`{aws.uri}` is no placeholder"));
    }
}
