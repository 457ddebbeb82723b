//! The table of what each rule needs, as the documentation of [`Run`](super::Run) has it.

use std::collections::BTreeMap;

use crate::defect::{Defect, known, trial};
use crate::history::{Event, Snapshot, What};
use crate::invariant::{Check, INVARIANTS};
use crate::judge::follow;
use crate::plan::Plan;
use crate::profile::Profile;
use crate::runner::{self, Outcome};
use crate::site::SiteKind;
use crate::verdict::{Rule, Verdict};

/// The events and the fields of the snapshot that a rule needs.
#[derive(Debug)]
struct Needs {
    events: Vec<String>,
    fields: Vec<String>,
}

/// The rows of the table, by the rule's id.
fn table() -> BTreeMap<String, Needs> {
    let rows = include_str!("../target.rs").lines();
    let rows = rows.filter_map(|line| line.strip_prefix("/// | `"));
    let words = |cell: &str| {
        cell.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    rows.map(|row| {
        let (rule, rest) = row.split_once("` | ").unwrap();
        let (events, fields) = rest.split_once('|').unwrap();
        let needs = Needs {
            events: words(events),
            fields: words(fields),
        };
        (rule.to_owned(), needs)
    })
    .collect()
}

fn name(what: &What) -> String {
    let text = format!("{what:?}");
    let end = text
        .find(|c: char| !c.is_alphanumeric())
        .unwrap_or(text.len());
    text[..end].to_owned()
}

/// What the rule alone says of a run, of which only these events and fields are seen.
fn kind_seen(rule: Rule, needs: &Needs, plan: &Plan, outcome: &Outcome) -> Option<&'static str> {
    let is_seen = |event: &&Event| match &event.what {
        What::StepBegan { .. } | What::Healed => true,
        what => needs.events.contains(&name(what)),
    };
    let events: Vec<Event> = outcome
        .history
        .events
        .iter()
        .filter(is_seen)
        .cloned()
        .collect();
    let mut kind = None;
    let mut last = None;
    // A rule is asked before the event is taken in.
    follow(
        plan,
        SiteKind::Shell,
        Profile::reference(),
        &events,
        &mut |model, index| {
            if let (None, Some(event)) = (kind, events.get(index + 1)) {
                kind = INVARIANTS
                    .iter()
                    .find_map(|invariant| match invariant.check {
                        Check::Always(check) if invariant.rule == rule => {
                            Some(check(model, event)?.kind)
                        }
                        _ => None,
                    });
            }
            last = Some(model.clone());
        },
    );
    let (None, Some(model), Some(settled)) = (kind, last, &outcome.settled) else {
        return kind;
    };
    let seen = only(settled, &needs.fields);
    INVARIANTS
        .iter()
        .find_map(|invariant| match invariant.check {
            Check::AfterRecovery(check) if invariant.rule == rule => {
                Some(check(&model, &seen)?.kind)
            }
            _ => None,
        })
}

/// The snapshot with these fields alone.
fn only(of: &Snapshot, fields: &[String]) -> Snapshot {
    let mut seen = Snapshot::default();
    let of = of.clone();
    for field in fields {
        match field.as_str() {
            "remote" => seen.remote = of.remote.clone(),
            "workspaces" => seen.workspaces = of.workspaces.clone(),
            "sites" => seen.sites = of.sites.clone(),
            "records" => seen.records = of.records.clone(),
            "queued" => seen.queued = of.queued.clone(),
            "dead_letters" => seen.dead_letters = of.dead_letters.clone(),
            "running" => seen.running = of.running.clone(),
            other => panic!("a snapshot has no `{other}`"),
        }
    }
    seen
}

#[test]
fn the_table_has_each_rule_once_and_its_events_show_every_planted_defect() {
    let table = table();
    let mut rules: Vec<Rule> = INVARIANTS.iter().map(|invariant| invariant.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    assert_eq!(table.len(), rules.len(), "{:?}", table.keys());
    let mut unseen = Vec::new();
    for rule in rules {
        let needs = table
            .get(rule.id())
            .unwrap_or_else(|| panic!("{}", rule.id()));
        let mut shown = 0;
        for known in known::all().iter().filter(|known| known.rule == rule.id()) {
            let target = trial::planted_sim(Defect::by_name(&known.defect).unwrap());
            let outcome = runner::run(&target, &known.plan, known.seed);
            if !matches!(&outcome.verdict, Verdict::Violated(of) if of.kind == known.kind) {
                continue;
            }
            match kind_seen(rule, needs, &known.plan, &outcome) {
                Some(kind) if kind == known.kind => shown += 1,
                other => unseen.push(format!("{rule} {} {} {other:?}", known.defect, known.kind)),
            }
        }
        assert!(shown > 0, "no planted defect breaks {rule}: {unseen:#?}");
    }
    assert!(unseen.is_empty(), "{unseen:#?}");
}

#[test]
fn no_event_of_the_table_is_unknown() {
    let source = include_str!("../history.rs");
    for (rule, needs) in table() {
        for event in needs.events {
            assert!(
                source.contains(&format!("    {event} {{")),
                "{event} of {rule}"
            );
        }
    }
}
