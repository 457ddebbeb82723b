//! What goes wrong with the harness itself.

/// Why the harness could not do its work: what it was doing, why it failed, what to do next.
#[derive(Debug, thiserror::Error)]
#[error("while {doing}: {why}; {remedy}")]
pub struct TargetError {
    /// What was being done.
    pub doing: String,
    /// Why it failed.
    pub why: String,
    /// What to do next.
    pub remedy: String,
}

impl TargetError {
    /// An error of these three parts.
    pub fn new(
        doing: impl Into<String>,
        why: impl std::fmt::Display,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            doing: doing.into(),
            why: why.to_string(),
            remedy: remedy.into(),
        }
    }
}
