//! A table of distinct values by number, which many threads read and fill.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Values a chunk.
const CHUNK: usize = 4096;
/// Chunks, so that no number ever moves: room for 64 million values.
const CHUNKS: usize = 16 * 1024;
const SHARDS: usize = 64;

/// Numbers values, equal ones alike, and keeps something beside each.
pub struct Table<K, V> {
    chunks: Box<[OnceLock<Chunk<K, V>>]>,
    /// The numbers of the values with a hash, by the hash.
    numbers: Vec<Mutex<HashMap<u64, Vec<u32>>>>,
    hasher: ahash::RandomState,
    count: AtomicU32,
}

/// The values are stored apart: what is kept beside them is looked at far more often.
type Chunk<K, V> = Box<[OnceLock<(Box<K>, V)>]>;

impl<K: Hash + Eq, V> Table<K, V> {
    pub fn new() -> Self {
        Self {
            chunks: (0..CHUNKS).map(|_| OnceLock::new()).collect(),
            numbers: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: ahash::RandomState::new(),
            count: AtomicU32::new(0),
        }
    }

    /// The number of a value, which is new or was there before. What is kept beside a new one is
    /// made of it.
    ///
    /// # Panics
    /// When there are more than 64 million values.
    pub fn number(&self, value: K, beside: impl FnOnce(&K) -> V) -> u32 {
        let hash = self.hasher.hash_one(&value);
        let mut numbers = self.numbers[hash as usize % SHARDS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = numbers.entry(hash).or_default();
        if let Some(number) = known.iter().find(|number| *self.get(**number).0 == value) {
            return *number;
        }
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let at = number as usize;
        // The last number is left for what is in no table.
        assert!(
            at + 1 < CHUNK * CHUNKS,
            "too many situations for one exploration"
        );
        let chunk =
            self.chunks[at / CHUNK].get_or_init(|| (0..CHUNK).map(|_| OnceLock::new()).collect());
        let beside = beside(&value);
        // The number is new, so nothing is there.
        let _ = chunk[at % CHUNK].set((Box::new(value), beside));
        known.push(number);
        number
    }

    /// The value with a number that [`Table::number`] gave.
    pub fn get(&self, number: u32) -> &(Box<K>, V) {
        let at = number as usize;
        self.chunks[at / CHUNK]
            .get()
            .and_then(|chunk| chunk[at % CHUNK].get())
            .expect("a number is given only once its value is in the table")
    }

    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed) as usize
    }
}
