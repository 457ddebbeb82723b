//! DynamoDB: `dynoxide` in memory, with the session table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use dynoxide::{Database, DynoxideError};
use hyper::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answer::{Answer, AwsError, JSON_1_0, aws_json, json as json_answer};
use super::credentials::has_secret;
use super::route::{Asked, operation};
use super::services::Services;
use crate::error::TargetError;
use crate::history::{Record, What};
use crate::plan::{Injection, Place, SessionId};

/// The name of the table where the profile has none.
pub const SESSION_TABLE: &str = "webordinary-edit-sessions";
/// Its key.
const KEY: &str = "sessionId";

/// The session table of one cloud.
pub(super) struct Table {
    database: Database,
    name: String,
    /// Held while an item changes and that is recorded, so that both have one order.
    changing: Mutex<()>,
}

impl Table {
    /// Makes the table of this name.
    pub(super) fn new(name: &str) -> Result<Self, TargetError> {
        let failed = |error: DynoxideError| {
            TargetError::new(
                "making the session table",
                error,
                "this is a fault of the loopback cloud; report it",
            )
        };
        let database = Database::memory().map_err(failed)?;
        let table = Self {
            database,
            name: name.into(),
            changing: Mutex::default(),
        };
        table
            .call(
                "CreateTable",
                &json!({
                    "TableName": name,
                    "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": [{ "AttributeName": KEY, "AttributeType": "S" }],
                    "KeySchema": [{ "AttributeName": KEY, "KeyType": "HASH" }],
                })
                .to_string(),
            )
            .map_err(failed)?;
        Ok(table)
    }

    /// The records of these sessions, as far as they exist.
    pub(super) fn records(&self, sessions: &[SessionId]) -> BTreeMap<SessionId, Record> {
        sessions
            .iter()
            .filter_map(|session| {
                let record = record_of(&self.item(session)?);
                Some((session.clone(), record))
            })
            .collect()
    }

    /// Sets `failureInjection` on a session's record, or removes it.
    pub(super) fn inject(
        &self,
        session: &SessionId,
        failure: Option<Injection>,
    ) -> Result<(), TargetError> {
        let mut request = json!({
            "TableName": self.name,
            "Key": { KEY: { "S": session.to_string() } },
            "UpdateExpression": "REMOVE failureInjection",
        });
        if let Some(failure) = failure {
            request["UpdateExpression"] = "SET failureInjection = :failure".into();
            request["ExpressionAttributeValues"] =
                json!({ ":failure": { "S": failure.to_string() } });
        } else if self.item(session).is_none() {
            // An update would make an empty item.
            return Ok(());
        }
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.call("UpdateItem", &request.to_string())
            .map(drop)
            .map_err(|error| {
                TargetError::new(
                    format!("setting failureInjection on {session}"),
                    error,
                    "this is a fault of the loopback cloud; report it",
                )
            })
    }

    fn item(&self, session: &SessionId) -> Option<Value> {
        let request = json!({
            "TableName": self.name,
            "Key": { KEY: { "S": session.to_string() } },
            "ConsistentRead": true,
        });
        let mut answer = self.call("GetItem", &request.to_string()).ok()?;
        match answer["Item"].take() {
            Value::Null => None,
            item => Some(item),
        }
    }

    /// Carries out an operation of DynamoDB.
    fn call(&self, operation: &str, body: &str) -> Result<Value, DynoxideError> {
        let db = &self.database;
        match operation {
            "GetItem" => run(body, |request| db.get_item(request)),
            "PutItem" => run(body, |request| db.put_item(request)),
            "UpdateItem" => run(body, |request| db.update_item(request)),
            "DeleteItem" => run(body, |request| db.delete_item(request)),
            "Query" => run(body, |request| db.query(request)),
            "Scan" => run(body, |request| db.scan(request)),
            "BatchGetItem" => run(body, |request| db.batch_get_item(request)),
            "BatchWriteItem" => run(body, |request| db.batch_write_item(request)),
            "TransactGetItems" => run(body, |request| db.transact_get_items(request)),
            "TransactWriteItems" => run(body, |request| db.transact_write_items(request)),
            "CreateTable" => run(body, |request| db.create_table(request)),
            "DescribeTable" => run(body, |request| db.describe_table(request)),
            "ListTables" => run(body, |request| db.list_tables(request)),
            other => Err(DynoxideError::ValidationException(format!(
                "The loopback cloud does not support {other}"
            ))),
        }
    }
}

/// Reads a request, runs it, writes the answer.
fn run<Q: DeserializeOwned, A: Serialize>(
    body: &str,
    run: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Result<Value, DynoxideError> {
    let request = serde_json::from_str(body).map_err(|error| {
        // The request types say by a prefix which of DynamoDB's errors they mean.
        let text = error.to_string();
        match text.split_once(':') {
            Some(("VALIDATION" | "VALIDATION_REQUEST", message)) => {
                DynoxideError::ValidationException(message.to_owned())
            }
            Some(("SERIALIZATION", message)) => {
                DynoxideError::SerializationException(message.to_owned())
            }
            _ => DynoxideError::SerializationException(text),
        }
    })?;
    serde_json::to_value(run(request)?)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// Answers a request to DynamoDB.
pub(super) fn answer(services: &Services, asked: &Asked) -> Answer {
    if asked.faults.store_throttles() {
        services.recorder.record(What::Refused {
            client: asked.client.clone(),
            place: Place::Table,
        });
        return aws_json(
            JSON_1_0,
            Err(AwsError::new(
                "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
                "The level of configured provisioned throughput for the table was exceeded. \
                 Consider increasing your provisioning level with the UpdateTable API.",
            )),
        );
    }
    let operation = operation(asked);
    let body = String::from_utf8_lossy(&asked.body);
    let table = &services.table;
    let _changing = table
        .changing
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    match table.call(operation, &body) {
        Ok(answer) => {
            if writes(operation) {
                record_writes(services, asked, &body);
            }
            json_answer(StatusCode::OK, JSON_1_0, &answer)
        }
        Err(error) => {
            let status = StatusCode::from_u16(error.status_code())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let body: Value = serde_json::from_str(&error.to_json()).unwrap_or_default();
            json_answer(status, JSON_1_0, &body)
        }
    }
}

fn writes(operation: &str) -> bool {
    matches!(
        operation,
        "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" | "TransactWriteItems"
    )
}

/// Records the sessions' records that a request named, as they are now.
fn record_writes(services: &Services, asked: &Asked, body: &str) {
    let request: Value = serde_json::from_str(body).unwrap_or_default();
    let mut sessions = BTreeSet::new();
    keys_in(&request, &mut sessions);
    for session in sessions {
        let item = services.table.item(&session).unwrap_or_default();
        services.recorder.record(What::RecordWritten {
            record: Arc::new(record_of(&item)),
            session,
        });
    }
    if has_secret(body.as_bytes()) {
        services.recorder.record(What::SecretSeen {
            client: asked.client.clone(),
            place: "session table".into(),
        });
    }
}

/// Every session whose item a request names, by its key or as a whole. What an item only holds
/// may name sessions too, and is no write to them.
fn keys_in(value: &Value, sessions: &mut BTreeSet<SessionId>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == "Key" || name == "Item" {
                    let key = field[KEY]["S"].as_str();
                    sessions.extend(key.and_then(SessionId::parse));
                } else {
                    keys_in(field, sessions);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| keys_in(value, sessions)),
        _ => {}
    }
}

/// The attributes of an item that the contract names.
fn record_of(item: &Value) -> Record {
    let text = |value: &Value| value["S"].as_str().map(str::to_owned);
    let warnings = &item["warnings"];
    let listed = warnings["L"].as_array().into_iter().flatten();
    let in_set = warnings["SS"].as_array().into_iter().flatten();
    Record {
        status: text(&item["status"]).unwrap_or_default(),
        last_error: text(&item["lastError"]),
        warnings: listed
            .filter_map(text)
            .chain(in_set.filter_map(|value| value.as_str().map(str::to_owned)))
            .collect(),
    }
}

#[cfg(test)]
mod tests;
