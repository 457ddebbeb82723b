//! Instructions that end without being done, and work that is sent after recovery.

use super::*;
use crate::plan::Edit;

const CHANGE: &str = "instruct acme/home change\n";

fn asked(mark: Mark, status: u16) -> What {
    What::AgentAsked {
        client: acme(),
        mark: Some(mark),
        status: Some(status),
        retry_after: None,
        cut: None,
    }
}

#[test]
fn an_instruction_ends_without_a_commit_only_where_something_kept_it_from_being_made() {
    let refused = |story: Story| story.fails("busy").acknowledged(edit(1));
    let story = |steps: &str| Story::of(steps).steps().delivered(edit(1));
    refused(story(CHANGE)).ends_as("nothing-lost refused");
    // Neither a failed push nor a failed sync keeps it from being made.
    let git = format!("{CHANGE}inject git-auth\n");
    refused(story(&git)).ends_as("nothing-lost refused");
    let s3 = format!("{CHANGE}inject s3-denied\n");
    refused(story(&s3)).ends_as("nothing-lost refused");
    refused(story(CHANGE).and(asked(edit(1), 200))).ends_as("nothing-lost refused");
    refused(story(CHANGE).and(asked(edit(1), 500))).ends_as("held");
    let partition = format!("{CHANGE}inject partition acme\n");
    refused(story(&partition)).ends_as("held");
    let other = format!("{CHANGE}inject partition globex\n");
    refused(story(&other)).ends_as("nothing-lost refused");
}

#[test]
fn what_was_lost_before_it_was_acknowledged_is_done_again() {
    let lost = || {
        Story::of("instruct acme/home change\ninject git-auth\nworkspace-lost acme\n")
            .steps()
            .delivered(edit(1))
            .committed(&[edit(1)])
            .fails("Saved work locally: git push failed")
            .and(died(Death::WorkspaceLost))
            .and(What::Started { client: acme() })
            .fails("lost with the workspace: edit-1")
            .delivered(edit(1))
    };
    let mut story = lost().acknowledged(edit(1));
    story.seen.workspaces = Seen::NotSeen;
    story.seen.workspaces.or_default();
    story.ends_as("nothing-lost not-redone");
    lost()
        .committed(&[edit(1)])
        .pushed(&[edit(1)])
        .deployed(&[edit(1)])
        .recorded(home(), None, &[])
        .acknowledged(edit(1))
        .ends_as("held");
    // That the second try failed for a reason of its own is an outcome.
    let mut story = lost()
        .and(asked(edit(1), 529))
        .fails("agent failed; lost: edit-1")
        .acknowledged(edit(1));
    story.seen.workspaces = Seen::NotSeen;
    story.seen.workspaces.or_default();
    story.ends_as("held");
}

/// A recovered system that is sent work once more.
fn sent_again() -> Story {
    plain(CHANGE).healed().and(What::StepBegan {
        index: None,
        step: Step::Instruct(home(), Edit::Change),
        mark: Some(edit(2)),
    })
}

#[test]
fn what_is_sent_after_recovery_is_done() {
    let both = [edit(1), edit(2)];
    let pushed = || {
        sent_again()
            .delivered(edit(2))
            .committed(&both)
            .pushed(&both)
    };
    pushed()
        .deployed(&both)
        .recorded(home(), None, &[])
        .acknowledged(edit(2))
        .ends_as("held");
    sent_again().ends_as("usable not-done");
    sent_again()
        .delivered(edit(2))
        .and(asked(edit(2), 500))
        .fails("agent failed")
        .acknowledged(edit(2))
        .ends_as("usable refused");
    sent_again()
        .delivered(edit(2))
        .and(What::DeadLettered {
            session: home(),
            mark: edit(2),
        })
        .ends_as("usable dead-letter");
    sent_again()
        .delivered(edit(2))
        .committed(&both)
        .fails("Saved work locally: git push failed")
        .acknowledged(edit(2))
        .ends_as("usable not-pushed");
}
