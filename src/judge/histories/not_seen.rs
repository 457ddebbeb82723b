//! What a target does not show.

use super::*;
use crate::judge::hidden::without;
use crate::profile::Evidence;

#[test]
fn a_part_that_is_not_seen_breaks_no_rule_and_is_reported() {
    let all_wrong = || {
        let mut story = Story::of("instruct acme/home change\n").steps();
        story.seen.queued = Seen::Seen(vec![edit(1)]);
        story.seen.running = Seen::Seen(Vec::new());
        let record = Record {
            last_error: Some("broken".into()),
            ..Record::default()
        };
        story.seen.records.or_default().insert(blog(), record);
        story.committed(&[edit(1)])
    };
    // Each part by its own is wrong, and no longer once it is not seen.
    let hide: [fn(&mut Snapshot); 4] = [
        |seen| seen.running = Seen::NotSeen,
        |seen| seen.records = Seen::NotSeen,
        |seen| seen.queued = Seen::NotSeen,
        |seen| seen.workspaces = Seen::NotSeen,
    ];
    let rules = |story: &Story| {
        let mut judge = Judge::new(&story.plan, SiteKind::Shell, Profile::reference());
        for event in &story.events {
            judge.take(event).unwrap();
        }
        let each = crate::invariant::each_recovered(&judge.model, &story.seen);
        let broken = each
            .into_iter()
            .filter_map(|(rule, it)| Some((rule, it?.kind)));
        broken.collect::<Vec<_>>()
    };
    let mut before = rules(&all_wrong());
    assert!(before.len() >= 5, "{before:?}");
    let mut story = all_wrong();
    for hide in hide {
        hide(&mut story.seen);
        let now = rules(&story);
        assert!(now.len() < before.len(), "{before:?} {now:?}");
        assert!(now.iter().all(|it| before.contains(it)), "{now:?}");
        before = now;
    }
    assert_eq!(before, []);
    let not_asked = not_asked(&Profile::reference(), Some(&story.seen));
    let queue = "settled (in part): its queue cannot be seen: the target does not show it";
    let not_asked: Vec<String> = not_asked.iter().map(ToString::to_string).collect();
    assert!(not_asked.iter().any(|it| it == queue), "{not_asked:?}");
    let whole = "pushed: its workspace cannot be seen: the target does not show it";
    assert!(not_asked.iter().any(|it| it == whole), "{not_asked:?}");
}

#[test]
fn a_snapshot_keeps_in_json_what_was_not_seen() {
    let mut seen = Snapshot::empty();
    seen.records = Seen::NotSeen;
    let text = serde_json::to_string(&seen).unwrap();
    assert!(text.contains(r#""records":null,"queued":[]"#), "{text}");
    assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), seen);
}

/// The story as who does not see this judges it, event by event.
fn unseen(hidden: &[Evidence], story: Story, expected: &str) {
    story.judged_with(without(hidden), expected);
}

#[test]
fn an_end_that_is_not_seen_is_known_by_its_step() {
    let saved = || {
        let story = Story::of("inject git-auth\ninstruct acme/home change\nworkspace-lost acme\n");
        let story = story.step(0).step(1).delivered(edit(1));
        story.committed(&[edit(1)])
    };
    let hidden = [Evidence::Process];
    unseen(&hidden, saved().step(2).committed(&[]), "held");
    let gone = saved().committed(&[]);
    unseen(&hidden, gone, "commits-preserved local");
    // It has started again by then.
    let gone = saved().step(2).later(200).committed(&[edit(1)]);
    let gone = gone.committed(&[]);
    unseen(&hidden, gone, "commits-preserved local");
}

#[test]
fn a_container_that_is_cut_off_unseen_may_be_given_its_message_again() {
    let cut_off = Some("edit-1 was cut off twice");
    let hidden = [Evidence::Queue];
    let story = |steps: &str| Story::of(steps).steps().recorded(home(), None, &[]);
    let crashed = story("instruct acme/home change\ncrash acme\n").and(died(Death::Crash));
    unseen(&hidden, crashed.recorded(home(), cut_off, &[]), "held");
    // It is done, and was not acknowledged.
    let done = Story::of("instruct acme/home change\ncrash acme\n").step(0);
    let done = done.committed(&[edit(1)]).pushed(&[edit(1)]);
    let done = done.deployed(&[edit(1)]).step(1).and(died(Death::Crash));
    let done = done.recorded(home(), None, &[]).committed(&[edit(1)]);
    unseen(&hidden, done.recorded(home(), cut_off, &[]), "held");
    // The other session's instruction is at work.
    let both = || {
        story("instruct acme/home break-build\ninstruct acme/blog change\n")
            .recorded(blog(), None, &[])
            .committed(&[edit(1)])
    };
    let own = both().recorded(home(), Some("build failed"), &[]);
    unseen(&hidden, own, "held");
    let other = both().recorded(blog(), Some("build failed"), &[]);
    unseen(&hidden, other, "no-cascade last-error");
}

#[test]
fn attempts_of_deliveries_that_are_not_seen_are_counted_together() {
    let asked = |story: Story, times: u32| {
        let asked = |story: Story, _| {
            story.later(20).and(What::AgentAsked {
                client: acme(),
                mark: Some(edit(1)),
                status: Some(529),
                retry_after: None,
                cut: None,
            })
        };
        (0..times).fold(story, asked)
    };
    let hidden = [Evidence::Queue];
    let story =
        || Story::of("inject agent-error 529\ninstruct acme/home change\nredeliver acme/home\n");
    let once = || story().step(0).step(1);
    unseen(&hidden, asked(once(), 5), "held");
    unseen(&hidden, asked(once(), 6), "bounded-retries agent");
    unseen(&hidden, asked(once().step(2), 10), "held");
    unseen(&hidden, asked(once().step(2), 11), "bounded-retries agent");
}

#[test]
fn what_a_workspace_that_is_not_seen_was_lost_with_may_be_reported() {
    let hidden = || without(&[Evidence::Workspace]);
    let named = Some("lost with the workspace: edit-1");
    let saved = |steps: &str| {
        let story = Story::of(&format!(
            "inject git-auth\ninstruct acme/home change\n{steps}"
        ));
        let story = story.step(0).step(1).delivered(edit(1));
        story.fails("Saved work locally").acknowledged(edit(1))
    };
    let lost = |steps: &str| {
        let story = saved(&format!("workspace-lost acme\n{steps}")).step(2);
        story.and(died(Death::WorkspaceLost))
    };
    lost("")
        .recorded(home(), named, &[])
        .ends_with(hidden(), "held");
    // It is reported until the next instruction.
    let next = |error| {
        let story = lost("heal git-auth\ninstruct acme/home change\n").recorded(home(), named, &[]);
        let story = story.step(3).step(4).delivered(edit(2)).pushed(&[edit(2)]);
        let story = story.deployed(&[edit(2)]).recorded(home(), error, &[]);
        story.acknowledged(edit(2))
    };
    next(None).ends_with(hidden(), "held");
    next(named).ends_with(hidden(), "settled error-left");
    // Without a loss what was acknowledged is on the remote in the end, or something kept it from being made.
    saved("").ends_with(hidden(), "nothing-lost refused");
    let pushed = saved("").pushed(&[edit(1)]).deployed(&[edit(1)]);
    pushed
        .recorded(home(), None, &[])
        .ends_with(hidden(), "held");
}

#[test]
fn a_conflict_on_a_remote_that_is_not_seen_may_have_been_resolved() {
    let warned = |steps: &str| {
        let story = Story::of(&format!("instruct acme/home change\n{steps}")).steps();
        let story = story.delivered(edit(1)).committed(&[edit(1)]);
        let story = story.deployed(&[edit(1)]);
        story
            .recorded(home(), None, &["a conflict was resolved"])
            .acknowledged(edit(1))
    };
    let hidden = || without(&[Evidence::Remote]);
    warned("push-from-outside acme/home conflicting\n").ends_with(hidden(), "held");
    warned("").ends_with(hidden(), "no-cascade warnings");
}

#[test]
fn a_breaker_that_is_not_seen_may_stop_any_sync() {
    let stopped = |steps: &str| {
        let story = Story::of(&format!("{steps}instruct acme/home change\n")).steps();
        story.recorded(home(), Some("Circuit breaker prevented S3 sync"), &[])
    };
    for hidden in [&[Evidence::Log, Evidence::Site][..], &[Evidence::Log]] {
        unseen(hidden, stopped("inject s3-missing globex\n"), "held");
        unseen(hidden, stopped(""), "no-cascade last-error");
    }
}

#[test]
fn what_is_owed_beside_a_site_that_is_not_seen_is_asked() {
    let story = || {
        Story::of("instruct acme/home change\n")
            .steps()
            .delivered(edit(1))
    };
    let hidden = [Evidence::Site];
    unseen(
        &hidden,
        story().acknowledged(edit(1)),
        "errors-told not-pushed",
    );
    let pushed = story().pushed(&[edit(1)]).acknowledged(edit(1));
    unseen(&hidden, pushed, "held");
}
