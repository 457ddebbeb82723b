//! Everything that a run's future depends on, as one hash.
//!
//! A run on sim is a pure function of its seed, of what reaches it from outside, and of what the
//! active faults make of its requests, each with the moment when it does. So the world itself need
//! not be hashed: two runs with the same seed whose notes are the same are in the same state, bit
//! for bit, futures included. A fault that no request met leaves no note.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use super::time::Timers;

/// The notes of a run, hashed one after the other.
pub struct RunHash {
    timers: Rc<Timers>,
    hash: Cell<u64>,
}

impl RunHash {
    pub fn new(timers: Rc<Timers>) -> Self {
        Self {
            timers,
            hash: Cell::new(0),
        }
    }

    /// Notes what changed the run at this moment.
    pub fn note(&self, what: impl Hash) {
        let mut hasher = DefaultHasher::new();
        self.hash.get().hash(&mut hasher);
        // Several things can happen between two timers; the clock may have moved there as well.
        self.timers.fired().hash(&mut hasher);
        self.timers.now().hash(&mut hasher);
        what.hash(&mut hasher);
        self.hash.set(hasher.finish());
    }

    /// The hash of all notes and of the moment.
    pub fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash.get().hash(&mut hasher);
        self.timers.fired().hash(&mut hasher);
        self.timers.now().hash(&mut hasher);
        hasher.finish()
    }
}
