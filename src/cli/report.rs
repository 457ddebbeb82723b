//! `shakedown report`: its arguments, and the page that it makes of a saved history.

use std::path::PathBuf;

use clap::{Args, ValueEnum as _};

use super::outputs::{distinct, kind, name, write};
use super::{SiteName, TargetArgs, TargetName, seed};
use crate::cli::dispatch::{Exit, print};
use crate::finding::{Finding, Origin};
use crate::invariant::not_asked_of;
use crate::repeat::Repeat;
use crate::report::page::run::Run;
use crate::report::saved::{self, Saved, SavedError};
use crate::report::{self, Style, page};
use crate::site::SiteKind;
use crate::verdict::Verdict;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// The history, as `replay --history` and `run` write it
    pub history: PathBuf,
    /// Where the page goes [default: beside the history]
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Where it ran [default: what the history says, as of the site and the seed]
    #[arg(long, value_enum)]
    pub target: Option<TargetName>,
    /// What built the sites
    #[arg(long, value_enum)]
    pub site: Option<SiteName>,
    /// The run's seed
    #[arg(long, value_name = "S", value_parser = seed)]
    pub seed: Option<u64>,
}

const EXAMPLES: &str = "\
Examples:
  shakedown report events.jsonl                    the page beside it
  shakedown report shakedown-soak/bugs/fresh-1f3c5a70.jsonl --html bug.html";

/// Judges the history again and writes its page.
pub fn run(args: &ReportArgs) -> Exit {
    let path = match &args.html {
        Some(path) => path.clone(),
        None => args.history.with_extension("html"),
    };
    if let Err(exit) = distinct(&[&args.history], &[("the page (--html)", Some(&path))]) {
        return exit;
    }
    let saved = match saved::read(&args.history) {
        Ok(saved) => saved,
        Err(error) => {
            eprintln!("{error}");
            return match error {
                SavedError::Io { .. } => Exit::Usage,
                SavedError::NoHeader { .. } => Exit::Unknown,
            };
        }
    };
    let site = args.site.map_or(saved.site, kind);
    let verdict = saved.judge(site);
    if let Err(error) = write(&path, &page_of(&saved, args, site, &verdict)) {
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
        saved.header.plan.steps.len(),
        path.display()
    ));
    print(&report::not_asked(&not_asked_of(&saved.history), style));
    exit
}

fn page_of(saved: &Saved, args: &ReportArgs, site: SiteKind, verdict: &Verdict) -> String {
    let (header, history) = (&saved.header, &saved.history);
    let target = args.target.and_then(|target| target.to_possible_value());
    let target = target
        .as_ref()
        .map_or(&*header.target, |target| target.get_name());
    let seed = args.seed.unwrap_or(header.seed);
    let origin = match &saved.incomplete {
        Some(place) => format!(
            "read from {}, which is incomplete: {place}",
            args.history.display()
        ),
        None => format!("read from {}", args.history.display()),
    };
    let found = Finding::of(target, Origin::Given, &header.plan, seed, verdict, history);
    let finding = found.map(|mut found| {
        found.explain(site);
        found
    });
    let end = history.end.as_ref();
    let setup = TargetArgs {
        site: Some(name(site)),
        time_scale: header.time_scale,
        ..TargetArgs::of(TargetName::Sim)
    };
    let setup = setup.setup(target, header.defect.as_deref());
    page::run(&Run {
        target,
        site,
        plan: &header.plan,
        seed,
        verdict,
        history,
        settled: end.and_then(|end| end.settled.as_deref()),
        left_out: end.map_or(&[], |end| &end.left_out),
        origin: &origin,
        replay: &Repeat::replay(&setup, &args.history, seed).as_called(),
        finding: finding.as_ref(),
    })
}
