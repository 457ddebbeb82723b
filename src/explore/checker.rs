//! The exploration itself: the space as a model of stateright, breadth first.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use stateright::{Model, Property};

use super::recovery::{Recoveries, Recovery};
use super::shared::Op;
use super::space::{Move, Space, World, bit_of};
use super::system::{Act, Trouble};
use crate::coverage::Sometimes;
use crate::verdict::Rule;

/// A state: the world, and what the tester may still do to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    pub world: World,
    /// The same for all worlds that differ only in which client is which. States are told apart
    /// by it, which is the symmetry reduction; the path to a state stays a real one.
    pub representative: World,
    pub left: Left,
    /// The rule that the last step broke.
    pub broken: Option<Rule>,
}

/// What is left of each budget, and how many faults are active.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Left {
    pub instructions: u8,
    pub injections: u8,
    pub crashes: u8,
    pub outsiders: u8,
    pub repeats: u8,
    pub faults: u8,
}

impl Hash for State {
    fn hash<H: Hasher>(&self, to: &mut H) {
        (self.representative, self.left, self.broken).hash(to);
    }
}

/// One step from a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// A move of a client, by its number in the list of the part.
    Of(u8, u16),
    Time(Op),
    Inject(Trouble),
    Heal(Trouble),
}

/// The space, and what was found out of it so far.
pub struct Exploration {
    pub space: Space,
    pub recoveries: Recoveries,
    /// Ends it at the next state.
    pub is_stopped: AtomicBool,
    /// Entries of the sometimes-list that were reached, a bit each.
    reached: AtomicU32,
}

thread_local! {
    /// What was found last, since several properties ask for the same.
    static LAST: Cell<Option<(World, Recovery)>> = const { Cell::new(None) };
}

impl Exploration {
    pub fn new(space: Space) -> Self {
        LAST.set(None);
        Self {
            space,
            recoveries: Recoveries::default(),
            is_stopped: AtomicBool::new(false),
            reached: AtomicU32::new(0),
        }
    }

    pub fn recovery(&self, state: &State) -> Recovery {
        if let Some((world, recovery)) = LAST.get()
            && world == state.representative
        {
            return recovery;
        }
        let recovery = self.recoveries.of(&self.space, &state.representative);
        LAST.set(Some((state.representative, recovery)));
        recovery
    }

    fn state(&self, world: World, left: Left, broken: Option<Rule>) -> State {
        State {
            world,
            representative: self.space.representative(&world),
            left,
            broken,
        }
    }

    /// What is left after an act, where it is allowed.
    fn spent(&self, act: Act, mut left: Left) -> Option<Left> {
        let budget = match act {
            Act::Instruct(..) => &mut left.instructions,
            Act::PushFromOutside(..) => &mut left.outsiders,
            Act::Crash | Act::LoseWorkspace => &mut left.crashes,
            Act::RetryPush(_) | Act::Redeliver(_) => &mut left.repeats,
            Act::Inject(_) => {
                if left.faults >= self.space.scope.faults {
                    return None;
                }
                left.faults += 1;
                &mut left.injections
            }
            Act::Heal(_) => {
                left.faults -= 1;
                return Some(left);
            }
            _ => return Some(left),
        };
        *budget = budget.checked_sub(1)?;
        Some(left)
    }

    /// The moves from a state that are allowed.
    pub fn moves<'a>(&'a self, state: &'a State) -> impl Iterator<Item = (u8, u16, &'a Move)> {
        (0..self.space.clients()).flat_map(move |client| {
            let moves = self.space.moves(state.world.parts[client]).iter();
            moves
                .enumerate()
                .filter(move |(_, step)| {
                    self.space.allows(&state.world, client, step)
                        && self.spent(step.act, state.left).is_some()
                })
                .map(move |(at, step)| (client as u8, at as u16, step))
        })
    }

    /// Whether one step from a state reaches an entry of the sometimes-list.
    fn reaches(&self, state: &State, entry: Sometimes) -> bool {
        // Most are reached from few parts, and asking the parts is quicker than their moves.
        let mut parts = state.world.parts[..self.space.clients()].iter();
        if !parts.any(|part| self.space.may_reach(*part, entry)) {
            return false;
        }
        let is_so = match entry {
            Sometimes::TwoFaultsAtOnce => {
                state.left.faults > 1 && self.moves(state).any(|(_, _, step)| step.is_hit)
            }
            Sometimes::HealthyWhileOtherFailed => self.moves(state).any(|(client, _, step)| {
                let others = (0..self.space.clients()).filter(|c| *c != usize::from(client));
                let mut others = others.map(|c| state.world.parts[c]);
                step.is_deployed && others.any(|part| self.space.is_failing(part))
            }),
            _ => {
                let bit = bit_of(entry);
                self.moves(state)
                    .any(|(_, _, step)| step.reached & bit != 0)
            }
        };
        if is_so {
            self.reached.fetch_or(bit_of(entry), Ordering::Relaxed);
        }
        is_so
    }
}

/// The exploration, as stateright takes it.
pub struct Checked(pub Arc<Exploration>);

impl Deref for Checked {
    type Target = Exploration;

    fn deref(&self) -> &Exploration {
        &self.0
    }
}

impl Model for Checked {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let scope = &self.space.scope;
        let left = Left {
            instructions: scope.instructions,
            injections: scope.injections,
            crashes: scope.crashes,
            outsiders: scope.outsiders,
            repeats: scope.repeats,
            faults: 0,
        };
        vec![self.state(self.space.start(), left, None)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken.is_some() || self.is_stopped.load(Ordering::Relaxed) {
            return;
        }
        actions.extend(
            self.moves(state)
                .map(|(client, at, _)| Action::Of(client, at)),
        );
        actions.extend(self.space.time_at_breaker(&state.world).map(Action::Time));
        for trouble in self.space.scope.shared_troubles() {
            if self.space.has(&state.world, trouble) {
                actions.push(Action::Heal(trouble));
            } else if self.spent(Act::Inject(trouble), state.left).is_some() {
                actions.push(Action::Inject(trouble));
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut left = state.left;
        let next = match action {
            Action::Of(client, at) => {
                let client = usize::from(client);
                let step = &self.space.moves(state.world.parts[client])[usize::from(at)];
                left = self.spent(step.act, left)?;
                self.space.moved(&state.world, client, step)
            }
            Action::Time(op) => self.space.timed(&state.world, op),
            Action::Inject(trouble) => {
                left = self.spent(Act::Inject(trouble), left)?;
                Ok(self.space.toggled(&state.world, trouble, true))
            }
            Action::Heal(trouble) => {
                left.faults -= 1;
                Ok(self.space.toggled(&state.world, trouble, false))
            }
        };
        Some(match next {
            Ok(world) => self.state(world, left, None),
            Err(rule) => self.state(state.world, left, Some(rule)),
        })
    }

    /// The rules, recoverability, and what of the sometimes-list was not reached yet: each
    /// property costs a look-up for every state, so those that are found are dropped, and the
    /// rules are asked for together. Which one is broken stands in the state.
    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(RULES, |_, state: &State| state.broken.is_none()),
            Property::always(RECOVERS, |model: &Self, state: &State| {
                state.broken.is_some() || matches!(model.recovery(state), Recovery::Within(_))
            }),
        ];
        let reached = self.reached.load(Ordering::Relaxed);
        properties.extend(
            sometimes()
                .into_iter()
                .zip(Sometimes::all())
                .filter(|(_, entry)| {
                    reached & bit_of(*entry) == 0 && self.space.scope.lacks(*entry).is_empty()
                })
                .map(|(property, _)| property),
        );
        properties
    }
}

pub const RULES: &str = "every rule that holds always";
pub const RECOVERS: &str = "recovers from here";

/// A property for each entry of the sometimes-list, in its order.
fn sometimes() -> [Property<Checked>; 27] {
    macro_rules! entries {
        ($($n:literal)*) => {
            [$(Property::sometimes(concat!("sometimes ", $n), |model: &Checked, state| {
                Sometimes::all().nth($n).is_some_and(|entry| model.reaches(state, entry))
            })),*]
        };
    }
    entries!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26)
}
