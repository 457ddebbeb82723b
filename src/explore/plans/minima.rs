//! The shortest plans that show the planted defects, as exploration found them: true minima.
//!
//! Each says in which alphabet and with which seeds every shorter plan was run and held. They are
//! among the plans that the shrinker is measured by, [`known`](crate::defect::known).

use crate::defect::known::{Known, text};
use crate::finding::Finding;
use crate::regression::Seed;

/// What is proven of a plan.
#[derive(Clone, Debug)]
pub struct Minimum {
    pub shown: Known,
    /// The alphabet's name on the command line.
    pub alphabet: String,
    pub seeds: Vec<u64>,
}

impl Minimum {
    pub fn new(defect: &str, found: &Finding, alphabet: &str, seeds: &[u64]) -> Self {
        Self {
            shown: Known {
                defect: defect.into(),
                rule: found.violation.rule.to_string(),
                kind: found.violation.kind.clone(),
                seed: found.seed,
                plan: found.plan.clone(),
            },
            alphabet: alphabet.into(),
            seeds: seeds.to_vec(),
        }
    }

    /// The plan, under comments that say what it shows and what is proven.
    pub fn text(&self) -> String {
        let seeds: Vec<String> = self.seeds.iter().map(|s| Seed(*s).to_string()).collect();
        let proof = format!(
            "# minimal: every shorter plan of the {} alphabet holds, with seed {}\n",
            self.alphabet,
            seeds.join(", ")
        );
        let shown = text(std::slice::from_ref(&self.shown));
        // The version line comes first, before all comments.
        match shown.split_once('\n') {
            Some((version, rest)) => format!("{version}\n{proof}{rest}"),
            None => shown,
        }
    }
}
