//! Recoverability: from every state, healing everything leads by every path to rest, and there
//! every rule of the contract holds that is for after recovery.
//!
//! Nobody disturbs any more, and time is fair: it passes only when nothing else can happen, and
//! the cool-down is over before what was put off has been tried for ever. The worlds on the way
//! are few against all states, so what is known of each is kept.

use std::cell::RefCell;
use std::collections::HashSet;

use dashmap::DashMap;

use super::space::{Space, World};
use crate::verdict::Rule;

/// What becomes of a world that is left alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recovery {
    /// Every path comes to rest as the contract has it, the longest in so many steps.
    Within(u16),
    /// Some path breaks a rule, on the way or at rest.
    Breaks(Rule),
    /// Some path comes back to where it was, and never to rest.
    Circles,
}

/// Steps that a recovery may take.
pub const STEPS: u16 = 1000;

/// What is known so far.
#[derive(Default)]
pub struct Recoveries {
    known: DashMap<World, Recovery, ahash::RandomState>,
}

thread_local! {
    /// The worlds on the path that is followed now.
    static PATH: RefCell<HashSet<World, ahash::RandomState>> = RefCell::default();
}

impl Recoveries {
    /// How many worlds were found on the way to rest.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// The most steps of any recovery.
    pub fn longest(&self) -> u16 {
        let steps = self.known.iter().map(|known| match *known.value() {
            Recovery::Within(steps) => steps,
            Recovery::Breaks(_) | Recovery::Circles => 0,
        });
        steps.max().unwrap_or_default()
    }

    /// What becomes of a world once everything in it is healed.
    pub fn of(&self, space: &Space, world: &World) -> Recovery {
        self.follow(space, &space.healed(world))
    }

    fn follow(&self, space: &Space, world: &World) -> Recovery {
        let world = space.representative(world);
        if let Some(known) = self.known.get(&world) {
            return *known;
        }
        if !PATH.with_borrow_mut(|path| path.insert(world)) {
            return Recovery::Circles;
        }
        let recovery = self.longest_from(space, &world);
        PATH.with_borrow_mut(|path| path.remove(&world));
        self.known.insert(world, recovery);
        recovery
    }

    fn longest_from(&self, space: &Space, world: &World) -> Recovery {
        let mut longest = None;
        for next in successors(space, world) {
            match next.map(|next| self.follow(space, &next)) {
                Ok(Recovery::Within(steps)) if steps < STEPS => {
                    longest = longest.max(Some(steps + 1));
                }
                Ok(Recovery::Within(_)) => return Recovery::Circles,
                Ok(other) => return other,
                Err(rule) => return Recovery::Breaks(rule),
            }
        }
        match (longest, space.check_rest(world)) {
            (Some(steps), _) => Recovery::Within(steps),
            (None, Some(rule)) => Recovery::Breaks(rule),
            (None, None) => Recovery::Within(0),
        }
    }
}

/// What may come next in a world that is left alone.
pub fn successors(space: &Space, world: &World) -> Vec<Result<World, Rule>> {
    let of_clients = |timed: bool| -> Vec<Result<World, Rule>> {
        let mut next = Vec::new();
        for client in 0..space.clients() {
            for step in space.moves(world.parts[client]) {
                if !step.act.is_testers()
                    && step.act.is_timed() == timed
                    && space.allows(world, client, step)
                {
                    next.push(space.moved(world, client, step));
                }
            }
        }
        next
    };
    let at_once = of_clients(false);
    if !at_once.is_empty() {
        return at_once;
    }
    match space.time_at_breaker(world) {
        Some(op) => vec![space.timed(world, op)],
        None => of_clients(true),
    }
}
