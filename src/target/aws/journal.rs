//! What is about to be changed in an account, on the disk before it is: so that it can be undone whatever ends this
//! program.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::durable::{self, Locked};

/// One change that is not known to be undone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The account.
    pub account: String,
    /// Its region.
    pub region: String,
    /// Where AWS is, where that is not AWS itself.
    pub endpoint: Option<String>,
    /// The bucket whose policy is changed.
    pub bucket: String,
    /// The id of our statement in it.
    pub statement: String,
    /// The policy before; `None` where there was none.
    pub before: Option<String>,
    /// The policy with our statement.
    pub ours: String,
    /// The process that makes the change.
    pub process: u32,
}

/// Where the journals of all accounts are.
///
/// # Errors
/// Where neither XDG_STATE_HOME nor HOME is set.
pub(super) fn folder() -> io::Result<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from);
    let own = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    own.map(|own| own.join("shakedown/aws"))
        .ok_or_else(|| io::Error::other("neither XDG_STATE_HOME nor HOME is set"))
}

fn path(account: &str) -> io::Result<PathBuf> {
    Ok(folder()?.join(format!("{account}.journal")))
}

/// The open journal of an account.
pub(super) fn open(account: &str) -> io::Result<Option<Entry>> {
    match fs::read(path(account)?) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The open journals of all accounts.
pub(super) fn all() -> io::Result<Vec<Entry>> {
    let listed = match fs::read_dir(folder()?) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    let mut entries = Vec::new();
    for file in listed {
        let path = file?.path();
        if path.extension().is_some_and(|it| it == "journal") {
            entries.push(serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)?);
        }
    }
    Ok(entries)
}

/// Keeps others from changing the account, for as long as the file is open.
///
/// # Errors
/// Where somebody else does.
pub(super) fn lock(account: &str) -> io::Result<Locked> {
    let path = path(account)?.with_extension("lock");
    let lock = durable::in_its_folder(&path, || File::create(&path))?;
    let at_work = |_| io::Error::other("another shakedown is changing this account");
    Locked::alone(lock).map_err(at_work)
}

/// Writes down what is about to be changed. Returns what keeps others from the account meanwhile.
///
/// # Errors
/// Where another one is open, or this is not on the disk.
pub(super) fn begin(entry: &Entry) -> io::Result<Locked> {
    let path = path(&entry.account)?;
    let lock = lock(&entry.account)?;
    if path.exists() {
        return Err(io::Error::other(
            "an earlier change is not undone: `shakedown heal`",
        ));
    }
    durable::write(&path, &serde_json::to_vec_pretty(entry)?)?;
    Ok(lock)
}

/// Takes a change for undone.
pub(super) fn end(entry: &Entry) -> io::Result<()> {
    let path = path(&entry.account)?;
    fs::remove_file(&path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
