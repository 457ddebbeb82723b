//! Uploads in parts, copies and deletions of many, with their faults and their record.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier};

use super::{BUCKET, asked, client, code, list, put, put_of, unanswered};
use crate::cloud::tests::{cloud, home, other, recorded, soon};
use crate::history::{S3Operation, S3Outcome, What};
use crate::plan::{Fault, Mark};

/// The smallest size of a part that is not the last.
const PART: usize = 5 << 20;

async fn begin(s3: &Client, key: &str) -> String {
    let begun = s3.create_multipart_upload().bucket(BUCKET).key(key).send();
    soon(begun).await.unwrap().upload_id.unwrap()
}

async fn part(
    s3: &Client,
    key: &str,
    id: &str,
    number: i32,
    bytes: Vec<u8>,
) -> Result<CompletedPart, String> {
    let upload = s3.upload_part().bucket(BUCKET).key(key).upload_id(id);
    let upload = upload.part_number(number).body(ByteStream::from(bytes));
    match soon(upload.send()).await {
        Ok(done) => Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(done.e_tag)
            .build()),
        Err(error) => Err(error.code().unwrap_or_default().to_owned()),
    }
}

fn complete(
    s3: &Client,
    key: &str,
    id: &str,
    parts: Vec<CompletedPart>,
) -> aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder
{
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts));
    s3.complete_multipart_upload()
        .bucket(BUCKET)
        .key(key)
        .upload_id(id)
        .multipart_upload(parts.build())
}

#[tokio::test]
async fn an_object_in_parts_is_there_and_recorded_once_it_is_complete() {
    let cloud = cloud();
    let s3 = client(&cloud).await;
    let id = begin(&s3, "big.bin").await;
    let first = part(&s3, "big.bin", &id, 1, vec![b'x'; PART])
        .await
        .unwrap();
    let last = part(&s3, "big.bin", &id, 2, b"edit-3".to_vec())
        .await
        .unwrap();
    assert_eq!(list(&s3).await.unwrap(), []);
    assert!(cloud.sites()[&home().client].is_empty());
    let puts = |cloud| {
        let all = recorded(cloud).into_iter();
        all.filter(|what| matches!(what, What::ObjectPut { .. }))
            .collect::<Vec<_>>()
    };
    assert_eq!(puts(&cloud), []);

    let refused = |parts| complete(&s3, "big.bin", &id, parts).send();
    let wrong = CompletedPart::builder()
        .part_number(1)
        .e_tag("\"0\"")
        .build();
    for (parts, why) in [
        (vec![last.clone(), first.clone()], "InvalidPartOrder"),
        (vec![wrong], "InvalidPart"),
        (vec![], "MalformedXML"),
    ] {
        assert_eq!(code(soon(refused(parts)).await), Err(why.into()));
    }
    let parts = vec![first, last];
    let done = soon(complete(&s3, "big.bin", &id, parts.clone()).send())
        .await
        .unwrap();
    assert!(done.e_tag().unwrap().ends_with("-2\""), "{done:?}");
    let seen = puts(&cloud);
    assert_eq!(put_of(&seen[0]), ("big.bin", true));
    assert_eq!(seen.len(), 1);
    let content = &cloud.sites()[&home().client]["big.bin"];
    assert_eq!(
        (content.size, &*content.marks),
        (PART + 6, &[Mark::Edit(3)][..])
    );

    // To complete it again says the same, and changes nothing.
    let again = soon(complete(&s3, "big.bin", &id, parts).send())
        .await
        .unwrap();
    assert_eq!(again.e_tag(), done.e_tag());
    assert_eq!(puts(&cloud), []);
    let range = s3.get_object().bucket(BUCKET).key("big.bin");
    let end = soon(range.part_number(2).send()).await.unwrap();
    assert_eq!(end.parts_count(), Some(2));
    assert_eq!(end.body.collect().await.unwrap().into_bytes(), "edit-3");
}

#[tokio::test]
async fn small_and_unknown_parts_and_aborted_uploads_make_no_object() {
    let cloud = cloud();
    let s3 = client(&cloud).await;
    let id = begin(&s3, "a").await;
    let one = part(&s3, "a", &id, 1, b"small".to_vec()).await.unwrap();
    let two = part(&s3, "a", &id, 2, b"small".to_vec()).await.unwrap();
    let small = complete(&s3, "a", &id, vec![one, two]).send();
    assert_eq!(code(soon(small).await), Err("EntityTooSmall".into()));
    let unknown = part(&s3, "a", "no-upload", 1, vec![]).await;
    assert_eq!(unknown.unwrap_err(), "NoSuchUpload");
    let listed = soon(
        s3.list_parts()
            .bucket(BUCKET)
            .key("a")
            .upload_id(&id)
            .send(),
    )
    .await;
    assert_eq!(listed.unwrap().parts().len(), 2);
    let abort = s3
        .abort_multipart_upload()
        .bucket(BUCKET)
        .key("a")
        .upload_id(&id);
    soon(abort.send()).await.unwrap();
    let uploads = soon(s3.list_multipart_uploads().bucket(BUCKET).send()).await;
    assert!(uploads.unwrap().uploads().is_empty());
    assert!(cloud.sites()[&home().client].is_empty());
}

#[tokio::test]
async fn faults_hit_uploads_in_parts() {
    let cloud = cloud();
    let s3 = client(&cloud).await;
    let id = begin(&s3, "a").await;
    let one = part(&s3, "a", &id, 1, b"edit-1".to_vec()).await.unwrap();
    let set = |fault: &Fault, on| cloud.set_fault(fault, on).unwrap();

    let denied = Fault::S3Denied(Some(home().client));
    set(&denied, true);
    assert_eq!(
        part(&s3, "a", &id, 1, vec![]).await.unwrap_err(),
        "AccessDenied"
    );
    let refused = complete(&s3, "a", &id, vec![one.clone()]).send();
    assert_eq!(code(soon(refused).await), Err("AccessDenied".into()));
    set(&denied, false);

    let missing = Fault::S3Missing(home().client);
    set(&missing, true);
    let refused = complete(&s3, "a", &id, vec![one.clone()]).send();
    assert_eq!(code(soon(refused).await), Err("NoSuchBucket".into()));
    set(&missing, false);

    // The deploy begins; one more object or part is taken.
    let partial = Fault::S3Partial {
        client: home().client,
        taken: 1,
    };
    set(&partial, true);
    list(&s3).await.unwrap();
    let one = part(&s3, "a", &id, 1, b"edit-1".to_vec()).await.unwrap();
    assert_eq!(
        part(&s3, "a", &id, 2, vec![]).await.unwrap_err(),
        "SlowDown"
    );
    let begun = s3.create_multipart_upload().bucket(BUCKET).key("b").send();
    assert_eq!(code(soon(begun).await), Err("SlowDown".into()));
    set(&partial, false);

    set(&Fault::S3AckLost(home().client), true);
    recorded(&cloud);
    let lost = complete(&s3, "a", &id, vec![one.clone()]).send();
    let seen = unanswered(&cloud, lost).await;
    assert_eq!(put_of(&seen[0]), ("a", false));
    set(&Fault::S3AckLost(home().client), false);
    soon(complete(&s3, "a", &id, vec![one]).send())
        .await
        .unwrap();
    assert_eq!(cloud.sites()[&home().client]["a"].marks, [Mark::Edit(1)]);
}

#[tokio::test]
async fn a_copy_is_recorded_as_what_became_visible() {
    let cloud = cloud();
    let s3 = client(&cloud).await;
    put(&s3, BUCKET, "a b/ü+.html", "edit-1").await.unwrap();
    recorded(&cloud);
    let copy = |from: &str, to: &str| {
        let from = percent_encoding::utf8_percent_encode(from, percent_encoding::NON_ALPHANUMERIC);
        s3.copy_object()
            .bucket(BUCKET)
            .key(to)
            .copy_source(format!("{BUCKET}/{from}"))
            .send()
    };
    soon(copy("a b/ü+.html", "copied")).await.unwrap();
    let seen = recorded(&cloud);
    assert_eq!(put_of(&seen[0]), ("copied", true));
    assert_eq!(seen.len(), 1);
    assert_eq!(
        cloud.sites()[&home().client]["copied"].marks,
        [Mark::Edit(1)]
    );
    assert_eq!(
        code(soon(copy("never", "b")).await),
        Err("NoSuchKey".into())
    );
    let itself = soon(copy("copied", "copied")).await;
    assert_eq!(code(itself), Err("InvalidRequest".into()));

    cloud
        .set_fault(&Fault::S3AckLost(home().client), true)
        .unwrap();
    recorded(&cloud);
    let seen = unanswered(&cloud, copy("copied", "c")).await;
    assert_eq!(put_of(&seen[0]), ("c", false));
    cloud
        .set_fault(&Fault::S3AckLost(home().client), false)
        .unwrap();
    let denied = Fault::S3Denied(Some(home().client));
    cloud.set_fault(&denied, true).unwrap();
    assert_eq!(
        code(soon(copy("copied", "d")).await),
        Err("AccessDenied".into())
    );
    assert_eq!(
        recorded(&cloud),
        [asked(S3Operation::Put, S3Outcome::Denied)]
    );
    // The source's own trouble shows, too.
    cloud.set_fault(&denied, false).unwrap();
    let there = s3.copy_object().bucket(BUCKET).key("e");
    let from_other = there.copy_source("edit.globex.webordinary.com/a");
    cloud
        .set_fault(&Fault::S3Missing(other().client), true)
        .unwrap();
    assert_eq!(
        code(soon(from_other.send()).await),
        Err("NoSuchBucket".into())
    );
}

#[tokio::test]
async fn deletions_of_many_say_what_was_refused() {
    let cloud = cloud();
    let s3 = client(&cloud).await;
    for key in ["a", "b/", "b/c", "b"] {
        put(&s3, BUCKET, key, key).await.unwrap();
    }
    let delete = |keys: &[&str]| {
        let keys = keys.iter().map(|key| {
            let object = ObjectIdentifier::builder().key(*key);
            object.build().unwrap()
        });
        let delete = Delete::builder().set_objects(Some(keys.collect()));
        let delete = delete.build().unwrap();
        s3.delete_objects().bucket(BUCKET).delete(delete).send()
    };
    let policy = format!(
        r#"{{"Statement":{{"Effect":"Deny","Principal":"*","Action":"s3:DeleteObject",
           "Resource":"arn:aws:s3:::{BUCKET}/b/*"}}}}"#
    );
    let put_policy = s3.put_bucket_policy().bucket(BUCKET).policy(policy);
    soon(put_policy.send()).await.unwrap();
    recorded(&cloud);
    let done = soon(delete(&["a", "b/c", "never"])).await.unwrap();
    let deleted: Vec<_> = done.deleted().iter().filter_map(|it| it.key()).collect();
    assert_eq!(deleted, ["a", "never"]);
    let refused = &done.errors()[0];
    assert_eq!(
        (refused.key(), refused.code()),
        (Some("b/c"), Some("AccessDenied"))
    );
    let gone = What::ObjectDeleted {
        client: home().client,
        key: "a".into(),
    };
    assert_eq!(recorded(&cloud), [gone]);

    cloud.set_fault(&Fault::S3Denied(None), true).unwrap();
    let done = soon(delete(&["b"])).await.unwrap();
    assert_eq!(done.errors().len(), 1);
    let left = list(&s3).await.unwrap();
    let left: Vec<&str> = left.iter().map(|(key, _)| &**key).collect();
    assert_eq!(
        left,
        ["b", "b/", "b/c"],
        "a file, a folder, and what is in it"
    );
}
