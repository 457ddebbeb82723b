//! The exploration of the reference model: that its parts say what the whole says, that what it
//! claims to reach is reached, and how it ends.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Mutex;

use crate::coverage::Sometimes;
use crate::explore::checker::{Action, Exploration, Path, SearchState, Step};
use crate::explore::recovery::{Recovery, successors};
use crate::explore::run::{Explored, SearchEnd, explore};
use crate::explore::scope::{Bounds, Scope};
use crate::explore::space::{Space, World};
use crate::explore::story::{self, Story};
use crate::explore::system::{Habits, ModelFault, Order};
use crate::explore::verify::by_stateright;
use crate::plan::{Edit, FaultKind};
use crate::report::{self, Style};
use crate::target::Interrupt;
use crate::verdict::Rule;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use stateright::{Checker, Model, Property};

fn run(scope: Scope, threads: usize) -> Explored {
    let bounds = Bounds::default();
    explore(scope, bounds, threads, &Interrupt::default(), |_| {})
}

fn small() -> Scope {
    Scope {
        clients: 2,
        instructions: 1,
        faults: 0,
        injections: 0,
        crashes: 1,
        ..Scope::default()
    }
}

/// Everything that there is, for walks that see a little of all of it.
fn large(habits: Habits) -> Scope {
    Scope {
        clients: 3,
        sessions: 2,
        instructions: 4,
        faults: 2,
        injections: 3,
        crashes: 2,
        outsiders: 2,
        repeats: 2,
        edits: Edit::ALL.to_vec(),
        fault_kinds: FaultKind::ALL.map(ModelFault::of).to_vec(),
        habits,
        ..Scope::default()
    }
}

/// The story that reaches an entry of the sometimes-list: the path to the state before, and one of
/// the steps from there. `None` where the coverage of no such history has the entry.
fn witness(explored: &Explored, entry: Sometimes, path: &Path) -> Option<Story> {
    let exploration = &explored.exploration;
    let mut actions = Vec::new();
    exploration.each_step(&path.last, |step| actions.push(step.action));
    actions.into_iter().find_map(|action| {
        let mut steps = path.steps.clone();
        steps.push((path.last.world, action));
        let story = story::build(exploration, &steps, false);
        let coverage = story.coverage();
        coverage.sometimes.contains_key(&entry).then_some(story)
    })
}

fn steps(exploration: &Exploration, state: &SearchState) -> Vec<Step> {
    let mut steps = Vec::new();
    exploration.each_step(state, |step| steps.push(step));
    steps
}

/// Chooses `steps` of a path from the start by these numbers, then rest by the same.
fn walk(exploration: &Exploration, choices: &[u16]) -> Result<(), String> {
    let mut state = exploration.start();
    let mut path = Vec::new();
    for choice in choices {
        let steps = steps(exploration, &state);
        let Some(step) = steps.get(usize::from(*choice) % steps.len().max(1)) else {
            break;
        };
        path.push((state.world, step.action));
        match step.next {
            Ok(next) => state = next,
            Err(rule) => {
                let story = story::build(exploration, &path, false);
                let acts = story.acts.join("\n");
                return Err(format!("{rule}: {:?}\n{acts}", story.broken));
            }
        }
    }
    let story = story::build(exploration, &path, false);
    if let Some(broken) = story.broken {
        return Err(format!(
            "the whole judge: {broken:?}\n{}",
            story.acts.join("\n")
        ));
    }
    // One way to rest.
    let space = &exploration.space;
    let mut world = space.healed(&state.world);
    for n in 0.. {
        let next = successors(space, &world);
        let choice = choices.get(n % choices.len().max(1)).copied();
        let Some((_, next)) = next.get(usize::from(choice.unwrap_or(0)) % next.len().max(1)) else {
            break;
        };
        world = next.map_err(|rule| format!("{rule} in recovery\n{}", story.acts.join("\n")))?;
        if n > 2000 {
            return Err(format!("never settles\n{}", story.acts.join("\n")));
        }
    }
    match space.check_rest(&world) {
        None => Ok(()),
        Some(rule) => Err(format!("{rule} at rest\n{}", story.acts.join("\n"))),
    }
}

/// What the parts find on a path the whole finds, and the other way round: nothing, here.
#[test]
fn proptest_walks_hold_by_parts_and_as_a_whole() {
    for habits in [
        Habits::default(),
        Habits {
            order: Order::DeployFirst,
            ..Habits::default()
        },
        Habits {
            is_forgetful: true,
            ..Habits::default()
        },
    ] {
        let exploration = Exploration::new(Space::new(large(habits)));
        let config = Config {
            cases: 24,
            failure_persistence: None,
            ..Config::default()
        };
        // A build that failed kept the warnings of an older one, while the site showed another session's.
        let known = [25235, 5663, 866, 64883, 8937, 35397, 35434];
        walk(&exploration, &known).unwrap();
        let choices = proptest::collection::vec(any::<u16>(), 1..200);
        TestRunner::new(config)
            .run(&choices, |choices| {
                walk(&exploration, &choices).map_err(TestCaseError::fail)
            })
            .unwrap();
    }
}

#[test]
fn a_small_scope_is_seen_whole_and_alike_by_one_thread_and_by_two() {
    let (one, two) = (run(small(), 1), run(small(), 2));
    for explored in [&one, &two] {
        assert!(explored.failure.is_none());
        assert_eq!(explored.ended, SearchEnd::Complete);
        assert!(explored.longest_recovery > 10);
    }
    assert_eq!(one.progress.states, two.progress.states);
    assert_eq!(one.recovering, two.recovering);
    assert!(one.progress.states > 500, "{}", one.progress.states);
}

/// The same exploration for stateright, which searches it in its own way.
struct Oracle {
    exploration: Exploration,
    /// What becomes of each world on a way to rest, by every single step.
    recoveries: Mutex<HashMap<World, Recovery>>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct OracleState {
    state: SearchState,
    representative: SearchState,
    broken: Option<Rule>,
}

impl Hash for OracleState {
    fn hash<H: Hasher>(&self, to: &mut H) {
        (self.representative, self.broken).hash(to);
    }
}

impl Oracle {
    fn state(&self, state: SearchState, broken: Option<Rule>) -> OracleState {
        OracleState {
            state,
            representative: self.exploration.representative(&state),
            broken,
        }
    }

    /// Recovery as it is defined, without what makes it quick. The paths here have no circle.
    fn recovery(&self, known: &mut HashMap<World, Recovery>, world: World) -> Recovery {
        if let Some(known) = known.get(&world) {
            return *known;
        }
        let space = &self.exploration.space;
        let next = successors(space, &world);
        let mut outcome = match space.check_rest(&world) {
            Some(rule) if next.is_empty() => Recovery::Breaks(rule),
            _ => Recovery::Within(0),
        };
        for (_, next) in next {
            let after = next.map(|next| self.recovery(known, next));
            outcome = match (outcome, after) {
                (Recovery::Within(most), Ok(Recovery::Within(steps))) => {
                    Recovery::Within(most.max(steps + 1))
                }
                (_, Ok(other)) => other,
                (_, Err(rule)) => Recovery::Breaks(rule),
            };
        }
        known.insert(world, outcome);
        outcome
    }
}

impl Model for Oracle {
    type State = OracleState;
    type Action = (Action, Result<SearchState, Rule>);

    fn init_states(&self) -> Vec<OracleState> {
        vec![self.state(self.exploration.start(), None)]
    }

    fn actions(&self, from: &OracleState, actions: &mut Vec<Self::Action>) {
        if from.broken.is_none() {
            self.exploration
                .each_step(&from.state, |step| actions.push((step.action, step.next)));
        }
    }

    fn next_state(&self, from: &OracleState, (_, next): Self::Action) -> Option<OracleState> {
        Some(match next {
            Ok(state) => self.state(state, None),
            Err(rule) => self.state(from.state, Some(rule)),
        })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("rules", |_, state: &OracleState| state.broken.is_none()),
            Property::always("recovers alike", |oracle: &Self, of: &OracleState| {
                let healed = oracle.exploration.space.healed(&of.state.world);
                let mut known = oracle.recoveries.lock().unwrap();
                oracle.recovery(&mut known, healed) == oracle.exploration.recovery(&of.state)
            }),
        ]
    }
}

/// States, steps, depth and recoveries, by our own search and by stateright's.
#[test]
fn stateright_sees_the_same() {
    let shared_fault = Scope {
        clients: 1,
        instructions: 1,
        outsiders: 1,
        fault_kinds: vec![ModelFault::GitAuth],
        ..Scope::default()
    };
    let three = Scope {
        clients: 3,
        crashes: 0,
        ..small()
    };
    for scope in [small(), shared_fault, three] {
        let own = run(scope.clone(), 1);
        assert!(own.failure.is_none(), "{scope:?}");
        let oracle = Oracle {
            exploration: Exploration::new(Space::new(scope.clone())),
            recoveries: Mutex::default(),
        };
        let checker = oracle.checker().spawn_bfs().join();
        assert!(checker.discoveries().is_empty(), "{scope:?}");
        let (states, steps) = (checker.unique_state_count(), checker.state_count());
        assert_eq!(own.progress.states, states as u64, "{scope:?}");
        // It counts the start as a step.
        assert_eq!(own.transitions + 1, steps as u64, "{scope:?}");
        let second = by_stateright(&own.exploration, 2, &Interrupt::default(), |_| {});
        assert_eq!(second.agrees(&own), Some(true), "{scope:?}: {second:?}");
        assert_eq!(own.progress.depth, checker.max_depth(), "{scope:?}");
    }
}

#[test]
fn every_state_recovers_and_the_start_does_so_at_once() {
    let explored = run(small(), 1);
    let space = &explored.exploration.space;
    let start = space.start();
    let recovery = explored.exploration.recoveries.of(space, &start);
    assert_eq!(recovery, Recovery::Within(0));
}

/// What a scope reaches of the sometimes-list is what the coverage of a campaign would count on
/// the same history.
#[test]
fn what_is_reached_is_what_coverage_counts() {
    let base = Scope {
        clients: 1,
        instructions: 1,
        faults: 1,
        injections: 1,
        crashes: 0,
        fault_kinds: Vec::new(),
        ..Scope::default()
    };
    let with = |fault_kinds: &[ModelFault]| Scope {
        fault_kinds: fault_kinds.to_vec(),
        ..base.clone()
    };
    let scopes = [
        Scope {
            crashes: 2,
            ..base.clone()
        },
        Scope {
            outsiders: 1,
            ..base.clone()
        },
        with(&[ModelFault::S3Denied]),
        with(&[
            ModelFault::GitAuth,
            ModelFault::AgentSlow,
            ModelFault::AgentThrottled,
        ]),
        Scope {
            edits: vec![Edit::MemoryHungry],
            ..with(&[ModelFault::OutOfMemory, ModelFault::Partition])
        },
        Scope {
            edits: vec![Edit::Warn, Edit::BreakBuild, Edit::Repair],
            instructions: 2,
            ..base.clone()
        },
        Scope {
            faults: 2,
            injections: 2,
            ..with(&[ModelFault::S3Denied, ModelFault::GitAuth])
        },
        Scope {
            clients: 2,
            instructions: 2,
            edits: vec![Edit::Change, Edit::BreakBuild],
            ..base.clone()
        },
    ];
    let mut missing: Vec<Sometimes> = Sometimes::all().collect();
    for scope in scopes {
        let explored = run(scope, 2);
        let style = Style::PLAIN;
        assert!(
            explored.failure.is_none(),
            "{}",
            report::exploration(&explored, style)
        );
        for (entry, path) in &explored.reached {
            let Some(story) = witness(&explored, *entry, path) else {
                let story = story::build(&explored.exploration, &path.steps, false);
                panic!(
                    "{entry} is not in the coverage of its path {}",
                    story.acts.join("\n")
                );
            };
            assert!(story.coverage().sometimes.contains_key(entry));
            missing.retain(|other| other != entry);
        }
    }
    assert!(missing.is_empty(), "not reached: {missing:?}");
}

#[test]
fn a_bound_ends_it_and_says_what_was_covered() {
    let bounds = Bounds {
        states: Some(2000),
        ..Bounds::default()
    };
    let scope = Scope {
        instructions: 3,
        ..Scope::default()
    };
    let explored = explore(scope, bounds, 2, &Interrupt::default(), |_| {});
    assert_eq!(explored.ended, SearchEnd::States);
    assert!(explored.progress.states >= 2000);
    assert!(explored.failure.is_none());
}
