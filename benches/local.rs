//! How long a plain instruction takes on the local target, from its sending to its end: a git
//! push over HTTP, a build and a deploy, with the start of the processes aside.

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use shakedown::plan::{Edit, Mark, Phase, SessionId, Step};
use shakedown::target::local::{Local, WorkerCommand};
use shakedown::target::{Run, Target};

/// Sends one instruction and lets it come to its end. Returns the real time that took.
fn instruct(run: &mut dyn Run, number: u32) -> Duration {
    let session = SessionId::new("acme", "home");
    let mut events = Vec::new();
    let began = Instant::now();
    let send = Step::Instruct(session.clone(), Edit::Change);
    let until = Step::Until {
        session,
        phase: Phase::Done,
        requests: 0,
    };
    run.apply(&send, Some(Mark::Edit(number)), &mut events)
        .and_then(|()| run.apply(&until, None, &mut events))
        .unwrap_or_else(|error| panic!("{error}"));
    began.elapsed()
}

fn plain_instruction(criterion: &mut Criterion) {
    let local = Local {
        worker: WorkerCommand {
            program: env!("CARGO_BIN_EXE_shakedown").into(),
            arguments: vec!["worker".into()],
        },
        ..Local::new().unwrap_or_else(|error| panic!("{error}"))
    };
    let mut group = criterion.benchmark_group("local");
    group.sample_size(10);
    group.bench_function("a plain instruction", |bencher| {
        bencher.iter_custom(|times| {
            let sessions = [SessionId::new("acme", "home")];
            let mut run = local
                .start(&sessions, 1)
                .unwrap_or_else(|error| panic!("{error}"));
            // The first one clones the repository.
            instruct(&mut *run, 1);
            let times = u32::try_from(times).unwrap_or(u32::MAX - 2);
            (2..2 + times).map(|n| instruct(&mut *run, n)).sum()
        });
    });
    group.finish();
}

criterion_group!(benches, plain_instruction);
criterion_main!(benches);
