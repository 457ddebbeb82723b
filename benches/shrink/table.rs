//! The table of shrinkers: how often each came to the shortest plan known, in how many runs.

use super::contest::{Row, Side};

/// What shrinking is to reach, in percent of all plans, and in runs (median, most).
const MINIMAL: usize = 99;
const RUNS: (usize, usize) = (20, 60);

/// Prints the table, a line for each defect, its totals, and whether the goal is reached.
pub fn print(rows: &[Row]) {
    let sides = format!("{:>8} {:>12} {:>12}", "minimal", "steps", "runs");
    let title = |name: &str| format!("{name:^width$}", width = sides.len());
    let (ours, proptests) = (title("this shrinker"), title("proptest's own"));
    println!("{:<27} {:>6} | {ours} | {proptests}", "", "");
    println!("{:<27} {:>6} | {sides} | {sides}", "defect", "found");
    for row in rows {
        let first = row.rounds.iter().map(|round| round.first_steps);
        line(row.defect.name, &median(first).to_string(), &[row]);
    }
    let rows: Vec<&Row> = rows.iter().collect();
    line("all", "", &rows);

    let ours = our_sides(&rows);
    let minimal = ours.iter().filter(|side| side.is_minimal()).count();
    let runs = || ours.iter().map(|side| side.runs as usize);
    let is_reached = minimal * 100 >= MINIMAL * ours.len()
        && median(runs()) <= RUNS.0
        && runs().max().unwrap_or_default() <= RUNS.1;
    println!(
        "goal: {MINIMAL} of 100 minimal, in at most {} runs (median) and {} (most): {}",
        RUNS.0,
        RUNS.1,
        if is_reached { "reached" } else { "not reached" }
    );
    let missed: usize = rows.iter().map(|row| row.missed).sum();
    if missed > 0 {
        println!("with {missed} seeds a defect was not found");
    }
}

/// Prints our plans that are longer than the shortest known.
pub fn print_longer_than_known(rows: &[Row]) {
    for round in rows.iter().flat_map(|row| &row.rounds) {
        let ours = &round.ours;
        if let Some(fewest) = ours.fewest.filter(|_| !ours.is_minimal()) {
            let shown = &ours.shown;
            println!(
                "{} with seed {}: {} ({}) is known to show with {fewest} steps, in {} runs it came \
                 to\n{}",
                shown.defect, round.seed, shown.rule, shown.kind, ours.runs, shown.plan
            );
        }
    }
}

fn our_sides<'a>(rows: &[&'a Row]) -> Vec<&'a Side> {
    let rounds = rows.iter().flat_map(|row| &row.rounds);
    rounds.map(|round| &round.ours).collect()
}

fn line(name: &str, found: &str, rows: &[&Row]) {
    let rounds = rows.iter().flat_map(|row| &row.rounds);
    let proptests: Vec<&Side> = rounds.map(|round| &round.proptests).collect();
    let (ours, proptests) = (cells(&our_sides(rows)), cells(&proptests));
    println!("{name:<27} {found:>6} | {ours} | {proptests}");
}

fn cells(sides: &[&Side]) -> String {
    let minimal = sides.iter().filter(|side| side.is_minimal()).count();
    let with_most = |of: &dyn Fn(&Side) -> usize| {
        let numbers = || sides.iter().map(|side| of(side));
        let most = numbers().max().unwrap_or_default();
        format!("{} (<={most})", median(numbers()))
    };
    format!(
        "{:>8} {:>12} {:>12}",
        format!("{minimal}/{}", sides.len()),
        with_most(&Side::steps),
        with_most(&|side| side.runs as usize)
    )
}

fn median(numbers: impl Iterator<Item = usize>) -> usize {
    let mut sorted: Vec<usize> = numbers.collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
