//! Seeded chance.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// The same seed gives the same words.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next word.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number in `0.0..1.0`.
    pub fn fraction(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of two ways.
    pub fn coin(&mut self) -> bool {
        self.word() >> 63 == 1
    }

    /// A number in `from..=to`.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        // Multiply and shift: cheaper than a remainder, and as even for spans so small.
        let width = u128::from(to - from + 1);
        from + ((u128::from(self.word()) * width) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_reference_implementation() {
        let mut chance = Chance::new(1_234_567);
        let words = [chance.word(), chance.word()];
        assert_eq!(
            words,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]
        );
    }

    #[test]
    fn fractions_are_spread_over_their_range() {
        let mut chance = Chance::new(7);
        let mut eighths = [0; 8];
        for _ in 0..8000 {
            eighths[(chance.fraction() * 8.0) as usize] += 1;
        }
        assert!(
            eighths.iter().all(|n| (800..1200).contains(n)),
            "{eighths:?}"
        );
    }
}
