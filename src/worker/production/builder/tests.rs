//! Builds by real shells from real commits.

use super::*;
use crate::worker::ports::{FileChange, Workspace};

/// A checkout with one commit beyond its remote, and what builds it.
struct Bench {
    folder: tempfile::TempDir,
    builder: ShellBuilder,
    commit: CommitId,
}

fn session() -> SessionId {
    SessionId::new("acme", "home")
}

impl Bench {
    /// `files` are committed; `command` builds them.
    async fn new(files: &[(&str, &str)], command: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::new(["token-abc".into()]);
        let git = Git::new("token-abc", secrets.clone());
        let remote = folder.path().join("acme.git");
        let seed = format!(
            "git init -q --bare -b main {0} && git init -q -b main {0}/seed && cd {0}/seed && \
             git commit -q --allow-empty -m Start && git push -q .. main",
            remote.display()
        );
        let seed = ["-c", "alias.sh=!sh", "sh", "-c", &seed];
        let seeded = git.finish(folder.path(), &seed, &[], b"");
        assert!(seeded.await.unwrap().status.success());
        let base = folder.path().to_str().unwrap().to_owned();
        let root = folder.path().join("work");
        let checkouts =
            Checkouts::new(git.clone(), &root, &base, &"acme".into(), "thread-{thread}");
        checkouts.open(&session()).await.unwrap();
        let changes: Vec<FileChange> = files
            .iter()
            .map(|(path, text)| FileChange::Write {
                path: (*path).into(),
                text: (*text).into(),
            })
            .collect();
        checkouts.apply(&session(), &changes).await.unwrap();
        let commit = checkouts
            .commit(&session(), "Edit", "edit-1")
            .await
            .unwrap();
        let builder = ShellBuilder {
            git,
            checkouts,
            root,
            command: command.into(),
            output: "dist".into(),
            clock: Rc::new(WallClock::new(0.002)),
            secrets,
        };
        Self {
            folder,
            builder,
            commit,
        }
    }

    async fn build(&self) -> PortResult<Build> {
        self.builder.build(&session(), &self.commit).await
    }

    /// The files in the folder of the checkouts: no scratch of a build.
    fn left(&self) -> Vec<String> {
        std::fs::read_dir(self.folder.path().join("work"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

/// Runs a build command on a commit with `a.txt`.
async fn check(command: &str, status: BuildStatus, keys: &[&str]) {
    let bench = Bench::new(&[("a.txt", "a\n")], command).await;
    let build = bench.build().await.unwrap();
    assert_eq!(build.status, status, "{command}");
    let built: Vec<&str> = build.files.keys().map(|key| &**key).collect();
    assert_eq!(built, keys, "{command}");
    assert_eq!(bench.left(), ["home"], "{command}");
}

#[tokio::test]
async fn a_build_ends_as_its_exit_and_its_words_say() {
    let warned = |lines: &[&str]| BuildStatus::Warned(lines.iter().map(|l| (*l).into()).collect());
    let failed = |why: &str| BuildStatus::Failed(why.into());
    check(
        "mkdir -p dist/b && cp a.txt dist/b/",
        BuildStatus::Good,
        &["b/a.txt"],
    )
    .await;
    check(
        "mkdir dist; echo other >&2; echo 'warning: one' >&2; echo 'warning: two' >&2",
        warned(&["warning: one", "warning: two"]),
        &[],
    )
    .await;
    check(
        "mkdir dist; cp a.txt dist; echo 'warning: w' >&2; echo 'error: no' >&2; exit 3",
        failed("error: no"),
        &["a.txt"],
    )
    .await;
    check("true", failed("it made no folder `dist`"), &[]).await;
    check(
        "mkdir dist; ln -s /etc/passwd dist/p; ln -s / dist/r",
        BuildStatus::Good,
        &[],
    )
    .await;
    check("sleep 60", failed("it ran for 600 s"), &[]).await;
}

#[tokio::test]
async fn a_build_sees_the_commit_alone_and_no_secret() {
    let command = "mkdir dist && ls -A >dist/files && env >dist/env && echo token-abc >&2; false";
    let bench = Bench::new(&[("a.txt", "a\n"), ("b/c.txt", "c\n")], command).await;
    let checkout = bench.folder.path().join("work/home");
    std::fs::write(checkout.join("stray.txt"), "x").unwrap();
    let build = bench.build().await.unwrap();
    assert_eq!(build.status, BuildStatus::Failed("***".into()));
    assert_eq!(&*build.files["files"], b"a.txt\nb\ndist\n");
    let environment = String::from_utf8_lossy(&build.files["env"]);
    assert!(environment.contains("PATH="));
    for name in ["GIT_TOKEN", "GIT_CONFIG", "AWS_", "ANTHROPIC_", "token-abc"] {
        assert!(!environment.contains(name), "{name} in {environment}");
    }
    assert!(checkout.join("stray.txt").exists());
}

#[tokio::test]
async fn a_commit_that_is_not_there_is_missing() {
    let mut bench = Bench::new(&[("a.txt", "a\n")], "mkdir dist").await;
    bench.commit = "0123456789012345678901234567890123456789".into();
    assert_eq!(bench.build().await.unwrap_err().kind, Kind::Missing);
    std::fs::remove_dir_all(bench.folder.path().join("work/home")).unwrap();
    assert_eq!(bench.build().await.unwrap_err().kind, Kind::Missing);
}
