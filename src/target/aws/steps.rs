//! What each step of a plan means on a deployed system.

use std::time::{Duration, Instant};

use serde_json::json;

use super::api::{ECS, SQS};
use super::journal::Change;
use super::look::Sent;
use super::run::AwsRun;
use super::{BY_HEAL, experiment, failed, undo};
use crate::history::What;
use crate::plan::{ClientId, Edit, Fault, Mark, Outsider, SessionId, Step, UNTIL_BOUND};
use crate::profile::Values;
use crate::site::instruction_text;
use crate::target::TargetError;
use crate::worker::ports::{Instruction, RetryRequest};

/// How long a task may take to end, in real time: its grace is half a minute.
const STOPPED_WITHIN: Duration = Duration::from_secs(120);
/// How long a deploy or push takes that was put off, in real time.
const PUTS_OFF_FOR: Duration = Duration::from_secs(5);
/// How often an outsider's push is made, where the system pushes at the same time.
const PUSHES: usize = 5;

impl AwsRun {
    pub(super) fn carry_out(&mut self, step: &Step, mark: Option<Mark>) -> Result<(), TargetError> {
        match step {
            Step::Wait(time) => {
                let limit = self.now_of_run() + *time;
                self.run_until(limit, |_| false)?;
            }
            Step::Until { session, phase, .. } => {
                let limit = self.now_of_run() + UNTIL_BOUND;
                self.run_until(limit, |run| {
                    run.world.phases.get(session) >= Some(phase) || run.is_idle(&session.client)
                })?;
            }
            Step::Instruct(session, edit) => self.instruct(session, *edit, need(mark)?)?,
            Step::PushFromOutside(session, outsider) => {
                self.push_from_outside(session, *outsider, need(mark)?)?;
            }
            Step::Inject(fault) => self.inject(fault)?,
            Step::Heal(fault) => self.heal(fault)?,
            Step::Crash(client) | Step::LoseWorkspace(client) => self.stop(client)?,
            Step::RetryPush(session) => self.retry_push(session)?,
            Step::Redeliver(session) => {
                if let Some(sent) = self.world.handled.get(session).cloned() {
                    self.send(sent)?;
                }
            }
            // The target says that it cannot.
            Step::UntilStarted { .. } => {}
        }
        Ok(())
    }

    fn real_of(&self, session: &SessionId) -> Result<SessionId, TargetError> {
        let mut pairs = self.sessions.iter();
        let found = pairs.find(|(of_plan, _)| of_plan == session);
        found.map(|(_, real)| real.clone()).ok_or_else(|| {
            let why = format!("the session {session} was not declared");
            failed(
                "carrying out a step on the deployed system",
                why,
                "declare it in the plan",
            )
        })
    }

    /// Writes down, before anything is given to the system, what that leaves.
    fn note_work(&mut self) -> Result<(), TargetError> {
        if self.is_changed {
            return Ok(());
        }
        let names = &self.profile.names;
        let mut changes = Vec::new();
        for client in &self.clients {
            let real = || {
                let pairs = self.sessions.iter();
                let real = pairs.map(|(_, real)| real);
                real.filter(|real| real.client == *client)
            };
            let (queue, dead_letters) = (names.queue(client), names.dead_letters(client));
            changes.push(Change::Site {
                bucket: names.bucket(client),
            });
            changes.extend(self.profile.record.as_ref().map(|record| Change::Records {
                table: record.table.clone(),
                key: record.key.clone(),
                items: real().map(|real| names.session(real)).collect(),
            }));
            changes.extend(
                self.deployed
                    .repository(client)
                    .map(|repository| Change::Branches {
                        repository,
                        token: self.deployed.git_token.clone(),
                        names: real().map(|real| names.branch(real)).collect(),
                    }),
            );
            let puts_off = self.real(self.profile.limits.put_off) + PUTS_OFF_FOR;
            changes.push(Change::Messages {
                queue,
                dead_letters,
                puts_off,
                run: self.name.clone(),
            });
        }
        // The messages are looked after first, so that the system is at rest when the others are.
        changes.sort_by_key(|change| matches!(change, Change::Messages { .. }));
        for change in changes {
            let noted = self.journal.note(change);
            noted.map_err(|error| failed("writing the journal of the run", error, BY_HEAL))?;
        }
        self.is_changed = true;
        Ok(())
    }

    fn instruct(&mut self, session: &SessionId, edit: Edit, mark: Mark) -> Result<(), TargetError> {
        let real = self.real_of(session)?;
        let doing = || format!("writing a message with an instruction for {session}");
        let instruction = instruction_text(edit, mark);
        let body = match &self.deployed.message {
            Some(text) => {
                let names = &self.profile.names;
                let values = Values::of(&real.client)
                    .with_session(&real)
                    .with("branch", names.branch(&real))
                    .with("bucket", names.bucket(&real.client))
                    .with("instruction", instruction)
                    .with("mark", mark.to_string());
                let filled = text.fill(&values, |name| std::env::var(name).ok());
                filled.map_err(|why| failed(&doing(), why, "change [[accept]] of the profile"))?
            }
            None => {
                let body = serde_json::to_string(&Instruction {
                    instruction_id: mark.to_string().into(),
                    session_id: real,
                    instruction: instruction.into(),
                });
                body.map_err(|why| failed(&doing(), why, BY_HEAL))?
            }
        };
        if !body.contains(&self.name) {
            let why = "the message names no session, and could not be told from others";
            let remedy = "write {session} or {thread} in [[accept]] of the profile";
            return Err(failed(&doing(), why, remedy));
        }
        self.world.phases.remove(session);
        self.send(Sent {
            session: session.clone(),
            mark,
            body,
        })
    }

    fn send(&mut self, sent: Sent) -> Result<(), TargetError> {
        let client = sent.session.client.clone();
        self.wait_for_turn(&client)?;
        self.note_work()?;
        self.send_to(&self.queues[&client].clone(), &client, &sent.body)?;
        self.emit(What::sent(&sent.session, sent.mark));
        self.world.empty.remove(&client);
        self.world.pending.entry(client).or_default().push(sent);
        Ok(())
    }

    /// Waits, where a queue keeps no order, until it is empty: else nobody knows what is handled last.
    fn wait_for_turn(&mut self, client: &ClientId) -> Result<(), TargetError> {
        if self.queues[client]
            .as_str()
            .is_some_and(|url| url.ends_with(".fifo"))
        {
            return Ok(());
        }
        let limit = self.now_of_run() + UNTIL_BOUND;
        if self.run_until(limit, |run| run.is_idle(client))? || self.is_interrupted() {
            return Ok(());
        }
        let why = "the one before it is not worked off, and the queue keeps no order";
        Err(failed(
            &format!("sending a message for {client}"),
            why,
            "run a plan with less to do at once",
        ))
    }

    fn send_to(
        &mut self,
        url: &serde_json::Value,
        client: &ClientId,
        body: &str,
    ) -> Result<(), TargetError> {
        self.sent += 1;
        let mut message = json!({ "QueueUrl": url, "MessageBody": body });
        if url.as_str().is_some_and(|url| url.ends_with(".fifo")) {
            // One group, so that the order in which they are handled is that in which they are sent.
            message["MessageGroupId"] = json!(client.to_string());
            message["MessageDeduplicationId"] = json!(format!("{}-{}", self.name, self.sent));
        }
        let sent = self.api.json(SQS, "SendMessage", message);
        let sent = self.runtime.block_on(sent).map(drop);
        sent.map_err(|error| failed(&format!("sending a message for {client}"), error, BY_HEAL))
    }

    fn retry_push(&mut self, session: &SessionId) -> Result<(), TargetError> {
        let doing = format!("asking for a push of {session}");
        let real = self.real_of(session)?;
        let queue = self.profile.names.retry_queue(&real.client);
        let url = undo::queue_url(&self.api, &queue, &self.account);
        let url = self.runtime.block_on(url);
        let url = url.map_err(|why| failed(&doing, why, BY_HEAL))?;
        let body = serde_json::to_string(&RetryRequest::RetryGitPush { session_id: real });
        let body = body.map_err(|why| failed(&doing, why, BY_HEAL))?;
        self.note_work()?;
        self.send_to(&url, &session.client, &body)?;
        self.emit(What::RetrySent {
            session: session.clone(),
        });
        Ok(())
    }

    fn push_from_outside(
        &mut self,
        session: &SessionId,
        outsider: Outsider,
        mark: Mark,
    ) -> Result<(), TargetError> {
        let real = self.real_of(session)?;
        let name = self.profile.names.branch(&real);
        self.note_work()?;
        let mut last = None;
        for _ in 0..PUSHES {
            // What the system pushed before is of before.
            self.look_at_remotes()?;
            let Some(remote) = self.world.remotes.get_mut(&session.client) else {
                break;
            };
            match remote.push_from_outside(&name, outsider, mark) {
                Ok(branch) => {
                    self.world.branches.insert(session.clone(), branch.clone());
                    self.emit(What::OutsiderPushed {
                        session: session.clone(),
                        mark,
                        branch: branch.into(),
                    });
                    return Ok(());
                }
                Err(error) => last = Some(error),
            }
        }
        let why = last.map_or_else(|| "no repository".into(), |error| error.to_string());
        Err(failed(
            &format!("pushing to {session} from outside"),
            why,
            "look whether `git-token` of [aws] may push",
        ))
    }

    fn inject(&mut self, fault: &Fault) -> Result<(), TargetError> {
        self.look()?;
        let failed = |why: String| failed(&format!("injecting {fault}"), why, BY_HEAL);
        if let Some((session, injection)) = fault.injection() {
            // The record may come to be by this: what removes it is in the journal before.
            self.note_work()?;
            let key = self.profile.names.session(&self.real_of(session)?);
            let name = &self.deployed.failure_injection;
            let (Some(record), Some(name)) = (&self.profile.record, name) else {
                return Err(failed("the profile names no record and attribute".into()));
            };
            let of = (&*record.table, (record.key.clone(), key), &**name);
            let value = injection.to_string();
            let set = undo::set(&self.api, &mut self.journal, of, &value);
            let change = self.runtime.block_on(set).map_err(failed)?;
            self.note_fault(fault, change);
            return Ok(());
        }
        if let Fault::Partition(client) = fault {
            let service = self.deployed.service(client).cloned().unwrap_or_default();
            let name = format!("{}-{}", self.name, self.journal.entry().changes.len());
            let (api, journal, deployed) = (&self.api, &mut self.journal, &self.deployed);
            let cut = experiment::cut_off(api, journal, deployed, &service, &name);
            let change = self.runtime.block_on(cut).map_err(failed)?;
            self.note_fault(fault, change);
            return Ok(());
        }
        let Fault::S3Denied(of) = fault else {
            // The target says that it cannot.
            return Ok(());
        };
        let clients = of
            .clone()
            .map_or(self.clients.clone(), |client| vec![client]);
        for client in clients {
            let bucket = self.profile.names.bucket(&client);
            let denied = undo::deny(&self.api, &mut self.journal, &bucket, &self.deployed.role);
            let change = self.runtime.block_on(denied).map_err(failed)?;
            self.note_fault(fault, change);
        }
        Ok(())
    }

    fn note_fault(&mut self, fault: &Fault, change: Change) {
        match self.faults.iter_mut().find(|(known, ..)| known == fault) {
            Some((_, changes, _)) => changes.push(change),
            None => self
                .faults
                .push((fault.clone(), vec![change], Instant::now())),
        }
    }

    fn heal(&mut self, fault: &Fault) -> Result<(), TargetError> {
        self.look()?;
        let Some(at) = self.faults.iter().position(|(known, ..)| known == fault) else {
            return Ok(());
        };
        let (_, changes, _) = self.faults.remove(at);
        for change in changes.iter().rev() {
            let undone = undo::one(&self.api, &mut self.journal, change);
            let undone = self.runtime.block_on(undone).map(drop);
            undone.map_err(|why| failed(&format!("healing {fault}"), why, BY_HEAL))?;
        }
        Ok(())
    }

    /// Stops the tasks of a client's service; ECS starts others.
    fn stop(&mut self, client: &ClientId) -> Result<(), TargetError> {
        let doing = format!("stopping the task of {client}");
        self.look()?;
        let running = self.world.tasks.get(client).cloned().unwrap_or_default();
        if running.is_empty() {
            return Ok(());
        }
        for task in &running {
            let wanted = json!({
                "cluster": self.deployed.cluster,
                "task": task,
                "reason": format!("shakedown run {}", self.name),
            });
            let stopped = self.api.json(ECS, "StopTask", wanted);
            let stopped = self.runtime.block_on(stopped).map(drop);
            stopped.map_err(|error| failed(&doing, error, "look at the service in ECS"))?;
        }
        let began = Instant::now();
        let mut left = self.running_tasks(client)?;
        while !left.is_disjoint(&running) {
            if began.elapsed() > STOPPED_WITHIN {
                return Err(failed(
                    &doing,
                    "it does not end",
                    "look at the service in ECS",
                ));
            }
            self.sleep(Duration::from_secs(1).min(self.real(Duration::from_secs(2))));
            left = self.running_tasks(client)?;
        }
        // All that it did before its end is seen now.
        self.look_at_work()?;
        self.world.tasks.insert(client.clone(), Default::default());
        let cause = self.death();
        self.emit(What::Died {
            client: client.clone(),
            cause,
        });
        Ok(())
    }
}

fn need(mark: Option<Mark>) -> Result<Mark, TargetError> {
    mark.ok_or_else(|| {
        failed(
            "carrying out a step on the deployed system",
            "the step has no mark",
            "pass the mark that Plan::marks gives for it",
        )
    })
}
