//! Which build a site should show after recovery.

use super::*;
use crate::profile::Evidence;

#[test]
fn fresh() {
    let two = "inject s3-denied acme\ninstruct acme/home change\ninstruct acme/home change\n";
    let second = || {
        plain(two)
            .delivered(edit(2))
            .committed(&[edit(1), edit(2)])
            .pushed(&[edit(1), edit(2)])
            .fails(FAILED)
            .acknowledged(edit(2))
    };
    let deployed = || {
        second()
            .deployed(&[edit(1), edit(2)])
            .recorded(home(), None, &[])
    };
    second().ends_as("fresh stale");
    deployed().ends_as("held");
    let mut left_over = deployed();
    let site: &mut BTreeMap<_, _> = left_over.seen.sites.or_default().get_mut(&acme()).unwrap();
    site.insert(
        "assets/old.css".into(),
        Arc::new(read_content("assets/old.css", b"edit-1")),
    );
    left_over.ends_as("fresh mixed");
    let mut empty = second();
    empty.seen.sites.or_default().clear();
    empty.ends_as("fresh empty");
}

#[test]
fn a_lost_workspace_is_no_excuse_for_what_the_remote_has() {
    let of_blog = |marks: &[Mark]| What::pushed(&blog(), Branch::of(marks));
    let steps = "instruct acme/home change\ninject s3-denied\ninstruct acme/blog change\n\
        workspace-lost acme\n";
    let mut story = plain(steps)
        .and(What::delivered(&blog(), edit(2), 1))
        .and(of_blog(&[edit(2)]))
        .recorded(blog(), Some(FAILED), &[])
        .and(What::acknowledged(&blog(), edit(2)))
        .and(What::Died {
            client: acme(),
            cause: Death::WorkspaceLost,
        })
        .and(What::Started { client: acme() })
        .recorded(blog(), None, &[]);
    story
        .seen
        .remote
        .or_default()
        .insert(blog(), Branch::of(&[edit(2)]));
    story.ends_as("fresh stale");
}

#[test]
fn after_a_lost_workspace_a_build_of_what_the_remote_had_is_fresh() {
    let steps = "inject s3-denied acme\ninstruct acme/home change\nworkspace-lost acme\n\
        inject build-error acme/home\ninstruct acme/home change\n\
        push-from-outside acme/home clean\npush-from-outside acme/home clean\n";
    let all = [edit(1), edit(2), outside(1), outside(2)];
    let rebuilt = |shown: &[Mark]| {
        let failed = |story: Story, mark, has: &[Mark]| {
            story
                .delivered(mark)
                .committed(has)
                .pushed(has)
                .recorded(home(), Some(FAILED), &[])
                .acknowledged(mark)
        };
        let mut story = failed(Story::of(steps).step(0).step(1), edit(1), &all[..1])
            .step(2)
            .and(What::Died {
                client: acme(),
                cause: Death::WorkspaceLost,
            })
            .and(What::Started { client: acme() })
            .step(3)
            .step(4);
        story = failed(story, edit(2), &all[..2])
            .step(5)
            .outsider(outside(1), &all[..3])
            .step(6)
            .outsider(outside(2), &all);
        // Healed, it builds what the remote had before an outsider came.
        story.healed().deployed(shown)
    };
    rebuilt(&all[..2]).ends_as("held");
    rebuilt(&all[..3]).ends_as("held");
    rebuilt(&all).ends_as("held");
    rebuilt(&[edit(2)]).ends_as("fresh stale");
    rebuilt(&[edit(1), outside(1)]).ends_as("fresh stale");
}

#[test]
fn where_no_workspace_is_seen_what_was_never_pushed_alone_may_be_shown() {
    let mut profile = (*Profile::reference()).clone();
    let none = "there is no volume".to_owned();
    profile.unseen.insert(Evidence::Workspace, none);
    let profile = Arc::new(profile);
    let all = [edit(1), edit(2), edit(3)];
    // The second edit is deployed, and not pushed.
    let saved = |then: &str, shown: &[Mark]| {
        let plan = "instruct acme/home change\ninject git-auth\ninstruct acme/home change\n";
        let mut story = Story::of(&format!("{plan}{then}"))
            .step(0)
            .delivered(edit(1))
            .pushed(&all[..1])
            .deployed(&all[..1])
            .recorded(home(), None, &[])
            .acknowledged(edit(1))
            .step(1)
            .step(2)
            .delivered(edit(2))
            .deployed(shown)
            .fails("Saved work locally: git push failed")
            .acknowledged(edit(2))
            .step(3);
        story.seen.workspaces = Seen::NotSeen;
        story
    };
    let story = |shown: &[Mark]| {
        saved("heal git-auth\ninstruct acme/home break-build\n", shown)
            .step(4)
            .delivered(edit(3))
            .pushed(&all)
            .fails("build failed")
            .acknowledged(edit(3))
    };
    story(&all[..2]).ends_with(profile.clone(), "held");
    story(&all[1..2]).ends_with(profile.clone(), "fresh stale");
    story(&all[..1]).ends_with(profile.clone(), "fresh stale");
    // What it shows may be lost since.
    let lost = |shown: &[Mark]| {
        saved("workspace-lost acme\n", shown)
            .and(died(Death::WorkspaceLost))
            .and(What::Started { client: acme() })
            .fails("lost with the workspace: edit-2")
    };
    lost(&all[..2]).ends_with(profile.clone(), "held");
    lost(&all[..1]).ends_with(profile.clone(), "held");
    lost(&all[1..2]).ends_with(profile, "fresh stale");
}

#[test]
fn a_good_first_try_that_a_lost_workspace_took_may_stay() {
    let steps = "instruct acme/blog change\ninstruct acme/home break-build\n\
        inject git-auth\ninstruct acme/home repair\ninstruct acme/home change\n\
        workspace-lost acme\n";
    let home_has = [edit(2), edit(3), edit(4)];
    let of_blog = |what: fn(SessionId, Mark) -> What| what(blog(), edit(1));
    let redone_and_failed = || {
        let mut story = Story::of(steps)
            .step(0)
            .and(of_blog(|session, mark| What::delivered(&session, mark, 1)))
            .and(What::pushed(&blog(), Branch::of(&[edit(1)])))
            .deployed(&[edit(1)])
            .and(of_blog(|session, mark| What::acknowledged(&session, mark)))
            .step(1)
            .delivered(edit(2))
            .committed(&home_has[..1])
            .pushed(&home_has[..1])
            .fails("build failed")
            .acknowledged(edit(2))
            .step(2)
            .step(3)
            .delivered(edit(3))
            .committed(&home_has[..2])
            .fails("Saved work locally")
            .deployed(&home_has[..2])
            .acknowledged(edit(3))
            .step(4)
            .delivered(edit(4))
            .committed(&home_has)
            .deployed(&home_has)
            .step(5)
            .and(What::Died {
                client: acme(),
                cause: Death::WorkspaceLost,
            })
            .and(What::Started { client: acme() })
            .delivered(edit(4))
            .committed(&[edit(2), edit(4)])
            .pushed(&[edit(2), edit(4)])
            .fails("build failed; lost with the workspace: edit-3")
            .acknowledged(edit(4));
        story
            .seen
            .remote
            .or_default()
            .insert(blog(), Branch::of(&[edit(1)]));
        story
    };
    redone_and_failed().ends_as("held");
    // Something builds, so the site is a whole build.
    let mut mixed = redone_and_failed();
    let site: &mut BTreeMap<_, _> = mixed.seen.sites.or_default().get_mut(&acme()).unwrap();
    site.insert(
        "assets/old.css".into(),
        Arc::new(read_content("assets/old.css", b"edit-1")),
    );
    mixed.ends_as("fresh mixed");
    let mut empty = redone_and_failed();
    empty.seen.sites.or_default().clear();
    empty.ends_as("fresh empty");
}

#[test]
fn what_is_left_after_a_loss_is_the_newest_of_all_sessions() {
    let of_blog = |story: Story, mark: Mark, marks: &[Mark]| {
        story
            .and(What::delivered(&blog(), mark, 1))
            .and(What::committed(&blog(), Branch::of(marks)))
    };
    let ends = |back_to: &[Mark]| {
        let story = Story::of(
            "instruct acme/blog change\ninstruct acme/home change\ninject git-auth\n\
             inject s3-denied acme\ninstruct acme/blog change\nworkspace-lost acme\n",
        );
        let mut story = of_blog(story.step(0), edit(1), &[edit(1)])
            .and(What::pushed(&blog(), Branch::of(&[edit(1)])))
            .deployed(&[edit(1)])
            .recorded(blog(), None, &[])
            .and(What::acknowledged(&blog(), edit(1)))
            .step(1)
            .carried_out(edit(2), &[edit(2)]);
        let remote = story.seen.remote.or_default();
        remote.insert(blog(), Branch::of(&[edit(1)]));
        let story = (2..5).fold(story, Story::step);
        of_blog(story, edit(3), &[edit(1), edit(3)])
            .recorded(blog(), Some("Saved work locally"), &[])
            .logs(Level::Error, "acme", "Saved work locally")
            .and(What::acknowledged(&blog(), edit(3)))
            .step(5)
            .and(died(Death::WorkspaceLost))
            .and(What::committed(&blog(), Branch::of(&[edit(1)])))
            .recorded(blog(), Some("lost with the workspace: edit-3"), &[])
            .deployed(back_to)
    };
    ends(&[edit(2)]).ends_as("held");
    ends(&[edit(1)]).ends_as("fresh stale");
}
