//! Real time, scaled where it must pass faster, and the chance that jitter needs.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use crate::worker::ports::Clock;

/// The wall clock. Containers on the same scale read the same time.
pub struct WallClock {
    scale: f64,
    state: Cell<u64>,
}

impl WallClock {
    /// `scale` is the real time for each unit of the worker's own time.
    pub fn new(scale: f64) -> Self {
        Self {
            scale,
            // The standard library seeds its hashers at random.
            state: Cell::new(RandomState::new().hash_one(std::process::id())),
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

    /// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    fn chance(&self) -> f64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_spread_over_its_range() {
        let clock = WallClock::new(1.0);
        let mut eighths = [0; 8];
        for _ in 0..8000 {
            let chance = clock.chance();
            assert!((0.0..1.0).contains(&chance));
            eighths[(chance * 8.0) as usize] += 1;
        }
        assert!(
            eighths.iter().all(|n| (800..1200).contains(n)),
            "{eighths:?}"
        );
    }

    #[tokio::test]
    async fn scaled_time_passes_faster() {
        let clock = WallClock::new(0.01);
        let (began, real) = (clock.now(), std::time::Instant::now());
        clock.sleep(Duration::from_secs(5)).await;
        assert!(real.elapsed() < Duration::from_secs(2));
        assert!(clock.now() - began >= Duration::from_secs(5));
    }
}
