//! How fast a container repeats requests that are refused.

use std::time::Duration;

use super::retries::ONE_PUSH;
use crate::history::{GitOutcome, S3Operation, S3Outcome, What};
use crate::plan::Place;

/// A request that a container repeats where it is refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Repeated {
    Queue,
    Table,
    /// A clone or a fetch.
    Fetch,
    /// A push that was refused before it named its branch, or not answered.
    Push,
    /// A list of a site, with which an attempt to deploy begins.
    List,
}

impl Repeated {
    /// What was refused, where an event shows that.
    pub fn of(what: &What) -> Option<Self> {
        match what {
            What::Refused { place, .. } => match place {
                Place::Queue => Some(Self::Queue),
                Place::Table => Some(Self::Table),
                Place::Agent | Place::Git | Place::S3 | Place::Build | Place::Container => None,
            },
            What::Fetched {
                outcome: GitOutcome::AuthFailed | GitOutcome::Unavailable,
                ..
            } => Some(Self::Fetch),
            What::Pushed {
                outcome: GitOutcome::AuthFailed | GitOutcome::Unavailable,
                ..
            } => Some(Self::Push),
            What::S3Asked {
                operation: S3Operation::List,
                outcome,
                ..
            } if *outcome != S3Outcome::Done => Some(Self::List),
            _ => None,
        }
    }

    /// What the requests are called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queue => "requests to the queue",
            Self::Table => "requests to the session table",
            Self::Fetch => "clones and fetches",
            Self::Push => "pushes",
            Self::List => "lists of the site",
        }
    }

    /// Requests that follow the one before, which was refused, within this were hardly waited for. An
    /// answer of git takes longer on its way than others.
    fn at_once(self) -> Duration {
        match self {
            Self::Queue | Self::Table => Duration::from_millis(60),
            Self::List => Duration::from_millis(120),
            Self::Fetch | Self::Push => Duration::from_millis(400),
        }
    }

    /// Whether requests are given up after some attempts and put off: then only the waits between
    /// attempts count, and some of those may be as short by chance.
    fn is_put_off(self) -> bool {
        match self {
            Self::Queue | Self::Table => false,
            Self::Fetch | Self::Push | Self::List => true,
        }
    }

    /// `hasty` comes to this by chance less than once in some hundred thousand long outages, with full
    /// jitter from half a second on.
    pub fn too_many(self) -> u32 {
        match self {
            Self::Queue | Self::Table => 50,
            Self::Fetch | Self::Push | Self::List => 12,
        }
    }
}

/// Refusals in a row of one kind of request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Row {
    last: Duration,
    /// The last of them that came at once; of those that are put off, less those that waited, so that
    /// requests side by side come to nothing.
    pub hasty: u32,
    /// All of them.
    times: u32,
    /// When waits that double from a second on are at several seconds.
    grown_at: Duration,
}

/// After a pause as long as no wait is, waits begin anew.
const PAUSE: Duration = Duration::from_secs(90);
/// With waits that double, the last of so many is at its cap.
const GROWN: u32 = 10;
/// So many more, and their mean tells a wait that grew from one that did not.
const MANY: u32 = 50;
/// A mean wait, with full jitter, of less than half the ceiling that any growth reaches.
const SHORT: Duration = Duration::from_millis(800);

impl Row {
    fn after(self, of: Repeated, at: Duration) -> Self {
        let gap = at.saturating_sub(self.last);
        let is_first = self.times == 0;
        let times = match gap < PAUSE {
            true => self.times.saturating_add(1),
            false => 1,
        };
        Self {
            last: at,
            hasty: match gap < of.at_once() {
                _ if is_first => 0,
                true => self.hasty + 1,
                false if !of.is_put_off() => 0,
                false if gap >= ONE_PUSH => self.hasty,
                false => self.hasty.saturating_sub(1),
            },
            times,
            grown_at: match times <= GROWN {
                true => at,
                false => self.grown_at,
            },
        }
    }

    /// The mean of many waits that should have grown before, where it is too short for that.
    pub fn short_mean(&self) -> Option<Duration> {
        let many = self.times.checked_sub(GROWN).filter(|many| *many >= MANY)?;
        let mean = self.last.saturating_sub(self.grown_at) / many;
        (mean < SHORT).then_some(mean)
    }
}

/// The rows of a container.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Rows([Row; 5]);

impl Rows {
    /// The row with a refusal at a moment.
    pub fn with(&self, of: Repeated, at: Duration) -> Row {
        self.0[of as usize].after(of, at)
    }

    /// Takes in an event of the container.
    pub(super) fn take(&mut self, what: &What, at: Duration) {
        if let Some(of) = Repeated::of(what) {
            self.0[of as usize] = self.with(of, at);
        }
        match what {
            What::Started { .. } => *self = Self::default(),
            // A fetch after a push is none that was repeated.
            What::Pushed { .. } => self.0[Repeated::Fetch as usize] = Row::default(),
            What::Fetched {
                outcome: GitOutcome::Done,
                ..
            } => self.0[Repeated::Fetch as usize] = Row::default(),
            _ => {}
        }
    }
}
