//! The log lines of the system: their form, and what their words claim.

use crate::history::{Claim, Level, Line};
use crate::plan::{Phase, SessionId};

/// What the contract's words in a log line claim.
pub fn claim(text: &str) -> Option<Claim> {
    if let Some(rest) = text.strip_prefix("S3 sync attempt ") {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        return digits.parse().ok().map(Claim::SyncAttempt);
    }
    const WORDS: [(&str, Claim); 9] = [
        ("S3 sync complete", Claim::SyncDone),
        ("S3 sync failed after retries", Claim::SyncFailed),
        ("Circuit breaker prevented S3 sync", Claim::SyncPrevented),
        ("Circuit breaker open", Claim::BreakerOpened),
        ("Git push complete", Claim::PushDone),
        ("Saved work locally", Claim::SavedLocally),
        ("Build completed with warnings", Claim::BuildDone),
        ("Build complete", Claim::BuildDone),
        ("Build failed", Claim::BuildFailed),
    ];
    WORDS
        .iter()
        .find(|(words, _)| text.starts_with(words))
        .map(|(_, claim)| *claim)
}

/// Reads a line of the log group, as [`Line`]'s `Display` writes it. What is not of that form
/// comes back whole, as a line of level INFO.
pub fn parse_line(raw: &str) -> Line {
    let (level, mut rest) = match raw.split_once(' ') {
        Some(("INFO", rest)) => (Level::Info, rest),
        Some(("WARN", rest)) => (Level::Warn, rest),
        Some(("ERROR", rest)) => (Level::Error, rest),
        _ => (Level::Info, raw),
    };
    let mut bracketed = || {
        let (word, after) = rest.strip_prefix('[')?.split_once("] ")?;
        rest = after;
        Some(word)
    };
    let session = bracketed().and_then(SessionId::parse);
    let phase = session
        .is_some()
        .then(&mut bracketed)
        .flatten()
        .and_then(|word| word.parse::<Phase>().ok());
    Line {
        level,
        session,
        phase,
        text: rest.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_survives_the_log_group() {
        for (session, phase) in [
            (None, None),
            (Some(SessionId::new("acme", "home")), None),
            (Some(SessionId::new("acme", "home")), Some(Phase::Pushing)),
        ] {
            let line = Line {
                level: Level::Error,
                session,
                phase,
                text: "Git push rejected: [remote] has more".into(),
            };
            assert_eq!(parse_line(&line.to_string()), line);
        }
    }
}
