//! Keys of every kind, conditions, and buckets.

use aws_sdk_s3::error::SdkError;

use super::{BUCKET, asked, client, code, list, put};
use crate::cloud::s3::md5;
use crate::cloud::tests::{cloud, home, recorded, soon};
use crate::history::{S3Operation, S3Outcome};

#[tokio::test]
async fn any_key_is_a_key_and_listed_as_it_is_asked_for() {
    let cloud = cloud();
    let s3 = client(&cloud).await;
    let mut keys = vec![
        "a+b",
        "a b",
        "%41",
        "blog",
        "blog/",
        "blog/post.html",
        "../escape",
        "a//b",
        "a/../b",
        "/lead",
        "a/.",
        "ü/~(1).txt",
    ];
    let long = "k".repeat(1000);
    keys.push(&long);
    for key in &keys {
        put(&s3, BUCKET, key, key).await.unwrap();
    }
    keys.sort_unstable();
    let listed = list(&s3).await.unwrap();
    let listed: Vec<&str> = listed.iter().map(|(key, _)| &**key).collect();
    assert_eq!(listed, keys);
    let encoded = s3.list_objects_v2().bucket(BUCKET).prefix("a+");
    let encoded = encoded.encoding_type(aws_sdk_s3::types::EncodingType::Url);
    let encoded = soon(encoded.send()).await.unwrap();
    assert_eq!(encoded.contents()[0].key(), Some("a%2Bb"));
    let site = &cloud.sites()[&home().client];
    assert!(keys.iter().all(|key| site.contains_key(*key)));
    let too_long = put(&s3, BUCKET, &"k".repeat(1025), "a").await;
    assert_eq!(too_long, Err("KeyTooLongError".into()));
}

#[tokio::test]
async fn reads_depend_on_their_conditions() {
    let cloud = cloud();
    let s3 = client(&cloud).await;
    put(&s3, BUCKET, "a", "edit-1").await.unwrap();
    let etag = format!("\"{}\"", md5(b"edit-1"));
    let get = || s3.get_object().bucket(BUCKET).key("a");
    let status = |error: SdkError<_, aws_smithy_runtime_api::http::Response>| {
        error
            .raw_response()
            .map(|response| response.status().as_u16())
    };
    let same = soon(get().if_none_match(&etag).send()).await;
    assert_eq!(same.err().and_then(status), Some(304));
    let changed = soon(get().if_match("\"other\"").send()).await;
    assert_eq!(changed.err().and_then(status), Some(412));
    let future = aws_sdk_s3::primitives::DateTime::from_secs(4_000_000_000);
    let unchanged = soon(get().if_modified_since(future).send()).await;
    assert_eq!(unchanged.err().and_then(status), Some(304));
    let got = soon(get().if_match(&etag).send()).await.unwrap();
    assert_eq!(got.accept_ranges(), Some("bytes"));
    let new = s3.put_object().bucket(BUCKET).key("a").if_none_match("*");
    assert_eq!(
        code(soon(new.send()).await),
        Err("PreconditionFailed".into())
    );
}

#[tokio::test]
async fn buckets_are_made_configured_and_removed_and_are_no_ones_site() {
    use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};

    let cloud = cloud();
    let s3 = client(&cloud).await;
    let here = CreateBucketConfiguration::builder()
        .location_constraint(BucketLocationConstraint::UsWest2)
        .build();
    let make = |name: &str| {
        s3.create_bucket()
            .bucket(name)
            .create_bucket_configuration(here.clone())
            .send()
    };
    soon(make("logs-of-acme")).await.unwrap();
    assert_eq!(
        code(soon(make(BUCKET)).await),
        Err("BucketAlreadyOwnedByYou".into())
    );
    let head = soon(s3.head_bucket().bucket("logs-of-acme").send())
        .await
        .unwrap();
    assert_eq!(head.bucket_region(), Some("us-west-2"));
    let location = soon(s3.get_bucket_location().bucket(BUCKET).send())
        .await
        .unwrap();
    assert_eq!(
        location.location_constraint(),
        Some(&BucketLocationConstraint::UsWest2)
    );
    recorded(&cloud);
    put(&s3, "logs-of-acme", "a", "edit-1").await.unwrap();
    assert_eq!(recorded(&cloud), [asked(S3Operation::Put, S3Outcome::Done)]);
    assert!(cloud.sites()[&home().client].is_empty());
    let remove = || s3.delete_bucket().bucket("logs-of-acme").send();
    assert_eq!(code(soon(remove()).await), Err("BucketNotEmpty".into()));
    let object = s3.delete_object().bucket("logs-of-acme").key("a");
    soon(object.send()).await.unwrap();
    soon(remove()).await.unwrap();
    assert_eq!(code(soon(remove()).await), Err("NoSuchBucket".into()));
}
