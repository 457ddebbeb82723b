//! The build: a shell command in a clean checkout of one commit.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::process::Command;

use super::child::{Finished, run};
use super::clock::WallClock;
use super::git::{Git, inherited};
use super::secrets::Secrets;
use super::workspace::Checkouts;
use crate::plan::SessionId;
use crate::process;
use crate::worker::ports::{Build, BuildStatus, Builder, CommitId, Kind, PortError, PortResult};

/// Builds in a scratch folder beside the checkouts, which it leaves as they are.
pub struct ShellBuilder {
    pub git: Git,
    pub checkouts: Checkouts,
    pub root: PathBuf,
    /// Run by `sh -c`. Lines on standard error that begin with `warning:` make the build a
    /// partial one; any exit but 0 makes it a failed one.
    pub command: String,
    /// The folder that the command fills, inside the checkout.
    pub output: String,
    pub clock: Rc<WallClock>,
    pub secrets: Secrets,
}

/// How long a build may run. One that hangs would keep its container from all other work.
const LIMIT: Duration = Duration::from_secs(600);

/// The message for a build without an exit status or a word on standard error.
const SILENT: &str = "it said nothing on standard error";

#[async_trait(?Send)]
impl Builder for ShellBuilder {
    async fn build(&self, session: &SessionId, commit: &CommitId) -> PortResult<Build> {
        let scratch = Scratch::new(self.root.join(format!(".build-{}", session.thread)))
            .map_err(|error| cannot("make a folder for the build", &error))?;
        self.check_out(session, commit, &scratch).await?;
        let tree = scratch.tree();
        let limit = self.clock.real(LIMIT);
        let mut status = match tokio::time::timeout(limit, self.run_command(&tree)).await {
            Ok(Ok(finished)) => self.status(&finished),
            Ok(Err(error)) => return Err(cannot("run the build command", &error)),
            Err(_) => BuildStatus::Failed(format!("it ran for {} s", LIMIT.as_secs())),
        };
        let output = tree.join(&self.output);
        let files = read_files(&output).map_err(|error| cannot("read the build", &error))?;
        if !output.is_dir() && !matches!(status, BuildStatus::Failed(_)) {
            status = BuildStatus::Failed(format!("it made no folder `{}`", self.output));
        }
        Ok(Build { status, files })
    }
}

impl ShellBuilder {
    /// Puts the commit's files into the scratch folder, with an index of its own.
    async fn check_out(
        &self,
        session: &SessionId,
        commit: &CommitId,
        scratch: &Scratch,
    ) -> PortResult<()> {
        let checkout = self.checkouts.folder(session);
        let missing = || {
            let text = format!("commit {commit} of {session} is not in the workspace");
            Err(PortError::new(Kind::Missing, text))
        };
        if !checkout.join(".git").is_dir() {
            return missing();
        }
        let arguments = ["read-tree", "--reset", "-u", commit];
        let environment = [
            ("GIT_INDEX_FILE", &*scratch.0.join("index")),
            ("GIT_WORK_TREE", &*scratch.tree()),
            ("GIT_DIR", &*checkout.join(".git")),
        ];
        let finished = self
            .git
            .finish(&scratch.tree(), &arguments, &environment, b"")
            .await?;
        if finished.status.success() {
            return Ok(());
        }
        let exists = ["cat-file", "-e", &format!("{commit}^{{commit}}")];
        if self.git.output(&checkout, &exists).await.is_err() {
            return missing();
        }
        Err(self.git.failure(&arguments, &finished))
    }

    async fn run_command(&self, tree: &Path) -> io::Result<Finished> {
        let mut command = Command::from(process::command("sh"));
        command
            .args(["-c", &self.command])
            .current_dir(tree)
            // What is built was written by an agent: it gets no token that it could reveal.
            .envs(inherited());
        run(command, b"").await
    }

    fn status(&self, finished: &Finished) -> BuildStatus {
        let stderr = self.secrets.hide(&finished.stderr);
        let (warnings, rest): (Vec<&str>, Vec<&str>) = stderr
            .lines()
            .map(str::trim_end)
            .filter(|line| !line.is_empty())
            .partition(|line| line.starts_with("warning:"));
        if !finished.status.success() {
            // The end of a build's output is where it says what stopped it.
            let why = rest.last().or(warnings.last()).copied().unwrap_or(SILENT);
            return BuildStatus::Failed(match finished.status.code() {
                Some(_) if why != SILENT => why.into(),
                _ => format!("{}; {why}", finished.status),
            });
        }
        if warnings.is_empty() {
            BuildStatus::Good
        } else {
            BuildStatus::Warned(warnings.into_iter().map(Into::into).collect())
        }
    }
}

/// A folder that is removed when the build is over; one that a crash left is removed first.
struct Scratch(PathBuf);

impl Scratch {
    fn new(folder: PathBuf) -> io::Result<Self> {
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        let scratch = Self(folder);
        std::fs::create_dir_all(scratch.tree())?;
        Ok(scratch)
    }

    fn tree(&self) -> PathBuf {
        self.0.join("tree")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is in the way of the next build, which says so.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Every regular file under a folder, by its path in it. Links are left out: they could lead to
/// what is not the site's.
fn read_files(folder: &Path) -> io::Result<BTreeMap<Arc<str>, Arc<[u8]>>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        let entries = match std::fs::read_dir(&next) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            let path = entry.path();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file()
                && let Ok(key) = path.strip_prefix(folder)
            {
                files.insert(key.to_string_lossy().into(), std::fs::read(&path)?.into());
            }
        }
    }
    Ok(files)
}

fn cannot(doing: &str, error: &io::Error) -> PortError {
    PortError::new(Kind::Other, format!("cannot {doing}: {error}"))
}

#[cfg(test)]
mod tests;
