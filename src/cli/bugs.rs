//! The bugs of a soak for those who read its reports: where their plans are, the commands that run
//! them again, and their pages.

use std::path::{Path, PathBuf};

use super::outputs;
use super::outputs::{OutputArgs, WriteError};
use crate::campaign::Totals;
use crate::finding::Finding;
use crate::repeat::Repeat;
use crate::report::page::campaign::{Campaign, ViolationRow};
use crate::report::{page, saved};
use crate::soak::Identity;

/// The bugs of a soak, whose folders are these.
pub struct Bugs<'a> {
    pub identity: &'a Identity,
    pub folders: Vec<&'a Path>,
}

impl Bugs<'_> {
    /// The command that runs a bug's smallest plan again.
    pub fn replay(&self, bug: &Finding) -> String {
        Repeat::replay(&self.identity.setup, self.file(bug), bug.seed).as_called()
    }

    /// The file of a bug's smallest plan: every shard that met it has one.
    fn file(&self, bug: &Finding) -> PathBuf {
        let name = format!("bugs/{}.plan", bug.id);
        let files = self.folders.iter().map(|folder| folder.join(&name));
        let exists = files.clone().find(|file| file.exists());
        exists.or(files.into_iter().next()).unwrap_or(name.into())
    }

    /// Writes what was asked for of a soak, and says where it is.
    ///
    /// # Errors
    /// Where something cannot be written.
    pub fn write(
        &self,
        args: &OutputArgs,
        mut campaign: Campaign,
        totals: &Totals,
    ) -> Result<(), WriteError> {
        let index = args.index_page();
        for (failures, family) in totals.families() {
            let bug = family[0];
            let file = self.file(bug);
            let folder = index.as_ref().and_then(|page| page.parent());
            let page = match folder {
                Some(folder) => self.page(bug, &file, folder)?,
                None => None,
            };
            let row = ViolationRow::of_bug(failures, &family, &self.replay(bug), page);
            campaign.violations.push(ViolationRow {
                file: file.display().to_string(),
                ..row
            });
        }
        args.write_campaign(&campaign, &[])
    }

    /// Writes the timeline of a bug's smallest plan, where its history was kept; returns its name.
    fn page(
        &self,
        bug: &Finding,
        file: &Path,
        folder: &Path,
    ) -> Result<Option<String>, WriteError> {
        let Ok(saved) = saved::read(&file.with_extension("jsonl")) else {
            return Ok(None);
        };
        let site = saved.site;
        let mut bug = Finding {
            history: saved.history,
            file: file.to_owned(),
            ..bug.clone()
        };
        bug.explain(site);
        let page = page::finding(&bug, site, &self.replay(&bug));
        let name = format!("{}.html", bug.id);
        outputs::write(&folder.join(&name), &page)?;
        Ok(Some(name))
    }
}
