//! A history that was written down before, read again with the plan that it belongs to.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::history::{Event, History, What};
use crate::plan::{Plan, SessionId, VERSION_LINE};
use crate::regression::{self, ReadError};
use crate::runner;
use crate::site::SiteKind;
use crate::verdict::Verdict;

/// A history from a file, and its plan.
#[derive(Clone, Debug)]
pub struct Saved {
    pub plan: Plan,
    pub history: History,
    /// The run's seed, where the plan's comments name it.
    pub seed: Option<u64>,
    /// The target, where the plan's comments name it.
    pub target: Option<String>,
    /// Where the plan was taken from; none where it was put together from the events.
    pub plan_file: Option<PathBuf>,
}

/// Why a history could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    #[error("{}: cannot read the history: {why}; check the path", path.display())]
    Io { path: PathBuf, why: io::Error },
    #[error(
        "{}:{line}: this is no event: {why}; a history is what `replay --history` writes, one \
         event a line", path.display()
    )]
    Line {
        path: PathBuf,
        line: usize,
        why: serde_json::Error,
    },
    #[error(transparent)]
    Plan(#[from] ReadError),
    #[error("{}: cannot tell the plan from its events: {why}; name its file with --plan", path.display())]
    NoPlan { path: PathBuf, why: String },
}

/// Reads a history. Its plan is the one that is named, else the file of the same name that ends in
/// `.plan`, else what the events tell of it.
///
/// # Errors
/// Where a file cannot be read, or is not what it should be.
pub fn read(path: &Path, plan: Option<&Path>) -> Result<Saved, SavedError> {
    let text = std::fs::read_to_string(path).map_err(|why| SavedError::Io {
        path: path.to_owned(),
        why,
    })?;
    let mut events = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let event: Event = serde_json::from_str(line).map_err(|why| SavedError::Line {
            path: path.to_owned(),
            line: index + 1,
            why,
        })?;
        events.push(event);
    }
    let history = History { events };
    let beside = path.with_extension("plan");
    let file = plan.map(Path::to_owned);
    let file = file.or_else(|| beside.exists().then_some(beside));
    let Some(file) = file else {
        let plan = told_plan(&history).map_err(|why| SavedError::NoPlan {
            path: path.to_owned(),
            why,
        })?;
        return Ok(Saved {
            plan,
            history,
            seed: None,
            target: None,
            plan_file: None,
        });
    };
    let kept = regression::read(&file)?;
    Ok(Saved {
        plan: kept.plan,
        history,
        seed: kept.seed,
        target: kept.target,
        plan_file: Some(file),
    })
}

impl Saved {
    /// Judges the history again. What the system was like after recovery is not in it, so the
    /// rules for that are asked about what its events tell; what lay about in workspaces is not
    /// among them.
    pub fn judge(&self, site: SiteKind) -> Verdict {
        let events = &self.history.events;
        let mut recovered = None;
        runner::follow(&self.plan, site, events, &mut |model, index| {
            if index + 1 == events.len() && model.recovering {
                recovered = Some(model.known());
            }
        });
        runner::judge_on(site, &self.plan, events, recovered.as_ref())
    }
}

/// The plan as the events tell it: its steps by their texts, its sessions as they turn up.
fn told_plan(history: &History) -> Result<Plan, String> {
    let mut sessions = BTreeSet::new();
    let mut steps = Vec::new();
    for event in &history.events {
        sessions.extend(event.what.subject().1.cloned());
        if let What::StepBegan { step, text } = &event.what {
            if *step != steps.len() {
                return Err(format!("step {} was left out", steps.len() + 1));
            }
            steps.push(text.to_string());
            sessions.extend(text.split(' ').filter_map(SessionId::parse));
        }
    }
    let declared = sessions.iter().map(|session| format!("session {session}"));
    let lines: Vec<String> = declared.chain(steps).collect();
    let text = format!("{VERSION_LINE}\n{}\n", lines.join("\n"));
    text.parse()
        .map_err(|error: crate::plan::ParseError| error.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::sim::Sim;

    const PLAN: &str = "# shakedown plan v1\nsession acme/home\nsession globex/home\n\
        instruct acme/home change\ncrash acme\nwait 30s\ninstruct globex/home change\n";

    /// A run of the simulated system, saved.
    fn save(path: &Path) -> Plan {
        let plan: Plan = PLAN.parse().unwrap();
        let outcome = runner::run(&Sim::default(), &plan, 7);
        assert_eq!(outcome.verdict, Verdict::Held);
        outcome.history.write_file(path).unwrap();
        plan
    }

    #[test]
    fn a_saved_history_is_judged_as_it_was_with_or_without_its_plan() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.jsonl");
        let plan = save(&path);
        let told = read(&path, None).unwrap();
        assert_eq!(
            (&told.plan.steps, &told.plan.sessions),
            (&plan.steps, &plan.sessions)
        );
        assert_eq!(told.plan_file, None);
        assert_eq!(told.judge(SiteKind::Shell), Verdict::Held);
        let text = PLAN.replace(
            "v1\n",
            "v1\n# violates fresh on local; found by hand\n# seed 0x2a\n",
        );
        std::fs::write(path.with_extension("plan"), text).unwrap();
        let beside = read(&path, None).unwrap();
        assert_eq!(
            (beside.seed, beside.target.as_deref()),
            (Some(0x2a), Some("local"))
        );
        assert_eq!(beside.judge(SiteKind::Shell), Verdict::Held);
    }

    #[test]
    fn what_is_missing_after_recovery_is_seen_in_the_events_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.jsonl");
        save(&path);
        let mut saved = read(&path, None).unwrap();
        let acknowledged = |event: &Event| matches!(event.what, What::Acknowledged { .. });
        saved.history.events.retain(|event| !acknowledged(event));
        let Verdict::Violated(violation) = saved.judge(SiteKind::Shell) else {
            panic!("nobody missed an acknowledgement")
        };
        assert_eq!(violation.rule, crate::verdict::Rule::NothingLost);
    }

    #[test]
    fn what_is_no_history_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.jsonl");
        save(&path);
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"event\":\"moonrise\"}\n");
        let lines = text.lines().count();
        std::fs::write(&path, text).unwrap();
        let error = read(&path, None).unwrap_err().to_string();
        assert!(
            error.contains(&format!("run.jsonl:{lines}: this is no event")),
            "{error}"
        );
        let error = read(&folder.path().join("none.jsonl"), None).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("none.jsonl: cannot read the history")
        );
    }
}
