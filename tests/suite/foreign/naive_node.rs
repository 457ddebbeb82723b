//! The worker of `examples/naive-node`, unchanged: the rules that it breaks, each with a short plan, and its mended
//! twin, in which the same plans hold.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use shakedown::plan::Plan;
use shakedown::profile::Profile;
use shakedown::runner;
use shakedown::target::local::{Local, WorkerCommand};
use shakedown::verdict::{Demand, Heeded, Rule, Verdict};

use crate::clients;

/// What it breaks: the rule, and the steps that show it.
const FINDINGS: &[(Rule, &str)] = &[
    (Rule::NoSecretTold, "instruct acme/home change\n"),
    (
        Rule::NoDanglingPage,
        "instruct acme/home change\nuntil acme/home done\ninstruct acme/home change\n",
    ),
    (
        Rule::ExactlyOnce,
        "instruct acme/home change\nuntil acme/home done\nredeliver acme/home\n",
    ),
    (Rule::StaysUp, "inject queue-down refused\nwait 30s\n"),
    (
        Rule::NothingLost,
        "inject git-auth\ninstruct acme/home change\nuntil acme/home done\n",
    ),
    (
        Rule::Pushed,
        "instruct acme/home change\nuntil acme/home building\ninject git-auth\nuntil acme/home done\n",
    ),
    (
        Rule::Fresh,
        "inject s3-denied\ninstruct acme/home change\nuntil acme/home done\n",
    ),
    (
        Rule::Usable,
        "instruct acme/home change\nuntil acme/home done\npush-from-outside acme/home clean\n",
    ),
];

/// A violation that depends on time is looked for so often: the machine may be slow.
const TRIES: usize = 3;

/// The same disturbances, and some that come of the repairs, in plans that a right worker brings to an end.
const MENDED: &[&str] = &[
    "inject queue-down refused\nwait 15s\nheal queue-down refused\ninstruct acme/home change\n\
     until acme/home done\nredeliver acme/home\n",
    "inject git-auth\ninject s3-denied\ninstruct acme/home change\nwait 20s\n",
    "instruct acme/home change\nuntil acme/home building\ncrash acme\n\
     push-from-outside acme/home conflicting\n",
];

/// The worker's folder, copied to where packages may be installed.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = root.join("target/foreign/naive-node");
        std::fs::create_dir_all(&folder).unwrap();
        // The AWS CLI is the one that other tests use.
        let bin = clients::python().with_file_name("");
        let path = format!("[start]\npath = [{:?}]\n", bin.to_str().unwrap());
        let from = root.join("examples/naive-node");
        for file in [
            "package.json",
            "package-lock.json",
            "worker.js",
            "mended.js",
        ] {
            std::fs::copy(from.join(file), folder.join(file)).unwrap();
        }
        for file in ["profile.toml", "mended.toml"] {
            let text = std::fs::read_to_string(from.join(file)).unwrap();
            std::fs::write(folder.join(file), text.replacen("[start]\n", &path, 1)).unwrap();
        }
        folder
    })
}

fn profile(file: &str) -> Arc<Profile> {
    Arc::new(Profile::read(&folder().join(file)).unwrap())
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

#[test]
fn each_of_its_mistakes_shows_in_a_short_plan() {
    let profile = profile("profile.toml");
    let look_for = |rule: Rule, steps: &str| {
        let only = Heeded::Only(Demand { rule, kind: None });
        let target = local(profile.clone().heeding(&only));
        let plan = plan(steps);
        assert!(plan.steps.len() <= 5);
        let mut verdicts = (0..TRIES).map(|_| runner::run(&target, &plan, 1).verdict);
        let mut last = None;
        let is_found = verdicts.any(|verdict| {
            let is_found = matches!(&verdict, Verdict::Violated(it) if it.rule == rule);
            last = Some(verdict);
            is_found
        });
        assert!(is_found, "{rule} does not show in\n{plan}\n{last:?}");
    };
    std::thread::scope(|scope| {
        for (rule, steps) in FINDINGS {
            scope.spawn(|| look_for(*rule, steps));
        }
    });
}

#[test]
fn its_mended_twin_holds() {
    let target = local(profile("mended.toml"));
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
        for steps in MENDED {
            scope.spawn(|| hold(steps));
        }
    });
}
