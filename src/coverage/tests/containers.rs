//! Entries for crashes, restarts, partitions, the agent, and messages that come again.

use super::*;

#[test]
fn a_crash_counts_for_the_phase_it_comes_in() {
    for phase in Phase::ALL {
        let events = [
            delivered(HOME, 1, 1),
            enter(HOME, phase),
            died("acme", Death::Crash),
        ];
        reaches(Sometimes::CrashIn(phase), "", &events);
        let sum = cover("", &events);
        assert_eq!(sum.disturbed["crash"].of(phase), 1);
        assert_eq!(sum.phases[&phase], 1);
        misses(
            Sometimes::CrashIn(phase),
            "",
            &[
                delivered(HOME, 1, 1),
                enter(HOME, phase),
                died("globex", Death::Crash),
            ],
        );
    }
    let idle = [
        delivered(HOME, 1, 1),
        enter(HOME, Phase::Done),
        acknowledged(HOME, 1),
        died("acme", Death::Crash),
    ];
    misses(Sometimes::CrashIn(Phase::Done), "", &idle);
    assert_eq!(cover("", &idle).disturbed["crash"].idle, 1);
}

#[test]
fn a_crash_counts_for_what_was_seen_to_begin_without_a_word() {
    let seen = [
        (Phase::Received, delivered(HOME, 1, 1)),
        (Phase::Thinking, asked(Some(200), 0)),
        (Phase::Committing, committed(HOME, &[1])),
        (
            Phase::Pushing,
            What::PushBegan {
                client: session(HOME).client,
            },
        ),
        (Phase::Deploying, put("acme", true)),
        (Phase::Done, acknowledged(HOME, 1)),
    ];
    let events: Vec<What> = seen.iter().map(|(_, what)| what.clone()).collect();
    for (at, (phase, _)) in seen.iter().enumerate() {
        let cut = [&events[..=at], &[died("acme", Death::Crash)]].concat();
        reaches(Sometimes::CrashIn(*phase), "", &cut);
        let is_deploy = *phase == Phase::Deploying;
        let reached = cover("", &cut).sometimes;
        assert_eq!(
            reached.contains_key(&Sometimes::CrashDuringDeploy),
            is_deploy
        );
    }
}

#[test]
fn a_crash_during_a_deploy_comes_between_its_requests() {
    let list = s3("acme", S3Operation::List, S3Outcome::Done);
    let crash = died("acme", Death::Crash);
    let cut = [say(HOME, ATTEMPT), list.clone(), crash.clone()];
    reaches(Sometimes::CrashDuringDeploy, "", &cut);
    misses(
        Sometimes::CrashDuringDeploy,
        "",
        &[say(HOME, ATTEMPT), crash.clone()],
    );
    misses(
        Sometimes::CrashDuringDeploy,
        "",
        &[say(HOME, ATTEMPT), list, say(HOME, DONE), crash],
    );
}

#[test]
fn a_crash_between_commit_and_push_leaves_a_commit_that_the_remote_lacks() {
    let cut = [
        delivered(HOME, 1, 1),
        enter(HOME, Phase::Committing),
        committed(HOME, &[1]),
        died("acme", Death::Crash),
    ];
    reaches(Sometimes::CrashBetweenCommitAndPush, "", &cut);
    let pushed_before = [
        delivered(HOME, 1, 1),
        enter(HOME, Phase::Pushing),
        committed(HOME, &[1]),
        pushed(HOME, GitOutcome::Done, &[1]),
        died("acme", Death::Crash),
    ];
    misses(Sometimes::CrashBetweenCommitAndPush, "", &pushed_before);
}

#[test]
fn a_crash_during_recovery_comes_before_the_last_is_repaired() {
    let crash = died("acme", Death::Crash);
    let twice = [
        delivered(HOME, 1, 1),
        crash.clone(),
        started("acme"),
        crash.clone(),
    ];
    reaches(Sometimes::CrashDuringRecovery, "", &twice);
    let nothing_to_repair = [crash.clone(), started("acme"), crash.clone()];
    misses(Sometimes::CrashDuringRecovery, "", &nothing_to_repair);
    let repaired = [
        delivered(HOME, 1, 1),
        crash.clone(),
        started("acme"),
        delivered(HOME, 1, 2),
        acknowledged(HOME, 1),
        crash,
    ];
    misses(Sometimes::CrashDuringRecovery, "", &repaired);
}

#[test]
fn a_container_that_ran_out_of_memory_starts_again() {
    let killed = died("acme", Death::OutOfMemory);
    reaches(
        Sometimes::OutOfMemoryRestart,
        "",
        &[killed.clone(), started("acme")],
    );
    misses(
        Sometimes::OutOfMemoryRestart,
        "",
        &[killed, started("globex")],
    );
}

#[test]
fn a_partition_is_healed_when_the_container_is_seen_again() {
    let steps = "inject partition acme\nheal partition acme\n";
    let lost = say(HOME, "Network error: queue: no answer within 10 s");
    let seen = say(HOME, "Connection restored: queue");
    let healed = [step(0), step(1), lost.clone(), seen.clone()];
    reaches(Sometimes::PartitionHealed, steps, &healed);
    assert_eq!(cover(steps, &healed).faults["partition"].hits, 1);
    misses(
        Sometimes::PartitionHealed,
        steps,
        &[step(0), lost, seen.clone()],
    );
    let by_the_end = [step(0), What::Healed, seen];
    reaches(
        Sometimes::PartitionHealed,
        "inject partition acme\n",
        &by_the_end,
    );
}

#[test]
fn the_agent_answers_after_it_failed() {
    let unanswered = [asked(None, 0), asked(Some(200), 0)];
    reaches(Sometimes::AgentTimedOutThenAnswered, "", &unanswered);
    misses(Sometimes::AgentTimedOutThenAnswered, "", &unanswered[1..]);
    let throttled = [asked(Some(429), 1), asked(Some(200), 0)];
    reaches(Sometimes::BackedOffThenAnswered, "", &throttled);
    let too_early = [asked(Some(429), 5), asked(Some(200), 0)];
    misses(Sometimes::BackedOffThenAnswered, "", &too_early);
}

#[test]
fn messages_come_again_and_are_given_up() {
    let first = delivered(HOME, 1, 1);
    reaches(
        Sometimes::Redelivered,
        "",
        &[first.clone(), delivered(HOME, 1, 2)],
    );
    // A copy of a message counts its receives anew.
    let copy = [first.clone(), acknowledged(HOME, 1), first.clone()];
    reaches(Sometimes::Redelivered, "", &copy);
    misses(Sometimes::Redelivered, "", &[first, delivered(HOME, 2, 1)]);
    let dead = What::dead_lettered(&session(HOME), Mark::Edit(1));
    reaches(Sometimes::DeadLettered, "", std::slice::from_ref(&dead));
    assert_eq!(cover("", &[dead]).dead_letters, 1);
}
