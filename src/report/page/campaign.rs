//! What the page of a campaign shows, as plain data that can be saved and read again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Made;
use crate::campaign::{CampaignEnd, Sample, Summary, Totals, pace};
use crate::coverage::{ByPhase, Coverage, RuledOut, Sometimes, counted_for};
use crate::finding::Finding;
use crate::invariant;
use crate::plan::{FaultKind, Phase, StepKind};
use crate::regression::Seed;
use crate::verdict::NotAsked;

/// The version of this data; another one is another form.
pub const VERSION: u32 = 2;

/// Everything that the page of a campaign, a soak or a merge of shards shows.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Campaign {
    /// [`VERSION`].
    pub version: u32,
    /// The page's heading: `Campaign on sim`, `Soak of 4 shards on local`.
    pub title: String,
    pub target: String,
    /// As [`Seed`] writes it.
    pub seed: String,
    /// The command that starts it again.
    pub command: String,
    pub ended: CampaignEnd,
    /// When and where it ended.
    #[serde(default)]
    pub made: Made,
    /// How long the plans took, in real seconds.
    pub seconds: f64,
    /// Generated plans that were asked for, where there is a number.
    pub asked: Option<u64>,
    pub plans: u64,
    pub held: u64,
    pub violated: u64,
    pub unknown: u64,
    /// Kept plans that were run again; they count as plans, too.
    pub replayed: u64,
    pub counts: Vec<Count>,
    /// The names of the phases, in the order of [`Disturbance::phases`].
    pub phases: Vec<String>,
    pub disturbances: Vec<Disturbance>,
    /// The whole sometimes-list, in the contract's order, with the plans that reached each entry.
    pub sometimes: Vec<Count>,
    pub samples: Vec<Sample>,
    /// How many shards it is the sum of, where it is one.
    #[serde(default)]
    pub shards: Option<u32>,
    pub violations: Vec<ViolationRow>,
    pub unjudged: Vec<UnjudgedRow>,
    /// Why steps were left out, and how often.
    pub left_out: Vec<Count>,
    /// The parts of rules that were not asked, and why.
    #[serde(default)]
    pub not_asked: Vec<NotAsked>,
    /// How often each rule could have been broken, in the contract's order.
    #[serde(default)]
    pub rules: Vec<RuleRow>,
    /// The phases that nothing of the system shows, and why.
    #[serde(default)]
    pub hidden_phases: BTreeMap<Phase, String>,
}

/// What the script of the page draws.
#[derive(Debug, Serialize)]
pub(super) struct Charts<'a> {
    samples: &'a [Sample],
    shards: Option<u32>,
}

impl<'a> Charts<'a> {
    pub(super) fn of(campaign: &'a Campaign) -> Self {
        Self {
            samples: &campaign.samples,
            shards: campaign.shards,
        }
    }
}

/// So many of something.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Count {
    pub name: String,
    pub count: u64,
}

/// A row of the heat map: where containers were when a disturbance came.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Disturbance {
    pub name: String,
    /// How often it was made; `None` where only its hits are seen.
    pub made: Option<u64>,
    /// How often something ran into it; `None` where it hits by being made.
    pub hit: Option<u64>,
    pub phases: Vec<u64>,
    /// At no instruction.
    pub idle: u64,
    /// Why no plan can have it, where none can.
    #[serde(default)]
    pub ruled_out: Option<String>,
}

/// How often a rule could have been broken.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RuleRow {
    pub rule: String,
    /// Plans in which something could have broken it.
    pub plans: u64,
    /// How often, over all of them.
    pub times: u64,
    /// What that counts, in the plural.
    pub counted: String,
    /// Plans that broke it.
    pub broken: u64,
    /// Why it is not asked, where it is not: the evidence that is missing, or the promise.
    #[serde(default)]
    pub not_asked: Option<String>,
}

/// A failure, once for all the plans that show it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ViolationRow {
    pub rule: String,
    /// Which of the rule's demands.
    pub kind: String,
    /// The rule in the contract's words.
    pub words: String,
    /// When in its run it was seen: `at step 3`, `while it recovered`, `after recovery`.
    #[serde(default)]
    pub place: String,
    pub expected: String,
    pub observed: String,
    /// The smallest plan, as text.
    pub plan: String,
    pub steps: u64,
    /// How the plan came to be.
    pub origin: String,
    /// Where the plan is kept.
    pub file: String,
    /// The page with its timeline, as a link from this page.
    pub page: Option<String>,
    /// The command that shows it again.
    pub replay: String,
    /// How many other plans failed in the same way.
    pub more: u64,
    /// It is a kept plan that was run again.
    pub is_known: bool,
}

/// A plan that the harness could not judge.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct UnjudgedRow {
    pub why: String,
    pub file: String,
}

/// A container that ends by itself, which no step makes.
const EXIT: &str = "exit";

impl Campaign {
    /// The data of a campaign that has ended. The rows of its violations are added by
    /// [`ViolationRow::of`], since only the caller knows the commands and pages.
    pub fn of(summary: &Summary, command: &str) -> Self {
        Self {
            title: format!("Campaign on {}", summary.target),
            command: command.into(),
            ended: summary.end,
            seconds: summary.took.as_secs_f64(),
            asked: summary.asked,
            samples: summary.samples.taken.clone(),
            ..Self::of_totals(
                summary.target,
                Seed(summary.seed).to_string(),
                &summary.totals,
            )
        }
    }

    /// What is the same for campaigns, soaks and merged shards.
    pub(super) fn of_totals(target: &str, seed: String, totals: &Totals) -> Self {
        let unjudged = totals.unjudged.iter().map(|unjudged| UnjudgedRow {
            why: unjudged.why.clone(),
            file: unjudged.place(),
        });
        let left_out = totals.left_out.iter().map(|(why, count)| Count {
            name: why.clone(),
            count: *count,
        });
        let known = totals.known.iter();
        let mut campaign = Self {
            version: VERSION,
            target: target.into(),
            seed,
            made: Made::now(),
            plans: totals.plans(),
            held: totals.held,
            violated: totals.violated,
            unknown: totals.unknown,
            replayed: totals.replayed,
            violations: known.map(|of| ViolationRow::of(of, "", None)).collect(),
            unjudged: unjudged.collect(),
            left_out: left_out.collect(),
            rules: rules(totals),
            hidden_phases: totals.ruled_out.phases.clone(),
            not_asked: totals
                .not_asked
                .iter()
                .cloned()
                .chain(pace::not_asked(totals))
                .collect(),
            ..Self::default()
        };
        campaign.cover(&totals.coverage, &totals.ruled_out);
        campaign
    }

    /// Takes over what was reached.
    pub fn cover(&mut self, cover: &Coverage, ruled_out: &RuledOut) {
        let count = |name: &str, count| Count {
            name: name.into(),
            count,
        };
        self.counts = vec![
            count("steps", cover.steps),
            count("events", cover.events),
            count("git pushes", cover.git_pushes),
            count("git fetches", cover.git_fetches),
            count("S3 requests", cover.s3_requests),
            count("agent requests", cover.agent_requests),
            count("message deliveries", cover.deliveries),
            count("dead letters", cover.dead_letters),
            count("container deaths", cover.deaths),
        ];
        self.phases = Phase::ALL.map(|phase| phase.to_string()).into();
        self.disturbances = disturbances(cover, ruled_out);
        self.sometimes = Sometimes::all()
            .map(|entry| Count {
                name: entry.to_string(),
                count: cover.sometimes.get(&entry).copied().unwrap_or_default(),
            })
            .collect();
    }
}

/// Every rule, and how often it could have been broken.
fn rules(totals: &Totals) -> Vec<RuleRow> {
    let row = |rule| {
        let asked = totals.coverage.asked.get(&rule);
        let asked = asked.copied().unwrap_or_default();
        let failures = totals.failures.iter().filter(|of| of.rule == rule);
        let mut unasked = totals.not_asked.iter();
        let unasked = unasked.find(|it| it.whole && it.rule == rule);
        RuleRow {
            rule: rule.to_string(),
            plans: asked.plans,
            times: asked.times,
            counted: counted_for(rule).into(),
            broken: failures.map(|of| of.count).sum(),
            not_asked: unasked.map(|it| it.why.clone()),
        }
    };
    invariant::rules().into_iter().map(row).collect()
}

/// Every fault by name, then what disturbs at once.
fn disturbances(cover: &Coverage, ruled_out: &RuledOut) -> Vec<Disturbance> {
    let row = |name: &str, made: Option<u64>, hit: Option<u64>| {
        let by_phase: ByPhase = cover.disturbed.get(name).copied().unwrap_or_default();
        Disturbance {
            name: name.into(),
            made,
            hit,
            phases: by_phase.phases.into(),
            idle: by_phase.idle,
            ruled_out: ruled_out.disturbances.get(name).cloned(),
        }
    };
    let faults = FaultKind::ALL.map(|kind| {
        let name = kind.name();
        let count = cover.faults.get(name).copied().unwrap_or_default();
        row(name, Some(count.injected), Some(count.hits))
    });
    let at_once = StepKind::disturbing_at_once().chain([EXIT]).map(|name| {
        let made = cover.step_kinds.get(name).copied();
        row(name, made, None)
    });
    let is_seen =
        |row: &Disturbance| row.name != EXIT || row.idle > 0 || row.phases.iter().any(|n| *n > 0);
    faults.into_iter().chain(at_once).filter(is_seen).collect()
}

impl ViolationRow {
    /// The row of a violation. `page` links to its timeline.
    pub fn of(found: &Finding, replay: &str, page: Option<String>) -> Self {
        let violation = &found.violation;
        Self {
            rule: violation.rule.id().into(),
            kind: violation.kind.clone(),
            words: violation.rule.words().into(),
            place: found.place(),
            expected: violation.expected.clone(),
            observed: violation.observed.clone(),
            plan: found.plan.to_string(),
            steps: found.plan.steps.len() as u64,
            origin: found.provenance(),
            file: found.file.display().to_string(),
            page,
            replay: replay.into(),
            more: found.more,
            is_known: found.is_known(),
        }
    }
}
