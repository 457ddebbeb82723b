//! What a campaign ran and reached, on one screen.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Style, paragraph};
use crate::campaign::{CampaignEnd, Summary, Totals};
use crate::coverage::{Coverage, Sometimes};
use crate::plan::Phase;
use crate::regression::Seed;
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
    totals(&mut out, &of.totals, of.took, style);
    if of.kept_left_out > 0 {
        let text = format!(
            "left out {}, for which there was no time; all of them: shakedown run --target {}",
            counted(of.kept_left_out, "kept plan"),
            of.target
        );
        paragraph(&mut out, "  ", &style.odd(&text));
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
        let replayed = match totals.replayed {
            0 => String::new(),
            n => format!(" ({n} of them kept plans)"),
        };
        let bugs = match self.bugs {
            0 => String::new(),
            1 => " by 1 bug".into(),
            bugs => format!(" by {bugs} bugs"),
        };
        let _ = writeln!(
            out,
            "{} {verdict}: {} plans held{replayed}, {} violated{bugs}, {} unknown; seed {}, {}",
            self.what,
            grouped(totals.held),
            grouped(totals.violated),
            grouped(totals.unknown),
            self.seed,
            self.more,
        );
    }
}

/// What was reached, what was left out, and what could not be judged.
pub(super) fn totals(out: &mut String, of: &Totals, took: Duration, style: Style) {
    if of.coverage.events > 0 {
        reached(out, &of.coverage, took, style);
    }
    for (why, count) in &of.left_out {
        let text = format!("left out {}: {why}", counted(*count, "step"));
        paragraph(out, "  ", &style.odd(&text));
    }
    out.push_str(&not_asked(&of.not_asked, style));
    for unjudged in &of.unjudged {
        let text = format!("unknown: {} ({})", unjudged.why, unjudged.place());
        paragraph(out, "  ", &style.odd(&text));
    }
    let rest = of.unknown.saturating_sub(of.unjudged.len() as u64);
    if rest > 0 {
        let text = format!("and {} more", grouped(rest));
        paragraph(out, "  ", &style.odd(&text));
    }
}

/// What was not asked, a line or two each; nothing where all was.
pub fn not_asked<'a>(of: impl IntoIterator<Item = &'a NotAsked>, style: Style) -> String {
    let mut out = String::new();
    for unasked in of {
        paragraph(&mut out, "  ", &style.odd(&format!("not asked: {unasked}")));
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
    paragraph(out, "  ", &facts.join(", "));
    faults(out, cover);
    phases(out, cover);
    sometimes(out, cover, style);
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
        format!("{:<18}{:>9} {:>11}", "fault", "made", "hit")
    );
    for pair in cells.chunks(2) {
        let _ = writeln!(out, "  {}", pair.join("    "));
    }
}

fn cell(name: &str, made: u64, hits: Option<u64>) -> String {
    let hits = hits.map(grouped).unwrap_or_default();
    format!("{name:<18}{:>9} {hits:>11}", grouped(made))
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
