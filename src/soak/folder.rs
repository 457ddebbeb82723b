//! The folder of a soak: its state, what was found and is not yet in the state, and the bugs.
//!
//! ```text
//! state.json  state.previous.json  lock
//! running-0.plan               what a thread is at, and was at when the soak died
//! found/case-12.json           a violation from the moment it is seen until it is in the state
//! bugs/fresh-1f3c5a70.plan     the smallest plan of a bug, .jsonl: what happened in its run
//! bugs/fresh-1f3c5a70-case-12.plan     the first plans as they were generated
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::state::SoakState;
use crate::campaign::{CampaignError, Case, Shard, sweep_cases};
use crate::durable;
use crate::finding::Finding;
use crate::plan::Plan;
use crate::reading;
use crate::regression::{self, Seed};

/// So many bugs have their history kept; it can be had again from the plan.
const HISTORIES: usize = 50;
/// So many plans of a bug are kept as they were generated.
pub(super) const PLANS_OF_A_BUG: usize = 5;

#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
    regressions: PathBuf,
}

impl Folder {
    pub(super) fn open(root: &Path, regressions: &Path) -> Result<Self, CampaignError> {
        let folder = Self {
            root: root.to_owned(),
            regressions: regressions.to_owned(),
        };
        for path in [root.to_owned(), folder.found(), folder.bugs()] {
            fs::create_dir_all(&path).map_err(|why| CampaignError::Write { path, why })?;
        }
        Ok(folder)
    }

    fn found(&self) -> PathBuf {
        self.root.join("found")
    }

    fn bugs(&self) -> PathBuf {
        self.root.join("bugs")
    }

    /// The file of the plan that a thread is running.
    pub(super) fn running(&self, job: usize) -> PathBuf {
        self.root.join(format!("running-{job}.plan"))
    }

    /// What is there of an earlier soak, where there is something, that its state would know of.
    pub(super) fn remains(&self) -> Option<PathBuf> {
        let names = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
        let before = self.root.join("state.previous.json");
        let found = names(self.found())
            .chain(names(self.bugs()))
            .map(|entry| entry.path());
        let is_whole = |path: &PathBuf| {
            // What begins with a dot was being written.
            path.exists()
                && !path
                    .file_name()
                    .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
        };
        std::iter::once(before).chain(found).find(is_whole)
    }

    /// Removes what a killed soak left half written, and the plans that it was running: they run again.
    pub(super) fn sweep(&self) {
        sweep_cases(&self.root);
        let folders = [
            self.root.clone(),
            self.found(),
            self.bugs(),
            self.regressions.clone(),
        ];
        for folder in folders {
            // One that is missing holds nothing; what stays in the others does no harm.
            let _ = durable::sweep(&folder);
        }
    }

    /// Whether a file there asks the soak to end. It is removed.
    pub(super) fn take_stop(&self) -> bool {
        fs::remove_file(self.root.join("stop")).is_ok()
    }

    pub(super) fn write_state(&self, state: &SoakState) -> Result<(), CampaignError> {
        state
            .write(&self.root)
            .map_err(failed(&SoakState::path(&self.root)))
    }

    /// Writes down what case `case` violates as it is seen, before anything is made of it.
    pub(super) fn write_found(&self, case: u64, found: &Finding) -> Result<(), CampaignError> {
        let path = self.found_path(case);
        serde_json::to_vec_pretty(found)
            .map_err(io::Error::from)
            .and_then(|text| durable::write(&path, &text))
            .map_err(failed(&path))
    }

    /// What an earlier start had found and not taken into its state, by case.
    pub(super) fn read_found(
        &self,
        shard: Shard,
        done: u64,
    ) -> Result<BTreeMap<u64, Finding>, CampaignError> {
        let mut all = BTreeMap::new();
        let folder = self.found();
        for entry in fs::read_dir(&folder).map_err(failed(&folder))? {
            let path = entry.map_err(failed(&folder))?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = reading::bytes(&path, reading::LARGEST_RECORD).map_err(failed(&path))?;
            let found = read_finding(&text).map_err(|(line, column, why)| {
                super::StateError::DamagedFinding {
                    path: path.clone(),
                    line,
                    column,
                    why,
                }
            })?;
            match found.case() {
                Some(case) if case >= shard.case(done) => {
                    all.insert(case, found);
                }
                // It is in the state already.
                _ => fs::remove_file(&path).map_err(failed(&path))?,
            }
        }
        Ok(all)
    }

    /// Forgets what is in the state now.
    pub(super) fn remove_found(&self, case: u64) -> Result<(), CampaignError> {
        let path = self.found_path(case);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path)(error)),
            _ => Ok(()),
        }
    }

    fn found_path(&self, case: u64) -> PathBuf {
        self.found().join(format!("case-{case}.json"))
    }

    /// Writes the smallest plan of a bug, and what happened in its run.
    pub(super) fn write_bug(&self, bug: &Finding) -> Result<(), CampaignError> {
        let (plan, history) = (&bug.plan, &bug.history);
        let path = self.bugs().join(format!("{}.plan", bug.id));
        durable::write(&path, with_seed(plan, bug.seed).as_bytes()).map_err(failed(&path))?;
        let is_history =
            |entry: &fs::DirEntry| entry.path().extension().is_some_and(|ext| ext == "jsonl");
        let histories = fs::read_dir(self.bugs())
            .map(|entries| entries.flatten().filter(is_history).count())
            .map_err(failed(&path))?;
        if histories >= HISTORIES || history.events.is_empty() {
            return Ok(());
        }
        let path = path.with_extension("jsonl");
        let mut text = Vec::new();
        history
            .write_json_lines(&mut text)
            .and_then(|()| durable::write(&path, &text))
            .map_err(failed(&path))
    }

    /// Keeps the smallest plan of a bug for every later campaign. Returns its path.
    pub(super) fn keep(&self, bug: &Finding, command: &str) -> Result<PathBuf, CampaignError> {
        regression::keep(&self.regressions, bug, command).map_err(failed(&self.regressions))
    }

    /// Keeps a plan that shows a bug, as it was generated.
    pub(super) fn write_generated(
        &self,
        bug: &Finding,
        number: u64,
        case: &Case,
    ) -> Result<(), CampaignError> {
        let name = format!("{}-case-{number}.plan", bug.id);
        let path = self.bugs().join(name);
        durable::write(&path, with_seed(&case.plan, case.seed).as_bytes()).map_err(failed(&path))
    }
}

/// Reads a finding; where it is damaged, returns the place and why.
fn read_finding(text: &[u8]) -> Result<Finding, (usize, usize, String)> {
    let damaged = |error: serde_json::Error| (error.line(), error.column(), error.to_string());
    let value: serde_json::Value = serde_json::from_slice(text).map_err(damaged)?;
    let found: Finding = serde_json::from_slice(text).map_err(damaged)?;
    match reading::too_large(&value).or_else(|| found.contradiction()) {
        Some(why) => Err((1, 1, why)),
        None => Ok(found),
    }
}

fn with_seed(plan: &Plan, seed: u64) -> String {
    let mut plan = plan.clone();
    plan.comments
        .insert(0, (0, format!(" seed {}", Seed(seed))));
    plan.to_string()
}

fn failed(path: &Path) -> impl Fn(io::Error) -> CampaignError + use<> {
    let path = path.to_owned();
    move |why| CampaignError::Write {
        path: path.clone(),
        why,
    }
}
