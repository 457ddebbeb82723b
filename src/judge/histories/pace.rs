//! Requests that are refused and made again: with waits, and without.

use super::*;
use crate::history::{GitOutcome, S3Operation, S3Outcome};

/// The waits in milliseconds before each of some requests, again and again.
fn repeated(story: Story, what: &What, waits: &[u64], times: usize) -> Story {
    let began = story.events.last().map_or(Duration::ZERO, |last| last.at);
    let mut at = began.as_millis() as u64;
    waits.iter().cycle().take(times).fold(story, |story, wait| {
        at += wait;
        let mut story = story.and(what.clone());
        story.events.last_mut().unwrap().at = Duration::from_millis(at);
        story
    })
}

fn unpushed(sessions: &[SessionId]) -> Story {
    let begun =
        Story::of("inject git-auth\ninstruct acme/home change\ninstruct acme/blog change\n")
            .steps();
    let edits = sessions.iter().zip([edit(1), edit(2)]);
    edits.fold(begun, |story, (session, mark)| {
        let branch = Arc::new(Branch::of(&[mark]));
        story
            .and(What::delivered(session, mark, 1))
            .and(What::Committed {
                session: session.clone(),
                branch,
            })
    })
}

#[test]
fn pushes_are_waited_for() {
    let refused = What::Pushed {
        client: acme(),
        session: None,
        outcome: GitOutcome::AuthFailed,
        branch: None,
    };
    let pushing = |sessions: &[SessionId], waits: &[u64]| {
        repeated(unpushed(sessions), &refused, waits, 3 * 7)
    };
    pushing(&[home()], &[20_000, 100, 150]).is("bounded-retries at-once");
    pushing(&[home()], &[20_000, 700, 1_400]).is("held");
    // By chance one wait is as short.
    pushing(&[home()], &[20_000, 100, 1_400]).is("held");
    // Without a second attempt there is nothing to wait for, and each branch has its turn.
    pushing(&[home(), blog()], &[20_000, 100, 20_000]).is("held");
}

#[test]
fn clones_are_waited_for() {
    let refused = What::Fetched {
        client: acme(),
        outcome: GitOutcome::AuthFailed,
    };
    let cloning = |sessions: &[SessionId], waits: &[u64], times| {
        repeated(unpushed(sessions), &refused, waits, times)
    };
    cloning(&[home()], &[200], 14).is("bounded-retries at-once");
    cloning(&[home()], &[200], 12).is("held");
    cloning(&[home()], &[500, 1_000, 2_000, 4_000, 8_000], 60).is("held");
    // They grow, and not only now and then.
    cloning(&[home()], &[600], 61).is("bounded-retries at-once");
    cloning(&[home(), blog()], &[100, 30_000], 20).is("held");
}

#[test]
fn an_attempt_of_a_sync_asks_once() {
    let refused = What::S3Asked {
        client: acme(),
        operation: S3Operation::List,
        outcome: S3Outcome::Unavailable,
    };
    let listing = |waits: &[u64], times| {
        repeated(plain("instruct acme/home change\n"), &refused, waits, times)
    };
    listing(&[1_000, 20, 20], 45).is("bounded-retries at-once");
    // Two requests side by side.
    listing(&[1_000, 0], 50).is("held");
    listing(&[900, 1_800, 30_000], 30).is("held");
    listing(&[300, 50, 800, 30_000], 40).is("held");
}
