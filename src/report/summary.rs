//! What a campaign ran and reached, on one screen.

use std::fmt::Write as _;

use super::{Style, paragraph};
use crate::campaign::Summary;
use crate::coverage::{Coverage, Sometimes};
use crate::plan::Phase;
use crate::regression::Seed;

/// The summary of a campaign, without its violations.
pub fn summary(of: &Summary, style: Style) -> String {
    let cover = &of.coverage;
    let mut out = String::new();
    headline(&mut out, of, style);
    if cover.events > 0 {
        reached(&mut out, of, style);
    }
    for (why, count) in &of.left_out {
        let text = format!("left out {} steps: {why}", grouped(*count));
        paragraph(&mut out, "  ", &style.odd(&text));
    }
    for unjudged in &of.unknown {
        let text = format!("unknown: {} ({})", unjudged.why, unjudged.file.display());
        paragraph(&mut out, "  ", &style.odd(&text));
    }
    out
}

fn reached(out: &mut String, of: &Summary, style: Style) {
    let cover = &of.coverage;
    let seconds = of.took.as_secs_f64().max(1e-3);
    let facts = [
        (cover.plans, "plans"),
        (cover.steps, "steps"),
        ((cover.steps as f64 / seconds) as u64, "steps a second"),
        (cover.events, "events"),
        (cover.git_pushes, "git pushes"),
        (cover.git_fetches, "git fetches"),
        (cover.s3_requests, "S3 requests"),
        (cover.agent_requests, "agent requests"),
        (cover.deliveries, "deliveries"),
        (cover.dead_letters, "dead letters"),
        (cover.deaths, "container deaths"),
    ];
    let facts = facts.map(|(count, name)| format!("{} {name}", grouped(count)));
    paragraph(out, "  ", &facts.join(", "));
    faults(out, cover);
    phases(out, cover);
    sometimes(out, cover, style);
}

fn headline(out: &mut String, of: &Summary, style: Style) {
    let verdict = if !of.found.is_empty() {
        style.bad(&format!("{} violated", of.found.len()))
    } else if of.interrupted {
        style.odd("interrupted")
    } else if of.gave_up {
        style.odd("gave up: the harness failed every time")
    } else if !of.unknown.is_empty() {
        style.odd("not all could be judged")
    } else {
        style.good("all held")
    };
    let replayed = match of.replayed {
        0 => String::new(),
        n => format!(" ({n} of them kept plans)"),
    };
    let _ = writeln!(
        out,
        "{} {verdict}: {} plans held{replayed}, {} violated, {} unknown; seed {}, {:.1} s",
        style.strong(of.target),
        grouped(of.held),
        of.found.len(),
        of.unknown.len(),
        Seed(of.seed),
        of.took.as_secs_f64(),
    );
}

/// Each fault's count, two to a line.
fn faults(out: &mut String, cover: &Coverage) {
    let mut cells: Vec<String> = cover
        .faults
        .iter()
        .map(|(name, count)| cell(name, count.injected, Some(count.hits)))
        .collect();
    for name in ["crash", "workspace-lost", "push-from-outside", "redeliver"] {
        if let Some(by_phase) = cover.disturbed.get(name) {
            let count = by_phase.idle + by_phase.phases.iter().sum::<u64>();
            cells.push(cell(name, count, None));
        }
    }
    if cells.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "  {0}    {0}",
        format!("{:<18}{:>9}{:>9}", "fault", "made", "hit")
    );
    for pair in cells.chunks(2) {
        let _ = writeln!(out, "  {}", pair.join("    "));
    }
}

fn cell(name: &str, made: u64, hits: Option<u64>) -> String {
    let hits = hits.map(grouped).unwrap_or_default();
    format!("{name:<18}{:>9}{hits:>9}", grouped(made))
}

fn phases(out: &mut String, cover: &Coverage) {
    if cover.phases.is_empty() {
        return;
    }
    let row = |out: &mut String, name: &str, cells: [String; 8], last: &str| {
        let _ = write!(out, "  {name:<8}");
        for cell in cells {
            let _ = write!(out, "{cell:>11}");
        }
        let _ = writeln!(out, "{last}");
    };
    row(out, "phase", Phase::ALL.map(|phase| phase.to_string()), "");
    let entered = |phase| cover.phases.get(&phase).copied().unwrap_or_default();
    row(
        out,
        "entered",
        Phase::ALL.map(|phase| grouped(entered(phase))),
        "",
    );
    let died = |phase| {
        let rows = ["crash", "out-of-memory", "workspace-lost", "exit"];
        let of = |row| cover.disturbed.get(row).map_or(0, |by| by.of(phase));
        rows.into_iter().map(of).sum()
    };
    row(
        out,
        "died in",
        Phase::ALL.map(|phase| grouped(died(phase))),
        "",
    );
}

fn sometimes(out: &mut String, cover: &Coverage, style: Style) {
    let missing = cover.not_reached();
    let all = Sometimes::all().count();
    let _ = writeln!(out, "  sometimes: {} of {all} reached", all - missing.len());
    if !missing.is_empty() {
        let names: Vec<String> = missing.iter().map(Sometimes::to_string).collect();
        let text = format!("not reached: {}", names.join(", "));
        paragraph(out, "    ", &style.odd(&text));
    }
}

/// A number with its thousands set apart.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
