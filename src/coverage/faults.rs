//! Which faults are active, and which events show that something ran into them.

use std::collections::BTreeSet;

use super::{Coverage, Reached, Sometimes, is_warned_build, seen_at_work};
use crate::history::{Claim, Death, GitOutcome, S3Operation, S3Outcome, What};
use crate::plan::{ClientId, Fault, set_fault};

#[derive(Default)]
pub(super) struct Faults {
    active: Vec<Fault>,
    /// Cut off by a partition, until they are seen again after its heal.
    cut_off: BTreeSet<ClientId>,
    /// Of those, the ones whose partition is healed.
    healed: BTreeSet<ClientId>,
}

impl Faults {
    pub(super) fn inject(&mut self, fault: &Fault) {
        set_fault(&mut self.active, fault, true);
        if let Fault::Partition(client) = fault {
            self.cut_off.insert(client.clone());
            self.healed.remove(client);
        }
    }

    pub(super) fn heal(&mut self, fault: &Fault) {
        set_fault(&mut self.active, fault, false);
        if let Fault::Partition(client) = fault
            && self.cut_off.contains(client)
        {
            self.healed.insert(client.clone());
        }
    }

    pub(super) fn see(&mut self, what: &What, sum: &mut Coverage, reached: &mut Reached) {
        if matches!(what, What::Healed) {
            for fault in std::mem::take(&mut self.active) {
                self.heal(&fault);
            }
        }
        let mut is_hit = false;
        let mut hit = |name| {
            sum.faults.entry(name).or_default().hits += 1;
            is_hit = true;
        };
        for fault in self.active.iter().filter(|fault| shows(what, fault)) {
            hit(fault.name());
        }
        // A container that is cut off logs it when it can again.
        if is_of_partition(what).is_some_and(|client| self.cut_off.contains(client)) {
            hit("partition");
        }
        if is_hit && self.active.len() > 1 {
            reached.insert(Sometimes::TwoFaultsAtOnce);
        }
        if let Some(client) = seen_at_work(what)
            && self.healed.contains(client)
            && is_of_partition(what).is_none()
        {
            self.healed.remove(client);
            self.cut_off.remove(client);
            reached.insert(Sometimes::PartitionHealed);
        }
    }
}

/// The container that says in its log that it cannot reach something.
fn is_of_partition(what: &What) -> Option<&ClientId> {
    match what {
        What::Logged { client, text, .. }
            if text.starts_with("Network error") || text.starts_with("Connection lost") =>
        {
            Some(client)
        }
        _ => None,
    }
}

/// Whether an event is one that this fault, while active, brings about.
fn shows(what: &What, fault: &Fault) -> bool {
    let s3 = |of: Option<&ClientId>, expected: S3Outcome| match what {
        What::S3Asked {
            client, outcome, ..
        } => *outcome == expected && of.is_none_or(|of| of == client),
        _ => false,
    };
    let git = |expected: GitOutcome| match what {
        What::Fetched { outcome, .. } | What::Pushed { outcome, .. } => *outcome == expected,
        _ => false,
    };
    let answer_lost = |of: Option<&ClientId>| match what {
        What::ObjectPut {
            client, answered, ..
        } => !answered && of.is_none_or(|of| of == client),
        _ => false,
    };
    match fault {
        Fault::S3Denied(of) => s3(of.as_ref(), S3Outcome::Denied),
        Fault::S3Missing(client) => s3(Some(client), S3Outcome::NoSuchBucket),
        Fault::S3Down(_) => s3(None, S3Outcome::Unavailable) || answer_lost(None),
        Fault::S3Partial { client: of, .. } => matches!(what, What::S3Asked {
            client,
            operation: S3Operation::Put,
            outcome: S3Outcome::Unavailable,
        } if client == of),
        Fault::S3AckLost(client) => answer_lost(Some(client)),
        Fault::GitAuth => git(GitOutcome::AuthFailed),
        Fault::GitDown => git(GitOutcome::Unavailable),
        Fault::BuildError(of) => match what {
            What::Logged {
                session: Some(session),
                claim: Some(Claim::BuildFailed),
                ..
            } => session == of,
            What::BuildEnded { client, end, .. } => *client == of.client && !end.is_good(),
            _ => false,
        },
        Fault::BuildWarning(of) => matches!(what, What::Logged {
            session: Some(session),
            claim,
            text,
            ..
        } if session == of && is_warned_build(*claim, text)),
        Fault::OutOfMemory(of) => matches!(what, What::Died {
            client,
            cause: Death::OutOfMemory,
        } if client == of),
        // Nothing of it reaches an endpoint: see `is_of_partition`.
        Fault::Partition(_) => false,
        Fault::AgentSlow => matches!(what, What::AgentAsked { status: None, .. }),
        // An overload is 529 to Anthropic and 503 to Bedrock.
        Fault::AgentError(code) => matches!(what, What::AgentAsked {
            status: Some(status), ..
        } if status == code || (*code, *status) == (529, 503)),
        Fault::AgentCut(how) => matches!(what, What::AgentAsked { cut, .. } if *cut == Some(*how)),
        Fault::StoreThrottled | Fault::QueueDown(_) => {
            matches!(what, What::Refused { place, .. } if *place == fault.place())
        }
    }
}
