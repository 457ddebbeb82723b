//! Systems with a process for each instruction: the tester is their platform, which starts the
//! processes of a client one after the other, and starts one again that was killed.

use std::collections::{BTreeMap, VecDeque};
use std::os::unix::process::ExitStatusExt;

use super::foreign::program;
use super::run::LocalRun;
use crate::history::{Death, Level, OutcomeChannel, ReportedOutcome, What};
use crate::plan::{ClientId, Mark, SessionId};
use crate::profile::Values;
use crate::target::TargetError;

/// An instruction that waits for its process, or has one.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) session: SessionId,
    pub(super) mark: Mark,
    /// What the texts of the profile name of it.
    pub(super) values: Values,
    /// How often a process was started for it.
    pub(super) starts: u32,
}

/// The instructions of every client.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    waiting: BTreeMap<ClientId, VecDeque<Job>>,
    running: BTreeMap<ClientId, Job>,
    given_up: Vec<Mark>,
}

impl Jobs {
    pub(super) fn add(&mut self, job: Job) {
        let client = job.session.client.clone();
        self.waiting.entry(client).or_default().push_back(job);
    }

    /// Whether the client has no instruction left.
    pub(super) fn is_idle(&self, client: &ClientId) -> bool {
        self.waiting.get(client).is_none_or(VecDeque::is_empty)
            && !self.running.contains_key(client)
    }

    /// The marks of the instructions that are not over.
    pub(super) fn queued(&self) -> Vec<Mark> {
        let waiting = self.waiting.values().flatten();
        self.running
            .values()
            .chain(waiting)
            .map(|job| job.mark)
            .collect()
    }

    /// The marks of those that were given up.
    pub(super) fn given_up(&self) -> Vec<Mark> {
        self.given_up.clone()
    }
}

impl LocalRun {
    /// Looks after a client's process, and starts the next one.
    pub(super) fn look_after_jobs(&mut self, client: &ClientId) -> Result<(), TargetError> {
        let was_limited = self.slot(client)?.container.is_limited();
        if let Some(status) = self.slot(client)?.container.take_end()? {
            match status.code() {
                Some(code) if !was_limited || code < 128 => self.job_ended(client, code),
                _ if was_limited => self.job_died(client, Death::OutOfMemory)?,
                _ => {
                    let signal = status.signal().unwrap_or_default();
                    return Err(TargetError::new(
                        "looking after a worker process",
                        format!("signal {signal}, which this run did not send, ended it"),
                        "see in the kernel's log whether memory ran out, and run it again",
                    ));
                }
            }
        }
        let now = self.recorder().now();
        let requests = self.recorder().requests(client);
        let slot = self.slot(client)?;
        if slot.starts_at > now || slot.container.is_up() {
            return Ok(());
        }
        if !std::mem::replace(&mut slot.is_platform_up, true) {
            slot.requests_at_start = requests;
            self.emit(What::Started {
                client: client.clone(),
            });
        }
        let next = self
            .jobs
            .waiting
            .get_mut(client)
            .and_then(VecDeque::pop_front);
        if let Some(job) = next {
            self.start_job(client, job)?;
        }
        Ok(())
    }

    fn start_job(&mut self, client: &ClientId, mut job: Job) -> Result<(), TargetError> {
        let Some(system) = &self.system else {
            return Ok(());
        };
        let Some(start) = system.start() else {
            return Ok(());
        };
        let front = self.cloud.open_front(client)?;
        let with = (&*front, &*system.tester);
        let program = program(&system.profile, start, &job.values, with)?;
        job.starts += 1;
        self.emit(What::Delivered {
            session: job.session.clone(),
            mark: job.mark,
            receives: job.starts,
        });
        let slot = self.slot(client)?;
        slot.container.program = program;
        slot.container.start()?;
        self.jobs.running.insert(client.clone(), job);
        Ok(())
    }

    /// A process ended by itself: that is its instruction's outcome.
    fn job_ended(&mut self, client: &ClientId, code: i32) {
        let Some(job) = self.jobs.running.remove(client) else {
            return;
        };
        let is_outcome = self.system.as_ref().is_some_and(|system| {
            let shape = &system.profile.outcome;
            shape.has(OutcomeChannel::Exit)
        });
        if is_outcome {
            let outcome = match code {
                0 => ReportedOutcome::Done,
                _ => ReportedOutcome::Failed,
            };
            self.emit(What::OutcomeReported {
                session: job.session.clone(),
                mark: job.mark,
                outcome,
                by: OutcomeChannel::Exit,
            });
        }
        if code != 0 {
            let stamp = self.recorder().now();
            self.emit(What::Logged {
                client: client.clone(),
                stamp,
                session: Some(job.session.clone()),
                level: Level::Error,
                text: format!("the process of {} ended with exit code {code}", job.mark).into(),
                phase: None,
                claim: None,
            });
        }
        self.emit(What::Acknowledged {
            session: job.session,
            mark: job.mark,
        });
    }

    /// A process was killed: its platform starts another one, until it gives the instruction up.
    pub(super) fn job_died(&mut self, client: &ClientId, cause: Death) -> Result<(), TargetError> {
        self.slot(client)?.is_platform_up = false;
        self.has_died(client, cause)?;
        let Some(job) = self.jobs.running.remove(client) else {
            return Ok(());
        };
        let most = self
            .system
            .as_ref()
            .map_or(1, |it| it.profile.limits.receives);
        if job.starts < most {
            self.jobs
                .waiting
                .entry(client.clone())
                .or_default()
                .push_front(job);
        } else {
            self.jobs.given_up.push(job.mark);
            self.emit(What::DeadLettered {
                session: job.session,
                mark: job.mark,
            });
        }
        Ok(())
    }
}
