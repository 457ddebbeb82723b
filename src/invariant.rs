//! The rules of the recovery contract, as data: each has an id, when it is checked, and a function.
//!
//! A rule that holds always is asked at every event, before the model takes the event in. A rule
//! that holds after recovery is asked about the snapshot of a system that had its time to rest.

mod branch;
mod breaker;
mod cascade;
mod fresh;
mod kind;
mod parts;
mod process;
mod recovered;
mod reported;
mod retries;
mod settled;
mod site;
mod usable;

pub use kind::BreachKind;
use kind::kinds;

use std::collections::BTreeSet;

use crate::history::{Event, History, Snapshot};
use crate::model::Model;
use crate::verdict::{NotAsked, Rule, Subject};

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

/// A part of a rule: what it rests on, and how it is checked.
pub(crate) struct Invariant {
    /// The rule that the part is of.
    pub rule: Rule,
    /// What must be seen of the system, so that the part can be asked.
    pub needs: &'static [Evidence],
    /// The check.
    pub check: Check,
}

/// When a rule is checked, and by what.
pub(crate) enum Check {
    /// At each event, on the model as it was before.
    Always(fn(&Model, &Event) -> Option<Breach>),
    /// On what can be seen after recovery.
    AfterRecovery(fn(&Model, &Snapshot) -> Option<Breach>),
}

// What the rules expect of one part, for reports.
pub(crate) use fresh::{check_site, wanted};
pub(crate) use retries::pace;
pub(crate) use settled::{expected_error, expected_warnings};

use crate::profile::{Evidence, Profile};
use Check::{AfterRecovery, Always};
pub(crate) use parts::INVARIANTS;

/// What is not asked of a system with this profile, in the contract's order. Where `seen` is given, what a
/// target did not show after recovery counts too.
pub fn not_asked(profile: &Profile, seen: Option<&Snapshot>) -> Vec<NotAsked> {
    let why = |part: &Invariant| part.not_asked(profile, seen);
    let parts = INVARIANTS.iter().filter_map(|part| {
        Some(NotAsked {
            rule: part.rule,
            why: why(part)?,
            whole: !is_asked(part.rule, profile, seen),
        })
    });
    let parts: BTreeSet<NotAsked> = parts.collect();
    parts.into_iter().collect()
}

/// What was not asked of a run: as its last line says, else what its profile leaves out.
pub fn not_asked_of(history: &History) -> Vec<NotAsked> {
    match &history.end {
        Some(end) => end.not_asked.clone(),
        None => not_asked(&history.profile(), None),
    }
}

impl Invariant {
    /// Why the part is not asked; `None` where it is.
    fn not_asked(&self, profile: &Profile, seen: Option<&Snapshot>) -> Option<String> {
        let by_profile = profile.not_asked(self.rule, self.needs);
        by_profile.or_else(|| match self.check {
            Always(_) => None,
            AfterRecovery(_) => {
                let hidden = self
                    .needs
                    .iter()
                    .find(|it| !seen.is_none_or(|seen| seen.shows(**it)))?;
                Some(format!(
                    "its {hidden} cannot be seen: the target does not show it"
                ))
            }
        })
    }
}

/// Whether any part of a rule is asked where this is seen.
pub(crate) fn is_asked(rule: Rule, profile: &Profile, seen: Option<&Snapshot>) -> bool {
    let mut parts = INVARIANTS.iter().filter(|part| part.rule == rule);
    parts.any(|part| part.not_asked(profile, seen).is_none())
}

/// The evidence that the parts of a rule need, each once.
pub fn evidence_of(rule: Rule) -> Vec<Evidence> {
    let parts = INVARIANTS.iter().filter(|part| part.rule == rule);
    let all: BTreeSet<Evidence> = parts.flat_map(|part| part.needs).copied().collect();
    all.into_iter().collect()
}

/// Why a part of a rule that an event of a system with one profile breaks is not asked of a system with
/// another; `None` where it is.
pub(crate) fn why_not_asked(
    (part, event): (&Invariant, Option<Evidence>),
    by: &Profile,
    other: &Profile,
) -> Option<String> {
    // What the report of failures rested on in the system that was seen to break it.
    let reports = |needs: &Evidence| match needs {
        Evidence::Report => by.outcome.reported_by.clone(),
        other => vec![*other],
    };
    let needs = part.needs.iter().flat_map(reports).chain(event);
    let needs: Vec<Evidence> = needs.collect();
    other.not_asked(part.rule, &needs)
}

/// The parts that are asked of a system with this profile.
fn asked(profile: &Profile) -> impl Iterator<Item = &'static Invariant> {
    let asks_all = profile.asks_all();
    INVARIANTS
        .iter()
        .filter(move |part| asks_all || part.not_asked(profile, None).is_none())
}

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
        Rule::ErrorsTold => reported::ERRORS_TOLD,
        Rule::NoSecretTold => process::NO_SECRET_TOLD,
        Rule::NothingLost => recovered::NOTHING_LOST,
        Rule::Pushed => recovered::PUSHED,
        Rule::Fresh => fresh::FRESH,
        Rule::Settled => settled::SETTLED,
        Rule::Usable => usable::USABLE,
    }
}

/// The parts that are asked where this is seen.
fn asked_after<'a>(
    model: &'a Model,
    seen: &'a Snapshot,
) -> impl Iterator<Item = &'static Invariant> {
    asked(&model.profile).filter(|part| part.not_asked(&model.profile, Some(seen)).is_none())
}

/// What each rule that holds after recovery says of what is seen.
pub(crate) fn each_recovered(model: &Model, seen: &Snapshot) -> Vec<(Rule, Option<Breach>)> {
    asked_after(model, seen)
        .filter_map(|invariant| match invariant.check {
            AfterRecovery(check) => Some((invariant.rule, check(model, seen))),
            Always(_) => None,
        })
        .collect()
}

/// The first rule that an event breaks.
pub(crate) fn check_event(model: &Model, event: &Event) -> Option<Broken> {
    broken_by(model, event).find(|broken| !is_passed_over(model, broken))
}

/// What an event breaks and a run does not end at.
pub(crate) fn passed_over(model: &Model, event: &Event) -> Vec<Broken> {
    broken_by(model, event)
        .filter(|broken| is_passed_over(model, broken))
        .collect()
}

fn broken_by(model: &Model, event: &Event) -> impl Iterator<Item = Broken> {
    asked(&model.profile).filter_map(|part| match part.check {
        Always(check) => Some(broken(part, check(model, event)?)),
        AfterRecovery(_) => None,
    })
}

fn is_passed_over(model: &Model, (part, breach): &Broken) -> bool {
    model.profile.heeded.passes_over(part.rule, breach.kind)
}

/// The first rule that a recovered system breaks.
pub(crate) fn check_recovered(model: &Model, seen: &Snapshot) -> Option<Broken> {
    broken_after(model, seen).find(|broken| !is_passed_over(model, broken))
}

/// What a recovered system breaks and a run does not end at.
pub(crate) fn passed_over_after(model: &Model, seen: &Snapshot) -> Vec<Broken> {
    broken_after(model, seen)
        .filter(|broken| is_passed_over(model, broken))
        .collect()
}

fn broken_after<'a>(
    model: &'a Model,
    seen: &'a Snapshot,
) -> impl Iterator<Item = Broken> + use<'a> {
    asked_after(model, seen).filter_map(|part| match part.check {
        AfterRecovery(check) => Some(broken(part, check(model, seen)?)),
        Always(_) => None,
    })
}

/// A part of a rule, and how it was broken.
type Broken = (&'static Invariant, Breach);

/// A part of a rule and how it was broken, which has to be one of the rule's kinds.
fn broken(part: &'static Invariant, breach: Breach) -> Broken {
    let rule = part.rule;
    debug_assert!(
        kinds_of(rule).iter().any(|kind| kind.id == breach.kind),
        "{rule} does not list {}",
        breach.kind
    );
    (part, breach)
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
