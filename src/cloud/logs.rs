//! CloudWatch Logs: groups and streams in memory, and simple filter patterns.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::answer::{Answer, AwsError, JSON_1_1, aws_json};
use super::credentials::has_secret;
use super::route::{Asked, operation};
use super::services::Services;
use crate::history::What;
use crate::plan::ClientId;

/// The log group of the reference.
#[cfg(test)]
pub const LOG_GROUP: &str = "/ecs/webordinary/edit";

/// All groups, streams and lines of one cloud.
#[derive(Default)]
pub(super) struct Logs {
    groups: Mutex<BTreeMap<String, BTreeMap<String, Vec<LogEvent>>>>,
}

#[derive(Clone, Debug)]
struct LogEvent {
    /// Its place among all lines of the group.
    id: usize,
    /// Real milliseconds since the Unix epoch.
    timestamp: u64,
    message: String,
}

/// Answers a request to CloudWatch Logs.
pub(super) fn answer(services: &Services, asked: &Asked) -> Answer {
    let result = match serde_json::from_slice::<Value>(&asked.body) {
        Ok(request) if operation(asked) == "PutLogEvents" => put(services, asked, &request),
        Ok(request) => services.logs.call(operation(asked), &request),
        Err(error) => Err(AwsError::new("SerializationException", error.to_string())),
    };
    aws_json(JSON_1_1, result)
}

fn put(services: &Services, asked: &Asked, request: &Value) -> Result<Value, AwsError> {
    let events = services.logs.put(request)?;
    for (timestamp, raw) in events {
        let stamp = services.recorder.time_of_stamp(timestamp);
        record(services, &asked.client, &raw, stamp);
    }
    Ok(json!({ "nextSequenceToken": "1" }))
}

/// Records a line of a client's container.
fn record(services: &Services, client: &ClientId, raw: &str, stamp: Duration) {
    if has_secret(raw.as_bytes()) {
        services.recorder.record(What::SecretSeen {
            client: client.clone(),
            place: "log".into(),
        });
    }
    let line = services.reader.read(raw);
    services.recorder.record(line.logged(client.clone(), stamp));
}

/// Takes the lines that a container prints, for systems whose log that is.
pub struct ContainerLog {
    services: Arc<Services>,
    client: ClientId,
}

impl ContainerLog {
    pub(super) fn new(services: Arc<Services>, client: ClientId) -> Self {
        Self { services, client }
    }

    /// Records a line that was printed now.
    pub fn line(&self, raw: &str) {
        let now = self.services.recorder.now();
        record(&self.services, &self.client, raw, now);
    }
}

impl Logs {
    fn call(&self, operation: &str, request: &Value) -> Result<Value, AwsError> {
        match operation {
            "CreateLogGroup" => {
                let group = text(request, "logGroupName")?;
                let mut groups = self.groups();
                if groups.contains_key(group) {
                    return Err(exists("log group"));
                }
                groups.insert(group.to_owned(), BTreeMap::new());
                Ok(json!({}))
            }
            "CreateLogStream" => {
                let name = text(request, "logStreamName")?;
                let mut groups = self.groups();
                let streams = streams(&mut groups, request)?;
                if streams.contains_key(name) {
                    return Err(exists("log stream"));
                }
                streams.insert(name.to_owned(), Vec::new());
                Ok(json!({}))
            }
            "DescribeLogStreams" => self.describe(request),
            "GetLogEvents" => self.get(request),
            "FilterLogEvents" => self.filter(request),
            other => Err(AwsError::new(
                "UnrecognizedClientException",
                format!("The loopback cloud does not support {other}"),
            )),
        }
    }

    /// Appends lines to a stream; returns their times and texts.
    fn put(&self, request: &Value) -> Result<Vec<(u64, String)>, AwsError> {
        let sent = request["logEvents"].as_array();
        let sent: Vec<(u64, String)> = sent
            .into_iter()
            .flatten()
            .filter_map(|event| {
                let timestamp = event["timestamp"].as_u64()?;
                Some((timestamp, event["message"].as_str()?.to_owned()))
            })
            .collect();
        if sent.is_empty() {
            return Err(invalid("1 validation error detected: no log events"));
        }
        if !sent.is_sorted_by_key(|(timestamp, _)| *timestamp) {
            return Err(invalid(
                "Log events in a single PutLogEvents request must be in chronological order.",
            ));
        }
        let mut groups = self.groups();
        let streams = streams(&mut groups, request)?;
        let next = streams.values().map(Vec::len).sum::<usize>();
        let stream = stream(streams, request)?;
        for (n, (timestamp, message)) in sent.iter().enumerate() {
            stream.push(LogEvent {
                id: next + n,
                timestamp: *timestamp,
                message: message.clone(),
            });
        }
        Ok(sent)
    }

    fn describe(&self, request: &Value) -> Result<Value, AwsError> {
        let prefix = request["logStreamNamePrefix"].as_str().unwrap_or_default();
        let mut groups = self.groups();
        let streams = streams(&mut groups, request)?;
        let listed: Vec<Value> = streams
            .iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(name, events)| {
                json!({
                    "logStreamName": name,
                    "firstEventTimestamp": events.first().map(|event| event.timestamp),
                    "lastEventTimestamp": events.last().map(|event| event.timestamp),
                })
            })
            .collect();
        Ok(json!({ "logStreams": listed }))
    }

    /// The lines of one stream. Pages go from the first line to the last; without a token and
    /// `startFromHead` the last page comes.
    fn get(&self, request: &Value) -> Result<Value, AwsError> {
        let mut groups = self.groups();
        let streams = streams(&mut groups, request)?;
        let events = stream(streams, request)?;
        let within = in_time(request);
        let events: Vec<&LogEvent> = events.iter().filter(|event| within(event)).collect();
        let limit = limit(request);
        let from_token = request["nextToken"]
            .as_str()
            .and_then(|token| token.strip_prefix("f/")?.parse().ok());
        let from = match from_token {
            Some(from) => from,
            None if request["startFromHead"].as_bool() == Some(true) => 0,
            None => events.len().saturating_sub(limit),
        };
        let page: Vec<Value> = events.iter().skip(from).take(limit).map(as_json).collect();
        Ok(json!({
            "nextForwardToken": format!("f/{}", from + page.len()),
            "nextBackwardToken": format!("b/{from}"),
            "events": page,
        }))
    }

    fn filter(&self, request: &Value) -> Result<Value, AwsError> {
        let pattern = Pattern::parse(request["filterPattern"].as_str().unwrap_or_default())?;
        let wanted = request["logStreamNames"].as_array();
        let prefix = request["logStreamNamePrefix"].as_str().unwrap_or_default();
        let within = in_time(request);
        let mut groups = self.groups();
        let streams = streams(&mut groups, request)?;
        let mut found: Vec<(&String, &LogEvent)> = streams
            .iter()
            .filter(|(name, _)| {
                name.starts_with(prefix)
                    && wanted.is_none_or(|wanted| wanted.iter().any(|one| one == *name))
            })
            .flat_map(|(name, events)| events.iter().map(move |event| (name, event)))
            .filter(|(_, event)| within(event) && pattern.matches(&event.message))
            .collect();
        found.sort_by_key(|(_, event)| (event.timestamp, event.id));
        let from: usize = request["nextToken"]
            .as_str()
            .map_or(Some(0), |token| token.parse().ok())
            .ok_or_else(|| invalid("The specified nextToken is invalid."))?;
        let limit = limit(request);
        let page: Vec<Value> = found
            .iter()
            .skip(from)
            .take(limit)
            .map(|(name, event)| {
                let mut event = as_json(event);
                event["logStreamName"] = name.as_str().into();
                event
            })
            .collect();
        let mut answer = json!({ "events": page, "searchedLogStreams": [] });
        if from + limit < found.len() {
            answer["nextToken"] = (from + limit).to_string().into();
        }
        Ok(answer)
    }

    fn groups(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<String, Vec<LogEvent>>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn as_json(event: &&LogEvent) -> Value {
    json!({
        "eventId": format!("{:056}", event.id),
        "timestamp": event.timestamp,
        "ingestionTime": event.timestamp,
        "message": event.message,
    })
}

fn in_time(request: &Value) -> impl Fn(&LogEvent) -> bool + use<> {
    let start = request["startTime"].as_u64().unwrap_or(0);
    let end = request["endTime"].as_u64().unwrap_or(u64::MAX);
    move |event| (start..=end).contains(&event.timestamp)
}

fn limit(request: &Value) -> usize {
    let asked = request["limit"].as_u64().unwrap_or(10_000);
    usize::try_from(asked)
        .unwrap_or(usize::MAX)
        .clamp(1, 10_000)
}

fn text<'a>(request: &'a Value, field: &str) -> Result<&'a str, AwsError> {
    request[field]
        .as_str()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| invalid(&format!("1 validation error detected: {field} is missing")))
}

fn streams<'a>(
    groups: &'a mut BTreeMap<String, BTreeMap<String, Vec<LogEvent>>>,
    request: &Value,
) -> Result<&'a mut BTreeMap<String, Vec<LogEvent>>, AwsError> {
    let group = text(request, "logGroupName")?;
    groups.get_mut(group).ok_or_else(|| missing("log group"))
}

fn stream<'a>(
    streams: &'a mut BTreeMap<String, Vec<LogEvent>>,
    request: &Value,
) -> Result<&'a mut Vec<LogEvent>, AwsError> {
    let name = text(request, "logStreamName")?;
    streams.get_mut(name).ok_or_else(|| missing("log stream"))
}

fn invalid(message: &str) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}

fn exists(what: &str) -> AwsError {
    AwsError::new(
        "ResourceAlreadyExistsException",
        format!("The specified {what} already exists"),
    )
}

fn missing(what: &str) -> AwsError {
    AwsError::new(
        "ResourceNotFoundException",
        format!("The specified {what} does not exist."),
    )
}

/// A filter pattern for unstructured lines: terms that must all be in a line, `?terms` of
/// which one must, and `-terms` that must not.
#[derive(Default)]
struct Pattern {
    all: Vec<String>,
    any: Vec<String>,
    none: Vec<String>,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, AwsError> {
        let text = text.trim();
        if text.starts_with(['{', '[', '%']) {
            return Err(invalid(
                "The loopback cloud knows filter patterns of terms only: no JSON, no columns, no \
                 regular expressions.",
            ));
        }
        let mut pattern = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let (group, after) = match rest.as_bytes()[0] {
                b'?' => (&mut pattern.any, &rest[1..]),
                b'-' => (&mut pattern.none, &rest[1..]),
                _ => (&mut pattern.all, rest),
            };
            let (term, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted
                    .split_once('"')
                    .ok_or_else(|| invalid("Invalid filter pattern: a quote is not closed"))?,
                None => after.split_once(' ').unwrap_or((after, "")),
            };
            group.push(term.to_owned());
            rest = after.trim_start();
        }
        Ok(pattern)
    }

    fn matches(&self, line: &str) -> bool {
        let contains = |term: &String| line.contains(term.as_str());
        self.all.iter().all(contains)
            && (self.any.is_empty() || self.any.iter().any(contains))
            && !self.none.iter().any(contains)
    }
}

#[cfg(test)]
pub(in crate::cloud) mod tests;
