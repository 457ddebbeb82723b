//! Waiting between attempts, and giving up on an answer.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};

use super::ports::{Clock, Kind, PortError, PortResult};

/// Exponential backoff with full jitter, up to a cap.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Backoff {
    /// How often something is tried in all.
    pub attempts: u32,
    pub first: Duration,
    pub cap: Duration,
    pub jitter: Jitter,
}

/// How a wait comes from its ceiling.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Jitter {
    /// This share of it is left to chance.
    Share(f64),
    /// Chance alone lets waits grow: each is between the first one and three times the one before.
    Decorrelated,
}

impl Backoff {
    pub const fn new(attempts: u32, first: Duration, cap: Duration) -> Self {
        Self {
            attempts,
            first,
            cap,
            jitter: Jitter::Share(0.9),
        }
    }

    /// The wait after the attempt (from 1) that failed. By default never shorter than a tenth of its
    /// ceiling, so that no loop runs without a wait, and never shorter than what the other side asked for.
    pub fn wait(&self, attempt: u32, chance: f64, asked: Option<Duration>) -> Duration {
        let doubled = 2u32.saturating_pow(attempt.saturating_sub(1).min(16));
        let ceiling = self.first.saturating_mul(doubled).min(self.cap);
        let jittered = match self.jitter {
            Jitter::Share(share) => ceiling.mul_f64(1.0 - share + share * chance),
            Jitter::Decorrelated => self.decorrelated(attempt, chance),
        };
        jittered.max(asked.unwrap_or_default())
    }

    /// The waits before are not remembered, but drawn again from the same chance: one like them.
    fn decorrelated(&self, attempt: u32, mut chance: f64) -> Duration {
        (0..attempt.min(16)).fold(self.first, |before, _| {
            let most = before.saturating_mul(3).saturating_sub(self.first);
            let wait = self.first + most.mul_f64(chance);
            chance = (chance * 1_000_003.0).fract();
            wait.min(self.cap)
        })
    }
}

/// Waits for `work` at most so long; then its outcome is unknown, which is a network error.
pub async fn within<T>(
    clock: &dyn Clock,
    limit: Duration,
    what: &str,
    work: impl Future<Output = PortResult<T>>,
) -> PortResult<T> {
    let work = pin!(work);
    match select(work, clock.sleep(limit)).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => Err(PortError::new(
            Kind::Network,
            format!("{what}: no answer within {} s", limit.as_secs()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_obey_retry_after() {
        let backoff = Backoff::new(5, Duration::from_secs(2), Duration::from_secs(60));
        let longest: Vec<u64> = (1..=7)
            .map(|n| backoff.wait(n, 1.0, None).as_secs())
            .collect();
        assert_eq!(longest, [2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(
            backoff.wait(1, 0.0, None),
            Duration::from_millis(200),
            "no loop without a wait"
        );
        assert_eq!(
            backoff.wait(1, 0.5, Some(Duration::from_secs(9))).as_secs(),
            9
        );
    }
}
