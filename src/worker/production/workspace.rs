//! The checkouts of a client's sessions, and their remote, through the `git` command.

mod opening;

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::cleaning::is_whole;
use super::files::change_file;
use super::git::Git;
use super::refs::{is_absent, read_ref};
use crate::plan::{ClientId, SessionId, fill_name};
use crate::worker::ports::{
    CommitId, FileChange, Force, Kind, PortError, PortResult, PushError, Rebase, Status, Workspace,
};

/// Prints the ids of the instructions that a commit carries, one a line.
const INSTRUCTION_IDS: &str = "%(trailers:key=Instruction,valueonly)";

/// One folder for each session, named by its thread.
#[derive(Clone)]
pub struct Checkouts {
    git: Git,
    root: PathBuf,
    client: ClientId,
    remote: String,
    branches: String,
}

impl Checkouts {
    /// The checkouts under `root`, of the repository `{base}/{client}.git`, with branches of this
    /// pattern.
    pub fn new(git: Git, root: &Path, base: &str, client: &ClientId, branches: &str) -> Self {
        Self {
            git,
            root: root.into(),
            client: client.clone(),
            remote: format!("{}/{client}.git", base.trim_end_matches('/')),
            branches: branches.into(),
        }
    }

    pub fn folder(&self, session: &SessionId) -> PathBuf {
        self.root.join(&*session.thread)
    }

    /// The branch that holds a session's work.
    fn branch(&self, session: &SessionId) -> String {
        fill_name(&self.branches, &session.client, Some(session))
    }

    fn tracking(&self, session: &SessionId) -> String {
        format!("refs/remotes/origin/{}", self.branch(session))
    }

    fn git_folder(&self, session: &SessionId) -> PathBuf {
        self.folder(session).join(".git")
    }

    async fn git(&self, session: &SessionId, arguments: &[&str]) -> PortResult<String> {
        self.git.output(&self.folder(session), arguments).await
    }

    fn read_ref(&self, session: &SessionId, name: &str) -> PortResult<Option<String>> {
        read_ref(&self.git_folder(session), name)
            .map_err(|error| failed("read a ref of", session, &error))
    }

    fn head(&self, session: &SessionId) -> PortResult<CommitId> {
        let name = format!("refs/heads/{}", self.branch(session));
        self.read_ref(session, &name)?
            .map(Into::into)
            .ok_or_else(|| {
                let text = format!(
                    "the workspace of {session} has no branch {}",
                    self.branch(session)
                );
                PortError::new(Kind::Missing, text)
            })
    }

    /// The remote-tracking branch; where the remote has no such branch yet, its `main`, which the
    /// branch began at.
    fn upstream(&self, session: &SessionId) -> PortResult<Option<String>> {
        match self.read_ref(session, &self.tracking(session))? {
            Some(id) => Ok(Some(id)),
            None => self.read_ref(session, "refs/remotes/origin/main"),
        }
    }

    /// What a merge could not resolve by itself goes as the session has it.
    async fn resolve_for_session(&self, session: &SessionId) -> PortResult<()> {
        let unmerged = self.git(session, &["ls-files", "--unmerged", "-z"]).await?;
        let mut ours = Vec::new();
        let mut all = Vec::new();
        for entry in unmerged.split('\0').filter(|entry| !entry.is_empty()) {
            let Some((stage, path)) = entry.split_once('\t') else {
                continue;
            };
            all.push(path);
            if stage.ends_with(" 2") {
                ours.push(path);
            }
        }
        all.dedup();
        for path in all {
            if ours.contains(&path) {
                self.git(session, &["checkout", "--quiet", "--ours", "--", path])
                    .await?;
                self.git(session, &["add", "--", path]).await?;
            } else {
                self.git(session, &["rm", "--quiet", "--force", "--", path])
                    .await?;
            }
        }
        self.git(session, &["commit", "--quiet", "--no-edit"])
            .await?;
        Ok(())
    }
}

#[async_trait(?Send)]
impl Workspace for Checkouts {
    async fn open(&self, session: &SessionId) -> PortResult<bool> {
        let is_whole = is_whole(&self.git_folder(session), &self.branch(session))
            .map_err(|error| failed("look at", session, &error))?;
        if is_whole {
            self.clean(session).await?;
        } else {
            self.clone(session).await?;
        }
        Ok(!is_whole)
    }

    async fn sessions(&self) -> PortResult<Vec<SessionId>> {
        let entries = match std::fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) => {
                let text = format!("cannot list {}: {error}", self.root.display());
                return Err(PortError::new(Kind::Other, text));
            }
        };
        let mut sessions: Vec<SessionId> = entries
            .flatten()
            .filter(|entry| entry.path().join(".git").is_dir())
            .filter_map(|entry| {
                let thread = entry.file_name();
                SessionId::parse(&format!("{}/{}", self.client, thread.to_str()?))
            })
            .collect();
        sessions.sort();
        Ok(sessions)
    }

    async fn fetch(&self, session: &SessionId) -> PortResult<()> {
        let arguments = [
            "fetch",
            "--quiet",
            "--prune",
            "--no-tags",
            "--no-write-fetch-head",
            "origin",
        ];
        self.git(session, &arguments).await?;
        Ok(())
    }

    async fn status(&self, session: &SessionId) -> PortResult<Status> {
        let head = self.head(session)?;
        let mut status = Status {
            head: head.clone(),
            ahead: Vec::new(),
            behind: 0,
        };
        let Some(upstream) = self.upstream(session)? else {
            return Ok(status);
        };
        if *upstream == *head {
            return Ok(status);
        }
        let range = format!("{head}...{upstream}");
        let format = format!("--format=%m%h%x00%P%x00{INSTRUCTION_IDS}%x00");
        let log = [
            "log",
            "--topo-order",
            "--reverse",
            "--left-right",
            &format,
            &range,
        ];
        let output = self.git(session, &log).await?;
        let mut fields = output.split('\0').map(str::trim);
        while let (Some(name), Some(parents), Some(ids)) =
            (fields.next(), fields.next(), fields.next())
        {
            let Some(name) = name.strip_prefix('<') else {
                status.behind += 1;
                continue;
            };
            let is_merge = parents.contains(' ');
            // A commit of an outsider is called by its own name.
            let id = ids.lines().next().filter(|_| !is_merge);
            let other = if is_merge { "" } else { name };
            status.ahead.push(id.unwrap_or(other).into());
        }
        Ok(status)
    }

    async fn has_instruction(&self, session: &SessionId, id: &str) -> PortResult<bool> {
        let head = self.head(session)?;
        let format = format!("--format={INSTRUCTION_IDS}");
        // The search is for any text with these words; the trailer decides.
        let words = format!("--grep=Instruction: {id}");
        let log = ["log", "--fixed-strings", &words, &format, &head];
        let output = self.git(session, &log).await?;
        Ok(output.lines().any(|line| line == id))
    }

    async fn instructed(&self, session: &SessionId) -> PortResult<Vec<CommitId>> {
        let head = self.head(session)?;
        let format = format!("--format=%H%x00{INSTRUCTION_IDS}%x00");
        let output = self
            .git(session, &["log", "--topo-order", &format, &head])
            .await?;
        let fields: Vec<&str> = output.split('\0').map(str::trim).collect();
        let commits = fields.chunks_exact(2).filter(|pair| !pair[1].is_empty());
        Ok(commits.map(|pair| pair[0].into()).collect())
    }

    async fn apply(&self, session: &SessionId, changes: &[FileChange]) -> PortResult<()> {
        let folder = self.folder(session);
        for change in changes {
            change_file(&folder, change)?;
            // Many large files take long, and messages must be kept invisible meanwhile.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn commit(&self, session: &SessionId, message: &str, id: &str) -> PortResult<CommitId> {
        self.git(session, &["add", "--all"]).await?;
        let message = format!("{}\n\nInstruction: {id}\n", message.trim_end());
        let arguments = [
            "commit",
            "--quiet",
            "--allow-empty",
            "--cleanup=verbatim",
            "--file=-",
        ];
        let folder = self.folder(session);
        let finished = self
            .git
            .finish(&folder, &arguments, &[], message.as_bytes())
            .await?;
        if !finished.status.success() {
            return Err(self.git.failure(&arguments, &finished));
        }
        self.head(session)
    }

    async fn rebase(&self, session: &SessionId) -> PortResult<Rebase> {
        if self.read_ref(session, &self.tracking(session))?.is_none() {
            return Ok(Rebase::Done);
        }
        let onto = self.tracking(session);
        let arguments = [
            "rebase",
            "--quiet",
            "--reapply-cherry-picks",
            "--empty=keep",
            &onto,
        ];
        let folder = self.folder(session);
        let finished = self.git.finish(&folder, &arguments, &[], b"").await?;
        if finished.status.success() {
            return Ok(Rebase::Done);
        }
        let is_conflict = self.git_folder(session).join("rebase-merge").is_dir();
        if !is_conflict {
            return Err(self.git.failure(&arguments, &finished));
        }
        self.git(session, &["rebase", "--abort"]).await?;
        Ok(Rebase::Conflict)
    }

    async fn merge(&self, session: &SessionId) -> PortResult<()> {
        let theirs = self.tracking(session);
        let message = format!("Merge an outside change into {}", self.branch(session));
        let arguments = [
            "merge",
            "--quiet",
            "--no-edit",
            "--strategy-option=ours",
            "-m",
            &message,
            &theirs,
        ];
        let folder = self.folder(session);
        let finished = self.git.finish(&folder, &arguments, &[], b"").await?;
        if finished.status.success() {
            return Ok(());
        }
        if !self.git_folder(session).join("MERGE_HEAD").exists() {
            return Err(self.git.failure(&arguments, &finished));
        }
        self.resolve_for_session(session).await
    }

    async fn push(&self, session: &SessionId, force: Force) -> Result<(), PushError> {
        let branch = self.branch(session);
        let refspec = format!("refs/heads/{branch}:refs/heads/{branch}");
        let mut arguments = vec!["push", "--porcelain", "--no-verify", "origin", &refspec];
        if force == Force::Always {
            arguments.insert(1, "--force");
        }
        let folder = self.folder(session);
        let finished = self.git.finish(&folder, &arguments, &[], b"").await?;
        if finished.status.success() {
            return Ok(());
        }
        let output = String::from_utf8_lossy(&finished.stdout);
        let refused = output.lines().find(|line| line.starts_with('!'));
        let others_were_faster = |line: &&str| {
            line.contains("[rejected]")
                // Another push came between what the remote said and what it did.
                || ["cannot lock ref", "incorrect old value", "failed to update ref"]
                    .iter()
                    .any(|words| line.contains(words))
        };
        if let Some(line) = refused.filter(others_were_faster) {
            let why = line.rsplit('\t').next().unwrap_or(line);
            return Err(PushError::Rejected(why.into()));
        }
        let mut error = self.git.failure(&arguments, &finished);
        if let Some(line) = refused {
            error.text = format!("git push: {}", line.rsplit('\t').next().unwrap_or(line));
        }
        Err(error.into())
    }
}

fn failed(doing: &str, session: &SessionId, error: &io::Error) -> PortError {
    let text = format!("cannot {doing} the workspace of {session}: {error}");
    PortError::new(Kind::Other, text)
}

#[cfg(test)]
mod tests;
