//! What this machine must have before anything is started on local, looked at in one place.

use std::io;
use std::process::Command;
use std::time::Duration;

use crate::process;
use crate::target::TargetError;

/// The oldest git that takes all that is asked of it: the settings that keep the user's own away came with it.
const OLDEST_GIT: (u32, u32) = (2, 32);
/// The oldest node that Astro 5 runs on.
const OLDEST_NODE: (u32, u32) = (20, 3);
/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);
/// Checks that git and a shell are there, and with Astro node and npm; that they answer, and are new enough.
///
/// # Errors
/// What is missing, and how to get it.
pub fn check(git: &str, with_astro: bool) -> Result<(), TargetError> {
    const INSTALL_GIT: &str = "install git 2.32 or newer, and put it on PATH";
    let version = version_of(process::git(git).arg("--version"), INSTALL_GIT)?;
    new_enough("git", &version, OLDEST_GIT, INSTALL_GIT)?;
    let shell = "put a POSIX shell on PATH as `sh`, which the builds of sites are written for";
    version_of(process::command("sh").args(["-c", ":"]), shell)?;
    if with_astro {
        const INSTALL_NODE: &str = "install Node.js 20.3 or newer, with npm, and put both on PATH; or \
                                    leave out `--site astro`";
        let version = version_of(process::installer("node").arg("--version"), INSTALL_NODE)?;
        new_enough("node", &version, OLDEST_NODE, INSTALL_NODE)?;
        version_of(process::installer("npm").arg("--version"), INSTALL_NODE)?;
    }
    Ok(())
}

fn failed(why: impl std::fmt::Display, remedy: &str) -> TargetError {
    TargetError::new("looking for what the target local needs", why, remedy)
}

/// What a program prints of its version; one that hangs is ended.
fn version_of(command: &mut Command, remedy: &str) -> Result<String, TargetError> {
    let program = command.get_program().display().to_string();
    let child = process::spawn_piped(command);
    let ended = child.and_then(|child| process::finish(child, PATIENCE));
    match ended {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => Err(failed(
            format!("`{program}` does not work: it ended with {}", output.status),
            remedy,
        )),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            let why = format!(
                "`{program}` does not answer within {} s",
                PATIENCE.as_secs()
            );
            Err(failed(why, remedy))
        }
        Err(error) => Err(failed(
            format!("`{program}` cannot be run: {error}"),
            remedy,
        )),
    }
}

fn new_enough(
    program: &str,
    said: &str,
    oldest: (u32, u32),
    remedy: &str,
) -> Result<(), TargetError> {
    match numbers(said) {
        Some(version) if version >= oldest => Ok(()),
        Some(_) => Err(failed(format!("{program} is too old: `{said}`"), remedy)),
        None => Err(failed(
            format!("`{program}` says no version: `{said}`"),
            remedy,
        )),
    }
}

/// The first two numbers of a version, such as `git version 2.47.3` or `v20.3.1`.
fn numbers(said: &str) -> Option<(u32, u32)> {
    let from = said.find(|c: char| c.is_ascii_digit())?;
    let mut numbers = said[from..].split('.');
    let first = numbers.next()?.parse().ok()?;
    let second = numbers.next()?;
    let end = second
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(second.len());
    Some((first, second[..end].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (said, expected) in [
            ("git version 2.47.3", Some((2, 47))),
            ("git version 2.39.5 (Apple Git-154)", Some((2, 39))),
            ("v20.3.0", Some((20, 3))),
            ("v100.0.0", Some((100, 0))),
            ("2.32-rc1.x", Some((2, 32))),
            ("", None),
            ("git version", None),
            ("99999999999.1", None),
        ] {
            assert_eq!(numbers(said), expected, "{said}");
        }
    }

    #[track_caller]
    fn check_git(script: &str, part: &str) {
        let folder = tempfile::tempdir().unwrap();
        let git = folder.path().join("git");
        std::fs::write(&git, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&git, PermissionsExt::from_mode(0o755)).unwrap();
        let error = check(git.to_str().unwrap(), false).unwrap_err().to_string();
        assert!(
            error.contains(part) && error.contains("install git"),
            "{error}"
        );
    }

    #[test]
    fn a_git_that_is_missing_old_broken_or_hangs_is_named() {
        let error = check("git-that-is-not-there", false)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`git-that-is-not-there` cannot be run"),
            "{error}"
        );
        check_git("echo git version 1.8.3", "git is too old");
        check_git("echo hello", "says no version");
        check_git("exit 3", "does not work");
        check_git("sleep 60", "does not answer within 10 s");
        check("git", false).unwrap();
    }
}
