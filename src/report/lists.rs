//! The lists of what the program knows by name, with a sentence each, made from the tables that the
//! rest of the program uses.

use super::Style;
use crate::coverage::Sometimes;
use crate::defect::{Defect, trial};
use crate::invariant;
use crate::plan::{Edit, FaultKind, Outage, Outsider, Phase, Place, StepKind};
use crate::scenario::Scenario;

/// The planted defects, by the rule that should catch each.
pub fn defects(style: Style) -> String {
    let mut out = String::new();
    for rule in invariant::rules() {
        let of_rule = Defect::all().filter(|defect| defect.rule == rule);
        let rows = of_rule.map(|defect| (defect.name.to_owned(), defect.what.to_owned()));
        group(&mut out, rule.id(), rows.collect(), style);
    }
    out
}

/// The systems that keep the contract in other ways.
pub fn harmless(style: Style) -> String {
    let systems = trial::harmless_sims().into_iter();
    let rows = systems.map(|(name, what, _)| (name.to_owned(), what.to_owned()));
    let mut out = String::new();
    group(
        &mut out,
        "systems that keep the contract",
        rows.collect(),
        style,
    );
    out
}

/// The faults, by what they cut off.
pub fn faults(style: Style) -> String {
    let mut out = String::new();
    for place in Place::ALL {
        let of_place = FaultKind::ALL.into_iter();
        let of_place = of_place.filter(|kind| kind.row().place == place);
        let rows = of_place.map(|kind| (kind.usage(), kind.about().to_owned()));
        group(&mut out, &place.to_string(), rows.collect(), style);
    }
    out
}

/// The steps of a plan, and the words that they take.
pub fn steps(style: Style) -> String {
    let mut out = String::new();
    let rows = StepKind::ALL.map(|kind| (kind.usage(), kind.about().to_owned()));
    group(&mut out, "steps", rows.into(), style);
    let rows = Edit::ALL.map(|edit| (edit.to_string(), edit.about().to_owned()));
    group(
        &mut out,
        "EDIT: what an instruction asks for",
        rows.into(),
        style,
    );
    let rows = Phase::ALL.map(|phase| (phase.to_string(), phase.about().to_owned()));
    group(
        &mut out,
        "PHASE: where an instruction is",
        rows.into(),
        style,
    );
    let rows = Outsider::ALL.map(|kind| (kind.to_string(), kind.about().to_owned()));
    group(&mut out, "pushes from outside", rows.into(), style);
    let rows = Outage::ALL.map(|outage| (outage.to_string(), outage.about().to_owned()));
    group(&mut out, "how a service is down", rows.into(), style);
    let rows = [
        (
            "SESSION",
            "CLIENT/THREAD, declared before the first step by a line `session CLIENT/THREAD`.",
        ),
        (
            "CLIENT",
            "A client of a declared session: it has one container and one site.",
        ),
        (
            "FAULT",
            "A fault with its arguments; `shakedown faults` lists them.",
        ),
        (
            "TIME",
            "Such as 500ms, 30s, 2m or 1h, of the system's own time.",
        ),
        ("[+N]", "And N more requests, such as +3; may be left out."),
    ];
    let rows = rows.map(|(name, what)| (name.to_owned(), what.to_owned()));
    group(&mut out, "arguments", rows.into(), style);
    out
}

/// What a campaign should have reached.
pub fn sometimes(style: Style) -> String {
    let rows = Sometimes::all().map(|entry| (entry.to_string(), entry.about().to_owned()));
    let mut out = String::new();
    group(
        &mut out,
        "what a campaign should reach",
        rows.collect(),
        style,
    );
    out
}

/// The scenarios of the contract, in its order.
pub fn scenarios(style: Style) -> String {
    let rows = Scenario::all().iter();
    let rows = rows.map(|of| (of.name.to_owned(), of.title.to_owned()));
    let mut out = String::new();
    group(&mut out, "scenarios", rows.collect(), style);
    out
}

/// A heading, and names with their sentences below it; nothing where there are none.
fn group(out: &mut String, heading: &str, rows: Vec<(String, String)>, style: Style) {
    if rows.is_empty() {
        return;
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(&style.strong(heading));
    out.push('\n');
    let rows: Vec<(&str, &str)> = rows.iter().map(|(name, what)| (&**name, &**what)).collect();
    style.list(out, "  ", rows);
}
