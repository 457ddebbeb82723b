//! What the run that broke a rule shows of its reason, without another run: whom the violation is
//! about, what was asked last, and how much each step is likely to matter.

use std::time::Duration;

use crate::history::{History, What};
use crate::plan::{ClientId, Edit, Fault, Mark, Place, Plan, SessionId, Step, Subject};
use crate::profile::Limits;
use crate::verdict::{Rule, Violation};

/// What is known of a violation's reason. All of it may mislead: it orders what is tried.
#[derive(Clone, Debug)]
pub(super) struct Clues {
    pub rule: Rule,
    /// The kind of the violation.
    pub kind: String,
    /// The session that the violation is about.
    pub session: Option<SessionId>,
    pub client: Option<ClientId>,
    /// The edit that it names.
    pub edit: Option<Edit>,
    place: Option<Place>,
    /// Long enough for all that is due: the system promises to come to rest within it.
    pub long: Duration,
}

impl Clues {
    pub(super) fn of(
        plan: &Plan,
        violation: &Violation,
        history: &History,
        limits: &Limits,
    ) -> Self {
        let mut clues = Self {
            rule: violation.rule,
            kind: violation.kind.clone(),
            session: None,
            client: None,
            edit: None,
            place: None,
            long: limits.recovery,
        };
        clues.read(plan, &violation.observed);
        clues.read(plan, &violation.expected);
        // After recovery the last event is no part of the violation.
        if let Some(last) = history.events.last()
            && last.what != What::Healed
        {
            let (session, client, place) = about(&last.what);
            if violation.at == last.at {
                clues.session = clues.session.or(session);
                clues.client = clues.client.or(client);
                clues.place = place;
            }
        }
        if violation.rule == Rule::Breaker {
            clues.place = Some(Place::S3);
        }
        if let Some(session) = &clues.session {
            clues.client = Some(session.client.clone());
        }
        clues
    }

    /// Takes the names of sessions, clients and marks from a text.
    fn read(&mut self, plan: &Plan, text: &str) {
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '/' | '-' | '_');
        for word in text.split(|c: char| !is_name(c)) {
            if let Some(mark) = Mark::parse(word) {
                let at = plan.marks().iter().position(|of| *of == Some(mark));
                match at.map(|at| &plan.steps[at]) {
                    Some(Step::Instruct(session, edit)) => {
                        self.session.get_or_insert_with(|| session.clone());
                        self.edit.get_or_insert(*edit);
                    }
                    Some(Step::PushFromOutside(session, _)) => {
                        self.session.get_or_insert_with(|| session.clone());
                    }
                    _ => {}
                }
            } else if let Some(session) = plan.sessions.iter().find(|s| s.to_string() == word) {
                self.session.get_or_insert_with(|| session.clone());
            } else if let Some(client) = plan.clients().iter().find(|c| *c.0 == *word) {
                self.client.get_or_insert_with(|| client.clone());
            }
        }
    }

    /// The session to try small plans on: the one that the violation is about, else the one of
    /// its client, or of any, that was instructed last.
    pub(super) fn home(&self, plan: &Plan) -> Option<SessionId> {
        let instructed = |of: &dyn Fn(&SessionId) -> bool| {
            plan.steps.iter().rev().find_map(|step| match step {
                Step::Instruct(session, _) if of(session) => Some(session.clone()),
                _ => None,
            })
        };
        instructed(&|session| Some(session) == self.session.as_ref())
            .or_else(|| instructed(&|session| Some(&session.client) == self.client.as_ref()))
            .or_else(|| instructed(&|_| true))
    }

    /// How likely a step is to matter; more is likelier.
    pub(super) fn weigh(&self, plan: &Plan, at: usize) -> u32 {
        let step = &plan.steps[at];
        let is_last = at + 1 == plan.steps.len();
        let near = match step.subject() {
            Subject::All => 4,
            Subject::Session(of) if Some(of) == self.session.as_ref() => 8,
            Subject::Session(of) if Some(&of.client) == self.client.as_ref() => 4,
            Subject::Client(of) if Some(of) == self.client.as_ref() => 6,
            Subject::Session(_) | Subject::Client(_) if self.client.is_none() => 4,
            Subject::Session(_) | Subject::Client(_) => 0,
        };
        let kind = match step {
            Step::Inject(fault) | Step::Heal(fault) => {
                let is_there = self.place == Some(fault.place());
                let is_healed = plan.steps[at..].contains(&Step::Heal(fault.clone()));
                let matters = if is_healed {
                    0
                } else {
                    step.kind().row().matters
                };
                u32::from(is_there) * 5 + matters
            }
            other => other.kind().row().matters,
        };
        near + kind + if is_last { 3 } else { 0 }
    }
}

/// How long each step that was made lasted; the last one up to the violation.
pub(super) fn durations(history: &History, violation: &Violation) -> Vec<Duration> {
    let begins = history.events.iter().filter(|event| event.what.begins());
    let mut begins: Vec<Duration> = begins.map(|event| event.at).collect();
    begins.push(violation.at);
    begins
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]))
        .collect()
}

/// Whether a fault keeps objects from their site.
pub(super) fn is_of_s3(fault: &Fault) -> bool {
    fault.place() == Place::S3
}

fn about(what: &What) -> (Option<SessionId>, Option<ClientId>, Option<Place>) {
    let session = |of: &SessionId| (Some(of.clone()), Some(of.client.clone()));
    let client = |of: &ClientId| (None, Some(of.clone()));
    let ((session, client), place) = match what {
        What::StepBegan { .. } | What::Healed => ((None, None), None),
        What::OutsiderPushed { session: of, .. }
        | What::Committed { session: of, .. }
        | What::Pushed {
            session: Some(of), ..
        }
        | What::RetrySent { session: of }
        | What::RetryDelivered { session: of } => (session(of), Some(Place::Git)),
        What::Sent { session: of, .. }
        | What::Delivered { session: of, .. }
        | What::Acknowledged { session: of, .. }
        | What::OutcomeReported { session: of, .. }
        | What::DeadLettered { session: of, .. } => (session(of), None),
        What::RecordWritten { session: of, .. } => (session(of), Some(Place::Table)),
        What::AgentAsked { client: of, .. } => (client(of), Some(Place::Agent)),
        What::Fetched { client: of, .. }
        | What::PushBegan { client: of }
        | What::Pushed { client: of, .. } => (client(of), Some(Place::Git)),
        What::ObjectPut { client: of, .. }
        | What::ObjectDeleted { client: of, .. }
        | What::S3Asked { client: of, .. } => (client(of), Some(Place::S3)),
        What::Refused { client: of, place } => (client(of), Some(*place)),
        What::SiteBuilt { client: of, .. }
        | What::TaskReported { client: of, .. }
        | What::Called { client: of, .. }
        | What::SecretSeen { client: of, .. }
        | What::Trespassed { client: of, .. } => (client(of), None),
        What::BuildBegan { client: of, .. } | What::BuildEnded { client: of, .. } => {
            (client(of), Some(Place::Build))
        }
        What::Started { client: of } | What::Died { client: of, .. } => {
            (client(of), Some(Place::Container))
        }
        What::Logged {
            client: of,
            session: Some(in_session),
            ..
        } => ((Some(in_session.clone()), Some(of.clone())), None),
        What::Logged { client: of, .. } => (client(of), None),
    };
    (session, client, place)
}
