//! The faults that are active, and what they mean for a request at its arrival.

use std::sync::{Arc, Mutex, PoisonError};

use crate::chance::Chance;
use crate::plan::set_fault;
use crate::plan::{ClientId, Cut, Fault, Injection, Outage, Place, SessionId};

/// The active faults, and the seeded chance that decides where a fault has more than one face.
pub(super) struct Faults {
    active: Mutex<Arc<[Fault]>>,
    chance: Mutex<Chance>,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            active: Mutex::new(Arc::new([])),
            chance: Mutex::new(Chance::new(seed)),
        }
    }

    pub(super) fn set(&self, fault: &Fault, on: bool) {
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        let mut faults = active.to_vec();
        set_fault(&mut faults, fault, on);
        *active = faults.into();
    }

    /// The faults that are active now; a request is answered by those of its arrival.
    pub(super) fn active(&self) -> Active {
        Active(
            self.active
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        )
    }

    /// One of two ways, by the seed.
    pub(super) fn either(&self) -> bool {
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        chance.word() & 1 == 1
    }
}

/// The faults that were active at one moment.
#[derive(Clone)]
pub(super) struct Active(Arc<[Fault]>);

impl Active {
    fn has(&self, is: impl Fn(&Fault) -> bool) -> bool {
        self.0.iter().any(is)
    }

    /// How a service is down.
    pub(super) fn outage(&self, of: Place) -> Option<Outage> {
        let mut there = self.0.iter().filter(|fault| fault.place() == of);
        there.find_map(Fault::outage)
    }

    pub(super) fn s3_denies(&self, client: &ClientId) -> bool {
        self.has(
            |fault| matches!(fault, Fault::S3Denied(of) if of.as_ref().is_none_or(|of| of == client)),
        )
    }

    pub(super) fn s3_misses(&self, client: &ClientId) -> bool {
        self.has(|fault| matches!(fault, Fault::S3Missing(of) if of == client))
    }

    /// How many objects of a deploy are taken, where the rest is refused.
    pub(super) fn s3_takes(&self, client: &ClientId) -> Option<u32> {
        self.0.iter().find_map(|fault| match fault {
            Fault::S3Partial { client: of, taken } if of == client => Some(*taken),
            _ => None,
        })
    }

    pub(super) fn s3_loses_answers(&self, client: &ClientId) -> bool {
        self.has(|fault| matches!(fault, Fault::S3AckLost(of) if of == client))
    }

    pub(super) fn git_refuses(&self) -> bool {
        self.has(|fault| *fault == Fault::GitAuth)
    }

    pub(super) fn git_is_down(&self) -> bool {
        self.has(|fault| *fault == Fault::GitDown)
    }

    pub(super) fn agent_is_silent(&self) -> bool {
        self.has(|fault| *fault == Fault::AgentSlow)
    }

    pub(super) fn agent_error(&self) -> Option<u16> {
        self.0.iter().find_map(|fault| match fault {
            Fault::AgentError(status) => Some(*status),
            _ => None,
        })
    }

    /// How the agent's answers are cut.
    pub(super) fn agent_cut(&self) -> Option<Cut> {
        self.0.iter().find_map(|fault| match fault {
            Fault::AgentCut(cut) => Some(*cut),
            _ => None,
        })
    }

    pub(super) fn store_throttles(&self) -> bool {
        self.has(|fault| *fault == Fault::StoreThrottled)
    }

    /// What `failureInjection` says on the session's record.
    pub(super) fn injection(&self, session: &SessionId) -> Option<Injection> {
        let mut all = self.0.iter().filter_map(Fault::injection);
        all.find_map(|(of, injection)| (of == session).then_some(injection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_by_the_faults_of_its_arrival() {
        let faults = Faults::new(1);
        faults.set(&Fault::S3Denied(None), true);
        let at_arrival = faults.active();
        faults.set(&Fault::S3Denied(None), false);
        assert!(at_arrival.s3_denies(&"acme".into()));
        assert!(!faults.active().s3_denies(&"acme".into()));
    }

    #[test]
    fn faults_on_one_client_leave_the_others_alone() {
        let faults = Faults::new(1);
        faults.set(&Fault::S3Missing("acme".into()), true);
        faults.set(&Fault::S3Denied(Some("acme".into())), true);
        let active = faults.active();
        assert!(active.s3_misses(&"acme".into()) && active.s3_denies(&"acme".into()));
        assert!(!active.s3_misses(&"globex".into()) && !active.s3_denies(&"globex".into()));
    }

    #[test]
    fn the_seed_decides_and_both_ways_come() {
        let draws = |seed| {
            let faults = Faults::new(seed);
            (0..64).map(|_| faults.either()).collect::<Vec<_>>()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
        assert!((16..48).contains(&draws(7).iter().filter(|way| **way).count()));
    }
}
