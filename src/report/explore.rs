//! The report of an exploration: how far it went, what it reached, and a counterexample as a plan.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::Style;
use crate::coverage::Sometimes;
use crate::explore::mutant::Planted;
use crate::explore::nearby::Shown;
use crate::explore::run::{Explored, Failure, SearchEnd};
use crate::explore::search::Wrong;
use crate::explore::story::{self, Story};
use crate::explore::verify::Second;
use crate::invariant::{Check, INVARIANTS};
use crate::plan::Plan;
use crate::regression::Seed;

/// What an exploration covered and found.
pub fn exploration(explored: &Explored, style: Style) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_exploration(&mut text, explored, style);
    text
}

/// Whether stateright saw the same.
pub fn second_opinion(explored: &Explored, second: &Second, style: Style) -> String {
    let how = match second.agrees(explored) {
        Some(true) => style.good("AGREED, stateright sees the same"),
        Some(false) => style.bad("DIFFERENT, stateright does not see the same: please report it"),
        None => style.odd("NOT COMPLETE: interrupted before stateright had seen every state"),
    };
    format!(
        "{how}\n  {} distinct states, {} transitions, to depth {}; {}\n",
        second.states,
        second.transitions,
        second.depth,
        if second.holds {
            "every rule holds"
        } else {
            "a rule breaks"
        },
    )
}

fn write_exploration(to: &mut String, explored: &Explored, style: Style) -> std::fmt::Result {
    let now = &explored.progress;
    if let Some(failure) = &explored.failure {
        write_failure(to, explored, failure, style)?;
        let plan = story_of(explored, failure).plan;
        writeln!(
            to,
            "\nAs a plan, for `shakedown replay FILE --target sim`:\n{plan}"
        )?;
    }
    let how = match explored.ended {
        SearchEnd::Complete => style.good("HELD, every reachable state seen"),
        SearchEnd::Found => style.bad("VIOLATED"),
        SearchEnd::States => style.odd("NOT COMPLETE: the bound on states was reached"),
        SearchEnd::Time => style.odd("NOT COMPLETE: the bound on time was reached"),
        SearchEnd::Memory => style.odd("NOT COMPLETE: the bound on memory was reached"),
        SearchEnd::Interrupted => style.odd("NOT COMPLETE: interrupted"),
    };
    writeln!(to, "{how}")?;
    let facts = format!(
        "{} distinct states, {} transitions, to depth {}, in {:.1} s: {:.0} states/s; {} MiB\n\
         made of {} situations of a client and {} of the breaker, up to a renaming of clients\n\
         recovery followed from every one: {} more states, the longest in {} steps",
        now.states,
        explored.transitions,
        now.depth,
        now.time.as_secs_f64(),
        now.states as f64 / now.time.as_secs_f64(),
        now.memory >> 20,
        explored.parts,
        explored.breakers,
        explored.recovering,
        explored.longest_recovery,
    );
    style.paragraph(to, "  ", &facts);
    if explored.failure.is_none() {
        write_rules(to, style);
    }
    write_reached(to, explored, style)
}

fn write_rules(to: &mut String, style: Style) {
    let of = |always: bool| -> String {
        let rules = INVARIANTS.iter();
        let rules = rules.filter(|i| matches!(i.check, Check::Always(_)) == always);
        let mut ids: Vec<&str> = rules.map(|i| i.rule.id()).collect();
        // A rule has several parts.
        let mut listed = BTreeSet::new();
        ids.retain(|id| listed.insert(*id));
        ids.join(", ")
    };
    style.paragraph(to, "  ", &format!("always: {}", of(true)));
    let text = format!(
        "after recovery, on every path and in bounded steps: {}",
        of(false)
    );
    style.paragraph(to, "  ", &text);
}

fn write_reached(to: &mut String, explored: &Explored, style: Style) -> std::fmt::Result {
    let reached: Vec<String> = explored
        .reached
        .iter()
        .map(|(entry, path)| format!("{entry} ({})", path.steps.len() + 1))
        .collect();
    let all = Sometimes::all().count();
    let text = format!(
        "sometimes: {} of {all} reached, with the steps of the shortest path: {}",
        reached.len(),
        reached.join(", ")
    );
    style.paragraph(to, "  ", &text);
    let missed: Vec<String> = Sometimes::all()
        .filter(|entry| explored.reached.iter().all(|(other, _)| other != entry))
        .map(|entry| {
            let why = why_not(entry, explored);
            format!("{entry}: {why}")
        })
        .collect();
    if !missed.is_empty() {
        writeln!(to, "  {}", style.odd("not reached:"))?;
        style.paragraph(to, "    ", &missed.join("\n"));
    }
    Ok(())
}

/// Why an entry was not reached.
fn why_not(entry: Sometimes, explored: &Explored) -> String {
    let missing = explored.exploration.space.scope.lacks(entry);
    match (missing.is_empty(), explored.ended) {
        (false, _) => format!("out of scope; needs {}", missing.join(" ")),
        (true, SearchEnd::Complete) => "not reachable in this scope".into(),
        (true, _) => "not reached before the end".into(),
    }
}

fn write_failure(
    to: &mut String,
    explored: &Explored,
    failure: &Failure,
    style: Style,
) -> std::fmt::Result {
    let story = story_of(explored, failure);
    let what = match failure.what {
        Wrong::Breaks(rule) => format!("{rule}: {}", rule.words()),
        Wrong::RecoveryBreaks(rule) => {
            format!("{rule}, on a way to recovery: {}", rule.words())
        }
        Wrong::Circles => "recovers: after everything is healed it never settles".into(),
    };
    style.hanging(to, "  ", &format!("{} {what}", style.bad("VIOLATED")));
    if let Some(broken) = &story.broken {
        style.paragraph(to, "  ", &format!("expected: {}", broken.breach.expected));
        style.paragraph(to, "  ", &format!("observed: {}", broken.breach.observed));
    }
    if story.broken.as_ref().map(|broken| broken.rule) != failure.rule() {
        let text = "the judge of whole histories does not say the same of this path";
        writeln!(to, "  {}", style.odd(text))?;
    }
    writeln!(to, "\nStep by step, the tester's without indent:")?;
    for act in &story.acts {
        writeln!(to, "  {act}")?;
    }
    Ok(())
}

/// The story of a failure.
pub fn story_of(explored: &Explored, failure: &Failure) -> Story {
    let steps = &failure.path.steps;
    story::build(&explored.exploration, steps, failure.is_in_recovery())
}

/// The head of the table of mutants.
pub fn mutants_head() -> String {
    format!(
        "{:<28} {:<6} {:<28} {:>5} {:>8}\n",
        "mutant", "", "property", "depth", "states"
    )
}

/// What a mutant breaks, and a plan that shows it; the plan with which the worker breaks the same
/// rule, where it was given the same mistake.
pub fn mutant(
    planted: &Planted,
    explored: &Explored,
    shown: Option<&Shown>,
    style: Style,
) -> String {
    let mut text = format!("{}: {}\n", planted.name, planted.what);
    let Some(failure) = &explored.failure else {
        return text;
    };
    // Writing to a string cannot fail.
    let _ = write_failure(&mut text, explored, failure, style);
    let _ = match (planted.defect, shown) {
        (Some(defect), Some(shown)) => writeln!(
            text,
            "\nAs a plan. The worker with the same mistake breaks {} in it, by \
             `shakedown replay FILE --defect {defect}`:\n{}",
            shown.violation.rule,
            shown_plan(planted, shown)
        ),
        (Some(defect), None) => writeln!(
            text,
            "\nAs a plan. No plan near to it shows the same on sim with `--defect {defect}`:\n{}",
            story_of(explored, failure).plan
        ),
        (None, _) => writeln!(
            text,
            "\nAs a plan. No planted defect of the worker is the same mistake:\n{}",
            story_of(explored, failure).plan
        ),
    };
    text
}

/// The plan with which the worker shows a mutant, with what `shakedown replay` is to know.
pub fn shown_plan(planted: &Planted, shown: &Shown) -> String {
    let plan = Plan {
        comments: vec![
            (
                0,
                format!(
                    " violates {} on sim; found by explore --mutant {}",
                    shown.violation.rule, planted.name
                ),
            ),
            (0, format!(" seed {}", Seed(shown.seed))),
        ],
        ..shown.plan.clone()
    };
    plan.to_string()
}

/// A mutant's row.
pub fn mutants_row(planted: &Planted, explored: &Explored, style: Style) -> String {
    let (caught, property, depth) = match &explored.failure {
        None => (style.bad("MISSED"), "-".to_owned(), explored.progress.depth),
        Some(failure) => {
            let property = match failure.what {
                Wrong::Breaks(rule) => rule.id().to_owned(),
                Wrong::RecoveryBreaks(rule) => format!("{rule} in recovery"),
                Wrong::Circles => "recovers".to_owned(),
            };
            let depth = failure.path.steps.len();
            (style.good("caught"), property, depth)
        }
    };
    let mut row = format!(
        "{:<28} {caught} {property:<28} {depth:>5} {:>8}\n",
        planted.name, explored.progress.states
    );
    style.paragraph(&mut row, "  ", planted.what);
    row
}
