//! Looking at the containers' checkouts from outside: which commits they have, and what is
//! unfinished in them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cloud::read_clone;
use crate::history::{Branch, Workspace};
use crate::plan::{ClientId, SessionId};
use crate::process;
use crate::target::TargetError;
use crate::worker::production::read_ref;

/// The checkout of every session, as it was last seen.
pub(super) struct Checkouts(BTreeMap<SessionId, Checkout>);

struct Checkout {
    folder: PathBuf,
    /// The repository that it was cloned from.
    remote: PathBuf,
    /// The name of the branch.
    name: String,
    /// The branch's newest commit when the branch was last read.
    head: Option<String>,
    branch: Arc<Branch>,
}

impl Checkouts {
    /// The checkouts in these folders, of a branch of a repository each.
    pub(super) fn new(
        folders: impl Iterator<Item = (SessionId, PathBuf, (PathBuf, String))>,
    ) -> Self {
        let checkout = |folder, (remote, name)| Checkout {
            folder,
            remote,
            name,
            head: None,
            branch: Arc::default(),
        };
        Self(
            folders
                .map(|(session, folder, of)| (session, checkout(folder, of)))
                .collect(),
        )
    }

    /// The branches of a client's sessions, or of all, that changed since they were last seen.
    pub(super) fn changed(
        &mut self,
        client: Option<&ClientId>,
    ) -> Result<Vec<(SessionId, Arc<Branch>)>, TargetError> {
        let mut changed = Vec::new();
        let wanted = |session: &SessionId| client.is_none_or(|client| session.client == *client);
        for (session, checkout) in self.0.iter_mut().filter(|(session, _)| wanted(session)) {
            let is_new = checkout
                .look()
                .map_err(|error| cannot_read(session, &error))?;
            if is_new {
                changed.push((session.clone(), checkout.branch.clone()));
            }
        }
        Ok(changed)
    }

    /// The folders of a client's checkouts, whether they exist or not.
    pub(super) fn folders(&self, client: &ClientId) -> impl Iterator<Item = PathBuf> {
        let of_client = self.0.iter().filter(|(of, _)| of.client == *client);
        of_client.map(|(_, checkout)| checkout.folder.clone())
    }

    /// Forgets what a client's checkouts held: they are gone.
    pub(super) fn forget(&mut self, client: &ClientId) {
        for (session, checkout) in &mut self.0 {
            if session.client == *client {
                checkout.head = None;
                checkout.branch = Arc::default();
            }
        }
    }

    /// The checkouts that exist, with what is unfinished in them.
    pub(super) fn look_at_all(&mut self) -> Result<BTreeMap<SessionId, Workspace>, TargetError> {
        let mut seen = BTreeMap::new();
        for (session, checkout) in &mut self.0 {
            checkout
                .look()
                .and_then(|_| {
                    if checkout.head.is_some() {
                        let debris = debris(&checkout.folder)?;
                        let branch = (*checkout.branch).clone();
                        seen.insert(session.clone(), Workspace { branch, debris });
                    }
                    Ok(())
                })
                .map_err(|error| cannot_read(session, &error))?;
        }
        Ok(seen)
    }
}

impl Checkout {
    /// Reads the branch again if its newest commit is another. Returns whether it differs.
    fn look(&mut self) -> io::Result<bool> {
        let head = self.read_head()?;
        if head == self.head {
            return Ok(false);
        }
        let branch = match &head {
            None => Branch::default(),
            Some(_) => {
                let main = read_ref(&self.remote, "refs/heads/main")?;
                let read = read_clone(&self.folder, &self.name, &self.remote, main.as_deref());
                match read {
                    Ok(branch) => branch.unwrap_or_default(),
                    // It was removed meanwhile, as a process for each instruction does: it is looked
                    // at again.
                    Err(_) if self.read_head()? != head => return Ok(false),
                    Err(error) => return Err(error),
                }
            }
        };
        self.head = head;
        let differs = branch != *self.branch;
        self.branch = Arc::new(branch);
        Ok(differs)
    }

    /// The branch's newest commit.
    fn read_head(&self) -> io::Result<Option<String>> {
        read_ref(
            &self.folder.join(".git"),
            &format!("refs/heads/{}", self.name),
        )
    }
}

/// What git would call unfinished or stray in a checkout.
fn debris(checkout: &Path) -> io::Result<Vec<String>> {
    let mut debris = Vec::new();
    let git_folder = checkout.join(".git");
    for (name, what) in [
        ("rebase-merge", "an unfinished rebase"),
        ("rebase-apply", "an unfinished rebase"),
        ("MERGE_HEAD", "an unfinished merge"),
        ("CHERRY_PICK_HEAD", "an unfinished cherry-pick"),
        ("REVERT_HEAD", "an unfinished revert"),
        ("refs/stash", "a stash"),
    ] {
        if git_folder.join(name).exists() {
            debris.push(what.into());
        }
    }
    let mut folders = vec![git_folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.file_name().to_string_lossy().ends_with(".lock") {
                debris.push(format!("a lock file: {}", entry.file_name().display()));
            }
        }
    }
    let mut git = process::git("git");
    git.arg("-C")
        .arg(checkout)
        .args(["status", "--porcelain", "--untracked-files=all"]);
    let status = process::output(&mut git)?;
    if !status.status.success() {
        let why = String::from_utf8_lossy(&status.stderr);
        return Err(io::Error::other(why.trim().to_owned()));
    }
    let files = String::from_utf8_lossy(&status.stdout);
    debris.extend(
        files
            .lines()
            .map(|line| format!("a stray change: {}", line.trim())),
    );
    Ok(debris)
}

fn cannot_read(session: &SessionId, error: &io::Error) -> TargetError {
    TargetError::new(
        format!("looking at the workspace of {session}"),
        error,
        "make sure that git works, and run it again",
    )
}
