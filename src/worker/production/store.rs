//! The session table on DynamoDB.
//!
//! An item is the worker's record, attribute by attribute. What is null or empty
//! is removed, so that an attribute that is absent means the same as its default.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_dynamo::{from_item, to_item};

use super::aws::read_error;
use super::secrets::Secrets;
use crate::worker::ports::{Item, Key, Kind, PortError, PortResult, Store};

/// The table's key.
const KEY: &str = "sessionId";
/// What containers compare before they write a shared item.
const VERSION: &str = "version";

pub struct DynamoStore {
    pub client: Client,
    pub table: String,
    pub secrets: Secrets,
}

#[async_trait(?Send)]
impl Store for DynamoStore {
    async fn read(&self, key: &Key) -> PortResult<Option<Item>> {
        let read = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(KEY, AttributeValue::S(key_text(key)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| read_error("GetItem", &error, &self.secrets))?;
        let Some(attributes) = read.item else {
            return Ok(None);
        };
        parse(key, attributes).map(Some).map_err(|error| {
            let text = format!("GetItem: cannot read the item {}: {error}", key_text(key));
            PortError::new(Kind::Other, text)
        })
    }

    async fn write(&self, key: &Key, item: &Item, expected: Option<u64>) -> PortResult<bool> {
        let update = Update::of(attributes(item));
        let mut request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(KEY, AttributeValue::S(key_text(key)))
            .update_expression(update.expression)
            .set_expression_attribute_names(Some(update.names))
            .set_expression_attribute_values(Some(update.values));
        if let Some(expected) = expected {
            request = request.expression_attribute_names("#version", VERSION);
            request = if expected == 0 {
                request.condition_expression("attribute_not_exists(#version)")
            } else {
                request
                    .condition_expression("#version = :expected")
                    .expression_attribute_values(
                        ":expected",
                        AttributeValue::N(expected.to_string()),
                    )
            };
        }
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Ok(false)
            }
            Err(error) => Err(read_error("UpdateItem", &error, &self.secrets)),
        }
    }
}

fn key_text(key: &Key) -> String {
    match key {
        Key::Session(session) => session.to_string(),
        Key::Site(client) => format!("site#{client}"),
        Key::Breaker => "breaker#s3".into(),
    }
}

fn parse(key: &Key, item: HashMap<String, AttributeValue>) -> serde_dynamo::Result<Item> {
    Ok(match key {
        Key::Session(_) => Item::Session(from_item(item)?),
        Key::Site(_) => Item::Site(from_item(item)?),
        Key::Breaker => Item::Breaker(from_item(item)?),
    })
}

/// The attributes that an item is written as; a session's also are what its users read.
fn attributes(item: &Item) -> BTreeMap<String, AttributeValue> {
    let written: serde_dynamo::Result<HashMap<_, _>> = match item {
        Item::Session(record) => to_item(record),
        Item::Site(record) => to_item(record),
        Item::Breaker(record) => to_item(record),
    };
    let Ok(written) = written else {
        unreachable!("records are plain structures with text keys");
    };
    let mut attributes = BTreeMap::from_iter(written);
    if let Item::Session(record) = item {
        let error = record.last_error();
        let error = error.map_or(AttributeValue::Null(true), AttributeValue::S);
        let warnings = record.warnings().into_iter().map(AttributeValue::S);
        attributes.insert("lastError".into(), error);
        attributes.insert("warnings".into(), AttributeValue::L(warnings.collect()));
    }
    attributes
}

/// An update that sets the attributes that hold something, removes those that hold nothing, and
/// leaves all others, such as `failureInjection`, as they are.
struct Update {
    expression: String,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Update {
    fn of(attributes: BTreeMap<String, AttributeValue>) -> Self {
        let (mut set, mut remove) = (Vec::new(), Vec::new());
        let (mut names, mut values) = (HashMap::new(), HashMap::new());
        for (n, (name, value)) in attributes.into_iter().enumerate() {
            names.insert(format!("#n{n}"), name);
            if value.is_null() || value.as_l().is_ok_and(Vec::is_empty) {
                remove.push(format!("#n{n}"));
            } else {
                set.push(format!("#n{n} = :v{n}"));
                values.insert(format!(":v{n}"), value);
            }
        }
        let mut expression = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            expression.push_str(&format!(" REMOVE {}", remove.join(", ")));
        }
        Self {
            expression,
            names,
            values,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::SessionId;
    use crate::worker::ports::{
        BreakerRecord, BreakerState, Counted, GoodBuild, SessionRecord, SiteRecord, Wanted,
    };
    use std::time::Duration;

    /// Applies an update as the table does, and reads the item back.
    fn check(key: Key, item: Item) {
        let update = Update::of(attributes(&item));
        let sets = update.expression.split(" REMOVE ").next().unwrap();
        let stored = sets
            .trim_start_matches("SET ")
            .split(", ")
            .map(|part| part.split_once(" = ").unwrap())
            .map(|(name, value)| (update.names[name].clone(), update.values[value].clone()))
            .collect();
        assert_eq!(parse(&key, stored).unwrap(), item);
    }

    #[test]
    fn items_survive_the_table() {
        let session = SessionId::new("acme", "home");
        check(
            Key::Session(session.clone()),
            Item::Session(SessionRecord {
                status: "running".into(),
                failure: Some("build failed".into()),
                build_warnings: vec!["warning: one".into()],
                handled: vec!["edit-1".into(), "edit-2".into()],
                ..SessionRecord::default()
            }),
        );
        check(
            Key::Site("acme".into()),
            Item::Site(SiteRecord {
                version: 3,
                wanted: Some(Wanted {
                    session_id: session.clone(),
                    commit: "abc".into(),
                }),
                good: vec![GoodBuild {
                    session_id: session.clone(),
                    instruction: "edit-1".into(),
                }],
                deployed: false,
                waiting: vec![session.clone()],
                sessions: vec![session],
            }),
        );
        let counted = Counted {
            ended: Duration::new(53_000_000_000, 1),
            opened: true,
        };
        check(
            Key::Breaker,
            Item::Breaker(BreakerRecord {
                version: 7,
                state: BreakerState::HalfOpen,
                failures: 5,
                until: Duration::new(53_000_000_000, 123_456_789),
                probe: Some("globex".into()),
                counted: [("acme".into(), counted)].into(),
            }),
        );
    }

    #[test]
    fn users_read_errors_and_warnings_and_nothing_writes_the_injection() {
        let record = SessionRecord {
            status: "running".into(),
            failure: Some("build failed".into()),
            push_put_off: Some("saved locally".into()),
            failure_injection: Some("BUILD_ERROR".into()),
            ..SessionRecord::default()
        };
        let written = attributes(&Item::Session(record));
        let error = AttributeValue::S("build failed; saved locally".into());
        assert_eq!(written["lastError"], error);
        assert!(!written.contains_key("failureInjection"));
        let update = Update::of(written);
        let removed = update.expression.split(" REMOVE ").nth(1).unwrap();
        let removed: Vec<&str> = removed
            .split(", ")
            .map(|name| &*update.names[name])
            .collect();
        assert!(removed.contains(&"warnings"), "{removed:?}");
    }
}
