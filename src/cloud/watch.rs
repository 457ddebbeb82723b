//! Each request as it is answered, for whoever watches the cloud at work.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::plan::ClientId;

/// One request and how it ended. As text it is a line for a person.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    /// The system's own time since the cloud began, at the answer.
    pub at: Duration,
    /// Whose front it came to.
    pub client: ClientId,
    /// The service and the operation, or the method and path where it names none.
    pub what: String,
    /// The status of the answer; `None` where there was none.
    pub status: Option<u16>,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at, client, what, ..
        } = self;
        let at = at.as_secs_f64();
        match self.status {
            Some(status) => write!(f, "{at:>9.3} s  {client:<12} {status} {what}"),
            None => write!(f, "{at:>9.3} s  {client:<12} no answer to {what}"),
        }
    }
}

/// Where requests are shown, where somebody watches.
#[derive(Default)]
pub(super) struct Watch(OnceLock<UnboundedSender<Request>>);

impl Watch {
    /// The requests from now on. A second watcher gets none.
    pub(super) fn begin(&self) -> UnboundedReceiver<Request> {
        let (sender, receiver) = unbounded_channel();
        let _ = self.0.set(sender);
        receiver
    }

    pub(super) fn show(&self, request: impl FnOnce() -> Request) {
        if let Some(sender) = self.0.get() {
            // A watcher that is gone does not want it.
            let _ = sender.send(request());
        }
    }
}
