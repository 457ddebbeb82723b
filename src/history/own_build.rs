//! What the tester's own build of a commit made, as histories keep it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::plan::Mark;

/// A commit that the tester built itself, twice, in clean checkouts.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OwnBuild {
    /// The marks in the commit's tree, in the order in which they are listed there.
    pub marks: Vec<Mark>,
    /// The id of that tree in git.
    pub tree: Arc<str>,
    /// Why the build failed, where it did; it says nothing of what a site should hold then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Arc<str>>,
    /// The files that both builds made, by key.
    pub files: BTreeMap<Arc<str>, OwnFile>,
    /// Whether one of the builds made a file that the other did not: the keys depend on more than
    /// the commit then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keys_vary: bool,
}

/// A file that both builds made.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OwnFile {
    /// With the same bytes; this is their digest.
    Same(u32),
    /// With other bytes each time; these are the marks in both.
    Varies(Vec<Mark>),
}

impl OwnBuild {
    /// Whether it is a build of a commit with these marks that did not fail.
    pub fn is_good_of(&self, marks: &[Mark]) -> bool {
        self.error.is_none() && self.marks == marks
    }
}
