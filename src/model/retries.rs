//! How often and how fast a container tries things again.

use std::time::Duration;

use super::pace::Rows;
use crate::history::{Claim, S3Outcome, What};

/// A sync that is tried again sooner than this after the request that failed was not waited for.
/// With full jitter from 1 s on, one wait in fifteen is so short.
const AT_ONCE: Duration = Duration::from_millis(120);
/// A put-off sync that is tried again sooner than this after it failed does not wait for its
/// interval.
const PUT_OFF_AT_ONCE: Duration = Duration::from_secs(2);
/// A sync that begins sooner than this after the one before, whose end was not logged, is the
/// same one: what was put off waits longer.
const SAME_SYNC: Duration = Duration::from_secs(14);

/// Within this, refused pushes count as attempts of one push.
pub const ONE_PUSH: Duration = Duration::from_secs(10);

/// How a container's pushes go. One that is refused at the door does not say its branch.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Pushing {
    /// Pushes in a row that were refused, and when the last one was.
    pub failures: u32,
    pub failed_at: Duration,
    /// When the first of them was.
    pub failing_since: Duration,
    /// One began, and has not said its branch.
    pub is_unnamed: bool,
    /// When the last one began.
    pub began: Duration,
}

impl Pushing {
    /// A push was refused.
    pub(super) fn refused(&mut self, at: Duration) {
        // Refusals further apart are not of one push: put-off work waits 15 s at least.
        if at.saturating_sub(self.failed_at) >= ONE_PUSH {
            self.failures = 0;
        }
        if self.failures == 0 {
            self.failing_since = at;
        }
        self.failures += 1;
        self.failed_at = at;
    }
}

/// Tries in a row that came too soon after the failure before them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct RetryTracker {
    last_s3: Duration,
    /// Attempts of syncs.
    pub attempts: u32,
    /// Requests that were refused again and again.
    pub rows: Rows,
    /// When a sync failed, or was stopped, with nothing new to do since.
    failed: Option<Duration>,
    /// Syncs with nothing new to do: two for each that came at once, less one for each that waited.
    pub put_off: u32,
    /// The sync under way.
    pub sync: Option<SyncAttempts>,
    /// First attempts in a row that can only be of one sync.
    pub first_attempts: u32,
}

/// How a sync has gone so far, as the log and S3 show it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SyncAttempts {
    pub began: Duration,
    /// The last attempt that was logged; counts from 1.
    pub attempt: u32,
    /// Whether S3 was out of service for a request of it.
    pub unavailable: bool,
    /// Whether S3 refused one for a reason that stays.
    pub refused: bool,
}

impl RetryTracker {
    /// Whether no sync failed, or was stopped, since the container started or had something new.
    pub fn wants_no_sync(&self) -> bool {
        self.failed.is_none() && self.sync.is_none()
    }

    /// It has something new to do.
    pub(super) fn begin_instruction(&mut self) {
        self.failed = None;
        self.put_off = 0;
        self.sync = None;
        self.first_attempts = 0;
    }

    /// Takes in an event of the container.
    pub fn take(&mut self, what: &What, at: Duration) {
        self.rows.take(what, at);
        match what {
            What::ObjectPut { .. } | What::ObjectDeleted { .. } => self.last_s3 = at,
            What::S3Asked { outcome, .. } => {
                self.last_s3 = at;
                if let Some(sync) = &mut self.sync {
                    sync.unavailable |= *outcome == S3Outcome::Unavailable;
                    sync.refused |= matches!(outcome, S3Outcome::Denied | S3Outcome::NoSuchBucket);
                }
            }
            What::Delivered { .. } | What::RetryDelivered { .. } | What::Started { .. } => {
                self.begin_instruction();
            }
            What::Logged {
                claim: Some(claim),
                stamp,
                ..
            } => self.claimed(*claim, *stamp),
            _ => {}
        }
    }

    fn claimed(&mut self, claim: Claim, stamp: Duration) {
        match claim {
            Claim::SyncAttempt(1) => {
                let is_same = self
                    .sync
                    .as_ref()
                    .is_some_and(|sync| sync.attempt == 1 && stamp < sync.began + SAME_SYNC);
                self.first_attempts = if is_same { self.first_attempts + 1 } else { 1 };
                self.sync = Some(SyncAttempts {
                    began: stamp,
                    attempt: 1,
                    unavailable: false,
                    refused: false,
                });
                self.tried_again(stamp);
            }
            Claim::SyncAttempt(attempt) => {
                if let Some(sync) = &mut self.sync {
                    sync.attempt = attempt;
                }
                let is_hasty = stamp < self.last_s3 + AT_ONCE;
                self.attempts = if is_hasty { self.attempts + 1 } else { 0 };
            }
            Claim::SyncPrevented => {
                self.sync = None;
                self.tried_again(stamp);
                self.failed = Some(stamp);
            }
            Claim::SyncFailed => {
                self.sync = None;
                self.failed = Some(stamp);
            }
            Claim::SyncDone => {
                self.sync = None;
                self.put_off = 0;
            }
            _ => {}
        }
    }

    fn tried_again(&mut self, stamp: Duration) {
        if let Some(failed) = self.failed.take() {
            let is_hasty = stamp < failed + PUT_OFF_AT_ONCE;
            self.put_off = match is_hasty {
                true => self.put_off + 2,
                false => self.put_off.saturating_sub(1),
            };
        }
    }
}
