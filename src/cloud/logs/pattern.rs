//! Filter patterns of CloudWatch Logs: terms, JSON and columns (the page "Filter pattern syntax").

mod condition;

use regex::Regex;
use serde_json::Value;

use self::condition::{Condition, Cursor};
use crate::cloud::answer::AwsError;

/// Which lines are looked for.
pub(super) struct Pattern(Kind);

enum Kind {
    /// Lines of any kind.
    Terms(Terms),
    /// Lines that are JSON objects.
    Json(Condition),
    /// Lines in columns.
    Columns(Columns),
}

/// Terms that must all be in a line, `-terms` that must not, and where there are only `?terms`, one of
/// those.
#[derive(Default)]
struct Terms {
    all: Vec<Term>,
    any: Vec<Term>,
    none: Vec<Term>,
}

enum Term {
    Text(String),
    Regex(Regex),
}

/// The columns before and after `...`, where that is in the pattern.
struct Columns {
    before: Vec<Column>,
    after: Option<Vec<Column>>,
}

struct Column {
    name: String,
    condition: Option<Condition>,
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, AwsError> {
        let text = text.trim();
        let parsed = match text.as_bytes().first() {
            Some(b'{') => inside(text, '{', '}').and_then(json),
            Some(b'[') => inside(text, '[', ']').and_then(columns),
            _ => terms(text),
        };
        parsed.map(Self).map_err(|why| {
            AwsError::new(
                "InvalidParameterException",
                format!("Invalid filter pattern: {why}"),
            )
        })
    }

    pub(super) fn matches(&self, line: &str) -> bool {
        match &self.0 {
            Kind::Terms(terms) => terms.matches(line),
            Kind::Json(condition) => match serde_json::from_str::<Value>(line) {
                Ok(value) if value.is_object() => {
                    condition.holds(&|selector| selector.find(&value))
                }
                _ => false,
            },
            Kind::Columns(columns) => columns.match_line(line),
        }
    }
}

/// What is between two signs that enclose the whole pattern.
fn inside(text: &str, open: char, close: char) -> Result<&str, String> {
    text.strip_prefix(open)
        .and_then(|text| text.strip_suffix(close))
        .ok_or_else(|| format!("it begins with {open} and does not end with {close}"))
}

fn json(text: &str) -> Result<Kind, String> {
    Ok(Kind::Json(Condition::parse(text)?))
}

fn terms(text: &str) -> Result<Kind, String> {
    let mut terms = Terms::default();
    let mut cursor = Cursor::new(text);
    while !cursor.is_at_end() {
        let group = match cursor.peek() {
            Some('?') => &mut terms.any,
            Some('-') => &mut terms.none,
            _ => &mut terms.all,
        };
        if matches!(cursor.peek(), Some('?' | '-')) {
            cursor.skip();
        }
        group.push(match cursor.peek() {
            Some('"') => Term::Text(cursor.quoted()?),
            Some('%') => Term::Regex(cursor.regex()?),
            _ => Term::Text(cursor.word(|c| !c.is_whitespace())?.to_owned()),
        });
    }
    Ok(Kind::Terms(terms))
}

impl Terms {
    fn matches(&self, line: &str) -> bool {
        let is_in = |term: &Term| match term {
            Term::Text(text) => line.contains(text.as_str()),
            Term::Regex(regex) => regex.is_match(line),
        };
        if self.none.iter().any(is_in) {
            return false;
        }
        if self.all.is_empty() && self.none.is_empty() && !self.any.is_empty() {
            return self.any.iter().any(is_in);
        }
        // Beside other terms those with a question mark do not count.
        self.all.iter().all(is_in)
    }
}

fn columns(text: &str) -> Result<Kind, String> {
    let mut columns = Columns {
        before: Vec::new(),
        after: None,
    };
    for part in text.split(',').map(str::trim) {
        let list = columns.after.as_mut().unwrap_or(&mut columns.before);
        if part == "..." {
            if columns.after.replace(Vec::new()).is_some() {
                return Err("... is in it twice".into());
            }
            continue;
        }
        let name = Cursor::new(part).word(is_of_name)?.to_owned();
        let condition = match name.len() == part.len() {
            true => None,
            false => Some(Condition::parse(part)?),
        };
        list.push(Column { name, condition });
    }
    Ok(Kind::Columns(columns))
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

impl Columns {
    fn match_line(&self, line: &str) -> bool {
        let fields = fields(line);
        let after = self.after.as_deref().unwrap_or_default();
        let fits = match self.after {
            Some(_) => fields.len() >= self.before.len() + after.len(),
            None => fields.len() == self.before.len(),
        };
        if !fits {
            return false;
        }
        let last = &fields[fields.len() - after.len()..];
        let mut pairs = self
            .before
            .iter()
            .zip(&fields)
            .chain(after.iter().zip(last));
        pairs.all(|(column, field)| {
            column.condition.as_ref().is_none_or(|condition| {
                condition.holds(&|selector| {
                    let is_own = selector.is_name(&column.name);
                    is_own
                        .then(|| Value::String((*field).to_owned()))
                        .into_iter()
                        .collect()
                })
            })
        })
    }
}

/// The columns of a line: words, or what is in brackets or quotes.
fn fields(line: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let close = match first {
            '[' => Some(']'),
            '"' => Some('"'),
            _ => None,
        };
        let enclosed = close.and_then(|close| rest[1..].split_once(close));
        let (field, after) = match enclosed {
            Some(parts) => parts,
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        fields.push(field);
        rest = after.trim_start();
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(pattern: &str, lines: &[&'a str]) -> Vec<&'a str> {
        let pattern = Pattern::parse(pattern)
            .map_err(|error| error.message)
            .unwrap();
        lines
            .iter()
            .filter(|line| pattern.matches(line))
            .copied()
            .collect()
    }

    #[test]
    fn terms_are_required_optional_or_excluded() {
        let lines = ["ERROR push rejected", "INFO build", "WARN edit-12"];
        assert_eq!(found("", &lines), lines);
        assert_eq!(found("ERROR rejected", &lines), lines[..1]);
        assert_eq!(found("\"push rejected\"", &lines), lines[..1]);
        assert_eq!(found("?ERROR ?build", &lines), lines[..2]);
        assert_eq!(found("-ERROR", &lines), lines[1..]);
        assert_eq!(
            found("?ERROR edit", &lines),
            lines[2..],
            "beside others ? does not count"
        );
        assert_eq!(found("%edit-[0-9]+%", &lines), lines[2..]);
        assert_eq!(found("-%^[EW]%", &lines), lines[1..2]);
    }

    #[test]
    fn json_is_selected_and_compared() {
        let lines = [
            r#"{"level":"error","n":3,"at":[{"x":1},{"x":2}],"ok":true,"no":null}"#,
            r#"{"level":"info","n":30,"ok":false}"#,
            "level error",
        ];
        let (first, second) = (&lines[..1], &lines[1..2]);
        assert_eq!(found(r#"{ $.level = "error" }"#, &lines), first);
        assert_eq!(found("{ $.level = err* }", &lines), first);
        assert_eq!(found("{ $.level != error }", &lines), second);
        assert_eq!(found("{ $.n > 3 && $.ok IS FALSE }", &lines), second);
        assert_eq!(
            found("{ ($.n >= 3) && ($.n < 4 || $.n = 30) }", &lines),
            lines[..2]
        );
        assert_eq!(found("{ $.at[1].x = 2 }", &lines), first);
        assert_eq!(found("{ $.at[*].x = 1 }", &lines), first);
        assert_eq!(found("{ $.no IS NULL }", &lines), first);
        assert_eq!(found("{ $.at NOT EXISTS }", &lines), second);
        assert_eq!(found("{ $.level = %^(err|warn)% }", &lines), first);
        assert_eq!(found("{ $.level = * }", &lines), lines[..2]);
        assert_eq!(found("{ $.['level'] = info }", &lines), second);
    }

    #[test]
    fn columns_are_counted_and_compared() {
        let lines = [
            r#"127.0.0.1 - [10/Oct/2026] "GET /a HTTP/1.1" 404 12"#,
            "a b",
            "a b c",
        ];
        assert_eq!(found("[a, b, ...]", &lines), lines);
        assert_eq!(found("[a, b]", &lines), lines[1..2]);
        assert_eq!(
            found(
                "[ip, user, time, request = *GET*, status = 4*, bytes > 10]",
                &lines
            ),
            lines[..1]
        );
        assert_eq!(
            found("[..., status = 404 || status = 410, bytes]", &lines),
            lines[..1]
        );
        assert_eq!(found("[first = a, ...]", &lines), lines[1..]);
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_a_reason() {
        for text in [
            "\"open",
            "{ $.a = }",
            "{ $.a ~ 3 }",
            "{ a",
            "[a",
            "%(%",
            "{ ($.a = 1 }",
            "[..., a, ...]",
        ] {
            let refused = Pattern::parse(text).err();
            let error = refused.unwrap_or_else(|| panic!("{text} was taken"));
            assert_eq!(error.code, "InvalidParameterException");
            assert!(error.message.starts_with("Invalid filter pattern: "));
        }
    }
}
