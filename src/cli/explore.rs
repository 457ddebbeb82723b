//! `shakedown explore`: its arguments, and what it does with them.

mod plans;

use std::time::Duration;

use clap::Args;

use self::plans::PlansArgs;
use super::TargetName;
use crate::Exit;
use shakedown::explore::run::explore;
use shakedown::explore::scope::{Bounds, Scope};

/// Without `--target`, the reference model is explored; with it, all short plans run on a target.
#[derive(Debug, Args)]
pub struct ExploreArgs {
    /// How many clients
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=3))]
    pub clients: u8,
    /// How many sessions each client has
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub sessions: u8,
    /// How many instructions are sent in all
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=4))]
    pub instructions: u8,
    /// How many faults may be active at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=4))]
    pub faults: u8,
    /// How many faults are injected in all
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=8))]
    pub injections: u8,
    /// How many commits outsiders push in all
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub outsiders: u8,
    /// How many crashes there may be in all
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=4))]
    pub crashes: u8,
    /// End after so many distinct states [default: no bound]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_states: Option<u64>,
    /// End after so long, such as 90s, 5m or 1h [default: no bound]
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub time: Option<Duration>,
    /// End before more memory than this is used, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 4096, value_parser = clap::value_parser!(u64).range(64..))]
    pub memory: u64,
    /// How many threads [default: one a core]
    #[arg(long, alias = "jobs", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Mutate the model, and show which mutants exploration catches
    #[arg(long, conflicts_with = "target")]
    pub mutants: bool,

    /// Run all short plans on this target instead
    #[arg(long, value_enum)]
    pub target: Option<TargetName>,
    #[command(flatten)]
    pub plans: PlansArgs,
}

/// Explores what was asked for.
pub fn run(args: &ExploreArgs, quiet: bool) -> Exit {
    match args.target {
        Some(target) => plans::run(&args.plans, target, &args.bounds(quiet)),
        None => model(args),
    }
}

impl ExploreArgs {
    fn bounds(&self, quiet: bool) -> plans::Bounds {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        plans::Bounds {
            jobs: self.threads.map_or(cores, usize::from),
            time: self.time,
            quiet,
        }
    }
}

/// Every state of the reference model.
fn model(args: &ExploreArgs) -> Exit {
    let scope = Scope {
        clients: args.clients,
        sessions: args.sessions,
        instructions: args.instructions,
        faults: args.faults,
        injections: args.injections,
        crashes: args.crashes,
        outsiders: args.outsiders,
        ..Scope::default()
    };
    let explored = explore(scope, Bounds { states: args.max_states, time: args.time, memory: Some(args.memory << 20) }, args.threads.unwrap_or(2).into(), &crate::interrupted_by_signals(), |_| {});
    let p = explored.progress;
    println!("{:?} states {} transitions {} depth {} in {:?} = {:.0}/s mem {} MiB; parts {} breakers {} recovering {} longest {}", explored.ended, p.states, explored.transitions, p.depth, p.time, p.states as f64 / p.time.as_secs_f64(), p.memory >> 20, explored.parts, explored.breakers, explored.recovering, explored.longest_recovery);
    for (entry, path) in &explored.reached { println!("  {entry}: {}", path.clone().into_actions().len()); }
    if let Some(failure) = &explored.failure {
        println!("{:?}", failure.what);
        let x = &explored.exploration;
        for (state, action) in failure.path.clone().into_vec() {
            match action {
                Some(shakedown::explore::checker::Action::Of(c, at)) => {
                    let step = &x.space.moves(state.world.parts[c as usize])[at as usize];
                    println!("   {c} {:?}", step.act);
                    let part = &x.space.parts.get(state.world.parts[c as usize]).0;
                    let acted = part.act(step.act, Default::default());
                    if let Err(broken) = acted.next { println!("     {broken:?}"); for e in acted.seen.events { println!("       {e:?}"); } }
                }
                other => println!("   {other:?}"),
            }
        }
        // follow the recovery
        let mut world = x.space.healed(&failure.path.last_state().world);
        println!("  healed");
        'walk: for _ in 0..400 {
            for next in shakedown::explore::recovery::successors(&x.space, &world) {
                match next {
                    Ok(next) => { let r = x.recoveries.of(&x.space, &next); if !matches!(r, shakedown::explore::recovery::Recovery::Within(_)) {
                        for c in 0..2 { if next.parts[c] != world.parts[c] && c < x.space.clients() {
                            for step in x.space.moves(world.parts[c]) { if x.space.allows(&world, c, step) && x.space.moved(&world, c, step) == Ok(next) { println!("   {c} {:?}", step.act); } }
                        } }
                        world = next; continue 'walk; } }
                    Err(rule) => { println!("  breaks {rule:?}"); break 'walk; }
                }
            }
            for c in 0..x.space.clients() { println!("  rest: {:?}", x.space.parts.get(world.parts[c]).0.check_rest()); println!("{:#?}", x.space.parts.get(world.parts[c]).0.system); }
            break;
        }
    }
    Exit::Held
}

fn time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: Option<u64> = digits.parse().ok();
    let seconds = match (&text[digits.len()..], number) {
        ("s" | "", Some(n)) => Some(n),
        ("m", Some(n)) => n.checked_mul(60),
        ("h", Some(n)) => n.checked_mul(3600),
        _ => None,
    };
    seconds
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
        .ok_or_else(|| "write a whole number and its unit, such as 90s, 5m or 1h".into())
}
