//! What `shakedown run --target aws` does: it asks every guard, and shows what a run would touch.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use crate::cli::dispatch::{Exit, print};
use crate::plan::FaultKind;
use crate::profile::{Deployed, Profile};
use crate::report::Style;
use crate::target::aws::{DryRun, dry_run, way};

/// Runs the command.
pub fn run(profile: Option<&Path>) -> Exit {
    let Some(path) = profile else {
        eprintln!("--target aws needs the profile of the deployed system: add --profile FILE");
        return Exit::Usage;
    };
    let profile = match Profile::read(path) {
        Ok(profile) => Arc::new(profile),
        Err(error) => {
            eprintln!("{error}");
            return Exit::Usage;
        }
    };
    let Some(deployed) = &profile.deployed else {
        eprintln!(
            "{}: there is no section [aws]: it says which account may be tested (docs/real-accounts.md)",
            path.display()
        );
        return Exit::Usage;
    };
    match dry_run(&profile, deployed) {
        Ok(found) => {
            print(&report(&found, deployed, Style::of_stdout()));
            match found.is_allowed() {
                true => Exit::Held,
                false => Exit::Unknown,
            }
        }
        Err(error) => {
            eprintln!("{error}");
            Exit::Unknown
        }
    }
}

fn report(of: &DryRun, deployed: &Deployed, style: Style) -> String {
    let mut text = String::from("Guards\n");
    for guard in &of.guards {
        let line = match &guard.found {
            Ok(found) => format!("ok       {}: {found}", guard.about),
            Err(why) => style.odd(&format!("refused  {}: {why}", guard.about)),
        };
        style.paragraph(&mut text, "  ", &line);
    }
    if of.is_allowed() {
        text.push_str("\nWhat a run would touch\n");
        for touched in &of.touched {
            let line = format!("{}: {}", touched.resource, touched.how);
            style.paragraph(&mut text, "  ", &line);
        }
        let _ = writeln!(text, "\nFaults, for {} alone", deployed.role);
        for fault in FaultKind::ALL {
            let line = match way(fault) {
                Ok(how) => format!("{}: {how}", fault.name()),
                Err(why) => format!("{}: left out: {why}", fault.name()),
            };
            style.paragraph(&mut text, "  ", &line);
        }
    }
    let verdict = match of.is_allowed() {
        true => "Every guard lets a run begin.",
        false => "No run may begin.",
    };
    let _ = writeln!(
        text,
        "\n{verdict} This was a dry run: {} requests were made, all of which only read.",
        of.requests
    );
    text
}
