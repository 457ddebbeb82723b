//! What stays of a plan that did not hold: the plan, its history, and its smallest form.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::case::Case;
use super::{Campaign, CampaignError};
use crate::durable;
use crate::finding::{Finding, shrink_budget};
use crate::history::History;
use crate::progress::Progress;
use crate::regression::{self, Seed};
use crate::shrink::{self, Budget};
use crate::target::{Heeding, Target};
use crate::verdict::{Demand, Heeded};

impl Campaign<'_> {
    /// Makes the plan of each new failure as small as it can be, and keeps it.
    pub(super) fn shrink_and_keep(
        &mut self,
        target: &(dyn Target + Sync),
    ) -> Result<(), CampaignError> {
        let heeded = &target.profile().heeded;
        let grows = self.known.is_some();
        // What else its plan breaks is another finding.
        let own = |found: &Finding| match grows {
            true => Heeding::new(target, &Heeded::Only(Demand::of(&found.violation))),
            false => Heeding::new(target, heeded),
        };
        let (known, new): (Vec<_>, Vec<_>) = self
            .summary
            .found
            .iter_mut()
            .partition(|found| found.is_known());
        for found in known {
            let own = own(found);
            found.explain_on(&own);
        }
        // Where runs are slow, several are shrunk side by side, so that the campaign ends near its time.
        let jobs = match target.is_deterministic() {
            true => 1,
            false => self.config.jobs.clamp(1, new.len().max(1)),
        };
        let budget = match grows {
            true => shared(shrink_budget(target), self.summary.took, new.len(), jobs),
            false => shrink_budget(target),
        };
        let shrink = |found: &mut Finding, at: &dyn Fn(shrink::Progress)| {
            let own = own(found);
            *found = found.shrunk(&own, &budget, &mut |progress| at(progress));
            found.explain_on(&own);
        };
        let most = u64::from(budget.runs);
        if jobs == 1 {
            for found in new {
                let title = format!("shrinking {}", found.violation.rule);
                let progress = RefCell::new(Progress::begin(self.config.quiet, &title, most));
                shrink(found, &|at| {
                    let steps = format!("{} steps", at.steps);
                    progress.borrow_mut().at(u64::from(at.runs), most, &steps);
                });
                progress.into_inner().end();
            }
        } else {
            let (total, done) = (new.len() as u64, AtomicU64::new(0));
            let progress = Mutex::new(Progress::begin(self.config.quiet, "shrinking", total));
            let left = Mutex::new(new.into_iter());
            let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
            let work = || {
                while let Some(found) = next() {
                    let rule = found.violation.rule;
                    shrink(found, &|at| {
                        let what = format!("{rule}: {} runs, {} steps", at.runs, at.steps);
                        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
                        progress.at(done.load(Ordering::Relaxed), total, &what);
                    });
                    done.fetch_add(1, Ordering::Relaxed);
                }
            };
            std::thread::scope(|scope| {
                for _ in 1..jobs {
                    // Without another thread this one does it all.
                    let _ = std::thread::Builder::new().spawn_scoped(scope, work);
                }
                work();
            });
            progress
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner)
                .end();
        }
        for found in self
            .summary
            .found
            .iter_mut()
            .filter(|found| !found.is_known())
        {
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

/// The share of each finding, of so many that are shrunk `jobs` at a time: all of them together take at
/// most half as long as finding them did, or as one alone.
fn shared(alone: Budget, took: Duration, findings: usize, jobs: usize) -> Budget {
    let all = (took / 2).max(alone.time);
    let turns = findings.div_ceil(jobs.max(1)).max(1);
    Budget {
        time: alone
            .time
            .min(all / u32::try_from(turns).unwrap_or(u32::MAX)),
        ..alone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_share_half_of_the_time_that_they_took_to_find() {
        let alone = Budget {
            runs: 40,
            time: Duration::from_secs(120),
        };
        let each = |took: u64, findings, jobs| {
            shared(alone, Duration::from_secs(took), findings, jobs)
                .time
                .as_secs()
        };
        assert_eq!(each(60, 1, 2), 120);
        assert_eq!(each(60, 2, 2), 120);
        assert_eq!(each(60, 12, 2), 20);
        assert_eq!(each(3_600, 12, 2), 120);
        assert_eq!(each(1_200, 20, 2), 60);
        assert_eq!(each(0, 0, 0), 120);
    }
}
