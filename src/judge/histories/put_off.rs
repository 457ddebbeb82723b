//! What was put off is tried again at an interval; and what a branch and a site have to hold.

use super::*;

const SAVED: &str = "Saved work locally: git push failed";

fn waits(steps: &str) -> Story {
    Story::of(&format!(
        "{steps}instruct acme/home change\nheal git-auth\nwait 5m\n"
    ))
    .step(0)
    .step(1)
    .delivered(edit(1))
    .committed(&[edit(1)])
    .deployed(&[edit(1)])
    .fails(SAVED)
    .acknowledged(edit(1))
    .step(2)
}

/// Time passes, and nothing that is seen of the client.
fn later(story: Story, seconds: u64) -> Story {
    let nothing = What::Refused {
        client: "globex".into(),
        place: Place::Table,
    };
    (0..seconds).fold(story, |story, _| story.and(nothing.clone()))
}

#[test]
fn a_push_that_was_put_off_is_tried_at_its_interval() {
    let story = || waits("inject git-auth\n");
    later(story(), 200).step(3).is("bounded-retries late");
    later(story(), 100).step(3).is("held");
    let tried = |seconds| {
        let tried = later(story(), 100).and(What::PushBegan { client: acme() });
        later(tried, seconds)
    };
    tried(100).step(3).is("held");
    tried(150).step(3).is("bounded-retries late");
    // The attempt itself comes too late.
    later(story(), 200)
        .and(What::PushBegan { client: acme() })
        .is("bounded-retries late");
    // A container that was killed begins anew.
    let crash = What::Died {
        client: acme(),
        cause: Death::Crash,
    };
    let started = later(story(), 100)
        .and(crash)
        .and(What::Started { client: acme() });
    later(started, 100).step(3).is("held");
}

#[test]
fn a_push_waits_neither_for_other_sessions_nor_for_deploys() {
    // Commits of one session wait, and the other one is given work again and again.
    let busy = |s3: &str, attempt: Option<What>| {
        let work = "instruct acme/home change\n".repeat(4);
        let plan = format!("inject git-auth\ninstruct acme/blog change\nheal git-auth\n{s3}{work}");
        let story = Story::of(&plan)
            .step(0)
            .step(1)
            .and(What::delivered(&blog(), edit(1), 1))
            .and(What::committed(&blog(), Branch::of(&[edit(1)])))
            .recorded(blog(), Some(SAVED), &[])
            .and(What::acknowledged(&blog(), edit(1)))
            .step(2);
        let faults = s3.lines().count();
        let story = (0..faults).fold(story, |story, n| story.step(3 + n));
        let mut marks = Vec::new();
        (0..4).fold(story, |story, n| {
            let mut story = later(story, 40).step(3 + faults + n);
            if n == 2 {
                story = attempt.clone().into_iter().fold(story, Story::and);
            }
            marks.push(edit(2 + n as u32));
            let story = story
                .delivered(edit(2 + n as u32))
                .committed(&marks)
                .pushed(&marks);
            let story = match faults {
                0 => story.deployed(&marks).recorded(home(), None, &[]),
                _ => story.fails("S3 sync failed after retries: AccessDenied"),
            };
            story.acknowledged(edit(2 + n as u32))
        })
    };
    busy("", None).is("bounded-retries late");
    let refused = What::Pushed {
        client: acme(),
        session: None,
        outcome: crate::history::GitOutcome::Unavailable,
        branch: None,
    };
    busy("", Some(refused.clone())).is("held");
    // The same while deploys are refused.
    busy("inject s3-denied acme\n", None).is("bounded-retries late");
    busy("inject s3-denied acme\n", Some(refused)).is("held");
    busy("inject s3-down timeout\n", None).is("held");
    // A deploy that is refused at once holds no push up; one that is not answered may.
    let beside = |fault: &str| {
        let story = Story::of(&format!(
            "inject git-auth\ninject {fault}\ninstruct acme/home change\nheal git-auth\nwait 5m\n"
        ));
        let story = (0..3)
            .fold(story, Story::step)
            .delivered(edit(1))
            .committed(&[edit(1)])
            .fails(SAVED)
            .acknowledged(edit(1))
            .step(3);
        later(story, 200).step(4)
    };
    beside("s3-denied acme").is("bounded-retries late");
    beside("s3-down timeout").is("held");
}

#[test]
fn the_content_of_every_commit_is_in_the_files() {
    let both = |tree: &[Mark], merge: bool| Branch {
        commits: vec![
            Commit::of(outside(1)),
            Commit {
                merge,
                ..Commit::of(edit(1))
            },
        ],
        tree: tree.to_vec(),
    };
    let story = |kind: &str| {
        Story::of(&format!(
            "push-from-outside acme/home {kind}\ninstruct acme/home change\n"
        ))
        .step(0)
        .outsider(outside(1), &[outside(1)])
        .step(1)
        .delivered(edit(1))
    };
    let all = [outside(1), edit(1)];
    story("clean").pushed_branch(both(&all, false)).is("held");
    story("clean")
        .pushed_branch(both(&[edit(1)], false))
        .is("commits-preserved content");
    story("conflicting")
        .pushed_branch(both(&[edit(1)], false))
        .is("commits-preserved content");
    // In a merge the session's version stands, and what did not conflict stays.
    story("conflicting")
        .pushed_branch(both(&[edit(1)], true))
        .is("held");
    story("clean")
        .pushed_branch(both(&[edit(1)], true))
        .is("commits-preserved content");
    story("conflicting")
        .pushed_branch(both(&[outside(1)], false))
        .is("commits-preserved content");
}

#[test]
fn a_site_has_what_its_branch_was_pushed_with() {
    let all = [outside(1), edit(1)];
    let story = || {
        Story::of("push-from-outside acme/home clean\ninstruct acme/home change\n")
            .step(0)
            .outsider(outside(1), &[outside(1)])
            .step(1)
            .delivered(edit(1))
            .committed(&[edit(1)])
    };
    let ends = |story: Story| story.recorded(home(), None, &[]).acknowledged(edit(1));
    let pushed = || story().committed(&all).pushed(&all);
    ends(pushed().deployed(&all)).ends_as("held");
    ends(pushed().deployed(&[edit(1)])).ends_as("fresh stale");
    // A system that deploys first built the commit as it was.
    ends(story().deployed(&[edit(1)]).committed(&all).pushed(&all)).ends_as("held");
}
