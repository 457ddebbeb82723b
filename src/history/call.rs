//! Calls of other services than those whose effects are events of their own.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What was asked of a service, and how that was answered.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct ServiceCall {
    /// The service, by its name in signatures: `sqs`, `states`.
    pub service: Arc<str>,
    /// The operation; where the service knows none, the method and path.
    pub operation: Arc<str>,
    /// The queue, group, table or task that it is about, where it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Arc<str>>,
    /// How it was answered.
    pub answer: CallAnswer,
}

impl ServiceCall {
    /// The service of calls of a host that the tester does not answer for; their operation is the host.
    pub const UNKNOWN_HOST: &str = "unknown host";

    /// The host, where the tester does not answer for it.
    pub fn unknown_host(&self) -> Option<&str> {
        (&*self.service == Self::UNKNOWN_HOST).then_some(&*self.operation)
    }

    /// The service and the operation.
    pub fn name(&self) -> String {
        format!("{} {}", self.service, self.operation)
    }
}

impl fmt::Display for ServiceCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            service,
            operation,
            about,
            answer,
        } = self;
        write!(f, "{service} {operation}")?;
        if let Some(about) = about {
            write!(f, " of {about}")?;
        }
        match answer {
            CallAnswer::Done => Ok(()),
            CallAnswer::Failed(code) => write!(f, ": {code}"),
            CallAnswer::NotServed => f.write_str(": not served"),
        }
    }
}

/// How a call was answered.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallAnswer {
    /// It was done.
    Done,
    /// It was refused with this error.
    Failed(Arc<str>),
    /// The tester does not serve it: the system may behave otherwise than on the real service.
    NotServed,
}

/// What a worker reports of a task, by the token that it was given.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskReport {
    /// It ended well, with this output.
    Success(Arc<str>),
    /// It failed, with this error and its cause.
    Failure {
        /// The name of the error.
        error: Arc<str>,
        /// What is said of it.
        cause: Arc<str>,
    },
    /// It is being worked on.
    Heartbeat,
}

impl fmt::Display for TaskReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success(output) => write!(f, "succeeded with {output}"),
            Self::Failure { error, cause } => write!(f, "failed with {error}: {cause}"),
            Self::Heartbeat => f.write_str("is being worked on"),
        }
    }
}
