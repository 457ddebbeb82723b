//! The table of faults: states that the world can be put in until they are healed.

use super::argument::{Form, NameMut, Objects, Product, Scope, Status, Subject, Variety};
use super::table::{form, table, words};
use super::{ClientId, Cut, Edit, Outage, SessionId};

table!(
    /// A state that the world can be put in until it is healed; the table of the contract.
    Fault,
    /// A fault without its arguments.
    FaultKind,
    FaultRow {
        "s3-denied" S3Denied(client: Option<ClientId>)
            = "403 AccessDenied on PutObject, on one site or on all.",
            FaultRow { weight: 2, ..FaultRow::of(Place::S3, 2) };
        "s3-missing" S3Missing(client: ClientId)
            = "The bucket is gone: NoSuchBucket.",
            FaultRow { weight: 2, ..S3_REFUSES.with(3) };
        "s3-down" S3Down(outage: Outage)
            = "S3 refuses every request, or does not answer.",
            S3_REFUSES.with(8);
        "s3-partial" S3Partial {
            /// Whose deploys.
            client: ClientId,
            /// How many objects are taken.
            taken: u32 as Objects
        }
            = "The first objects of a deploy are taken, the rest refused.",
            S3_REFUSES.with(4);
        "s3-ack-lost" S3AckLost(client: ClientId)
            = "The object is stored, the answer never comes.",
            FaultRow { weight: 2, ..S3_REFUSES.with(5) };
        "git-auth" GitAuth
            = "401 on fetch and push.",
            FaultRow { weight: 3, ..FaultRow::of(Place::Git, 9) };
        "git-down" GitDown
            = "The remote does not answer.",
            FaultRow {
                weight: 3,
                simpler: Some(FaultKind::GitAuth),
                ..FaultRow::of(Place::Git, 10)
            };
        "build-error" BuildError(session: SessionId)
            = "`failureInjection = BUILD_ERROR` on the session's record.",
            FaultRow {
                weight: 2,
                injection: Some(Injection::Error),
                ..FaultRow::of(Place::Build, 0)
            };
        "build-warning" BuildWarning(session: SessionId)
            = "`failureInjection = BUILD_WARNING` on the session's record.",
            FaultRow {
                weight: 2,
                injection: Some(Injection::Warning),
                ..FaultRow::of(Place::Build, 1)
            };
        "out-of-memory" OutOfMemory(client: ClientId)
            = "The container's memory limit is too low for a memory-hungry edit.",
            FaultRow {
                weight: 2,
                met_by: Some(Edit::MemoryHungry),
                ..FaultRow::of(Place::Container, 6)
            };
        "partition" Partition(client: ClientId)
            = "No traffic between one container and anything.",
            FaultRow { weight: 2, ..FaultRow::of(Place::Container, 7) };
        "agent-slow" AgentSlow
            = "The agent does not answer within the request time-out.",
            FaultRow {
                weight: 2,
                simpler: Some(FaultKind::AgentError),
                ..FaultRow::of(Place::Agent, 11)
            };
        "agent-error" AgentError(status: u16 as Status)
            = "The agent answers 429, 500 or 529.",
            FaultRow::of(Place::Agent, 12);
        "agent-cut" AgentCut(cut: Cut)
            = "The agent's answer has a good status and does not come whole.",
            FaultRow {
                simpler: Some(FaultKind::AgentError),
                ..FaultRow::of(Place::Agent, 19)
            };
        "store-throttled" StoreThrottled
            = "The session table throttles.",
            FaultRow { weight: 5, ..FaultRow::of(Place::Table, 13) };
        "queue-down" QueueDown(outage: Outage)
            = "SQS refuses every request, or does not answer.",
            FaultRow { weight: 2, ..FaultRow::of(Place::Queue, 18) };
    }
);

/// What every row says beside name, arguments and sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultRow {
    /// What it cuts off.
    pub place: Place,
    /// How often random plans have it, beside the others; with arguments, each of their values.
    pub weight: u32,
    /// Its bit among those that say which kinds a random plan has.
    pub swarm: u32,
    /// The value that it sets `failureInjection` to, where it does.
    pub injection: Option<Injection>,
    /// A fault that leads to much the same in a simpler way.
    pub simpler: Option<FaultKind>,
    /// The edit that it is met by, where only one is.
    pub met_by: Option<Edit>,
}

impl FaultRow {
    const fn of(place: Place, swarm: u32) -> Self {
        Self {
            place,
            weight: 1,
            swarm,
            injection: None,
            simpler: None,
            met_by: None,
        }
    }

    const fn with(self, swarm: u32) -> Self {
        Self { swarm, ..self }
    }
}

/// S3 in another way than by a policy.
const S3_REFUSES: FaultRow = FaultRow {
    simpler: Some(FaultKind::S3Denied),
    ..FaultRow::of(Place::S3, 0)
};

words!(
    /// What a fault cuts off.
    Place ("a place") {
        Agent = "agent" "The agent's API.",
        Git = "git remote" "The git remote.",
        S3 = "S3" "The sites.",
        Table = "session table" "The session table.",
        Queue = "queue" "The queues of instructions and of requests to push.",
        Build = "build" "The build of one session.",
        Container = "container" "A container, and what it has of memory or network.",
    }
);

words!(
    /// A value of `failureInjection` on a session's record; it has one at a time.
    Injection ("a failure to inject") {
        Error = "BUILD_ERROR" "The next builds fail.",
        Warning = "BUILD_WARNING" "The next builds end with warnings.",
    }
);

impl Place {
    /// Whether a container that has no instruction may have to wait for its repair.
    pub fn holds_up_idle(self) -> bool {
        match self {
            Self::Agent | Self::Build => false,
            Self::Git | Self::S3 | Self::Table | Self::Queue | Self::Container => true,
        }
    }
}

impl Fault {
    /// What it cuts off.
    pub fn place(&self) -> Place {
        self.kind().row().place
    }

    /// The client that the fault is confined to, if it is confined to one.
    pub fn client(&self) -> Option<&ClientId> {
        self.subject().client()
    }

    /// Whether what it cuts off answers at once, with a refusal.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::GitAuth | Self::S3Denied(_) | Self::S3Missing(_))
    }

    /// Whether it may keep a container of this client from making the edit of an instruction.
    pub fn keeps_from_editing(&self, client: &ClientId) -> bool {
        match self.place() {
            Place::Agent => true,
            Place::Container => self.client().is_none_or(|of| of == client),
            Place::Git | Place::S3 | Place::Table | Place::Queue | Place::Build => false,
        }
    }

    /// Whether a message may be lost on its way to a container of this client.
    pub fn cuts_off_queue(&self, client: &ClientId) -> bool {
        match self {
            Self::Partition(of) => of == client,
            Self::QueueDown(_) => true,
            _ => false,
        }
    }

    /// How the service is down, where the fault says that it is.
    pub fn outage(&self) -> Option<Outage> {
        match self {
            Self::S3Down(outage) | Self::QueueDown(outage) => Some(*outage),
            _ => None,
        }
    }

    /// The session whose `failureInjection` it sets, and the value.
    pub fn injection(&self) -> Option<(&SessionId, Injection)> {
        match (self.subject(), self.kind().row().injection) {
            (Subject::Session(session), Some(injection)) => Some((session, injection)),
            _ => None,
        }
    }

    /// Whether the two cannot be active at once: the same fault on the same thing, or the one
    /// `failureInjection` of a session set to two values.
    pub fn excludes(&self, other: &Self) -> bool {
        let both_inject = self.injection().is_some() && other.injection().is_some();
        (self.kind() == other.kind() || both_inject) && self.subject() == other.subject()
    }

    /// Simpler faults on the same thing, simplest first.
    pub fn simpler(&self) -> Vec<Self> {
        let scope = Scope::On(self.subject());
        let other = self.kind().row().simpler;
        let other = other.and_then(|kind| kind.each(Variety::Few, scope).into_iter().next());
        let own = self.kind().each(Variety::All, scope);
        other
            .into_iter()
            .chain(own.into_iter().take_while(|simpler| simpler != self))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_kind_has_a_name_and_a_bit_of_its_own() {
        let names: BTreeSet<_> = FaultKind::ALL.map(FaultKind::name).into();
        let bits: BTreeSet<_> = FaultKind::ALL.map(|kind| kind.row().swarm).into();
        assert_eq!(
            (names.len(), bits.len()),
            (FaultKind::ALL.len(), names.len())
        );
    }

    #[test]
    fn each_kind_can_be_on_something_and_excludes_itself() {
        let sessions = [
            SessionId::new("acme", "home"),
            SessionId::new("globex", "home"),
        ];
        for kind in FaultKind::ALL {
            let all = kind.each(Variety::All, Scope::Anywhere(&sessions));
            assert!(all.iter().all(|fault| fault.excludes(fault)), "{kind:?}");
            assert!(!all.is_empty() && all.iter().all(|fault| fault.kind() == kind));
        }
    }

    #[test]
    fn simpler_faults_are_on_the_same_thing() {
        let partial = Fault::S3Partial {
            client: "acme".into(),
            taken: 1,
        };
        let simpler = partial.simpler();
        assert_eq!(simpler[0], Fault::S3Denied(Some("acme".into())));
        assert_eq!(
            simpler[1..],
            [Fault::S3Partial {
                client: "acme".into(),
                taken: 0
            }]
        );
        assert_eq!(
            Fault::S3Down(Outage::SlowDown).simpler(),
            [Fault::S3Denied(None)]
        );
        assert_eq!(Fault::GitAuth.simpler(), []);
    }
}
