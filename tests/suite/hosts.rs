//! Systems that know the hosts of the real services only, and find the loopback cloud there.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::clients::python;
use crate::program::{self, check};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/foreign");

/// The profile with another mode of its network, in a folder.
fn profile(folder: &Path, mode: &str) -> PathBuf {
    let text = std::fs::read_to_string(Path::new(FOLDER).join("hosts.toml")).unwrap();
    let path = folder.join("hosts.toml");
    let text = text.replace("mode = \"auto\"", &format!("mode = \"{mode}\""));
    std::fs::write(&path, text).unwrap();
    path
}

fn run(folder: &Path, args: &[&str]) -> Output {
    let mut command = program::command(folder, args);
    command.env("PYTHON", python()).env("HOSTS_FOLDER", FOLDER);
    command.output().unwrap()
}

/// Whether this user may make a network for a container; `doctor` says it, and tests ask for what it says.
pub fn has_namespaces() -> bool {
    let out = program::run(&std::env::temp_dir(), &["doctor", "--json"]);
    let text = String::from_utf8(out.stdout).unwrap();
    let line = text.lines().find(|line| line.contains("\"namespaces\""));
    line.unwrap().contains("\"remedy\":null")
}

#[test]
fn clients_without_an_endpoint_find_the_cloud_at_the_real_hosts_and_reach_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let profile = profile(folder.path(), "auto");
    let plan = "\
# shakedown plan v1
session acme/home
inject partition acme
instruct acme/home change
wait 2s
heal partition acme
until acme/home done
";
    std::fs::write(folder.path().join("a.plan"), plan).unwrap();
    let profile = profile.to_str().unwrap();
    let args = [
        "replay",
        "a.plan",
        "--profile",
        profile,
        "--history",
        "a.jsonl",
    ];
    let out = run(folder.path(), &args);
    let history = std::fs::read_to_string(folder.path().join("a.jsonl")).unwrap();
    let refused = [
        "unknown host unknown.example",
        "unknown host unknown-to-node.example",
    ];
    let printed = String::from_utf8_lossy(&out.stdout);
    for text in refused {
        assert!(
            printed.contains(&format!("not served: {text}")),
            "{printed}"
        );
    }
    for text in [
        "cut off: ",
        "every host answered or was refused",
        "index.html",
    ] {
        assert!(history.contains(text), "{text} in\n{history}");
    }
}

#[test]
fn where_there_is_no_namespace_proxies_and_a_preload_lead_to_the_cloud() {
    let folder = tempfile::tempdir().unwrap();
    let path = profile(folder.path(), "proxy");
    let out = run(folder.path(), &["profile", "try", path.to_str().unwrap()]);
    let parts = [
        "the machine's, with proxy settings",
        "every host answered or was refused",
        "and was refused: unknown-to-node.example, unknown.example;",
    ];
    check(&out, 0, &parts);
}

#[test]
fn a_network_of_its_own_is_made_or_the_reason_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let path = profile(folder.path(), "namespace");
    let out = run(folder.path(), &["profile", "try", path.to_str().unwrap()]);
    match has_namespaces() {
        true => check(&out, 0, &["its own: no other host can be reached"]),
        false => check(
            &out,
            2,
            &["making a network of its own", "mode = \"proxy\""],
        ),
    }
}
