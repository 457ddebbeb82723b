//! The words of a line of a plan, and what is wrong with them.

use std::fmt::Write as _;

use crate::terminal::quoted;

/// What is wrong with a plan's text, and where. Lines and columns count from 1.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// A word and its column, from 1.
#[derive(Clone, Copy)]
pub(super) struct Word<'a> {
    pub text: &'a str,
    pub column: usize,
}

/// The words of one line.
pub(super) struct Words<'a> {
    line_text: &'a str,
    line: usize,
    at: usize,
}

impl<'a> Words<'a> {
    pub fn new(line_text: &'a str, line: usize) -> Self {
        Self {
            line_text,
            line,
            at: 0,
        }
    }

    pub fn next(&mut self) -> Option<Word<'a>> {
        let rest = &self.line_text[self.at..];
        let start = self.at + (rest.len() - rest.trim_start().len());
        let text = self.line_text[start..].split_whitespace().next()?;
        self.at = start + text.len();
        Some(Word {
            text,
            column: self.line_text[..start].chars().count() + 1,
        })
    }

    /// The next word, which stays the next.
    pub fn peek(&self) -> Option<&'a str> {
        self.line_text[self.at..].split_whitespace().next()
    }

    pub fn need(&mut self, what: &str) -> Result<Word<'a>, ParseError> {
        let end = self.line_text.trim_end().chars().count() + 1;
        self.next().ok_or_else(|| ParseError {
            line: self.line,
            column: end,
            message: format!("the line ends where {what} is needed"),
        })
    }

    pub fn end(&mut self) -> Result<(), ParseError> {
        match self.next() {
            None => Ok(()),
            Some(word) => Err(self.error(
                word,
                format!(
                    "`{}` is more than this step takes; remove it, or put a comment on a line of \
                     its own",
                    quoted(word.text)
                ),
            )),
        }
    }

    pub fn error(&self, word: Word<'_>, message: String) -> ParseError {
        ParseError {
            line: self.line,
            column: word.column,
            message,
        }
    }

    pub fn unknown<'b>(
        &self,
        word: Word<'_>,
        what: &str,
        known: impl IntoIterator<Item = &'b str>,
    ) -> ParseError {
        let mut message = format!("unknown {what} `{}`; known: ", quoted(word.text));
        for (n, word) in known.into_iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            let _ = write!(message, "{comma}{word}");
        }
        self.error(word, message)
    }
}
