//! What the page of a soak shows, and that of its shards together: the same as a campaign's.

use super::campaign::{Campaign, ViolationRow};
use crate::campaign::{CampaignEnd, Failures, Sample, Shard, Totals};
use crate::finding::family::Family;
use crate::report::soak::times;
use crate::soak::{self, Identity, Merged, MergedShard};

/// The most samples that are drawn of shards together.
const MOST_SAMPLES: u64 = 240;

impl Campaign {
    /// The data of a soak. The rows of its violations are added by [`ViolationRow::of_bug`].
    pub fn of_soak(of: &soak::SoakOutcome, command: &str) -> Self {
        let state = &of.state;
        let on = &state.identity.setup.target;
        let asked = state.most_cases.map(|cases| state.shard.share_of(cases));
        let campaign = Self {
            title: match state.shard {
                Shard::WHOLE => format!("Soak on {on}"),
                shard => format!("Shard {shard} of a soak on {on}"),
            },
            command: command.into(),
            ended: of.end,
            seconds: state.worked_ms as f64 / 1000.0,
            asked,
            samples: state.samples.taken.clone(),
            ..of_totals(&state.identity, &state.totals)
        };
        campaign.with_its_end(&state.totals, state.cpu_ms)
    }

    /// The data of a soak's shards. The rows of its violations are added by
    /// [`ViolationRow::of_bug`].
    pub fn of_merged(of: &Merged, command: &str) -> Self {
        let on = &of.identity.setup.target;
        let is_whole = of.missing.is_empty() && of.parts.iter().all(|part| part.is_complete);
        let longest = of.parts.iter().map(|part| part.worked_ms).max();
        let missing = match of.missing.len() {
            0 => String::new(),
            missing => format!(", {missing} missing"),
        };
        let campaign = Self {
            title: format!("Soak of {} shards on {on}{missing}", of.shards),
            command: command.into(),
            ended: if is_whole {
                CampaignEnd::Completed
            } else {
                CampaignEnd::Interrupted
            },
            // They worked side by side.
            seconds: longest.unwrap_or_default() as f64 / 1000.0,
            samples: together(&of.parts),
            shards: Some(of.shards),
            ..of_totals(&of.identity, &of.totals)
        };
        let cpu_ms = of.parts.iter().map(|part| part.cpu_ms).sum();
        campaign.with_its_end(&of.totals, cpu_ms)
    }

    /// Samples are taken at equal distances, and the soak ends after the last one.
    fn with_its_end(mut self, totals: &Totals, cpu_ms: u64) -> Self {
        let last = self.samples.last().copied().unwrap_or_default();
        let at_ms = (self.seconds * 1000.0).round() as u64;
        if at_ms > last.at_ms {
            self.samples.push(Sample {
                memory: last.memory,
                ..Sample::of(totals, at_ms, cpu_ms)
            });
        }
        self
    }
}

fn of_totals(identity: &Identity, totals: &Totals) -> Campaign {
    Campaign::of_totals(&identity.setup.target, identity.seed.clone(), totals)
}

/// The sums of all shards at the same times; what a shard came to stays when it has ended.
fn together(parts: &[MergedShard]) -> Vec<Sample> {
    let last = parts.iter().filter_map(|part| part.samples.taken.last());
    let last = last.map(|sample| sample.at_ms).max().unwrap_or_default();
    let most = parts.iter().map(|part| part.samples.taken.len()).max();
    let count = MOST_SAMPLES.min(most.unwrap_or_default() as u64);
    (1..=count)
        .map(|at| {
            let now = last * at / count;
            let mut sum = Sample {
                at_ms: now,
                ..Sample::default()
            };
            for part in parts {
                let samples = &part.samples.taken;
                let until = samples.partition_point(|sample| sample.at_ms <= now);
                if let Some(sample) = samples[..until].last() {
                    sum.plans += sample.plans;
                    sum.steps += sample.steps;
                    sum.violated += sample.violated;
                    sum.unknown += sample.unknown;
                    // Which entries they are is only known at the end.
                    sum.reached = sum.reached.max(sample.reached);
                    sum.cpu_ms += sample.cpu_ms;
                    sum.memory = sum.memory.max(sample.memory);
                }
            }
            sum
        })
        .collect()
}

impl ViolationRow {
    /// The row of a bug. `page` links to the timeline of its smallest plan.
    pub fn of_bug(
        failures: &Failures,
        family: &Family<'_>,
        replay: &str,
        page: Option<String>,
    ) -> Self {
        let seen: usize = family.iter().map(|bug| failures.times(bug)).sum();
        Self {
            origin: times(failures, family),
            more: seen.saturating_sub(1) as u64,
            ..Self::of(family[0], replay, page)
        }
    }
}
