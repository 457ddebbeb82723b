use aws_sdk_s3::config::http::HttpRequest;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector;
use serde_json::{Value, json};

use crate::cloud::tests::{cloud, front, home, recorded, soon};
use crate::cloud::{Cloud, GIT_TOKEN};
use crate::history::{CallAnswer, What};
use crate::plan::{Fault, Mark, Outsider};

async fn ask(cloud: &Cloud, token: &str, what: &str, body: &Value) -> (u16, Value) {
    let (method, path) = what.split_once(' ').unwrap();
    let mut request = HttpRequest::new(match method {
        "GET" => "".into(),
        _ => body.to_string().into(),
    });
    request.set_method(method).unwrap();
    request
        .set_uri(format!("{}{path}", front(cloud).url()))
        .unwrap();
    let authorization = format!("Bearer {token}");
    request.headers_mut().insert("authorization", authorization);
    let client = Connector::builder().build_http();
    let answer = soon(client.call(request)).await.unwrap();
    let status = answer.status().as_u16();
    let body = ByteStream::new(answer.into_body()).collect().await.unwrap();
    (status, serde_json::from_slice(&body.to_vec()).unwrap())
}

/// What was called, and how it was answered.
fn calls(cloud: &Cloud) -> Vec<(String, CallAnswer)> {
    let called = |what| match what {
        What::Called { call, .. } => Some((call.operation.to_string(), call.answer.clone())),
        _ => None,
    };
    recorded(cloud).into_iter().filter_map(called).collect()
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_as_github_does() {
    let cloud = cloud();
    let pull = json!({ "title": "x", "head": "thread-home", "base": "main" });
    let create = "POST /repos/owner/acme/pulls";
    let (status, said) = ask(&cloud, "another", create, &pull).await;
    assert_eq!((status, &said["message"]), (401, &json!("Bad credentials")));
    let (status, said) = ask(&cloud, GIT_TOKEN, create, &pull).await;
    assert_eq!((status, &said["errors"][0]["field"]), (422, &json!("head")));
    cloud
        .push_from_outside(&home(), Outsider::Clean, Mark::Outside(1))
        .unwrap();
    let (status, said) = ask(&cloud, GIT_TOKEN, create, &json!({ "title": "x" })).await;
    assert_eq!(
        (status, &said["errors"][0]["code"]),
        (422, &json!("missing_field"))
    );
    let same = json!({ "title": "x", "head": "main", "base": "main" });
    let (_, said) = ask(&cloud, GIT_TOKEN, create, &same).await;
    assert_eq!(
        said["errors"][0]["message"],
        "No commits between main and main"
    );
    assert_eq!(ask(&cloud, GIT_TOKEN, create, &pull).await.0, 201);
    let (status, said) = ask(&cloud, GIT_TOKEN, create, &pull).await;
    assert_eq!(status, 422, "{said}");
    recorded(&cloud);

    for what in ["PUT /repos/owner/acme/pulls/1/merge", "GET /api/v3/user"] {
        assert_eq!(ask(&cloud, GIT_TOKEN, what, &json!({})).await.0, 404);
        assert_eq!(calls(&cloud), [(what.to_owned(), CallAnswer::NotServed)]);
    }
    for what in [
        "GET /repos/owner/acme/pulls/0",
        "GET /repos/owner/acme/pulls/2",
        "GET /repos/x/y",
    ] {
        assert_eq!(ask(&cloud, GIT_TOKEN, what, &json!({})).await.0, 404);
    }
    recorded(&cloud);
    let list = "GET /repos/owner/globex/pulls";
    assert_eq!(ask(&cloud, GIT_TOKEN, list, &Value::Null).await.0, 404);
    let is_trespass = |what: &What| matches!(what, What::Trespassed { .. });
    assert!(recorded(&cloud).iter().any(is_trespass));
    cloud.set_fault(&Fault::GitAuth, true).unwrap();
    assert_eq!(ask(&cloud, GIT_TOKEN, create, &pull).await.0, 401);
    let told = (
        "create pull request".to_owned(),
        CallAnswer::Failed("401".into()),
    );
    assert_eq!(calls(&cloud), [told]);
}
