//! The words for how something ended, and for what a log line claims.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a log line claims, read from the words of the contract.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// `S3 sync attempt N`: the first one begins a sync.
    SyncAttempt(u32),
    /// `S3 sync complete`.
    SyncDone,
    /// `S3 sync failed after retries`: all attempts of a sync failed.
    SyncFailed,
    /// `Circuit breaker prevented S3 sync`.
    SyncPrevented,
    /// `Circuit breaker open ... S3`.
    BreakerOpened,
    /// `Git push complete`.
    PushDone,
    /// `Saved work locally`.
    SavedLocally,
    /// `Build complete` or `Build completed with warnings`.
    BuildDone,
    /// `Build failed`.
    BuildFailed,
}

/// What a system reports of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportedOutcome {
    /// It is done.
    Done,
    /// It failed.
    Failed,
}

impl fmt::Display for ReportedOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Failed => "failed",
        })
    }
}

/// The way in which a system reports the outcome of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeChannel {
    /// A callback of Step Functions.
    Callback,
    /// A request to a server of the tester's.
    Http,
    /// The exit code of the instruction's process.
    Exit,
}

impl fmt::Display for OutcomeChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Callback => "callback",
            Self::Http => "HTTP",
            Self::Exit => "exit code",
        })
    }
}

/// How the git remote answered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GitOutcome {
    /// It was done.
    Done,
    /// The remote has commits that the push lacks.
    Rejected,
    /// The credential was refused.
    AuthFailed,
    /// The service did not answer, or answered that it cannot.
    Unavailable,
}

/// What is asked of S3.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum S3Operation {
    /// A list of objects.
    List,
    /// An object is read.
    Get,
    /// An object is stored.
    Put,
    /// Objects are deleted.
    Delete,
}

/// How S3 answered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum S3Outcome {
    /// It was done.
    Done,
    /// 403 AccessDenied.
    Denied,
    /// 404 NoSuchBucket.
    NoSuchBucket,
    /// The service did not answer, or answered that it cannot.
    Unavailable,
}

/// Why a container ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Death {
    /// It was killed.
    Crash,
    /// It was killed at its memory limit.
    OutOfMemory,
    /// It was killed, and its workspace is gone.
    WorkspaceLost,
    /// It ended by itself, which a container never does.
    Exit,
}

/// The level of a log line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// INFO.
    Info,
    /// WARN.
    Warn,
    /// ERROR.
    Error,
}
