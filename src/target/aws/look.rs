//! What is seen of a deployed system when it is looked at: the changes since the last look.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use super::api::{ApiError, ECS, LOGS, TABLES};
use super::git::Remote;
use super::run::AwsRun;
use super::undo;
use crate::history::{Branch, Death, Event, Objects, Record, What};
use crate::plan::{ClientId, Mark, Phase, SessionId};
use crate::profile::Evidence;
use crate::site::read_content;
use crate::target::TargetError;

/// A queue that is empty so often in a row is empty: its numbers are approximate.
const EMPTY_LOOKS: u32 = 2;
/// How long a line of the log may take to where it can be read, by its own time stamp.
const LATE_LINES: Duration = Duration::from_secs(60);
/// The most lines and tasks that one answer has.
const PAGE: u64 = 1000;
const TASKS: usize = 100;
/// Pages of lines between two looks; what is more comes with the next one.
const PAGES: usize = 20;

/// What was seen so far.
#[derive(Default)]
pub(super) struct World {
    pub remotes: BTreeMap<ClientId, Remote>,
    pub branches: BTreeMap<SessionId, Branch>,
    /// The ETags of the objects of each site.
    tags: BTreeMap<ClientId, BTreeMap<String, String>>,
    pub sites: BTreeMap<ClientId, Objects>,
    pub records: BTreeMap<SessionId, Record>,
    /// The messages that were sent and are not known to be gone, in order.
    pub pending: BTreeMap<ClientId, Vec<Sent>>,
    /// How often in a row the queue was empty.
    pub empty: BTreeMap<ClientId, u32>,
    pub dead_letters: Vec<Mark>,
    /// The newest message of each session that was worked off.
    pub handled: BTreeMap<SessionId, Sent>,
    /// The tasks of each client's service that run.
    pub tasks: BTreeMap<ClientId, BTreeSet<String>>,
    /// The furthest phase of each session's instruction, as the log says.
    pub phases: BTreeMap<SessionId, Phase>,
    /// From which time stamp on lines are asked for, in milliseconds since the Unix epoch.
    pub log_from: u64,
    lines: HashSet<String>,
}

/// A message with an instruction.
#[derive(Clone)]
pub(super) struct Sent {
    pub session: SessionId,
    pub mark: Mark,
    pub body: String,
}

impl World {
    pub(super) fn new(remotes: BTreeMap<ClientId, Remote>) -> Self {
        Self {
            remotes,
            ..Self::default()
        }
    }
}

/// How a task is.
struct Task {
    arn: String,
    runs: bool,
    cause: Death,
}

fn looking(what: &str, why: impl std::fmt::Display) -> TargetError {
    TargetError::new(
        format!("looking at {what} of the deployed system"),
        why,
        "look whether the account can be reached, and whether its policy is that of docs/real-accounts.md",
    )
}

impl AwsRun {
    /// Looks at everything. Whether the queues were empty is asked first: what was done before must be seen then, as
    /// far as it is done.
    pub(super) fn look(&mut self) -> Result<(), TargetError> {
        self.check_alarm()?;
        let before = self.last_look;
        let tasks = self.look_at_tasks()?;
        self.look_at_work()?;
        self.take_tasks(tasks, before);
        self.last_look = self.now_of_run();
        Ok(())
    }

    /// The same without the tasks.
    pub(super) fn look_at_work(&mut self) -> Result<(), TargetError> {
        let emptied = self.look_at_queues()?;
        self.look_at_log()?;
        self.look_at_remotes()?;
        self.look_at_sites()?;
        self.look_at_records()?;
        for client in emptied {
            self.worked_off(&client)?;
        }
        Ok(())
    }

    /// The clients whose messages are all gone from the queue.
    fn look_at_queues(&mut self) -> Result<Vec<ClientId>, TargetError> {
        let mut emptied = Vec::new();
        for client in self.clients.clone() {
            if self.world.pending.get(&client).is_none_or(Vec::is_empty) {
                continue;
            }
            let depth = undo::depth(&self.api, &self.queues[&client]);
            let depth = self.runtime.block_on(depth);
            let depth = depth.map_err(|error| looking("a queue", error))?;
            let empty = self.world.empty.entry(client.clone()).or_default();
            *empty = if depth == 0 { *empty + 1 } else { 0 };
            if depth == 0 {
                // It is looked at once more, soon.
                self.pause = None;
            }
            if *empty >= EMPTY_LOOKS {
                emptied.push(client);
            }
        }
        Ok(emptied)
    }

    /// Takes the messages of a client's for gone: deleted, or given up.
    fn worked_off(&mut self, client: &ClientId) -> Result<(), TargetError> {
        let letters = self.profile.names.dead_letters(client);
        let marked = undo::marked(&self.api, &self.account, &letters, &self.name);
        let marked = self.runtime.block_on(marked);
        let marked = marked.map_err(|why| looking("the dead letters", why))?;
        let mut dead: Vec<Mark> = Vec::new();
        for letter in &marked {
            let text = letter["Body"].as_str().unwrap_or_default();
            dead.extend(read_content("", text.as_bytes()).marks.first());
        }
        self.world.empty.remove(client);
        for sent in self.world.pending.remove(client).unwrap_or_default() {
            let Sent { session, mark, .. } = sent.clone();
            let is_dead = dead.contains(&mark) && !self.world.dead_letters.contains(&mark);
            let gone = match is_dead {
                true => What::dead_lettered(&session, mark),
                false => What::acknowledged(&session, mark),
            };
            match is_dead {
                true => self.world.dead_letters.push(mark),
                false => drop(self.world.handled.insert(session, sent)),
            }
            self.emit(gone);
        }
        Ok(())
    }

    /// The lines of the log that are new.
    fn look_at_log(&mut self) -> Result<(), TargetError> {
        if self.profile.unseen(Evidence::Log).is_some() {
            return Ok(());
        }
        for (stream, text) in self.new_lines()? {
            let line = self.reader.read(&text);
            let of_plan = |real: &SessionId| {
                let pairs = self.sessions.iter();
                let mut pairs = pairs.filter(|(_, other)| other == real);
                pairs.next().map(|(session, _)| session.clone())
            };
            let session = line.session.as_ref().and_then(of_plan);
            let Some(client) = self.client_of_line(&stream, session.as_ref()) else {
                continue;
            };
            if let (Some(session), Some(phase)) = (&session, line.phase) {
                let furthest = self.world.phases.entry(session.clone()).or_insert(phase);
                *furthest = phase.max(*furthest);
            }
            // When it was written by the clock of a container says nothing here.
            let stamp = self.now_of_run();
            let mut what = line.logged(client, stamp);
            if let What::Logged { session: of, .. } = &mut what {
                *of = session;
            }
            self.emit(what);
        }
        Ok(())
    }

    pub(super) fn new_lines(&mut self) -> Result<Vec<(String, String)>, TargetError> {
        let mut new = Vec::new();
        let mut newest = self.world.log_from;
        let mut next = Value::Null;
        for _ in 0..PAGES {
            let mut wanted = json!({
                "logGroupName": self.profile.names.log_group,
                "startTime": self.world.log_from,
                "limit": PAGE,
            });
            if next.is_string() {
                wanted["nextToken"] = next;
            }
            let answer = self.api.json(LOGS, "FilterLogEvents", wanted);
            let mut answer = self
                .runtime
                .block_on(answer)
                .map_err(|error| looking("the log", error))?;
            let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
            for line in answer["events"].as_array().into_iter().flatten() {
                let stamp = line["timestamp"].as_u64().unwrap_or_default();
                let stream = text(&line["logStreamName"]);
                newest = newest.max(stamp);
                if self
                    .world
                    .lines
                    .insert(format!("{stamp} {stream} {}", text(&line["eventId"])))
                {
                    new.push((stream, text(&line["message"])));
                }
            }
            next = answer["nextToken"].take();
            if !next.is_string() {
                break;
            }
        }
        let late = u64::try_from(LATE_LINES.as_millis()).unwrap_or_default();
        self.world.log_from = self.world.log_from.max(newest.saturating_sub(late));
        Ok(new)
    }

    /// Whose container wrote a line.
    fn client_of_line(&self, stream: &str, session: Option<&SessionId>) -> Option<ClientId> {
        if let Some(session) = session {
            return Some(session.client.clone());
        }
        if let [one] = &self.clients[..] {
            return Some(one.clone());
        }
        // The stream of a task ends with its id.
        let id = stream.rsplit('/').next().unwrap_or_default();
        let mut tasks = self.world.tasks.iter();
        let of_task = tasks.find(|(_, tasks)| tasks.iter().any(|arn| arn.ends_with(id)));
        let mut named = self.clients.iter().filter(|it| stream.contains(&*it.0));
        let by_name = named.next().filter(|_| named.next().is_none());
        of_task.map(|(client, _)| client).or(by_name).cloned()
    }

    pub(super) fn look_at_remotes(&mut self) -> Result<(), TargetError> {
        for client in self.clients.clone() {
            let Some(remote) = self.world.remotes.get_mut(&client) else {
                continue;
            };
            let seen = remote
                .look()
                .map_err(|error| looking("the git remote", error))?;
            for (name, branch) in seen {
                let named = |(_, real): &&(SessionId, SessionId)| {
                    real.client == client && self.profile.names.branch(real) == name
                };
                let Some((session, _)) = self.sessions.iter().find(named) else {
                    continue;
                };
                let session = session.clone();
                self.world.branches.insert(session.clone(), branch.clone());
                self.emit(What::pushed(&session, branch));
            }
        }
        Ok(())
    }

    fn look_at_sites(&mut self) -> Result<(), TargetError> {
        for client in self.clients.clone() {
            let bucket = self.profile.names.bucket(&client);
            let keys = self.api.keys(&bucket, &self.account);
            let keys = self.runtime.block_on(keys);
            let keys = keys.map_err(|error| looking("a site", error))?;
            let known = self.world.tags.entry(client.clone()).or_default().clone();
            let mut changed: Vec<&String> = keys
                .iter()
                .filter(|(key, tag)| known.get(*key) != Some(tag))
                .map(|(key, _)| key)
                .collect();
            // Pages after what they name, and pages of pages last.
            let pages = &self.profile.site;
            changed.sort_by_key(|key| (pages.is_page(key), pages.front.contains(*key)));
            let mut tags = known.clone();
            for key in changed {
                let got = self.api.object(Method::GET, (&bucket, key), &self.account);
                let bytes = match self.runtime.block_on(got) {
                    // It was deleted meanwhile.
                    Err(error) if error.code == "NoSuchKey" => continue,
                    got => got.map_err(|error| looking("an object", error))?,
                };
                tags.insert(key.clone(), keys[key].clone());
                let (key, content) = (Arc::from(&**key), Arc::new(read_content(key, &bytes)));
                let site = self.world.sites.entry(client.clone()).or_default();
                site.insert(Arc::clone(&key), Arc::clone(&content));
                self.emit(What::put(&client, &key, &content));
            }
            for key in known.keys().filter(|key| !keys.contains_key(*key)) {
                tags.remove(key);
                let key: Arc<str> = Arc::from(&**key);
                let site = self.world.sites.entry(client.clone()).or_default();
                site.remove(&key);
                self.emit(What::deleted(&client, &key));
            }
            self.world.tags.insert(client, tags);
        }
        Ok(())
    }

    fn look_at_records(&mut self) -> Result<(), TargetError> {
        let Some(shape) = self.profile.record.clone() else {
            return Ok(());
        };
        for (session, real) in self.sessions.clone() {
            let item = json!({
                "TableName": shape.table,
                "Key": { &*shape.key: { "S": self.profile.names.session(&real) } },
                "ConsistentRead": true,
            });
            let item = self.api.json(TABLES, "GetItem", item);
            let mut item = self
                .runtime
                .block_on(item)
                .map_err(|error| looking("a record", error))?;
            if !item["Item"].is_object() {
                continue;
            }
            let record = shape.read(item["Item"].take());
            if self.world.records.get(&session) != Some(&record) {
                self.world.records.insert(session.clone(), record.clone());
                let record = Arc::new(record);
                self.emit(What::RecordWritten { session, record });
            }
        }
        Ok(())
    }

    fn look_at_tasks(&mut self) -> Result<Vec<(ClientId, Vec<Task>)>, TargetError> {
        let mut all = Vec::new();
        for client in self.clients.clone() {
            let (Some(_), Some(_)) = (&self.deployed.cluster, self.deployed.service(&client))
            else {
                continue;
            };
            let tasks = self.runtime.block_on(self.tasks_of(&client));
            all.push((client, tasks.map_err(|error| looking("the tasks", error))?));
        }
        Ok(all)
    }

    async fn tasks_of(&self, client: &ClientId) -> Result<Vec<Task>, ApiError> {
        let (cluster, service) = (&self.deployed.cluster, self.deployed.service(client));
        let mut arns: BTreeSet<String> = self.world.tasks.get(client).cloned().unwrap_or_default();
        let mut wanted = json!({ "cluster": cluster, "serviceName": service });
        loop {
            let mut answer = self.api.json(ECS, "ListTasks", wanted.clone()).await?;
            let listed = answer["taskArns"].as_array().into_iter().flatten();
            arns.extend(listed.filter_map(|arn| Some(arn.as_str()?.to_owned())));
            match answer["nextToken"].take() {
                Value::String(next) => wanted["nextToken"] = next.into(),
                _ => break,
            }
        }
        let arns: Vec<String> = arns.into_iter().collect();
        let group = format!("service:{}", service.map_or("", |name| name));
        let mut tasks = Vec::new();
        for some in arns.chunks(TASKS) {
            let wanted = json!({ "cluster": cluster, "tasks": some });
            let answer = self.api.json(ECS, "DescribeTasks", wanted).await?;
            let described = answer["tasks"].as_array().into_iter().flatten();
            let own = described.filter(|task| task["group"] == group.as_str());
            tasks.extend(own.map(|task| self.task(task)));
        }
        Ok(tasks)
    }

    fn task(&self, of: &Value) -> Task {
        let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
        let containers = of["containers"].as_array().into_iter().flatten();
        let reasons = containers.map(|it| text(&it["reason"]));
        let reason = reasons.fold(text(&of["stoppedReason"]), |all, one| all + &one);
        let by_itself = of["stopCode"] == "EssentialContainerExited";
        let out_of_memory = reason.contains("OutOfMemory");
        Task {
            arn: text(&of["taskArn"]),
            runs: of["lastStatus"] == "RUNNING" && of["desiredStatus"] == "RUNNING",
            cause: match (by_itself, out_of_memory) {
                (true, false) => Death::Exit,
                _ => self.death(),
            },
        }
    }

    /// How a task ends that something else ends.
    pub(super) fn death(&self) -> Death {
        match self.deployed.keeps_workspace {
            true => Death::Crash,
            false => Death::WorkspaceLost,
        }
    }

    /// Whether a task still runs, and which ones do.
    pub(super) fn running_tasks(
        &mut self,
        client: &ClientId,
    ) -> Result<BTreeSet<String>, TargetError> {
        let tasks = self.runtime.block_on(self.tasks_of(client));
        let tasks = tasks.map_err(|error| looking("the tasks", error))?;
        Ok(tasks
            .into_iter()
            .filter(|it| it.runs)
            .map(|it| it.arn)
            .collect())
    }

    /// What is new of the tasks. A start is told as early as it can have been, an end as late.
    fn take_tasks(&mut self, seen: Vec<(ClientId, Vec<Task>)>, before: Duration) {
        for (client, tasks) in seen {
            let running = tasks.iter().filter(|it| it.runs);
            let running: BTreeSet<String> = running.map(|it| it.arn.clone()).collect();
            let known = self.world.tasks.insert(client.clone(), running.clone());
            let known = known.unwrap_or_default();
            let ended = known.iter().find(|arn| !running.contains(*arn));
            let is_new = running.iter().any(|arn| !known.contains(arn));
            // One that another had taken the place of before is no loss.
            let was_alone = known.is_disjoint(&running);
            if let Some(arn) = ended.filter(|_| was_alone) {
                let task = tasks.iter().find(|it| it.arn == *arn);
                let cause = task.map_or(self.death(), |task| task.cause);
                let client = client.clone();
                self.emit(What::Died { client, cause });
            }
            if is_new && was_alone {
                let last = self.events.last().map_or(self.last_change, |it| it.at);
                let at = before.max(last);
                self.take(Event {
                    at,
                    what: What::Started { client },
                });
            }
        }
    }
}
