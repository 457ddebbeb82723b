//! How a campaign went over time, in a bounded number of figures.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// More samples than this are thinned out to half.
const MOST: usize = 240;
/// The least time between the first samples; it doubles whenever they are thinned out.
const FIRST_EVERY: Duration = Duration::from_millis(20);

/// How far a campaign was at one moment. All figures are sums since its start.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Real seconds since the start.
    pub seconds: f64,
    /// Plans that were run.
    pub plans: u64,
    /// Steps that were made.
    pub steps: u64,
    /// Plans that violated a rule.
    pub violated: u64,
    /// Plans that could not be judged.
    pub unknown: u64,
    /// Entries of the sometimes-list that were reached.
    pub reached: u64,
    /// Memory in use by the program, in bytes; of shards together the most that one had in use. 0
    /// where it was not measured: only soaks do.
    #[serde(default)]
    pub memory: u64,
    /// Seconds of the processor that went to it; 0 where they were not measured.
    #[serde(default)]
    pub cpu_seconds: f64,
}

/// Samples in the order of time, of even spacing but for the last.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Samples {
    /// The samples.
    pub taken: Vec<Sample>,
    every: Duration,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            taken: Vec::new(),
            every: FIRST_EVERY,
        }
    }
}

impl Samples {
    /// Whether enough time has gone by for another sample.
    pub fn is_due(&self, since_start: Duration) -> bool {
        let last = self.taken.last().map_or(0.0, |sample| sample.seconds);
        self.taken.is_empty() || since_start.as_secs_f64() >= last + self.every.as_secs_f64()
    }

    /// Takes a sample, due or not.
    pub fn take(&mut self, sample: Sample) {
        self.taken.push(sample);
        if self.taken.len() > MOST {
            // The newest stays, since it shows how far it is now.
            let last = self.taken.len() - 1;
            let mut at = 0;
            self.taken.retain(|_| {
                at += 1;
                at % 2 == 1 || at - 1 == last
            });
            self.every *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_campaign_keeps_few_samples_over_all_of_its_time() {
        let mut samples = Samples::default();
        let mut now = Duration::ZERO;
        for plans in 0..100_000 {
            if samples.is_due(now) {
                samples.take(Sample {
                    seconds: now.as_secs_f64(),
                    plans,
                    ..Sample::default()
                });
            }
            now += Duration::from_millis(7);
        }
        let taken = &samples.taken;
        assert!(taken.len() <= MOST && taken.len() >= MOST / 2 - 1);
        assert_eq!(taken[0].plans, 0);
        assert!(
            taken
                .windows(2)
                .all(|pair| pair[0].seconds < pair[1].seconds)
        );
        let last = taken.last().unwrap();
        assert!(
            last.seconds > 0.98 * now.as_secs_f64(),
            "{last:?} of {now:?}"
        );
    }
}
