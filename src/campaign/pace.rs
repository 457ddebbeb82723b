//! What only the waits of many runs show: see [`pace`](crate::invariant::pace).

use std::time::Duration;

use super::Totals;
use crate::coverage::{Retried, Waits};
use crate::finding::{Finding, Origin};
use crate::history::History;
use crate::invariant::pace::{Answer, has_enough, judge};
use crate::plan::{Edit, Fault, Outage, Plan, SessionId, Step};
use crate::runner;
use crate::target::Target;
use crate::verdict::{NotAsked, Rule, Violation};

/// So many runs at most give samples of one thing where a campaign has too few.
const RUNS: u64 = 24;
/// So many instructions of each session meet the fault.
const INSTRUCTIONS: usize = 3;
/// As long as all of them take at most.
const ALL_ATTEMPTS: Duration = Duration::from_secs(1_800);

/// A plan whose run shows how long a system waits between attempts.
fn plan(of: Retried, sessions: &[SessionId]) -> Plan {
    let fault = match of {
        Retried::Agent | Retried::QuickAgent => Fault::AgentError(529),
        Retried::Unanswered => Fault::AgentSlow,
        Retried::Sync => Fault::S3Down(Outage::SlowDown),
    };
    let instruct = |session: &SessionId| Step::Instruct(session.clone(), Edit::Change);
    let turn = sessions.iter().map(instruct);
    let turns = std::iter::repeat_n(turn, INSTRUCTIONS).flatten();
    let steps = std::iter::once(Step::Inject(fault)).chain(turns);
    Plan {
        sessions: sessions.to_vec(),
        steps: steps.chain([Step::Wait(ALL_ATTEMPTS)]).collect(),
        ..Plan::default()
    }
}

/// Runs plans for nothing but their waits until there are enough of them. Only where time is virtual:
/// elsewhere that takes long.
pub(crate) fn complete(target: &dyn Target, waits: &mut Waits, sessions: &[SessionId], seed: u64) {
    if !target.is_deterministic() {
        return;
    }
    for of in Retried::ALL {
        let plan = plan(of, sessions);
        if plan.steps.iter().any(|step| target.cannot(step).is_some()) {
            continue;
        }
        for turn in 0..RUNS {
            if has_enough(waits, of) {
                break;
            }
            let outcome = runner::run(target, &plan, seed.wrapping_add(turn));
            let seen = Waits::of(&outcome.history);
            if seen.before(of).is_empty() {
                // It tries nothing again, or is not seen to.
                break;
            }
            waits.add(&seen);
        }
    }
}

/// What the waits of a campaign violate, what is known and passed over included.
pub(crate) fn violations(waits: &Waits) -> Vec<(Retried, Violation)> {
    let broken = judge(waits).into_iter().filter_map(|(of, answer)| {
        let Answer::Broken(breach) = answer else {
            return None;
        };
        let violation = Violation {
            rule: Rule::BoundedRetries,
            kind: breach.kind.into(),
            step: None,
            after_recovery: false,
            about: None,
            at: Duration::ZERO,
            expected: breach.expected,
            observed: breach.observed,
        };
        Some((of, violation))
    });
    broken.collect()
}

/// What the waits of a campaign violate that is not known, each with a plan that shows such waits.
pub(crate) fn findings(
    totals: &Totals,
    on: &str,
    sessions: &[SessionId],
    seed: u64,
) -> Vec<Finding> {
    if is_left_out(totals) {
        return Vec::new();
    }
    let waits = &totals.coverage.waits;
    let is_known = |it: &Violation| {
        let promised = waits.promised.as_ref();
        promised.is_some_and(|of| of.heeded.passes_over(it.rule, &it.kind))
    };
    let new = violations(waits)
        .into_iter()
        .filter(|(_, it)| !is_known(it));
    let finding = |(of, violation)| {
        let (origin, plan) = (Origin::Campaign(totals.plans()), plan(of, sessions));
        Finding::new(on, origin, plan, seed, violation, History::default())
    };
    new.map(finding).collect()
}

/// The questions that there were too few waits for.
pub(crate) fn not_asked(totals: &Totals) -> Option<NotAsked> {
    if is_left_out(totals) {
        return None;
    }
    let answers = judge(&totals.coverage.waits).into_iter();
    let why = answers.filter_map(|(_, answer)| match answer {
        Answer::NotAsked(why) => Some(why),
        Answer::Held | Answer::Broken(_) => None,
    });
    let why: Vec<String> = why.collect();
    (!why.is_empty()).then(|| NotAsked {
        rule: Rule::BoundedRetries,
        whole: false,
        why: format!("over the campaign, {}", why.join("; ")),
    })
}

/// Whether the system does not promise the rule, or it cannot be seen.
fn is_left_out(totals: &Totals) -> bool {
    let mut not_asked = totals.not_asked.iter();
    not_asked.any(|it| it.rule == Rule::BoundedRetries && it.whole)
}
