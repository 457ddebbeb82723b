//! A soak's state on the disk: JSON with a version, written whole or not at all.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::campaign::{Samples, Shard, Totals, pace};
use crate::durable;
use crate::finding::Finding;
use crate::generate::Shape;
use crate::reading::{self, too_large};
use crate::regression::parse_seed;
use crate::repeat::Setup;

/// The version of the form that this program writes, and the only one that it reads.
pub const FORMAT: u32 = 2;

/// The most steps that a plan can be asked to have, as the command line has it.
const MOST_STEPS: usize = 10_000;

/// What a soak is a soak of. Only soaks that agree in all of it add up.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// The program's version: another one generates other plans.
    pub version: String,
    /// All that changes what runs do.
    pub setup: Setup,
    /// In the form that every report uses.
    pub seed: String,
    pub max_steps: usize,
    /// The hash of the profile that runs are judged by.
    #[serde(default)]
    pub profile: String,
    /// A hash of the first plans that the seed gives: another generator gives others.
    pub plans: String,
}

impl Identity {
    /// What only all plans of the soak together violate.
    pub fn violated_by_all(&self, totals: &Totals) -> Vec<Finding> {
        let seed = parse_seed(&self.seed).unwrap_or_default();
        let sessions = Shape::default().sessions;
        pace::findings(totals, &self.setup.target, &sessions, seed)
    }

    /// In what two differ: the name, and both values.
    pub fn difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        let options = |of: &Self| match of.setup.options() {
            none if none.is_empty() => "none".into(),
            options => options.trim_start().to_owned(),
        };
        let parts = [
            ("version", self.version.clone(), other.version.clone()),
            (
                "target",
                self.setup.target.clone(),
                other.setup.target.clone(),
            ),
            ("options", options(self), options(other)),
            ("seed", self.seed.clone(), other.seed.clone()),
            (
                "most steps of a plan",
                self.max_steps.to_string(),
                other.max_steps.to_string(),
            ),
            (
                "hash of the profile",
                self.profile.clone(),
                other.profile.clone(),
            ),
            (
                "hash of what the seed generates",
                self.plans.clone(),
                other.plans.clone(),
            ),
        ];
        parts.into_iter().find(|(_, one, two)| one != two)
    }
}

/// Everything that a soak knows: it goes on from here.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SoakState {
    /// [`FORMAT`]; first, so that a newer form is recognized.
    pub shakedown_soak: u32,
    pub identity: Identity,
    pub shard: Shard,
    /// The bounds: cases over all shards, and time over all starts, in milliseconds.
    pub most_cases: Option<u64>,
    pub most_ms: Option<u64>,
    /// Whether the kept plans were run.
    pub has_replayed: bool,
    /// The first so many of the shard's cases are done, and are the cases of the totals.
    pub done: u64,
    /// Whether a bound was reached.
    pub is_complete: bool,
    /// How often it was started.
    pub starts: u32,
    /// Time at work over all starts, in milliseconds.
    pub worked_ms: u64,
    /// The processor's time over all starts, in milliseconds.
    pub cpu_ms: u64,
    pub totals: Totals,
    pub samples: Samples,
}

/// Why a state cannot be read. Its text begins with the place, as compilers write it.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("{}: cannot read the soak's state: {why}; check the path", path.display())]
    Io { path: PathBuf, why: io::Error },
    #[error(
        "{}:{line}:{column}: the soak's state is damaged: {why}; nothing was changed: to go on from \
         the state before it, copy {} over it, or soak into another folder",
        path.display(), previous(path).display()
    )]
    Damaged {
        path: PathBuf,
        line: usize,
        column: usize,
        why: String,
    },
    #[error(
        "{}:{line}:{column}: what the soak found is damaged: {why}; nothing was changed: remove the file, and \
         its case is run again", path.display()
    )]
    DamagedFinding {
        path: PathBuf,
        line: usize,
        column: usize,
        why: String,
    },
    #[error(
        "{}:1:1: the soak's state has the form {found}, and this program reads the form {FORMAT}; use \
         the program that wrote it, or soak into another folder",
        path.display()
    )]
    OtherForm { path: PathBuf, found: u32 },
}

impl SoakState {
    /// A soak that has not begun.
    pub fn new(identity: Identity, shard: Shard) -> Self {
        Self {
            shakedown_soak: FORMAT,
            identity,
            shard,
            most_cases: None,
            most_ms: None,
            has_replayed: false,
            done: 0,
            is_complete: false,
            starts: 0,
            worked_ms: 0,
            cpu_ms: 0,
            totals: Totals::default(),
            samples: Samples::default(),
        }
    }

    /// The file of a folder that holds its soak's state.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("state.json")
    }

    /// Reads the state of the soak in a folder; `None` where there is none.
    ///
    /// # Errors
    /// Where the file cannot be read, is damaged, or is of a newer form.
    pub fn read(folder: &Path) -> Result<Option<Self>, StateError> {
        let path = Self::path(folder);
        let text = match reading::bytes(&path, reading::LARGEST_RECORD) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(StateError::Io { path, why }),
        };
        #[derive(Deserialize)]
        struct Form {
            shakedown_soak: u32,
        }
        let damaged = |path: &Path, error: &serde_json::Error| StateError::Damaged {
            path: path.to_owned(),
            line: error.line(),
            column: error.column(),
            why: error.to_string(),
        };
        let value: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| damaged(&path, &error))?;
        if let Some(why) = too_large(&value) {
            let (line, column) = (1, 1);
            return Err(StateError::Damaged {
                path,
                line,
                column,
                why,
            });
        }
        let form: Form = serde_json::from_slice(&text).map_err(|error| damaged(&path, &error))?;
        if form.shakedown_soak != FORMAT {
            return Err(StateError::OtherForm {
                path,
                found: form.shakedown_soak,
            });
        }
        let state: Self = serde_json::from_slice(&text).map_err(|error| damaged(&path, &error))?;
        match state.contradiction() {
            Some(why) => Err(StateError::Damaged {
                path,
                line: 1,
                column: 1,
                why,
            }),
            None => Ok(Some(state)),
        }
    }

    /// Writes the state to its file. The one before it stays beside it.
    ///
    /// # Errors
    /// Where the folder cannot be written to; what was there stays.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let path = Self::path(folder);
        match durable::keep_as(&path, &previous(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        durable::write(&path, &text)
    }

    /// What does not fit together, where something does not: it was changed or damaged.
    fn contradiction(&self) -> Option<String> {
        let Shard { index, count } = self.shard;
        if index >= count {
            return Some(format!("there is no shard {index} of {count}"));
        }
        let most = self.identity.max_steps;
        if !(1..=MOST_STEPS).contains(&most) {
            return Some(format!(
                "plans of at most {most} steps are none that can be asked for"
            ));
        }
        if let Some(scale) = self.identity.setup.time_scale
            && !(0.001..=1.0).contains(&scale)
        {
            return Some(format!("there is no time scale {scale}"));
        }
        if self.starts == u32::MAX {
            return Some(format!("no soak was started {} times", self.starts));
        }
        if let Some(why) = self.samples.contradiction() {
            return Some(why);
        }
        if self.totals.cases != self.done {
            return Some(format!(
                "{} cases are done, and the totals are of {}",
                self.done, self.totals.cases
            ));
        }
        self.totals.contradiction()
    }

    pub(super) fn worked(&self) -> Duration {
        Duration::from_millis(self.worked_ms)
    }
}

/// The file of the state before the newest.
fn previous(path: &Path) -> PathBuf {
    path.with_file_name("state.previous.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> SoakState {
        let identity = Identity {
            version: "0.1.0".into(),
            setup: Setup {
                target: "sim".into(),
                ..Setup::default()
            },
            seed: "0x7".into(),
            max_steps: 30,
            profile: String::new(),
            plans: "0".into(),
        };
        SoakState::new(identity, Shard::WHOLE)
    }

    #[track_caller]
    fn check_damage(change: impl Fn(String) -> String, place: &str, part: &str) {
        let folder = tempfile::tempdir().unwrap();
        state().write(folder.path()).unwrap();
        let path = SoakState::path(folder.path());
        let changed = change(std::fs::read_to_string(&path).unwrap());
        std::fs::write(&path, &changed).unwrap();
        let error = SoakState::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("state.json:{place}")), "{error}");
        assert!(error.contains(part), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), changed);
    }

    #[test]
    fn a_state_is_read_as_it_was_written_and_the_one_before_it_stays() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(SoakState::read(folder.path()).unwrap(), None);
        let mut state = state();
        for start in 1..4 {
            state.starts = start;
            state.write(folder.path()).unwrap();
            assert_eq!(SoakState::read(folder.path()).unwrap().unwrap(), state);
        }
        let before = std::fs::read_to_string(previous(&SoakState::path(folder.path()))).unwrap();
        assert!(before.contains("\"starts\": 2"), "{before}");
    }

    #[test]
    fn damage_is_reported_with_its_place_and_changes_nothing() {
        check_damage(|_| String::new(), "1:0", "copy");
        check_damage(|text| text[..text.len() / 2].to_owned(), "", "EOF");
        check_damage(
            |text| text.replace("\"starts\": 0", "\"starts\": -1"),
            "26:14",
            "another folder",
        );
        check_damage(
            |text| text.replace("\"done\": 0", "\"done\": 12"),
            "1:1",
            "12 cases are done, and the totals are of 0",
        );
        check_damage(
            |text| text.replace("\"held\": 0", "\"held\": 3"),
            "1:1",
            "3 plans have a verdict",
        );
        check_damage(
            |text| text.replace("\"shakedown_soak\": 2", "\"shakedown_soak\": 9"),
            "1:1",
            "use the program that wrote it",
        );
    }

    #[test]
    fn soaks_that_differ_say_in_what() {
        let one = state().identity;
        let mut two = one.clone();
        assert_eq!(one.difference(&two), None);
        two.seed = "0x8".into();
        let expected = ("seed", "0x7".into(), "0x8".into());
        assert_eq!(one.difference(&two), Some(expected));
    }
}
