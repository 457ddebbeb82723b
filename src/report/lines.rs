//! JSON lines for machines: one object for each plan that has run, and one for the whole.
//!
//! Every object has `version` ([`VERSION`]) and `type`. Fields are only ever added within a
//! version. A line of type `plan` has the fields of [`PlanLine`]; the last line, of type
//! `summary`, has those of [`Campaign`]. A soak has a line of type `bug`
//! ([`Finding`]) for each bug as it is found, and one of type `known` for each kept
//! plan that fails again; a merge has one of type `totals` ([`Totals`](crate::campaign::Totals)) and
//! one of type `shard` ([`MergedShard`](crate::soak::MergedShard)) for each shard. `shrink` prints one of type
//! `shrunk`; scenarios and comparisons have one each, of [`Check`](super::checks::Check), and a
//! summary of their own.

use std::path::Path;

use serde::Serialize;

use super::page::campaign::{Campaign, VERSION as SUMMARY_VERSION};
use crate::campaign::Finished;
use crate::finding::Finding;
use crate::regression::Seed;
use crate::verdict::{NotAsked, Verdict};

/// The version of the lines.
pub const VERSION: u32 = SUMMARY_VERSION;

/// A plan that has run.
#[derive(Debug, Serialize)]
pub struct PlanLine<'a> {
    version: u32,
    r#type: &'static str,
    /// From 1, kept plans first.
    number: u64,
    target: &'a str,
    /// The file of a kept plan; null for a generated one.
    kept: Option<&'a Path>,
    /// The run's seed, as the command line reads it.
    seed: String,
    sessions: usize,
    steps: usize,
    events: u64,
    /// How long the run took, in real seconds.
    seconds: f64,
    /// `verdict` is `held`, `violated` or `unknown`. Where it is violated: `rule`, `kind`, `step`
    /// (from 0; null once all steps were made), `after_recovery`, `at`, `about`, `expected` and
    /// `observed`. Where it is unknown: `why`.
    #[serde(flatten)]
    verdict: &'a Verdict,
    /// The file of the plan, with its history beside it; null when it held.
    file: Option<&'a Path>,
    /// The plan as text, when it did not hold.
    plan: Option<String>,
    /// The entries of the sometimes-list that it reached.
    sometimes: Vec<String>,
    left_out: Vec<LeftOut<'a>>,
    /// The parts of rules that were not asked, each with `rule`, `whole` and `why`.
    not_asked: &'a [NotAsked],
}

/// A step that the target cannot make.
#[derive(Debug, Serialize)]
struct LeftOut<'a> {
    /// From 0.
    step: usize,
    why: &'a str,
}

#[derive(Serialize)]
struct SummaryLine<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    of: &'a Campaign,
}

/// The line of a plan that has run, with its end.
pub fn plan(target: &str, of: &Finished<'_>) -> String {
    let held = matches!(of.verdict, Verdict::Held);
    line(&PlanLine {
        version: VERSION,
        r#type: "plan",
        number: of.number,
        target,
        kept: of.kept,
        seed: Seed(of.seed).to_string(),
        sessions: of.plan.sessions.len(),
        steps: of.plan.steps.len(),
        events: of.coverage.events,
        seconds: of.took.as_secs_f64(),
        verdict: of.verdict,
        file: of.file,
        plan: (!held).then(|| of.plan.to_string()),
        sometimes: of
            .coverage
            .sometimes
            .keys()
            .map(ToString::to_string)
            .collect(),
        left_out: of
            .left_out
            .iter()
            .map(|(step, why)| LeftOut { step: *step, why })
            .collect(),
        not_asked: of.not_asked,
    })
}

/// A finding that was made small, beside what every finding has.
#[derive(Serialize)]
struct ShrunkLine<'a> {
    #[serde(flatten)]
    found: &'a Finding,
    steps: usize,
    #[serde(flatten)]
    verdict: Verdict,
    /// The command that runs it again.
    replay: &'a str,
}

/// The line of a plan that was made small, with its end.
pub fn shrunk(found: &Finding, replay: &str) -> String {
    other(
        "shrunk",
        &ShrunkLine {
            found,
            steps: found.plan.steps.len(),
            verdict: Verdict::Violated(found.violation.clone()),
            replay,
        },
    )
}

/// The line of the whole, with its end.
pub fn summary(of: &Campaign) -> String {
    line(&SummaryLine {
        r#type: "summary",
        of,
    })
}

/// The line of something else, with its end.
pub fn other(kind: &'static str, of: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Other<'a, T> {
        version: u32,
        r#type: &'static str,
        #[serde(flatten)]
        of: &'a T,
    }
    line(&Other {
        version: VERSION,
        r#type: kind,
        of,
    })
}

fn line(of: &impl Serialize) -> String {
    // A path that is not Unicode is the only thing that JSON cannot hold.
    let mut text = serde_json::to_string(of).unwrap_or_else(|error| {
        format!("{{\"version\":{VERSION},\"type\":\"error\",\"why\":\"{error}\"}}")
    });
    text.push('\n');
    text
}
