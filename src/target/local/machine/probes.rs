//! Small pieces of the work that a run needs: a file on the disk, a process, room.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use nix::sys::statvfs::statvfs;

use super::{Seen, Stalled};
use crate::process;
use crate::scratch::Scratch;

/// Room without which no run begins, in MiB.
pub(super) const NEEDED: u64 = 32;
/// Room with which a run may be out of it for a moment, in MiB.
const SHORT: u64 = 8;

/// What the probes work with.
pub(super) struct Probes {
    folder: Scratch,
    /// Whether there is a program that does nothing.
    has_program: bool,
}

impl Probes {
    /// Where they write, as runs do.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs them once, so that what is short is known at once.
    pub(super) fn new(seen: &Seen) -> io::Result<Self> {
        let mut probes = Self {
            folder: Scratch::new("probe").map_err(io::Error::other)?,
            has_program: true,
        };
        probes.run(seen);
        Ok(probes)
    }

    pub(super) fn run(&mut self, seen: &Seen) {
        let path = self.folder.path().join("written");
        let write = || {
            let mut file = File::create(&path)?;
            file.write_all(&[0; 4096])?;
            file.sync_all()
        };
        if let Err(error) = timed(seen, Stalled::Disk, write) {
            seen.state()
                .fail(format!("writing {} failed: {error}", path.display()));
        }
        if let Some(why) = shortage(self.folder.path(), SHORT) {
            seen.state().fail(why);
        }
        if self.has_program {
            let start = || process::output(&mut process::command("true")).map(drop);
            match timed(seen, Stalled::Process, start) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.has_program = false,
                Err(error) => seen
                    .state()
                    .fail(format!("a process could not be started: {error}")),
                Ok(()) => {}
            }
        }
    }
}

/// Does something, and takes note of how long it took, also while it lasts.
fn timed(seen: &Seen, what: Stalled, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let began = Instant::now();
    seen.state().probing = Some((what, began));
    let done = act();
    let mut state = seen.state();
    state.probing = None;
    state.take(what, began.elapsed());
    done
}

/// What there is too little of in a folder, of so many MiB.
pub(super) fn shortage(folder: &Path, needed: u64) -> Option<String> {
    // What cannot be asked is seen when it is needed.
    let of = statvfs(folder).ok()?;
    #[allow(clippy::useless_conversion)] // The types differ between systems.
    let free = u64::from(of.blocks_available()) * u64::from(of.fragment_size()) / (1 << 20);
    if free < needed {
        return Some(format!(
            "only {free} MiB are free in {}, and a run needs up to {NEEDED}",
            folder.display()
        ));
    }
    (of.files() > 0 && of.files_available() < 1000)
        .then(|| format!("{} has no room for more files", folder.display()))
}
