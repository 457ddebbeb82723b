//! The attributes of a queue.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::errors::{bad, invalid};
use crate::cloud::answer::AwsError;

/// What was set of a queue, by name and as text.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Attributes(BTreeMap<String, String>);

/// Those that are numbers: from, to, by default.
const NUMBERS: [(&str, (u64, u64), &str); 6] = [
    ("DelaySeconds", (0, 900), "0"),
    ("KmsDataKeyReusePeriodSeconds", (60, 86_400), "300"),
    ("MaximumMessageSize", (1024, 1_048_576), "1048576"),
    ("MessageRetentionPeriod", (60, 1_209_600), "345600"),
    ("ReceiveMessageWaitTimeSeconds", (0, 20), "0"),
    ("VisibilityTimeout", (0, 43_200), "30"),
];

/// The others, with what they may be; nothing where that is any text.
const WORDS: [(&str, &[&str]); 8] = [
    ("ContentBasedDeduplication", &["true", "false"]),
    ("DeduplicationScope", &["queue", "messageGroup"]),
    ("FifoQueue", &["true"]),
    ("FifoThroughputLimit", &["perQueue", "perMessageGroupId"]),
    ("KmsMasterKeyId", &[]),
    ("Policy", &[]),
    ("RedriveAllowPolicy", &[]),
    ("SqsManagedSseEnabled", &["true", "false"]),
];

const REDRIVE: &str = "RedrivePolicy";

/// Where messages go that were received too often.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RedrivePolicy {
    /// The name of the queue.
    pub(super) target: String,
    pub(super) receives: u32,
}

impl Attributes {
    /// Those of a queue that is there from the beginning.
    pub(super) fn of(given: &[(&str, String)]) -> Self {
        let given = given.iter();
        Self(
            given
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
        )
    }

    /// Reads what a request sets. A queue's kind can be said only when it is made.
    pub(super) fn read(given: &Value, is_new: bool) -> Result<Self, AwsError> {
        let mut read = Self::default();
        for (name, value) in given.as_object().into_iter().flatten() {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let is_number = NUMBERS.iter().find(|(own, ..)| own == name);
            let is_word = WORDS.iter().find(|(own, _)| own == name);
            let fits = match (is_number, is_word) {
                (Some((_, (least, most), _)), _) => {
                    let number = text.parse::<u64>();
                    number.is_ok_and(|number| (*least..=*most).contains(&number))
                }
                (None, Some((own, _))) if *own == "FifoQueue" && !is_new => {
                    return Err(unknown(name));
                }
                (None, Some((_, words))) => words.is_empty() || words.contains(&text.as_str()),
                (None, None) if name == REDRIVE => {
                    text.is_empty() || RedrivePolicy::read(&text).is_some()
                }
                (None, None) => return Err(unknown(name)),
            };
            if !fits {
                return Err(match name == REDRIVE {
                    true => invalid(&text, REDRIVE, "It is not a redrive policy."),
                    false => AwsError::new(
                        "com.amazonaws.sqs#InvalidAttributeValue",
                        format!("Invalid value for the parameter {name}."),
                    ),
                });
            }
            read.0.insert(name.clone(), text);
        }
        let is_fifo = read.is_fifo();
        let of_fifo = [
            "ContentBasedDeduplication",
            "DeduplicationScope",
            "FifoThroughputLimit",
        ];
        match of_fifo.iter().find(|name| read.0.contains_key(**name)) {
            Some(name) if is_new && !is_fifo => Err(unknown(name)),
            _ => Ok(read),
        }
    }

    /// Takes over what is set; what is empty is removed.
    pub(super) fn set(&mut self, other: Self) {
        self.0.extend(other.0);
        self.0.retain(|_, value| !value.is_empty());
    }

    /// The first attribute of another that has another value here.
    pub(super) fn differs<'a>(&self, other: &'a Self) -> Option<&'a str> {
        let mut given = other.0.iter();
        let differing = given.find(|(name, value)| self.get(name) != Some(value.as_str()));
        differing.map(|(name, _)| name.as_str())
    }

    /// The value of an attribute, as it was set or by default.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let default = || {
            NUMBERS
                .iter()
                .find(|(own, ..)| *own == name)
                .map(|(.., value)| *value)
        };
        self.0.get(name).map(String::as_str).or_else(default)
    }

    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.get(name) == Some(value)
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.is("FifoQueue", "true")
    }

    pub(super) fn number(&self, name: &str) -> u64 {
        self.get(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    }

    pub(super) fn seconds(&self, name: &str) -> Duration {
        Duration::from_secs(self.number(name))
    }

    pub(super) fn redrive(&self) -> Option<RedrivePolicy> {
        RedrivePolicy::read(self.0.get(REDRIVE)?)
    }

    /// All that is known of the queue by its attributes.
    pub(super) fn describe(&self) -> BTreeMap<String, String> {
        let mut all = self.0.clone();
        let defaults = NUMBERS.iter().filter(|(name, ..)| !name.starts_with("Kms"));
        let mut defaults: Vec<(&str, &str)> =
            defaults.map(|(name, _, value)| (*name, *value)).collect();
        if self.is_fifo() {
            defaults.extend([
                ("ContentBasedDeduplication", "false"),
                ("DeduplicationScope", "queue"),
                ("FifoThroughputLimit", "perQueue"),
            ]);
        }
        if !self.0.contains_key("KmsMasterKeyId") {
            defaults.push(("SqsManagedSseEnabled", "true"));
        }
        for (name, value) in defaults {
            all.entry(name.to_owned())
                .or_insert_with(|| value.to_owned());
        }
        all
    }
}

impl RedrivePolicy {
    fn read(text: &str) -> Option<Self> {
        let policy: Value = serde_json::from_str(text).ok()?;
        let target = policy["deadLetterTargetArn"].as_str()?;
        let receives = match &policy["maxReceiveCount"] {
            Value::String(text) => text.parse().ok()?,
            other => other.as_u64()?,
        };
        let receives = u32::try_from(receives).ok()?;
        Some(Self {
            target: target.rsplit(':').next()?.to_owned(),
            receives: Some(receives).filter(|receives| (1..=1000).contains(receives))?,
        })
    }

    /// The policy that gives up after so many receives.
    pub(super) fn text(arn: &str, receives: u32) -> String {
        json!({ "deadLetterTargetArn": arn, "maxReceiveCount": receives }).to_string()
    }
}

/// Whether a name can be that of an attribute in a request for some.
pub(super) fn check_wanted(name: &str) -> Result<(), AwsError> {
    const DERIVED: [&str; 7] = [
        "All",
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
        "CreatedTimestamp",
        "LastModifiedTimestamp",
        "QueueArn",
    ];
    let is_known = DERIVED.contains(&name)
        || name == REDRIVE
        || NUMBERS.iter().any(|(own, ..)| *own == name)
        || WORDS.iter().any(|(own, _)| *own == name);
    if is_known { Ok(()) } else { Err(unknown(name)) }
}

fn unknown(name: &str) -> AwsError {
    AwsError::new(
        "com.amazonaws.sqs#InvalidAttributeName",
        format!("Unknown Attribute {name}."),
    )
}

/// Checks a queue's name against its kind.
pub(super) fn check_name(name: &str, attributes: &Attributes) -> Result<(), AwsError> {
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_whole =
        (1..=80).contains(&name.len()) && stem.chars().all(is_allowed) && !stem.is_empty();
    match (is_whole, name.ends_with(".fifo") == attributes.is_fifo()) {
        (true, true) => Ok(()),
        (true, false) if attributes.is_fifo() => {
            Err(bad("The name of a FIFO queue can only include \
             alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to \
             80 in length."))
        }
        _ => Err(bad(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in \
             length",
        )),
    }
}
