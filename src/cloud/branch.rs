//! Reading a session's branch from a repository: a container's checkout or the remote.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use super::credentials::{SECRETS, has_secret};
use crate::history::change::ChangeHash;
use crate::history::{Branch, Commit};
use crate::plan::Mark;
use crate::process;
use crate::site::{CHANGES, OUTSIDE};

/// Reads a branch as it is in a repository, bare or not: its commits since `main`
/// (local or of `origin`), oldest first, and the marks in its newest tree. `None` where the
/// repository or the branch does not exist.
///
/// # Errors
/// When `git` cannot be run, or says something that cannot be read.
pub fn read_branch(repository: &Path, name: &str) -> io::Result<Option<Branch>> {
    read(&|| git(repository), name, None)
}

/// Reads a branch of a clone. What a shallow, partial or single-branch clone left out is taken from
/// the remote that it was cloned from, of whose `main` the newest commit is given: its oldest commit
/// would else seem to add all that is below it.
///
/// # Errors
/// As [`read_branch`].
pub fn read_clone(
    clone: &Path,
    name: &str,
    remote: &Path,
    main: Option<&str>,
) -> io::Result<Option<Branch>> {
    let git = || {
        let mut git = git(clone);
        git.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", remote.join("objects"))
            // The boundary of a shallow clone is in a file; none is read by this name.
            .env("GIT_SHALLOW_FILE", "");
        git
    };
    read(&git, name, main)
}

fn read(git: &dyn Fn() -> Command, name: &str, main: Option<&str>) -> io::Result<Option<Branch>> {
    let branch = format!("refs/heads/{name}");
    let Some(text) = read_log(git, &branch, main)? else {
        return Ok(None);
    };
    Ok(Some(Branch {
        commits: parse_log(&text),
        tree: read_tree(git, &branch)?,
    }))
}

/// Whether a secret is in a message of the branch's commits or in a file of its newest tree.
pub(super) fn branch_has_secret(repository: &Path, name: &str) -> io::Result<bool> {
    let branch = format!("refs/heads/{name}");
    let messages = process::output(
        git(repository)
            .args(["log", "--format=%an %ae%n%B", &branch, "--not"])
            .arg("--glob=refs/heads/mai[n]"),
    )?;
    if has_secret(&messages.stdout) {
        return Ok(true);
    }
    let mut grep = git(repository);
    grep.args(["grep", "-q", "-a", "-F"]);
    for secret in SECRETS {
        grep.args(["-e", secret]);
    }
    Ok(process::output(grep.arg(&branch))?.status.code() == Some(0))
}

/// A `git` command in a repository, whose outcome depends on nothing but that repository.
pub(super) fn git(repository: &Path) -> Command {
    let mut git = process::git("git");
    git.arg("-C").arg(repository);
    git
}

/// The branch's commits with their parents, messages and added marks; `None` without a branch.
fn read_log(
    git: &dyn Fn() -> Command,
    branch: &str,
    main: Option<&str>,
) -> io::Result<Option<String>> {
    let output = process::output(
        git()
            .args([
                "-c",
                "core.bigFileThreshold=16k",
                "log",
                "--reverse",
                "--topo-order",
                "--format=%x00%P%x00%B%x00",
            ])
            // Every commit, with its own patch; of a large file only which one it is.
            .args(["-p", "-U0", "--full-index"])
            .args([
                "--no-color",
                "--no-renames",
                "--no-ext-diff",
                "--no-textconv",
            ])
            .args([branch, "--not"])
            // Patterns, so that it is no error where one of them does not exist.
            .args([
                "--glob=refs/heads/mai[n]",
                "--glob=refs/remotes/origin/mai[n]",
            ])
            .args(main),
    )?;
    if output.status.success() {
        return Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()));
    }
    let exists = process::output(git().args(["rev-parse", "--verify", "--quiet", branch]))?;
    if exists.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("git log {branch}: {said}")));
    }
    Ok(None)
}

/// A line that is a mark.
const MARK_LINE: &str = "^(edit|outside)-[0-9]+$";

/// The trees that have exactly these marks, of the commits of all branches and of what branches were
/// before, newest commit first.
///
/// # Errors
/// As [`read_branch`].
pub fn trees_with(repository: &Path, marks: &[Mark]) -> io::Result<Vec<String>> {
    if marks.is_empty() || !repository.is_dir() {
        return Ok(Vec::new());
    }
    let log =
        process::output(git(repository).args(["log", "--all", "--reflog", "--format=%H %T"]))?;
    let log = String::from_utf8_lossy(&log.stdout);
    let commits: Vec<(&str, &str)> = log.lines().filter_map(|it| it.split_once(' ')).collect();
    if commits.is_empty() {
        return Ok(Vec::new());
    }
    let lines = process::output(
        git(repository)
            .args(["grep", "-I", "--no-color", "-E", "-e", MARK_LINE])
            .args(commits.iter().map(|(commit, _)| commit))
            .args(["--", CHANGES, OUTSIDE]),
    )?;
    let lines = String::from_utf8_lossy(&lines.stdout);
    let mut found: BTreeMap<&str, Vec<Mark>> = BTreeMap::new();
    // COMMIT:PATH:LINE
    for (commit, rest) in lines.lines().filter_map(|line| line.split_once(':')) {
        let mark = rest
            .rsplit_once(':')
            .and_then(|(_, mark)| Mark::parse(mark));
        found.entry(commit).or_default().extend(mark);
    }
    let has_marks = |commit: &str| found.get(commit).is_some_and(|of| of == marks);
    let mut trees: Vec<String> = Vec::new();
    for (commit, tree) in commits {
        if has_marks(commit) && !trees.iter().any(|known| known == tree) {
            trees.push(tree.into());
        }
    }
    Ok(trees)
}

/// Writes the files of a tree into a folder; `index` is a file that git needs meanwhile. The
/// repository stays as it is.
///
/// # Errors
/// When `git` cannot be run, or does not find the tree.
pub fn check_out(repository: &Path, tree: &str, folder: &Path, index: &Path) -> io::Result<()> {
    let inside = repository.join(".git");
    let output = process::output(
        git(folder)
            .args(["read-tree", "--reset", "-u", tree])
            .env(
                "GIT_DIR",
                if inside.is_dir() { &inside } else { repository },
            )
            .env("GIT_WORK_TREE", folder)
            .env("GIT_INDEX_FILE", index),
    )?;
    if output.status.success() {
        let files = if inside.is_dir() { &inside } else { repository }.join("lfs/objects");
        return match files.is_dir() {
            true => put_large_files(&files, folder),
            false => Ok(()),
        };
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("git read-tree {tree}: {said}")))
}

/// Puts the files of Git LFS in the place of the pointers to them, where they are there.
fn put_large_files(files: &Path, folder: &Path) -> io::Result<()> {
    const BEGIN: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:";
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            put_large_files(files, &path)?;
        } else if kind.is_file() && entry.metadata()?.len() < 1024 {
            let pointer = std::fs::read(&path)?;
            let id = pointer.strip_prefix(BEGIN).and_then(|rest| rest.get(..64));
            let id = id.filter(|id| id.iter().all(u8::is_ascii_hexdigit));
            let id = id.map(String::from_utf8_lossy).unwrap_or_default();
            if let (Some(one), Some(two)) = (id.get(..2), id.get(2..4)) {
                let file = files.join(one).join(two).join(&*id);
                if file.is_file() {
                    std::fs::copy(file, &path)?;
                }
            }
        }
    }
    Ok(())
}

/// Every mark in the branch's newest tree, in the order in which a build lists them.
fn read_tree(git: &dyn Fn() -> Command, branch: &str) -> io::Result<Vec<Mark>> {
    let output = process::output(
        git()
            .args(["grep", "-h", "-I", "--no-color", "-E"])
            .args(["-e", MARK_LINE, branch])
            .args(["--", CHANGES, OUTSIDE]),
    )?;
    // Exit code 1 says that nothing was found.
    match output.status.code() {
        Some(0 | 1) => Ok(String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(Mark::parse)
            .collect()),
        _ => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(io::Error::other(format!("git grep in {branch}: {said}")))
        }
    }
}

/// Reads what [`read_log`]'s format writes: for each commit NUL, parents, NUL, message, NUL,
/// patch.
fn parse_log(text: &str) -> Vec<Commit> {
    let mut parts = text.split('\0').skip(1);
    let mut commits = Vec::new();
    while let (Some(parents), Some(message)) = (parts.next(), parts.next()) {
        let patch = parts.next().unwrap_or_default();
        let is_merge = parents.split_whitespace().count() > 1;
        let (adds, content) = read_patch(patch);
        commits.push(Commit {
            subject: Arc::from(message.lines().next().unwrap_or_default()),
            adds: if is_merge { Vec::new() } else { adds },
            merge: is_merge,
            content: (!is_merge).then_some(content),
        });
    }
    commits
}

/// The marks that a patch adds to the files that hold them, and a hash of all that it adds.
fn read_patch(patch: &str) -> (Vec<Mark>, u64) {
    let mut adds = Vec::new();
    let mut change = ChangeHash::default();
    // The line that names the file, and the ids of its versions.
    let (mut file, mut ids) = ("", "");
    let mut is_head = true;
    for line in patch.lines() {
        if let Some(names) = line.strip_prefix("diff --git ") {
            (file, ids, is_head) = (names, "", true);
        } else if line.starts_with("@@ ") {
            is_head = false;
        } else if is_head {
            if let Some(of) = line.strip_prefix("index ") {
                ids = of;
            } else if line.starts_with("Binary files ") {
                let new = ids.split_once("..").map_or(ids, |(_, new)| new);
                change.add(file, new.split(' ').next().unwrap_or_default());
            } else if line.contains(" mode ") {
                change.add(file, line);
            }
        } else if let Some(line) = line.strip_prefix('+') {
            let holds_marks = file.ends_with(CHANGES) || file.contains(OUTSIDE);
            adds.extend(Mark::parse(line).filter(|_| holds_marks));
            change.add(file, line);
        } else if let Some(line) = line.strip_prefix('-') {
            change.remove(file, line);
        }
    }
    (adds, change.value())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(subject: &str, adds: &[Mark]) -> Commit {
        Commit {
            subject: subject.into(),
            adds: adds.to_vec(),
            merge: false,
            content: None,
        }
    }

    /// The commits without their content.
    fn plain(branch: &Branch) -> Vec<Commit> {
        let mut commits = branch.commits.clone();
        commits.iter_mut().for_each(|commit| commit.content = None);
        commits
    }

    /// A repository with the template's shape and a branch `thread-home` made by the steps.
    fn repository(steps: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            "set -e\nexport GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@a GIT_COMMITTER_NAME=a \
             GIT_COMMITTER_EMAIL=a@a\ngit init -q -b main .\nmkdir -p content/outside\n\
             : >content/changes.txt\ngit add .\ngit commit -qm Template\n{steps}"
        );
        let mut shell = process::git("sh");
        shell.current_dir(folder.path()).args(["-c", &script]);
        let output = process::output(&mut shell).unwrap();
        assert!(output.status.success(), "{output:?}");
        folder
    }

    fn read(steps: &str) -> Option<Branch> {
        let folder = repository(steps);
        read_branch(folder.path(), "thread-home").unwrap()
    }

    #[test]
    fn commits_come_oldest_first_with_what_they_add() {
        let branch = read(
            "git checkout -qb thread-home\n\
             echo edit-1 >>content/changes.txt; echo edit-9 >other\n\
             git add .; git commit -qm 'First (edit-1)\n\nInstruction: edit-1'\n\
             git commit -q --allow-empty -m 'Nothing (edit-2)'\n\
             echo outside-1 >content/outside/outside-1.txt; git add .\n\
             git commit -qm 'Outside change outside-1'",
        )
        .unwrap();
        assert_eq!(branch.commits[1].content, Some(0), "it changes nothing");
        assert_eq!(
            plain(&branch),
            [
                commit("First (edit-1)", &[Mark::Edit(1)]),
                commit("Nothing (edit-2)", &[]),
                commit("Outside change outside-1", &[Mark::Outside(1)]),
            ]
        );
        assert_eq!(branch.tree, [Mark::Edit(1), Mark::Outside(1)]);
    }

    #[test]
    fn a_commit_is_known_by_what_it_adds_wherever_it_goes() {
        let made = "git checkout -qb thread-home\n\
             echo edit-1 >>content/changes.txt; echo text >other\n\
             head -c 40000 /dev/zero | tr '\\0' x >large\n\
             git add .; git commit -qm one\n";
        let rebased = "git checkout -q main; echo first >new; git add .; git commit -qm more\n\
             git checkout -q thread-home; git rebase -q main; git commit -q --amend -m again\n";
        let changed = |how: &str| format!("{made}{how}; git commit -qa --amend -m one\n");
        let before = read(made).unwrap();
        let holds = |steps: &str| read(steps).unwrap().holds(&before.commits[0]);
        assert!(holds(&format!("{made}{rebased}")));
        assert!(holds(&format!(
            "{made}echo edit-2 >>content/changes.txt; git commit -qam two\n\
             git reset -q --soft main; git commit -qm both\n"
        )));
        assert!(!holds(&changed("echo another >other")));
        assert!(!holds(&changed("git rm -q other")));
        assert!(!holds(&changed("echo end >>large")));
        assert!(!holds(&changed("git checkout -q main content; git add .")));
    }

    #[test]
    fn a_merge_adds_nothing_of_its_own() {
        let branch = read(
            "git checkout -qb thread-home\n\
             echo edit-1 >>content/changes.txt; git commit -qam ours\n\
             git checkout -qb other main\n\
             echo outside-1 >>content/changes.txt; git commit -qam theirs\n\
             git checkout -q thread-home; git merge -q -X ours -m Merge other",
        )
        .unwrap();
        let mut subjects: Vec<&str> = branch.commits.iter().map(|c| &*c.subject).collect();
        assert_eq!(subjects.pop(), Some("Merge"));
        assert!(branch.commits[2].merge && branch.commits[2].adds.is_empty());
        subjects.sort_unstable();
        assert_eq!(subjects, ["ours", "theirs"]);
        assert_eq!(branch.tree, [Mark::Edit(1)]);
    }

    #[test]
    fn a_branch_at_main_has_no_commits_and_a_missing_one_is_none() {
        assert_eq!(read("git branch thread-home"), Some(Branch::default()));
        assert_eq!(read(""), None);
        let nowhere = tempfile::tempdir().unwrap();
        let branch = read_branch(&nowhere.path().join("missing"), "thread-home");
        assert!(branch.unwrap().is_none());
    }

    #[test]
    fn a_clone_leaves_out_what_is_on_the_remotes_main() {
        let branch = read(
            "git checkout -qb thread-home\n\
             echo edit-1 >>content/changes.txt; git commit -qam one\n\
             git update-ref refs/remotes/origin/main main; git branch -qD main",
        );
        assert_eq!(plain(&branch.unwrap()), [commit("one", &[Mark::Edit(1)])]);
    }

    #[test]
    fn a_clone_without_its_history_has_no_commits_but_its_own() {
        let remote = repository(
            "git checkout -qb thread-home\n\
             echo edit-1 >>content/changes.txt; git commit -qam one\n\
             echo edit-2 >>content/changes.txt; git commit -qam two\n\
             git config uploadpack.allowFilter true",
        );
        let main = process::output(git(remote.path()).args(["rev-parse", "main"])).unwrap();
        let main = String::from_utf8(main.stdout).unwrap();
        for how in [
            "--depth 1",
            "--depth 2",
            "--single-branch",
            "--filter=blob:none",
            "--depth 1 --filter=tree:0",
        ] {
            let clone = tempfile::tempdir().unwrap();
            let script = format!(
                "set -e\ngit clone -q {how} --branch thread-home 'file://{}' .\n\
                 git config user.name a; git config user.email a@a\n\
                 echo edit-3 >>content/changes.txt; git commit -qam three",
                remote.path().display()
            );
            let mut shell = process::git("sh");
            shell.current_dir(clone.path()).args(["-c", &script]);
            let output = process::output(&mut shell).unwrap();
            assert!(output.status.success(), "{how}: {output:?}");
            let inside = remote.path().join(".git");
            let read = read_clone(clone.path(), "thread-home", &inside, Some(main.trim()));
            let read = read.unwrap().unwrap();
            let marks = [1, 2, 3].map(Mark::Edit);
            assert_eq!(read.tree, marks, "{how}");
            let commits: Vec<_> = read
                .commits
                .iter()
                .map(|it| (&*it.subject, &*it.adds))
                .collect();
            let expected = ["one", "two", "three"].into_iter();
            let expected = expected.zip(marks.chunks(1));
            assert_eq!(commits, expected.collect::<Vec<_>>(), "{how}");
        }
    }
}
