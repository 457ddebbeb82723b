//! The same exploration by stateright: a second opinion on our own search, which is quicker and
//! younger. Both go by the same steps, and each has its own way of keeping and meeting states.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stateright::{Checker, Model, Property};

use super::checker::{Action, Exploration, SearchState};
use super::recovery::Recovery;
use super::run::{Explored, SearchEnd};
use crate::target::Interrupt;
use crate::verdict::Rule;

/// How often progress is reported.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What stateright made of a scope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Second {
    /// Distinct states.
    pub states: u64,
    /// Transitions that were followed.
    pub transitions: u64,
    pub depth: usize,
    /// Whether every rule holds, and every state recovers.
    pub holds: bool,
    /// Whether it was interrupted.
    pub is_partial: bool,
}

impl Second {
    /// Whether it saw what our own search saw. `None` where one of them did not see everything.
    /// Several threads may come to a state on a longer way first, so it may go deeper.
    pub fn agrees(&self, own: &Explored) -> Option<bool> {
        let is_whole = own.ended == SearchEnd::Complete && !self.is_partial;
        is_whole.then_some(
            self.holds
                && self.states == own.progress.states
                && self.transitions == own.transitions
                && self.depth >= own.progress.depth,
        )
    }
}

/// Explores with stateright, breadth first, what was explored before.
pub fn by_stateright(
    exploration: &Arc<Exploration>,
    threads: usize,
    interrupt: &Interrupt,
    mut on_progress: impl FnMut(u64),
) -> Second {
    let is_stopped = Arc::new(AtomicBool::new(false));
    let model = Checked {
        exploration: exploration.clone(),
        is_stopped: is_stopped.clone(),
    };
    let checker = model.checker().threads(threads).spawn_bfs();
    while !checker.is_done() {
        std::thread::sleep(LOOK_EVERY);
        on_progress(checker.unique_state_count() as u64);
        if interrupt.load(Ordering::Relaxed) {
            is_stopped.store(true, Ordering::Relaxed);
        }
    }
    let checker = checker.join();
    Second {
        states: checker.unique_state_count() as u64,
        // It counts the start as one.
        transitions: (checker.state_count() as u64).saturating_sub(1),
        depth: checker.max_depth(),
        holds: checker.discoveries().is_empty(),
        is_partial: is_stopped.load(Ordering::Relaxed),
    }
}

struct Checked {
    exploration: Arc<Exploration>,
    is_stopped: Arc<AtomicBool>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Seen {
    state: SearchState,
    /// States are distinguished by it, which is the symmetry reduction.
    representative: SearchState,
    /// The rule that the last step broke.
    broken: Option<Rule>,
}

impl Hash for Seen {
    fn hash<H: Hasher>(&self, to: &mut H) {
        (self.representative, self.broken).hash(to);
    }
}

impl Checked {
    fn seen(&self, state: SearchState, broken: Option<Rule>) -> Seen {
        Seen {
            state,
            representative: self.exploration.representative(&state),
            broken,
        }
    }
}

impl Model for Checked {
    type State = Seen;
    type Action = (Action, Result<SearchState, Rule>);

    fn init_states(&self) -> Vec<Seen> {
        vec![self.seen(self.exploration.start(), None)]
    }

    fn actions(&self, from: &Seen, actions: &mut Vec<Self::Action>) {
        if from.broken.is_none() && !self.is_stopped.load(Ordering::Relaxed) {
            self.exploration
                .each_step(&from.state, |step| actions.push((step.action, step.next)));
        }
    }

    fn next_state(&self, from: &Seen, (_, next): Self::Action) -> Option<Seen> {
        Some(match next {
            Ok(state) => self.seen(state, None),
            Err(rule) => self.seen(from.state, Some(rule)),
        })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("every rule that holds always", |_, seen: &Seen| {
                seen.broken.is_none()
            }),
            Property::always("recovers from here", |model: &Self, seen: &Seen| {
                let recovery = || model.exploration.recovery(&seen.state);
                seen.broken.is_some() || matches!(recovery(), Recovery::Within(_))
            }),
        ]
    }
}
