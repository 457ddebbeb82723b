//! The faults of the contract, as they touch one client.

use super::System;
use crate::plan::{Cut, Fault, FaultKind, Outage};

/// A fault, without the client that it is on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ModelFault {
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
    AgentCut,
    StoreThrottled,
    QueueDown,
}

/// How many objects a partial deploy takes.
pub const TAKEN: u32 = 1;

impl ModelFault {
    /// The fault of a kind; on its client's first session, where it is on one.
    pub fn of(kind: FaultKind) -> Self {
        match kind {
            FaultKind::S3Denied => Self::S3Denied,
            FaultKind::S3Missing => Self::S3Missing,
            FaultKind::S3Down => Self::S3Down,
            FaultKind::S3Partial => Self::S3Partial,
            FaultKind::S3AckLost => Self::S3AckLost,
            FaultKind::GitAuth => Self::GitAuth,
            FaultKind::GitDown => Self::GitDown,
            FaultKind::BuildError => Self::BuildError(0),
            FaultKind::BuildWarning => Self::BuildWarning(0),
            FaultKind::OutOfMemory => Self::OutOfMemory,
            FaultKind::Partition => Self::Partition,
            FaultKind::AgentSlow => Self::AgentSlow,
            FaultKind::AgentError => Self::AgentThrottled,
            FaultKind::AgentCut => Self::AgentCut,
            FaultKind::StoreThrottled => Self::StoreThrottled,
            FaultKind::QueueDown => Self::QueueDown,
        }
    }

    /// The kind, as plans have it.
    pub fn kind(self) -> FaultKind {
        match self {
            Self::S3Denied => FaultKind::S3Denied,
            Self::S3Missing => FaultKind::S3Missing,
            Self::S3Partial => FaultKind::S3Partial,
            Self::S3AckLost => FaultKind::S3AckLost,
            Self::OutOfMemory => FaultKind::OutOfMemory,
            Self::Partition => FaultKind::Partition,
            Self::BuildError(_) => FaultKind::BuildError,
            Self::BuildWarning(_) => FaultKind::BuildWarning,
            Self::S3Down => FaultKind::S3Down,
            Self::GitAuth => FaultKind::GitAuth,
            Self::GitDown => FaultKind::GitDown,
            Self::AgentSlow => FaultKind::AgentSlow,
            Self::AgentThrottled => FaultKind::AgentError,
            Self::AgentCut => FaultKind::AgentCut,
            Self::StoreThrottled => FaultKind::StoreThrottled,
            Self::QueueDown => FaultKind::QueueDown,
        }
    }

    /// Whether it is on all clients at once.
    pub fn is_shared(self) -> bool {
        match self {
            Self::S3Down
            | Self::GitAuth
            | Self::GitDown
            | Self::AgentSlow
            | Self::AgentThrottled
            | Self::AgentCut
            | Self::StoreThrottled
            | Self::QueueDown => true,
            Self::S3Denied
            | Self::S3Missing
            | Self::S3Partial
            | Self::S3AckLost
            | Self::OutOfMemory
            | Self::Partition
            | Self::BuildError(_)
            | Self::BuildWarning(_) => false,
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
            Self::AgentCut => Fault::AgentCut(Cut::Dangling),
            Self::StoreThrottled => Fault::StoreThrottled,
            Self::QueueDown => Fault::QueueDown(Outage::SlowDown),
        }
    }
}
