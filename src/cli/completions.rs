//! `shakedown completions`: a script that teaches a shell the arguments.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use crate::cli::dispatch::{Exit, print_data};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  shakedown completions bash >~/.local/share/bash-completion/completions/shakedown
  shakedown completions zsh >~/.zfunc/_shakedown
  shakedown completions fish >~/.config/fish/completions/shakedown.fish";

/// Prints the script.
pub fn run(args: &CompletionsArgs) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "shakedown", &mut script);
    print_data(&String::from_utf8_lossy(&script));
    Exit::Held
}
