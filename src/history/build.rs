//! How a build of the system ended, as its shim saw.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::plan::Mark;

/// How a command that builds ended, and what it wrote.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct BuildEnd {
    /// Its exit code; `None` where a signal ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The number of that signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// How many files of its output it wrote.
    pub files: u64,
    /// Their bytes in all.
    pub bytes: u64,
    /// The marks in them, each once.
    pub marks: Vec<Mark>,
}

impl BuildEnd {
    /// Whether it ended as a good build does.
    pub fn is_good(&self) -> bool {
        self.code == Some(0)
    }
}

impl fmt::Display for BuildEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit code {code}")?,
            (None, Some(signal)) => write!(f, "signal {signal}")?,
            (None, None) => f.write_str("unknown end")?,
        }
        write!(f, ", {} files with {} bytes", self.files, self.bytes)
    }
}
