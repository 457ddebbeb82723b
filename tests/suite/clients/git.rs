//! The git remote as git asks it, where it is large, and pull requests.

use crate::cloud::Cloud;
use crate::program;

/// How much is pushed.
const LARGE: usize = 100_000_000;

#[test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "what a process needs is read from /proc"
)]
fn a_large_push_is_not_held_in_memory() {
    let cloud = Cloud::start(&["--quiet", "acme/home"]);
    let folder = tempfile::tempdir().unwrap();
    let of = |name: &str| &*cloud.environment[name];
    let token = format!("http://{}@", of("GIT_TOKEN"));
    let sh = |script: &str| {
        let mut shell = program::without_callers("sh");
        shell.args(["-ec", script]).current_dir(folder.path());
        shell.env("URL", of("GIT_BASE_URL").replace("http://", &token));
        super::run(shell.env("HOME", folder.path()));
    };
    // Nothing of it can be compressed away.
    sh(&format!(
        "git clone -q $URL/acme.git work && cd work && head -c {LARGE} /dev/urandom >large && \
         git config core.compression 0 && git add large && \
         git -c user.name=a -c user.email=a@localhost commit -q -m large"
    ));
    let before = cloud.peak_memory();
    sh("cd work && git push -q origin HEAD:thread-home");
    sh("git clone -q --bare --branch thread-home $URL/acme.git again");
    let packed = std::fs::read_dir(folder.path().join("again/objects/pack")).unwrap();
    let sizes = packed.map(|entry| entry.unwrap().metadata().unwrap().len());
    assert!(sizes.sum::<u64>() >= LARGE as u64);
    let more = cloud.peak_memory() - before;
    assert!(
        more < 32 * 1024,
        "{more} KiB for a push and a clone of {LARGE} bytes"
    );
}

#[test]
fn octokit_opens_pull_requests() {
    let cloud = Cloud::start(&["--quiet", "acme/home"]);
    let of = |name: &str| &*cloud.environment[name];
    let folder = tempfile::tempdir().unwrap();
    let mut client = super::node("github.mjs");
    client
        .env("TMPDIR", folder.path())
        .env("HOME", folder.path());
    super::run(client.args([cloud.url(), of("GIT_TOKEN"), of("GIT_BASE_URL")]));
}
