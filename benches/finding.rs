//! How many plans it takes to find each planted defect on sim: as campaigns draw them, against plain
//! draws, where each enabled step is as likely as another. The plans that are known to show a defect are
//! not in the corpus that its plans are near to, as if it had never been seen.

use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser;
use proptest::strategy::BoxedStrategy;
use shakedown::campaign;
use shakedown::defect::known;
use shakedown::defect::{DEFECTS, Defect, planted_sim};
use shakedown::generate::{Corpus, Shape, plain_plans, plans};
use shakedown::plan::Plan;
use shakedown::runner;
use shakedown::verdict::Verdict;

#[derive(Parser)]
struct Args {
    /// Only these defects [default: all]
    names: Vec<String>,
    /// How often each is looked for, with the seeds from --seed on
    #[arg(long, value_name = "N", default_value_t = 10)]
    seeds: u64,
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How many plans each may take
    #[arg(long, value_name = "N", default_value_t = 256)]
    cases: u32,
    /// Of sixteen plans so many are near known ones, beside the share that campaigns have; may be repeated
    #[arg(long, value_name = "N")]
    share: Vec<u64>,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A way to draw plans.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Plain,
    Campaign,
    Share(u64),
}

impl Way {
    fn name(self) -> String {
        match self {
            Self::Plain => "plain".into(),
            Self::Campaign => "ours".into(),
            Self::Share(share) => format!("{share}/16"),
        }
    }

    fn strategy(self, defect: &Defect) -> BoxedStrategy<Plan> {
        let others = known::all().iter().filter(|of| of.defect != defect.name);
        let corpus = Corpus::of(others.map(|of| of.plan.clone()));
        let shape = Shape::default();
        match self {
            Self::Plain => plain_plans(&shape),
            Self::Campaign => plans(&shape.near(corpus)),
            Self::Share(share) => plans(&shape.near(corpus.share(share))),
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let unknown = |name: &&String| Defect::by_name(name).is_none();
    if let Some(name) = args.names.iter().find(unknown) {
        eprintln!("unknown defect `{name}`; `shakedown defects --list` lists them");
        return ExitCode::from(64);
    }
    let is_asked = |defect: &&Defect| {
        args.names.is_empty() || args.names.iter().any(|name| name == defect.name)
    };
    let defects: Vec<&'static Defect> = DEFECTS.iter().filter(is_asked).collect();
    // A planted panic is part of the run, and no news.
    std::panic::set_hook(Box::new(|_| {}));
    let mut ways = vec![Way::Plain, Way::Campaign];
    ways.extend(args.share.iter().map(|share| Way::Share(*share)));
    let seeds = args.seed..args.seed + args.seeds;
    let rows: Result<Vec<Vec<Vec<u32>>>, String> = ways
        .iter()
        .map(|way| find(*way, &defects, seeds.clone(), args.cases))
        .collect();
    match rows {
        Ok(columns) => print(&ways, &defects, &columns, args.cases),
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// For each defect the plans that each seed needed; one more than it might take where it found nothing.
fn find(
    way: Way,
    defects: &[&'static Defect],
    seeds: Range<u64>,
    cases: u32,
) -> Result<Vec<Vec<u32>>, String> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(defect) = defects.get(at) else {
                return Ok(found);
            };
            let strategy = way.strategy(defect);
            let needed: Result<Vec<u32>, String> = seeds
                .clone()
                .map(|seed| plans_needed(defect, &strategy, seed, cases))
                .collect();
            found.push((at, needed?));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut found = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let done = threads.into_iter().map(|thread| {
            let died = |_| Err("a thread of the bench panicked".to_owned());
            thread.join().unwrap_or_else(died)
        });
        done.collect::<Result<Vec<_>, String>>()
    })?
    .concat();
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, needed)| needed).collect())
}

fn plans_needed(
    defect: &'static Defect,
    strategy: &BoxedStrategy<Plan>,
    seed: u64,
    cases: u32,
) -> Result<u32, String> {
    let target = planted_sim(defect);
    for index in 0..cases {
        let (plan, run_seed) = campaign::case(strategy, seed, index)?;
        if let Verdict::Violated(_) = runner::run(&target, &plan, run_seed).verdict {
            return Ok(index + 1);
        }
    }
    Ok(cases + 1)
}

fn print(ways: &[Way], defects: &[&'static Defect], columns: &[Vec<Vec<u32>>], cases: u32) {
    print!("{:<32}", "plans needed (geometric mean)");
    ways.iter().for_each(|way| print!(" {:>13}", way.name()));
    println!();
    for (at, defect) in defects.iter().enumerate() {
        print!("{:<32}", defect.name);
        for column in columns {
            let needed = &column[at];
            let found = needed.iter().filter(|needed| **needed <= cases).count();
            let missed = match needed.len() - found {
                0 => String::new(),
                missed => format!(" -{missed}"),
            };
            print!(" {:>13}", format!("{:.1}{missed}", mean(needed)));
        }
        println!();
    }
    print!("{:<32}", "all");
    for column in columns {
        print!(" {:>13.2}", mean(&column.concat()));
    }
    println!();
    print!("{:<32}", "of plain draws");
    let plain = mean(&columns[0].concat());
    for column in columns {
        print!(" {:>13.2}", mean(&column.concat()) / plain);
    }
    println!();
    print!("{:<32}", "found");
    for column in columns {
        let all = column.concat();
        let found = all.iter().filter(|needed| **needed <= cases).count();
        print!(" {:>13}", format!("{found} of {}", all.len()));
    }
    println!();
}

fn mean(needed: &[u32]) -> f64 {
    let sum: f64 = needed.iter().map(|needed| f64::from(*needed).ln()).sum();
    (sum / needed.len().max(1) as f64).exp()
}
