//! What a query's `filter` asks of a line.

use std::cmp::Ordering;

use regex::Regex;

use super::Line;
use super::words::{Word, Words};

/// What holds of a line or does not.
#[derive(Debug)]
pub(super) enum Condition {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    Not(Box<Condition>),
    Like(String, Like),
    Compare(String, Sign, Literal),
    In(String, Vec<Literal>),
    IsPresent(String),
}

#[derive(Debug)]
pub(super) enum Like {
    Part(String),
    Regex(Regex),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sign {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Literal {
    Text(String),
    Number(f64),
}

impl Condition {
    pub(super) fn holds(&self, line: &Line) -> bool {
        match self {
            Self::Any(all) => all.iter().any(|one| one.holds(line)),
            Self::All(all) => all.iter().all(|one| one.holds(line)),
            Self::Not(one) => !one.holds(line),
            Self::Like(field, like) => line.field(field).is_some_and(|value| match like {
                Like::Part(part) => value.contains(part.as_str()),
                Like::Regex(regex) => regex.is_match(&value),
            }),
            Self::Compare(field, sign, literal) => {
                let value = line.field(field);
                if *sign == Sign::Unequal {
                    return value.is_none_or(|value| !literal.equals(&value));
                }
                value.is_some_and(|value| {
                    let order = literal.order(&value);
                    match sign {
                        Sign::Equal | Sign::Unequal => literal.equals(&value),
                        Sign::Less => order == Some(Ordering::Less),
                        Sign::AtMost => order.is_some_and(Ordering::is_le),
                        Sign::More => order == Some(Ordering::Greater),
                        Sign::AtLeast => order.is_some_and(Ordering::is_ge),
                    }
                })
            }
            Self::In(field, all) => line
                .field(field)
                .is_some_and(|value| all.iter().any(|one| one.equals(&value))),
            Self::IsPresent(field) => line.field(field).is_some(),
        }
    }
}

impl Literal {
    fn equals(&self, value: &str) -> bool {
        self.order(value) == Some(Ordering::Equal)
    }

    /// How a value is ordered against it; `None` where one is a number and the other none.
    fn order(&self, value: &str) -> Option<Ordering> {
        match self {
            Self::Text(text) => Some(value.cmp(text)),
            Self::Number(number) => value.parse::<f64>().ok()?.partial_cmp(number),
        }
    }
}

/// Reading one.
impl Words {
    pub(super) fn any(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.all()?];
        while self.takes("or") {
            parts.push(self.all()?);
        }
        Ok(Condition::Any(parts))
    }

    fn all(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.one()?];
        while self.takes("and") {
            parts.push(self.one()?);
        }
        Ok(Condition::All(parts))
    }

    fn one(&mut self) -> Result<Condition, String> {
        if self.takes("not") {
            return Ok(Condition::Not(self.one()?.into()));
        }
        if self.takes("(") {
            let inside = self.any()?;
            self.needs(")")?;
            return Ok(inside);
        }
        let field = self.name().ok_or("the name of a field is missing")?;
        if field.eq_ignore_ascii_case("ispresent") && self.takes("(") {
            let field = self.name().ok_or("the name of a field is missing")?;
            self.needs(")")?;
            return Ok(Condition::IsPresent(field));
        }
        let is_not = self.takes("not");
        let negated = |condition| match is_not {
            true => Condition::Not(Box::new(condition)),
            false => condition,
        };
        if self.takes("like") || self.takes("=~") {
            let like = match self.next() {
                Some(Word::Text(text)) => Like::Part(text),
                Some(Word::Regex(regex)) => {
                    let regex = Regex::new(&regex);
                    Like::Regex(regex.map_err(|error| format!("a regular expression: {error}"))?)
                }
                _ => return Err("`like` needs a text or a regular expression".into()),
            };
            return Ok(negated(Condition::Like(field, like)));
        }
        if self.takes("in") {
            self.needs("[")?;
            let mut all = Vec::new();
            while !self.takes("]") {
                all.push(self.literal()?);
                self.takes(",");
            }
            return Ok(negated(Condition::In(field, all)));
        }
        if is_not {
            return Err("`like` or `in` is missing after `not`".into());
        }
        let sign = match self.next() {
            Some(Word::Mark("=")) => Sign::Equal,
            Some(Word::Mark("!=")) => Sign::Unequal,
            Some(Word::Mark("<")) => Sign::Less,
            Some(Word::Mark("<=")) => Sign::AtMost,
            Some(Word::Mark(">")) => Sign::More,
            Some(Word::Mark(">=")) => Sign::AtLeast,
            _ => return Err(format!("a comparison is missing after `{field}`")),
        };
        Ok(Condition::Compare(field, sign, self.literal()?))
    }

    fn literal(&mut self) -> Result<Literal, String> {
        match self.next() {
            Some(Word::Text(text)) => Ok(Literal::Text(text)),
            Some(Word::Number(number)) => Ok(Literal::Number(number)),
            _ => Err("a text or a number is missing".into()),
        }
    }
}
