//! Files held in memory, and one change to them: what the worker, the agent and the sites share.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The files of a checkout, by path.
pub type Tree = BTreeMap<Arc<str>, Arc<str>>;

/// One change to the files of a workspace. Paths are relative to its top.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "tool", rename_all = "snake_case")]
pub enum FileChange {
    #[serde(rename = "write_file")]
    Write { path: Arc<str>, text: Arc<str> },
    /// Adds a line at the end of a file, which is made if it is missing.
    #[serde(rename = "append_line")]
    Append { path: Arc<str>, line: Arc<str> },
    /// Deletes a file; one that is missing is left missing.
    #[serde(rename = "delete_file")]
    Delete { path: Arc<str> },
}

impl FileChange {
    /// Does the change to files held in memory.
    pub fn apply_to(&self, tree: &mut Tree) {
        match self {
            Self::Write { path, text } => {
                tree.insert(path.clone(), text.clone());
            }
            Self::Append { path, line } => {
                let text = tree.entry(path.clone()).or_default();
                *text = format!("{text}{line}\n").into();
            }
            Self::Delete { path } => {
                tree.remove(path);
            }
        }
    }
}
