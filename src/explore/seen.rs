//! The states that were seen, and from which one each was reached.

use super::checker::Key;

/// Parts of the set, each filled by one thread at a time.
pub const SHARDS: usize = 64;

/// A state that was seen: its shard, and its place there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Id(u32);

/// Bits for the place; those above are the shard's.
const PLACE: u32 = 26;
const PLACES: u32 = (1 << PLACE) - 1;

impl Id {
    pub fn new(shard: usize, place: usize) -> Self {
        Self((shard as u32) << PLACE | place as u32)
    }

    pub fn shard(self) -> usize {
        (self.0 >> PLACE) as usize
    }

    pub fn place(self) -> usize {
        (self.0 & PLACES) as usize
    }
}

/// A hash of a state, the same in every run: so is the order in which states are seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hash(u64);

impl Hash {
    pub fn of(key: Key) -> Self {
        // Digits of pi, and the product's halves folded, twice: every bit comes to bear on all.
        let fold = |a: u64, b: u64| {
            let product = u128::from(a) * u128::from(b);
            product as u64 ^ (product >> 64) as u64
        };
        let first = fold(
            key.0[0] ^ 0x243f_6a88_85a3_08d3,
            key.0[1] ^ 0x1319_8a2e_0370_7344,
        );
        Self(fold(first ^ 0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89))
    }

    pub fn shard(self) -> usize {
        self.0 as usize % SHARDS
    }

    /// Where to look first in a table.
    fn slot(self) -> usize {
        (self.0 >> 32) as usize
    }

    /// Six bits beside the place, and save most looks at other keys.
    fn tag(self) -> u32 {
        (self.0 >> 58 << PLACE) as u32
    }
}

/// The states whose hash ends alike, in the order in which they were seen.
///
/// A table of places finds them. Keys are stored apart from it, so that what the search goes through
/// is contiguous, and a lookup that finds nothing reads four bytes.
pub struct Shard {
    slots: Vec<u32>,
    keys: Vec<Key>,
    parents: Vec<Id>,
    /// The first place of the last depth.
    depth: usize,
    /// From there on, whether a state is known to recover.
    recovers: Vec<bool>,
}

const FREE: u32 = u32::MAX;

impl Default for Shard {
    fn default() -> Self {
        Self {
            slots: vec![FREE; 16],
            keys: Vec::new(),
            parents: Vec::new(),
            depth: 0,
            recovers: Vec::new(),
        }
    }
}

impl Shard {
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    pub fn parent(&self, place: usize) -> Id {
        self.parents[place]
    }

    /// Whether a state of the last depth is known to recover.
    pub fn recovers(&self, place: usize) -> bool {
        self.recovers[place - self.depth]
    }

    /// What is added from now on is of the next depth. Returns its first place.
    pub fn begin_depth(&mut self) -> usize {
        self.depth = self.keys.len();
        self.recovers.clear();
        self.depth
    }

    /// Adds a state that was not seen before.
    ///
    /// # Panics
    /// When there are more than 64 million states in a shard.
    pub fn insert(&mut self, key: Key, hash: Hash, parent: Id, recovers: bool) {
        let mask = self.slots.len() - 1;
        let mut at = hash.slot() & mask;
        loop {
            let slot = self.slots[at];
            if slot == FREE {
                break;
            }
            let place = slot & PLACES;
            if slot ^ place == hash.tag() && self.keys[place as usize] == key {
                if let Some(known) = (place as usize).checked_sub(self.depth) {
                    self.recovers[known] |= recovers;
                }
                return;
            }
            at = (at + 1) & mask;
        }
        let place = self.keys.len();
        assert!(
            place < PLACES as usize,
            "too many states for one exploration"
        );
        self.slots[at] = hash.tag() | place as u32;
        self.keys.push(key);
        self.parents.push(parent);
        self.recovers.push(recovers);
        if self.keys.len() * 4 > self.slots.len() * 3 {
            self.grow();
        }
    }

    fn grow(&mut self) {
        let size = self.slots.len() * 2;
        self.slots.clear();
        self.slots.resize(size, FREE);
        for (place, key) in self.keys.iter().enumerate() {
            let hash = Hash::of(*key);
            let mut at = hash.slot() & (size - 1);
            while self.slots[at] != FREE {
                at = (at + 1) & (size - 1);
            }
            self.slots[at] = hash.tag() | place as u32;
        }
    }
}
