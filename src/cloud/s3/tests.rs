//! The objects of a site, one by one, with the faults of S3 and its record.

mod objects;
mod uploads;
mod web;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;

use crate::cloud::tests::{cloud, front, home, other, recorded, sdk, sdk_with_key, soon};
use crate::cloud::{Cloud, GIT_TOKEN};
use crate::history::{S3Operation, S3Outcome, What};
use crate::plan::{Fault, Mark, Outage};

const BUCKET: &str = "edit.acme.webordinary.com";

async fn client(cloud: &Cloud) -> Client {
    client_of(&sdk(&front(cloud)).await)
}

fn client_of(sdk: &aws_config::SdkConfig) -> Client {
    let config = aws_sdk_s3::config::Builder::from(sdk).force_path_style(true);
    Client::from_conf(config.build())
}

/// Puts an object; the error's code where there is one, empty where there was no answer.
async fn put(s3: &Client, bucket: &str, key: &str, text: &str) -> Result<(), String> {
    let body = ByteStream::from(text.as_bytes().to_vec());
    let put = s3.put_object().bucket(bucket).key(key).body(body);
    code(soon(put.send()).await)
}

async fn list(s3: &Client) -> Result<Vec<(String, String)>, String> {
    let listed = soon(s3.list_objects_v2().bucket(BUCKET).send()).await;
    let mut objects = Vec::new();
    if let Ok(listed) = &listed {
        for object in listed.contents() {
            let etag = object.e_tag().unwrap_or_default().to_owned();
            objects.push((object.key().unwrap_or_default().to_owned(), etag));
        }
    }
    code(listed).map(|()| objects)
}

async fn delete(s3: &Client, key: &str) -> Result<(), String> {
    let delete = s3.delete_object().bucket(BUCKET).key(key);
    code(soon(delete.send()).await)
}

/// Waits until a request has reached the cloud, and then a while in which an answer would have
/// long come. Returns what was recorded.
async fn unanswered<T>(cloud: &Cloud, request: impl Future<Output = T>) -> Vec<What> {
    let mut seen = Vec::new();
    let arrives = async {
        while seen.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            seen.extend(recorded(cloud));
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    tokio::select! {
        _ = request => panic!("it was answered"),
        () = soon(arrives) => {}
    }
    seen
}

fn code<T, E: ProvideErrorMetadata, R>(result: Result<T, SdkError<E, R>>) -> Result<(), String> {
    match result {
        Ok(_) => Ok(()),
        Err(error) => Err(error.code().unwrap_or_default().to_owned()),
    }
}

fn asked(operation: S3Operation, outcome: S3Outcome) -> What {
    What::S3Asked {
        client: home().client,
        operation,
        outcome,
    }
}

/// The key of an object that was put, and whether the container got the answer.
fn put_of(what: &What) -> (&str, bool) {
    match what {
        What::ObjectPut { key, answered, .. } => (key, *answered),
        other => panic!("{other:?} is not a put"),
    }
}

#[tokio::test]
async fn objects_are_kept_listed_and_deleted_and_all_is_recorded() {
    let cloud = cloud();
    let s3 = client(&cloud).await;
    assert_eq!(list(&s3).await, Ok(vec![]));
    let text = "<link rel=stylesheet href=\"/assets/a.css\"><p>edit-1 outside-2</p>";
    put(&s3, BUCKET, "index.html", text).await.unwrap();
    put(&s3, BUCKET, "assets/a.css", "/* edit-1 */")
        .await
        .unwrap();
    let listed = list(&s3).await.unwrap();
    assert_eq!(
        listed[1],
        (
            "index.html".into(),
            format!("\"{}\"", super::md5(text.as_bytes()))
        )
    );
    let got = soon(s3.get_object().bucket(BUCKET).key("index.html").send()).await;
    let got = got.unwrap().body.collect().await.unwrap().into_bytes();
    assert_eq!(got, text.as_bytes());
    assert_eq!(cloud.sites()[&home().client].len(), 2);
    delete(&s3, "assets/a.css").await.unwrap();
    delete(&s3, "never-there").await.unwrap();

    let events = recorded(&cloud);
    assert_eq!(events[0], asked(S3Operation::List, S3Outcome::Done));
    let What::ObjectPut {
        client, content, ..
    } = &events[1]
    else {
        panic!("{:?}", events[1]);
    };
    assert_eq!(*client, home().client);
    assert_eq!(content.marks, [Mark::Edit(1), Mark::Outside(2)]);
    assert_eq!(*content.names, ["assets/a.css".into()]);
    assert_eq!(put_of(&events[2]), ("assets/a.css", true));
    assert_eq!(events[3], asked(S3Operation::List, S3Outcome::Done));
    assert_eq!(events[4], asked(S3Operation::Get, S3Outcome::Done));
    let gone = What::ObjectDeleted {
        client: home().client,
        key: "assets/a.css".into(),
    };
    assert_eq!(events[5], gone);
    assert_eq!(events[6], asked(S3Operation::Delete, S3Outcome::Done));
    assert_eq!(events.len(), 7);
    assert_eq!(cloud.sites()[&home().client].len(), 1);
}

#[tokio::test]
async fn only_signed_requests_for_buckets_that_exist_are_taken() {
    let cloud = cloud();
    let s3 = client(&cloud).await;
    let missing = put(&s3, "edit.nobody.webordinary.com", "a", "a").await;
    assert_eq!(missing, Err("NoSuchBucket".into()));
    let stranger = client_of(&sdk_with_key(&front(&cloud), "another-key").await);
    let refused = put(&stranger, BUCKET, "a", "a").await;
    assert_eq!(refused, Err("SignatureDoesNotMatch".into()));
    assert_eq!(cloud.sites()[&home().client].len(), 0);
    assert_eq!(
        recorded(&cloud),
        [
            asked(S3Operation::Put, S3Outcome::NoSuchBucket),
            asked(S3Operation::Put, S3Outcome::Denied),
        ]
    );
}

#[tokio::test]
async fn denied_and_missing_buckets_come_back_with_their_objects() {
    let cloud = cloud();
    let s3 = client(&cloud).await;
    put(&s3, BUCKET, "a", "edit-1").await.unwrap();
    for fault in [Fault::S3Denied(None), Fault::S3Denied(Some(home().client))] {
        cloud.set_fault(&fault, true).unwrap();
        assert_eq!(put(&s3, BUCKET, "a", "b").await, Err("AccessDenied".into()));
        assert_eq!(delete(&s3, "a").await, Err("AccessDenied".into()));
        assert_eq!(list(&s3).await.unwrap().len(), 1, "reading is allowed");
        cloud.set_fault(&fault, false).unwrap();
    }
    let of_another = Fault::S3Denied(Some(other().client));
    cloud.set_fault(&of_another, true).unwrap();
    put(&s3, BUCKET, "a", "edit-1").await.unwrap();

    let fault = Fault::S3Missing(home().client);
    cloud.set_fault(&fault, true).unwrap();
    recorded(&cloud);
    let no_bucket = Err("NoSuchBucket".to_owned());
    assert_eq!(put(&s3, BUCKET, "a", "b").await, no_bucket);
    assert_eq!(delete(&s3, "a").await, no_bucket);
    assert_eq!(list(&s3).await, Err("NoSuchBucket".into()));
    assert_eq!(
        recorded(&cloud),
        [S3Operation::Put, S3Operation::Delete, S3Operation::List]
            .map(|operation| asked(operation, S3Outcome::NoSuchBucket))
    );
    cloud.set_fault(&fault, false).unwrap();
    assert_eq!(list(&s3).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_bucket_policy_denies_until_it_is_taken_away() {
    let cloud = cloud();
    let s3 = client(&cloud).await;
    let policy = |effect: &str| {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","Principal":"*",
               "Action":"s3:PutObject","Resource":"arn:aws:s3:::{BUCKET}/*"}}]}}"#
        );
        s3.put_bucket_policy().bucket(BUCKET).policy(policy).send()
    };
    soon(policy("Deny")).await.unwrap();
    assert_eq!(put(&s3, BUCKET, "a", "b").await, Err("AccessDenied".into()));
    soon(policy("Allow")).await.unwrap();
    put(&s3, BUCKET, "a", "b").await.unwrap();
    soon(policy("Deny")).await.unwrap();
    let stored = soon(s3.get_bucket_policy().bucket(BUCKET).send()).await;
    assert!(
        stored
            .unwrap()
            .policy()
            .unwrap_or_default()
            .contains("Deny")
    );
    soon(s3.delete_bucket_policy().bucket(BUCKET).send())
        .await
        .unwrap();
    put(&s3, BUCKET, "a", "b").await.unwrap();
    let malformed = soon(policy("Perhaps")).await;
    assert_eq!(code(malformed), Err("MalformedPolicy".into()));
    assert_eq!(recorded(&cloud).len(), 3, "policies are not the site's");
}

#[tokio::test]
async fn an_outage_shows_in_each_of_its_ways() {
    let cloud = cloud();
    let s3 = client(&cloud).await;
    cloud
        .set_fault(&Fault::S3Down(Outage::SlowDown), true)
        .unwrap();
    assert_eq!(put(&s3, BUCKET, "a", "b").await, Err("SlowDown".into()));
    cloud
        .set_fault(&Fault::S3Down(Outage::Refused), true)
        .unwrap();
    assert_eq!(put(&s3, BUCKET, "a", "b").await, Err(String::new()));
    cloud
        .set_fault(&Fault::S3Down(Outage::Timeout), true)
        .unwrap();
    let mut seen = recorded(&cloud);
    seen.extend(unanswered(&cloud, s3.list_objects_v2().bucket(BUCKET).send()).await);
    assert_eq!(
        seen,
        [S3Operation::Put, S3Operation::Put, S3Operation::List]
            .map(|operation| asked(operation, S3Outcome::Unavailable))
    );
    assert_eq!(cloud.sites()[&home().client].len(), 0);
    cloud
        .set_fault(&Fault::S3Down(Outage::Timeout), false)
        .unwrap();
    put(&s3, BUCKET, "a", "b").await.unwrap();
}

#[tokio::test]
async fn a_reset_comes_before_or_after_the_effect() {
    let cloud = cloud();
    let s3 = client(&cloud).await;
    cloud
        .set_fault(&Fault::S3Down(Outage::Reset), true)
        .unwrap();
    for n in 0..16 {
        let reset = put(&s3, BUCKET, &format!("{n}"), "edit-1").await;
        assert_eq!(reset, Err(String::new()));
    }
    let events = recorded(&cloud);
    let stored = events.iter().filter(|what| match what {
        What::ObjectPut { answered, .. } => !answered,
        _ => {
            assert_eq!(**what, asked(S3Operation::Put, S3Outcome::Unavailable));
            false
        }
    });
    let stored = stored.count();
    assert!((1..16).contains(&stored), "{stored} of 16 were stored");
    assert_eq!(cloud.sites()[&home().client].len(), stored);
    assert_eq!(events.len(), 16);
}

#[tokio::test]
async fn a_deploy_is_taken_in_part_and_answers_are_lost() {
    let cloud = cloud();
    let s3 = client(&cloud).await;
    let partial = Fault::S3Partial {
        client: home().client,
        taken: 2,
    };
    cloud.set_fault(&partial, true).unwrap();
    for _ in 0..2 {
        list(&s3).await.unwrap();
        put(&s3, BUCKET, "a", "1").await.unwrap();
        put(&s3, BUCKET, "b", "2").await.unwrap();
        assert_eq!(put(&s3, BUCKET, "c", "3").await, Err("SlowDown".into()));
    }
    cloud.set_fault(&partial, false).unwrap();

    cloud
        .set_fault(&Fault::S3AckLost(home().client), true)
        .unwrap();
    recorded(&cloud);
    let body = ByteStream::from_static(b"edit-7");
    let lost = s3.put_object().bucket(BUCKET).key("d").body(body).send();
    let events = unanswered(&cloud, lost).await;
    list(&s3).await.unwrap();
    assert_eq!(put_of(&events[0]), ("d", false));
    let site = &cloud.sites()[&home().client];
    assert_eq!(site["d"].marks, [Mark::Edit(7)]);
}

#[tokio::test]
async fn a_secret_in_an_object_is_seen() {
    let cloud = cloud();
    let s3 = client(&cloud).await;
    put(&s3, BUCKET, "a", &format!("token {GIT_TOKEN}"))
        .await
        .unwrap();
    let seen = recorded(&cloud)
        .into_iter()
        .any(|what| matches!(what, What::SecretSeen { client, .. } if client == home().client));
    assert!(seen);
}
