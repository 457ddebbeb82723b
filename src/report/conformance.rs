//! The table of plans that ran on two targets, and what differs.

use std::fmt::Write;

use super::Style;
use super::checks::{Check, CheckResult, CheckRun};
use crate::conformance::Compared;

/// One line for each plan; under those that differ, what differs, and how on each side.
pub fn conformance(compared: &[Compared], targets: [&str; 2], style: Style) -> String {
    let both = targets.join(" and ");
    let mut text = format!("{:<28} {:>5}  {both}\n", "plan", "steps");
    for plan in compared {
        let verdict = match (&plan.unknown, plan.differences.len()) {
            (Some(why), _) => style.odd(&format!("unknown: {why}")),
            (None, 0) => style.good("the same"),
            (None, n) => style.bad(&format!("{n} differ")),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:<28} {:>5}  {verdict}",
            plan.name,
            plan.plan.steps.len()
        );
        for difference in &plan.differences {
            style.paragraph(&mut text, "    ", &difference.what);
            for (target, side) in targets.iter().zip(&difference.sides) {
                style.paragraph(&mut text, "        ", &format!("{target}: {side}"));
            }
        }
    }
    let same = compared.iter().filter(|plan| plan.agrees()).count();
    let _ = writeln!(
        text,
        "{same} of {} plans end the same on {both}",
        compared.len()
    );
    text
}

/// One plan as a check of several. `pages` are the links to its runs' pages.
pub fn comparison(
    of: &Compared,
    targets: [&'static str; 2],
    repeat: &str,
    pages: [Option<String>; 2],
) -> Check {
    let differences = of.differences.iter().map(|difference| {
        let [first, second] = &difference.sides;
        let [on_first, on_second] = targets;
        format!(
            "{}\n{on_first}: {first}\n{on_second}: {second}",
            difference.what
        )
    });
    let sides = targets.iter().zip(pages).zip(&of.outcomes);
    Check {
        name: of.name.clone(),
        title: String::new(),
        result: match (&of.unknown, of.agrees()) {
            (Some(_), _) => CheckResult::Unknown,
            (None, true) => CheckResult::Passed,
            (None, false) => CheckResult::Failed,
        },
        seconds: of.took.as_secs_f64(),
        facts: super::summary::counted(of.plan.steps.len() as u64, "step"),
        complaints: of.unknown.iter().cloned().chain(differences).collect(),
        runs: sides
            .map(|((target, page), outcome)| CheckRun {
                target,
                verdict: outcome.verdict.clone(),
                page,
            })
            .collect(),
        repeat: repeat.into(),
    }
}
