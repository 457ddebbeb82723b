//! The buckets, in memory: what is in them, and how it changes and is recorded.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use hyper::body::Bytes;
use s3s::dto::Grant;
use s3s::{S3Result, s3_error};

use super::Call;
use super::acl;
use super::digest::aside;
use super::documents::Documents;
use super::multipart::{Completed, Uploading};
use super::object::{Object, now};
use super::partial::Partial;
use super::policy::Policy;
use crate::cloud::credentials::{REGION, has_secret};
use crate::cloud::lock;
use crate::cloud::recorder::Recorder;
use crate::history::{Content, What};
use crate::oracle::Objects;
use crate::plan::ClientId;
use crate::site::read_content;

/// The buckets; a clone is another handle on the same.
#[derive(Clone)]
pub(super) struct Buckets(Arc<Inner>);

struct Inner {
    /// Held while a change happens and is recorded, so that both have one order.
    buckets: Mutex<BTreeMap<String, Bucket>>,
    /// The client that a bucket is the site of, by the bucket.
    owners: BTreeMap<String, ClientId>,
    recorder: Arc<Recorder>,
    partial: Partial,
}

/// A bucket, and all that S3 keeps with it.
pub(super) struct Bucket {
    pub(super) created: SystemTime,
    pub(super) region: String,
    pub(super) objects: BTreeMap<String, Object>,
    /// The uploads in parts that are under way, by their ids.
    pub(super) uploads: BTreeMap<String, Uploading>,
    /// Those that were completed: to complete them again changes nothing.
    pub(super) completed: BTreeMap<String, Completed>,
    pub(super) documents: Documents,
    pub(super) policy: Option<Policy>,
    pub(super) grants: Vec<Grant>,
}

impl Bucket {
    pub(super) fn new(region: impl Into<String>, grants: Vec<Grant>) -> Self {
        Self {
            created: now(),
            region: region.into(),
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            completed: BTreeMap::new(),
            documents: Documents::default(),
            policy: None,
            grants,
        }
    }
}

/// What the record keeps of an object's bytes.
pub(super) struct Examined {
    pub(super) content: Arc<Content>,
    has_secret: bool,
}

impl Examined {
    pub(super) async fn of(key: &str, bytes: &Bytes) -> S3Result<Self> {
        let key = key.to_owned();
        aside(bytes, move |bytes| Self {
            content: Arc::new(read_content(&key, bytes)),
            has_secret: has_secret(bytes),
        })
        .await
    }
}

impl Buckets {
    /// The buckets of the clients' sites.
    pub(super) fn new(names: BTreeMap<ClientId, String>, recorder: Arc<Recorder>) -> Self {
        let bucket = |name: &String| (name.clone(), Bucket::new(REGION, acl::private()));
        let buckets = names.values().map(bucket).collect();
        let owners = names.into_iter().map(|(client, name)| (name, client));
        Self(Arc::new(Inner {
            buckets: Mutex::new(buckets),
            owners: owners.collect(),
            recorder,
            partial: Partial::default(),
        }))
    }

    /// The objects of each client's site.
    pub(super) fn sites(&self) -> BTreeMap<ClientId, Objects> {
        let buckets = lock(&self.0.buckets);
        let objects = |bucket: &Bucket| {
            let objects = bucket.objects.iter();
            objects
                .map(|(key, object)| (key.as_str().into(), object.content.clone()))
                .collect()
        };
        let owners = self.0.owners.iter();
        owners
            .map(|(name, client)| {
                let site = buckets.get(name).map(objects);
                (client.clone(), site.unwrap_or_default())
            })
            .collect()
    }

    /// The client that a bucket is the site of.
    pub(super) fn owner(&self, bucket: &str) -> Option<&ClientId> {
        self.0.owners.get(bucket)
    }

    /// Whether there is such a bucket, whatever a fault makes of it.
    pub(super) fn has(&self, bucket: &str) -> bool {
        lock(&self.0.buckets).contains_key(bucket)
    }

    pub(super) fn partial(&self) -> &Partial {
        &self.0.partial
    }

    /// Does something with a bucket, where it is there for this call.
    pub(super) fn within<T>(
        &self,
        call: &Call,
        name: &str,
        work: impl FnOnce(&mut Bucket) -> S3Result<T>,
    ) -> S3Result<T> {
        let mut buckets = lock(&self.0.buckets);
        let bucket = buckets.get_mut(name).filter(|_| self.is_there(call, name));
        work(bucket.ok_or_else(no_such_bucket)?)
    }

    /// Does something with all the buckets.
    pub(super) fn within_all<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Bucket>) -> T) -> T {
        work(&mut lock(&self.0.buckets))
    }

    /// Whether no fault hides a bucket from this call.
    pub(super) fn is_there(&self, call: &Call, name: &str) -> bool {
        let owner = self.owner(name);
        owner.is_none_or(|client| !call.faults.s3_misses(client))
    }

    /// Records that an object became visible. The bucket is held meanwhile.
    pub(super) fn record_put(&self, call: &Call, bucket: &str, key: &str, examined: &Examined) {
        let owner = self.owner(bucket);
        if let Some(client) = owner {
            let is_lost = call.faults.s3_loses_answers(client);
            call.lost.store(is_lost, Ordering::Relaxed);
            call.changed.store(true, Ordering::Relaxed);
            self.0.recorder.record(What::ObjectPut {
                client: client.clone(),
                key: key.into(),
                content: examined.content.clone(),
                answered: !is_lost && !call.loses_answer,
            });
        }
        if examined.has_secret {
            self.0.recorder.record(What::SecretSeen {
                client: call.client.clone(),
                place: format!("object {key} of {bucket}").into(),
            });
        }
    }

    /// Records that an object is gone. The bucket is held meanwhile.
    pub(super) fn record_deletion(&self, call: &Call, bucket: &str, key: &str) {
        if let Some(client) = self.owner(bucket) {
            call.changed.store(true, Ordering::Relaxed);
            self.0.recorder.record(What::ObjectDeleted {
                client: client.clone(),
                key: key.into(),
            });
        }
    }
}

fn no_such_bucket() -> s3s::S3Error {
    s3_error!(NoSuchBucket, "The specified bucket does not exist")
}
