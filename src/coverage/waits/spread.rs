//! How times are spread: counts in classes whose bounds grow by a fiftieth, whatever their number.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// So many classes for half as much again, so that each is some two hundredths wide.
const CLASSES: f64 = 20.0;
const HALF_AS_MUCH_AGAIN: f64 = 1.5;

/// Times by their class, which add up exactly. In JSON a text: `class:count`, parted by blanks.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Spread(BTreeMap<u16, u64>);

impl Spread {
    /// Counts a time.
    pub fn sample(&mut self, time: Duration) {
        let ms = time.as_secs_f64() * 1_000.0;
        let class = ms.max(1.0).ln() / HALF_AS_MUCH_AGAIN.ln() * CLASSES;
        *self.0.entry(class as u16).or_default() += 1;
    }

    /// Adds what another one counted.
    pub fn add(&mut self, other: &Self) {
        for (class, count) in &other.0 {
            *self.0.entry(*class).or_default() += count;
        }
    }

    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// The class that this share of the times is not above; 0 where there are none.
    pub fn class_at(&self, share: f64) -> u16 {
        let wanted = (self.count() as f64 * share).ceil() as u64;
        let mut so_far = 0;
        let mut classes = self.0.iter();
        let found = classes.find(|(_, count)| {
            so_far += *count;
            so_far >= wanted
        });
        found.map_or(0, |(class, _)| *class)
    }

    /// The time that this share of the times is not above, as exactly as classes are.
    pub fn at(&self, share: f64) -> Duration {
        let class = f64::from(self.class_at(share)) + 0.5;
        Duration::from_secs_f64(HALF_AS_MUCH_AGAIN.powf(class / CLASSES) / 1_000.0)
    }

    /// How many are of a class above this one.
    pub fn above(&self, class: u16) -> u64 {
        let above = self.0.iter().filter(|(own, _)| **own > class);
        above.map(|(_, count)| count).sum()
    }

    /// How many are shorter than this, those left out that may not be.
    pub fn below(&self, time: Duration) -> u64 {
        let mut bound = Self::default();
        bound.sample(time);
        let class = bound.class_at(1.0);
        let below = self.0.iter().filter(|(own, _)| **own < class);
        below.map(|(_, count)| count).sum()
    }

    /// The most that are in so many classes in a row.
    pub fn densest(&self, classes: u16) -> u64 {
        let from = |first: &u16| {
            let last = first.saturating_add(classes - 1);
            self.0.range(first..=&last).map(|(_, count)| count).sum()
        };
        self.0.keys().map(from).max().unwrap_or_default()
    }
}

impl From<Spread> for String {
    fn from(of: Spread) -> Self {
        let classes = of.0.iter().map(|(class, count)| format!("{class}:{count}"));
        classes.collect::<Vec<_>>().join(" ")
    }
}

impl TryFrom<String> for Spread {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let class = |part: &str| {
            let (class, count) = part.split_once(':')?;
            let count = count.parse().ok().filter(|count| *count <= MOST)?;
            Some((class.parse().ok()?, count))
        };
        let read = text.split_whitespace().map(|part| {
            class(part).ok_or_else(|| format!("`{part}` is no class of times with its count"))
        });
        read.collect::<Result<_, _>>().map(Self)
    }
}

/// More than any campaign has.
const MOST: u64 = 1 << 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(ms: &[u64]) -> Spread {
        let mut spread = Spread::default();
        for ms in ms {
            spread.sample(Duration::from_millis(*ms));
        }
        spread
    }

    #[test]
    fn times_are_counted_by_their_class_and_read_as_they_were_written() {
        let of = spread(&[1_000, 1_001, 2_000, 8_000]);
        assert_eq!(of.count(), 4);
        assert!(of.at(0.5).abs_diff(Duration::from_secs(1)) < Duration::from_millis(20));
        assert_eq!(of.above(of.class_at(0.5)), 2);
        assert_eq!(of.densest(3), 2);
        assert_eq!(of.below(Duration::from_secs(5)), 3);
        let text = String::from(of.clone());
        assert_eq!(Spread::try_from(text).unwrap(), of);
        let error = Spread::try_from("12:1 x:2".to_owned()).unwrap_err();
        assert!(error.contains("`x:2`"), "{error}");
        assert!(Spread::try_from(format!("12:{}", u64::MAX)).is_err());
    }

    #[test]
    fn what_is_added_is_as_if_it_had_been_counted_at_once() {
        let mut sum = spread(&[10, 2_000]);
        sum.add(&spread(&[2_000, 30_000]));
        assert_eq!(sum, spread(&[2_000, 30_000, 10, 2_000]));
        assert_eq!(Spread::default().densest(3), 0);
        assert_eq!(Spread::default().class_at(0.9), 0);
    }
}
