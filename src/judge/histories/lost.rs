//! Work that a lost workspace took: how long that is reported, and what is made anew.

use super::*;

/// The first instruction was saved locally, deployed and acknowledged, and then lost; the other
/// steps of the plan begin after that.
fn lost(edit_of_first: &str, after: &str) -> Story {
    let has_banner = edit_of_first != "warn";
    let warnings: &[&str] = if has_banner { &[] } else { &["syntax error"] };
    let plan = format!(
        "inject git-auth\ninstruct acme/home {edit_of_first}\nworkspace-lost acme\n{after}"
    );
    let story = Story::of(&plan)
        .step(0)
        .step(1)
        .delivered(edit(1))
        .committed(&[edit(1)])
        .deployed_with(&[edit(1)], has_banner)
        .logs(Level::Error, "acme", "git push failed")
        .recorded(home(), Some("Saved work locally"), warnings)
        .acknowledged(edit(1))
        .step(2)
        .and(died(Death::WorkspaceLost))
        .committed(&[]);
    (3..3 + after.lines().count()).fold(story, Story::step)
}

#[test]
fn nothing_lost() {
    Story::of("instruct acme/home change\n")
        .steps()
        .delivered(edit(1))
        .ends_as("nothing-lost pending");
    let named = |name: &str| lost("change", "").recorded(home(), Some(name), &[]);
    named("all well but for edit-12").ends_as("nothing-lost work");
    named("lost with the workspace: edit-1").ends_as("held");
    let mut dead = Story::of("instruct acme/home change\n").steps();
    dead.seen.dead_letters = Seen::Seen(vec![edit(1)]);
    dead.and(What::dead_lettered(&home(), edit(1)))
        .ends_as("held");
}

#[test]
fn a_loss_is_reported_until_the_next_instruction() {
    let reported = Some("lost with the workspace: edit-1");
    let ends = |came_again: bool| {
        let story = lost("change", "heal git-auth\ninstruct acme/home change\n");
        // It is reported before the next instruction came, or while that is handled.
        let story = match came_again {
            false => story.recorded(home(), reported, &[]).delivered(edit(2)),
            true => story.delivered(edit(2)).recorded(home(), reported, &[]),
        };
        let story = story
            .committed(&[edit(2)])
            .pushed(&[edit(2)])
            .deployed(&[edit(2)])
            .recorded(home(), reported, &[]);
        match came_again {
            // It is handled already, so nothing is written any more.
            true => story.delivered(edit(2)),
            false => story,
        }
        .acknowledged(edit(2))
    };
    ends(true).ends_as("held");
    ends(false).ends_as("settled error-left");
}

#[test]
fn a_loss_is_reported_in_each_record_until_then() {
    let reported = Some("lost with the workspace: edit-1");
    let again = |error| {
        let story = lost("change", "").recorded(home(), reported, &[]);
        story.recorded(home(), error, &[])
    };
    again(reported).is("held");
    again(None).is("errors-told cleared");
    again(Some("Saved work locally")).is("errors-told left-out");
    lost("change", "instruct acme/home change\n")
        .recorded(home(), reported, &[])
        .delivered(edit(2))
        .recorded(home(), None, &[])
        .is("held");
}

#[test]
fn what_was_lost_and_is_made_anew_is_what_was_handled_last() {
    let warning = &["syntax error"];
    let ends = |is_redone: bool, warnings: &[&str]| {
        let after = "heal git-auth\ninstruct acme/home change\nredeliver acme/home\n";
        let story = lost("warn", after)
            .recorded(home(), Some("lost with the workspace: edit-1"), warning)
            .carried_out(edit(2), &[edit(2)])
            .delivered(edit(1));
        let both = [edit(2), edit(1)];
        let story = match is_redone {
            true => story
                .committed(&both)
                .pushed(&both)
                .deployed_with(&both, false),
            false => story,
        };
        story.recorded(home(), None, warnings).acknowledged(edit(1))
    };
    ends(true, warning).ends_as("held");
    ends(true, &[]).ends_as("settled warning-missing");
    ends(false, &[]).ends_as("held");
    ends(false, warning).ends_as("settled warning-left");
}

#[test]
fn what_comes_again_and_is_committed_only_then_is_what_was_handled_last() {
    let ends = |warnings: &[&str]| {
        Story::of(
            "inject agent-error 529\ninstruct acme/home warn\nheal agent-error 529\n\
             instruct acme/home change\nredeliver acme/home\n",
        )
        .step(0)
        .step(1)
        .delivered(edit(1))
        .fails("the agent is overloaded")
        .acknowledged(edit(1))
        .step(2)
        .step(3)
        .carried_out(edit(2), &[edit(2)])
        .step(4)
        .delivered(edit(1))
        .committed(&[edit(2), edit(1)])
        .pushed(&[edit(2), edit(1)])
        .deployed_with(&[edit(2), edit(1)], false)
        .recorded(home(), None, warnings)
        .acknowledged(edit(1))
    };
    ends(&["syntax error"]).ends_as("held");
    ends(&[]).ends_as("settled warning-missing");
}

#[test]
fn what_is_made_anew_may_be_built_without_the_injected_error() {
    let ends = |is_healed: bool| {
        let story = Story::of(
            "inject build-error acme/home\ninstruct acme/home change\ninject git-auth\n\
             workspace-lost acme\nredeliver acme/home\nheal build-error acme/home\nheal git-auth\n",
        );
        let story = (0..3)
            .fold(story, Story::step)
            .delivered(edit(1))
            .committed(&[edit(1)])
            .fails("build failed; Saved work locally")
            .acknowledged(edit(1))
            .step(3)
            .and(died(Death::WorkspaceLost))
            .committed(&[])
            .fails("lost with the workspace: edit-1")
            .step(4)
            .delivered(edit(1));
        let story = match is_healed {
            true => story.step(5),
            false => story,
        };
        story
            .step(6)
            .committed(&[edit(1)])
            .pushed(&[edit(1)])
            .recorded(home(), None, &[])
            .acknowledged(edit(1))
    };
    ends(true).deployed(&[edit(1)]).ends_as("held");
    ends(false).ends_as("settled error-missing");
}
