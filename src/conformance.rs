//! The same plan on two targets: what is there when both have settled must be the same.
//!
//! The plans that come with the crate pin what matters by `until`, so that they determine where
//! the system ends. A plan that leaves it to chance can end rightly in different ways.

mod plans;

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::history::{Branch, Claim, Content, History, Record, Snapshot, What, Workspace};
use crate::oracle::Objects;
use crate::plan::{ClientId, Mark, ParseError, Plan, SessionId};
use crate::runner::{self, Outcome};
use crate::target::Target;
use crate::verdict::Verdict;

pub use plans::PLANS;

/// The plans that come with the crate, read.
///
/// # Errors
/// Where one of them is no plan, which a test rules out.
pub fn own_plans() -> Result<Vec<(String, Plan)>, ParseError> {
    let read = |&(name, text): &(&str, &str)| Ok((name.to_owned(), text.parse()?));
    PLANS.iter().map(read).collect()
}

/// Something that the two targets do not agree on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// What differs, such as `the site of acme, index.html`.
    pub what: String,
    /// As it is on the first target, and on the second.
    pub sides: [String; 2],
}

/// The result of one plan on both targets.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Its name.
    pub name: String,
    /// The plan.
    pub plan: Plan,
    /// The run on each target.
    pub outcomes: [Outcome; 2],
    /// How long both took, in real time.
    pub took: Duration,
    /// Empty where the targets agree.
    pub differences: Vec<Difference>,
    /// Why a target could not judge, or what it left out; nothing was compared then.
    pub unknown: Option<String>,
}

impl Compared {
    /// Whether the two targets came to the same.
    pub fn agrees(&self) -> bool {
        self.differences.is_empty() && self.unknown.is_none()
    }
}

/// Runs each named plan on both targets, so many at once, and compares. The order is kept.
pub fn compare_all(
    plans: &[(String, Plan)],
    targets: [&(dyn Target + Sync); 2],
    seed: u64,
    jobs: usize,
) -> Vec<Compared> {
    let next = AtomicUsize::new(0);
    let done: Mutex<BTreeMap<usize, Compared>> = Mutex::default();
    std::thread::scope(|scope| {
        let work = || loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((name, plan)) = plans.get(index) else {
                return;
            };
            let compared = compare(name, plan, targets, seed);
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.insert(index, compared);
        };
        for _ in 1..jobs {
            // Fewer threads do the same work.
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.into_values().collect()
}

/// Runs a plan on both targets and compares what is there in the end.
pub fn compare(name: &str, plan: &Plan, targets: [&(dyn Target + Sync); 2], seed: u64) -> Compared {
    let began = Instant::now();
    let outcomes = targets.map(|target| runner::run_confirmed(target, plan, seed));
    let mut compared = Compared {
        name: name.into(),
        plan: plan.clone(),
        took: began.elapsed(),
        differences: differences(&outcomes),
        unknown: None,
        outcomes,
    };
    for (target, outcome) in targets.iter().zip(&compared.outcomes) {
        let why = match (&outcome.verdict, outcome.left_out.first()) {
            (Verdict::Unknown { why }, _) => why.clone(),
            (_, Some((step, why))) => format!("step {} was left out: {why}", step + 1),
            _ => continue,
        };
        compared.unknown = Some(format!("{}: {why}", target.name()));
        compared.differences.clear();
        break;
    }
    compared
}

fn differences(outcomes: &[Outcome; 2]) -> Vec<Difference> {
    let mut found = Differences::default();
    let verdict = |outcome: &Outcome| match &outcome.verdict {
        Verdict::Violated(violation) => format!(
            "{} is violated: expected {}; {}",
            violation.rule, violation.expected, violation.observed
        ),
        _ => "held".into(),
    };
    // That the breaker is closed in the end is part of the verdict.
    found.expect_same("the verdict", outcomes.each_ref().map(verdict));
    let opened = outcomes.each_ref().map(|it| opened_breaker(&it.history));
    found.expect_same("whether the breaker ever opened", opened);
    if let [Some(first), Some(second)] = outcomes.each_ref().map(|it| it.settled.as_deref()) {
        found.compare_snapshots([first, second]);
    }
    found.0
}

fn opened_breaker(history: &History) -> bool {
    history.events.iter().any(|event| {
        let What::Logged { claim, .. } = &event.what else {
            return false;
        };
        *claim == Some(Claim::BreakerOpened)
    })
}

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn expect_same<T: PartialEq + Debug>(&mut self, what: impl fmt::Display, sides: [T; 2]) {
        if sides[0] != sides[1] {
            self.0.push(Difference {
                what: what.to_string(),
                sides: sides.map(|side| format!("{side:?}")),
            });
        }
    }

    /// What only one of the targets can see is not compared.
    fn compare_snapshots(&mut self, seen: [&Snapshot; 2]) {
        if let Some(remotes) = both(seen.map(|it| it.remote.get())) {
            self.compare_remotes(remotes);
        }
        if let Some(workspaces) = both(seen.map(|it| it.workspaces.get())) {
            self.compare_workspaces(workspaces);
        }
        if let Some(sites) = both(seen.map(|it| it.sites.get())) {
            self.compare_sites(sites);
        }
        if let Some(records) = both(seen.map(|it| it.records.get())) {
            self.compare_records(records);
        }
        if let Some(queued) = both(seen.map(|it| it.queued.get())) {
            self.expect_same("the queue", queued.map(|it| sorted(it)));
        }
        if let Some(dead) = both(seen.map(|it| it.dead_letters.get())) {
            self.expect_same("the dead letters", dead.map(|it| sorted(it)));
        }
        if let Some(running) = both(seen.map(|it| it.running.get())) {
            self.expect_same("which containers run", running.map(|it| sorted(it)));
        }
    }

    fn compare_remotes(&mut self, seen: [&BTreeMap<SessionId, Branch>; 2]) {
        for session in keys(seen) {
            let branches = seen.map(|it| it.get(session));
            self.compare_branches(&format!("the remote branch of {session}"), branches);
        }
    }

    fn compare_workspaces(&mut self, seen: [&BTreeMap<SessionId, Workspace>; 2]) {
        for session in keys(seen) {
            let spaces = seen.map(|it| it.get(session));
            let what = format!("the workspace of {session}");
            self.compare_branches(&what, spaces.map(|it| it.map(|space| &space.branch)));
            let debris = spaces.map(|it| it.map(|space| &space.debris));
            self.expect_same(format!("{what}, its debris"), debris);
        }
    }

    fn compare_sites(&mut self, seen: [&BTreeMap<ClientId, Objects>; 2]) {
        for client in keys(seen) {
            let empty = BTreeMap::new();
            let sites = seen.map(|it| it.get(client).unwrap_or(&empty));
            for key in keys(sites) {
                let bytes = |content: &Arc<Content>| (content.digest, content.size);
                let objects = sites.map(|site| site.get(key).map(bytes));
                self.expect_same(format!("the site of {client}, {key}"), objects);
            }
        }
    }

    fn compare_records(&mut self, seen: [&BTreeMap<SessionId, Record>; 2]) {
        for session in keys(seen) {
            let records = seen.map(|it| it.get(session));
            let status = records.map(|it| it.map(|record| record.status.as_str()));
            self.expect_same(format!("the status of {session}"), status);
            // The texts name what each target's services said; that there is one is the same.
            let failed = records.map(|it| it.is_some_and(|record| record.last_error.is_some()));
            self.expect_same(format!("whether {session} has a lastError"), failed);
            let warned = records.map(|it| it.is_some_and(|record| !record.warnings.is_empty()));
            self.expect_same(format!("whether {session} has warnings"), warned);
        }
    }

    fn compare_branches(&mut self, what: &str, branches: [Option<&Branch>; 2]) {
        let commits = branches.map(|branch| branch.map(described));
        self.expect_same(format!("{what}, its commits"), commits);
        let tree = |branch: Option<&Branch>| branch.map(|it| sorted(&it.tree));
        self.expect_same(format!("{what}, its tree"), branches.map(tree));
    }
}

/// The commits of a branch as text, in order; but what a merge brought together has none.
fn described(branch: &Branch) -> Vec<String> {
    let mut commits = Vec::new();
    let mut since_merge = 0;
    for commit in &branch.commits {
        let adds: Vec<String> = commit.adds.iter().map(Mark::to_string).collect();
        let kind = if commit.merge { " (a merge)" } else { "" };
        if commit.merge {
            commits[since_merge..].sort();
        }
        commits.push(format!("{}{kind} adds {}", commit.subject, adds.join(" ")));
        if commit.merge {
            since_merge = commits.len();
        }
    }
    commits
}

/// What both targets saw.
fn both<T>([first, second]: [Option<T>; 2]) -> Option<[T; 2]> {
    Some([first?, second?])
}

/// The keys that either map has.
fn keys<K: Ord, V>(maps: [&BTreeMap<K, V>; 2]) -> Vec<&K> {
    let mut keys: Vec<&K> = maps.into_iter().flat_map(BTreeMap::keys).collect();
    keys.sort();
    keys.dedup();
    keys
}

fn sorted<T: Ord + Clone>(of: &[T]) -> Vec<T> {
    let mut sorted = of.to_vec();
    sorted.sort();
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::sim::Sim;
    use std::sync::Arc;
    use std::time::Duration;

    const PLAN: &str = "# shakedown plan v1\nsession acme/home\ninject s3-denied acme\n\
                        instruct acme/home warn\nuntil acme/home done\n";

    fn compared_with(other: &Sim) -> Compared {
        let plan: Plan = PLAN.parse().unwrap();
        compare("plan", &plan, [&Sim::default(), other], 1)
    }

    #[test]
    fn a_target_agrees_with_itself() {
        let compared = compared_with(&Sim::default());
        assert!(compared.agrees(), "{compared:?}");
    }

    #[test]
    fn what_differs_is_named_with_both_sides() {
        let early = Sim::altered(Arc::new(|_, settings| {
            settings.breaker_failures = 1;
            settings.put_off = (Duration::from_secs(40), Duration::from_secs(60));
        }));
        let compared = compared_with(&early);
        let what: Vec<&str> = compared.differences.iter().map(|d| &*d.what).collect();
        assert!(
            what.contains(&"whether the breaker ever opened"),
            "{compared:?}"
        );
        let opened = &compared.differences[what.len() - 1].sides;
        assert!(opened.iter().all(|side| !side.is_empty()), "{opened:?}");
    }

    #[test]
    fn every_part_of_a_snapshot_is_compared() {
        let plan: Plan = PLAN.parse().unwrap();
        let seen = runner::run(&Sim::default(), &plan, 1).settled.unwrap();
        let seen = (*seen).clone();
        let check = |change: fn(&mut Snapshot), what: &str| {
            let mut other = seen.clone();
            change(&mut other);
            let mut found = Differences::default();
            found.compare_snapshots([&seen, &other]);
            assert!(
                found.0.iter().any(|it| it.what.contains(what)),
                "{what}: {found:?}",
                found = found.0
            );
        };
        check(|it| it.remote.or_default().clear(), "remote branch");
        check(|it| it.workspaces.or_default().clear(), "workspace of");
        check(
            |it| {
                for space in it.workspaces.or_default().values_mut() {
                    space.debris.push("a stash".into());
                }
            },
            "debris",
        );
        check(
            |it| {
                for object in it
                    .sites
                    .or_default()
                    .values_mut()
                    .flat_map(BTreeMap::values_mut)
                {
                    Arc::make_mut(object).digest ^= 1;
                }
            },
            "index.html",
        );
        check(|it| it.records.or_default().clear(), "has warnings");
        check(|it| it.queued.or_default().push(Mark::Edit(1)), "queue");
        check(
            |it| it.dead_letters.or_default().push(Mark::Edit(1)),
            "dead letters",
        );
        check(|it| it.running.or_default().clear(), "containers");
    }
}
