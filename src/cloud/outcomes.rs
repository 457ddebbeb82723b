//! A server of the tester's that takes the outcomes of instructions, and the tokens of their tasks.
//!
//! `POST /shakedown/outcome/MARK` is what a caller of the system would serve: what the body says is
//! read as the profile says. `…/MARK/failed` reports a failure whatever the body says.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use hyper::{Method, StatusCode};
use serde_json::json;

use super::answer::{self, Answer};
use super::credentials::has_secret;
use super::route::Asked;
use super::services::Services;
use crate::history::{OutcomeChannel, ReportedOutcome, TaskReport, What};
use crate::plan::{Mark, SessionId};

/// Where outcomes are reported, before the mark.
pub const OUTCOME_PATH: &str = "/shakedown/outcome/";

/// The token of an instruction's task.
pub fn task_token(mark: Mark) -> String {
    format!("AQCAAAAAKgAAAAIAAAAAAAAAA/{mark}")
}

/// The instructions whose outcomes may be reported.
#[derive(Default)]
pub(super) struct Outcomes(Mutex<BTreeMap<String, (SessionId, Mark)>>);

impl Outcomes {
    pub(super) fn announce(&self, session: &SessionId, mark: Mark) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(mark.to_string(), (session.clone(), mark));
    }

    fn find(&self, mark: &str) -> Option<(SessionId, Mark)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(mark).cloned()
    }
}

/// Answers a request to the tester's own server.
pub(super) fn answer(services: &Services, asked: &Asked) -> Answer {
    let reply = |status, body| answer::json(status, "application/json", &body);
    if !matches!(asked.parts.method, Method::POST | Method::PUT) {
        let body = json!({ "message": "an outcome is reported by POST or PUT" });
        return reply(StatusCode::METHOD_NOT_ALLOWED, body);
    }
    let path = asked.parts.uri.path();
    let path = path.strip_prefix(OUTCOME_PATH).unwrap_or_default();
    let (mark, is_failed) = match path.strip_suffix("/failed") {
        Some(mark) => (mark, true),
        None => (path, false),
    };
    let Some((session, mark)) = services.outcomes.find(mark) else {
        return reply(StatusCode::NOT_FOUND, json!({ "message": "no such job" }));
    };
    if has_secret(&asked.body) {
        services.recorder.record(What::SecretSeen {
            client: asked.client.clone(),
            place: "callback".into(),
        });
    }
    let body = String::from_utf8_lossy(&asked.body);
    let outcome = match is_failed {
        true => Some(ReportedOutcome::Failed),
        false => services.config.profile.outcome.read(&body),
    };
    if let Some(outcome) = outcome {
        record(services, (session, mark), outcome, OutcomeChannel::Http);
    }
    reply(StatusCode::OK, json!({}))
}

/// Takes what was reported of a task.
pub(super) fn of_task(services: &Services, token: &str, report: &TaskReport) {
    let mark = token.rsplit('/').next().unwrap_or_default();
    let outcome = match report {
        TaskReport::Success(output) => services.config.profile.outcome.read(output),
        TaskReport::Failure { .. } => Some(ReportedOutcome::Failed),
        TaskReport::Heartbeat => None,
    };
    if let Some((of, outcome)) = services.outcomes.find(mark).zip(outcome) {
        record(services, of, outcome, OutcomeChannel::Callback);
    }
}

fn record(
    services: &Services,
    (session, mark): (SessionId, Mark),
    outcome: ReportedOutcome,
    by: OutcomeChannel,
) {
    if services.config.profile.outcome.has(by) {
        services.recorder.record(What::OutcomeReported {
            session,
            mark,
            outcome,
            by,
        });
    }
}
