//! A toy edit system with a planted mistake, and the test that finds it.
//!
//! Each client has a worker. It takes the first instruction of its queue, asks the agent, commits the
//! edit, pushes the branch, puts the built site up, and deletes the instruction. The mistake: it
//! deletes the instruction before the push, so that a crash in between loses the work.
//!
//! `cargo run --example toy` prints the report, `cargo test --example toy` runs the tests below.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use shakedown::history::{Branch, Death, Event, Objects, Snapshot, What, Workspace};
use shakedown::plan::{ClientId, Edit, Mark, Phase, SessionId, Step, UNTIL_BOUND};
use shakedown::site::{read_content, render_parts};
use shakedown::target::{Run, Target, TargetError};

fn main() {
    let folder = std::env::temp_dir().join("shakedown-toy");
    match shakedown::Check::new(&HASTY).regressions(folder).report() {
        Ok(summary) => println!("{summary}"),
        Err(report) => println!("{report}"),
    }
}

/// The system, by what a worker does with an instruction; each takes a second.
struct Toy([Phase; 6]);

#[cfg(test)]
const RIGHT: Toy = Toy({
    use Phase::{Committing, Deploying, Done, Pushing, Received, Thinking};
    [Received, Thinking, Committing, Pushing, Deploying, Done]
});

/// The same with the mistake.
const HASTY: Toy = Toy({
    use Phase::{Committing, Deploying, Done, Pushing, Received, Thinking};
    [Received, Thinking, Committing, Done, Pushing, Deploying]
});

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
            | Step::Crash(_)
            | Step::Until { .. }
            | Step::Wait(_) => None,
            _ => Some("the toy knows instructions, crashes and time".into()),
        }
    }

    fn start(&self, sessions: &[SessionId], _seed: u64) -> Result<Box<dyn Run>, TargetError> {
        let mut workers: BTreeMap<ClientId, Worker> = BTreeMap::new();
        for session in sessions {
            let worker = workers.entry(session.client.clone()).or_default();
            worker.local.insert(session.clone(), Branch::default());
            worker.remote.insert(session.clone(), Branch::default());
        }
        Ok(Box::new(System {
            phases: self.0,
            workers,
            now: Duration::ZERO,
        }))
    }
}

/// The started system; time is a number that is counted up.
struct System {
    phases: [Phase; 6],
    workers: BTreeMap<ClientId, Worker>,
    now: Duration,
}

#[derive(Default)]
struct Worker {
    queue: VecDeque<(SessionId, Mark)>,
    /// What it works on, and the next phase of that; lost in a crash, as memory is.
    at_work: Option<(SessionId, Mark, usize)>,
    /// Seconds until it is up again after a crash.
    down: u32,
    delivered: Vec<Mark>,
    local: BTreeMap<SessionId, Branch>,
    remote: BTreeMap<SessionId, Branch>,
    site: Objects,
}

impl Worker {
    fn is_idle(&self) -> bool {
        self.at_work.is_none() && self.queue.is_empty()
    }

    /// A second of work.
    fn act(&mut self, client: &ClientId, phases: [Phase; 6], see: &mut dyn FnMut(What)) {
        if self.down > 0 {
            self.down -= 1;
            if self.down == 0 {
                let client = client.clone();
                see(What::Started { client });
            }
            return;
        }
        let first = self.queue.front();
        let first = first.map(|(session, mark)| (session.clone(), *mark, 0));
        let Some((session, mark, at)) = self.at_work.take().or(first) else {
            return;
        };
        match phases[at] {
            Phase::Received if !self.delivered.contains(&mark) => {
                self.delivered.push(mark);
                see(What::delivered(&session, mark, 1));
            }
            Phase::Thinking => see(What::agent_asked(client, mark, Some(200))),
            Phase::Committing if !self.local[&session].tree.contains(&mark) => {
                let marks = [&self.local[&session].tree[..], &[mark]].concat();
                self.local.insert(session.clone(), Branch::of(&marks));
                see(What::committed(&session, Branch::of(&marks)));
            }
            Phase::Pushing => {
                let branch = self.local[&session].clone();
                self.remote.insert(session.clone(), branch.clone());
                see(What::pushed(&session, branch));
            }
            Phase::Deploying => self.deploy(client, &session, see),
            Phase::Done => {
                self.queue.pop_front();
                see(What::acknowledged(&session, mark));
            }
            _ => {}
        }
        self.at_work = (at + 1 < phases.len()).then_some((session, mark, at + 1));
    }

    /// Puts up what the branch builds to: assets, then pages, then old files go.
    fn deploy(&mut self, client: &ClientId, session: &SessionId, see: &mut dyn FnMut(What)) {
        let built = render_parts(&self.local[session].tree, true, true).files;
        let is_page = |file: &(&Arc<str>, _)| file.0.ends_with(".html");
        let (pages, assets): (Vec<_>, Vec<_>) = built.iter().partition(is_page);
        for (key, bytes) in assets.into_iter().chain(pages) {
            let content = Arc::new(read_content(key, bytes));
            see(What::put(client, key, &content));
            self.site.insert(key.clone(), content);
        }
        self.site.retain(|key, _| {
            let is_built = built.contains_key(key);
            if !is_built {
                see(What::deleted(client, key));
            }
            is_built
        });
    }
}

impl System {
    /// Lets all workers work until something holds, for so long at most.
    fn run(&mut self, time: Duration, events: &mut Vec<Event>, holds: impl Fn(&Self) -> bool) {
        let end = self.now + time;
        while self.now < end && !holds(self) {
            self.now = end.min(self.now + Duration::from_secs(1));
            let at = self.now;
            for (client, worker) in &mut self.workers {
                let see = &mut |what| events.push(Event { at, what });
                worker.act(client, self.phases, see);
            }
        }
    }

    fn worker(&mut self, client: &ClientId) -> &mut Worker {
        self.workers.get_mut(client).expect("it has a session")
    }
}

impl Run for System {
    fn apply(
        &mut self,
        step: &Step,
        mark: Option<Mark>,
        events: &mut Vec<Event>,
    ) -> Result<(), TargetError> {
        let at = self.now;
        match step {
            Step::Instruct(session, _) => {
                let mark = mark.expect("an instruction has a mark");
                let queue = &mut self.worker(&session.client).queue;
                queue.push_back((session.clone(), mark));
                let what = What::sent(session, mark);
                events.push(Event { at, what });
            }
            Step::Crash(client) => {
                let worker = self.worker(client);
                (worker.at_work, worker.down) = (None, 10);
                let (client, cause) = (client.clone(), Death::Crash);
                let what = What::Died { client, cause };
                events.push(Event { at, what });
            }
            Step::Until { session, phase, .. } => self.run(UNTIL_BOUND, events, |system| {
                let worker = &system.workers[&session.client];
                let is_there = |(of, _, at): &(SessionId, Mark, usize)| {
                    of == session && system.phases[*at] == *phase
                };
                worker.is_idle() || worker.at_work.as_ref().is_some_and(is_there)
            }),
            Step::Wait(time) => self.run(*time, events, |_| false),
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
            let workspace = |(session, branch): (&SessionId, &Branch)| {
                let branch = branch.clone();
                (
                    session.clone(),
                    Workspace {
                        branch,
                        debris: Vec::new(),
                    },
                )
            };
            let workspaces = worker.local.iter().map(workspace);
            seen.workspaces.or_default().extend(workspaces);
            let sites = seen.sites.or_default();
            sites.insert(client.clone(), worker.site.clone());
            let queued = worker.queue.iter().map(|(_, mark)| *mark);
            seen.queued.or_default().extend(queued);
            if worker.down == 0 {
                seen.running.or_default().push(client.clone());
            }
        }
        Ok(seen)
    }
}

#[cfg(test)]
mod proptests {
    use super::*;

    /// The one line.
    #[test]
    fn a_toy_without_the_mistake_recovers() {
        shakedown::check(&RIGHT);
    }

    #[test]
    #[should_panic(expected = "VIOLATED errors-told (not-pushed) on toy")]
    fn the_mistake_is_found() {
        let folder = tempfile::tempdir().unwrap();
        shakedown::Check::new(&HASTY)
            .regressions(folder.path())
            .run();
    }
}
