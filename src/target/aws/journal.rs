//! What is about to be changed in an account, on the disk before it is: so that it can be undone whatever ends this
//! program.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::durable::{self, Locked};

/// What is not known to be undone in an account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The account.
    pub account: String,
    /// Its region.
    pub region: String,
    /// Where AWS is, where that is not AWS itself.
    pub endpoint: Option<String>,
    /// The process that makes the changes.
    pub process: u32,
    /// The changes, oldest first.
    pub changes: Vec<Change>,
}

/// One change, with all that undoes it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// A statement of ours is in the policy of a bucket.
    Policy {
        /// The bucket.
        bucket: String,
        /// The id of our statement.
        statement: String,
        /// The policy before; `None` where there was none.
        before: Option<String>,
        /// The policy with our statement.
        ours: String,
    },
    /// An attribute of an item has a value of ours.
    Attribute {
        /// The table.
        table: String,
        /// The attribute that is its key, and the key of the item.
        key: (String, String),
        /// The attribute.
        name: String,
        /// Its value before, as DynamoDB's JSON has it; `None` where there was none.
        before: Option<Value>,
        /// The value that it was given.
        ours: Value,
    },
    /// An experiment of the Fault Injection Service.
    Experiment {
        /// Its name, which is the value of a tag of it and of its template.
        name: String,
    },
    /// The system is given work of a run, which leaves a site.
    Site {
        /// The bucket, which was empty before.
        bucket: String,
    },
    /// The same, which leaves records of the run's sessions.
    Records {
        /// The table.
        table: String,
        /// The attribute that is its key.
        key: String,
        /// The keys of the items.
        items: Vec<String>,
    },
    /// The same, which leaves branches of the run's sessions.
    Branches {
        /// The URL of the repository.
        repository: String,
        /// The environment variable with the token for it.
        token: Option<String>,
        /// The branches.
        names: Vec<String>,
    },
    /// The work itself: messages.
    Messages {
        /// The queue.
        queue: String,
        /// The queue of those that are given up.
        dead_letters: String,
        /// A word that is in each message of the run and in no other.
        run: String,
        /// How long the system may take, once nothing disturbs it, for what it put off.
        #[serde(default)]
        puts_off: Duration,
    },
}

impl Change {
    /// Whether it disturbs the system, and is not what work leaves.
    pub(super) fn is_fault(&self) -> bool {
        match self {
            Self::Policy { .. } | Self::Attribute { .. } | Self::Experiment { .. } => true,
            Self::Site { .. }
            | Self::Records { .. }
            | Self::Branches { .. }
            | Self::Messages { .. } => false,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy {
                bucket, statement, ..
            } => write!(f, "the statement {statement} in the policy of {bucket}"),
            Self::Attribute {
                table, key, name, ..
            } => write!(f, "the attribute {name} of {} in {table}", key.1),
            Self::Experiment { name } => write!(f, "the experiment {name}"),
            Self::Site { bucket } => write!(f, "the objects of {bucket}, which was empty"),
            Self::Records { table, items, .. } => {
                write!(f, "the items {} of {table}", items.join(", "))
            }
            Self::Branches {
                repository, names, ..
            } => write!(f, "the branches {} of {repository}", names.join(", ")),
            Self::Messages { queue, run, .. } => {
                write!(f, "messages with `{run}` in {queue} and its dead letters")
            }
        }
    }
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

/// The journal of one who changes an account, and keeps others from it meanwhile.
pub(super) struct Journal {
    entry: Entry,
    /// Whether the system has nothing left to do, as far as can be seen.
    pub(super) is_at_rest: bool,
    _lock: Locked,
}

impl Journal {
    /// The journal of one who begins; nothing is written yet.
    ///
    /// # Errors
    /// Where another one is open.
    pub(super) fn begin(entry: Entry) -> io::Result<Self> {
        let lock = lock(&entry.account)?;
        if path(&entry.account)?.exists() {
            return Err(io::Error::other(
                "an earlier change is not undone: `shakedown heal`",
            ));
        }
        Ok(Self::of(entry, lock))
    }

    /// The journal of one who heals.
    ///
    /// # Errors
    /// Where somebody else changes the account.
    pub(super) fn take_over(entry: Entry) -> io::Result<Self> {
        let lock = lock(&entry.account)?;
        // It may have been healed since it was read.
        let entry = open(&entry.account)?.unwrap_or(Entry {
            changes: Vec::new(),
            ..entry
        });
        Ok(Self::of(entry, lock))
    }

    fn of(entry: Entry, lock: Locked) -> Self {
        Self {
            entry,
            is_at_rest: false,
            _lock: lock,
        }
    }

    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Writes down what is about to be changed.
    ///
    /// # Errors
    /// Where that is not on the disk; nothing may be changed then.
    pub(super) fn note(&mut self, change: Change) -> io::Result<()> {
        self.entry.changes.push(change);
        self.write()
    }

    /// Takes a change for undone.
    pub(super) fn end(&mut self, change: &Change) -> io::Result<()> {
        self.entry.changes.retain(|known| known != change);
        self.write()
    }

    fn write(&self) -> io::Result<()> {
        let path = path(&self.entry.account)?;
        if !self.entry.changes.is_empty() {
            return durable::write(&path, &serde_json::to_vec_pretty(&self.entry)?);
        }
        fs::remove_file(&path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}
