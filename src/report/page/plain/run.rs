//! One run without its timeline: verdict, circumstances, plan, and what was seen last.

use std::fmt::Write as _;

use super::super::escaped;
use super::super::lanes::Tone;
use super::super::run::Run;
use super::{Made, command, counted, facts, headline, list, not_asked};
use crate::explain::look::{Agreement, Look};
use crate::history::describe::describe;
use crate::invariant::not_asked_of;
use crate::regression::Seed;
use crate::report::summary::grouped;
use crate::verdict::Verdict;

/// So many of the last events are shown.
const LAST: usize = 12;

/// The parts of the page, by their place in its template.
pub fn parts(of: &Run<'_>, last: Option<&Look>) -> [(&'static str, String); 6] {
    [
        ("head", head(of)),
        ("about", about(of)),
        ("plan", plan(of)),
        ("model", last.map_or_else(String::new, model)),
        ("events", events(of)),
        ("unasked", not_asked(&not_asked_of(of.history))),
    ]
}

fn head(of: &Run<'_>) -> String {
    let steps = counted(of.plan.steps.len() as u64, "step");
    let events = counted(of.history.events.len() as u64, "event");
    let on = format!("on {}", of.target);
    let seed = format!("run seed {}", Seed(of.seed));
    match of.verdict {
        Verdict::Held => headline(
            "good",
            "HELD",
            "Every rule held",
            &[on, steps, events, seed],
        ),
        Verdict::Unknown { why } => {
            let facts = [on, steps, events, seed];
            let head = headline("odd", "UNKNOWN", "The harness could not judge", &facts);
            format!("{head}<p>{}</p>", escaped(why))
        }
        Verdict::Violated(violation) => {
            let title = format!("{} ({})", violation.rule, violation.kind);
            let at = format!("{:.3} s into the run", violation.at.as_secs_f64());
            let facts = [on, violation.place(), at, steps, events, seed];
            let side = |class, name, text: &str| {
                format!(
                    "<div class=\"side {class}\"><b>{name}</b>{}</div>",
                    escaped(text)
                )
            };
            let explanation = of.finding.and_then(|finding| finding.explanation.as_ref());
            let summary = explanation.map(|explanation| {
                // It begins with what is above it.
                let all = &*explanation.summary;
                let rest = all
                    .split_once(&*violation.observed)
                    .map_or(all, |(_, rest)| rest);
                escaped(rest.trim_start_matches(['.', ' ']))
            });
            format!(
                "{}<p class=\"muted\">{}</p><div class=\"sides\">{}{}</div>{}",
                headline("bad", "VIOLATED", &title, &facts),
                escaped(violation.rule.words()),
                side("expected", "Expected", &violation.expected),
                side("observed", "Observed", &violation.observed),
                summary.map_or_else(String::new, |text| format!(
                    "<p class=\"summary\">{text}</p>"
                )),
            )
        }
    }
}

fn about(of: &Run<'_>) -> String {
    let made = Made::now();
    let header = of.history.header.as_ref();
    let version = header.map_or(made.version, |header| header.program.clone());
    let time = match header.and_then(|header| header.time_scale) {
        Some(scale) if scale > 0.0 && scale != 1.0 => {
            format!("real, {:.0} times as fast as the system's own", 1.0 / scale)
        }
        Some(_) => "real".into(),
        None if of.target == "sim" => "virtual".into(),
        None => String::new(),
    };
    let facts = facts([
        ("System", of.history.profile().name.clone()),
        (
            "Planted defect",
            header
                .and_then(|header| header.defect.clone())
                .unwrap_or_default(),
        ),
        ("Time", time),
        ("Plan", of.origin.to_owned()),
        ("Version", format!("shakedown {version}")),
        ("Page written", format!("{}, {}", made.when, made.machine)),
    ]);
    let others = of.finding.iter().flat_map(|finding| &finding.others);
    let others = others.map(|other| format!("{} ({})", other.rule, other.kind));
    format!(
        "<h2>Run it again</h2>{}{facts}{}",
        command(of.replay),
        list("Met on the way, each a failure of its own", others)
    )
}

/// The plan, with the steps that were left out.
fn plan(of: &Run<'_>) -> String {
    let steps = of.plan.steps.iter().enumerate().map(|(index, step)| {
        let left_out = of.left_out.iter().find(|(step, _)| *step == index);
        let violated = match of.verdict {
            Verdict::Violated(violation) if violation.step == Some(index) => ", violated here",
            _ => "",
        };
        let more = left_out.map_or_else(String::new, |(_, why)| format!(", left out: {why}"));
        format!("<li>{}</li>", escaped(&format!("{step}{violated}{more}")))
    });
    let sessions = of.plan.sessions.iter();
    let sessions =
        sessions.map(|session| format!("<p>{}</p>", escaped(&format!("session {session}"))));
    format!(
        "<div class=\"title\"><h2>Plan, {}</h2></div><div class=\"plainly mono\">{}<ol>{}</ol></div>",
        counted(of.plan.steps.len() as u64, "step"),
        sessions.collect::<String>(),
        steps.collect::<String>(),
    )
}

/// What the model expected at the end, against what was seen.
fn model(last: &Look) -> String {
    let rows = last.rows.iter().map(|row| {
        let class = match row.agrees {
            Agreement::Agrees => "agrees",
            Agreement::Waits => "waits",
            Agreement::Differs => "differs",
        };
        let cells = [&row.about, &row.expected, &row.observed];
        let cells = cells.map(|text| format!("<td>{}</td>", escaped(text)));
        format!("<tr class=\"{class}\">{}</tr>", cells.concat())
    });
    format!(
        "<div class=\"title\"><h2>Model against observation, at the end</h2></div>\
         <div class=\"body\" tabindex=\"0\" role=\"region\" aria-label=\"What the model expects and what was \
         observed\"><table><thead><tr><th>at {:.1} s</th><th>the model expects</th><th>observed so far</th></tr>\
         </thead><tbody>{}</tbody></table></div>",
        last.at,
        rows.collect::<String>(),
    )
}

/// The last events, the one that violates marked.
fn events(of: &Run<'_>) -> String {
    let events = &of.history.events;
    let violating = match of.verdict {
        Verdict::Violated(violation) if !violation.after_recovery => events.len().checked_sub(1),
        _ => None,
    };
    let mut rows = String::new();
    for (index, event) in events
        .iter()
        .enumerate()
        .skip(events.len().saturating_sub(LAST))
    {
        let (who, text) = describe(&event.what);
        let (class, sign) = match Tone::of(&event.what) {
            _ if Some(index) == violating => (" class=\"violating\"", "✗ "),
            Tone::Plain => ("", ""),
            Tone::Good => (" class=\"good\"", "✓ "),
            Tone::Odd => (" class=\"odd\"", "! "),
            Tone::Bad => (" class=\"bad\"", "✗ "),
        };
        // Writing to a string cannot fail.
        let _ = write!(
            rows,
            "<tr{class}><td>{:.3}</td><td>{}</td><td>{sign}{}</td></tr>",
            event.at.as_secs_f64(),
            escaped(&who),
            escaped(&text),
        );
    }
    format!(
        "<div class=\"title\"><h2>The last {} of {} events</h2></div>\
         <div class=\"body\" tabindex=\"0\" role=\"region\" aria-label=\"The last events\">\
         <table><colgroup><col class=\"when\"><col class=\"who\"><col></colgroup><tbody>{rows}</tbody></table></div>",
        events.len().min(LAST),
        grouped(events.len() as u64),
    )
}
