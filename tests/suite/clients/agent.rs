//! The agent API as Anthropic's SDKs and Claude Code ask it.

use std::path::Path;
use std::process::Command;

use super::{node, node_clients, python, run};
use crate::cloud::Cloud;
use crate::program;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/clients");

/// Runs a client of the agent API, with the API's address and key after its arguments.
fn ask(client: &mut Command) {
    let mut cloud = Cloud::start(&["acme/home"]);
    let of = |name: &str| cloud.environment[name].clone();
    let home = tempfile::tempdir().unwrap();
    let client = client.env("HOME", home.path()).env("TMPDIR", home.path());
    run(client.args([of("ANTHROPIC_BASE_URL"), of("ANTHROPIC_API_KEY")]));
    drop(cloud.input.take());
    let (status, shown) = cloud.ended();
    assert!(status.success(), "{shown}");
    assert!(shown.contains("POST /v1/messages/count_tokens"), "{shown}");
}

#[test]
fn the_sdk_for_python_streams_and_uses_tools() {
    let mut client = program::without_callers(python().to_str().unwrap());
    ask(client.arg(format!("{SCRIPTS}/agent.py")));
}

#[test]
fn the_sdk_for_node_streams_and_uses_tools() {
    ask(&mut node("agent.mjs"));
}

/// A program as this one would be started, but where nothing except the loopback interface is
/// reached, if the machine lets a user make such a place.
fn on_loopback_only(program: &Path) -> Command {
    const PLACE: [&str; 4] = ["--user", "--map-root-user", "--net", "--"];
    const START: &str = "ip link set lo up && exec \"$@\"";
    let inside = |program: &str| {
        let mut command = program::without_callers("unshare");
        command.args(PLACE).args(["sh", "-c", START, "sh", program]);
        command
    };
    match inside("true").output() {
        Ok(out) if out.status.success() => inside(program.to_str().unwrap()),
        _ => program::without_callers(program.to_str().unwrap()),
    }
}

/// Claude Code edits a repository with the tools that it has.
fn claude_code(start: &Path) {
    let home = tempfile::tempdir().unwrap();
    let mut client = on_loopback_only(python());
    client.arg(format!("{SCRIPTS}/claude.py"));
    let client = client.args([env!("CARGO_BIN_EXE_shakedown"), "node"]);
    run(client.arg(start).env("TMPDIR", home.path()));
}

#[test]
fn claude_code_edits_a_repository() {
    claude_code(&node_clients().join("node_modules/claude-code-1/cli.js"));
}

#[test]
fn a_newer_claude_code_edits_a_repository() {
    claude_code(&node_clients().join("node_modules/claude-code-2/cli-wrapper.cjs"));
}
