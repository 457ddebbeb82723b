//! How a soak went on over time: rates, and the memory of the program.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

/// The most samples that are kept. When they are reached every other one goes, and the time
/// between two of them doubles.
const MOST: usize = 512;
/// The time between two samples at first.
const FIRST_EVERY: Duration = Duration::from_secs(1);

/// Samples at equal distances over the soak's time, however long it takes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// The time between two samples, in milliseconds.
    pub every_ms: u64,
    pub samples: Vec<Sample>,
}

/// What was true at a time.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// Time at work since the soak began, over all its starts, in milliseconds.
    pub at_ms: u64,
    /// Plans that were run so far.
    pub plans: u64,
    /// Steps that began so far.
    pub steps: u64,
    /// Plans that violated a rule so far.
    pub violated: u64,
    /// Plans that could not be judged so far.
    pub unknown: u64,
    /// Different bugs so far.
    pub bugs: u64,
    /// Entries of the sometimes-list that were reached so far.
    pub reached: u64,
    /// Memory of this program that is in use (resident), in bytes; 0 where it cannot be known.
    pub memory: u64,
    /// Time that the processor spent on this program, over all starts, in milliseconds.
    pub cpu_ms: u64,
    /// How often the soak had been started.
    pub start: u32,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            every_ms: FIRST_EVERY.as_millis() as u64,
            samples: Vec::new(),
        }
    }
}

/// The first quarter of a soak's time against its last.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Quarters {
    /// Plans a second.
    pub first_rate: f64,
    pub last_rate: f64,
    /// Plans for each second of the processor's time; other programs do not slow it.
    pub first_cpu_rate: f64,
    pub last_cpu_rate: f64,
    /// The mean of the memory in use, in bytes.
    pub first_memory: u64,
    pub last_memory: u64,
}

impl Figures {
    /// Takes a sample, if it is time for one.
    pub(super) fn sample(&mut self, sample: Sample) {
        let is_due = self
            .samples
            .last()
            .is_none_or(|last| sample.at_ms >= last.at_ms + self.every_ms);
        if !is_due {
            return;
        }
        if self.samples.len() >= MOST {
            let mut at = 0;
            self.samples.retain(|_| {
                at += 1;
                at % 2 == 1
            });
            self.every_ms *= 2;
        }
        self.samples.push(sample);
    }

    /// The first quarter of the time against the last; `None` of too few samples.
    pub fn quarters(&self) -> Option<Quarters> {
        let (first, last) = (self.samples.first()?, self.samples.last()?);
        let quarter = (last.at_ms - first.at_ms) / 4;
        let within = |from: u64, to: u64| {
            let samples = self.samples.iter();
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
pub(super) fn memory_in_use() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// The processor's time that went to this program since it started.
pub(super) fn processor_time() -> Duration {
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
            steps: 0,
            violated: 0,
            unknown: 0,
            bugs: 0,
            reached: 0,
            memory: 1000 + second,
            cpu_ms: second * 500,
            start: 1,
        }
    }

    #[test]
    fn a_long_soak_keeps_few_samples_over_all_of_its_time() {
        let mut figures = Figures::default();
        for second in 0..30_000 {
            figures.sample(at(second));
        }
        assert!((MOST / 2..=MOST).contains(&figures.samples.len()));
        assert_eq!(figures.samples[0].at_ms, 0);
        let distances: Vec<u64> = figures
            .samples
            .windows(2)
            .map(|pair| pair[1].at_ms - pair[0].at_ms)
            .collect();
        assert!(
            distances.iter().all(|far| *far == figures.every_ms),
            "{distances:?}"
        );
        let quarters = figures.quarters().unwrap();
        assert!((quarters.first_rate - 10.0).abs() < 1e-6, "{quarters:?}");
        assert!((quarters.last_rate - 10.0).abs() < 1e-6, "{quarters:?}");
        assert!((quarters.last_cpu_rate - 20.0).abs() < 1e-6, "{quarters:?}");
        assert!(quarters.last_memory > quarters.first_memory + 20_000);
    }

    #[test]
    fn few_samples_say_nothing_of_quarters() {
        let mut figures = Figures::default();
        assert_eq!(figures.quarters(), None);
        for second in 0..5 {
            figures.sample(at(second));
            figures.sample(at(second));
        }
        assert_eq!(figures.samples.len(), 5);
        assert_eq!(figures.quarters(), None);
    }

    #[test]
    fn the_memory_in_use_is_known_on_linux() {
        if cfg!(target_os = "linux") {
            assert!(memory_in_use() > 1 << 20);
        }
    }
}
