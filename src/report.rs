//! Reports: what was violated and how to see it again, and what a campaign ran. For a terminal
//! here, for a browser in `page`, for machines in `lines`, for CI in `junit`.

pub(crate) mod checks;
mod conformance;
mod explained;
mod explore;
pub(crate) mod junit;
pub(crate) mod lines;
pub(crate) mod lists;
pub(crate) mod page;
mod plans;
mod reach;
mod rules;
pub(crate) mod saved;
mod scenarios;
mod soak;
mod summary;
mod trials;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::finding::{Finding, Origin};
use crate::history::describe;
use crate::plan::Plan;
use crate::regression::Seed;
use crate::verdict::Violation;

pub use crate::terminal::Style;
pub(crate) use conformance::{comparison, conformance};
pub(crate) use explore::{
    exploration, mutant, mutants_head, mutants_row, second_opinion, shown_plan, story_of,
};
pub(crate) use plans::{explored, shortest_head, shortest_row};
pub(crate) use rules::rules;
pub use saved::judge_again;
pub use scenarios::scenario;
pub(crate) use scenarios::scenario_check;
pub(crate) use soak::{merged, soak, soak_news};
pub use summary::summary;
pub(crate) use summary::{not_asked, not_served};
pub(crate) use trials::{harmless_row, not_asked_row, trials_head, trials_row};

/// How many events before a violation are shown.
const LAST_EVENTS: usize = 12;

/// The report of a finding: the rule, the plan, expected against observed, the last events, and the
/// command that shows it again.
pub fn violation(of: &Finding, replay: &str, style: Style) -> String {
    let Finding {
        target,
        plan,
        violation,
        ..
    } = of;
    let mut out = String::new();
    let moment = match of.origin {
        Origin::Campaign(_) => String::new(),
        _ => format!(", {:.3} s into the run", violation.at.as_secs_f64()),
    };
    let head = format!(
        "{} {} ({}) on {target}, {}{moment} (run seed {})",
        style.bad("VIOLATED"),
        style.strong(violation.rule.id()),
        violation.kind,
        of.place(),
        Seed(of.seed),
    );
    style.hanging(&mut out, "  ", &head);
    style.paragraph(&mut out, "  ", violation.rule.words());
    let _ = writeln!(out, "\n{}", style.strong("Plan"));
    style.paragraph(&mut out, "  ", &of.provenance());
    plan_lines(&mut out, plan, violation, style);
    let _ = writeln!(out, "\n{}", style.strong("Expected"));
    style.paragraph(&mut out, "  ", &violation.expected);
    let _ = writeln!(out, "{}", style.strong("Observed"));
    style.paragraph(&mut out, "  ", &violation.observed);
    if let Some(explanation) = &of.explanation {
        out.push_str(&explained::explained(explanation, &of.history, style));
    }
    // A history ends with the event that violates, or with the end of recovery.
    let events = &of.history.events;
    let from = match (&of.explanation, &of.origin) {
        (Some(_), _) | (_, Origin::Campaign(_)) => events.len(),
        (None, _) => events.len().saturating_sub(LAST_EVENTS),
    };
    let last = &events[from..];
    if !last.is_empty() {
        let _ = writeln!(out, "\n{}", style.strong("The last events before it"));
        for event in last {
            let _ = writeln!(out, "  {}", style.cut(&describe::line(event), 2));
        }
    }
    let _ = writeln!(out, "\n{}\n  {replay}", style.strong("Replay it"));
    if !of.more_files.is_empty() {
        let names = of
            .more_files
            .iter()
            .take(3)
            .map(|path| path.display().to_string());
        let names: Vec<String> = names.collect();
        let rest = if of.more > names.len() as u64 {
            ", and so on"
        } else {
            ""
        };
        let count = summary::counted(of.more, "more plan");
        let text = format!(
            "{count} failed in the same way: {}{rest}.",
            names.join(", ")
        );
        style.paragraph(&mut out, "", &text);
    }
    let others: BTreeSet<String> = of
        .others
        .iter()
        .map(|other| format!("{} ({})", other.rule, other.kind))
        .collect();
    if !others.is_empty() {
        let others: Vec<String> = others.into_iter().collect();
        let text = format!(
            "Smaller plans met other failures, which may be bugs of their own: {}. Find them with \
             --keep-going.",
            others.join(", ")
        );
        style.paragraph(&mut out, "", &style.odd(&text));
    }
    out
}

/// The plan with step numbers, from 1, and a mark at the violating step.
fn plan_lines(out: &mut String, plan: &Plan, violation: &Violation, style: Style) {
    for session in &plan.sessions {
        let _ = writeln!(out, "       session {session}");
    }
    for (index, step) in plan.steps.iter().enumerate() {
        let line = format!("{:>4}  {step}", index + 1);
        if violation.step == Some(index) {
            let _ = writeln!(out, "{}", style.bad(&format!("> {line}")));
        } else {
            let _ = writeln!(out, "  {line}");
        }
    }
    if violation.step.is_none() {
        let line = "        (all faults healed, then recovery)";
        let _ = writeln!(out, "{}", style.bad(&line.replacen("  ", "> ", 1)));
    }
}

#[cfg(test)]
mod tests;
