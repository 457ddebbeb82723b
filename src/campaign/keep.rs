//! What stays of a plan that did not hold: the plan, its history, and its smallest form.

use std::path::{Path, PathBuf};

use super::case::Case;
use super::{Campaign, CampaignError};
use crate::durable;
use crate::finding::shrink_budget;
use crate::history::History;
use crate::progress::Progress;
use crate::regression::{self, Seed};
use crate::target::{Heeding, Target};
use crate::verdict::{Demand, Heeded};

impl Campaign<'_> {
    /// Makes the plan of each new failure as small as it can be, and keeps it.
    pub(super) fn shrink_and_keep(&mut self, target: &dyn Target) -> Result<(), CampaignError> {
        let budget = shrink_budget(target);
        for found in &mut self.summary.found {
            // What else its plan breaks is another finding.
            let only = Heeded::Only(Demand::of(&found.violation));
            let own = match self.known {
                Some(_) => Heeding::new(target, &only),
                None => Heeding::new(target, &target.profile().heeded),
            };
            if found.is_known() {
                found.explain_on(target);
                continue;
            }
            let title = format!("shrinking {}", found.violation.rule);
            let most = u64::from(budget.runs);
            let mut progress = Progress::begin(self.config.quiet, &title, most);
            let target = &own;
            // Nobody asked for so many runs in an account.
            if target.name() != "aws" {
                *found = found.shrunk(target, &budget, &mut |at| {
                    progress.at(u64::from(at.runs), most, &format!("{} steps", at.steps));
                });
            }
            progress.end();
            found.explain_on(target);
            let folder = &self.config.regressions;
            match regression::keep(folder, found, &self.config.command) {
                Ok(file) => found.file = file,
                // What was found is reported all the same; the plan stays where it was written first.
                Err(why) if found.file.as_os_str().is_empty() => {
                    eprintln!(
                        "while keeping a plan in {}: {why}; the report has it",
                        folder.display()
                    );
                }
                Err(why) => eprintln!(
                    "while keeping a plan in {}: {why}; it stays as {}, unshrunk: make the folder writable and \
                     keep it with `shakedown shrink {}`",
                    folder.display(),
                    found.file.display(),
                    found.file.display()
                ),
            }
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
        let mut events = Vec::new();
        history
            .write_json_lines(&mut events)
            .and_then(|()| {
                let write = |path: &Path, bytes: &[u8]| {
                    durable::in_its_folder(path, || durable::write(path, bytes))
                };
                write(&path, case.text().as_bytes())?;
                write(&path.with_extension("jsonl"), &events)
            })
            .map_err(|why| CampaignError::Write {
                path: path.clone(),
                why,
            })?;
        Ok(path)
    }
}
