//! The conditions in filter patterns: comparisons, joined by `&&` and `||`.

use regex::Regex;
use serde_json::Value;

/// What must hold of values that are found by selectors.
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Test(Selector, Test),
}

/// Where a value is: names and places in arrays; `None` for every place.
pub(super) struct Selector(Vec<Part>);

enum Part {
    Name(String),
    Place(Option<usize>),
}

pub(super) enum Test {
    Compare(Order, Operand),
    IsNull,
    Is(bool),
    NotExists,
}

#[derive(Clone, Copy)]
pub(super) enum Order {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

pub(super) enum Operand {
    /// A number, and as it is written.
    Number(f64, Regex),
    /// A text, or one with `*` in it.
    Like(Regex),
}

impl Condition {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut cursor = Cursor::new(text);
        let condition = any(&mut cursor)?;
        match cursor.is_at_end() {
            true => Ok(condition),
            false => Err(format!("{:?} was not expected", cursor.rest())),
        }
    }

    /// Whether it holds, where `find` gives the values at a selector.
    pub(super) fn holds(&self, find: &dyn Fn(&Selector) -> Vec<Value>) -> bool {
        match self {
            Self::All(all) => all.iter().all(|one| one.holds(find)),
            Self::Any(any) => any.iter().any(|one| one.holds(find)),
            Self::Test(selector, test) => {
                let values = find(selector);
                match test {
                    Test::NotExists => values.is_empty(),
                    test => values.iter().any(|value| test.holds(value)),
                }
            }
        }
    }
}

fn any(cursor: &mut Cursor<'_>) -> Result<Condition, String> {
    let mut parts = vec![all(cursor)?];
    while cursor.takes("||") {
        parts.push(all(cursor)?);
    }
    Ok(Condition::Any(parts))
}

fn all(cursor: &mut Cursor<'_>) -> Result<Condition, String> {
    let mut parts = vec![one(cursor)?];
    while cursor.takes("&&") {
        parts.push(one(cursor)?);
    }
    Ok(Condition::All(parts))
}

fn one(cursor: &mut Cursor<'_>) -> Result<Condition, String> {
    if cursor.takes("(") {
        let inner = any(cursor)?;
        return match cursor.takes(")") {
            true => Ok(inner),
            false => Err("a bracket is not closed".into()),
        };
    }
    let selector = Selector::parse(cursor)?;
    let test = Test::parse(cursor)?;
    Ok(Condition::Test(selector, test))
}

impl Selector {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, String> {
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '@');
        if !cursor.takes("$") {
            let name = cursor.word(is_of_name)?;
            return Ok(Self(vec![Part::Name(name.to_owned())]));
        }
        let mut parts = Vec::new();
        loop {
            let is_named = cursor.takes(".");
            if cursor.takes("[") {
                parts.push(if cursor.takes("*") {
                    Part::Place(None)
                } else if matches!(cursor.peek(), Some('\'' | '"')) {
                    Part::Name(cursor.quoted()?)
                } else {
                    let place = cursor.word(|c| c.is_ascii_digit())?;
                    Part::Place(Some(place.parse().map_err(|_| "a place is too large")?))
                });
                if !cursor.takes("]") {
                    return Err("a bracket is not closed".into());
                }
            } else if is_named && cursor.takes("*") {
                parts.push(Part::Place(None));
            } else if is_named {
                parts.push(Part::Name(cursor.word(is_of_name)?.to_owned()));
            } else {
                return Ok(Self(parts));
            }
        }
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        matches!(&self.0[..], [Part::Name(own)] if own == name)
    }

    /// The values in JSON.
    pub(super) fn find(&self, value: &Value) -> Vec<Value> {
        let mut found = vec![value];
        for part in &self.0 {
            found = found
                .into_iter()
                .flat_map(|value| match (part, value) {
                    (Part::Name(name), Value::Object(fields)) => {
                        fields.get(name).into_iter().collect()
                    }
                    (Part::Place(Some(place)), Value::Array(all)) => {
                        all.get(*place).into_iter().collect()
                    }
                    (Part::Place(None), Value::Array(all)) => all.iter().collect(),
                    (Part::Place(None), Value::Object(fields)) => fields.values().collect(),
                    _ => Vec::new(),
                })
                .collect();
        }
        found.into_iter().cloned().collect()
    }
}

impl Test {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, String> {
        if cursor.takes("NOT") {
            return match cursor.takes("EXISTS") {
                true => Ok(Self::NotExists),
                false => Err("EXISTS was expected after NOT".into()),
            };
        }
        if cursor.takes("IS") {
            return match cursor.word(char::is_alphabetic)? {
                "NULL" => Ok(Self::IsNull),
                "TRUE" => Ok(Self::Is(true)),
                "FALSE" => Ok(Self::Is(false)),
                other => Err(format!("{other:?} was not expected after IS")),
            };
        }
        let orders = [
            ("!=", Order::Unequal),
            ("<=", Order::LessOrEqual),
            (">=", Order::GreaterOrEqual),
            ("=", Order::Equal),
            ("<", Order::Less),
            (">", Order::Greater),
        ];
        let order = orders.iter().find(|(sign, _)| cursor.takes(sign));
        let (_, order) = order.ok_or_else(|| format!("{:?} is no comparison", cursor.rest()))?;
        Ok(Self::Compare(*order, Operand::parse(cursor)?))
    }

    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::IsNull => value.is_null(),
            Self::Is(wanted) => value.as_bool() == Some(*wanted),
            Self::NotExists => false,
            Self::Compare(order, operand) => compare(*order, value, operand),
        }
    }
}

fn compare(order: Order, value: &Value, operand: &Operand) -> bool {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Object(_) | Value::Array(_) => return false,
        other => other.to_string(),
    };
    let like = |regex: &Regex| match order {
        Order::Equal => regex.is_match(&text),
        Order::Unequal => !regex.is_match(&text),
        _ => false,
    };
    let (Operand::Number(number, written), Ok(own)) = (operand, text.parse::<f64>()) else {
        return like(match operand {
            Operand::Number(_, written) => written,
            Operand::Like(regex) => regex,
        });
    };
    match order {
        Order::Equal => own == *number || written.is_match(&text),
        Order::Unequal => own != *number,
        Order::Less => own < *number,
        Order::LessOrEqual => own <= *number,
        Order::Greater => own > *number,
        Order::GreaterOrEqual => own >= *number,
    }
}

impl Operand {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, String> {
        match cursor.peek() {
            Some('"') => return Ok(Self::Like(wildcard(&cursor.quoted()?)?)),
            Some('%') => return Ok(Self::Like(cursor.regex()?)),
            _ => {}
        }
        let word = cursor.word(|c| !c.is_whitespace() && !matches!(c, ')' | '&' | '|' | ','))?;
        let like = wildcard(word)?;
        Ok(match word.parse() {
            Ok(number) => Self::Number(number, like),
            Err(_) => Self::Like(like),
        })
    }
}

/// A text in which `*` is anything.
fn wildcard(text: &str) -> Result<Regex, String> {
    let parts: Vec<String> = text.split('*').map(regex::escape).collect();
    Regex::new(&format!("^(?s:{})$", parts.join(".*"))).map_err(|error| error.to_string())
}

/// A place in the text of a pattern.
pub(super) struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self(text.trim_start())
    }

    pub(super) fn rest(&self) -> &'a str {
        self.0
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.0.chars().next()
    }

    pub(super) fn skip(&mut self) {
        let mut chars = self.0.chars();
        chars.next();
        self.0 = chars.as_str();
    }

    /// Goes on past a word and the space after it, where it is there.
    fn takes(&mut self, word: &str) -> bool {
        let Some(rest) = self.0.strip_prefix(word) else {
            return false;
        };
        self.0 = rest.trim_start();
        true
    }

    /// A word of such characters.
    pub(super) fn word(&mut self, belongs: impl Fn(char) -> bool) -> Result<&'a str, String> {
        let end = self.0.find(|c| !belongs(c)).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        if word.is_empty() {
            return Err(format!("a word was expected before {rest:?}"));
        }
        self.0 = rest.trim_start();
        Ok(word)
    }

    /// A text in quotes, in which a backslash keeps the next character from its meaning.
    pub(super) fn quoted(&mut self) -> Result<String, String> {
        let mut chars = self.0.chars();
        let quote = chars.next();
        let mut text = String::new();
        loop {
            match chars.next() {
                None => return Err("a quote is not closed".into()),
                Some('\\') => text.extend(chars.next()),
                c if c == quote => break,
                Some(c) => text.push(c),
            }
        }
        self.0 = chars.as_str().trim_start();
        Ok(text)
    }

    /// A regular expression between percent signs.
    pub(super) fn regex(&mut self) -> Result<Regex, String> {
        let (regex, rest) = self.0[1..]
            .split_once('%')
            .ok_or("a regular expression is not closed by %")?;
        self.0 = rest.trim_start();
        Regex::new(regex).map_err(|error| error.to_string())
    }
}
