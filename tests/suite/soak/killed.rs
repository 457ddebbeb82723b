//! Soaks that are killed at random moments: nothing that was found is lost, and nothing is left.
//!
//! `tests/kill soak 50` kills more often.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use shakedown::regression;

/// How long what a killed soak had started may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// A soak in a folder of its own, of a program that no other process on this machine runs.
struct Killed {
    folder: tempfile::TempDir,
    program: PathBuf,
    args: Vec<&'static str>,
    words: SplitMix,
    /// The cases of the bugs that were printed.
    printed: BTreeSet<u64>,
    /// The cases that were found and not yet in the state when it was killed.
    pending: BTreeSet<u64>,
    done: u64,
}

impl Killed {
    fn new(args: &[&'static str], seed: u64) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let program = folder.path().join("shakedown-to-be-killed");
        std::fs::hard_link(env!("CARGO_BIN_EXE_shakedown"), &program).unwrap();
        std::fs::create_dir(folder.path().join("files")).unwrap();
        eprintln!("moments of seed {seed}; SOAK_KILL_SEED={seed} repeats them");
        Self {
            folder,
            program,
            args: args.to_vec(),
            words: SplitMix(seed),
            printed: BTreeSet::new(),
            pending: BTreeSet::new(),
            done: 0,
        }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("shakedown-soak")
    }

    fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    fn start(&self, more: &[&str]) -> Child {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PROPTEST_") {
                command.env_remove(name);
            }
        }
        command
            .args(["soak", "--resume", "--seed", "7", "--defect", "force-push"])
            .args(["--quiet"])
            .args(&self.args)
            .args(more)
            .current_dir(self.folder.path())
            .env("TMPDIR", self.files())
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Starts it, kills it at a moment within `longest`, and looks at what is left.
    fn kill_once(&mut self, longest: Duration) {
        let mut child = self.start(&[]);
        let moment = longest.mul_f64(self.words.next() as f64 / u64::MAX as f64);
        std::thread::sleep(moment);
        child.kill().unwrap();
        child.wait().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once(" by case ") {
                let number = rest.split(':').next().unwrap();
                self.printed.insert(number.parse().unwrap());
            }
        }
        let gone_by = Instant::now() + GONE_WITHIN;
        while let Some(process) = self.processes().first() {
            assert!(
                Instant::now() < gone_by,
                "{process} still runs after the soak"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        self.look(moment);
    }

    /// What is on the disk can be read, and holds all that was printed.
    fn look(&mut self, moment: Duration) {
        let Some(state) = state_of(&self.out()) else {
            assert!(self.printed.is_empty() && self.done == 0);
            return;
        };
        assert!(
            state["done"].as_u64().unwrap() >= self.done,
            "it went back after {moment:?}"
        );
        self.done = state["done"].as_u64().unwrap();
        let known = bugs_of(&state);
        assert!(
            self.printed.is_subset(&known),
            "{:?} in {known:?}",
            self.printed
        );
        let kept = regression::read_all(&self.folder.path().join("proptest-regressions"));
        assert!(kept.unwrap().len() >= usize::from(!self.printed.is_empty()));
        regression::read_all(&self.out().join("bugs")).unwrap();
        for entry in std::fs::read_dir(self.out().join("found")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let number = name
                .strip_prefix("case-")
                .and_then(|n| n.strip_suffix(".json"));
            // What begins with a dot was being written.
            assert!(number.is_some() || name.starts_with('.'), "{name}");
            self.pending
                .extend(number.map(|number| number.parse::<u64>().unwrap()));
        }
    }

    /// Processes that run the program, or that know of its folder.
    fn processes(&self) -> Vec<String> {
        let mark = self.folder.path().as_os_str().as_encoded_bytes();
        let holds = |text: &[u8]| text.windows(mark.len()).any(|part| part == mark);
        let is_its = |process: &Path| {
            // Those that have ended and wait to be asked for it hold nothing any more.
            let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
            let is_dead = stat
                .rsplit_once(") ")
                .is_none_or(|(_, rest)| rest.starts_with('Z'));
            let read = |name: &str| std::fs::read(process.join(name)).unwrap_or_default();
            let link = |name: &str| std::fs::read_link(process.join(name)).unwrap_or_default();
            !is_dead
                && (holds(&read("environ"))
                    || holds(&read("cmdline"))
                    || holds(link("cwd").as_os_str().as_encoded_bytes())
                    || holds(link("exe").as_os_str().as_encoded_bytes()))
        };
        let own = std::process::id().to_string();
        std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.bytes().all(|byte| byte.is_ascii_digit()) && *name != *own
            })
            .map(|entry| entry.path())
            .filter(|process| is_its(process))
            .map(|process| {
                let command = std::fs::read(process.join("cmdline")).unwrap_or_default();
                let command = String::from_utf8_lossy(&command).replace('\0', " ");
                format!("{}: {command}", process.display())
            })
            .collect()
    }

    /// Nothing is left of any start but the soak's own folders.
    fn check_clean(&self) {
        assert!(self.processes().is_empty());
        assert_eq!(names_in(&self.files()), BTreeSet::new());
        for folder in [
            self.out(),
            self.out().join("found"),
            self.out().join("bugs"),
        ] {
            let names = names_in(&folder);
            assert!(!names.iter().any(|name| name.starts_with('.')), "{names:?}");
        }
    }
}

/// What a soak wrote of how far it is; `None` where there is nothing yet.
fn state_of(out: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(out.join("state.json")).ok()?;
    Some(serde_json::from_str(&text).expect("a state is always whole"))
}

/// The failing cases of a state that are known as bugs.
fn bugs_of(state: &Value) -> BTreeSet<u64> {
    let failures = state["totals"]["failures"].as_array().unwrap().iter();
    failures
        .flat_map(|of| of["seen"].as_array().unwrap())
        .map(|seen| seen["case"].as_u64().unwrap())
        .collect()
}

/// Whether a case comes after as many of a kind as are told apart: it is counted, and no more.
fn is_counted_only(state: &Value, case: u64) -> bool {
    let mut failures = state["totals"]["failures"].as_array().unwrap().iter();
    failures.any(|of| {
        let seen = of["seen"].as_array().unwrap();
        let last = seen.last().and_then(|last| last["case"].as_u64());
        of["count"].as_u64() > Some(seen.len() as u64) && last < Some(case)
    })
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Steele, Lea and Flood's generator.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

fn asked(name: &str, default: u64) -> u64 {
    let text = std::env::var(name);
    text.map_or(default, |text| text.parse().expect("a whole number"))
}

#[test]
fn a_soak_on_sim_that_is_killed_again_and_again_comes_to_the_same() {
    let mut soak = Killed::new(&["--jobs", "2"], asked("SOAK_KILL_SEED", 1));
    let kills = asked("SOAK_KILLS", 4);
    for _ in 0..kills {
        soak.kill_once(Duration::from_millis(1200));
    }
    eprintln!(
        "{kills} kills: {} cases done, {} printed, {} found and not yet in the state",
        soak.done,
        soak.printed.len(),
        soak.pending.len()
    );
    // It goes on to its end, past all that was found before.
    let last = soak.pending.last().copied().unwrap_or_default();
    let cases = (soak.done.max(last) + 10).to_string();
    let ended = soak.start(&["--cases", &cases]).wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let state = state_of(&soak.out()).unwrap();
    assert_eq!(state["is_complete"], true);
    let bugs = bugs_of(&state);
    let mut found = soak.printed.union(&soak.pending);
    assert!(found.all(|case| bugs.contains(case) || is_counted_only(&state, *case)));
    soak.check_clean();
    // One that was not killed comes to the same.
    let alone = Killed::new(&["--jobs", "2"], 0);
    let ended = alone
        .start(&["--cases", &cases])
        .wait_with_output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let whole = state_of(&alone.out()).unwrap();
    assert_eq!(state["totals"], whole["totals"]);
}

#[test]
fn a_soak_on_local_that_is_killed_leaves_nothing_that_the_next_start_does_not_clean() {
    let args = [
        "--target",
        "local",
        "--time-scale",
        "1/60",
        "--max-steps",
        "6",
        "--jobs",
        "2",
    ];
    let mut soak = Killed::new(&args, asked("SOAK_KILL_SEED", 2));
    for _ in 0..asked("SOAK_KILLS", 3) {
        soak.kill_once(Duration::from_secs(asked("SOAK_KILL_WITHIN", 4)));
    }
    eprintln!(
        "{} cases done, {} printed, {} found and not yet in the state, {} folders left",
        soak.done,
        soak.printed.len(),
        soak.pending.len(),
        names_in(&soak.files()).len()
    );
    // It ends cleanly when it is asked to, at any time.
    let child = soak.start(&[]);
    std::thread::sleep(Duration::from_secs(1));
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(matches!(ended.status.code(), Some(1 | 2)), "{ended:?}");
    soak.check_clean();
    // What was found is in the state, or still waits to be shrunk.
    let state = state_of(&soak.out()).unwrap();
    let known = bugs_of(&state);
    assert!(soak.printed.is_subset(&known));
    for case in &soak.pending {
        let waiting = soak.out().join(format!("found/case-{case}.json"));
        assert!(
            known.contains(case) || waiting.exists(),
            "case {case} is lost"
        );
    }
}
