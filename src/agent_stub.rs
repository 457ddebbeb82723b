//! `shakedown agent-stub`: the tester's program in the place of an agent's, such as `claude`.
//!
//! It reads the prompt as that program does, asks the loopback cloud what to do, so that the faults of
//! the agent reach it, makes the changes in the folder that it runs in, and ends as that program does.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Component, Path};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::cloud::STUB_PATH;
use crate::files::FileChange;
use crate::http::Call;
use crate::site;

/// The arguments of `shakedown agent-stub`.
#[derive(Debug, Args)]
pub struct StubArgs {
    /// The address of the loopback cloud, as http://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub ask: String,
    /// The arguments that the agent's own program was given
    #[arg(last = true)]
    pub arguments: Vec<String>,
}

/// How a stub fails: what it prints.
struct Failed(String);

/// Does what an agent would do.
pub fn run(args: &StubArgs) -> ExitCode {
    let asks_version = |argument: &String| matches!(argument.as_str(), "--version" | "-v" | "-V");
    if args.arguments.iter().any(asks_version) {
        println!("1.0.0 (shakedown agent-stub)");
        return ExitCode::SUCCESS;
    }
    let outcome = prompt(&args.arguments).and_then(|prompt| {
        let changes = ask(&args.ask, &prompt)?;
        for change in &changes {
            make(change).map_err(|error| Failed(format!("cannot edit: {error}")))?;
        }
        Ok(changes.len())
    });
    let (text, is_error) = match &outcome {
        Ok(0) => ("Done.".to_owned(), false),
        Ok(changes) => (format!("I made {changes} changes."), false),
        Err(Failed(why)) => (why.clone(), true),
    };
    print(&args.arguments, &text, is_error);
    ExitCode::from(u8::from(is_error))
}

/// The prompt: the argument that has an instruction in it, else what comes on standard input.
fn prompt(arguments: &[String]) -> Result<String, Failed> {
    let mut given = arguments.iter();
    if let Some(argument) = given.find(|argument| site::instruction_in(argument).is_some()) {
        return Ok(argument.clone());
    }
    let mut text = String::new();
    io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failed(format!("cannot read the prompt: {error}")))?;
    Ok(text)
}

/// What the cloud says is to be done.
fn ask(url: &str, prompt: &str) -> Result<Vec<FileChange>, Failed> {
    let broken =
        |why: &dyn std::fmt::Display| Failed(format!("API Error: Connection error ({why})"));
    let body = json!({ "prompt": prompt }).to_string();
    let call = Call::post(format!("{url}{STUB_PATH}"), body);
    // The agent's own program waits for as long as it takes.
    let reply = call.make(None).map_err(|error| broken(&error))?;
    if reply.status != 200 {
        let said = String::from_utf8_lossy(&reply.body);
        return Err(Failed(format!("API Error: {} {said}", reply.status)));
    }
    let body: Value = serde_json::from_slice(&reply.body).map_err(|error| broken(&error))?;
    serde_json::from_value(body["changes"].clone()).map_err(|error| broken(&error))
}

/// Makes one change in the folder that the stub runs in.
fn make(change: &FileChange) -> io::Result<()> {
    let (FileChange::Write { path, .. }
    | FileChange::Append { path, .. }
    | FileChange::Delete { path }) = change;
    let path = Path::new(&**path);
    if path
        .components()
        .any(|part| !matches!(part, Component::Normal(_)))
    {
        return Err(io::Error::other(format!(
            "{} leads out of the folder",
            path.display()
        )));
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    match change {
        FileChange::Write { text, .. } => fs::write(path, text.as_bytes()),
        FileChange::Append { line, .. } => {
            let mut file = fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)?;
            writeln!(file, "{line}")
        }
        FileChange::Delete { .. } => match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
    }
}

/// Prints the end in the form that the arguments ask for, as Claude Code does.
fn print(arguments: &[String], text: &str, is_error: bool) {
    let format = arguments
        .iter()
        .zip(arguments.iter().skip(1).map(Some).chain([None]))
        .find_map(
            |(argument, next)| match argument.strip_prefix("--output-format") {
                Some("") => next.map(String::as_str),
                Some(value) => value.strip_prefix('='),
                None => None,
            },
        );
    let result = json!({
        "type": "result",
        "subtype": if is_error { "error_during_execution" } else { "success" },
        "is_error": is_error,
        "result": text,
        "num_turns": 1,
        "session_id": "00000000-0000-4000-8000-000000000000",
        "total_cost_usd": 0.0,
    });
    let assistant = json!({
        "type": "assistant",
        "message": { "role": "assistant", "content": [{ "type": "text", "text": text }] },
    });
    let lines = match format {
        Some("json") => format!("{result}\n"),
        Some("stream-json") => format!("{assistant}\n{result}\n"),
        _ => format!("{text}\n"),
    };
    // A worker that closed the pipe does not want the rest.
    let _ = io::stdout().write_all(lines.as_bytes());
}
