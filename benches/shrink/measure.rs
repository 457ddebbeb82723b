//! Which of the plans that are known a plan is measured by.
//!
//! A plan is the shortest of an alphabet: of the kinds of edits, faults, crashes and sessions that
//! its steps name. A plan that was found with other kinds of steps shows the same defect in another
//! way, and is not to be measured by it.

use std::collections::BTreeSet;

use shakedown::defect::DEFECTS;
use shakedown::defect::known::Known;
use shakedown::plan::{Edit, Fault, Outsider, Plan, Step};

/// Adds a plan, if none of those known is as short and needs no more kinds of steps. Returns
/// whether it was added; those that it makes needless go.
pub fn add(known: &mut Vec<Known>, new: Known) -> bool {
    let is_rival = |of: &Known| shows_the_same(of, &new);
    let covers = |a: &Known, b: &Known| {
        a.plan.steps.len() <= b.plan.steps.len() && alphabet(&a.plan).is_subset(&alphabet(&b.plan))
    };
    if known.iter().any(|of| is_rival(of) && covers(of, &new)) {
        return false;
    }
    known.retain(|of| !(is_rival(of) && covers(&new, of)));
    known.push(new);
    let order = |of: &Known| {
        let number = DEFECTS.iter().position(|d| d.name == of.defect);
        (
            number,
            of.plan.steps.len(),
            of.rule.clone(),
            of.kind.clone(),
        )
    };
    known.sort_by_key(order);
    true
}

fn shows_the_same(one: &Known, other: &Known) -> bool {
    (&one.defect, &one.rule, &one.kind) == (&other.defect, &other.rule, &other.kind)
}

/// The fewest steps known to show the same of the same defect with the kinds of steps that a plan
/// has.
pub fn fewest(known: &[Known], shown: &Known, plan: &Plan) -> Option<usize> {
    let letters = alphabet(plan);
    known
        .iter()
        .filter(|of| shows_the_same(of, shown) && alphabet(&of.plan).is_subset(&letters))
        .map(|of| of.plan.steps.len())
        .min()
}

/// The kinds of steps of a plan, with those that are simpler. To let time pass, to change
/// something and to heal are in every alphabet.
fn alphabet(plan: &Plan) -> BTreeSet<String> {
    let mut letters = BTreeSet::new();
    let mut add = |letter: &str| {
        letters.insert(letter.to_owned());
    };
    for step in &plan.steps {
        match step {
            Step::Instruct(_, Edit::Change) | Step::Heal(_) => {}
            Step::Instruct(_, edit) => add(&edit.to_string()),
            Step::PushFromOutside(_, kind) => {
                add("clean");
                if *kind == Outsider::Conflicting {
                    add("conflicting");
                }
            }
            Step::Inject(fault) => letters_of(fault).for_each(|letter| add(&letter)),
            Step::Crash(_) => add("crash"),
            Step::LoseWorkspace(_) => {
                add("crash");
                add("workspace-lost");
            }
            Step::RetryPush(_) | Step::Redeliver(_) => add(step.name()),
            Step::Until { .. } | Step::UntilStarted { .. } | Step::Wait(_) => {}
        }
    }
    let instructed: BTreeSet<_> = plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Instruct(session, _) => Some(session),
            _ => None,
        })
        .collect();
    let clients: BTreeSet<_> = instructed.iter().map(|session| &session.client).collect();
    if instructed.len() > clients.len() {
        letters.insert("two sessions of a client".into());
    }
    if clients.len() > 1 {
        letters.insert("two clients".into());
    }
    letters
}

/// The fault's own letter, and those of what is simpler.
fn letters_of(fault: &Fault) -> impl Iterator<Item = String> {
    let row = fault.kind().row();
    let simpler = row.simpler.map(|kind| kind.name().to_owned());
    let edit = row.met_by.map(|edit| edit.to_string());
    simpler
        .into_iter()
        .chain(edit)
        .chain([fault.name().to_owned()])
}
