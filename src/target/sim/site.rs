//! The clients' buckets, and S3 as its faults make it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::build::{self, Object};
use super::world::{Answer, Link, World};
use crate::history::{S3Operation, S3Outcome, What};
use crate::plan::{Fault, Outage};
use crate::worker::ports::{Kind, PortError, PortResult, Site};

#[derive(Default)]
pub struct Bucket {
    pub objects: BTreeMap<Arc<str>, Object>,
    /// The puts taken since the last list, which begins an attempt.
    taken: u32,
}

/// What the active faults make of a request.
enum Fate {
    /// It is carried out and answered.
    Served,
    /// It is carried out, and the answer is lost: at once, or for ever.
    Unanswered(Answer<()>),
    /// It is not carried out.
    Refused(S3Outcome, Answer<()>),
}

impl World {
    fn s3_fate(&mut self, client: usize, operation: S3Operation) -> Fate {
        let id = &self.clients[client].id;
        let is_write = matches!(operation, S3Operation::Put | S3Operation::Delete);
        let is_put = operation == S3Operation::Put;
        let taken = self.clients[client].bucket.taken;
        // What a request meets first: the connection, the bucket, its policy, the request, the
        // answer.
        let met: [&dyn Fn(&&Fault) -> bool; 5] = [
            &|fault| matches!(fault, Fault::S3Down(_)),
            &|fault| matches!(fault, Fault::S3Missing(whose) if whose == id),
            &|fault| {
                is_write
                    && matches!(fault, Fault::S3Denied(whose)
                        if whose.as_ref().is_none_or(|it| it == id))
            },
            &|fault| {
                is_put
                    && matches!(fault, Fault::S3Partial { client: whose, taken: most }
                        if whose == id && taken >= *most)
            },
            &|fault| is_put && matches!(fault, Fault::S3AckLost(whose) if whose == id),
        ];
        let mut met = met.iter();
        let worst = met.find_map(|is_met| self.faults.iter().find(is_met));
        if let Some(fault) = worst {
            self.course.note(fault);
        }
        match worst {
            None => Fate::Served,
            Some(Fault::S3Down(outage)) => {
                let outage = *outage;
                self.outage(outage)
            }
            Some(Fault::S3Missing(_)) => refused(
                S3Outcome::NoSuchBucket,
                PortError {
                    status: Some(404),
                    ..PortError::new(
                        Kind::Missing,
                        "NoSuchBucket: The specified bucket does not exist",
                    )
                },
            ),
            Some(Fault::S3Denied(_)) => refused(
                S3Outcome::Denied,
                PortError {
                    status: Some(403),
                    ..PortError::new(Kind::Denied, "AccessDenied: Access Denied")
                },
            ),
            Some(Fault::S3AckLost(_)) => Fate::Unanswered(None),
            Some(_) => refused(S3Outcome::Unavailable, slow_down()),
        }
    }

    fn outage(&mut self, outage: Outage) -> Fate {
        let reset = || PortError::new(Kind::Network, "S3: connection reset");
        match outage {
            Outage::SlowDown => refused(S3Outcome::Unavailable, slow_down()),
            Outage::Refused => refused(
                S3Outcome::Unavailable,
                PortError::new(Kind::Network, "S3: connection refused"),
            ),
            Outage::Reset if self.chance.coin() => Fate::Unanswered(Some(Err(reset()))),
            Outage::Reset => refused(S3Outcome::Unavailable, reset()),
            Outage::Timeout => Fate::Refused(S3Outcome::Unavailable, None),
        }
    }
}

fn refused(outcome: S3Outcome, error: PortError) -> Fate {
    Fate::Refused(outcome, Some(Err(error)))
}

fn slow_down() -> PortError {
    PortError {
        status: Some(503),
        ..PortError::new(Kind::Throttled, "SlowDown: Please reduce your request rate")
    }
}

pub struct SitePort {
    pub link: Link,
}

impl SitePort {
    /// A request reaches S3 and meets its fate; `serve` carries it out.
    fn ask<T>(
        &self,
        operation: S3Operation,
        serve: impl FnOnce(&mut World, bool) -> T,
    ) -> Answer<T> {
        let mut world = self.link.world();
        if operation == S3Operation::List {
            world.clients[self.link.client].bucket.taken = 0;
        }
        match world.s3_fate(self.link.client, operation) {
            Fate::Served => Some(Ok(serve(&mut world, true))),
            Fate::Unanswered(answer) => {
                let done = serve(&mut world, false);
                answer.map(|lost| lost.map(|()| done))
            }
            Fate::Refused(outcome, answer) => {
                let client = world.clients[self.link.client].id.clone();
                world.emit(What::S3Asked {
                    client,
                    operation,
                    outcome,
                });
                // A refusal never succeeds, so that there is nothing to turn into an answer.
                answer.and_then(|refusal| refusal.err()).map(Err)
            }
        }
    }
}

#[async_trait(?Send)]
impl Site for SitePort {
    async fn list(&self) -> PortResult<BTreeMap<Arc<str>, Arc<str>>> {
        self.link.there().await?;
        let answer = self.ask(S3Operation::List, |world, _| {
            let it = &world.clients[self.link.client];
            let client = it.id.clone();
            let listed = it
                .bucket
                .objects
                .iter()
                .map(|(key, object)| (key.clone(), object.digest.clone()))
                .collect();
            world.emit(What::S3Asked {
                client,
                operation: S3Operation::List,
                outcome: S3Outcome::Done,
            });
            listed
        });
        self.link.back(answer).await
    }

    async fn put(&self, key: &str, bytes: &Arc<[u8]>) -> PortResult<()> {
        self.link.there().await?;
        let answer = self.ask(S3Operation::Put, |world, answered| {
            let key: Arc<str> = key.into();
            let object = build::object(&key, bytes);
            let content = object.content.clone();
            let it = &mut world.clients[self.link.client];
            let client = it.id.clone();
            it.bucket.taken += 1;
            it.bucket.objects.insert(key.clone(), object);
            world.emit(What::ObjectPut {
                client,
                key,
                content,
                answered,
            });
            let text = String::from_utf8_lossy(bytes);
            world.look_for_secret(self.link.client, &text, "object");
        });
        self.link.back(answer).await
    }

    async fn delete(&self, key: &str) -> PortResult<()> {
        self.link.there().await?;
        let answer = self.ask(S3Operation::Delete, |world, _| {
            let it = &mut world.clients[self.link.client];
            let client = it.id.clone();
            // Deleting what is not there succeeds, as S3 has it.
            it.bucket.objects.remove(key);
            world.emit(What::ObjectDeleted {
                client,
                key: key.into(),
            });
        });
        self.link.back(answer).await
    }

    fn digest(&self, bytes: &[u8]) -> Arc<str> {
        build::digest(bytes)
    }
}
