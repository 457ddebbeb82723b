//! What a campaign ran and reached, on one screen.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Style, reach};
use crate::campaign::{CampaignEnd, Summary, Totals, pace};
use crate::coverage::{Coverage, Sometimes};
use crate::plan::{Phase, StepKind};
use crate::regression::Seed;
use crate::repeat::program;
use crate::verdict::NotAsked;

/// The summary of a campaign, without its violations.
pub fn summary(of: &Summary, style: Style) -> String {
    let mut out = String::new();
    let head = Headline {
        what: style.strong(of.target),
        totals: &of.totals,
        is_violated: !of.found.is_empty(),
        how: ended(of.end, style),
        bugs: 0,
        seed: Seed(of.seed).to_string(),
        more: format!("{:.1} s", of.took.as_secs_f64()),
    };
    head.write(&mut out, style);
    totals(&mut out, &of.totals, of.took, of.end, style);
    for (known, plans) in &of.known {
        let text = match plans {
            0 => format!("known, and gone: {known}; take it off the list if that stays so"),
            plans => format!("known: {known}, in {}", counted(*plans, "plan")),
        };
        style.paragraph(&mut out, "  ", &style.odd(&text));
    }
    if of.kept_left_out > 0 {
        let text = format!(
            "left out {}, for which there was no time; all of them: {} run --target {}",
            counted(of.kept_left_out, "kept plan"),
            program(),
            of.target
        );
        style.paragraph(&mut out, "  ", &style.odd(&text));
    }
    out
}

/// How a campaign ended, where no rule was violated.
pub(super) fn ended(end: CampaignEnd, style: Style) -> Option<String> {
    match end {
        CampaignEnd::Completed | CampaignEnd::AtViolation => None,
        CampaignEnd::Interrupted => Some(style.odd("interrupted")),
        CampaignEnd::GaveUp => Some(style.odd("gave up: the harness failed every time")),
    }
}

/// The first line of a summary.
pub(super) struct Headline<'a> {
    pub(super) what: String,
    pub(super) totals: &'a Totals,
    pub(super) is_violated: bool,
    /// How it ended, where not all that was asked for was done.
    pub(super) how: Option<String>,
    /// How many bugs the violations come to; 0 where they were not distinguished.
    pub(super) bugs: usize,
    pub(super) seed: String,
    pub(super) more: String,
}

impl Headline<'_> {
    pub(super) fn write(&self, out: &mut String, style: Style) {
        let totals = self.totals;
        let verdict = match &self.how {
            _ if self.is_violated => style.bad("violated"),
            Some(how) => how.clone(),
            None if totals.unknown > 0 => style.odd("not all could be judged"),
            None => style.good("all held"),
        };
        let kept = match totals.replayed {
            0 => String::new(),
            n => format!(" ({} kept, {} new)", grouped(n), grouped(totals.cases)),
        };
        let bugs = match self.bugs {
            0 => String::new(),
            1 => " by 1 bug".into(),
            bugs => format!(" by {bugs} bugs"),
        };
        let text = format!(
            "{} {verdict}: {} plans held, {} violated{bugs}, {} unknown{kept}; seed {}, {}",
            self.what,
            grouped(totals.held),
            grouped(totals.violated),
            grouped(totals.unknown),
            self.seed,
            self.more,
        );
        style.hanging(out, "  ", &text);
    }
}

/// What was reached, what was left out, and what could not be judged.
pub(super) fn totals(
    out: &mut String,
    of: &Totals,
    took: Duration,
    end: CampaignEnd,
    style: Style,
) {
    if of.coverage.events > 0 {
        reached(out, &of.coverage, took, style);
        reach::rules(out, of, style);
        // One that ended at its first violation had no time to reach more.
        let is_whole = end != CampaignEnd::AtViolation;
        if is_whole {
            reach::pairs(out, &of.coverage, &of.ruled_out, style);
        }
        sometimes(out, &of.coverage, is_whole, style);
    }
    for (why, count) in &of.left_out {
        let text = format!("left out {}: {why}", counted(*count, "step"));
        style.paragraph(out, "  ", &style.odd(&text));
    }
    out.push_str(&not_served(&of.coverage, style));
    out.push_str(&not_asked(&of.not_asked, style));
    if end != CampaignEnd::AtViolation {
        out.push_str(&not_asked(&pace::not_asked(of), style));
    }
    for unjudged in &of.unjudged {
        let text = format!("unknown: {} ({})", unjudged.why, unjudged.place());
        style.paragraph(out, "  ", &style.odd(&text));
    }
    let rest = of.unknown.saturating_sub(of.unjudged.len() as u64);
    if rest > 0 {
        let text = format!("and {} more", grouped(rest));
        style.paragraph(out, "  ", &style.odd(&text));
    }
}

/// What was not asked, a line or two each; nothing where all was.
pub fn not_asked<'a>(of: impl IntoIterator<Item = &'a NotAsked>, style: Style) -> String {
    let mut out = String::new();
    for unasked in of {
        style.paragraph(&mut out, "  ", &style.odd(&format!("not asked: {unasked}")));
    }
    out
}

/// What was asked of services that are not served, a line each.
pub(crate) fn not_served(cover: &Coverage, style: Style) -> String {
    let mut out = String::new();
    for (call, count) in &cover.not_served {
        let times = counted(*count, "time");
        let text = format!("not served: {call}, asked {times} and refused");
        style.paragraph(&mut out, "  ", &style.odd(&text));
    }
    out
}

/// What plans reached in so much time.
fn reached(out: &mut String, cover: &Coverage, took: Duration, style: Style) {
    let seconds = took.as_secs_f64().max(1e-3);
    let rate = (cover.steps as f64 / seconds) as u64;
    let facts = [
        counted(cover.plans, "plan"),
        counted(cover.steps, "step"),
        format!("{} a second", counted(rate, "step")),
        counted(cover.events, "event"),
        counted(cover.git_pushes, "git push"),
        counted(cover.git_fetches, "git fetch"),
        counted(cover.s3_requests, "S3 request"),
        counted(cover.agent_requests, "agent request"),
        counted(cover.deliveries, "message delivery"),
        counted(cover.dead_letters, "dead letter"),
        counted(cover.deaths, "container death"),
    ];
    style.paragraph(out, "  ", &facts.join(", "));
    faults(out, cover, style);
    phases(out, cover, style);
}

/// Each fault's count, two to a line where they have room.
fn faults(out: &mut String, cover: &Coverage, style: Style) {
    let mut cells: Vec<String> = cover
        .faults
        .iter()
        .map(|(name, count)| cell(name, count.injected, Some(count.hits)))
        .collect();
    for name in StepKind::disturbing_at_once() {
        if let Some(by_phase) = cover.disturbed.get(name) {
            let count = by_phase.idle + by_phase.phases.iter().sum::<u64>();
            cells.push(cell(name, count, None));
        }
    }
    if cells.is_empty() {
        return;
    }
    let head = format!("{:<18}{:>8} {:>10}", "fault", "made", "hit");
    style.columns(out, &head, &cells);
}

fn cell(name: &str, made: u64, hits: Option<u64>) -> String {
    let hits = hits.map(grouped).unwrap_or_default();
    format!("{name:<18}{:>8} {hits:>10}", grouped(made))
}

/// What happened in each phase, in as many tables below each other as the width needs.
fn phases(out: &mut String, cover: &Coverage, style: Style) {
    if cover.phases.is_empty() {
        return;
    }
    let died = |phase| {
        let rows = ["crash", "out-of-memory", "workspace-lost", "exit"];
        let of = |row| cover.disturbed.get(row).map_or(0, |by| by.of(phase));
        rows.into_iter().map(of).sum()
    };
    let mut rows = ["phase", "entered", "died in"].map(|name| format!("  {name:<8}"));
    let names = rows.clone();
    for phase in Phase::ALL {
        let entered = cover.phases.get(&phase).copied().unwrap_or_default();
        let cells = [phase.to_string(), grouped(entered), grouped(died(phase))];
        let width = cells.iter().map(String::len).max().unwrap_or_default() + 1;
        if rows[0].len() + width > style.width {
            let _ = writeln!(out, "{}", rows.join("\n"));
            rows.clone_from(&names);
        }
        for (row, cell) in rows.iter_mut().zip(cells) {
            let _ = write!(row, "{cell:>width$}");
        }
    }
    let _ = writeln!(out, "{}", rows.join("\n"));
}

fn sometimes(out: &mut String, cover: &Coverage, lists_missing: bool, style: Style) {
    let missing = cover.not_reached();
    let all = Sometimes::all().count();
    let _ = writeln!(out, "  sometimes: {} of {all} reached", all - missing.len());
    if !missing.is_empty() && lists_missing {
        let names: Vec<String> = missing.iter().map(Sometimes::to_string).collect();
        let text = format!("not reached: {}", names.join(", "));
        style.paragraph(out, "    ", &style.odd(&text));
    }
}

/// So many of something, whose name is given for one.
pub(super) fn counted(n: u64, name: &str) -> String {
    let many = match name {
        _ if n == 1 => name.to_owned(),
        _ if name.ends_with("sh") || name.ends_with("ch") => format!("{name}es"),
        _ => match name.strip_suffix('y') {
            Some(stem) => format!("{stem}ies"),
            None => format!("{name}s"),
        },
    };
    format!("{} {many}", grouped(n))
}

/// A number with its thousands set apart.
pub(super) fn grouped(n: u64) -> String {
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
