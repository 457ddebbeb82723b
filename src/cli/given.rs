//! A plan that is run again: from its file, or from a history, with all that is known of its run.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use clap::ValueEnum as _;

use super::outputs::name;
use super::target::TIME_SCALES;
use super::{TargetArgs, TargetName};
use crate::cli::dispatch::Exit;
use crate::history::Header;
use crate::plan::Plan;
use crate::profile::Profile;
use crate::regression;
use crate::report::saved;
use crate::site::SiteKind;

/// A plan to run again, and what it runs on.
pub struct Given {
    pub plan: Plan,
    pub seed: Option<u64>,
    pub name: TargetName,
    pub target: TargetArgs,
    pub defect: Option<String>,
}

/// Reads a plan or a history. What the command line says comes before what the file says.
///
/// # Errors
/// Where that fails, which is printed.
pub fn read(
    file: &Path,
    args: &TargetArgs,
    seed: Option<u64>,
    defect: Option<&str>,
) -> Result<Given, Exit> {
    let usage = |error: &dyn std::fmt::Display| {
        eprintln!("{error}");
        Exit::Usage
    };
    let (plan, of_file, of_run) = if is_history(file) {
        let saved = saved::read(file).map_err(|error| usage(&error))?;
        let header = saved.header.clone();
        (
            saved.header.plan,
            (Some(header.seed), Some(header.target.clone())),
            Some(header),
        )
    } else {
        let kept = regression::read(file).map_err(|error| usage(&error))?;
        (kept.plan, (kept.seed, kept.target), None)
    };
    let (of_file_seed, found_on) = of_file;
    let name = TargetName::choose(args.asked(), found_on.as_deref(), file)?;
    let mut given = Given {
        plan,
        seed: seed.or(of_file_seed),
        name,
        target: args.clone(),
        defect: defect.map(str::to_owned),
    };
    if let Some(header) = of_run {
        given.take_options(&header).map_err(|why| {
            eprintln!("{}: {why}", file.display());
            Exit::Usage
        })?;
    }
    Ok(given)
}

impl Given {
    /// Takes the options of a run that the command line does not name.
    fn take_options(&mut self, header: &Header) -> Result<(), String> {
        let odd = header
            .time_scale
            .filter(|scale| !TIME_SCALES.contains(scale));
        if let Some(scale) = odd.filter(|_| self.target.time_scale.is_none()) {
            return Err(format!(
                "it ran with the time scale {scale}, which cannot be asked for; name another with \
                 --time-scale"
            ));
        }
        let target = &mut self.target;
        let profile = header.profile.read()?;
        if target.profile.is_none() && profile != Profile::reference() {
            target.recorded = Some(profile);
        }
        // Another target has other ones.
        if TargetName::from_str(&header.target, false) == Ok(self.name) {
            target.site = target.site.or(SiteKind::by_name(&header.site).map(name));
            target.time_scale = target.time_scale.or(header.time_scale);
        }
        self.defect = self.defect.take().or_else(|| header.defect.clone());
        Ok(())
    }
}

/// A history is JSON, which no plan is.
fn is_history(file: &Path) -> bool {
    // As much as what comes before it can have.
    let mut begins = Vec::new();
    let read = File::open(file).and_then(|file| file.take(4096).read_to_end(&mut begins));
    let is_json = read.is_ok() && begins.trim_ascii_start().starts_with(b"{");
    is_json || file.extension().is_some_and(|of| of == "jsonl")
}
