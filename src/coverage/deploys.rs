//! The states of the breaker, and the results of builds that failed or warned.

use std::collections::{BTreeMap, BTreeSet};

use super::{Reached, Sometimes, entry, is_warned_build};
use crate::history::{Claim, S3Outcome, What};
use crate::plan::{ClientId, SessionId};

#[derive(Default)]
pub(super) struct Deploys {
    is_breaker_open: bool,
    /// Containers whose sync began after the breaker opened.
    probes: BTreeSet<ClientId>,
    sessions: BTreeMap<SessionId, Session>,
    /// The sessions whose instructions are handled: whose a build is that a shim shows.
    handled: BTreeMap<ClientId, SessionId>,
    /// Containers that put an object since their newest build; false where S3 refused something after that.
    has_put: BTreeMap<ClientId, bool>,
    /// Sessions whose record has an error.
    failing: BTreeSet<SessionId>,
}

#[derive(Clone, Copy, Default)]
struct Session {
    last_build: Build,
    was_broken: bool,
    /// Whether its builds are seen without its log.
    has_shim: bool,
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
            What::ObjectPut { client, .. } if !self.has_put.contains_key(client) => {
                self.has_put.insert(client.clone(), true);
            }
            What::S3Asked {
                client, outcome, ..
            } if *outcome != S3Outcome::Done => {
                if let Some(is_whole) = self.has_put.get_mut(client) {
                    *is_whole = false;
                }
            }
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
            What::Delivered { session, .. } => {
                let handled = &mut self.handled;
                handled.insert(session.client.clone(), session.clone());
            }
            What::BuildEnded { client, end, .. } => {
                if let Some(session) = self.handled.get(client).cloned() {
                    let claim = match end.is_good() {
                        true => Claim::BuildDone,
                        false => Claim::BuildFailed,
                    };
                    self.build(&session, claim, false);
                    entry(&mut self.sessions, &session).has_shim = true;
                }
            }
            // What a system that logs nothing has put by then is there.
            What::Acknowledged { session, .. } => {
                let has_shim = self.sessions.get(session).is_some_and(|it| it.has_shim);
                if has_shim && self.has_put.get(&session.client) == Some(&true) {
                    self.deployed(session, reached);
                }
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
