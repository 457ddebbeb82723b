//! Which of a soak's cases one of many machines runs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Case `i` belongs to shard `i mod count`; the only shard of one has them all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Shard {
    /// From 0.
    pub index: u32,
    /// How many shards there are.
    pub count: u32,
}

impl Shard {
    /// All cases.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// The shard's case with this number, from 0.
    pub fn case(self, turn: u64) -> u64 {
        turn * u64::from(self.count) + u64::from(self.index)
    }

    /// How many of the first `cases` cases are the shard's.
    pub fn share_of(self, cases: u64) -> u64 {
        cases
            .saturating_sub(self.index.into())
            .div_ceil(self.count.into())
    }

    /// The shard that a scheduler's environment names: the array index of AWS Batch, of a
    /// Kubernetes indexed job, or of Slurm. `count` is how many there are, where it does not say.
    ///
    /// # Errors
    /// Where the environment names an index without a count, or what cannot be.
    pub fn of_environment(
        var: impl Fn(&str) -> Option<String>,
        count: Option<u32>,
    ) -> Result<Option<Self>, ShardError> {
        let number = |name: &str| match var(name) {
            None => Ok(None),
            Some(text) => match text.trim().parse::<u32>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(ShardError(format!(
                    "{name} is `{text}`, which is no whole number; unset it, or say --shard I/N"
                ))),
            },
        };
        let of = |name: &str, index: u32, given: Option<u32>| {
            let count = count.or(given).ok_or_else(|| {
                ShardError(format!(
                    "{name} says that this is number {index} of several, and nothing says of how \
                     many; add --shard-count N, or --shard 0/1 to run all cases here"
                ))
            })?;
            Self::new(index, count).map(Some)
        };
        if let Some(index) = number(AWS_BATCH)? {
            return of(AWS_BATCH, index, number("AWS_BATCH_JOB_ARRAY_SIZE")?);
        }
        if let Some(index) = number(KUBERNETES)? {
            return of(KUBERNETES, index, None);
        }
        let Some(id) = number(SLURM)? else {
            return Ok(None);
        };
        let first = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
        let step = number("SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
        let away = id.saturating_sub(first);
        if !away.is_multiple_of(step) {
            return Err(ShardError(format!(
                "{SLURM} is {id}, and the array goes from {first} by steps of {step}; use an array \
                 such as 0-3, or say --shard I/N"
            )));
        }
        of(SLURM, away / step, number("SLURM_ARRAY_TASK_COUNT")?)
    }

    fn new(index: u32, count: u32) -> Result<Self, ShardError> {
        if index < count {
            return Ok(Self { index, count });
        }
        Err(ShardError(format!(
            "there is no shard {index} of {count}; they are counted from 0: 0/{count} to {}/{count}",
            count.saturating_sub(1)
        )))
    }
}

const AWS_BATCH: &str = "AWS_BATCH_JOB_ARRAY_INDEX";
const KUBERNETES: &str = "JOB_COMPLETION_INDEX";
const SLURM: &str = "SLURM_ARRAY_TASK_ID";

/// What is wrong with a shard, and what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ShardError(String);

impl FromStr for Shard {
    type Err = ShardError;

    /// Reads `I/N`.
    fn from_str(text: &str) -> Result<Self, ShardError> {
        let number = |text: &str| text.parse::<u32>().ok();
        let (index, count) = text
            .split_once('/')
            .and_then(|(index, count)| Some((number(index)?, number(count)?)))
            .filter(|(_, count)| *count > 0)
            .ok_or_else(|| ShardError("write I/N, such as 0/4 for the first of four".into()))?;
        Self::new(index, count)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variables: &[(&str, &str)], count: Option<u32>, expected: Result<&str, &str>) {
        let var = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        match (Shard::of_environment(var, count), expected) {
            (Ok(shard), Ok(text)) => {
                let shown = shard.map_or("none".into(), |shard| shard.to_string());
                assert_eq!(shown, text);
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (got, _) => panic!("{got:?}, not {expected:?}"),
        }
    }

    #[test]
    fn schedulers_name_the_shard() {
        check(&[], None, Ok("none"));
        let batch = ("AWS_BATCH_JOB_ARRAY_INDEX", "2");
        check(&[batch], None, Err("add --shard-count N"));
        check(&[batch], Some(4), Ok("2/4"));
        check(&[batch, ("AWS_BATCH_JOB_ARRAY_SIZE", "8")], None, Ok("2/8"));
        check(&[("JOB_COMPLETION_INDEX", "0")], Some(3), Ok("0/3"));
        check(&[("JOB_COMPLETION_INDEX", "3")], Some(3), Err("no shard 3"));
        check(
            &[("JOB_COMPLETION_INDEX", "x")],
            Some(3),
            Err("no whole number"),
        );
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", "7"),
            ("SLURM_ARRAY_TASK_MIN", "1"),
            ("SLURM_ARRAY_TASK_COUNT", "4"),
            ("SLURM_ARRAY_TASK_STEP", "2"),
        ];
        check(&slurm, None, Ok("3/4"));
        check(&slurm[..3], None, Err("no shard 6 of 4"));
        let odd = [slurm[0], ("SLURM_ARRAY_TASK_STEP", "3"), slurm[2]];
        check(&odd, None, Err("use an array such as 0-3"));
    }

    #[test]
    fn shards_share_out_all_cases_and_none_twice() {
        for (count, cases) in [(1, 10), (3, 10), (4, 3), (4, 8)] {
            let mut all = Vec::new();
            for index in 0..count {
                let shard = Shard { index, count };
                all.extend((0..shard.share_of(cases)).map(|turn| shard.case(turn)));
            }
            all.sort_unstable();
            assert_eq!(all, (0..cases).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_shard_is_read_as_it_is_written() {
        assert_eq!("1/4".parse(), Ok(Shard { index: 1, count: 4 }));
        assert_eq!("0/1".parse(), Ok(Shard::WHOLE));
        for bad in ["", "1", "4/4", "0/0", "-1/4", "1/4/2", "a/b"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
