//! What a finding is called: the same for plans that differ in nothing but names.

use std::collections::BTreeMap;

use crate::plan::{ClientId, NameMut, Plan, SessionId, Step};
use crate::site::cksum;
use crate::verdict::Rule;

/// The rule, and a hash of the plan with its clients and sessions called by plain names.
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
    fn names_do_not_distinguish_bugs_and_steps_do() {
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
