//! Every cut and every flipped bit of a plan, and many of a history and of a profile, given to the readers themselves.

use shakedown::history::ReadHistory;
use shakedown::plan::{ParseError, Plan};
use shakedown::profile::Profile;
use shakedown::regression;

use super::files::{HISTORY, PLAN, PROFILE};

/// So many at least; checked as they run.
pub const COUNT: usize = 3000;

/// All beginnings of some bytes, and all with one bit flipped, at every `step`th byte.
fn changed(bytes: &[u8], step: usize) -> impl Iterator<Item = Vec<u8>> {
    let cuts = (0..bytes.len())
        .step_by(step)
        .map(|at| bytes[..at].to_vec());
    let flips = (0..bytes.len()).step_by(step).flat_map(move |at| {
        (0..8).map(move |bit| {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 1 << bit;
            flipped
        })
    });
    cuts.chain(flips)
}

#[test]
fn readers_say_where_a_file_is_wrong_and_read_back_what_they_take() {
    let mut count = 0;
    for bytes in changed(PLAN.as_bytes(), 1) {
        count += 1;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match regression::parse(&bytes) {
            Ok(kept) => {
                let again: Plan = kept.plan.to_string().parse().unwrap();
                assert_eq!(again, kept.plan, "{text}");
            }
            Err(ParseError {
                line,
                column,
                message,
            }) => {
                let lines: Vec<&str> = text.split('\n').collect();
                let width = lines.get(line - 1).map_or(0, |line| line.chars().count());
                assert!(
                    line >= 1 && line <= lines.len().max(1),
                    "{line}: {message}\n{text}"
                );
                assert!(
                    column >= 1 && column <= width + 1,
                    "{line}:{column}: {message}\n{text}"
                );
                assert!(!message.is_empty() && message.len() < 2000, "{message}");
                follow(&text, &message);
            }
        }
    }
    let step = HISTORY.len() / 150;
    for (at, bytes) in changed(&HISTORY, step).enumerate() {
        count += 1;
        let is_cut = at < HISTORY.len().div_ceil(step);
        match ReadHistory::parse(&bytes) {
            Ok(read) => assert!(!is_cut || read.incomplete.is_some(), "cut off, and whole"),
            Err(wrong) => assert!(wrong.line >= 1 && !wrong.why.is_empty()),
        }
    }
    for bytes in changed(PROFILE.as_bytes(), PROFILE.len() / 60) {
        count += 1;
        if let Err(mistakes) = Profile::parse_bytes(&bytes) {
            assert!(!mistakes.is_empty());
            assert!(
                mistakes
                    .iter()
                    .all(|it| it.line >= 1 && it.column >= 1 && !it.message.is_empty())
            );
        }
    }
    assert!(count >= COUNT, "{count}");
}

/// Does what a message says, where it says which line to add: the same mistake must be gone.
fn follow(text: &str, message: &str) {
    let Some((_, rest)) = message
        .split_once("line `session ")
        .or(message.split_once("such as `session "))
    else {
        return;
    };
    let session = rest.split('`').next().unwrap();
    let (first, others) = text.split_once('\n').unwrap();
    let added = format!("{first}\nsession {session}\n{others}");
    if let Err(error) = added.parse::<Plan>() {
        assert_ne!(error.message, message, "{added}");
        assert!(
            !error.message.contains("is not a session") || error.line > 2,
            "{added}"
        );
    }
}
