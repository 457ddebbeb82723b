//! Files that are whole or not there, whenever the program or the machine dies.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// A file that is locked for as long as this lives. The system gives the lock up with the process, however that ends: a
/// lock is never stale.
///
/// A child that is just being started has a copy of each open file, until it runs its program: closing the file alone
/// would leave the lock with it.
#[derive(Debug)]
pub struct Locked(File);

impl Locked {
    /// # Errors
    /// Where somebody else holds it, or the file cannot be locked.
    pub fn alone(file: File) -> Result<Self, TryLockError> {
        file.try_lock()?;
        Ok(Self(file))
    }

    /// As [`Self::alone`], beside others who share it.
    ///
    /// # Errors
    /// Where somebody else holds it alone, or the file cannot be locked.
    pub fn shared(file: File) -> Result<Self, TryLockError> {
        file.try_lock_shared()?;
        Ok(Self(file))
    }

    pub fn file(&mut self) -> &mut File {
        &mut self.0
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // What cannot be given up goes with the process.
        let _ = self.0.unlock();
    }
}

/// What the names of files end with that are not whole yet.
const UNFINISHED: &str = ".unfinished";

/// Writes a file: under another name first, and under its own once it is on the disk. Returns
/// when the name is on the disk too.
///
/// # Errors
/// Where the folder cannot be written to, or the disk is full; what was there before stays.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = unfinished(path)?;
    let written = write_whole(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        // What was written of it is of no use.
        let _ = fs::remove_file(&unfinished);
    }
    written?;
    sync_folder(path)
}

/// Does something to a file whose folder is made where it is missing; another process may remove that folder, empty, at
/// any time.
///
/// # Errors
/// Where the folder cannot be made, or what is done fails.
pub fn in_its_folder<T>(path: &Path, act: impl Fn() -> io::Result<T>) -> io::Result<T> {
    const TRIES: usize = 100;
    let mut tries = 0;
    loop {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        tries += 1;
        match act() {
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {}
            done => return done,
        }
    }
}

/// Gives a file a second name, in the place of what went by that name before.
///
/// # Errors
/// As [`write`].
pub fn keep_as(path: &Path, name: &Path) -> io::Result<()> {
    let unfinished = unfinished(name)?;
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::hard_link(path, &unfinished)?;
    fs::rename(&unfinished, name)?;
    // A rename does nothing to two names of one file.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes what processes that are gone left unfinished in a folder.
///
/// # Errors
/// Where the folder cannot be listed. A file that cannot be removed stays.
pub fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_suffix(UNFINISHED)?.rsplit_once('.'))
            .and_then(|(_, owner)| owner.parse().ok());
        let is_gone = |owner| kill(Pid::from_raw(owner), None) == Err(Errno::ESRCH);
        if owner.is_some_and(|owner| owner == own_id() || is_gone(owner)) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

fn own_id() -> i32 {
    std::process::id().cast_signed()
}

/// `.NAME.PROCESS.unfinished`, beside the file.
fn unfinished(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let name = name.to_string_lossy();
    Ok(path.with_file_name(format!(".{name}.{}{UNFINISHED}", own_id())))
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_though_a_child_has_a_copy_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = || File::create(folder.path().join("lock")).unwrap();
        let first = Locked::alone(file()).unwrap();
        let copy = first.0.try_clone().unwrap();
        assert!(Locked::alone(file()).is_err() && Locked::shared(file()).is_err());
        drop(first);
        let second = Locked::shared(file()).unwrap();
        assert!(Locked::shared(file()).is_ok() && Locked::alone(file()).is_err());
        drop((second, copy));
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        write(&path, b"one").unwrap();
        keep_as(&path, &folder.path().join("previous.json")).unwrap();
        // Once more, of what is one file already.
        keep_as(&path, &folder.path().join("previous.json")).unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(
            fs::read(folder.path().join("previous.json")).unwrap(),
            b"one"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_the_dead_left_unfinished_goes_and_what_the_living_write_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = crate::process::command("true").spawn().unwrap();
        child.wait().unwrap();
        let of = |id: u32| folder.path().join(format!(".a.plan.{id}{UNFINISHED}"));
        for path in [of(child.id()), of(1), folder.path().join("a.plan")] {
            fs::write(path, "half").unwrap();
        }
        sweep(folder.path()).unwrap();
        assert!(!of(child.id()).exists());
        assert!(of(1).exists() && folder.path().join("a.plan").exists());
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("x"), "").unwrap();
        assert!(write(&path, b"one").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
