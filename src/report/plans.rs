//! What an exploration of all short plans ran, left out and found.

use std::fmt::Write as _;

use super::Style;
use super::summary::{counted, grouped};
use crate::defect::Defect;
use crate::explore::plans::{Level, PlansEnd, Pruned, Summary};
use crate::regression::Seed;

/// The counts of an exploration, by the number of steps, without its violations.
pub fn explored(of: &Summary, style: Style) -> String {
    let mut out = headline(of, style);
    let seeds: Vec<String> = of
        .seeds
        .iter()
        .map(|seed| Seed(*seed).to_string())
        .collect();
    let facts = format!(
        "{}, {} plans a second; alphabet of {} steps for {} and {}, run with seed {}",
        seconds(of),
        grouped((of.run() as f64 / of.took.as_secs_f64().max(1e-3)) as u64),
        of.letters,
        counted(of.clients as u64, "client"),
        counted(of.sessions as u64, "session"),
        seeds.join(", "),
    );
    style.paragraph(&mut out, "  ", &facts);
    row(&mut out, "plans with so many steps", of, style, |level| {
        level.steps as u64
    });
    row(&mut out, "run", of, style, |level| level.run);
    row(&mut out, "  held", of, style, |level| level.held);
    row(&mut out, "  violated", of, style, |level| level.violated);
    row(&mut out, "  unknown", of, style, |level| level.unknown);
    for (at, why) in Pruned::ALL.into_iter().enumerate() {
        row(&mut out, why.words(), of, style, |level| level.pruned[at]);
    }
    row(&mut out, "distinct states led to", of, style, |level| {
        level.states
    });
    if let (Some(level), false) = (of.levels.last(), of.ended == PlansEnd::Covered) {
        let (done, all) = level.begun_from;
        let text = format!(
            "of the plans with {} steps, those that begin with {} of {} shorter ones were run",
            level.steps,
            grouped(done),
            grouped(all)
        );
        style.paragraph(&mut out, "  ", &style.odd(&text));
    }
    for (plan, seed, why) in &of.unknown {
        let text = format!("unknown with seed {}: {why}\n{plan}", Seed(*seed));
        style.paragraph(&mut out, "  ", &style.odd(&text));
    }
    out
}

fn headline(of: &Summary, style: Style) -> String {
    let run = counted(of.run(), "plan");
    let all = match of.covered() {
        0 => "not all plans of any length were run".into(),
        steps => format!(
            "they cover all {} sequences of up to {}",
            grouped(of.spelled as u64),
            counted(steps as u64, "step")
        ),
    };
    let verdict = match (of.ended, of.found.is_empty(), of.unknown.is_empty()) {
        (_, false, _) => style.bad("violated"),
        (PlansEnd::Covered, _, false) => style.odd("not all could be judged"),
        (PlansEnd::Covered | PlansEnd::Violated, ..) => style.good("all held"),
        (PlansEnd::Interrupted, ..) => style.odd("interrupted"),
        (PlansEnd::TimeOver, ..) => style.odd("held as far as there was time"),
        (PlansEnd::MaxPlans, ..) => style.odd("held as far as plans were asked for"),
    };
    let mut out = String::new();
    let text = format!("{} explored: {verdict}; {run} run, {all}", of.target);
    style.hanging(&mut out, "  ", &text);
    out
}

fn seconds(of: &Summary) -> String {
    format!("{:.1} s", of.took.as_secs_f64())
}

fn row(out: &mut String, name: &str, of: &Summary, style: Style, number: impl Fn(&Level) -> u64) {
    let numbers: String = of
        .levels
        .iter()
        .map(|level| format!(" {:>11}", grouped(number(level))))
        .collect();
    let gap = match 42 + numbers.len() <= style.width {
        true => "",
        false => "\n      ",
    };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "  {name:<40}{gap}{numbers}");
}

/// The head of the table of defects and their shortest plans.
pub fn shortest_head() -> String {
    format!(
        "{:<25} {:<17} {:>7} {:>9} {:>10} {:>7}\n",
        "defect", "breaks", "steps", "proven", "plans run", "took"
    )
}

/// A defect's row: the shortest plan that shows it, and whether all shorter ones were tried.
pub fn shortest_row(defect: &Defect, of: &Summary, style: Style) -> String {
    let (broke, steps, proven) = match of.found.first() {
        Some(found) => (
            found.violation.rule.id().to_owned(),
            found.plan.steps.len().to_string(),
            "minimal".to_owned(),
        ),
        None => (
            "-".to_owned(),
            format!("> {}", of.covered()),
            match of.ended {
                PlansEnd::Covered => "not shown".to_owned(),
                _ => "cut short".to_owned(),
            },
        ),
    };
    let row = format!(
        "{:<25} {broke:<17} {steps:>7} {proven:>9} {:>10} {:>7}",
        defect.name,
        grouped(of.run()),
        seconds(of),
    );
    let row = if of.found.is_empty() {
        style.odd(&row)
    } else {
        row
    };
    format!("{row}\n")
}
