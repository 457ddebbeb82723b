//! The rules of the recovery contract, as data: each has an id, when it is checked, and a function.
//!
//! A rule that holds always is asked at every event, before the model takes the event in. A rule
//! that holds after recovery is asked about the snapshot of a system that had its time to rest.

mod branch;
mod breaker;
mod cascade;
mod fresh;
mod process;
mod recovered;
mod retries;
mod settled;
mod site;
mod told;

use crate::history::{Event, Snapshot};
use crate::model::Model;
use crate::verdict::{Rule, Subject};

/// How a rule did not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Breach {
    /// Which of the rule's demands; two breaches are the same failure when rule and kind agree.
    pub kind: &'static str,
    pub expected: String,
    pub observed: String,
    /// What is not as it should be, where no event says it.
    pub about: Option<Subject>,
}

impl Breach {
    pub(crate) fn new(
        kind: &'static str,
        expected: impl Into<String>,
        observed: impl Into<String>,
    ) -> Option<Self> {
        Some(Self {
            kind,
            expected: expected.into(),
            observed: observed.into(),
            about: None,
        })
    }

    /// A breach that no event shows by itself, and what it is about.
    fn standing(
        about: Subject,
        kind: &'static str,
        expected: impl Into<String>,
        observed: impl Into<String>,
    ) -> Option<Self> {
        Some(Self {
            about: Some(about),
            ..Self::new(kind, expected, observed)?
        })
    }
}

/// A rule and how it is checked.
pub struct Invariant {
    pub rule: Rule,
    pub check: Check,
}

/// When a rule is checked, and by what.
pub enum Check {
    /// At each event, on the model as it stood before.
    Always(fn(&Model, &Event) -> Option<Breach>),
    /// On what can be seen after recovery.
    AfterRecovery(fn(&Model, &Snapshot) -> Option<Breach>),
}

// What the rules expect of one part, for reports.
pub(crate) use fresh::{check_site, wanted};
pub(crate) use settled::{expected_error, expected_warnings};

use Check::{AfterRecovery, Always};

/// Every rule; two have a part that only shows after recovery. Where one event breaks several, the first one listed is reported.
pub const INVARIANTS: [Invariant; 16] = [
    Invariant {
        rule: Rule::NoSecretTold,
        check: Always(process::no_secret_told),
    },
    Invariant {
        rule: Rule::StaysUp,
        check: Always(process::stays_up),
    },
    Invariant {
        rule: Rule::NoCascade,
        check: Always(cascade::no_cascade),
    },
    Invariant {
        rule: Rule::NoBrokenDeploy,
        check: Always(site::no_broken_deploy),
    },
    Invariant {
        rule: Rule::NoDanglingPage,
        check: Always(site::no_dangling_page),
    },
    Invariant {
        rule: Rule::ExactlyOnce,
        check: Always(branch::exactly_once),
    },
    Invariant {
        rule: Rule::CommitsPreserved,
        check: Always(branch::commits_preserved),
    },
    Invariant {
        rule: Rule::Breaker,
        check: Always(breaker::breaker),
    },
    Invariant {
        rule: Rule::BoundedRetries,
        check: Always(retries::bounded_retries),
    },
    Invariant {
        rule: Rule::ErrorsTold,
        check: Always(told::errors_told),
    },
    Invariant {
        rule: Rule::ErrorsTold,
        check: AfterRecovery(told::told_in_log),
    },
    Invariant {
        rule: Rule::Breaker,
        check: AfterRecovery(breaker::told_in_log),
    },
    Invariant {
        rule: Rule::NothingLost,
        check: AfterRecovery(recovered::nothing_lost),
    },
    Invariant {
        rule: Rule::Pushed,
        check: AfterRecovery(recovered::pushed),
    },
    Invariant {
        rule: Rule::Fresh,
        check: AfterRecovery(fresh::fresh),
    },
    Invariant {
        rule: Rule::Settled,
        check: AfterRecovery(settled::settled),
    },
];

/// What each rule that holds after recovery says of what is seen.
pub fn each_recovered(model: &Model, seen: &Snapshot) -> Vec<(Rule, Option<Breach>)> {
    INVARIANTS
        .iter()
        .filter_map(|invariant| match invariant.check {
            AfterRecovery(check) => Some((invariant.rule, check(model, seen))),
            Always(_) => None,
        })
        .collect()
}

/// The first rule that an event breaks.
pub fn check_event(model: &Model, event: &Event) -> Option<(Rule, Breach)> {
    INVARIANTS
        .iter()
        .find_map(|invariant| match invariant.check {
            Always(check) => Some((invariant.rule, check(model, event)?)),
            AfterRecovery(_) => None,
        })
}

/// The first rule that a recovered system breaks.
pub fn check_recovered(model: &Model, seen: &Snapshot) -> Option<(Rule, Breach)> {
    INVARIANTS
        .iter()
        .find_map(|invariant| match invariant.check {
            AfterRecovery(check) => Some((invariant.rule, check(model, seen)?)),
            Always(_) => None,
        })
}

/// Marks as a sentence has them.
fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() {
        "nothing".into()
    } else {
        items.join(", ")
    }
}
