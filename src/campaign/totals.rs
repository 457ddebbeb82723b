//! What cases came to, in a form that adds up: the same from one machine as from the shards of
//! many, in whatever order they are added.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::coverage::{Coverage, RuledOut};
use crate::finding::Finding;
use crate::finding::family::{Family, families};
use crate::verdict::{NotAsked, Rule};

/// Of each rule and kind, so many failing cases are shrunk and distinguished; the rest is counted.
pub const DISTINGUISHED: usize = 100;
/// So many plans that could not be judged are kept with their reasons; the rest is counted.
pub const UNJUDGED: usize = 20;

/// The sum of the cases that were run.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Cases of the seed that were run.
    pub cases: u64,
    /// Kept plans that were run again.
    pub replayed: u64,
    /// Plans that held.
    pub held: u64,
    /// Plans that violated a rule.
    pub violated: u64,
    /// Plans that could not be judged.
    pub unknown: u64,
    /// By rule and kind, in the order of the rules.
    pub failures: Vec<Failures>,
    /// Kept plans that fail again.
    pub known: Vec<Finding>,
    /// The first of those that could not be judged.
    pub unjudged: Vec<Unjudged>,
    /// Why steps were left out, and how often.
    pub left_out: BTreeMap<String, u64>,
    /// The parts of rules that were not asked, and why.
    #[serde(default)]
    pub not_asked: BTreeSet<NotAsked>,
    /// What no plan can reach, and why.
    #[serde(default)]
    pub ruled_out: RuledOut,
    /// What the plans reached.
    pub coverage: Coverage,
}

/// The generated cases that broke a rule in the same of its demands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Failures {
    /// The rule that was broken.
    pub rule: Rule,
    /// Which of its demands.
    pub kind: String,
    /// How many plans broke it.
    pub count: u64,
    /// The first of them by their numbers, and which bug each shows.
    pub seen: Vec<Seen>,
    /// The bugs of `seen`, by their first case.
    pub bugs: Vec<Finding>,
}

/// A failing case.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Seen {
    /// The number of the case.
    pub case: u64,
    /// The id of its bug.
    pub bug: String,
}

/// A plan that the harness could not judge.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Unjudged {
    /// The number of its case; `None` for a kept plan.
    pub case: Option<u64>,
    /// Where the plan is; empty where it is not kept.
    #[serde(default)]
    pub file: PathBuf,
    /// Why it could not be judged.
    pub why: String,
}

impl Unjudged {
    /// Where to find the plan, as reports say it.
    pub fn place(&self) -> String {
        match self.case {
            Some(case) if self.file.as_os_str().is_empty() => format!("case {case}"),
            _ => self.file.display().to_string(),
        }
    }
}

impl Failures {
    /// How many of the cases in `seen` show a bug.
    pub fn times(&self, bug: &Finding) -> usize {
        self.seen.iter().filter(|seen| seen.bug == bug.id).count()
    }

    /// How many cases were counted and not shrunk.
    pub fn not_distinguished(&self) -> u64 {
        self.count - self.seen.len() as u64
    }

    /// Takes in failing cases and their bugs; keeps the first of each.
    fn add(&mut self, count: u64, seen: &[Seen], bugs: &[Finding]) {
        self.count += count;
        self.seen.extend_from_slice(seen);
        self.seen.sort_by_key(|seen| seen.case);
        self.seen.truncate(DISTINGUISHED);
        self.bugs.extend_from_slice(bugs);
        self.bugs.sort_by_key(Finding::case);
        let mut ids = BTreeSet::new();
        self.bugs.retain(|bug| {
            let is_seen = self.seen.iter().any(|seen| seen.bug == bug.id);
            is_seen && ids.insert(bug.id.clone())
        });
    }
}

impl Totals {
    /// Every bug, with the failures that it is one of.
    pub fn bugs(&self) -> impl Iterator<Item = (&Failures, &Finding)> {
        self.failures
            .iter()
            .flat_map(|failures| failures.bugs.iter().map(move |bug| (failures, bug)))
    }

    /// The bugs as they are reported: those that are most likely one together.
    pub fn families(&self) -> impl Iterator<Item = (&Failures, Family<'_>)> {
        self.failures.iter().flat_map(|failures| {
            let families = families(&failures.bugs).into_iter();
            families.map(move |family| (failures, family))
        })
    }

    /// How many failing cases of a rule and kind were shrunk so far.
    pub(crate) fn distinguished(&self, rule: Rule, kind: &str) -> usize {
        let of = |failures: &&Failures| failures.rule == rule && failures.kind == kind;
        self.failures
            .iter()
            .find(of)
            .map_or(0, |failures| failures.seen.len())
    }

    /// How many of the cases that were distinguished show a bug.
    pub(crate) fn times(&self, bug: &Finding) -> usize {
        let of_bug = self.bugs().find(|(_, known)| known.id == bug.id);
        of_bug.map_or(0, |(failures, known)| failures.times(known))
    }

    /// Counts a generated case that broke a rule. Returns whether its bug is a new one.
    pub(crate) fn violate(&mut self, rule: Rule, kind: &str, bug: Option<Finding>) -> bool {
        self.violated += 1;
        let failures = self.failures_of(rule, kind);
        let Some(bug) = bug.filter(|_| failures.seen.len() < DISTINGUISHED) else {
            failures.count += 1;
            return false;
        };
        let is_new = failures.bugs.iter().all(|known| known.id != bug.id);
        let seen = Seen {
            case: bug.case().unwrap_or_default(),
            bug: bug.id.clone(),
        };
        failures.add(1, &[seen], &[bug]);
        is_new
    }

    fn failures_of(&mut self, rule: Rule, kind: &str) -> &mut Failures {
        let key = |failures: &Failures| (failures.rule, failures.kind.clone());
        let at = match self
            .failures
            .binary_search_by_key(&(rule, kind.to_owned()), key)
        {
            Ok(at) => at,
            Err(at) => {
                let new = Failures {
                    rule,
                    kind: kind.to_owned(),
                    count: 0,
                    seen: Vec::new(),
                    bugs: Vec::new(),
                };
                self.failures.insert(at, new);
                at
            }
        };
        &mut self.failures[at]
    }

    /// How many plans were run.
    pub fn plans(&self) -> u64 {
        self.cases + self.replayed
    }

    /// Counts a plan that was run, its verdict aside.
    pub(crate) fn count(
        &mut self,
        is_kept: bool,
        coverage: &Coverage,
        left_out: Vec<(usize, String)>,
        not_asked: impl IntoIterator<Item = NotAsked>,
    ) {
        self.not_asked.extend(not_asked);
        let of = match is_kept {
            true => &mut self.replayed,
            false => &mut self.cases,
        };
        *of += 1;
        self.coverage.add(coverage);
        for (_, why) in left_out {
            *self.left_out.entry(why).or_default() += 1;
        }
    }

    pub(crate) fn leave_unjudged(&mut self, unjudged: Unjudged) {
        self.unknown += 1;
        self.unjudged.push(unjudged);
        self.keep_first_unjudged();
    }

    fn keep_first_unjudged(&mut self) {
        self.unjudged.sort_by_key(|unjudged| unjudged.case);
        self.unjudged.truncate(UNJUDGED);
    }

    /// Adds what other cases of the same soak came to.
    pub fn add(&mut self, other: &Self) {
        self.cases += other.cases;
        self.replayed += other.replayed;
        self.held += other.held;
        self.violated += other.violated;
        self.unknown += other.unknown;
        for of in &other.failures {
            let failures = self.failures_of(of.rule, &of.kind);
            failures.add(of.count, &of.seen, &of.bugs);
        }
        self.known.extend_from_slice(&other.known);
        self.known.sort_by(|one, two| one.file.cmp(&two.file));
        self.known.dedup_by(|one, two| one.file == two.file);
        self.unjudged.extend_from_slice(&other.unjudged);
        self.keep_first_unjudged();
        for (why, count) in &other.left_out {
            *self.left_out.entry(why.clone()).or_default() += count;
        }
        self.not_asked.extend(other.not_asked.iter().cloned());
        self.ruled_out.add(&other.ruled_out);
        self.coverage.add(&other.coverage);
    }

    /// What does not fit together, where something does not: it was changed or damaged.
    pub(crate) fn contradiction(&self) -> Option<String> {
        let judged = self.held + self.violated + self.unknown;
        if judged != self.plans() {
            return Some(format!(
                "{judged} plans have a verdict, and {} were run",
                self.plans()
            ));
        }
        let failed: u64 = self.failures.iter().map(|of| of.count).sum();
        if failed + self.known.len() as u64 != self.violated {
            return Some(format!(
                "{} plans violated a rule, and {failed} failures and {} known ones are listed",
                self.violated,
                self.known.len()
            ));
        }
        if self.coverage.plans != self.plans() {
            return Some(format!(
                "the coverage is that of {} plans, and {} were run",
                self.coverage.plans,
                self.plans()
            ));
        }
        let bugs = self.failures.iter().flat_map(|of| &of.bugs);
        if let Some(why) = bugs.chain(&self.known).find_map(Finding::contradiction) {
            return Some(why);
        }
        let is_odd = |of: &&Failures| {
            let is_listed = |seen: &Seen| of.bugs.iter().any(|bug| bug.id == seen.bug);
            of.count < of.seen.len() as u64 || of.bugs.is_empty() || !of.seen.iter().all(is_listed)
        };
        self.failures.iter().find(is_odd).map(|of| {
            format!(
                "the failures of {} ({}) and their bugs do not agree",
                of.rule, of.kind
            )
        })
    }
}
