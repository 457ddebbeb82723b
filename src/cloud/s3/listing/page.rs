//! One page of a listing, and how its keys are written.

use std::collections::BTreeMap;
use std::ops::Bound;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::*;
use s3s::{S3Result, s3_error};

use super::owner;
use crate::cloud::s3::digest::algorithms_in;
use crate::cloud::s3::object::Object as Stored;

/// How many entries a page has at most.
const MOST: i32 = 1000;

/// What `encoding-type=url` leaves as it is.
const LEFT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/');

/// Which entries a listing is of.
pub(super) struct Query {
    pub(super) prefix: String,
    pub(super) delimiter: Option<String>,
    /// The listing goes on after this key.
    pub(super) after: String,
    pub(super) most: usize,
}

/// The entries of one page.
pub(super) struct Page<'a, T> {
    pub(super) entries: Vec<(&'a String, &'a T)>,
    pub(super) prefixes: Vec<String>,
    /// The last entry or prefix, where more come after it.
    pub(super) next: Option<String>,
}

impl Query {
    pub(super) fn new(
        prefix: Option<&str>,
        delimiter: Option<&str>,
        after: Option<&str>,
        most: Option<i32>,
    ) -> S3Result<Self> {
        Ok(Self {
            prefix: prefix.unwrap_or_default().into(),
            delimiter: delimiter.filter(|it| !it.is_empty()).map(str::to_owned),
            after: after.unwrap_or_default().into(),
            most: most_of(most)?,
        })
    }

    /// The common prefix that a key is counted under.
    fn group(&self, key: &str) -> Option<String> {
        let delimiter = self.delimiter.as_deref()?;
        let rest = &key[self.prefix.len()..];
        let end = self.prefix.len() + rest.find(delimiter)? + delimiter.len();
        Some(key[..end].to_owned())
    }

    pub(super) fn page<'a, T>(&self, all: &'a BTreeMap<String, T>) -> Page<'a, T> {
        let mut page = Page {
            entries: Vec::new(),
            prefixes: Vec::new(),
            next: None,
        };
        let from = if self.after > self.prefix {
            Bound::Excluded(self.after.as_str())
        } else {
            Bound::Included(self.prefix.as_str())
        };
        let mut last: Option<String> = None;
        for (key, entry) in all.range::<str, _>((from, Bound::Unbounded)) {
            if !key.starts_with(&self.prefix) {
                break;
            }
            let group = self.group(key);
            if let Some(group) = &group
                && (*group <= self.after || page.prefixes.last() == Some(group))
            {
                continue;
            }
            // The prefix itself is a key like any other.
            if *key <= self.after && !self.after.is_empty() {
                continue;
            }
            if page.entries.len() + page.prefixes.len() == self.most {
                page.next = last;
                break;
            }
            last = Some(group.clone().unwrap_or_else(|| key.clone()));
            match group {
                Some(group) => page.prefixes.push(group),
                None => page.entries.push((key, entry)),
            }
        }
        page
    }
}

/// How many entries are asked for, as S3 takes it.
fn most_of(asked: Option<i32>) -> S3Result<usize> {
    usize::try_from(asked.unwrap_or(MOST).min(MOST)).map_err(|_| {
        s3_error!(
            InvalidArgument,
            "Argument maxKeys must be an integer between 0 and 2147483647"
        )
    })
}

/// Writes keys as the client wants them.
pub(super) struct Encoding(pub(super) Option<EncodingType>);

impl Encoding {
    pub(super) fn of(asked: Option<EncodingType>) -> S3Result<Self> {
        match &asked {
            Some(it) if it.as_str() != EncodingType::URL => Err(s3_error!(
                InvalidArgument,
                "Invalid Encoding Method specified in Request"
            )),
            _ => Ok(Self(asked)),
        }
    }

    pub(super) fn write(&self, text: &str) -> String {
        match self.0 {
            Some(_) => utf8_percent_encode(text, LEFT).to_string(),
            None => text.into(),
        }
    }

    pub(super) fn prefixes(&self, prefixes: Vec<String>) -> Option<Vec<CommonPrefix>> {
        let prefixes = prefixes.iter().map(|prefix| CommonPrefix {
            prefix: Some(self.write(prefix)),
        });
        Some(prefixes.collect())
    }

    pub(super) fn objects(&self, entries: &[(&String, &Stored)], with_owner: bool) -> Vec<Object> {
        let entries = entries.iter();
        entries
            .map(|(key, object)| Object {
                checksum_algorithm: Some(algorithms_in(&object.sums))
                    .filter(|algorithms| !algorithms.is_empty()),
                checksum_type: object.sums.checksum_type.clone(),
                e_tag: Some(object.etag()),
                key: Some(self.write(key)),
                last_modified: Some(object.modified()),
                owner: with_owner.then(owner),
                restore_status: None,
                size: Some(object.size()),
                storage_class: Some(object.storage_class().to_owned().into()),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[&str]) -> BTreeMap<String, ()> {
        keys.iter().map(|key| ((*key).to_owned(), ())).collect()
    }

    /// All pages of a listing: its keys, and its prefixes with `*` behind them.
    fn pages(all: &BTreeMap<String, ()>, prefix: &str, delimiter: &str, most: i32) -> Vec<String> {
        let mut seen = Vec::new();
        let mut after = String::new();
        loop {
            let query =
                Query::new(Some(prefix), Some(delimiter), Some(&after), Some(most)).unwrap();
            let page = query.page(all);
            let mut both: Vec<(String, String)> = Vec::new();
            both.extend(
                page.entries
                    .iter()
                    .map(|(key, ())| ((*key).clone(), (*key).clone())),
            );
            both.extend(
                page.prefixes
                    .iter()
                    .map(|it| (it.clone(), format!("{it}*"))),
            );
            both.sort();
            assert!(both.len() <= query.most);
            seen.extend(both.into_iter().map(|(_, shown)| shown));
            match page.next {
                Some(next) => after = next,
                None => return seen,
            }
        }
    }

    #[test]
    fn every_size_of_page_shows_the_same() {
        let all = keys(&[
            "a", "a b", "a+b", "a/", "a/b", "a/c/d", "b/", "b/c", "ü", "x//y",
        ]);
        for most in 1..12 {
            let flat: Vec<String> = all.keys().cloned().collect();
            assert_eq!(pages(&all, "", "", most), flat);
            let folders = ["a", "a b", "a+b", "a/*", "b/*", "x/*", "ü"];
            assert_eq!(pages(&all, "", "/", most), folders, "{most} a page");
            assert_eq!(pages(&all, "a/", "/", most), ["a/", "a/b", "a/c/*"]);
            assert_eq!(
                pages(&all, "a", "b", most),
                ["a", "a b*", "a+b*", "a/", "a/b*", "a/c/d"]
            );
            assert_eq!(pages(&all, "nothing", "/", most), [""; 0]);
        }
    }

    #[test]
    fn no_more_than_nothing_is_a_whole_page() {
        let all = keys(&["a"]);
        let query = Query::new(None, None, None, Some(0)).unwrap();
        let page = query.page(&all);
        assert!(page.entries.is_empty() && page.next.is_none());
        assert!(Query::new(None, None, None, Some(-1)).is_err());
    }

    #[test]
    fn keys_are_encoded_where_that_is_asked_for() {
        let url = Encoding::of(Some(EncodingType::from_static(EncodingType::URL))).unwrap();
        assert_eq!(url.write("a b/ü+%41.txt"), "a%20b/%C3%BC%2B%2541.txt");
        assert_eq!(Encoding(None).write("a+b"), "a+b");
        assert!(Encoding::of(Some("base64".to_owned().into())).is_err());
    }
}
