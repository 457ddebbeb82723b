//! What goes wrong with the harness itself.

/// Why the harness could not do its work: what it was doing, why it failed, what to do next.
#[derive(Debug, thiserror::Error)]
#[error("while {doing}: {why}; {remedy}")]
pub struct TargetError {
    pub doing: String,
    pub why: String,
    pub remedy: String,
}

impl TargetError {
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
