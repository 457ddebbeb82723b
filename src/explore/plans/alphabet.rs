//! The steps that plans are made of.
//!
//! An alphabet is written as a plan whose steps are its letters: its sessions first, then each
//! step once. The heal of a fault comes with the fault.

use std::collections::HashSet;
use std::time::Duration;

use crate::generate::Shape;
use crate::plan::{ClientId, Edit, Fault, Outage, Outsider, Phase, Plan, SessionId, Step};

/// A letter's place in its alphabet.
pub type Letter = u16;

/// The steps that plans are made of, in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct Alphabet {
    pub sessions: Vec<SessionId>,
    /// Each fault's heal stands after it.
    pub steps: Vec<Step>,
}

impl Alphabet {
    /// What is explored when nothing else is asked for: every kind of step, of edit, of fault and
    /// of outsider, on every session and client that it can be on; the phases in which a crash or
    /// a fault makes a difference of its own; two lengths of waiting, the one longer than the
    /// breaker's cool-down, the other long enough for five syncs of what was put off.
    pub fn small() -> Self {
        let shape = Shape::default();
        let mut letters = Letters::of(&shape.sessions);
        letters.work(&[
            Phase::Thinking,
            Phase::Committing,
            Phase::Pushing,
            Phase::Building,
            Phase::Deploying,
            Phase::Done,
        ]);
        letters.waits(&[45, 300]);
        letters.faults(&[Outage::SlowDown], &[429, 500], &[1]);
        letters.alphabet()
    }

    /// Every variant of every step: all phases, all ways in which S3 is down, all errors of the
    /// agent, places within a deploy, short and long waits.
    pub fn full() -> Self {
        let shape = Shape::default();
        let mut letters = Letters::of(&shape.sessions);
        letters.work(&Phase::ALL);
        letters.within(Phase::Deploying, &[1, 3, 5]);
        letters.within(Phase::Pushing, &[1]);
        letters.waits(&[2, 10, 45, 300]);
        letters.faults(&Outage::ALL, &[429, 500, 529], &[0, 1, 3]);
        letters.alphabet()
    }

    /// The steps around the breaker alone, for plans that are longer than all plans can be.
    pub fn breaker() -> Result<Self, String> {
        Self::kept(include_str!("alphabets/breaker.plan"))
    }

    /// The same around the remote and the workspaces.
    pub fn git() -> Result<Self, String> {
        Self::kept(include_str!("alphabets/git.plan"))
    }

    fn kept(text: &str) -> Result<Self, String> {
        let letters: Plan = text
            .parse()
            .map_err(|error| format!("an alphabet of the program cannot be read: {error}"))?;
        Self::of(&letters)
    }

    /// The alphabet that a plan's steps are.
    ///
    /// # Errors
    /// Where it has no step, or more than can be numbered.
    pub fn of(letters: &Plan) -> Result<Self, String> {
        let (mut steps, mut known) = (Vec::new(), HashSet::new());
        for step in &letters.steps {
            let heal = match step {
                Step::Inject(fault) => Some(Step::Heal(fault.clone())),
                // It comes with its fault.
                Step::Heal(_) => continue,
                _ => None,
            };
            for step in std::iter::once(step.clone()).chain(heal) {
                if known.insert(step.clone()) {
                    steps.push(step);
                }
            }
        }
        if steps.is_empty() {
            return Err("the alphabet has no step; write each step that plans may have".into());
        }
        if steps.len() > usize::from(Letter::MAX) {
            return Err(format!(
                "the alphabet has {} steps; keep it below {}",
                steps.len(),
                Letter::MAX
            ));
        }
        Ok(Self {
            sessions: letters.sessions.clone(),
            steps,
        })
    }

    /// The alphabet as a plan, which [`Self::of`] reads.
    pub fn to_plan(&self) -> Plan {
        Plan {
            sessions: self.sessions.clone(),
            steps: self
                .steps
                .iter()
                .filter(|step| !matches!(step, Step::Heal(_)))
                .cloned()
                .collect(),
            comments: Vec::new(),
        }
    }

    /// The plan that a word spells.
    pub fn plan(&self, word: &[Letter]) -> Plan {
        Plan {
            sessions: self.sessions.clone(),
            steps: word.iter().map(|at| self.step(*at).clone()).collect(),
            comments: Vec::new(),
        }
    }

    pub fn step(&self, letter: Letter) -> &Step {
        &self.steps[usize::from(letter)]
    }

    /// The clients of its sessions, in order.
    pub fn clients(&self) -> Vec<ClientId> {
        self.plan(&[]).clients()
    }

    /// The number of all plans with so many steps, whether they make sense or not.
    pub fn plans_of(&self, steps: usize) -> f64 {
        (self.steps.len() as f64).powi(i32::try_from(steps).unwrap_or(i32::MAX))
    }
}

/// The letters of an alphabet that is being made.
struct Letters<'a> {
    sessions: &'a [SessionId],
    clients: Vec<ClientId>,
    steps: Vec<Step>,
}

impl<'a> Letters<'a> {
    fn of(sessions: &'a [SessionId]) -> Self {
        let plan = Plan {
            sessions: sessions.to_vec(),
            ..Plan::default()
        };
        Self {
            sessions,
            clients: plan.clients(),
            steps: Vec::new(),
        }
    }

    fn alphabet(self) -> Alphabet {
        let plan = Plan {
            sessions: self.sessions.to_vec(),
            steps: self.steps,
            comments: Vec::new(),
        };
        Alphabet::of(&plan).unwrap_or(Alphabet {
            sessions: plan.sessions,
            steps: plan.steps,
        })
    }

    fn each_session(&mut self, step: impl Fn(SessionId) -> Step) {
        self.steps.extend(self.sessions.iter().cloned().map(step));
    }

    fn each_client(&mut self, step: impl Fn(ClientId) -> Step) {
        self.steps.extend(self.clients.iter().cloned().map(step));
    }

    /// Instructions, phases, and what comes between them that is no fault.
    fn work(&mut self, phases: &[Phase]) {
        for edit in Edit::ALL {
            self.each_session(|session| Step::Instruct(session, edit));
        }
        for phase in phases {
            self.each_session(|session| Step::Until {
                session,
                phase: *phase,
                requests: 0,
            });
        }
        self.each_client(Step::Crash);
        self.each_client(|client| Step::UntilStarted {
            client,
            requests: 0,
        });
        self.each_client(Step::LoseWorkspace);
        for kind in [Outsider::Clean, Outsider::Conflicting] {
            self.each_session(|session| Step::PushFromOutside(session, kind));
        }
        self.each_session(Step::RetryPush);
        self.each_session(Step::Redeliver);
    }

    /// Moments within a phase, by the requests that reached an endpoint since it began.
    fn within(&mut self, phase: Phase, requests: &[u32]) {
        for requests in requests {
            self.each_session(|session| Step::Until {
                session,
                phase,
                requests: *requests,
            });
        }
    }

    fn waits(&mut self, seconds: &[u64]) {
        let waits = seconds.iter().map(|s| Step::Wait(Duration::from_secs(*s)));
        self.steps.extend(waits);
    }

    /// Every kind of fault, wherever it can be.
    fn faults(&mut self, outages: &[Outage], statuses: &[u16], taken: &[u32]) {
        let inject = Step::Inject;
        self.steps.push(inject(Fault::S3Denied(None)));
        self.each_client(|client| inject(Fault::S3Denied(Some(client))));
        self.each_client(|client| inject(Fault::S3Missing(client)));
        let downs = outages.iter().map(|outage| inject(Fault::S3Down(*outage)));
        self.steps.extend(downs);
        for taken in taken {
            let taken = *taken;
            self.each_client(|client| inject(Fault::S3Partial { client, taken }));
        }
        self.each_client(|client| inject(Fault::S3AckLost(client)));
        self.steps.push(inject(Fault::GitAuth));
        self.steps.push(inject(Fault::GitDown));
        self.each_session(|session| inject(Fault::BuildError(session)));
        self.each_session(|session| inject(Fault::BuildWarning(session)));
        self.each_client(|client| inject(Fault::OutOfMemory(client)));
        self.each_client(|client| inject(Fault::Partition(client)));
        self.steps.push(inject(Fault::AgentSlow));
        let errors = statuses
            .iter()
            .map(|status| inject(Fault::AgentError(*status)));
        self.steps.extend(errors);
        self.steps.push(inject(Fault::StoreThrottled));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_alphabets_have_every_kind_of_step_and_fault_and_survive_their_text_form() {
        for (alphabet, least) in [(Alphabet::small(), 90), (Alphabet::full(), 140)] {
            assert!(alphabet.steps.len() >= least, "{}", alphabet.steps.len());
            let kinds: HashSet<String> = alphabet
                .steps
                .iter()
                .map(|step| match step {
                    Step::Inject(fault) => fault.name().into(),
                    Step::Instruct(_, edit) => edit.to_string(),
                    Step::PushFromOutside(_, kind) => kind.to_string(),
                    other => other.name().into(),
                })
                .collect();
            // Fourteen faults, five edits, two outsiders, and the seven other kinds of step.
            assert_eq!(kinds.len(), 14 + 5 + 2 + 7, "{kinds:?}");
            let text = alphabet.to_plan().to_string();
            let again = Alphabet::of(&text.parse().unwrap()).unwrap();
            assert_eq!(again.steps, alphabet.steps);
            assert_eq!(again.sessions, alphabet.sessions);
        }
    }

    #[test]
    fn the_kept_alphabets_can_be_read_and_are_their_own_symmetry() {
        for alphabet in [Alphabet::breaker(), Alphabet::git()] {
            let alphabet = alphabet.expect("a plan file");
            assert_eq!(alphabet.sessions, Shape::default().sessions);
            // What one session can do, the other can do as well.
            let text = alphabet.to_plan().to_string();
            let count = |name: &str| text.matches(name).count();
            assert_eq!(count("acme/home"), count("acme/blog"));
            assert_eq!(count("acme/home"), count("globex/home"));
        }
    }

    #[test]
    fn an_alphabet_needs_a_step() {
        let plan: Plan = "# shakedown plan v1\nsession acme/home\n".parse().unwrap();
        assert!(Alphabet::of(&plan).unwrap_err().contains("no step"));
    }
}
