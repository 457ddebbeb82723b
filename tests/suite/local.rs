//! The local target: worker processes, real git, real requests, real kills.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use shakedown::history::{Death, Event, What};
use shakedown::plan::{Edit, Fault, Mark, Outsider, Phase, Plan, SessionId, Step};
use shakedown::runner;
use shakedown::target::local::{Local, WorkerCommand};
use shakedown::target::{Run, Target};
use shakedown::verdict::Verdict;

const WORKER: &str = env!("CARGO_BIN_EXE_shakedown");

fn local_with(program: impl Into<PathBuf>) -> Local {
    Local {
        worker: WorkerCommand {
            program: program.into(),
            arguments: vec!["worker".into()],
        },
        ..Local::new().unwrap()
    }
}

fn home() -> SessionId {
    SessionId::new("acme", "home")
}

/// A system with one session, and what happened in it.
struct System {
    run: Box<dyn Run>,
    events: Vec<Event>,
    marks: u32,
}

impl System {
    fn start() -> Self {
        Self {
            run: local_with(WORKER).start(&[home()], 1).unwrap(),
            events: Vec::new(),
            marks: 0,
        }
    }

    fn apply(&mut self, step: Step) {
        self.run.apply(&step, None, &mut self.events).unwrap();
    }

    fn instruct(&mut self, edit: Edit) -> Mark {
        self.marks += 1;
        let mark = Mark::Edit(self.marks);
        let step = Step::Instruct(home(), edit);
        self.run.apply(&step, Some(mark), &mut self.events).unwrap();
        mark
    }

    fn until(&mut self, phase: Phase, requests: u32) {
        self.apply(Step::Until {
            session: home(),
            phase,
            requests,
        });
    }

    fn rest(&mut self) {
        let (quiet, bound) = (Duration::from_secs(30), Duration::from_secs(600));
        let rested = self.run.rest(quiet, bound, &mut self.events).unwrap();
        assert!(rested, "it never came to rest: {:#?}", self.logged());
    }

    fn logged(&self) -> Vec<&str> {
        let text = |event| match event {
            &Event {
                what: What::Logged { ref text, .. },
                ..
            } => Some(&**text),
            _ => None,
        };
        self.events.iter().filter_map(text).collect()
    }

    fn has_logged(&self, words: &str) -> bool {
        self.logged().iter().any(|line| line.contains(words))
    }

    fn deaths(&self) -> Vec<Death> {
        let cause = |event: &Event| match event.what {
            What::Died { cause, .. } => Some(cause),
            _ => None,
        };
        self.events.iter().filter_map(cause).collect()
    }

    /// The marks of the site's page, and of the remote branch, in order.
    fn marks_shown(&mut self) -> (Vec<Mark>, Vec<Mark>) {
        let seen = self.run.snapshot().unwrap();
        let page = seen.sites.get().unwrap()[&"acme".into()].get("index.html");
        let branch = seen.remote.get().unwrap().get(&home());
        (
            page.map(|page| page.marks.clone()).unwrap_or_default(),
            branch.map(|branch| branch.tree.clone()).unwrap_or_default(),
        )
    }
}

#[test]
fn an_instruction_ends_as_a_commit_and_a_site() {
    let mut system = System::start();
    let first = system.instruct(Edit::Change);
    let second = system.instruct(Edit::Change);
    system.rest();
    let both = vec![first, second];
    assert_eq!(system.marks_shown(), (both.clone(), both));
    let seen = system.run.snapshot().unwrap();
    assert_eq!(*seen.running.get().unwrap(), ["acme".into()]);
    assert_eq!(
        seen.workspaces.get().unwrap()[&home()].debris,
        Vec::<String>::new()
    );
    assert_eq!(
        seen.workspaces.get().unwrap()[&home()].branch,
        seen.remote.get().unwrap()[&home()]
    );
    assert_eq!(seen.records.get().unwrap()[&home()].last_error, None);
    assert!(seen.queued.get().unwrap().is_empty());
    let times: Vec<Duration> = system.events.iter().map(|event| event.at).collect();
    assert!(times.is_sorted(), "{times:?}");
    let position = |is: fn(&What) -> bool| system.events.iter().position(|event| is(&event.what));
    let committed = position(|what| matches!(what, What::Committed { .. })).unwrap();
    let pushed = position(|what| matches!(what, What::Pushed { .. })).unwrap();
    assert!(committed < pushed);
}

#[test]
fn a_crash_at_any_phase_is_recovered_from() {
    for phase in Phase::ALL {
        let mut system = System::start();
        let mark = system.instruct(Edit::Change);
        system.until(phase, 1);
        system.apply(Step::Crash("acme".into()));
        assert_eq!(system.deaths(), [Death::Crash], "{phase}");
        system.rest();
        assert_eq!(system.marks_shown(), (vec![mark], vec![mark]), "{phase}");
        let starts = |event: &&Event| matches!(event.what, What::Started { .. });
        assert_eq!(system.events.iter().filter(starts).count(), 2, "{phase}");
    }
}

#[test]
fn a_lost_workspace_comes_back_from_the_remote() {
    let mut system = System::start();
    let first = system.instruct(Edit::Change);
    system.until(Phase::Building, 0);
    system.apply(Step::LoseWorkspace("acme".into()));
    assert!(
        system
            .run
            .snapshot()
            .unwrap()
            .workspaces
            .get()
            .unwrap()
            .is_empty()
    );
    system.apply(Step::LoseWorkspace("acme".into()));
    assert_eq!(system.deaths(), [Death::WorkspaceLost; 2]);
    let second = system.instruct(Edit::Change);
    system.rest();
    let both = vec![first, second];
    assert_eq!(system.marks_shown(), (both.clone(), both));
}

#[test]
fn a_partition_is_noticed_and_its_end_too() {
    let mut system = System::start();
    let partition = Fault::Partition("acme".into());
    system.apply(Step::Inject(partition.clone()));
    let mark = system.instruct(Edit::Change);
    system.apply(Step::Wait(Duration::from_secs(10)));
    assert!(!system.has_logged("Received"));
    system.apply(Step::Heal(partition));
    system.rest();
    assert!(system.has_logged("Network error"));
    assert!(system.has_logged("Connection restored"));
    assert_eq!(system.marks_shown(), (vec![mark], vec![mark]));
}

#[test]
fn a_memory_hungry_edit_dies_of_a_low_limit_and_of_nothing_else() {
    let mut system = System::start();
    let first = system.instruct(Edit::Change);
    system.apply(Step::Inject(Fault::OutOfMemory("acme".into())));
    system.rest();
    assert_eq!(system.marks_shown(), (vec![first], vec![first]));
    assert_eq!(system.deaths(), [], "{:#?}", system.logged());
    system.instruct(Edit::MemoryHungry);
    system.apply(Step::Wait(Duration::from_secs(60)));
    assert_eq!(
        system.deaths(),
        [Death::OutOfMemory],
        "{:#?}",
        system.logged()
    );
    assert!(system.has_logged("OutOfMemoryError"));
    assert_eq!(
        *system.run.snapshot().unwrap().running.get().unwrap(),
        ["acme".into()]
    );
}

#[test]
fn work_is_saved_while_the_remote_refuses_the_token_and_pushed_later() {
    let mut system = System::start();
    system.apply(Step::Inject(Fault::GitAuth));
    system.apply(Step::Heal(Fault::GitAuth));
    let first = system.instruct(Edit::Change);
    system.until(Phase::Pushing, 0);
    system.apply(Step::Inject(Fault::GitAuth));
    system.until(Phase::Done, 0);
    assert!(
        system.has_logged("Authentication failed"),
        "{:#?}",
        system.logged()
    );
    assert!(
        system.has_logged("Saved work locally"),
        "{:#?}",
        system.logged()
    );
    assert_eq!(system.marks_shown().1, []);
    system.apply(Step::Heal(Fault::GitAuth));
    system.apply(Step::RetryPush(home()));
    system.rest();
    assert!(system.has_logged("Git push complete"));
    assert_eq!(system.marks_shown().1, [first]);
    let secrets = |event: &Event| matches!(event.what, What::SecretSeen { .. });
    assert!(!system.events.iter().any(secrets));
}

#[test]
fn an_outsiders_conflicting_push_is_kept() {
    let mut system = System::start();
    system.instruct(Edit::Change);
    system.until(Phase::Thinking, 0);
    let step = Step::PushFromOutside(home(), Outsider::Conflicting);
    let mark = Some(Mark::Outside(1));
    system.run.apply(&step, mark, &mut system.events).unwrap();
    system.rest();
    assert!(
        system.has_logged("git push rejected"),
        "{:#?}",
        system.logged()
    );
    let seen = system.run.snapshot().unwrap();
    let branch = &seen.remote.get().unwrap()[&home()];
    let adds: Vec<Mark> = branch
        .commits
        .iter()
        .flat_map(|commit| commit.adds.clone())
        .collect();
    assert_eq!(adds.len(), 2, "{branch:?}");
    assert_eq!(*branch, seen.workspaces.get().unwrap()[&home()].branch);
}

/// Runs a plan and judges it by the contract.
fn check_plan(text: &str) {
    let plan: Plan = text.parse().unwrap();
    let outcome = runner::run(&local_with(WORKER), &plan, 1);
    let lines: Vec<String> = outcome
        .history
        .events
        .iter()
        .map(|event| serde_json::to_string(event).unwrap())
        .collect();
    assert_eq!(
        outcome.verdict,
        Verdict::Held,
        "{text}\n{}",
        lines.join("\n")
    );
    assert_eq!(outcome.left_out, []);
}

#[test]
fn overlapping_faults_are_recovered_from() {
    check_plan(
        "# shakedown plan v1\nsession acme/home\nsession acme/blog\nsession globex/home\n\
         instruct acme/home change\nuntil acme/home pushing\n\
         push-from-outside acme/home conflicting\ninject git-auth\ncrash acme\nwait 30s\n\
         instruct acme/blog break-build\nheal git-auth\ninstruct globex/home break-build\n\
         retry-push acme/home\n",
    );
    check_plan(
        "# shakedown plan v1\nsession acme/home\nsession globex/home\ninject s3-denied\n\
         instruct acme/home change\ninstruct globex/home change\nwait 60s\ncrash globex\n\
         heal s3-denied\ninstruct globex/home warn\n",
    );
}

#[test]
fn a_worker_that_cannot_start_is_reported_with_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let error = local_with(folder.path().join("missing"))
        .start(&[home()], 1)
        .err()
        .unwrap();
    assert!(error.why.contains("No such file"), "{error}");
    let mut exits = local_with("/bin/sh");
    exits.worker.arguments = vec!["-c".into(), "echo out of order >&2; exit 64".into()];
    let error = exits.start(&[home()], 1).err().unwrap();
    assert!(error.why.contains("out of order"), "{error}");
    let mut no_git = local_with(WORKER);
    no_git.git = folder.path().join("no-git").to_str().unwrap().into();
    let error = no_git.start(&[home()], 1).err().unwrap();
    assert!(error.to_string().contains("git"), "{error}");
}

/// Where this is set, the test plays the tester that is watched by itself.
const PLAYS_TESTER: &str = "SHAKEDOWN_TEST_PLAYS_TESTER";

#[test]
fn nothing_is_left_behind_even_by_a_tester_that_is_killed() {
    if let Ok(program) = std::env::var(PLAYS_TESTER) {
        let mut run = local_with(program).start(&[home()], 1).unwrap();
        let mut events = Vec::new();
        let step = Step::Instruct(home(), Edit::Change);
        run.apply(&step, Some(Mark::Edit(1)), &mut events).unwrap();
        run.apply(&Step::Wait(Duration::from_secs(15)), None, &mut events)
            .unwrap();
        if std::env::var("STAYS").is_ok() {
            println!("ready");
            std::thread::sleep(Duration::from_secs(60));
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // A name that no other process on this machine goes by.
    let program = folder.path().join("worker-to-be-watched");
    symlink(WORKER, &program).unwrap();
    let files = folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    let name = "local::nothing_is_left_behind_even_by_a_tester_that_is_killed";
    let mut tester = Command::new(std::env::current_exe().unwrap());
    tester
        .args(["--exact", name, "--nocapture"])
        .env(PLAYS_TESTER, &program)
        .env("TMPDIR", &files)
        .stderr(Stdio::null());

    assert!(tester.output().unwrap().status.success());
    assert!(processes_of(&program).is_empty());
    assert_eq!(std::fs::read_dir(&files).unwrap().count(), 0);

    let mut killed = tester
        .env("STAYS", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let words = std::io::BufReader::new(killed.stdout.take().unwrap());
    let is_ready = std::io::BufRead::lines(words).any(|line| line.unwrap().contains("ready"));
    assert!(is_ready);
    assert_eq!(processes_of(&program).len(), 1);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !processes_of(&program).is_empty() {
        assert!(
            Instant::now() < deadline,
            "a worker still runs after its tester"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    // Its folders are there, and go with the next tester's.
    assert!(std::fs::read_dir(&files).unwrap().count() > 0);
    let next = tester.env_remove("STAYS").output().unwrap();
    assert!(next.status.success());
    assert_eq!(std::fs::read_dir(&files).unwrap().count(), 0);
}

/// The ids of the processes that were started as this program.
fn processes_of(program: &Path) -> Vec<u32> {
    let runs_it = |id: &u32| {
        let command = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        command.starts_with(program.as_os_str().as_encoded_bytes())
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(runs_it)
        .collect()
}
