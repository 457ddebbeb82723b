//! What a commit's change adds, as one number: the same wherever the commit is rebased to.

/// Lines longer than this count by their beginning and their length.
const LONG: usize = 256;

/// A hash of the lines and files that a change adds, in any order. It is 0 for a change of nothing.
///
/// What a change takes away depends on what it is made on, so that it counts only where nothing is
/// added.
#[derive(Clone, Copy, Default)]
pub(crate) struct ChangeHash {
    added: u64,
    removed: u64,
}

impl ChangeHash {
    /// Adds a line, or what becomes of a file as a whole.
    pub(crate) fn add(&mut self, path: &str, what: &str) {
        self.added = self.added.wrapping_add(hash(path, what));
    }

    pub(crate) fn remove(&mut self, path: &str, line: &str) {
        self.removed = self.removed.wrapping_add(hash(path, line));
    }

    /// Adds all of another change.
    pub(crate) fn add_all(&mut self, other: Self) {
        self.added = self.added.wrapping_add(other.added);
        self.removed = self.removed.wrapping_add(other.removed);
    }

    pub(crate) fn value(self) -> u64 {
        match self.added {
            0 => self.removed,
            added => added,
        }
    }
}

/// FNV-1a, of eight bytes at a time, with the lengths of both texts.
fn hash(path: &str, text: &str) -> u64 {
    let start = &text.as_bytes()[..text.len().min(LONG)];
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |word: u64| {
        hash = (hash ^ word).wrapping_mul(0x0100_0000_01b3);
        hash ^= hash >> 32;
    };
    for bytes in [path.as_bytes(), start] {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            take(u64::from_le_bytes(word));
        }
    }
    take(path.len() as u64);
    take(text.len() as u64);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[(&str, &str)], removed: &[(&str, &str)]) -> u64 {
        let mut change = ChangeHash::default();
        lines.iter().for_each(|(path, line)| change.add(path, line));
        removed
            .iter()
            .for_each(|(path, line)| change.remove(path, line));
        change.value()
    }

    #[test]
    fn a_change_is_what_it_adds_in_any_order() {
        let (a, b) = (("one", "a"), ("two", "b"));
        assert_eq!(of(&[a, b], &[]), of(&[b, a], &[]));
        assert_eq!(
            of(&[a], &[b]),
            of(&[a], &[]),
            "it takes away what it is made on"
        );
        assert_ne!(of(&[], &[a]), of(&[], &[b]));
        assert_ne!(of(&[a], &[]), of(&[("two", "a")], &[]));
        assert_ne!(of(&[a], &[]), of(&[a, a], &[]));
        let long = "x".repeat(2 * LONG);
        assert_ne!(of(&[("one", &long)], &[]), of(&[("one", &long[1..])], &[]));
        assert_eq!(of(&[], &[]), 0);
    }
}
