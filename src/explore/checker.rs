//! What is explored: the states, what leads from one to the next, and what was found out.

use super::moves::{Cost, Left, bit_of};
use super::recovery::{Recoveries, Recovery};
use super::shared::Op;
use super::space::{MOST_CLIENTS, Space, World};
use super::system::{Act, ModelFault};
use crate::coverage::Sometimes;
use crate::verdict::Rule;

/// A state: the world, and what the tester may still do to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SearchState {
    pub world: World,
    pub left: Left,
}

/// One step from a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// A move of a client, by its number in the list of the part.
    Of(u8, u16),
    Time(Op),
    Inject(ModelFault),
    Heal(ModelFault),
}

/// A step, and what comes of it.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub action: Action,
    /// What of the sometimes-list it may reach, as [`Exploration::reaches`] takes it.
    pub reached: u32,
    /// From the state after it the ways to rest are those from the one before, but for steps at
    /// their beginning to which there is no other.
    pub recovers_alike: bool,
    /// The state after it, or the rule that it breaks.
    pub next: Result<SearchState, Rule>,
}

/// Steps from the start.
#[derive(Clone, Debug)]
pub struct Path {
    /// Each with the world before it.
    pub steps: Vec<(World, Action)>,
    /// The state after them. Where the last step breaks a rule, the state before that.
    pub last: SearchState,
}

/// The space, and what was found out of it so far.
pub struct Exploration {
    pub space: Space,
    pub recoveries: Recoveries,
    shared_faults: Box<[ModelFault]>,
    /// Entries of the sometimes-list that the scope does not lack anything for, a bit each.
    in_scope: u32,
}

impl Exploration {
    pub fn new(space: Space) -> Self {
        let scope = &space.scope;
        let in_scope = Sometimes::all().filter(|entry| scope.lacks(*entry).is_empty());
        Self {
            shared_faults: scope.shared_faults().collect(),
            in_scope: in_scope.fold(0, |all, entry| all | bit_of(entry)),
            recoveries: Recoveries::default(),
            space,
        }
    }

    /// The state before anything happened.
    pub fn start(&self) -> SearchState {
        SearchState {
            world: self.space.start(),
            left: Left::of(&self.space.scope),
        }
    }

    /// Entries of the sometimes-list to look for, a bit each.
    pub fn in_scope(&self) -> u32 {
        self.in_scope
    }

    pub fn recovery(&self, state: &SearchState) -> Recovery {
        self.recoveries.of(&self.space, &state.world)
    }

    /// The same for all states that differ only in which client is which. States are distinguished by
    /// it, which is the symmetry reduction.
    pub fn representative(&self, state: &SearchState) -> SearchState {
        SearchState {
            world: self.space.representative(&state.world),
            left: state.left,
        }
    }

    /// Goes every step that there is from a state.
    pub fn each_step(&self, state: &SearchState, mut go: impl FnMut(Step)) {
        let (space, world) = (&self.space, &state.world);
        let lets_time_pass = space.lets_time_pass(world);
        for client in 0..space.clients() {
            let gates = space.gates(world, client, lets_time_pass);
            let part = world.parts[client];
            for (at, step) in space.moves(part).steps.iter().enumerate() {
                if !gates.lets(step.gate) {
                    continue;
                }
                let Some(left) = state.left.after(step.cost) else {
                    continue;
                };
                let next = space.moved(world, client, step);
                go(Step {
                    action: Action::Of(client as u8, at as u16),
                    reached: step.reached,
                    recovers_alike: space.recovers_alike(part, at, step),
                    next: next.map(|world| SearchState { world, left }),
                });
            }
        }
        if let Some(op) = space.time_at_breaker(world) {
            let next = space.timed(world, op);
            let left = state.left;
            go(Step {
                action: Action::Time(op),
                reached: 0,
                recovers_alike: false,
                next: next.map(|world| SearchState { world, left }),
            });
        }
        for fault in self.shared_faults.iter().copied() {
            let is_on = space.has(world, fault);
            let (act, action) = if is_on {
                (Act::Heal(fault), Action::Heal(fault))
            } else {
                (Act::Inject(fault), Action::Inject(fault))
            };
            if let Some(left) = state.left.after(Cost::of(act)) {
                let world = space.toggled(world, fault, !is_on);
                go(Step {
                    action,
                    reached: 0,
                    recovers_alike: false,
                    next: Ok(SearchState { world, left }),
                });
            }
        }
    }

    /// Whether a step from a state that may reach an entry of the sometimes-list does so.
    pub fn reaches(&self, state: &SearchState, step: &Step, entry: Sometimes) -> bool {
        if step.reached & bit_of(entry) == 0 {
            return false;
        }
        match entry {
            Sometimes::TwoFaultsAtOnce => state.left.active(&self.space.scope) > 1,
            Sometimes::HealthyWhileOtherFailed => {
                let Action::Of(client, _) = step.action else {
                    return false;
                };
                let others = (0..self.space.clients()).filter(|c| *c != usize::from(client));
                let mut others = others.map(|c| state.world.parts[c]);
                others.any(|part| self.space.moves(part).is_failing)
            }
            _ => true,
        }
    }
}

/// Bits for the number of a part, and of the breaker's: [`Table`](super::table::Table) gives no
/// greater ones.
const NUMBER: u32 = 26;
/// The number that means no client in so many bits.
const MOST: u128 = (1 << NUMBER) - 1;

/// All of a state, in 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key(pub [u64; 2]);

impl Key {
    pub fn of(state: &SearchState) -> Self {
        let World { parts, shared } = state.world;
        let numbers = [parts[0], parts[1], parts[2], shared];
        let bits = u128::from(state.left.bits());
        let bits = numbers
            .iter()
            .fold(bits, |bits, n| bits << NUMBER | (u128::from(*n) & MOST));
        Self([bits as u64, (bits >> 64) as u64])
    }

    pub fn state(self) -> SearchState {
        let mut bits = u128::from(self.0[0]) | u128::from(self.0[1]) << 64;
        let mut take = || {
            let number = bits & MOST;
            bits >>= NUMBER;
            number as u32
        };
        let shared = take();
        let mut parts = [0; MOST_CLIENTS];
        for part in parts.iter_mut().rev() {
            *part = match take() {
                number if u128::from(number) == MOST => super::space::NO_CLIENT,
                number => number,
            };
        }
        SearchState {
            world: World { parts, shared },
            left: Left::from_bits(bits as u32),
        }
    }
}
