//! A message on the wire: its attributes and their checksums.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::errors::bad;
use super::{Message, arn};
use crate::cloud::answer::AwsError;
use crate::cloud::credentials::ACCESS_KEY;
use crate::cloud::s3::md5;

/// What a message holds.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Letter {
    /// Which message it is for its receivers, on whichever queue.
    pub(super) number: u64,
    pub(super) text: Arc<str>,
    /// Its user's attributes by name, as the wire has them.
    pub(super) attributes: Arc<Map<String, Value>>,
    /// The group that was named, also where the queue keeps no order.
    pub(super) group: Option<Arc<str>>,
    pub(super) deduplication: Option<Arc<str>>,
    /// Its place among all that FIFO queues took.
    pub(super) sequence: Option<u64>,
    pub(super) trace: Option<String>,
    pub(super) sent_at: Duration,
    pub(super) first_received: Option<Duration>,
    /// The queue that gave it up.
    pub(super) given_up_by: Option<Arc<str>>,
}

impl Letter {
    /// A message with no more than a text.
    pub(super) fn of(text: &str) -> Self {
        Self {
            number: 0,
            text: text.into(),
            attributes: Arc::default(),
            group: None,
            deduplication: None,
            sequence: None,
            trace: None,
            sent_at: Duration::ZERO,
            first_received: None,
            given_up_by: None,
        }
    }

    /// Reads what a request sends.
    pub(super) fn read(request: &Value) -> Result<Self, AwsError> {
        let text = request["MessageBody"].as_str().unwrap_or_default();
        if text.is_empty() {
            return Err(super::errors::missing("MessageBody"));
        }
        let is_allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        if !text.chars().all(is_allowed) {
            return Err(AwsError::new(
                "com.amazonaws.sqs#InvalidMessageContents",
                "The message contains characters outside the allowed set.",
            ));
        }
        let attributes = request["MessageAttributes"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        if attributes.len() > 10 {
            return Err(bad(
                "Number of message attributes exceeds the allowed maximum.",
            ));
        }
        for (name, value) in &attributes {
            check_attribute(name, value)?;
        }
        let text_of = |field: &str| request[field].as_str().map(Arc::from);
        let trace = &request["MessageSystemAttributes"]["AWSTraceHeader"]["StringValue"];
        Ok(Self {
            attributes: attributes.into(),
            group: text_of("MessageGroupId"),
            deduplication: text_of("MessageDeduplicationId"),
            trace: trace.as_str().map(str::to_owned),
            ..Self::of(text)
        })
    }

    /// The bytes that count against a queue's limit.
    pub(super) fn size(&self) -> usize {
        let attributes = self.attributes.iter();
        let sizes =
            attributes.map(|(name, value)| name.len() + kind(value).len() + content(value).len());
        self.text.len() + sizes.sum::<usize>()
    }

    /// What a sender is answered.
    pub(super) fn answer(&self, sequence: Option<u64>, number: u64) -> Value {
        let mut answer = json!({
            "MessageId": message_id(number),
            "MD5OfMessageBody": md5(self.text.as_bytes()),
        });
        if !self.attributes.is_empty() {
            answer["MD5OfMessageAttributes"] = checksum(&self.attributes).into();
        }
        if let Some(trace) = &self.trace {
            let system =
                json!({ "AWSTraceHeader": { "DataType": "String", "StringValue": trace } });
            answer["MD5OfMessageSystemAttributes"] =
                checksum(system.as_object().unwrap_or(&Map::new())).into();
        }
        if let Some(sequence) = sequence {
            answer["SequenceNumber"] = sequence_number(sequence).into();
        }
        answer
    }
}

/// What a receiver is given of a message: the attributes that its request asks for. `unix` is the time
/// since the Unix epoch at which the queues' clock began.
pub(super) fn received(request: &Value, message: &Message, unix: Duration) -> Value {
    let letter = &message.body;
    let mut answer = json!({
        "MessageId": message_id(letter.number),
        "ReceiptHandle": message.receipt().to_string(),
        "Body": &*letter.text,
        "MD5OfBody": md5(letter.text.as_bytes()),
    });
    let wanted = |fields: &[&str]| -> Vec<String> {
        let lists = fields.iter().filter_map(|field| request[*field].as_array());
        let names = lists.flatten().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    };
    let system = wanted(&["AttributeNames", "MessageSystemAttributeNames"]);
    let millis = |at: Duration| (unix + at).as_millis().to_string();
    let all = [
        ("SenderId", Some(ACCESS_KEY.to_owned())),
        ("SentTimestamp", Some(millis(letter.sent_at))),
        (
            "ApproximateReceiveCount",
            Some(message.receives.to_string()),
        ),
        (
            "ApproximateFirstReceiveTimestamp",
            letter.first_received.map(millis),
        ),
        ("SequenceNumber", letter.sequence.map(sequence_number)),
        (
            "MessageDeduplicationId",
            letter.deduplication.as_deref().map(str::to_owned),
        ),
        ("MessageGroupId", letter.group.as_deref().map(str::to_owned)),
        ("AWSTraceHeader", letter.trace.clone()),
        (
            "DeadLetterQueueSourceArn",
            letter.given_up_by.as_deref().map(arn),
        ),
    ];
    let given: Map<String, Value> = all
        .into_iter()
        .filter(|(name, _)| {
            system
                .iter()
                .any(|wanted| wanted == name || wanted == "All")
        })
        .filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
        .collect();
    if !given.is_empty() {
        answer["Attributes"] = given.into();
    }
    let names = wanted(&["MessageAttributeNames"]);
    let is_wanted = |name: &str| {
        names.iter().any(|wanted| {
            let prefix = wanted.strip_suffix(".*");
            wanted == "All"
                || wanted == name
                || prefix.is_some_and(|prefix| name.starts_with(prefix))
        })
    };
    let attributes = letter.attributes.iter().filter(|(name, _)| is_wanted(name));
    let attributes: Map<String, Value> = attributes
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !attributes.is_empty() {
        answer["MD5OfMessageAttributes"] = checksum(&attributes).into();
        answer["MessageAttributes"] = attributes.into();
    }
    answer
}

fn message_id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

/// Twenty digits that grow, as AWS has them.
fn sequence_number(sequence: u64) -> String {
    (18_849_496_460_467_696_128_u128 + u128::from(sequence) * 256).to_string()
}

fn kind(value: &Value) -> &str {
    value["DataType"].as_str().unwrap_or_default()
}

/// The bytes of an attribute's value.
fn content(value: &Value) -> Vec<u8> {
    match value["BinaryValue"].as_str() {
        Some(binary) => STANDARD.decode(binary).unwrap_or_default(),
        None => value["StringValue"].as_str().unwrap_or_default().into(),
    }
}

fn check_attribute(name: &str, value: &Value) -> Result<(), AwsError> {
    let kind = kind(value);
    let of = kind.split('.').next().unwrap_or_default();
    if !matches!(of, "String" | "Number" | "Binary") {
        return Err(bad(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported \
             type prefixes is Binary, Number, and String."
        )));
    }
    if content(value).is_empty() {
        let field = if of == "Binary" { "binary" } else { "string" };
        return Err(bad(format!(
            "The message attribute '{name}' must contain a non-empty value of type '{field}'."
        )));
    }
    if of == "Number"
        && value["StringValue"]
            .as_str()
            .is_none_or(|text| text.parse::<f64>().is_err())
    {
        return Err(bad(format!(
            "Can't cast the value of message (user) attribute '{name}' to a number."
        )));
    }
    Ok(())
}

/// The checksum that SDKs compare: of each attribute by name its name, kind and value with their
/// lengths (the page "Calculating the MD5 message digest for message attributes").
pub(super) fn checksum(attributes: &Map<String, Value>) -> String {
    let mut names: Vec<&String> = attributes.keys().collect();
    names.sort();
    let mut bytes = Vec::new();
    let add = |part: &[u8], bytes: &mut Vec<u8>| {
        bytes.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(part);
    };
    for name in names {
        let value = &attributes[name];
        add(name.as_bytes(), &mut bytes);
        add(kind(value).as_bytes(), &mut bytes);
        bytes.push(if value["BinaryValue"].is_string() {
            2
        } else {
            1
        });
        add(&content(value), &mut bytes);
    }
    md5(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_attributes_is_the_one_of_aws() {
        // As boto3 and moto have it for these two.
        let attributes = json!({
            "kind": { "DataType": "String", "StringValue": "work" },
            "n": { "DataType": "Number", "StringValue": "3" },
        });
        let mut bytes = Vec::new();
        for (name, kind, value) in [("kind", "String", "work"), ("n", "Number", "3")] {
            for (part, mark) in [(name, None), (kind, Some(1)), (value, None)] {
                bytes.extend((part.len() as u32).to_be_bytes());
                bytes.extend(part.bytes());
                bytes.extend(mark);
            }
        }
        assert_eq!(checksum(attributes.as_object().unwrap()), md5(&bytes));
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let body = |text: &str| Letter::read(&json!({ "MessageBody": text })).map_err(|e| e.code);
        assert!(body("a\tb\u{1F600}").is_ok());
        assert!(
            body("")
                .unwrap_err()
                .ends_with("MissingRequiredParameterException")
        );
        assert!(
            body("\u{1}")
                .unwrap_err()
                .ends_with("InvalidMessageContents")
        );
        let attribute = |value: Value| {
            let request = json!({ "MessageBody": "x", "MessageAttributes": { "a": value } });
            Letter::read(&request).is_ok()
        };
        assert!(attribute(
            json!({ "DataType": "Number.int", "StringValue": "3" })
        ));
        assert!(!attribute(
            json!({ "DataType": "Number", "StringValue": "x" })
        ));
        assert!(!attribute(
            json!({ "DataType": "String", "StringValue": "" })
        ));
        assert!(!attribute(
            json!({ "DataType": "Text", "StringValue": "x" })
        ));
    }
}
