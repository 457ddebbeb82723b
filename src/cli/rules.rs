//! `shakedown rules`: what the rules of the contract ask for.

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::cli::dispatch::{Exit, print};
use crate::invariant;
use crate::report::{self, Style};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RulesArgs {
    /// Only these [default: all]
    #[arg(value_name = "RULE", value_parser = ids(), hide_possible_values = true)]
    pub names: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  shakedown rules                                  every rule and its kinds of breach
  shakedown rules fresh no-cascade";

fn ids() -> PossibleValuesParser {
    invariant::rules().into_iter().map(|rule| rule.id()).into()
}

/// Prints the rules.
pub fn run(args: &RulesArgs) -> Exit {
    let mut chosen = invariant::rules();
    if !args.names.is_empty() {
        chosen.retain(|rule| args.names.iter().any(|name| name == rule.id()));
    }
    print(&report::rules(&chosen, Style::of_stdout()));
    Exit::Held
}
