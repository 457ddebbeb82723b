//! How each change of ours is undone, newest first; doing it again does nothing more.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hyper::Method;
use serde_json::{Value, json};

use super::api::{Api, ApiError, SQS, TABLES};
use super::experiment;
use super::git;
use super::journal::{Change, Journal};
use super::policy::{self, Undo};

/// How long after a look our statement may still appear, where its request was under way when its sender was killed;
/// and what the system is still at, after its last message.
pub(super) const UNDER_WAY: Duration = Duration::from_secs(1);
/// How long the system may take for the messages of a run that has ended.
const WORKED_OFF: Duration = Duration::from_secs(120);
/// How often what a run left is removed, where the system makes it again.
const TRIES: usize = 5;
/// How often dead letters are asked for; each answer has ten at most.
const LOOKS: usize = 20;

fn text(error: ApiError) -> String {
    error.to_string()
}

/// Denies the role to write a bucket's objects. Returns what undoes it, which is in the journal.
pub(super) async fn deny(
    api: &Api,
    journal: &mut Journal,
    bucket: &str,
    role: &str,
) -> Result<Change, String> {
    let before = policy_of(api, bucket, &journal.entry().account).await;
    let before = before.map_err(text)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    // AWS takes letters and digits only.
    let step = journal.entry().changes.len() + 1;
    let statement = format!("shakedown{:x}step{step}", now.as_millis());
    let ours = policy::with_denial(before.as_deref(), bucket, role, &statement)?;
    let change = Change::Policy {
        bucket: bucket.into(),
        statement,
        before,
        ours: ours.clone(),
    };
    let noted = journal.note(change.clone());
    noted.map_err(|error| error.to_string())?;
    put(api, bucket, &journal.entry().account, Some(&ours))
        .await
        .map_err(text)?;
    Ok(change)
}

/// Sets an attribute of an item. Returns what undoes it, which is in the journal.
pub(super) async fn set(
    api: &Api,
    journal: &mut Journal,
    (table, key, name): (&str, (String, String), &str),
    value: &str,
) -> Result<Change, String> {
    let ours = json!({ "S": value });
    let change = Change::Attribute {
        table: table.into(),
        before: attribute_of(api, (table, &key, name)).await.map_err(text)?,
        key: key.clone(),
        name: name.into(),
        ours: ours.clone(),
    };
    let noted = journal.note(change.clone());
    noted.map_err(|error| error.to_string())?;
    let update = json!({
        "TableName": table,
        "Key": { key.0: { "S": key.1 } },
        "UpdateExpression": "SET #name = :ours",
        "ExpressionAttributeNames": { "#name": name },
        "ExpressionAttributeValues": { ":ours": ours },
    });
    api.json(TABLES, "UpdateItem", update).await.map_err(text)?;
    Ok(change)
}

/// Undoes all changes of a journal, newest first: the faults before the work, since the system cannot work off its
/// messages while there is a fault. One fault that stays keeps no other from being undone. Returns what was done.
pub(super) async fn all(api: &Api, journal: &mut Journal) -> Result<Vec<String>, String> {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    let changes = journal.entry().changes.iter().rev().cloned();
    let (faults, work): (Vec<_>, Vec<_>) = changes.partition(Change::is_fault);
    for change in faults {
        match one(api, journal, &change).await {
            Ok(said) => done.push(said),
            Err(why) => failed.push(why),
        }
    }
    if !failed.is_empty() {
        return Err(failed.join("; "));
    }
    for change in work {
        done.push(one(api, journal, &change).await?);
    }
    Ok(done)
}

/// Undoes one change, and takes it out of the journal. Returns what was done.
pub(super) async fn one(
    api: &Api,
    journal: &mut Journal,
    change: &Change,
) -> Result<String, String> {
    let done = undo(api, journal, change).await;
    let done = done.map_err(|why| format!("{change}: {why}"))?;
    journal.end(change).map_err(|error| error.to_string())?;
    Ok(done)
}

async fn undo(api: &Api, journal: &Journal, change: &Change) -> Result<String, String> {
    let entry = journal.entry();
    match change {
        Change::Policy {
            bucket,
            statement,
            before,
            ours,
        } => {
            let before = before.as_deref();
            put_back(api, &entry.account, bucket, (statement, before, ours)).await
        }
        Change::Attribute {
            table,
            key,
            name,
            before,
            ours,
        } => set_back(api, (table, key, name), before.as_ref(), ours).await,
        Change::Experiment { name } => experiment::end(api, name).await,
        Change::Messages {
            queue,
            dead_letters,
            run,
            puts_off,
        } => {
            worked_off(api, &entry.account, queue).await?;
            if !journal.is_at_rest {
                // What was acknowledged may still be put off, and would be deployed, pushed or recorded later.
                tokio::time::sleep(*puts_off).await;
            }
            let letters = marked(api, &entry.account, dead_letters, run).await?;
            let url = queue_url(api, dead_letters, &entry.account).await?;
            for letter in &letters {
                let receipt = json!({ "QueueUrl": url, "ReceiptHandle": letter["ReceiptHandle"] });
                let deleted = api.json(SQS, "DeleteMessage", receipt).await;
                deleted.map_err(text)?;
            }
            Ok(format!(
                "{queue} is empty; of {dead_letters} {} messages were deleted",
                letters.len()
            ))
        }
        Change::Branches {
            repository,
            token,
            names,
        } => {
            again(async || git::delete(repository, token.as_deref(), names)).await?;
            Ok(format!("no branch of the run is left in {repository}"))
        }
        Change::Records { table, key, items } => {
            again(async || {
                let mut found = 0;
                for item in items {
                    let item = json!({
                        "TableName": table,
                        "Key": { key: { "S": item } },
                        "ReturnValues": "ALL_OLD",
                    });
                    let deleted = api.json(TABLES, "DeleteItem", item).await;
                    found += usize::from(deleted.map_err(text)?["Attributes"].is_object());
                }
                Ok(found)
            })
            .await?;
            Ok(format!("no item of the run is left in {table}"))
        }
        Change::Site { bucket } => {
            again(async || {
                let keys = api.keys(bucket, &entry.account).await.map_err(text)?;
                for key in keys.keys() {
                    let deleted = api.object(Method::DELETE, (bucket, key), &entry.account);
                    deleted.await.map_err(text)?;
                }
                Ok(keys.len())
            })
            .await?;
            Ok(format!("{bucket} is empty as before"))
        }
    }
}

/// Removes until nothing is found to be removed: the system may still be at something.
async fn again(remove: impl AsyncFn() -> Result<usize, String>) -> Result<(), String> {
    for _ in 0..TRIES {
        if remove().await? == 0 {
            return Ok(());
        }
        tokio::time::sleep(UNDER_WAY).await;
    }
    Err("the system makes it anew; heal again when it is at rest".into())
}

/// Waits until no message is left in a queue.
async fn worked_off(api: &Api, account: &str, queue: &str) -> Result<(), String> {
    let url = queue_url(api, queue, account).await?;
    let (began, mut wait) = (Instant::now(), UNDER_WAY / 10);
    while depth(api, &url).await.map_err(text)? > 0 {
        if began.elapsed() >= WORKED_OFF {
            return Err("the system is still at work; heal again when its queue is empty".into());
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(UNDER_WAY * 5);
    }
    Ok(())
}

pub(super) async fn queue_url(api: &Api, name: &str, owner: &str) -> Result<Value, String> {
    let named = json!({ "QueueName": name, "QueueOwnerAWSAccountId": owner });
    let found = api.json(SQS, "GetQueueUrl", named).await;
    Ok(found.map_err(text)?["QueueUrl"].clone())
}

/// How many messages are in a queue: visible, hidden or delayed.
pub(super) async fn depth(api: &Api, url: &Value) -> Result<u64, ApiError> {
    let wanted = json!({
        "QueueUrl": url,
        "AttributeNames": [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
    });
    let found = api.json(SQS, "GetQueueAttributes", wanted).await?;
    let all = found["Attributes"].as_object();
    let counts = all
        .into_iter()
        .flatten()
        .filter_map(|(_, count)| count.as_str());
    Ok(counts.filter_map(|count| count.parse::<u64>().ok()).sum())
}

/// The messages of a queue with a word in them, each once. They stay there.
pub(super) async fn marked(
    api: &Api,
    account: &str,
    queue: &str,
    word: &str,
) -> Result<Vec<Value>, String> {
    let url = queue_url(api, queue, account).await?;
    let mut found: Vec<Value> = Vec::new();
    let in_all = depth(api, &url).await.map_err(text)?;
    for _ in 0..LOOKS {
        if found.len() as u64 >= in_all {
            break;
        }
        let wanted = json!({
            "QueueUrl": url,
            "MaxNumberOfMessages": 10,
            "VisibilityTimeout": 0,
        });
        let answer = api.json(SQS, "ReceiveMessage", wanted).await;
        let answer = answer.map_err(text)?;
        let letters = answer["Messages"].as_array().cloned().unwrap_or_default();
        for letter in letters {
            let is_ours = letter["Body"].as_str().is_some_and(|it| it.contains(word));
            found.retain(|known| known["MessageId"] != letter["MessageId"]);
            found.extend(is_ours.then_some(letter));
        }
    }
    Ok(found)
}

async fn policy_of(api: &Api, bucket: &str, account: &str) -> Result<Option<String>, ApiError> {
    match api.bucket(Method::GET, bucket, "policy", account, "").await {
        Ok(policy) => Ok(Some(policy)),
        Err(error) if error.code == "NoSuchBucketPolicy" => Ok(None),
        Err(error) => Err(error),
    }
}

async fn put(api: &Api, bucket: &str, account: &str, policy: Option<&str>) -> Result<(), ApiError> {
    let (method, body) = match policy {
        Some(policy) => (Method::PUT, policy),
        None => (Method::DELETE, ""),
    };
    let put = api.bucket(method, bucket, "policy", account, body);
    put.await.map(drop)
}

/// Takes our statement out of the policy, and looks that it is gone. Returns what was done.
async fn put_back(
    api: &Api,
    account: &str,
    bucket: &str,
    (statement, before, ours): (&str, Option<&str>, &str),
) -> Result<String, String> {
    let now = || policy_of(api, bucket, account);
    let decide = |now: Option<String>| policy::undo(now.as_deref(), ours, statement);
    let mut found = decide(now().await.map_err(text)?)?;
    if found == Undo::Nothing {
        tokio::time::sleep(UNDER_WAY).await;
        found = decide(now().await.map_err(text)?)?;
    }
    let done = match &found {
        Undo::Nothing => format!("the policy of {bucket} has no statement of ours"),
        Undo::PutBack => {
            put(api, bucket, account, before).await.map_err(text)?;
            format!("the policy of {bucket} is as it was")
        }
        Undo::Keep(policy) => {
            put(api, bucket, account, Some(policy))
                .await
                .map_err(text)?;
            format!(
                "somebody else changed the policy of {bucket}: that stays, without our statement"
            )
        }
        Undo::Remove => {
            put(api, bucket, account, None).await.map_err(text)?;
            format!(
                "somebody else changed the policy of {bucket}; only our statement was left, and it is gone"
            )
        }
    };
    match decide(now().await.map_err(text)?)? {
        Undo::Nothing => Ok(done),
        _ => Err("our statement is still there".into()),
    }
}

async fn attribute_of(
    api: &Api,
    (table, key, name): (&str, &(String, String), &str),
) -> Result<Option<Value>, ApiError> {
    let wanted = json!({
        "TableName": table,
        "Key": { &*key.0: { "S": key.1 } },
        "ConsistentRead": true,
    });
    let mut found = api.json(TABLES, "GetItem", wanted).await?;
    let value = found["Item"][name].take();
    Ok((!value.is_null()).then_some(value))
}

/// Gives an attribute the value that it had, where it still has ours. Returns what was done.
async fn set_back(
    api: &Api,
    of @ (table, key, name): (&str, &(String, String), &str),
    before: Option<&Value>,
    ours: &Value,
) -> Result<String, String> {
    let about = format!("the attribute {name} of {} in {table}", key.1);
    let mut now = attribute_of(api, of).await.map_err(text)?;
    if now.as_ref() != Some(ours) {
        tokio::time::sleep(UNDER_WAY).await;
        now = attribute_of(api, of).await.map_err(text)?;
    }
    if now.as_ref() == before {
        return Ok(format!("{about} is as it was"));
    }
    let mut update = json!({
        "TableName": table,
        "Key": { &*key.0: { "S": key.1 } },
        "UpdateExpression": "REMOVE #name",
        "ConditionExpression": "#name = :ours",
        "ExpressionAttributeNames": { "#name": name },
        "ExpressionAttributeValues": { ":ours": ours },
    });
    if let Some(before) = before {
        update["UpdateExpression"] = "SET #name = :before".into();
        update["ExpressionAttributeValues"][":before"] = before.clone();
    }
    match api.json(TABLES, "UpdateItem", update).await {
        Ok(_) => Ok(format!("{about} is as it was")),
        Err(error) if error.code == "ConditionalCheckFailedException" => {
            Ok(format!("somebody else changed {about}: that stays"))
        }
        Err(error) => Err(text(error)),
    }
}
