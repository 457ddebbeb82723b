//! What `shakedown replay` does: one plan, run again and told.

use super::outputs::write;
use super::{ReplayArgs, TargetName};
use crate::{Exit, interrupted_by_signals, open_with, options, print, replay_command};
use shakedown::campaign;
use shakedown::regression::{self, Seed};
use shakedown::report::page::run::Run;
use shakedown::report::{self, Style, Violated, page};
use shakedown::verdict::Verdict;

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
    let (outcome, coverage) = campaign::run_one(&*target, kept.plan.clone(), seed, &interrupt);
    if let Some(path) = &args.history
        && let Err(error) = outcome.history.write_file(path)
    {
        eprintln!(
            "{}: cannot write the history: {error}; name a file that can be written",
            path.display()
        );
        return Exit::Unknown;
    }
    let options = options(args.target.site, args.defect.as_deref());
    let replay = replay_command(&args.file, target.name(), &options, seed);
    let from = format!("from {}", args.file.display());
    let explanation = match &outcome.verdict {
        Verdict::Violated(violation) => {
            let (plan, history) = (&kept.plan, &outcome.history);
            let explanation = campaign::explain_on(&*target, plan, seed, history, violation);
            Some(explanation)
        }
        Verdict::Held | Verdict::Unknown { .. } => None,
    };
    if let Some(path) = &args.html {
        let page = page::run(&Run {
            target: target.name(),
            site: target.site(),
            plan: &kept.plan,
            seed,
            verdict: &outcome.verdict,
            history: &outcome.history,
            settled: outcome.settled.as_ref(),
            left_out: &outcome.left_out,
            origin: &from,
            replay: &replay,
            others: &[],
            explanation: explanation.as_ref(),
        });
        if let Err(error) = write(path, &page) {
            eprintln!("{error}");
            return Exit::Unknown;
        }
    }
    let style = Style::of_stdout();
    for (step, why) in &outcome.left_out {
        let text = format!("left out step {}: {why}", step + 1);
        print(&format!("{}\n", style.odd(&text)));
    }
    match outcome.verdict {
        Verdict::Held => {
            print(&format!(
                "{} on {}: {} steps, {} events, run seed {}\n",
                style.good("HELD"),
                target.name(),
                coverage.steps,
                coverage.events,
                Seed(seed)
            ));
            Exit::Held
        }
        Verdict::Violated(violation) => {
            print(&report::violation(
                &Violated {
                    target: target.name(),
                    plan: &kept.plan,
                    seed,
                    violation: &violation,
                    history: &outcome.history,
                    origin: &from,
                    replay: &replay,
                    others: &[],
                    more: &[],
                    explanation: explanation.as_ref(),
                },
                style,
            ));
            Exit::Violated
        }
        Verdict::Unknown { why } => {
            print(&format!(
                "{} on {}: {why}\n",
                style.odd("UNKNOWN"),
                target.name()
            ));
            Exit::Unknown
        }
    }
}
