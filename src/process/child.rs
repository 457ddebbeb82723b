//! How every child process is made: what it knows of this one, and how long it may take.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::kill_group;

/// Variables of this process that every child sees: where programs are, and where temporary files go.
const PASSED: [&str; 2] = ["PATH", "TMPDIR"];
/// What an installer needs beside those to reach its registry, by how the names begin, in any case.
const INSTALLING: [&str; 9] = [
    "HOME",
    "XDG_",
    "NPM_CONFIG_",
    "PIP_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_",
    "NODE_EXTRA_CA_CERTS",
];
/// A home that holds nobody's settings.
const NO_HOME: &str = "/nonexistent";

/// No command of the tester's own takes so long; one that does hangs.
pub const LONGEST: Duration = Duration::from_secs(60);

/// A command whose outcome does not depend on who started the tester, and from where: it sees no
/// variable of this process but those of [`PASSED`], and no terminal.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    let passed = PASSED.iter().filter_map(|name| {
        let value = std::env::var_os(name)?;
        Some((name, value))
    });
    command
        .env_clear()
        .envs(passed)
        .env("HOME", NO_HOME)
        .env("LANG", "C.UTF-8")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null());
    command
}

/// The same for `git`, or for what starts it: without the settings of the user and of the machine.
pub fn git(program: impl AsRef<OsStr>) -> Command {
    let mut git = command(program);
    git.env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0");
    git
}

/// The same for a program that installs packages, with the user's settings for that: its registry
/// may be reached in no other way, and what it installs is pinned.
pub fn installer(program: impl AsRef<OsStr>) -> Command {
    let mut installer = command(program);
    installer.envs(std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy().to_ascii_uppercase();
        INSTALLING.iter().any(|passed| name.starts_with(passed))
    }));
    installer
}

/// A command in the place of this process, with all that it has: for [`relay`](super::relay).
pub fn successor(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// Runs a command to its end and returns what it wrote. One that is not over after [`LONGEST`] is
/// killed with all that it started.
///
/// # Errors
/// When it cannot be run, or hangs.
pub fn output(command: &mut Command) -> io::Result<Output> {
    finish(spawn_piped(command)?, LONGEST)
}

/// Starts a command as the leader of a process group, with what it writes kept for [`finish`].
///
/// # Errors
/// When it cannot be run.
pub fn spawn_piped(command: &mut Command) -> io::Result<Child> {
    spawn_with(command, Stdio::piped())
}

/// The same, where what it writes on its standard output may go elsewhere.
///
/// # Errors
/// As [`spawn_piped`].
pub fn spawn_with(command: &mut Command, out: Stdio) -> io::Result<Child> {
    command
        .process_group(0)
        .stdout(out)
        .stderr(Stdio::piped())
        .spawn()
}

/// Waits for the end of such a child.
///
/// # Errors
/// When it takes longer than the limit; it is killed then.
pub fn finish(mut child: Child, limit: Duration) -> io::Result<Output> {
    let deadline = Instant::now() + limit;
    let ended = read_to_end(&mut child, deadline)
        .and_then(|read| Ok((read, wait_until(&mut child, deadline)?)));
    match ended {
        Ok(((stdout, stderr), status)) => Ok(Output {
            status,
            stdout,
            stderr,
        }),
        Err(error) => {
            // The error says what matters; what is killed is gone in any case.
            let _ = kill_group(child.id().cast_signed());
            let _ = child.wait();
            Err(error)
        }
    }
}

fn hangs() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "it hangs, and was killed")
}

/// Waits for a child; looks again after pauses, which begin short.
fn wait_until(child: &mut Child, deadline: Instant) -> io::Result<ExitStatus> {
    let mut pause = Duration::from_micros(100);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            return Err(hangs());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// Reads what a child writes on both its outputs until it closes them.
fn read_to_end(child: &mut Child, deadline: Instant) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut pipes = [
        Pipe::new(stdout.map(OwnedFd::from)),
        Pipe::new(stderr.map(OwnedFd::from)),
    ];
    while pipes.iter().any(|pipe| pipe.from.is_some()) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(hangs());
        }
        // Rounded up, so that it does not spin in the last millisecond.
        let timeout = PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX);
        let open = pipes.iter().filter_map(|pipe| pipe.from.as_ref());
        let mut waiting: Vec<PollFd> = open
            .map(|from| PollFd::new(from.as_fd(), PollFlags::POLLIN))
            .collect();
        match poll(&mut waiting, timeout) {
            Err(Errno::EINTR) => continue,
            ready => ready?,
        };
        let ready: Vec<bool> = waiting.iter().map(|fd| fd.any() == Some(true)).collect();
        let open = pipes.iter_mut().filter(|pipe| pipe.from.is_some());
        for (pipe, is_ready) in open.zip(ready) {
            if is_ready {
                pipe.read()?;
            }
        }
    }
    let [stdout, stderr] = pipes;
    Ok((stdout.bytes, stderr.bytes))
}

/// One output of a child.
struct Pipe {
    /// `None` once the child has closed it.
    from: Option<File>,
    bytes: Vec<u8>,
}

impl Pipe {
    fn new(from: Option<OwnedFd>) -> Self {
        Self {
            from: from.map(File::from),
            bytes: Vec::new(),
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 64 * 1024];
        let Some(from) = &mut self.from else {
            return Ok(());
        };
        match from.read(&mut buffer) {
            Ok(0) => self.from = None,
            Ok(count) => self.bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut shell = command("sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn a_child_sees_nothing_of_the_caller() {
        // cargo sets this for its tests, and many more.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let output = output(&mut shell("env | cut -d= -f1 | sort")).unwrap();
        let names = String::from_utf8(output.stdout).unwrap();
        let allowed = [
            "HOME", "LANG", "LC_ALL", "OLDPWD", "PATH", "PWD", "SHLVL", "TMPDIR", "_",
        ];
        for name in names.lines() {
            assert!(allowed.contains(&name), "{name} is passed on");
        }
        assert!(names.contains("PATH"));
    }

    #[test]
    fn both_outputs_are_read_however_much_there_is() {
        let script = "head -c 300000 /dev/zero >&2; head -c 200000 /dev/zero; exit 3";
        let output = output(&mut shell(script)).unwrap();
        assert_eq!(
            (output.stdout.len(), output.stderr.len()),
            (200_000, 300_000)
        );
        assert_eq!(output.status.code(), Some(3));
    }

    #[test]
    fn a_child_that_hangs_is_killed_with_its_own() {
        for script in ["sleep 60 & wait", "exec >&- 2>&-; sleep 60"] {
            let child = spawn_piped(&mut shell(script)).unwrap();
            let (group, began) = (child.id().cast_signed(), Instant::now());
            let error = finish(child, Duration::from_millis(200)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{script}");
            assert!(began.elapsed() < Duration::from_secs(30), "{script}");
            while super::super::has_members(group) {
                assert!(began.elapsed() < Duration::from_secs(30), "{script}");
            }
        }
    }
}
