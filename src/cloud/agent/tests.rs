use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpRequest;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector;
use serde_json::{Value, json};

use crate::cloud::tests::{cloud, front, home, is_silent, recorded, soon};
use crate::cloud::{AGENT_KEY, Cloud};
use crate::history::{CallAnswer, What};
use crate::plan::{Cut, Edit, Fault, Mark};
use crate::site::{HUNGRY_FILES, instruction_text};

mod editor;

/// What the API answered.
struct Answered {
    status: u16,
    retry_after: Option<String>,
    request_id: Option<String>,
    /// Empty where it broke off.
    body: Vec<u8>,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn send(cloud: &Cloud, key: &'static str, body: &Value) -> Answered {
    send_to(cloud, "POST /v1/messages", ("x-api-key", key), body).await
}

async fn send_to(
    cloud: &Cloud,
    what: &str,
    (name, value): (&'static str, &'static str),
    body: &Value,
) -> Answered {
    let (method, path) = what.split_once(' ').unwrap();
    let mut request = HttpRequest::new(match method {
        "GET" => "".into(),
        _ => body.to_string().into(),
    });
    request.set_method(method).unwrap();
    let url = format!("{}{path}", front(cloud).url());
    request.set_uri(url).unwrap();
    let headers = request.headers_mut();
    headers.insert("content-type", "application/json");
    headers.insert(name, value);
    headers.insert("anthropic-version", "2023-06-01");
    let client = Connector::builder().build_http();
    let answer = client.call(request).await.unwrap();
    let header = |name: &str| answer.headers().get(name).map(str::to_owned);
    Answered {
        status: answer.status().as_u16(),
        retry_after: header("retry-after"),
        request_id: header("request-id").or_else(|| header("x-amzn-requestid")),
        body: {
            let body = ByteStream::new(answer.into_body()).collect().await;
            body.map(|body| body.to_vec()).unwrap_or_default()
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
        cut: None,
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
    let mut other_tools = conversation(json!([first(Edit::Change)]));
    other_tools["tools"] = json!([{ "name": "search", "input_schema": {} }]);
    recorded(&cloud);
    let (_, said) = ask(&cloud, &other_tools).await;
    assert_eq!(said["stop_reason"], "end_turn");
    let events = recorded(&cloud);
    assert!(
        matches!(&events[0], What::Called { call, .. } if call.answer == CallAnswer::NotServed),
        "{events:?}"
    );
    assert_eq!(events[1..], [asked(Some(200), None)]);
}

#[tokio::test]
async fn what_is_asked_beside_the_turns_is_answered_and_is_no_turn() {
    let cloud = cloud();
    let mut title = conversation(json!([first(Edit::Change)]));
    title["tools"] = json!([]);
    let bearer = (
        "authorization",
        "Bearer loopback-agent-key-0123456789abcdef",
    );
    for what in [
        "POST /v1/messages?beta=true",
        "POST /v1/messages/count_tokens",
        "GET /v1/models",
        "GET /v1/models/claude-x",
    ] {
        let answer = soon(send_to(&cloud, what, bearer, &title)).await;
        assert_eq!(answer.status, 200, "{what}");
        assert!(answer.request_id.unwrap().starts_with("req_"));
        let refused = soon(send_to(&cloud, what, ("x-api-key", "no"), &title)).await;
        assert_eq!(refused.status, 401, "{what}");
        let (said, id) = (refused.json(), refused.request_id.unwrap());
        assert_eq!(said["request_id"], json!(id));
    }
    let unknown = soon(send_to(&cloud, "GET /v1/files", bearer, &title)).await;
    assert_eq!(unknown.status, 404);
    let is_beside = |what: &What| matches!(what, What::Called { .. });
    assert!(recorded(&cloud).iter().all(is_beside));
    assert_eq!(cloud.recorder().requests(&home().client), 0);
}

/// A message put together from the events of a stream; an error where it ends with one.
fn assembled(body: &[u8]) -> Result<Value, Value> {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let mut message = Value::Null;
    let mut inputs: Vec<String> = vec![];
    let mut is_ended = false;
    for event in text.split_terminator("\n\n") {
        let (name, data) = event.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name, format!("event: {}", data["type"].as_str().unwrap()));
        let at = data["index"].as_u64().unwrap_or_default() as usize;
        match data["type"].as_str().unwrap() {
            "message_start" => message = data["message"].clone(),
            "content_block_start" => {
                let blocks = message["content"].as_array_mut().unwrap();
                assert_eq!(at, blocks.len());
                blocks.push(data["content_block"].clone());
                inputs.push(String::new());
            }
            "content_block_delta" => match data["delta"]["type"].as_str().unwrap() {
                "text_delta" => {
                    let block = &mut message["content"][at];
                    let piece = data["delta"]["text"].as_str().unwrap();
                    block["text"] = format!("{}{piece}", block["text"].as_str().unwrap()).into();
                }
                _ => inputs[at].push_str(data["delta"]["partial_json"].as_str().unwrap()),
            },
            "content_block_stop" => {
                if message["content"][at]["type"] == "tool_use" {
                    message["content"][at]["input"] = serde_json::from_str(&inputs[at]).unwrap();
                }
            }
            "message_delta" => {
                message["stop_reason"] = data["delta"]["stop_reason"].clone();
                message["usage"]["output_tokens"] = data["usage"]["output_tokens"].clone();
            }
            "message_stop" => is_ended = true,
            "ping" => {}
            "error" => return Err(data),
            other => panic!("{other}"),
        }
    }
    assert!(is_ended, "{text}");
    Ok(message)
}

#[tokio::test]
async fn a_stream_says_what_the_whole_answer_says() {
    let cloud = cloud();
    let mut body = conversation(json!([first(Edit::Repair)]));
    let (_, mut whole) = ask(&cloud, &body).await;
    body["stream"] = true.into();
    let answer = soon(send(&cloud, AGENT_KEY, &body)).await;
    let mut streamed = assembled(&answer.body).unwrap();
    assert_ne!(streamed["id"], whole["id"]);
    for message in [&mut whole, &mut streamed] {
        message["id"] = Value::Null;
        for block in message["content"].as_array_mut().unwrap() {
            block["id"] = Value::Null;
        }
        assert!(message["usage"]["input_tokens"].as_u64().unwrap() > 10);
        message["usage"]["input_tokens"] = Value::Null;
    }
    assert_eq!(streamed, whole);
}

#[tokio::test]
async fn a_stream_may_also_break_after_it_has_begun() {
    let cloud = cloud();
    let mut body = conversation(json!([first(Edit::Change)]));
    body["stream"] = true.into();
    let mut seen = BTreeSet::new();
    for status in [500, 529] {
        cloud.set_fault(&Fault::AgentError(status), true).unwrap();
        for _ in 0..24 {
            let answer = soon(send(&cloud, AGENT_KEY, &body)).await;
            seen.insert(match answer.status {
                200 if answer.body.is_empty() => (status, "cut".to_owned()),
                200 => {
                    let error = assembled(&answer.body).unwrap_err();
                    (status, error["error"]["type"].as_str().unwrap().to_owned())
                }
                other => (status, other.to_string()),
            });
            assert_eq!(recorded(&cloud), [asked(Some(status), None)]);
        }
        cloud.set_fault(&Fault::AgentError(status), false).unwrap();
    }
    let expected = [
        (500, "500"),
        (500, "api_error"),
        (500, "cut"),
        (529, "529"),
        (529, "overloaded_error"),
    ];
    let expected = expected.map(|(status, how)| (status, how.to_owned()));
    assert_eq!(seen, BTreeSet::from(expected));
    cloud.set_fault(&Fault::AgentSlow, true).unwrap();
    for _ in 0..4 {
        assert!(is_silent(send(&cloud, AGENT_KEY, &body)).await);
        assert_eq!(recorded(&cloud), [asked(None, None)]);
    }
}

#[tokio::test]
async fn an_answer_with_a_good_status_may_not_come_whole() {
    let cloud = cloud();
    let is_incomplete = |body: &[u8]| serde_json::from_slice::<Value>(body).is_err();
    for cut in Cut::ALL {
        cloud.set_fault(&Fault::AgentCut(cut), true).unwrap();
        let mut body = conversation(json!([first(Edit::Change)]));
        for streams in [false, true] {
            body["stream"] = streams.into();
            let mut lengths = BTreeSet::new();
            for _ in 0..16 {
                let answer = soon(send(&cloud, AGENT_KEY, &body)).await;
                assert_eq!(answer.status, 200);
                lengths.insert(answer.body.is_empty());
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                match (cut, streams) {
                    (Cut::MaxTokens, false) => {
                        let message = answer.json();
                        assert_eq!(message["stop_reason"], "max_tokens");
                        assert!(
                            !message["content"][1]["input"]
                                .to_string()
                                .contains("edit-1")
                        );
                    }
                    (Cut::MaxTokens, true) => {
                        assert!(text.contains("\"stop_reason\":\"max_tokens\""));
                        assert!(text.ends_with("{\"type\":\"message_stop\"}\n\n"), "{text}");
                        assert!(!text.contains("edit-1"), "{text}");
                    }
                    (Cut::StreamError, true) => assert!(assembled(&answer.body).is_err()),
                    (Cut::Empty, _) => assert!(answer.body.is_empty()),
                    (Cut::StreamError | Cut::Dangling, false) => {
                        assert!(is_incomplete(&answer.body))
                    }
                    (Cut::Dangling, true) => assert!(!text.contains("message_stop")),
                }
                let [
                    What::AgentAsked {
                        status, cut: seen, ..
                    },
                ] = &recorded(&cloud)[..]
                else {
                    panic!("one request");
                };
                assert_eq!((*status, *seen), (Some(200), Some(cut)));
            }
            // With the end of the connection nothing is read here; without it, the beginning is.
            let both = cut == Cut::Dangling;
            assert_eq!(lengths.len(), if both { 2 } else { 1 }, "{cut} {streams}");
        }
        // What is asked beside the turns is cut too, and what is refused is not.
        body["tools"] = json!([]);
        assert_eq!(soon(send(&cloud, AGENT_KEY, &body)).await.status, 200);
        let [What::Called { call, .. }] = &recorded(&cloud)[..] else {
            panic!("no turn");
        };
        assert_eq!(call.answer, CallAnswer::Failed("cut".into()));
        assert_eq!(soon(send(&cloud, "another", &body)).await.status, 401);
        cloud.set_fault(&Fault::AgentCut(cut), false).unwrap();
        recorded(&cloud);
    }
}

#[tokio::test]
async fn bedrock_takes_the_same_in_its_own_form() {
    let cloud = cloud();
    let mut body = conversation(json!([first(Edit::Change)]));
    body["model"].take();
    let signed = (
        "authorization",
        "AWS4-HMAC-SHA256 Credential=LOOPBACKACCESSKEY000/20261129/us-west-2/bedrock/aws4_request, \
         SignedHeaders=host, Signature=0",
    );
    let invoke = "POST /model/us.anthropic.claude%3A0/invoke";
    let answer = soon(send_to(&cloud, invoke, signed, &body)).await;
    assert_eq!(answer.status, 400, "without its version");
    body["anthropic_version"] = "bedrock-2023-05-31".into();
    let answer = soon(send_to(&cloud, invoke, signed, &body)).await;
    assert_eq!(answer.json()["model"], "us.anthropic.claude:0");
    assert_eq!(answer.json()["stop_reason"], "tool_use");
    let streaming = format!("{invoke}-with-response-stream");
    let none = soon(send_to(&cloud, &streaming, signed, &body)).await;
    assert_eq!(none.status, 404);
    let events = recorded(&cloud);
    assert_eq!(
        events[..2],
        [asked(Some(400), None), asked(Some(200), None)]
    );
    cloud.set_fault(&Fault::AgentError(529), true).unwrap();
    let busy = soon(send_to(&cloud, invoke, signed, &body)).await;
    assert_eq!(busy.status, 503);
    assert_eq!(busy.json()["code"], "ServiceUnavailableException");
    assert_eq!(recorded(&cloud), [asked(Some(503), None)]);
}

#[tokio::test]
async fn a_memory_hungry_edit_is_written_out_in_full() {
    let cloud = cloud();
    let body = conversation(json!([first(Edit::MemoryHungry)]));
    let answer = soon(send(&cloud, AGENT_KEY, &body)).await;
    let (files, size) = HUNGRY_FILES;
    assert!(answer.body.len() > files * size);
    let said = answer.json();
    assert_eq!(said["content"].as_array().unwrap().len(), 1 + 1 + files);
    assert!(said["usage"]["output_tokens"].as_u64().unwrap() > 1);
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
