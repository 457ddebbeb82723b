//! The shrinker on planted defects: how small, in how many runs, on which target; and the shortest
//! plans known, which it is measured by.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::defect::{DEFECTS, Defect, known, trial};
use crate::explain::WithoutOutcome;
use crate::finding::Finding;
use crate::history::Event;
use crate::plan::{Plan, SessionId, Step};
use crate::runner;
use crate::shrink::{Budget, shrink_here};
use crate::target::sim::Sim;
use crate::target::{Run, Target, TargetError};
use crate::verdict::Verdict;

fn defect(name: &str) -> &'static Defect {
    Defect::by_name(name).expect("the defect is in the list")
}

#[test]
fn every_known_plan_shows_its_defect_and_the_right_worker_holds_on_it() {
    let all = known::parse(include_str!("../defect/known.plans")).unwrap();
    assert!(!all.is_empty());
    std::panic::set_hook(Box::new(|_| {}));
    let mut wrong = Vec::new();
    for of in &all {
        let planted = trial::planted_sim(defect(&of.defect));
        let shown = match runner::run(&planted, &of.plan, of.seed).verdict {
            Verdict::Violated(found) => format!("{} ({})", found.rule.id(), found.kind),
            other => format!("{other:?}"),
        };
        let right = runner::run(&Sim::default(), &of.plan, of.seed).verdict;
        if shown != format!("{} ({})", of.rule, of.kind) || right != Verdict::Held {
            wrong.push(format!(
                "showed {shown}, without defect {right:?}:\n{}",
                known::text(std::slice::from_ref(of))
            ));
        }
    }
    let _ = std::panic::take_hook();
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn every_defect_has_a_known_plan() {
    let missing: Vec<&str> = DEFECTS
        .iter()
        .map(|defect| defect.name)
        .filter(|name| !known::all().iter().any(|of| of.defect == *name))
        .collect();
    assert!(
        missing.is_empty(),
        "no plan is known for {missing:?}; `cargo bench --bench shrink -- --known src/defect/known.plans` \
         finds some"
    );
}

/// A simulated target that does not say that it is deterministic, and has another as its twin.
struct Uncertain {
    system: Sim,
    twin: Sim,
}

impl Target for Uncertain {
    fn name(&self) -> &'static str {
        "uncertain"
    }

    fn is_deterministic(&self) -> bool {
        false
    }

    fn cannot(&self, step: &Step) -> Option<String> {
        self.system.cannot(step)
    }

    fn start(&self, sessions: &[SessionId], seed: u64) -> Result<Box<dyn Run>, TargetError> {
        self.system.start(sessions, seed)
    }

    fn twin(&self) -> Option<&(dyn Target + Sync)> {
        Some(&self.twin)
    }
}

const LONG: &str = "# shakedown plan v1
session acme/home
session globex/home
instruct globex/home change
until globex/home done
instruct acme/home change
until acme/home committing
push-from-outside acme/home clean
wait 5s
crash globex
until acme/home done
";

fn shrunk(target: &dyn Target, text: &str) -> (Finding, Vec<Event>) {
    let plan: Plan = text.parse().unwrap();
    let found = Finding::of_run(target, &plan, 3).expect("the plan violates a rule");
    let smallest = found.shrunk(target, &Budget::for_target(target), &mut |_| {});
    (smallest, found.history.events)
}

#[test]
fn a_violation_is_shrunk_on_the_twin_and_confirmed_where_it_was_found() {
    let planted = || trial::planted_sim(defect("force-push"));
    let target = Uncertain {
        system: planted(),
        twin: planted(),
    };
    let (smallest, _) = shrunk(&target, LONG);
    assert_eq!((&*smallest.shrunk_on, smallest.reproduced), ("sim", (8, 8)));
    assert_eq!(smallest.plan.steps.len(), 3, "{}", smallest.plan);
}

#[test]
fn what_takes_longer_than_on_the_twin_is_waited_for() {
    let planted = defect("never-tries-again");
    // Its attempts of a sync are further apart, so that a sync fails later.
    let slow = Sim::altered(Arc::new(move |ports, settings| {
        planted.plant(ports, settings);
        settings.sync.first = Duration::from_secs(12);
        settings.sync.cap = Duration::from_secs(12);
    }));
    let target = Uncertain {
        system: slow,
        twin: trial::planted_sim(planted),
    };
    let text = "# shakedown plan v1\nsession acme/home\ninject s3-denied acme\n\
                instruct acme/home change\nwait 5m\nheal s3-denied acme\n";
    let (smallest, _) = shrunk(&target, text);
    assert_eq!((&*smallest.shrunk_on, smallest.reproduced), ("sim", (8, 8)));
    assert_eq!(smallest.plan.steps.len(), 3, "{}", smallest.plan);
    // On the twin alone it comes to the same with less to wait for.
    let (alone, _) = shrunk(&target.twin, text);
    let waited = |of: &Finding| match of.plan.steps.last() {
        Some(Step::Wait(time)) => *time,
        other => panic!("{other:?} is no wait"),
    };
    assert!(waited(&smallest) > waited(&alone), "{}", smallest.plan);
}

#[test]
fn a_plan_can_be_shrunk_on_the_target_itself_though_it_has_a_twin() {
    let target = Uncertain {
        system: trial::planted_sim(defect("force-push")),
        twin: trial::planted_sim(defect("force-push")),
    };
    let plan: Plan = LONG.parse().unwrap();
    let found = Finding::of_run(&target, &plan, 3).expect("the plan violates a rule");
    let budget = Budget::for_target(&target);
    let smallest = shrink_here(&target, &found, &budget, &mut |_| {});
    assert_eq!(
        (&*smallest.shrunk_on, smallest.reproduced),
        ("uncertain", (8, 8))
    );
    assert_eq!(smallest.plan.steps.len(), 3, "{}", smallest.plan);
    assert!(
        smallest.shrink_runs <= budget.runs,
        "{} runs",
        smallest.shrink_runs
    );
}

#[test]
fn what_the_twin_does_not_show_is_shrunk_where_it_was_found() {
    let target = Uncertain {
        system: trial::planted_sim(defect("force-push")),
        twin: Sim::default(),
    };
    let (smallest, _) = shrunk(&target, LONG);
    assert_eq!(smallest.shrunk_on, "uncertain");
    assert_eq!(smallest.reproduced, (8, 8));
    assert_eq!(smallest.plan.steps.len(), 3, "{}", smallest.plan);
    assert!(
        smallest.shrink_runs <= 40 + 8,
        "{} runs",
        smallest.shrink_runs
    );
}

/// A target of which each run has its price.
struct Priced {
    target: Uncertain,
    allowed: u32,
    started: AtomicU32,
}

impl Target for Priced {
    fn name(&self) -> &'static str {
        self.target.name()
    }

    fn is_deterministic(&self) -> bool {
        false
    }

    fn runs_for_shrinking(&self) -> Option<u32> {
        Some(self.allowed)
    }

    fn twin(&self) -> Option<&(dyn Target + Sync)> {
        self.target.twin()
    }

    fn start(&self, sessions: &[SessionId], seed: u64) -> Result<Box<dyn Run>, TargetError> {
        self.started.fetch_add(1, Ordering::Relaxed);
        self.target.start(sessions, seed)
    }
}

#[test]
fn a_target_whose_runs_have_a_price_is_asked_no_oftener_than_it_allows() {
    let broken = || trial::planted_sim(defect("force-push"));
    let long: Plan = LONG.parse().unwrap();
    let as_found = ("uncertain", long.steps.len());
    for (twin, allowed, (on, steps)) in [
        (broken(), 1, ("sim", 3)),
        (broken(), 0, as_found),
        (Sim::default(), 1, as_found),
    ] {
        let target = Priced {
            target: Uncertain {
                system: broken(),
                twin,
            },
            allowed,
            started: AtomicU32::new(0),
        };
        let (smallest, _) = shrunk(&target, LONG);
        // The run that found it is one more.
        assert!(target.started.into_inner() <= 1 + allowed);
        assert_eq!((&*smallest.shrunk_on, smallest.reproduced), (on, (1, 1)));
        assert_eq!(smallest.plan.steps.len(), steps, "{}", smallest.plan);
        let is_named = smallest.provenance().contains("runs of shrinking on sim");
        assert_eq!(is_named, on == "sim", "{}", smallest.provenance());
    }
}

#[test]
fn an_explanation_shows_which_steps_the_violation_needs() {
    let target = trial::planted_sim(defect("never-tries-again"));
    let text = "# shakedown plan v1
session acme/home
session globex/home
inject s3-denied acme
instruct acme/home change
instruct globex/home change
until acme/home done
";
    let plan: Plan = text.parse().unwrap();
    let mut found = Finding::of_run(&target, &plan, 1).expect("the plan violates a rule");
    found.explain_on(&target);
    let explanation = found.explanation.expect("it is explained");
    let outcomes: Vec<_> = explanation
        .steps
        .iter()
        .filter_map(|step| Some(step.without.as_ref()?.outcome.clone()))
        .collect();
    let (holds, same) = (WithoutOutcome::Holds, WithoutOutcome::Same);
    assert_eq!(outcomes, [holds.clone(), holds.clone(), same, holds]);
    let summary = &explanation.summary;
    assert!(
        summary.contains("On sim, without steps 1, 2 or 4: every rule holds."),
        "{summary}"
    );
    assert!(
        summary.contains("On sim, without step 3: it fails just the same."),
        "{summary}"
    );
    let until = &explanation.steps[3];
    assert!(!until.events.is_empty());
    let site = until
        .changes
        .iter()
        .find(|change| change.about.contains("site"));
    assert!(
        site.is_some_and(|site| site.expected != site.observed),
        "{until:?}"
    );
    let recovery = explanation.steps.last().unwrap();
    assert!(recovery.violates && recovery.step.is_none());
}

/// A simulated target that is wrong in its first runs only.
struct Once {
    wrong: Sim,
    right: Sim,
    left: std::cell::Cell<u32>,
}

impl Target for Once {
    fn name(&self) -> &'static str {
        "once"
    }

    fn is_deterministic(&self) -> bool {
        false
    }

    fn start(&self, sessions: &[SessionId], seed: u64) -> Result<Box<dyn Run>, TargetError> {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        match left {
            0 => self.right.start(sessions, seed),
            _ => self.wrong.start(sessions, seed),
        }
    }
}

#[test]
fn a_smaller_plan_that_shows_nothing_in_the_end_is_no_finding() {
    let target = Once {
        wrong: trial::planted_sim(defect("force-push")),
        right: Sim::default(),
        // The run that finds it, and two that make a candidate be believed.
        left: std::cell::Cell::new(3),
    };
    let plan: Plan = LONG.parse().unwrap();
    let found = Finding::of_run(&target, &plan, 3).expect("the plan violates a rule");
    let budget = Budget::for_target(&target);
    let smallest = shrink_here(&target, &found, &budget, &mut |_| {});
    assert!(smallest.shrink_runs > 2, "{} runs", smallest.shrink_runs);
    assert_eq!(smallest.plan, found.plan);
    assert_eq!(smallest.id, found.id);
    assert_eq!(smallest.reproduced, (1, 4));
}
