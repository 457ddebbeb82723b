//! The S3 breaker as the contract has it, in every world that the claims so far allow.
//!
//! Syncs are known by the log's words. When a sync's end was counted is not seen: it was between
//! its last S3 request and soon after its line, so ends that overlap are counted in every order,
//! and what a line says of the breaker may have been read a moment before.

mod timeless;

use std::time::Duration;

use crate::profile;

pub use timeless::Standing;

/// How far a line's time may be from that of what it reports.
const BLUR: Duration = Duration::from_millis(1500);
/// A probe older than this may be given up for dead by others: it outlasts every whole sync.
const PROBE_AGE: Duration = Duration::from_secs(60);

/// What a breaker is judged by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Limits {
    pub failures: u32,
    pub cool_down: Duration,
    /// How far a line's time may be from that of what it reports.
    pub blur: Duration,
}

impl Limits {
    /// Those of the contract, for lines that come a little late.
    pub const CONTRACT: Self = Self::of(&profile::Limits::CONTRACT);

    /// Those that a system promises, likewise.
    pub const fn of(promised: &profile::Limits) -> Self {
        Self {
            failures: promised.breaker_failures,
            cool_down: promised.cool_down,
            blur: BLUR,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum BreakerState {
    Closed {
        failures: u32,
    },
    /// A probe may begin at `until`.
    Open {
        until: Duration,
    },
    HalfOpen {
        probe: Option<usize>,
        since: Duration,
    },
}

/// What a sync under way is to the breaker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum SyncKind {
    Ordinary,
    Probe,
    /// Its end was counted before its line came.
    Counted {
        succeeded: bool,
    },
}

/// One admissible state of affairs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct World {
    state: BreakerState,
    /// By client, the sync under way.
    syncs: Vec<Option<SyncKind>>,
}

/// A sync under way, as the log and the S3 endpoint show it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Sync {
    last_request: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct SyncEnd {
    client: usize,
    succeeded: bool,
    from: Duration,
    at: Duration,
}

/// What some world allowed from a moment on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Allowed {
    from: Duration,
    closed: bool,
    not_closed: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Breaker {
    limits: Limits,
    worlds: Vec<World>,
    /// The worlds before the ends in `recent`.
    base: Vec<World>,
    recent: Vec<SyncEnd>,
    syncs: Vec<Option<Sync>>,
    past: Vec<Allowed>,
    /// When a sync was stopped although a cool-down had been over for long.
    overdue: Option<Duration>,
}

impl Breaker {
    pub fn new(clients: usize) -> Self {
        Self::with_limits(clients, Limits::CONTRACT)
    }

    pub fn with_limits(clients: usize, limits: Limits) -> Self {
        let world = World {
            state: BreakerState::Closed { failures: 0 },
            syncs: vec![None; clients],
        };
        Self {
            limits,
            worlds: vec![world.clone()],
            base: vec![world],
            recent: Vec::new(),
            syncs: vec![None; clients],
            past: vec![Allowed {
                from: Duration::ZERO,
                closed: true,
                not_closed: false,
            }],
            overdue: None,
        }
    }

    /// Whether it is closed for certain.
    pub fn is_closed(&self) -> bool {
        self.worlds.iter().all(World::is_closed)
    }

    /// Whether it may be closed.
    pub fn may_be_closed(&self) -> bool {
        self.worlds.iter().any(World::is_closed)
    }

    /// Whether it is open for certain, with no probe under way and none allowed yet.
    pub fn is_open(&self, now: Duration) -> bool {
        self.worlds.iter().all(
            |world| matches!(world.state, BreakerState::Open { until } if now + self.limits.blur < until),
        )
    }

    /// How long it has been known that the cool-down is over, and no probe began: a line that a sync
    /// was stopped may come before the line of the probe that stopped it.
    pub fn overdue_for(&self, stamp: Duration) -> Duration {
        match self.overdue {
            Some(since) if self.is_cooled_down(stamp) => stamp.saturating_sub(since),
            _ => Duration::ZERO,
        }
    }

    /// Whether a cool-down, which may be somewhat longer than is promised, is over for certain, with no
    /// probe under way.
    fn is_cooled_down(&self, now: Duration) -> bool {
        let is_over = |world: &World| matches!(world.state, BreakerState::Open { until } if until.saturating_add(self.limits.cool_down) < now);
        self.worlds.iter().all(is_over)
    }

    pub fn has_sync(&self, client: usize) -> bool {
        self.syncs[client].is_some()
    }

    /// A state for reports.
    pub fn state(&self) -> BreakerState {
        self.worlds[0].state
    }

    /// An S3 request of the client, or another attempt of its sync. Returns false where every
    /// world had to presume that this sync had ended.
    pub fn request(&mut self, client: usize, now: Duration) -> bool {
        let Some(sync) = &mut self.syncs[client] else {
            return true;
        };
        sync.last_request = now;
        let goes_on =
            |world: &World| !matches!(world.syncs[client], Some(SyncKind::Counted { .. }));
        if self.worlds.iter().all(goes_on) {
            return true;
        }
        let next: Vec<World> = self.worlds.iter().filter(|w| goes_on(w)).cloned().collect();
        if next.is_empty() {
            return false;
        }
        self.settle(next, now);
        true
    }

    /// A sync begins. `stamp` is when the line says so. Returns false where no world allows it.
    pub fn begin(&mut self, client: usize, stamp: Duration, now: Duration) -> bool {
        let was_closed = self.any_in(stamp.min(now), now, |allowed| allowed.closed);
        let begun = |world: &World| world.begun(client, was_closed, now, self.limits.blur);
        let mut next: Vec<World> = self.worlds.iter().filter_map(begun).collect();
        if next.is_empty() {
            next = self.presumed(client).iter().filter_map(begun).collect();
        }
        if next.is_empty() {
            return false;
        }
        self.overdue = None;
        self.syncs[client] = Some(Sync { last_request: now });
        self.settle(next, now);
        true
    }

    /// A sync was stopped. Returns false where no world allows it.
    pub fn prevented(&mut self, client: usize, stamp: Duration, now: Duration) -> bool {
        self.overdue = match self.is_cooled_down(stamp) {
            true => self.overdue.or(Some(stamp)),
            false => None,
        };
        if self.any_in(stamp.min(now), now, |allowed| allowed.not_closed) {
            return true;
        }
        let next: Vec<World> = self.presumed(client);
        let next: Vec<World> = next.into_iter().filter(|w| !w.is_closed()).collect();
        if next.is_empty() {
            return false;
        }
        self.settle(next, now);
        true
    }

    /// A line says that the breaker opened. Returns false where no world allows it.
    pub fn opened(&mut self, stamp: Duration, now: Duration) -> bool {
        if self.any_in(stamp.min(now), now, |allowed| allowed.not_closed) {
            return true;
        }
        let next: Vec<World> = self.presumed(usize::MAX);
        let next: Vec<World> = next.into_iter().filter(|w| !w.is_closed()).collect();
        if next.is_empty() {
            return false;
        }
        self.settle(next, now);
        true
    }

    /// A sync ended with all its attempts. Returns false where no world allows it.
    pub fn end(&mut self, client: usize, succeeded: bool, now: Duration) -> bool {
        let Some(sync) = self.syncs[client].take() else {
            // Its beginning was not logged; then its end says nothing either.
            return true;
        };
        let end = SyncEnd {
            client,
            succeeded,
            from: sync.last_request,
            at: now,
        };
        self.recent
            .retain(|other| other.at + self.limits.blur >= end.from);
        if self.recent.is_empty() {
            self.base = self.worlds.clone();
        }
        self.recent.push(end);
        let mut next = self.in_every_order(&self.recent);
        // The lines of others may come later than this one, though they were counted before it.
        let others = (0..self.syncs.len()).filter(|other| *other != client);
        for (other, sync) in others.filter_map(|other| Some((other, self.syncs[other].as_ref()?))) {
            for succeeded in [true, false] {
                let mut ends = self.recent.clone();
                ends.push(SyncEnd {
                    client: other,
                    succeeded,
                    from: sync.last_request,
                    at: now,
                });
                next.extend(self.in_every_order(&ends).into_iter().map(|mut world| {
                    world.syncs[other] = Some(SyncKind::Counted { succeeded });
                    world
                }));
            }
        }
        if next.is_empty() {
            return false;
        }
        let (base, recent) = (
            std::mem::take(&mut self.base),
            std::mem::take(&mut self.recent),
        );
        self.settle(next, now);
        (self.base, self.recent) = (base, recent);
        true
    }

    /// The worlds after these ends, counted in every order in which they can have been.
    fn in_every_order(&self, ends: &[SyncEnd]) -> Vec<World> {
        let mut next = Vec::new();
        let forced = |a: &SyncEnd, b: &SyncEnd| a.from > b.at + self.limits.blur;
        permute(&mut ends.to_vec(), 0, &mut |order| {
            let in_order = (0..order.len())
                .all(|i| (i + 1..order.len()).all(|j| !forced(&order[i], &order[j])));
            if in_order {
                next.extend(self.base.iter().filter_map(|world| {
                    order
                        .iter()
                        .try_fold(world.clone(), |world, end| world.ended(end, self.limits))
                }));
            }
        });
        next
    }

    /// The client's container died. A sync of its counts as neither, unless its end had been
    /// counted already.
    pub fn died(&mut self, client: usize, now: Duration) {
        if self.syncs[client].take().is_none() {
            return;
        }
        let mut next = Vec::new();
        // Others' ends may have been counted before this one, and their lines come after it.
        let counted = self.presumed(client);
        for world in self.worlds.iter().chain(&counted) {
            for succeeded in [true, false] {
                let end = SyncEnd {
                    client,
                    succeeded,
                    from: now,
                    at: now,
                };
                next.extend(world.clone().ended(&end, self.limits));
            }
            let mut cut_off = world.clone().without(client);
            if let BreakerState::HalfOpen { probe, .. } = &mut cut_off.state
                && *probe == Some(client)
            {
                *probe = None;
            }
            next.push(cut_off);
        }
        self.settle(next, now);
    }

    /// The worlds in which the end of another's sync was counted before its line came.
    fn presumed(&self, client: usize) -> Vec<World> {
        let mut next = Vec::new();
        for other in (0..self.syncs.len()).filter(|other| *other != client) {
            for world in &self.worlds {
                if world.syncs[other].is_none() {
                    continue;
                }
                for succeeded in [true, false] {
                    let end = SyncEnd {
                        client: other,
                        succeeded,
                        from: Duration::ZERO,
                        at: Duration::ZERO,
                    };
                    let Some(mut counted) = world.clone().ended(&end, self.limits) else {
                        continue;
                    };
                    if let BreakerState::Open { until } = &mut counted.state
                        && !matches!(world.state, BreakerState::Open { .. })
                    {
                        let last = &self.syncs[other];
                        let last = last.as_ref().map_or(Duration::ZERO, |s| s.last_request);
                        *until = last + self.limits.cool_down;
                    }
                    counted.syncs[other] = Some(SyncKind::Counted { succeeded });
                    next.push(counted);
                }
            }
        }
        next
    }

    fn settle(&mut self, mut worlds: Vec<World>, now: Duration) {
        worlds.sort_unstable();
        worlds.dedup();
        self.base.clone_from(&worlds);
        self.recent.clear();
        self.worlds = worlds;
        self.past
            .retain(|allowed| allowed.from + Duration::from_secs(300) >= now);
        self.past.push(Allowed {
            from: now,
            closed: self.worlds.iter().any(World::is_closed),
            not_closed: self.worlds.iter().any(|world| !world.is_closed()),
        });
    }

    /// Whether something was allowed at some moment of the time, give or take the blur.
    fn any_in(&self, from: Duration, to: Duration, is: impl Fn(&Allowed) -> bool) -> bool {
        let from = from.saturating_sub(self.limits.blur);
        self.past.iter().enumerate().any(|(n, allowed)| {
            let ends = self.past.get(n + 1).map_or(Duration::MAX, |next| next.from);
            allowed.from <= to && ends >= from && is(allowed)
        })
    }
}

impl World {
    fn is_closed(&self) -> bool {
        matches!(self.state, BreakerState::Closed { .. })
    }

    fn without(mut self, client: usize) -> Self {
        self.syncs[client] = None;
        self
    }

    fn begun(
        &self,
        client: usize,
        was_closed: bool,
        now: Duration,
        blur: Duration,
    ) -> Option<Self> {
        let mut next = self.clone();
        let may_probe = match self.state {
            BreakerState::Closed { .. } => {
                next.syncs[client] = Some(SyncKind::Ordinary);
                return Some(next);
            }
            BreakerState::Open { until } => now + blur >= until,
            BreakerState::HalfOpen { probe, since } => {
                probe.is_none() || probe == Some(client) || now >= since + PROBE_AGE
            }
        };
        if may_probe {
            next.state = BreakerState::HalfOpen {
                probe: Some(client),
                since: now,
            };
            next.syncs[client] = Some(SyncKind::Probe);
            return Some(next);
        }
        was_closed.then(|| {
            next.syncs[client] = Some(SyncKind::Ordinary);
            next
        })
    }

    /// Counts an end; `None` where this world had counted it as something else.
    fn ended(mut self, end: &SyncEnd, limits: Limits) -> Option<Self> {
        let kind = self.syncs[end.client].take()?;
        let opened = BreakerState::Open {
            until: end.from + limits.cool_down,
        };
        match (kind, &mut self.state) {
            (SyncKind::Counted { succeeded }, _) if succeeded != end.succeeded => return None,
            (SyncKind::Counted { .. }, _) => {}
            (SyncKind::Probe, BreakerState::HalfOpen { probe, .. })
                if *probe == Some(end.client) =>
            {
                self.state = if end.succeeded {
                    BreakerState::Closed { failures: 0 }
                } else {
                    opened
                };
            }
            (_, BreakerState::Closed { failures }) => {
                *failures = if end.succeeded { 0 } else { *failures + 1 };
                if *failures >= limits.failures {
                    self.state = opened;
                }
            }
            _ => {}
        }
        Some(self)
    }
}

/// Calls `visit` with every order of the ends from `at` on.
fn permute(ends: &mut Vec<SyncEnd>, at: usize, visit: &mut impl FnMut(&[SyncEnd])) {
    // Beyond a handful the orders are too many, and arrival order is as good as any.
    if at + 1 >= ends.len() || ends.len() > 5 {
        return visit(ends);
    }
    for other in at..ends.len() {
        ends.swap(at, other);
        permute(ends, at + 1, visit);
        ends.swap(at, other);
    }
}

#[cfg(test)]
mod tests;
