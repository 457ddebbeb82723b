//! Rules, violations of them, and the three verdicts.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A rule of the recovery contract, by its id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    // Always.
    NoBrokenDeploy,
    NoDanglingPage,
    CommitsPreserved,
    ExactlyOnce,
    NoCascade,
    Breaker,
    BoundedRetries,
    StaysUp,
    ErrorsTold,
    NoSecretTold,
    // After recovery.
    NothingLost,
    Pushed,
    Fresh,
    Settled,
}

impl Rule {
    /// The id that the contract and every report use.
    pub fn id(self) -> &'static str {
        match self {
            Self::NoBrokenDeploy => "no-broken-deploy",
            Self::NoDanglingPage => "no-dangling-page",
            Self::CommitsPreserved => "commits-preserved",
            Self::ExactlyOnce => "exactly-once",
            Self::NoCascade => "no-cascade",
            Self::Breaker => "breaker",
            Self::BoundedRetries => "bounded-retries",
            Self::StaysUp => "stays-up",
            Self::ErrorsTold => "errors-told",
            Self::NoSecretTold => "no-secret-told",
            Self::NothingLost => "nothing-lost",
            Self::Pushed => "pushed",
            Self::Fresh => "fresh",
            Self::Settled => "settled",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A rule that did not hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Violation {
    pub rule: Rule,
    /// Which of the rule's demands: a smaller plan shows the same failure when both agree.
    pub kind: String,
    /// The step during which it was seen, from 0; `None` when it was seen after recovery.
    pub step: Option<usize>,
    /// The system's own time.
    pub at: Duration,
    pub expected: String,
    pub observed: String,
}

/// How a run of a plan ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    Held,
    Violated(Violation),
    /// The harness itself could not tell, and why; never counted as held or violated.
    Unknown {
        why: String,
    },
}
