//! The states of the breaker, and the results of builds that failed or warned.

use std::collections::{BTreeMap, BTreeSet};

use super::{Reached, Sometimes, entry, is_warned_build};
use crate::history::{Claim, What};
use crate::plan::{ClientId, SessionId};

#[derive(Default)]
pub(super) struct Deploys {
    is_breaker_open: bool,
    /// Containers whose sync began after the breaker opened.
    probes: BTreeSet<ClientId>,
    sessions: BTreeMap<SessionId, Session>,
    /// Containers that put an object since their newest build.
    has_put: BTreeMap<ClientId, bool>,
    /// Sessions whose record has an error.
    failing: BTreeSet<SessionId>,
}

#[derive(Clone, Copy, Default)]
struct Session {
    last_build: Build,
    was_broken: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Build {
    #[default]
    None,
    Good,
    Warned,
    Failed,
}

impl Deploys {
    pub(super) fn see(&mut self, what: &What, reached: &mut Reached) {
        match what {
            What::ObjectPut { client, .. } => *entry(&mut self.has_put, client) = true,
            What::RecordWritten { session, record } => {
                if record.last_error.is_none() {
                    self.failing.remove(session);
                } else if !self.failing.contains(session) {
                    self.failing.insert(session.clone());
                }
            }
            What::Died { client, .. } => {
                self.probes.remove(client);
            }
            What::Logged {
                client,
                session,
                text,
                claim: Some(claim),
                ..
            } => {
                self.breaker(client, *claim, reached);
                if let Some(session) = session {
                    self.build(session, *claim, is_warned_build(Some(*claim), text));
                    if *claim == Claim::SyncDone {
                        self.deployed(session, reached);
                    }
                }
            }
            _ => {}
        }
    }

    fn breaker(&mut self, client: &ClientId, claim: Claim, reached: &mut Reached) {
        match claim {
            Claim::BreakerOpened => {
                self.is_breaker_open = true;
                reached.insert(Sometimes::BreakerOpened);
            }
            Claim::SyncAttempt(1) if self.is_breaker_open => {
                self.probes.insert(client.clone());
            }
            Claim::SyncFailed if self.probes.remove(client) => {
                reached.insert(Sometimes::ProbeFailed);
            }
            Claim::SyncDone if self.probes.remove(client) => {
                self.is_breaker_open = false;
                self.probes.clear();
                reached.insert(Sometimes::BreakerClosedAgain);
            }
            _ => {}
        }
    }

    fn build(&mut self, session: &SessionId, claim: Claim, is_warned: bool) {
        let build = match claim {
            Claim::BuildFailed => Build::Failed,
            Claim::BuildDone if is_warned => Build::Warned,
            Claim::BuildDone => Build::Good,
            _ => return,
        };
        self.has_put.remove(&session.client);
        let state = entry(&mut self.sessions, session);
        state.last_build = build;
        state.was_broken |= build == Build::Failed;
    }

    fn deployed(&mut self, session: &SessionId, reached: &mut Reached) {
        let others_fail = self.failing.iter().any(|other| other != session);
        let state = entry(&mut self.sessions, session);
        match state.last_build {
            Build::Warned if self.has_put.contains_key(&session.client) => {
                reached.insert(Sometimes::WarnedBuildDeployed);
            }
            Build::Failed | Build::None => return,
            Build::Warned | Build::Good => {}
        }
        if std::mem::take(&mut state.was_broken) {
            reached.insert(Sometimes::BrokenBuildRepaired);
        }
        if others_fail {
            reached.insert(Sometimes::HealthyWhileOtherFailed);
        }
    }
}
