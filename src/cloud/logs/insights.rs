//! Queries of CloudWatch Logs Insights: the part of its language that looks lines up. What it does not know is refused,
//! as a query that cannot be compiled.

mod condition;
mod words;

use std::cmp::Ordering;

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use serde_json::{Value, json};

use self::condition::Condition;
use self::words::{Word, Words, commands};
use super::store::LogEvent;
use super::{ACCOUNT, AwsError, Logs, group, invalid, missing, now};

/// A query: what of which lines, in which order, and how many.
#[derive(Debug)]
pub(super) struct Query {
    fields: Vec<String>,
    filters: Vec<Condition>,
    /// By which field, and whether downwards.
    sort: Option<(String, bool)>,
    limit: usize,
    /// Whether lines are counted.
    counts: Option<String>,
}

/// How many lines come where a query does not say.
const LIMIT: usize = 1000;
/// How many may.
const MOST: usize = 10_000;

/// A line in its stream.
pub(super) struct Line<'a> {
    pub(super) group: &'a str,
    pub(super) stream: &'a str,
    pub(super) event: &'a LogEvent,
}

impl Line<'_> {
    /// A field: what CloudWatch knows of each line, or what the line holds where it is JSON.
    fn field(&self, name: &str) -> Option<String> {
        match name {
            "@message" => Some(self.event.message.clone()),
            "@timestamp" => Some(self.event.timestamp.to_string()),
            "@ingestionTime" => Some(self.event.ingested.to_string()),
            "@logStream" => Some(self.stream.to_owned()),
            "@log" => Some(format!("{}:{}", ACCOUNT, self.group)),
            "@ptr" => Some(self.event.id.to_string()),
            name => {
                let json: Value = serde_json::from_str(&self.event.message).ok()?;
                Some(match at_path(&json, name)? {
                    Value::String(text) => text.clone(),
                    Value::Null => return None,
                    other => other.to_string(),
                })
            }
        }
    }

    /// The same as results have it: times as texts.
    fn shown(&self, name: &str) -> Option<String> {
        let time = |millis: u64| {
            let seconds = DateTime::from_secs((millis / 1000).try_into().unwrap_or(i64::MAX));
            let text = seconds.fmt(DateTimeFormat::DateTime).unwrap_or_default();
            let text = text.trim_end_matches('Z').replace('T', " ");
            format!("{text}.{:03}", millis % 1000)
        };
        match name {
            "@timestamp" => Some(time(self.event.timestamp)),
            "@ingestionTime" => Some(time(self.event.ingested)),
            name => self.field(name),
        }
    }
}

/// A query that was started, with what comes of it.
pub(super) struct Started {
    id: String,
    text: String,
    group: String,
    at: u64,
    answer: Value,
}

impl Logs {
    /// Starts a query, which is done at once.
    pub(super) fn start_query(&self, request: &Value) -> Result<Value, AwsError> {
        let text = super::text(request, "queryString")?;
        let mut query = Query::parse(text).map_err(|why| {
            AwsError::new(
                "MalformedQueryException",
                format!("unexpected symbol found: {why}"),
            )
        })?;
        if let Some(limit) = request["limit"].as_u64() {
            query.limit = query.limit.min(usize::try_from(limit).unwrap_or(MOST));
        }
        let (Some(start), Some(end)) = (request["startTime"].as_u64(), request["endTime"].as_u64())
        else {
            return Err(invalid(
                "1 validation error detected: startTime or endTime is missing",
            ));
        };
        // In seconds, of which both are whole.
        let span = json!({
            "startTime": start.saturating_mul(1000),
            "endTime": end.saturating_mul(1000).saturating_add(999),
        });
        let lists = ["logGroupNames", "logGroupIdentifiers"];
        let listed = lists
            .iter()
            .filter_map(|list| request[*list].as_array())
            .flatten();
        let mut named: Vec<Value> = listed
            .map(|one| json!({ "logGroupIdentifier": one }))
            .collect();
        if named.is_empty() {
            named.push(request.clone());
        }
        let mut groups = self.groups();
        let mut names = Vec::new();
        for one in &named {
            group(&mut groups, one)?;
            names.push(super::group_name(one)?.to_owned());
        }
        let now = now();
        let lines = names.iter().flat_map(|name| {
            let group = &groups[name];
            let within = group.in_time(&span, now, true);
            let streams = group.streams.iter();
            let lines =
                streams.flat_map(|(stream, of)| of.events.iter().map(move |event| (stream, event)));
            lines.filter_map(move |(stream, event)| {
                within(event).then_some(Line {
                    group: name,
                    stream,
                    event,
                })
            })
        });
        let answer = query.run(lines);
        let mut queries = self.queries();
        let id = format!("00000000-0000-4000-a000-{:012x}", queries.len() + 1);
        queries.push(Started {
            id: id.clone(),
            text: text.to_owned(),
            group: names.swap_remove(0),
            at: now,
            answer,
        });
        Ok(json!({ "queryId": id }))
    }

    /// What came of a query.
    pub(super) fn query_results(&self, request: &Value) -> Result<Value, AwsError> {
        let id = super::text(request, "queryId")?;
        let queries = self.queries();
        let found = queries.iter().find(|query| query.id == id);
        found
            .map(|query| query.answer.clone())
            .ok_or_else(|| missing("query"))
    }

    /// Queries are done when they were started: there is none to stop.
    pub(super) fn stop_query(&self, request: &Value) -> Result<Value, AwsError> {
        self.query_results(request)?;
        Err(invalid("The specified query has already ended."))
    }

    pub(super) fn describe_queries(&self, request: &Value) -> Value {
        let group = request["logGroupName"].as_str();
        let queries = self.queries();
        let listed = queries.iter().filter(|query| {
            let is_asked = request["status"]
                .as_str()
                .is_none_or(|status| status == "Complete");
            is_asked && group.is_none_or(|group| group == query.group)
        });
        let listed = listed.map(|query| {
            json!({
                "queryId": query.id,
                "queryString": query.text,
                "logGroupName": query.group,
                "createTime": query.at,
                "status": "Complete",
            })
        });
        json!({ "queries": listed.collect::<Vec<_>>() })
    }
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// Says what of it is not known.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut query = Self {
            fields: Vec::new(),
            filters: Vec::new(),
            sort: None,
            limit: LIMIT,
            counts: None,
        };
        let lines = text
            .lines()
            .map(|line| match line.trim_start().starts_with('#') {
                true => "",
                false => line,
            });
        let text = lines.collect::<Vec<_>>().join("\n");
        for command in commands(&text) {
            let mut words = Words::of(&command)?;
            match words.name().as_deref() {
                None if words.is_empty() => {}
                Some("fields" | "display") => query.fields = words.names()?,
                Some("filter") => query.filters.push(words.any()?),
                Some("sort") => {
                    let field = words.name().ok_or("`sort` needs a field")?;
                    let down = match words.name().as_deref() {
                        None | Some("desc") => true,
                        Some("asc") => false,
                        Some(other) => return Err(format!("`sort … {other}` is not known")),
                    };
                    query.sort = Some((field, down));
                }
                Some("limit" | "head") => match words.next() {
                    Some(Word::Number(number)) if number >= 1.0 && number <= MOST as f64 => {
                        query.limit = number as usize;
                    }
                    _ => return Err(format!("`limit` needs a number from 1 to {MOST}")),
                },
                Some("stats") => query.counts = Some(words.count()?),
                other => {
                    let other = other.unwrap_or_default();
                    return Err(format!(
                        "the loopback cloud knows fields, filter, sort, limit and `stats count(*)`, not `{other}`"
                    ));
                }
            }
            words.end()?;
        }
        if query.fields.is_empty() {
            query.fields = vec!["@timestamp".into(), "@message".into()];
        }
        Ok(query)
    }

    /// The rows that come of lines, and how many lines it looked at and found.
    pub(super) fn run<'a>(&self, lines: impl Iterator<Item = Line<'a>>) -> Value {
        let (mut scanned, mut bytes) = (0, 0);
        let seen = lines.inspect(|line| {
            scanned += 1;
            bytes += line.event.message.len();
        });
        let mut found: Vec<Line> = seen
            .filter(|line| self.filters.iter().all(|condition| condition.holds(line)))
            .collect();
        let matched = found.len();
        // The newest first, unless it says otherwise.
        let (field, down) = match &self.sort {
            Some((field, down)) => (field.as_str(), *down),
            None => ("@timestamp", true),
        };
        found.sort_by(|a, b| {
            let order = compare(a.field(field).as_deref(), b.field(field).as_deref());
            let order = order.then(a.event.id.cmp(&b.event.id));
            if down { order.reverse() } else { order }
        });
        let cell = |field: &str, value: String| json!({ "field": field, "value": value });
        let rows: Vec<Value> = match &self.counts {
            Some(name) => vec![json!([cell(name, matched.to_string())])],
            None => {
                let row = |line: &Line| {
                    let names = self.fields.iter().map(String::as_str).chain(["@ptr"]);
                    let cells = names.filter_map(|name| Some(cell(name, line.shown(name)?)));
                    Value::Array(cells.collect())
                };
                found.iter().take(self.limit).map(row).collect()
            }
        };
        json!({
            "status": "Complete",
            "results": rows,
            "statistics": {
                "recordsMatched": matched as f64,
                "recordsScanned": f64::from(scanned),
                "bytesScanned": bytes as f64,
            },
        })
    }
}

/// What is at a path such as `request.items.0.id`.
fn at_path<'a>(json: &'a Value, path: &str) -> Option<&'a Value> {
    if let Some(value) = json.get(path) {
        return Some(value);
    }
    path.split('.').try_fold(json, |value, name| match value {
        Value::Array(all) => all.get(name.parse::<usize>().ok()?),
        value => value.get(name),
    })
}

/// How two values of a field are ordered: as numbers where both are such.
fn compare(a: Option<&str>, b: Option<&str>) -> Ordering {
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<f64>().ok());
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => a.cmp(&b),
    }
}

#[cfg(test)]
mod tests;
