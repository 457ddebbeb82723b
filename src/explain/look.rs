//! Model against observation at one moment: what is to be, and what is seen so far.

use serde::Serialize;

use crate::history::{Record, Snapshot};
use crate::invariant::{check_site, each_recovered, expected_error, expected_warnings, wanted};
use crate::model::Model;
use crate::model::breaker::BreakerState;
use crate::model::instruction::{HandlingEnd, Instruction};
use crate::model::session::Expected;
use crate::plan::Mark;
use crate::profile::Evidence;
use crate::verdict::Subject;

/// The model against what was seen, at the end of a step or of the run.
#[derive(Debug, Serialize)]
pub(crate) struct Look {
    /// The step that had been carried out; none for the recovery.
    after: Option<usize>,
    /// The event that came next.
    event: usize,
    /// The system's own time, in seconds.
    pub(crate) at: f64,
    /// The active faults.
    faults: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// One thing that the model knows about.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) about: String,
    pub(crate) expected: String,
    pub(crate) observed: String,
    pub(crate) agrees: Agreement,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Agreement {
    /// What is seen is what is expected.
    Agrees,
    /// It is to come true yet, until recovery ends.
    Waits,
    /// It should have come true.
    Differs,
}

impl Agreement {
    fn of(agrees: bool, is_over: bool) -> Self {
        match (agrees, is_over) {
            (true, _) => Self::Agrees,
            (false, false) => Self::Waits,
            (false, true) => Self::Differs,
        }
    }
}

/// What the model expects, against what is seen. `end` is given at the run's end, with what was
/// seen last where that was looked at.
pub(crate) fn look(
    model: &Model,
    end: Option<Option<&Snapshot>>,
    after: Option<usize>,
    event: usize,
) -> Look {
    let known = model.known();
    let seen = end.flatten().unwrap_or(&known);
    let is_over = end.is_some() && after.is_none();
    let mut rows = vec![breaker(model)];
    if seen.shows(Evidence::Queue) {
        rows.push(queue(model, is_over));
    }
    for client in 0..model.clients.len() {
        rows.extend(container(model, client, seen, is_over));
        rows.extend(site(model, client, seen, is_over));
        for session in 0..model.sessions.len() {
            if model.sessions[session].client == client {
                if seen.remote.get().is_some() {
                    rows.push(branch(model, session, is_over));
                }
                rows.extend(instructions(model, session, is_over));
                rows.extend(record(model, session, seen, is_over));
            }
        }
    }
    if is_over {
        rows.extend(rules(model, seen));
    }
    Look {
        after,
        event,
        at: model.now.as_secs_f64(),
        faults: model.faults.iter().map(|(f, _)| f.to_string()).collect(),
        rows,
    }
}

fn breaker(model: &Model) -> Row {
    let breaker = &model.breaker;
    let sure = match breaker.state() {
        BreakerState::Closed { failures: 0 } => "closed".into(),
        BreakerState::Closed { failures } => {
            let most = breaker.limits().failures;
            format!("closed, {failures} of {most} failed syncs in a row")
        }
        BreakerState::Open { until } => {
            format!("open, a probe from {:.1} s on", until.as_secs_f64())
        }
        BreakerState::HalfOpen { probe, .. } => match probe.and_then(|at| model.clients.get(at)) {
            Some(client) => format!("half-open, {} probes", client.id),
            None => "half-open, no probe under way".into(),
        },
    };
    let may_be_either = !breaker.is_closed() && breaker.may_be_closed();
    let syncing: Vec<String> = (0..model.clients.len())
        .filter(|client| breaker.has_sync(*client))
        .map(|client| model.clients[client].id.to_string())
        .collect();
    let observed = match syncing.len() {
        0 => "no sync under way".into(),
        _ => format!("a sync of {} under way", syncing.join(", ")),
    };
    Row {
        about: Subject::Breaker.to_string(),
        expected: match may_be_either {
            true => format!("{sure}; what was seen leaves another state open"),
            false => sure,
        },
        observed,
        agrees: Agreement::Agrees,
    }
}

fn queue(model: &Model, is_over: bool) -> Row {
    let with = |is: fn(&Instruction) -> bool| -> Vec<Mark> {
        let of = model.instructions.iter().filter(|i| is(i));
        of.map(|instruction| instruction.mark).collect()
    };
    let flying = with(|i| i.is_pending() && i.in_flight);
    let waiting = with(|i| i.is_pending() && !i.in_flight);
    let dead = with(|i| i.dead_lettered);
    let parts = [
        ("in flight", &flying),
        ("waiting", &waiting),
        ("dead letters", &dead),
    ];
    let shown = parts
        .iter()
        .filter(|(_, marks)| !marks.is_empty())
        .map(|(name, marks)| format!("{name}: {}", list(marks)));
    let shown: Vec<String> = shown.collect();
    Row {
        about: Subject::Queue.to_string(),
        expected: "empty, once recovered".into(),
        observed: match shown.len() {
            0 => "empty".into(),
            _ => shown.join("; "),
        },
        agrees: Agreement::of(flying.is_empty() && waiting.is_empty(), is_over),
    }
}

fn container(model: &Model, client: usize, seen: &Snapshot, is_over: bool) -> Option<Row> {
    let id = &model.clients[client].id;
    let is_up = seen.running.get()?.contains(id);
    Some(Row {
        about: Subject::Container(id.clone()).to_string(),
        expected: match model.clients[client].is_up {
            true => "runs".into(),
            false => format!(
                "is up again within {} s",
                model.profile.limits.restart.as_secs()
            ),
        },
        observed: if is_up { "runs" } else { "is down" }.into(),
        agrees: Agreement::of(is_up, is_over),
    })
}

fn site(model: &Model, client: usize, seen: &Snapshot, is_over: bool) -> Option<Row> {
    let id = &model.clients[client].id;
    let (newest, may_be_empty) = wanted(model, client);
    let expected = match newest.len() {
        0 => "empty".into(),
        1 if !may_be_empty => format!("exactly the build with {}", newest[0]),
        _ => {
            let empty = if may_be_empty { ", or none" } else { "" };
            format!("exactly one build, with {}{empty}", either(&newest))
        }
    };
    let nothing = crate::oracle::Objects::new();
    let objects = seen.sites.get()?.get(id).unwrap_or(&nothing);
    let observed = match model.oracle.marks(objects) {
        _ if objects.is_empty() => "empty".into(),
        Some(marks) => format!("{} objects, front page of {}", objects.len(), list(marks)),
        None => format!("{} objects, no front page", objects.len()),
    };
    let breach = check_site(model, client, objects);
    Some(Row {
        about: Subject::Site(id.clone()).to_string(),
        expected,
        agrees: Agreement::of(breach.is_none(), is_over),
        observed: match breach {
            Some(breach) if breach.kind == "mixed" => format!("{observed}; {}", breach.observed),
            _ => observed,
        },
    })
}

fn branch(model: &Model, session: usize, is_over: bool) -> Row {
    let own = &model.sessions[session];
    let marks = |branch: &crate::history::Branch| -> Vec<Mark> {
        let adds = branch.commits.iter().flat_map(|commit| &commit.adds);
        adds.copied().collect()
    };
    let (remote, local) = (marks(&own.remote), marks(&own.local));
    let kept: Vec<Mark> = own.committed.difference(&own.lost).copied().collect();
    let all_pushed = kept.iter().chain(&local).all(|mark| own.remote_has(*mark));
    let only_local: Vec<Mark> = local
        .iter()
        .filter(|mark| !remote.contains(mark))
        .copied()
        .collect();
    let mut observed = format!("remote: {}", list(&remote));
    if !only_local.is_empty() {
        observed.push_str(&format!("; only in the workspace: {}", list(&only_local)));
    }
    if !own.lost.is_empty() {
        let lost: Vec<Mark> = own.lost.iter().copied().collect();
        observed.push_str(&format!("; lost with a workspace: {}", list(&lost)));
    }
    Row {
        about: Subject::Branch(own.id.clone()).to_string(),
        expected: match kept.len() {
            0 => "no commit yet".into(),
            _ => format!("keeps {}", list(&kept)),
        },
        observed,
        agrees: Agreement::of(all_pushed, is_over),
    }
}

/// The session's instructions that have not ended, and the last one that has.
fn instructions(model: &Model, session: usize, is_over: bool) -> Option<Row> {
    let own = model.instructions.iter().filter(|i| i.session == session);
    let last_ended = own.clone().rfind(|i| !i.is_pending()).map(|i| i.mark);
    let shown: Vec<&Instruction> = own
        .filter(|i| i.is_pending() || Some(i.mark) == last_ended)
        .collect();
    if shown.is_empty() {
        return None;
    }
    let expected = |instruction: &&Instruction| {
        let end = if instruction.is_pending() && !instruction.in_flight {
            "is handled"
        } else if instruction.dead_lettered {
            "is a dead letter"
        } else {
            match model.end_of(instruction) {
                HandlingEnd::Good => "is done",
                HandlingEnd::Failed if instruction.is_pending() => {
                    "is done, or fails and is reported"
                }
                HandlingEnd::Failed => "failed and is reported",
                HandlingEnd::Unclear => "is done, or failed",
            }
        };
        format!("{} {end}", instruction.mark)
    };
    let observed = |instruction: &&Instruction| {
        let state = if instruction.acknowledged {
            "acknowledged".into()
        } else if instruction.dead_lettered {
            format!("given up after {} receives", instruction.deliveries)
        } else if instruction.in_flight {
            match instruction.agent_failures {
                0 => format!("in flight, receive {}", instruction.deliveries),
                n => format!("in flight, {n} agent requests failed in a row"),
            }
        } else {
            format!("waits, {} receives so far", instruction.deliveries)
        };
        format!("{} {state}", instruction.mark)
    };
    let join = |texts: Vec<String>| texts.join("; ");
    Some(Row {
        about: Subject::Work(model.sessions[session].id.clone()).to_string(),
        expected: join(shown.iter().map(expected).collect()),
        observed: join(shown.iter().map(observed).collect()),
        agrees: Agreement::of(!shown.iter().any(|i| i.is_pending()), is_over),
    })
}

fn record(model: &Model, session: usize, seen: &Snapshot, is_over: bool) -> Option<Row> {
    let id = &model.sessions[session].id;
    let record = seen.records.get()?.get(id).cloned().unwrap_or_default();
    let error = expected_error(model, session);
    let warnings = expected_warnings(model, session);
    let words = |of: Expected, what: &str| match of {
        Expected::No => format!("no {what}"),
        Expected::Maybe => format!("{what} or not"),
        Expected::Yes => what.to_owned(),
    };
    let fits = |of: Expected, is: bool| match of {
        Expected::No => !is,
        Expected::Maybe => true,
        Expected::Yes => is,
    };
    let agrees =
        fits(error, record.last_error.is_some()) && fits(warnings, !record.warnings.is_empty());
    Some(Row {
        about: Subject::Record(id.clone()).to_string(),
        expected: format!(
            "{}, {}",
            words(error, "lastError"),
            words(warnings, "warnings")
        ),
        observed: described(&record),
        agrees: Agreement::of(agrees, is_over),
    })
}

fn described(record: &Record) -> String {
    let mut parts = vec![match record.status.as_str() {
        "" => "no status".to_owned(),
        status => status.to_owned(),
    }];
    match &record.last_error {
        Some(error) => parts.push(format!("lastError: {error}")),
        None => parts.push("no lastError".into()),
    }
    if !record.warnings.is_empty() {
        parts.push(format!("warnings: {}", record.warnings.join("; ")));
    }
    parts.join(", ")
}

fn rules(model: &Model, seen: &Snapshot) -> Vec<Row> {
    let row = |(rule, breach): (crate::verdict::Rule, Option<crate::invariant::Breach>)| Row {
        about: format!("rule {rule}"),
        agrees: Agreement::of(breach.is_none(), true),
        expected: match &breach {
            Some(breach) => breach.expected.clone(),
            None => rule.words().into(),
        },
        observed: breach.map_or("it holds".into(), |breach| breach.observed),
    };
    each_recovered(model, seen).into_iter().map(row).collect()
}

fn list(marks: &[Mark]) -> String {
    joined(marks, ", ")
}

/// The first few: of many builds that are possible the newest ones say enough.
fn either(marks: &[Mark]) -> String {
    let shown = joined(&marks[..marks.len().min(3)], " or ");
    match marks.len().saturating_sub(3) {
        0 => shown,
        1 => format!("{shown} or one other"),
        more => format!("{shown} or {more} others"),
    }
}

fn joined(marks: &[Mark], between: &str) -> String {
    if marks.is_empty() {
        return "nothing".into();
    }
    let all: Vec<String> = marks.iter().map(Mark::to_string).collect();
    all.join(between)
}
