//! The forms in which real clients give the token, name the repository, and ask for more than plain
//! fetches and pushes.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::runtime::Handle;

use super::*;
use crate::cloud::CloudConfig;
use crate::history::{CallAnswer, ServiceCall};
use crate::plan::SessionId;
use crate::profile::Profile;

/// Runs a script without a token of its own; what it wrote, good or not.
async fn plain(folder: &Path, script: &str) -> Result<String, String> {
    let mut shell = process::git("sh");
    shell.args(["-ec", script]).current_dir(folder);
    shell.env("HOME", folder);
    for name in ["GIT_AUTHOR", "GIT_COMMITTER"] {
        shell.env(format!("{name}_NAME"), "a");
        shell.env(format!("{name}_EMAIL"), "a@localhost");
    }
    let mut shell = tokio::process::Command::from(shell);
    shell.kill_on_drop(true);
    let output = soon(shell.output()).await.unwrap();
    let text = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy);
    match output.status.success() {
        true => Ok(text.concat()),
        false => Err(text.concat()),
    }
}

/// The forms of a credential, by their names. `DO` stands for what git is to do, `HOST` for where.
fn forms(token: &str) -> Vec<(&'static str, String)> {
    let basic = |user: &str| BASE64_STANDARD.encode(format!("{user}:{token}"));
    let helper = "!f() { echo username=any; echo password=TOKEN; }; f";
    let with = |form: &str| form.replace("TOKEN", token);
    vec![
        ("user", with("git DO http://TOKEN@HOST")),
        (
            "user with a password",
            with("git DO http://TOKEN:x-oauth-basic@HOST"),
        ),
        (
            "x-access-token",
            with("git DO http://x-access-token:TOKEN@HOST"),
        ),
        ("oauth2", with("git DO http://oauth2:TOKEN@HOST")),
        ("any user", with("git DO http://git:TOKEN@HOST")),
        (
            "askpass",
            with(
                "printf '#!/bin/sh\\necho TOKEN\\n' >ask; chmod +x ask; \
                  GIT_ASKPASS=$PWD/ask git DO http://HOST",
            ),
        ),
        (
            "credential helper",
            with(&format!(
                "git -c credential.helper='{helper}' DO http://HOST"
            )),
        ),
        (
            "basic header",
            format!(
                "git -c http.extraHeader='Authorization: basic {}' DO http://HOST",
                basic("x-access-token")
            ),
        ),
        (
            "bearer header",
            with("git -c http.extraHeader='Authorization: Bearer TOKEN' DO http://HOST"),
        ),
    ]
}

#[tokio::test]
async fn every_form_of_the_token_is_taken_and_of_another_refused() {
    let cloud = cloud();
    let front = front(&cloud);
    let host = front.repository_url().replace("http://", "");
    let folder = tempfile::tempdir().unwrap();
    let clone = format!("git clone -q http://{GIT_TOKEN}@{host} work");
    plain(folder.path(), &clone).await.unwrap();
    let work = folder.path().join("work");
    recorded(&cloud);
    for (n, (form, script)) in forms(GIT_TOKEN).into_iter().enumerate() {
        let commit = format!("git commit -q --allow-empty -m {n}; ");
        // What is asked goes before the address, what is pushed after it.
        let push = script.replace("DO", "push -q").replace("HOST", &host);
        let push = format!("{commit}{push} HEAD:refs/heads/thread-home");
        plain(&work, &push)
            .await
            .unwrap_or_else(|why| panic!("{form}: {why}"));
        let events = recorded(&cloud);
        assert_eq!(pushes(&events).len(), 1, "{form}: {events:?}");
        let fetch = script.replace("DO", "fetch -q").replace("HOST", &host);
        plain(&work, &fetch)
            .await
            .unwrap_or_else(|why| panic!("{form}: {why}"));
        assert_eq!(recorded(&cloud), [fetched(GitOutcome::Done)], "{form}");
    }
    for (form, script) in forms("another") {
        let list = script.replace("DO", "ls-remote").replace("HOST", &host);
        let refused = plain(&work, &list).await.unwrap_err();
        let is_told = [
            "Authentication failed",
            "could not read",
            "Invalid username",
        ];
        assert!(
            is_told.iter().any(|words| refused.contains(words)),
            "{form}: {refused}"
        );
        let refused = fetched(GitOutcome::AuthFailed);
        let events = recorded(&cloud);
        assert!(
            events.iter().all(|event| *event == refused) && !events.is_empty(),
            "{form}"
        );
    }
}

/// A cloud whose clients have two repositories each.
fn cloud_of_two() -> Cloud {
    let profile = "version = 1\nname = \"two\"\n[names]\nsession = \"{session}\"\n\
                   branch = \"thread-{thread}\"\nbucket = \"{client}\"\n\
                   repositories = [\"{client}/amelia-astro\", \"docs-{client}\"]\n";
    let profile = Profile::parse(profile).unwrap();
    let config = CloudConfig {
        profile: Arc::new(profile),
        ..CloudConfig::of(vec![home(), SessionId::new("globex", "home")])
    };
    Cloud::start(config, &Handle::current()).unwrap()
}

fn called(operation: &str, repository: &str, answer: CallAnswer) -> What {
    What::Called {
        client: home().client,
        call: Arc::new(ServiceCall {
            service: "git".into(),
            operation: operation.into(),
            about: Some(repository.into()),
            answer,
        }),
    }
}

#[tokio::test]
async fn repositories_have_the_paths_of_the_profile_and_belong_to_one_client() {
    let cloud = cloud_of_two();
    let front = front(&cloud);
    let url = |path: &str| {
        format!(
            "{}{path}",
            front.url().replace("//", &format!("//{GIT_TOKEN}@"))
        )
    };
    assert!(
        front
            .repository_url()
            .ends_with("/git/acme/amelia-astro.git")
    );
    let folder = tempfile::tempdir().unwrap();
    let list = |path: &str| format!("git ls-remote -q {}", url(path));
    for path in [
        "/git/acme/amelia-astro.git",
        "/acme/amelia-astro.git",
        "/acme/amelia-astro",
        "/acme/amelia-astro/",
    ] {
        let refs = plain(folder.path(), &list(path)).await.unwrap();
        assert!(refs.contains("refs/heads/main"), "{path}: {refs}");
        assert_eq!(recorded(&cloud), [fetched(GitOutcome::Done)], "{path}");
    }
    let own = plain(folder.path(), &list("/docs-acme")).await.unwrap();
    assert!(own.contains("refs/heads/main"), "{own}");
    assert_eq!(
        recorded(&cloud),
        [called("fetch", "docs-acme", CallAnswer::Done)]
    );

    for path in ["/globex/amelia-astro.git", "/docs-globex"] {
        let refused = plain(folder.path(), &list(path)).await.unwrap_err();
        assert!(refused.contains("not found"), "{refused}");
        let what = format!(
            "the repository {}",
            path.trim_start_matches('/').trim_end_matches(".git")
        );
        let trespassed = What::Trespassed {
            client: home().client,
            owner: "globex".into(),
            what: what.into(),
        };
        assert_eq!(recorded(&cloud), [trespassed]);
    }
    for path in ["/nobody/site", "/acme", "/acme/amelia-astro/x"] {
        let refused = plain(folder.path(), &list(path)).await.unwrap_err();
        assert!(refused.contains("not found"), "{refused}");
        assert_eq!(recorded(&cloud), []);
    }
}

#[tokio::test]
async fn what_is_pushed_beside_the_sessions_is_recorded() {
    let cloud = cloud_of_two();
    let front = front(&cloud);
    let folder = tempfile::tempdir().unwrap();
    let with_token = front.url().replace("//", &format!("//{GIT_TOKEN}@"));
    let clone = format!("git clone -q {with_token}/acme/amelia-astro work");
    plain(folder.path(), &clone).await.unwrap();
    let work = folder.path().join("work");
    plain(
        &work,
        "git commit -q --allow-empty -m 1; git checkout -q -b thread-home",
    )
    .await
    .unwrap();
    recorded(&cloud);
    let push =
        "git push -q -o ci.skip -o a=b origin HEAD:main HEAD:refs/heads/other HEAD:thread-home";
    plain(&work, push).await.unwrap();
    let events = recorded(&cloud);
    assert_eq!(events[0], push_began());
    assert_eq!(
        pushes(&events),
        [(GitOutcome::Done, vec![])],
        "nothing that main lacks"
    );
    let name = "acme/amelia-astro";
    for other in ["refs/heads/main", "refs/heads/other"] {
        let pushed = called(&format!("push of {other}"), name, CallAnswer::Done);
        assert!(events.contains(&pushed), "{events:?}");
    }
    assert_eq!(events.len(), 4);
    plain(&work, "git tag v1; git push -q origin v1 :other")
        .await
        .unwrap();
    let events = recorded(&cloud);
    for what in ["push of refs/tags/v1", "deletion of refs/heads/other"] {
        assert!(
            events.contains(&called(what, name, CallAnswer::Done)),
            "{events:?}"
        );
    }
    let docs = format!("git push -q {with_token}/docs-acme HEAD:thread-home");
    let refused =
        "git commit -q --amend --allow-empty -m x; git push -q origin HEAD:v1:refs/tags/v1";
    plain(&work, &docs).await.unwrap();
    let push = called(
        "push of refs/heads/thread-home",
        "docs-acme",
        CallAnswer::Done,
    );
    assert_eq!(
        recorded(&cloud),
        [push],
        "a branch of that name is no session's there"
    );
    assert!(plain(&work, refused).await.is_err());
}

#[tokio::test]
async fn a_partial_clone_fetches_the_rest_when_it_is_needed() {
    let cloud = cloud();
    let url = front(&cloud)
        .repository_url()
        .replace("//", &format!("//{GIT_TOKEN}@"));
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "git clone --filter=blob:none --no-checkout {url} work; cd work; \
         git rev-list --objects --all --missing=print | grep -c '^?'; git checkout main; cat build.sh"
    );
    let said = plain(folder.path(), &script).await.unwrap();
    assert!(!said.contains("warning: filtering"), "{said}");
    assert!(said.contains("#!/bin/sh"), "{said}");
}
