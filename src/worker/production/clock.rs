//! Real time, scaled where it must pass faster, and the chance that jitter needs.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use crate::chance::Chance;
use crate::worker::ports::Clock;

/// The wall clock. Containers on the same scale read the same time.
pub struct WallClock {
    scale: f64,
    chance: RefCell<Chance>,
}

impl WallClock {
    /// `scale` is the real time for each unit of the worker's own time.
    pub fn new(scale: f64) -> Self {
        Self {
            scale,
            // The standard library seeds its hashers at random.
            chance: RefCell::new(Chance::new(RandomState::new().hash_one(std::process::id()))),
        }
    }

    /// How long so much of the worker's time really takes.
    pub fn real(&self, time: Duration) -> Duration {
        time.mul_f64(self.scale)
    }
}

#[async_trait(?Send)]
impl Clock for WallClock {
    fn now(&self) -> Duration {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .div_f64(self.scale)
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(self.real(time)).await;
    }

    fn chance(&self) -> f64 {
        self.chance.borrow_mut().fraction()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn scaled_time_passes_faster() {
        let clock = WallClock::new(0.01);
        let (began, real) = (clock.now(), std::time::Instant::now());
        clock.sleep(Duration::from_secs(5)).await;
        assert!(real.elapsed() < Duration::from_secs(2));
        assert!(clock.now() - began >= Duration::from_secs(5));
    }
}
