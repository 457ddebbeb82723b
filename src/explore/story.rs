//! A path through the states, as a plan and as a history, and judged again as a whole.
//!
//! The exploration judges each client by itself and numbers its marks by itself. Here the same
//! acts are carried out with the names and marks that a plan has, and the events go to one model
//! with all the rules, as those of a run do.

use std::sync::Arc;
use std::time::Duration;

use super::checker::{Action, Exploration};
use super::client::{Broken, forget_retries, judge_all};
use super::shared::{CLIENTS, Op, limits};
use super::space::World;
use super::system::{Act, Container, Job, ModelFault, Seen, Stage, System};
use crate::history::{Event, History, Snapshot, What};
use crate::invariant::check_recovered;
use crate::judge::feed;
use crate::model::Model;
use crate::model::breaker::{Breaker, Limits};
use crate::oracle::Asked;
use crate::plan::{Fault, Mark, Phase, Plan, SessionId, Step};
use crate::site::Twin;

/// The names of the sessions, in their order.
const THREADS: [&str; 2] = ["home", "blog"];
/// When a probe whose container died is given up for dead.
const GIVEN_UP: Duration = Duration::from_secs(61);

/// A path, as a plan and as a history.
pub struct Story {
    /// Without the acts of the system, which come by themselves.
    pub plan: Plan,
    /// Every act, by whom; tester's acts as steps.
    pub acts: Vec<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "tests look at it"))]
    pub history: History,
    /// What the judge of whole histories finds.
    pub broken: Option<Broken>,
}

impl Story {
    #[cfg(test)]
    /// What of the contract's lists the history reaches, as a campaign would count it.
    pub fn coverage(&self) -> crate::coverage::Coverage {
        crate::coverage::Coverage::of(&self.plan, &self.history)
    }
}

/// Carries out a path from the start: the steps of a path, each with the world before it.
pub fn build(exploration: &Exploration, path: &[(World, Action)], recovers: bool) -> Story {
    let mut builder = Builder::new(exploration);
    for (world, action) in path {
        if builder.broken.is_some() {
            break;
        }
        builder.go(world, *action);
    }
    if recovers && builder.broken.is_none() {
        builder.recover(path);
    }
    Story {
        plan: builder.plan,
        acts: builder.acts,
        history: builder.history,
        broken: builder.broken,
    }
}

/// The world that a path ends in.
fn end_of(exploration: &Exploration, path: &[(World, Action)]) -> World {
    let space = &exploration.space;
    let Some((world, action)) = path.last() else {
        return space.start();
    };
    let next = match *action {
        Action::Of(client, at) => {
            let client = usize::from(client);
            let moves = space.moves(world.parts[client]);
            space.moved(world, client, &moves.steps[usize::from(at)])
        }
        Action::Time(op) => space.timed(world, op),
        Action::Inject(fault) => Ok(space.toggled(world, fault, true)),
        Action::Heal(fault) => Ok(space.toggled(world, fault, false)),
    };
    next.unwrap_or(*world)
}

struct Builder<'a> {
    exploration: &'a Exploration,
    systems: Vec<System>,
    judge: Model,
    plan: Plan,
    acts: Vec<String>,
    history: History,
    broken: Option<Broken>,
    marks: (u32, u32),
    /// By client: whether it did something since the last step, and its requests since it entered
    /// a phase.
    since: Vec<(bool, u32)>,
    waited: Duration,
}

impl<'a> Builder<'a> {
    fn new(exploration: &'a Exploration) -> Self {
        let scope = &exploration.space.scope;
        let sessions = |client: &str| -> Vec<SessionId> {
            THREADS[..usize::from(scope.sessions)]
                .iter()
                .map(|thread| SessionId::new(client, thread))
                .collect()
        };
        let clients = &CLIENTS[..exploration.space.clients()];
        let plan = Plan {
            sessions: clients.iter().flat_map(|client| sessions(client)).collect(),
            ..Plan::default()
        };
        let mut judge = Model::new(&plan);
        judge.oracle = Asked(Arc::new(Twin::default()));
        judge.breaker = Breaker::with_limits(clients.len(), limits(scope.habits));
        Self {
            exploration,
            systems: clients
                .iter()
                .map(|client| System::new((*client).into(), sessions(client), scope.habits))
                .collect(),
            judge,
            plan,
            acts: Vec::new(),
            history: History::default(),
            broken: None,
            marks: (0, 0),
            since: vec![(false, 0); clients.len()],
            waited: Duration::ZERO,
        }
    }

    fn go(&mut self, world: &World, action: Action) {
        match action {
            Action::Of(client, at) => {
                let client = usize::from(client);
                let moves = self.exploration.space.moves(world.parts[client]);
                self.act(client, moves.acts[usize::from(at)]);
            }
            Action::Time(op) => {
                self.acts.push(format!("time: {op:?}"));
                self.wait(if op == Op::GiveUp {
                    GIVEN_UP
                } else {
                    Limits::CONTRACT.cool_down + Duration::from_secs(1)
                });
            }
            Action::Inject(fault) => self.toggle(fault, true),
            Action::Heal(fault) => self.toggle(fault, false),
        }
    }

    fn wait(&mut self, time: Duration) {
        self.judge.now += time;
        self.forget_retries(self.judge.now);
        self.waited += time;
    }

    /// One client's waits are not another's: each has the time that it needs.
    fn forget_retries(&mut self, now: Duration) {
        for client in &mut self.judge.clients {
            forget_retries(client, now);
        }
        for instruction in &mut self.judge.instructions {
            if let Some((asked, _)) = &mut instruction.agent_asked {
                *asked = now;
            }
        }
    }

    /// A fault of all clients comes or goes.
    fn toggle(&mut self, fault: ModelFault, on: bool) {
        let planned = fault.fault(&self.systems[0]);
        self.step(if on {
            Step::Inject(planned)
        } else {
            Step::Heal(planned)
        });
        for system in &mut self.systems {
            let act = if on {
                Act::Inject(fault)
            } else {
                Act::Heal(fault)
            };
            system.perform(act, None, Default::default(), &mut Seen::default());
        }
    }

    fn act(&mut self, client: usize, act: Act) {
        let habits = self.exploration.space.scope.habits;
        let mark = match act {
            Act::Instruct(..) => {
                self.marks.0 += 1;
                Some(Mark::Edit(self.marks.0))
            }
            Act::PushFromOutside(..) => {
                self.marks.1 += 1;
                Some(Mark::Outside(self.marks.1))
            }
            _ => None,
        };
        let act = self.renamed(client, act);
        match self.systems[client].step_of(act) {
            Some(step) => {
                self.step_with(step, mark);
            }
            None => {
                self.acts.push(format!("  {}: {act:?}", CLIENTS[client]));
                self.since[client].0 = true;
            }
        }
        let mut seen = Seen::default();
        self.systems[client].perform(act, mark, habits, &mut seen);
        self.waited += seen.waited;
        self.judge(client, &seen);
    }

    fn judge(&mut self, client: usize, seen: &Seen) {
        let mut at = self.judge.now + seen.waited;
        self.forget_retries(at);
        for (wait, what) in &seen.events {
            at += *wait;
            let mut what = what.clone();
            match &mut what {
                What::Logged { stamp, phase, .. } => {
                    *stamp = at;
                    if phase.is_some() {
                        self.since[client].1 = 0;
                    }
                }
                What::ObjectPut { .. } | What::ObjectDeleted { .. } | What::S3Asked { .. } => {
                    self.since[client].1 += 1;
                }
                _ => {}
            }
            self.history.events.push(Event { at, what });
        }
        let habits = self.exploration.space.scope.habits;
        self.broken = judge_all(&mut self.judge, seen, habits, |_| true).err();
        self.judge.now = at;
        self.forget_retries(at);
    }

    /// An act with the mark that the plan has for it.
    fn renamed(&self, client: usize, act: Act) -> Act {
        match act {
            Act::BecomeVisible(Mark::Edit(n)) => {
                let sent = self.systems[client].sent.get(n as usize - 1);
                sent.map_or(act, |sent| Act::BecomeVisible(sent.mark))
            }
            _ => act,
        }
    }

    fn step(&mut self, step: Step) {
        self.step_with(step, None);
    }

    fn step_with(&mut self, step: Step, mark: Option<Mark>) {
        self.let_run();
        self.acts.push(step.to_string());
        self.begin(What::StepBegan {
            index: Some(self.plan.steps.len()),
            step: step.clone(),
            mark,
        });
        self.plan.steps.push(step);
    }

    /// What the tester does; no rule is asked about it.
    fn begin(&mut self, what: What) {
        let at = self.judge.now;
        let event = Event { at, what };
        feed(&mut self.judge, &event, |_| None::<()>);
        self.history.events.push(event);
    }

    /// Lets the system come as far, in the plan, as it came since the last step.
    fn let_run(&mut self) {
        let waited = std::mem::take(&mut self.waited);
        if !waited.is_zero() {
            self.plan.steps.push(Step::Wait(waited));
        }
        for client in 0..self.systems.len() {
            let (has_acted, requests) = self.since[client];
            self.since[client].0 = false;
            if has_acted && let Some(step) = until(&self.systems[client], requests) {
                self.plan.steps.push(step);
            }
        }
    }

    /// Heals everything, and goes a way on which the recovery does not succeed, or to rest.
    fn recover(&mut self, path: &[(World, Action)]) {
        let exploration = self.exploration;
        self.let_run();
        self.acts.push("everything is healed".into());
        self.begin(What::Healed);
        let faults: Vec<Fault> = self.judge.faults.iter().map(|(f, _)| f.clone()).collect();
        for fault in faults {
            self.begin(What::StepBegan {
                index: None,
                step: Step::Heal(fault),
                mark: None,
            });
        }
        for system in &mut self.systems {
            system.active.clear();
        }
        let healed = exploration.space.healed(&end_of(exploration, path));
        let steps = self.plan.steps.len();
        for (world, action) in exploration.recoveries.failing(&exploration.space, &healed) {
            if self.broken.is_some() {
                break;
            }
            self.go(&world, action);
        }
        self.plan.steps.truncate(steps);
        if self.broken.is_none() {
            let mut seen = Snapshot::empty();
            for system in &self.systems {
                system.add_to(&mut seen);
            }
            self.broken = check_recovered(&self.judge, &seen).map(|(part, breach)| Broken {
                rule: part.rule,
                breach,
            });
        }
    }
}

/// The step that lets a run come to where a system is.
fn until(system: &System, requests: u32) -> Option<Step> {
    let task = match &system.container {
        Container::Busy(task) => task,
        Container::Idle => return until_idle(system),
        Container::Down { .. } => return None,
    };
    if !matches!(task.job, Job::Instruction(_)) {
        return Some(Step::Wait(Duration::from_secs(60)));
    }
    let phase = phase_of(task.stage);
    Some(Step::Until {
        session: system.threads[task.session].id.clone(),
        phase,
        requests: if phase == Phase::Deploying {
            requests
        } else {
            0
        },
    })
}

/// The step that lets a run come to where a container waits for work.
fn until_idle(system: &System) -> Option<Step> {
    let done = system.threads.iter().find(|thread| {
        let handled = thread.notes.handled.last();
        handled.is_some() && handled == system.sent.last().map(|sent| &sent.mark)
    });
    Some(match done {
        Some(thread) => Step::Until {
            session: thread.id.clone(),
            phase: Phase::Done,
            requests: 0,
        },
        None => Step::UntilStarted {
            client: system.client.clone(),
            requests: 0,
        },
    })
}

/// The phase that an instruction is in at a stage.
pub fn phase_of(stage: Stage) -> Phase {
    match stage {
        Stage::Begin => Phase::Received,
        Stage::Think { .. } => Phase::Thinking,
        Stage::Edit => Phase::Editing,
        Stage::Commit => Phase::Committing,
        Stage::Push { .. } | Stage::Integrate { .. } => Phase::Pushing,
        Stage::Build => Phase::Building,
        Stage::Admit
        | Stage::Sync { .. }
        | Stage::Count { .. }
        | Stage::Report { .. }
        | Stage::Settle { .. }
        | Stage::Finish => Phase::Deploying,
        Stage::Acknowledge => Phase::Done,
    }
}
