//! The fault `s3-partial`: the first objects of a deploy are taken, the rest is refused. Each part
//! of an object that is uploaded in parts counts as one.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use s3s::{S3Result, s3_error};

use super::Call;
use crate::cloud::lock;
use crate::plan::ClientId;

/// How many objects were taken of each client's deploy while the fault was active. A deploy
/// begins with a listing.
#[derive(Default)]
pub(super) struct Partial(Mutex<BTreeMap<ClientId, u32>>);

impl Partial {
    pub(super) fn begin_deploy(&self, client: &ClientId) {
        lock(&self.0).remove(client);
    }

    /// Takes one more object, where the fault lets it pass.
    pub(super) fn take_one(&self, call: &Call, client: &ClientId) -> S3Result<()> {
        self.count(call, client, 1)
    }

    /// Refuses to begin an upload of which nothing would be taken.
    pub(super) fn check(&self, call: &Call, client: &ClientId) -> S3Result<()> {
        self.count(call, client, 0)
    }

    fn count(&self, call: &Call, client: &ClientId, more: u32) -> S3Result<()> {
        let Some(most) = call.faults.s3_takes(client) else {
            return Ok(());
        };
        let mut taken = lock(&self.0);
        let taken = taken.entry(client.clone()).or_default();
        if *taken >= most {
            call.slowed.store(true, Ordering::Relaxed);
            return Err(s3_error!(InvalidRequest, "answered with SlowDown instead"));
        }
        *taken += more;
        Ok(())
    }
}
