//! The table of planted defects: which rule caught each, after how many plans, how long a plan.

use std::fmt::Write;

use super::Style;
use crate::defect::Defect;
use crate::defect::trial::Trial;

/// The table's head.
pub fn trials_head() -> String {
    format!(
        "{:<26} {:<18} {:<18} {:>7} {:>11} {:>9} {:>9} {:>7}\n",
        "defect", "should break", "broke", "caught", "plans", "found at", "shrunk to", "runs"
    )
}

/// A defect's row, over the trials with all seeds: medians, and the most plans needed.
pub fn trials_row(defect: &Defect, trials: &[Trial], style: Style) -> String {
    let caught: Vec<_> = trials.iter().filter_map(|t| t.caught.as_ref()).collect();
    let mut rules: Vec<&str> = caught.iter().map(|c| c.violation.rule.id()).collect();
    rules.sort_unstable();
    rules.dedup();
    let first = match (caught.len(), rules.as_slice()) {
        (0, _) => "-".to_owned(),
        (_, [one]) => (*one).to_owned(),
        (_, several) => format!("{} and {}", several[0], several.len() - 1),
    };
    let plans: Vec<u32> = trials.iter().map(|t| t.plans).collect();
    let most = plans.iter().max().copied().unwrap_or_default();
    let share = format!("{}/{}", caught.len(), trials.len());
    let mut row = format!(
        "{:<26} {:<18} {first:<18} {share:>7} {:>11}",
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
            " {:>9} {:>9} {:>7}",
            median(&found),
            format!("{} (<={longest})", median(&shrunk)),
            median(&runs)
        );
    }
    let missed = caught.len() < trials.len();
    let row = if missed { style.bad(&row) } else { row };
    format!("{row}\n")
}

/// The row of a defect that cannot be seen of a system, and why.
pub fn not_asked_row(defect: &Defect, why: &str) -> String {
    format!(
        "{:<26} {:<18} not asked: {why}\n",
        defect.name,
        defect.rule.id()
    )
}

/// A line on a system that keeps the contract in another way, with the plan that a rule objects
/// to.
pub fn harmless_row(name: &str, what: &str, trial: &Trial, style: Style) -> String {
    let row = format!(
        "{name:<20} {:>5} plans, {} unknown, seed {:<4}  {what}",
        trial.plans, trial.unknown, trial.seed
    );
    match &trial.caught {
        None => format!("{} {row}\n", style.good("held")),
        Some(caught) => format!(
            "{} {row}\n  {} ({}): {}\n{}\n",
            style.bad("violated"),
            caught.violation.rule,
            caught.violation.kind,
            caught.violation.observed,
            caught.plan
        ),
    }
}

fn median(numbers: &[u32]) -> u32 {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
