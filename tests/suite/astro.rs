//! The local target with an Astro site: what Astro itself says of a missing dependency and of a
//! syntax error, and that the rest of the contract holds meanwhile.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use shakedown::history::{Event, What};
use shakedown::plan::{Plan, SessionId, Step};
use shakedown::runner::{self, Outcome};
use shakedown::target::local::{Astro, Local, Sites, WorkerCommand};
use shakedown::verdict::{Rule, Verdict};

const WORKER: &str = env!("CARGO_BIN_EXE_shakedown");

fn local() -> Local {
    static ASTRO: OnceLock<Astro> = OnceLock::new();
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let astro =
        ASTRO.get_or_init(|| Astro::install(&target).unwrap_or_else(|error| panic!("{error}")));
    Local {
        time_scale: 1.0 / 6.0,
        worker: WorkerCommand {
            program: WORKER.into(),
            arguments: vec!["worker".into()],
        },
        sites: Sites::Astro(astro.clone()),
        ..Local::new().unwrap()
    }
}

/// Runs a plan, one at a time: builds that starve each other would break the contract's bounds.
fn run(target: &Local, plan: &Plan) -> Outcome {
    static ONE: Mutex<()> = Mutex::new(());
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    runner::run(target, plan, 1)
}

/// Runs a plan, which must hold.
fn hold(plan: &str) -> Outcome {
    let plan: Plan = plan.parse().unwrap();
    let outcome = run(&local(), &plan);
    assert_eq!(
        outcome.verdict,
        Verdict::Held,
        "{plan}\n{:#?}",
        logged(&outcome)
    );
    assert_eq!(outcome.left_out, []);
    outcome
}

fn logged(outcome: &Outcome) -> Vec<&str> {
    let text = |event| match event {
        &Event {
            what: What::Logged { ref text, .. },
            ..
        } => Some(&**text),
        _ => None,
    };
    outcome.history.events.iter().filter_map(text).collect()
}

/// Whether a line of the log, of those that have all these words, is there.
fn has_logged(outcome: &Outcome, words: &[&str]) -> bool {
    let has_all = |line: &&str| words.iter().all(|word| line.contains(word));
    logged(outcome).iter().any(has_all)
}

/// The last errors and the warnings that a session's record ever had, in order.
fn recorded(outcome: &Outcome, session: &str) -> (Vec<String>, Vec<String>) {
    let session = SessionId::parse(session).unwrap();
    let records = outcome
        .history
        .events
        .iter()
        .filter_map(|event| match &event.what {
            What::RecordWritten {
                session: of,
                record,
            } if *of == session => Some(record),
            _ => None,
        });
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for record in records {
        errors.extend(record.last_error.iter().map(ToString::to_string));
        warnings.extend(record.warnings.iter().map(ToString::to_string));
    }
    (errors, warnings)
}

#[test]
fn a_missing_dependency_fails_the_build_until_it_is_repaired() {
    let outcome = hold(
        "# shakedown plan v1\nsession acme/home\ninstruct acme/home change\n\
         instruct acme/home break-build\nuntil acme/home done\ninstruct acme/home repair\n",
    );
    let logged = |words: &[&str]| has_logged(&outcome, words);
    assert!(logged(&["Build failed", "failed to resolve import"]));
    assert!(logged(&["Build complete"]));
    assert!(logged(&["S3 sync complete"]));
    let (errors, _) = recorded(&outcome, "acme/home");
    assert!(
        errors
            .iter()
            .any(|error| error.to_lowercase().contains("build"))
    );
}

#[test]
fn a_syntax_error_leaves_out_the_component_and_warns() {
    let outcome = hold(
        "# shakedown plan v1\nsession acme/home\ninstruct acme/home change\n\
         push-from-outside acme/home clean\ninstruct acme/home warn\n",
    );
    assert!(has_logged(&outcome, &["Build completed with warnings"]));
    let (errors, warnings) = recorded(&outcome, "acme/home");
    assert_eq!(errors, Vec::<String>::new());
    let is_astros = |warning: &String| {
        warning.contains("Unterminated string literal") && warning.contains("Banner.astro")
    };
    assert!(warnings.iter().any(is_astros), "{warnings:?}");
}

#[test]
fn an_injected_error_fails_one_session_alone() {
    let outcome = hold(
        "# shakedown plan v1\nsession acme/home\nsession globex/home\nsession initech/home\n\
         inject build-error acme/home\ninstruct acme/home change\ninstruct globex/home change\n\
         instruct initech/home change\nuntil acme/home done\n",
    );
    assert!(has_logged(&outcome, &["Build failed"]));
    assert!(!recorded(&outcome, "acme/home").0.is_empty());
    for healthy in ["globex/home", "initech/home"] {
        assert_eq!(recorded(&outcome, healthy).0, Vec::<String>::new());
    }
    let put_by = |client: &str| {
        let is_put = |event: &&Event| matches!(&event.what, What::ObjectPut { client: of, .. } if *of == client.into());
        // Recovery sends work of its own.
        let is_of_plan = |event: &&Event| {
            !matches!(
                &event.what,
                What::StepBegan {
                    index: None,
                    step: Step::Instruct(..),
                    ..
                }
            )
        };
        let events = outcome.history.events.iter().take_while(is_of_plan);
        events.filter(is_put).count()
    };
    assert_eq!(put_by("acme"), 0);
    assert!(put_by("globex") >= 4 && put_by("initech") >= 4);
}

#[test]
fn what_older_builds_leave_over_is_seen() {
    let plan = "# shakedown plan v1\nsession acme/home\ninstruct acme/home change\n\
                instruct acme/home change\n";
    // The verdict comes when the system has been at rest for minutes of its own time.
    let mut planted = Local {
        time_scale: 1.0 / 12.0,
        ..local()
    };
    planted.worker.arguments = ["worker", "--defect", "never-deletes"]
        .map(Into::into)
        .into();
    let outcome = run(&planted, &plan.parse().unwrap());
    let Verdict::Violated(violation) = outcome.verdict else {
        panic!("{:?}", outcome.verdict);
    };
    assert_eq!(violation.rule, Rule::Fresh);
    assert!(violation.observed.contains("left over"), "{violation:?}");
}

#[test]
fn without_node_it_says_what_to_install() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("one.plan");
    std::fs::write(&plan, "# shakedown plan v1\nsession acme/home\n").unwrap();
    for program in ["git", "sh"] {
        let path = std::env::var_os("PATH").unwrap();
        let mut places = std::env::split_paths(&path).map(|place| place.join(program));
        let place = places.find(|place| place.is_file()).unwrap();
        std::os::unix::fs::symlink(place, folder.path().join(program)).unwrap();
    }
    let replay = |arguments: &[&str]| {
        let output = Command::new(WORKER)
            .arg("replay")
            .arg(&plan)
            .args(arguments)
            .env("PATH", folder.path())
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    let (exit, said) = replay(&["--target", "local", "--site", "astro"]);
    assert_eq!(exit, Some(2));
    assert!(said.contains("install Node.js"), "{said}");
    let (exit, said) = replay(&["--target", "sim", "--site", "astro"]);
    assert_eq!(exit, Some(64));
    assert!(said.contains("--target local"), "{said}");
}
