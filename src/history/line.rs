//! A line of the log group, as the system writes it.

use super::Level;
use crate::plan::{Phase, SessionId};

/// The form that a system gives its lines in the log group.
pub type Dialect = dyn Fn(&Line) -> String + Send + Sync;

/// A line, by its parts.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// Its level.
    pub level: Level,
    /// The session that it names.
    pub session: Option<SessionId>,
    /// The phase that begins with this line.
    pub phase: Option<Phase>,
    /// Its text.
    pub text: String,
}

/// The text that a line has in the log group: `INFO [acme/home] [pushing] Pushing edit-1`.
impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let level = match self.level {
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
        };
        f.write_str(level)?;
        if let Some(session) = &self.session {
            write!(f, " [{session}]")?;
        }
        if let Some(phase) = self.phase {
            write!(f, " [{phase}]")?;
        }
        write!(f, " {}", self.text)
    }
}
