//! Builds of the tester's own: a commit in clean checkouts, twice, to know what a site should hold.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cloud::{check_out, trees_with};
use crate::history::{Content, OwnBuild, OwnFile};
use crate::plan::Mark;
use crate::process;
use crate::profile::BuildCommand;
use crate::scratch::Scratch;
use crate::site::read_content;

/// How commits of one client are built.
#[derive(Clone, Debug)]
pub(in crate::target) struct OwnBuilds {
    build: BuildCommand,
    /// All that a build gets, besides folders of its own.
    environment: Vec<(OsString, OsString)>,
}

/// What two builds of a tree made.
#[derive(Debug)]
struct Made {
    error: Option<Arc<str>>,
    files: BTreeMap<Arc<str>, OwnFile>,
    keys_vary: bool,
}

type Files = BTreeMap<Arc<str>, Content>;

/// What a tree is built with, and its id.
type Key = (String, String);

/// What was built in this process: the plans of a campaign have many trees in common.
static MADE: LazyLock<Mutex<HashMap<Key, Arc<Made>>>> = LazyLock::new(Mutex::default);
/// How many builds are remembered.
const REMEMBERED: usize = 4096;
/// Commits with the same marks may differ otherwise; more of them are not tried.
const MOST_TREES: usize = 4;
/// How often a build is looked after.
const TICK: Duration = Duration::from_millis(5);

impl OwnBuilds {
    /// Builds of a client whose containers have this environment.
    pub(in crate::target) fn new(
        build: BuildCommand,
        environment: &[(OsString, OsString)],
    ) -> Self {
        let is_passed = |name: &OsString| build.environment.iter().any(|passed| name == &**passed);
        let passed = environment.iter().filter(|(name, _)| is_passed(name));
        let environment = passed.cloned().collect();
        Self { build, environment }
    }

    /// The builds of the commits in these repositories whose trees have exactly these marks. What
    /// cannot be found or built is left out.
    pub(in crate::target) fn of(&self, repositories: &[PathBuf], marks: &[Mark]) -> Vec<OwnBuild> {
        let mut trees: Vec<(&Path, String)> = Vec::new();
        for repository in repositories {
            let found = trees_with(repository, marks).unwrap_or_else(|error| {
                tracing::debug!("looking for commits in {}: {error}", repository.display());
                Vec::new()
            });
            for tree in found {
                if !trees.iter().any(|(_, known)| *known == tree) {
                    trees.push((repository, tree));
                }
            }
        }
        trees.truncate(MOST_TREES);
        let builds = trees.into_iter().filter_map(|(repository, tree)| {
            let made = self.made(repository, &tree);
            let made = made.inspect_err(|error| tracing::warn!("building {tree}: {error}"));
            let made = made.ok()?;
            Some(OwnBuild {
                marks: marks.to_vec(),
                tree: tree.into(),
                error: made.error.clone(),
                files: made.files.clone(),
                keys_vary: made.keys_vary,
            })
        });
        builds.collect()
    }

    /// What builds of a tree make: known, or found out now.
    fn made(&self, repository: &Path, tree: &str) -> io::Result<Arc<Made>> {
        let known = || MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (format!("{self:?}"), tree.to_owned());
        if let Some(made) = known().get(&key) {
            return Ok(made.clone());
        }
        let made = Arc::new(self.make(repository, tree)?);
        let mut known = known();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(key, made.clone());
        Ok(made)
    }

    fn make(&self, repository: &Path, tree: &str) -> io::Result<Made> {
        let scratch = Scratch::new("build").map_err(io::Error::other)?;
        // In folders of other names: a build that writes down where it ran varies.
        let build = |name: &str| self.build_in(repository, tree, &scratch.path().join(name));
        let both = match build("one")? {
            Ok(first) => build("another")?.map(|second| (first, second)),
            Err(why) => Err(why),
        };
        Ok(match both {
            Ok((first, second)) => Made {
                error: None,
                keys_vary: !first.keys().eq(second.keys()),
                files: common(&first, &second),
            },
            Err(why) => Made {
                error: Some(why.into()),
                files: BTreeMap::new(),
                keys_vary: false,
            },
        })
    }

    /// Builds a tree in a new folder. Returns what it made, or why it failed.
    ///
    /// # Errors
    /// When it cannot be run, or does not end in its time.
    fn build_in(
        &self,
        repository: &Path,
        tree: &str,
        folder: &Path,
    ) -> io::Result<Result<Files, String>> {
        let [checkout, home, said] = ["site", "home", "said"].map(|name| folder.join(name));
        std::fs::create_dir_all(&checkout)?;
        std::fs::create_dir(&home)?;
        check_out(repository, tree, &checkout, &folder.join("index"))?;
        let output = File::create(&said)?;
        let mut command = process::command(&self.build.command[0]);
        command
            .args(&self.build.command[1..])
            .current_dir(&checkout)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("HOME", &home)
            .env("TMPDIR", &home)
            .stdout(output.try_clone()?)
            .stderr(output);
        let status = run(&mut command, self.build.within)?;
        if !status.success() {
            let said = std::fs::read(&said)?;
            let said = String::from_utf8_lossy(&said);
            let last = said.lines().rfind(|line| !line.trim().is_empty());
            return Ok(Err(format!(
                "{status}: {}",
                last.unwrap_or("it said nothing")
            )));
        }
        let output = checkout.join(&self.build.output);
        if !output.is_dir() {
            return Ok(Err(format!("it made no folder `{}`", self.build.output)));
        }
        let mut files = Files::new();
        read_files(&output, "", &mut files)?;
        Ok(Ok(files))
    }
}

/// What both builds made.
fn common(first: &Files, second: &Files) -> BTreeMap<Arc<str>, OwnFile> {
    let both = first.iter().filter_map(|(key, content)| {
        let other = second.get(key)?;
        let file = match content.digest == other.digest && content.size == other.size {
            true => OwnFile::Same(content.digest),
            false => OwnFile::Varies(content.marks.clone()),
        };
        Some((key.clone(), file))
    });
    both.collect()
}

/// Runs a command in a process group of its own, and ends all that it started.
fn run(command: &mut Command, within: Duration) -> io::Result<ExitStatus> {
    command.process_group(0);
    process::die_with_parent(command);
    let mut child = command.spawn()?;
    let group = child.id().cast_signed();
    let deadline = Instant::now() + within;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Ok(status);
        }
        if Instant::now() >= deadline {
            let text = format!("it did not end within {} s", within.as_secs());
            break Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        std::thread::sleep(TICK);
    };
    // A process that it left behind must not write on while the files are read.
    process::kill_group(group)?;
    if status.is_err() {
        child.wait()?;
    }
    status
}

/// Reads every regular file below a folder; links could lead out of the build.
fn read_files(folder: &Path, prefix: &str, files: &mut Files) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let key = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            read_files(&entry.path(), &format!("{key}/"), files)?;
        } else if kind.is_file() {
            let content = read_content(&key, &std::fs::read(entry.path())?);
            files.insert(key.into(), content);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
