//! The words of a query.

use std::collections::VecDeque;

/// The commands of a query: what is between `|`, where that is in no text.
pub(super) fn commands(text: &str) -> Vec<String> {
    let mut commands = vec![String::new()];
    let (mut within, mut is_escaped) = (None, false);
    for c in text.chars() {
        match within {
            None if c == '|' => {
                commands.push(String::new());
                continue;
            }
            None if matches!(c, '"' | '\'' | '`' | '/') => within = Some(c),
            Some(end) if c == end && !is_escaped => within = None,
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
        if let Some(command) = commands.last_mut() {
            command.push(c);
        }
    }
    commands
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Word {
    Name(String),
    Text(String),
    Regex(String),
    Number(f64),
    /// `(`, `)`, `,`, `[`, `]`, or a comparison.
    Mark(&'static str),
}

/// The words of a command.
pub(super) struct Words(VecDeque<Word>);

const MARKS: [&str; 13] = [
    "!=", "<=", ">=", "=~", "=", "<", ">", "(", ")", ",", "[", "]", "*",
];

impl Words {
    pub(super) fn of(text: &str) -> Result<Self, String> {
        let mut words = VecDeque::new();
        let mut rest = text.trim_start();
        while let Some(c) = rest.chars().next() {
            if matches!(c, '"' | '\'' | '`' | '/') {
                let (inside, after) = quoted(&rest[1..], c)?;
                words.push_back(match c {
                    '/' => Word::Regex(inside),
                    '`' => Word::Name(inside),
                    _ => Word::Text(inside),
                });
                rest = after;
            } else if let Some(mark) = MARKS.iter().find(|mark| rest.starts_with(**mark)) {
                words.push_back(Word::Mark(mark));
                rest = &rest[mark.len()..];
            } else {
                let is_part = |c: char| c.is_alphanumeric() || "@_.-$".contains(c);
                let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                if end == 0 {
                    return Err(format!("`{c}` is not known here"));
                }
                let word = &rest[..end];
                words.push_back(match word.parse() {
                    Ok(number) => Word::Number(number),
                    Err(_) => Word::Name(word.to_owned()),
                });
                rest = &rest[end..];
            }
            rest = rest.trim_start();
        }
        Ok(Self(words))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn next(&mut self) -> Option<Word> {
        self.0.pop_front()
    }

    pub(super) fn end(&self) -> Result<(), String> {
        match self.0.front() {
            None => Ok(()),
            Some(word) => Err(format!("{word:?} is not known here")),
        }
    }

    /// The next word, where it is a name.
    pub(super) fn name(&mut self) -> Option<String> {
        match self.0.front() {
            Some(Word::Name(name)) => {
                let name = name.clone();
                self.0.pop_front();
                Some(name)
            }
            _ => None,
        }
    }

    /// Takes a keyword or a mark, where it is the next.
    pub(super) fn takes(&mut self, wanted: &str) -> bool {
        let is_next = match self.0.front() {
            Some(Word::Name(name)) => name.eq_ignore_ascii_case(wanted),
            Some(Word::Mark(mark)) => *mark == wanted,
            _ => false,
        };
        if is_next {
            self.0.pop_front();
        }
        is_next
    }

    pub(super) fn needs(&mut self, wanted: &str) -> Result<(), String> {
        match self.takes(wanted) {
            true => Ok(()),
            false => Err(format!("`{wanted}` is missing")),
        }
    }

    pub(super) fn names(&mut self) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        loop {
            names.push(self.name().ok_or("the name of a field is missing")?);
            if !self.takes(",") {
                return Ok(names);
            }
        }
    }

    /// `count(*)`, with `as NAME` or without. Returns the name of the column.
    pub(super) fn count(&mut self) -> Result<String, String> {
        let is_count = self.takes("count") && self.takes("(");
        let is_count = is_count && (self.takes("*") || self.name().is_some()) && self.takes(")");
        if !is_count {
            return Err("of `stats` the loopback cloud knows `count(*)`".into());
        }
        match self.takes("as") {
            true => self
                .name()
                .ok_or_else(|| "a name is missing after `as`".into()),
            false => Ok("count(*)".into()),
        }
    }
}

/// What is in quotes up to `end`, and what comes after them.
fn quoted(text: &str, end: char) -> Result<(String, &str), String> {
    let mut inside = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                // A regular expression has escapes of its own.
                Some((_, next)) if end == '/' && next != '/' => inside.extend(['\\', next]),
                Some((_, next)) => inside.push(next),
                None => break,
            },
            c if c == end => return Ok((inside, &text[at + 1..])),
            c => inside.push(c),
        }
    }
    Err(format!("{end} is missing at the end"))
}
