//! How often something is tried, and how long is waited between.

use super::*;
use crate::plan::Cut;

#[test]
fn bounded_retries() {
    let story = || {
        Story::of("instruct acme/home change\n")
            .steps()
            .delivered(edit(1))
    };
    let received = |receives| What::delivered(&home(), edit(1), receives);
    story().and(received(3)).is("held");
    story().and(received(4)).is("bounded-retries receives");
    story()
        .says("acme", "S3 sync attempt 4/3")
        .is("bounded-retries sync");
    let asked = |status, retry_after: Option<u64>| What::AgentAsked {
        client: acme(),
        mark: Some(edit(1)),
        status: Some(status),
        retry_after: retry_after.map(Duration::from_secs),
        cut: None,
    };
    let failing = |times: usize| (0..times).fold(story(), |s, _| s.and(asked(500, None)));
    failing(6).is("bounded-retries agent");
    // An answer that is cut is none, however good its status is.
    let cut = || What::AgentAsked {
        client: acme(),
        mark: Some(edit(1)),
        status: Some(200),
        retry_after: None,
        cut: Some(Cut::Empty),
    };
    failing(4).and(cut()).is("held");
    failing(4)
        .and(cut())
        .and(asked(500, None))
        .is("bounded-retries agent");
    failing(4).and(asked(200, None)).and(cut()).is("held");
    failing(5)
        .delivered(edit(1))
        .and(asked(500, None))
        .is("held");
    failing(4)
        .and(asked(200, None))
        .and(asked(500, None))
        .is("held");
    story()
        .and(asked(429, Some(5)))
        .later(2)
        .and(asked(200, None))
        .is("bounded-retries retry-after");
    // A container that was cut off before the answer came need not obey it.
    let cut_off = |seconds| {
        Story::of("instruct acme/home change\ninject partition acme\n")
            .step(0)
            .delivered(edit(1))
            .and(asked(429, Some(9)))
            .later(seconds)
            .step(1)
            .and(asked(200, None))
    };
    cut_off(0).is("held");
    cut_off(1).is("bounded-retries retry-after");
    let cut_off_before = || {
        Story::of("instruct acme/home change\ninject partition acme\n")
            .step(0)
            .delivered(edit(1))
            .step(1)
            .and(asked(429, Some(9)))
            .later(1)
            .and(asked(200, None))
    };
    cut_off_before().is("held");
    let mut at_once = failing(5);
    for event in at_once.events.iter_mut().rev().take(5) {
        event.at = Duration::from_secs(9);
    }
    at_once.is("bounded-retries no-wait");
    failing(1)
        .later(120)
        .and(asked(200, None))
        .is("bounded-retries agent-limit");
    failing(1).later(50).and(asked(200, None)).is("held");
    // The first wait is short, so that the time-out shows; later ones are long.
    failing(1)
        .later(60)
        .and(asked(200, None))
        .is("bounded-retries agent-limit");
    failing(2).later(80).and(asked(200, None)).is("held");
    // A system that promises no first wait may begin with the longest.
    let text = crate::profile::REFERENCE.replace("agent-first-wait = \"15s\"", "");
    assert_ne!(text, crate::profile::REFERENCE);
    let by = Arc::new(Profile::parse(&text).unwrap());
    let waits = |seconds| {
        let story = failing(1).later(seconds).and(asked(200, None));
        short(&judge(
            &story.plan,
            SiteKind::Shell,
            by.clone(),
            &story.events,
            None,
        ))
    };
    assert_eq!(waits(80), "held");
    assert_eq!(waits(120), "bounded-retries agent-limit");
    // A header asks for no more than the longest wait.
    let asks_for = |header, waited| {
        let story = story().and(asked(429, Some(header)));
        story.later(waited).and(asked(200, None))
    };
    asks_for(3_600, 60).is("held");
    asks_for(3_600, 40).is("bounded-retries retry-after");
    asks_for(3_600, 120).is("bounded-retries agent-limit");
    // Other things may hold it up as well.
    Story::of("instruct acme/home change\ninject store-throttled\n")
        .steps()
        .delivered(edit(1))
        .and(asked(500, None))
        .later(120)
        .and(asked(200, None))
        .is("held");
    let refusals = |places: &[Place], apart: u64| {
        let client = acme();
        let refused = places.iter().map(|place| What::Refused {
            client: client.clone(),
            place: *place,
        });
        let mut refusals = refused.cycle().take(60).fold(story(), Story::and);
        for (n, event) in refusals.events.iter_mut().enumerate() {
            event.at = Duration::from_millis(apart * n as u64);
        }
        refusals
    };
    refusals(&[Place::Table], 50).is("bounded-retries at-once");
    refusals(&[Place::Queue], 50).is("bounded-retries at-once");
    // Waits that do not grow are no better.
    refusals(&[Place::Queue], 600).is("bounded-retries at-once");
    refusals(&[Place::Queue], 900).is("held");
    // Each service is asked on its own.
    refusals(&[Place::Queue, Place::Table], 50).is("held");
    let denied = || What::S3Asked {
        client: acme(),
        operation: crate::history::S3Operation::Put,
        outcome: crate::history::S3Outcome::Denied,
    };
    let syncing = |attempts: u32, wait: u64| {
        let mut syncs = story();
        let mut at = 10_000;
        for attempt in 0..attempts {
            let line = format!("S3 sync attempt {}/3", attempt % 3 + 1);
            syncs = syncs.says_at(at, "acme", &line).and(denied());
            at += 20;
            syncs.events.last_mut().unwrap().at = Duration::from_millis(at);
            at += wait;
        }
        syncs
    };
    syncing(15, 30).is("bounded-retries at-once");
    syncing(12, 30).is("held");
    syncing(30, 200).is("held");
    let again = |wait| (0..4).fold(story(), |story, _| story.synced("acme", FAILED).later(wait));
    again(0).is("bounded-retries at-once");
    again(15).is("held");
    let refused = || What::Pushed {
        client: acme(),
        session: None,
        outcome: GitOutcome::AuthFailed,
        branch: None,
    };
    let pushing = |times: usize| {
        let story = Story::of("instruct acme/home change\ninject git-auth\n").steps();
        (0..times).fold(story.delivered(edit(1)), |s, _| s.and(refused()))
    };
    pushing(4).is("bounded-retries push");
    pushing(3).later(15).and(refused()).is("held");
    // Two branches wait, each with times of its own.
    let in_turns = |pause: u64| {
        let steps = "instruct acme/home change\ninstruct acme/blog change\ninject git-auth\n";
        let story = Story::of(steps).steps().delivered(edit(1));
        let story = story.committed(&[edit(1)]);
        let story = story.and(What::committed(&blog(), Branch::of(&[edit(2)])));
        (0..6).fold(story, |story, _| {
            let round = (0..3).fold(story, |story, _| story.and(refused()));
            round.later(pause)
        })
    };
    in_turns(5).is("held");
    in_turns(1).is("bounded-retries push");
}

#[test]
fn a_sync_is_tried_three_times_where_s3_is_out_of_service() {
    let asked = |outcome| What::S3Asked {
        client: acme(),
        operation: crate::history::S3Operation::Put,
        outcome,
    };
    let failing = |attempts: u32, outcome, wait| {
        let story = plain("instruct acme/home change\n");
        (1..=attempts)
            .fold(story, |story, attempt| {
                let line = format!("S3 sync attempt {attempt}/3");
                story.says("acme", &line).and(asked(outcome)).later(wait)
            })
            .says("acme", FAILED)
    };
    let unavailable = crate::history::S3Outcome::Unavailable;
    failing(2, unavailable, 1).is("bounded-retries gave-up");
    failing(3, unavailable, 1).is("held");
    // What is refused for good, or took long, may be given up sooner.
    failing(1, crate::history::S3Outcome::Denied, 1).is("held");
    failing(2, unavailable, 15).is("held");
    // One that is cut off and begins again has an end of its own.
    let again = |times: u32, wait| {
        let story = plain("instruct acme/home change\n");
        (0..times).fold(story, |story, _| {
            story.says("acme", "S3 sync attempt 1/3").later(wait)
        })
    };
    again(5, 4).is("bounded-retries sync");
    again(4, 4).is("held");
    again(9, 20).is("held");
}

#[test]
fn a_push_that_is_asked_for_is_tried() {
    let asked = |steps: &str, wait| {
        let saved = "instruct acme/home change\ninject git-auth\nheal git-auth\n";
        let story = Story::of(&format!("{saved}{steps}"));
        let steps = story.plan.steps.len();
        let story = story
            .step(0)
            .step(1)
            .delivered(edit(1))
            .committed(&[edit(1)])
            .recorded(home(), Some("Saved work locally: git push failed"), &[])
            .acknowledged(edit(1))
            .step(2)
            .and(What::RetryDelivered { session: home() });
        (3..steps).fold(story, Story::step).later(wait)
    };
    asked("", 35).is("bounded-retries retry-ignored");
    asked("", 20).pushed(&[edit(1)]).later(35).is("held");
    // A container that is held up comes to it later.
    asked("inject partition acme\n", 35).is("held");
    // So does one that may still be in the midst of a wait that began before.
    let after = |seconds| {
        let steps = "instruct acme/home change\ninject git-auth\ninject store-throttled\n\
                     heal store-throttled\nheal git-auth\n";
        let story = Story::of(steps).step(0).step(1).step(2).step(3);
        let story = story.delivered(edit(1)).committed(&[edit(1)]);
        let story = story.recorded(home(), Some("Saved work locally: git push failed"), &[]);
        let story = story.acknowledged(edit(1)).later(seconds).step(4);
        story
            .and(What::RetryDelivered { session: home() })
            .later(35)
    };
    after(5).is("held");
    after(70).is("bounded-retries retry-ignored");
    asked("inject partition globex\n", 35).is("bounded-retries retry-ignored");
    asked("inject agent-slow\n", 35).is("bounded-retries retry-ignored");
    asked("instruct acme/home change\n", 0)
        .delivered(edit(2))
        .later(35)
        .is("held");
    // Where nothing waits there is nothing to push.
    Story::of("instruct acme/home change\n")
        .steps()
        .and(What::RetryDelivered { session: home() })
        .later(35)
        .is("held");
}
