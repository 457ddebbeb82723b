use std::time::Duration;

use aws_sdk_s3::config::http::HttpRequest;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector;
use serde_json::{Value, json};

use crate::cloud::tests::{cloud, front, home, is_silent, recorded, soon};
use crate::cloud::{AGENT_KEY, Cloud};
use crate::history::What;
use crate::plan::{Edit, Fault, Mark};
use crate::site::{HUNGRY_FILES, instruction_text};

/// What the API answered.
struct Answered {
    status: u16,
    retry_after: Option<String>,
    body: Vec<u8>,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn send(cloud: &Cloud, key: &'static str, body: &Value) -> Answered {
    let mut request = HttpRequest::new(body.to_string().into());
    request.set_method("POST").unwrap();
    let url = format!("{}/v1/messages", front(cloud).url());
    request.set_uri(url).unwrap();
    let headers = request.headers_mut();
    headers.insert("content-type", "application/json");
    headers.insert("x-api-key", key);
    headers.insert("anthropic-version", "2023-06-01");
    let client = Connector::builder().build_http();
    let answer = client.call(request).await.unwrap();
    Answered {
        status: answer.status().as_u16(),
        retry_after: answer.headers().get("retry-after").map(str::to_owned),
        body: {
            let body = ByteStream::new(answer.into_body()).collect().await;
            body.unwrap().to_vec()
        },
    }
}

async fn ask(cloud: &Cloud, body: &Value) -> (u16, Value) {
    let answer = soon(send(cloud, AGENT_KEY, body)).await;
    (answer.status, answer.json())
}

fn conversation(messages: Value) -> Value {
    let tool = |name: &str| json!({ "name": name, "input_schema": { "type": "object" } });
    json!({
        "model": "any",
        "max_tokens": 1024,
        "tools": [tool("write_file"), tool("append_line"), tool("delete_file")],
        "messages": messages,
    })
}

fn first(edit: Edit) -> Value {
    let text = instruction_text(edit, Mark::Edit(3));
    json!({ "role": "user", "content": [{ "type": "text", "text": text }] })
}

fn asked(status: Option<u16>, retry_after: Option<Duration>) -> What {
    What::AgentAsked {
        client: home().client,
        mark: Some(Mark::Edit(3)),
        status,
        retry_after,
    }
}

#[tokio::test]
async fn the_agent_uses_its_tools_and_then_has_finished() {
    let cloud = cloud();
    let (status, said) = ask(&cloud, &conversation(json!([first(Edit::BreakBuild)]))).await;
    assert_eq!((status, &said["stop_reason"]), (200, &json!("tool_use")));
    let blocks = said["content"].as_array().unwrap();
    let uses: Vec<&Value> = blocks.iter().filter(|b| b["type"] == "tool_use").collect();
    assert_eq!(uses.len(), 2);
    assert_eq!(uses[0]["name"], "append_line");
    assert_eq!(
        uses[0]["input"],
        json!({ "path": "content/changes.txt", "line": "edit-3" })
    );
    assert_eq!(uses[1]["name"], "delete_file");

    let results: Vec<Value> = uses
        .iter()
        .map(|block| json!({ "type": "tool_result", "tool_use_id": block["id"], "content": "ok" }))
        .collect();
    let assistant = json!({ "role": "assistant", "content": blocks });
    let unanswered = conversation(json!([first(Edit::BreakBuild), assistant]));
    assert_eq!(ask(&cloud, &unanswered).await.0, 400);
    let answered = conversation(json!([
        first(Edit::BreakBuild),
        assistant,
        { "role": "user", "content": results },
    ]));
    let (status, said) = ask(&cloud, &answered).await;
    assert_eq!((status, &said["stop_reason"]), (200, &json!("end_turn")));
    let statuses = [200, 400, 200].map(|status| asked(Some(status), None));
    assert_eq!(recorded(&cloud), statuses);
}

#[tokio::test]
async fn an_instruction_without_a_script_is_answered_in_words() {
    let cloud = cloud();
    let hello = json!({ "role": "user", "content": "Hello" });
    let (status, said) = ask(&cloud, &conversation(json!([hello]))).await;
    assert_eq!((status, &said["stop_reason"]), (200, &json!("end_turn")));
    assert_eq!(said["content"][0]["type"], "text");
    let mut without_tools = conversation(json!([first(Edit::Change)]));
    without_tools["tools"] = json!([]);
    let (_, said) = ask(&cloud, &without_tools).await;
    assert_eq!(said["stop_reason"], "end_turn");
}

#[tokio::test]
async fn a_memory_hungry_edit_is_written_out_in_full() {
    let cloud = cloud();
    let body = conversation(json!([first(Edit::MemoryHungry)]));
    let answer = soon(send(&cloud, AGENT_KEY, &body)).await;
    let (files, size) = HUNGRY_FILES;
    assert!(answer.body.len() > files * size);
    assert!(answer.body.ends_with(b"]}"));
}

#[tokio::test]
async fn what_the_api_would_not_take_is_refused_in_its_form() {
    let cloud = cloud();
    let body = conversation(json!([first(Edit::Change)]));
    let answer = soon(send(&cloud, "another", &body)).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["error"]["type"], "authentication_error");
    let (status, answer) = ask(&cloud, &json!({ "model": "any" })).await;
    assert_eq!(status, 400);
    assert_eq!(answer["type"], "error");
    assert_eq!(answer["error"]["type"], "invalid_request_error");
}

#[tokio::test]
async fn errors_and_silence_come_as_the_fault_says() {
    let cloud = cloud();
    let body = conversation(json!([first(Edit::Change)]));
    for (status, kind) in [
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ] {
        cloud.set_fault(&Fault::AgentError(status), true).unwrap();
        let answer = soon(send(&cloud, AGENT_KEY, &body)).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.retry_after.is_some(), status == 429);
        assert_eq!(answer.json()["error"]["type"], kind);
        let wait = answer.retry_after.map(|_| Duration::from_secs(5));
        assert_eq!(recorded(&cloud), [asked(Some(status), wait)]);
        cloud.set_fault(&Fault::AgentError(status), false).unwrap();
    }
    cloud.set_fault(&Fault::AgentSlow, true).unwrap();
    assert!(is_silent(send(&cloud, AGENT_KEY, &body)).await);
    assert_eq!(recorded(&cloud), [asked(None, None)]);
    cloud.set_fault(&Fault::AgentSlow, false).unwrap();
    assert_eq!(ask(&cloud, &body).await.0, 200);
}
