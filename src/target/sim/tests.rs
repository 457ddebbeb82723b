use super::*;
use crate::history::History;
use crate::plan::Plan;

/// A plan run to its rest: what happened and what stands.
struct Ran {
    events: Vec<Event>,
    rested: bool,
    end: Snapshot,
}

fn run(steps: &str) -> Ran {
    run_with(&Sim::default(), steps, 1)
}

/// Carries out the steps, heals what is still active, and lets the system recover.
fn run_with(sim: &Sim, steps: &str, seed: u64) -> Ran {
    let text = format!(
        "{}\nsession acme/home\nsession acme/blog\nsession globex/home\n{}",
        crate::plan::VERSION_LINE,
        steps.replace("; ", "\n")
    );
    let plan: Plan = text.parse().unwrap_or_else(|error| panic!("{error}"));
    let mut run = sim.start(&plan.sessions, seed).unwrap();
    let mut events = Vec::new();
    let mut active = Vec::new();
    for (step, mark) in plan.steps.iter().zip(plan.marks()) {
        match step {
            Step::Inject(fault) => set_fault(&mut active, fault, true),
            Step::Heal(fault) => set_fault(&mut active, fault, false),
            _ => {}
        }
        run.apply(step, mark, &mut events).unwrap();
    }
    for fault in active {
        run.apply(&Step::Heal(fault), None, &mut events).unwrap();
    }
    let minute = Duration::from_secs(60);
    let rested = run.rest(2 * minute, 10 * minute, &mut events).unwrap();
    let end = run.snapshot().unwrap();
    Ran {
        events,
        rested,
        end,
    }
}

fn json(ran: &Ran) -> String {
    let mut bytes = Vec::new();
    let history = History {
        events: ran.events.clone(),
    };
    history.write_json_lines(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn debug() {
    let ran = run(&std::env::var("PLAN").unwrap());
    for e in json(&ran).lines() {
        println!("{e}");
    }
    println!("{} {:#?}", ran.rested, ran.end);
}
