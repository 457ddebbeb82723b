//! Whether the events of a run meet what a scenario expects.

use std::time::Duration;

use regex::Regex;

use super::expect::{Count, Expectation, Sight, Since};
use crate::history::{Branch, Event, Level, What};
use crate::plan::{ClientId, Mark, SessionId};
use crate::profile::Profile;

/// An expectation that was not met.
#[derive(Clone, Debug)]
pub struct Unmet {
    /// Its number among the scenario's expectations, from 1.
    pub number: usize,
    /// The expectation.
    pub expected: Expectation,
    /// How it was not met.
    pub why: Why,
    /// What was seen instead: the events that come nearest, oldest first.
    pub instead: Vec<Event>,
}

/// Why an expectation was not met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// It was seen only so many times.
    Seen(usize),
    /// It was seen often enough only so long after the moment that it is measured from.
    Late(Duration),
    /// It was seen, and should not have been.
    SeenThough,
    /// The run never reached the point from which it is measured.
    NotReached,
}

/// The expectations that a run's events do not meet.
pub fn unmet(expect: &[Expectation], events: &[Event]) -> Vec<Unmet> {
    let mut found = Vec::new();
    let mut last = None;
    for (index, expected) in expect.iter().enumerate() {
        match check(expected, events, last) {
            Ok(met) => last = met,
            Err((why, instead)) => {
                last = None;
                found.push(Unmet {
                    number: index + 1,
                    expected: *expected,
                    why,
                    instead: instead.into_iter().cloned().collect(),
                });
            }
        }
    }
    found
}

type Failed<'a> = (Why, Vec<&'a Event>);

/// The place of the event that meets an expectation; `last` is that of the one before.
fn check<'a>(
    expected: &Expectation,
    events: &'a [Event],
    last: Option<usize>,
) -> Result<Option<usize>, Failed<'a>> {
    let looker = Looker::new(expected);
    let began = |number: usize| {
        events.iter().position(
            |event| matches!(event.what, What::StepBegan { index: Some(at), .. } if at + 1 == number),
        )
    };
    let since = match expected.since {
        Since::Begin => Some((0, Duration::ZERO)),
        Since::Step(number) => began(number).map(|at| (at, events[at].at)),
        // What follows is behind it.
        Since::Last => last.map(|at| (at + 1, time(&events[at]))),
    };
    let Some((from, since)) = since else {
        return Err((Why::NotReached, Vec::new()));
    };
    let to = expected
        .before
        .map_or(Some(events.len()), began)
        .unwrap_or(events.len());
    let window = &events[from.min(to)..to];
    let mut met = (from..to).filter(|at| looker.is_it(&events[*at].what));
    match expected.count {
        Count::Never => match met.next() {
            None => Ok(None),
            Some(at) => Err((Why::SeenThough, vec![&events[at]])),
        },
        Count::AtLeast(count) => {
            let all: Vec<usize> = met.collect();
            let Some(enough) = all.get(count.saturating_sub(1)) else {
                return Err((Why::Seen(all.len()), looker.nearest(window, events)));
            };
            let took = time(&events[*enough]).saturating_sub(since);
            if expected.within.is_some_and(|within| took > within) {
                return Err((Why::Late(took), vec![&events[*enough]]));
            }
            Ok(Some(*enough))
        }
    }
}

/// When an event was: a log line that a partition held back was written at its own time.
fn time(event: &Event) -> Duration {
    match event.what {
        What::Logged { stamp, .. } => stamp,
        _ => event.at,
    }
}

/// How many events are shown in the place of what was expected.
const NEAREST: usize = 5;

/// Finds in a history what an expectation looks for.
struct Looker<'a> {
    expected: &'a Expectation,
    words: Option<Regex>,
}

impl<'a> Looker<'a> {
    fn new(expected: &'a Expectation) -> Self {
        let words = match expected.seen {
            Sight::Line(words) | Sight::ErrorLine(words) | Sight::LastError(words) => Some(words),
            _ => None,
        };
        let compile = |words| {
            Regex::new(words)
                .unwrap_or_else(|error| panic!("`{words}` is part of this program: {error}"))
        };
        Self {
            expected,
            words: words.map(compile),
        }
    }

    fn has_words(&self, text: &str) -> bool {
        self.words
            .as_ref()
            .is_some_and(|words| words.is_match(text))
    }

    fn is_it(&self, what: &What) -> bool {
        let (client, session) = what.subject();
        self.is_of(client, session)
            && match (self.expected.seen, what) {
                (Sight::Line(_), What::Logged { text, .. }) => self.has_words(text),
                (Sight::ErrorLine(_), What::Logged { text, level, .. }) => {
                    *level == Level::Error && self.has_words(text)
                }
                (Sight::LastError(_), What::RecordWritten { record, .. }) => {
                    let error = record.last_error.as_deref();
                    error.is_some_and(|error| self.has_words(error))
                }
                (Sight::Warnings, What::RecordWritten { record, .. }) => {
                    !record.warnings.is_empty()
                }
                (Sight::Status(status), What::RecordWritten { record, .. }) => {
                    record.status == status
                }
                (Sight::Branch(marks), What::Committed { branch, .. })
                | (
                    Sight::Branch(marks) | Sight::RemoteBranch(marks),
                    What::Pushed {
                        branch: Some(branch),
                        ..
                    }
                    | What::OutsiderPushed { branch, .. },
                ) => holds(branch, marks),
                (Sight::Page(mark), What::ObjectPut { key, content, .. }) => {
                    Profile::reference().site.is_page(key) && content.marks.contains(&mark)
                }
                (Sight::Death, What::Died { .. }) | (Sight::Start, What::Started { .. }) => true,
                (Sight::DeadLetter(mark), What::DeadLettered { mark: dead, .. }) => *dead == mark,
                _ => false,
            }
    }

    fn is_of(&self, client: Option<&ClientId>, session: Option<&SessionId>) -> bool {
        match self.expected.of {
            "" => true,
            whose if whose.contains('/') => session.is_some_and(|it| it.to_string() == whose),
            whose => client.is_some_and(|it| &*it.0 == whose),
        }
    }

    /// Whether an event is about the same thing, although it is not what is looked for.
    fn is_near(&self, what: &What) -> bool {
        matches!(
            (self.expected.seen, what),
            (Sight::Line(_) | Sight::ErrorLine(_), What::Logged { .. })
                | (
                    Sight::LastError(_) | Sight::Warnings | Sight::Status(_),
                    What::RecordWritten { .. },
                )
                | (
                    Sight::Branch(_) | Sight::RemoteBranch(_),
                    What::Pushed { .. } | What::OutsiderPushed { .. } | What::Committed { .. },
                )
                | (
                    Sight::Page(_),
                    What::ObjectPut { .. } | What::S3Asked { .. }
                )
                | (
                    Sight::Death | Sight::Start,
                    What::Died { .. } | What::Started { .. }
                )
                | (
                    Sight::DeadLetter(_),
                    What::Delivered { .. } | What::DeadLettered { .. },
                )
        )
    }

    /// The events that come nearest: what was looked for, at the wrong time; then, of the same
    /// matter within the window, those with the most words in common, and of those the last.
    fn nearest<'e>(&self, window: &'e [Event], events: &'e [Event]) -> Vec<&'e Event> {
        let mut found: Vec<&Event> = events.iter().filter(|e| self.is_it(&e.what)).collect();
        if found.is_empty() {
            let near = window.iter().filter(|event| {
                let (client, session) = event.what.subject();
                self.is_near(&event.what) && self.is_of(client, session)
            });
            found = near.collect();
            if let Sight::Line(words) | Sight::ErrorLine(words) = self.expected.seen {
                let shared = |event: &&Event| shared_words(words, &event.what);
                let most = found.iter().map(shared).max().unwrap_or_default();
                found.retain(|event| shared(event) == most);
            }
        }
        found.split_off(found.len().saturating_sub(NEAREST))
    }
}

/// Whether the commits of a branch add all of these.
fn holds(branch: &Branch, marks: &[Mark]) -> bool {
    let adds = |mark: &Mark| branch.commits.iter().any(|c| c.adds.contains(mark));
    marks.iter().all(adds)
}

/// How many of the regular expression's words a line has.
fn shared_words(words: &str, what: &What) -> usize {
    let What::Logged { text, .. } = what else {
        return 0;
    };
    let words = words.split(|c: char| !c.is_alphanumeric());
    let longer = words.filter(|word| word.len() > 1);
    longer.filter(|word| text.contains(word)).count()
}
