//! A toy edit system with a planted mistake, and the test that finds it.
//!
//! Each client has a worker. It looks at the first instruction of its queue, commits an edit, pushes
//! the branch, builds the site, puts it up, and takes the instruction from the queue. The mistake: it
//! takes the instruction from the queue before the push, so that a crash in between loses the work.
//!
//! `cargo run --example toy` prints the report, `cargo test --example toy` runs the tests below.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use shakedown::history::Workspace;
use shakedown::history::{Branch, Commit, Content, Death, Event, GitOutcome, Snapshot, What};
use shakedown::plan::{ClientId, Edit, Fault, Mark, Phase, SessionId, Step, UNTIL_BOUND};
use shakedown::site::{read_content, render_parts};
use shakedown::target::{Run, Target, TargetError};

fn main() {
    let folder = std::env::temp_dir().join("shakedown-toy");
    let toy = Toy {
        forgets_early: true,
    };
    match shakedown::Check::new(&toy).regressions(folder).report() {
        Ok(summary) => println!("{summary}"),
        Err(report) => println!("{report}"),
    }
}

/// How the system is started.
struct Toy {
    /// The mistake.
    forgets_early: bool,
}

impl Target for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn cannot(&self, step: &Step) -> Option<String> {
        match step {
            Step::Instruct(_, Edit::Change)
            | Step::Inject(Fault::GitDown)
            | Step::Heal(Fault::GitDown)
            | Step::Crash(_)
            | Step::Until { .. }
            | Step::UntilStarted { .. }
            | Step::Wait(_) => None,
            Step::Inject(fault) | Step::Heal(fault) => {
                Some(format!("no `{}` in a toy", fault.name()))
            }
            _ => Some(format!("no `{}` in a toy", step.name())),
        }
    }

    fn start(&self, sessions: &[SessionId], _seed: u64) -> Result<Box<dyn Run>, TargetError> {
        let mut order = Phase::ALL.to_vec();
        if self.forgets_early {
            order.retain(|phase| *phase != Phase::Done);
            order.insert(4, Phase::Done);
        }
        let mut workers = BTreeMap::new();
        for session in sessions {
            let worker = workers
                .entry(session.client.clone())
                .or_insert_with(Worker::default);
            worker.local.insert(session.clone(), Branch::default());
            worker.remote.insert(session.clone(), Branch::default());
        }
        let now = Duration::ZERO;
        Ok(Box::new(System {
            order,
            workers,
            now,
            git_is_down: false,
        }))
    }
}

/// The started system; time is a number that `run_until` counts up.
struct System {
    /// What a worker does with an instruction, each in a second.
    order: Vec<Phase>,
    workers: BTreeMap<ClientId, Worker>,
    now: Duration,
    git_is_down: bool,
}

#[derive(Default)]
struct Worker {
    queue: VecDeque<(SessionId, Mark)>,
    /// What it works on and how many phases of it are over; lost in a crash, as memory is.
    at_work: Option<(SessionId, Mark, usize)>,
    /// When it is up again after a crash.
    restart: Option<Duration>,
    /// When it does the next thing.
    due: Duration,
    delivered: Vec<Mark>,
    local: BTreeMap<SessionId, Branch>,
    remote: BTreeMap<SessionId, Branch>,
    site: BTreeMap<Arc<str>, Arc<Content>>,
}

impl Worker {
    fn is_idle(&self) -> bool {
        self.restart.is_none() && self.at_work.is_none() && self.queue.is_empty()
    }
}

impl System {
    fn run_until(&mut self, end: Duration, events: &mut Vec<Event>, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            let busy = self.workers.iter().filter(|(_, worker)| !worker.is_idle());
            let next = busy
                .map(|(client, worker)| (worker.due, client.clone()))
                .min();
            let Some((due, client)) = next.filter(|(due, _)| *due <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(due);
            self.act(&client, events);
        }
    }

    /// A worker does its next thing.
    fn act(&mut self, client: &ClientId, events: &mut Vec<Event>) {
        let at = self.now;
        let mut see = |what| events.push(Event { at, what });
        let Some(worker) = self.workers.get_mut(client) else {
            return;
        };
        worker.due = at + Duration::from_secs(1);
        if worker.restart.take().is_some() {
            return see(What::Started {
                client: client.clone(),
            });
        }
        let first = || {
            worker
                .queue
                .front()
                .map(|(session, mark)| (session.clone(), *mark, 0))
        };
        let Some((session, mark, phase)) = worker.at_work.take().or_else(first) else {
            return;
        };
        match self.order[phase] {
            Phase::Received if !worker.delivered.contains(&mark) => {
                worker.delivered.push(mark);
                see(What::Delivered {
                    session: session.clone(),
                    mark,
                    receives: 1,
                });
            }
            Phase::Thinking => see(What::AgentAsked {
                client: client.clone(),
                mark: Some(mark),
                status: Some(200),
                retry_after: None,
            }),
            Phase::Committing => {
                let branch = worker.local.entry(session.clone()).or_default();
                if !branch.tree.contains(&mark) {
                    let subject = format!("Change the site ({mark})").into();
                    branch.commits.push(Commit {
                        subject,
                        adds: vec![mark],
                        merge: false,
                        content: None,
                    });
                    branch.tree.push(mark);
                    let branch = Arc::new(branch.clone());
                    see(What::Committed {
                        session: session.clone(),
                        branch,
                    });
                }
            }
            Phase::Pushing if self.git_is_down => {
                see(What::Pushed {
                    client: client.clone(),
                    session: None,
                    outcome: GitOutcome::Unavailable,
                    branch: None,
                });
                // It is tried again later.
                worker.due = at + Duration::from_secs(30);
                worker.at_work = Some((session, mark, phase));
                return;
            }
            Phase::Pushing => {
                let branch = worker.local[&session].clone();
                worker.remote.insert(session.clone(), branch.clone());
                see(What::Pushed {
                    client: client.clone(),
                    session: Some(session.clone()),
                    outcome: GitOutcome::Done,
                    branch: Some(Arc::new(branch)),
                });
            }
            Phase::Deploying => deploy(client, worker, &session, &mut see),
            Phase::Done => {
                worker.queue.pop_front();
                see(What::Acknowledged {
                    session: session.clone(),
                    mark,
                });
            }
            Phase::Received | Phase::Editing | Phase::Building => {}
        }
        if phase + 1 < self.order.len() {
            worker.at_work = Some((session, mark, phase + 1));
        }
    }

    fn crash(&mut self, client: &ClientId, events: &mut Vec<Event>) {
        let Some(worker) = self.workers.get_mut(client) else {
            return;
        };
        worker.at_work = None;
        worker.due = self.now + Duration::from_secs(10);
        worker.restart = Some(worker.due);
        let what = What::Died {
            client: client.clone(),
            cause: Death::Crash,
        };
        events.push(Event { at: self.now, what });
    }
}

/// Puts up what the branch builds to: assets, then pages, then old files go.
fn deploy(client: &ClientId, worker: &mut Worker, session: &SessionId, see: &mut dyn FnMut(What)) {
    let built = render_parts(&worker.local[session].tree, true, true).files;
    let (pages, assets): (Vec<_>, Vec<_>) =
        built.iter().partition(|(key, _)| key.ends_with(".html"));
    for (key, bytes) in assets.into_iter().chain(pages) {
        let content = Arc::new(read_content(key, bytes));
        worker.site.insert(key.clone(), content.clone());
        see(What::ObjectPut {
            client: client.clone(),
            key: key.clone(),
            content,
            answered: true,
        });
    }
    let old: Vec<_> = worker
        .site
        .keys()
        .filter(|key| !built.contains_key(*key))
        .cloned()
        .collect();
    for key in old {
        worker.site.remove(&key);
        see(What::ObjectDeleted {
            client: client.clone(),
            key,
        });
    }
}

impl Run for System {
    fn apply(
        &mut self,
        step: &Step,
        mark: Option<Mark>,
        events: &mut Vec<Event>,
    ) -> Result<(), TargetError> {
        match step {
            Step::Instruct(session, _) => {
                let mark = mark.ok_or_else(|| {
                    TargetError::new("sending an instruction", "it has no mark", "report it")
                })?;
                let worker = self.workers.entry(session.client.clone()).or_default();
                if worker.is_idle() {
                    worker.due = self.now;
                }
                worker.queue.push_back((session.clone(), mark));
                let what = What::Sent {
                    session: session.clone(),
                    mark,
                };
                events.push(Event { at: self.now, what });
            }
            Step::Until { session, phase, .. } => {
                self.run_until(self.now + UNTIL_BOUND, events, |system| {
                    let worker = &system.workers[&session.client];
                    let phase_of = |of: usize| system.order[of];
                    worker.is_idle()
                        || matches!(&worker.at_work, Some((at_work, _, of))
                            if at_work == session && phase_of(*of) == *phase)
                });
            }
            Step::UntilStarted { client, .. } => {
                self.run_until(self.now + UNTIL_BOUND, events, |system| {
                    system.workers[client].restart.is_none()
                });
            }
            Step::Wait(time) => self.run_until(self.now + *time, events, |_| false),
            Step::Inject(Fault::GitDown) => self.git_is_down = true,
            Step::Heal(Fault::GitDown) => self.git_is_down = false,
            Step::Crash(client) => self.crash(client, events),
            // `Target::cannot` names the others.
            _ => {}
        }
        Ok(())
    }

    fn now(&self) -> Duration {
        self.now
    }

    fn snapshot(&mut self) -> Result<Snapshot, TargetError> {
        let mut seen = Snapshot::empty();
        for (client, worker) in &self.workers {
            seen.remote.or_default().extend(worker.remote.clone());
            for (session, branch) in &worker.local {
                let workspace = Workspace {
                    branch: branch.clone(),
                    debris: Vec::new(),
                };
                seen.workspaces
                    .or_default()
                    .insert(session.clone(), workspace);
            }
            seen.sites
                .or_default()
                .insert(client.clone(), worker.site.clone());
            seen.queued
                .or_default()
                .extend(worker.queue.iter().map(|(_, mark)| *mark));
            if worker.restart.is_none() {
                seen.running.or_default().push(client.clone());
            }
        }
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one line.
    #[test]
    fn a_toy_without_the_mistake_recovers() {
        shakedown::check(&Toy {
            forgets_early: false,
        });
    }

    #[test]
    #[should_panic(expected = "VIOLATED errors-told (not-pushed) on toy")]
    fn the_mistake_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let toy = Toy {
            forgets_early: true,
        };
        shakedown::Check::new(&toy).regressions(folder.path()).run();
    }
}
