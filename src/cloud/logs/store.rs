//! What is kept of log groups, and how it is described.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{DAY, arn};

/// The groups by their names.
pub(super) type Groups = BTreeMap<String, Group>;

/// A log group. Times are real milliseconds since the Unix epoch.
#[derive(Default)]
pub(super) struct Group {
    pub(super) created: u64,
    /// How many days its lines are kept; `None` for ever.
    pub(super) retention: Option<u64>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) class: Option<String>,
    pub(super) streams: BTreeMap<String, Stream>,
    /// How many lines it ever took.
    pub(super) lines: usize,
}

/// A stream of a group.
#[derive(Default)]
pub(super) struct Stream {
    pub(super) created: u64,
    /// In the order in which they came.
    pub(super) events: Vec<LogEvent>,
}

/// A line.
pub(super) struct LogEvent {
    /// Its place among all lines of the group.
    pub(super) id: usize,
    pub(super) timestamp: u64,
    pub(super) ingested: u64,
    pub(super) message: String,
}

impl Group {
    /// Whether a line is in the time that a request asks for, and still kept. The end of that time is
    /// part of it unless it is `open`.
    pub(super) fn in_time(
        &self,
        request: &Value,
        now: u64,
        open: bool,
    ) -> impl Fn(&LogEvent) -> bool + use<> {
        let kept = self
            .retention
            .map_or(0, |days| now.saturating_sub(days * DAY));
        let start = request["startTime"].as_u64().unwrap_or(0).max(kept);
        let end = request["endTime"].as_u64().unwrap_or(u64::MAX);
        move |event| {
            let at = event.timestamp;
            at >= start && (at < end || (!open && at == end))
        }
    }

    pub(super) fn describe(&self, name: &str) -> Value {
        let arn = arn(name);
        let mut described = json!({
            "logGroupName": name,
            "creationTime": self.created,
            "metricFilterCount": 0,
            "arn": format!("{arn}:*"),
            "logGroupArn": arn,
            "storedBytes": self.streams.values().map(Stream::bytes).sum::<usize>(),
            "logGroupClass": self.class.as_deref().unwrap_or("STANDARD"),
        });
        if let Some(days) = self.retention {
            described["retentionInDays"] = days.into();
        }
        described
    }
}

impl Stream {
    pub(super) fn last(&self) -> Option<u64> {
        self.events.iter().map(|event| event.timestamp).max()
    }

    fn bytes(&self) -> usize {
        // What CloudWatch adds for each line.
        const OVERHEAD: usize = 26;
        let lengths = self.events.iter().map(|event| event.message.len());
        lengths.map(|length| length + OVERHEAD).sum()
    }

    pub(super) fn describe(&self, group: &str, name: &str) -> Value {
        let mut described = json!({
            "logStreamName": name,
            "creationTime": self.created,
            "arn": format!("{}:log-stream:{name}", arn(group)),
            "storedBytes": self.bytes(),
            "uploadSequenceToken": "1",
        });
        let first = self.events.iter().map(|event| event.timestamp).min();
        let ingested = self.events.last().map(|event| event.ingested);
        for (field, value) in [
            ("firstEventTimestamp", first),
            ("lastEventTimestamp", self.last()),
            ("lastIngestionTime", ingested),
        ] {
            if let Some(value) = value {
                described[field] = value.into();
            }
        }
        described
    }
}

impl LogEvent {
    pub(super) fn as_json(&self) -> Value {
        json!({
            "timestamp": self.timestamp,
            "ingestionTime": self.ingested,
            "message": self.message,
        })
    }
}

/// The tags of a request.
pub(super) fn tags(given: &Value) -> BTreeMap<String, String> {
    let given = given.as_object().into_iter().flatten();
    given
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
