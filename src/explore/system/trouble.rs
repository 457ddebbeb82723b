//! The faults of the contract, as they touch one client.

use super::System;
use crate::plan::{Fault, Outage};

/// A fault, without the client that it is on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Trouble {
    S3Denied,
    S3Missing,
    S3Partial,
    S3AckLost,
    OutOfMemory,
    Partition,
    BuildError(u8),
    BuildWarning(u8),
    // On everyone at once.
    S3Down,
    GitAuth,
    GitDown,
    AgentSlow,
    AgentThrottled,
    StoreThrottled,
}

/// How many objects a partial deploy takes.
pub const TAKEN: u32 = 1;

impl Trouble {
    /// Every fault that is on all clients.
    pub const SHARED: [Self; 6] = [
        Self::S3Down,
        Self::GitAuth,
        Self::GitDown,
        Self::AgentSlow,
        Self::AgentThrottled,
        Self::StoreThrottled,
    ];

    /// One of every kind.
    pub const KINDS: [Self; 14] = [
        Self::S3Denied,
        Self::S3Missing,
        Self::S3Partial,
        Self::S3AckLost,
        Self::OutOfMemory,
        Self::Partition,
        Self::BuildError(0),
        Self::BuildWarning(0),
        Self::S3Down,
        Self::GitAuth,
        Self::GitDown,
        Self::AgentSlow,
        Self::AgentThrottled,
        Self::StoreThrottled,
    ];

    pub fn is_shared(self) -> bool {
        Self::SHARED.contains(&self)
    }

    /// The fault's name in a plan.
    pub fn name(self) -> &'static str {
        match self {
            Self::S3Denied => "s3-denied",
            Self::S3Missing => "s3-missing",
            Self::S3Partial => "s3-partial",
            Self::S3AckLost => "s3-ack-lost",
            Self::OutOfMemory => "out-of-memory",
            Self::Partition => "partition",
            Self::BuildError(_) => "build-error",
            Self::BuildWarning(_) => "build-warning",
            Self::S3Down => "s3-down",
            Self::GitAuth => "git-auth",
            Self::GitDown => "git-down",
            Self::AgentSlow => "agent-slow",
            Self::AgentThrottled => "agent-error",
            Self::StoreThrottled => "store-throttled",
        }
    }

    pub fn fault(self, system: &System) -> Fault {
        let client = || system.client.clone();
        let session = |at: u8| system.threads[usize::from(at)].id.clone();
        match self {
            Self::S3Denied => Fault::S3Denied(Some(client())),
            Self::S3Missing => Fault::S3Missing(client()),
            Self::S3Partial => Fault::S3Partial {
                client: client(),
                taken: TAKEN,
            },
            Self::S3AckLost => Fault::S3AckLost(client()),
            Self::OutOfMemory => Fault::OutOfMemory(client()),
            Self::Partition => Fault::Partition(client()),
            Self::BuildError(at) => Fault::BuildError(session(at)),
            Self::BuildWarning(at) => Fault::BuildWarning(session(at)),
            Self::S3Down => Fault::S3Down(Outage::SlowDown),
            Self::GitAuth => Fault::GitAuth,
            Self::GitDown => Fault::GitDown,
            Self::AgentSlow => Fault::AgentSlow,
            Self::AgentThrottled => Fault::AgentError(429),
            Self::StoreThrottled => Fault::StoreThrottled,
        }
    }
}
