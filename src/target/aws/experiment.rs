//! Experiments of AWS's Fault Injection Service: how one is begun, watched and ended.

use std::time::{Duration, Instant};

use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::api::{Api, ApiError, FIS};
use super::journal::{Change, Journal};
use super::undo::UNDER_WAY;
use crate::profile::Deployed;

/// The tag of what is ours; its value is the experiment's name.
const TAG: &str = "shakedown-experiment";
/// How long AWS may take to begin or to end an experiment.
const WITHIN: Duration = Duration::from_secs(120);
/// AWS ends it by itself after this time, whatever became of us.
const LASTS: &str = "PT10M";
/// The port of all that a task asks by HTTPS.
const PORT: &str = "443";

fn text(error: ApiError) -> String {
    error.to_string()
}

/// Cuts the tasks of a service off from what they ask. Returns what undoes it, which is in the journal.
pub(super) async fn cut_off(
    api: &Api,
    journal: &mut Journal,
    deployed: &Deployed,
    service: &str,
    name: &str,
) -> Result<Change, String> {
    let (Some(role), Some(cluster)) = (&deployed.fis_role, &deployed.cluster) else {
        return Err("[aws] has no `fis-role` or no `cluster`".into());
    };
    let change = Change::Experiment { name: name.into() };
    let noted = journal.note(change.clone());
    noted.map_err(|error| error.to_string())?;
    let alarm = format!(
        "arn:aws:cloudwatch:{}:{}:alarm:{}",
        api.region(),
        journal.entry().account,
        deployed.alarm
    );
    let template = json!({
        "clientToken": name,
        "description": format!("shakedown: tasks of {service} are cut off"),
        "roleArn": role,
        "stopConditions": [{ "source": "aws:cloudwatch:alarm", "value": alarm }],
        "targets": { "tasks": {
            "resourceType": "aws:ecs:task",
            "parameters": { "cluster": cluster, "service": service },
            "selectionMode": "ALL",
        } },
        "actions": { "cut-off": {
            "actionId": "aws:ecs:task-network-blackhole-port",
            "parameters": {
                "duration": LASTS, "port": PORT, "protocol": "tcp", "trafficType": "egress",
                "useEcsFaultInjectionEndpoints": "true",
            },
            "targets": { "Tasks": "tasks" },
        } },
        "experimentOptions": { "accountTargeting": "single-account", "emptyTargetResolutionMode": "fail" },
        "tags": { TAG: name },
    });
    let template = api.rest(FIS, Method::POST, "experimentTemplates", template);
    let template = template.await.map_err(text)?;
    let experiment = json!({
        "clientToken": name,
        "experimentTemplateId": template["experimentTemplate"]["id"],
        "tags": { TAG: name },
    });
    let begun = api.rest(FIS, Method::POST, "experiments", experiment);
    begun.await.map_err(text)?;
    let began = Instant::now();
    loop {
        match running(api, name).await {
            Ok(true) => return Ok(change),
            Ok(false) if began.elapsed() >= WITHIN => {
                return Err(format!("the experiment {name} does not begin"));
            }
            Ok(false) => tokio::time::sleep(UNDER_WAY).await,
            Err(why) => return Err(why),
        }
    }
}

/// Whether an experiment of this name runs by now.
///
/// # Errors
/// That it has ended, and why.
pub(super) async fn running(api: &Api, name: &str) -> Result<bool, String> {
    let ours = ours(api, "experiments", name).await.map_err(text)?;
    let Some(one) = ours.first() else {
        return Ok(false);
    };
    match one["state"]["status"].as_str().unwrap_or_default() {
        "running" => Ok(true),
        "pending" | "initiating" => Ok(false),
        ended => Err(format!(
            "the experiment {name} is {ended}: {}",
            one["state"]["reason"].as_str().unwrap_or("no reason given")
        )),
    }
}

/// Ends what there is of an experiment. Returns what was done.
pub(super) async fn end(api: &Api, name: &str) -> Result<String, String> {
    let mut templates = ours(api, "experimentTemplates", name).await.map_err(text)?;
    if templates.is_empty() {
        tokio::time::sleep(UNDER_WAY).await;
        templates = ours(api, "experimentTemplates", name).await.map_err(text)?;
    }
    // Nothing more begins without its template.
    for template in &templates {
        delete(api, "experimentTemplates", template).await?;
    }
    let began = Instant::now();
    loop {
        let mut experiments = ours(api, "experiments", name).await.map_err(text)?;
        experiments.retain(|one| {
            let state = one["state"]["status"].as_str().unwrap_or_default();
            !matches!(state, "completed" | "stopped" | "failed" | "cancelled")
        });
        if experiments.is_empty() {
            return Ok(format!("the experiment {name} has ended"));
        }
        if began.elapsed() >= WITHIN {
            return Err("it does not end; stop it in the console of FIS, and heal again".into());
        }
        for one in experiments
            .iter()
            .filter(|it| it["state"]["status"] != "stopping")
        {
            delete(api, "experiments", one).await?;
        }
        tokio::time::sleep(UNDER_WAY / 4).await;
    }
}

/// Deletes a template, or stops an experiment; one that is gone meanwhile is no mistake.
async fn delete(api: &Api, kind: &str, one: &Value) -> Result<(), String> {
    let id = one["id"].as_str().unwrap_or_default();
    let path = format!("{kind}/{id}");
    match api.rest(FIS, Method::DELETE, &path, Value::Null).await {
        Err(error) if error.code != "ResourceNotFoundException" => Err(text(error)),
        _ => Ok(()),
    }
}

/// The templates or experiments with our tag of this name, page by page.
async fn ours(api: &Api, kind: &str, name: &str) -> Result<Vec<Value>, ApiError> {
    let (mut all, mut from) = (Vec::new(), String::new());
    loop {
        let path = format!("{kind}?maxResults=100{from}");
        let mut page = api.rest(FIS, Method::GET, &path, Value::Null).await?;
        let listed = page[kind].as_array().into_iter().flatten();
        all.extend(listed.filter(|it| it["tags"][TAG] == name).cloned());
        let Value::String(next) = page["nextToken"].take() else {
            return Ok(all);
        };
        from = format!(
            "&nextToken={}",
            utf8_percent_encode(&next, NON_ALPHANUMERIC)
        );
    }
}
