//! The wire of SQS: AWS JSON 1.0, and forms with XML.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde_json::{Map, Value, json};

use super::attributes::{Attributes, check_wanted};
use super::errors::{bad, missing, out_of_range, query_code};
use super::letter::{Letter, received};
use super::queues::Stored;
use super::{Sqs, arn, query, url};
use crate::cloud::answer::{Answer, AwsError, ErrorCode, reply};
use crate::cloud::hosts;
use crate::cloud::protocol::{self, AwsCall, Protocol};
use crate::cloud::route::{Asked, operation};
use crate::cloud::services::Services;
use crate::history::What;
use crate::plan::{Outage, Place};

/// Operations that are no calls for the record: their effects are, or they have none.
pub(in crate::cloud) const QUIET: &[&str] = &[
    "SendMessage",
    "SendMessageBatch",
    "ReceiveMessage",
    "DeleteMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "GetQueueUrl",
    "GetQueueAttributes",
    "ListQueues",
    "ListQueueTags",
    "ListDeadLetterSourceQueues",
    "ListMessageMoveTasks",
];

/// Whether a request may wait for a message.
pub(in crate::cloud) fn polls(asked: &Asked) -> bool {
    operation(asked) == "ReceiveMessage"
}

/// Answers a request to SQS.
pub(in crate::cloud) async fn answer(services: &Services, asked: &Asked) -> Answer {
    let Some(call) = &asked.call else {
        return Answer::Close;
    };
    if let Some(outage) = asked.faults.outage(Place::Queue) {
        services.recorder.record(What::Refused {
            client: asked.client.clone(),
            place: Place::Queue,
        });
        // A reset may come when the message is deleted already, and only the answer is lost.
        if outage == Outage::Reset
            && call.operation.starts_with("DeleteMessage")
            && services.faults.either()
        {
            let _ = answer_up(&services.sqs, asked, call).await;
        }
        return Answer::of_outage(outage, || unavailable(call));
    }
    answer_up(&services.sqs, asked, call).await
}

/// The answer of a service that is up.
async fn answer_up(sqs: &Sqs, asked: &Asked, call: &AwsCall) -> Answer {
    let is_form = call.protocol == Protocol::Query;
    let request = match is_form {
        true => Ok(form(asked)),
        false => serde_json::from_slice(&asked.body).map_err(|error| {
            let code = "com.amazon.coral.service#SerializationException";
            AwsError::new(code, error.to_string())
        }),
    };
    let result = match request {
        Ok(request) => carry_out(sqs, asked, call, &request).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(body) if is_form => {
            let xml = query::answer(&call.operation, &body);
            Answer::Reply(protocol::with_id(reply(StatusCode::OK, "text/xml", xml)))
        }
        Ok(body) => protocol::answer(call, Ok(body)),
        Err(error) => failed(call, StatusCode::BAD_REQUEST, &error),
    }
}

/// The request of a form, which names its queue by the path where it does not by a field.
fn form(asked: &Asked) -> Value {
    let (body, uri) = (&asked.body, &asked.parts.uri);
    let form = match body.is_empty() {
        true => uri.query().unwrap_or_default().as_bytes(),
        false => body,
    };
    let mut request = query::request(form);
    if request["QueueUrl"].is_null() && uri.path().len() > 1 {
        request["QueueUrl"] = uri.path().into();
    }
    request
}

/// An error in either protocol. In JSON a header has the name that it has in the other.
fn failed(call: &AwsCall, status: StatusCode, error: &AwsError) -> Answer {
    let code = query_code(error.code);
    let named = match call.protocol {
        Protocol::Query => code,
        _ => error.code,
    };
    let mut answer = protocol::error(call, status, named, &error.message);
    if let Answer::Reply(response) = &mut answer {
        response.extensions_mut().insert(ErrorCode(code.into()));
        let who = if status.is_server_error() {
            "Receiver"
        } else {
            "Sender"
        };
        if let Ok(code) = HeaderValue::from_str(&format!("{code};{who}")) {
            response.headers_mut().insert("x-amzn-query-error", code);
        }
    }
    answer
}

fn unavailable(call: &AwsCall) -> Answer {
    let error = AwsError::new(
        "com.amazonaws.sqs#ServiceUnavailable",
        "The request has failed due to a temporary failure of the server.",
    );
    failed(call, StatusCode::SERVICE_UNAVAILABLE, &error)
}

/// A field that is text.
fn text<'a>(request: &'a Value, field: &str) -> Result<&'a str, AwsError> {
    request[field].as_str().ok_or_else(|| missing(field))
}

/// A field that is a number, in JSON or in a form, within bounds.
fn number(request: &Value, field: &str, range: (u64, u64)) -> Result<Option<u64>, AwsError> {
    let number = match &request[field] {
        Value::Null => return Ok(None),
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    let number = number.ok_or_else(|| bad(format!("{} is no number: {field}", request[field])))?;
    match (range.0..=range.1).contains(&number) {
        true => Ok(Some(number)),
        false => Err(out_of_range(number, field, range)),
    }
}

fn seconds(request: &Value, field: &str, most: u64) -> Result<Option<Duration>, AwsError> {
    Ok(number(request, field, (0, most))?.map(Duration::from_secs))
}

fn strings<'a>(request: &'a Value, field: &str) -> impl Iterator<Item = &'a str> {
    let all = request[field].as_array().into_iter().flatten();
    all.filter_map(Value::as_str)
}

/// The queue that a URL or an ARN is of: its host may be any front's, and its account any.
fn name_in(url: &str) -> &str {
    url.rsplit(['/', ':']).next().unwrap_or_default()
}

const MOST_DELAY: u64 = 900;
const MOST_VISIBILITY: u64 = 43_200;
const MOST_WAIT: u64 = 20;

async fn carry_out(
    sqs: &Sqs,
    asked: &Asked,
    call: &AwsCall,
    request: &Value,
) -> Result<Value, AwsError> {
    let base = hosts::base_url(&asked.parts);
    let now = sqs.recorder.now();
    let queue = || Ok(name_in(text(request, "QueueUrl")?));
    match &*call.operation {
        "CreateQueue" => {
            let name = text(request, "QueueName")?;
            let given = Attributes::read(&request["Attributes"], true)?;
            let tags = tags(&request["tags"])
                .into_iter()
                .chain(tags(&request["Tags"]));
            sqs.state().create(name, given, tags.collect(), now)?;
            Ok(json!({ "QueueUrl": url(&base, name) }))
        }
        "GetQueueUrl" => {
            let name = text(request, "QueueName")?;
            sqs.state().find(name)?;
            Ok(json!({ "QueueUrl": url(&base, name) }))
        }
        "ListQueues" => {
            let prefix = request["QueueNamePrefix"].as_str().unwrap_or_default();
            let state = sqs.state();
            let names = state.iter().map(|(name, _)| name);
            let names: Vec<&str> = names.filter(|name| name.starts_with(prefix)).collect();
            page(request, "QueueUrls", &base, &names)
        }
        "ListDeadLetterSourceQueues" => {
            let mut state = sqs.state();
            state.find(queue()?)?;
            let sources = state.sources(queue()?);
            let names: Vec<&str> = sources.iter().map(String::as_str).collect();
            page(request, "queueUrls", &base, &names)
        }
        "GetQueueAttributes" => attributes(sqs, request, queue()?, now),
        "SetQueueAttributes" => {
            let given = Attributes::read(&request["Attributes"], false)?;
            sqs.state().set_attributes(queue()?, given, now)?;
            sqs.changed.notify_waiters();
            Ok(json!({}))
        }
        "DeleteQueue" => {
            sqs.state().delete_queue(queue()?)?;
            sqs.changed.notify_waiters();
            Ok(json!({}))
        }
        "PurgeQueue" => {
            sqs.state().purge(queue()?, now)?;
            Ok(json!({}))
        }
        "TagQueue" => {
            let mut state = sqs.state();
            state.find(queue()?)?.tags.extend(tags(&request["Tags"]));
            Ok(json!({}))
        }
        "UntagQueue" => {
            let mut state = sqs.state();
            let tags = &mut state.find(queue()?)?.tags;
            for key in strings(request, "TagKeys") {
                tags.remove(key);
            }
            Ok(json!({}))
        }
        "ListQueueTags" => match &sqs.state().find(queue()?)?.tags {
            tags if tags.is_empty() => Ok(json!({})),
            tags => Ok(json!({ "Tags": tags })),
        },
        "SendMessage" => send(sqs, queue()?, request),
        "SendMessageBatch" => {
            let entries = entries(request)?;
            check_length(sqs, queue()?, entries)?;
            batch(entries, |entry| send(sqs, queue()?, entry))
        }
        "ReceiveMessage" => {
            let most = number(request, "MaxNumberOfMessages", (1, 10))?.unwrap_or(1);
            let visibility = seconds(request, "VisibilityTimeout", MOST_VISIBILITY)?;
            let wait = seconds(request, "WaitTimeSeconds", MOST_WAIT)?;
            let most = usize::try_from(most).unwrap_or(1);
            let messages = sqs.receive(queue()?, most, visibility, wait).await?;
            if messages.is_empty() {
                return Ok(json!({}));
            }
            let began = sqs.recorder.unix(Duration::ZERO);
            let messages = messages
                .iter()
                .map(|message| received(request, message, began));
            Ok(json!({ "Messages": messages.collect::<Vec<_>>() }))
        }
        "DeleteMessage" => delete(sqs, queue()?, request),
        "DeleteMessageBatch" => {
            sqs.state().find(queue()?)?;
            batch(entries(request)?, |entry| delete(sqs, queue()?, entry))
        }
        "ChangeMessageVisibility" => extend(sqs, queue()?, request),
        "ChangeMessageVisibilityBatch" => {
            sqs.state().find(queue()?)?;
            batch(entries(request)?, |entry| extend(sqs, queue()?, entry))
        }
        "StartMessageMoveTask" => {
            let source = name_in(text(request, "SourceArn")?);
            let destination = request["DestinationArn"].as_str().map(name_in);
            sqs.state().redrive(source, destination, now)?;
            sqs.changed.notify_waiters();
            Ok(json!({ "TaskHandle": format!("{source}-{}", now.as_nanos()) }))
        }
        "ListMessageMoveTasks" => moves(sqs, request),
        _ => Err(protocol::not_served(call)),
    }
}

fn send(sqs: &Sqs, queue: &str, request: &Value) -> Result<Value, AwsError> {
    sqs.state().find(queue)?;
    let letter = Letter::read(request)?;
    let delay = seconds(request, "DelaySeconds", MOST_DELAY)?;
    let sent = sqs.take_in(queue, letter.clone(), delay)?;
    Ok(letter.answer(sent.sequence, sent.number))
}

fn delete(sqs: &Sqs, queue: &str, request: &Value) -> Result<Value, AwsError> {
    sqs.delete(queue, text(request, "ReceiptHandle")?)?;
    Ok(json!({}))
}

fn extend(sqs: &Sqs, queue: &str, request: &Value) -> Result<Value, AwsError> {
    let receipt = text(request, "ReceiptHandle")?;
    let visibility = seconds(request, "VisibilityTimeout", MOST_VISIBILITY)?;
    let visibility = visibility.ok_or_else(|| missing("VisibilityTimeout"))?;
    sqs.extend(queue, receipt, visibility)?;
    Ok(json!({}))
}

/// The entries of a batch, each with an id of its own.
fn entries(request: &Value) -> Result<&[Value], AwsError> {
    let refused = |code, message: &str| Err(AwsError::new(code, message));
    let entries = request["Entries"].as_array().map_or(&[][..], Vec::as_slice);
    if entries.is_empty() {
        let message = "There should be at least one entry in the request.";
        return refused("com.amazonaws.sqs#EmptyBatchRequest", message);
    }
    if entries.len() > 10 {
        let message = "Maximum number of entries per request are 10.";
        return refused("com.amazonaws.sqs#TooManyEntriesInBatchRequest", message);
    }
    let mut ids = Vec::new();
    for entry in entries {
        let id = text(entry, "Id")?;
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if !(1..=80).contains(&id.len()) || !id.chars().all(is_allowed) {
            let message = "A batch entry id can only contain alphanumeric characters, hyphens and \
                           underscores. It can be at most 80 letters long.";
            return refused("com.amazonaws.sqs#InvalidBatchEntryId", message);
        }
        if ids.contains(&id) {
            let message = format!("Id {id} repeated.");
            return refused("com.amazonaws.sqs#BatchEntryIdsNotDistinct", &message);
        }
        ids.push(id);
    }
    Ok(entries)
}

fn check_length(sqs: &Sqs, queue: &str, entries: &[Value]) -> Result<(), AwsError> {
    let most = sqs
        .state()
        .find(queue)?
        .attributes
        .number("MaximumMessageSize");
    let bodies = entries
        .iter()
        .filter_map(|entry| entry["MessageBody"].as_str());
    let length: usize = bodies.map(str::len).sum();
    match length as u64 > most {
        false => Ok(()),
        true => Err(AwsError::new(
            "com.amazonaws.sqs#BatchRequestTooLong",
            format!(
                "Batch requests cannot be longer than {most} bytes. You have sent {length} bytes."
            ),
        )),
    }
}

/// Carries out each entry of a batch; one that fails does not keep the others.
fn batch(
    entries: &[Value],
    one: impl Fn(&Value) -> Result<Value, AwsError>,
) -> Result<Value, AwsError> {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        match one(entry) {
            Ok(mut answer) => {
                answer["Id"] = entry["Id"].clone();
                done.push(answer);
            }
            Err(error) => failed.push(json!({
                "Id": entry["Id"],
                "SenderFault": true,
                "Code": query_code(error.code),
                "Message": error.message,
            })),
        }
    }
    let mut answer = Map::new();
    for (name, list) in [("Successful", done), ("Failed", failed)] {
        if !list.is_empty() {
            answer.insert(name.into(), list.into());
        }
    }
    Ok(answer.into())
}

fn tags(given: &Value) -> BTreeMap<String, String> {
    let given = given.as_object().into_iter().flatten();
    given
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// A page of queues by their URLs.
fn page(request: &Value, field: &str, base: &str, names: &[&str]) -> Result<Value, AwsError> {
    let most = number(request, "MaxResults", (1, 1000))?;
    let begins = request["NextToken"].as_str();
    let names = names
        .iter()
        .skip_while(|name| begins.is_some_and(|begins| **name < begins));
    let names: Vec<&&str> = names.collect();
    let most = most
        .and_then(|most| usize::try_from(most).ok())
        .unwrap_or(1000);
    let urls: Vec<String> = names
        .iter()
        .take(most)
        .map(|name| url(base, name))
        .collect();
    let mut answer = Map::new();
    if !urls.is_empty() {
        answer.insert(field.into(), urls.into());
    }
    if let Some(next) = names.get(most) {
        answer.insert("NextToken".into(), (**next).into());
    }
    Ok(answer.into())
}

/// The attributes that a request asks for.
fn attributes(sqs: &Sqs, request: &Value, name: &str, now: Duration) -> Result<Value, AwsError> {
    let mut state = sqs.state();
    let stored = state.find(name)?;
    let wanted: Vec<&str> = strings(request, "AttributeNames").collect();
    wanted.iter().try_for_each(|name| check_wanted(name))?;
    let mut all = described(sqs, stored, name, now);
    if !wanted.contains(&"All") {
        all.retain(|name, _| wanted.contains(&name.as_str()));
    }
    match all.is_empty() {
        true => Ok(json!({})),
        false => Ok(json!({ "Attributes": all })),
    }
}

fn described(sqs: &Sqs, stored: &Stored, name: &str, now: Duration) -> BTreeMap<String, String> {
    let mut all = stored.attributes.describe();
    let depth = stored.depth(now);
    let unix = |at: Duration| sqs.recorder.unix(at).as_secs().to_string();
    all.extend(
        [
            ("ApproximateNumberOfMessages", depth.visible.to_string()),
            (
                "ApproximateNumberOfMessagesDelayed",
                depth.delayed.to_string(),
            ),
            (
                "ApproximateNumberOfMessagesNotVisible",
                depth.in_flight.to_string(),
            ),
            ("CreatedTimestamp", unix(stored.created)),
            ("LastModifiedTimestamp", unix(stored.modified)),
            ("QueueArn", arn(name)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    all
}

/// The newest moves of dead letters, all of which are completed.
fn moves(sqs: &Sqs, request: &Value) -> Result<Value, AwsError> {
    let source = name_in(text(request, "SourceArn")?);
    let most = number(request, "MaxResults", (1, 10))?.unwrap_or(1);
    let mut state = sqs.state();
    state.find(source)?;
    let newest = state.moves.iter().rev().filter(|one| one.source == source);
    let newest = newest.take(usize::try_from(most).unwrap_or(1));
    let results: Vec<Value> = newest
        .map(|one| {
            let mut result = json!({
                "Status": "COMPLETED",
                "SourceArn": arn(&one.source),
                "ApproximateNumberOfMessagesMoved": one.moved,
                "ApproximateNumberOfMessagesToMove": one.moved,
                "StartedTimestamp": sqs.recorder.unix(one.at).as_millis() as u64,
            });
            if let Some(destination) = &one.destination {
                result["DestinationArn"] = arn(destination).into();
            }
            result
        })
        .collect();
    Ok(json!({ "Results": results }))
}
