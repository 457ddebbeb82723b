//! What stays of a plan that did not hold: the plan, its history, and its smallest form.

use std::path::PathBuf;

use super::case::{Case, CaseFile};
use super::{Campaign, CampaignError};
use crate::finding::shrink_budget;
use crate::history::History;
use crate::progress::Progress;
use crate::regression::{self, Seed};
use crate::target::Target;

impl Campaign<'_> {
    /// Makes the plan of each new failure as small as it can be, and keeps it.
    pub(super) fn shrink_and_keep(&mut self, target: &dyn Target) -> Result<(), CampaignError> {
        let budget = shrink_budget(target);
        for found in &mut self.summary.found {
            if found.is_known() {
                found.explain_on(target);
                continue;
            }
            let title = format!("shrinking {}", found.violation.rule);
            let most = u64::from(budget.runs);
            let mut progress = Progress::begin(self.config.quiet, &title, most);
            *found = found.shrunk(target, &budget, &mut |at| {
                progress.at(u64::from(at.runs), most, &format!("{} steps", at.steps));
            });
            progress.end();
            found.explain_on(target);
            let folder = &self.config.regressions;
            let kept = regression::keep(folder, found, &self.config.command);
            found.file = kept.map_err(|why| CampaignError::Write {
                path: folder.clone(),
                why,
            })?;
        }
        Ok(())
    }

    /// Writes a plan that did not hold, and beside it what happened.
    pub(super) fn put_down(
        &self,
        case: &Case,
        history: &History,
    ) -> Result<PathBuf, CampaignError> {
        let name = format!("{}-run-{}.plan", self.case_file_name(), Seed(case.seed));
        let path = self.config.out.join(name);
        CaseFile::at(&path)
            .and_then(|mut case_file| case_file.write(case))
            .and_then(|()| history.write_file(&path.with_extension("jsonl")))
            .map_err(|why| CampaignError::Write {
                path: path.clone(),
                why,
            })?;
        Ok(path)
    }
}
