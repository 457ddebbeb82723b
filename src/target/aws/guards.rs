//! What has to be so before anything is done to an account. Each guard only reads.

use hyper::Method;
use serde_json::{Value, json};

use super::api::{ALARMS, Api, ApiError, ECS, IAM, LOGS, SQS, STS, TABLES};
use super::journal;
use super::undo;
use super::xml::texts;
use crate::profile::{Deployed, Profile};

/// A guard that was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Guard {
    /// What it looks at.
    pub about: String,
    /// What it found; else why nothing may be done.
    pub found: Result<String, String>,
}

/// Something that a run touches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Touched {
    /// What it is, by its kind and name.
    pub resource: String,
    /// What is done to it, and how that is undone.
    pub how: &'static str,
}

/// What a run touches: all of it is listed in the profile, or a guard refuses.
pub fn touched(profile: &Profile, deployed: &Deployed) -> Vec<Touched> {
    let mut all = Vec::new();
    for (kind, names, how) in resources(profile, deployed) {
        all.extend(names.into_iter().map(|name| Touched {
            resource: format!("{kind} {name}"),
            how,
        }));
    }
    all
}

/// The resources of the sessions, by kind.
fn resources(
    profile: &Profile,
    deployed: &Deployed,
) -> Vec<(&'static str, Vec<String>, &'static str)> {
    let names = &profile.names;
    let mut clients: Vec<_> = deployed.sessions.iter().map(|it| &it.client).collect();
    clients.dedup();
    let of_each = |name: &dyn Fn(&crate::plan::ClientId) -> String| {
        let mut all: Vec<String> = clients.iter().map(|client| name(client)).collect();
        all.sort();
        all.dedup();
        all
    };
    let table = profile.record.iter().map(|record| record.table.clone());
    let services = deployed.services.iter().cloned();
    let group = (!names.log_group.is_empty()).then(|| names.log_group.clone());
    vec![
        (
            "bucket",
            of_each(&|client| names.bucket(client)),
            "keys and objects are read; a fault adds one statement to its policy, and puts the policy back; \
             it is empty before a run, and emptied after it",
        ),
        (
            "queue",
            of_each(&|client| names.queue(client)),
            "a message for each instruction; the worker deletes it",
        ),
        (
            "dead letters",
            of_each(&|client| names.dead_letters(client)),
            "its depth is read, and messages of the run, which are deleted after it",
        ),
        (
            "table",
            table.collect(),
            "items of the run's sessions are read, and deleted after it; a fault sets one attribute of them",
        ),
        ("log group", group.into_iter().collect(), "lines are read"),
        (
            "service",
            services.collect(),
            "a task is stopped, and ECS starts another; an experiment cuts its tasks off, and is stopped",
        ),
    ]
}

/// Asks the guards in order, until one refuses. Returns also the account, where it may be tested.
pub async fn ask(
    api: &Api,
    profile: &Profile,
    deployed: &Deployed,
) -> (Vec<Guard>, Option<String>) {
    let mut asking = Asking {
        api,
        deployed,
        account: String::new(),
        guards: Vec::new(),
    };
    // The first refusal ends it, and is its last guard.
    let allowed = asking.all(profile).await;
    let account = allowed.ok().map(|()| asking.account);
    (asking.guards, account)
}

/// The account of the credentials.
pub(super) async fn account(api: &Api) -> Result<String, ApiError> {
    let (account, _) = identity(api).await?;
    Ok(account)
}

/// The account of the credentials, and whose they are.
async fn identity(api: &Api) -> Result<(String, String), ApiError> {
    let answer = api.xml(STS, "GetCallerIdentity", &[]).await?;
    let text = |name| texts(&answer, name).into_iter().next().unwrap_or_default();
    Ok((text("Account"), text("Arn")))
}

/// That a guard refused, which is in the list.
struct Refused;

struct Asking<'a> {
    api: &'a Api,
    deployed: &'a Deployed,
    account: String,
    guards: Vec<Guard>,
}

impl Asking<'_> {
    async fn all(&mut self, profile: &Profile) -> Result<(), Refused> {
        // Those of the first three ask nobody, or only who is asking.
        let region = self.region();
        self.note("region", region)?;
        let listed = listed(profile, self.deployed);
        self.note("names", listed)?;
        let identity = self.identity().await;
        self.note("identity", identity)?;
        let open = self.journal();
        self.note("journal", open)?;
        let alias = self.alias().await;
        self.note("alias", alias)?;
        for (kind, names, _) in resources(profile, self.deployed) {
            for name in names {
                let tagged = self.tagged(kind, &name).await;
                self.note(&format!("{kind} {name}"), tagged)?;
            }
        }
        let alarm = self.alarm().await;
        self.note(&format!("alarm {}", self.deployed.alarm), alarm)?;
        for (kind, names, _) in resources(profile, self.deployed) {
            for name in names {
                let Some(steady) = self.steady(kind, &name).await else {
                    continue;
                };
                self.note(&format!("steady state of {kind} {name}"), steady)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, about: &str, found: Result<String, String>) -> Result<(), Refused> {
        let is_ok = found.is_ok();
        self.guards.push(Guard {
            about: about.into(),
            found,
        });
        is_ok.then_some(()).ok_or(Refused)
    }

    fn region(&self) -> Result<String, String> {
        let region = self.api.region();
        match self.deployed.regions.iter().any(|listed| listed == region) {
            true => Ok(format!("{region} is listed")),
            false => Err(format!("{region} is not in `regions` of [aws]")),
        }
    }

    async fn identity(&mut self) -> Result<String, String> {
        let (account, arn) = identity(self.api)
            .await
            .map_err(|error| error.to_string())?;
        let found = may_be_tested(&account, &arn, self.deployed)?;
        self.account = account;
        Ok(found)
    }

    fn journal(&self) -> Result<String, String> {
        match journal::open(&self.account) {
            Ok(None) => Ok("nothing is left to be undone".into()),
            Ok(Some(entry)) => {
                let changes: Vec<String> = entry.changes.iter().map(ToString::to_string).collect();
                Err(format!(
                    "{}: that is not known to be as it was: `shakedown heal` undoes it",
                    changes.join("; ")
                ))
            }
            Err(error) => Err(format!("it cannot be read: {error}")),
        }
    }

    async fn alias(&self) -> Result<String, String> {
        let answer = self.api.xml(IAM, "ListAccountAliases", &[]).await;
        let answer = answer.map_err(|error| {
            format!("it cannot be seen whether the account is production: {error}")
        })?;
        let aliases = texts(&answer, "member");
        let is_production = |alias: &&String| {
            let alias = alias.to_ascii_lowercase();
            alias.contains("prod") || alias.contains("live")
        };
        match aliases.iter().find(is_production) {
            Some(alias) if !self.deployed.alias_checked.contains(&self.account) => Err(format!(
                "the account is called `{alias}`, which looks like production; where it is none, list {} in \
                 `alias-checked` of [aws]",
                self.account
            )),
            Some(alias) => Ok(format!(
                "`{alias}`, of which the profile says that it is none of production"
            )),
            None if aliases.is_empty() => Ok("none".into()),
            None => Ok(aliases.join(", ")),
        }
    }

    /// Whether a resource is of this account, and has the tag.
    async fn tagged(&self, kind: &str, name: &str) -> Result<String, String> {
        let tags = self
            .tags(kind, name)
            .await
            .map_err(|error| error.to_string())?;
        let (key, value) = &self.deployed.tag;
        match tags.iter().find(|(name, _)| name == key) {
            Some((_, has)) if has == value => Ok(format!("has the tag {key}={value}")),
            Some((_, has)) => Err(format!("its tag {key} is `{has}`, not `{value}`")),
            None => Err(format!("it lacks the tag {key}={value}")),
        }
    }

    async fn tags(&self, kind: &str, name: &str) -> Result<Vec<(String, String)>, ApiError> {
        let api = self.api;
        Ok(match kind {
            "bucket" => {
                let found = api
                    .bucket(Method::GET, name, "tagging", &self.account, "")
                    .await;
                let xml = match found {
                    Err(error) if error.code == "NoSuchTagSet" => String::new(),
                    found => found?,
                };
                let values = texts(&xml, "Value");
                texts(&xml, "Key").into_iter().zip(values).collect()
            }
            "queue" | "dead letters" => {
                let url = json!({ "QueueUrl": self.queue_url(name).await? });
                let found = api.json(SQS, "ListQueueTags", url).await?;
                map(&found["Tags"])
            }
            "table" => {
                let found = api
                    .json(TABLES, "DescribeTable", json!({ "TableName": name }))
                    .await?;
                let arn = json!({ "ResourceArn": found["Table"]["TableArn"] });
                let found = api.json(TABLES, "ListTagsOfResource", arn).await?;
                pairs(&found["Tags"], "Key", "Value")
            }
            "log group" => {
                // The older of its two calls takes a name, and needs no search for an ARN.
                let group = json!({ "logGroupName": name });
                let found = api.json(LOGS, "ListTagsLogGroup", group).await?;
                map(&found["tags"])
            }
            _ => {
                let service = self.service(name).await?;
                pairs(&service["tags"], "key", "value")
            }
        })
    }

    async fn queue_url(&self, name: &str) -> Result<Value, ApiError> {
        let owner = json!({ "QueueName": name, "QueueOwnerAWSAccountId": self.account });
        let found = self.api.json(SQS, "GetQueueUrl", owner).await?;
        Ok(found["QueueUrl"].clone())
    }

    /// A service of the cluster, with its tags.
    async fn service(&self, name: &str) -> Result<Value, ApiError> {
        let wanted = json!({
            "cluster": self.deployed.cluster,
            "services": [name],
            "include": ["TAGS"],
        });
        let mut found = self.api.json(ECS, "DescribeServices", wanted).await?;
        Ok(found["services"][0].take())
    }

    async fn alarm(&self) -> Result<String, String> {
        alarm(self.api, &self.deployed.alarm).await
    }

    /// Whether a resource is as it is when nothing is wrong; `None` where that cannot be seen of its kind.
    async fn steady(&self, kind: &str, name: &str) -> Option<Result<String, String>> {
        match kind {
            "queue" | "dead letters" => Some(self.is_empty(name).await),
            "bucket" => Some(self.has_no_site(name).await),
            "service" => Some(self.is_running(name).await),
            _ => None,
        }
    }

    /// What a run leaves in a bucket is removed after it, which could be told from nothing else.
    async fn has_no_site(&self, bucket: &str) -> Result<String, String> {
        let keys = self.api.keys(bucket, &self.account).await;
        match keys.map_err(|error| error.to_string())?.len() {
            0 => Ok("is empty".into()),
            n => Err(format!(
                "{n} objects are in it, and all objects are removed after a run: test a client whose site is empty"
            )),
        }
    }

    async fn is_empty(&self, queue: &str) -> Result<String, String> {
        let text = |error: ApiError| error.to_string();
        let url = self.queue_url(queue).await.map_err(text)?;
        let messages = undo::depth(self.api, &url).await.map_err(text)?;
        match messages {
            0 => Ok("no message waits".into()),
            1 => Err("a message waits: the system is at work, or stuck".into()),
            n => Err(format!(
                "{n} messages wait: the system is at work, or stuck"
            )),
        }
    }

    async fn is_running(&self, service: &str) -> Result<String, String> {
        let found = self
            .service(service)
            .await
            .map_err(|error| error.to_string())?;
        let count = |name: &str| found[name].as_u64().unwrap_or_default();
        let (running, desired) = (count("runningCount"), count("desiredCount"));
        match desired > 0 && running == desired {
            true => Ok(format!("{running} of {desired} tasks run")),
            false => Err(format!(
                "{running} of {desired} tasks run: the system is not well"
            )),
        }
    }
}

/// The state of an alarm, where it is quiet.
pub(super) async fn alarm(api: &Api, name: &str) -> Result<String, String> {
    let values = [("AlarmNames.member.1", name)];
    let answer = api.xml(ALARMS, "DescribeAlarms", &values).await;
    let answer = answer.map_err(|error| error.to_string())?;
    match texts(&answer, "StateValue").first().map(String::as_str) {
        None => Err("there is no such alarm".into()),
        Some("ALARM") => {
            Err("it is on: the system is not well, and a test would make it worse".into())
        }
        Some(state) => Ok(format!("is {state}")),
    }
}

/// Whether every name that the sessions use is listed.
fn listed(profile: &Profile, deployed: &Deployed) -> Result<String, String> {
    let mut count = 0;
    for (kind, names, _) in resources(profile, deployed) {
        let (allowed, list) = match kind {
            "bucket" => (&deployed.buckets, "buckets"),
            "queue" | "dead letters" => (&deployed.queues, "queues"),
            "table" => (&deployed.tables, "tables"),
            _ => continue,
        };
        for name in names {
            if !allowed.contains(&name) {
                return Err(format!("the {kind} {name} is not in `{list}` of [aws]"));
            }
            count += 1;
        }
    }
    Ok(format!("all {count} that the sessions use are listed"))
}

/// Whether this account may be tested by who asks.
fn may_be_tested(account: &str, arn: &str, deployed: &Deployed) -> Result<String, String> {
    let is_in = |list: &[String]| list.iter().any(|id| id == account);
    if arn.ends_with(":root") {
        return Err("these are the credentials of the account's root: nothing could be refused to them; use a role with \
                    the policy of docs/real-accounts.md"
            .into());
    }
    if is_in(&deployed.forbidden) {
        return Err(format!("the account {account} is in `forbid` of [aws]"));
    }
    if !is_in(&deployed.accounts) {
        return Err(format!(
            "the account {account} is not in `accounts` of [aws]"
        ));
    }
    if !deployed.role.contains(&format!(":iam::{account}:")) {
        return Err(format!(
            "the role {} is of another account than {account}",
            deployed.role
        ));
    }
    Ok(format!("{arn}, of the account {account}"))
}

fn map(of: &Value) -> Vec<(String, String)> {
    let all = of.as_object().into_iter().flatten();
    all.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

fn pairs(of: &Value, key: &str, value: &str) -> Vec<(String, String)> {
    let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
    let all = of.as_array().into_iter().flatten();
    all.map(|tag| (text(&tag[key]), text(&tag[value])))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_listed_account_may_be_tested_and_never_by_its_root() {
        let deployed = Deployed {
            accounts: vec!["111111111111".into(), "222222222222".into()],
            forbidden: vec!["999999999999".into(), "222222222222".into()],
            alias_checked: Vec::new(),
            regions: Vec::new(),
            tag: Default::default(),
            role: "arn:aws:iam::111111111111:role/worker".into(),
            sessions: Vec::new(),
            buckets: Vec::new(),
            queues: Vec::new(),
            tables: Vec::new(),
            cluster: None,
            services: Vec::new(),
            alarm: String::new(),
            endpoint: None,
            git: None,
            git_token: None,
            keeps_workspace: false,
            message: None,
            failure_injection: None,
            fis_role: None,
            standard_queues: false,
            shrink_runs: 1,
        };
        let user = |id: &str| format!("arn:aws:iam::{id}:user/tester");
        let ask = |id: &str, arn: &str| may_be_tested(id, arn, &deployed);
        assert!(ask("111111111111", &user("111111111111")).is_ok());
        for (id, arn, part) in [
            (
                "111111111111",
                "arn:aws:iam::111111111111:root".into(),
                "root",
            ),
            ("222222222222", user("222222222222"), "in `forbid`"),
            ("333333333333", user("333333333333"), "not in `accounts`"),
            ("", String::new(), "not in `accounts`"),
        ] {
            assert!(ask(id, &arn).unwrap_err().contains(part), "{id}");
        }
    }
}
