//! Why a plan violates a rule, step by step: what the model expected, what was observed, which
//! events between two steps matter, and what happens when a step is left out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::verdict::Violation;

/// The explanation of a violation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// What an engineer should know first, in a sentence or two.
    pub summary: String,
    /// The plan's steps that were made, in order, and then recovery where it came so far.
    pub steps: Vec<Explained>,
}

/// One step, up to the next one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Explained {
    /// The step's index in the plan, from 0; `None` for recovery.
    pub step: Option<usize>,
    pub text: String,
    /// When it began, in the system's own time.
    pub at: Duration,
    /// What the contract expects from there on, given what was seen before.
    pub expected: Vec<String>,
    /// What changed in what is known while the step lasted.
    pub observed: Vec<String>,
    /// The events that matter, by index in the history.
    pub events: Vec<usize>,
    /// Whether the violation was seen here.
    pub violates: bool,
    /// What happens when the step is left out; `None` where that was not tried.
    pub without: Option<Without>,
}

/// What a plan does without one of its steps.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "without", rename_all = "kebab-case")]
pub enum Without {
    /// Every rule holds: the violation needs the step.
    Holds,
    /// The same violation: the step does not matter.
    Same,
    /// Another rule, or another demand of the same rule, is violated.
    Other { violation: Box<Violation> },
    /// The harness could not tell.
    Unknown { why: String },
}
