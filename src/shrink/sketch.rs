//! Small plans made of the pieces of a long one: an edit, one of its disturbances, and a moment.
//!
//! Most failures need no more. A deletion finds such a plan late, and stops short of it where a
//! step has to change for another to go: where a long wait does the work of a whole session.

mod more;

use std::time::Duration;

use crate::plan::{ClientId, Edit, Fault, Phase, Place, Plan, Role, SessionId, Step, Subject};

use crate::verdict::Rule;

use super::clues::{Clues, is_of_s3};

pub(super) use more::more;

/// Disturbances of a plan that are tried alone.
const DISTURBANCES: usize = 5;

/// The small plans, shortest first.
pub(super) fn sketches(plan: &Plan, clues: &Clues) -> Vec<Plan> {
    let Some(home) = clues.home(plan) else {
        return Vec::new();
    };
    let edits = edits_of(plan, &home, clues);
    let Some(edit) = edits.first().copied() else {
        return Vec::new();
    };
    let sketcher = Sketcher {
        plan,
        home: &home,
        edit,
        long: clues.long,
    };
    let mut found: Vec<Vec<Step>> = Vec::new();
    if clues.rule == Rule::Breaker {
        found.extend(sketcher.breaker(clues));
    } else {
        let instruct = |edit: &Edit| vec![Step::Instruct(home.clone(), *edit)];
        found.extend(edits.iter().take(2).map(instruct));
        found.extend(pairs(plan, &home));
        // An edit that breaks the build or warns, and a later one that should repair it.
        for (at, later) in edits.iter().enumerate() {
            let earlier = edits
                .iter()
                .skip(at + 1)
                .filter(|edit| **edit != Edit::Change);
            let pair = |edit: &Edit| [edit, later].map(|edit| Step::Instruct(home.clone(), *edit));
            found.extend(earlier.take(1).map(|edit| pair(edit).to_vec()));
        }
        let disturbances = disturbances(plan, &home, clues);
        for (rank, step) in disturbances.iter().enumerate() {
            found.extend(sketcher.alone(step));
            if rank == 0 {
                found.extend(sketcher.with_another(step));
            }
        }
        found.extend(sketcher.with_crash(&disturbances));
    }
    found.sort_by_key(Vec::len);
    found.into_iter().map(|steps| whole(plan, steps)).collect()
}

/// Steps for the sessions of a plan.
fn whole(plan: &Plan, steps: Vec<Step>) -> Plan {
    Plan {
        sessions: plan.sessions.clone(),
        steps,
        comments: Vec::new(),
    }
}

/// The edits of a session, the likeliest to matter first.
fn edits_of(plan: &Plan, home: &SessionId, clues: &Clues) -> Vec<Edit> {
    let mut edits: Vec<Edit> = clues.edit.into_iter().collect();
    for step in plan.steps.iter().rev() {
        if let Step::Instruct(session, edit) = step
            && session == home
            && !edits.contains(edit)
        {
            edits.push(*edit);
        }
    }
    edits
}

/// The last two instructions of the session's client, in both orders where they are of two
/// sessions.
fn pairs(plan: &Plan, home: &SessionId) -> Vec<Vec<Step>> {
    let is_near = |step: &&Step| matches!(step, Step::Instruct(of, _) if of.client == home.client);
    let near: Vec<Step> = plan.steps.iter().filter(is_near).cloned().collect();
    let mut found = Vec::new();
    for pair in near.windows(2).rev().take(2) {
        found.push(pair.to_vec());
        if let [Step::Instruct(a, _), Step::Instruct(b, _)] = pair
            && a != b
        {
            found.push(vec![pair[1].clone(), pair[0].clone()]);
        }
    }
    found
}

/// What disturbs a session in a plan, the likeliest to matter first.
fn disturbances(plan: &Plan, home: &SessionId, clues: &Clues) -> Vec<Step> {
    let mut found: Vec<(u32, usize)> = Vec::new();
    for (at, step) in plan.steps.iter().enumerate() {
        let is_disturbance = step.role() == Role::Fault;
        let is_near = match step.subject() {
            Subject::All => true,
            Subject::Session(of) => of == home,
            Subject::Client(of) => *of == home.client,
        };
        if is_disturbance && is_near {
            found.push((clues.weigh(plan, at), at));
        }
    }
    // Of equals the later one.
    found.sort_by_key(|found| std::cmp::Reverse(*found));
    let mut steps: Vec<Step> = Vec::new();
    for (_, at) in found {
        if !steps.contains(&plan.steps[at]) {
            steps.push(plan.steps[at].clone());
        }
    }
    steps.truncate(DISTURBANCES);
    steps
}

struct Sketcher<'a> {
    plan: &'a Plan,
    home: &'a SessionId,
    edit: Edit,
    /// As [`Clues::long`].
    long: Duration,
}

impl Sketcher<'_> {
    fn instruct(&self) -> Step {
        Step::Instruct(self.home.clone(), self.edit)
    }

    /// An instruction that reaches a deploy.
    fn deployed(&self) -> Step {
        match self.edit {
            Edit::BreakBuild | Edit::MemoryHungry => {
                Step::Instruct(self.home.clone(), Edit::Change)
            }
            _ => self.instruct(),
        }
    }

    /// Until a phase begins; of `received`, until the session's record was read too, for nothing
    /// that can fail comes before.
    fn until(&self, phase: Phase) -> Step {
        Step::Until {
            session: self.home.clone(),
            phase,
            requests: u32::from(phase == Phase::Received),
        }
    }

    /// One instruction, disturbed when it matters to it.
    fn alone(&self, disturbance: &Step) -> Vec<Vec<Step>> {
        let step = || disturbance.clone();
        let all_along = || vec![step(), self.instruct(), Step::Wait(self.long)];
        let from = |phase| {
            let until = self.until(phase);
            vec![self.instruct(), until, step(), Step::Wait(self.long)]
        };
        let at = |until: Step| vec![self.instruct(), until, step()];
        match disturbance {
            Step::Inject(Fault::OutOfMemory(_)) => {
                let hungry = Step::Instruct(self.home.clone(), Edit::MemoryHungry);
                vec![vec![step(), hungry, Step::Wait(self.long)]]
            }
            // Without git no edit begins.
            Step::Inject(fault) if fault.place() == Place::Git => {
                vec![all_along(), from(Phase::Editing)]
            }
            Step::Inject(Fault::Partition(_)) => vec![all_along(), from(Phase::Received)],
            Step::Inject(fault) if is_of_s3(fault) => {
                vec![vec![step(), self.deployed(), Step::Wait(self.long)]]
            }
            Step::Inject(_) => vec![all_along()],
            Step::Crash(_) | Step::LoseWorkspace(_) => {
                let mut moments = self.moment_before(disturbance);
                moments.push(self.until(Phase::Deploying));
                moments.into_iter().map(at).collect()
            }
            Step::PushFromOutside(..) => vec![at(self.until(Phase::Committing))],
            Step::Redeliver(_) => vec![at(Step::Wait(self.long))],
            _ => Vec::new(),
        }
    }

    /// The last `until` of the session before a step.
    fn moment_before(&self, step: &Step) -> Vec<Step> {
        let steps = &self.plan.steps;
        let upto = steps.iter().rposition(|other| other == step).unwrap_or(0);
        let own =
            |step: &&Step| matches!(step, Step::Until { session, .. } if session == self.home);
        steps[..upto]
            .iter()
            .rev()
            .find(own)
            .cloned()
            .into_iter()
            .collect()
    }

    /// What opens the breaker, and who may meet it open: the same client, another one, a container
    /// that starts. The likeliest fault is tried, and one of everything.
    fn breaker(&self, clues: &Clues) -> Vec<Vec<Step>> {
        let is_likely =
            |at: &usize| matches!(&self.plan.steps[*at], Step::Inject(fault) if is_of_s3(fault));
        let likely = (0..self.plan.steps.len()).filter(is_likely);
        let Some(Step::Inject(likely)) = likely
            .max_by_key(|at| (clues.weigh(self.plan, *at), *at))
            .map(|at| &self.plan.steps[at])
        else {
            return Vec::new();
        };
        let under = likely.client().unwrap_or(&self.home.client);
        let instructed = |is_wanted: &dyn Fn(&ClientId) -> bool| {
            self.plan.steps.iter().rev().find_map(|step| match step {
                Step::Instruct(session, _) if is_wanted(&session.client) => {
                    Some(Step::Instruct(session.clone(), Edit::Change))
                }
                _ => None,
            })
        };
        let Some(own) = instructed(&|client| client == under) else {
            return Vec::new();
        };
        let other = instructed(&|client| client != under);
        let crash = Step::Crash(under.clone());
        let crashes = self.plan.steps.contains(&crash).then_some(crash);
        let mut found = Vec::new();
        if clues.kind == "opened-early"
            && let Some(other) = &other
        {
            found.extend(interrupted_row(&own, under, other, self.long));
        }
        for fault in [likely.clone(), Fault::S3Denied(None)] {
            let alone = vec![Step::Inject(fault), own.clone(), Step::Wait(self.long)];
            found.push(alone.clone());
            if let Some(other) = &other {
                let mut both = alone.clone();
                both.insert(2, other.clone());
                found.push(both);
            }
            for last in other.iter().chain([&own]).chain(&crashes) {
                let mut then = alone.clone();
                then.push(last.clone());
                found.push(then.clone());
                // Half as long meets it in another state.
                then[2] = Step::Wait(self.long / 2);
                found.push(then);
            }
        }
        found
    }

    /// Two instructions under a fault, at once or one after the other.
    fn with_another(&self, disturbance: &Step) -> Vec<Vec<Step>> {
        let Step::Inject(_) = disturbance else {
            return Vec::new();
        };
        let (step, wait) = (|| disturbance.clone(), || Step::Wait(self.long));
        let mut found = Vec::new();
        let again = |step: &&Step| matches!(step, Step::Instruct(of, _) if of == self.home);
        if self.plan.steps.iter().filter(again).count() > 1 {
            found.push(vec![step(), self.instruct(), wait(), self.instruct()]);
            found.push(vec![
                self.instruct(),
                wait(),
                step(),
                self.instruct(),
                wait(),
            ]);
        }
        found
    }

    /// The likeliest fault, and then the likeliest crash.
    fn with_crash(&self, disturbances: &[Step]) -> Vec<Vec<Step>> {
        let is_fault = |step: &&Step| matches!(step, Step::Inject(_));
        let is_crash = |step: &&Step| matches!(step, Step::Crash(_) | Step::LoseWorkspace(_));
        let fault = disturbances.iter().find(is_fault);
        let crash = disturbances.iter().find(is_crash);
        let Some((fault, crash)) = fault.zip(crash) else {
            return Vec::new();
        };
        let mut found = self.alone(fault);
        for steps in &mut found {
            steps.push(crash.clone());
        }
        found
    }
}

/// A row of failures of one client with a sync of another one among them, soon or late.
fn interrupted_row(own: &Step, under: &ClientId, other: &Step, long: Duration) -> Vec<Vec<Step>> {
    // Meanwhile what is put off is tried a few times, or until the breaker opens.
    let waits = [90, 210].map(Duration::from_secs);
    let row = |wait| {
        vec![
            Step::Inject(Fault::S3Denied(Some(under.clone()))),
            own.clone(),
            Step::Wait(wait),
            other.clone(),
            Step::Wait(long),
        ]
    };
    waits.into_iter().map(row).collect()
}
