//! The first and the last line of a history: what was run, and how it ended.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Event, Snapshot, What};
use crate::plan::Plan;
use crate::profile::Profile;
use crate::verdict::{Heeded, NotAsked, Verdict};

/// The version of the form of a history's file.
pub const FORMAT: u32 = 1;

/// What a history is of: all that is needed to judge it, to draw it and to run its plan again.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Header {
    /// The version of the form, [`FORMAT`].
    #[serde(rename = "history")]
    pub format: u32,
    /// The version of the program that wrote it.
    pub program: String,
    /// What is particular to the system.
    pub profile: ProfileRef,
    /// The target's name on the command line.
    pub target: String,
    /// The name of what builds the sites.
    pub site: String,
    /// The run's seed.
    #[serde(with = "seed")]
    pub seed: u64,
    /// Real seconds for each of the system's seconds; `None` where time is virtual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_scale: Option<f64>,
    /// The defect that was planted in the system, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defect: Option<String>,
    /// The plan.
    #[serde(with = "plan_text")]
    pub plan: Plan,
}

/// The profile of a run, as its history keeps it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ProfileRef {
    /// What the profile calls the system.
    pub name: String,
    /// A hash of its text, in hexadecimal digits.
    pub hash: String,
    /// The whole text.
    pub text: Arc<str>,
    /// What the run ends at, of all that breaks a rule.
    #[serde(default, skip_serializing_if = "Heeded::is_all")]
    pub heeded: Heeded,
    /// Whether the system was looked at now and then only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub polled: bool,
}

impl From<&Profile> for ProfileRef {
    fn from(profile: &Profile) -> Self {
        Self {
            name: profile.name.clone(),
            hash: format!("{:016x}", profile.hash()),
            text: profile.source().clone(),
            heeded: profile.heeded.clone(),
            polled: profile.is_polled,
        }
    }
}

impl ProfileRef {
    /// The profile itself.
    ///
    /// # Errors
    /// Where its text has a mistake, or is not the text that was hashed.
    pub fn read(&self) -> Result<Arc<Profile>, String> {
        let as_seen = |profile: Arc<Profile>| match self.polled {
            true => profile.as_deployed(),
            false => profile,
        };
        let reference = Profile::reference();
        if self.text == *reference.source() {
            return Ok(as_seen(reference.heeding(&self.heeded)));
        }
        let profile = Profile::parse(&self.text)
            .map_err(|mistakes| format!("the header's profile, {}", mistakes[0]))?;
        if format!("{:016x}", profile.hash()) != self.hash {
            return Err("the header's profile is not the one that its hash names".into());
        }
        Ok(as_seen(Arc::new(profile).heeding(&self.heeded)))
    }
}

/// The last line of a history: how the run ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HistoryEnd {
    /// How it ended.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How many events come before it.
    pub events: usize,
    /// The steps that the target cannot make, by index from 0, and why.
    #[serde(default)]
    pub left_out: Vec<(usize, String)>,
    /// The parts of rules that were not asked, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_asked: Vec<NotAsked>,
    /// What was seen last, which the rules for recovery were asked about; `None` where the run
    /// ended before.
    #[serde(default)]
    pub settled: Option<Arc<Snapshot>>,
}

impl Header {
    /// Why an event cannot be of this run, where it cannot.
    pub(super) fn objects_to(&self, event: &Event) -> Option<String> {
        let What::StepBegan {
            index: Some(index),
            step,
            mark,
        } = &event.what
        else {
            return None;
        };
        match self.plan.steps.get(*index) {
            None => Some(self.no_step(*index)),
            Some(of_plan) if of_plan != step || self.plan.marks()[*index] != *mark => {
                Some(format!(
                    "step {} is `{step}`, which is not the plan's `{of_plan}`",
                    index + 1
                ))
            }
            Some(_) => None,
        }
    }

    /// Why the last line cannot be of this run after so many events, where it cannot.
    pub(super) fn objects_to_end(&self, end: &HistoryEnd, events: usize) -> Option<String> {
        if end.events != events {
            return Some(format!(
                "the run had {} events, and {events} are here",
                end.events
            ));
        }
        let mut steps: Vec<usize> = end.left_out.iter().map(|(step, _)| *step).collect();
        if let Verdict::Violated(violation) = &end.verdict {
            steps.extend(violation.step);
        }
        let unknown = |step: &&usize| **step >= self.plan.steps.len();
        steps.iter().find(unknown).map(|step| self.no_step(*step))
    }

    fn no_step(&self, index: usize) -> String {
        let steps = self.plan.steps.len();
        format!("the step of index {index} is not in the plan, which has {steps}")
    }
}

/// A seed, as every report writes it.
mod seed {
    use super::*;

    pub fn serialize<S: Serializer>(seed: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{seed:#x}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        u64::from_str_radix(digits, 16).map_err(serde::de::Error::custom)
    }
}

/// A plan as its own text.
mod plan_text {
    use super::*;

    pub fn serialize<S: Serializer>(plan: &Plan, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(plan)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Plan, D::Error> {
        let text = String::deserialize(from)?;
        let plan = text.parse::<Plan>();
        plan.map_err(|error| serde::de::Error::custom(format_args!("the plan, {error}")))
    }
}
