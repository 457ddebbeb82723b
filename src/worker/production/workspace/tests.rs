//! The checkouts on real git, with a remote in a folder.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::process;
use crate::worker::production::secrets::Secrets;

/// A remote with one commit on `main`, and the checkouts of one client.
struct Bench {
    folder: tempfile::TempDir,
    checkouts: Checkouts,
    session: SessionId,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bench = Self {
            checkouts: checkouts(folder.path(), folder.path().to_str().unwrap()),
            folder,
            session: SessionId::new("acme", "home"),
        };
        let remote = bench.path("acme.git");
        bench.shell(&format!("git init -q --bare -b main {remote}"));
        let seed = "git init -q -b main seed && cd seed && echo start >a.txt && \
                    echo '*.ignored' >.gitignore && git add . && git commit -qm Start";
        bench.shell(&format!("{seed} && git push -q {remote} main"));
        bench
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().into()
    }

    /// Runs a script in the bench's folder and returns what it printed.
    fn shell(&self, script: &str) -> String {
        let out = process::git("sh")
            .args(["-c", &format!("set -e; {script}")])
            .current_dir(self.folder.path())
            .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "Out")))
            .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_EMAIL"), "out@side")))
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{script}: {errors}");
        String::from_utf8(out.stdout).unwrap().trim().into()
    }

    /// Runs a script in the checkout.
    fn inside(&self, script: &str) -> String {
        let checkout = self.checkouts.folder(&self.session);
        self.shell(&format!("cd {} && {{ {script}; }}", checkout.display()))
    }

    /// A commit on the remote's branch that the checkout does not have.
    fn push_from_outside(&self, script: &str) {
        let remote = self.path("acme.git");
        self.shell(&format!(
            "rm -rf out && git clone -q {remote} out && cd out && \
             (git checkout -q thread-home 2>/dev/null || git checkout -q -b thread-home) && \
             {script} && git add -A && git commit -qm Outside && git push -q origin thread-home"
        ));
    }

    async fn edit(&self, path: &str, text: &str, id: &str) {
        let change = FileChange::Write {
            path: path.into(),
            text: text.into(),
        };
        self.checkouts
            .apply(&self.session, &[change])
            .await
            .unwrap();
        self.checkouts
            .commit(&self.session, &format!("Edit {path} ({id})"), id)
            .await
            .unwrap();
    }

    async fn push(&self) -> Result<(), PushError> {
        self.checkouts.push(&self.session, Force::Never).await
    }

    async fn open(&self) -> bool {
        self.checkouts.open(&self.session).await.unwrap()
    }

    async fn ahead(&self) -> Vec<Arc<str>> {
        self.checkouts.status(&self.session).await.unwrap().ahead
    }

    /// The subjects of the checkout's branch and of the remote's, newest first.
    fn subjects(&self) -> (String, String) {
        let log = "git log --format=%s thread-home";
        let remote = self.path("acme.git");
        (
            self.inside(log).replace('\n', ", "),
            self.shell(&format!("cd {remote} && {log}"))
                .replace('\n', ", "),
        )
    }
}

fn checkouts(root: &Path, base: &str) -> Checkouts {
    let git = Git::new("token-abc", Secrets::new(["token-abc".into()]));
    Checkouts::new(
        git,
        &root.join("work"),
        base,
        &"acme".into(),
        "thread-{thread}",
    )
}

#[tokio::test]
async fn a_branch_begins_at_main_and_goes_to_the_remote() {
    let bench = Bench::new();
    assert!(bench.open().await, "the first time is a clone");
    assert!(!bench.open().await);
    assert_eq!(
        bench.checkouts.sessions().await.unwrap(),
        std::slice::from_ref(&bench.session)
    );
    assert_eq!(bench.ahead().await, []);
    bench.edit("a.txt", "one\n", "edit-1").await;
    bench.edit("a.txt", "one\n", "edit-12").await;
    assert_eq!(bench.ahead().await, ["edit-1".into(), "edit-12".into()]);
    for (id, is_there) in [
        ("edit-1", true),
        ("edit-12", true),
        ("edit-2", false),
        ("edit", false),
    ] {
        let has = bench.checkouts.has_instruction(&bench.session, id).await;
        assert_eq!(has, Ok(is_there), "{id}");
    }
    bench.push().await.unwrap();
    assert_eq!(bench.ahead().await, []);
    let (local, remote) = bench.subjects();
    assert_eq!(local, "Edit a.txt (edit-12), Edit a.txt (edit-1), Start");
    assert_eq!(remote, local);
    // A workspace that is lost comes back from the remote.
    fs::remove_dir_all(bench.checkouts.folder(&bench.session)).unwrap();
    assert!(bench.open().await);
    assert_eq!(bench.subjects().0, local);
}

#[tokio::test]
async fn a_rejected_push_is_rebased_and_a_conflict_merged() {
    let bench = Bench::new();
    bench.open().await;
    bench.push_from_outside("echo x >b.txt");
    bench.edit("a.txt", "one\n", "edit-1").await;
    let rejected = bench.push().await.unwrap_err();
    assert!(matches!(rejected, PushError::Rejected(_)), "{rejected}");
    bench.checkouts.fetch(&bench.session).await.unwrap();
    let status = bench.checkouts.status(&bench.session).await.unwrap();
    assert_eq!((status.ahead.len(), status.behind), (1, 1));
    assert_eq!(
        bench.checkouts.rebase(&bench.session).await,
        Ok(Rebase::Done)
    );
    bench.push().await.unwrap();
    assert_eq!(bench.subjects().1, "Edit a.txt (edit-1), Outside, Start");
    // Commits of instructions only, by the names that they have now.
    let instructed = bench.checkouts.instructed(&bench.session).await;
    let newest = bench.inside("git rev-parse thread-home");
    assert_eq!(instructed, Ok(vec![newest.trim().into()]));

    bench.push_from_outside("echo theirs >a.txt && echo theirs >c.txt");
    bench.edit("a.txt", "ours\n", "edit-2").await;
    bench.push().await.unwrap_err();
    bench.checkouts.fetch(&bench.session).await.unwrap();
    assert_eq!(
        bench.checkouts.rebase(&bench.session).await,
        Ok(Rebase::Conflict)
    );
    bench.checkouts.merge(&bench.session).await.unwrap();
    assert_eq!(
        bench.ahead().await,
        ["edit-2".into(), "".into()],
        "a merge has no id"
    );
    bench.push().await.unwrap();
    assert_eq!(bench.inside("cat a.txt c.txt b.txt"), "ours\ntheirs\nx");
    let (local, remote) = bench.subjects();
    assert_eq!(local, remote);
    assert_eq!(local.matches("Outside").count(), 2);
    assert_eq!(local.matches("Edit a.txt").count(), 2);
}

#[tokio::test]
async fn a_conflict_of_whole_files_goes_as_the_session_has_it() {
    let bench = Bench::new();
    bench.open().await;
    bench.edit("d.txt", "d\n", "edit-1").await;
    bench.push().await.unwrap();
    bench.push_from_outside("git rm -q d.txt && echo theirs >a.txt");
    let delete = FileChange::Delete {
        path: "a.txt".into(),
    };
    bench
        .checkouts
        .apply(&bench.session, &[delete])
        .await
        .unwrap();
    bench.edit("d.txt", "ours\n", "edit-2").await;
    bench.checkouts.fetch(&bench.session).await.unwrap();
    assert_eq!(
        bench.checkouts.rebase(&bench.session).await,
        Ok(Rebase::Conflict)
    );
    bench.checkouts.merge(&bench.session).await.unwrap();
    assert_eq!(bench.inside("ls; cat d.txt"), "d.txt\nours");
    bench.push().await.unwrap();
}

/// Leaves `debris` in a checkout with an unpushed commit, and expects it gone and the commit kept.
async fn check_debris(debris: &str) {
    let bench = Bench::new();
    bench.open().await;
    bench.push_from_outside("echo theirs >a.txt");
    bench.edit("a.txt", "ours\n", "edit-1").await;
    bench.checkouts.fetch(&bench.session).await.unwrap();
    let head = bench.inside("git rev-parse thread-home");
    bench.inside(debris);
    assert!(!bench.open().await, "{debris}");
    assert_eq!(bench.inside("git rev-parse HEAD"), head, "{debris}");
    assert_eq!(
        bench.inside("git symbolic-ref HEAD"),
        "refs/heads/thread-home"
    );
    assert_eq!(
        bench.inside("git status --porcelain --ignored"),
        "",
        "{debris}"
    );
    let left = bench.inside(
        "find .git -name '*.lock' -o -name MERGE_HEAD -o -name 'rebase-*' -o -name sequencer",
    );
    assert_eq!(left, "", "{debris}");
    bench.edit("b.txt", "more\n", "edit-2").await;
    assert_eq!(bench.ahead().await.len(), 2, "{debris}");
}

#[tokio::test]
async fn what_a_crash_leaves_is_removed() {
    for debris in [
        "touch .git/index.lock",
        "touch .git/HEAD.lock .git/refs/heads/thread-home.lock .git/packed-refs.lock",
        "touch .git/refs/remotes/origin/thread-home.lock .git/config.lock",
        "echo dirty >a.txt; echo stray >stray; mkdir -p s; echo x >s/y.ignored",
        "echo staged >a.txt; git add a.txt; git rm -q --cached .gitignore",
        "! git rebase -q origin/thread-home 2>/dev/null && test -d .git/rebase-merge",
        "! git rebase -q --apply origin/thread-home 2>/dev/null && test -d .git/rebase-apply",
        "! git merge -q origin/thread-home >/dev/null 2>&1 && test -f .git/MERGE_HEAD",
        "! git cherry-pick origin/thread-home >/dev/null 2>&1 && touch .git/index.lock",
        "git checkout -q --detach HEAD~1 && echo dirty >a.txt",
        "git checkout -q main",
        "rm .git/HEAD",
        "rm .git/index",
        "echo garbage >.git/index",
        "git pack-refs --all && touch .git/packed-refs.lock",
    ] {
        check_debris(debris).await;
    }
}

#[tokio::test]
async fn a_half_made_clone_is_made_again() {
    for debris in [
        "mkdir -p work/.cloning-home/.git && echo x >work/.cloning-home/.git/HEAD",
        "mkdir -p work/home/.git/objects work/home/.git/refs && echo x >work/home/stray",
        "mkdir -p work/home",
    ] {
        let bench = Bench::new();
        bench.shell(debris);
        assert!(bench.open().await, "{debris}");
        assert_eq!(bench.inside("cat a.txt; ls"), "start\na.txt", "{debris}");
        assert_eq!(bench.shell("ls -A work"), "home", "{debris}");
    }
}

#[tokio::test]
async fn a_checkout_follows_its_remote_to_another_place() {
    let mut bench = Bench::new();
    bench.open().await;
    bench.shell("mkdir moved && mv acme.git moved/acme.git");
    bench.checkouts = checkouts(bench.folder.path(), &bench.path("moved"));
    assert!(!bench.open().await);
    bench.edit("a.txt", "one\n", "edit-1").await;
    bench.push().await.unwrap();
}

/// Commands that are cut off at any moment leave the branch at one end or the other.
#[tokio::test]
async fn a_command_that_is_killed_anywhere_loses_no_commit() {
    let bench = Bench::new();
    bench.open().await;
    bench.push_from_outside("echo x >b.txt");
    bench.checkouts.fetch(&bench.session).await.unwrap();
    bench.edit("a.txt", "one\n", "edit-1").await;
    let log = "git log --format=%s thread-home -- a.txt | head -1";
    for n in 0..24 {
        let limit = Duration::from_micros(700 * n);
        let work = async {
            bench.edit("c.txt", &format!("{n}\n"), "edit-2").await;
            bench.checkouts.rebase(&bench.session).await.unwrap();
        };
        let _ = tokio::time::timeout(limit, work).await;
        assert!(!bench.open().await);
        assert_eq!(bench.inside("git status --porcelain --ignored"), "", "{n}");
        assert_eq!(bench.inside(log), "Edit a.txt (edit-1)", "{n}");
    }
}

#[tokio::test]
async fn a_remote_that_is_not_there_is_a_network_error() {
    let folder = tempfile::tempdir().unwrap();
    // The port was free a moment ago, so nothing listens on it.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let checkouts = checkouts(folder.path(), &format!("http://127.0.0.1:{port}/git"));
    let error = checkouts
        .open(&SessionId::new("acme", "home"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Network, "{error}");
    assert!(!error.text.contains("token-abc"), "{error}");
}
