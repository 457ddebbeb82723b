use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::error::TargetError;
use crate::history::{Event, What};
use crate::plan::SessionId;
use crate::report::{self, Style};
use crate::target::Run;
use crate::target::sim::Sim;
use crate::worker::settings::Settings;

#[test]
fn the_plans_are_plans_and_expectations_name_steps_and_sessions_of_theirs() {
    for (index, scenario) in Scenario::all().iter().enumerate() {
        let name = scenario.name;
        let plan = scenario.plan();
        assert_eq!(scenario.number as usize, index + 1, "{name}");
        assert_eq!(plan.to_string(), scenario.text, "{name}");
        assert!(!scenario.expect.is_empty(), "{name}");
        for expected in scenario.expect {
            let since = match expected.since {
                Since::Step(number) => Some(number),
                _ => None,
            };
            for number in since.into_iter().chain(expected.before) {
                assert!((1..=plan.steps.len()).contains(&number), "{name}: {number}");
            }
            let is_declared = plan.sessions.iter().any(|session| {
                session.to_string() == expected.of || &*session.client.0 == expected.of
            });
            assert!(
                expected.of.is_empty() || is_declared,
                "{name}: {expected:?}"
            );
        }
    }
}

fn history(scenario: &'static Scenario) -> Vec<Event> {
    let ended = scenario.run(&Sim::default(), 1, &Interrupt::default());
    assert_eq!(
        ended.grade(),
        Grade::Passed,
        "{}: {ended:#?}",
        scenario.name
    );
    ended.outcome.history.events
}

/// Without what meets an expectation, a run fails by that expectation.
#[test]
fn each_expectation_can_fail() {
    for scenario in Scenario::all() {
        let events = history(scenario);
        for (index, expected) in scenario.expect.iter().enumerate() {
            let alone = |seen| Expectation {
                of: expected.of,
                ..Expectation::see(seen).never()
            };
            let sight = [alone(expected.seen)];
            let mut changed = events.clone();
            if expected.count == Count::Never {
                // What should never be seen is taken from where it is allowed, or from elsewhere.
                changed = events_with(scenario, expected, changed);
            } else {
                changed.retain(|event| unmet(&sight, std::slice::from_ref(event)).is_empty());
            }
            let numbers: Vec<usize> = unmet(scenario.expect, &changed)
                .iter()
                .map(|unmet| unmet.number)
                .collect();
            assert!(
                numbers.contains(&(index + 1)),
                "{}: {expected:?} is met by what lacks it: {numbers:?}",
                scenario.name
            );
        }
    }
}

/// The events with what an expectation forbids put at the begin of the second step.
fn events_with(scenario: &Scenario, expected: &Expectation, mut events: Vec<Event>) -> Vec<Event> {
    let at = events
        .iter()
        .position(|event| matches!(event.what, What::StepBegan { index: Some(1), .. }))
        .unwrap();
    let sight = [Expectation {
        of: "",
        before: None,
        ..*expected
    }];
    let others = Scenario::all().iter().flat_map(history);
    let mut forbidden = others
        .into_iter()
        .find(|event| !unmet(&sight, std::slice::from_ref(event)).is_empty())
        .unwrap();
    if let What::RecordWritten { session, .. } = &mut forbidden.what {
        let of = scenario.plan().sessions.into_iter();
        *session = of
            .into_iter()
            .find(|it| it.to_string().starts_with(expected.of))
            .unwrap();
    }
    events.insert(at + 1, forbidden);
    events
}

#[test]
fn what_comes_late_is_reported_as_late() {
    let scenario = Scenario::by_name("agent-timeout").unwrap();
    let mut events = history(scenario);
    let late = std::time::Duration::from_secs(30);
    for event in &mut events {
        if let What::Logged { text, stamp, .. } = &mut event.what
            && text.starts_with("Claude request timeout")
        {
            *stamp += late;
        }
    }
    let found = unmet(scenario.expect, &events);
    assert!(matches!(found[0].why, Why::Late(took) if took > late));
    assert_eq!(found[0].instead.len(), 1);
}

#[test]
fn what_is_missing_is_reported_with_the_nearest_lines() {
    let scenario = Scenario::by_name("s3-permission-error").unwrap();
    let mut events = history(scenario);
    for event in &mut events {
        if let What::Logged { text, .. } = &mut event.what {
            *text = text.replace("Access Denied", "no").into();
        }
    }
    let found = unmet(scenario.expect, &events);
    assert_eq!(found[0].why, Why::Seen(0));
    assert!(
        found[0].instead.iter().any(|event| matches!(
            &event.what,
            What::Logged { text, .. } if text.starts_with("S3 sync failed after retries")
        )),
        "{found:#?}"
    );
}

#[test]
fn depth_dead_letters_and_restarts_are_counted() {
    let scenario = Scenario::by_name("watched-dead-letters-and-restarts").unwrap();
    let ended = scenario.run(&Sim::default(), 1, &Interrupt::default());
    let watched = ended.watched;
    assert_eq!((watched.deepest, watched.depth), (2, 0));
    assert_eq!(watched.dead_letters.len(), 1);
    assert_eq!(watched.restarts[&"dead-letter".into()], 3);
}

/// Where no rule is broken, the scenario's own expectations decide.
#[test]
fn an_expectation_that_is_not_met_fails_a_scenario_whose_rules_hold() {
    let check_altered = |name: &str, alter: fn(&mut Settings), parts: &[&str]| {
        let target = Sim::altered(Arc::new(move |_, settings| alter(settings)));
        let ended = Scenario::by_name(name)
            .unwrap()
            .run(&target, 1, &Interrupt::default());
        assert_eq!(ended.grade(), Grade::Failed, "{name}");
        assert_eq!(ended.outcome.verdict, Verdict::Held, "{name}");
        let wide = Style {
            width: 200,
            ..Style::PLAIN
        };
        let text = report::scenario(&ended, "the command", wide);
        for part in parts.iter().chain(&["the command"]) {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    };
    check_altered(
        "s3-sync-retried",
        |settings| settings.sync.attempts = 2,
        &["Expectation 1", "S3 sync attempt", "It was seen 2 times"],
    );
    check_altered(
        "network-partition",
        |settings| {
            settings.store.first = Duration::from_secs(400);
            settings.store.cap = settings.store.first;
        },
        &["Expectation 2", "at most 30 s after", "It was seen after"],
    );
    check_altered(
        "agent-timeout",
        |settings| settings.agent_limit = Duration::from_secs(50),
        &[
            "Expectation 1",
            "at most 35 s after",
            "It was seen after 50",
        ],
    );
}

/// Stands for a machine on which time is real: some of the first runs miss an expectation.
struct Loaded {
    slow: Sim,
    quick: Sim,
    missing: usize,
    runs: AtomicUsize,
}

impl Target for Loaded {
    fn name(&self) -> &'static str {
        "loaded"
    }

    fn is_deterministic(&self) -> bool {
        false
    }

    fn start(&self, sessions: &[SessionId], seed: u64) -> Result<Box<dyn Run>, TargetError> {
        let ran = self.runs.fetch_add(1, Ordering::Relaxed);
        let target = if ran < self.missing {
            &self.slow
        } else {
            &self.quick
        };
        target.start(sessions, seed)
    }
}

#[test]
fn on_real_time_an_expectation_that_is_missed_once_fails_no_scenario() {
    for (missing, grade, runs) in [
        (0, Grade::Passed, 1),
        (1, Grade::Unknown, 4),
        (2, Grade::Failed, 2),
    ] {
        let alter = |settings: &mut Settings| settings.agent_limit = Duration::from_secs(50);
        let target = Loaded {
            slow: Sim::altered(Arc::new(move |_, settings| alter(settings))),
            quick: Sim::default(),
            missing,
            runs: AtomicUsize::new(0),
        };
        let scenario = Scenario::by_name("agent-timeout").unwrap();
        let ended = scenario.run(&target, 1, &Interrupt::default());
        assert_eq!(
            ended.grade(),
            grade,
            "{missing}: {:?}",
            ended.outcome.verdict
        );
        assert_eq!(target.runs.into_inner(), runs, "{missing}");
    }
}
