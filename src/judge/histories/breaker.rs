//! The S3 breaker, and what it holds back.

use super::*;

#[test]
fn breaker() {
    let story = || Story::of("inject s3-denied\nwait 1s\n").steps();
    let failed = |story: Story, times: usize| {
        (0..times).fold(story, |story, _| story.synced("acme", FAILED).later(5))
    };
    failed(story(), 6).is("breaker sync-while-open");
    failed(story(), 5)
        .later(30)
        .synced("globex", FAILED)
        .is("held");
    failed(story(), 4)
        .says("globex", "Circuit breaker prevented S3 sync")
        .is("breaker prevented-while-closed");
    failed(story(), 5)
        .says("globex", "Circuit breaker prevented S3 sync")
        .is("held");
    failed(story(), 4)
        .says("acme", "Circuit breaker open for S3")
        .is("breaker opened-early");
    // The probe runs, and another begins beside it.
    failed(story(), 5)
        .later(30)
        .says("acme", "S3 sync attempt 1/3")
        .later(3)
        .says("globex", "S3 sync attempt 1/3")
        .later(1)
        .says("acme", "S3 sync attempt 2/3")
        .is("breaker second-probe");
    // The probe dies; the next one may run.
    failed(story(), 5)
        .later(30)
        .says("acme", "S3 sync attempt 1/3")
        .and(What::Died {
            client: acme(),
            cause: Death::Crash,
        })
        .later(3)
        .says("globex", "S3 sync attempt 1/3")
        .is("held");
    let asked = What::S3Asked {
        client: acme(),
        operation: crate::history::S3Operation::List,
        outcome: crate::history::S3Outcome::Denied,
    };
    failed(story(), 5)
        .and(asked)
        .is("breaker request-while-open");
}

#[test]
fn a_sync_that_the_breaker_stops_is_logged() {
    let stopped = || {
        plain("inject s3-denied\ninstruct acme/home change\n")
            .recorded(home(), Some("Circuit breaker prevented S3 sync"), &[])
            .recorded(home(), None, &[])
    };
    let says = || stopped().says("acme", "Received instruction edit-1");
    says().ends_as("breaker prevented-silently");
    // Of a system without a log nothing is asked of it.
    stopped().ends_as("held");
    says()
        .logs(Level::Error, "acme", "Circuit breaker prevented S3 sync")
        .ends_as("held");
    // That an earlier one was logged says nothing of this one.
    says()
        .logs(Level::Error, "acme", "Circuit breaker prevented S3 sync")
        .recorded(home(), Some("Circuit breaker prevented S3 sync"), &[])
        .recorded(home(), None, &[])
        .recorded(home(), Some("Circuit breaker prevented S3 sync"), &[])
        .recorded(home(), None, &[])
        .ends_as("breaker prevented-silently");
}

#[test]
fn a_breaker_stays_open_only_where_nothing_is_left_to_deploy() {
    let opened = || {
        let steps = "instruct acme/home change\ninject s3-denied\ninject git-auth\n\
                     instruct acme/home change\nworkspace-lost acme\n";
        let error = "Saved work locally: git push failed";
        let story = plain(steps)
            .delivered(edit(2))
            .committed(&[edit(1), edit(2)]);
        let mut story = story.fails(error).acknowledged(edit(2));
        story.seen.workspaces.or_default().clear();
        (0..5).fold(story, |story, _| story.later(15).synced("acme", FAILED))
    };
    let lost = |story: Story| {
        let client = acme();
        let cause = Death::WorkspaceLost;
        let died = What::Died { client, cause };
        let started = What::Started { client: acme() };
        story.and(died).later(40).and(started)
    };
    let unpushed = || {
        let story = lost(opened());
        story.fails("lost with the workspace: edit-2")
    };
    unpushed().ends_as("held");
    // What tries again has something to deploy.
    unpushed()
        .says("acme", "Circuit breaker prevented S3 sync")
        .ends_as("settled breaker");
    // So has one whose work is all on the remote.
    let pushed = || {
        let story = plain("instruct acme/home change\ninject s3-denied\nworkspace-lost acme\n");
        (0..5).fold(story, |story, _| story.later(15).synced("acme", FAILED))
    };
    pushed().ends_as("settled breaker");
    lost(pushed()).ends_as("settled breaker");
}

#[test]
fn the_cool_down_has_an_end() {
    let failed = |story: Story, times: usize| {
        (0..times).fold(story, |story, _| story.synced("acme", FAILED).later(5))
    };
    let stopped = |story: Story, after: u64| {
        failed(story, 5)
            .later(after)
            .says("globex", "Circuit breaker prevented S3 sync")
    };
    let story = || {
        Story::of("instruct acme/home change\ninject s3-denied\n")
            .steps()
            .later(120)
    };
    stopped(story(), 25).is("held");
    // It may be somewhat longer than is promised.
    stopped(story(), 50).is("held");
    // A probe whose line comes late may stop it.
    stopped(story(), 90).is("held");
    let again = |after: u64| {
        stopped(story(), 90)
            .later(after)
            .says("globex", "Circuit breaker prevented S3 sync")
    };
    again(20).is("breaker no-probe");
    again(5).is("held");
    // A container that ended lately may hold the permit.
    let died = What::Died {
        client: acme(),
        cause: Death::Crash,
    };
    let started = What::Started { client: acme() };
    stopped(story().and(died).and(started), 90)
        .later(20)
        .says("globex", "Circuit breaker prevented S3 sync")
        .is("held");
    // A probe is under way, which may have died unseen.
    failed(story(), 5)
        .later(35)
        .says("acme", "S3 sync attempt 1/3")
        .later(40)
        .says("globex", "Circuit breaker prevented S3 sync")
        .is("held");
}
