use std::collections::BTreeSet;

use super::*;
use crate::defect::known::{self, Known};
use crate::defect::trial::planted_sim;
use crate::defect::{DEFECTS, Defect};
use crate::runner;
use crate::target::sim::Sim;
use crate::verdict::Verdict;

fn config(letters: &str, depth: usize) -> Config {
    let letters = format!("# shakedown plan v1\n{letters}");
    Config {
        alphabet: Alphabet::of(&letters.parse().expect("a plan")).expect("an alphabet"),
        depth,
        seeds: vec![1],
        jobs: 2,
        keep_going: true,
        max_plans: None,
        time: None,
        pruning: Pruning::ALL,
        quiet: true,
        title: "test".into(),
    }
}

fn on_sim(config: &Config) -> Summary {
    explore(&Sim::default(), config, &Interrupt::default())
}

fn planted(defect: &str, config: &Config) -> Summary {
    let defect = Defect::by_name(defect).expect("a defect");
    // A planted panic would be printed by the test.
    explore(&planted_sim(defect), config, &Interrupt::default())
}

/// Each kind of violation, and the steps of the shortest plan that shows it.
fn kinds(summary: &Summary) -> BTreeSet<(String, String, usize)> {
    let found = summary.found.iter();
    found
        .map(|found| {
            let violation = &found.violation;
            let steps = found.plan.steps.len();
            (violation.rule.to_string(), violation.kind.clone(), steps)
        })
        .collect()
}

/// What `shakedown explore --target sim --defect all --write FILE` writes.
const MINIMA: &str = include_str!("minima.plans");

/// Two sessions of one client and one of another, with what distinguishes orders and names.
const WORK: &str = "session acme/home
session acme/blog
session globex/home
instruct acme/home change
instruct acme/blog change
instruct globex/home change
until acme/home pushing
until acme/blog pushing
until globex/home pushing
push-from-outside acme/home conflicting
push-from-outside acme/blog conflicting
push-from-outside globex/home conflicting
crash acme
crash globex
";

const FAULTS: &str = "session acme/home
session globex/home
instruct acme/home change
instruct globex/home change
instruct acme/home warn
instruct globex/home warn
until acme/home deploying
until globex/home deploying
inject s3-denied acme
inject s3-denied globex
inject git-auth
wait 45s
";

#[test]
fn what_is_pruned_shows_nothing_else() {
    for (letters, defect, depth, finds) in [
        (WORK, "force-push", 3, true),
        (WORK, "one-workspace", 3, true),
        (FAULTS, "never-tries-again", 3, true),
        (FAULTS, "panics-on-denied", 3, true),
        (FAULTS, "never-deletes", 2, true),
        (WORK, "token-in-record", 2, false),
    ] {
        let pruned = config(letters, depth);
        let all = Config {
            pruning: Pruning::NONE,
            ..pruned.clone()
        };
        let (pruned, all) = (planted(defect, &pruned), planted(defect, &all));
        assert_eq!(kinds(&pruned), kinds(&all), "{defect}");
        assert_eq!(pruned.found.is_empty(), !finds, "{defect}");
        assert!(
            pruned.run() * 2 < all.run(),
            "{} of {}",
            pruned.run(),
            all.run()
        );
    }
}

#[test]
fn each_kind_of_pruning_alone_shows_nothing_else() {
    let none = Config {
        pruning: Pruning::NONE,
        ..config(FAULTS, 2)
    };
    let all = planted("never-deletes", &none);
    let mut runs = Vec::new();
    for alone in [
        |pruning: &mut Pruning| pruning.names = true,
        |pruning: &mut Pruning| pruning.orders = true,
        |pruning: &mut Pruning| pruning.ends = true,
        |pruning: &mut Pruning| pruning.states = true,
    ] {
        let mut config = none.clone();
        alone(&mut config.pruning);
        let pruned = planted("never-deletes", &config);
        assert_eq!(kinds(&pruned), kinds(&all), "{:?}", config.pruning);
        assert!(pruned.run() < all.run(), "{:?}", config.pruning);
        runs.push(pruned.run());
    }
    assert_eq!(runs.len(), 4);
}

#[test]
fn the_right_worker_holds_and_any_number_of_threads_counts_the_same() {
    let mut config = config(FAULTS, 3);
    let two = on_sim(&config);
    assert_eq!(two.ended, PlansEnd::Covered);
    assert_eq!(two.covered(), 3);
    assert_eq!(kinds(&two), BTreeSet::new());
    let held: u64 = two.levels.iter().map(|level| level.held).sum();
    assert_eq!(held, two.run());
    config.jobs = 5;
    assert_eq!(on_sim(&config).levels, two.levels);
}

#[test]
fn the_first_of_the_shortest_plans_that_show_a_defect_is_found() {
    for jobs in [1, 3] {
        let config = Config {
            jobs,
            keep_going: false,
            ..config(WORK, 4)
        };
        let summary = planted("force-push", &config);
        assert_eq!(summary.ended, PlansEnd::Violated);
        let [found] = summary.found.as_slice() else {
            panic!("{} kinds", summary.found.len());
        };
        let steps: Vec<String> = found.plan.steps.iter().map(|s| s.to_string()).collect();
        assert_eq!(
            steps,
            [
                "instruct acme/home change",
                "until acme/home pushing",
                "push-from-outside acme/home conflicting"
            ]
        );
        // The plans with fewer steps hold, all of them.
        assert_eq!(summary.covered(), 2);
    }
}

#[test]
fn an_exploration_ends_where_it_is_asked_to() {
    let config = config(FAULTS, 3);
    let few = Config {
        max_plans: Some(7),
        ..config.clone()
    };
    let summary = on_sim(&few);
    assert_eq!((summary.run(), summary.ended), (7, PlansEnd::MaxPlans));
    let soon = Config {
        time: Some(Duration::ZERO),
        ..config.clone()
    };
    let summary = on_sim(&soon);
    assert_eq!((summary.ended, summary.covered()), (PlansEnd::TimeOver, 0));
    let interrupt = Interrupt::default();
    interrupt.store(true, std::sync::atomic::Ordering::Relaxed);
    let summary = explore(&Sim::default(), &config, &interrupt);
    assert_eq!((summary.run(), summary.ended), (0, PlansEnd::Interrupted));
}

/// The state after the steps of a plan, and whether it held.
fn state_of(steps: &str) -> (u64, bool) {
    let plan: Plan =
        format!("# shakedown plan v1\nsession acme/home\nsession globex/home\n{steps}")
            .parse()
            .expect("a plan");
    let mut state = 0;
    let outcome = runner::run_if(&Sim::default(), &plan, 7, &mut |_, system| {
        state = system.fingerprint().expect("sim has a fingerprint");
        true
    });
    let held = outcome.is_some_and(|it| it.verdict == Verdict::Held);
    (state, held)
}

#[test]
fn states_are_equal_exactly_where_the_same_has_happened() {
    let state = |steps: &str| state_of(steps).0;
    let work = "instruct acme/home change\nwait 45s\n";
    let after = |steps: &str| state(&format!("{work}{steps}"));
    // Nothing left to wait for; a phase that is over; a fault that no request met.
    assert_eq!(after("until acme/home done\n"), after(""));
    assert_eq!(after("until acme/home pushing\n"), after(""));
    assert_eq!(
        state(
            "inject s3-denied globex\ninstruct acme/home change\nwait 45s\nheal s3-denied globex\n"
        ),
        after("")
    );
    // Time, faults that are active or were met, messages, crashes and commits of others count.
    let others = [
        "wait 1ms\n",
        "inject s3-denied globex\n",
        "inject agent-slow\n",
        "instruct acme/home change\n",
        "instruct acme/home warn\n",
        "redeliver acme/home\n",
        "retry-push acme/home\n",
        "crash acme\n",
        "workspace-lost acme\n",
        "push-from-outside acme/home clean\n",
        "inject partition globex\nheal partition globex\n",
    ];
    let states: BTreeSet<u64> = others
        .iter()
        .map(|steps| after(steps))
        .chain([after("")])
        .collect();
    assert_eq!(states.len(), others.len() + 1);
    let met = "inject git-auth\ninstruct acme/home change\nwait 45s\nheal git-auth\n";
    assert_ne!(state(met), after(""));
    assert!(state_of(met).1);
}

#[test]
fn every_minimum_shows_its_defect_while_the_right_worker_holds() {
    let minima = known::parse(MINIMA).expect("plans");
    let names: Vec<&str> = minima.iter().map(|of| of.defect.as_str()).collect();
    // One that no short plan of an alphabet shows has none.
    let all = DEFECTS.iter().map(|defect| defect.name);
    let defects: Vec<&str> = all.filter(|name| names.contains(name)).collect();
    assert!(!names.is_empty());
    assert_eq!(names, defects);
    for of in &minima {
        let defect = Defect::by_name(&of.defect).expect("a defect");
        let outcome = runner::run(&planted_sim(defect), &of.plan, of.seed);
        let Verdict::Violated(violation) = outcome.verdict else {
            panic!("{} holds on\n{}", of.defect, of.plan);
        };
        let shown = (violation.rule.id(), violation.kind.as_str());
        assert_eq!(shown, (of.rule.as_str(), of.kind.as_str()), "{}", of.defect);
        let right = runner::run(&Sim::default(), &of.plan, of.seed);
        assert_eq!(right.verdict, Verdict::Held, "{}", of.plan);
    }
}

#[test]
fn no_known_plan_is_shorter_than_a_minimum() {
    let steps = |of: &Known| of.plan.steps.len();
    for of in known::parse(MINIMA).expect("plans") {
        let known = known::all().iter().filter(|it| it.defect == of.defect);
        assert_eq!(known.map(steps).min(), Some(steps(&of)), "{}", of.defect);
    }
}

#[test]
fn a_minimum_is_written_as_it_is_read() {
    let config = Config {
        keep_going: false,
        ..config(WORK, 3)
    };
    let summary = planted("force-push", &config);
    let found = summary.found.first().expect("a violation");
    let minimum = minima::Minimum::new("force-push", found, "work", &config.seeds);
    let text = minimum.text();
    assert!(
        text.contains("# minimal: every shorter plan of the work alphabet holds, with seed 0x1\n")
    );
    assert_eq!(known::parse(&text).expect("a plan"), [minimum.shown]);
}
