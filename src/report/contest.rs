//! The table of shrinkers: how often each came to the shortest plan known, in how many runs.

use std::fmt::Write;

use super::Style;
use crate::defect::contest::{Round, Row, Side};

/// What shrinking is to reach, in percent of all plans, and in runs (median, most).
const MINIMAL: usize = 99;
const RUNS: (u32, u32) = (20, 60);

/// The table, a line for each defect, and its totals.
pub fn contest(rows: &[Row], style: Style) -> String {
    let mut out = format!(
        "{:<27} {:>6} | {:^34} | {:^34}\n{:<27} {:>6} | {:>8} {:>12} {:>12} | {:>8} {:>12} {:>12}\n",
        "",
        "",
        "this shrinker",
        "proptest's own",
        "defect",
        "found",
        "minimal",
        "steps",
        "runs",
        "minimal",
        "steps",
        "runs"
    );
    for row in rows {
        let first: Vec<u32> = row.rounds.iter().map(|r| r.first_steps as u32).collect();
        let (ours, proptests) = sides(&row.rounds);
        let line = format!(
            "{:<27} {:>6} | {} | {}",
            row.defect.name,
            median(&first),
            cells(&ours),
            cells(&proptests)
        );
        let all = ours.iter().all(|side| side.is_minimal()) && row.missed == 0;
        let line = if all { line } else { style.odd(&line) };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{line}");
    }
    let all: Vec<Round> = rows.iter().flat_map(|row| row.rounds.clone()).collect();
    let (ours, proptests) = sides(&all);
    let _ = writeln!(
        out,
        "{:<27} {:>6} | {} | {}",
        "all",
        "",
        cells(&ours),
        cells(&proptests)
    );
    let minimal = ours.iter().filter(|side| side.is_minimal()).count();
    let runs: Vec<u32> = ours.iter().map(|side| side.runs).collect();
    let most = runs.iter().max().copied().unwrap_or_default();
    let is_reached =
        minimal * 100 >= MINIMAL * ours.len() && median(&runs) <= RUNS.0 && most <= RUNS.1;
    let goal = format!(
        "goal: {MINIMAL} of 100 minimal, in at most {} runs (median) and {} (most): {}",
        RUNS.0,
        RUNS.1,
        if is_reached { "reached" } else { "not reached" }
    );
    let paint = if is_reached { Style::good } else { Style::odd };
    let _ = writeln!(out, "{}", paint(style, &goal));
    let missed: u64 = rows.iter().map(|row| row.missed).sum();
    if missed > 0 {
        let _ = writeln!(out, "with {missed} seeds a defect was not found");
    }
    out
}

/// Our plans that are longer than the shortest known.
pub fn longer_than_known(rows: &[Row]) -> String {
    let mut out = String::new();
    for row in rows {
        for Round { seed, ours, .. } in &row.rounds {
            if let Some(fewest) = ours.fewest.filter(|_| !ours.is_minimal()) {
                let _ = writeln!(
                    out,
                    "{} with seed {seed}: {} ({}) is known to show with {fewest} steps, in {} runs \
                     it came to\n{}",
                    row.defect.name, ours.violation.rule, ours.violation.kind, ours.runs, ours.plan
                );
            }
        }
    }
    out
}

fn sides(rounds: &[Round]) -> (Vec<&Side>, Vec<&Side>) {
    rounds.iter().map(|r| (&r.ours, &r.proptests)).unzip()
}

fn cells(sides: &[&Side]) -> String {
    let minimal = sides.iter().filter(|side| side.is_minimal()).count();
    let steps: Vec<u32> = sides
        .iter()
        .map(|side| side.plan.steps.len() as u32)
        .collect();
    let runs: Vec<u32> = sides.iter().map(|side| side.runs).collect();
    let with_most = |of: &[u32]| {
        let most = of.iter().max().copied().unwrap_or_default();
        format!("{} (<={most})", median(of))
    };
    format!(
        "{:>8} {:>12} {:>12}",
        format!("{minimal}/{}", sides.len()),
        with_most(&steps),
        with_most(&runs)
    )
}

fn median(numbers: &[u32]) -> u32 {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
