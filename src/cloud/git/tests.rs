use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cloud::tests::{cloud, front, home, other, recorded, soon};
use crate::cloud::{Cloud, Front, GIT_TOKEN};
use crate::history::{Branch, GitOutcome, What};
use crate::plan::{Fault, Mark, Outsider};
use crate::process;

mod forms;
mod large;

/// A container's checkout of `acme`.
struct Checkout {
    _folder: tempfile::TempDir,
    path: PathBuf,
    url: String,
}

impl Checkout {
    fn new(front: &Front) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            path: folder.path().join("work"),
            _folder: folder,
            url: format!("{}/acme.git", front.git_url()),
        }
    }

    async fn cloned(cloud: &Cloud) -> Self {
        let checkout = Self::new(&front(cloud));
        checkout.clone().await.unwrap();
        checkout
            .git("git checkout -q -b thread-home")
            .await
            .unwrap();
        checkout
    }

    async fn clone(&self) -> Result<(), String> {
        run(
            self.path.parent().unwrap(),
            &format!("git clone -q {} work", self.url),
            GIT_TOKEN,
        )
        .await
    }

    async fn git(&self, script: &str) -> Result<(), String> {
        run(&self.path, script, GIT_TOKEN).await
    }

    async fn commit(&self, line: &str) {
        let script = format!(
            "echo {line} >>content/changes.txt && git commit -qam 'Change ({line})\n\n\
             Instruction: {line}'"
        );
        self.git(&script).await.unwrap();
    }
}

/// Runs a script with a token for HTTP; what it wrote is the error where it fails.
async fn run(folder: &Path, script: &str, token: &str) -> Result<(), String> {
    let mut shell = process::git("sh");
    shell.args(["-ec", script]).current_dir(folder);
    shell
        .env("GIT_AUTHOR_NAME", "a")
        .env("GIT_AUTHOR_EMAIL", "a@localhost")
        .env("GIT_COMMITTER_NAME", "a")
        .env("GIT_COMMITTER_EMAIL", "a@localhost")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "http.extraHeader")
        .env(
            "GIT_CONFIG_VALUE_0",
            format!("Authorization: Bearer {token}"),
        );
    let mut shell = tokio::process::Command::from(shell);
    shell.kill_on_drop(true);
    let output = soon(shell.output()).await.unwrap();
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn fetched(outcome: GitOutcome) -> What {
    What::Fetched {
        client: home().client,
        outcome,
    }
}

fn push_began() -> What {
    What::PushBegan {
        client: home().client,
    }
}

/// The pushes that were recorded, with the subjects on the branch afterwards.
fn pushes(events: &[What]) -> Vec<(GitOutcome, Vec<&str>)> {
    events
        .iter()
        .filter_map(|what| match what {
            What::Pushed {
                client,
                session: Some(session),
                outcome,
                branch: Some(branch),
            } => {
                assert_eq!((session, client), (&home(), &home().client));
                Some((*outcome, subjects(branch)))
            }
            _ => None,
        })
        .collect()
}

fn subjects(branch: &Branch) -> Vec<&str> {
    branch
        .commits
        .iter()
        .map(|commit| &*commit.subject)
        .collect()
}

#[tokio::test]
async fn clones_fetches_and_pushes_are_served_and_recorded() {
    let cloud = cloud();
    let checkout = Checkout::cloned(&cloud).await;
    assert!(checkout.path.join("build.sh").is_file());
    checkout.commit("edit-1").await;
    checkout
        .git("git push -q origin thread-home")
        .await
        .unwrap();
    checkout.git("git fetch -q").await.unwrap();
    let events = recorded(&cloud);
    assert_eq!(events[0], fetched(GitOutcome::Done));
    assert_eq!(
        pushes(&events),
        [(GitOutcome::Done, vec!["Change (edit-1)"])]
    );
    assert_eq!(events[1], push_began());
    assert_eq!(events[3], fetched(GitOutcome::Done));
    assert_eq!(events.len(), 4);
    let branch = &cloud.remote_branches().unwrap()[&home()];
    assert_eq!(branch.commits[0].adds, [Mark::Edit(1)]);
    assert_eq!(branch.tree, [Mark::Edit(1)]);
    assert_eq!(cloud.remote_branches().unwrap().len(), 1);
}

#[tokio::test]
async fn a_token_is_needed_in_either_scheme() {
    let cloud = cloud();
    let checkout = Checkout::new(&front(&cloud));
    let parent = checkout.path.parent().unwrap();
    let clone = format!("git clone -q {} work", checkout.url);
    let refused = run(parent, &clone, "another").await.unwrap_err();
    assert!(refused.contains("Authentication failed") || refused.contains("could not read"));
    assert_eq!(recorded(&cloud)[0], fetched(GitOutcome::AuthFailed));
    let with_user = checkout
        .url
        .replace("http://", &format!("http://x-access-token:{GIT_TOKEN}@"));
    run(
        parent,
        &format!("unset GIT_CONFIG_COUNT; git clone -q {with_user} work"),
        "",
    )
    .await
    .unwrap();
    assert_eq!(recorded(&cloud), [fetched(GitOutcome::Done)]);
    let unknown = format!("git clone -q {} x", checkout.url.replace("acme", "nobody"));
    let unknown = run(parent, &unknown, GIT_TOKEN).await.unwrap_err();
    assert!(unknown.contains("not found"), "{unknown}");
}

#[tokio::test]
async fn outsiders_push_and_a_container_that_is_behind_is_rejected() {
    let cloud = cloud();
    let checkout = Checkout::cloned(&cloud).await;
    checkout.commit("edit-1").await;
    checkout
        .git("git push -q origin thread-home")
        .await
        .unwrap();
    for (outsider, n) in [(Outsider::Clean, 1), (Outsider::Conflicting, 2)] {
        cloud
            .push_from_outside(&home(), outsider, Mark::Outside(n))
            .unwrap();
    }
    recorded(&cloud);
    checkout.commit("edit-2").await;
    let rejected = checkout.git("git push origin thread-home").await;
    assert!(rejected.unwrap_err().contains("rejected"));
    // The refs were enough for git: nothing was pushed.
    assert_eq!(recorded(&cloud), [push_began()]);
    let branch = &cloud.remote_branches().unwrap()[&home()];
    assert_eq!(
        branch.tree,
        [Mark::Edit(1), Mark::Outside(2), Mark::Outside(1)]
    );

    checkout
        .git("git push -qf origin thread-home")
        .await
        .unwrap();
    let forced = vec!["Change (edit-1)", "Change (edit-2)"];
    assert_eq!(pushes(&recorded(&cloud)), [(GitOutcome::Done, forced)]);
    checkout
        .git("git push -q origin :thread-home")
        .await
        .unwrap();
    assert_eq!(pushes(&recorded(&cloud)), [(GitOutcome::Done, vec![])]);
}

#[tokio::test]
async fn a_push_that_loses_a_race_is_rejected_on_the_wire() {
    let cloud = cloud();
    let (slow, fast) = (
        Checkout::cloned(&cloud).await,
        Checkout::cloned(&cloud).await,
    );
    for (checkout, mark) in [(&slow, "edit-1"), (&fast, "edit-2")] {
        checkout.commit(mark).await;
    }
    recorded(&cloud);
    // Git asks the hook when it has seen the refs, and pushes afterwards.
    let hook = format!(
        "cat >.git/hooks/pre-push <<'END'\n#!/bin/sh\nunset GIT_DIR\ncd {} && git push -q \
         --no-verify origin thread-home\nEND\nchmod +x .git/hooks/pre-push",
        fast.path.display()
    );
    slow.git(&format!("mkdir -p .git/hooks; {hook}"))
        .await
        .unwrap();
    let lost = slow.git("git push origin thread-home").await;
    assert!(lost.unwrap_err().contains("rejected"));
    let events = recorded(&cloud);
    assert_eq!(events[..2], [push_began(), push_began()]);
    let winner = vec!["Change (edit-2)"];
    assert_eq!(
        pushes(&events),
        [
            (GitOutcome::Done, winner.clone()),
            (GitOutcome::Rejected, winner)
        ]
    );
}

#[tokio::test]
async fn an_outsider_can_begin_a_branch() {
    let cloud = cloud();
    cloud
        .push_from_outside(&other(), Outsider::Conflicting, Mark::Outside(1))
        .unwrap();
    let events = recorded(&cloud);
    let [
        What::OutsiderPushed {
            session, branch, ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(*session, other());
    assert_eq!(subjects(branch), ["Outside change outside-1"]);
    assert_eq!(branch.tree, [Mark::Outside(1)]);
    let stranger = crate::plan::SessionId::new("nobody", "home");
    let error = cloud.push_from_outside(&stranger, Outsider::Clean, Mark::Outside(2));
    assert!(error.unwrap_err().to_string().contains("no such client"));
}

#[tokio::test]
async fn refused_credentials_refuse_fetch_and_push_until_healed() {
    let cloud = cloud();
    let checkout = Checkout::cloned(&cloud).await;
    checkout.commit("edit-1").await;
    recorded(&cloud);
    cloud.set_fault(&Fault::GitAuth, true).unwrap();
    let refused = checkout.git("git push -q origin thread-home").await;
    let refused = refused.unwrap_err();
    assert!(refused.contains("Authentication failed") || refused.contains("could not read"));
    assert!(checkout.git("git fetch -q").await.is_err());
    let events = recorded(&cloud);
    let at_the_door = What::Pushed {
        client: home().client,
        session: None,
        outcome: GitOutcome::AuthFailed,
        branch: None,
    };
    assert_eq!(events[0], at_the_door);
    assert_eq!(events.last(), Some(&fetched(GitOutcome::AuthFailed)));
    cloud.set_fault(&Fault::GitAuth, false).unwrap();
    checkout
        .git("git push -q origin thread-home")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_remote_that_is_down_says_nothing() {
    let cloud = cloud();
    let checkout = Checkout::cloned(&cloud).await;
    cloud.set_fault(&Fault::GitDown, true).unwrap();
    recorded(&cloud);
    // Some requests are cut off and some never answered; a low limit ends those.
    for _ in 0..4 {
        let fetch = checkout.git("timeout 0.5 git fetch -q").await;
        assert!(fetch.is_err());
    }
    let events = recorded(&cloud);
    assert!(events.len() >= 4);
    assert!(
        events
            .iter()
            .all(|what| *what == fetched(GitOutcome::Unavailable))
    );
    cloud.set_fault(&Fault::GitDown, false).unwrap();
    checkout.git("git fetch -q").await.unwrap();
}

#[tokio::test]
async fn a_secret_in_a_commit_is_seen() {
    let cloud = cloud();
    let checkout = Checkout::cloned(&cloud).await;
    checkout
        .git(&format!(
            "git commit -q --allow-empty -m 'with {GIT_TOKEN}'"
        ))
        .await
        .unwrap();
    checkout
        .git("git push -q origin thread-home")
        .await
        .unwrap();
    let is_secret = |what: &What| matches!(what, What::SecretSeen { .. });
    assert!(recorded(&cloud).iter().any(is_secret));
    checkout
        .git(&format!(
            "git reset -q --hard origin/main; echo {GIT_TOKEN} >file; git add file; \
             git commit -qm file; git push -qf origin thread-home"
        ))
        .await
        .unwrap();
    assert!(recorded(&cloud).iter().any(is_secret));
    checkout
        .git("git reset -q --hard origin/main; git push -qf origin thread-home")
        .await
        .unwrap();
    assert!(!recorded(&cloud).iter().any(is_secret));
}

/// A script that makes a long history on a branch, quickly.
fn long_history(branch: &str) -> String {
    format!(
        "git branch -q {branch} origin/main
         {{ for n in $(seq 1 300); do
              printf 'commit refs/heads/{branch}\ncommitter a <a@localhost> %d +0000\n' $n
              printf 'data 4\nmany\nfrom refs/heads/{branch}^0\n'
            done | sed '6,$ {{ /^from /d; }}'; }} | git fast-import --quiet"
    )
}

#[tokio::test]
async fn large_and_compressed_requests_are_served() {
    let cloud = cloud();
    let checkout = Checkout::cloned(&cloud).await;
    let second = Checkout::cloned(&cloud).await;
    checkout
        .git(
            "head -c 3000000 /dev/urandom >large; git add large; git commit -qm large
             git push -q origin thread-home",
        )
        .await
        .unwrap();
    // A checkout with a long history of its own asks with many lines, which git compresses.
    second.git(&long_history("long")).await.unwrap();
    second
        .git(
            "git checkout -q long
             GIT_TRACE_CURL=$PWD/trace GIT_TRACE_CURL_NO_DATA=1 \
             git -c protocol.version=0 fetch -q origin thread-home
             git cat-file -e FETCH_HEAD:large
             grep -qi 'content-encoding: gzip' trace",
        )
        .await
        .unwrap();
}

/// Whoever learns from the remote where a branch is learns it after that was recorded.
#[tokio::test]
async fn refs_are_read_after_the_push_that_moved_them_was_recorded() {
    let cloud = cloud();
    let checkout = Checkout::cloned(&cloud).await;
    checkout.commit("edit-1").await;
    // The branch has moved when this hook runs, and the push is not over before it ends.
    let repository = cloud.repository(&home().client);
    let hook = repository.join("hooks/post-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    let script = "#!/bin/sh\n: >moved\nwhile [ ! -e over ]; do sleep 0.02; done\n";
    std::fs::write(&hook, script).unwrap();
    std::fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    recorded(&cloud);
    let push = "git push -q origin thread-home";
    {
        // The first push is given up, as by a time limit, and goes on at the remote.
        let mut first = std::pin::pin!(checkout.git(push));
        while !repository.join("moved").exists() {
            let pause = std::time::Duration::from_millis(10);
            let early = tokio::time::timeout(pause, &mut first).await;
            assert!(early.is_err(), "it was over before it began: {early:?}");
        }
    }
    let mut second = std::pin::pin!(checkout.git(push));
    let pause = std::time::Duration::from_millis(500);
    let early = tokio::time::timeout(pause, &mut second).await;
    assert!(early.is_err(), "it saw the branch too early: {early:?}");
    std::fs::write(repository.join("over"), "").unwrap();
    second.await.unwrap();
    let events = recorded(&cloud);
    assert_eq!(
        pushes(&events),
        [(GitOutcome::Done, vec!["Change (edit-1)"])]
    );
    let order: Vec<&What> = events
        .iter()
        .filter(|what| matches!(what, What::PushBegan { .. } | What::Pushed { .. }))
        .collect();
    assert!(
        matches!(
            order[..],
            [
                What::PushBegan { .. },
                What::Pushed { .. },
                What::PushBegan { .. }
            ]
        ),
        "{order:?}"
    );
}

#[test]
fn only_what_git_says_of_the_machine_is_the_machines() {
    let shortage = super::transfer::shortage;
    let full = "0056\u{2}fatal: sha1 file 'x' write error: No space left on device\n0000";
    assert_eq!(shortage(full), Some("No space left on device"));
    assert_eq!(
        shortage("error: cannot fork() for x: Cannot allocate memory"),
        Some("Cannot allocate memory")
    );
    assert_eq!(shortage("error: failed to push some refs"), None);
    assert_eq!(shortage("content: No space left on device\n"), None);
}
