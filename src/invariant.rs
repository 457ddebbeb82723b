//! The rules of the recovery contract, as data: each has an id, when it is checked, and a function.
//!
//! A rule that holds always is asked at every event, before the model takes the event in. A rule
//! that holds after recovery is asked about the snapshot of a system that had its time to rest.

mod branch;
mod breaker;
mod cascade;
mod fresh;
mod kind;
mod process;
mod recovered;
mod retries;
mod settled;
mod site;
mod told;

pub use kind::BreachKind;
use kind::kinds;

use crate::history::{Event, Snapshot};
use crate::model::Model;
use crate::verdict::{Rule, Subject};

/// How a rule did not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Breach {
    /// The id of a [`BreachKind`]; two breaches are the same failure when rule and kind agree.
    pub kind: &'static str,
    pub expected: String,
    pub observed: String,
    /// What is not as it should be, where no event says it.
    pub about: Option<Subject>,
}

impl Breach {
    pub(crate) fn new(
        kind: BreachKind,
        expected: impl Into<String>,
        observed: impl Into<String>,
    ) -> Option<Self> {
        Some(Self {
            kind: kind.id,
            expected: expected.into(),
            observed: observed.into(),
            about: None,
        })
    }

    /// A breach that no event shows by itself, and what it is about.
    fn standing(
        about: Subject,
        kind: BreachKind,
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
pub(crate) struct Invariant {
    pub rule: Rule,
    pub check: Check,
}

/// When a rule is checked, and by what.
pub(crate) enum Check {
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
pub(crate) const INVARIANTS: [Invariant; 16] = [
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

/// Every rule that has a checker, in the contract's order.
pub fn rules() -> Vec<Rule> {
    let mut rules: Vec<Rule> = INVARIANTS.iter().map(|invariant| invariant.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// The ways in which a rule can be broken.
pub fn kinds_of(rule: Rule) -> &'static [BreachKind] {
    match rule {
        Rule::NoBrokenDeploy => site::NO_BROKEN_DEPLOY,
        Rule::NoDanglingPage => site::NO_DANGLING_PAGE,
        Rule::CommitsPreserved => branch::COMMITS_PRESERVED,
        Rule::ExactlyOnce => branch::EXACTLY_ONCE,
        Rule::NoCascade => cascade::NO_CASCADE,
        Rule::Breaker => breaker::BREAKER,
        Rule::BoundedRetries => retries::BOUNDED_RETRIES,
        Rule::StaysUp => process::STAYS_UP,
        Rule::ErrorsTold => told::ERRORS_TOLD,
        Rule::NoSecretTold => process::NO_SECRET_TOLD,
        Rule::NothingLost => recovered::NOTHING_LOST,
        Rule::Pushed => recovered::PUSHED,
        Rule::Fresh => fresh::FRESH,
        Rule::Settled => settled::SETTLED,
    }
}

/// What each rule that holds after recovery says of what is seen.
pub(crate) fn each_recovered(model: &Model, seen: &Snapshot) -> Vec<(Rule, Option<Breach>)> {
    INVARIANTS
        .iter()
        .filter_map(|invariant| match invariant.check {
            AfterRecovery(check) => Some((invariant.rule, check(model, seen))),
            Always(_) => None,
        })
        .collect()
}

/// The first rule that an event breaks.
pub(crate) fn check_event(model: &Model, event: &Event) -> Option<(Rule, Breach)> {
    INVARIANTS
        .iter()
        .find_map(|invariant| match invariant.check {
            Always(check) => Some(broken(invariant.rule, check(model, event)?)),
            AfterRecovery(_) => None,
        })
}

/// The first rule that a recovered system breaks.
pub(crate) fn check_recovered(model: &Model, seen: &Snapshot) -> Option<(Rule, Breach)> {
    INVARIANTS
        .iter()
        .find_map(|invariant| match invariant.check {
            AfterRecovery(check) => Some(broken(invariant.rule, check(model, seen)?)),
            Always(_) => None,
        })
}

/// A rule and how it was broken, which has to be one of its kinds.
fn broken(rule: Rule, breach: Breach) -> (Rule, Breach) {
    debug_assert!(
        kinds_of(rule).iter().any(|kind| kind.id == breach.kind),
        "{rule} does not list {}",
        breach.kind
    );
    (rule, breach)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_a_rule_has_an_id_of_its_own_and_a_sentence() {
        for rule in rules() {
            let kinds = kinds_of(rule);
            for (n, kind) in kinds.iter().enumerate() {
                assert!(kind.words.ends_with('.'), "{rule}: {kind:?}");
                assert!(!kinds[..n].iter().any(|other| other.id == kind.id));
            }
        }
    }
}
