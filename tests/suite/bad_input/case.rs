//! One bad input or state: what is there, what is called, and what has to come of it.

use std::collections::BTreeSet;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::program::command;

/// No case takes longer, on a busy machine either; what does is killed, and fails.
const LONGEST: Duration = Duration::from_secs(180);
/// Cases that run at once.
const THREADS: usize = 2;

/// How it may end: documented exit codes.
pub const USAGE: &[i32] = &[64];
pub const UNKNOWN: &[i32] = &[2];
/// Where a change may be one that means nothing.
pub const ANY: &[i32] = &[0, 1, 2, 64];
/// Whatever it found: output that could not be written is not held.
pub const NOT_HELD: &[i32] = &[1, 2, 64];

pub struct Case {
    pub name: String,
    args: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
    variables: Vec<(String, String)>,
    /// Where standard output goes; read by the test without it.
    stdout: Option<PathBuf>,
    /// Where standard error goes.
    stderr: Option<PathBuf>,
    codes: &'static [i32],
    parts: Vec<String>,
}

impl Case {
    /// A command line, in words that a blank separates.
    pub fn new(line: &str, codes: &'static [i32], part: &str) -> Self {
        let args: Vec<&str> = line.split_whitespace().collect();
        Self::of(&args, codes, part)
    }

    pub fn of(args: &[&str], codes: &'static [i32], part: &str) -> Self {
        Self {
            name: args.join(" "),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            files: Vec::new(),
            variables: Vec::new(),
            stdout: None,
            stderr: None,
            codes,
            parts: vec![part.to_owned()],
        }
    }

    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = format!("{}: {}", self.name, name.into());
        self
    }

    pub fn file(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), bytes.into()));
        self
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self.name = format!("{name}={value} {}", self.name);
        self
    }

    pub fn stdout(mut self, path: &str) -> Self {
        self.stdout = Some(path.into());
        self.named(format!("standard output to {path}"))
    }

    pub fn stderr(mut self, path: &str) -> Self {
        self.stderr = Some(path.into());
        self.named(format!("standard error to {path}"))
    }

    /// Runs it in a folder of its own. Returns what is wrong with how it ended.
    fn run(&self, folder: &Path, options: &BTreeSet<String>) -> Result<(), String> {
        let (work, files) = (folder.join("work"), folder.join("files"));
        std::fs::create_dir_all(&work).unwrap();
        std::fs::create_dir_all(&files).unwrap();
        for (name, bytes) in &self.files {
            let path = work.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let mut program = command(&work, &args);
        program.env("TMPDIR", &files).stdin(Stdio::null());
        for (name, value) in &self.variables {
            program.env(name, value);
        }
        let to = |path: &Option<PathBuf>| match path {
            Some(path) => Stdio::from(std::fs::File::options().write(true).open(path).unwrap()),
            None => Stdio::piped(),
        };
        program.stdout(to(&self.stdout)).stderr(to(&self.stderr));
        let (code, said) = end(&mut program)?;
        let mut wrong = Vec::new();
        if !code.is_some_and(|code| self.codes.contains(&code)) {
            wrong.push(format!("exit code {code:?}, not one of {:?}", self.codes));
        }
        for part in &self.parts {
            if !said.contains(part) {
                wrong.push(format!("{part:?} is not said"));
            }
        }
        for sign in [
            "panicked",
            "mistake of shakedown",
            "RUST_BACKTRACE",
            "\u{1b}",
            "\u{7}",
        ] {
            if said.contains(sign) {
                wrong.push(format!("{sign:?} is said"));
            }
        }
        if code == Some(64) {
            wrong.extend(unknown_options(&said, options));
        }
        let left = names_in(&files);
        if !left.is_empty() {
            wrong.push(format!("{left:?} is left among the temporary files"));
        }
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(format!("{}\n{}", wrong.join("; "), shortened(&said))),
        }
    }
}

/// Runs a program to its end; what takes too long is killed with all that it started.
fn end(program: &mut Command) -> Result<(Option<i32>, String), String> {
    let mut child = program.process_group(0).spawn().unwrap();
    let group = Pid::from_raw(child.id().cast_signed());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let said = std::thread::scope(|scope| {
        let read = |from: Option<Box<dyn Read + Send>>| {
            scope.spawn(move || {
                let mut bytes = Vec::new();
                let _ = from.map(|mut from| from.read_to_end(&mut bytes));
                String::from_utf8_lossy(&bytes).into_owned()
            })
        };
        let out = read(stdout.map(|from| Box::new(from) as _));
        let err = read(stderr.map(|from| Box::new(from) as _));
        let deadline = Instant::now() + LONGEST;
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if Instant::now() >= deadline => break None,
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        // Also what it left: a reader would wait for that.
        let left = killpg(group, Signal::SIGKILL).is_ok();
        let said = format!("{}{}", out.join().unwrap(), err.join().unwrap());
        match status {
            None => Err(format!(
                "it did not end within {LONGEST:?}\n{}",
                shortened(&said)
            )),
            Some(_) if left => Err("a process of its group was left".into()),
            Some(status) => Ok((status.code(), said)),
        }
    });
    let _ = child.wait();
    said
}

/// Options that a message names and no command has: nobody could follow it.
fn unknown_options(said: &str, options: &BTreeSet<String>) -> Vec<String> {
    let of_words = said.split(|c: char| c.is_whitespace() || "`'\",;:()[]=".contains(c));
    let named = of_words.filter(|word| word.starts_with("--") && word.len() > 2);
    let unknown = named.filter(|word| !options.contains(*word) && !word.contains("no-such"));
    unknown
        .map(|word| format!("no command has {word}"))
        .collect()
}

/// Every option of every command, as their help has them.
fn options() -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let help = |args: &[&str]| {
        let out = command(folder.path(), args).output().unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    let main = help(&["--help"]);
    let commands = main.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| !line.is_empty());
    let names: Vec<&str> = commands
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.contains(&"soak"), "{main}");
    let mut all = main.clone();
    for name in names.iter().filter(|name| **name != "help") {
        all += &help(&[name, "--help"]);
    }
    all += &help(&["profile", "show", "--help"]);
    let words = all.split(|c: char| c.is_whitespace() || "`,.;)[]".contains(c));
    let options = words.filter(|word| word.starts_with("--"));
    options
        .map(str::to_owned)
        .chain(["--".to_owned()])
        .collect()
}

/// Checks all cases, and fails with all that went wrong.
pub fn check_all(cases: Vec<Case>) {
    let root = tempfile::tempdir().unwrap();
    let options = options();
    let count = cases.len();
    let queue = Mutex::new(cases.into_iter().enumerate());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let Some((index, case)) = queue.lock().unwrap().next() else {
                        return;
                    };
                    let folder = root.path().join(index.to_string());
                    if let Err(why) = case.run(&folder, &options) {
                        wrong
                            .lock()
                            .unwrap()
                            .push(format!("shakedown {}\n  {why}", case.name));
                    }
                    let _ = std::fs::remove_dir_all(&folder);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(processes_of(root.path()), Vec::<String>::new());
}

/// Processes that know of a folder, by their environment or where they are.
pub fn processes_of(folder: &Path) -> Vec<String> {
    let mark = folder.as_os_str().as_encoded_bytes();
    let own = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let names_folder = |process: &PathBuf| {
        let environment = std::fs::read(process.join("environ")).unwrap_or_default();
        environment.windows(mark.len()).any(|part| part == mark)
    };
    let paths = processes
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.bytes().all(|byte| byte.is_ascii_digit()) && *name != *own
        })
        .map(|entry| entry.path());
    paths
        .filter(names_folder)
        .map(|path| path.display().to_string())
        .collect()
}

pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn shortened(text: &str) -> String {
    text.chars().take(600).collect()
}
