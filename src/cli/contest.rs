//! `shakedown defects --shrink-bench`: our shrinker and proptest's own on the same plans.

use std::path::Path;

use super::defects::DefectsArgs;
use crate::cli::dispatch::{Exit, interrupted_by_signals, print};
use crate::defect::Defect;
use crate::defect::contest::Contest;
use crate::defect::known::{self, Known};
use crate::durable;
use crate::generate::Shape;
use crate::progress::Progress;
use crate::report::{self, Style};

/// Runs the bench and prints its table; a shorter plan than those known fails it.
pub fn run(args: &DefectsArgs, defects: &[&'static Defect], cases: u32, quiet: bool) -> Exit {
    let contest = Contest {
        shape: Shape::default(),
        seeds: args.seed..args.seed + args.seeds,
        plans: cases,
        jobs: std::thread::available_parallelism().map_or(1, usize::from),
    };
    let total = args.seeds * defects.len() as u64;
    let mut progress = Progress::begin(quiet, "shrinking", total);
    let done = contest.run(defects, &interrupted_by_signals(), &mut |done| {
        progress.at(done, total, "plans");
    });
    progress.end();
    let rows = match done {
        Ok(rows) => rows,
        Err(why) => {
            eprintln!("{why}");
            return Exit::Unknown;
        }
    };
    print(&report::contest(&rows, Style::of_stdout()));
    let mut all = known::all().to_vec();
    let mut shorter: Vec<Known> = Vec::new();
    for row in &rows {
        for side in row
            .rounds
            .iter()
            .flat_map(|round| [&round.ours, &round.proptests])
        {
            let new = side.known(row.defect);
            if known::add(&mut all, new.clone()) {
                shorter.push(new);
            }
        }
    }
    // Of those that are new some may have been overtaken by others.
    shorter.retain(|new| all.contains(new));
    if args.plans {
        print(&report::longer_than_known(&rows));
        print(&known::text(&shorter));
    }
    if let Some(file) = &args.known
        && let Err(exit) = write(file, &all)
    {
        return exit;
    }
    if shorter.is_empty() {
        return Exit::Held;
    }
    print(&format!(
        "{} plans are shorter than those known, or show what none of those does; --plans shows \
         them, --known FILE keeps them\n",
        shorter.len()
    ));
    Exit::Violated
}

fn write(file: &Path, all: &[Known]) -> Result<(), Exit> {
    durable::write(file, known::text(all).as_bytes()).map_err(|why| {
        eprintln!(
            "{}: cannot write the plans: {why}; name a file that can be written",
            file.display()
        );
        Exit::Unknown
    })
}
