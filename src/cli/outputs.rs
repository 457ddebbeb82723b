//! Where commands report: the terminal, pages, JSON lines, JUnit XML.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::SiteName;
use super::dispatch::Exit;
use crate::campaign::{Finished, Summary};
use crate::finding::Finding;
use crate::repeat::{Repeat, Setup};
use crate::report::checks::Checks;
use crate::report::junit::{KeptCase, junit, junit_of_checks};
use crate::report::lines;
use crate::report::page::campaign::{Campaign, ViolationRow};
use crate::report::page::run::Run;
use crate::report::{Style, page};
use crate::site::SiteKind;
use crate::verdict::Demand;

/// For commands that report many runs.
#[derive(Clone, Debug, Default, Args)]
pub struct OutputArgs {
    /// Write the page of all there: a file that ends in .html, or a folder; the timelines of single
    /// runs go beside it
    #[arg(long, value_name = "PATH")]
    pub html: Option<PathBuf>,
    /// Write a JUnit report there, for CI
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print JSON lines, one for each thing that is reported and a summary; what people read goes to
    /// standard error
    #[arg(long)]
    pub json: bool,
}

/// For commands that report one run.
#[derive(Clone, Debug, Default, Args)]
pub struct RunOutputArgs {
    /// Write the page of the run there, with its timeline
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Print a JSON line; what people read goes to standard error
    #[arg(long)]
    pub json: bool,
}

/// Checks that no two of these are one file: what is read, and what is written by which option.
///
/// # Errors
/// Where two are; says which.
pub fn distinct(read: &[&Path], written: &[(&str, Option<&Path>)]) -> Result<(), Exit> {
    let is_file = |path: &&Path| path.metadata().map_or(true, |of| of.is_file());
    let place = |path: &Path| {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok();
        let own = path.canonicalize().ok();
        own.or_else(|| Some(folder?.join(path.file_name()?)))
            .unwrap_or_else(|| path.to_owned())
    };
    let read = read.iter().map(|path| ("what is read", *path));
    let written = written
        .iter()
        .filter_map(|(option, path)| Some((*option, (*path)?)));
    let mut known: Vec<(&str, PathBuf)> = Vec::new();
    for (what, path) in read.chain(written).filter(|(_, path)| is_file(path)) {
        let path = place(path);
        let same = known
            .iter()
            .find(|(other, of)| *of == path && (*other, what) != ("what is read", "what is read"));
        if let Some((other, _)) = same {
            eprintln!(
                "{other} and {what} are one file, {}; name another for one of them",
                path.display()
            );
            return Err(Exit::Usage);
        }
        known.push((what, path));
    }
    Ok(())
}

impl RunOutputArgs {
    /// How text for people is styled.
    pub fn style(&self) -> Style {
        style(self.json)
    }

    /// Prints text for people.
    pub fn print(&self, text: &str) {
        print(text, self.json);
    }

    /// Writes the run's page, where it is asked for.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, run: &Run<'_>) -> Result<(), WriteError> {
        match &self.html {
            Some(path) => write(path, &page::run(run)),
            None => Ok(()),
        }
    }
}

impl OutputArgs {
    /// How text for people is styled.
    pub fn style(&self) -> Style {
        style(self.json)
    }

    /// Prints text for people.
    pub fn print(&self, text: &str) {
        print(text, self.json);
    }

    /// The page of all, where one is asked for.
    pub fn index_page(&self) -> Option<PathBuf> {
        let path = self.html.as_ref()?;
        let is_page = path.extension().is_some_and(|e| e == "html" || e == "htm");
        Some(match is_page {
            true => path.clone(),
            false => path.join("index.html"),
        })
    }

    /// Checks that what is read, and what is written, here and by these other options, are different files.
    ///
    /// # Errors
    /// Where two are one; says which.
    pub fn distinct(&self, read: &[&Path], more: &[(&str, Option<&Path>)]) -> Result<(), Exit> {
        let page = self.index_page();
        let own = [
            ("--html", page.as_deref()),
            ("--junit", self.junit.as_deref()),
        ];
        distinct(read, &[&own, more].concat())
    }

    /// Writes the page of one run beside that of all, where that is asked for, and returns the link
    /// to it.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write_run(&self, name: &str, run: &Run<'_>) -> Result<Option<String>, WriteError> {
        let Some(index) = self.index_page() else {
            return Ok(None);
        };
        let file = format!("{name}.html");
        write(&index.with_file_name(&file), &page::run(run))?;
        Ok(Some(file))
    }

    /// Writes what was asked for of a campaign, and says where it is.
    ///
    /// # Errors
    /// Where something cannot be written.
    pub fn write_campaign(&self, of: &Campaign, kept: &[KeptCase]) -> Result<(), WriteError> {
        if let Some(path) = self.index_page() {
            write(&path, &page::campaign(of))?;
            self.print(&format!("page: {}\n", path.display()));
        }
        if let Some(path) = &self.junit {
            write(path, &junit(of, kept))?;
        }
        if self.json {
            crate::cli::dispatch::print_data(&lines::summary(of));
        }
        Ok(())
    }

    /// Writes what was asked for of checks, and says where it is.
    ///
    /// # Errors
    /// Where something cannot be written.
    pub fn write_checks(&self, of: &Checks) -> Result<(), WriteError> {
        if let Some(path) = self.index_page() {
            write(&path, &page::checks(of))?;
            self.print(&format!("page: {}\n", path.display()));
        }
        if let Some(path) = &self.junit {
            write(path, &junit_of_checks(of))?;
        }
        if self.json {
            crate::cli::dispatch::print_data(&of.lines());
        }
        Ok(())
    }
}

fn style(json: bool) -> Style {
    match json {
        true => Style::of_stderr(),
        false => Style::of_stdout(),
    }
}

fn print(text: &str, json: bool) {
    if json {
        crate::terminal::print_aside(text);
    } else {
        crate::cli::dispatch::print(text);
    }
}

/// Follows a campaign, and writes what was asked for when it has ended.
pub struct Outputs<'a> {
    args: &'a OutputArgs,
    site: SiteKind,
    setup: Setup,
    /// What runs all of it again.
    command: String,
    kept: Vec<KeptCase>,
    /// Whether each finding is looked for alone, for its plan may show others first.
    pub looks_for_each: bool,
}

/// What could not be written.
#[derive(Debug, thiserror::Error)]
#[error("while writing {}: {why}; name a place that can be written", path.display())]
pub struct WriteError {
    path: PathBuf,
    why: io::Error,
}

impl<'a> Outputs<'a> {
    pub fn new(args: &'a OutputArgs, site: SiteKind, setup: Setup, command: &str) -> Self {
        Self {
            args,
            site,
            setup,
            command: command.to_owned(),
            kept: Vec::new(),
            looks_for_each: false,
        }
    }

    /// Takes note of a plan that has run.
    pub fn see(&mut self, finished: &Finished<'_>) {
        if self.args.json {
            crate::cli::dispatch::print_data(&lines::plan(&self.setup.target, finished));
        }
        self.kept.extend(KeptCase::of(finished));
    }

    /// Where the history of a found plan's run is written.
    pub fn history_of(found: &Finding, out: &Path) -> PathBuf {
        let name = found.file.file_name().unwrap_or_default();
        out.join(name).with_extension("jsonl")
    }

    /// Writes the history of each violation into the campaign's folder and its page, and returns
    /// where the pages are: beside the campaign's page, or in that folder too.
    ///
    /// # Errors
    /// Where one cannot be written.
    pub fn run_pages(&self, summary: &Summary, out: &Path) -> Result<Vec<PathBuf>, WriteError> {
        let campaign = self.args.index_page();
        let folder = match &campaign {
            Some(page) => page.parent().unwrap_or(Path::new("")),
            None => out,
        };
        summary
            .found
            .iter()
            .map(|found| {
                let unnamed = format!("{}.plan", found.id);
                let name = found.file.file_name().unwrap_or(unnamed.as_ref());
                let path = folder.join(name).with_extension("html");
                let history = Self::history_of(found, out);
                let written =
                    std::fs::create_dir_all(out).and_then(|()| found.history.write_file(&history));
                written.map_err(|why| WriteError { path: history, why })?;
                write(&path, &page::finding(found, self.site, &self.replay(found)))?;
                Ok(path)
            })
            .collect()
    }

    /// Writes what was asked for of the whole campaign, and says where it is.
    ///
    /// # Errors
    /// Where something cannot be written.
    pub fn finish(
        &self,
        summary: &Summary,
        command: &str,
        pages: &[PathBuf],
    ) -> Result<(), WriteError> {
        let args = self.args;
        let mut campaign = Campaign::of(summary, command);
        let row = |(found, page): (&Finding, &PathBuf)| {
            let link = page.file_name().map(|name| name.to_string_lossy().into());
            ViolationRow::of(found, &self.replay(found), link)
        };
        campaign.violations = summary.found.iter().zip(pages).map(row).collect();
        args.write_campaign(&campaign, &self.kept)
    }

    /// The command that runs a found plan again.
    pub fn replay(&self, found: &Finding) -> String {
        if found.file.as_os_str().is_empty() {
            return self.command.clone();
        }
        let mut setup = self.setup.clone();
        if self.looks_for_each {
            setup.known = None;
            setup.only = Some(Demand::of(&found.violation).to_string());
        }
        Repeat::replay(&setup, &found.file, found.seed).as_called()
    }
}

/// The kind of site, as judgement knows it.
pub fn kind(site: SiteName) -> SiteKind {
    match site {
        SiteName::Shell => SiteKind::Shell,
        SiteName::Astro => SiteKind::Astro,
    }
}

/// The name of a kind of site on the command line.
pub fn name(site: SiteKind) -> SiteName {
    match site {
        // What the command line cannot ask for is of the same sources.
        SiteKind::Shell | SiteKind::Leaflet => SiteName::Shell,
        SiteKind::Astro => SiteName::Astro,
    }
}

/// Writes a file, and makes its folder where it is missing.
///
/// # Errors
/// Where that fails.
pub fn write(path: &Path, text: &str) -> Result<(), WriteError> {
    page::write(path, text).map_err(|why| WriteError {
        path: path.to_owned(),
        why,
    })
}
