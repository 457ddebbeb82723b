//! Pushes of others, crashes wherever they fall, and what they leave.

use super::*;

#[test]
fn a_clean_push_from_outside_is_rebased_upon() {
    let ran = run(
        "instruct acme/home change; until acme/home pushing; push-from-outside acme/home clean",
    );
    assert!(ran.says("git push rejected"));
    assert!(ran.says("Rebasing"));
    let branch = ran.remote(HOME);
    assert_eq!(branch.tree, [Mark::Edit(1), Mark::Outside(1)]);
    assert!(branch.commits.iter().all(|commit| !commit.merge));
    assert_eq!(ran.record(HOME).warnings, [""; 0]);
}

#[test]
fn a_conflicting_push_from_outside_is_merged_with_both_in_the_history() {
    let ran = run("instruct acme/home change; until acme/home pushing; \
         push-from-outside acme/home conflicting");
    assert!(ran.says("Merge conflict"));
    let branch = ran.remote(HOME);
    let mut added: Vec<Mark> = branch
        .commits
        .iter()
        .flat_map(|it| it.adds.clone())
        .collect();
    added.sort();
    assert_eq!(added, [Mark::Edit(1), Mark::Outside(1)]);
    assert!(branch.commits.last().is_some_and(|commit| commit.merge));
    assert_eq!(branch.tree, [Mark::Edit(1)]);
    assert_eq!(ran.record(HOME).warnings.len(), 1);
}

#[test]
fn a_crash_in_any_phase_recovers_by_itself() {
    for phase in Phase::ALL {
        for requests in [1, 2, 3, 5, 8] {
            let steps = format!(
                "instruct acme/home change; instruct globex/home change; \
                 until acme/home {phase} +{requests}; crash acme"
            );
            let ran = run_with(&steps, requests);
            assert!(ran.has(|what| matches!(what, What::Died { .. })));
            let started = |what: &What| matches!(what, What::Started { .. });
            assert_eq!(ran.count(started), 3, "two at first, one again");
            assert_eq!(ran.shown("acme"), [Mark::Edit(1)], "{phase} +{requests}");
            assert_eq!(ran.remote(HOME).commits.len(), 1, "{phase} +{requests}");
            check_held(&steps);
        }
    }
}

/// What a crash leaves in the checkout, at each of so many hundredths of a second after a phase
/// began.
fn debris_after(phase: &str, hundredths: u64) -> BTreeSet<String> {
    let steps = plan(&format!(
        "instruct acme/home change; until acme/home {phase}; push-from-outside acme/home conflicting"
    ));
    let home = SessionId::new("acme", "home");
    let mut found = BTreeSet::new();
    for hundredth in 0..hundredths {
        let mut run = Sim::default().start(&steps.sessions, 1).unwrap();
        let mut events = Vec::new();
        for (step, mark) in steps.steps.iter().zip(steps.marks()) {
            run.apply(step, mark, &mut events).unwrap();
        }
        let wait = Step::Wait(Duration::from_millis(10 * hundredth));
        for step in [wait, Step::Crash("acme".into())] {
            run.apply(&step, None, &mut events).unwrap();
        }
        let left = run
            .snapshot()
            .unwrap()
            .workspaces
            .or_default()
            .remove(&home);
        found.extend(left.unwrap_or_default().debris);
        let minute = Duration::from_secs(60);
        assert!(run.rest(minute, 10 * minute, &mut events).unwrap());
        let seen = run.snapshot().unwrap();
        assert_eq!(seen.workspaces.get().unwrap()[&home].debris, [""; 0]);
        assert_eq!(
            seen.remote.get().unwrap()[&home],
            seen.workspaces.get().unwrap()[&home].branch
        );
    }
    found
}

#[test]
fn a_crash_leaves_its_debris_and_the_start_removes_it() {
    let all = |words: &[&str]| {
        words
            .iter()
            .map(|it| (*it).to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(
        debris_after("committing", 200),
        all(&[
            "index.lock",
            "uncommitted changes",
            "rebase in progress",
            "merge in progress"
        ])
    );
    // The agent's next turn takes half a second at least.
    assert_eq!(debris_after("editing", 50), all(&["uncommitted changes"]));
}

#[test]
fn a_lost_workspace_is_cloned_again_and_what_it_took_is_reported() {
    let ran = run(
        "instruct acme/home change; until acme/home done; inject git-auth; \
         instruct acme/home change; until acme/home done; wait 1s; workspace-lost acme; wait 1s",
    );
    assert!(ran.says("lost with the workspace: edit-2"));
    assert!(
        ran.record(HOME)
            .last_error
            .as_ref()
            .is_some_and(|it| it.contains("edit-2"))
    );
    assert_eq!(ran.remote(HOME).tree, [Mark::Edit(1)]);
}

#[test]
fn a_container_that_is_down_is_not_started_earlier_by_another_crash() {
    let ran = run("crash acme; wait 1s; crash acme; workspace-lost acme; wait 30s");
    let at = |is_it: fn(&What) -> bool| -> Vec<Duration> {
        let hits = ran.events.iter().filter(|event| is_it(&event.what));
        hits.map(|event| event.at).collect()
    };
    let starts = at(|what| matches!(what, What::Started { client } if &*client.0 == "acme"));
    let deaths = at(|what| matches!(what, What::Died { .. }));
    assert_eq!(starts.len(), 2);
    assert_eq!(deaths.len(), 2, "one crash, one loss of the workspace");
    assert!(starts[1] >= Duration::from_secs(5) && starts[1] <= Duration::from_secs(20));
}

#[test]
fn an_opening_that_was_put_off_is_not_reported_for_ever() {
    // The agent fails after the workspace could be opened at last, so that nothing is pushed.
    let ran = run(
        "inject git-auth; instruct acme/home change; until acme/home received; wait 5s; \
         heal git-auth; inject agent-error 500; until acme/home done",
    );
    assert!(ran.says("Cannot open the workspace"));
    let error = ran.record(HOME).last_error.clone().unwrap_or_default();
    assert!(
        error.contains("agent failed") && !error.contains("workspace"),
        "{error}"
    );
}

#[test]
fn a_sync_is_counted_once_when_the_answer_to_that_is_lost() {
    // Four syncs fail; the answer to the write that counts the fourth is lost.
    let ran = run(
        "inject s3-down refused; instruct acme/home change; instruct acme/home change; \
         instruct acme/home change; instruct acme/home change; \
         until acme/home done; until acme/home done; until acme/home done; \
         until acme/home deploying +8; inject partition acme; wait 2s; heal partition acme; \
         until acme/home done; heal s3-down refused",
    );
    assert_eq!(ran.claims(Claim::SyncFailed), 4);
    assert_eq!(ran.claims(Claim::BreakerOpened), 0);
}

#[test]
fn where_the_wanted_build_is_lost_the_last_pushed_one_is_shown() {
    let ran = run("instruct acme/home change; until acme/home done; \
         inject git-auth; inject s3-partial acme 1; instruct acme/home change; \
         until acme/home done; wait 1s; workspace-lost acme; instruct acme/home break-build; \
         until acme/home received; wait 5s; heal git-auth; until acme/home done; wait 30s");
    assert!(ran.says("What the site should show is lost"));
    assert_eq!(ran.shown("acme"), [Mark::Edit(1)]);
    let site = &ran.end.sites.get().unwrap()[&"acme".into()];
    assert_eq!(site.len(), 4, "nothing of the lost build is left over");
    let error = ran.record(HOME).last_error.clone().unwrap_or_default();
    assert!(!error.contains("S3 sync"), "{error}");
}

#[test]
fn lost_work_is_reported_although_a_crash_follows_the_clone() {
    check_held(
        "instruct acme/home change; until acme/home done; inject git-auth; \
         instruct acme/home change; until acme/home done; wait 1s; workspace-lost acme; \
         instruct acme/home change; until acme/home received; wait 3s; heal git-auth; \
         until acme/home thinking; crash acme",
    );
}

#[test]
fn what_was_lost_before_it_was_acknowledged_is_done_again() {
    let ran = run(
        "inject git-auth; instruct acme/home change; until acme/home thinking; wait 1s; \
         heal git-auth; until acme/home committing; inject git-auth; until acme/home done; \
         workspace-lost acme",
    );
    assert!(ran.says("lost with the workspace: edit-1"));
    assert_eq!(ran.remote(HOME).tree, [Mark::Edit(1)]);
    assert_eq!(ran.record(HOME).last_error, None);
}
