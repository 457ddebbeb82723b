//! Failures told apart: by rule, by which of its demands, and by the smallest plan that shows
//! them, whatever its clients and sessions are called.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::{ClientId, NameMut, Plan, SessionId, Step};
use crate::regression::Seed;
use crate::site::cksum;
use crate::verdict::{Rule, Violation};

/// One bug, as the first of the soak's cases that met it shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bug {
    /// The rule and a hash of the smallest plan with its names made plain.
    pub id: String,
    /// The number of the first case that showed it.
    pub case: u64,
    /// The smallest plan, as text.
    pub plan: String,
    /// The run's seed, in the form that every report uses.
    pub seed: String,
    pub violation: Violation,
    /// Steps of the plan that was generated.
    pub first_steps: usize,
    /// Runs that shrinking took.
    pub shrink_runs: u32,
    /// How often the plan broke the rule, of how many runs.
    pub reproduced: (u32, u32),
    /// Other failures that were met while shrinking: rule and kind.
    pub others: Vec<(Rule, String)>,
}

impl Bug {
    pub(super) fn new(case: u64, plan: &Plan, seed: u64, violation: Violation) -> Self {
        Self {
            id: id(violation.rule, plan),
            case,
            plan: plan.to_string(),
            seed: Seed(seed).to_string(),
            violation,
            first_steps: plan.steps.len(),
            shrink_runs: 0,
            reproduced: (1, 1),
            others: Vec::new(),
        }
    }
}

/// The same for plans that differ in nothing but names.
pub(super) fn id(rule: Rule, plan: &Plan) -> String {
    let hash = cksum(plainly_named(plan).to_string().as_bytes());
    format!("{rule}-{hash:08x}")
}

/// The plan with its clients and sessions called by the order in which they come, and without
/// its comments.
fn plainly_named(plan: &Plan) -> Plan {
    let mut names = Names::default();
    let mut steps = plan.steps.clone();
    for step in &mut steps {
        names.rename_in(step);
    }
    let mut sessions: Vec<SessionId> = plan.sessions.clone();
    // Those that a step names come in the order of the steps, the rest after them.
    sessions.sort_by_key(|session| !names.sessions.contains_key(session));
    for session in &mut sessions {
        *session = names.session(session);
    }
    sessions.sort();
    Plan {
        sessions,
        steps,
        comments: Vec::new(),
    }
}

#[derive(Default)]
struct Names {
    clients: BTreeMap<ClientId, ClientId>,
    sessions: BTreeMap<SessionId, SessionId>,
}

impl Names {
    fn client(&mut self, client: &ClientId) -> ClientId {
        let number = self.clients.len() + 1;
        let plain = || ClientId::from(&*format!("client-{number}"));
        self.clients
            .entry(client.clone())
            .or_insert_with(plain)
            .clone()
    }

    fn session(&mut self, session: &SessionId) -> SessionId {
        let client = self.client(&session.client);
        let of_client = |known: &&SessionId| known.client == session.client;
        let number = self.sessions.keys().filter(of_client).count() + 1;
        let plain = || SessionId {
            client,
            thread: format!("thread-{number}").into(),
        };
        self.sessions
            .entry(session.clone())
            .or_insert_with(plain)
            .clone()
    }

    fn rename_in(&mut self, step: &mut Step) {
        match step.name_mut() {
            Some(NameMut::Session(session)) => *session = self.session(session),
            Some(NameMut::Client(client)) => *client = self.client(client),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(lines: &str) -> Plan {
        format!("# shakedown plan v1\n{lines}").parse().unwrap()
    }

    #[test]
    fn names_do_not_tell_bugs_apart_and_steps_do() {
        let one = plan(
            "session acme/home\nsession acme/blog\nsession globex/home\n\
             instruct acme/blog change\ninject s3-denied globex\ncrash globex\n\
             instruct acme/home change\n",
        );
        let renamed = plan(
            "# found elsewhere\nsession initech/home\nsession umbrella/a\nsession umbrella/b\n\
             instruct umbrella/a change\ninject s3-denied initech\ncrash initech\n\
             instruct umbrella/b change\n",
        );
        assert_eq!(id(Rule::Fresh, &one), id(Rule::Fresh, &renamed));
        assert_ne!(id(Rule::Fresh, &one), id(Rule::Breaker, &one));
        let other = plan(
            "session acme/home\nsession acme/blog\nsession globex/home\n\
             instruct acme/blog change\ninject s3-denied globex\ncrash acme\n\
             instruct acme/home change\n",
        );
        assert_ne!(id(Rule::Fresh, &one), id(Rule::Fresh, &other));
        let same_session = plan(
            "session acme/home\nsession acme/blog\nsession globex/home\n\
             instruct acme/blog change\ninject s3-denied globex\ncrash globex\n\
             instruct acme/blog change\n",
        );
        assert_ne!(id(Rule::Fresh, &one), id(Rule::Fresh, &same_session));
    }
}
