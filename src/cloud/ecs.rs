//! ECS: the containers that the tester runs, as tasks.
//!
//! All clusters are one: each has a task for each container, of the family of its client.

use std::time::Duration;

use serde_json::{Value, json};

use super::answer::{Answer, AwsError};
use super::credentials::{ACCOUNT, REGION};
use super::protocol;
use super::recorder::SeenContainer;
use super::route::Asked;
use super::services::Services;
use crate::history::Death;
use crate::plan::ClientId;

/// Answers a request to ECS.
pub(super) fn answer(services: &Services, asked: &Asked) -> Answer {
    let Some(call) = &asked.call else {
        return Answer::Close;
    };
    let request: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let cluster = request["cluster"].as_str().unwrap_or("default");
    let cluster = cluster.rsplit('/').next().unwrap_or_default();
    let all = services.recorder.containers();
    let tasks = || {
        all.iter()
            .map(|(client, seen)| (id(client, seen), client, seen))
    };
    let describe = |id: &str, client: &ClientId, seen: &SeenContainer| {
        let unix = |at: Duration| services.recorder.unix(at).as_secs_f64();
        let status = if seen.death.is_some() {
            "STOPPED"
        } else {
            "RUNNING"
        };
        let mut task = json!({
            "taskArn": arn(cluster, id),
            "clusterArn": format!("arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{cluster}"),
            "group": format!("family:{client}"),
            "launchType": "FARGATE",
            "lastStatus": status,
            "desiredStatus": if seen.is_to_stop { "STOPPED" } else { status },
            "createdAt": unix(seen.started),
            "startedAt": unix(seen.started),
            "containers": [{ "name": client, "lastStatus": status }],
        });
        if let Some((at, cause)) = seen.death {
            task["stoppedAt"] = unix(at).into();
            task["stoppedReason"] = reason(cause).into();
        }
        task
    };
    let found = |task: &Value| {
        let name = task.as_str().unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or_default();
        tasks().find(|(id, ..)| id == name)
    };
    let result = match &*call.operation {
        "ListTasks" => {
            let family = request["family"].as_str();
            let wants_stopped = request["desiredStatus"] == "STOPPED";
            let listed = tasks().filter(|(_, client, seen)| {
                let is_stopped = seen.death.is_some() || seen.is_to_stop;
                is_stopped == wants_stopped && family.is_none_or(|family| family == &*client.0)
            });
            let arns: Vec<String> = listed.map(|(id, ..)| arn(cluster, &id)).collect();
            Ok(json!({ "taskArns": arns }))
        }
        "DescribeTasks" => {
            let (mut described, mut failures) = (Vec::new(), Vec::new());
            for task in request["tasks"].as_array().into_iter().flatten() {
                match found(task) {
                    Some((id, client, seen)) => described.push(describe(&id, client, seen)),
                    None => {
                        let name = task.as_str().unwrap_or_default();
                        let name = name.rsplit('/').next().unwrap_or_default();
                        failures.push(json!({ "arn": arn(cluster, name), "reason": "MISSING" }));
                    }
                }
            }
            Ok(json!({ "tasks": described, "failures": failures }))
        }
        "StopTask" => match found(&request["task"]) {
            Some((id, client, seen)) => {
                services.recorder.ask_to_stop(client);
                let seen = SeenContainer {
                    is_to_stop: true,
                    ..*seen
                };
                Ok(json!({ "task": describe(&id, client, &seen) }))
            }
            None => Err(AwsError::new(
                "InvalidParameterException",
                "The referenced task was not found.",
            )),
        },
        _ => Err(protocol::not_served(call)),
    };
    protocol::answer(call, result)
}

/// The id of a task: of which container of the client it is, from 1.
fn id(client: &ClientId, seen: &SeenContainer) -> String {
    format!("{client}-{:08}", seen.starts)
}

fn arn(cluster: &str, id: &str) -> String {
    format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task/{cluster}/{id}")
}

fn reason(cause: Death) -> &'static str {
    match cause {
        Death::OutOfMemory => "OutOfMemoryError: Container killed due to memory usage",
        Death::Exit => "Essential container in task exited",
        Death::Crash | Death::WorkspaceLost => "Host EC2 terminated",
    }
}
