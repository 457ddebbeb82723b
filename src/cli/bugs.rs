//! The bugs of a soak for those who read its reports: where their plans are, the commands that run
//! them again, and their pages.

use std::path::{Path, PathBuf};

use super::outputs;
use super::outputs::{OutputArgs, WriteError};
use crate::campaign::Totals;
use crate::cli::dispatch::print_data;
use crate::finding::{Finding, Origin};
use crate::repeat::{Command, Repeat};
use crate::report::page::campaign::{Campaign, ViolationRow};
use crate::report::{lines, page, saved};
use crate::soak::Identity;

/// The bugs of a soak, whose folders are these.
pub struct Bugs<'a> {
    pub identity: &'a Identity,
    pub folders: Vec<&'a Path>,
}

impl Bugs<'_> {
    /// The command that runs a bug's smallest plan again; the whole soak where no plan shows it alone.
    pub fn replay(&self, bug: &Finding) -> String {
        if let Origin::Campaign(_) = bug.origin {
            let soak = Repeat {
                command: Command::Soak {
                    max_steps: self.identity.max_steps,
                },
                setup: Some(self.identity.setup.clone()),
                seed: bug.seed,
            };
            return soak.as_called();
        }
        Repeat::replay(&self.identity.setup, self.file(bug), bug.seed).as_called()
    }

    /// The file of a bug's smallest plan: every shard that met it has one.
    fn file(&self, bug: &Finding) -> PathBuf {
        let name = format!("bugs/{}.plan", bug.id);
        let files = self.folders.iter().map(|folder| folder.join(&name));
        let exists = files.clone().find(|file| file.exists());
        exists.or(files.into_iter().next()).unwrap_or(name.into())
    }

    /// Prints what only all plans together violate, as lines of JSON where those are asked for.
    pub fn print_violated_by_all(&self, args: &OutputArgs, totals: &Totals) {
        if args.json {
            for found in self.identity.violated_by_all(totals) {
                print_data(&lines::other("bug", &found));
            }
        }
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
        let by_all = self.identity.violated_by_all(totals);
        let rows = by_all
            .iter()
            .map(|found| ViolationRow::of(found, &self.replay(found), None));
        campaign.violations.extend(rows);
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
