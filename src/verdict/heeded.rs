//! What a run ends at, of all that breaks a rule.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Rule, Violation};

/// A rule, or one kind of its breaches, such as `fresh/mixed`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Demand {
    /// The rule.
    pub rule: Rule,
    /// The id of the kind of breach; `None` is any.
    pub kind: Option<String>,
}

impl Demand {
    /// The demand that a violation breaks.
    pub fn of(violation: &Violation) -> Self {
        Self {
            rule: violation.rule,
            kind: Some(violation.kind.clone()),
        }
    }

    /// Whether it is this rule, and this kind where it names one.
    pub fn is(&self, rule: Rule, kind: &str) -> bool {
        self.rule == rule && self.kind.as_ref().is_none_or(|own| own == kind)
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.rule)?;
        match &self.kind {
            None => Ok(()),
            Some(kind) => write!(f, "/{kind}"),
        }
    }
}

/// The breaches that a run ends at, and counts as violated for. It goes on at the others.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Heeded {
    /// Every one.
    #[default]
    All,
    /// All but those that are known.
    AllBut(BTreeSet<Demand>),
    /// This one.
    Only(Demand),
}

impl Heeded {
    /// Whether a run ends at every breach.
    pub fn is_all(&self) -> bool {
        *self == Self::All
    }

    /// Whether a run goes on where this is broken.
    pub fn passes_over(&self, rule: Rule, kind: &str) -> bool {
        match self {
            Self::All => false,
            Self::AllBut(known) => known.iter().any(|it| it.is(rule, kind)),
            Self::Only(one) => !one.is(rule, kind),
        }
    }

    /// The same, and one that is known more.
    #[must_use]
    pub fn but(&self, known: Demand) -> Self {
        match self {
            Self::All => Self::AllBut(BTreeSet::from([known])),
            Self::AllBut(others) => {
                let others = others.iter().cloned();
                Self::AllBut(others.chain([known]).collect())
            }
            Self::Only(one) => Self::Only(one.clone()),
        }
    }
}
