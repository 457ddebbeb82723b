//! `shakedown build-shim`: first on a container's PATH under the name of a command, such as `npm`. It runs the real
//! command of that name as if it were not there, and lets the tester see a build begin and end.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;

use crate::cloud::{BuildReport, TO_FAIL, with_short_path};
use crate::history::BuildEnd;
use crate::process::{relay, successor};
use crate::site;

/// The arguments of `shakedown build-shim`.
#[derive(Debug, Args)]
pub struct ShimArgs {
    /// The socket at which the tester hears of builds
    #[arg(long)]
    report: PathBuf,
    /// The folder of the shims, in which the real command is not looked for
    #[arg(long)]
    bin: PathBuf,
    /// The folder that a build fills, from where it runs
    #[arg(long)]
    output: PathBuf,
    /// A command that is a build: a program, and what its arguments begin with
    #[arg(long = "build")]
    builds: Vec<String>,
    /// The command
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// In the environment of what runs in a build: it is a part of that build.
const INSIDE: &str = "SHAKEDOWN_IN_BUILD";
/// Files of a build are read for marks up to so many bytes in all.
const MOST_READ: u64 = 64 * 1024 * 1024;
/// What shells end with where a command is not found, or cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_RUN: u8 = 126;

/// Runs the real command. Returns its exit code, if this process is still there then.
pub fn run(args: &ShimArgs) -> ExitCode {
    let (name, arguments) = args.command.split_first().expect("clap asks for one");
    let Some(program) = find(name, &args.bin) else {
        eprintln!("{}: command not found", name.display());
        return ExitCode::from(NOT_FOUND);
    };
    let mut command = successor(program);
    command.arg0(name).args(arguments);
    let is_inside = std::env::var_os(INSIDE).is_some();
    let is_build = |build: &String| begins_with(&args.command, build);
    let ended = match args.builds.iter().find(|build| is_build(build)) {
        Some(build) if !is_inside => watched(args, build, &mut command),
        _ => relay::keep_mask(&mut command).and_then(|()| Err(command.exec())),
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{}: {error}", name.display());
            ExitCode::from(NOT_RUN)
        }
    }
}

/// The program that the PATH has under a name, without the shims.
fn find(name: &OsStr, bin: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut folders = std::env::split_paths(&path).filter(|folder| folder != bin);
    folders.find_map(|folder| {
        let file = folder.join(name);
        let data = file.metadata().ok()?;
        (data.is_file() && data.permissions().mode() & 0o111 != 0).then_some(file)
    })
}

/// Whether a command begins with the words of a build.
fn begins_with(command: &[OsString], build: &str) -> bool {
    let mut words = command.iter();
    build
        .split_whitespace()
        .all(|word| words.next().is_some_and(|it| it == word))
}

/// Runs a build, with a report at its beginning and its end. A tester that does not answer any more changes nothing.
fn watched(args: &ShimArgs, build: &str, command: &mut Command) -> io::Result<ExitCode> {
    let name: Box<str> = build.into();
    let folder = std::env::current_dir()?.to_string_lossy().into();
    let began = report(&args.report, &BuildReport::Began(name.clone(), folder));
    let is_to_fail = began.is_ok_and(|answer| answer == TO_FAIL);
    let began = SystemTime::now();
    let status = relay::run(command.env(INSIDE, "1"))?;
    // It has written what it writes, as a build that fails at its end has.
    let is_spoiled = is_to_fail && status.success();
    let mut end = BuildEnd {
        code: if is_spoiled { Some(1) } else { status.code() },
        signal: status.signal(),
        ..BuildEnd::default()
    };
    let began = began.duration_since(UNIX_EPOCH).unwrap_or_default();
    // A file system's clock is some milliseconds behind.
    let since = began.as_millis().saturating_sub(20);
    written(&args.output, since, &mut end);
    end.marks.sort_unstable();
    end.marks.dedup();
    let _ = report(&args.report, &BuildReport::Ended(name, end));
    if is_spoiled {
        eprintln!("{build}: error: the build failed (injected)");
        return Ok(ExitCode::from(1));
    }
    Ok(relay::end_as(status))
}

/// Adds up the files in a folder that changed since a time, in milliseconds; what cannot be read is left out.
fn written(folder: &Path, since: u128, end: &mut BuildEnd) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(data) = entry.metadata() else {
            continue;
        };
        if data.is_dir() {
            written(&entry.path(), since, end);
            continue;
        }
        let seconds = u128::try_from(data.ctime()).unwrap_or_default();
        let nanos = u128::try_from(data.ctime_nsec()).unwrap_or_default();
        if !data.is_file() || seconds * 1000 + nanos / 1_000_000 < since {
            continue;
        }
        end.files += 1;
        end.bytes += data.len();
        if end.bytes <= MOST_READ
            && let Ok(bytes) = fs::read(entry.path())
        {
            end.marks.extend(site::marks_in(&bytes));
        }
    }
}

/// Hands a report over, and waits until the tester has taken it: it may hold the container there. Returns its answer.
fn report(socket: &Path, report: &BuildReport) -> io::Result<String> {
    let mut line = serde_json::to_string(report)?;
    line.push('\n');
    let mut stream = with_short_path(socket, |path| UnixStream::connect(path))?;
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}
