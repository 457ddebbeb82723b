//! What a killed `git` leaves in a checkout, and how it is removed without losing a commit.

use std::io;
use std::path::{Path, PathBuf};

use super::refs::{is_absent, read, read_ref};

/// The files of an unfinished operation. Removing them leaves the branch where it was
/// before the operation: a branch moves only at an operation's end.
const UNFINISHED: [&str; 14] = [
    "rebase-merge",
    "rebase-apply",
    "sequencer",
    "MERGE_HEAD",
    "MERGE_MODE",
    "MERGE_MSG",
    "MERGE_RR",
    "MERGE_AUTOSTASH",
    "AUTO_MERGE",
    "SQUASH_MSG",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "REBASE_HEAD",
    "BISECT_LOG",
];

/// Which of them may be there although all is well.
fn is_harmless(name: &str) -> bool {
    matches!(name, "MERGE_RR" | "AUTO_MERGE" | "REBASE_HEAD")
}

/// Removes locks and unfinished operations, and puts the checkout back on its branch.
///
/// Returns whether there was anything, so that the files must be reset too.
///
/// # Errors
/// When something cannot be read or removed.
pub fn remove_debris(git_folder: &Path, branch: &str) -> io::Result<bool> {
    let mut found = false;
    for lock in locks(git_folder)? {
        std::fs::remove_file(lock)?;
        found = true;
    }
    for name in UNFINISHED {
        let path = git_folder.join(name);
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        match removed {
            Ok(()) => found |= !is_harmless(name),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error),
        }
    }
    let head = git_folder.join("HEAD");
    let wanted = format!("ref: refs/heads/{branch}\n");
    if read(&head)?.as_deref() != Some(&wanted) {
        // A rename, so that a crash here leaves one or the other.
        let new = git_folder.join("HEAD.lock");
        std::fs::write(&new, &wanted)?;
        std::fs::rename(&new, &head)?;
        found = true;
    }
    Ok(found)
}

/// Whether this is a repository with the branch in it. A clone that was cut off is not, and where
/// there is no branch there is no commit of it to lose.
///
/// # Errors
/// When its files are there and cannot be read.
pub fn is_whole(git_folder: &Path, branch: &str) -> io::Result<bool> {
    Ok(git_folder.join("objects").is_dir()
        && read_ref(git_folder, &format!("refs/heads/{branch}"))?.is_some())
}

/// Every lock file. Objects are written without locks, so their many folders are left out.
fn locks(git_folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut locks = Vec::new();
    let mut folders = vec![git_folder.to_path_buf()];
    let objects = git_folder.join("objects");
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_object_folder = folder == objects && name.len() == 2;
            if entry.file_type()?.is_dir() {
                if !is_object_folder {
                    folders.push(entry.path());
                }
            } else if name.to_string_lossy().ends_with(".lock") {
                locks.push(entry.path());
            }
        }
    }
    Ok(locks)
}
