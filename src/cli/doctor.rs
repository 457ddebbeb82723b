//! `shakedown doctor`: what of this machine the program can use, and how to get what is missing.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;
use serde::Serialize;

use crate::cli::dispatch::{Exit, print};
use crate::cloud::find_backend;
use crate::process::{self, namespace};
use crate::report::page::BROWSERS;
use crate::report::{Style, lines};
use crate::scratch::Scratch;
use crate::target::local::check_needs;

/// What a run on local needs of the temporary folder, in megabytes.
const SPACE: u64 = 200;
/// What it needs of open files.
const FILES: u64 = 256;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {
    /// Print JSON lines, one for each thing that was looked at and a summary
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  shakedown doctor
  shakedown doctor --json

Nothing is changed. The exit code is 0 where `shakedown` without a command can run, else 2.";

/// Something that was looked at.
#[derive(Serialize)]
struct Checked {
    name: &'static str,
    /// What needs it.
    needed_for: &'static str,
    /// Whether the default run needs it.
    required: bool,
    /// What was found, or what is wrong.
    found: String,
    /// How to get it; null where it is there.
    remedy: Option<String>,
}

#[derive(Serialize)]
struct Summary {
    ready: bool,
    missing: Vec<&'static str>,
}

/// Looks at the machine and prints what it found.
pub fn run(args: &DoctorArgs) -> Exit {
    let all = look();
    let missing = |required: bool| {
        let missing = all
            .iter()
            .filter(move |it| it.remedy.is_some() && it.required == required);
        missing.map(|it| it.name).collect::<Vec<_>>()
    };
    let (needed, useful) = (missing(true), missing(false));
    if args.json {
        let summary = Summary {
            ready: needed.is_empty(),
            missing: [&needed[..], &useful[..]].concat(),
        };
        let each = all.iter().map(|it| lines::other("checked", it));
        print(
            &each
                .chain([lines::other("summary", &summary)])
                .collect::<String>(),
        );
    } else {
        let style = Style::of_stdout();
        let each: String = all.iter().map(|it| described(it, style)).collect();
        print(&each);
        let mut text = match needed.is_empty() {
            true => format!(
                "{}: everything that the default run needs is here",
                style.good("ready")
            ),
            false => format!(
                "{}: the default run needs {}",
                style.bad("not ready"),
                needed.join(", ")
            ),
        };
        if !useful.is_empty() {
            text += &format!("; not here, and not needed for it: {}", useful.join(", "));
        }
        let mut out = String::new();
        style.hanging(&mut out, "  ", &text);
        print(&out);
    }
    match needed.is_empty() {
        true => Exit::Held,
        false => Exit::Unknown,
    }
}

fn described(of: &Checked, style: Style) -> String {
    let word = match (&of.remedy, of.required) {
        (None, _) => style.good("ok     "),
        (Some(_), true) => style.bad("missing"),
        (Some(_), false) => style.odd("missing"),
    };
    let mut out = String::new();
    let text = format!("{word}  {:<16}  {}", of.name, of.found);
    style.hanging(&mut out, &" ".repeat(27), &text);
    if let Some(remedy) = &of.remedy {
        let text = format!("needed for {}; {remedy}", of.needed_for);
        style.paragraph(&mut out, &" ".repeat(27), &text);
    }
    out
}

/// Everything, what the default run needs first.
fn look() -> Vec<Checked> {
    let local = "the target local";
    let needed = |name, found: Result<String, (String, String)>| checked(name, local, true, found);
    let useful = |name, needed_for, found| checked(name, needed_for, false, found);
    vec![
        needed("git", git()),
        needed(
            "sh",
            says(
                process::command("sh").args(["-c", "echo a POSIX shell"]),
                "install a POSIX shell as `sh`",
            ),
        ),
        needed("temporary folder", temporary_folder()),
        needed("loopback", loopback()),
        needed("open files", open_files()),
        useful("processors", "running more plans at once", Ok(processors())),
        useful("memory", "running more plans at once", Ok(memory())),
        useful("tmpfs", "faster runs on local", tmpfs()),
        useful("node and npm", "`--site astro`", node()),
        useful(
            "browser",
            "the tests of the reports' pages, in this project's own gate",
            browser(),
        ),
        useful(
            "namespaces",
            "`[network]` of a profile: the only hosts that a system can reach are the tester's",
            namespaces(),
        ),
    ]
}

fn checked(
    name: &'static str,
    needed_for: &'static str,
    required: bool,
    found: Result<String, (String, String)>,
) -> Checked {
    let (found, remedy) = match found {
        Ok(found) => (found, None),
        Err((why, remedy)) => (why, Some(remedy)),
    };
    Checked {
        name,
        needed_for,
        required,
        found,
        remedy,
    }
}

/// The first line that a program prints; else why there is none, and the remedy.
fn says(program: &mut Command, remedy: &str) -> Result<String, (String, String)> {
    let wrong = |why: String| (why, remedy.to_owned());
    let name = program.get_program().to_string_lossy().into_owned();
    let output = process::output(program)
        .map_err(|error| wrong(format!("`{name}` cannot be run: {error}")))?;
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.lines().next().unwrap_or_default().trim().to_owned()
    };
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(wrong(format!("`{name}` failed: {}", text(&output.stderr)))),
    }
}

fn git() -> Result<String, (String, String)> {
    check_needs("git", false).map_err(|error| (error.why, error.remedy))?;
    let backend = find_backend("git").map_err(|error| (error.why, error.remedy))?;
    let version = says(process::git("git").arg("--version"), "install git")?;
    Ok(format!("{version}, with {}", backend.display()))
}

/// Where runs keep their files: it is made and removed again.
fn temporary_folder() -> Result<String, (String, String)> {
    let remedy =
        || format!("set TMPDIR to a folder with {SPACE} MB of free space that can be written to");
    let scratch = Scratch::new("doctor").map_err(|error| (error.why, remedy()))?;
    let folder = scratch.path().parent().unwrap_or(Path::new("/"));
    let text = |space: &str| format!("{}{space}, on {}", folder.display(), file_system(folder));
    match free_space(folder) {
        Some(free) if free < SPACE => Err((text(&format!(", only {free} MB free")), remedy())),
        Some(free) => Ok(text(&format!(", {free} MB free"))),
        None => Ok(text("")),
    }
}

/// The free space for this user, in megabytes.
fn free_space(folder: &Path) -> Option<u64> {
    let stat = statvfs(folder).ok()?;
    // The types differ from system to system.
    #[allow(clippy::useless_conversion, reason = "only here they are the same")]
    let bytes = u64::from(stat.blocks_available()) * u64::from(stat.fragment_size());
    Some(bytes >> 20)
}

/// The kind of the file system that a folder is on, as Linux says it.
fn file_system(folder: &Path) -> String {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let rows = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((PathBuf::from(fields.next()?), fields.next()?.to_owned()))
    });
    let above = rows.filter(|(point, _)| folder.starts_with(point));
    // The last one hides those before it.
    let deepest = above.max_by_key(|(point, _)| point.components().count());
    deepest.map_or("a file system of unknown kind".into(), |(_, kind)| kind)
}

fn loopback() -> Result<String, (String, String)> {
    let remedy = "let programs listen on 127.0.0.1";
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = address.map_err(|error| (error.to_string(), remedy.to_owned()))?;
    Ok(format!("ports of {} can be opened", address.ip()))
}

fn open_files() -> Result<String, (String, String)> {
    let limit = |of| getrlimit(of).map_or(u64::MAX, |(soft, _)| soft);
    let text = |limit: u64| match limit {
        1_000_000_000.. => "no limit".to_owned(),
        limit => limit.to_string(),
    };
    let files = limit(Resource::RLIMIT_NOFILE);
    let processes = text(limit(Resource::RLIMIT_NPROC));
    let found = format!("at most {}, and processes: {processes}", text(files));
    match files < FILES {
        true => Err((found, format!("raise it with `ulimit -n {FILES}` or more"))),
        false => Ok(found),
    }
}

fn processors() -> String {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    match load.split(' ').next().filter(|load| !load.is_empty()) {
        Some(load) => format!("{count}, with a load of {load}"),
        None => count.to_string(),
    }
}

fn memory() -> String {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let megabytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: u64 = line
            .trim_matches(|c: char| !c.is_ascii_digit())
            .parse()
            .ok()?;
        Some(kilobytes >> 10)
    };
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let limit = limit.and_then(|text| text.trim().parse::<u64>().ok());
    let limit = limit.map_or(String::new(), |bytes| {
        format!(", limited to {} MB", bytes >> 20)
    });
    match (megabytes("MemAvailable:"), megabytes("MemTotal:")) {
        (Some(free), Some(all)) => format!("{free} of {all} MB free{limit}"),
        _ => "unknown: there is no /proc/meminfo".into(),
    }
}

fn tmpfs() -> Result<String, (String, String)> {
    let wrong = |why: String| {
        (
            why,
            "leave TMPDIR unset, and give /dev/shm more room".to_owned(),
        )
    };
    let scratch = Scratch::new("doctor").map_err(|error| wrong(error.why))?;
    match file_system(scratch.path()).as_str() {
        "tmpfs" => Ok("runs keep their files in memory".into()),
        kind => Err(wrong(format!("runs keep their files on {kind}"))),
    }
}

fn node() -> Result<String, (String, String)> {
    check_needs("git", true).map_err(|error| (error.why, error.remedy))?;
    let version = |name: &str| says(process::installer(name).arg("--version"), "install Node.js");
    Ok(format!(
        "node {}, npm {}",
        version("node")?,
        version("npm")?
    ))
}

fn browser() -> Result<String, (String, String)> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|folder| BROWSERS.map(|name| folder.join(name)))
        .find(|program| program.is_file());
    found
        .map(|program| program.display().to_string())
        .ok_or_else(|| {
            (
                format!("none of {} is on PATH", BROWSERS.join(", ")),
                "install one, such as Debian's package `chromium`".into(),
            )
        })
}

fn namespaces() -> Result<String, (String, String)> {
    match namespace::lacking() {
        None => Ok("of networks and mounts can be made".into()),
        Some(why) => Err((
            format!("none can be made: {why}"),
            "allow unprivileged user namespaces; a container may need `--privileged`".into(),
        )),
    }
}
