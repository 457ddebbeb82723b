//! Campaigns against judges that say what the test wants them to.

use std::path::Path;

use super::*;
use crate::history::History;

fn config(folder: &Path, cases: u64, jobs: usize) -> Config {
    Config {
        cases: Some(cases),
        seed: 7,
        shape: Shape::default(),
        jobs,
        kept_for: None,
        keep_going: false,
        quiet: true,
        out: folder.join("out"),
        regressions: folder.join("regressions"),
        first: Vec::new(),
        replays: true,
        command: "shakedown run".into(),
    }
}

fn outcome(verdict: Verdict) -> Outcome {
    Outcome {
        passed_over: Vec::new(),
        verdict,
        history: History::default(),
        left_out: vec![],
        settled: None,
        doubt: None,
    }
}

fn violated() -> Verdict {
    Verdict::Violated(crate::finding::stale("sim", Plan::default(), 0).violation)
}

/// Cases whose run seed is a multiple of `n` violate a rule.
fn one_in(n: u64) -> impl Fn(&Plan, u64) -> Outcome + Sync {
    move |_, seed| {
        outcome(if seed.is_multiple_of(n) {
            violated()
        } else {
            Verdict::Held
        })
    }
}

fn run_with(config: &Config, judge: &Judge<'_>) -> Summary {
    let interrupt = Interrupt::default();
    let mut campaign = Campaign::new("sim", config, &interrupt);
    campaign.work(judge).unwrap();
    campaign.summary
}

fn files_in(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, |entries| entries.count())
}

#[test]
fn the_first_violation_is_the_same_on_any_number_of_threads() {
    let summary = |jobs| {
        let folder = tempfile::tempdir().unwrap();
        let summary = run_with(&config(folder.path(), 200, jobs), &one_in(20));
        // The plan that was found stays with its history, those that held are gone.
        assert_eq!(files_in(&folder.path().join("out")), 2);
        summary
    };
    let one = summary(1);
    assert_eq!(one.found.len(), 1);
    for jobs in [2, 5] {
        let many = summary(jobs);
        assert_eq!(many.found.len(), 1);
        assert_eq!(many.found[0].seed, one.found[0].seed);
        assert_eq!(many.totals.held, one.totals.held);
        assert_eq!(many.totals.coverage, one.totals.coverage);
    }
}

#[test]
fn a_campaign_that_keeps_going_runs_every_case() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), 100, 2);
    config.keep_going = true;
    let summary = run_with(&config, &one_in(10));
    // All of them are one failure.
    assert_eq!(summary.found.len(), 1);
    assert!(summary.totals.violated > 1);
    assert_eq!(summary.totals.held + summary.totals.violated, 100);
    assert_eq!(summary.totals.coverage.plans, 100);
}

#[test]
fn what_the_harness_cannot_judge_is_neither_held_nor_violated() {
    let folder = tempfile::tempdir().unwrap();
    let sometimes = |_: &Plan, seed: u64| {
        if seed.is_multiple_of(7) {
            panic!("no more ports");
        }
        outcome(Verdict::Held)
    };
    let summary = run_with(&config(folder.path(), 60, 2), &sometimes);
    assert!(!summary.totals.unjudged.is_empty() && summary.found.is_empty());
    assert_eq!(summary.totals.held + summary.totals.unknown, 60);
    assert!(summary.totals.unjudged[0].why.contains("no more ports"));
    assert!(summary.totals.unjudged[0].file.exists());
}

#[test]
fn a_harness_that_always_fails_ends_the_campaign() {
    let folder = tempfile::tempdir().unwrap();
    let never = |_: &Plan, _: u64| {
        outcome(Verdict::Unknown {
            why: "git is missing".into(),
        })
    };
    let summary = run_with(&config(folder.path(), 100, 2), &never);
    assert_eq!(summary.end, CampaignEnd::GaveUp);
    assert_eq!(summary.totals.unjudged.len(), UNKNOWN_IN_A_ROW);
}

#[test]
fn kept_plans_run_first_with_their_seed() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 100, 1);
    let plan: Plan = "# shakedown plan v1\nsession acme/home\ncrash acme\n"
        .parse()
        .unwrap();
    let found = crate::finding::stale("sim", plan, 3);
    let path = regression::keep(&config.regressions, &found, "shakedown run").unwrap();
    let summary = run_with(&config, &|_, seed| {
        outcome(if seed == 3 { violated() } else { Verdict::Held })
    });
    assert_eq!(
        (summary.totals.replayed, summary.totals.coverage.plans),
        (1, 1)
    );
    assert!(summary.found[0].is_known());
    assert_eq!(summary.found[0].file, path);
    let summary = run_with(&config, &|_, _| outcome(Verdict::Held));
    assert_eq!((summary.totals.replayed, summary.totals.held), (1, 101));
}

/// A campaign of three cases on one thread, whose five kept plans begin within this time; the seeds in the order in which
/// they ran.
fn run_with_five_kept(kept_for: Duration, takes: Duration) -> (Summary, Vec<u64>) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), 3, 1);
    config.kept_for = Some(kept_for);
    for (seed, target) in [
        (1, "local"),
        (2, "local"),
        (3, "sim"),
        (4, "local"),
        (5, "sim"),
    ] {
        let plan = format!("# shakedown plan v1\nsession acme/home\nwait {seed}s\n");
        let found = crate::finding::stale(target, plan.parse().unwrap(), seed);
        regression::keep(&config.regressions, &found, "shakedown run").unwrap();
    }
    let ran = Mutex::new(Vec::new());
    let summary = run_with(&config, &|_, seed| {
        ran.lock().unwrap().push(seed);
        std::thread::sleep(takes);
        outcome(Verdict::Held)
    });
    (summary, ran.into_inner().unwrap())
}

#[test]
fn kept_plans_for_which_there_is_no_time_are_counted() {
    let (summary, _) = run_with_five_kept(Duration::from_millis(50), Duration::from_millis(100));
    assert_eq!((summary.totals.replayed, summary.totals.held), (1, 4));
    assert_eq!(summary.kept_left_out, 4);
}

#[test]
fn kept_plans_that_have_a_time_run_in_turns_with_the_others() {
    let (summary, ran) = run_with_five_kept(Duration::from_secs(3600), Duration::ZERO);
    assert_eq!((summary.totals.replayed, summary.totals.held), (5, 8));
    let kept: Vec<bool> = ran.iter().map(|seed| *seed <= 5).collect();
    assert_eq!(kept, [true, false, true, false, true, false, true, true]);
    // Those that were found on the same target come first.
    let mut first = [ran[0], ran[2]];
    first.sort_unstable();
    assert_eq!(first, [3, 5]);
}

#[test]
fn plans_are_run_again_on_every_target_wherever_they_were_found() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 1, 2);
    for (number, target) in ["sim", "local", "aws"].into_iter().enumerate() {
        let plan: Plan = format!(
            "# shakedown plan v1\nsession acme/home\nwait {}s\n",
            number + 1
        )
        .parse()
        .unwrap();
        let found = crate::finding::stale(target, plan, 1);
        regression::keep(&config.regressions, &found, "shakedown run").unwrap();
    }
    let summary = run_with(&config, &|_, _| outcome(Verdict::Held));
    assert_eq!((summary.totals.replayed, summary.totals.held), (3, 4));
}

#[test]
fn an_interrupt_ends_the_campaign_early_and_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 1000, 2);
    let interrupt = Interrupt::default();
    let mut campaign = Campaign::new("sim", &config, &interrupt);
    let during = interrupt.clone();
    let judge = move |_: &Plan, _: u64| {
        during.store(true, Ordering::Relaxed);
        outcome(Verdict::Unknown {
            why: "interrupted".into(),
        })
    };
    campaign.work(&judge).unwrap();
    assert_eq!(campaign.summary.end, CampaignEnd::Interrupted);
    assert!(campaign.summary.totals.unjudged.is_empty());
    assert_eq!(files_in(&folder.path().join("out")), 0);
}

#[test]
fn what_ran_before_an_interrupt_counts_though_an_earlier_plan_was_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), 4, 2);
    config.keep_going = true;
    let waits = |seconds: u64| {
        let text = format!("# shakedown plan v1\nsession acme/home\nwait {seconds}s\n");
        text.parse::<Plan>().unwrap()
    };
    config.first = [1, 2, 3, 4].map(waits).into();
    let interrupt = Interrupt::default();
    let mut campaign = Campaign::new("sim", &config, &interrupt);
    let during = interrupt.clone();
    let (cut_off, breaks, last) = (waits(1), waits(2), waits(3));
    let judge = move |plan: &Plan, _: u64| {
        if *plan == cut_off {
            while !during.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            let why = "interrupted".into();
            return outcome(Verdict::Unknown { why });
        }
        during.fetch_or(*plan == last, Ordering::Relaxed);
        outcome(match *plan == breaks {
            true => violated(),
            false => Verdict::Held,
        })
    };
    campaign.work(&judge).unwrap();
    let totals = &campaign.summary.totals;
    assert_eq!(campaign.summary.end, CampaignEnd::Interrupted);
    assert_eq!((campaign.summary.found.len(), totals.unknown), (1, 0));
    // The fourth plan may have begun before the interrupt was seen.
    assert!((1..=2).contains(&totals.held), "{totals:?}");
}

#[test]
fn where_runs_are_slow_no_plan_is_drawn_twice() {
    let plans = |first: Vec<Plan>| {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path(), 60, 3);
        config.shape.sessions.truncate(1);
        config.shape.max_steps = 2;
        config.first = first;
        let ran = Mutex::new(Vec::new());
        let judge = |plan: &Plan, _: u64| {
            ran.lock().unwrap().push(crate::shrink::canonical(plan));
            outcome(Verdict::Held)
        };
        run_with(&config, &judge);
        ran.into_inner().unwrap()
    };
    let of = |text: &str| -> Plan { format!("# shakedown plan v1\n{text}").parse().unwrap() };
    let count = |plans: &[Plan]| plans.iter().collect::<std::collections::HashSet<_>>().len();
    let often = plans(Vec::new());
    assert!(
        count(&often) < often.len(),
        "the shape has too many plans for this test"
    );
    let once = plans(vec![of("session acme/home\ninstruct acme/home change\n")]);
    assert_eq!(count(&once), 60);
}
