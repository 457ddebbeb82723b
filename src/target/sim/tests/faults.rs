//! Each fault of a plan, as it shows at the endpoints and in the worker's words.

use super::*;
use crate::history::{GitOutcome, Level, S3Outcome};
use crate::target::GIT_TOKEN;
use crate::worker::ports::Line;

/// How often S3 answered so.
fn s3(ran: &Ran, outcome: S3Outcome) -> usize {
    ran.count(|what| matches!(what, What::S3Asked { outcome: it, .. } if *it == outcome))
}

/// Checks that the deploy was postponed, reported, and done by itself after the heal.
fn check_caught_up(ran: &Ran) {
    assert_eq!(ran.claims(Claim::SyncFailed), 1);
    let reported = |what: &What| matches!(what, What::RecordWritten { record, .. } if record.last_error.is_some());
    assert!(ran.has(reported));
    assert_eq!(ran.shown("acme"), [Mark::Edit(1)]);
    assert_eq!(ran.record(HOME).last_error, None);
}

fn under(fault: &str) -> Ran {
    run(&format!(
        "inject {fault}; instruct acme/home change; until acme/home done; wait 1s"
    ))
}

#[test]
fn s3_denied() {
    let ran = under("s3-denied acme");
    assert!(ran.says("S3 sync failed after retries: AccessDenied: Access Denied"));
    assert!(s3(&ran, S3Outcome::Denied) >= 3);
    check_caught_up(&ran);
    let other = under("s3-denied globex");
    assert_eq!(s3(&other, S3Outcome::Denied), 0);
}

#[test]
fn s3_missing_hides_the_bucket_and_heal_shows_it_with_its_objects() {
    let ran = under("s3-missing acme");
    assert!(ran.says("NoSuchBucket"));
    assert!(s3(&ran, S3Outcome::NoSuchBucket) >= 3);
    check_caught_up(&ran);
    let ran =
        run("instruct acme/home change; until acme/home done; inject s3-missing acme; wait 5s");
    assert_eq!(ran.shown("acme"), [Mark::Edit(1)]);
}

#[test]
fn s3_down() {
    for (outage, words) in [
        ("slow-down", "SlowDown"),
        ("refused", "connection refused"),
        ("timeout", "no answer within 25 s"),
    ] {
        let ran = under(&format!("s3-down {outage}"));
        assert!(ran.says(words), "{outage}");
        assert!(s3(&ran, S3Outcome::Unavailable) >= 3, "{outage}");
        check_caught_up(&ran);
    }
}

#[test]
fn an_s3_reset_falls_before_the_effect_or_after_it() {
    let (mut before, mut after) = (0, 0);
    for seed in 0..20 {
        let steps = "instruct acme/home change; until acme/home deploying +4; \
                     inject s3-down reset; until acme/home done; wait 1s";
        let ran = run_with(steps, seed);
        assert!(ran.says("connection reset"));
        before += s3(&ran, S3Outcome::Unavailable);
        after += ran.count(|what| {
            matches!(
                what,
                What::ObjectPut {
                    answered: false,
                    ..
                }
            )
        });
        assert_eq!(ran.shown("acme"), [Mark::Edit(1)]);
    }
    assert!(before > 0 && after > 0, "{before} before, {after} after");
}

#[test]
fn s3_partial_takes_so_many_objects_of_each_attempt() {
    let ran = under("s3-partial acme 1");
    // Four objects, one taken in each of the three attempts.
    let healed = ran.said_at("S3 sync failed").unwrap();
    let taken = ran
        .events
        .iter()
        .filter(|it| it.at < healed && matches!(it.what, What::ObjectPut { .. }))
        .count();
    assert_eq!(taken, 3);
    check_caught_up(&ran);
}

#[test]
fn s3_ack_lost_stores_the_object_and_never_answers() {
    let ran = run(
        "inject s3-ack-lost acme; instruct acme/home change; until acme/home deploying; wait 30s",
    );
    let lost = |what: &What| {
        matches!(
            what,
            What::ObjectPut {
                answered: false,
                ..
            }
        )
    };
    assert!(ran.has(lost));
    assert!(ran.says("S3: no answer within 25 s"));
    assert_eq!(ran.shown("acme"), [Mark::Edit(1)]);
}

#[test]
fn git_auth_saves_locally_and_the_push_comes_by_itself() {
    let ran = run(
        "instruct acme/home change; until acme/home done; inject git-auth; \
                   instruct acme/home change; until acme/home done; wait 1s",
    );
    assert!(ran.says("Authentication failed"));
    assert_eq!(ran.claims(Claim::SavedLocally), 1);
    let failed = |what: &What| {
        matches!(
            what,
            What::Pushed {
                outcome: GitOutcome::AuthFailed,
                ..
            }
        )
    };
    assert!(ran.has(failed));
    assert_eq!(ran.remote(HOME).tree, [Mark::Edit(1), Mark::Edit(2)]);
    assert_eq!(ran.record(HOME).last_error, None);
}

#[test]
fn retry_push_is_answered_at_once() {
    let ran = run(
        "instruct acme/home change; until acme/home done; inject git-auth; \
                   instruct acme/home change; until acme/home done; wait 1s; heal git-auth; \
                   retry-push acme/home; wait 8s",
    );
    assert!(ran.has(|what| matches!(what, What::RetryDelivered { .. })));
    assert_eq!(ran.remote(HOME).tree, [Mark::Edit(1), Mark::Edit(2)]);
}

#[test]
fn git_down_is_refused_or_hangs() {
    let (mut refused, mut hung) = (0, 0);
    for seed in 0..10 {
        let steps = "instruct acme/home change; until acme/home committing; inject git-down; \
                     until acme/home done";
        let ran = run_with(steps, seed);
        refused += usize::from(ran.says("git remote: connection refused"));
        hung += usize::from(ran.says("git: no answer within 30 s"));
        assert_eq!(ran.remote(HOME).tree, [Mark::Edit(1)]);
    }
    assert!(refused > 0 && hung > 0, "{refused} refused, {hung} hung");
}

#[test]
fn injected_build_failures() {
    let ran = under("build-error acme/home");
    assert_eq!(ran.claims(Claim::BuildFailed), 1);
    assert!(
        ran.record(HOME)
            .last_error
            .as_ref()
            .is_some_and(|it| it.contains("build"))
    );
    assert_eq!(ran.shown("acme"), []);
    let ran = under("build-warning acme/home");
    assert!(ran.says("Build completed with warnings"));
    assert_eq!(ran.record(HOME).warnings.len(), 1);
    assert_eq!(ran.shown("acme"), [Mark::Edit(1)]);
    let other = under("build-error acme/blog");
    assert_eq!(other.claims(Claim::BuildFailed), 0);
}

#[test]
fn builds_that_an_edit_breaks_warns_of_and_repairs() {
    let ran = run("instruct acme/home change; instruct acme/home break-build");
    assert!(ran.says("Build failed: error: package.json is missing"));
    assert_eq!(ran.shown("acme"), [Mark::Edit(1)]);
    let ran = run(
        "instruct acme/home break-build; instruct acme/home warn; instruct acme/home repair; \
         instruct acme/home warn",
    );
    assert_eq!(ran.shown("acme").len(), 4);
    assert_eq!(ran.record(HOME).warnings.len(), 1);
}

#[test]
fn out_of_memory_kills_the_container_and_the_instruction_goes_to_the_dead_letters() {
    let ran = run(
        "inject out-of-memory acme; instruct acme/home memory-hungry; \
                   instruct acme/home change; wait 450s",
    );
    let killed = |what: &What| {
        matches!(
            what,
            What::Died {
                cause: Death::OutOfMemory,
                ..
            }
        )
    };
    assert_eq!(ran.count(killed), 3);
    assert!(ran.says("OutOfMemoryError"));
    assert_eq!(*ran.end.dead_letters.get().unwrap(), [Mark::Edit(1)]);
    assert_eq!(ran.shown("acme"), [Mark::Edit(2)]);
    // With memory enough it is an edit like any other.
    let ran = run("instruct acme/home memory-hungry");
    assert_eq!(ran.shown("acme"), [Mark::Edit(1)]);
}

#[test]
fn a_partition_cuts_one_container_off_and_its_lines_come_later() {
    let ran = run(
        "instruct acme/home change; until acme/home pushing; inject partition acme; \
                   instruct globex/home change; until globex/home done; wait 10s",
    );
    let (from, to) = {
        let of_acme = |event: &&Event| matches!(&event.what, What::Logged { client, stamp, .. } if &*client.0 == "acme" && *stamp < event.at);
        let late: Vec<&Event> = ran.events.iter().filter(of_acme).collect();
        (late.first().unwrap().at, late.last().unwrap().at)
    };
    assert_eq!(from, to, "all are sent when the network is back");
    assert!(ran.says("Network error"));
    assert!(ran.says("Connection restored"));
    assert_eq!(ran.shown("acme"), [Mark::Edit(1)]);
    assert_eq!(ran.shown("globex"), [Mark::Edit(2)]);
}

#[test]
fn the_agent_is_asked_again() {
    let ran = run(
        "inject agent-slow; instruct acme/home change; until acme/home thinking; \
                   wait 35s",
    );
    assert!(ran.says("Claude request timeout"));
    assert!(ran.says("Retrying Claude request"));
    assert!(ran.says("Claude command completed"));
    for (status, words) in [(429, "rate_limit"), (500, "api_error"), (529, "Overloaded")] {
        let ran = run(&format!(
            "inject agent-error {status}; instruct acme/home change; \
             until acme/home thinking +1; wait 1ms"
        ));
        assert!(ran.says(&format!("Claude API error: {status}")) && ran.says(words));
        assert!(ran.says("Backing off"));
        assert_eq!(ran.shown("acme"), [Mark::Edit(1)]);
        let asks_to_wait = |what: &What| matches!(what, What::AgentAsked { retry_after, .. } if retry_after.is_some());
        assert_eq!(ran.has(asks_to_wait), status == 429);
    }
}

#[test]
fn an_answer_of_the_agent_that_is_cut_is_asked_for_again() {
    for cut in ["max-tokens", "stream-error", "empty", "dangling"] {
        let ran = run(&format!(
            "inject agent-cut {cut}; instruct acme/home change; until acme/home thinking +1; wait 1ms"
        ));
        let is_cut = |what: &What| {
            matches!(
                what,
                What::AgentAsked {
                    cut: Some(_),
                    status: Some(200),
                    ..
                }
            )
        };
        assert!(
            ran.has(is_cut) && ran.says("Claude API error") && ran.says("Backing off"),
            "{cut}"
        );
        assert_eq!(ran.shown("acme"), [Mark::Edit(1)], "{cut}");
    }
}

#[test]
fn store_throttled() {
    let ran = run("inject store-throttled; instruct acme/home change; wait 20s");
    assert!(ran.has(|what| matches!(what, What::Refused { .. })));
    assert!(ran.says("Session table failed, trying again"));
    assert_eq!(ran.shown("acme"), [Mark::Edit(1)]);
}

#[test]
fn queue_down() {
    for (outage, words) in [
        ("slow-down", None),
        (
            "refused",
            Some("Network error: queue: SQS: connection refused"),
        ),
        ("reset", Some("Network error: queue: SQS: connection reset")),
        (
            "timeout",
            Some("Network error: queue: queue: no answer within"),
        ),
    ] {
        let ran = run(&format!(
            "inject queue-down {outage}; instruct acme/home change; wait 60s; heal queue-down \
             {outage}; until acme/home building; inject queue-down {outage}; until acme/home done; \
             wait 130s"
        ));
        let refused = ran.count(|what| matches!(what, What::Refused { .. }));
        assert!((8..60).contains(&refused), "{outage}: {refused}");
        assert!(words.is_none_or(|words| ran.says(words)), "{outage}");
        // An acknowledgement that did not arrive brings the message again, and its edit once.
        let came = ran.count(|what| matches!(what, What::Delivered { .. }));
        assert!(
            came == 2 || came == 1 && outage == "reset",
            "{outage}: {came}"
        );
        assert_eq!(came == 2, ran.says("was handled before"), "{outage}");
        assert_eq!(ran.shown("acme"), [Mark::Edit(1)]);
    }
}

#[test]
fn redelivery_brings_the_newest_handled_instruction_again() {
    let ran = run(
        "instruct acme/home change; instruct acme/home change; wait 60s; \
                   redeliver acme/home",
    );
    let of_second = |what: &What| {
        matches!(
            what,
            What::Delivered {
                mark: Mark::Edit(2),
                ..
            }
        )
    };
    assert_eq!(ran.count(of_second), 2);
    assert_eq!(ran.remote(HOME).commits.len(), 2);
}

#[test]
fn five_failed_syncs_open_the_breaker_for_all() {
    let ran = run(
        "inject s3-missing acme; instruct acme/home change; instruct acme/home change; \
         instruct acme/home change; instruct acme/home change; instruct acme/home change; \
         instruct acme/home change; wait 100s; instruct globex/home change; \
         until globex/home done",
    );
    assert!(ran.claims(Claim::BreakerOpened) >= 1);
    assert!(ran.claims(Claim::SyncPrevented) >= 1);
    assert_eq!(ran.shown("acme").len(), 6);
    assert_eq!(ran.shown("globex"), [Mark::Edit(7)]);
}

#[test]
fn a_token_that_gets_out_is_seen() {
    let line = |text: String| Line {
        level: Level::Info,
        session: None,
        phase: None,
        text,
    };
    let mut world = World::new(vec!["acme".into()], Log::reference(&[]), 1, Rc::default());
    let seen = |world: &World| {
        let is_it = |event: &Event| matches!(event.what, What::SecretSeen { .. });
        world.events.iter().any(is_it)
    };
    world.log(0, Duration::ZERO, line("https://remote/acme.git".into()));
    assert!(!seen(&world));
    let leak = format!("https://x-access-token:{GIT_TOKEN}@remote/acme.git");
    world.log(0, Duration::ZERO, line(leak));
    assert!(seen(&world));
}
