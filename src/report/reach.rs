//! What a campaign asked, on the terminal: how often each rule could have been broken, and in which phases each fault
//! came.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::Style;
use super::summary::grouped;
use crate::campaign::Totals;
use crate::coverage::{ByPhase, Coverage, RuledOut, counted_for};
use crate::invariant;
use crate::plan::{FaultKind, Phase, StepKind};

/// How often each rule could have been broken, two to a line where they have room.
pub(super) fn rules(out: &mut String, of: &Totals, style: Style) {
    let row = |name: &str, plans: &str, times: &str| format!("{name:<18}{plans:>8} {times:>10}");
    let mut cells = Vec::new();
    let mut never = Vec::new();
    for rule in invariant::rules() {
        match of.coverage.asked.get(&rule) {
            Some(asked) => cells.push(row(rule.id(), &grouped(asked.plans), &grouped(asked.times))),
            None if of.not_asked.iter().any(|it| it.whole && it.rule == rule) => {}
            None => never.push(format!("{rule} (no {})", counted_for(rule))),
        }
    }
    style.columns(out, &row("rule asked", "plans", "times"), &cells);
    if !never.is_empty() {
        let text = format!("could not have been broken: {}", never.join(", "));
        style.paragraph(out, "    ", &style.odd(&text));
    }
}

/// The disturbances that a campaign may make, by name.
pub(super) fn disturbances() -> impl Iterator<Item = &'static str> {
    let faults = FaultKind::ALL.into_iter().map(FaultKind::name);
    faults.chain(StepKind::disturbing_at_once())
}

/// In which phases each disturbance came.
pub(super) fn pairs(out: &mut String, cover: &Coverage, ruled_out: &RuledOut, style: Style) {
    let phases = Phase::ALL.into_iter();
    let phases: Vec<Phase> = phases
        .filter(|phase| !ruled_out.phases.contains_key(phase))
        .collect();
    let (mut reached, mut all) = (0, 0);
    let (mut everywhere, mut never, mut cells) = (Vec::new(), Vec::new(), Vec::new());
    for name in disturbances().filter(|name| !ruled_out.disturbances.contains_key(*name)) {
        let by: ByPhase = cover.disturbed.get(name).copied().unwrap_or_default();
        let of_phases = phases.iter().map(|phase| (letter(*phase), by.of(*phase)));
        let counts: Vec<(char, u64)> = of_phases.chain([('i', by.idle)]).collect();
        let here = counts.iter().filter(|(_, count)| *count > 0).count();
        (reached, all) = (reached + here, all + counts.len());
        match here {
            0 => never.push(name),
            _ if here == counts.len() => everywhere.push(name),
            _ => {
                let shown = counts.iter().map(|(letter, count)| match count {
                    0 => '.',
                    _ => *letter,
                });
                cells.push(format!("{name:<20}{}", shown.collect::<String>()));
            }
        }
    }
    let _ = writeln!(out, "  faults by phase: {reached} of {all} reached");
    let named = [("in every phase", everywhere), ("never came", never)];
    for (what, names) in named.iter().filter(|(_, names)| !names.is_empty()) {
        style.paragraph(out, "    ", &format!("{what}: {}", names.join(", ")));
    }
    if !cells.is_empty() {
        let letters = phases
            .iter()
            .map(|phase| format!("{} {phase}", letter(*phase)));
        let letters: Vec<String> = letters.chain(["i idle".into()]).collect();
        style.paragraph(out, "    ", &format!("in some ({}):", letters.join(", ")));
        style.columns(out, "", &cells);
    }
    for (why, names) in by_reason(ruled_out) {
        let names = names.join(", ");
        style.paragraph(out, "    ", &format!("ruled out: {names}: {why}"));
    }
}

/// A phase in one letter.
fn letter(phase: Phase) -> char {
    match phase {
        Phase::Done => 'D',
        _ => phase.to_string().chars().next().unwrap_or('?'),
    }
}

/// What is ruled out, those of one reason together.
fn by_reason(of: &RuledOut) -> Vec<(&str, Vec<String>)> {
    let phases = of.phases.iter();
    let phases = phases.map(|(phase, why)| (why.as_str(), format!("the phase {phase}")));
    let names = of.disturbances.iter();
    let names = names.filter(|(name, _)| disturbances().any(|it| it == name.as_str()));
    let names = names.map(|(name, why)| (why.as_str(), name.clone()));
    let all: Vec<(&str, String)> = names.chain(phases).collect();
    let reasons: BTreeSet<&str> = all.iter().map(|(why, _)| *why).collect();
    let of_reason = |reason: &str| {
        let same = all.iter().filter(|(why, _)| *why == reason);
        same.map(|(_, name)| name.clone()).collect()
    };
    reasons
        .into_iter()
        .map(|why| (why, of_reason(why)))
        .collect()
}
