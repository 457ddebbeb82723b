//! Arguments that are numbers, each in a form of its own.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Form, Scope, Variety};
use crate::plan::Plan;
use crate::plan::line::{ParseError, Words};
use crate::terminal::quoted;

/// The longest `wait` that a plan may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

impl Form for Duration {
    type Value = Self;

    fn usage() -> String {
        "TIME".into()
    }

    fn read(words: &mut Words<'_>, _: &Plan) -> Result<Self, ParseError> {
        let word = words.need("a time, such as 30s")?;
        let digits = word
            .text
            .trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &word.text[digits.len()..] {
            "ms" => Some(1),
            "s" => Some(1000),
            "m" => Some(60_000),
            "h" => Some(3_600_000),
            _ => None,
        };
        digits
            .parse::<u64>()
            .ok()
            .zip(unit)
            .and_then(|(n, unit)| n.checked_mul(unit))
            .map(Duration::from_millis)
            .filter(|time| (Duration::from_millis(1)..=LONGEST_WAIT).contains(time))
            .ok_or_else(|| {
                let remedy = format!(
                    "`{}` is not a time; write a whole number with ms, s, m or h, from 1ms to 24h",
                    quoted(word.text)
                );
                words.error(word, remedy)
            })
    }

    fn print(value: &Self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = value.as_millis();
        if millis.is_multiple_of(1000) {
            write!(f, " {}s", millis / 1000)
        } else {
            write!(f, " {millis}ms")
        }
    }

    /// The one is longer than the breaker's cool-down, the other long enough for five syncs of what
    /// was put off.
    fn values(variety: Variety, _: Scope<'_>) -> Vec<Self> {
        let seconds: &[u64] = match variety {
            Variety::Few => &[45, 300],
            Variety::Drawn => &[1, 5, 15, 40, 130, 300],
            Variety::All => &[2, 10, 45, 300],
        };
        seconds.iter().map(|s| Self::from_secs(*s)).collect()
    }
}

/// A number of requests that go by, as `+3`; none is not written.
pub(in crate::plan) struct Requests;

impl Form for Requests {
    type Value = u32;

    fn usage() -> String {
        "[+N]".into()
    }

    fn read(words: &mut Words<'_>, _: &Plan) -> Result<u32, ParseError> {
        let Some(word) = words.next() else {
            return Ok(0);
        };
        let digits = word.text.strip_prefix('+');
        let number = digits.and_then(|digits| digits.parse().ok());
        number.filter(|n| (1..=1000).contains(n)).ok_or_else(|| {
            let remedy = format!(
                "`{}` is not a number of requests; write +1 to +1000",
                quoted(word.text)
            );
            words.error(word, remedy)
        })
    }

    fn print(value: &u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match value {
            0 => Ok(()),
            n => write!(f, " +{n}"),
        }
    }

    fn values(_: Variety, _: Scope<'_>) -> Vec<u32> {
        vec![0]
    }
}

/// The word `started`, and a number of requests after it.
pub(in crate::plan) struct Started;

impl Form for Started {
    type Value = u32;

    fn usage() -> String {
        "started [+N]".into()
    }

    fn read(words: &mut Words<'_>, plan: &Plan) -> Result<u32, ParseError> {
        let word = words.need("`started`")?;
        if word.text != "started" {
            return Err(words.unknown(word, "state of a container", ["started"]));
        }
        Requests::read(words, plan)
    }

    fn print(value: &u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" started")?;
        Requests::print(value, f)
    }

    fn values(variety: Variety, scope: Scope<'_>) -> Vec<u32> {
        Requests::values(variety, scope)
    }
}

/// A number of objects.
pub(in crate::plan) struct Objects;

impl Form for Objects {
    type Value = u32;

    fn usage() -> String {
        "N".into()
    }

    fn read(words: &mut Words<'_>, _: &Plan) -> Result<u32, ParseError> {
        const RANGE: RangeInclusive<u32> = 0..=1000;
        let word = words.need("a number of objects")?;
        let number = word.text.parse().ok();
        number.filter(|n| RANGE.contains(n)).ok_or_else(|| {
            let remedy = format!(
                "`{}` is not a number of objects; write a whole number from {} to {}",
                quoted(word.text),
                RANGE.start(),
                RANGE.end()
            );
            words.error(word, remedy)
        })
    }

    fn print(value: &u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {value}")
    }

    fn values(variety: Variety, _: Scope<'_>) -> Vec<u32> {
        match variety {
            Variety::Few => vec![1],
            Variety::Drawn => vec![1, 3],
            Variety::All => vec![0, 1, 3],
        }
    }
}

/// The status of an agent's error.
pub(in crate::plan) struct Status;

impl Status {
    const KNOWN: [&str; 3] = ["429", "500", "529"];
}

impl Form for Status {
    type Value = u16;

    fn usage() -> String {
        Self::KNOWN.join("|")
    }

    fn read(words: &mut Words<'_>, _: &Plan) -> Result<u16, ParseError> {
        let word = words.need("a status")?;
        let is_known = Self::KNOWN.contains(&word.text);
        let status = is_known.then(|| word.text.parse().ok());
        status
            .flatten()
            .ok_or_else(|| words.unknown(word, "status", Self::KNOWN))
    }

    fn print(value: &u16, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {value}")
    }

    fn values(variety: Variety, _: Scope<'_>) -> Vec<u16> {
        match variety {
            Variety::Few => vec![429, 500],
            Variety::Drawn | Variety::All => vec![429, 500, 529],
        }
    }
}
