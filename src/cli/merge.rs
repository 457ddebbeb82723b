//! `shakedown merge`: its arguments, and what it does with them.

use std::path::PathBuf;

use clap::Args;

use super::bugs::Bugs;
use super::outputs::OutputArgs;
use crate::cli::dispatch::{Exit, print_data};
use crate::finding::Finding;
use crate::report::page::campaign::Campaign;
use crate::report::{self, lines};
use crate::soak::{self, Merged};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct MergeArgs {
    /// Folders of soaks, or folders that hold such folders
    #[arg(required = true, value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    #[command(flatten)]
    pub output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  shakedown merge shakedown-soak                   all shards that worked in that folder
  shakedown merge results-0 results-1 results-2    those of several machines
  shakedown merge shakedown-soak --html report/ --junit junit.xml

A missing shard is reported; the exit code is then 2 where nothing was violated.

--html writes the page of all shards, and the timeline of each bug; --junit a test case for the plans
and one for each bug; --json a line of type `totals`, one of type `shard` for each, and a `summary`.";

/// Reports what the shards of a soak found together.
pub fn run(args: &MergeArgs) -> Exit {
    if let Err(exit) = args.output.distinct(&[], &[]) {
        return exit;
    }
    let merged = match soak::merge(&args.folders) {
        Ok(merged) => merged,
        Err(error) => {
            eprintln!("{error}");
            return Exit::Usage;
        }
    };
    let bugs = Bugs {
        identity: &merged.identity,
        folders: merged.parts.iter().map(|part| &*part.folder).collect(),
    };
    let replay = |bug: &Finding| bugs.replay(bug);
    let output = &args.output;
    output.print(&report::merged(&merged, &replay, output.style()));
    if output.json {
        print_data(&lines::other("totals", &merged.totals));
        for part in &merged.parts {
            print_data(&lines::other("shard", part));
        }
    }
    bugs.print_violated_by_all(output, &merged.totals);
    let campaign = Campaign::of_merged(&merged, &command(args));
    exit(&merged).where_written(bugs.write(output, campaign, &merged.totals))
}

fn exit(of: &Merged) -> Exit {
    let is_whole = of.missing.is_empty() && of.parts.iter().all(|part| part.is_complete);
    if of.totals.violated > 0 || !of.identity.violated_by_all(&of.totals).is_empty() {
        Exit::Violated
    } else if !is_whole || of.totals.unknown > 0 {
        Exit::Unknown
    } else {
        Exit::Held
    }
}

fn command(args: &MergeArgs) -> String {
    let folders = args.folders.iter();
    let folders: String = folders.map(|of| format!(" {}", of.display())).collect();
    format!("shakedown merge{folders}")
}
