//! What came of a campaign, and of each of its plans.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Samples, Totals};
use crate::coverage::Coverage;
use crate::finding::Finding;
use crate::plan::Plan;
use crate::verdict::{Demand, Heeded, NotAsked, Verdict};

/// The result of a campaign.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The name of the target.
    pub target: &'static str,
    /// What all plans and runs followed from.
    pub seed: u64,
    /// Plans that were to be generated.
    pub asked: Option<u64>,
    /// What the plans came to, added up.
    pub totals: Totals,
    /// Kept plans for which there was no time.
    pub kept_left_out: u64,
    /// The findings that were known, and how many plans showed each.
    pub known: BTreeMap<Demand, u64>,
    /// One for each failure: the rule and which of its demands.
    pub found: Vec<Finding>,
    /// How far it was at moments of its way.
    pub samples: Samples,
    /// How long the plans took, shrinking aside.
    pub took: Duration,
    /// How it ended.
    pub end: CampaignEnd,
}

impl Summary {
    /// Lists what is known before the first plan.
    pub(super) fn list_known(&mut self, heeded: &Heeded) {
        if let Heeded::AllBut(known) = heeded {
            self.known = known.iter().map(|known| (known.clone(), 0)).collect();
        }
    }
}

/// How a campaign came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CampaignEnd {
    /// It did all that was asked for.
    #[default]
    Completed,
    /// It found a violation, and was not to go on.
    AtViolation,
    /// By a signal, or because a file called `stop` was put into a soak's folder.
    Interrupted,
    /// The harness failed again and again.
    GaveUp,
}

/// A plan that has run, as it is reported while the campaign goes on: in the order of the cases.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// From 1, kept plans first.
    pub number: u64,
    /// The file of a kept plan.
    pub kept: Option<&'a Path>,
    /// The plan that ran.
    pub plan: &'a Plan,
    /// The run's seed.
    pub seed: u64,
    /// The result of it.
    pub verdict: &'a Verdict,
    /// What this run alone reached.
    pub coverage: &'a Coverage,
    /// The steps that the target cannot make, by index from 0, and why.
    pub left_out: &'a [(usize, String)],
    /// The parts of rules that were not asked, and why.
    pub not_asked: &'a [NotAsked],
    /// How long the run took, in real time.
    pub took: Duration,
    /// The file of the plan, when it did not hold.
    pub file: Option<&'a Path>,
}
