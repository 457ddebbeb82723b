//! One case of a campaign: its plan and its run seed, derived from the campaign's seed, and the
//! file that holds it while it runs.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::strategy::{BoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::{Config as ProptestConfig, RngAlgorithm, TestRng, TestRunner};

use super::Judge;
use crate::chance::Chance;
use crate::coverage::Coverage;
use crate::durable::{self, Locked};
use crate::plan::Plan;
use crate::regression::Seed;
use crate::runner::Outcome;
use crate::scratch;

/// A plan, and the seed that it runs with.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) plan: Plan,
    pub(crate) seed: u64,
}

/// A case that has run.
pub(crate) struct Ran {
    pub(crate) case: Case,
    pub(crate) outcome: Outcome,
    /// What this run alone reached.
    pub(crate) coverage: Coverage,
    /// How long it took, in real time.
    pub(crate) took: Duration,
}

impl Case {
    /// The case of this number: the same for the same campaign seed, whatever ran before it.
    ///
    /// # Errors
    /// Where the strategy rejects too many of its own plans.
    pub(crate) fn generate(
        strategy: &BoxedStrategy<Plan>,
        campaign_seed: u64,
        index: u64,
    ) -> Result<Self, String> {
        let (tree, seed) = tree(strategy, campaign_seed, index)?;
        Ok(Self {
            plan: tree.current(),
            seed,
        })
    }

    /// The plan with the seed as its comment.
    pub(super) fn text(&self) -> String {
        let mut plan = self.plan.clone();
        plan.comments.retain(|(_, text)| !is_seed(text));
        let seed = format!(" seed {}", Seed(self.seed));
        plan.comments.insert(0, (0, seed));
        plan.to_string()
    }

    /// Runs the case. A panic is a failure of the harness, so its verdict is unknown.
    pub(crate) fn ran(self, judge: &Judge<'_>) -> Ran {
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| judge(&self.plan, self.seed)));
        let outcome = outcome.unwrap_or_else(|panic| {
            let why = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("without a message");
            Outcome::unknown(format!(
                "the harness panicked: {why}; please report it with the plan"
            ))
        });
        let coverage = Coverage::of(&self.plan, &outcome.history);
        Ran {
            case: self,
            outcome,
            coverage,
            took: began.elapsed(),
        }
    }
}

/// What proptest generates for the case of this number, and the case's run seed.
///
/// # Errors
/// Where the strategy rejects too many of its own values.
pub fn tree<S: Strategy>(
    strategy: &S,
    campaign_seed: u64,
    index: u64,
) -> Result<(S::Tree, u64), String> {
    let mut words = Chance::new(campaign_seed);
    let mut words = Chance::new(words.word() ^ index);
    let mut bytes = [0; 32];
    for chunk in bytes.chunks_exact_mut(8) {
        chunk.copy_from_slice(&words.word().to_le_bytes());
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let tree = strategy
        .new_tree(&mut runner)
        .map_err(|reason| format!("no plan could be generated: {reason}"))?;
    Ok((tree, words.word()))
}

/// A random seed.
pub(super) fn drawn_seed() -> u64 {
    // The standard library keys its hashers at random; nothing here needs more than that.
    RandomState::new().build_hasher().finish()
}

/// A file that holds one case at a time, so that a run that is killed loses nothing. It is locked for as long as its
/// owner lives.
pub(crate) struct CaseFile {
    path: PathBuf,
    file: Locked,
    /// The bytes of the longest plan so far.
    longest: usize,
}

impl CaseFile {
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let file = durable::in_its_folder(path, || File::create(path))?;
        let file = Locked::alone(file)?;
        scratch::goes_with_process(path);
        Ok(Self {
            path: path.to_owned(),
            file,
            longest: 0,
        })
    }

    pub(crate) fn write(&mut self, case: &Case) -> io::Result<()> {
        let mut text = case.text();
        // Empty lines cover what is left of a longer plan: one write, and no moment with half of each.
        while text.len() < self.longest {
            text.push('\n');
        }
        self.longest = text.len();
        self.file.file().write_all_at(text.as_bytes(), 0)
    }

    /// Takes the file away: what it contains is known to have held, or is stored elsewhere.
    pub(crate) fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

impl Drop for CaseFile {
    fn drop(&mut self) {
        scratch::is_gone(&self.path);
    }
}

/// Removes the files in a folder that owners who were killed left, and returns them. A file is one of
/// those if its name has `running`, and nobody holds its lock.
pub(crate) fn sweep(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_left = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_one = name.contains("running-") && name.ends_with(".plan");
        is_one && File::open(path).is_ok_and(|file| Locked::alone(file).is_ok())
    };
    let left = entries.map(|entry| entry.path()).filter(is_left);
    left.filter(|path| std::fs::remove_file(path).is_ok())
        .collect()
}

fn is_seed(comment: &str) -> bool {
    comment.trim_start().starts_with("seed ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{Shape, plans};

    #[test]
    fn a_case_depends_on_nothing_but_seed_and_number() {
        let strategy = plans(&Shape::default());
        let case = |seed, index| {
            let case = Case::generate(&strategy, seed, index).unwrap();
            (case.plan.to_string(), case.seed)
        };
        assert_eq!(case(7, 3), case(7, 3));
        assert_ne!(case(7, 3).1, case(7, 4).1);
        assert_ne!(case(7, 3).1, case(8, 3).1);
    }

    #[test]
    fn a_slip_holds_the_newest_case_and_its_seed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out/running.plan");
        let mut case_file = CaseFile::at(&path).unwrap();
        for (text, seed) in [("crash acme\nwait 30s\n", 1), ("crash acme\n", 2)] {
            let text = format!("# shakedown plan v1\nsession acme/home\n{text}");
            let case = Case {
                plan: text.parse().unwrap(),
                seed,
            };
            case_file.write(&case).unwrap();
            let kept = crate::regression::read(&path).unwrap();
            assert_eq!(kept.seed, Some(seed));
            assert_eq!(kept.plan.steps, case.plan.steps);
        }
        case_file.remove().unwrap();
        assert!(!path.exists());
    }
}
