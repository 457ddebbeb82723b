//! The thirteen scenarios of the contract, in its order. Steps are counted from 1, as in reports;
//! time bounds are those of the contract's table, and where it has none, of its source.

use super::Scenario;
use super::expect::{Expectation, Sight};
use crate::plan::Mark;

const fn see(seen: Sight) -> Expectation {
    Expectation::see(seen)
}

const fn line(words: &'static str) -> Expectation {
    Expectation::line(words)
}

const FIRST: Mark = Mark::Edit(1);
const SECOND: Mark = Mark::Edit(2);

macro_rules! scenarios {
    ($($number:literal $name:literal, $title:literal, $pace:literal: [$($expect:expr),+ $(,)?];)+) => {
        pub(super) static SCENARIOS: &[Scenario] = &[$(Scenario {
            number: $number,
            name: $name,
            title: $title,
            pace: $pace,
            text: include_str!(concat!("../../scenarios/", $name, ".plan")),
            expect: &[$($expect),+],
        }),+];
    };
}

scenarios! {
    1 "s3-permission-error", "S3 permission error", 30: [
        see(Sight::ErrorLine("S3 sync failed.*Access Denied")).since_step(2).within(60),
        see(Sight::Branch(&[FIRST])).of("restricted-test/chat"),
        see(Sight::Death).never(),
    ];
    2 "s3-sync-retried", "S3 sync retried", 30: [
        line("S3 sync attempt").since_step(2).before_step(4).times(3).within(90),
        line("S3 sync (complete|failed after retries)").then().within(30),
    ];
    3 "push-conflict", "push conflict", 30: [
        see(Sight::RemoteBranch(&[FIRST])).before_step(3),
        line("git push.*rejected").since_step(4).within(60),
        line("(Pulling changes|Rebasing|Merge conflict)").then().within(30),
        see(Sight::RemoteBranch(&[FIRST, Mark::Outside(1), SECOND])).then(),
    ];
    4 "git-authentication", "git authentication", 30: [
        line("Authentication failed").since_step(4).within(30),
        line("Saved work locally").then().within(10),
        line("Git push complete").since_step(7).within(30),
        see(Sight::RemoteBranch(&[FIRST, SECOND])).since_step(7),
    ];
    5 "build-error", "build error", 30: [
        line("Build failed").since_step(1).within(60),
        line("S3 sync complete").before_step(4).never(),
        see(Sight::LastError("build")).of("build-fail/chat").before_step(4),
        line("Build complete").since_step(4).within(60),
        see(Sight::Page(SECOND)).of("build-fail").then(),
        line("S3 sync complete").then(),
    ];
    6 "partial-build", "partial build", 30: [
        line("Build completed with warnings").since_step(1).within(60),
        see(Sight::Page(FIRST)).of("partial-build").then(),
        see(Sight::Warnings).of("partial-build/chat"),
    ];
    7 "out-of-memory", "out of memory", 30: [
        line("OutOfMemoryError|container killed").since_step(4).within(120),
        see(Sight::Start).of("memory-test").then().within(120),
        see(Sight::Status("running")).of("memory-test/chat").then(),
        see(Sight::RemoteBranch(&[FIRST, SECOND])).since_step(4),
    ];
    8 "network-partition", "network partition", 10: [
        line("Network error|Connection lost").since_step(3).within(15),
        line("Connection restored|Reconnected").then().within(30),
        see(Sight::Page(FIRST)).of("network-fail").since_step(5),
    ];
    9 "agent-timeout", "agent time-out", 10: [
        line("Claude request timeout").since_step(4).within(35),
        line("Retrying Claude request").then().within(10),
        line("Claude command completed").since_step(5).within(60),
    ];
    10 "agent-rate-limit", "agent 429", 30: [
        line("Claude API error.*429").since_step(2).within(30),
        line("Backing off.*seconds").then(),
        line("Claude command completed").since_step(5).within(120),
    ];
    11 "no-cascade", "no cascade", 10: [
        line("Build failed").of("cascade-2/chat").since_step(15),
        see(Sight::LastError("build")).of("cascade-2/chat").since_step(15),
        see(Sight::Page(Mark::Edit(6))).of("cascade-0").since_step(15).within(120),
        see(Sight::Page(Mark::Edit(7))).of("cascade-1").since_step(15).within(120),
        see(Sight::Page(Mark::Edit(9))).of("cascade-3").since_step(15).within(120),
        see(Sight::Page(Mark::Edit(10))).of("cascade-4").since_step(15).within(120),
        see(Sight::LastError("")).of("cascade-0").never(),
        see(Sight::LastError("")).of("cascade-1").never(),
        see(Sight::LastError("")).of("cascade-3").never(),
        see(Sight::LastError("")).of("cascade-4").never(),
    ];
    12 "circuit-breaker", "circuit breaker", 10: [
        line("S3 sync failed").of("nonexistent-bucket").since_step(4).times(5),
        line("Circuit breaker open.*S3").then().within(10),
        // How long the agent and the build take is not the breaker's: from its deploy on, the
        // instruction is to fail fast.
        line("Deploying").of("circuit-test/chat").since_step(14),
        line("Circuit breaker prevented S3 sync").of("circuit-test/chat").then().within(5),
    ];
    13 "watched-dead-letters-and-restarts", "dead letters and restarts can be watched", 30: [
        see(Sight::Death).of("dead-letter").times(3),
        see(Sight::Start).of("dead-letter").since_step(4).times(3),
        see(Sight::DeadLetter(FIRST)).of("dead-letter/chat"),
        see(Sight::Page(SECOND)).of("dead-letter").then(),
    ];
}
