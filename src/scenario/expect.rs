//! What a scenario expects, as data: what is to be seen, since when, how soon, how often.

use std::time::Duration;

use crate::plan::Mark;

/// Something that a scenario expects to see in its run, or never to see.
#[derive(Clone, Copy, Debug)]
pub struct Expectation {
    /// What is to be seen.
    pub seen: Sight,
    /// The client (`acme`) or the session (`acme/home`) that it is seen of; empty for anybody.
    pub of: &'static str,
    /// From when on.
    pub since: Since,
    /// The number of the step, from 1, at whose begin it is too late to be seen.
    pub before: Option<usize>,
    /// The latest time after `since`, in the system's own time.
    pub within: Option<Duration>,
    /// How often.
    pub count: Count,
}

/// What is seen. Regular expressions are those of the contract's table.
#[derive(Clone, Copy, Debug)]
pub enum Sight {
    /// A log line whose text matches.
    Line(&'static str),
    /// A log line of level ERROR whose text matches.
    ErrorLine(&'static str),
    /// The session's record with a `lastError` that matches.
    LastError(&'static str),
    /// The session's record with `warnings` that are not empty.
    Warnings,
    /// The session's record with this `status`.
    Status(&'static str),
    /// The branch in a workspace, or on the remote, with all of these changes in its commits.
    Branch(&'static [Mark]),
    /// The branch on the remote with all of these changes in its commits.
    RemoteBranch(&'static [Mark]),
    /// A page that shows this change reaches the site.
    Page(Mark),
    /// A container dies.
    Death,
    /// A container starts, at the beginning or again.
    Start,
    /// A message goes to the dead letters.
    DeadLetter(Mark),
}

/// From where on something is looked for, and from when on its time counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Since {
    /// The beginning of the run.
    Begin,
    /// The begin of the step of this number, from 1 as reports count.
    Step(usize),
    /// What met the expectation before this one: the contract's "then".
    Last,
}

/// How often something is to be seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Count {
    /// So often or more.
    AtLeast(usize),
    /// Not once.
    Never,
}

impl Expectation {
    /// To be seen at least once, at any time.
    pub const fn see(seen: Sight) -> Self {
        Self {
            seen,
            of: "",
            since: Since::Begin,
            before: None,
            within: None,
            count: Count::AtLeast(1),
        }
    }

    /// A log line, to be seen at least once.
    pub const fn line(words: &'static str) -> Self {
        Self::see(Sight::Line(words))
    }

    /// Only what is of this client or session counts.
    pub const fn of(mut self, whose: &'static str) -> Self {
        self.of = whose;
        self
    }

    /// Only what comes after the begin of this step counts.
    pub const fn since_step(mut self, number: usize) -> Self {
        self.since = Since::Step(number);
        self
    }

    /// Only what comes after the expectation before this one was met counts.
    pub const fn then(mut self) -> Self {
        self.since = Since::Last;
        self
    }

    /// Only what comes before the begin of this step counts.
    pub const fn before_step(mut self, number: usize) -> Self {
        self.before = Some(number);
        self
    }

    /// The same, within so many seconds.
    pub const fn within(mut self, seconds: u64) -> Self {
        self.within = Some(Duration::from_secs(seconds));
        self
    }

    /// The same, so often at least.
    pub const fn times(mut self, count: usize) -> Self {
        self.count = Count::AtLeast(count);
        self
    }

    /// The opposite: it is never to be seen.
    pub const fn never(mut self) -> Self {
        self.count = Count::Never;
        self
    }
}
