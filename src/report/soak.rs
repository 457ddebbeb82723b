//! What a soak came to, on one machine or on many: its bugs, each once, and its figures.

use std::fmt::Write as _;
use std::time::Duration;

use super::Style;
use super::summary::{Headline, counted, ended, totals};
use crate::campaign::{CampaignEnd, Failures, Quarters, Shard, Totals};
use crate::finding::Finding;
use crate::finding::family::Family;
use crate::repeat::Setup;
use crate::soak::{Identity, Merged, News, SoakOutcome};

/// Memory that grew by more than this share, and at least by [`GROWN_BYTES`], is marked as odd.
const GROWN: f64 = 1.1;
const GROWN_BYTES: u64 = 8 << 20;
/// So is a rate that fell below this share of what it was.
const SLOWED: f64 = 0.9;

/// One thing that happened while a soak goes on.
pub fn soak_news(news: &News<'_>, replay: &str, style: Style) -> String {
    let mut out = String::new();
    match news {
        News::Resumed(state) => {
            let text = format!(
                "going on with the soak of seed {}: {} done, {} found, start {}",
                state.identity.seed,
                counted(state.done, "case"),
                counted(state.totals.families().count() as u64, "bug"),
                state.starts,
            );
            style.hanging(&mut out, "  ", &text);
        }
        News::Bug(bug) => {
            let violation = &bug.violation;
            let text = format!(
                "{} {} ({}) by case {}: {}, {} after {} of shrinking; kept in {}",
                style.bad("VIOLATED"),
                style.strong(violation.rule.id()),
                violation.kind,
                bug.case().unwrap_or_default(),
                counted(bug.first_steps as u64, "step"),
                bug.plan.steps.len(),
                counted(bug.shrink_runs.into(), "run"),
                bug.file.display(),
            );
            style.hanging(&mut out, "  ", &text);
            let _ = writeln!(out, "  {replay}");
        }
        News::Known(known) => {
            let _ = writeln!(
                out,
                "{} {} ({}) by the kept plan {}",
                style.bad("VIOLATED"),
                style.strong(known.violation.rule.id()),
                known.violation.kind,
                known.file.display(),
            );
        }
    }
    out
}

/// The end of a soak. `replay` gives the command that runs a bug's plan again.
pub fn soak(of: &SoakOutcome, replay: &dyn Fn(&Finding) -> String, style: Style) -> String {
    let state = &of.state;
    let mut out = String::new();
    bugs(&mut out, &state.identity, &state.totals, replay, style);
    let shard = match state.shard {
        Shard::WHOLE => String::new(),
        shard => format!("shard {shard}, "),
    };
    let starts = match state.starts {
        1 => String::new(),
        starts => format!(" in {}", counted(starts.into(), "start")),
    };
    let worked = Duration::from_millis(state.worked_ms);
    let text = format!(
        "{shard}{:.1} s at work{starts}",
        state.worked_ms as f64 / 1000.0
    );
    let own = headline(&state.identity, &state.totals, text, style);
    let head = Headline {
        is_violated: own.is_violated || !of.pending.is_empty(),
        how: ended(of.end, style),
        ..own
    };
    head.write(&mut out, style);
    totals(&mut out, &state.totals, worked, of.end, style);
    if let Some(quarters) = state.samples.quarters() {
        let text = figures(&quarters);
        let text = if is_worse(&quarters) {
            style.odd(&text)
        } else {
            text
        };
        style.paragraph(&mut out, "  ", &text);
    }
    if !of.pending.is_empty() {
        let cases: Vec<String> = of.pending.iter().map(u64::to_string).collect();
        let text = format!(
            "cut off while shrinking what broke a rule in case {}: `--resume` goes on with it",
            cases.join(", ")
        );
        style.paragraph(&mut out, "  ", &style.odd(&text));
    }
    out
}

/// The shards of a soak as one.
pub fn merged(of: &Merged, replay: &dyn Fn(&Finding) -> String, style: Style) -> String {
    let mut out = String::new();
    bugs(&mut out, &of.identity, &of.totals, replay, style);
    let text = format!("{} of {} shards", of.parts.len(), of.shards);
    let head = Headline {
        how: (!of.missing.is_empty()).then(|| style.odd("not all is here")),
        ..headline(&of.identity, &of.totals, text, style)
    };
    head.write(&mut out, style);
    // The shards worked side by side.
    let longest = of.parts.iter().map(|part| part.worked_ms).max();
    let took = Duration::from_millis(longest.unwrap_or_default());
    totals(&mut out, &of.totals, took, CampaignEnd::Completed, style);
    for part in &of.parts {
        let figures = part.quarters.as_ref().map(figures).unwrap_or_default();
        let ended = if part.is_complete {
            ""
        } else {
            "ended before its time; "
        };
        let text = format!(
            "shard {}: {ended}{} in {:.1} s and {}; {figures}",
            part.shard,
            counted(part.cases, "case"),
            part.worked_ms as f64 / 1000.0,
            counted(part.starts.into(), "start"),
        );
        style.paragraph(&mut out, "  ", text.trim_end_matches("; "));
    }
    if !of.missing.is_empty() {
        let missing: Vec<String> = of.missing.iter().map(u32::to_string).collect();
        let text = format!(
            "missing: {} {} of {}; their cases count as not run",
            if missing.len() == 1 {
                "shard"
            } else {
                "the shards"
            },
            missing.join(", "),
            of.shards
        );
        style.paragraph(&mut out, "  ", &style.bad(&text));
    }
    out
}

fn headline<'a>(
    identity: &Identity,
    totals: &'a Totals,
    more: String,
    style: Style,
) -> Headline<'a> {
    let Setup { target, .. } = &identity.setup;
    Headline {
        what: style.strong(&format!("{target} soak")) + &identity.setup.options(),
        totals,
        is_violated: totals.violated > 0 || !identity.violated_by_all(totals).is_empty(),
        how: None,
        bugs: totals.families().count(),
        seed: identity.seed.clone(),
        more,
    }
}

/// Every bug once, with its smallest plan.
fn bugs(
    out: &mut String,
    identity: &Identity,
    totals: &Totals,
    replay: &dyn Fn(&Finding) -> String,
    style: Style,
) {
    for known in &totals.known {
        let _ = writeln!(
            out,
            "{} {} ({}) by the kept plan {}\n",
            style.bad("VIOLATED"),
            style.strong(known.violation.rule.id()),
            known.violation.kind,
            known.file.display(),
        );
    }
    let mut bug = |bug: &Finding, times: &str| {
        let violation = &bug.violation;
        let _ = writeln!(
            out,
            "{} {} ({})",
            style.bad("VIOLATED"),
            style.strong(violation.rule.id()),
            violation.kind
        );
        style.paragraph(out, "  ", times);
        super::plan_lines(out, &bug.plan, violation, style);
        style.paragraph(out, "  ", &format!("expected: {}", violation.expected));
        style.paragraph(out, "  ", &format!("observed: {}", violation.observed));
        let _ = writeln!(out, "  {}\n", replay(bug));
    };
    for (failures, family) in totals.families() {
        bug(family[0], &times(failures, &family));
    }
    for found in identity.violated_by_all(totals) {
        bug(&found, &found.provenance());
    }
}

/// How often a bug was seen.
pub(super) fn times(failures: &Failures, family: &Family<'_>) -> String {
    let bug = family[0];
    let times: usize = family.iter().map(|bug| failures.times(bug)).sum();
    let first = family.iter().filter_map(|bug| bug.case()).min();
    let mut text = format!(
        "first in case {}; {times} of {} that broke this rule in this way",
        first.unwrap_or_default(),
        counted(failures.count, "case"),
    );
    if failures.not_distinguished() > 0 {
        let _ = write!(
            text,
            " (the first {} were distinguished)",
            failures.seen.len()
        );
    }
    if bug.reproduced != (1, 1) {
        let (shown, of) = bug.reproduced;
        let _ = write!(text, "; violated in {shown} of {of} runs");
    }
    if !bug.others.is_empty() {
        let mut others: Vec<String> = bug
            .others
            .iter()
            .map(|other| format!("{} ({})", other.rule, other.kind))
            .collect();
        others.dedup();
        let _ = write!(text, "; smaller plans met {}", others.join(", "));
    }
    if family.len() > 1 {
        let ids: Vec<&str> = family[1..].iter().map(|bug| &*bug.id).take(3).collect();
        let rest = if family.len() > 4 { ", and so on" } else { "" };
        let count = counted(family.len() as u64 - 1, "more plan");
        let _ = write!(
            text,
            "; {count} with these kinds of step and others: {}{rest}",
            ids.join(", ")
        );
    }
    text
}

fn figures(of: &Quarters) -> String {
    let memory = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    format!(
        "first quarter against last: {:.0} and {:.0} plans a second, {:.0} and {:.0} for a second of \
         the processor, {:.1} and {:.1} MB of memory",
        of.first_rate,
        of.last_rate,
        of.first_cpu_rate,
        of.last_cpu_rate,
        memory(of.first_memory),
        memory(of.last_memory),
    )
}

fn is_worse(of: &Quarters) -> bool {
    let has_grown = of.last_memory as f64 > of.first_memory as f64 * GROWN
        && of.last_memory > of.first_memory + GROWN_BYTES;
    // Other programs slow it too; that is not its own doing.
    has_grown || of.last_cpu_rate < of.first_cpu_rate * SLOWED
}
