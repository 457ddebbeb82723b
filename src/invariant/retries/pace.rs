//! bounded-retries, over a campaign: whether waits grow and have jitter, and whether the agent has its
//! time. One run shows a few waits, and chance can make them anything.
//!
//! Each question is a test whose chance to accuse a system that keeps the contract is bounded, whatever its
//! waits are like otherwise: by the exponential bound for the tails of counts (Chernoff's, in Hoeffding's form),
//! which holds for any number of samples. All questions of a campaign share [`FALSE_ALARM`].

use std::time::Duration;

use super::{AGENT_EARLY, NO_GROWTH, NO_JITTER};
use crate::coverage::{Promised, Retried, Spread, Waits};
use crate::invariant::Breach;

/// How often a campaign accuses a system that keeps the contract: once in a million campaigns at most.
pub const FALSE_ALARM: f64 = 1e-6;
/// The questions that share it: growth and jitter of two things, and the agent's time-out.
const QUESTIONS: f64 = 5.0;

/// First waits whose upper tenth is left out: what is beyond is longer than the first ceiling.
const CEILING: f64 = 0.9;
/// Of the later waits of a system whose waits grow by half at least, this share is longer than any first
/// wait: a third with full jitter, and more with less of it. With ceilings that double it is a half.
const LONGER: f64 = 1.0 / 3.0;
/// With fewer first waits their ceiling is not known, and with fewer later ones nothing can be said.
const FIRST_WAITS: u64 = 40;
const LATER_WAITS: u64 = 100;
/// The longest wait for S3 and for git, of the contract.
const CAP: Duration = Duration::from_secs(30);

/// So many classes in a row are some six hundredths of a wait.
const SAME: u16 = 3;
/// Of waits with a jitter of a tenth of the wait at least, no larger share is that near to each other.
const TOGETHER: f64 = 0.65;
const ALIKE_WAITS: u64 = 60;
/// What the clock shows so many times is known well enough to tell a jitter from none.
const EXACT: u32 = 50;

/// A request that is given up before this share of the time-out was not given its time.
const EARLY: f64 = 0.9;
/// Of requests that are given their time, no larger share ends sooner for another reason.
const CUT_OFF: f64 = 0.1;
const UNANSWERED: u64 = 20;

/// What a campaign says to one question.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Answer {
    Held,
    Broken(Breach),
    /// Why it is not asked.
    NotAsked(String),
}

/// The answer to each question, and what it is about.
pub(crate) fn judge(waits: &Waits) -> Vec<(Retried, Answer)> {
    let Some(promised) = &waits.promised else {
        return Vec::new();
    };
    let of = |retried| {
        let answers = match retried {
            Retried::Agent => vec![growth(waits, retried, promised.agent_wait)],
            Retried::QuickAgent => vec![jitter(waits, retried)],
            Retried::Sync => vec![growth(waits, retried, CAP), jitter(waits, retried)],
            Retried::Unanswered => vec![early(waits, promised)],
        };
        answers.into_iter().map(move |answer| (retried, answer))
    };
    Retried::ALL.into_iter().flat_map(of).collect()
}

/// Whether there are samples enough for all that is asked of this, and some more.
pub(crate) fn has_enough(waits: &Waits, of: Retried) -> bool {
    let mut counts = waits.before(of).iter().map(Spread::count);
    let first = counts.next().unwrap_or_default();
    let later: u64 = counts.sum();
    match of {
        Retried::Agent => first >= 2 * ALIKE_WAITS && later >= 3 * LATER_WAITS,
        Retried::Sync => first >= 2 * ALIKE_WAITS && later >= 2 * LATER_WAITS,
        Retried::QuickAgent => first >= 2 * ALIKE_WAITS,
        Retried::Unanswered => first + later >= 2 * UNANSWERED,
    }
}

fn name(retried: Retried) -> &'static str {
    match retried {
        Retried::Agent | Retried::QuickAgent => "requests to the agent that were refused",
        Retried::Unanswered => "requests to the agent that were not answered",
        Retried::Sync => "attempts of an S3 sync that was refused",
    }
}

/// Whether later waits are longer than the first ones.
fn growth(waits: &Waits, retried: Retried, cap: Duration) -> Answer {
    let what = format!("growth of the waits between {}", name(retried));
    let spreads = waits.before(retried);
    let (first, later) = match spreads.split_first() {
        Some((first, later)) => (first.clone(), later),
        None => (Spread::default(), spreads),
    };
    let ceiling = first.class_at(CEILING);
    let counted: u64 = later.iter().map(Spread::count).sum();
    let longer: u64 = later.iter().map(|spread| spread.above(ceiling)).sum();
    if waits.resolution_ms > 0 {
        let why = "a busy machine lengthens short waits as much as long ones";
        return Answer::NotAsked(format!("{what}: {why}"));
    }
    if let Some(why) = too_few(&[(first.count(), FIRST_WAITS), (counted, LATER_WAITS)]) {
        return Answer::NotAsked(format!("{what}: {why}"));
    }
    if first.at(CEILING) >= cap / 2 {
        let why = format!("the first waits come near to the longest, {cap:?}");
        return Answer::NotAsked(format!("{what}: {why}"));
    }
    let chance = tail(longer, counted, LONGER);
    if chance * QUESTIONS > FALSE_ALARM {
        return Answer::Held;
    }
    broken(
        NO_GROWTH,
        format!(
            "waits between {} that grow: at least a third of the later ones longer than nine of ten first ones",
            name(retried)
        ),
        format!(
            "{longer} of {counted} later waits were; {}",
            described(spreads)
        ),
        chance,
    )
}

/// Whether the waits before the same attempt differ.
fn jitter(waits: &Waits, retried: Retried) -> Answer {
    let what = format!("jitter of the waits between {}", name(retried));
    let spreads = waits.before(retried);
    let enough = |spread: &&Spread| spread.count() >= ALIKE_WAITS;
    let asked: Vec<&Spread> = spreads.iter().filter(enough).collect();
    if asked.is_empty() {
        let most = spreads.iter().map(Spread::count).max().unwrap_or_default();
        let why = too_few(&[(most, ALIKE_WAITS)]).unwrap_or_default();
        return Answer::NotAsked(format!("{what}: {why}"));
    }
    let exact = Duration::from_millis(waits.resolution_ms) * EXACT;
    if asked.iter().any(|spread| spread.at(0.0) < exact) {
        let why = format!("where time is real, waits below {exact:?} are not known exactly enough");
        return Answer::NotAsked(format!("{what}: {why}"));
    }
    // Where the waits before one attempt differ, chance is in the loop.
    let of = |spread: &&Spread| {
        let (count, alike) = (spread.count(), spread.densest(SAME));
        // The densest classes are some of those in which a wait is.
        tail(count - alike, count, 1.0 - TOGETHER) * count as f64
    };
    let chance = asked.iter().map(of).fold(0.0, f64::max);
    if chance * QUESTIONS > FALSE_ALARM {
        return Answer::Held;
    }
    broken(
        NO_JITTER,
        format!(
            "waits between {} with jitter: those before the same attempt differ by a tenth and more",
            name(retried)
        ),
        format!("they hardly differ; {}", described(spreads)),
        chance,
    )
}

/// Whether the agent has its time to answer.
fn early(waits: &Waits, promised: &Promised) -> Answer {
    let what = "whether the agent is given its time-out";
    let (mut asked, timeout) = (Spread::default(), promised.agent_timeout);
    for spread in waits.before(Retried::Unanswered) {
        asked.add(spread);
    }
    if let Some(why) = too_few(&[(asked.count(), UNANSWERED)]) {
        return Answer::NotAsked(format!("{what}: {why}"));
    }
    let early = asked.below(timeout.mul_f64(EARLY));
    let in_time = asked.count() - early;
    let chance = tail(in_time, asked.count(), 1.0 - CUT_OFF);
    if chance * QUESTIONS > FALSE_ALARM {
        return Answer::Held;
    }
    broken(
        AGENT_EARLY,
        format!("{timeout:?} for the agent to answer before it is asked again"),
        format!(
            "{early} of {} requests without an answer were followed by another one sooner, half of them within {:.1} s",
            asked.count(),
            asked.at(0.5).as_secs_f64()
        ),
        chance,
    )
}

fn broken(
    kind: crate::invariant::BreachKind,
    expected: String,
    observed: String,
    chance: f64,
) -> Answer {
    let chance = chance.max(f64::MIN_POSITIVE).log10().ceil();
    let observed = format!(
        "{observed}. A system that does so shows this in less than one of 10^{:.0} campaigns",
        -chance
    );
    Breach::new(kind, expected, observed).map_or(Answer::Held, Answer::Broken)
}

/// The waits by attempt, as people read them.
fn described(spreads: &[Spread]) -> String {
    let seconds = |spread: &Spread, share| spread.at(share).as_secs_f64();
    let rows = spreads
        .iter()
        .zip(2..)
        .filter(|(spread, _)| spread.count() > 0);
    let rows = rows.map(|(spread, attempt)| {
        format!(
            "before attempt {attempt} {} waits of {:.2} to {:.2} s, half of them below {:.2} s",
            spread.count(),
            seconds(spread, 0.05),
            seconds(spread, 0.95),
            seconds(spread, 0.5)
        )
    });
    rows.collect::<Vec<_>>().join("; ")
}

/// What is lacking, where there are fewer samples than are needed.
fn too_few(counts: &[(u64, u64)]) -> Option<String> {
    let (count, needed) = counts.iter().find(|(count, needed)| count < needed)?;
    Some(format!("{count} of {needed} samples"))
}

/// An upper bound of the chance that of so many independent events, each of which comes with a probability
/// of `share` at least, `came` or fewer come.
fn tail(came: u64, of: u64, share: f64) -> f64 {
    let seen = came as f64 / of as f64;
    if seen >= share {
        return 1.0;
    }
    let part = |seen: f64, share: f64| match seen {
        0.0 => 0.0,
        seen => seen * (seen / share).ln(),
    };
    (-(of as f64) * (part(seen, share) + part(1.0 - seen, 1.0 - share))).exp()
}

#[cfg(test)]
mod tests;
