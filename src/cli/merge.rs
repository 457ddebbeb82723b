//! `shakedown merge`: its arguments, and what it does with them.

use std::path::PathBuf;

use clap::Args;

use super::soak::program;
use crate::{Exit, print};
use shakedown::report::{self, Style};
use shakedown::soak::{self, Bug};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct MergeArgs {
    /// Folders of soaks, or folders that hold such folders
    #[arg(required = true, value_name = "DIR")]
    pub folders: Vec<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  shakedown merge shakedown-soak                   all shards that worked in that folder
  shakedown merge results-0 results-1 results-2    those of several machines

A missing shard is told, and ends it with 2 where nothing was violated.";

/// Tells what the shards of a soak came to together.
pub fn run(args: &MergeArgs) -> Exit {
    let merged = match soak::merge(&args.folders) {
        Ok(merged) => merged,
        Err(error) => {
            eprintln!("{error}");
            return Exit::Usage;
        }
    };
    let style = Style::of_stdout();
    let identity = &merged.identity;
    let on = identity.options.iter();
    let on: String = on.map(|option| format!(" {option}")).collect();
    let replay = |bug: &Bug| {
        let name = format!("bugs/{}.plan", bug.id);
        let files = merged.parts.iter().map(|part| part.folder.join(&name));
        let file = files.into_iter().find(|file| file.exists());
        format!(
            "{} replay {} --target {}{on} --seed {}",
            program(),
            file.unwrap_or(name.into()).display(),
            identity.target,
            bug.seed
        )
    };
    print(&report::merged(&merged, &replay, style));
    let is_whole = merged.missing.is_empty() && merged.parts.iter().all(|part| part.is_complete);
    if merged.totals.violated > 0 {
        Exit::Violated
    } else if !is_whole || merged.totals.unknown > 0 {
        Exit::Unknown
    } else {
        Exit::Held
    }
}
