//! Where each container is in the instruction that it handles, by what the world saw begin.
//!
//! A delivery is `received`, a request to the agent `thinking`, a commit `committing`, a push
//! `pushing`, a build that a shim reports `building`, a PUT `deploying`, and the deletion of the message
//! `done`. The words of a log line that names the session refine that: they say when `editing` begins, and
//! `building` without a shim, which nothing else shows, and may report the others a little sooner. A system
//! without any such words has phases too.

use std::collections::BTreeMap;

use super::{GitOutcome, What};
use crate::plan::{ClientId, Mark, Phase, SessionId};

/// The containers, as far as events have shown them.
#[derive(Clone, Debug, Default)]
pub struct Phases(BTreeMap<ClientId, Container>);

#[derive(Clone, Debug, Default)]
struct Container {
    handling: Option<Handling>,
    /// Whether its log names phases.
    has_words: bool,
    /// Its last message was deleted, and nothing was seen of it since.
    is_done: bool,
}

/// The handling of one message.
#[derive(Clone, Debug)]
struct Handling {
    session: SessionId,
    mark: Mark,
    /// The phases that began, by [`Phase::ALL`]'s order.
    begun: [bool; Phase::ALL.len()],
    newest: Phase,
}

/// A phase began.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PhaseBegan {
    /// Whose instruction is handled.
    pub session: SessionId,
    /// The phase.
    pub phase: Phase,
    /// The phase before it; what came between was not seen.
    after: Option<Phase>,
    has_words: bool,
}

impl PhaseBegan {
    /// Whether this is the moment that `until SESSION PHASE` waits for: that phase, or, of a system
    /// whose log names no phases, the first one behind it that shows.
    pub fn reaches(&self, wanted: Phase) -> bool {
        let is_passed = || self.after.is_none_or(|after| after < wanted) && wanted < self.phase;
        self.phase == wanted || !self.has_words && is_passed()
    }
}

impl Phases {
    /// The phase that a client's container is in; `None` where it handles nothing.
    pub fn of(&self, client: &ClientId) -> Option<Phase> {
        let container = self.0.get(client)?;
        match &container.handling {
            Some(handling) => Some(handling.newest),
            None => container.is_done.then_some(Phase::Done),
        }
    }

    /// Takes in what happened. Returns the phase that began with it.
    pub fn see(&mut self, what: &What) -> Option<PhaseBegan> {
        match what {
            What::Delivered { session, mark, .. } => {
                let container = self.container(&session.client);
                container.is_done = false;
                container.handling = Some(Handling {
                    session: session.clone(),
                    mark: *mark,
                    begun: [false; Phase::ALL.len()],
                    newest: Phase::Received,
                });
                container.begin(Phase::Received)
            }
            What::Acknowledged { session, mark } => {
                let container = self.container(&session.client);
                let handling = container.handling.as_ref();
                if handling.is_none_or(|handling| handling.mark != *mark) {
                    return None;
                }
                let began = container.begin(Phase::Done);
                container.is_done = began.is_some();
                container.handling = None;
                began
            }
            What::DeadLettered { session, mark } => {
                let container = self.container(&session.client);
                container
                    .handling
                    .take_if(|handling| handling.mark == *mark);
                None
            }
            What::Died { client, .. } | What::Started { client } => {
                let container = self.container(client);
                (container.handling, container.is_done) = (None, false);
                None
            }
            What::AgentAsked { client, mark, .. } => {
                let container = self.at_work(client)?;
                // A container asks for the instruction that it handles, where it says for which.
                let own = container.handling.as_ref()?.mark;
                (mark.is_none_or(|mark| mark == own))
                    .then(|| container.begin(Phase::Thinking))
                    .flatten()
            }
            What::Committed { session, .. } => self.begin_of(session, Phase::Committing),
            What::PushBegan { client } => self.at_work(client)?.begin(Phase::Pushing),
            What::Pushed {
                client,
                session: None,
                outcome: GitOutcome::AuthFailed | GitOutcome::Unavailable,
                ..
            } => self.at_work(client)?.begin(Phase::Pushing),
            What::BuildBegan { client, .. } => self.at_work(client)?.begin(Phase::Building),
            What::ObjectPut { client, .. } => self.at_work(client)?.begin(Phase::Deploying),
            What::Logged {
                session: Some(session),
                phase: Some(phase),
                ..
            } => {
                self.container(&session.client).has_words = true;
                self.begin_of(session, *phase)
            }
            // A container handles one instruction at a time.
            What::Logged {
                client,
                session: None,
                phase: Some(phase),
                ..
            } => {
                self.container(client).has_words = true;
                self.at_work(client)?.begin(*phase)
            }
            What::Pushed { client, .. }
            | What::Fetched { client, .. }
            | What::ObjectDeleted { client, .. }
            | What::S3Asked { client, .. }
            | What::Refused { client, .. }
            | What::TaskReported { client, .. }
            | What::BuildEnded { client, .. }
            | What::Called { client, .. } => {
                self.at_work(client);
                None
            }
            What::RecordWritten { session, .. }
            | What::RetryDelivered { session }
            | What::OutcomeReported { session, .. } => {
                self.at_work(&session.client);
                None
            }
            What::StepBegan { .. }
            | What::Healed
            | What::OutsiderPushed { .. }
            | What::Sent { .. }
            | What::RetrySent { .. }
            | What::SiteBuilt { .. }
            | What::SecretSeen { .. }
            | What::Trespassed { .. }
            | What::Logged { .. } => None,
        }
    }

    fn container(&mut self, client: &ClientId) -> &mut Container {
        if !self.0.contains_key(client) {
            self.0.insert(client.clone(), Container::default());
        }
        self.0.get_mut(client).expect("it was inserted above")
    }

    /// The container, which was seen to do something.
    fn at_work(&mut self, client: &ClientId) -> Option<&mut Container> {
        let container = self.0.get_mut(client)?;
        container.is_done = false;
        Some(container)
    }

    /// A phase of this session's instruction began, where that is what its container handles.
    fn begin_of(&mut self, session: &SessionId, phase: Phase) -> Option<PhaseBegan> {
        let container = self.at_work(&session.client)?;
        let is_its = container.handling.as_ref()?.session == *session;
        is_its.then(|| container.begin(phase)).flatten()
    }
}

impl Container {
    /// Each phase begins once in a handling.
    fn begin(&mut self, phase: Phase) -> Option<PhaseBegan> {
        let handling = self.handling.as_mut()?;
        let begun = &mut handling.begun[phase as usize];
        if std::mem::replace(begun, true) {
            return None;
        }
        let after = (phase != Phase::Received).then_some(handling.newest);
        handling.newest = phase;
        Some(PhaseBegan {
            session: handling.session.clone(),
            phase,
            after,
            has_words: self.has_words,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Branch, Content, Death, Level};
    use std::sync::Arc;
    use std::time::Duration;

    fn home() -> SessionId {
        SessionId::new("acme", "home")
    }

    fn delivered(n: u32) -> What {
        What::delivered(&home(), Mark::Edit(n), 1)
    }

    fn acknowledged(n: u32) -> What {
        What::acknowledged(&home(), Mark::Edit(n))
    }

    fn asked(n: u32) -> What {
        What::AgentAsked {
            client: home().client,
            mark: Some(Mark::Edit(n)),
            status: Some(200),
            retry_after: None,
            cut: None,
        }
    }

    fn committed(session: SessionId) -> What {
        What::committed(&session, Branch::default())
    }

    fn push_began() -> What {
        What::PushBegan {
            client: home().client,
        }
    }

    fn put() -> What {
        What::ObjectPut {
            client: home().client,
            key: "index.html".into(),
            content: Arc::new(Content {
                digest: 0,
                size: 0,
                marks: vec![],
                names: vec![],
            }),
            answered: true,
        }
    }

    fn says(phase: Phase) -> What {
        What::Logged {
            client: home().client,
            stamp: Duration::ZERO,
            session: Some(home()),
            level: Level::Info,
            text: "".into(),
            phase: Some(phase),
            claim: None,
        }
    }

    /// The phases that begin, and which of them `until` takes for the wanted one.
    fn check(events: &[What], expected: &[Phase], wanted: Phase, reached: Option<usize>) {
        let mut phases = Phases::default();
        let began: Vec<PhaseBegan> = events.iter().filter_map(|what| phases.see(what)).collect();
        let names: Vec<Phase> = began.iter().map(|it| it.phase).collect();
        assert_eq!(names, expected);
        assert_eq!(
            began.iter().position(|it| it.reaches(wanted)),
            reached,
            "{wanted}"
        );
    }

    #[test]
    fn what_the_world_sees_begins_a_phase_once_in_a_handling() {
        use Phase::{Committing, Deploying, Done, Pushing, Received, Thinking};
        let seen = [
            asked(9),
            delivered(1),
            asked(1),
            asked(1),
            committed(home()),
            push_began(),
            push_began(),
            put(),
            put(),
            acknowledged(1),
            put(),
        ];
        let all = [Received, Thinking, Committing, Pushing, Deploying, Done];
        check(&seen, &all, Thinking, Some(1));
        // Nothing shows these two: the next one that does ends the wait.
        check(&seen, &all, Phase::Editing, Some(2));
        check(&seen, &all, Phase::Building, Some(4));
        // Another session's commit, and one in between, are not of this handling.
        let other = SessionId::new("acme", "blog");
        check(
            &[delivered(1), committed(other)],
            &[Received],
            Committing,
            None,
        );
        check(
            &[committed(home()), push_began(), put()],
            &[],
            Pushing,
            None,
        );
        let again = [delivered(1), asked(1), delivered(1), asked(1)];
        check(
            &again,
            &[Received, Thinking, Received, Thinking],
            Thinking,
            Some(1),
        );
    }

    #[test]
    fn a_build_that_a_shim_shows_begins_a_phase() {
        use Phase::{Building, Deploying, Received};
        let began = || What::BuildBegan {
            client: home().client,
            command: "npm run build".into(),
        };
        let seen = [began(), delivered(1), began(), began(), put()];
        check(&seen, &[Received, Building, Deploying], Building, Some(1));
    }

    #[test]
    fn words_come_first_and_skip_nothing() {
        use Phase::{Deploying, Editing, Pushing, Received, Thinking};
        let lines = [delivered(1), says(Thinking), asked(1), says(Editing)];
        check(&lines, &[Received, Thinking, Editing], Editing, Some(2));
        // Where the log names phases, one that it leaves out did not come.
        let skips = [
            delivered(1),
            says(Received),
            says(Pushing),
            push_began(),
            put(),
        ];
        check(&skips, &[Received, Pushing, Deploying], Editing, None);
        // A line that names no session is of what its container handles.
        let nameless = |phase| {
            let mut line = says(phase);
            if let What::Logged { session, .. } = &mut line {
                *session = None;
            }
            line
        };
        let of_container = [delivered(1), nameless(Phase::Building), put()];
        check(
            &of_container,
            &[Received, Phase::Building, Deploying],
            Phase::Building,
            Some(1),
        );
        check(&[nameless(Phase::Building)], &[], Phase::Building, None);
        let late = [delivered(1), acknowledged(1), says(Deploying)];
        check(&late, &[Received, Phase::Done], Deploying, Some(1));
    }

    #[test]
    fn a_container_is_in_its_newest_phase_and_in_none_when_it_died() {
        let acme = home().client;
        let mut phases = Phases::default();
        let mut after = |what: What| {
            phases.see(&what);
            phases.of(&acme)
        };
        assert_eq!(after(delivered(1)), Some(Phase::Received));
        assert_eq!(after(put()), Some(Phase::Deploying));
        // In another order than most.
        assert_eq!(after(push_began()), Some(Phase::Pushing));
        assert_eq!(after(acknowledged(1)), Some(Phase::Done));
        assert_eq!(after(put()), None, "work of its own");
        assert_eq!(after(delivered(2)), Some(Phase::Received));
        let client = home().client;
        let cause = Death::Crash;
        assert_eq!(after(What::Died { client, cause }), None);
        assert_eq!(after(delivered(2)), Some(Phase::Received));
        // Reported before the message is deleted: after that it is idle.
        assert_eq!(after(says(Phase::Done)), Some(Phase::Done));
        assert_eq!(after(acknowledged(2)), None);
    }
}
