//! One result of the shards of many machines.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::state::{Identity, SoakState, StateError};
use crate::campaign::{Quarters, Samples, Shard, Totals};

/// What the shards came to together: the same as one machine with the same cases would have.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Merged {
    pub identity: Identity,
    /// How many shards the soak has.
    pub shards: u32,
    /// Those that were merged, by their number.
    pub parts: Vec<MergedShard>,
    /// Those whose result is not here.
    pub missing: Vec<u32>,
    pub totals: Totals,
}

/// One shard's share.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct MergedShard {
    pub shard: Shard,
    pub folder: PathBuf,
    pub cases: u64,
    /// Whether it reached a bound; else it was ended early, or is still at work.
    pub is_complete: bool,
    pub starts: u32,
    /// Time at work over all starts, in milliseconds.
    pub worked_ms: u64,
    /// Time that the processor spent on it, in milliseconds.
    pub cpu_ms: u64,
    pub quarters: Option<Quarters>,
    pub samples: Samples,
}

/// Why shards cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(
        "{}: there is no soak's state, neither there nor in a folder in it; name the folder that \
         `shakedown soak --out` was given", folder.display()
    )]
    Nothing { folder: PathBuf },
    #[error("{}: cannot list the folder: {why}; check the path", folder.display())]
    List { folder: PathBuf, why: io::Error },
    #[error(
        "{} and {} are not of one soak: the {what} of the first is {one}, of the second {two}; \
         merge them apart", first.display(), second.display()
    )]
    Differs {
        first: PathBuf,
        second: PathBuf,
        what: &'static str,
        one: String,
        two: String,
    },
    #[error(
        "{} and {} are both shard {shard}, whose cases would count twice; name one of them",
        first.display(), second.display()
    )]
    Twice {
        first: PathBuf,
        second: PathBuf,
        shard: Shard,
    },
}

/// Adds up the soaks in these folders, or in the folders in them.
///
/// # Errors
/// Where a folder has no state or a damaged one, or the states are not shards of one soak.
pub fn merge(folders: &[PathBuf]) -> Result<Merged, MergeError> {
    let mut parts: Vec<(PathBuf, SoakState)> = Vec::new();
    for folder in folders {
        parts.extend(states(folder)?);
    }
    parts.sort_by_key(|(_, state)| state.shard);
    for pair in parts.windows(2) {
        let [(first, one), (second, two)] = pair else {
            continue;
        };
        let counts = (one.shard.count, two.shard.count);
        let difference = one.identity.difference(&two.identity).or_else(|| {
            let texts = (counts.0.to_string(), counts.1.to_string());
            (counts.0 != counts.1).then_some(("number of shards", texts.0, texts.1))
        });
        let (first, second) = (first.clone(), second.clone());
        if let Some((what, one, two)) = difference {
            return Err(MergeError::Differs {
                first,
                second,
                what,
                one,
                two,
            });
        }
        if one.shard == two.shard {
            return Err(MergeError::Twice {
                first,
                second,
                shard: one.shard,
            });
        }
    }
    let Some((_, one)) = parts.first() else {
        let folder = folders.first().cloned().unwrap_or_default();
        return Err(MergeError::Nothing { folder });
    };
    let (identity, shards) = (one.identity.clone(), one.shard.count);
    let mut totals = Totals::default();
    for (_, state) in &parts {
        totals.add(&state.totals);
    }
    let is_missing = |index: &u32| parts.iter().all(|(_, state)| state.shard.index != *index);
    Ok(Merged {
        identity,
        shards,
        missing: (0..shards).filter(is_missing).collect(),
        totals,
        parts: parts.into_iter().map(part).collect(),
    })
}

fn part((folder, state): (PathBuf, SoakState)) -> MergedShard {
    MergedShard {
        shard: state.shard,
        folder,
        cases: state.done,
        is_complete: state.is_complete,
        starts: state.starts,
        worked_ms: state.worked_ms,
        cpu_ms: state.cpu_ms,
        quarters: state.samples.quarters(),
        samples: state.samples,
    }
}

/// The states of a folder: its own, or those of the folders in it.
fn states(folder: &Path) -> Result<Vec<(PathBuf, SoakState)>, MergeError> {
    if let Some(state) = SoakState::read(folder)? {
        return Ok(vec![(folder.to_owned(), state)]);
    }
    let failed = |why| MergeError::List {
        folder: folder.to_owned(),
        why,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir()
            && let Some(state) = SoakState::read(&path)?
        {
            found.push((path, state));
        }
    }
    if found.is_empty() {
        return Err(MergeError::Nothing {
            folder: folder.to_owned(),
        });
    }
    Ok(found)
}
