//! Recoverability: from every state, healing everything leads by every path to rest, and there
//! every rule of the contract holds that is for after recovery.
//!
//! There are no more disturbances, and time is fair: it passes only when nothing else can happen, and
//! the cool-down is over before what was put off has been tried for ever. The worlds on the way
//! are few against all states, so what is known of each is kept.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU16, Ordering};

use dashmap::DashMap;

use super::checker::Action;
use super::moves::When;
use super::space::{Space, World};
use crate::verdict::Rule;

/// What happens to a world that is not disturbed.
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

impl Recovery {
    /// What becomes of a world from which this one comes by so many steps.
    fn after(self, steps: u16) -> Self {
        match self {
            Self::Within(more) if more + steps > STEPS => Self::Circles,
            Self::Within(more) => Self::Within(more + steps),
            other => other,
        }
    }
}

/// What is known so far.
#[derive(Default)]
pub struct Recoveries {
    known: DashMap<World, Recovery, ahash::RandomState>,
    longest: AtomicU16,
}

impl Recoveries {
    /// How many worlds were found on the way to rest.
    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// The most steps of any recovery that was asked for.
    pub fn longest(&self) -> u16 {
        self.longest.load(Ordering::Relaxed)
    }

    /// What becomes of a world once everything in it is healed.
    pub fn of(&self, space: &Space, world: &World) -> Recovery {
        let (next, steps) = space.recovering(world);
        let outcome = self.follow(space, &next).after(steps);
        if let Recovery::Within(steps) = outcome
            && steps > self.longest()
        {
            self.longest.fetch_max(steps, Ordering::Relaxed);
        }
        outcome
    }

    /// The steps of a recovery that does not succeed, from a world with everything healed.
    pub fn failing(&self, space: &Space, world: &World) -> Vec<(World, Action)> {
        let mut path: Vec<(World, Action)> = Vec::new();
        let mut world = *world;
        loop {
            let next = successors(space, &world).into_iter().find(|(_, next)| {
                let recovery = next.map(|next| self.of(space, &next));
                !matches!(recovery, Ok(Recovery::Within(_)))
            });
            let Some((action, next)) = next else {
                return path;
            };
            path.push((world, action));
            let is_circle = next.is_ok_and(|next| path.iter().any(|(seen, _)| *seen == next));
            match next {
                Ok(next) if !is_circle => world = next,
                _ => return path,
            }
        }
    }

    /// Follows every path from a world, the deepest first, with a stack of its own: paths are long.
    fn follow(&self, space: &Space, world: &World) -> Recovery {
        let first = space.representative(world);
        if let Some(known) = self.known.get(&first) {
            return *known;
        }
        let mut on_path = HashSet::with_hasher(ahash::RandomState::new());
        on_path.insert(first);
        let mut path = vec![Visit::new(space, first)];
        loop {
            let is_too_long = path.len() > usize::from(STEPS);
            let Some(visit) = path.last_mut() else {
                // The first visit returns below.
                return Recovery::Circles;
            };
            let outcome = match visit.next.last().copied() {
                None => Some(visit.ends(space)),
                Some(_) if is_too_long => Some(Recovery::Circles),
                Some(Err(rule)) => Some(Recovery::Breaks(rule)),
                Some(Ok((next, steps))) => {
                    match self.known.get(&next).map(|known| known.after(steps)) {
                        Some(Recovery::Within(steps)) => {
                            visit.longest = visit.longest.max(Some(steps));
                            visit.next.pop();
                            None
                        }
                        Some(other) => Some(other),
                        None if on_path.insert(next) => {
                            path.push(Visit::new(space, next));
                            None
                        }
                        None => Some(Recovery::Circles),
                    }
                }
            };
            let Some(outcome) = outcome else {
                continue;
            };
            // The state that led here looks again, and finds it known.
            if let Some(visit) = path.pop() {
                self.known.insert(visit.world, outcome);
                on_path.remove(&visit.world);
            }
            if path.is_empty() {
                return outcome;
            }
        }
    }
}

/// A world on the path that is followed.
struct Visit {
    world: World,
    /// What may come next and was not followed yet, each with the steps to there.
    next: Vec<Result<(World, u16), Rule>>,
    longest: Option<u16>,
}

impl Visit {
    fn new(space: &Space, world: World) -> Self {
        let next = successors(space, &world).into_iter();
        let recovering = |next| {
            let (next, steps) = space.recovering(&next);
            (space.representative(&next), steps + 1)
        };
        Self {
            world,
            next: next.map(|(_, next)| next.map(recovering)).collect(),
            longest: None,
        }
    }

    /// What becomes of it, once all that may come next was followed.
    fn ends(&self, space: &Space) -> Recovery {
        match (self.longest, space.check_rest(&self.world)) {
            (Some(steps), _) => Recovery::Within(steps),
            (None, Some(rule)) => Recovery::Breaks(rule),
            (None, None) => Recovery::Within(0),
        }
    }
}

/// What may come next in a world that is not disturbed, and to which world that leads.
pub fn successors(space: &Space, world: &World) -> Vec<(Action, Result<World, Rule>)> {
    let lets_time_pass = space.lets_time_pass(world);
    let of_clients = |when: When| -> Vec<(Action, Result<World, Rule>)> {
        let mut next = Vec::new();
        for client in 0..space.clients() {
            let gates = space.gates(world, client, lets_time_pass);
            let steps = space.moves(world.parts[client]).steps.iter();
            for (at, step) in steps.enumerate() {
                if step.when == when && gates.lets(step.gate) {
                    let action = Action::Of(client as u8, at as u16);
                    next.push((action, space.moved(world, client, step)));
                }
            }
        }
        next
    };
    let at_once = of_clients(When::Now);
    if !at_once.is_empty() {
        return at_once;
    }
    match space.time_at_breaker(world) {
        Some(op) => vec![(Action::Time(op), space.timed(world, op))],
        None => of_clients(When::Later),
    }
}
