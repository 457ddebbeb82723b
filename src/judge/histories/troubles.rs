//! A session's failures: whom they concern, what is reported of them, and what they leave.

use super::*;

#[test]
fn no_cascade() {
    let steps = "instruct acme/home break-build\ninstruct acme/blog change\n";
    let story = || Story::of(steps).steps().delivered(edit(1));
    story()
        .recorded(blog(), Some("build failed"), &[])
        .is("no-cascade last-error");
    story()
        .recorded(blog(), None, &["build warned"])
        .is("no-cascade warnings");
    story()
        .recorded(home(), Some("build failed"), &[])
        .recorded(blog(), None, &[])
        .is("held");
    story().committed(&[edit(2)]).is("no-cascade branch");
    let foreign = "instruct globex/home change\n";
    Story::of(foreign)
        .steps()
        .put("a.txt", b"edit-1")
        .is("no-cascade site");
    // A shared outage affects every session.
    Story::of(&format!("{steps}inject s3-denied\n"))
        .steps()
        .recorded(blog(), Some(FAILED), &[])
        .is("held");
    Story::of(&format!("{steps}inject s3-denied globex\n"))
        .steps()
        .recorded(blog(), Some(FAILED), &[])
        .is("no-cascade last-error");
}

#[test]
fn stays_up_and_no_secret_told() {
    let died = |cause| What::Died {
        client: acme(),
        cause,
    };
    let story = || Story::of("crash acme\n").steps();
    story().and(died(Death::Exit)).is("stays-up exit");
    story().and(died(Death::OutOfMemory)).is("held");
    story()
        .and(died(Death::Crash))
        .later(125)
        .is("stays-up down");
    story()
        .and(died(Death::Crash))
        .later(100)
        .and(What::Started { client: acme() })
        .later(100)
        .is("held");
    story()
        .and(What::SecretSeen {
            client: acme(),
            place: "a log line".into(),
        })
        .is("no-secret-told secret");
    story()
        .and(What::Trespassed {
            client: acme(),
            owner: "globex".into(),
            what: "the repository globex".into(),
        })
        .is("no-cascade trespass");
}

#[test]
fn errors_told() {
    let story = || {
        Story::of("instruct acme/home change\n")
            .steps()
            .delivered(edit(1))
    };
    story().acknowledged(edit(1)).is("errors-told not-pushed");
    story()
        .pushed(&[edit(1)])
        .acknowledged(edit(1))
        .is("errors-told not-deployed");
    story()
        .committed(&[edit(1)])
        .says("acme", "Git push complete")
        .is("errors-told push-claimed");
    story()
        .says("acme", "S3 sync attempt 1/3")
        .says("acme", "S3 sync complete")
        .is("errors-told sync-claimed");
    let troubled = Story::of("inject s3-denied\ninstruct acme/home change\n").steps();
    troubled
        .delivered(edit(1))
        .pushed(&[edit(1)])
        .recorded(home(), Some(FAILED), &[])
        .acknowledged(edit(1))
        .is("held");
    Story::of("instruct acme/home break-build\n")
        .steps()
        .delivered(edit(1))
        .pushed(&[edit(1)])
        .acknowledged(edit(1))
        .is("errors-told not-failed");
    let failed = |level| {
        Story::of("instruct acme/home break-build\n")
            .steps()
            .delivered(edit(1))
            .committed(&[edit(1)])
            .pushed(&[edit(1)])
            .logs(level, "acme", "Build failed: no package.json")
            .recorded(home(), Some("build failed"), &[])
            .acknowledged(edit(1))
    };
    failed(Level::Error).ends_as("held");
    failed(Level::Warn).ends_as("errors-told not-logged");
    // The record may be written for another reason between the line and the error.
    let written_between = |level| {
        Story::of("instruct acme/home break-build\n")
            .steps()
            .delivered(edit(1))
            .committed(&[edit(1)])
            .logs(level, "acme", "Build failed: no package.json")
            .recorded(home(), None, &[])
            .pushed(&[edit(1)])
            .recorded(home(), Some("build failed"), &[])
            .acknowledged(edit(1))
    };
    written_between(Level::Error).ends_as("held");
    written_between(Level::Warn).ends_as("errors-told not-logged");
    // A crash may have taken the line along.
    failed(Level::Warn)
        .and(What::Died {
            client: acme(),
            cause: Death::Crash,
        })
        .ends_as("held");
}

/// The reference, which reports its outcomes by HTTP too.
fn by_http() -> Arc<Profile> {
    let text = crate::profile::REFERENCE;
    let by_http = text.replace("[\"record\"]", "[\"http\"]");
    assert_ne!(text, by_http);
    Arc::new(Profile::parse(&by_http).unwrap())
}

#[test]
fn outcomes() {
    use ReportedOutcome::{Done, Failed};
    let story = || {
        Story::of("instruct acme/home change\n")
            .steps()
            .delivered(edit(1))
    };
    let done = || story().pushed(&[edit(1)]).deployed(&[edit(1)]);
    // What is reported as done is done.
    story().reported(Done).is("errors-told not-pushed");
    let pushed = story().pushed(&[edit(1)]);
    pushed.reported(Done).is("errors-told not-deployed");
    done().reported(Done).acknowledged(edit(1)).is("held");
    Story::of("instruct acme/home break-build\n")
        .steps()
        .delivered(edit(1))
        .pushed(&[edit(1)])
        .reported(Done)
        .is("errors-told not-failed");
    // An outcome that says so reports a failure as well as a record.
    story().reported(Failed).acknowledged(edit(1)).is("held");
    // There is one, however often it is reported.
    done().reported(Done).reported(Done).is("held");
    let two = "errors-told two-outcomes";
    done().reported(Done).reported(Failed).is(two);
    story().reported(Failed).reported(Failed).is("held");
    story().reported(Failed).reported(Done).is(two);
    let retried = |story: Story| {
        let again = story.and(What::delivered(&home(), edit(1), 2));
        let done = again.pushed(&[edit(1)]).deployed(&[edit(1)]);
        done.reported(Done).acknowledged(edit(1))
    };
    retried(story().reported(Failed)).is(two);
    // What had ended, and is delivered again, ends once more.
    retried(story().reported(Failed).acknowledged(edit(1))).is("held");
}

#[test]
fn a_known_omission_hides_no_other() {
    let known = Heeded::All.but(Demand {
        rule: Rule::ErrorsTold,
        kind: Some("not-pushed".into()),
    });
    let ends = |story: Story| {
        let profile = by_http().heeding(&known);
        short(&judge(
            &story.plan,
            SiteKind::Shell,
            profile,
            &story.events,
            None,
        ))
    };
    let story = || {
        Story::of("instruct acme/home change\n")
            .steps()
            .delivered(edit(1))
            .committed(&[edit(1)])
    };
    // It pushes nothing; whether it deploys is asked.
    assert_eq!(
        ends(story().reported(ReportedOutcome::Done)),
        "errors-told not-deployed"
    );
    let deployed = story().deployed(&[edit(1)]);
    assert_eq!(ends(deployed.reported(ReportedOutcome::Done)), "held");
}

#[test]
fn an_outcome_may_be_reported_after_the_message_is_deleted() {
    let ends = |story: Story| {
        let story = story.healed();
        let (plan, seen) = (&story.plan, Some(&story.seen));
        short(&judge(
            plan,
            SiteKind::Shell,
            by_http(),
            &story.events,
            seen,
        ))
    };
    let story = || {
        Story::of("inject git-auth\ninstruct acme/home change\n")
            .steps()
            .delivered(edit(1))
            .logs(Level::Error, "acme", "nothing works")
            .acknowledged(edit(1))
    };
    assert_eq!(ends(story()), "errors-told not-pushed");
    let reported = story().reported(ReportedOutcome::Failed);
    assert_ne!(ends(reported), "errors-told not-pushed");
}

#[test]
fn settled() {
    let mut queued = plain("instruct acme/home change\n");
    queued.seen.queued = Seen::Seen(vec![edit(1)]);
    queued.ends_as("settled queue");
    let mut down = plain("instruct acme/home change\n");
    down.seen.running.or_default().pop();
    down.ends_as("settled container");
    let troubled = || plain("inject git-auth\ninstruct acme/home change\n");
    troubled()
        .recorded(home(), Some("Saved work locally"), &[])
        .ends_as("settled error-left");
    troubled()
        .recorded(home(), Some("Saved work locally"), &[])
        .recorded(home(), None, &[])
        .ends_as("held");
    let warned = "instruct acme/home warn\n";
    let warn = |warnings: &[&str]| {
        let mut story = Story::of(warned)
            .steps()
            .delivered(edit(1))
            .committed(&[edit(1)])
            .pushed(&[edit(1)]);
        let files = render_parts(&[edit(1)], false, true).files;
        for (key, bytes) in &files {
            story = story.put(key, bytes);
        }
        story.recorded(home(), None, warnings).acknowledged(edit(1))
    };
    warn(&[]).ends_as("settled warning-missing");
    warn(&["syntax error"]).ends_as("held");
    plain("push-from-outside acme/home clean\ninstruct acme/home change\n")
        .recorded(home(), None, &["something"])
        .ends_as("settled warning-left");
    let broken = |error: Option<&str>| {
        Story::of("instruct acme/home break-build\n")
            .steps()
            .delivered(edit(1))
            .committed(&[edit(1)])
            .pushed(&[edit(1)])
            .fails("build failed")
            .acknowledged(edit(1))
            .recorded(home(), error, &[])
    };
    broken(None).ends_as("errors-told cleared");
    broken(Some("build failed")).ends_as("held");
    let dead = |error: Option<&str>, got_on: bool| {
        let mut story = Story::of("instruct acme/home memory-hungry\n").steps();
        for _ in 0..3 {
            story = story.delivered(edit(1));
        }
        if got_on {
            story = story.recorded(home(), error, &[]);
        }
        story.seen.dead_letters = Seen::Seen(vec![edit(1)]);
        story.and(What::dead_lettered(&home(), edit(1)))
    };
    dead(None, true).ends_as("settled error-missing");
    dead(Some("given up"), true).ends_as("held");
    // Its container died before it got to anything: nothing could report it.
    dead(None, false).ends_as("held");
    // The last delivery was lost on its way: what is written after it is not about it.
    let cut_off = |fault: &str| {
        let mut story = Story::of(&format!(
            "instruct acme/home memory-hungry\ninject {fault}\n"
        ))
        .step(0);
        for _ in 0..3 {
            story = story.delivered(edit(1));
        }
        story = story.step(1).recorded(home(), None, &[]);
        story.seen.dead_letters = Seen::Seen(vec![edit(1)]);
        story.and(What::dead_lettered(&home(), edit(1)))
    };
    cut_off("partition acme").ends_as("held");
    cut_off("partition globex").ends_as("settled error-missing");
    let after_another = || {
        let mut story = plain("instruct acme/home change\ninstruct acme/home memory-hungry\n");
        for _ in 0..3 {
            story = story.delivered(edit(2));
        }
        story.seen.dead_letters = Seen::Seen(vec![edit(2)]);
        story
            .recorded(home(), None, &[])
            .and(What::dead_lettered(&home(), edit(2)))
    };
    after_another().ends_as("settled error-missing");
    // The older one comes again, and what is reported is its end.
    after_another()
        .delivered(edit(1))
        .acknowledged(edit(1))
        .ends_as("held");
}

#[test]
fn what_was_reported_stays_true() {
    let saved = "Saved work locally: git push failed";
    let waits = || {
        Story::of("inject git-auth\ninstruct acme/home change\ninstruct acme/home break-build\n")
            .steps()
            .delivered(edit(1))
            .committed(&[edit(1)])
            .fails(saved)
            .acknowledged(edit(1))
    };
    waits()
        .recorded(home(), None, &[])
        .is("errors-told cleared");
    waits()
        .recorded(home(), Some("build failed"), &[])
        .is("errors-told left-out");
    let both = format!("build failed; {saved}");
    waits().recorded(home(), Some(&both), &[]).is("held");
    // What is pushed waits no more.
    waits()
        .pushed(&[edit(1)])
        .deployed(&[edit(1)])
        .recorded(home(), None, &[])
        .is("held");
    let undeployed = || {
        Story::of("inject s3-denied\ninstruct acme/home change\ninstruct acme/blog change\n")
            .steps()
            .delivered(edit(1))
            .committed(&[edit(1)])
            .pushed(&[edit(1)])
            .fails(FAILED)
            .acknowledged(edit(1))
    };
    undeployed()
        .recorded(home(), None, &[])
        .is("errors-told cleared");
    undeployed()
        .recorded(home(), Some("Saved work locally"), &[])
        .is("errors-told left-out");
    undeployed()
        .deployed(&[edit(1)])
        .recorded(home(), None, &[])
        .is("held");
    // Another session's build under way may have taken its place.
    undeployed()
        .and(What::Delivered {
            session: blog(),
            mark: edit(2),
            receives: 1,
        })
        .recorded(home(), None, &[])
        .is("held");
}

#[test]
fn what_is_done_leaves_no_error_without_a_cause() {
    let done = |error| {
        Story::of("instruct acme/home change\n")
            .steps()
            .delivered(edit(1))
            .committed(&[edit(1)])
            .pushed(&[edit(1)])
            .deployed(&[edit(1)])
            .recorded(home(), error, &[])
            .acknowledged(edit(1))
    };
    done(Some("busy")).is("errors-told no-cause");
    done(None).is("held");
}

#[test]
fn each_error_of_a_record_is_in_the_log() {
    let twice = |second: &str| {
        plain("inject git-auth\ninstruct acme/home change\n")
            .fails("Authentication failed")
            .recorded(home(), None, &[])
            .recorded(home(), Some(second), &[])
    };
    let cleared = |story: Story| story.recorded(home(), None, &[]);
    cleared(twice("Authentication failed")).ends_as("errors-told not-logged");
    cleared(twice("Saved work locally")).ends_as("errors-told not-logged");
    cleared(twice("Saved work locally").logs(Level::Error, "acme", "git push failed"))
        .ends_as("held");
    let mut crashed = twice("Saved work locally");
    crashed = crashed
        .and(What::Died {
            client: acme(),
            cause: Death::Crash,
        })
        .and(What::Started { client: acme() });
    cleared(crashed).ends_as("held");
}

#[test]
fn a_message_that_comes_again_excuses_nothing_that_is_known() {
    let broken = || {
        Story::of("instruct acme/home break-build\n")
            .steps()
            .delivered(edit(1))
            .committed(&[edit(1)])
            .pushed(&[edit(1)])
            .fails("build failed")
            .acknowledged(edit(1))
            .delivered(edit(1))
    };
    let again = |error| broken().recorded(home(), error, &[]).acknowledged(edit(1));
    again(Some("build failed")).ends_as("held");
    again(None).ends_as("settled error-missing");
    let good = |error| {
        plain("inject git-auth\ninstruct acme/home change\n")
            .delivered(edit(1))
            .recorded(home(), error, &[])
            .acknowledged(edit(1))
    };
    good(None).ends_as("held");
    good(Some("Saved work locally")).ends_as("settled error-left");
}
