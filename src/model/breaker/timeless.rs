//! The breaker without its history in time, for exploration: two situations in which the same can
//! follow are equal.
//!
//! Exact where the blur is zero, every event takes less than a thousandth of the cool-down, and
//! time passes otherwise only as whole cool-downs: then all that matters of a moment is whether
//! the cool-down from it is over, and which of two came first.

use std::time::Duration;

use super::{Allowed, Breaker, BreakerState, Limits, World};

/// What a container's other rules need to know of the breaker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Standing {
    Closed,
    /// It may be closed, and may be not.
    Unclear,
    NotClosed,
}

impl Standing {
    pub const ALL: [Self; 3] = [Self::Closed, Self::Unclear, Self::NotClosed];
}

impl Breaker {
    pub fn standing(&self) -> Standing {
        match (self.is_closed(), self.may_be_closed()) {
            (true, _) => Standing::Closed,
            (false, true) => Standing::Unclear,
            (false, false) => Standing::NotClosed,
        }
    }

    /// A breaker of which only this is known.
    pub fn standing_as(clients: usize, standing: Standing) -> Self {
        let mut breaker = Self::new(clients);
        let closed = breaker.worlds[0].clone();
        let mut open = closed.clone();
        open.state = BreakerState::Open {
            until: Duration::MAX,
        };
        breaker.worlds = match standing {
            Standing::Closed => vec![closed],
            Standing::Unclear => vec![closed, open],
            Standing::NotClosed => vec![open],
        };
        breaker.base.clone_from(&breaker.worlds);
        breaker
    }

    /// What it is judged by.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The same, as if it had come about just before `now`.
    pub fn forget_time(&mut self, was: Duration, now: Duration) {
        self.overdue = None;
        let mut moments: Vec<Duration> = self
            .recent
            .iter()
            .flat_map(|end| [end.from, end.at])
            .chain(self.syncs.iter().flatten().map(|sync| sync.last_request))
            .collect();
        moments.sort_unstable();
        moments.dedup();
        let cool_down = self.limits.cool_down;
        let placed = |moment: Duration| {
            let later = moments.iter().filter(|other| **other >= moment).count();
            let is_long_ago = moment + cool_down <= was;
            let before = Duration::from_micros(later as u64);
            now.saturating_sub(
                before
                    + if is_long_ago {
                        cool_down
                    } else {
                        Duration::ZERO
                    },
            )
        };
        for end in &mut self.recent {
            (end.from, end.at) = (placed(end.from), placed(end.at));
        }
        for sync in self.syncs.iter_mut().flatten() {
            sync.last_request = placed(sync.last_request);
        }
        let limits = self.limits;
        for worlds in [&mut self.worlds, &mut self.base] {
            for world in worlds.iter_mut() {
                world.forget_time(was, now, limits);
            }
            worlds.sort_unstable();
            worlds.dedup();
        }
        if self.recent.is_empty() {
            self.base.clone_from(&self.worlds);
        }
        self.past = vec![Allowed {
            from: now,
            closed: self.worlds.iter().any(World::is_closed),
            not_closed: self.worlds.iter().any(|world| !world.is_closed()),
        }];
    }

    /// The same with other numbers for the clients: `order[new]` is the old number.
    pub fn renumbered(&self, order: &[usize]) -> Self {
        let new = |old: usize| order.iter().position(|other| *other == old).unwrap_or(old);
        let mut next = self.clone();
        next.syncs = order.iter().map(|old| self.syncs[*old].clone()).collect();
        for end in &mut next.recent {
            end.client = new(end.client);
        }
        for worlds in [&mut next.worlds, &mut next.base] {
            for world in worlds.iter_mut() {
                world.syncs = order.iter().map(|old| world.syncs[*old]).collect();
                if let BreakerState::HalfOpen { probe, .. } = &mut world.state {
                    *probe = probe.map(new);
                }
            }
            worlds.sort_unstable();
        }
        next
    }
}

impl World {
    fn forget_time(&mut self, was: Duration, now: Duration, limits: Limits) {
        match &mut self.state {
            BreakerState::Closed { .. } => {}
            BreakerState::Open { until } if *until <= was => *until = now,
            BreakerState::Open { until } => *until = now + limits.cool_down,
            BreakerState::HalfOpen { since, .. } => *since = now,
        }
    }
}
