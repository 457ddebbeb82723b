//! What lasts: faults, handlings, syncs, unpushed work, dead containers, the breaker's states.

use serde::Serialize;

use super::lanes::{LaneKind, Lanes, Tone};
use crate::history::describe::death;
use crate::history::{Claim, Event, What};
use crate::model::Model;
use crate::model::breaker::BreakerState;
use crate::plan::{ClientId, Fault, Mark, SessionId, Step};

/// A span of a lane, from one event to another.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Bar {
    pub(super) lane: usize,
    pub(super) kind: BarKind,
    pub(super) tone: Tone,
    /// Short, to be shown in the bar where it fits.
    pub(super) label: String,
    /// The whole of it.
    pub(super) title: String,
    /// The event that it begins with.
    pub(super) from: usize,
    /// The event that it ends with; none where it goes on to the end.
    pub(super) to: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum BarKind {
    Fault,
    Handling,
    Sync,
    Unpushed,
    Down,
    Breaker,
}

/// Bars whose end has not been seen yet, each by what ends it.
pub(super) struct Bars<'a> {
    lanes: &'a Lanes,
    done: Vec<Bar>,
    faults: Vec<(Fault, Bar)>,
    handlings: Vec<(SessionId, Mark, Bar)>,
    syncs: Vec<(ClientId, Bar)>,
    unpushed: Vec<(SessionId, Bar)>,
    down: Vec<(ClientId, Bar)>,
    breaker: Option<Bar>,
}

impl<'a> Bars<'a> {
    pub(super) fn new(lanes: &'a Lanes) -> Self {
        Self {
            lanes,
            done: Vec::new(),
            faults: Vec::new(),
            handlings: Vec::new(),
            syncs: Vec::new(),
            unpushed: Vec::new(),
            down: Vec::new(),
            breaker: None,
        }
    }

    /// Takes in an event; `model` has taken it in already.
    pub(super) fn see(&mut self, model: &Model, index: usize, event: &Event) {
        self.breaker(model, index, event);
        match &event.what {
            What::StepBegan { step, .. } => match step {
                Step::Inject(fault) => self.inject(fault, index),
                Step::Heal(fault) => {
                    close(&mut self.done, &mut self.faults, index, |(f, _)| f == fault);
                }
                _ => {}
            },
            What::Healed => {}
            What::Delivered {
                session,
                mark,
                receives,
            } => {
                self.end_handling(session, *mark, index, Tone::Odd, "handed out again");
                let again = if *receives > 1 {
                    Tone::Odd
                } else {
                    Tone::Plain
                };
                let title = format!("{mark} of {session} is handled, receive {receives}");
                let lane = self.lanes.session(LaneKind::Session, session);
                let bar = bar(lane, BarKind::Handling, again, mark, title, index);
                self.handlings.push((session.clone(), *mark, bar));
            }
            What::Acknowledged { session, mark } => {
                self.end_handling(session, *mark, index, Tone::Good, "acknowledged");
            }
            What::DeadLettered { session, mark } => {
                self.end_handling(session, *mark, index, Tone::Bad, "given up: a dead letter");
            }
            What::Pushed {
                session: Some(session),
                ..
            }
            | What::Committed { session, .. }
            | What::OutsiderPushed { session, .. } => self.branch(model, session, index),
            What::Logged { client, claim, .. } => self.claimed(client, *claim, index),
            What::Died { client, cause } => {
                self.cut_off(client, index);
                let title = format!("the container of {client} is down: {}", death(*cause));
                let lane = self.lanes.client(LaneKind::Container, client);
                let bar = bar(lane, BarKind::Down, Tone::Bad, &"down", title, index);
                self.down.push((client.clone(), bar));
                for at in 0..model.sessions.len() {
                    if model.sessions[at].id.client == *client {
                        self.branch(model, &model.sessions[at].id, index);
                    }
                }
            }
            What::Started { client } => {
                close(&mut self.done, &mut self.down, index, |(c, _)| c == client);
            }
            _ => {}
        }
    }

    /// All bars, those without an end last.
    pub(super) fn finish(mut self) -> Vec<Bar> {
        let open = self.faults.into_iter().map(|(_, bar)| bar);
        let open = open.chain(self.handlings.into_iter().map(|(_, _, bar)| bar));
        let open = open.chain(self.syncs.into_iter().map(|(_, bar)| bar));
        let open = open.chain(self.unpushed.into_iter().map(|(_, bar)| bar));
        let open = open.chain(self.down.into_iter().map(|(_, bar)| bar));
        self.done.extend(open.chain(self.breaker));
        self.done
    }

    fn inject(&mut self, fault: &Fault, index: usize) {
        let text = fault.to_string();
        let title = format!("fault: {text}");
        let bar = bar(
            Lanes::FAULTS,
            BarKind::Fault,
            Tone::Bad,
            &text,
            title,
            index,
        );
        self.faults.push((fault.clone(), bar));
    }

    fn end_handling(
        &mut self,
        session: &SessionId,
        mark: Mark,
        index: usize,
        tone: Tone,
        how: &str,
    ) {
        let is = |(s, m, _): &(SessionId, Mark, Bar)| s == session && *m == mark;
        if let Some(at) = self.handlings.iter().position(is) {
            let (_, _, mut bar) = self.handlings.remove(at);
            bar.to = Some(index);
            bar.tone = tone;
            bar.title = format!("{}; {how}", bar.title);
            self.done.push(bar);
        }
    }

    /// Work that only the workspace has.
    fn branch(&mut self, model: &Model, session: &SessionId, index: usize) {
        let Some(at) = model.session_index(session) else {
            return;
        };
        let own = &model.sessions[at];
        let commits = &own.local.commits;
        let waiting: Vec<String> = commits
            .iter()
            .flat_map(|commit| &commit.adds)
            .filter(|mark| !own.remote_has(**mark))
            .map(Mark::to_string)
            .collect();
        let label = waiting.join(" ");
        let open = self.unpushed.iter().find(|(s, _)| s == session);
        if open.is_some_and(|(_, bar)| bar.label == label) {
            return;
        }
        close(&mut self.done, &mut self.unpushed, index, |(s, _)| {
            s == session
        });
        if !waiting.is_empty() {
            let title = format!(
                "only in the workspace, not pushed yet: {}",
                waiting.join(", ")
            );
            let lane = self.lanes.session(LaneKind::Branch, session);
            let bar = bar(lane, BarKind::Unpushed, Tone::Odd, &label, title, index);
            self.unpushed.push((session.clone(), bar));
        }
    }

    fn claimed(&mut self, client: &ClientId, claim: Option<Claim>, index: usize) {
        match claim {
            Some(Claim::SyncAttempt(1)) => {
                self.end_sync(client, index, Tone::Plain, "the next one began");
                let title = format!("S3 sync of {client}");
                let lane = self.lanes.client(LaneKind::Site, client);
                let bar = bar(lane, BarKind::Sync, Tone::Plain, &"sync", title, index);
                self.syncs.push((client.clone(), bar));
            }
            Some(Claim::SyncDone) => self.end_sync(client, index, Tone::Good, "complete"),
            Some(Claim::SyncFailed) => {
                self.end_sync(client, index, Tone::Bad, "failed after its retries");
            }
            _ => {}
        }
    }

    fn end_sync(&mut self, client: &ClientId, index: usize, tone: Tone, how: &str) {
        if let Some(at) = self.syncs.iter().position(|(c, _)| c == client) {
            let (_, mut bar) = self.syncs.remove(at);
            bar.to = Some(index);
            bar.tone = tone;
            bar.title = format!("{}: {how}", bar.title);
            self.done.push(bar);
        }
    }

    /// A container died with what it was at.
    fn cut_off(&mut self, client: &ClientId, index: usize) {
        self.end_sync(client, index, Tone::Bad, "cut off by the container's death");
        let of_client: Vec<(SessionId, Mark)> = self
            .handlings
            .iter()
            .filter(|(session, _, _)| session.client == *client)
            .map(|(session, mark, _)| (session.clone(), *mark))
            .collect();
        for (session, mark) in of_client {
            self.end_handling(&session, mark, index, Tone::Bad, "the container died");
        }
    }

    fn breaker(&mut self, model: &Model, index: usize, event: &Event) {
        let (label, tone) = breaker_words(model);
        if self.breaker.as_ref().is_some_and(|bar| bar.label == label) {
            return;
        }
        if let Some(mut last) = self.breaker.take() {
            last.to = Some(index);
            self.done.push(last);
        }
        let seconds = event.at.as_secs_f64();
        let title = format!("the model has the breaker {label} from {seconds:.3} s");
        let bar = bar(Lanes::BREAKER, BarKind::Breaker, tone, &label, title, index);
        self.breaker = Some(bar);
    }
}

/// The breaker's state as the model has it, in a word.
fn breaker_words(model: &Model) -> (&'static str, Tone) {
    let breaker = &model.breaker;
    if breaker.is_closed() {
        return ("closed", Tone::Good);
    }
    if breaker.may_be_closed() {
        return ("closed or open", Tone::Odd);
    }
    match breaker.state() {
        BreakerState::HalfOpen { .. } => ("half-open", Tone::Odd),
        BreakerState::Open { .. } | BreakerState::Closed { .. } => ("open", Tone::Bad),
    }
}

fn bar(
    lane: usize,
    kind: BarKind,
    tone: Tone,
    label: &impl ToString,
    title: String,
    from: usize,
) -> Bar {
    Bar {
        lane,
        kind,
        tone,
        label: label.to_string(),
        title,
        from,
        to: None,
    }
}

/// Ends the open bars that satisfy `is`.
fn close<K>(
    done: &mut Vec<Bar>,
    open: &mut Vec<(K, Bar)>,
    index: usize,
    is: impl Fn(&(K, Bar)) -> bool,
) {
    let ended = open.extract_if(.., |entry| is(entry));
    done.extend(ended.map(|(_, mut bar)| {
        bar.to = Some(index);
        bar
    }));
}
