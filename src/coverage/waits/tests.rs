//! Which waits give samples, and which do not.

use std::sync::Arc;

use super::*;
use crate::history::{Level, S3Operation};
use crate::plan::{Cut, SessionId};

fn acme() -> ClientId {
    SessionId::new("acme", "home").client
}

fn asked(status: Option<u16>) -> What {
    What::AgentAsked {
        client: acme(),
        mark: Some(Mark::Edit(1)),
        status,
        retry_after: None,
        cut: None,
    }
}

fn logged(claim: Claim, stamp: u64) -> What {
    What::Logged {
        client: acme(),
        stamp: Duration::from_secs(stamp),
        session: None,
        level: Level::Info,
        text: "".into(),
        phase: None,
        claim: Some(claim),
    }
}

fn refused() -> What {
    What::S3Asked {
        client: acme(),
        operation: S3Operation::List,
        outcome: S3Outcome::Denied,
    }
}

fn step(text: &str) -> What {
    let plan = format!("{}\nsession acme/home\n{text}\n", crate::plan::VERSION_LINE);
    What::StepBegan {
        index: Some(0),
        step: plan.parse::<crate::plan::Plan>().unwrap().steps[0].clone(),
        mark: None,
    }
}

fn delivered() -> What {
    What::Delivered {
        session: SessionId::new("acme", "home"),
        mark: Mark::Edit(1),
        receives: 1,
    }
}

/// The samples of events, each at its second.
fn waits(events: &[(u64, What)]) -> Waits {
    let events = events.iter().map(|(second, what)| Event {
        at: Duration::from_secs(*second),
        what: what.clone(),
    });
    Waits::of(&History {
        events: events.collect(),
        ..History::default()
    })
}

#[track_caller]
fn check(retried: Retried, events: &[(u64, What)], seconds: &[&[u64]]) {
    let found = waits(events);
    let counts: Vec<u64> = found.before(retried).iter().map(Spread::count).collect();
    let expected: Vec<u64> = seconds.iter().map(|of| of.len() as u64).collect();
    assert_eq!(counts, expected);
    for (spread, seconds) in found.before(retried).iter().zip(seconds) {
        for wait in *seconds {
            let mut one = Spread::default();
            one.sample(Duration::from_secs(*wait));
            let above = spread.above(one.class_at(1.0).saturating_sub(1));
            assert!(above > spread.above(one.class_at(1.0)), "{wait} s");
        }
    }
}

#[test]
fn waits_for_the_agent_are_kept_by_attempt() {
    let down = Some(529);
    let row = [(0, asked(down)), (1, asked(down)), (4, asked(down))];
    check(Retried::Agent, &row, &[&[1], &[3]]);
    // An answer ends the row, and so does a delivery.
    let row = [
        (0, asked(down)),
        (1, asked(Some(200))),
        (8, asked(down)),
        (10, asked(down)),
        (12, delivered()),
        (13, asked(down)),
        (17, asked(down)),
    ];
    check(Retried::Agent, &row, &[&[1, 2, 4]]);
}

#[test]
fn waits_that_are_not_the_systems_own_give_no_sample() {
    let down = Some(529);
    let told = What::AgentAsked {
        client: acme(),
        mark: Some(Mark::Edit(1)),
        status: Some(429),
        retry_after: Some(Duration::from_secs(5)),
        cut: None,
    };
    let cut = What::AgentAsked {
        client: acme(),
        mark: Some(Mark::Edit(1)),
        status: Some(200),
        retry_after: None,
        cut: Some(Cut::Empty),
    };
    // They count as attempts.
    let row = [(0, told), (6, cut), (7, asked(down)), (9, asked(down))];
    check(Retried::Agent, &row, &[&[], &[1], &[2]]);
    let silent = [(0, asked(None)), (31, asked(None)), (62, asked(down))];
    check(Retried::Agent, &silent, &[]);
    assert_eq!(waits(&silent).before(Retried::Unanswered).len(), 2);
    // Healed in between, it may be answered at once.
    let healed = [
        (0, asked(None)),
        (5, step("heal agent-slow")),
        (6, asked(down)),
    ];
    check(Retried::Unanswered, &healed, &[]);
    // A partition hides attempts, until the next message is seen to come.
    let hidden = [
        (0, asked(down)),
        (1, step("inject partition acme")),
        (9, step("heal partition acme")),
        (10, asked(down)),
        (12, asked(down)),
    ];
    check(Retried::Agent, &hidden, &[]);
    let seen_again = [
        &hidden[..],
        &[(20, delivered()), (21, asked(down)), (22, asked(down))],
    ];
    check(Retried::Agent, &seen_again.concat(), &[&[1]]);
}

#[test]
fn waits_of_syncs_begin_with_the_request_that_failed() {
    let attempt = Claim::SyncAttempt;
    let sync = [
        (1, logged(attempt(1), 1)),
        (1, refused()),
        (3, logged(attempt(2), 3)),
        (3, refused()),
        (4, refused()),
        (9, logged(attempt(3), 9)),
    ];
    check(Retried::Sync, &sync, &[&[2], &[5]]);
    // Nothing was refused, or it is not known when: the service hangs.
    let begun_anew = [
        (0, logged(attempt(1), 0)),
        (1, refused()),
        (3, logged(attempt(1), 3)),
    ];
    check(Retried::Sync, &begun_anew, &[]);
    let silent = [(0, logged(attempt(1), 0)), (27, logged(attempt(2), 27))];
    check(Retried::Sync, &silent, &[]);
    // The answer may have taken as long as the request.
    let slow = [
        (0, logged(attempt(1), 0)),
        (1, refused()),
        (3, logged(attempt(2), 3)),
    ];
    check(Retried::Sync, &slow, &[]);
    let hanging = [
        (0, step("inject s3-down timeout")),
        (2, logged(attempt(1), 2)),
        (2, refused()),
        (28, logged(attempt(2), 28)),
    ];
    check(Retried::Sync, &hanging, &[]);
}

#[test]
fn a_line_shows_that_a_request_was_quick_on_its_way() {
    let down = Some(529);
    let done = Claim::PushDone;
    let row = [
        (0, asked(down)),
        (4, logged(done, 4)),
        (4, asked(down)),
        (5, logged(done, 5)),
        (9, asked(down)),
    ];
    check(Retried::Agent, &row, &[&[4], &[5]]);
    check(Retried::QuickAgent, &row, &[&[4]]);
}

#[test]
fn samples_add_up_and_are_read_as_they_were_written() {
    let down = Some(529);
    let one = waits(&[(0, asked(down)), (1, asked(down))]);
    let two = waits(&[(0, asked(down)), (1, asked(down)), (4, asked(down))]);
    let mut sum = one.clone();
    sum.add(&two);
    let counts = sum.before(Retried::Agent).iter().map(Spread::count);
    assert_eq!(counts.collect::<Vec<_>>(), [2, 1]);
    let mut other = two;
    other.add(&one);
    assert_eq!(sum, other);
    let text = serde_json::to_string(&Arc::new(&sum)).unwrap();
    assert_eq!(serde_json::from_str::<Waits>(&text).unwrap(), sum);
}
