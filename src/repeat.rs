//! The command that repeats something, made in one place from all that changes what it does.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::regression::Seed;

/// What changes a run beside its plan and its seed: the system, and where it runs.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Setup {
    /// The target's name.
    pub target: String,
    /// What builds the sites, where it is not the target's default.
    pub site: Option<String>,
    /// Real seconds for each of the system's seconds, where they were asked for.
    pub time_scale: Option<f64>,
    /// The file of the profile, where it is not the built-in one.
    #[serde(default)]
    pub profile: Option<String>,
    /// The file of the known findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<String>,
    /// The one finding that is looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// The account of a deployed system, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yes_account: Option<String>,
    /// The defect that is planted in every container.
    pub defect: Option<String>,
}

impl Setup {
    /// What the command line says beside the target, each option after a space.
    pub fn options(&self) -> String {
        // A field that is new must be written here.
        let Self {
            target: _,
            site,
            time_scale,
            profile,
            known,
            only,
            yes_account,
            defect,
        } = self;
        let site = site.iter().map(|site| format!(" --site {site}"));
        let scale = time_scale
            .iter()
            .map(|scale| format!(" --time-scale {scale}"));
        let profile = profile.iter();
        let profile = profile.map(|file| format!(" --profile {}", quoted(file)));
        let known = known.iter();
        let known = known.map(|file| format!(" --known {}", quoted(file)));
        let only = only.iter().map(|only| format!(" --only {only}"));
        let account = yes_account.iter().map(|id| format!(" --yes-account {id}"));
        let defect = defect.iter().map(|defect| format!(" --defect {defect}"));
        let judged = profile.chain(known).chain(only);
        site.chain(scale)
            .chain(judged)
            .chain(account)
            .chain(defect)
            .collect()
    }
}

impl fmt::Display for Setup {
    /// As the command line reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--target {}{}", self.target, self.options())
    }
}

/// A command that runs something again in the same way.
#[derive(Clone, PartialEq, Debug)]
pub struct Repeat {
    pub command: Command,
    /// `None` for commands that choose the targets themselves.
    pub setup: Option<Setup>,
    pub seed: u64,
}

/// What is run again.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// One plan.
    Replay { file: PathBuf },
    /// A campaign.
    Run {
        cases: u32,
        max_steps: usize,
        keep_going: bool,
    },
    /// A campaign whose state is kept.
    Soak { max_steps: usize },
    /// The shrinking of a plan.
    Shrink {
        file: PathBuf,
        runs: Option<u32>,
        no_twin: bool,
    },
    /// A scenario, or `all`.
    Scenario { name: String },
    /// Plans that are compared on sim and the target; none are all that come with the program, or so many that
    /// are drawn.
    Conformance {
        plans: Vec<String>,
        cases: Option<u32>,
    },
    /// All plans of an alphabet.
    Explore {
        depth: usize,
        alphabet: String,
        seeds: u64,
    },
}

impl Repeat {
    /// The command that runs a plan again.
    pub fn replay(setup: &Setup, file: impl Into<PathBuf>, seed: u64) -> Self {
        Self {
            command: Command::Replay { file: file.into() },
            setup: Some(setup.clone()),
            seed,
        }
    }

    /// The command with the program as it was called, to be copied into a shell.
    pub fn as_called(&self) -> String {
        format!("{} {}", program(), self.arguments())
    }

    fn arguments(&self) -> String {
        let (head, tail) = match &self.command {
            Command::Replay { file } => (format!("replay {}", quoted(file)), String::new()),
            Command::Shrink {
                file,
                runs,
                no_twin,
            } => {
                let runs = runs.iter().map(|runs| format!(" --runs {runs}"));
                let no_twin = no_twin.then(|| " --no-twin".to_owned());
                let tail = runs.chain(no_twin).collect();
                (format!("shrink {}", quoted(file)), tail)
            }
            Command::Scenario { name } => (format!("scenario {name}"), String::new()),
            Command::Run {
                cases,
                max_steps,
                keep_going,
            } => (
                "run".to_owned(),
                format!(
                    " --max-steps {max_steps} --cases {cases}{}",
                    if *keep_going { " --keep-going" } else { "" }
                ),
            ),
            Command::Soak { max_steps } => ("soak".to_owned(), format!(" --max-steps {max_steps}")),
            Command::Conformance { plans, cases } => {
                let names = plans.iter().map(|plan| format!(" {}", quoted(plan)));
                let cases = cases.iter().map(|n| format!(" --cases {n}"));
                (
                    format!("conformance{}", names.collect::<String>()),
                    cases.collect(),
                )
            }
            Command::Explore {
                depth,
                alphabet,
                seeds,
            } => (
                "explore".to_owned(),
                format!(
                    " --depth {depth} --alphabet {} --seeds {seeds}",
                    quoted(alphabet)
                ),
            ),
        };
        let setup = self.setup.iter().map(|setup| format!(" {setup}"));
        let setup: String = setup.collect();
        format!("{head}{setup} --seed {}{tail}", Seed(self.seed))
    }
}

/// The program as the user called it: through cargo, by a path, or by its name.
pub fn program() -> String {
    let called = std::env::args_os().next().unwrap_or("shakedown".into());
    // Cargo gives its variables to what it runs.
    let package = std::env::var("CARGO_PKG_NAME");
    match package.is_ok_and(|name| name == env!("CARGO_PKG_NAME")) {
        true if cfg!(debug_assertions) => "cargo run --".into(),
        true => "cargo run --release --".into(),
        false => quoted(Path::new(&called)),
    }
}

/// A word as a POSIX shell reads it.
pub fn quoted(word: impl AsRef<Path>) -> String {
    let word = word.as_ref().display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word;
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl fmt::Display for Repeat {
    /// The command with the program by its plain name, to be kept in files.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shakedown {}", self.arguments())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_every_file_as_one_word() {
        let setup = Setup {
            target: "sim".into(),
            ..Setup::default()
        };
        let replay = |file: &str| Repeat::replay(&setup, file, 1).to_string();
        for (file, word) in [
            ("a/b-1.plan", "a/b-1.plan"),
            ("my plans/a.plan", "'my plans/a.plan'"),
            ("it's $HOME.plan", r"'it'\''s $HOME.plan'"),
        ] {
            let expected = format!("shakedown replay {word} --target sim --seed 0x1");
            assert_eq!(replay(file), expected);
        }
    }
}
