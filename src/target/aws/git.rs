//! The repository of a deployed system: what its branches are, and what an outsider pushes to them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;

use crate::cloud::{commit_from_outside, read_branch};
use crate::history::Branch;
use crate::plan::{Mark, Outsider};
use crate::process;
use crate::scratch::Scratch;
use crate::target::TargetError;

/// Commits between two looks that are looked at one by one.
const MOST: usize = 50;
/// The branch that commits between two looks are looked at as.
const BETWEEN: &str = "shakedown-between";

/// A client's repository, and a copy of what was seen of it.
pub(super) struct Remote {
    url: String,
    /// The environment variable with the token for it.
    token: Option<String>,
    copy: Scratch,
    /// The branches of the run's sessions, with the commit that each was last seen at.
    tips: BTreeMap<String, String>,
    requests: u64,
}

/// A git command that may ask the remote; its token is seen in no list of processes.
fn asking(token: Option<&str>) -> io::Result<Command> {
    let mut git = process::git("git");
    if let Some(variable) = token {
        let token = std::env::var(variable).map_err(|_| {
            io::Error::other(format!(
                "the environment variable {variable}, which `git-token` of [aws] names, is not set"
            ))
        })?;
        let basic = BASE64.encode(format!("x-access-token:{token}"));
        git.env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "http.extraHeader")
            .env(
                "GIT_CONFIG_VALUE_0",
                format!("Authorization: Basic {basic}"),
            );
    }
    Ok(git)
}

fn done(command: &mut Command) -> io::Result<String> {
    let output = process::output(command)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("git: {}", said.trim())))
}

/// The commits of these branches, as far as they exist.
fn listed<'a>(
    url: &str,
    token: Option<&str>,
    names: impl Iterator<Item = &'a str>,
) -> io::Result<BTreeMap<String, String>> {
    let mut list = asking(token)?;
    list.args(["ls-remote", url]);
    let list = list.args(names.map(|name| format!("refs/heads/{name}")));
    let listed = done(list)?;
    let lines = listed.lines().filter_map(|line| line.split_once('\t'));
    let named =
        lines.filter_map(|(commit, name)| Some((name.strip_prefix("refs/heads/")?, commit)));
    Ok(named
        .map(|(name, commit)| (name.to_owned(), commit.to_owned()))
        .collect())
}

/// Deletes these branches from a repository, as far as they exist. Returns how many did.
pub(super) fn delete(url: &str, token: Option<&str>, names: &[String]) -> Result<usize, String> {
    let delete = || {
        let there = listed(url, token, names.iter().map(String::as_str))?;
        if there.is_empty() {
            return Ok(0);
        }
        // A push needs a repository that it is from.
        let empty = Scratch::new("heal").map_err(io::Error::other)?;
        done(
            process::git("git")
                .args(["init", "--quiet", "--bare"])
                .arg(empty.path()),
        )?;
        let mut push = asking(token)?;
        push.arg("-C")
            .arg(empty.path())
            .args(["push", "--quiet", url]);
        done(push.args(there.keys().map(|name| format!(":refs/heads/{name}"))))?;
        Ok(there.len())
    };
    delete().map_err(|error: io::Error| error.to_string())
}

impl Remote {
    /// The repository with these branches, none of which is looked at yet.
    pub(super) fn open(
        url: &str,
        token: Option<&str>,
        branches: impl Iterator<Item = String>,
    ) -> Result<Self, TargetError> {
        let copy = Scratch::new("remote")?;
        let mut remote = Self {
            url: url.into(),
            token: token.map(str::to_owned),
            copy,
            tips: branches.map(|name| (name, String::new())).collect(),
            requests: 0,
        };
        let made = remote.prepare();
        made.map_err(|error| {
            TargetError::new(
                format!("reading the repository {url}"),
                error,
                "look at `git` and `git-token` in [aws] of the profile",
            )
        })?;
        Ok(remote)
    }

    fn prepare(&mut self) -> io::Result<()> {
        let mut init = process::git("git");
        init.args(["init", "--quiet", "--bare"]);
        done(init.arg(self.copy.path()))?;
        self.fetch(&["main".into()])?;
        let names = self.tips.keys().map(String::as_str);
        self.requests += 1;
        let there = listed(&self.url, self.token.as_deref(), names)?;
        match there.keys().next() {
            None => Ok(()),
            Some(name) => Err(io::Error::other(format!("it has a branch {name} already"))),
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.copy.path()
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    fn here(&self, arguments: &[&str]) -> io::Result<String> {
        let mut git = process::git("git");
        done(git.arg("-C").arg(self.copy.path()).args(arguments))
    }

    fn fetch(&mut self, branches: &[String]) -> io::Result<()> {
        self.requests += 1;
        let mut fetch = asking(self.token.as_deref())?;
        fetch.arg("-C").arg(self.copy.path());
        fetch.args(["fetch", "--quiet", "--no-tags", &self.url]);
        let specs = branches
            .iter()
            .map(|name| format!("+refs/heads/{name}:refs/heads/{name}"));
        done(fetch.args(specs)).map(drop)
    }

    /// What became of the branches since the last look, in an order that they can have had: each as it was after some
    /// commit, up to what it is now.
    ///
    /// # Errors
    /// When the remote cannot be asked.
    pub(super) fn look(&mut self) -> io::Result<Vec<(String, Branch)>> {
        self.requests += 1;
        let names = self.tips.keys().map(String::as_str);
        let there = listed(&self.url, self.token.as_deref(), names)?;
        let known: Vec<(String, String)> = self.tips.clone().into_iter().collect();
        let mut seen = Vec::new();
        for (name, before) in known {
            let now = there.get(&name).cloned().unwrap_or_default();
            if now == before {
                continue;
            }
            if now.is_empty() {
                seen.push((name.clone(), Branch::default()));
            } else {
                self.fetch(std::slice::from_ref(&name))?;
                for commit in self.between(&name, &before)? {
                    let at = format!("refs/heads/{BETWEEN}");
                    self.here(&["update-ref", &at, &commit])?;
                    let branch = read_branch(self.copy.path(), BETWEEN)?;
                    seen.extend(branch.map(|branch| (name.clone(), branch)));
                    self.here(&["update-ref", "-d", &at])?;
                }
                let branch = read_branch(self.copy.path(), &name)?;
                seen.extend(branch.map(|branch| (name.clone(), branch)));
            }
            let tip = match now.is_empty() {
                true => String::new(),
                // It may have moved on since it was listed.
                false => self.here(&["rev-parse", &format!("refs/heads/{name}")])?,
            };
            self.tips.insert(name, tip.trim().to_owned());
        }
        Ok(seen)
    }

    /// The commits between what the branch was and what it is, each with all that was there before it.
    fn between(&self, name: &str, before: &str) -> io::Result<Vec<String>> {
        let from = match before.is_empty() {
            true => "refs/heads/main",
            false => before,
        };
        let range = format!("{from}..refs/heads/{name}");
        let listed = self.here(&[
            "rev-list",
            "--reverse",
            "--topo-order",
            "--ancestry-path",
            &range,
        ]);
        // What was rewritten has no way from the one to the other.
        let listed = listed.unwrap_or_default();
        let mut chain: Vec<String> = Vec::new();
        for commit in listed.lines().take(MOST) {
            let follows = match chain.last() {
                Some(last) => self
                    .here(&["merge-base", "--is-ancestor", last, commit])
                    .is_ok(),
                None => true,
            };
            if follows {
                chain.push(commit.to_owned());
            }
        }
        // The last one is the branch itself.
        chain.pop();
        Ok(chain)
    }

    /// Pushes a commit of an outsider; the copy has to be as the remote is. Returns the branch as it then is.
    ///
    /// # Errors
    /// When somebody else was faster, or the remote refuses.
    pub(super) fn push_from_outside(
        &mut self,
        name: &str,
        outsider: Outsider,
        mark: Mark,
    ) -> io::Result<Branch> {
        let before = self.tips.get(name).cloned().unwrap_or_default();
        let branch = commit_from_outside(self.copy.path(), name, outsider, mark)?;
        self.requests += 1;
        let mut push = asking(self.token.as_deref())?;
        push.arg("-C").arg(self.copy.path());
        let spec = format!("refs/heads/{name}:refs/heads/{name}");
        let pushed = done(push.args(["push", "--quiet", &self.url, &spec]));
        if let Err(error) = pushed {
            let at = format!("refs/heads/{name}");
            match before.is_empty() {
                true => self.here(&["update-ref", "-d", &at])?,
                false => self.here(&["update-ref", &at, &before])?,
            };
            return Err(error);
        }
        let tip = self.here(&["rev-parse", &format!("refs/heads/{name}")])?;
        self.tips.insert(name.into(), tip.trim().to_owned());
        Ok(branch)
    }
}
