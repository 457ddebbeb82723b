//! CloudWatch Logs: groups and streams in memory.

mod insights;
mod pattern;
mod store;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use self::insights::Started;
use self::pattern::Pattern;
use self::store::{Group, Groups, LogEvent, Stream};
use super::answer::{Answer, AwsError};
use super::credentials::{ACCOUNT, REGION, has_secret};
use super::protocol;
use super::route::Asked;
use super::services::Services;
use crate::history::{CallAnswer, ServiceCall, What};
use crate::plan::ClientId;

/// The log group of the reference.
#[cfg(test)]
pub const LOG_GROUP: &str = "/ecs/webordinary/edit";

/// Operations that are no calls for the record.
pub(super) const QUIET: &[&str] = &[
    "PutLogEvents",
    "CreateLogStream",
    "DescribeLogGroups",
    "DescribeLogStreams",
    "GetLogEvents",
    "FilterLogEvents",
    "StartQuery",
    "GetQueryResults",
    "DescribeQueries",
    "ListTagsForResource",
    "ListTagsLogGroup",
];

/// How long a line may be older, and newer, than the present, in milliseconds.
const OLDEST: u64 = 14 * DAY;
const NEWEST: u64 = DAY / 12;
const DAY: u64 = 24 * 60 * 60 * 1000;

/// All groups, streams and lines of one cloud.
#[derive(Default)]
pub(super) struct Logs {
    groups: Mutex<Groups>,
    queries: Mutex<Vec<Started>>,
}

/// Answers a request to CloudWatch Logs.
pub(super) fn answer(services: &Services, asked: &Asked) -> Answer {
    let Some(call) = &asked.call else {
        return Answer::Close;
    };
    let result = match serde_json::from_slice::<Value>(&asked.body) {
        Ok(request) if call.operation == "PutLogEvents" => put(services, asked, &request),
        Ok(request) => {
            let done = services.logs.call(&call.operation, &request);
            done.unwrap_or_else(|| Err(protocol::not_served(call)))
        }
        Err(error) => Err(AwsError::new("SerializationException", error.to_string())),
    };
    protocol::answer(call, result)
}

fn put(services: &Services, asked: &Asked, request: &Value) -> Result<Value, AwsError> {
    let (taken, rejected) = services.logs.put(request)?;
    for (timestamp, raw) in taken {
        let stamp = services.recorder.time_of_stamp(timestamp);
        record(services, &asked.client, &raw, stamp);
    }
    let mut answer = json!({ "nextSequenceToken": "1" });
    if let Some(rejected) = rejected {
        answer["rejectedLogEventsInfo"] = rejected;
    }
    Ok(answer)
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
        let is_refused = REFUSED_WRITE.iter().any(|words| raw.contains(words));
        if is_refused && !self.services.config.writable.is_empty() {
            self.services.recorder.record(What::Called {
                client: self.client.clone(),
                call: Arc::new(ServiceCall {
                    service: "file system".into(),
                    operation: "write outside of its folders".into(),
                    about: None,
                    answer: CallAnswer::NotServed,
                }),
            });
        }
    }
}

/// What programs print where they may not write.
const REFUSED_WRITE: [&str; 2] = ["Read-only file system", "EROFS"];

/// Lines with their times, and which of a request's lines were rejected.
type Put = (Vec<(u64, String)>, Option<Value>);

impl Logs {
    /// Carries out an operation; `None` where it is none that is served.
    fn call(&self, operation: &str, request: &Value) -> Option<Result<Value, AwsError>> {
        let done = |changed: Result<(), AwsError>| changed.map(|()| json!({}));
        Some(match operation {
            "CreateLogGroup" => done(self.create_group(request)),
            "DeleteLogGroup" => done(self.delete_group(request)),
            "DescribeLogGroups" => self.describe_groups(request),
            "PutRetentionPolicy" => done(self.retain(request, &request["retentionInDays"])),
            "DeleteRetentionPolicy" => done(self.retain(request, &Value::Null)),
            "TagLogGroup" | "TagResource" => done(self.tag(request)),
            "UntagLogGroup" | "UntagResource" => done(self.untag(request)),
            "ListTagsLogGroup" | "ListTagsForResource" => self.tags(request),
            "CreateLogStream" => done(self.create_stream(request)),
            "DeleteLogStream" => done(self.delete_stream(request)),
            "DescribeLogStreams" => self.describe_streams(request),
            "GetLogEvents" => self.get(request),
            "FilterLogEvents" => self.filter(request),
            "StartQuery" => self.start_query(request),
            "GetQueryResults" => self.query_results(request),
            "StopQuery" => self.stop_query(request),
            "DescribeQueries" => Ok(self.describe_queries(request)),
            _ => return None,
        })
    }

    fn create_group(&self, request: &Value) -> Result<(), AwsError> {
        let name = name(request, "logGroupName")?;
        let mut groups = self.groups();
        if groups.contains_key(name) {
            return Err(exists("log group"));
        }
        let group = Group {
            created: now(),
            tags: store::tags(&request["tags"]),
            class: request["logGroupClass"].as_str().map(str::to_owned),
            ..Group::default()
        };
        groups.insert(name.to_owned(), group);
        Ok(())
    }

    fn delete_group(&self, request: &Value) -> Result<(), AwsError> {
        let name = text(request, "logGroupName")?;
        let deleted = self.groups().remove(name);
        deleted.map(drop).ok_or_else(|| missing("log group"))
    }

    fn describe_groups(&self, request: &Value) -> Result<Value, AwsError> {
        let prefix = request["logGroupNamePrefix"].as_str().unwrap_or_default();
        let part = request["logGroupNamePattern"].as_str().unwrap_or_default();
        let groups = self.groups();
        let listed = groups
            .iter()
            .filter(|(name, _)| name.starts_with(prefix) && name.contains(part));
        let listed = listed.map(|(name, group)| group.describe(name)).collect();
        paged(request, "logGroups", listed)
    }

    fn retain(&self, request: &Value, days: &Value) -> Result<(), AwsError> {
        const DAYS: [u64; 22] = [
            1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557,
            2922, 3288, 3653,
        ];
        let retention = match days {
            Value::Null => None,
            days => {
                let allowed = days.as_u64().filter(|days| DAYS.contains(days));
                Some(allowed.ok_or_else(|| invalid("Invalid retention value."))?)
            }
        };
        let mut groups = self.groups();
        group(&mut groups, request)?.retention = retention;
        Ok(())
    }

    fn tag(&self, request: &Value) -> Result<(), AwsError> {
        let mut groups = self.groups();
        group(&mut groups, request)?
            .tags
            .extend(store::tags(&request["tags"]));
        Ok(())
    }

    fn untag(&self, request: &Value) -> Result<(), AwsError> {
        let keys = request["tagKeys"].as_array().or(request["tags"].as_array());
        let keys: Vec<&str> = keys
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut groups = self.groups();
        let tags = &mut group(&mut groups, request)?.tags;
        tags.retain(|key, _| !keys.contains(&key.as_str()));
        Ok(())
    }

    fn tags(&self, request: &Value) -> Result<Value, AwsError> {
        let mut groups = self.groups();
        Ok(json!({ "tags": group(&mut groups, request)?.tags }))
    }

    fn create_stream(&self, request: &Value) -> Result<(), AwsError> {
        let name = text(request, "logStreamName")?;
        if name.len() > 512 || name.contains([':', '*']) {
            return Err(invalid(
                "1 validation error detected: logStreamName is invalid",
            ));
        }
        let mut groups = self.groups();
        let streams = &mut group(&mut groups, request)?.streams;
        if streams.contains_key(name) {
            return Err(exists("log stream"));
        }
        let created = now();
        streams.insert(
            name.to_owned(),
            Stream {
                created,
                ..Stream::default()
            },
        );
        Ok(())
    }

    fn delete_stream(&self, request: &Value) -> Result<(), AwsError> {
        let name = text(request, "logStreamName")?;
        let mut groups = self.groups();
        let deleted = group(&mut groups, request)?.streams.remove(name);
        deleted.map(drop).ok_or_else(|| missing("log stream"))
    }

    /// Appends lines to a stream; those that are too old or too new are rejected.
    fn put(&self, request: &Value) -> Result<Put, AwsError> {
        let sent = request["logEvents"].as_array();
        let mut sent: Vec<(u64, String)> = sent
            .into_iter()
            .flatten()
            .filter_map(|event| {
                let timestamp = event["timestamp"].as_u64()?;
                Some((timestamp, event["message"].as_str()?.to_owned()))
            })
            .collect();
        let (Some((first, _)), Some((last, _))) = (sent.first(), sent.last()) else {
            return Err(invalid("1 validation error detected: no log events"));
        };
        if !sent.is_sorted_by_key(|(timestamp, _)| *timestamp) {
            return Err(invalid(
                "Log events in a single PutLogEvents request must be in chronological order.",
            ));
        }
        if last - first > DAY {
            return Err(invalid(
                "The batch of log events in a single PutLogEvents request cannot span more than 24 \
                 hours.",
            ));
        }
        let mut groups = self.groups();
        let group = group(&mut groups, request)?;
        let now = now();
        let before = |limit: u64| sent.partition_point(|(at, _)| *at < now.saturating_sub(limit));
        let (too_old, expired) = (
            before(OLDEST),
            group.retention.map_or(0, |days| before(days * DAY)),
        );
        let too_new = sent.partition_point(|(at, _)| *at <= now + NEWEST);
        let mut rejected = serde_json::Map::new();
        // Two of these places exclude the line that they name.
        for (name, place, is_any) in [
            ("tooOldLogEventEndIndex", too_old, too_old > 0),
            ("expiredLogEventEndIndex", expired, expired > too_old),
            ("tooNewLogEventStartIndex", too_new, too_new < sent.len()),
        ] {
            if is_any {
                rejected.insert(name.into(), place.into());
            }
        }
        let next = group.lines;
        let name = text(request, "logStreamName")?;
        let stream = group.streams.get_mut(name);
        let stream = stream.ok_or_else(|| missing("log stream"))?;
        sent.truncate(too_new);
        sent.drain(..too_old.max(expired).min(too_new));
        for (n, (timestamp, message)) in sent.iter().enumerate() {
            stream.events.push(LogEvent {
                id: next + n,
                timestamp: *timestamp,
                ingested: now,
                message: message.clone(),
            });
        }
        group.lines += sent.len();
        let rejected = (!rejected.is_empty()).then_some(Value::Object(rejected));
        Ok((sent, rejected))
    }

    fn describe_streams(&self, request: &Value) -> Result<Value, AwsError> {
        let prefix = request["logStreamNamePrefix"].as_str().unwrap_or_default();
        let by_time = request["orderBy"] == "LastEventTime";
        if by_time && !prefix.is_empty() {
            return Err(invalid(
                "Cannot order by LastEventTime with a logStreamNamePrefix.",
            ));
        }
        let mut groups = self.groups();
        let of_group = group_name(request)?.to_owned();
        let streams = &group(&mut groups, request)?.streams;
        let mut listed: Vec<(&String, &Stream)> = streams
            .iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .collect();
        if by_time {
            listed.sort_by_key(|(_, stream)| stream.last());
        }
        if request["descending"] == true {
            listed.reverse();
        }
        let listed = listed.into_iter();
        let listed = listed.map(|(name, stream)| stream.describe(&of_group, name));
        paged(request, "logStreams", listed.collect())
    }

    /// The lines of one stream. A token goes on, or back, from a line; without one the last page
    /// comes, or the first where `startFromHead` asks for it.
    fn get(&self, request: &Value) -> Result<Value, AwsError> {
        let mut groups = self.groups();
        let group = group(&mut groups, request)?;
        let within = group.in_time(request, now(), true);
        let name = text(request, "logStreamName")?;
        let stream = group.streams.get(name);
        let events = &stream.ok_or_else(|| missing("log stream"))?.events;
        let mut events: Vec<&LogEvent> = events.iter().filter(|event| within(event)).collect();
        events.sort_by_key(|event| event.timestamp);
        let limit = limit(request, 10_000);
        let token = request["nextToken"].as_str().map(|token| {
            let (way, at) = token.split_once('/')?;
            Some((way, at.parse::<usize>().ok()?.min(events.len())))
        });
        let (from, until) = match token {
            None if request["startFromHead"] == true => (0, limit),
            None => (events.len().saturating_sub(limit), events.len()),
            Some(Some(("f", at))) => (at, at.saturating_add(limit)),
            Some(Some(("b", at))) => (at.saturating_sub(limit), at),
            Some(_) => return Err(invalid("The specified nextToken is invalid.")),
        };
        let page = &events[from..until.min(events.len())];
        Ok(json!({
            "nextForwardToken": format!("f/{}", from + page.len()),
            "nextBackwardToken": format!("b/{from}"),
            "events": page.iter().map(|event| event.as_json()).collect::<Vec<_>>(),
        }))
    }

    fn filter(&self, request: &Value) -> Result<Value, AwsError> {
        let pattern = Pattern::parse(request["filterPattern"].as_str().unwrap_or_default())?;
        let wanted = request["logStreamNames"].as_array();
        let prefix = request["logStreamNamePrefix"].as_str().unwrap_or_default();
        let mut groups = self.groups();
        let group = group(&mut groups, request)?;
        let within = group.in_time(request, now(), false);
        let mut found: Vec<(&String, &LogEvent)> = group
            .streams
            .iter()
            .filter(|(name, _)| {
                name.starts_with(prefix)
                    && wanted.is_none_or(|wanted| wanted.iter().any(|one| one == *name))
            })
            .flat_map(|(name, stream)| stream.events.iter().map(move |event| (name, event)))
            .filter(|(_, event)| within(event) && pattern.matches(&event.message))
            .collect();
        found.sort_by_key(|(_, event)| (event.timestamp, event.id));
        let listed = found.into_iter().map(|(name, event)| {
            let mut json = event.as_json();
            json["eventId"] = format!("{:056}", event.id).into();
            json["logStreamName"] = name.as_str().into();
            json
        });
        let mut answer = page(request, "events", listed.collect(), 10_000)?;
        answer["searchedLogStreams"] = json!([]);
        Ok(answer)
    }

    fn queries(&self) -> MutexGuard<'_, Vec<Started>> {
        self.queries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn groups(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One page of a list of at most fifty.
fn paged(request: &Value, name: &str, all: Vec<Value>) -> Result<Value, AwsError> {
    page(request, name, all, 50)
}

fn page(request: &Value, name: &str, all: Vec<Value>, most: usize) -> Result<Value, AwsError> {
    let from: usize = request["nextToken"]
        .as_str()
        .map_or(Some(0), |token| token.parse().ok())
        .ok_or_else(|| invalid("The specified nextToken is invalid."))?;
    let until = from.saturating_add(limit(request, most));
    let is_more = until < all.len();
    let page: Vec<Value> = all.into_iter().take(until).skip(from).collect();
    let mut answer = json!({ name: page });
    if is_more {
        answer["nextToken"] = until.to_string().into();
    }
    Ok(answer)
}

fn limit(request: &Value, most: usize) -> usize {
    let asked = request["limit"].as_u64();
    let asked = asked.and_then(|asked| usize::try_from(asked).ok());
    asked.unwrap_or(most).clamp(1, most)
}

/// Real milliseconds since the Unix epoch.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// The ARN of a group.
fn arn(group: &str) -> String {
    format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}")
}

fn text<'a>(request: &'a Value, field: &str) -> Result<&'a str, AwsError> {
    request[field]
        .as_str()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| invalid(&format!("1 validation error detected: {field} is missing")))
}

fn name<'a>(request: &'a Value, field: &str) -> Result<&'a str, AwsError> {
    let name = text(request, field)?;
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-/#".contains(c);
    match name.len() <= 512 && name.chars().all(is_allowed) {
        true => Ok(name),
        false => Err(invalid(&format!(
            "1 validation error detected: Value '{name}' at '{field}' failed to satisfy constraint: \
             Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+"
        ))),
    }
}

/// The group that a request names, by its name or its ARN.
fn group_name(request: &Value) -> Result<&str, AwsError> {
    let fields = ["logGroupIdentifier", "resourceArn"];
    let Some(named) = fields.iter().find_map(|field| request[field].as_str()) else {
        return text(request, "logGroupName");
    };
    let name = named
        .split_once(":log-group:")
        .map_or(named, |(_, name)| name);
    Ok(name.strip_suffix(":*").unwrap_or(name))
}

fn group<'a>(groups: &'a mut Groups, request: &Value) -> Result<&'a mut Group, AwsError> {
    let name = group_name(request)?;
    groups.get_mut(name).ok_or_else(|| missing("log group"))
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

#[cfg(test)]
pub(in crate::cloud) mod tests;
