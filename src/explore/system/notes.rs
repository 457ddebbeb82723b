//! The session's record, as the container writes it.

use super::Notes;
use crate::history::Record;
use crate::plan::Mark;

impl Notes {
    /// Everything that is wrong: each part of it delays work.
    pub(super) fn last_error(&self) -> Option<String> {
        let mut wrong: Vec<String> = self.failure.iter().map(|text| (*text).into()).collect();
        if !self.lost.is_empty() {
            let lost: Vec<String> = self.lost.iter().map(Mark::to_string).collect();
            wrong.push(format!("lost with the workspace: {}", lost.join(", ")));
        }
        let put_off = [
            (self.push_put_off, "Saved work locally: git push failed"),
            (self.deploy_put_off, "S3 sync put off"),
        ];
        wrong.extend(
            put_off
                .iter()
                .filter(|(is_so, _)| *is_so)
                .map(|(_, text)| (*text).into()),
        );
        (!wrong.is_empty()).then(|| wrong.join("; "))
    }

    pub(super) fn record(&self) -> Record {
        let warnings = [
            (self.build_warned, "the banner is left out"),
            (self.conflict, "an outside change conflicted"),
        ];
        Record {
            status: "running".into(),
            last_error: self.last_error(),
            warnings: warnings
                .iter()
                .filter(|(is_so, _)| *is_so)
                .map(|(_, text)| (*text).into())
                .collect(),
        }
    }
}
