//! Virtual time: the timers that containers wait on, and spans of it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::chance::Chance;

/// The clock of a run, and who is to be woken when.
#[derive(Default)]
pub struct Timers {
    now: Cell<Duration>,
    sequence: Cell<u64>,
    fired: Cell<u64>,
    /// The soonest is the last. Hardly ever more than four a container, so a sorted list is both
    /// quicker than a heap and exact when a timer is given up.
    entries: RefCell<Vec<Timer>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Timer {
    at: Duration,
    /// Breaks ties in the order of registration.
    sequence: u64,
    client: usize,
}

impl Timers {
    pub fn now(&self) -> Duration {
        self.now.get()
    }

    /// How many timers have fired: the number of moments at which something went on.
    pub fn fired(&self) -> u64 {
        self.fired.get()
    }

    /// Moves the clock to a moment at which nothing is due.
    pub fn skip_to(&self, at: Duration) {
        self.now.set(self.now().max(at));
    }

    /// When the next timer is due.
    pub fn next(&self) -> Option<Duration> {
        self.entries.borrow().last().map(|timer| timer.at)
    }

    /// Takes the next timer, moves the clock to it, and says whom it wakes.
    pub fn fire(&self) -> Option<usize> {
        let timer = self.entries.borrow_mut().pop()?;
        self.fired.set(self.fired.get() + 1);
        self.skip_to(timer.at);
        Some(timer.client)
    }

    /// Wakes a client's container at a moment.
    pub fn wake_at(&self, client: usize, at: Duration) -> u64 {
        let sequence = self.sequence.get();
        self.sequence.set(sequence + 1);
        let mut entries = self.entries.borrow_mut();
        // Most are due soon.
        let sooner = entries.iter().rev().take_while(|other| other.at <= at);
        let place = entries.len() - sooner.count();
        entries.insert(
            place,
            Timer {
                at,
                sequence,
                client,
            },
        );
        sequence
    }

    fn give_up(&self, at: Duration, sequence: u64) {
        let mut entries = self.entries.borrow_mut();
        let first = entries.partition_point(|other| other.at > at);
        if let Some(place) = entries[first..]
            .iter()
            .take_while(|other| other.at == at)
            .position(|other| other.sequence == sequence)
        {
            entries.remove(first + place);
        }
    }
}

/// Waits until a moment. Giving it up takes its timer away.
pub struct Sleep {
    timers: Rc<Timers>,
    client: usize,
    until: Duration,
    registered: Option<u64>,
}

impl Sleep {
    /// Even no time at all takes a microsecond, so that no loop stands still.
    pub fn new(timers: &Rc<Timers>, client: usize, time: Duration) -> Self {
        let time = time.max(Duration::from_micros(1));
        Self {
            timers: timers.clone(),
            client,
            until: timers.now().saturating_add(time),
            registered: None,
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.timers.now() >= self.until {
            return Poll::Ready(());
        }
        if self.registered.is_none() {
            self.registered = Some(self.timers.wake_at(self.client, self.until));
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(sequence) = self.registered {
            self.timers.give_up(self.until, sequence);
        }
    }
}

/// A span of plausible times.
#[derive(Clone, Copy)]
pub struct Span {
    /// In microseconds.
    shortest: u64,
    longest: u64,
}

impl Span {
    pub fn between(shortest: Duration, longest: Duration) -> Self {
        Self {
            shortest: shortest.as_micros() as u64,
            longest: longest.as_micros() as u64,
        }
    }

    pub const fn millis(shortest: u64, longest: u64) -> Self {
        Self {
            shortest: shortest * 1000,
            longest: longest * 1000,
        }
    }
}

impl Chance {
    /// A time within the span, in whole microseconds.
    pub fn within(&mut self, span: Span) -> Duration {
        Duration::from_micros(self.between(span.shortest, span.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn timers_fire_in_order_and_ties_in_the_order_of_registration() {
        let timers = Timers::default();
        for (client, at) in [(0, 2), (1, 1), (2, 2), (3, 1)] {
            timers.wake_at(client, SECOND * at);
        }
        let fired: Vec<(usize, u64)> =
            std::iter::from_fn(|| timers.fire().map(|who| (who, timers.now().as_secs()))).collect();
        assert_eq!(fired, [(1, 1), (3, 1), (0, 2), (2, 2)]);
    }

    #[test]
    fn a_sleep_given_up_wakes_no_task() {
        let timers = Rc::new(Timers::default());
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut sleep = Sleep::new(&timers, 0, SECOND);
        assert!(Pin::new(&mut sleep).poll(&mut context).is_pending());
        timers.wake_at(1, SECOND);
        drop(sleep);
        assert_eq!(timers.fire(), Some(1));
        assert_eq!(timers.fire(), None);
    }

    #[test]
    fn times_stay_within_their_span() {
        let mut chance = Chance::new(7);
        for _ in 0..1000 {
            let time = chance.within(Span::millis(5, 50));
            assert!((5..=50).contains(&(time.as_millis() as u64)), "{time:?}");
            assert!((0.0..1.0).contains(&chance.fraction()));
        }
    }
}
