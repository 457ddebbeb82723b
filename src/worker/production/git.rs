//! The `git` command: its environment, its errors.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use tokio::process::Command;

use super::child::{Finished, run};
use super::secrets::{Secrets, basic_credentials};
use crate::process;
use crate::worker::ports::{Kind, PortError, PortResult};

/// Settings that make `git` behave the same wherever the worker runs.
const SETTINGS: [(&str, &str); 11] = [
    // Maintenance in the background would go on after the command that began it.
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    // Each thread takes its share of a container's little memory, and longer to start than it saves.
    ("pack.threads", "1"),
    ("core.hooksPath", "/dev/null"),
    ("core.autocrlf", "false"),
    ("core.quotePath", "false"),
    ("credential.helper", ""),
    ("advice.detachedHead", "false"),
    ("init.defaultBranch", "main"),
    ("protocol.version", "2"),
    // The folder may be a volume that another user made; it is the worker's all the same.
    ("safe.directory", "*"),
];

/// Who commits in the worker's name.
const IDENTITY: [(&str, &str); 4] = [
    ("GIT_AUTHOR_NAME", "Webordinary"),
    ("GIT_AUTHOR_EMAIL", "edit@webordinary.com"),
    ("GIT_COMMITTER_NAME", "Webordinary"),
    ("GIT_COMMITTER_EMAIL", "edit@webordinary.com"),
];

/// Runs `git`, without a terminal, a hook, or a user's own settings.
#[derive(Clone)]
pub struct Git {
    environment: Vec<(OsString, OsString)>,
    secrets: Secrets,
}

impl Git {
    pub fn new(token: &str, secrets: Secrets) -> Self {
        let mut environment = inherited();
        let mut set = |name: &str, value: &str| environment.push((name.into(), value.into()));
        for (name, value) in IDENTITY {
            set(name, value);
        }
        for (name, value) in [
            ("GIT_EDITOR", "true"),
            ("GIT_SEQUENCE_EDITOR", "true"),
            ("LC_ALL", "C"),
        ] {
            set(name, value);
        }
        // Other users cannot see the token in the environment; in the arguments they could.
        let header = format!("Authorization: Basic {}", basic_credentials(token));
        let settings = SETTINGS
            .into_iter()
            .chain([("http.extraHeader", header.as_str())]);
        for (n, (key, value)) in settings.enumerate() {
            set(&format!("GIT_CONFIG_KEY_{n}"), key);
            set(&format!("GIT_CONFIG_VALUE_{n}"), value);
        }
        set("GIT_CONFIG_COUNT", &(SETTINGS.len() + 1).to_string());
        Self {
            environment,
            secrets,
        }
    }

    /// Runs a command in a folder and returns what it printed.
    ///
    /// # Errors
    /// As [`Git::failure`] describes them.
    pub async fn output(&self, folder: &Path, arguments: &[&str]) -> PortResult<String> {
        let finished = self.finish(folder, arguments, &[], b"").await?;
        if finished.status.success() {
            Ok(String::from_utf8_lossy(&finished.stdout).into_owned())
        } else {
            Err(self.failure(arguments, &finished))
        }
    }

    /// Runs a command with more environment and an input, and returns how it ended.
    ///
    /// # Errors
    /// Only when it could not be run.
    pub async fn finish(
        &self,
        folder: &Path,
        arguments: &[&str],
        environment: &[(&str, &Path)],
        input: &[u8],
    ) -> PortResult<Finished> {
        let mut command = Command::from(process::git("git"));
        command
            .args(arguments)
            .current_dir(folder)
            .envs(self.environment.iter().cloned())
            .envs(environment.iter().copied());
        run(command, input).await.map_err(|error| {
            let text = match error.kind() {
                io::ErrorKind::NotFound if folder.is_dir() => {
                    "cannot run git: the command is not found; install git".into()
                }
                _ => format!("cannot run git in {}: {error}", folder.display()),
            };
            PortError::new(Kind::Other, text)
        })
    }

    /// The error that a failed command means.
    pub fn failure(&self, arguments: &[&str], finished: &Finished) -> PortError {
        let command = arguments
            .iter()
            .find(|word| !word.starts_with('-'))
            .unwrap_or(&"");
        classify(command, &self.secrets.hide(&finished.stderr))
    }
}

/// The environment that every child may see: this process's own without its secrets, and without
/// what would send `git` elsewhere.
pub fn inherited() -> Vec<(OsString, OsString)> {
    std::env::vars_os()
        .filter(|(name, _)| {
            let name = name.to_string_lossy();
            let is_git = name.starts_with("GIT_")
                && !name.starts_with("GIT_SSL_")
                && name != "GIT_EXEC_PATH";
            let is_ours = name.starts_with("AWS_") || name.starts_with("ANTHROPIC_");
            !is_git && !is_ours && name != "SSH_ASKPASS"
        })
        .collect()
}

/// Reads what git said on standard error.
fn classify(command: &str, stderr: &str) -> PortError {
    let lines = stderr.lines().map(str::trim).filter(|line| {
        !line.is_empty() && !line.starts_with("hint:") && !line.starts_with("remote: ")
    });
    let shown: Vec<&str> = lines.take(4).collect();
    let shown = shown.join("; ");
    let has = |words: &[&str]| words.iter().any(|word| stderr.contains(word));
    let status = stderr
        .split_once("returned error: ")
        .and_then(|(_, rest)| rest.get(..3)?.parse::<u16>().ok());
    let is_denied = has(&["Authentication failed", "could not read Username"])
        || matches!(status, Some(401 | 403));
    let (kind, text) = if is_denied {
        // Without a terminal, git reports a 401 as a missing user name, which does not help.
        let why = match status {
            Some(status) => format!("the remote answered {status}"),
            None => "the remote refused the token".into(),
        };
        (
            Kind::Denied,
            format!("git {command}: Authentication failed: {why}"),
        )
    } else {
        let kind = match status {
            Some(429 | 503) => Kind::Throttled,
            Some(502 | 504) => Kind::Network,
            Some(404) => Kind::Missing,
            Some(_) => Kind::Other,
            None if has(&NO_ANSWER) => Kind::Network,
            None => Kind::Other,
        };
        (kind, format!("git {command}: {shown}"))
    };
    PortError {
        status,
        ..PortError::new(kind, text)
    }
}

/// What git and curl say where there was no answer, or only a part of one.
const NO_ANSWER: [&str; 16] = [
    "Could not resolve host",
    "Couldn't resolve host",
    "Failed to connect",
    "Could not connect",
    "Couldn't connect",
    "Connection refused",
    "Connection reset",
    "Connection timed out",
    "Recv failure",
    "Send failure",
    "Empty reply from server",
    "transfer closed",
    "timed out",
    "early EOF",
    "hung up unexpectedly",
    "unexpected disconnect",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stderr: &str, kind: Kind, status: Option<u16>, words: &str) {
        let error = classify("push", stderr);
        assert_eq!((error.kind, error.status), (kind, status), "{stderr}");
        assert!(error.text.contains(words), "{}", error.text);
    }

    #[test]
    fn errors_are_distinguished_by_their_words() {
        let url = "http://127.0.0.1:1/git/acme.git/";
        let returned = |status: u16| {
            format!("fatal: unable to access '{url}': The requested URL returned error: {status}\n")
        };
        check(
            &returned(403),
            Kind::Denied,
            Some(403),
            "Authentication failed",
        );
        check(&returned(503), Kind::Throttled, Some(503), "error: 503");
        check(&returned(500), Kind::Other, Some(500), "error: 500");
        check(&returned(404), Kind::Missing, Some(404), "error: 404");
        let prompt = "fatal: could not read Username for 'http://127.0.0.1:1': terminal prompts \
                      disabled";
        check(prompt, Kind::Denied, None, "Authentication failed");
        let refused = format!("fatal: unable to access '{url}': Failed to connect to 127.0.0.1");
        check(&refused, Kind::Network, None, "Failed to connect");
        let cut = "error: RPC failed; curl 52 Empty reply from server\nfatal: the remote end hung \
                   up unexpectedly";
        check(cut, Kind::Network, None, "curl 52");
        check(
            "fatal: index file corrupt",
            Kind::Other,
            None,
            "index file corrupt",
        );
    }
}
