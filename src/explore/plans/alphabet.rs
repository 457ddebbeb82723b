//! The steps that plans are made of.
//!
//! An alphabet is written as a plan whose steps are its letters: its sessions first, then each
//! step once. The heal of a fault comes with the fault.

use std::collections::HashSet;

use crate::generate::Shape;
use crate::plan::{ClientId, Phase, Plan, Scope, SessionId, Step, StepKind, Variety};

/// A letter's place in its alphabet.
pub type Letter = u16;

/// The steps that plans are made of, in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct Alphabet {
    pub sessions: Vec<SessionId>,
    /// Each fault's heal comes after it.
    pub steps: Vec<Step>,
}

impl Alphabet {
    /// What is explored when nothing else is asked for: every kind of step, of edit, of fault and
    /// of outsider, on every session and client that it can be on, in the variety that leads to
    /// something else.
    pub fn small() -> Self {
        Self::with(Variety::Few, &[])
    }

    /// Every variant of every step: all phases, all ways in which S3 is down, all errors of the
    /// agent, places within a deploy, short and long waits.
    pub fn full() -> Self {
        let within = [
            (Phase::Deploying, 1),
            (Phase::Deploying, 3),
            (Phase::Deploying, 5),
            (Phase::Pushing, 1),
        ];
        Self::with(Variety::All, &within)
    }

    /// Every kind of step, and moments within phases, by the requests that reached an endpoint
    /// since they began.
    fn with(variety: Variety, within: &[(Phase, u32)]) -> Self {
        let sessions = Shape::default().sessions;
        let mut steps = Vec::new();
        for kind in StepKind::ALL {
            if kind == StepKind::Wait {
                let moments = within.iter().flat_map(|moment| {
                    let (phase, requests) = *moment;
                    sessions.iter().cloned().map(move |session| Step::Until {
                        session,
                        phase,
                        requests,
                    })
                });
                steps.extend(moments);
            }
            steps.extend(kind.each(variety, Scope::Anywhere(&sessions)));
        }
        let plan = Plan {
            sessions,
            steps,
            comments: Vec::new(),
        };
        Self::of(&plan).unwrap_or(Self {
            sessions: plan.sessions,
            steps: plan.steps,
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Edit, FaultKind, Outsider};

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
                    other => format!("{:?}", other.kind()),
                })
                .collect();
            // Injections, instructions and pushes by what they inject, ask for and do; heals once.
            let others = StepKind::ALL.len() - 3;
            let all = FaultKind::ALL.len() + Edit::ALL.len() + Outsider::ALL.len() + others;
            assert_eq!(kinds.len(), all, "{kinds:?}");
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
