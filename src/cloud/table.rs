//! DynamoDB: `dynoxide` in memory, with the session table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dynoxide::{Database, DynoxideError};
use hyper::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answer::{Answer, AwsError, ErrorCode, JSON_1_0, reply};
use super::credentials::has_secret;
use super::protocol;
use super::route::Asked;
use super::services::Services;
use crate::error::TargetError;
use crate::history::{Record, What};
use crate::plan::{Injection, Place, SessionId};
use crate::profile::{Profile, RecordShape, Resources};

/// The session table of one cloud.
pub(super) struct Table {
    database: Database,
    shape: RecordShape,
    resources: Resources,
    /// The key of each session's item.
    sessions: Vec<(String, SessionId)>,
    /// Held while an item changes and that is recorded, so that both have one order.
    changing: Mutex<()>,
    /// Whether a table's items have a time to live.
    has_ttl: AtomicBool,
}

impl Table {
    /// Makes the table that the profile names. Where it names none there is one all the same, of the
    /// reference worker's shape: a system may keep what it needs, and nothing is judged by it.
    pub(super) fn new(profile: &Profile, sessions: &[SessionId]) -> Result<Self, TargetError> {
        let failed = |error: DynoxideError| {
            TargetError::new(
                "making the session table",
                error,
                "this is a fault of the loopback cloud; report it",
            )
        };
        let database = Database::memory().map_err(failed)?;
        let shape = profile.record.clone().unwrap_or_default();
        let name = |session: &SessionId| match profile.record {
            Some(_) => profile.names.session(session),
            None => session.to_string(),
        };
        let table = Self {
            database,
            sessions: sessions
                .iter()
                .map(|session| (name(session), session.clone()))
                .collect(),
            shape,
            resources: profile.resources.clone(),
            changing: Mutex::default(),
            has_ttl: AtomicBool::new(false),
        };
        let own = (&table.shape.table, &table.shape.key);
        let others = table.resources.tables.iter().map(|(name, key)| (name, key));
        for (name, key) in [own].into_iter().chain(others) {
            let request = json!({
                "TableName": name,
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{ "AttributeName": key, "AttributeType": "S" }],
                "KeySchema": [{ "AttributeName": key, "KeyType": "HASH" }],
            });
            table.own("CreateTable", &request).map_err(failed)?;
        }
        Ok(table)
    }

    /// Whether a table of the system's own has an item.
    pub(super) fn has(&self, table: &str, key: &str) -> bool {
        let Some(name) = self.resources.key_of(table) else {
            return false;
        };
        let request =
            json!({ "TableName": table, "Key": { name: { "S": key } }, "ConsistentRead": true });
        let answer = self.own("GetItem", &request);
        answer.is_ok_and(|answer| !answer["Item"].is_null())
    }

    /// The records of these sessions, as far as they exist.
    pub(super) fn records(&self, sessions: &[SessionId]) -> BTreeMap<SessionId, Record> {
        sessions
            .iter()
            .filter_map(|session| {
                let record = self.shape.read(self.item(session)?);
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
            "TableName": self.shape.table,
            "Key": self.key(session),
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
        self.own("UpdateItem", &request).map(drop).map_err(|error| {
            TargetError::new(
                format!("setting failureInjection on {session}"),
                error,
                "this is a fault of the loopback cloud; report it",
            )
        })
    }

    fn key(&self, session: &SessionId) -> Value {
        let named = self.sessions.iter().find(|(_, own)| own == session);
        let name = named.map_or_else(|| session.to_string(), |(name, _)| name.clone());
        json!({ self.shape.key.as_str(): { "S": name } })
    }

    fn item(&self, session: &SessionId) -> Option<Value> {
        let request = json!({
            "TableName": self.shape.table,
            "Key": self.key(session),
            "ConsistentRead": true,
        });
        let mut answer = self.own("GetItem", &request).ok()?;
        match answer["Item"].take() {
            Value::Null => None,
            item => Some(item),
        }
    }

    /// Carries out an operation of DynamoDB for the cloud itself.
    fn own(&self, operation: &str, request: &Value) -> Result<Value, DynoxideError> {
        self.call(operation, &request.to_string())
            .unwrap_or_else(|| Err(DynoxideError::InternalServerError(operation.to_owned())))
    }

    /// Carries out an operation of DynamoDB; `None` where it is none that is served.
    fn call(&self, operation: &str, body: &str) -> Option<Result<Value, DynoxideError>> {
        let db = &self.database;
        Some(match operation {
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
            "UpdateTable" => run(body, |request| db.update_table(request)),
            "DeleteTable" => run(body, |request| db.delete_table(request)),
            "UpdateTimeToLive" => run(body, |request| db.update_time_to_live(request)),
            "DescribeTimeToLive" => run(body, |request| db.describe_time_to_live(request)),
            "TagResource" => run(body, |request| db.tag_resource(request).map(|_| json!({}))),
            "UntagResource" => run(body, |request| {
                db.untag_resource(request).map(|_| json!({}))
            }),
            "ListTagsOfResource" => run(body, |request| db.list_tags_of_resource(request)),
            "ExecuteStatement" => run(body, |request| db.execute_statement(request)),
            "BatchExecuteStatement" => run(body, |request| db.batch_execute_statement(request)),
            "ExecuteTransaction" => run(body, |request| db.execute_transaction(request)),
            "DescribeLimits" => Ok(json!({
                "AccountMaxReadCapacityUnits": 80_000,
                "AccountMaxWriteCapacityUnits": 80_000,
                "TableMaxReadCapacityUnits": 40_000,
                "TableMaxWriteCapacityUnits": 40_000,
            })),
            _ => return None,
        })
    }

    /// Removes what is past its time to live, where a table has such.
    fn sweep(&self) {
        if self.has_ttl.load(Ordering::Relaxed) {
            // What is not removed now is removed at another request.
            let _ = self.database.sweep_ttl();
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
    let Some(call) = &asked.call else {
        return Answer::Close;
    };
    if asked.faults.store_throttles() {
        services.recorder.record(What::Refused {
            client: asked.client.clone(),
            place: Place::Table,
        });
        return protocol::answer(
            call,
            Err(AwsError::new(
                "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
                "The level of configured provisioned throughput for the table was exceeded. \
                 Consider increasing your provisioning level with the UpdateTable API.",
            )),
        );
    }
    let operation = &*call.operation;
    // Whoever names a table or an index by its ARN has it from an answer.
    let body = String::from_utf8_lossy(&asked.body).replace(ARN, OWN_ARN);
    let table = &services.table;
    let _changing = table
        .changing
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let sessions = &services.config.sessions;
    let before = match names_no_items(operation) || table.has_ttl.load(Ordering::Relaxed) {
        true => Some(table.records(sessions)),
        false => None,
    };
    table.sweep();
    let Some(result) = table.call(operation, &body) else {
        return protocol::answer(call, Err(protocol::not_served(call)));
    };
    if let Some(before) = before {
        record_changes(services, &before, &table.records(sessions));
    }
    match result {
        Ok(answer) => {
            if operation == "UpdateTimeToLive" {
                table.has_ttl.store(true, Ordering::Relaxed);
            }
            if writes(operation) {
                record_writes(services, asked, &body);
            }
            match describes(operation) {
                true => {
                    let told = answer.to_string().replace(OWN_ARN, ARN);
                    let told = serde_json::from_str(&told).unwrap_or(answer);
                    protocol::answer(call, Ok(told))
                }
                false => protocol::answer(call, Ok(answer)),
            }
        }
        Err(error) => {
            let status = StatusCode::from_u16(error.status_code())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let body: Value = serde_json::from_str(&error.to_json()).unwrap_or_default();
            let code = body["__type"].as_str().unwrap_or_default();
            let code = code.rsplit('#').next().unwrap_or_default().into();
            let mut response = reply(status, JSON_1_0, body.to_string());
            response.extensions_mut().insert(ErrorCode(code));
            Answer::Reply(protocol::with_id(response))
        }
    }
}

/// How the ARN of a table begins, and how `dynoxide` begins it.
const ARN: &str = "arn:aws:dynamodb:us-west-2:";
const OWN_ARN: &str = "arn:aws:dynamodb:dynoxide:";

/// Whether an operation is about tables, whose ARNs are in its answer.
fn describes(operation: &str) -> bool {
    operation.ends_with("Table")
}

/// Operations that are no calls for the record: they read, or what they write is recorded.
pub(super) const QUIET: &[&str] = &[
    "GetItem",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "Query",
    "Scan",
    "BatchGetItem",
    "BatchWriteItem",
    "TransactGetItems",
    "TransactWriteItems",
    "DescribeTable",
    "ListTables",
];

fn writes(operation: &str) -> bool {
    matches!(
        operation,
        "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" | "TransactWriteItems"
    )
}

/// Whether an operation may change items that it does not name by their keys.
fn names_no_items(operation: &str) -> bool {
    matches!(
        operation,
        "DeleteTable" | "ExecuteStatement" | "BatchExecuteStatement" | "ExecuteTransaction"
    )
}

/// Records the sessions' records that are other ones than before.
fn record_changes(
    services: &Services,
    before: &BTreeMap<SessionId, Record>,
    now: &BTreeMap<SessionId, Record>,
) {
    let sessions = services.config.sessions.iter();
    for session in sessions.filter(|session| before.get(session) != now.get(session)) {
        let record = now.get(session).cloned().unwrap_or_default();
        services.recorder.record(What::RecordWritten {
            session: session.clone(),
            record: record.into(),
        });
    }
}

/// Records the sessions' records that a request named, as they are now.
fn record_writes(services: &Services, asked: &Asked, body: &str) {
    let request: Value = serde_json::from_str(body).unwrap_or_default();
    let mut sessions = BTreeSet::new();
    services.table.keys_in(&request, &mut sessions);
    for session in sessions {
        let item = services.table.item(&session).unwrap_or_default();
        services.recorder.record(What::RecordWritten {
            record: Arc::new(services.table.shape.read(item)),
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

impl Table {
    /// Every session whose item a request names, by its key or as a whole. What an item only holds
    /// may name sessions too, and is no write to them.
    fn keys_in(&self, value: &Value, sessions: &mut BTreeSet<SessionId>) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    if name == "Key" || name == "Item" {
                        let key = field[&self.shape.key]["S"].as_str();
                        let named = self
                            .sessions
                            .iter()
                            .find(|(own, _)| Some(own.as_str()) == key);
                        sessions.extend(named.map(|(_, session)| session.clone()));
                    } else {
                        self.keys_in(field, sessions);
                    }
                }
            }
            Value::Array(values) => values
                .iter()
                .for_each(|value| self.keys_in(value, sessions)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
