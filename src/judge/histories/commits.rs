//! What is on a branch: nothing lost from it, nothing twice, all pushed.

use super::*;

#[test]
fn commits_preserved() {
    let steps = "instruct acme/home change\npush-from-outside acme/home clean\n";
    let story = || {
        Story::of(steps)
            .steps()
            .outsider(outside(1), &[outside(1)])
            .committed(&[edit(1)])
    };
    story().pushed(&[edit(1)]).is("commits-preserved remote");
    // Rebased: other names, the same contents and messages.
    story().pushed(&[outside(1), edit(1)]).is("held");
    story().committed(&[]).is("commits-preserved local");
    story()
        .and(What::Died {
            client: acme(),
            cause: Death::WorkspaceLost,
        })
        .committed(&[])
        .is("held");
}

#[test]
fn a_commit_is_known_by_what_it_adds_and_not_by_its_message() {
    let made = |content: u64, marks: &[Mark]| Commit {
        content: Some(content),
        adds: marks.to_vec(),
        ..Commit::of(edit(1))
    };
    let one = || made(7, &[edit(1)]);
    let plain_file = || made(9, &[]);
    let of = |commits: Vec<Commit>| Branch {
        tree: commits.iter().flat_map(|it| it.adds.clone()).collect(),
        commits,
    };
    let steps = "instruct acme/home change\ninstruct acme/home change\n";
    let before = vec![one(), made(8, &[edit(2)]), plain_file(), made(0, &[])];
    // What the remote has is committed once more: in the workspace, and then pushed.
    let pushed = |commits: Vec<Commit>| {
        let story = Story::of(steps)
            .steps()
            .delivered(edit(1))
            .delivered(edit(2));
        story
            .pushed_branch(of(before.clone()))
            .pushed_branch(of(commits))
    };
    let reworded = |commit: Commit| Commit {
        subject: "Other words".into(),
        ..commit
    };
    let rewritten: Vec<Commit> = before.iter().cloned().map(reworded).collect();
    pushed(rewritten.clone()).is("held");
    // One that changes nothing may go, and the order is free.
    pushed(vec![plain_file(), before[1].clone(), one()]).is("held");
    let squashed = made(15, &[edit(1), edit(2)]);
    pushed(vec![squashed, plain_file()]).is("held");
    // The same marks and the same message, and not the same content.
    let emptied = made(1, &[edit(1)]);
    let without = vec![emptied, before[1].clone(), plain_file()];
    pushed(without).is("commits-preserved remote");
    pushed(before[1..].to_vec()).is("commits-preserved remote");
    // The message is there, and what it stands for is not.
    let renamed = vec![one(), before[1].clone(), made(3, &[])];
    pushed(renamed).is("commits-preserved remote");

    // The workspace may say it in other words than the remote.
    let locally = |commits: Vec<Commit>| {
        pushed(before.clone())
            .and(What::committed(&home(), of(commits)))
            .says("acme", "Git push complete")
    };
    locally(rewritten).is("held");
    locally([&before[..], &[made(4, &[])]].concat()).is("errors-told push-claimed");
}

#[test]
fn exactly_once() {
    let story = || {
        Story::of("instruct acme/home change\n")
            .steps()
            .delivered(edit(1))
    };
    story()
        .pushed(&[edit(1), edit(1)])
        .is("exactly-once commit");
    let mut twice = Branch::of(&[edit(1)]);
    twice.tree.push(edit(1));
    story().pushed_branch(twice).is("exactly-once tree");
    // A merge repeats what it merges without doing it again.
    let mut merged = Branch::of(&[edit(1)]);
    merged.commits.push(Commit {
        merge: true,
        ..Commit::of(edit(1))
    });
    story().pushed_branch(merged).is("held");
}

#[test]
fn pushed() {
    let steps = "inject git-auth\ninstruct acme/home change\n";
    let saved = || {
        Story::of(steps)
            .steps()
            .delivered(edit(1))
            .committed(&[edit(1)])
            .deployed(&[edit(1)])
            .recorded(home(), Some("Saved work locally"), &[])
            .acknowledged(edit(1))
    };
    let mut kept = saved();
    kept.seen
        .remote
        .or_default()
        .insert(home(), Branch::default());
    kept.ends_as("pushed commits");
    let mut stray = plain("instruct acme/home change\n");
    stray
        .seen
        .workspaces
        .or_default()
        .get_mut(&home())
        .unwrap()
        .debris = vec!["index.lock".into()];
    stray.ends_as("pushed debris");
    let mut ahead = plain("instruct acme/home change\n");
    let merge = Commit {
        subject: "Merge".into(),
        adds: Vec::new(),
        merge: true,
        content: None,
    };
    let workspace = ahead.seen.workspaces.or_default().get_mut(&home()).unwrap();
    workspace.branch.commits.push(merge);
    ahead.ends_as("pushed commits");
}
