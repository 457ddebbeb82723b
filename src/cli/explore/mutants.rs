//! `shakedown explore --mutants` and `--mutant`: mistakes in the model, and what finds them.

use std::path::Path;

use crate::cli::dispatch::{Exit, print};
use crate::cli::outputs::write;
use crate::defect::{Defect, trial};
use crate::explore::mutant::{MUTANTS, Planted};
use crate::explore::nearby::{self, Shown};
use crate::explore::run::{self, Explored, SearchEnd};
use crate::explore::scope::Bounds;
use crate::report::{self, Style};
use crate::target::Interrupt;

/// Puts every mistake into the model, one after the other, and prints what finds it.
pub fn all(bounds: Bounds, interrupt: &Interrupt, style: Style) -> Exit {
    print(&report::mutants_head());
    let mut missed = 0;
    for (done, planted) in MUTANTS.iter().enumerate() {
        let explored = run::explore(planted.scope(), bounds, 1, interrupt, |_| {});
        if explored.ended == SearchEnd::Interrupted {
            print(&format!(
                "interrupted: {} of {} mutants were not explored\n",
                MUTANTS.len() - done,
                MUTANTS.len()
            ));
            return match missed {
                0 => Exit::Unknown,
                _ => Exit::Violated,
            };
        }
        missed += usize::from(explored.failure.is_none());
        print(&report::mutants_row(planted, &explored, style));
    }
    print(&format!(
        "{} of {} mutants caught\n",
        MUTANTS.len() - missed,
        MUTANTS.len()
    ));
    if missed == 0 {
        Exit::Held
    } else {
        Exit::Violated
    }
}

/// Puts one mistake into the model, and prints what it breaks and a plan that shows it. Where the
/// worker can have the same mistake, the plan is one that breaks the same rule on sim.
pub fn one(
    name: &str,
    plan_file: Option<&Path>,
    bounds: Bounds,
    interrupt: &Interrupt,
    style: Style,
) -> Exit {
    let Some(planted) = MUTANTS.iter().find(|planted| planted.name == name) else {
        let known: Vec<&str> = MUTANTS.iter().map(|planted| planted.name).collect();
        eprintln!("unknown mutant `{name}`; known: {}", known.join(", "));
        return Exit::Usage;
    };
    let explored = run::explore(planted.scope(), bounds, 1, interrupt, |_| {});
    let Some(failure) = &explored.failure else {
        print(&report::exploration(&explored, style));
        return super::exit_of(&explored);
    };
    let shown = on_sim(planted, &explored);
    print(&report::mutant(planted, &explored, shown.as_ref(), style));
    if let Some(path) = plan_file {
        let plan = match &shown {
            Some(shown) => report::shown_plan(planted, shown),
            None => report::story_of(&explored, failure).plan.to_string(),
        };
        if let Err(error) = write(path, &plan) {
            eprintln!("{error}");
            return Exit::Unknown;
        }
    }
    Exit::Violated
}

fn on_sim(planted: &Planted, explored: &Explored) -> Option<Shown> {
    let defect = Defect::by_name(planted.defect?)?;
    let failure = explored.failure.as_ref()?;
    // A planted panic is part of the run, and no news.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let plan = report::story_of(explored, failure).plan;
    let rule = failure.rule().unwrap_or(defect.rule);
    let shown = nearby::find(&trial::planted_sim(defect), &plan, rule, nearby::MOST_RUNS);
    std::panic::set_hook(hook);
    shown
}
