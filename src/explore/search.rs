//! The search: breadth first, a depth at a time.
//!
//! First the states of a depth are gone through in blocks, and what follows from each is sorted by
//! its hash into shards. Then what is new is added, a shard at a time. So threads never write to
//! the same place, and the order of all states, and with it every path that is reported, is the same
//! whatever the number of threads.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::checker::{Exploration, Key, Path, SearchState};
use super::moves::bit_of;
use super::recovery::Recovery;
use super::seen::{Hash, Id, SHARDS, Shard};
use crate::coverage::Sometimes;
use crate::verdict::Rule;

/// States of a depth that one thread goes through at once.
const BLOCK: usize = 8192;

/// How far a search has come, for those who watch it; and how they end it.
#[derive(Default)]
pub struct Watched {
    /// Distinct states.
    pub states: AtomicU64,
    /// Steps that were gone.
    pub transitions: AtomicU64,
    /// The depth that is gone through; the start is at 1.
    pub depth: AtomicUsize,
    pub is_stopped: AtomicBool,
}

/// What a search found.
#[derive(Default)]
pub struct SearchResult {
    /// The first state from which it goes wrong, on a shortest path.
    pub wrong: Option<(Path, Wrong)>,
    /// How each entry of the sometimes-list that was reached is reached first, up to the state
    /// before.
    pub reached: Vec<(Sometimes, Path)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// A rule, at the last step of the path.
    Breaks(Rule),
    /// A rule, after the path when all is healed.
    RecoveryBreaks(Rule),
    /// After the path when all is healed, it never settles.
    Circles,
}

/// Goes through every state, until something is wrong or it is stopped.
pub fn search(exploration: &Exploration, threads: usize, watched: &Watched) -> SearchResult {
    let mut search = Search::new(exploration, threads, watched);
    while search.found.wrong.is_none()
        && !search.depth.iter().all(Range::is_empty)
        && !watched.is_stopped.load(Ordering::Relaxed)
    {
        search.go_deeper();
    }
    search.found
}

struct Search<'a> {
    exploration: &'a Exploration,
    threads: usize,
    watched: &'a Watched,
    shards: Vec<Shard>,
    /// The states of the depth that comes next, by shard.
    depth: Vec<Range<usize>>,
    /// Entries of the sometimes-list that were not reached yet, a bit each.
    missing: u32,
    found: SearchResult,
}

/// What follows from the states of a block.
struct Block {
    /// By shard: each state, where it was reached from, and whether it recovers as that does.
    next: Vec<Vec<(Key, Id, bool)>>,
    wrong: Option<(Id, Wrong)>,
    reached: Vec<(Sometimes, Id)>,
}

impl<'a> Search<'a> {
    fn new(exploration: &'a Exploration, threads: usize, watched: &'a Watched) -> Self {
        let mut shards: Vec<Shard> = (0..SHARDS).map(|_| Shard::default()).collect();
        let start = Key::of(&exploration.representative(&exploration.start()));
        let hash = Hash::of(start);
        let mut depth = vec![0..0; SHARDS];
        depth[hash.shard()] = 0..1;
        // It has no parent but itself.
        shards[hash.shard()].insert(start, hash, Id::new(hash.shard(), 0), false);
        watched.states.store(1, Ordering::Relaxed);
        Self {
            exploration,
            threads,
            watched,
            shards,
            depth,
            missing: exploration.in_scope(),
            found: SearchResult::default(),
        }
    }

    /// Goes through the states of a depth, and adds those of the next.
    fn go_deeper(&mut self) {
        self.watched.depth.fetch_add(1, Ordering::Relaxed);
        let blocks = self.depth.iter().enumerate().flat_map(|(shard, places)| {
            let starts = places.clone().step_by(BLOCK);
            starts.map(move |from| (shard, from..places.end.min(from + BLOCK)))
        });
        let blocks: Vec<_> = blocks.collect();
        let blocks = on_threads(self.threads, blocks, |(shard, places)| {
            let is_stopped = self.watched.is_stopped.load(Ordering::Relaxed);
            (!is_stopped).then(|| self.go_through(shard, places))
        });
        let blocks: Vec<Block> = blocks.into_iter().flatten().collect();
        self.take_in(&blocks);
        self.depth = on_threads(
            self.threads,
            self.shards.iter_mut().enumerate().collect(),
            |(at, shard)| {
                let known = shard.begin_depth();
                for (key, parent, is_alike) in blocks.iter().flat_map(|block| &block.next[at]) {
                    shard.insert(*key, Hash::of(*key), *parent, *is_alike);
                }
                known..shard.len()
            },
        );
        let new: usize = self.depth.iter().map(Range::len).sum();
        self.watched.states.fetch_add(new as u64, Ordering::Relaxed);
    }

    /// Goes every step from the states of a block.
    fn go_through(&self, shard: usize, places: Range<usize>) -> Block {
        let exploration = self.exploration;
        let mut block = Block {
            next: vec![Vec::new(); SHARDS],
            wrong: None,
            reached: Vec::new(),
        };
        let mut missing = self.missing;
        let mut transitions = 0;
        for place in places {
            let id = Id::new(shard, place);
            let state = self.shards[shard].keys()[place].state();
            let wrong = if self.shards[shard].recovers(place) {
                None
            } else {
                Wrong::of(exploration.recovery(&state))
            };
            // A state from which it goes wrong is a step nearer than one that a step breaks.
            if wrong.is_some() && !matches!(block.wrong, Some((_, wrong)) if wrong.is_in_recovery())
            {
                block.wrong = wrong.map(|wrong| (id, wrong));
            }
            exploration.each_step(&state, |step| {
                transitions += 1;
                if step.reached & missing != 0 {
                    for entry in Sometimes::all() {
                        if missing & bit_of(entry) != 0 && exploration.reaches(&state, &step, entry)
                        {
                            missing &= !bit_of(entry);
                            block.reached.push((entry, id));
                        }
                    }
                }
                match step.next {
                    Ok(next) => {
                        let key = Key::of(&exploration.representative(&next));
                        block.next[Hash::of(key).shard()].push((key, id, step.recovers_alike));
                    }
                    Err(rule) if block.wrong.is_none() => {
                        block.wrong = Some((id, Wrong::Breaks(rule)));
                    }
                    Err(_) => {}
                }
            });
        }
        self.watched
            .transitions
            .fetch_add(transitions, Ordering::Relaxed);
        block
    }

    /// Takes in what blocks found, the first of each kind in their order.
    fn take_in(&mut self, blocks: &[Block]) {
        let wrong = || blocks.iter().filter_map(|block| block.wrong);
        let in_recovery = wrong().find(|(_, wrong)| wrong.is_in_recovery());
        if let Some((id, wrong)) = in_recovery.or_else(|| wrong().next()) {
            self.found.wrong = Some((self.path(id, wrong), wrong));
        }
        for (entry, id) in blocks.iter().flat_map(|block| &block.reached) {
            if self.missing & bit_of(*entry) != 0 {
                self.missing &= !bit_of(*entry);
                let path = self.path_to(*id);
                self.found.reached.push((*entry, path));
            }
        }
        self.found.reached.sort_by_key(|(entry, _)| *entry);
    }

    /// The path to where it goes wrong, with the step that breaks a rule.
    fn path(&self, id: Id, wrong: Wrong) -> Path {
        let mut path = self.path_to(id);
        if let Wrong::Breaks(rule) = wrong {
            let mut last = None;
            self.exploration.each_step(&path.last, |step| {
                if step.next == Err(rule) && last.is_none() {
                    last = Some(step.action);
                }
            });
            path.steps
                .extend(last.map(|action| (path.last.world, action)));
        }
        path
    }

    /// The path to a state: to one like it, in which each client stayed who it was.
    fn path_to(&self, id: Id) -> Path {
        let mut keys = Vec::new();
        let mut at = id;
        loop {
            let shard = &self.shards[at.shard()];
            let parent = shard.parent(at.place());
            if parent == at {
                break;
            }
            keys.push(shard.keys()[at.place()]);
            at = parent;
        }
        let exploration = self.exploration;
        let mut last = exploration.start();
        let mut steps = Vec::new();
        for key in keys.into_iter().rev() {
            let is_it = |next: &SearchState| Key::of(&exploration.representative(next)) == key;
            let mut next = None;
            exploration.each_step(&last, |step| {
                if let Ok(state) = step.next
                    && next.is_none()
                    && is_it(&state)
                {
                    next = Some((step.action, state));
                }
            });
            let (action, state) = next.expect("states that are alike have steps that are alike");
            steps.push((last.world, action));
            last = state;
        }
        Path { steps, last }
    }
}

impl Wrong {
    fn of(recovery: Recovery) -> Option<Self> {
        match recovery {
            Recovery::Within(_) => None,
            Recovery::Breaks(rule) => Some(Self::RecoveryBreaks(rule)),
            Recovery::Circles => Some(Self::Circles),
        }
    }

    /// Whether the path itself broke nothing, but the recovery from its end does.
    pub fn is_in_recovery(self) -> bool {
        !matches!(self, Self::Breaks(_))
    }
}

/// Does each piece of work on one of some threads. The outcomes are in the order of the work.
fn on_threads<W: Send, T: Send>(
    threads: usize,
    work: Vec<W>,
    act: impl Fn(W) -> T + Sync,
) -> Vec<T> {
    if threads < 2 || work.len() < 2 {
        return work.into_iter().map(act).collect();
    }
    let queue = Mutex::new(work.into_iter().enumerate());
    let take = || {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.next()
    };
    let go = || {
        let mut done = Vec::new();
        while let Some((at, piece)) = take() {
            done.push((at, act(piece)));
        }
        done
    };
    let mut done = std::thread::scope(|scope| {
        // Fewer threads do the same work.
        let begun = |_| std::thread::Builder::new().spawn_scoped(scope, go).ok();
        let others: Vec<_> = (1..threads).filter_map(begun).collect();
        let mut done = go();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}
