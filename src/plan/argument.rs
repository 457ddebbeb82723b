//! The arguments of faults and steps: how each is read and written, whom it names, and which values
//! of it are worth trying.

mod number;
mod product;

use std::fmt;

use super::line::{self, ParseError, Words};
use super::{ClientId, Fault, FaultKind, Plan, SessionId};
use crate::terminal::quoted;

pub(super) use number::{Objects, Requests, Started, Status};
pub(super) use product::Product;

/// Whom a fault or a step concerns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject<'a> {
    /// One session.
    Session(&'a SessionId),
    /// One client, with all its sessions.
    Client(&'a ClientId),
    /// Everyone.
    All,
}

impl<'a> Subject<'a> {
    /// The client that it is confined to, if it is confined to one.
    pub fn client(self) -> Option<&'a ClientId> {
        match self {
            Self::Session(session) => Some(&session.client),
            Self::Client(client) => Some(client),
            Self::All => None,
        }
    }
}

/// The session or the client that a step names.
#[derive(PartialEq, Eq, Debug)]
pub enum NameMut<'a> {
    /// A session.
    Session(&'a mut SessionId),
    /// A client.
    Client(&'a mut ClientId),
}

/// Whom the faults and steps that are listed concern.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// This one alone.
    On(Subject<'a>),
    /// Everyone, and each client and session of these.
    Anywhere(&'a [SessionId]),
}

impl Scope<'_> {
    pub(super) fn has(self, subject: Subject<'_>) -> bool {
        match self {
            Self::On(of) => of == subject,
            Self::Anywhere(_) => true,
        }
    }
}

/// How many values of each argument are listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variety {
    /// Those that differ in what they lead to: for trying all short plans.
    Few,
    /// Those that random plans have.
    Drawn,
    /// All that make a difference.
    All,
}

/// How an argument is written.
pub(super) trait Form {
    /// What is written.
    type Value;

    /// How it is written, as a list of steps shows it: `CLIENT`, or the words to choose from.
    fn usage() -> String;

    /// Whether a word can be it, where that decides between two kinds of the same name.
    fn fits(_word: &str) -> bool {
        true
    }

    fn read(words: &mut Words<'_>, plan: &Plan) -> Result<Self::Value, ParseError>;

    /// Writes it, with a blank before it where there is something to write.
    fn print(value: &Self::Value, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    fn subject(_value: &Self::Value) -> Subject<'_> {
        Subject::All
    }

    fn name_mut(_value: &mut Self::Value) -> Option<NameMut<'_>> {
        None
    }

    /// The values to try, simplest first.
    fn values(variety: Variety, scope: Scope<'_>) -> Vec<Self::Value>;
}

impl Form for SessionId {
    type Value = Self;

    fn usage() -> String {
        "SESSION".into()
    }

    fn fits(word: &str) -> bool {
        word.contains('/')
    }

    fn read(words: &mut Words<'_>, plan: &Plan) -> Result<Self, ParseError> {
        let word = words.need("a session, as client/thread")?;
        let named = |session: &&Self| session.to_string() == word.text;
        let session = plan.sessions.iter().find(named).cloned();
        session.ok_or_else(|| {
            let name = quoted(word.text);
            let remedy = match Self::parse(word.text) {
                Some(new) => format!(
                    "session `{new}` was not declared; add the line `session {new}` below the first one"
                ),
                None => format!("`{name}` is not a session; write {}", super::name::FORM),
            };
            words.error(word, remedy)
        })
    }

    fn print(value: &Self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {value}")
    }

    fn subject(value: &Self) -> Subject<'_> {
        Subject::Session(value)
    }

    fn name_mut(value: &mut Self) -> Option<NameMut<'_>> {
        Some(NameMut::Session(value))
    }

    fn values(_: Variety, scope: Scope<'_>) -> Vec<Self> {
        match scope {
            Scope::On(Subject::Session(session)) => vec![session.clone()],
            Scope::On(Subject::Client(_) | Subject::All) => Vec::new(),
            Scope::Anywhere(sessions) => sessions.to_vec(),
        }
    }
}

impl Form for ClientId {
    type Value = Self;

    fn usage() -> String {
        "CLIENT".into()
    }

    fn fits(word: &str) -> bool {
        !SessionId::fits(word)
    }

    fn read(words: &mut Words<'_>, plan: &Plan) -> Result<Self, ParseError> {
        let word = words.need("a client")?;
        client_of(words, word, plan)
    }

    fn print(value: &Self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {value}")
    }

    fn subject(value: &Self) -> Subject<'_> {
        Subject::Client(value)
    }

    fn name_mut(value: &mut Self) -> Option<NameMut<'_>> {
        Some(NameMut::Client(value))
    }

    fn values(_: Variety, scope: Scope<'_>) -> Vec<Self> {
        match scope {
            Scope::On(Subject::Client(client)) => vec![client.clone()],
            Scope::On(Subject::Session(_) | Subject::All) => Vec::new(),
            Scope::Anywhere(sessions) => super::clients(sessions),
        }
    }
}

/// One client, or everyone where the line ends before it.
impl Form for Option<ClientId> {
    type Value = Self;

    fn usage() -> String {
        "[CLIENT]".into()
    }

    fn read(words: &mut Words<'_>, plan: &Plan) -> Result<Self, ParseError> {
        let word = words.next();
        word.map(|word| client_of(words, word, plan)).transpose()
    }

    fn print(value: &Self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        value.iter().try_for_each(|client| write!(f, " {client}"))
    }

    fn subject(value: &Self) -> Subject<'_> {
        value.as_ref().map_or(Subject::All, Subject::Client)
    }

    fn name_mut(value: &mut Self) -> Option<NameMut<'_>> {
        value.as_mut().map(NameMut::Client)
    }

    fn values(variety: Variety, scope: Scope<'_>) -> Vec<Self> {
        let one = ClientId::values(variety, scope).into_iter().map(Some);
        std::iter::once(None).chain(one).collect()
    }
}

fn client_of(words: &Words<'_>, word: line::Word<'_>, plan: &Plan) -> Result<ClientId, ParseError> {
    let mut clients = plan.sessions.iter().map(|session| &session.client);
    let client = clients.find(|client| &*client.0 == word.text).cloned();
    client.ok_or_else(|| {
        let name = quoted(word.text);
        let remedy = match SessionId::parse(&format!("{}/home", word.text)) {
            Some(new) => format!(
                "client `{name}` has no declared session; add a line such as `session {new}` below the \
                 first one"
            ),
            None => format!("`{name}` is not a client; write the client of a declared session"),
        };
        words.error(word, remedy)
    })
}

/// A word of a table without arguments.
pub(super) trait Word: Copy + fmt::Display + 'static {
    /// What it is, with its article, as an error calls it.
    const WHAT: &'static str;
    /// All of them with their text.
    const ALL: &'static [(&'static str, Self)];

    /// Whether it is tried where only a few are.
    fn is_tried(self) -> bool {
        true
    }
}

impl<W: Word> Form for W {
    type Value = Self;

    /// A few words are written out; of more there is a list.
    fn usage() -> String {
        let words: Vec<&str> = Self::ALL.iter().map(|(text, _)| *text).collect();
        match words.len() {
            ..=4 => words.join("|"),
            _ => without_article(Self::WHAT).to_uppercase(),
        }
    }

    fn read(words: &mut Words<'_>, _: &Plan) -> Result<Self, ParseError> {
        let word = words.need(Self::WHAT)?;
        let known = Self::ALL.iter().find(|(text, _)| *text == word.text);
        known.map(|(_, value)| *value).ok_or_else(|| {
            let known = Self::ALL.iter().map(|(text, _)| *text);
            words.unknown(word, without_article(Self::WHAT), known)
        })
    }

    fn print(value: &Self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {value}")
    }

    fn values(variety: Variety, _: Scope<'_>) -> Vec<Self> {
        let all = Self::ALL.iter().map(|(_, value)| *value);
        all.filter(|value| variety != Variety::Few || value.is_tried())
            .collect()
    }
}

fn without_article(what: &str) -> &str {
    let rest = what.strip_prefix("an ").or(what.strip_prefix("a "));
    rest.unwrap_or(what)
}

/// A fault, with its own arguments.
impl Form for Fault {
    type Value = Self;

    fn usage() -> String {
        "FAULT".into()
    }

    fn read(words: &mut Words<'_>, plan: &Plan) -> Result<Self, ParseError> {
        let word = words.need("a fault")?;
        let Some(kind) = FaultKind::named(word.text, words.peek()) else {
            return Err(words.unknown(word, "fault", FaultKind::ALL.map(FaultKind::name)));
        };
        kind.read(words, plan)
    }

    fn print(value: &Self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {value}")
    }

    fn subject(value: &Self) -> Subject<'_> {
        value.subject()
    }

    fn name_mut(value: &mut Self) -> Option<NameMut<'_>> {
        value.name_mut()
    }

    fn values(variety: Variety, scope: Scope<'_>) -> Vec<Self> {
        let each = |kind: FaultKind| kind.each(variety, scope);
        FaultKind::ALL.into_iter().flat_map(each).collect()
    }
}
