//! Values as profiles write them; each says what is wrong with its text.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use regex::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A time: `500ms`, `30s`, `2m`, `1h`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Period(pub Duration);

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => 0,
        };
        let number: Option<u64> = number.parse().ok();
        number
            .filter(|_| milliseconds > 0)
            .and_then(|number| number.checked_mul(milliseconds))
            // A year: what is longer was not meant, and sums of such times must not overflow.
            .filter(|time| *time <= 31_536_000_000)
            .map(|time| Self(Duration::from_millis(time)))
            .ok_or_else(|| {
                D::Error::custom(format!(
                    "`{text}` is not a time: write a whole number and a unit, such as 500ms, 30s, 2m or 1h, a year at most"
                ))
            })
    }
}

/// A regular expression.
#[derive(Clone, Debug)]
pub(super) struct Pattern(pub Regex);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        // The library's message is a drawing of several lines; its last one says what is wrong.
        Regex::new(&text).map(Self).map_err(|error| {
            let drawn = error.to_string();
            let why = drawn.lines().last().unwrap_or_default();
            D::Error::custom(format!(
                "`{text}` is not a regular expression: {}",
                why.trim_start_matches("error: ")
            ))
        })
    }
}

/// A name with placeholders.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Template(pub String);

/// What may be between braces, and what it needs.
pub(super) const PLACEHOLDERS: [&str; 6] = [
    "client",
    "thread",
    "session",
    "client.uuid",
    "thread.uuid",
    "session.uuid",
];

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let mut rest = text.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            let inner = rest[at..]
                .strip_prefix('{')
                .and_then(|inner| Some((inner, inner.find('}')?)));
            let Some((inner, end)) = inner else {
                return Err(D::Error::custom(format!(
                    "a brace of `{text}` has no other half"
                )));
            };
            if !PLACEHOLDERS.contains(&&inner[..end]) {
                return Err(D::Error::custom(format!(
                    "`{{{}}}` is no placeholder: use one of {{{}}}",
                    &inner[..end],
                    PLACEHOLDERS.join("}, {")
                )));
            }
            rest = &inner[end + 1..];
        }
        if text.trim().is_empty() {
            return Err(D::Error::custom("a name is empty"));
        }
        Ok(Self(text))
    }
}

/// A JSON pointer: `/lastError`, `/state/error`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pointer(pub String);

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text.len() > 1 && text.starts_with('/') {
            Ok(Self(text))
        } else {
            Err(D::Error::custom(format!(
                "`{text}` is not a place in a record: write a JSON pointer, such as /lastError"
            )))
        }
    }
}

/// Yes, or no with the reason: `true`, `{ not = "it keeps no record" }`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Answer(pub Option<String>);

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Yes(bool),
            No(BTreeMap<String, String>),
        }
        const NO: &str = "write `true`, or the reason: { not = \"…\" }";
        match Written::deserialize(from) {
            Ok(Written::Yes(true)) => Ok(Self(None)),
            Ok(Written::No(reason)) if reason.len() == 1 => match reason.get("not") {
                Some(why) if !why.trim().is_empty() => Ok(Self(Some(why.clone()))),
                _ => Err(D::Error::custom(NO)),
            },
            _ => Err(D::Error::custom(NO)),
        }
    }
}

/// Gives a field a schema of its own: a string of a form, or what else is accepted.
macro_rules! schema_of {
    ($($type:ident => $schema:tt;)+) => {
        $(impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        })+
    };
}

schema_of! {
    Period => { "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$", "description": "a time, such as 500ms, 30s, 2m or 1h" };
    Pattern => { "type": "string", "format": "regex", "description": "a regular expression" };
    Template => { "type": "string", "minLength": 1, "description": "a name; placeholders: {client}, {thread}, {session}, each also with .uuid" };
    Pointer => { "type": "string", "pattern": "^/.+", "description": "a JSON pointer into the record" };
    Answer => {
        "description": "true, or the reason why not",
        "oneOf": [
            { "const": true },
            { "type": "object", "required": ["not"], "additionalProperties": false, "properties": { "not": { "type": "string", "minLength": 1 } } }
        ]
    };
}
