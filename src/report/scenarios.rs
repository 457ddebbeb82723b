//! The results of scenarios: a line for each, and of those that failed what was expected and seen.

use std::fmt::Write as _;

use super::Style;
use super::checks::{Check, CheckResult, CheckRun};
use super::summary::counted;
use crate::history::describe;
use crate::regression::Seed;
use crate::scenario::{Count, Expectation, Grade, Scenario, ScenarioRun, Sight, Since, Unmet, Why};
use crate::verdict::Verdict;

/// A scenario's line, and below it why it did not pass. A violated rule is reported by
/// [`super::violation`]. `repeat` is the command that runs it again.
pub fn scenario(of: &ScenarioRun, repeat: &str, style: Style) -> String {
    let word = match of.grade() {
        Grade::Passed => style.good("PASSED "),
        Grade::Failed => style.bad("FAILED "),
        Grade::Unknown => style.odd("UNKNOWN"),
    };
    let Scenario { number, name, .. } = of.scenario;
    let mut out = String::new();
    let head = format!(
        "{word} {number:>2} {}: {} of {} expectations met; {}",
        style.strong(name),
        of.scenario.expect.len() - of.unmet.len(),
        of.scenario.expect.len(),
        watched(of)
    );
    style.hanging(&mut out, "           ", &head);
    for text in of_the_run(of) {
        style.paragraph(&mut out, "  ", &text);
    }
    for unmet in &of.unmet {
        self::unmet(&mut out, unmet, style);
    }
    if of.grade() != Grade::Passed {
        let _ = writeln!(
            out,
            "  {} on {}, run seed {}\n    {repeat}",
            style.strong("Repeat it"),
            of.target,
            Seed(of.seed)
        );
    }
    out
}

/// The same as a check of several. `page` is the link to its run's page.
pub fn scenario_check(of: &ScenarioRun, repeat: &str, seconds: f64, page: Option<String>) -> Check {
    let unmet = of.unmet.iter().map(|unmet| {
        let (expected, seen) = described(unmet);
        let nearest = unmet.instead.iter().map(|event| {
            let (who, what) = describe::describe(&event.what);
            format!("\n{:.3} s, {who}: {what}", event.at.as_secs_f64())
        });
        let nearest: String = nearest.collect();
        let head = if nearest.is_empty() {
            ""
        } else {
            " The nearest to it:"
        };
        format!("{expected}. {seen}{head}{nearest}")
    });
    Check {
        name: of.scenario.name.into(),
        title: of.scenario.title.into(),
        result: match of.grade() {
            Grade::Passed => CheckResult::Passed,
            Grade::Failed => CheckResult::Failed,
            Grade::Unknown => CheckResult::Unknown,
        },
        seconds,
        facts: watched(of),
        complaints: of_the_run(of).into_iter().chain(unmet).collect(),
        runs: vec![CheckRun {
            target: of.target,
            verdict: of.outcome.verdict.clone(),
            page,
        }],
        repeat: repeat.into(),
    }
}

/// Why the run itself was not as it should be.
fn of_the_run(of: &ScenarioRun) -> Vec<String> {
    let verdict = match &of.outcome.verdict {
        Verdict::Held => None,
        Verdict::Violated(violation) => Some(format!(
            "The run broke the rule {} and ended there; what was to come after it was not seen.",
            violation.rule
        )),
        Verdict::Unknown { why } => Some(why.clone()),
    };
    let left_out = of.outcome.left_out.iter();
    let left_out = left_out.map(|(step, why)| format!("left out step {}: {why}", step + 1));
    verdict.into_iter().chain(left_out).collect()
}

/// What an operator watches: the queue's depth, dead letters, restarts.
fn watched(of: &ScenarioRun) -> String {
    let watched = &of.watched;
    let mut text = format!("queue depth {}, now {}", watched.deepest, watched.depth);
    if !watched.dead_letters.is_empty() {
        let letters = watched.dead_letters.iter();
        let letters: Vec<String> = letters
            .map(|(session, mark)| format!("{mark} of {session}"))
            .collect();
        let count = counted(letters.len() as u64, "dead letter");
        let _ = write!(text, "; {count}: {}", letters.join(", "));
    }
    let restarts = watched.restarts.iter();
    let restarts: Vec<String> = restarts
        .map(|(client, n)| format!("{client} {n}"))
        .collect();
    if !restarts.is_empty() {
        let _ = write!(text, "; container restarts: {}", restarts.join(", "));
    }
    text
}

fn unmet(out: &mut String, unmet: &Unmet, style: Style) {
    let (text, seen) = described(unmet);
    style.paragraph(out, "  ", &text);
    style.paragraph(out, "    ", &seen);
    let is_other = matches!(unmet.why, Why::Seen(_)) && !unmet.instead.is_empty();
    if is_other {
        style.paragraph(out, "    ", "The nearest to it:");
    }
    for event in &unmet.instead {
        let _ = writeln!(out, "    {}", style.cut(&describe::line(event), 4));
    }
}

/// What was expected, and what was seen of it.
fn described(unmet: &Unmet) -> (String, String) {
    let seen = match unmet.why {
        Why::Seen(0) => "It was not seen.".into(),
        Why::Seen(times) => format!("It was seen {}.", counted(times as u64, "time")),
        Why::Late(took) => format!("It was seen after {:.1} s.", took.as_secs_f64()),
        Why::SeenThough => "It was seen.".into(),
        Why::NotReached => "The run never reached the point from which that is measured.".into(),
    };
    let expected = words(&unmet.expected);
    (format!("Expectation {}: {expected}", unmet.number), seen)
}

/// An expectation in words.
fn words(of: &Expectation) -> String {
    let mut text = match of.seen {
        Sight::Line(words) => format!("a log line with `{words}`"),
        Sight::ErrorLine(words) => format!("a log line of level ERROR with `{words}`"),
        Sight::LastError("") => "a record with a lastError".into(),
        Sight::LastError(words) => format!("a record whose lastError has `{words}`"),
        Sight::Warnings => "a record with warnings".into(),
        Sight::Status(status) => format!("a record with the status `{status}`"),
        Sight::Branch(marks) => format!("commits of {} on the branch", list(marks)),
        Sight::RemoteBranch(marks) => format!("commits of {} on the remote branch", list(marks)),
        Sight::Page(mark) => format!("a page in the site that shows {mark}"),
        Sight::Death => "a death of the container".into(),
        Sight::Start => "a start of the container".into(),
        Sight::DeadLetter(mark) => format!("{mark} in the dead letters"),
    };
    if !of.of.is_empty() {
        let _ = write!(text, ", of {}", of.of);
    }
    match of.count {
        Count::AtLeast(1) => {}
        Count::AtLeast(count) => {
            let _ = write!(text, ", {count} times");
        }
        Count::Never => text.push_str(", never"),
    }
    let since = match of.since {
        Since::Begin => None,
        Since::Step(number) => Some(format!("the begin of step {number}")),
        Since::Last => Some("what met the expectation before".into()),
    };
    match (of.within, since) {
        (None, None) => {}
        (None, Some(since)) => {
            let _ = write!(text, ", after {since}");
        }
        (Some(within), since) => {
            let since = since.unwrap_or_else(|| "the begin".into());
            let _ = write!(text, ", at most {} s after {since}", within.as_secs());
        }
    }
    if let Some(number) = of.before {
        let _ = write!(text, ", before step {number}");
    }
    text
}

fn list(marks: &[crate::plan::Mark]) -> String {
    let marks: Vec<String> = marks.iter().map(ToString::to_string).collect();
    marks.join(", ")
}
