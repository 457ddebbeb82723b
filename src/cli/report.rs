//! `shakedown report`: its arguments, and the page that it makes of a saved history.

use std::path::{Path, PathBuf};

use clap::Args;

use super::outputs::{kind, write};
use super::{SiteName, TargetArgs, TargetName, seed};
use crate::cli::dispatch::{Exit, print};
use crate::finding::{Finding, Origin};
use crate::regression::Seed;
use crate::repeat::Repeat;
use crate::report::page::run::Run;
use crate::report::saved::{self, Saved, SavedError};
use crate::report::{Style, page};
use crate::verdict::Verdict;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// The history, as `replay --history` and `run` write it
    pub history: PathBuf,
    /// Its plan [default: the .plan file of the same name, else what the events tell]
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Where the page goes [default: beside the history]
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Where it ran [default: where the plan says that it was found, else sim]
    #[arg(long, value_enum)]
    pub target: Option<TargetName>,
    /// What built the sites
    #[arg(long, value_enum, default_value_t = SiteName::Shell)]
    pub site: SiteName,
    /// The run's seed [default: the one that the plan's comments name]
    #[arg(long, value_name = "S", value_parser = seed)]
    pub seed: Option<u64>,
}

const EXAMPLES: &str = "\
Examples:
  shakedown report events.jsonl                    the page beside it
  shakedown report shakedown-soak/bugs/fresh-1f3c5a70.jsonl --html bug.html";

/// Judges the history again and writes its page.
pub fn run(args: &ReportArgs) -> Exit {
    let saved = match saved::read(&args.history, args.plan.as_deref()) {
        Ok(saved) => saved,
        Err(error) => {
            eprintln!("{error}");
            return match error {
                SavedError::Io { .. }
                | SavedError::Line { .. }
                | SavedError::Plan(_)
                | SavedError::NoPlan { .. } => Exit::Usage,
            };
        }
    };
    let verdict = saved.judge(kind(args.site));
    let path = match &args.html {
        Some(path) => path.clone(),
        None => args.history.with_extension("html"),
    };
    if let Err(error) = write(&path, &page_of(&saved, args, &verdict)) {
        eprintln!("{error}");
        return Exit::Unknown;
    }
    let style = Style::of_stdout();
    let events = saved.history.events.len();
    let (word, exit) = match &verdict {
        Verdict::Held => (style.good("HELD"), Exit::Held),
        Verdict::Violated(violation) => {
            let word = style.bad("VIOLATED");
            let text = format!("{word} {} ({})", violation.rule, violation.kind);
            (text, Exit::Violated)
        }
        Verdict::Unknown { why } => (format!("{} {why}", style.odd("UNKNOWN")), Exit::Unknown),
    };
    print(&format!(
        "{word}: {} steps, {events} events; page: {}\n",
        saved.plan.steps.len(),
        path.display()
    ));
    exit
}

fn page_of(saved: &Saved, args: &ReportArgs, verdict: &Verdict) -> String {
    let target = match args.target {
        Some(TargetName::Sim) => "sim",
        Some(TargetName::Local) => "local",
        None => saved.target.as_deref().unwrap_or("sim"),
    };
    let seed = args.seed.or(saved.seed).unwrap_or_default();
    let file = saved.plan_file.as_deref();
    // Without a file of the plan, the page itself holds it, to be copied into one.
    let plan_file = file.unwrap_or(Path::new("the.plan"));
    let origin = match file {
        Some(file) => format!(
            "read from {}, with the plan {}; seed {}",
            args.history.display(),
            file.display(),
            Seed(seed)
        ),
        None => format!(
            "read from {}; the plan was put together from its events",
            args.history.display()
        ),
    };
    let site = kind(args.site);
    let (plan, history) = (&saved.plan, &saved.history);
    let finding = match verdict {
        Verdict::Violated(violation) => {
            let (plan, history) = (plan.clone(), history.clone());
            let given = Origin::Given;
            let mut found = Finding::new(target, given, plan, seed, violation.clone(), history);
            found.explain(site);
            Some(found)
        }
        Verdict::Held | Verdict::Unknown { .. } => None,
    };
    let setup = TargetArgs {
        site: args.site,
        ..TargetArgs::of(TargetName::Sim)
    };
    let setup = setup.setup(target, None);
    page::run(&Run {
        target,
        site,
        plan,
        seed,
        verdict,
        history,
        settled: None,
        left_out: &[],
        origin: &origin,
        replay: &Repeat::replay(&setup, plan_file, seed).as_called(),
        finding: finding.as_ref(),
    })
}
