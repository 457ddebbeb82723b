//! A campaign against a system with a planted defect: found, shrunk, kept, reported, found again.

use std::path::Path;

use shakedown::campaign::{Config, Summary, run, run_one};
use shakedown::defect::{Defect, planted_sim};
use shakedown::finding::Origin;
use shakedown::generate::Shape;
use shakedown::regression;
use shakedown::report::{Style, summary, violation};
use shakedown::target::Interrupt;
use shakedown::target::sim::Sim;
use shakedown::verdict::{Rule, Verdict};

fn forces_pushes() -> Sim {
    planted_sim(Defect::by_name("force-push").expect("the defect is in the list"))
}

fn campaign(folder: &Path, sim: &Sim) -> Summary {
    let config = Config {
        cases: Some(100),
        seed: 7,
        shape: Shape::default(),
        jobs: 2,
        kept_for: None,
        keep_going: false,
        quiet: true,
        out: folder.join("out"),
        regressions: folder.join("proptest-regressions"),
        first: Vec::new(),
        replays: true,
        command: "shakedown run --seed 7".into(),
    };
    run(sim, &config, &Interrupt::default()).unwrap()
}

#[test]
fn a_defect_is_found_shrunk_kept_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = campaign(folder.path(), &forces_pushes());
    let found = &first.found[0];
    assert_eq!(found.violation.rule, Rule::CommitsPreserved);
    assert!(!found.is_known());
    assert!(found.plan.steps.len() <= 4, "{}", found.plan);
    assert!(found.history.events.len() > 1);
    let text = summary(&first, Style::PLAIN);
    assert!(text.starts_with("sim violated: "), "{text}");

    // The kept plan shows it alone, with the seed that its comments name.
    let kept = regression::read(&found.file).unwrap();
    assert_eq!(kept.plan.steps, found.plan.steps);
    assert_eq!(kept.target.as_deref(), Some("sim"));
    let seed = kept.seed.unwrap();
    let interrupt = Interrupt::default();
    let (outcome, _) = run_one(&forces_pushes(), kept.plan.clone(), seed, &interrupt);
    assert_eq!(outcome.verdict, Verdict::Violated(found.violation.clone()));

    // The next campaign meets it first, and needs no other plan.
    let second = campaign(folder.path(), &forces_pushes());
    assert!(second.found[0].is_known());
    assert_eq!(
        (second.totals.replayed, second.totals.coverage.plans),
        (1, 1)
    );

    // Once it is fixed, the kept plan holds.
    let fixed = campaign(folder.path(), &Sim::default());
    assert_eq!((fixed.totals.replayed, fixed.totals.held), (1, 101));
    assert!(fixed.found.is_empty());
}

#[test]
fn waits_that_do_not_grow_are_a_finding_of_the_campaign_and_the_same_with_each_run_of_it() {
    let same_waits = planted_sim(Defect::by_name("same-wait-for-agent").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let first = campaign(folder.path(), &same_waits);
    assert_eq!((first.totals.held, first.totals.violated), (100, 0));
    let [found] = &first.found[..] else {
        panic!("{:?}", first.found);
    };
    assert_eq!(found.violation.rule, Rule::BoundedRetries);
    assert_eq!(found.violation.kind, "no-growth");
    assert_eq!(found.origin, Origin::Campaign(100));
    let text = violation(found, "shakedown run --seed 7", Style::PLAIN);
    for part in [
        "over the campaign (run seed 0x7)",
        "of all 100 plans of the campaign together",
        "before attempt 5",
        "shakedown run --seed 7",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    // No plan is kept of it, for none shows it alone.
    assert!(!folder.path().join("proptest-regressions").exists());
    let second = campaign(folder.path(), &same_waits);
    assert_eq!(second.found, first.found);

    let right = campaign(folder.path(), &Sim::default());
    assert!(right.found.is_empty());
    let text = summary(&right, Style::PLAIN);
    assert!(!text.contains("not asked"), "{text}");
}
