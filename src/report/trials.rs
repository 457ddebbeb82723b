//! The table of planted defects: which rule caught each, after how many plans, how long a plan.

use std::fmt::Write;

use super::Style;
use crate::defect::Defect;
use crate::defect::trial::Trial;
use crate::verdict::Violation;

/// The table's head.
pub fn trials_head() -> String {
    format!(
        "{:<25} {:<17} {:>6} {:>9} {:>5} {:>8} {:>4}\n",
        "defect", "should break", "caught", "plans", "steps", "shrunk", "runs"
    )
}

/// A defect's row, over the trials with all seeds: medians, and the most plans needed.
pub fn trials_row(defect: &Defect, trials: &[Trial], style: Style) -> String {
    let caught: Vec<_> = trials.iter().filter_map(|t| t.caught.as_ref()).collect();
    let mut rules: Vec<&str> = caught.iter().map(|c| c.violation.rule.id()).collect();
    rules.sort_unstable();
    rules.dedup();
    let plans: Vec<u32> = trials.iter().map(|t| t.plans).collect();
    let most = plans.iter().max().copied().unwrap_or_default();
    let share = format!("{}/{}", caught.len(), trials.len());
    let mut row = format!(
        "{:<25} {:<17} {share:>6} {:>9}",
        defect.name,
        defect.rule.id(),
        format!("{} (<={most})", median(&plans)),
    );
    if !caught.is_empty() {
        let found: Vec<u32> = caught.iter().map(|c| c.first_steps as u32).collect();
        let shrunk: Vec<u32> = caught.iter().map(|c| c.plan.steps.len() as u32).collect();
        let runs: Vec<u32> = caught.iter().map(|c| c.shrink_runs).collect();
        let longest = shrunk.iter().max().copied().unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = write!(
            row,
            " {:>5} {:>8} {:>4}",
            median(&found),
            format!("{} (<={longest})", median(&shrunk)),
            median(&runs)
        );
    }
    let missed = caught.len() < trials.len();
    let mut row = if missed { style.bad(&row) } else { row };
    row.push('\n');
    if !rules.is_empty() && rules != [defect.rule.id()] {
        style.paragraph(&mut row, "  ", &format!("broke {}", rules.join(", ")));
    }
    row
}

/// The row of a defect that cannot be seen of a system, and why.
pub fn not_asked_row(defect: &Defect, why: &str, style: Style) -> String {
    let mut row = format!("{:<25} {:<17} not asked:\n", defect.name, defect.rule.id());
    style.paragraph(&mut row, "  ", why);
    row
}

/// A line on a system that keeps the contract in another way, with the plan that a rule objects
/// to.
pub fn harmless_row(name: &str, what: &str, trial: &Trial, style: Style) -> String {
    let verdict = match trial.caught {
        None => style.good("held"),
        Some(_) => style.bad("violated"),
    };
    let head = format!(
        "{verdict} {name}: {} plans, {} unknown, seed {}; {what}",
        trial.plans, trial.unknown, trial.seed
    );
    let mut out = String::new();
    style.hanging(&mut out, "  ", &head);
    if let Some(caught) = &trial.caught {
        let Violation {
            rule,
            kind,
            observed,
            ..
        } = &caught.violation;
        style.paragraph(&mut out, "  ", &format!("{rule} ({kind}): {observed}"));
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{}", caught.plan);
    }
    out
}

fn median(numbers: &[u32]) -> u32 {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
