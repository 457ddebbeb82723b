//! The worker on simulated ports: ordinary work, every fault as it is described, crashes in each
//! phase, and the same history from the same seed.

mod faults;
mod recovery;

use std::collections::BTreeSet;

use super::*;
use crate::history::{Branch, Claim, History, Record};
use crate::plan::set_fault;
use crate::plan::{Phase, Plan};
use crate::runner::{self, Outcome};
use crate::verdict::Verdict;

/// A plan run to its rest: what happened and what is there.
struct Ran {
    events: Vec<Event>,
    end: Snapshot,
}

/// Carries out the steps, heals what is still active, and lets the system recover.
fn run(steps: &str) -> Ran {
    run_with(steps, 1)
}

fn plan(steps: &str) -> Plan {
    let text = format!(
        "{}\nsession acme/home\nsession acme/blog\nsession globex/home\n{}",
        crate::plan::VERSION_LINE,
        steps.replace("; ", "\n")
    );
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn run_with(steps: &str, seed: u64) -> Ran {
    let plan = plan(steps);
    let mut run = Sim::default().start(&plan.sessions, seed).unwrap();
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
    assert!(rested, "the system comes to rest after\n{plan}");
    let end = run.snapshot().unwrap();
    Ran { events, end }
}

/// Runs and judges a plan for many seeds: the worker keeps its contract.
fn check_held(steps: &str) {
    let plan = plan(steps);
    for seed in 0..20 {
        let Outcome { verdict, .. } = runner::run(&Sim::default(), &plan, seed);
        assert_eq!(verdict, Verdict::Held, "seed {seed}\n{plan}");
    }
}

const HOME: (&str, &str) = ("acme", "home");

impl Ran {
    fn count(&self, is_it: impl Fn(&What) -> bool) -> usize {
        self.events.iter().filter(|it| is_it(&it.what)).count()
    }

    fn has(&self, is_it: impl Fn(&What) -> bool) -> bool {
        self.count(is_it) > 0
    }

    /// When a log line with these words was first written.
    fn said_at(&self, words: &str) -> Option<Duration> {
        self.events.iter().find_map(|event| match &event.what {
            What::Logged { text, stamp, .. } if text.contains(words) => Some(*stamp),
            _ => None,
        })
    }

    fn says(&self, words: &str) -> bool {
        self.said_at(words).is_some()
    }

    fn claims(&self, claim: Claim) -> usize {
        self.count(|what| matches!(what, What::Logged { claim: Some(it), .. } if *it == claim))
    }

    fn record(&self, (client, thread): (&str, &str)) -> &Record {
        &self.end.records.get().unwrap()[&SessionId::new(client, thread)]
    }

    fn remote(&self, (client, thread): (&str, &str)) -> &Branch {
        &self.end.remote.get().unwrap()[&SessionId::new(client, thread)]
    }

    /// The marks on the front page of a client's site.
    fn shown(&self, client: &str) -> Vec<Mark> {
        let site = &self.end.sites.get().unwrap()[&client.into()];
        site.get("index.html")
            .map(|page| page.marks.clone())
            .unwrap_or_default()
    }

    fn json(&self) -> String {
        let history = History {
            events: self.events.clone(),
            ..History::default()
        };
        let mut bytes = Vec::new();
        history.write_json_lines(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }
}

#[test]
fn a_plain_instruction_ends_deployed() {
    let ran = run("instruct acme/home change");
    assert_eq!(ran.shown("acme"), [Mark::Edit(1)]);
    assert_eq!(ran.remote(HOME).tree, [Mark::Edit(1)]);
    assert_eq!(ran.record(HOME).last_error, None);
    assert!(ran.end.queued.get().unwrap().is_empty());
    assert_eq!(ran.end.running.get().unwrap().len(), 2);
    let phases: Vec<Phase> = ran
        .events
        .iter()
        .filter_map(|event| match &event.what {
            What::Logged { phase, .. } => *phase,
            _ => None,
        })
        .collect();
    assert_eq!(phases, Phase::ALL);
}

#[test]
fn the_same_plan_and_seed_give_the_same_history() {
    let steps = "instruct acme/home change; instruct globex/home warn; \
                 until acme/home pushing; push-from-outside acme/home conflicting; \
                 inject s3-down reset; inject agent-error 429; crash globex; wait 20s; \
                 instruct acme/blog break-build; inject partition acme; wait 60s; crash acme";
    assert_eq!(run_with(steps, 7).json(), run_with(steps, 7).json());
    assert_ne!(run_with(steps, 7).json(), run_with(steps, 8).json());
}

#[test]
fn until_stops_exactly_where_it_should() {
    let mut run = Sim::default()
        .start(&plan("").sessions, 3)
        .expect("sim starts");
    let mut events = Vec::new();
    let steps = plan("instruct acme/home change; until acme/home deploying +5");
    for (step, mark) in steps.steps.iter().zip(steps.marks()) {
        run.apply(step, mark, &mut events).unwrap();
    }
    // The site's record is read and written, the breaker read, the site listed; then one put.
    let puts = events
        .iter()
        .filter(|event| matches!(event.what, What::ObjectPut { .. }))
        .count();
    assert_eq!(puts, 1);
    assert_eq!(events.last().map(|event| event.at), Some(run.now()));

    let before = run.now();
    let wait = Step::Wait(Duration::from_millis(1_234));
    run.apply(&wait, None, &mut events).unwrap();
    assert_eq!(run.now() - before, Duration::from_millis(1_234));
}

#[test]
fn until_goes_on_when_nothing_is_left_to_do() {
    let sim = Sim::default();
    let plan = plan("until acme/home thinking; instruct acme/home change; until acme/home done");
    let mut run = sim.start(&plan.sessions, 3).unwrap();
    let mut events = Vec::new();
    run.apply(&plan.steps[0], None, &mut events).unwrap();
    assert_eq!(run.now(), Duration::ZERO);
    run.apply(&plan.steps[1], Some(Mark::Edit(1)), &mut events)
        .unwrap();
    run.apply(&plan.steps[2], None, &mut events).unwrap();
    assert!(run.now() > Duration::ZERO && run.now() < UNTIL_BOUND);
}

#[test]
fn instructions_are_handled_in_the_order_sent_and_clients_at_once() {
    let ran = run("instruct acme/home change; instruct acme/blog change; \
                   instruct globex/home change");
    let order = |is_it: fn(&What) -> Option<Mark>| -> Vec<Mark> {
        ran.events.iter().filter_map(|it| is_it(&it.what)).collect()
    };
    let delivered = order(|what| match what {
        What::Delivered { mark, .. } => Some(*mark),
        _ => None,
    });
    assert_eq!(
        delivered.last(),
        Some(&Mark::Edit(2)),
        "the other client does not wait"
    );
    let acknowledged: BTreeSet<Mark> = order(|what| match what {
        What::Acknowledged { mark, .. } => Some(*mark),
        _ => None,
    })
    .into_iter()
    .collect();
    assert_eq!(acknowledged.len(), 3);
}

#[test]
fn a_step_for_an_unknown_client_names_it() {
    let mut run = Sim::default()
        .start(&[SessionId::new("acme", "home")], 1)
        .unwrap();
    let step = Step::Crash("globex".into());
    let error = run.apply(&step, None, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("`globex`"), "{error}");
}
