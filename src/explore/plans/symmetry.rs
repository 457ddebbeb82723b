//! The same plan by another name: sessions of a client are interchangeable, and so are clients,
//! as long as nothing has distinguished them.
//!
//! Of all plans that are renamings of each other, the first in the order of the alphabet is run.

use super::alphabet::{Alphabet, Letter};
use crate::plan::{ClientId, NameMut, SessionId, Step};

/// What another naming of sessions and clients makes of each letter.
struct Renaming {
    /// `None` where the new name does not exist or its letter is not in the alphabet.
    letters: Vec<Option<Letter>>,
}

/// Every other naming that an alphabet's sessions have.
pub struct Symmetry {
    /// Those that name every session: a plan that one of them makes smaller is cut off, and all
    /// that begin with it.
    total: Vec<Renaming>,
    /// Those that only plans have which do not use some of the sessions. A plan with more steps
    /// may use them, and then has no such twin.
    partial: Vec<Renaming>,
}

impl Symmetry {
    pub fn of(alphabet: &Alphabet) -> Self {
        let mut namings = Vec::new();
        name_clients(alphabet, &mut Vec::new(), &mut namings);
        let (mut total, mut partial) = (Vec::new(), Vec::new());
        for naming in &namings {
            let letters: Vec<Option<Letter>> = alphabet
                .steps
                .iter()
                .map(|step| letter(alphabet, &renamed(step, naming)?))
                .collect();
            let changes = |(at, to): (usize, &Option<Letter>)| *to != Some(at as Letter);
            if !letters.iter().enumerate().any(changes) {
                continue;
            }
            if letters.iter().all(Option::is_some) {
                total.push(Renaming { letters });
            } else {
                partial.push(Renaming { letters });
            }
        }
        Self { total, partial }
    }

    /// Whether another naming of everything makes the plan smaller, and so each that begins so.
    pub fn cuts(&self, word: &[Letter]) -> bool {
        self.total.iter().any(|renaming| renaming.makes_less(word))
    }

    /// Whether the plan, as it is, has a smaller twin.
    pub fn has_twin(&self, word: &[Letter]) -> bool {
        self.partial
            .iter()
            .any(|renaming| renaming.makes_less(word))
    }
}

impl Renaming {
    fn makes_less(&self, word: &[Letter]) -> bool {
        let mut is_less = None;
        for letter in word {
            let Some(other) = self.letters[usize::from(*letter)] else {
                return false;
            };
            if is_less.is_none() && other != *letter {
                is_less = Some(other < *letter);
            }
        }
        is_less == Some(true)
    }
}

fn letter(alphabet: &Alphabet, step: &Step) -> Option<Letter> {
    let at = alphabet.steps.iter().position(|other| other == step)?;
    Letter::try_from(at).ok()
}

/// The new name of each client and session that has one.
#[derive(Clone, Default)]
struct Naming {
    clients: Vec<(ClientId, ClientId)>,
    sessions: Vec<(SessionId, SessionId)>,
}

/// Collects every naming: each client gets the name of another, or none where none is left.
fn name_clients(alphabet: &Alphabet, chosen: &mut Vec<ClientId>, all: &mut Vec<Naming>) {
    let clients = alphabet.clients();
    if chosen.len() == clients.len() {
        let clients: Vec<_> = clients.into_iter().zip(chosen.iter().cloned()).collect();
        let naming = Naming {
            clients,
            sessions: Vec::new(),
        };
        return name_sessions(alphabet, naming, 0, all);
    }
    for client in &clients {
        if !chosen.contains(client) {
            chosen.push(client.clone());
            name_clients(alphabet, chosen, all);
            chosen.pop();
        }
    }
}

fn name_sessions(alphabet: &Alphabet, naming: Naming, at: usize, all: &mut Vec<Naming>) {
    let Some(session) = alphabet.sessions.get(at) else {
        return all.push(naming);
    };
    let there = naming
        .clients
        .iter()
        .find(|(from, _)| *from == session.client)
        .map(|(_, to)| to.clone());
    let mut is_named = false;
    for name in &alphabet.sessions {
        let is_taken = naming.sessions.iter().any(|(_, taken)| taken == name);
        if Some(&name.client) == there.as_ref() && !is_taken {
            is_named = true;
            let mut next = naming.clone();
            next.sessions.push((session.clone(), name.clone()));
            name_sessions(alphabet, next, at + 1, all);
        }
    }
    // A client with fewer sessions takes the place of only so many; which ones, is open.
    let others = alphabet.sessions[at + 1..]
        .iter()
        .filter(|other| other.client == session.client)
        .count();
    if !is_named || others > 0 && crowded(alphabet, &naming, session) {
        name_sessions(alphabet, naming, at + 1, all);
    }
}

/// Whether the client whose name a session's client gets has too few sessions for all.
fn crowded(alphabet: &Alphabet, naming: &Naming, session: &SessionId) -> bool {
    let count = |client: &ClientId| {
        alphabet
            .sessions
            .iter()
            .filter(|session| session.client == *client)
            .count()
    };
    naming
        .clients
        .iter()
        .find(|(from, _)| *from == session.client)
        .is_some_and(|(from, to)| count(from) > count(to))
}

fn renamed(step: &Step, naming: &Naming) -> Option<Step> {
    let mut step = step.clone();
    match step.name_mut() {
        Some(NameMut::Session(of)) => {
            let (_, to) = naming.sessions.iter().find(|(from, _)| from == of)?;
            *of = to.clone();
        }
        Some(NameMut::Client(of)) => {
            let (_, to) = naming.clients.iter().find(|(from, _)| from == of)?;
            *of = to.clone();
        }
        None => {}
    }
    Some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a plan of the small alphabet is cut off, and whether it has a twin.
    fn judged(lines: &[&str]) -> (bool, bool) {
        let alphabet = Alphabet::small();
        let word: Vec<Letter> = lines
            .iter()
            .map(|line| {
                let at = alphabet.steps.iter().position(|s| s.to_string() == *line);
                at.unwrap_or_else(|| panic!("{line}")) as Letter
            })
            .collect();
        let symmetry = Symmetry::of(&alphabet);
        (symmetry.cuts(&word), symmetry.has_twin(&word))
    }

    #[test]
    fn the_sessions_of_a_client_are_named_by_their_first_use() {
        let blog = ["instruct acme/blog change", "instruct acme/home warn"];
        assert!(judged(&blog).0);
        let home = ["instruct acme/home change", "instruct acme/blog warn"];
        assert_eq!(judged(&home), (false, false));
    }

    #[test]
    fn a_client_with_fewer_sessions_has_a_twin_only_while_those_are_enough() {
        assert_eq!(judged(&["crash globex"]), (false, true));
        assert_eq!(judged(&["instruct globex/home change"]), (false, true));
        let two = ["instruct globex/home change", "instruct acme/home warn"];
        assert_eq!(judged(&two), (false, true));
        let three = [
            "instruct globex/home change",
            "instruct acme/home warn",
            "instruct acme/blog change",
        ];
        assert_eq!(judged(&three), (false, false));
    }

    #[test]
    fn what_names_no_client_has_no_twin() {
        assert_eq!(judged(&["inject git-auth", "wait 45s"]), (false, false));
    }
}
