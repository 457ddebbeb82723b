//! Our shrinker and proptest's own on the same plans, those that show the planted defects, compared
//! with the shortest plans known. It fails where a shorter plan than those is found.

mod contest;
mod measure;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use shakedown::defect::known::{self, Known};
use shakedown::defect::{DEFECTS, Defect};

#[derive(Parser)]
struct Args {
    /// Only these defects [default: all]
    names: Vec<String>,
    /// How often each is found and shrunk, with the seeds from --seed on
    #[arg(long, value_name = "N", default_value_t = 1)]
    seeds: u64,
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How many plans each may take to be found
    #[arg(long, value_name = "N", default_value_t = 256)]
    cases: u32,
    /// Show the plans that are longer than those known, and those that are shorter
    #[arg(long)]
    plans: bool,
    /// Write the shortest plans there, those known and those found
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<ExitCode, String> {
    let by_name = |name: &String| {
        let unknown = || format!("unknown defect `{name}`; `shakedown defects` shows their names");
        Defect::by_name(name).ok_or_else(unknown)
    };
    let mut defects = args
        .names
        .iter()
        .map(by_name)
        .collect::<Result<Vec<_>, _>>()?;
    if defects.is_empty() {
        defects.extend(DEFECTS);
    }
    // A planted panic is part of the run, and no news.
    std::panic::set_hook(Box::new(|_| {}));
    let rows = contest::run(&defects, args.seed..args.seed + args.seeds, args.cases)?;
    table::print(&rows);
    let mut all = known::all().to_vec();
    let mut shorter: Vec<Known> = Vec::new();
    for round in rows.iter().flat_map(|row| &row.rounds) {
        for side in [&round.ours, &round.proptests] {
            if measure::add(&mut all, side.shown.clone()) {
                shorter.push(side.shown.clone());
            }
        }
    }
    // Of those that are new some may have been overtaken by others.
    shorter.retain(|new| all.contains(new));
    if args.plans {
        table::print_longer_than_known(&rows);
        print!("{}", known::text(&shorter));
    }
    if let Some(file) = &args.known {
        let failed = |why| {
            let file = file.display();
            format!("{file}: cannot write the plans: {why}; name a file that can be written")
        };
        std::fs::write(file, known::text(&all)).map_err(failed)?;
    }
    if shorter.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{} plans are shorter than those known, or show what none of those does; --plans shows \
         them, --known FILE keeps them",
        shorter.len()
    );
    Ok(ExitCode::FAILURE)
}
