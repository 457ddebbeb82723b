//! Plans near those that showed something before: parts of them, changed, crossed with each other,
//! and put among other steps. What has shown one mistake is often a step away from showing another.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::{Draft, Shape};
use crate::chance::Chance;
use crate::plan::{
    ClientId, NameMut, Phase, Plan, Scope, SessionId, Step, StepKind, VERSION_LINE, Variety,
    set_fault,
};

/// Plans that showed something, and how many of the random plans are near them.
#[derive(Clone, PartialEq, Debug)]
pub struct Corpus {
    plans: Vec<Arc<Plan>>,
    /// Of sixteen random plans.
    share: u64,
}

/// Of sixteen random plans, so many are near known ones: see `cargo bench --bench finding`.
const SHARE: u64 = 8;

/// The plans that show planted defects, as the program keeps them.
static BUILT_IN: LazyLock<Arc<Corpus>> = LazyLock::new(|| {
    let blocks = include_str!("../defect/known.plans").split(VERSION_LINE);
    let read = |block: &str| format!("{VERSION_LINE}{block}").parse().ok();
    Arc::new(Corpus::of(blocks.skip(1).filter_map(read)))
});

impl Corpus {
    /// A corpus of these plans.
    pub fn of(plans: impl IntoIterator<Item = Plan>) -> Self {
        Self {
            plans: plans.into_iter().map(Arc::new).collect(),
            share: SHARE,
        }
    }

    /// The plans that come with the program.
    pub fn built_in() -> Arc<Self> {
        BUILT_IN.clone()
    }

    /// The same plans for so many of sixteen random ones.
    #[must_use]
    pub fn share(self, share: u64) -> Self {
        Self { share, ..self }
    }
}

/// The drawn plan, or in its place one that is near a plan of the corpus, with steps of the drawn
/// one around it.
pub(super) fn near(shape: &Shape, drawn: Plan, word: u64) -> Plan {
    let mut near = Near {
        shape,
        drawn: &drawn.steps,
        chance: Chance::new(word),
    };
    if shape.corpus.plans.is_empty() || near.chance.between(0, 15) >= shape.corpus.share {
        return drawn;
    }
    let steps = near.steps();
    Plan {
        steps,
        sessions: drawn.sessions,
        comments: Vec::new(),
    }
}

struct Near<'a> {
    shape: &'a Shape,
    drawn: &'a [Step],
    chance: Chance,
}

impl Near<'_> {
    fn below(&mut self, most: usize) -> usize {
        self.chance.between(0, most.max(1) as u64 - 1) as usize
    }

    fn steps(&mut self) -> Vec<Step> {
        let before = self.below(2) * self.below(self.drawn.len().min(8) + 1);
        let mut steps = self.drawn[..before].to_vec();
        // One after the other, mostly undisturbed by what came before.
        for _ in 0..=self.below(4) {
            let mut part = self.part();
            if self.below(3) > 0 {
                self.end_faults(&mut part);
            }
            steps.append(&mut part);
        }
        let from = self.below(self.drawn.len());
        steps.extend_from_slice(&self.drawn[from..]);
        let allowed = self.allowed(steps);
        match allowed.is_empty() {
            true => self.drawn.to_vec(),
            false => allowed,
        }
    }

    /// A plan of the corpus, or the beginning of one and the end of another, with some changes.
    fn part(&mut self) -> Vec<Step> {
        let mut steps = self.known();
        if self.below(4) == 0 {
            let other = self.known();
            let (end, begin) = (self.below(steps.len() + 1), self.below(other.len()));
            steps.truncate(end);
            steps.extend_from_slice(&other[begin..]);
        }
        for _ in 0..self.below(4) {
            self.change(&mut steps);
        }
        steps
    }

    /// Heals what some steps leave, and gives the system some time.
    fn end_faults(&mut self, steps: &mut Vec<Step>) {
        let mut active = Vec::new();
        for step in &*steps {
            match step {
                Step::Inject(fault) => set_fault(&mut active, fault, true),
                Step::Heal(fault) => set_fault(&mut active, fault, false),
                _ => {}
            }
        }
        steps.extend(self.drawn_wait().map(Step::Wait));
        if !active.is_empty() {
            steps.extend(active.into_iter().map(Step::Heal));
            steps.extend(self.drawn_wait().map(Step::Wait));
        }
    }

    /// The steps of a plan of the corpus, on sessions of the shape.
    fn known(&mut self) -> Vec<Step> {
        let at = self.below(self.shape.corpus.plans.len());
        let plan = self.shape.corpus.plans[at].clone();
        let names = self.names(&plan);
        let mut steps = plan.steps.clone();
        for step in &mut steps {
            match step.name_mut() {
                Some(NameMut::Session(session)) => *session = names.sessions[session].clone(),
                Some(NameMut::Client(client)) => *client = names.clients[client].clone(),
                None => {}
            }
        }
        steps
    }

    /// Clients for those of a plan, and sessions for theirs: as many different ones as there are.
    fn names(&mut self, plan: &Plan) -> Names {
        let mut names = Names::default();
        let mut left: Vec<ClientId> = Vec::new();
        let mut own: BTreeMap<ClientId, Vec<SessionId>> = BTreeMap::new();
        for session in &self.shape.sessions {
            let sessions = own.entry(session.client.clone()).or_default();
            sessions.push(session.clone());
        }
        for session in &plan.sessions {
            if !names.clients.contains_key(&session.client) {
                if left.is_empty() {
                    left.extend(own.keys().cloned());
                }
                // One with enough sessions, where there is one.
                let threads = plan.sessions.iter();
                let threads = threads.filter(|of| of.client == session.client).count();
                let mut fit: Vec<usize> = (0..left.len()).collect();
                fit.retain(|at| own[&left[*at]].len() >= threads);
                let at = match fit.is_empty() {
                    true => self.below(left.len()),
                    false => fit[self.below(fit.len())],
                };
                names
                    .clients
                    .insert(session.client.clone(), left.swap_remove(at));
            }
            let sessions = &own[&names.clients[&session.client]];
            let is_free = |of: &&SessionId| !names.sessions.values().any(|taken| taken == *of);
            let free: Vec<&SessionId> = sessions.iter().filter(is_free).collect();
            let chosen = match free.is_empty() {
                true => &sessions[self.below(sessions.len())],
                false => free[self.below(free.len())],
            };
            names.sessions.insert(session.clone(), chosen.clone());
        }
        names
    }

    /// One change of a plan.
    fn change(&mut self, steps: &mut Vec<Step>) {
        let at = self.below(steps.len());
        match self.below(8) {
            0 if steps.len() > 1 => {
                steps.remove(at);
            }
            1 if steps.len() > 1 => {
                let other = self.below(steps.len());
                steps.swap(at, other);
            }
            2 | 3 => {
                let from = self.below(self.drawn.len());
                let until = from + 1 + self.below((self.drawn.len() - from).min(3));
                let at = at + self.below(2);
                let at = at.min(steps.len());
                steps.splice(at..at, self.drawn[from..until].iter().cloned());
            }
            4 => {
                let step = steps[at].clone();
                let again = self.below(steps.len() + 1);
                steps.insert(again, step);
            }
            5 => self.cut_off(steps),
            _ => {
                if let Some(step) = steps.get(at).cloned() {
                    steps[at] = self.other(step);
                }
            }
        }
    }

    /// A crash in the course of an instruction.
    fn cut_off(&mut self, steps: &mut Vec<Step>) {
        let given = steps.iter().enumerate();
        let given: Vec<(usize, SessionId)> = given
            .filter_map(|(at, step)| match step {
                Step::Instruct(session, _) => Some((at, session.clone())),
                _ => None,
            })
            .collect();
        if given.is_empty() {
            return;
        }
        let (at, session) = given[self.below(given.len())].clone();
        let client = session.client.clone();
        let mut cut = vec![Step::Until {
            session,
            phase: Phase::ALL[self.below(Phase::ALL.len())],
            requests: self.below(3) as u32,
        }];
        if self.below(2) == 0 {
            cut.push(Step::Wait(self.moment()));
        }
        cut.push(match self.below(4) {
            0 => Step::LoseWorkspace(client),
            _ => Step::Crash(client),
        });
        steps.splice(at + 1..=at, cut);
    }

    /// A time such as lies between two requests.
    fn moment(&mut self) -> Duration {
        super::weigh::MOMENTS[self.below(super::weigh::MOMENTS.len())]
    }

    /// A step of the same kind with other arguments.
    fn other(&mut self, step: Step) -> Step {
        match step {
            Step::Until {
                session,
                phase,
                requests,
            } => match self.below(3) {
                0 => Step::Until {
                    session,
                    phase: Phase::ALL[self.below(Phase::ALL.len())],
                    requests,
                },
                _ => Step::Until {
                    session,
                    phase,
                    requests: (requests + self.below(6) as u32).saturating_sub(2),
                },
            },
            Step::UntilStarted { client, .. } => Step::UntilStarted {
                client,
                requests: self.below(12) as u32,
            },
            Step::Wait(time) => Step::Wait(match self.below(4) {
                0 => time * 2,
                1 => (time / 2).max(Duration::from_millis(1)),
                _ => self.drawn_wait().unwrap_or(time),
            }),
            step => {
                let scope = Scope::Anywhere(&self.shape.sessions);
                let mut all = step.kind().each(Variety::Drawn, scope);
                match all.is_empty() {
                    true => step,
                    false => all.swap_remove(self.below(all.len())),
                }
            }
        }
    }

    fn drawn_wait(&mut self) -> Option<Duration> {
        let waits = StepKind::Wait.each(Variety::Drawn, Scope::Anywhere(&self.shape.sessions));
        match waits.get(self.below(waits.len()))? {
            Step::Wait(time) => Some(*time),
            _ => None,
        }
    }

    /// Those of the steps that the model and the target allow one after the other.
    fn allowed(&self, steps: Vec<Step>) -> Vec<Step> {
        let mut draft = Draft::new(&self.shape.sessions, 0);
        draft.motif = None;
        let mut allowed = Vec::new();
        for step in steps {
            if allowed.len() == self.shape.max_steps.max(1) {
                break;
            }
            if draft.model.enables(&step) && !self.shape.impossible.has(&step) {
                draft.take(&step);
                allowed.push(step);
            }
        }
        allowed
    }
}

#[derive(Default)]
struct Names {
    clients: BTreeMap<ClientId, ClientId>,
    sessions: BTreeMap<SessionId, SessionId>,
}
