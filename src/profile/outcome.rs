//! The section `[outcome]`: how the system reports that an instruction ended, and how.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::Evidence;
use super::fields::Pointer;
use crate::history::{OutcomeChannel, ReportedOutcome};

/// How the system reports the outcome of an instruction.
#[derive(Clone, Debug)]
pub struct OutcomeShape {
    /// Where it reports that an instruction failed: any of these counts.
    pub reported_by: Vec<Evidence>,
    /// The ways in which it reports an outcome, done or failed.
    pub channels: Vec<OutcomeChannel>,
    /// What ends an instruction that no process of its own is started for.
    pub ended_by: EndedBy,
    failed: Vec<Sign>,
    pending: Vec<Sign>,
}

/// What ends an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndedBy {
    /// Its message is deleted.
    #[default]
    Deleted,
    /// Its outcome is reported, by callback or HTTP.
    Report,
}

/// The section `[outcome]`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct OutcomeSection {
    /// Where the system reports that an instruction failed; any of these counts.
    #[schemars(length(min = 1))]
    reported_by: Vec<Reporting>,
    /// What ends an instruction that no process of its own is started for.
    pub(super) ended_by: EndedBy,
    /// What in the JSON of a report says that the instruction failed.
    failed: Vec<Sign>,
    /// What in the JSON of a report says that it goes on.
    pending: Vec<Sign>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Reporting {
    /// The session's record has its error.
    Record,
    /// A line of level ERROR in the log.
    Log,
    /// Step Functions: SendTaskSuccess or SendTaskFailure with {task.token}.
    Callback,
    /// A request to {callback.url}.
    Http,
    /// The exit code of the instruction's process.
    Exit,
}

/// A value in the JSON of a report.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sign {
    /// Where it is: a JSON pointer, such as /status.
    at: Pointer,
    /// The value; without it, any but null, false and empty ones.
    #[serde(default)]
    #[schemars(with = "serde_json::Value")]
    is: Option<Value>,
}

impl Sign {
    fn of(at: &str, is: impl Into<Option<Value>>) -> Self {
        Self {
            at: Pointer(at.into()),
            is: is.into(),
        }
    }

    fn is_in(&self, report: &Value) -> bool {
        let Some(value) = report.pointer(&self.at.0) else {
            return false;
        };
        match &self.is {
            Some(is) => value == is,
            None => !matches!(value, Value::Null | Value::Bool(false)) && value != "",
        }
    }
}

impl Default for OutcomeSection {
    fn default() -> Self {
        let status = |words: &[&str]| -> Vec<Sign> {
            let signs = words
                .iter()
                .map(|word| Sign::of("/status", Value::from(*word)));
            signs.collect()
        };
        let mut failed = status(&["failed", "failure", "error"]);
        failed.push(Sign::of("/error", None));
        failed.push(Sign::of("/success", Value::from(false)));
        Self {
            reported_by: vec![Reporting::Record],
            ended_by: EndedBy::Deleted,
            failed,
            pending: status(&["queued", "pending", "started", "running", "processing"]),
        }
    }
}

impl OutcomeSection {
    pub(super) fn shape(self) -> OutcomeShape {
        let evidence = |by: &Reporting| match by {
            Reporting::Record => Evidence::Record,
            Reporting::Log => Evidence::Log,
            Reporting::Callback | Reporting::Http | Reporting::Exit => Evidence::Outcome,
        };
        let channel = |by: &Reporting| match by {
            Reporting::Record | Reporting::Log => None,
            Reporting::Callback => Some(OutcomeChannel::Callback),
            Reporting::Http => Some(OutcomeChannel::Http),
            Reporting::Exit => Some(OutcomeChannel::Exit),
        };
        let mut reported_by: Vec<Evidence> = self.reported_by.iter().map(evidence).collect();
        reported_by.sort_unstable();
        reported_by.dedup();
        OutcomeShape {
            reported_by,
            channels: self.reported_by.iter().filter_map(channel).collect(),
            ended_by: self.ended_by,
            failed: self.failed,
            pending: self.pending,
        }
    }
}

impl OutcomeShape {
    /// What a report with this JSON says; `None` where it says that the work goes on.
    pub fn read(&self, report: &str) -> Option<ReportedOutcome> {
        let report: Value = serde_json::from_str(report).unwrap_or_default();
        let has = |signs: &[Sign]| signs.iter().any(|sign| sign.is_in(&report));
        if has(&self.failed) {
            return Some(ReportedOutcome::Failed);
        }
        (!has(&self.pending)).then_some(ReportedOutcome::Done)
    }

    /// Whether outcomes are reported this way.
    pub fn has(&self, channel: OutcomeChannel) -> bool {
        self.channels.contains(&channel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_by_what_the_profile_looks_for() {
        let read = |text: &str, report: &str| {
            let section: OutcomeSection = toml::from_str(text).unwrap();
            section.shape().read(report)
        };
        let (done, failed) = (Some(ReportedOutcome::Done), Some(ReportedOutcome::Failed));
        for (report, expected) in [
            (r#"{"status":"running"}"#, None),
            (r#"{"status":"complete"}"#, done),
            (r#"{"status":"error"}"#, failed),
            (r#"{"error":"no space left"}"#, failed),
            (r#"{"error":null,"success":true}"#, done),
            (r#"{"success":false}"#, failed),
            ("", done),
        ] {
            assert_eq!(read("", report), expected, "{report}");
        }
        let own = r#"
            failed = [{ at = "/build/ok", is = false }]
            pending = [{ at = "/percent" }]
        "#;
        assert_eq!(read(own, r#"{"build":{"ok":false}}"#), failed);
        assert_eq!(read(own, r#"{"percent":20}"#), None);
        assert_eq!(read(own, r#"{"status":"error"}"#), done);
    }
}
