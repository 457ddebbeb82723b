//! Temporary folders that never stay: each is removed with its owner, and what an owner that was killed
//! left goes when the next one comes.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{AccessFlags, access};
use tempfile::TempDir;

use crate::durable::Locked;
use crate::error::TargetError;
use crate::process::home;

/// What the names of all folders begin with.
const PREFIX: &str = "shakedown-";
/// The file in a folder that is locked for as long as its owner lives.
const IN_USE: &str = "in-use";

/// Where files are in memory, on Linux. Runs that need not wait for a disk take less time, and no time limit is met because
/// of the disk.
const IN_MEMORY: &str = "/dev/shm";
/// The least free memory for it, there and as a whole: a plan's sites and repositories take up to 200 MB, and several plans
/// run at once.
const ROOM: u64 = 4 << 30;
/// Folders and files that are to go with this process, also where it ends at once.
static HERE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A folder that is removed when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    _lock: Locked,
}

impl Scratch {
    /// Makes a folder where `TMPDIR` says; without it in memory where there is enough, else in the system's place for
    /// temporary ones. `what` it is for is a part of its name.
    ///
    /// # Errors
    /// When it cannot be made there.
    pub fn new(what: &str) -> Result<Self, TargetError> {
        static SWEEP: Once = Once::new();
        let on_disk = std::env::temp_dir();
        SWEEP.call_once(|| {
            sweep(&on_disk);
            sweep(Path::new(IN_MEMORY));
        });
        let root = match std::env::var_os("TMPDIR") {
            None if has_room_in_memory() => PathBuf::from(IN_MEMORY),
            _ => on_disk,
        };
        Self::new_in(&root, what).map_err(|error| {
            TargetError::new(
                format!("making a folder in {}", root.display()),
                error,
                "set TMPDIR to a folder that can be written to",
            )
        })
    }

    fn new_in(root: &Path, what: &str) -> io::Result<Self> {
        let _no_sweep = making_in(root);
        let folder = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{what}-"))
            .tempdir_in(root)?;
        let lock = File::create(folder.path().join(IN_USE))?;
        let lock = Locked::alone(lock).map_err(io::Error::from)?;
        let folder = TempDir::keep(folder);
        goes_with_process(&folder);
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    pub fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.folder);
        is_gone(&self.folder);
    }
}

/// Lets a folder or a file be removed where this process ends at once.
pub fn goes_with_process(path: &Path) {
    let mut here = HERE.lock().unwrap_or_else(PoisonError::into_inner);
    here.push(path.to_owned());
}

/// It was removed, or is to stay.
pub fn is_gone(path: &Path) {
    let mut here = HERE.lock().unwrap_or_else(PoisonError::into_inner);
    here.retain(|other| other != path);
}

/// Removes all that is to go with this process, which ends next.
pub fn remove_all() {
    let here = std::mem::take(&mut *HERE.lock().unwrap_or_else(PoisonError::into_inner));
    for path in here {
        match path.is_dir() {
            true => remove(&path),
            false => {
                let _ = fs::remove_file(&path);
                // Where it was the last one there.
                let _ = path.parent().map(fs::remove_dir);
            }
        }
    }
}

/// Whether the folder in memory can be used, programs in it run, and there is enough memory.
fn has_room_in_memory() -> bool {
    let can_be_used = statvfs(IN_MEMORY).is_ok_and(|of| {
        let free = u128::from(of.blocks_available()) * u128::from(of.fragment_size());
        let forbidden = FsFlags::ST_NOEXEC | FsFlags::ST_RDONLY;
        free >= ROOM.into() && !of.flags().intersects(forbidden)
    });
    can_be_used
        && access(IN_MEMORY, AccessFlags::W_OK).is_ok()
        && fs::read_to_string("/proc/meminfo")
            .ok()
            .and_then(|text| available(&text))
            .is_some_and(|free| free >= ROOM)
}

/// The bytes of memory that `/proc/meminfo` says are available.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes << 10)
}

/// How long what lives in a folder may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// Kills what lives in a folder, and removes it, and the file that marks it as ours last: one whose removal was cut off is
/// known to the next sweep.
fn remove(folder: &Path) {
    home::kill_living_in(folder, GONE_WITHIN);
    // An owner that is still writing may have put a file there once more.
    for _ in 0..100 {
        let others = || {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries.filter(|entry| entry.file_name() != IN_USE)
        };
        for entry in others() {
            let path = entry.path();
            let _ = match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => fs::remove_dir_all(path),
                false => fs::remove_file(path),
            };
        }
        if others().next().is_none() {
            let _ = fs::remove_dir_all(folder);
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Held while a folder is made, which is not seen before it is locked: no sweep looks meanwhile. `None` where the root
/// cannot be locked, or somebody else has locked it.
fn making_in(root: &Path) -> Option<Locked> {
    for _ in 0..100 {
        if let Ok(root) = Locked::shared(File::open(root).ok()?) {
            return Some(root);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

/// How old an empty folder is that nobody makes any more, where that cannot be known otherwise.
const MAKING: Duration = Duration::from_secs(60);

/// Removes the folders whose owners are gone. What cannot be removed belongs to another user.
fn sweep(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else {
        return;
    };
    let lock = File::open(root)
        .ok()
        .and_then(|root| Locked::alone(root).ok());
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let is_left = match File::open(entry.path().join(IN_USE)) {
            Ok(owner) => Locked::alone(owner).is_ok(),
            Err(_) => is_empty(&entry.path()) && (lock.is_some() || is_old(&entry.path())),
        };
        if is_left {
            remove(&entry.path());
        }
    }
}

/// Whether a folder holds nothing: its owner was killed before it was locked, or after all else was removed.
fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

fn is_old(folder: &Path) -> bool {
    let changed = fs::metadata(folder).and_then(|of| of.modified());
    let age = changed.ok().and_then(|at| at.elapsed().ok());
    age.is_some_and(|age| age > MAKING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_owner_or_with_the_next() {
        let root = tempfile::tempdir().unwrap();
        let used = Scratch::new_in(root.path(), "used").unwrap();
        let dropped = Scratch::new_in(root.path(), "dropped").unwrap();
        fs::create_dir_all(dropped.path().join("a/b")).unwrap();
        drop(dropped);
        // What a killed owner leaves: the file, and no lock on it.
        let left = root.path().join("shakedown-left-1");
        fs::create_dir_all(left.join("a/b")).unwrap();
        File::create(left.join(IN_USE)).unwrap();
        // One that was killed while it removed its folder, and one while it made it.
        let half = root.path().join("shakedown-half-1");
        fs::create_dir_all(half.join("a")).unwrap();
        File::create(half.join(IN_USE)).unwrap();
        fs::create_dir(root.path().join("shakedown-new-1")).unwrap();
        let others = root.path().join("shakedown-of-somebody");
        fs::create_dir_all(others.join("files")).unwrap();
        fs::create_dir(root.path().join("other")).unwrap();
        sweep(root.path());
        let mut names: Vec<String> = fs::read_dir(root.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let used = used.path().file_name().unwrap().to_str().unwrap();
        assert_eq!(names, ["other", "shakedown-of-somebody", used]);
    }

    #[test]
    fn the_available_memory_is_read() {
        let text = "MemTotal: 24684092 kB\nMemFree: 1 kB\nMemAvailable:   23068672 kB\n";
        assert_eq!(available(text), Some(22 << 30));
        assert_eq!(available("MemTotal: 24684092 kB\n"), None);
    }

    #[test]
    fn a_place_that_cannot_be_written_to_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        assert!(Scratch::new_in(&root.path().join("missing"), "x").is_err());
    }
}
