//! The states of all clients together, and what leads from one to the next.
//!
//! A state is a few numbers: each client's part and the breaker's stand in tables, and with each
//! part what can follow it, so that the part is carried out and judged once and not in every state
//! of the others.

use std::sync::OnceLock;

use super::part::Part;
use super::scope::Scope;
use super::shared::{Op, Shared};
use super::system::{Act, Admitted, Trouble};
use super::table::Table;
use crate::coverage::Sometimes;
use crate::model::breaker::Standing;
use crate::verdict::Rule;

/// Clients at most.
pub const MOST_CLIENTS: usize = 3;
/// The part of a client that there is not.
const NOBODY: u32 = u32::MAX;
/// Every order of the clients: `ORDERS[..1]` for one, `[..2]` for two, all for three.
const ORDERS: [[usize; MOST_CLIENTS]; 6] = [
    [0, 1, 2],
    [1, 0, 2],
    [0, 2, 1],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

/// What all clients are in, without what the tester may still do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct World {
    pub parts: [u32; MOST_CLIENTS],
    pub shared: u32,
}

/// A part's next steps.
#[derive(Clone, Copy, Debug)]
pub struct Move {
    pub act: Act,
    /// What the part becomes, or the rule that this breaks.
    next: Result<u32, Rule>,
    op: Op,
    /// A bit for each entry of the sometimes-list, in its order.
    pub reached: u32,
    pub is_hit: bool,
    pub is_deployed: bool,
}

#[derive(Default)]
pub struct PartFacts {
    moves: OnceLock<Box<[Move]>>,
    /// What any of the moves may reach, a bit for each entry of the sometimes-list.
    reached: OnceLock<u32>,
    is_telling: OnceLock<bool>,
    healed: OnceLock<u32>,
    standing: [OnceLock<u32>; 3],
    toggled: [[OnceLock<u32>; Trouble::SHARED.len()]; 2],
    rest: OnceLock<Option<Rule>>,
}

#[derive(Default)]
pub struct SharedFacts {
    next: [[OnceLock<Result<u32, Rule>>; Op::ALL]; MOST_CLIENTS],
    renumbered: [OnceLock<u32>; ORDERS.len()],
}

/// The tables.
pub struct Space {
    pub scope: Scope,
    pub parts: Table<Part, PartFacts>,
    pub shared: Table<Shared, SharedFacts>,
}

impl Space {
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            parts: Table::new(),
            shared: Table::new(),
        }
    }

    pub fn clients(&self) -> usize {
        self.scope.clients.into()
    }

    /// The world before anything happened.
    pub fn start(&self) -> World {
        let part = self.parts.number(Part::new(self.scope.sessions));
        let mut parts = [NOBODY; MOST_CLIENTS];
        parts[..self.clients()].fill(part);
        let shared = Shared::new(self.clients(), self.scope.habits);
        World {
            parts,
            shared: self.shared.number(shared),
        }
    }

    /// What can happen at a client, as far as that depends on the client.
    pub fn moves(&self, part: u32) -> &[Move] {
        let (part, facts) = self.parts.get(part);
        facts.moves.get_or_init(|| {
            let habits = self.scope.habits;
            let disturbances = self.scope.disturbances();
            let disturbances = disturbances.into_iter().filter(|act| part.system.can(*act));
            let acts = part.system.own_acts(habits).into_iter().chain(disturbances);
            acts.map(|act| self.move_of(part, act)).collect()
        })
    }

    /// Whether some move of a part may reach an entry of the sometimes-list.
    pub fn may_reach(&self, part: u32, entry: Sometimes) -> bool {
        let facts = &self.parts.get(part).1;
        let reached = facts.reached.get_or_init(|| {
            let bits = self.moves(part).iter().map(|step| {
                let hit = if step.is_hit {
                    bit_of(Sometimes::TwoFaultsAtOnce)
                } else {
                    0
                };
                let deployed = bit_of(Sometimes::HealthyWhileOtherFailed);
                step.reached | hit | if step.is_deployed { deployed } else { 0 }
            });
            bits.fold(0, |all, bits| all | bits)
        });
        reached & bit_of(entry) != 0
    }

    fn move_of(&self, part: &Part, act: Act) -> Move {
        let acted = part.act(act, self.scope.habits);
        let bits = acted.seen.reached.iter().map(|entry| bit_of(*entry));
        Move {
            act,
            next: match acted.next {
                Ok(next) => Ok(self.parts.number(next)),
                Err(broken) => Err(broken.rule),
            },
            op: acted.op,
            reached: bits.fold(0, |all, bit| all | bit),
            is_hit: acted.seen.is_hit,
            is_deployed: acted.seen.is_deployed,
        }
    }

    /// Whether the breaker gives the answer that a move is for.
    pub fn allows(&self, world: &World, client: usize, step: &Move) -> bool {
        let habits = self.scope.habits;
        match step.act {
            Act::Ask(answer) => {
                let shared = &self.shared.get(world.shared).0;
                shared.admits(client as u8, habits) == answer
            }
            Act::Count { opens } => {
                let shared = &self.shared.get(world.shared).0;
                shared.opens(client as u8, step.op, habits) == opens
            }
            act if act.is_timed() => self.lets_time_pass(world),
            _ => true,
        }
    }

    /// The world after a client's move.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn moved(&self, world: &World, client: usize, step: &Move) -> Result<World, Rule> {
        let mut next = *world;
        next.parts[client] = step.next?;
        self.operated(next, client, step.op)
    }

    /// The world after time did something to the breaker.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn timed(&self, world: &World, op: Op) -> Result<World, Rule> {
        self.operated(*world, 0, op)
    }

    fn operated(&self, mut world: World, client: usize, op: Op) -> Result<World, Rule> {
        if op == Op::Nothing {
            return Ok(world);
        }
        let (shared, facts) = self.shared.get(world.shared);
        let next = facts.next[client][op.number()].get_or_init(|| {
            match shared.apply(client as u8, op, self.scope.habits) {
                Ok(next) => Ok(self.shared.number(next)),
                Err(broken) => Err(broken.rule),
            }
        });
        world.shared = (*next)?;
        let standing = self.shared.get(world.shared).0.standing();
        if standing != shared.standing() {
            for part in &mut world.parts[..self.clients()] {
                *part = self.with_standing(*part, standing);
            }
        }
        Ok(world)
    }

    fn with_standing(&self, part: u32, standing: Standing) -> u32 {
        let (known, facts) = self.parts.get(part);
        *facts.standing[standing as usize]
            .get_or_init(|| self.parts.number(known.with_standing(standing)))
    }

    /// The world with a fault of all clients injected or healed.
    pub fn toggled(&self, world: &World, trouble: Trouble, on: bool) -> World {
        let mut next = *world;
        let at = Trouble::SHARED.iter().position(|other| *other == trouble);
        for part in &mut next.parts[..self.clients()] {
            let (known, facts) = self.parts.get(*part);
            *part = *facts.toggled[usize::from(on)][at.unwrap_or_default()].get_or_init(|| {
                let act = if on {
                    Act::Inject(trouble)
                } else {
                    Act::Heal(trouble)
                };
                let next = known.act(act, self.scope.habits).next;
                // A fault shows nothing by itself, so it breaks nothing.
                self.parts
                    .number(next.unwrap_or_else(|_| (**known).clone()))
            });
        }
        next
    }

    /// Whether a fault of all clients is active.
    pub fn has(&self, world: &World, trouble: Trouble) -> bool {
        let first = &self.parts.get(world.parts[0]).0;
        first.system.troubles.contains(&trouble)
    }

    /// The world with everything healed.
    pub fn healed(&self, world: &World) -> World {
        let mut next = *world;
        for part in &mut next.parts[..self.clients()] {
            let (known, facts) = self.parts.get(*part);
            *part = *facts
                .healed
                .get_or_init(|| self.parts.number(known.healed()));
        }
        next
    }

    /// The rule that does not hold of a world at rest.
    pub fn check_rest(&self, world: &World) -> Option<Rule> {
        world.parts[..self.clients()].iter().find_map(|part| {
            let (part, facts) = self.parts.get(*part);
            *facts
                .rest
                .get_or_init(|| part.check_rest().map(|broken| broken.rule))
        })
    }

    /// The least of the worlds that differ only in which client is which.
    pub fn representative(&self, world: &World) -> World {
        let clients = self.clients();
        if world.parts.is_sorted() && world.parts[..clients].windows(2).all(|p| p[0] != p[1]) {
            return *world;
        }
        let orders = match clients {
            1 => 1,
            2 => 2,
            _ => ORDERS.len(),
        };
        let (shared, facts) = self.shared.get(world.shared);
        let renumbered = ORDERS[..orders].iter().enumerate().map(|(at, order)| {
            let parts = order.map(|old| world.parts[old]);
            let order = &order[..clients];
            let shared = move || {
                *facts.renumbered[at].get_or_init(|| self.shared.number(shared.renumbered(order)))
            };
            (parts, shared)
        });
        let least = renumbered.clone().map(|(parts, _)| parts).min();
        let least = least.unwrap_or(world.parts);
        let shared = renumbered
            .filter(|(parts, _)| *parts == least)
            .map(|(_, shared)| shared())
            .min();
        World {
            parts: least,
            shared: shared.unwrap_or(world.shared),
        }
    }

    /// Whether a wait may end now. A line that is due does not come so late.
    pub fn lets_time_pass(&self, world: &World) -> bool {
        let is_telling = |part: &u32| {
            let (part, facts) = self.parts.get(*part);
            *facts.is_telling.get_or_init(|| part.system.is_telling())
        };
        !world.parts[..self.clients()].iter().any(is_telling)
    }

    /// What time does to the breaker next, if anything.
    pub fn time_at_breaker(&self, world: &World) -> Option<Op> {
        if !self.lets_time_pass(world) {
            return None;
        }
        self.shared.get(world.shared).0.timed(self.scope.habits)
    }

    /// Whether a client's records tell an error.
    pub fn is_failing(&self, part: u32) -> bool {
        self.parts.get(part).0.system.is_failing()
    }
}

/// A bit for an entry of the sometimes-list.
pub fn bit_of(entry: Sometimes) -> u32 {
    let at = Sometimes::all().position(|other| other == entry);
    1 << at.unwrap_or_default()
}

/// The answers of the breaker stand for themselves in a path.
pub fn is_prevented(act: Act) -> bool {
    act == Act::Ask(Admitted::Prevented)
}
