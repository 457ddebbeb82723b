//! What `shakedown replay` does: one plan, run again and told.

use std::time::Instant;

use super::{ReplayArgs, TargetName};
use crate::campaign::{self, Finished};
use crate::cli::dispatch::{Exit, interrupted_by_signals, open_with, print};
use crate::finding::{Finding, Origin};
use crate::regression::{self, Seed};
use crate::repeat::Repeat;
use crate::report::page::run::Run;
use crate::report::{self, lines};
use crate::verdict::Verdict;

pub fn run(args: &ReplayArgs) -> Exit {
    let kept = match regression::read(&args.file) {
        Ok(kept) => kept,
        Err(error) => {
            eprintln!("{error}");
            return Exit::Usage;
        }
    };
    let found_on = match kept.target.as_deref() {
        Some("local") => TargetName::Local,
        _ => TargetName::Sim,
    };
    let name = args.target.target.unwrap_or(found_on);
    let target = match open_with(name, &args.target, args.defect.as_deref()) {
        Ok(target) => target,
        Err(exit) => return exit,
    };
    let seed = args.seed.or(kept.seed).unwrap_or_default();
    let interrupt = interrupted_by_signals();
    let began = Instant::now();
    let (outcome, coverage) = campaign::run_one(&*target, kept.plan.clone(), seed, &interrupt);
    let took = began.elapsed();
    if let Some(path) = &args.history
        && let Err(error) = outcome.history.write_file(path)
    {
        eprintln!(
            "{}: cannot write the history: {error}; name a file that can be written",
            path.display()
        );
        return Exit::Unknown;
    }
    let setup = args.target.setup(target.name(), args.defect.as_deref());
    let replay = Repeat::replay(&setup, &args.file, seed).as_called();
    let finding = match &outcome.verdict {
        Verdict::Violated(violation) => {
            let (plan, history) = (kept.plan.clone(), outcome.history.clone());
            let on = target.name();
            let found = Finding::new(on, Origin::Kept, plan, seed, violation.clone(), history);
            let mut found = Finding {
                file: args.file.clone(),
                ..found
            };
            found.explain_on(&*target);
            Some(found)
        }
        Verdict::Held | Verdict::Unknown { .. } => None,
    };
    let output = &args.output;
    let written = output.write(&Run {
        target: target.name(),
        site: target.site(),
        plan: &kept.plan,
        seed,
        verdict: &outcome.verdict,
        history: &outcome.history,
        settled: outcome.settled.as_ref(),
        left_out: &outcome.left_out,
        origin: &format!("kept in {}", args.file.display()),
        replay: &replay,
        finding: finding.as_ref(),
    });
    if let Err(error) = written {
        eprintln!("{error}");
        return Exit::Unknown;
    }
    if output.json {
        let held = matches!(outcome.verdict, Verdict::Held);
        let finished = Finished {
            number: 1,
            kept: Some(&args.file),
            plan: &kept.plan,
            seed,
            verdict: &outcome.verdict,
            coverage: &coverage,
            left_out: &outcome.left_out,
            took,
            file: (!held).then_some(&*args.file),
        };
        print(&lines::plan(target.name(), &finished));
    }
    let style = output.style();
    for (step, why) in &outcome.left_out {
        let text = format!("left out step {}: {why}", step + 1);
        output.print(&format!("{}\n", style.odd(&text)));
    }
    match outcome.verdict {
        Verdict::Held => {
            output.print(&format!(
                "{} on {}: {} steps, {} events, run seed {}\n",
                style.good("HELD"),
                target.name(),
                coverage.steps,
                coverage.events,
                Seed(seed)
            ));
            Exit::Held
        }
        Verdict::Violated(_) => {
            let found = finding.iter();
            found.for_each(|found| output.print(&report::violation(found, &replay, style)));
            Exit::Violated
        }
        Verdict::Unknown { why } => {
            output.print(&format!(
                "{} on {}: {why}\n",
                style.odd("UNKNOWN"),
                target.name()
            ));
            Exit::Unknown
        }
    }
}
