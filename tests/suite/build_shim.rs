//! The shim in front of a command that builds: it changes nothing, and reports.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::Value;

/// A folder with a tool, a shim before it on the PATH, and who takes its reports.
struct Shimmed {
    folder: tempfile::TempDir,
    reports: JoinHandle<Vec<Value>>,
}

impl Shimmed {
    /// The tool is this script; so many reports come.
    fn new(script: &str, reports: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Longer than the name of a socket can be.
        let far = folder.path().join("x".repeat(120));
        for made in ["bin", "tools", "work"] {
            fs::create_dir_all(folder.path().join(made)).unwrap();
        }
        fs::create_dir(&far).unwrap();
        // A socket by its short name, where it was made by that.
        std::os::unix::fs::symlink(&far, folder.path().join("far")).unwrap();
        let listener = UnixListener::bind(folder.path().join("far/reports")).unwrap();
        let reports = std::thread::spawn(move || {
            let taken = listener.incoming().take(reports).map(|stream| {
                let mut stream = BufReader::new(stream.unwrap());
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                stream.get_mut().write_all(b"\n").unwrap();
                serde_json::from_str(&line).unwrap()
            });
            taken.collect()
        });
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        file("tools/tool", script);
        let shim = format!(
            "#!/bin/sh\nexec '{}' build-shim --report '{}' --bin '{}' --output dist --build 'tool run' -- tool \"$@\"\n",
            env!("CARGO_BIN_EXE_shakedown"),
            far.join("reports").display(),
            folder.path().join("bin").display(),
        );
        file("bin/tool", &shim);
        Self { folder, reports }
    }

    fn command(&self, arguments: &[&OsStr]) -> Command {
        let mut path =
            std::env::join_paths(["bin", "tools"].map(|it| self.folder.path().join(it))).unwrap();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        let mut command = Command::new(self.folder.path().join("bin/tool"));
        command
            .args(arguments)
            .env("PATH", path)
            // A system's own; it concerns no shim.
            .env("PROPTEST_CASES", "none")
            .current_dir(self.folder.path().join("work"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn reports(self) -> Vec<Value> {
        self.reports.join().unwrap()
    }
}

fn words(text: &str) -> Vec<&OsStr> {
    text.split_whitespace().map(OsStr::new).collect()
}

#[test]
fn arguments_streams_and_exit_codes_pass_through_and_what_was_written_is_reported() {
    let script = "#!/bin/sh
printf '%s|' \"$0\" \"$@\" \"${SHAKEDOWN_IN_BUILD-none}\"; cat; echo oops >&2
mkdir -p dist/sub; echo 'old' >dist/sub/page; echo 'edit-3 edit-2 edit-3' >>dist/index.html
exit 7
";
    let shimmed = Shimmed::new(script, 2);
    let odd = OsStr::from_bytes(b"a 'b' \"c\" $d \xff\n");
    let mut child = shimmed
        .command(&[OsStr::new("run"), OsStr::new(""), odd])
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"from stdin")
        .unwrap();
    let out = child.wait_with_output().unwrap();
    let tool = shimmed.folder.path().join("tools/tool");
    let mut expected = tool.as_os_str().as_bytes().to_vec();
    expected.extend_from_slice(b"|run||a 'b' \"c\" $d \xff\n|1|from stdin");
    assert_eq!(
        out.stdout,
        expected,
        "{}",
        String::from_utf8_lossy(&out.stdout)
    );
    assert_eq!(out.stderr, b"oops\n");
    assert_eq!(out.status.code(), Some(7));
    let work = shimmed.folder.path().canonicalize().unwrap().join("work");
    let [began, ended] = &shimmed.reports()[..] else {
        panic!("two reports");
    };
    assert_eq!(*began, serde_json::json!({ "began": ["tool run", work] }));
    let end =
        serde_json::json!({ "code": 7, "files": 2, "bytes": 25, "marks": ["edit-2", "edit-3"] });
    assert_eq!(*ended, serde_json::json!({ "ended": ["tool run", end] }));
}

#[test]
fn what_is_no_build_is_replaced_and_what_is_not_there_is_not_found() {
    let shimmed = Shimmed::new("#!/bin/sh\necho $$; exit 3\n", 0);
    let child = shimmed.command(&words("install run")).spawn().unwrap();
    let id = child.id();
    let out = child.wait_with_output().unwrap();
    assert_eq!(
        out.stdout,
        format!("{id}\n").into_bytes(),
        "the same process"
    );
    assert_eq!(out.status.code(), Some(3));
    fs::remove_file(shimmed.folder.path().join("tools/tool")).unwrap();
    let out = shimmed.command(&words("run")).output().unwrap();
    assert_eq!(out.status.code(), Some(127));
    assert_eq!(out.stderr, b"tool: command not found\n");
    assert!(shimmed.reports().is_empty());
}

#[test]
fn a_build_goes_on_where_nobody_takes_its_reports() {
    let shimmed = Shimmed::new("#!/bin/sh\necho built\n", 0);
    fs::remove_file(shimmed.folder.path().join("far/reports")).unwrap();
    let out = shimmed.command(&words("run")).output().unwrap();
    assert_eq!(
        (&out.stdout[..], out.status.code()),
        (&b"built\n"[..], Some(0))
    );
}

/// Takes its signals one after the other and writes them down, until SIGUSR1.
const SIGNALLED: &str = "#!/usr/bin/env python3
import signal
all = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1}
signal.pthread_sigmask(signal.SIG_BLOCK, all)
print('ready', flush=True)
while True:
    one = signal.sigwait(all)
    print(one.name, flush=True)
    if one == signal.SIGUSR1:
        break
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_UNBLOCK, all)
print('end', flush=True)
signal.pause()
";

/// Runs the tool and sends it signals, each once it has taken the one before.
fn signalled(group: bool) -> (String, ExitStatus, Vec<Value>) {
    let shimmed = Shimmed::new(SIGNALLED, 2);
    let mut command = shimmed.command(&words("run"));
    let mut child: Child = command.process_group(0).spawn().unwrap();
    let id = Pid::from_raw(child.id().cast_signed());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = String::new();
    let mut take = |signal: Option<(Signal, bool)>| {
        match signal {
            Some((signal, true)) => killpg(id, signal).unwrap(),
            Some((signal, false)) => kill(id, signal).unwrap(),
            None => {}
        }
        seen.push_str(&lines.next().unwrap().unwrap());
        seen.push(' ');
    };
    take(None);
    take(Some((Signal::SIGINT, group)));
    take(Some((Signal::SIGTERM, group)));
    // Sent to the shim alone, this one comes after what it had to pass on before.
    take(Some((Signal::SIGUSR1, false)));
    take(None);
    kill(id, Signal::SIGTERM).unwrap();
    let mut errors = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut errors)
        .unwrap();
    assert_eq!(errors, "");
    let status = child.wait().unwrap();
    (seen, status, shimmed.reports())
}

#[test]
fn a_signal_comes_once_whether_the_process_or_its_group_is_sent_it() {
    for group in [false, true] {
        let (seen, status, reports) = signalled(group);
        assert_eq!(seen, "ready SIGINT SIGTERM SIGUSR1 end ", "group: {group}");
        assert_eq!(status.signal(), Some(Signal::SIGTERM as i32));
        assert_eq!(reports[1]["ended"][1]["signal"], Signal::SIGTERM as i32);
    }
}

#[test]
fn a_build_dies_with_its_shim() {
    let script = "#!/bin/sh\necho building; exec sleep 600\n";
    let shimmed = Shimmed::new(script, 1);
    let mut child = shimmed.command(&words("run")).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut printed = String::new();
    out.read_line(&mut printed).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // Its output ends when it does.
    out.read_to_string(&mut printed).unwrap();
    assert_eq!(printed, "building\n");
    assert_eq!(shimmed.reports().len(), 1);
}
