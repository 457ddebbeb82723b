//! The buckets: `s3s-fs` where it does what S3 does, and what it lacks.
//!
//! It lacks the ETags of a listing and bucket policies, takes objects for buckets that do not
//! exist, and answers NoSuchKey where the bucket is gone.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::TryStreamExt;
use hyper::body::Bytes;
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;

use super::Call;
use super::objects::{md5, read_objects};
use super::partial::Partial;
use super::policy::Policy;
use crate::cloud::credentials::has_secret;
use crate::cloud::lock;
use crate::cloud::recorder::Recorder;
use crate::error::TargetError;
use crate::history::What;
use crate::oracle::Objects;
use crate::plan::ClientId;
use crate::site::read_content;

/// The buckets of all clients; a clone is another handle on the same.
#[derive(Clone)]
pub(super) struct Buckets(Arc<Inner>);

struct Inner {
    files: FileSystem,
    root: PathBuf,
    /// The bucket of each client.
    names: BTreeMap<ClientId, String>,
    recorder: Arc<Recorder>,
    /// Held while an object changes and that is recorded, so that both have one order. Says
    /// whether the buckets are closed.
    changing: tokio::sync::Mutex<bool>,
    /// The policy of a bucket, by its client.
    policies: Mutex<BTreeMap<ClientId, Policy>>,
    partial: Partial,
}

impl Buckets {
    pub(super) fn new(
        root: &Path,
        names: BTreeMap<ClientId, String>,
        recorder: Arc<Recorder>,
    ) -> Result<Self, TargetError> {
        let failed = |error: &dyn std::fmt::Display| {
            TargetError::new(
                format!("making the buckets under {}", root.display()),
                error,
                "make sure that the temporary folder can be written to",
            )
        };
        for name in names.values() {
            std::fs::create_dir_all(root.join(name)).map_err(|error| failed(&error))?;
        }
        Ok(Self(Arc::new(Inner {
            files: FileSystem::new(root).map_err(|error| failed(&format!("{error:?}")))?,
            root: root.to_owned(),
            names,
            recorder,
            changing: tokio::sync::Mutex::default(),
            policies: Mutex::default(),
            partial: Partial::default(),
        })))
    }

    /// The objects of each client's site.
    pub(super) fn sites(&self) -> Result<BTreeMap<ClientId, Objects>, TargetError> {
        let mut sites = BTreeMap::new();
        for (client, name) in &self.0.names {
            let folder = self.0.root.join(name);
            let mut objects = Objects::new();
            read_objects(&folder, "", &mut objects).map_err(|error| {
                TargetError::new(
                    format!("reading the objects of bucket {name}"),
                    error,
                    "look whether something else removes temporary files",
                )
            })?;
            sites.insert(client.clone(), objects);
        }
        Ok(sites)
    }

    /// The client that a bucket is of, where the bucket is there for this call.
    fn owner(&self, call: &Call, bucket: &str) -> S3Result<ClientId> {
        self.0
            .names
            .iter()
            .find(|(client, name)| *name == bucket && !call.faults.s3_misses(client))
            .map(|(client, _)| client.clone())
            .ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))
    }

    /// Refuses an action that a fault or the bucket's policy denies.
    fn permit(&self, call: &Call, client: &ClientId, action: &str, key: &str) -> S3Result<()> {
        let is_change = action == "s3:PutObject" || action == "s3:DeleteObject";
        let denied_by_fault = is_change && call.faults.s3_denies(client);
        let policies = lock(&self.0.policies);
        let denied_by_policy = policies
            .get(client)
            .is_some_and(|policy| policy.denies(action, &self.0.names[client], key));
        if denied_by_fault || denied_by_policy {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        Ok(())
    }

    async fn begin_change(&self) -> S3Result<tokio::sync::MutexGuard<'_, bool>> {
        let is_closed = self.0.changing.lock().await;
        if *is_closed {
            return Err(s3_error!(ServiceUnavailable));
        }
        Ok(is_closed)
    }

    /// Lets the change that is under way end, and takes no other.
    pub(super) fn close(&self) {
        for _ in 0..50 {
            if let Ok(mut is_closed) = self.0.changing.try_lock() {
                *is_closed = true;
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn path(&self, client: &ClientId, key: &str) -> PathBuf {
        self.0.root.join(&self.0.names[client]).join(key)
    }

    fn record_deletion(&self, call: &Call, client: &ClientId, key: &str) {
        call.changed.store(true, Ordering::Relaxed);
        self.0.recorder.record(What::ObjectDeleted {
            client: client.clone(),
            key: key.into(),
        });
    }

    /// Adds what the listing of `s3s-fs` lacks: the ETags.
    fn add_etags(&self, client: &ClientId, objects: Option<&mut Vec<Object>>) {
        for object in objects.into_iter().flatten() {
            let Some(key) = &object.key else { continue };
            // An object that is gone by now keeps its place in the listing, as in S3.
            if let Ok(bytes) = std::fs::read(self.path(client, key)) {
                object.e_tag = Some(ETag::Strong(md5(&bytes)));
            }
        }
    }
}

#[async_trait::async_trait]
impl s3s::S3 for Buckets {
    async fn put_object(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let call = Call::of(&request)?;
        let client = self.owner(&call, &request.input.bucket)?;
        let key = request.input.key.clone();
        self.permit(&call, &client, "s3:PutObject", &key)?;
        let body = request.input.body.take();
        let body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
        // The whole body is read, and with it its signature checked, before anything changes.
        let chunks: Vec<Bytes> = body
            .try_collect()
            .await
            .map_err(|error| s3_error!(IncompleteBody, "{error}"))?;
        let bytes = Bytes::from(chunks.concat());
        self.0.partial.take_one(&call, &client)?;
        request.input.body = Some(StreamingBlob::from(s3s::Body::from(bytes.clone())));
        request.input.content_length = i64::try_from(bytes.len()).ok();

        let _changing = self.begin_change().await?;
        let response = self.0.files.put_object(request).await?;
        let is_lost = call.faults.s3_loses_answers(&client);
        call.lost.store(is_lost, Ordering::Relaxed);
        call.changed.store(true, Ordering::Relaxed);
        self.0.recorder.record(What::ObjectPut {
            client: client.clone(),
            key: key.as_str().into(),
            content: Arc::new(read_content(&key, &bytes)),
            answered: !is_lost && !call.loses_answer,
        });
        if has_secret(&bytes) {
            self.0.recorder.record(What::SecretSeen {
                client: call.client.clone(),
                place: format!("object {key} of {}", self.0.names[&client]).into(),
            });
        }
        Ok(response)
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let call = Call::of(&request)?;
        let client = self.owner(&call, &request.input.bucket)?;
        let key = request.input.key.clone();
        self.permit(&call, &client, "s3:DeleteObject", &key)?;
        let _changing = self.begin_change().await?;
        if !self.path(&client, &key).is_file() {
            return Ok(S3Response::new(DeleteObjectOutput::default()));
        }
        let response = self.0.files.delete_object(request).await?;
        self.record_deletion(&call, &client, &key);
        Ok(response)
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let call = Call::of(&request)?;
        let client = self.owner(&call, &request.input.bucket)?;
        let mut output = DeleteObjectsOutput::default();
        let _changing = self.begin_change().await?;
        for object in request.input.delete.objects {
            let key = object.key;
            let path = self.path(&client, &key);
            let removed = self
                .permit(&call, &client, "s3:DeleteObject", &key)
                .and_then(|()| match std::fs::remove_file(path) {
                    Ok(()) => Ok(true),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                    Err(error) => Err(s3_error!(InternalError, "{error}")),
                });
            match removed {
                Ok(was_there) => {
                    if was_there {
                        self.record_deletion(&call, &client, &key);
                    }
                    output.deleted.get_or_insert_default().push(DeletedObject {
                        key: Some(key),
                        ..DeletedObject::default()
                    });
                }
                Err(error) => output.errors.get_or_insert_default().push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(key),
                    message: error.message().map(str::to_owned),
                    version_id: None,
                }),
            }
        }
        Ok(S3Response::new(output))
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let call = Call::of(&request)?;
        let client = self.owner(&call, &request.input.bucket)?;
        self.permit(&call, &client, "s3:GetObject", &request.input.key)?;
        if !self.path(&client, &request.input.key).is_file() {
            return Err(s3_error!(NoSuchKey, "The specified key does not exist."));
        }
        self.0.files.get_object(request).await
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let call = Call::of(&request)?;
        let client = self.owner(&call, &request.input.bucket)?;
        self.permit(&call, &client, "s3:GetObject", &request.input.key)?;
        if !self.path(&client, &request.input.key).is_file() {
            return Err(s3_error!(NoSuchKey, "The specified key does not exist."));
        }
        self.0.files.head_object(request).await
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        let call = Call::of(&request)?;
        self.owner(&call, &request.input.bucket)?;
        self.0.files.head_bucket(request).await
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        let call = Call::of(&request)?;
        self.owner(&call, &request.input.bucket)?;
        self.0.files.get_bucket_location(request).await
    }

    async fn list_buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let call = Call::of(&request)?;
        let mut response = self.0.files.list_buckets(request).await?;
        if let Some(buckets) = &mut response.output.buckets {
            buckets.retain(|bucket| {
                let name = bucket.name.as_deref().unwrap_or_default();
                self.owner(&call, name).is_ok()
            });
        }
        Ok(response)
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let call = Call::of(&request)?;
        let client = self.owner(&call, &request.input.bucket)?;
        self.permit(&call, &client, "s3:ListBucket", "")?;
        self.0.partial.begin_deploy(&client);
        let mut response = self.0.files.list_objects(request).await?;
        self.add_etags(&client, response.output.contents.as_mut());
        Ok(response)
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let call = Call::of(&request)?;
        let client = self.owner(&call, &request.input.bucket)?;
        self.permit(&call, &client, "s3:ListBucket", "")?;
        self.0.partial.begin_deploy(&client);
        let mut response = self.0.files.list_objects_v2(request).await?;
        self.add_etags(&client, response.output.contents.as_mut());
        Ok(response)
    }

    async fn put_bucket_policy(
        &self,
        request: S3Request<PutBucketPolicyInput>,
    ) -> S3Result<S3Response<PutBucketPolicyOutput>> {
        let call = Call::of(&request)?;
        let client = self.owner(&call, &request.input.bucket)?;
        let policy = Policy::parse(&request.input.policy, &self.0.names[&client])
            .map_err(|why| s3_error!(MalformedPolicy, "{why}"))?;
        let mut policies = lock(&self.0.policies);
        policies.insert(client, policy);
        Ok(S3Response::new(PutBucketPolicyOutput::default()))
    }

    async fn get_bucket_policy(
        &self,
        request: S3Request<GetBucketPolicyInput>,
    ) -> S3Result<S3Response<GetBucketPolicyOutput>> {
        let call = Call::of(&request)?;
        let client = self.owner(&call, &request.input.bucket)?;
        let policies = lock(&self.0.policies);
        let policy = policies
            .get(&client)
            .ok_or_else(|| s3_error!(NoSuchBucketPolicy, "The bucket policy does not exist"))?;
        Ok(S3Response::new(GetBucketPolicyOutput {
            policy: Some(policy.text().to_owned()),
        }))
    }

    async fn delete_bucket_policy(
        &self,
        request: S3Request<DeleteBucketPolicyInput>,
    ) -> S3Result<S3Response<DeleteBucketPolicyOutput>> {
        let call = Call::of(&request)?;
        let client = self.owner(&call, &request.input.bucket)?;
        let mut policies = lock(&self.0.policies);
        policies.remove(&client);
        Ok(S3Response::new(DeleteBucketPolicyOutput::default()))
    }
}
