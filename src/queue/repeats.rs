//! Messages that are sent again within a time, and are dropped.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// What was sent under which key, for as long as the same key means the same message.
#[derive(Clone, Debug)]
pub struct Repeats<K, V, T> {
    sent: HashMap<K, V>,
    /// The keys with the times when they are forgotten, in their order.
    until: VecDeque<(T, K)>,
}

impl<K, V, T> Default for Repeats<K, V, T> {
    fn default() -> Self {
        Self {
            sent: HashMap::new(),
            until: VecDeque::new(),
        }
    }
}

impl<K: Clone + Eq + Hash, V, T: Copy + Ord> Repeats<K, V, T> {
    /// What was sent under the key and is not forgotten.
    pub fn earlier(&mut self, key: &K, now: T) -> Option<&V> {
        while let Some((_, forgotten)) = self.until.pop_front_if(|(until, _)| *until <= now) {
            self.sent.remove(&forgotten);
        }
        self.sent.get(key)
    }

    /// Remembers what was sent under a new key until a time, which is not before those of other keys.
    pub fn remember(&mut self, key: K, sent: V, until: T) {
        self.until.push_back((until, key.clone()));
        self.sent.insert(key, sent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_remembered_until_its_time() {
        let mut repeats = Repeats::default();
        assert_eq!(repeats.earlier(&"a", 0), None);
        repeats.remember("a", 1, 5);
        repeats.remember("b", 2, 7);
        assert_eq!(repeats.earlier(&"a", 4), Some(&1));
        assert_eq!(repeats.earlier(&"a", 5), None);
        assert_eq!(repeats.earlier(&"b", 5), Some(&2));
        repeats.remember("a", 3, 10);
        assert_eq!(repeats.earlier(&"a", 9), Some(&3));
        assert_eq!(repeats.earlier(&"b", 9), None);
    }
}
