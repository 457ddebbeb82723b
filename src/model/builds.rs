//! The builds of a client that shims showed.

use crate::history::BuildEnd;
use crate::plan::Mark;

/// What is known of a client's builds by their exit codes.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct ShownBuilds {
    /// The marks that the last one wrote, where it failed and no other began since.
    failed: Option<Vec<Mark>>,
    /// The marks that each good one wrote.
    good: Vec<Vec<Mark>>,
}

impl ShownBuilds {
    pub fn began(&mut self) {
        self.failed = None;
    }

    pub fn ended(&mut self, end: &BuildEnd) {
        self.failed = (!end.is_good()).then(|| end.marks.clone());
        if end.is_good() {
            self.good.push(end.marks.clone());
        }
    }

    /// Whether what has these marks can only be of a build that failed: the last one wrote them and failed, and no good
    /// one ever did. A good one may have left a file as it was, so that one after the failed build excuses all.
    pub fn only_failed(&self, marks: &[Mark]) -> bool {
        let holds = |build: &Vec<Mark>| marks.iter().all(|mark| build.contains(mark));
        !marks.is_empty() && self.failed.as_ref().is_some_and(holds) && !self.good.iter().any(holds)
    }
}
