//! The bugs of a soak for those who read its reports: where their plans are, the commands that run
//! them again, and their pages.

use std::path::{Path, PathBuf};

use super::outputs::{OutputArgs, WriteError, kind, write};
use super::{SiteName, outputs};
use crate::explain::explain;
use crate::regression::parse_seed;
use crate::report::page::campaign::{Campaign, ViolationRow};
use crate::report::page::run::Run;
use crate::report::{junit, lines, page, saved};
use crate::soak::{Bug, Identity, Totals};
use crate::verdict::Verdict;

/// The bugs of a soak, whose folders are these.
pub struct Bugs<'a> {
    pub identity: &'a Identity,
    pub folders: Vec<&'a Path>,
}

impl Bugs<'_> {
    /// The command that runs a bug's smallest plan again.
    pub fn replay(&self, bug: &Bug) -> String {
        replay(self.identity, &self.file(bug), &bug.seed)
    }

    /// The file of a bug's smallest plan: every shard that met it has one.
    fn file(&self, bug: &Bug) -> PathBuf {
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
            let shown = file.display().to_string();
            let row = ViolationRow::of_bug(failures, &family, shown, self.replay(bug), page);
            campaign.violations.push(row);
        }
        if let Some(path) = &index {
            write(path, &page::campaign(&campaign))?;
            args.print(&format!("page: {}\n", path.display()));
        }
        if let Some(path) = &args.junit {
            write(path, &junit::junit(&campaign, &[]))?;
        }
        if args.json {
            crate::cli::dispatch::print(&lines::summary(&campaign));
        }
        Ok(())
    }

    /// Writes the timeline of a bug's smallest plan, where its history was kept; returns its name.
    fn page(&self, bug: &Bug, file: &Path, folder: &Path) -> Result<Option<String>, WriteError> {
        let Ok(saved) = saved::read(&file.with_extension("jsonl"), None) else {
            return Ok(None);
        };
        let site = match self.identity.options.iter().any(|of| of == "--site=astro") {
            true => SiteName::Astro,
            false => SiteName::Shell,
        };
        let site = kind(site);
        let explanation = explain(&saved.plan, site, &saved.history, &bug.violation);
        let page = page::run(&Run {
            target: &self.identity.target,
            site,
            plan: &saved.plan,
            seed: parse_seed(&bug.seed).unwrap_or_default(),
            verdict: &Verdict::Violated(bug.violation.clone()),
            history: &saved.history,
            settled: None,
            left_out: &[],
            origin: &format!("first shown by case {} of the soak", bug.case),
            replay: &self.replay(bug),
            others: &[],
            explanation: Some(&explanation),
        });
        let name = format!("{}.html", bug.id);
        outputs::write(&folder.join(&name), &page)?;
        Ok(Some(name))
    }
}

/// The command that runs a plan again on what was soaked, with the program as it was called.
pub fn replay(identity: &Identity, file: &Path, seed: &str) -> String {
    let program = std::env::args_os().next().unwrap_or("shakedown".into());
    let options = identity.options.iter();
    let options: String = options.map(|option| format!(" {option}")).collect();
    format!(
        "{} replay {} --target {}{options} --seed {seed}",
        program.display(),
        file.display(),
        identity.target,
    )
}
