//! The git remote: the bare repositories of each client, and pushes from outside.

use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::CloudConfig;
use super::branch::{branch_has_secret, git, read_branch};
use super::children::Children;
use super::recorder::Recorder;
use crate::error::TargetError;
use crate::files::FileChange;
use crate::history::{Branch, What};
use crate::plan::{ClientId, Mark, Outsider, SessionId};
use crate::process;
use crate::profile::Names;
use crate::site::{self, Tree};

const INSTALL_GIT: &str = "install git (2.36 or newer, with `git http-backend`) and put it on PATH";

/// The repositories of all clients.
pub(super) struct Remote {
    root: PathBuf,
    /// The CGI program that speaks git's HTTP protocol.
    backend: PathBuf,
    names: Names,
    recorder: Arc<Recorder>,
    pub(super) children: Children,
    repositories: Vec<Repository>,
}

/// A repository of the remote.
pub(super) struct Repository {
    /// Its path, without `.git`.
    pub(super) name: String,
    pub(super) client: ClientId,
    /// Whether it has the branches of the client's sessions.
    pub(super) is_site: bool,
    /// Held while a branch changes and that is recorded.
    changing: Mutex<()>,
}

impl Repository {
    /// Keeps its branches as they are.
    pub(super) fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remote {
    /// Makes the repositories of each client, with the site's template on `main`.
    ///
    /// # Errors
    /// When `git` or its `http-backend` is missing, or the folder cannot be written to.
    pub(super) fn new(
        root: &Path,
        config: &CloudConfig,
        recorder: Arc<Recorder>,
    ) -> Result<Self, TargetError> {
        let (clients, site) = (config.clients(), config.site);
        let backend = find_backend(&config.git)?;
        let names = &config.profile.names;
        let repositories = clients.iter().flat_map(|client| {
            let of_client = names.repositories(client).into_iter().enumerate();
            of_client.map(|(n, name)| Repository {
                name,
                client: client.clone(),
                is_site: n == 0,
                changing: Mutex::default(),
            })
        });
        let remote = Self {
            root: root.to_owned(),
            backend,
            names: names.clone(),
            recorder,
            children: Children::default(),
            repositories: repositories.collect(),
        };
        let mut template = site.template();
        let ignored = &config.profile.site.gitignore;
        if !ignored.is_empty() {
            let text = ignored.join("\n") + "\n";
            template.insert(".gitignore".into(), text.into());
        }
        let mut first: Option<PathBuf> = None;
        for repository in &remote.repositories {
            let path = remote.folder(&repository.name);
            let made = match &first {
                None => make_repository(&path, &template),
                Some(first) => copy_folder(first, &path),
            };
            made.map_err(|error| {
                TargetError::new(
                    format!("making the repository {}", path.display()),
                    error,
                    "make sure that the temporary folder can be written to, and that git works",
                )
            })?;
            first.get_or_insert(path);
        }
        Ok(remote)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn backend(&self) -> &Path {
        &self.backend
    }

    /// The bare repository with the branches of the client's sessions.
    pub(super) fn path(&self, client: &ClientId) -> PathBuf {
        self.folder(&self.names.repository(client))
    }

    /// The folder of a repository.
    pub(super) fn folder(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}.git"))
    }

    /// The repository of this name.
    pub(super) fn find(&self, name: &str) -> Option<&Repository> {
        self.repositories
            .iter()
            .find(|repository| repository.name == name)
    }

    /// The session's branch; `None` where it does not exist yet.
    pub(super) fn branch(&self, session: &SessionId) -> io::Result<Option<Branch>> {
        read_branch(&self.path(&session.client), &self.names.branch(session))
    }

    /// Whether a secret is in the session's branch.
    pub(super) fn has_secret(&self, session: &SessionId) -> io::Result<bool> {
        branch_has_secret(&self.path(&session.client), &self.names.branch(session))
    }

    /// The object that a ref names; empty where there is no such ref.
    pub(super) fn tip(&self, repository: &str, name: &str) -> io::Result<String> {
        let output = process::output(git(&self.folder(repository)).args([
            "rev-parse",
            "--verify",
            "--quiet",
            name,
        ]))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Commits to the session's branch as an outsider would, and records it. A branch that does
    /// not exist yet begins at `main`.
    pub(super) fn push_from_outside(
        &self,
        session: &SessionId,
        outsider: Outsider,
        mark: Mark,
    ) -> Result<(), TargetError> {
        let failed = |why: &dyn std::fmt::Display| {
            TargetError::new(
                format!("pushing to {session} from outside"),
                why,
                "make sure that the session is one of the plan's, and that git works",
            )
        };
        let repository = self.find(&self.names.repository(&session.client));
        let _lock = repository.ok_or_else(|| failed(&"no such client"))?.lock();
        let (path, branch) = (self.path(&session.client), self.names.branch(session));
        let branch = commit_from_outside(&path, &branch, outsider, mark);
        let branch = branch.map_err(|error| failed(&error))?;
        self.recorder.record(What::OutsiderPushed {
            session: session.clone(),
            mark,
            branch: Arc::new(branch),
        });
        Ok(())
    }
}

/// Commits to a branch of a repository as an outsider would. A branch that does not exist yet begins at
/// `main`.
///
/// # Errors
/// When `git` fails.
pub fn commit_from_outside(
    repository: &Path,
    branch: &str,
    outsider: Outsider,
    mark: Mark,
) -> io::Result<Branch> {
    let name = format!("refs/heads/{branch}");
    let parent = match read_branch(repository, branch)? {
        Some(_) => &name,
        None => "refs/heads/main",
    };
    let change = site::outsider_change(outsider == Outsider::Conflicting, mark);
    let mut files = Tree::new();
    if let FileChange::Append { path, .. } = &change {
        let there = process::output(git(repository).args([
            "cat-file",
            "blob",
            &format!("{parent}:{path}"),
        ]))?;
        // A file that is not there begins empty.
        let text = String::from_utf8_lossy(&there.stdout);
        files.insert(path.clone(), text.as_ref().into());
    }
    change.apply_to(&mut files);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    import(
        repository,
        &Import {
            branch: &name,
            parent: Some(parent),
            committer: "Outsider <outsider@localhost>",
            seconds: now.as_secs(),
            message: &format!("Outside change {mark}"),
            files: &files,
        },
    )?;
    read_branch(repository, branch)?
        .ok_or_else(|| io::Error::other("the branch is not there after the commit"))
}

/// Asks git which one it is, and where its programs are.
pub(crate) fn find_backend(git_program: &str) -> Result<PathBuf, TargetError> {
    let doing = "looking for git, which keeps the repositories";
    let failed = |why: String| TargetError::new(doing, why, INSTALL_GIT);
    let ask = |argument: &str| {
        let output = process::output(process::git(git_program).arg(argument));
        let output =
            output.map_err(|error| failed(format!("`{git_program}` cannot be run: {error}")))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let version = ask("--version")?;
    if !is_new_enough(&version) {
        return Err(failed(format!("`{git_program}` is `{version}`")));
    }
    let backend = Path::new(&ask("--exec-path")?).join("git-http-backend");
    if !backend.is_file() {
        return Err(failed(format!("there is no {}", backend.display())));
    }
    Ok(backend)
}

/// Whether a `git version 2.36.1` knows all that is asked of it.
fn is_new_enough(version: &str) -> bool {
    let mut numbers = version
        .trim_start_matches("git version ")
        .split(['.', ' '])
        .map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(2), Some(36))
}

/// Makes a bare repository with the template on `main`.
fn make_repository(path: &Path, template: &Tree) -> io::Result<()> {
    let mut init = process::git("git");
    init.args([
        "init",
        "--quiet",
        "--bare",
        "--template=",
        "--initial-branch=main",
    ])
    .arg(path);
    let output = process::output(&mut init)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("git init: {said}")));
    }
    let mut config = std::fs::OpenOptions::new()
        .append(true)
        .open(path.join("config"))?;
    // Nothing here has to survive a crash of the machine, and nothing may run on by itself.
    config.write_all(
        b"[core]\n\tfsync = none\n[http]\n\treceivepack = true\n[gc]\n\tauto = 0\n\
          [receive]\n\tautogc = false\n\tadvertisePushOptions = true\n\
          [uploadpack]\n\tallowFilter = true\n\tallowAnySHA1InWant = true\n\
          [maintenance]\n\tauto = false\n",
    )?;
    import(
        path,
        &Import {
            branch: "refs/heads/main",
            parent: None,
            committer: "Template <template@localhost>",
            seconds: 0,
            message: "Template",
            files: template,
        },
    )
}

/// One commit for `git fast-import`.
struct Import<'a> {
    branch: &'a str,
    parent: Option<&'a str>,
    committer: &'a str,
    /// The commit's time, since the Unix epoch.
    seconds: u64,
    message: &'a str,
    files: &'a Tree,
}

fn import(repository: &Path, commit: &Import) -> io::Result<()> {
    let Import {
        branch,
        committer,
        seconds,
        message,
        ..
    } = commit;
    let mut script = format!(
        "feature done\ncommit {branch}\ncommitter {committer} {seconds} +0000\n\
         data {}\n{message}\n",
        message.len()
    );
    if let Some(parent) = commit.parent {
        script.push_str(&format!("from {parent}^0\n"));
    }
    for (path, text) in commit.files {
        script.push_str(&format!(
            "M 100644 inline {path}\ndata {}\n{text}\n",
            text.len()
        ));
    }
    script.push_str("done\n");
    // From a file, which cannot block as a pipe could.
    let mut input = tempfile::tempfile()?;
    input.write_all(script.as_bytes())?;
    input.rewind()?;
    let mut fast_import = git(repository);
    fast_import
        .args(["fast-import", "--quiet"])
        .stdin(Stdio::from(input));
    let output = process::output(&mut fast_import)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("git fast-import: {said}")))
}

/// Copies a folder with all that is in it; a copy is made sooner than a repository.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_git_are_compared_as_numbers() {
        for (version, enough) in [
            ("git version 2.36.0", true),
            ("git version 2.39.5 (Apple Git-154)", true),
            ("git version 2.100.windows.1", true),
            ("git version 3.0", true),
            ("git version 2.35.8", false),
            ("git version 2.9.5", false),
            ("fatal: unknown option", false),
            ("", false),
        ] {
            assert_eq!(is_new_enough(version), enough, "{version}");
        }
    }
}
