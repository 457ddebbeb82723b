//! Mistakes in a profile, each with its place.

use std::fmt;
use std::path::{Path, PathBuf};

/// A mistake in the text of a profile.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Mistake {
    /// A mistake at a byte of the text.
    pub(super) fn at(text: &str, byte: usize, message: impl Into<String>) -> Self {
        let mut byte = byte.min(text.len());
        while !text.is_char_boundary(byte) {
            byte -= 1;
        }
        let before = &text[..byte];
        let line = before.matches('\n').count() + 1;
        let begins = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line,
            column: before[begins..].chars().count() + 1,
            message: message.into(),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// Why a profile cannot be used: a line for each mistake, in the form `file:line:column: message`.
#[derive(Debug)]
pub struct ProfileError {
    path: PathBuf,
    /// What is wrong in the text.
    pub mistakes: Vec<Mistake>,
    unreadable: Option<String>,
}

impl ProfileError {
    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self {
            path: path.into(),
            mistakes: Vec::new(),
            unreadable: Some(error.to_string()),
        }
    }

    pub(super) fn mistaken(path: &Path, mistakes: Vec<Mistake>) -> Self {
        Self {
            path: path.into(),
            mistakes,
            unreadable: None,
        }
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        if let Some(why) = &self.unreadable {
            return write!(f, "{path}: cannot read the profile: {why}; check the path");
        }
        for mistake in &self.mistakes {
            writeln!(f, "{path}:{mistake}")?;
        }
        f.write_str("the profile was not used; `shakedown profile show` prints a complete one")
    }
}

impl std::error::Error for ProfileError {}
