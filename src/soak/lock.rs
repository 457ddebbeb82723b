//! One soak at a time in a folder.

use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use super::FolderError;
use crate::campaign::CampaignError;
use crate::durable::Locked;

/// Held for as long as a soak is at work.
#[derive(Debug)]
pub(super) struct Lock {
    _file: Locked,
}

impl Lock {
    pub(super) fn take(folder: &Path) -> Result<Self, CampaignError> {
        let path = path(folder);
        let failed = |why: io::Error| CampaignError::Write {
            path: path.clone(),
            why,
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        let mut locked = match Locked::alone(file) {
            Ok(locked) => locked,
            Err(TryLockError::WouldBlock) => {
                // The holder's name only helps; it may be empty.
                let holder = fs::read_to_string(&path).unwrap_or_default();
                return Err(FolderError::Locked {
                    folder: folder.to_owned(),
                    holder: holder.trim().to_owned(),
                }
                .into());
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        };
        let file = locked.file();
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(failed)?;
        Ok(Self { _file: locked })
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_learns_of_the_first_and_the_dead_hold_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lock::take(folder.path()).unwrap();
        let error = Lock::take(folder.path()).unwrap_err().to_string();
        let id = std::process::id().to_string();
        assert!(error.contains(&id) && error.contains("--out"), "{error}");
        drop(first);
        // As a killed process leaves it.
        std::fs::write(path(folder.path()), "999999\n").unwrap();
        Lock::take(folder.path()).unwrap();
    }
}
