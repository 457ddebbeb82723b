//! Coverage as JSON: the names of steps, faults and entries of the sometimes-list as keys.

use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

use super::Sometimes;
use crate::plan::{FaultKind, StepKind};

/// Deaths that no step of a plan is called after.
const DEATHS: [&str; 1] = ["exit"];

/// Reads a map whose keys are names that the program knows.
pub(super) fn named<'de, D, T>(from: D) -> Result<BTreeMap<&'static str, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let read = BTreeMap::<String, T>::deserialize(from)?;
    let known = |name: String| {
        let steps = StepKind::ALL.into_iter().map(StepKind::name);
        let faults = FaultKind::ALL.into_iter().map(FaultKind::name);
        let mut names = steps.chain(faults).chain(DEATHS);
        names
            .find(|known| **known == *name)
            .ok_or_else(|| D::Error::custom(format!("`{name}` is no step, fault or death")))
    };
    read.into_iter()
        .map(|(name, value)| Ok((known(name)?, value)))
        .collect()
}

impl Serialize for Sometimes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sometimes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::all()
            .find(|entry| entry.to_string() == text)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is not in the sometimes-list")))
    }
}

#[cfg(test)]
mod tests {
    use crate::coverage::Coverage;
    use crate::generate::{Shape, plans};
    use crate::target::Interrupt;
    use crate::target::sim::Sim;

    #[test]
    fn what_many_plans_reached_is_read_as_it_was_written() {
        let strategy = plans(&Shape::default());
        let mut sum = Coverage::default();
        for index in 0..60 {
            let (plan, seed) = crate::campaign::case(&strategy, 1, index).unwrap();
            let interrupt = Interrupt::default();
            let (_, coverage) = crate::campaign::run_one(&Sim::default(), plan, seed, &interrupt);
            sum.add(&coverage);
        }
        assert!(sum.sometimes.len() > 15 && sum.disturbed.len() > 10);
        let text = serde_json::to_string(&sum).unwrap();
        assert_eq!(serde_json::from_str::<Coverage>(&text).unwrap(), sum);
        let odd = text.replace("\"s3-denied\"", "\"s3-denid\"");
        let error = serde_json::from_str::<Coverage>(&odd).unwrap_err();
        assert!(error.to_string().contains("`s3-denid` is no step"));
    }
}
