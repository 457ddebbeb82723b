//! A network of a child's own, on Linux: nothing but a loopback interface, and other files in the place of some of
//! the machine's, so that it finds there whom it takes for the rest of the world, and can reach nobody else.
//!
//! A helper, which is this program once more, makes the namespaces, listens in them, hands all that over, and ends.
//! They exist for as long as somebody holds them.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

/// What the helper is to make.
#[derive(Clone, PartialEq, Eq, Debug, Default, Args)]
pub struct Wanted {
    /// A port of 127.0.0.1 that is listened on.
    #[arg(long = "port")]
    pub ports: Vec<u16>,
    /// Whether UDP messages to port 53 are taken.
    #[arg(long)]
    pub names: bool,
    /// A file, and the one whose place it takes: `FROM=TO`. Where there is none such, nothing is done.
    #[arg(long = "file", value_parser = file)]
    pub files: Vec<(PathBuf, PathBuf)>,
    /// A folder that can be written to; where there is one, all others but those of devices and processes cannot, where
    /// the system is able to do that.
    #[arg(long)]
    pub writable: Vec<PathBuf>,
}

fn file(text: &str) -> Result<(PathBuf, PathBuf), String> {
    let (from, to) = text.split_once('=').ok_or("write FROM=TO")?;
    Ok((from.into(), to.into()))
}

/// What was made.
pub struct Made {
    /// Where children may be put.
    pub namespace: Namespace,
    /// What listens there, one for each port.
    pub listening: Vec<OwnedFd>,
    /// What takes messages to port 53, where that was wanted.
    pub names: Option<OwnedFd>,
}

/// Namespaces that children can be put into.
pub struct Namespace(Vec<(Kind, OwnedFd)>);

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|it| it.0))
            .finish()
    }
}

/// The kinds of namespaces, in the order in which they are entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    User,
    Mounts,
    Network,
}

#[cfg(not(target_os = "linux"))]
mod made {
    use super::{Command, Kind, Made, Namespace, Path, Wanted, io};

    pub(super) fn inside(_: &Wanted) -> io::Result<()> {
        Err(io::Error::other(format!(
            "{:?}: only Linux has them",
            [Kind::User, Kind::Mounts, Kind::Network]
        )))
    }

    pub(super) fn make(_: &Wanted) -> io::Result<Made> {
        Err(io::Error::other("only Linux has namespaces"))
    }

    pub(super) fn enter(_: &Namespace, _: &mut Command, _: &Path) -> io::Result<()> {
        Err(io::Error::other("only Linux has namespaces"))
    }
}

#[cfg(target_os = "linux")]
mod made;

/// Makes a network, by way of a helper.
///
/// # Errors
/// Where the system does not let this user.
pub fn make(wanted: &Wanted) -> io::Result<Made> {
    made::make(wanted)
}

/// Why no network of its own can be given to a child; `None` where it can.
pub fn lacking() -> Option<String> {
    let made = make(&Wanted::default());
    made.err().map(|error| error.to_string())
}

/// What the helper does: its standard input is the socket to its parent.
///
/// # Errors
/// Where the system does not let this user.
pub fn inside(wanted: &Wanted) -> io::Result<()> {
    made::inside(wanted)
}

impl Namespace {
    /// Lets a command run in here, and in this folder; other things that are to happen before it runs are said after
    /// this.
    ///
    /// # Errors
    /// When the folder's name has a zero byte.
    pub fn enter(&self, command: &mut Command, folder: &Path) -> io::Result<()> {
        made::enter(self, command, folder)
    }
}
