//! Step Functions: what a worker reports of the tasks that it was given by a token.
//!
//! A token is known once a message with it (`"taskToken": …`) was put in a queue. Until there was such a
//! message, each token is taken for that of a task which somebody else began.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::answer::{Answer, AwsError};
use super::credentials::has_secret;
use super::route::Asked;
use super::services::Services;
use super::{outcomes, protocol};
use crate::history::{TaskReport, What};

/// Operations that are no calls for the record: they are events of their own.
pub(super) const QUIET: &[&str] = &["SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat"];

/// The longest output and token, in bytes and characters.
const LONGEST_OUTPUT: usize = 262_144;
const LONGEST_TOKEN: usize = 2048;

/// The tasks by their tokens, and whether each was ended.
#[derive(Default)]
pub(super) struct Tasks(Mutex<Known>);

#[derive(Default)]
struct Known {
    has_ended: BTreeMap<String, bool>,
    /// Whether tokens came in messages, so that others are invented.
    all: bool,
}

impl Tasks {
    /// Takes the token from a message, where it has one.
    pub(super) fn see(&self, message: &str) {
        if !message.contains("taskToken") {
            return;
        }
        let message: Value = serde_json::from_str(message).unwrap_or_default();
        if let Some(token) = message["taskToken"].as_str() {
            let mut known = self.known();
            known.all = true;
            known.has_ended.entry(token.to_owned()).or_default();
        }
    }

    /// Makes a token known, whatever the form of the message that has it.
    pub(super) fn announce(&self, token: &str) {
        let mut known = self.known();
        known.has_ended.entry(token.to_owned()).or_default();
    }

    /// Takes what is reported of a task: its end once, and signs of life until then.
    fn report(&self, token: &str, report: &TaskReport) -> Result<(), AwsError> {
        let mut known = self.known();
        let is_invented = known.all && !known.has_ended.contains_key(token);
        if is_invented || token.is_empty() || token.len() > LONGEST_TOKEN {
            return Err(AwsError::new(
                "InvalidToken",
                "Invalid Token: 'Invalid token'",
            ));
        }
        let has_ended = known.has_ended.entry(token.to_owned()).or_default();
        if *has_ended {
            return Err(AwsError::new(
                "TaskTimedOut",
                "Task Timed Out: 'Provided task does not exist anymore'",
            ));
        }
        *has_ended = *report != TaskReport::Heartbeat;
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers a request to Step Functions.
pub(super) fn answer(services: &Services, asked: &Asked) -> Answer {
    let Some(call) = &asked.call else {
        return Answer::Close;
    };
    let request: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let text = |field: &str| request[field].as_str().unwrap_or_default();
    let report = match &*call.operation {
        "SendTaskSuccess" => TaskReport::Success(text("output").into()),
        "SendTaskFailure" => TaskReport::Failure {
            error: text("error").into(),
            cause: text("cause").into(),
        },
        "SendTaskHeartbeat" => TaskReport::Heartbeat,
        "ListStateMachines" => {
            return protocol::answer(call, Ok(json!({ "stateMachines": [] })));
        }
        "ListActivities" => return protocol::answer(call, Ok(json!({ "activities": [] }))),
        "StartExecution" | "StartSyncExecution" | "DescribeStateMachine" | "ListExecutions" => {
            let arn = text("stateMachineArn");
            let message = format!("State Machine Does Not Exist: '{arn}'");
            let none = AwsError::new("StateMachineDoesNotExist", message);
            return protocol::answer(call, Err(none));
        }
        _ => return protocol::answer(call, Err(protocol::not_served(call))),
    };
    let token = text("taskToken");
    let taken = check(&report).and_then(|()| services.tasks.report(token, &report));
    if has_secret(&asked.body) {
        services.recorder.record(What::SecretSeen {
            client: asked.client.clone(),
            place: "callback".into(),
        });
    }
    services.recorder.record(What::TaskReported {
        client: asked.client.clone(),
        token: token.into(),
        report: report.clone(),
        refused: taken.as_ref().err().map(|error| error.code.into()),
    });
    // That the task had ended already takes nothing back of what is reported.
    if taken.is_ok()
        || taken
            .as_ref()
            .is_err_and(|error| error.code == "TaskTimedOut")
    {
        outcomes::of_task(services, text("taskToken"), &report);
    }
    protocol::answer(call, taken.map(|()| json!({})))
}

/// What Step Functions does not take whatever the task.
fn check(report: &TaskReport) -> Result<(), AwsError> {
    let TaskReport::Success(output) = report else {
        return Ok(());
    };
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(output).is_ok();
    match is_json && output.len() <= LONGEST_OUTPUT {
        true => Ok(()),
        false => Err(AwsError::new(
            "InvalidOutput",
            "Invalid Output: 'Invalid output'",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(reported: Result<(), AwsError>) -> Option<&'static str> {
        reported.err().map(|error| error.code)
    }

    fn success() -> TaskReport {
        TaskReport::Success("{}".into())
    }

    #[test]
    fn a_task_ends_once() {
        let tasks = Tasks::default();
        let failure = TaskReport::Failure {
            error: "E".into(),
            cause: "c".into(),
        };
        assert_eq!(code(tasks.report("a", &TaskReport::Heartbeat)), None);
        assert_eq!(code(tasks.report("a", &success())), None);
        for late in [success(), failure.clone(), TaskReport::Heartbeat] {
            assert_eq!(code(tasks.report("a", &late)), Some("TaskTimedOut"));
        }
        assert_eq!(code(tasks.report("b", &failure)), None);
        assert_eq!(code(tasks.report("", &success())), Some("InvalidToken"));
    }

    #[test]
    fn a_token_that_no_message_had_is_invented_once_messages_have_them() {
        let tasks = Tasks::default();
        assert_eq!(code(tasks.report("early", &TaskReport::Heartbeat)), None);
        tasks.see("no token");
        tasks.see(r#"{"taskToken":"known"}"#);
        assert_eq!(code(tasks.report("known", &success())), None);
        assert_eq!(
            code(tasks.report("other", &success())),
            Some("InvalidToken")
        );
        assert_eq!(code(tasks.report("early", &success())), None);
    }

    #[test]
    fn an_output_is_json() {
        assert_eq!(code(check(&success())), None);
        assert_eq!(
            code(check(&TaskReport::Success("x".into()))),
            Some("InvalidOutput")
        );
    }
}
