//! Systems that are right and systems that are wrong, by the waits that they draw.

use super::*;
use crate::chance::Chance;
use crate::profile::Profile;

/// How a system draws the wait before an attempt, from 2 on, in seconds.
type Draw = fn(&mut Chance, usize) -> f64;

fn doubled(first: f64, attempt: usize, cap: f64) -> f64 {
    (first * f64::from(1 << (attempt - 2))).min(cap)
}

const RIGHT: &[(&str, Draw)] = &[
    ("full jitter", |chance, attempt| {
        doubled(2.0, attempt, 60.0) * chance.fraction()
    }),
    ("equal jitter", |chance, attempt| {
        doubled(2.0, attempt, 60.0) * (0.5 + 0.5 * chance.fraction())
    }),
    ("a tenth of jitter", |chance, attempt| {
        doubled(2.0, attempt, 60.0) * (0.95 + 0.1 * chance.fraction())
    }),
    ("decorrelated jitter", |chance, attempt| {
        (2..=attempt).fold(1.0, |before, _| {
            1.0 + (3.0 * before - 1.0) * chance.fraction()
        })
    }),
    ("a cap of twice the first", |chance, attempt| {
        doubled(2.0, attempt, 4.0) * chance.fraction()
    }),
    ("growth by half", |chance, attempt| {
        1.5_f64.powi(attempt as i32) * chance.fraction()
    }),
    ("growth in steps of a second", |chance, attempt| {
        attempt as f64 * (0.5 + chance.fraction())
    }),
    (
        "no jitter in the first wait",
        |chance, attempt| match attempt {
            2 => 1.0,
            _ => doubled(1.0, attempt, 60.0) * chance.fraction(),
        },
    ),
    ("at the cap from the first on", |chance, _| {
        60.0 * chance.fraction()
    }),
    ("an inner and an outer loop", |chance, attempt| {
        [0.5, 1.0, 8.0, 0.5][attempt - 2] * (0.5 + 0.5 * chance.fraction())
    }),
];

const WRONG: &[(&str, &str, Draw)] = &[
    ("no-growth", "one ceiling", |chance, _| {
        2.0 * chance.fraction()
    }),
    ("no-growth", "one ceiling, equal jitter", |chance, _| {
        4.0 * (0.5 + 0.5 * chance.fraction())
    }),
    ("no-growth", "shorter ones", |chance, attempt| {
        8.0 / attempt as f64 * (0.2 + chance.fraction())
    }),
    ("no-jitter", "exactly doubled", |_, attempt| {
        doubled(2.0, attempt, 60.0)
    }),
    (
        "no-jitter",
        "doubled, and what a request takes",
        |chance, attempt| doubled(2.0, attempt, 60.0) + 0.02 * chance.fraction(),
    ),
    ("no-growth", "a fixed pace", |_, _| 5.0),
];

fn waits(draw: Draw, rows: usize, seed: u64) -> Waits {
    let mut chance = Chance::new(seed);
    let mut before = vec![Spread::default(); 4];
    for _ in 0..rows {
        for (spread, attempt) in before.iter_mut().zip(2..) {
            spread.sample(Duration::from_secs_f64(draw(&mut chance, attempt)));
        }
    }
    let profile = Profile::reference();
    Waits {
        between: [
            (Retried::Agent, before.clone()),
            (Retried::QuickAgent, before),
        ]
        .into(),
        resolution_ms: 0,
        promised: Some(Promised::of(&profile)),
    }
}

fn kinds(waits: &Waits) -> Vec<&'static str> {
    let broken = judge(waits)
        .into_iter()
        .filter_map(|(_, answer)| match answer {
            Answer::Broken(breach) => Some(breach.kind),
            Answer::Held | Answer::NotAsked(_) => None,
        });
    broken.collect()
}

#[test]
fn systems_that_wait_in_other_ways_are_not_accused() {
    for (name, draw) in RIGHT {
        for seed in 0..10 {
            for rows in [ALIKE_WAITS as usize, 500, 20_000] {
                let found = kinds(&waits(*draw, rows, seed));
                assert!(found.is_empty(), "{name}, {rows} rows: {found:?}");
            }
        }
    }
}

#[test]
fn systems_that_wait_as_they_must_not_are_accused_with_every_seed() {
    for (kind, name, draw) in WRONG {
        for seed in 0..10 {
            let found = kinds(&waits(*draw, 2 * ALIKE_WAITS as usize, seed));
            assert!(found.contains(kind), "{name}: {found:?}");
        }
    }
}

#[test]
fn nothing_is_asked_of_too_few_waits_and_the_reason_counts_them() {
    let few = waits(|_, _| 2.0, 12, 1);
    let answers: Vec<Answer> = judge(&few).into_iter().map(|(_, answer)| answer).collect();
    let texts: Vec<&str> = answers
        .iter()
        .map(|answer| match answer {
            Answer::NotAsked(why) => why.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(texts[0].ends_with("12 of 40 samples"), "{texts:?}");
    assert!(texts[1].ends_with("12 of 60 samples"), "{texts:?}");
    assert!(texts[2].ends_with("0 of 20 samples"), "{texts:?}");
    assert!(!has_enough(&few, Retried::Agent));
    // Nobody says what is promised: it is no campaign.
    let bare = Waits {
        promised: None,
        ..waits(|_, _| 2.0, 200, 1)
    };
    assert_eq!(judge(&bare), []);
}

#[test]
fn a_machine_can_hide_a_mistake_and_make_none() {
    let real = |draw, resolution_ms| Waits {
        resolution_ms,
        ..waits(draw, 200, 1)
    };
    let fixed: Draw = |_, _| 5.0;
    // That waits hardly differ is not the machine's doing; that they do not grow may be.
    assert_eq!(kinds(&real(fixed, 50)), ["no-jitter"]);
    // The clock shows fifty of its steps.
    assert_eq!(kinds(&real(fixed, 500)), [""; 0]);
}

#[test]
fn the_agent_has_its_time() {
    let of = |seconds: &dyn Fn(u64) -> f64| {
        let mut spread = Spread::default();
        for n in 0..100 {
            spread.sample(Duration::from_secs_f64(seconds(n)));
        }
        Waits {
            between: [(Retried::Unanswered, vec![spread])].into(),
            resolution_ms: 20,
            promised: Some(Promised::of(&Profile::reference())),
        }
    };
    assert_eq!(kinds(&of(&|n| 30.0 + n as f64 / 10.0)), [""; 0]);
    assert_eq!(kinds(&of(&|n| 10.0 + n as f64 / 50.0)), ["agent-early"]);
    // Now and then something else cuts one off.
    let now_and_then = |n: u64| if n.is_multiple_of(10) { 4.0 } else { 31.0 };
    assert_eq!(kinds(&of(&now_and_then)), [""; 0]);
}

#[test]
fn the_bound_is_no_smaller_than_the_chance_itself() {
    // Of ten throws of a coin none, one at most, five at most.
    assert!((tail(0, 10, 0.5) - 0.5_f64.powi(10)).abs() < 1e-12);
    assert!(tail(1, 10, 0.5) >= 11.0 * 0.5_f64.powi(10));
    assert_eq!(tail(5, 10, 0.5), 1.0);
    assert!(tail(0, 1_000_000, 0.5) < 1e-300);
}
