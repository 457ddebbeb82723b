//! Named checks and what each came to: scenarios, and plans compared on two targets. The same data
//! are a page, JSON lines, and JUnit XML.

use std::collections::BTreeSet;

use serde::Serialize;

use super::lines;
use crate::verdict::{NotAsked, Verdict};

/// All checks of one command.
#[derive(Clone, Debug, Serialize)]
pub struct Checks {
    /// The page's heading: `Scenarios on local`.
    pub title: String,
    /// What one of them is called, such as `scenario`: the type of its JSON line.
    pub kind: &'static str,
    /// Where they ran.
    pub target: String,
    /// The seed of every run, as the command line reads it.
    pub seed: String,
    /// The command that runs them all again.
    pub command: String,
    /// Whether it ended before all of them had run.
    pub interrupted: bool,
    /// The parts of rules that were not asked, and why.
    pub not_asked: BTreeSet<NotAsked>,
    pub checks: Vec<Check>,
}

/// One of them.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    pub name: String,
    /// What it is about, where the name does not say it.
    pub title: String,
    pub result: CheckResult,
    /// How long it took, in real seconds.
    pub seconds: f64,
    /// What was seen beside what was asked for.
    pub facts: String,
    /// Why it did not pass, a sentence or two each.
    pub complaints: Vec<String>,
    pub runs: Vec<CheckRun>,
    /// The command that runs it again.
    pub repeat: String,
}

/// A run that a check made.
#[derive(Clone, Debug, Serialize)]
pub struct CheckRun {
    pub target: &'static str,
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Its page, as a link from the page of all; null where none was asked for.
    pub page: Option<String>,
}

/// The result of a check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckResult {
    Passed,
    Failed,
    /// The harness could not judge.
    Unknown,
}

impl Checks {
    /// How many came to this.
    pub fn count(&self, result: CheckResult) -> usize {
        let is = |check: &&Check| check.result == result;
        self.checks.iter().filter(is).count()
    }

    /// The JSON lines: one for each check, and a summary.
    pub fn lines(&self) -> String {
        #[derive(Serialize)]
        struct Summary<'a> {
            target: &'a str,
            seed: &'a str,
            command: &'a str,
            interrupted: bool,
            not_asked: &'a BTreeSet<NotAsked>,
            passed: usize,
            failed: usize,
            unknown: usize,
        }
        let each = self.checks.iter().map(|of| lines::other(self.kind, of));
        let mut text: String = each.collect();
        text.push_str(&lines::other(
            "summary",
            &Summary {
                target: &self.target,
                seed: &self.seed,
                command: &self.command,
                interrupted: self.interrupted,
                not_asked: &self.not_asked,
                passed: self.count(CheckResult::Passed),
                failed: self.count(CheckResult::Failed),
                unknown: self.count(CheckResult::Unknown),
            },
        ));
        text
    }
}
