//! Soaks on sim with a planted defect: cut short, gone on with, shared out, and added up.

use std::path::Path;

use super::*;
use crate::campaign::{DISTINGUISHED, Totals};
use crate::defect::Defect;
use crate::defect::trial::planted_sim;
use crate::finding::stale;
use crate::repeat::Setup;
use crate::target::sim::Sim;

const SEED: u64 = 7;

fn defective() -> Sim {
    planted_sim(Defect::by_name("force-push").expect("the defect is in the list"))
}

fn config(folder: &Path, cases: u64, shard: Shard) -> Config {
    Config {
        identity: Identity {
            version: "0.0.0".into(),
            setup: Setup {
                target: "sim".into(),
                ..Setup::default()
            },
            seed: "0x7".into(),
            max_steps: 30,
            profile: String::new(),
            plans: String::new(),
        },
        shard,
        time: None,
        resume: true,
        campaign: campaign::Config {
            cases: Some(cases),
            seed: SEED,
            shape: Shape::default(),
            jobs: 2,
            kept_for: None,
            keep_going: true,
            quiet: true,
            out: folder.join(format!("soak-{}", shard.index)),
            regressions: folder.join("regressions"),
            first: Vec::new(),
            replays: true,
            command: "shakedown soak --seed 7".into(),
        },
    }
}

fn soak(target: &Sim, config: &Config) -> SoakOutcome {
    run(target, config, &Interrupt::default(), &mut |_| {}).unwrap()
}

fn error(config: &Config) -> String {
    let ended = run(&Sim::default(), config, &Interrupt::default(), &mut |_| {});
    ended.unwrap_err().to_string()
}

fn files_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn shards_come_to_what_one_machine_comes_to() {
    let alone = tempfile::tempdir().unwrap();
    let whole = soak(&defective(), &config(alone.path(), 50, Shard::WHOLE)).state;
    assert!(whole.totals.violated >= 3 && whole.totals.held > 30);
    assert_eq!(whole.totals.families().count(), 1);

    let shared = tempfile::tempdir().unwrap();
    for index in [2, 0, 1] {
        // They keep their plans in one folder, and the first shard does not begin first.
        let config = config(shared.path(), 50, Shard { index, count: 3 });
        let ended = soak(&defective(), &config);
        assert!(ended.state.is_complete);
    }
    let merged = merge(&[shared.path().to_owned()]).unwrap();
    assert_eq!(merged.totals, whole.totals);
    assert_eq!((merged.shards, merged.missing.len()), (3, 0));
    assert_eq!(
        serde_json::to_string(&merged.totals).unwrap(),
        serde_json::to_string(&whole.totals).unwrap()
    );

    // Without one of them, it is reported as missing; twice, it is not counted twice.
    let folders = [0, 2].map(|index| shared.path().join(format!("soak-{index}")));
    assert_eq!(merge(&folders).unwrap().missing, [1]);
    let twice = [folders[0].clone(), folders[0].clone()];
    let error = merge(&twice).unwrap_err().to_string();
    assert!(error.contains("both shard 0/3"), "{error}");
    let mixed = [folders[0].clone(), alone.path().join("soak-0")];
    let error = merge(&mixed).unwrap_err().to_string();
    assert!(
        error.contains("number of shards of the first is"),
        "{error}"
    );
    let error = merge(&[alone.path().join("none")]).unwrap_err().to_string();
    assert!(error.contains("cannot list the folder"), "{error}");
    let error = merge(&[folders[0].join("bugs")]).unwrap_err().to_string();
    assert!(error.contains("no soak's state"), "{error}");
}

#[test]
fn a_soak_that_is_cut_off_goes_on_to_the_same_end() {
    let alone = tempfile::tempdir().unwrap();
    let whole = soak(&defective(), &config(alone.path(), 40, Shard::WHOLE)).state;

    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 40, Shard::WHOLE);
    let mut reported = Vec::new();
    let mut starts = 0;
    loop {
        // Ends at the first news of each start.
        let interrupt = Interrupt::default();
        let during = interrupt.clone();
        let ended = run(&defective(), &config, &interrupt, &mut |news| {
            if let News::Bug(bug) = news {
                // It is on the disk by now.
                let state = SoakState::read(&config.campaign.out).unwrap().unwrap();
                assert!(state.totals.bugs().any(|(_, known)| known.id == bug.id));
                assert!(bug.file.exists());
                reported.push(bug.id.clone());
                during.store(true, Ordering::Relaxed);
            }
        })
        .unwrap();
        starts += 1;
        if ended.end == CampaignEnd::Completed {
            break;
        }
        assert!(starts < 10, "it does not go on");
        // What was cut off while it was shrunk is written down.
        assert_eq!(
            files_in(&config.campaign.out.join("found")).len(),
            ended.pending.len()
        );
    }
    assert!(starts > 1 && reported.len() == 1);
    let state = SoakState::read(&config.campaign.out).unwrap().unwrap();
    assert_eq!(state.totals, whole.totals);
    assert_eq!(state.starts, starts);
    assert!(files_in(&config.campaign.out.join("found")).is_empty());
    // Once more has nothing to do, and changes nothing.
    let again = soak(&defective(), &config).state;
    assert_eq!(again.totals, whole.totals);
}

#[test]
fn what_was_found_once_stays_found_though_it_does_not_show_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 10, Shard::WHOLE);
    let strategy = crate::generate::plans(&config.campaign.shape);
    let case = Case::generate(&strategy, SEED, 3).unwrap();
    // As a soak leaves it that is killed while it shrinks.
    let left = Folder::open(&config.campaign.out, &config.campaign.regressions).unwrap();
    let state = SoakState::new(config.identity.clone(), config.shard);
    left.write_state(&state).unwrap();
    let found = Finding {
        origin: Origin::Case(3),
        ..stale("sim", case.plan, case.seed)
    };
    left.write_found(3, &found).unwrap();
    let violation = found.violation;
    let totals = soak(&Sim::default(), &config).state.totals;
    assert_eq!((totals.held, totals.violated), (9, 1));
    let (_, bug) = totals.bugs().next().unwrap();
    assert_eq!(
        (bug.case(), &bug.violation.kind),
        (Some(3), &violation.kind)
    );
    assert!(files_in(&config.campaign.out.join("found")).is_empty());
    assert_eq!(files_in(&config.campaign.regressions).len(), 1);
}

#[test]
fn a_folder_is_one_soak_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), 5, Shard::WHOLE);
    soak(&Sim::default(), &config);
    let before = std::fs::read(SoakState::path(&config.campaign.out)).unwrap();
    config.resume = false;
    assert!(error(&config).contains("0x7 with 5 cases done; go on with it by --resume"));
    config.resume = true;
    config.identity.seed = "0x8".into();
    assert!(error(&config).contains("whose seed is 0x7, not 0x8"));
    config.identity.seed = "0x7".into();
    config.shard = Shard { index: 0, count: 2 };
    assert!(error(&config).contains("whose shard is 0/1, not 0/2"));
    config.shard = Shard::WHOLE;
    let lock = Lock::take(&config.campaign.out).unwrap();
    assert!(error(&config).contains("another soak is at work"));
    drop(lock);
    std::fs::write(SoakState::path(&config.campaign.out), "{").unwrap();
    assert!(error(&config).contains("state.json:1:1: the soak's state is damaged"));
    std::fs::write(SoakState::path(&config.campaign.out), before).unwrap();
    soak(&Sim::default(), &config);
}

#[test]
fn a_file_called_stop_ends_a_soak_and_bounds_can_be_moved() {
    let folder = tempfile::tempdir().unwrap();
    let mut endless = config(folder.path(), 0, Shard::WHOLE);
    endless.campaign.cases = None;
    let out = endless.campaign.out.clone();
    let stopper = std::thread::spawn(move || {
        while SoakState::read(&out).ok().flatten().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::fs::write(out.join("stop"), "").unwrap();
    });
    let ended = soak(&Sim::default(), &endless);
    stopper.join().unwrap();
    assert_eq!(ended.end, CampaignEnd::Interrupted);
    assert!(!ended.state.is_complete && !endless.campaign.out.join("stop").exists());
    let done = ended.state.done;
    let further = soak(
        &Sim::default(),
        &config(folder.path(), done + 20, Shard::WHOLE),
    );
    assert_eq!(
        (further.end, further.state.done),
        (CampaignEnd::Completed, done + 20)
    );
    // Time at work counts over all starts: this one has none left.
    (endless.campaign.cases, endless.time) = (Some(1 << 40), Some(Duration::from_millis(1)));
    let last = soak(&Sim::default(), &endless);
    assert_eq!(last.end, CampaignEnd::Completed);
}

#[test]
fn kept_plans_are_run_once_and_by_the_first_shard() {
    let folder = tempfile::tempdir().unwrap();
    let first = config(folder.path(), 4, Shard { index: 0, count: 2 });
    let second = config(folder.path(), 4, Shard { index: 1, count: 2 });
    let plan = "# shakedown plan v1\n# seed 0x3\nsession acme/home\ninstruct acme/home change\n\
                until acme/home pushing\npush-from-outside acme/home clean\n";
    std::fs::create_dir(&first.campaign.regressions).unwrap();
    std::fs::write(first.campaign.regressions.join("old.plan"), plan).unwrap();
    let mut known = 0;
    let ended = run(&defective(), &first, &Interrupt::default(), &mut |news| {
        known += usize::from(matches!(news, News::Known(_)));
    });
    let totals = ended.unwrap().state.totals;
    assert_eq!((known, totals.replayed, totals.known.len()), (1, 1, 1));
    assert_eq!(soak(&defective(), &second).state.totals.replayed, 0);
    assert_eq!(soak(&defective(), &first).state.totals.replayed, 1);
}

#[test]
fn another_seed_or_shape_has_another_hash() {
    let hash = |shape: &Shape, seed| hash_of_plans(shape, seed).unwrap();
    let shape = Shape::default();
    assert_eq!(hash(&shape, 7), hash(&shape, 7));
    assert_ne!(hash(&shape, 7), hash(&shape, 8));
    let shorter = Shape {
        max_steps: 5,
        ..Shape::default()
    };
    assert_ne!(hash(&shape, 7), hash(&shorter, 7));
}

#[test]
fn failures_beyond_those_that_are_distinguished_are_counted_in_the_same_way_everywhere() {
    let plan = |steps: usize| -> crate::plan::Plan {
        let steps = "crash acme\n".repeat(steps + 1);
        format!("# shakedown plan v1\nsession acme/home\n{steps}")
            .parse()
            .unwrap()
    };
    let bug = |case: u64| Finding {
        origin: Origin::Case(case),
        ..stale("sim", plan(case as usize % 7), case)
    };
    let sum = |cases: &mut dyn Iterator<Item = u64>| {
        let mut totals = Totals::default();
        for case in cases {
            totals.cases += 1;
            totals.violate(crate::verdict::Rule::Fresh, "stale", Some(bug(case)));
        }
        totals
    };
    let whole = sum(&mut (0..1000));
    assert_eq!(whole.failures[0].seen.len(), DISTINGUISHED);
    assert_eq!(whole.failures[0].not_distinguished(), 900);
    assert_eq!(whole.failures[0].bugs.len(), 7);
    let mut merged = Totals::default();
    for index in [3, 1, 0, 2] {
        merged.add(&sum(&mut (index..1000).step_by(4)));
    }
    assert_eq!(merged, whole);
}

#[test]
fn waits_add_up_over_shards_and_are_judged_as_those_of_one_machine() {
    let same_waits = planted_sim(Defect::by_name("same-wait-for-sync").unwrap());
    let alone = tempfile::tempdir().unwrap();
    let whole = soak(&same_waits, &config(alone.path(), 90, Shard::WHOLE)).state;
    let found = whole.identity.violated_by_all(&whole.totals);
    let kinds: Vec<&str> = found.iter().map(|of| &*of.violation.kind).collect();
    assert_eq!((whole.totals.violated, kinds), (0, vec!["no-growth"]));
    assert_eq!(found[0].origin, Origin::Campaign(90));

    let shared = tempfile::tempdir().unwrap();
    for index in 0..2 {
        soak(
            &same_waits,
            &config(shared.path(), 90, Shard { index, count: 2 }),
        );
    }
    let merged = merge(&[shared.path().to_owned()]).unwrap();
    assert_eq!(merged.totals, whole.totals);
    assert_eq!(merged.identity.violated_by_all(&merged.totals), found);
}
