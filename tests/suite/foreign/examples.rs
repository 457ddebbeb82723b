//! The workers of `examples/`: the rules that each breaks, and its mended twin in which the same plans hold.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use shakedown::plan::Plan;
use shakedown::profile::Profile;
use shakedown::runner;
use shakedown::target::local::{Local, WorkerCommand};
use shakedown::verdict::{Demand, Heeded, Rule, Verdict};

/// A violation that depends on time is looked for so often: the machine may be slow.
const TRIES: usize = 3;

/// Copies an example to where packages may be installed. `path` is what its profiles find first.
pub fn copy(name: &str, path: Option<&Path>) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("target/foreign").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    for entry in std::fs::read_dir(root.join("examples").join(name)).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_type().unwrap().is_file() {
            continue;
        }
        let mut text = std::fs::read_to_string(entry.path()).unwrap();
        let is_profile = entry.path().extension().is_some_and(|it| it == "toml");
        if let (Some(path), true) = (path, is_profile) {
            let path = format!("[start]\npath = [{:?}]\n", path.to_str().unwrap());
            text = text.replacen("[start]\n", &path, 1);
        }
        std::fs::write(folder.join(entry.file_name()), text).unwrap();
    }
    folder
}

fn local(profile: Arc<Profile>) -> Local {
    Local {
        time_scale: 0.4,
        worker: WorkerCommand {
            program: env!("CARGO_BIN_EXE_shakedown").into(),
            arguments: Vec::new(),
        },
        profile,
        ..Local::new().unwrap()
    }
}

fn plan(steps: &str) -> Plan {
    let plan = format!("# shakedown plan v1\nsession acme/home\n{steps}");
    plan.parse().unwrap()
}

/// A rule, or a kind of its breaches, as `RULE/KIND`.
fn read(demand: &str) -> Demand {
    let (rule, kind) = match demand.split_once('/') {
        Some((rule, kind)) => (rule, Some(kind.to_owned())),
        None => (demand, None),
    };
    let rule: Rule = serde_json::from_value(rule.into()).unwrap();
    Demand { rule, kind }
}

/// Each demand is seen to be broken by its plan of at most five steps.
pub fn each_shows(profile: &Path, findings: &[(&str, &str)]) {
    let profile = Profile::read(profile).unwrap();
    let look_for = |demand: Demand, steps: &str| {
        let target = local(Arc::new(profile.clone()).heeding(&Heeded::Only(demand.clone())));
        let plan = plan(steps);
        assert!(plan.steps.len() <= 5);
        let mut verdicts = (0..TRIES).map(|_| runner::run(&target, &plan, 1).verdict);
        let mut last = None;
        let is_found = verdicts.any(|verdict| {
            let is_found =
                matches!(&verdict, Verdict::Violated(it) if demand.is(it.rule, &it.kind));
            last = Some(verdict);
            is_found
        });
        assert!(is_found, "{demand} does not show in\n{plan}\n{last:?}");
    };
    std::thread::scope(|scope| {
        for (demand, steps) in findings {
            scope.spawn(|| look_for(read(demand), steps));
        }
    });
}

/// The worker brings each plan to an end as a right one does.
pub fn each_holds(profile: &Path, plans: &[&str]) {
    let target = local(Arc::new(Profile::read(profile).unwrap()));
    let hold = |steps: &str| {
        let plan = plan(steps);
        // Where the machine was too slow to tell, once more.
        for _ in 0..TRIES {
            match runner::run_confirmed(&target, &plan, 1).verdict {
                Verdict::Held => return,
                Verdict::Violated(violation) => panic!("{plan}\n{violation:#?}"),
                Verdict::Unknown { why } => println!("{plan}\n{why}"),
            }
        }
        panic!("it could not be judged:\n{plan}");
    };
    std::thread::scope(|scope| {
        for steps in plans {
            scope.spawn(|| hold(steps));
        }
    });
}
