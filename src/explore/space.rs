//! The states of all clients together, and what leads from one to the next.
//!
//! A state is a few numbers: each client's part and the breaker's are in tables, and with each
//! part what can follow it, so that the part is carried out and judged once and not in every state
//! of the others.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::client::JudgedClient;
use super::moves::{Cost, Gate, Gates, Memo, Move, Moves, Next, When, bit_of};
use super::recovery::STEPS;
use super::scope::Scope;
use super::shared::{Op, Shared};
use super::system::{Act, Admitted, ModelFault};
use super::table::Table;
use crate::coverage::Sometimes;
use crate::model::breaker::Standing;
use crate::plan::FaultKind;
use crate::verdict::Rule;

/// Clients at most.
pub const MOST_CLIENTS: usize = 3;
/// The part of a client that there is not.
pub(super) const NO_CLIENT: u32 = u32::MAX;
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

/// What follows from a part, found out when it is first asked for.
#[derive(Default)]
pub struct ClientFacts {
    moves: OnceLock<Moves>,
    /// By the place of a move: whether [`Space::recovers_alike`] is known, and in the upper half
    /// whether it is so.
    alike: AtomicU64,
    standing: [Memo; 3],
    recovering: OnceLock<Forced>,
    forced: OnceLock<Option<u32>>,
    healed: Memo,
    rest: OnceLock<Option<Rule>>,
    /// By whether a fault of all clients begins or ends, and by its kind.
    toggled: [[Memo; FaultKind::ALL.len()]; 2],
}

/// Where an unattended part comes by steps without a choice, and how many.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Forced {
    part: u32,
    steps: u16,
}

/// What follows from a situation of the breaker.
pub struct SharedFacts {
    /// By client and operation.
    next: [[Memo; Op::ALL.len()]; MOST_CLIENTS],
    renumbered: [Memo; ORDERS.len()],
    /// By client: what it lets through, but for time.
    gates: [Gates; MOST_CLIENTS],
    standing: Standing,
    timed: Option<Op>,
}

/// The tables.
pub struct Space {
    pub scope: Scope,
    pub parts: Table<JudgedClient, ClientFacts>,
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
        let part = self.part(JudgedClient::new(self.scope.sessions, self.scope.habits));
        let mut parts = [NO_CLIENT; MOST_CLIENTS];
        parts[..self.clients()].fill(part);
        let shared = Shared::new(self.clients(), self.scope.habits);
        World {
            parts,
            shared: self.breaker(shared),
        }
    }

    fn part(&self, part: JudgedClient) -> u32 {
        self.parts.number(part, |_| ClientFacts::default())
    }

    fn breaker(&self, shared: Shared) -> u32 {
        let habits = self.scope.habits;
        self.shared.number(shared, |shared| SharedFacts {
            next: Default::default(),
            renumbered: Default::default(),
            gates: [0, 1, 2].map(|client| gates(shared, client, &self.scope)),
            standing: shared.standing(),
            timed: shared.timed(habits),
        })
    }

    /// What can happen at a client, as far as that depends on the client.
    pub fn moves(&self, part: u32) -> &Moves {
        let (part, facts) = self.parts.get(part);
        facts.moves.get_or_init(|| {
            let habits = self.scope.habits;
            let disturbances = self.scope.disturbances();
            let disturbances = disturbances.into_iter().filter(|act| part.system.can(*act));
            let acts = part.system.own_acts(habits).into_iter().chain(disturbances);
            let acts: Box<[Act]> = acts.collect();
            let active = part.system.active.iter().filter(|of| of.is_shared());
            Moves {
                steps: acts.iter().map(|act| self.move_of(part, *act)).collect(),
                acts,
                is_reporting: part.system.is_reporting(),
                is_failing: part.records_error(),
                active_faults: active.fold(0, |bits, of| bits | 1 << of.kind() as u32),
            }
        })
    }

    fn move_of(&self, part: &JudgedClient, act: Act) -> Move {
        let acted = part.act(act, self.scope.habits);
        let seen = &acted.seen;
        let mut reached = seen.reached.iter().fold(0, |all, at| all | bit_of(*at));
        if seen.is_hit {
            reached |= bit_of(Sometimes::TwoFaultsAtOnce);
        }
        if seen.is_deployed {
            reached |= bit_of(Sometimes::HealthyWhileOtherFailed);
        }
        let next = match acted.next {
            Ok(next) => Ok(self.part(next)),
            Err(broken) => Err(broken.rule),
        };
        Move {
            next: Next::from(next),
            reached,
            cost: Cost::of(act),
            op: acted.op.number() as u8,
            gate: Gate::of(act, acted.op),
            when: When::of(act),
        }
    }

    /// What the breaker, and time, let a client do.
    pub fn gates(&self, world: &World, client: usize, lets_time_pass: bool) -> Gates {
        let facts = &self.shared.get(world.shared).1;
        facts.gates[client].open(Gate::Time, lets_time_pass)
    }

    /// The world after a client's move.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn moved(&self, world: &World, client: usize, step: &Move) -> Result<World, Rule> {
        let mut next = *world;
        next.parts[client] = step.next.get()?;
        if step.op == 0 {
            return Ok(next);
        }
        self.operated(next, client, step.op.into())
    }

    /// The world after time did something to the breaker.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn timed(&self, world: &World, op: Op) -> Result<World, Rule> {
        self.operated(*world, 0, op.number())
    }

    fn operated(&self, mut world: World, client: usize, op: usize) -> Result<World, Rule> {
        let (shared, facts) = self.shared.get(world.shared);
        let next = facts.next[client][op].next(|| {
            match shared.apply(client as u8, Op::ALL[op], self.scope.habits) {
                Ok(next) => Ok(self.breaker(next)),
                Err(broken) => Err(broken.rule),
            }
        });
        world.shared = next.get()?;
        let standing = self.shared.get(world.shared).1.standing;
        if standing != facts.standing {
            for part in &mut world.parts[..self.clients()] {
                *part = self.with_standing(*part, standing);
            }
        }
        Ok(world)
    }

    fn with_standing(&self, part: u32, standing: Standing) -> u32 {
        let (known, facts) = self.parts.get(part);
        facts.standing[standing as usize].number(|| self.part(known.with_standing(standing)))
    }

    /// The world with a fault of all clients injected or healed.
    pub fn toggled(&self, world: &World, fault: ModelFault, on: bool) -> World {
        let mut next = *world;
        for part in &mut next.parts[..self.clients()] {
            let (known, facts) = self.parts.get(*part);
            *part = facts.toggled[usize::from(on)][fault.kind() as usize].number(|| {
                let act = if on {
                    Act::Inject(fault)
                } else {
                    Act::Heal(fault)
                };
                let next = known.act(act, self.scope.habits).next;
                // A fault shows nothing by itself, so it breaks nothing.
                self.part(next.unwrap_or_else(|_| (**known).clone()))
            });
        }
        next
    }

    /// Whether a fault of all clients is active.
    pub fn has(&self, world: &World, fault: ModelFault) -> bool {
        self.moves(world.parts[0]).active_faults >> fault.kind() as u32 & 1 != 0
    }

    /// The world with everything healed.
    pub fn healed(&self, world: &World) -> World {
        let mut next = *world;
        for part in &mut next.parts[..self.clients()] {
            *part = self.healed_part(*part);
        }
        next
    }

    fn healed_part(&self, part: u32) -> u32 {
        let (known, facts) = self.parts.get(part);
        facts.healed.number(|| self.part(known.healed()))
    }

    /// Where a world comes, once all is healed, by those steps of each client to which there is no
    /// other and which touch no other part; and how many steps that are.
    ///
    /// Such a step comes on every way to rest, and whenever it comes the same follows: it can go
    /// first. So all ways from a world come to rest if those from there do, in so many steps more.
    pub fn recovering(&self, world: &World) -> (World, u16) {
        let (mut next, mut steps) = (*world, 0);
        for part in &mut next.parts[..self.clients()] {
            let forced = self.recovering_part(*part);
            *part = forced.part;
            steps += forced.steps;
        }
        (next, steps)
    }

    fn recovering_part(&self, part: u32) -> Forced {
        let facts = &self.parts.get(part).1;
        *facts.recovering.get_or_init(|| self.follow_forced(part))
    }

    /// Whether all that is left to recovery after a move is what was left before. Where a part has
    /// too many moves, it is not said of all.
    pub fn recovers_alike(&self, part: u32, at: usize, step: &Move) -> bool {
        let Ok(next) = step.next.get() else {
            return false;
        };
        if step.op != 0 || at >= 32 {
            return false;
        }
        let facts = &self.parts.get(part).1;
        let known = facts.alike.load(Ordering::Relaxed) >> at;
        if known & 1 != 0 {
            return known >> 32 & 1 != 0;
        }
        let is_alike = self.recovering_part(part).part == self.recovering_part(next).part;
        let found = (1 | u64::from(is_alike) << 32) << at;
        facts.alike.fetch_or(found, Ordering::Relaxed);
        is_alike
    }

    fn follow_forced(&self, part: u32) -> Forced {
        let first = self.healed_part(part);
        let (mut part, mut steps) = (first, 0);
        while let Some(next) = self.forced(part) {
            part = next;
            steps += 1;
            if steps > STEPS {
                // A circle, which is for those to find who follow every step.
                return Forced {
                    part: first,
                    steps: 0,
                };
            }
        }
        Forced { part, steps }
    }

    /// What an unattended part becomes next, where it has no choice, and no other part can
    /// see whether it happened.
    fn forced(&self, part: u32) -> Option<u32> {
        let (known, facts) = self.parts.get(part);
        *facts.forced.get_or_init(|| {
            let moves = self.moves(part);
            let mut now = moves.steps.iter().zip(&moves.acts);
            let mut now = now.by_ref().filter(|(step, _)| step.when == When::Now);
            let (Some((step, act)), None) = (now.next(), now.next()) else {
                return None;
            };
            let next = step.next.get().ok()?;
            let is_alone = step.op == 0 && step.gate == Gate::Free;
            let is_forced = is_alone && known.is_indifferent(*act, self.scope.habits);
            is_forced.then_some(next)
        })
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
        if world.parts[..clients].windows(2).all(|p| p[0] < p[1]) {
            return *world;
        }
        let orders = match clients {
            1 => 1,
            2 => 2,
            _ => ORDERS.len(),
        };
        let (shared, facts) = self.shared.get(world.shared);
        let mut least: Option<World> = None;
        for (at, order) in ORDERS[..orders].iter().enumerate() {
            let parts = order.map(|old| world.parts[old]);
            if least.is_some_and(|least| parts > least.parts) {
                continue;
            }
            let shared =
                facts.renumbered[at].number(|| self.breaker(shared.renumbered(&order[..clients])));
            if least.is_none_or(|least| (parts, shared) < (least.parts, least.shared)) {
                least = Some(World { parts, shared });
            }
        }
        least.unwrap_or(*world)
    }

    /// Whether a wait may end now. A line that is due does not come so late.
    pub fn lets_time_pass(&self, world: &World) -> bool {
        let mut parts = world.parts[..self.clients()].iter();
        !parts.any(|part| self.moves(*part).is_reporting)
    }

    /// What time does to the breaker next, if anything.
    pub fn time_at_breaker(&self, world: &World) -> Option<Op> {
        let op = self.shared.get(world.shared).1.timed?;
        self.lets_time_pass(world).then_some(op)
    }
}

/// What the breaker lets a client do.
fn gates(shared: &Shared, client: u8, scope: &Scope) -> Gates {
    let habits = scope.habits;
    let answer = shared.admits(client, habits);
    let opens = |probe| {
        let op = Op::Count {
            succeeded: false,
            probe,
        };
        shared.opens(client, op, habits)
    };
    Gates::default()
        .open(Gate::Free, true)
        .open(Gate::Ordinary, answer == Admitted::Ordinary)
        .open(Gate::Probe, answer == Admitted::Probe)
        .open(Gate::Prevented, answer == Admitted::Prevented)
        .open(Gate::Opens, opens(false))
        .open(Gate::Stays, !opens(false))
        .open(Gate::OpensByProbe, opens(true))
        .open(Gate::StaysByProbe, !opens(true))
}
