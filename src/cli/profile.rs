//! `shakedown profile`: checks a system's profile, prints one, and the schema for editors.

use std::path::PathBuf;
use std::time::Duration;

use crate::invariant::not_asked;
use crate::profile::{OTHER, Profile, REFERENCE, reference, schema};
use clap::{Args, Subcommand};

use crate::plan::Edit;

use super::profile_try;
use crate::cli::dispatch::{Exit, print, print_data};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ProfileArgs {
    #[command(subcommand)]
    command: ProfileCommand,
}

const EXAMPLES: &str = "\
Examples:
  shakedown profile show >my.toml                  a complete profile to start from
  shakedown profile check my.toml
  shakedown profile try my.toml                    one instruction, and what was seen of it
  shakedown profile schema >profile.schema.json    for the editor";

#[derive(Debug, Subcommand)]
enum ProfileCommand {
    /// Check a profile, and print what it leaves unasked; nothing is started
    Check {
        /// The profile
        file: PathBuf,
    },
    /// Start the system that a profile starts, give it work, and show what was seen of it
    Try {
        /// The profile
        file: PathBuf,
        /// What is asked of it, one after the other
        #[arg(long, value_name = "EDIT", value_delimiter = ',', default_value = "change", value_parser = edit)]
        edits: Vec<Edit>,
        /// How long each may take, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
        within: u64,
    },
    /// Print a profile as its file has it
    Show {
        /// The profile [default: that of the built-in worker]
        file: Option<PathBuf>,
        /// A second profile of that worker, with other names, words and numbers
        #[arg(long, conflicts_with = "file")]
        other: bool,
    },
    /// Print the JSON Schema of profiles
    Schema,
    /// Print every section and key of profiles, as Markdown
    Reference,
}

/// Runs the command.
pub fn run(args: &ProfileArgs) -> Exit {
    let text = match &args.command {
        ProfileCommand::Try {
            file,
            edits,
            within,
        } => return profile_try::run(file, edits, Duration::from_secs(*within)),
        ProfileCommand::Check { file } => Profile::read(file).map(|profile| checked(&profile)),
        ProfileCommand::Show { other: true, .. } => Ok(OTHER.to_owned()),
        ProfileCommand::Show { file: None, .. } => Ok(REFERENCE.to_owned()),
        ProfileCommand::Show {
            file: Some(file), ..
        } => Profile::read(file).map(|profile| profile.source().to_string()),
        ProfileCommand::Schema => Ok(format!("{:#}\n", schema())),
        ProfileCommand::Reference => Ok(reference()),
    };
    match text {
        Ok(text) => {
            match &args.command {
                ProfileCommand::Check { .. } => print(&text),
                _ => print_data(&text),
            }
            Exit::Held
        }
        Err(error) => {
            eprintln!("{error}");
            Exit::Usage
        }
    }
}

/// What a profile comes to.
fn checked(profile: &Profile) -> String {
    let mut text = format!(
        "profile `{}` (hash {:016x}) has no mistakes\n",
        profile.name,
        profile.hash()
    );
    for unasked in not_asked(profile, None) {
        text.push_str(&format!("  not asked: {unasked}\n"));
    }
    for (fault, why) in &profile.impossible {
        text.push_str(&format!("  not injected: {fault}: {why}\n"));
    }
    text
}

fn edit(text: &str) -> Result<Edit, String> {
    text.parse()
        .map_err(|error: crate::plan::UnknownWord| error.to_string())
}
