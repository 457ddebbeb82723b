//! An exploration from start to end: its bounds, its progress, and what it found.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::checker::{Exploration, Path};
use super::scope::{Bounds, Scope};
use super::search::{SearchResult, Watched, Wrong, search};
use super::space::Space;
use crate::coverage::Sometimes;
use crate::target::Interrupt;
use crate::verdict::Rule;

/// How often bounds are checked and progress is reported.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How far an exploration has come.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Progress {
    /// Distinct states.
    pub states: u64,
    /// Steps from the start to the farthest state.
    pub depth: usize,
    pub time: Duration,
    /// Resident memory of the process, bytes.
    pub memory: u64,
}

/// Why an exploration ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SearchEnd {
    /// Every reachable state was seen.
    Complete,
    Found,
    States,
    Time,
    Memory,
    Interrupted,
}

/// What broke.
#[derive(Clone, Debug)]
pub struct Failure {
    pub what: Wrong,
    pub path: Path,
}

/// The result of an exploration.
pub struct Explored {
    pub ended: SearchEnd,
    pub progress: Progress,
    /// Transitions that were followed.
    pub transitions: u64,
    /// Distinct situations of one client; of the breaker.
    pub parts: usize,
    pub breakers: usize,
    /// Distinct worlds on the ways to rest, and the most steps of such a way.
    pub recovering: usize,
    pub longest_recovery: u16,
    pub failure: Option<Failure>,
    /// How each entry of the sometimes-list that was reached is reached first, up to the state
    /// before.
    pub reached: Vec<(Sometimes, Path)>,
    pub exploration: Arc<Exploration>,
}

/// Explores a scope breadth first.
pub fn explore(
    scope: Scope,
    bounds: Bounds,
    threads: usize,
    interrupt: &Interrupt,
    mut on_progress: impl FnMut(Progress),
) -> Explored {
    let began = Instant::now();
    let exploration = Arc::new(Exploration::new(Space::new(scope)));
    let watched = Watched::default();
    let progress = || Progress {
        states: watched.states.load(Ordering::Relaxed),
        depth: watched.depth.load(Ordering::Relaxed),
        time: began.elapsed(),
        memory: resident_memory(),
    };
    let mut ended = SearchEnd::Complete;
    let (done, outcome) = mpsc::channel::<()>();
    let found = std::thread::scope(|scope| {
        let (exploration, watched) = (&exploration, &watched);
        let search = scope.spawn(move || {
            // It hangs up when it ends, however it ends.
            let _done = done;
            search(exploration, threads, watched)
        });
        while outcome.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            let now = progress();
            on_progress(now);
            if let Some(why) = bounds.over(&now, interrupt) {
                ended = why;
                watched.is_stopped.store(true, Ordering::Relaxed);
            }
        }
        search.join()
    });
    let SearchResult { wrong, reached } =
        found.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let failure = wrong.map(|(path, what)| Failure { what, path });
    if failure.is_some() {
        ended = SearchEnd::Found;
    }
    Explored {
        ended,
        progress: progress(),
        transitions: watched.transitions.load(Ordering::Relaxed),
        parts: exploration.space.parts.len(),
        breakers: exploration.space.shared.len(),
        recovering: exploration.recoveries.count(),
        longest_recovery: exploration.recoveries.longest(),
        failure,
        reached,
        exploration,
    }
}

impl Bounds {
    /// Why an exploration is to end now, if it is.
    fn over(&self, now: &Progress, interrupt: &Interrupt) -> Option<SearchEnd> {
        let over = [
            (
                self.states.is_some_and(|most| now.states >= most),
                SearchEnd::States,
            ),
            (
                self.time.is_some_and(|most| now.time >= most),
                SearchEnd::Time,
            ),
            (
                self.memory.is_some_and(|most| now.memory >= most),
                SearchEnd::Memory,
            ),
            (interrupt.load(Ordering::Relaxed), SearchEnd::Interrupted),
        ];
        let over = over.into_iter().find(|(is_over, _)| *is_over);
        over.map(|(_, why)| why)
    }
}

/// The resident memory of this process, bytes; 0 where the system does not say.
fn resident_memory() -> u64 {
    const PAGE: u64 = 4096;
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    pages.unwrap_or_default() * PAGE
}

impl Failure {
    /// Whether the path itself broke nothing, but the recovery from its end does.
    pub fn is_in_recovery(&self) -> bool {
        !matches!(self.what, Wrong::Breaks(_))
    }

    /// The rule that is broken, where one is.
    pub fn rule(&self) -> Option<Rule> {
        match self.what {
            Wrong::Breaks(rule) | Wrong::RecoveryBreaks(rule) => Some(rule),
            Wrong::Circles => None,
        }
    }
}
