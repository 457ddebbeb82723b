//! The programs of the tester's own that come first on a container's PATH: in the place of an agent's, and in front of
//! those that build.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cloud::Cloud;
use crate::plan::{ClientId, SessionId};
use crate::profile::Start;
use crate::target::TargetError;

/// Writes them into a folder of a container's HOME. They are this program, and ask the agent at this URL.
pub(super) fn write(
    start: &Start,
    home: &Path,
    bin: &Path,
    (tester, url): (&Path, &str),
) -> io::Result<()> {
    for agent in &start.agents {
        script(
            &bin.join(agent),
            tester,
            &["agent-stub", "--ask", url, "--"],
        )?;
    }
    let socket = socket(home);
    let (socket, folder) = (socket.to_string_lossy(), bin.to_string_lossy());
    let mut shim = vec!["build-shim", "--report", &socket, "--bin", &folder];
    shim.extend(["--output", &start.builds.output]);
    shim.extend(start.builds.commands.iter().flat_map(|it| ["--build", it]));
    for program in start.builds.programs() {
        let words = [&shim[..], &["--", program]].concat();
        script(&bin.join(program), tester, &words)?;
    }
    Ok(())
}

/// Takes the reports of the shims of a client's container, where it has any.
///
/// # Errors
/// When their socket cannot be made.
pub(super) fn watch(
    cloud: &Cloud,
    client: &ClientId,
    start: &Start,
    home: &Path,
    checkouts: Vec<(SessionId, PathBuf)>,
) -> Result<(), TargetError> {
    if start.builds.commands.is_empty() {
        return Ok(());
    }
    fs::create_dir_all(home).map_err(|error| {
        TargetError::new(
            format!("making the HOME of a container, {}", home.display()),
            error,
            "set TMPDIR to a folder that can be written to",
        )
    })?;
    cloud.watch_builds(client, &socket(home), checkouts)
}

/// Where the shims report: beside the HOME, which is the container's own.
fn socket(home: &Path) -> PathBuf {
    let mut path = home.as_os_str().to_owned();
    path.push(".builds");
    path.into()
}

/// Writes a script that runs the tester with these arguments, and with its own after them.
fn script(path: &Path, tester: &Path, words: &[&str]) -> io::Result<()> {
    let tester = tester.to_string_lossy();
    let words = [&*tester].into_iter().chain(words.iter().copied());
    let quoted = words.map(|word| format!("'{}'", word.replace('\'', r"'\''")));
    let quoted: Vec<String> = quoted.collect();
    let text = format!("#!/bin/sh\nexec {} \"$@\"\n", quoted.join(" "));
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}
