//! How a campaign went over time: rates, and the memory of the program, in a bounded number of
//! samples.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

use super::Totals;

/// The most samples that are kept. When they are reached every other one goes, and the time
/// between two of them doubles.
const MOST: usize = 256;
/// The time between two samples at first, in milliseconds.
const FIRST_EVERY: u64 = 20;

/// Samples at equal distances over a campaign's time, however long it takes; the last may come
/// sooner.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Samples {
    /// The time between two samples, in milliseconds.
    pub every_ms: u64,
    /// In the order of time.
    pub taken: Vec<Sample>,
}

/// How far a campaign was at a time. All figures are sums since its start.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Time at work since the start, over all starts of a soak, in milliseconds.
    pub at_ms: u64,
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
    /// Memory of this program that is in use (resident), in bytes; of shards together the most that
    /// one had in use. 0 where it cannot be known.
    pub memory: u64,
    /// Time that the processor spent on it, in milliseconds.
    pub cpu_ms: u64,
}

impl Sample {
    /// What the totals are at a time.
    pub fn of(totals: &Totals, at_ms: u64, cpu_ms: u64) -> Self {
        Self {
            at_ms,
            plans: totals.plans(),
            steps: totals.coverage.steps,
            violated: totals.violated,
            unknown: totals.unknown,
            reached: totals.coverage.sometimes.len() as u64,
            memory: memory_in_use(),
            cpu_ms,
        }
    }
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            every_ms: FIRST_EVERY,
            taken: Vec::new(),
        }
    }
}

/// The first quarter of a campaign's time against its last.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Quarters {
    /// Plans a second.
    pub first_rate: f64,
    /// Plans a second in the last quarter.
    pub last_rate: f64,
    /// Plans for each second of the processor's time; other programs do not slow it.
    pub first_cpu_rate: f64,
    /// The same for each second of the processor, in the last quarter.
    pub last_cpu_rate: f64,
    /// The mean of the memory in use, in bytes.
    pub first_memory: u64,
    /// The same in the last quarter, in bytes.
    pub last_memory: u64,
}

impl Samples {
    /// What does not fit together, where something does not: it was changed or damaged.
    pub(crate) fn contradiction(&self) -> Option<String> {
        let sums = |of: &Sample| (of.at_ms, of.plans);
        let goes_back = |pair: &[Sample]| {
            let ((time, plans), (later, more)) = (sums(&pair[0]), sums(&pair[1]));
            later < time || more < plans
        };
        if self.every_ms == 0 || self.taken.len() > MOST || self.taken.windows(2).any(goes_back) {
            return Some("the samples are not those of a soak".into());
        }
        None
    }

    /// Whether it is time for another sample.
    pub fn is_due(&self, at_ms: u64) -> bool {
        let last = self.taken.last();
        last.is_none_or(|last| at_ms >= last.at_ms + self.every_ms)
    }

    /// Takes a sample, due or not.
    pub fn take(&mut self, sample: Sample) {
        if self.taken.len() >= MOST {
            let mut at = 0;
            self.taken.retain(|_| {
                at += 1;
                at % 2 == 1
            });
            // Where plans take long, samples are further apart than they could be.
            let span = self.taken.last().map_or(0, |last| last.at_ms) - self.taken[0].at_ms;
            let apart = span / (self.taken.len() as u64 - 1).max(1);
            self.every_ms = apart.max(2 * self.every_ms);
        }
        self.taken.push(sample);
    }

    /// The first quarter of the time against the last; `None` of too few samples.
    pub fn quarters(&self) -> Option<Quarters> {
        let (first, last) = (self.taken.first()?, self.taken.last()?);
        let quarter = (last.at_ms - first.at_ms) / 4;
        let within = |from: u64, to: u64| {
            let samples = self.taken.iter();
            let samples: Vec<&Sample> = samples
                .filter(|sample| (from..=to).contains(&sample.at_ms))
                .collect();
            (samples.len() >= 3).then_some(samples)
        };
        let early = within(first.at_ms, first.at_ms + quarter)?;
        let late = within(last.at_ms - quarter, last.at_ms)?;
        let rate = |samples: &[&Sample], clock: fn(&Sample) -> u64| {
            let (first, last) = (samples[0], samples[samples.len() - 1]);
            let plans = last.plans - first.plans;
            plans as f64 * 1000.0 / (clock(last) - clock(first)).max(1) as f64
        };
        let (real, cpu) = (
            |sample: &Sample| sample.at_ms,
            |sample: &Sample| sample.cpu_ms,
        );
        let memory = |samples: &[&Sample]| {
            samples.iter().map(|sample| sample.memory).sum::<u64>() / samples.len() as u64
        };
        Some(Quarters {
            first_rate: rate(&early, real),
            last_rate: rate(&late, real),
            first_cpu_rate: rate(&early, cpu),
            last_cpu_rate: rate(&late, cpu),
            first_memory: memory(&early),
            last_memory: memory(&late),
        })
    }
}

/// The memory of this program that is in use, in bytes (`VmRSS` of proc(5)); 0 where the system
/// does not say.
pub(crate) fn memory_in_use() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// The processor's time that went to this program since it started.
pub(crate) fn processor_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return Duration::ZERO;
    };
    let of = |time: TimeVal| {
        let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
        Duration::from_micros(micros.unsigned_abs())
    };
    of(usage.user_time()) + of(usage.system_time())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Sample {
        Sample {
            at_ms: second * 1000,
            plans: second * 10,
            memory: 1000 + second,
            cpu_ms: second * 500,
            ..Sample::default()
        }
    }

    fn take(samples: &mut Samples, sample: Sample) {
        if samples.is_due(sample.at_ms) {
            samples.take(sample);
        }
    }

    #[test]
    fn a_long_campaign_keeps_few_samples_over_all_of_its_time() {
        let mut samples = Samples::default();
        for second in 0..30_000 {
            take(&mut samples, at(second));
        }
        let taken = &samples.taken;
        assert!((MOST / 2..=MOST).contains(&taken.len()));
        assert_eq!(taken[0].at_ms, 0);
        let distance = |pair: &[Sample]| pair[1].at_ms - pair[0].at_ms;
        let first = distance(&taken[..2]);
        // The one that comes first after every other was taken away may come too soon.
        let others = taken.windows(2).filter(|pair| distance(pair) != first);
        assert!(others.count() <= 1, "{taken:?}");
        assert!(taken[taken.len() - 1].at_ms > 29_000_000);
        let quarters = samples.quarters().unwrap();
        assert!((quarters.first_rate - 10.0).abs() < 1e-6, "{quarters:?}");
        assert!((quarters.last_rate - 10.0).abs() < 1e-6, "{quarters:?}");
        assert!((quarters.last_cpu_rate - 20.0).abs() < 1e-6, "{quarters:?}");
        assert!(quarters.last_memory > quarters.first_memory + 20_000);
    }

    #[test]
    fn few_samples_say_nothing_of_quarters() {
        let mut samples = Samples::default();
        assert_eq!(samples.quarters(), None);
        for second in 0..5 {
            take(&mut samples, at(second));
            take(&mut samples, at(second));
        }
        assert_eq!(samples.taken.len(), 5);
        assert_eq!(samples.quarters(), None);
    }

    #[test]
    fn the_memory_in_use_is_known_on_linux() {
        if cfg!(target_os = "linux") {
            assert!(memory_in_use() > 1 << 20);
        }
    }
}
