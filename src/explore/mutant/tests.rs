//! Every mistake is found, and nothing is found without it.

use super::*;
use crate::explore::run::{SearchEnd, explore};
use crate::explore::scope::Bounds;
use crate::explore::story;
use crate::target::Interrupt;

/// Each mistake is found, and what the exploration found by parts the judge of whole histories
/// finds too; without the mistake the same scope holds, every state of it.
#[test]
fn every_mutant_is_caught_and_nothing_is_found_without_it() {
    let bounds = Bounds {
        states: Some(200_000),
        ..Bounds::default()
    };
    let run = |scope| explore(scope, bounds, 1, &Interrupt::default(), |_| {});
    let mut sound: Vec<Scope> = Vec::new();
    let mut wrong = Vec::new();
    for planted in MUTANTS {
        let found = run(planted.scope());
        let Some(failure) = &found.failure else {
            wrong.push(format!("{}: missed, {:?}", planted.name, found.ended));
            continue;
        };
        let steps = &failure.path.steps;
        let story = story::build(&found.exploration, steps, failure.is_in_recovery());
        let whole = story.broken.map(|broken| broken.rule);
        if failure.rule().is_some() && whole != failure.rule() {
            let acts = story.acts.join("\n");
            let name = planted.name;
            wrong.push(format!("{name}: {:?}, but {whole:?}\n{acts}", failure.what));
        }
        let scope = planted.sound_scope();
        if !sound.contains(&scope) {
            let held = run(scope.clone());
            if held.failure.is_some() || held.ended != SearchEnd::Complete {
                wrong.push(format!("{}: without it, {:?}", planted.name, held.failure));
            }
            sound.push(scope);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
