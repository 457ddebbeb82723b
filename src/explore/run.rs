//! An exploration from start to end: its bounds, its progress, and what it found.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Path};

use super::checker::{Action, Checked, Exploration, RECOVERS, RULES, State};
use super::recovery::Recovery;
use super::scope::{Bounds, Scope};
use super::space::Space;
use super::story::{self, Story};
use crate::coverage::Sometimes;
use crate::target::Interrupt;
use crate::verdict::Rule;

/// How often bounds are looked at and progress is told.
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
pub enum Ended {
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
    pub path: Path<State, Action>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// A rule, at the last step of the path.
    Breaks(Rule),
    /// A rule, after the path when all is healed.
    RecoveryBreaks(Rule),
    /// After the path when all is healed, it never comes to rest.
    Circles,
}

/// What came of an exploration.
pub struct Explored {
    pub ended: Ended,
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
    pub reached: Vec<(Sometimes, Path<State, Action>)>,
    pub exploration: Arc<Exploration>,
}

/// Explores a scope breadth first.
pub fn explore(
    scope: Scope,
    bounds: Bounds,
    threads: usize,
    interrupt: &Interrupt,
    mut tell: impl FnMut(Progress),
) -> Explored {
    let began = Instant::now();
    let exploration = Arc::new(Exploration::new(Space::new(scope)));
    let checker = Checked(exploration.clone())
        .checker()
        .threads(threads)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs();
    let progress = |checker: &dyn Fn() -> (usize, usize)| {
        let (states, depth) = checker();
        Progress {
            states: states as u64,
            depth,
            time: began.elapsed(),
            memory: resident_memory(),
        }
    };
    let mut ended = Ended::Complete;
    while !checker.is_done() {
        std::thread::sleep(LOOK_EVERY);
        let now = progress(&|| (checker.unique_state_count(), checker.max_depth()));
        tell(now);
        let over = [
            (
                bounds.states.is_some_and(|most| now.states >= most),
                Ended::States,
            ),
            (
                bounds.time.is_some_and(|most| now.time >= most),
                Ended::Time,
            ),
            (
                bounds.memory.is_some_and(|most| now.memory >= most),
                Ended::Memory,
            ),
            (interrupt.load(Ordering::Relaxed), Ended::Interrupted),
        ];
        if let Some((_, why)) = over.into_iter().find(|(is_over, _)| *is_over) {
            ended = why;
            exploration.is_stopped.store(true, Ordering::Relaxed);
        }
    }
    let checker = checker.join();
    // Paths are made by going them again.
    exploration.is_stopped.store(false, Ordering::Relaxed);
    let mut found = checker.discoveries();
    let failure = [RULES, RECOVERS]
        .into_iter()
        .find_map(|name| found.remove(name))
        .map(|path| failure(&exploration, path));
    if failure.is_some() {
        ended = Ended::Found;
    }
    let mut reached: Vec<(Sometimes, Path<State, Action>)> = found
        .into_iter()
        .filter_map(|(name, path)| {
            let at: usize = name.strip_prefix("sometimes ")?.parse().ok()?;
            Some((Sometimes::all().nth(at)?, path))
        })
        .collect();
    reached.sort_by_key(|(entry, _)| *entry);
    Explored {
        ended,
        progress: progress(&|| (checker.unique_state_count(), checker.max_depth())),
        transitions: checker.state_count() as u64,
        parts: exploration.space.parts.len(),
        breakers: exploration.space.shared.len(),
        recovering: exploration.recoveries.count(),
        longest_recovery: exploration.recoveries.longest(),
        failure,
        reached,
        exploration,
    }
}

fn failure(exploration: &Exploration, path: Path<State, Action>) -> Failure {
    let last = path.last_state();
    let what = match last.broken {
        Some(rule) => Wrong::Breaks(rule),
        None => match exploration.recovery(last) {
            Recovery::Breaks(rule) => Wrong::RecoveryBreaks(rule),
            Recovery::Circles | Recovery::Within(_) => Wrong::Circles,
        },
    };
    Failure { what, path }
}

/// The resident memory of this process, bytes; 0 where the system does not tell.
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

/// The story that reaches an entry of the sometimes-list: the path to the state before, and one of
/// the steps from there. `None` where the coverage of no such history has the entry.
pub fn witness(explored: &Explored, entry: Sometimes, path: &Path<State, Action>) -> Option<Story> {
    let exploration = &explored.exploration;
    let last = path.last_state();
    let steps = story::steps(path.clone());
    exploration.moves(last).find_map(|(client, at, _)| {
        let mut steps = steps.clone();
        steps.push((last.world, Action::Of(client, at)));
        let story = story::tell(exploration, &steps, false);
        let coverage = story.coverage();
        coverage.sometimes.contains_key(&entry).then_some(story)
    })
}
