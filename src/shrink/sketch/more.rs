//! More small plans, for when the likeliest ones did not show it: other moments, other ends, a
//! second instruction, a crash at the end.

use std::ops::Range;
use std::time::Duration;

use super::{Sketcher, disturbances, whole};
use crate::plan::{Edit, Fault, Outage, Outsider, Phase, Plan, SessionId, Step};
use crate::shrink::clues::{Clues, is_of_s3};
use crate::verdict::Rule;

/// Disturbances that are tried in other ways.
const DISTURBANCES: usize = 2;
/// Long enough for one instruction, and too short for what was put off to be tried again.
const ONE: Duration = Duration::from_secs(15);
/// Long enough for an idle container to try what it is asked for.
const SEEN: Duration = Duration::from_secs(40);
/// Long enough for some tries of what was put off, and too short for the breaker to open.
const SOME: Duration = Duration::from_secs(90);

/// Seeds that plans are tried with in which chance brings a good or a bad moment.
const SEEDS: u64 = 4;

/// Edits that leave a mark on their session.
const BAD_EDITS: [Edit; 2] = [Edit::BreakBuild, Edit::Warn];

/// The small plans, the likeliest first, with what is added to the run's seed.
pub(in crate::shrink) fn more(plan: &Plan, clues: &Clues) -> Vec<(Plan, u64)> {
    let Some(home) = clues.home(plan) else {
        return Vec::new();
    };
    let sketcher = Sketcher {
        plan,
        home: &home,
        edit: clues.edit.unwrap_or(Edit::Change),
        long: clues.long,
    };
    if clues.rule == Rule::Breaker {
        let sketches = sketcher.breaker(clues);
        let likely = sketches.iter().filter(|steps| suits(steps, &clues.kind));
        let mut found = with_seeds(plan, 0..1, sketcher.slow_probes(clues).iter());
        found.extend(with_seeds(plan, 1..SEEDS, likely));
        return found;
    }
    let near = disturbances(plan, &home, clues);
    let mut found = Vec::new();
    if clues.kind == "retry-ignored" {
        // Whether the push is tried by itself before anybody asks for it is chance.
        let sketches = sketcher.retry_asked(&near);
        found.extend(with_seeds(plan, 0..2 * SEEDS, sketches.iter()));
    }
    if clues.rule == Rule::Settled {
        found.extend(with_seeds(plan, 0..1, sketcher.neighbours(&near).iter()));
    }
    for step in near.iter().take(DISTURBANCES) {
        let sketches = sketcher.otherwise(step, clues);
        found.extend(with_seeds(plan, 0..1, sketches.iter()));
        if matches!(step, Step::Inject(Fault::GitDown | Fault::GitAuth)) {
            found.extend(with_seeds(plan, 1..SEEDS, sketches.iter().take(2)));
        }
    }
    found.extend(with_seeds(plan, 0..1, edits(plan, &home).iter()));
    found
}

fn with_seeds<'a>(
    plan: &Plan,
    seeds: Range<u64>,
    sketches: impl Iterator<Item = &'a Vec<Step>> + Clone,
) -> Vec<(Plan, u64)> {
    let with = |seed| {
        let sketches = sketches.clone();
        sketches.map(move |steps| (whole(plan, steps.clone()), seed))
    };
    seeds.flat_map(with).collect()
}

/// Whether the breaker may do this wrong in such a plan: its end shows it.
fn suits(steps: &[Step], kind: &str) -> bool {
    let waits = matches!(steps.last(), Some(Step::Wait(_)));
    let comes_back = !waits;
    match kind {
        "opened-early" => waits,
        "second-probe" => steps.len() > 3 && !matches!(steps.last(), Some(Step::Crash(_))),
        "prevented-while-closed" | "prevented-silently" => comes_back || steps.len() > 3,
        _ => steps.len() == 3 || comes_back,
    }
}

/// Each edit that breaks the build or warns, and then an edit of the same session or of another one of its client.
fn edits(plan: &Plan, home: &SessionId) -> Vec<Vec<Step>> {
    let mut edits: Vec<Edit> = Vec::new();
    for step in &plan.steps {
        if let Step::Instruct(_, edit) = step
            && !edits.contains(edit)
        {
            edits.push(*edit);
        }
    }
    let mut sessions = vec![home.clone()];
    sessions.extend(neighbour(plan, home));
    let mut found = Vec::new();
    for first in BAD_EDITS.into_iter().filter(|edit| edits.contains(edit)) {
        for second in edits.iter().copied().filter(|edit| *edit != first) {
            for session in &sessions {
                found.push(vec![
                    Step::Instruct(home.clone(), first),
                    Step::Instruct(session.clone(), second),
                ]);
            }
        }
    }
    found
}

/// Another session of the same client.
fn neighbour(plan: &Plan, home: &SessionId) -> Option<SessionId> {
    let is_near = |session: &&SessionId| session.client == home.client && *session != home;
    plan.sessions.iter().find(is_near).cloned()
}

impl Sketcher<'_> {
    /// The instruction disturbed in other ways than at first.
    fn otherwise(&self, disturbance: &Step, clues: &Clues) -> Vec<Vec<Step>> {
        match disturbance {
            Step::Inject(fault) if is_of_s3(fault) => {
                let mut found = self.without_s3(disturbance, clues);
                let plain = Step::Inject(Fault::S3Denied(None));
                if plain != *disturbance {
                    found.extend(self.without_s3(&plain, clues));
                }
                found
            }
            Step::Inject(Fault::OutOfMemory(_)) => {
                let hungry = Step::Instruct(self.home.clone(), Edit::MemoryHungry);
                vec![vec![disturbance.clone(), hungry, self.until(Phase::Done)]]
            }
            Step::Inject(fault) => {
                let ends = [self.until(Phase::Done), Step::Wait(self.long)];
                let mut found = Vec::new();
                for moment in moments(fault) {
                    for end in &ends {
                        let mut steps = vec![self.instruct()];
                        steps.extend(moment.map(|phase| self.until(phase)));
                        steps.extend([disturbance.clone(), end.clone()]);
                        found.push(steps);
                    }
                }
                let crashed = self.then_crashed(&found);
                found.extend(crashed);
                found
            }
            Step::Crash(_) | Step::LoseWorkspace(_) => {
                let moments = [Phase::Editing, Phase::Committing, Phase::Building];
                let at = |phase| vec![self.instruct(), self.until(phase), disturbance.clone()];
                moments.into_iter().map(at).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Syncs of two clients that take long, so that probes meet, where S3 is down in the plan.
    fn slow_probes(&self, clues: &Clues) -> Vec<Vec<Step>> {
        let is_down = |step: &Step| matches!(step, Step::Inject(Fault::S3Down(_)));
        let is_other = |session: &&SessionId| session.client != self.home.client;
        let other = self.plan.sessions.iter().find(is_other);
        let (Some(other), "second-probe") = (other, clues.kind.as_str()) else {
            return Vec::new();
        };
        if !self.plan.steps.iter().any(is_down) {
            return Vec::new();
        }
        let down = Step::Inject(Fault::S3Down(Outage::Timeout));
        let other = Step::Instruct(other.clone(), Edit::Change);
        let (own, long) = (self.deployed(), Step::Wait(self.long));
        vec![
            vec![down.clone(), own.clone(), other.clone(), long.clone()],
            vec![down, own, long, other],
        ]
    }

    /// Work that is saved locally, and a request to push it: in recovery, or with time to see that
    /// nothing comes of it.
    fn retry_asked(&self, near: &[Step]) -> Vec<Vec<Step>> {
        let auth = Step::Inject(Fault::GitAuth);
        if !near.contains(&auth) {
            return Vec::new();
        }
        let retry = Step::RetryPush(self.home.clone());
        let saved = [
            self.instruct(),
            self.until(Phase::Editing),
            auth,
            self.until(Phase::Done),
        ];
        let seen = [
            Step::Heal(Fault::GitAuth),
            retry.clone(),
            Step::Wait(SEEN),
            self.instruct(),
        ];
        vec![[&saved[..], &[retry]].concat(), [saved, seen].concat()]
    }

    /// Two sessions of the client, one of them with an edit that leaves a mark, while something
    /// keeps it from being taken off.
    fn neighbours(&self, near: &[Step]) -> Vec<Vec<Step>> {
        let Some(other) = neighbour(self.plan, self.home) else {
            return Vec::new();
        };
        let is_there = |edit: &Edit| {
            let is_so = |step: &Step| matches!(step, Step::Instruct(_, of) if of == edit);
            self.plan.steps.iter().any(is_so)
        };
        let is_fault = |step: &&Step| matches!(step, Step::Inject(_));
        let is_push = |step: &Step| matches!(step, Step::PushFromOutside(..));
        let push = Step::PushFromOutside(self.home.clone(), Outsider::Clean);
        let push = self.plan.steps.iter().any(is_push).then_some(&push);
        let mut faults = near.iter().filter(is_fault);
        let disturbances = [push, faults.next(), faults.next()];
        let mut found = Vec::new();
        for edit in BAD_EDITS.into_iter().filter(is_there) {
            let marked = |of: &SessionId| Step::Instruct(of.clone(), edit);
            let change = Step::Instruct(other.clone(), Edit::Change);
            for step in disturbances.into_iter().flatten() {
                found.push(vec![step.clone(), self.deployed(), marked(&other)]);
                if is_fault(&step) {
                    let wait = Step::Wait(ONE);
                    found.push(vec![self.deployed(), wait, step.clone(), marked(&other)]);
                    found.push(vec![marked(self.home), step.clone(), change.clone()]);
                }
            }
        }
        found
    }

    /// What S3 refuses: the first deploy of a site, or a later one.
    fn without_s3(&self, fault: &Step, clues: &Clues) -> Vec<Vec<Step>> {
        let first = [self.deployed(), fault.clone()];
        let later = [
            self.deployed(),
            Step::Wait(ONE),
            fault.clone(),
            self.deployed(),
        ];
        let [one, some, half, long] = [ONE, SOME, self.long / 2, self.long].map(Step::Wait);
        let up_to = |steps: &[Step], end: &Step| [steps, std::slice::from_ref(end)].concat();
        let mut found = vec![
            up_to(&first, &self.until(Phase::Done)),
            up_to(&first, &long),
            up_to(&[fault.clone(), self.deployed()], &one),
        ];
        found.extend(self.then_crashed(&[up_to(&first, &one)]));
        if matches!(clues.rule, Rule::Fresh | Rule::NoDanglingPage) {
            let mut of_later = [&one, &half, &long].map(|end| up_to(&later, end)).to_vec();
            let both = [fault.clone(), self.deployed(), self.deployed()];
            of_later.push(up_to(&both, &some));
            of_later.extend(self.then_crashed(&[up_to(&later, &one), up_to(&first, &some)]));
            // A site that is empty, or a page too early, needs no earlier deploy; what is stale or
            // mixed does.
            if matches!(clues.kind.as_str(), "empty" | "page-first") {
                found.extend(of_later);
            } else {
                found.splice(0..0, of_later);
            }
            found.push([&first[..], &[long, self.deployed()]].concat());
        }
        found
    }

    /// The same with a crash at the end, the likeliest of those in the plan.
    fn then_crashed(&self, of: &[Vec<Step>]) -> Vec<Vec<Step>> {
        let is_crash = |step: &&Step| match step {
            Step::Crash(client) | Step::LoseWorkspace(client) => *client == self.home.client,
            _ => false,
        };
        let is_hungry = |step: &Step| matches!(step, Step::Inject(Fault::OutOfMemory(_)));
        let crash = self.plan.steps.iter().rfind(is_crash).cloned();
        // What uses up the memory may be no more than a crash.
        let crash = crash.or_else(|| {
            let is_killed = self.plan.steps.iter().any(is_hungry);
            is_killed.then(|| Step::Crash(self.home.client.clone()))
        });
        let Some(crash) = crash else {
            return Vec::new();
        };
        let then = |steps: &Vec<Step>| [steps.as_slice(), std::slice::from_ref(&crash)].concat();
        of.iter().map(then).collect()
    }
}

/// From when on a fault is met that was not met at first; nothing is from the start.
fn moments(fault: &Fault) -> &'static [Option<Phase>] {
    match fault {
        Fault::GitAuth | Fault::GitDown => &[Some(Phase::Editing)],
        Fault::StoreThrottled => &[Some(Phase::Received)],
        Fault::Partition(_) => &[
            Some(Phase::Received),
            Some(Phase::Committing),
            Some(Phase::Done),
        ],
        _ => &[None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;
    use crate::profile::Limits;
    use crate::verdict::Violation;

    /// What is tried for a violation of this rule and kind that a plan of these steps showed.
    fn tried(steps: &str, rule: Rule, kind: &str) -> Vec<String> {
        let head =
            "# shakedown plan v1\nsession acme/home\nsession acme/blog\nsession globex/home\n";
        let plan: Plan = format!("{head}{steps}").parse().unwrap();
        let violation = Violation {
            rule,
            kind: kind.into(),
            step: None,
            after_recovery: false,
            about: None,
            at: Duration::ZERO,
            expected: String::new(),
            observed: "acme/home".into(),
        };
        let clues = Clues::of(&plan, &violation, &History::default(), &Limits::CONTRACT);
        let line = |(plan, more): &(Plan, u64)| {
            let steps: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
            format!("{}; seed +{more}", steps.join("; "))
        };
        more(&plan, &clues).iter().map(line).collect()
    }

    #[test]
    fn a_stale_site_had_an_earlier_deploy() {
        let steps = "instruct acme/home change\ninject s3-denied\ninstruct acme/home change\n";
        let second = "instruct acme/home change; wait 15s; inject s3-denied; instruct acme/home \
                      change; wait 15s; seed +0";
        assert_eq!(tried(steps, Rule::Fresh, "stale")[0], second);
        let first = "instruct acme/home change; inject s3-denied; until acme/home done; seed +0";
        assert_eq!(tried(steps, Rule::Fresh, "empty")[0], first);
    }

    #[test]
    fn chance_is_given_other_seeds_where_it_decides() {
        let steps = "inject git-down\ninstruct acme/home change\n";
        let later = "instruct acme/home change; until acme/home editing; inject git-down; until \
                     acme/home done; seed +3";
        assert!(tried(steps, Rule::BoundedRetries, "push").contains(&later.to_owned()));
        let steps = "inject s3-denied\ninstruct acme/home change\n";
        let breaker = tried(steps, Rule::Breaker, "opened-early");
        assert!(!breaker.is_empty() && breaker.iter().all(|line| !line.ends_with("+0")));
    }

    #[test]
    fn a_push_that_is_asked_for_is_given_other_seeds() {
        let steps = "inject git-auth\ninstruct acme/home change\nretry-push acme/home\n";
        let asked = "instruct acme/home change; until acme/home editing; inject git-auth; until \
                     acme/home done; retry-push acme/home";
        let tried = tried(steps, Rule::BoundedRetries, "retry-ignored");
        assert_eq!(tried[0], format!("{asked}; seed +0"));
        let seen = asked.replace("retry-push", "heal git-auth; retry-push");
        let seen = format!("{seen}; wait 40s; instruct acme/home change");
        assert_eq!(tried[1], format!("{seen}; seed +0"));
        assert_eq!(tried[2], format!("{asked}; seed +1"));
    }

    #[test]
    fn a_mark_that_stays_is_looked_for_between_two_sessions() {
        let steps = "inject s3-denied\ninstruct acme/home change\ninstruct acme/blog warn\n";
        let neighbour = "instruct acme/home change; wait 15s; inject s3-denied; instruct acme/blog \
                         warn; seed +0";
        assert!(tried(steps, Rule::Settled, "warning-left").contains(&neighbour.to_owned()));
        // No other rule asks for two sessions with marks.
        assert!(!tried(steps, Rule::Pushed, "commits").contains(&neighbour.to_owned()));
    }
}
