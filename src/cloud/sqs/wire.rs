//! The wire of SQS: AWS JSON 1.0.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde_json::{Value, json};

use super::{Message, Sqs, find, url};
use crate::cloud::answer::{Answer, AwsError, JSON_1_0, aws_json, json as json_answer};
use crate::cloud::route::{Asked, operation};
use crate::cloud::s3::md5;
use crate::cloud::services::Services;
use crate::history::What;
use crate::plan::{Outage, Place};

/// Whether a request may wait for a message.
pub(in crate::cloud) fn polls(asked: &Asked) -> bool {
    operation(asked) == "ReceiveMessage"
}

/// Answers a request to SQS.
pub(in crate::cloud) async fn answer(services: &Services, asked: &Asked) -> Answer {
    if let Some(outage) = asked.faults.outage(Place::Queue) {
        services.recorder.record(What::Refused {
            client: asked.client.clone(),
            place: Place::Queue,
        });
        // A reset may come when the message is deleted already, and only the answer is lost.
        if outage == Outage::Reset
            && operation(asked) == "DeleteMessage"
            && services.faults.either()
        {
            let _ = answer_up(services, asked).await;
        }
        return Answer::of_outage(outage, unavailable);
    }
    answer_up(services, asked).await
}

/// The answer of a service that is up.
async fn answer_up(services: &Services, asked: &Asked) -> Answer {
    let result = match serde_json::from_slice::<Value>(&asked.body) {
        Ok(request) => call(&services.sqs, asked, &request).await,
        Err(error) => Err(AwsError::new(
            "com.amazon.coral.service#SerializationException",
            error.to_string(),
        )),
    };
    let query_error = result.as_ref().err().map(query_error);
    let mut answer = aws_json(JSON_1_0, result);
    if let (Answer::Reply(response), Some(code)) = (&mut answer, query_error)
        && let Ok(code) = HeaderValue::from_str(&code)
    {
        response.headers_mut().insert("x-amzn-query-error", code);
    }
    answer
}

fn unavailable() -> Answer {
    let body = json!({
        "__type": "com.amazonaws.sqs#ServiceUnavailable",
        "message": "The request has failed due to a temporary failure of the server.",
    });
    json_answer(StatusCode::SERVICE_UNAVAILABLE, JSON_1_0, &body)
}

/// The name that an error had in the query protocol, which the SDKs still go by.
fn query_error(error: &AwsError) -> String {
    let code = error.code.rsplit('#').next().unwrap_or_default();
    let code = match code {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue",
        "MessageNotInflight" => "AWS.SimpleQueueService.MessageNotInflight",
        "UnsupportedOperation" => "AWS.SimpleQueueService.UnsupportedOperation",
        "InvalidParameterValueException" => "InvalidParameterValue",
        "MissingRequiredParameterException" => "MissingParameter",
        other => other,
    };
    format!("{code};Sender")
}

async fn call(sqs: &Sqs, asked: &Asked, request: &Value) -> Result<Value, AwsError> {
    let text = |field: &'static str| {
        request[field].as_str().ok_or_else(|| {
            AwsError::new(
                "com.amazonaws.sqs#MissingRequiredParameterException",
                format!("The request must contain the parameter {field}."),
            )
        })
    };
    let seconds = |field: &str| request[field].as_u64().map(Duration::from_secs);
    if operation(asked) == "GetQueueUrl" {
        let name = text("QueueName")?;
        find(&mut sqs.state(), name)?;
        let host = asked
            .parts
            .headers
            .get("host")
            .and_then(|h| h.to_str().ok());
        let base = format!("http://{}", host.unwrap_or_default());
        return Ok(json!({ "QueueUrl": url(&base, name) }));
    }
    // A queue is known by the end of its URL, as the host may be any front's.
    let name = text("QueueUrl")?.rsplit('/').next().unwrap_or_default();
    match operation(asked) {
        "SendMessage" => {
            let body = text("MessageBody")?;
            if find(&mut sqs.state(), name)?.is_fifo() {
                text("MessageGroupId")?;
            }
            let id = sqs.send(name, body, seconds("DelaySeconds").unwrap_or_default());
            Ok(json!({
                "MessageId": id.map(message_id),
                "MD5OfMessageBody": md5(body.as_bytes()),
            }))
        }
        "ReceiveMessage" => {
            let visibility = seconds("VisibilityTimeout").unwrap_or(sqs.limits.visibility);
            let wait = seconds("WaitTimeSeconds").unwrap_or_default();
            let message = sqs.receive(name, visibility, wait).await?;
            Ok(message.map_or_else(|| json!({}), |message| received(request, &message)))
        }
        "DeleteMessage" => {
            sqs.delete(name, text("ReceiptHandle")?)?;
            Ok(json!({}))
        }
        "ChangeMessageVisibility" => {
            let visibility = seconds("VisibilityTimeout").unwrap_or_default();
            sqs.extend(name, text("ReceiptHandle")?, visibility)?;
            Ok(json!({}))
        }
        "GetQueueAttributes" => {
            let now = sqs.recorder.now();
            let mut state = sqs.state();
            let is_fifo = find(&mut state, name)?.is_fifo();
            let (visible, hidden) = state.depth(name, now);
            let mut attributes = json!({
                "ApproximateNumberOfMessages": visible.to_string(),
                "ApproximateNumberOfMessagesNotVisible": hidden.to_string(),
                "VisibilityTimeout": sqs.limits.visibility.as_secs().to_string(),
            });
            if is_fifo {
                attributes["FifoQueue"] = "true".into();
            }
            if name.starts_with("instructions-") {
                attributes["RedrivePolicy"] = json!({ "maxReceiveCount": sqs.limits.receives })
                    .to_string()
                    .into();
            }
            Ok(json!({ "Attributes": attributes }))
        }
        other => Err(AwsError::new(
            "com.amazonaws.sqs#UnsupportedOperation",
            format!("The loopback cloud does not support {other}"),
        )),
    }
}

fn message_id(id: u64) -> String {
    format!("00000000-0000-4000-8000-{id:012x}")
}

fn received(request: &Value, message: &Message) -> Value {
    let mut answer = json!({
        "MessageId": message_id(message.id),
        "ReceiptHandle": message.receipt().to_string(),
        "Body": &*message.body,
        "MD5OfBody": md5(message.body.as_bytes()),
    });
    const COUNT: &str = "ApproximateReceiveCount";
    let asks_for_count = ["AttributeNames", "MessageSystemAttributeNames"]
        .iter()
        .filter_map(|field| request[field].as_array())
        .flatten()
        .any(|name| name == COUNT || name == "All");
    if asks_for_count {
        answer["Attributes"] = json!({ COUNT: message.receives.to_string() });
    }
    json!({ "Messages": [answer] })
}
