//! An explanation on a terminal: the plan step by step, with what was expected and observed, the
//! events that matter, and what happens without the step.

use std::fmt::Write as _;

use super::Style;
use crate::explain::{Change, Explained, Explanation, WithoutOutcome};
use crate::history::{History, describe};

/// Events of one step that are shown: the first few and the last few.
const FIRST_EVENTS: usize = 4;
const LAST_EVENTS: usize = 6;

/// The explanation, below headings of its own.
pub(super) fn explained(of: &Explanation, history: &History, style: Style) -> String {
    let mut out = format!("\n{}\n", style.strong("Why"));
    style.paragraph(&mut out, "  ", &of.summary);
    let _ = writeln!(out, "\n{}", style.strong("Step by step"));
    for step in &of.steps {
        one_step(&mut out, step, &of.decisive, history, style);
    }
    out
}

fn one_step(
    out: &mut String,
    step: &Explained,
    decisive: &[usize],
    history: &History,
    style: Style,
) {
    let number = step.step.map_or("-".into(), |step| (step + 1).to_string());
    let mark = if step.violates { ">" } else { " " };
    let line = format!(
        "{mark} {number:>4}  {:<44} {:>9.3} s",
        step.text,
        step.at.as_secs_f64()
    );
    let line = if step.violates {
        style.bad(&line)
    } else {
        line
    };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{line}");
    if let Some(without) = &step.without {
        let mut text = match &without.outcome {
            WithoutOutcome::Holds => "without it every rule holds".to_owned(),
            WithoutOutcome::Same => "without it the same fails: the step does not matter".into(),
            WithoutOutcome::Other { violation } => format!(
                "without it {} ({}) is violated instead",
                violation.rule, violation.kind
            ),
            WithoutOutcome::Unknown { why } => format!("without it: unknown, {why}"),
        };
        if !without.also.is_empty() {
            let also: Vec<String> = without.also.iter().map(|at| (at + 1).to_string()).collect();
            let (steps, make) = match also.len() {
                1 => ("step", "makes"),
                _ => ("steps", "make"),
            };
            let also = also.join(", ");
            let _ = write!(text, " ({steps} {also} {make} no sense then)");
        }
        style.paragraph(out, "          ", &style.strong(&text));
    }
    for Change {
        about,
        expected,
        observed,
    } in &step.changes
    {
        let text = if expected == observed {
            format!("{about}: {observed}, as expected")
        } else {
            format!("{about}: {observed}; expected {expected}")
        };
        style.paragraph(out, "          ", &text);
    }
    let shown = &step.events;
    let middle = FIRST_EVENTS..shown.len().saturating_sub(LAST_EVENTS);
    let is_decisive = |index: &usize| decisive.contains(index);
    let skipped: Vec<usize> = middle.filter(|at| !is_decisive(&shown[*at])).collect();
    for (at, index) in shown.iter().enumerate() {
        if skipped.len() > 1 && at == skipped[0] {
            let _ = writeln!(
                out,
                "            {} {} more",
                style.ellipsis(),
                skipped.len()
            );
        }
        if skipped.len() > 1 && skipped.contains(&at) {
            continue;
        }
        if let Some(event) = history.events.get(*index) {
            let line = style.cut(&describe::line(event), 9);
            let line = if is_decisive(index) {
                style.bad(&format!("       > {line}"))
            } else {
                format!("         {line}")
            };
            let _ = writeln!(out, "{line}");
        }
    }
}
