//! Git LFS, as its client asks for files.

use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::cloud::branch::check_out;
use crate::history::{CallAnswer, ServiceCall};
use crate::http::Call;

/// More than is held in memory.
const SIZE: usize = 3 << 20;

/// A request of git-lfs, with this token; its answer.
async fn ask(url: &str, what: &str, token: &str, body: String) -> (u16, Vec<u8>) {
    let (method, path) = what.split_once(' ').unwrap();
    let call = Call {
        method: method.into(),
        url: format!("{url}/info/lfs/{path}"),
        headers: vec![
            ("Accept".into(), "application/vnd.git-lfs+json".into()),
            ("Authorization".into(), format!("Bearer {token}")),
        ],
        body,
    };
    let asked = tokio::task::spawn_blocking(move || call.make(None).unwrap());
    let reply = soon(asked).await.unwrap();
    (reply.status, reply.body)
}

async fn batch(url: &str, operation: &str, id: &str) -> Value {
    let objects = json!([{ "oid": id, "size": SIZE }]);
    let body = json!({ "operation": operation, "transfers": ["basic"], "objects": objects });
    let (status, answer) = ask(url, "POST objects/batch", GIT_TOKEN, body.to_string()).await;
    assert_eq!(status, 200);
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    answer["objects"][0].clone()
}

fn id_of(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn called(operation: &str, answer: CallAnswer) -> What {
    What::Called {
        client: home().client,
        call: Arc::new(ServiceCall {
            service: "git".into(),
            operation: operation.into(),
            about: Some("acme".into()),
            answer,
        }),
    }
}

#[tokio::test]
async fn large_files_are_sent_once_and_fetched_by_their_own_client_alone() {
    let cloud = cloud();
    let front = front(&cloud);
    let url = format!("{}/acme.git", front.git_url());
    let text = "edit-1\n".repeat(SIZE / 7 + 1)[..SIZE].to_owned();
    let id = id_of(&text);
    let missing = batch(&url, "download", &id).await;
    assert_eq!(missing["error"]["code"], 404);
    let wanted = batch(&url, "upload", &id).await;
    let href = wanted["actions"]["upload"]["href"].as_str().unwrap();
    assert_eq!(href, format!("{url}/info/lfs/objects/{id}"));
    let authorization = &wanted["actions"]["upload"]["header"]["Authorization"];
    assert_eq!(*authorization, json!(format!("Bearer {GIT_TOKEN}")));
    assert_eq!(recorded(&cloud), [], "nothing was sent yet");

    let failed = || CallAnswer::Failed("rejected".into());
    let put = format!("PUT objects/{id}");
    assert_eq!(ask(&url, &put, "another", text.clone()).await.0, 401);
    assert_eq!(
        ask(&url, &put, GIT_TOKEN, text.replace('1', "2")).await.0,
        422
    );
    assert_eq!(ask(&url, &put, GIT_TOKEN, text.clone()).await.0, 200);
    let push = |answer| called("push of a large file", answer);
    assert_eq!(
        recorded(&cloud),
        [push(failed()), push(failed()), push(CallAnswer::Done)]
    );
    assert_eq!(batch(&url, "upload", &id).await.get("actions"), None);

    let found = batch(&url, "download", &id).await;
    assert_eq!(found["actions"]["download"]["href"], href);
    let get = format!("GET objects/{id}");
    assert_eq!(
        ask(&url, &get, GIT_TOKEN, String::new()).await,
        (200, text.into_bytes())
    );
    assert_eq!(
        recorded(&cloud),
        [called("fetch of a large file", CallAnswer::Done)]
    );
    let locks = ask(&url, "POST locks/verify", GIT_TOKEN, "{}".into()).await;
    assert_eq!(locks.0, 200);

    let others = format!("{}/globex.git", front.git_url());
    assert_eq!(ask(&others, &get, GIT_TOKEN, String::new()).await.0, 404);
    let trespassed = What::Trespassed {
        client: home().client,
        owner: other().client,
        what: "the repository globex".into(),
    };
    assert_eq!(recorded(&cloud), [trespassed]);
}

#[tokio::test]
async fn the_tester_checks_large_files_out_as_they_are() {
    let cloud = cloud();
    let front = front(&cloud);
    let checkout = Checkout::cloned(&cloud).await;
    let id = id_of("large\n");
    let put = format!("PUT objects/{id}");
    ask(&checkout.url, &put, GIT_TOKEN, "large\n".into()).await;
    let pointer = format!(
        "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:{id}\\nsize 6\\n' >content/large
         git add content/large; git commit -q -m large; git push -q origin HEAD:thread-home"
    );
    checkout.git(&pointer).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("site");
    std::fs::create_dir(&site).unwrap();
    let repository = cloud.repository(&front.client().clone());
    check_out(
        &repository,
        "thread-home",
        &site,
        &folder.path().join("index"),
    )
    .unwrap();
    let read = std::fs::read_to_string(site.join("content/large")).unwrap();
    assert_eq!(read, "large\n");
}
