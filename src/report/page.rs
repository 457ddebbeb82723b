//! HTML pages that need nothing but themselves: the timeline of a run, a campaign, and checks
//! that have names.
//!
//! A page says in plain HTML what was found. What a script draws beside it is made in the browser, of data as JSON. It
//! asks for nothing from anywhere: what it may load is forbidden by its own policy. Text is escaped
//! here, and the script makes text nodes of its data, so that no log line can become part of the page.

mod bars;
pub mod campaign;
mod lanes;
mod plain;
pub mod run;
mod soak;

use std::io;
use std::path::Path;

use serde::Serialize;

use super::checks::Checks;
use crate::finding::Finding;
use crate::site::SiteKind;
use crate::verdict::Verdict;
use campaign::Campaign;
pub use plain::Made;
use run::Run;

/// The browsers that the pages are tested with, by the names of their programs.
pub(crate) const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

const BASE_STYLE: &str = include_str!("page/html/base.css");
const BASE_SCRIPT: &str = include_str!("page/html/base.js");
const RUN: Template = Template {
    style: include_str!("page/html/run.css"),
    body: include_str!("page/html/run.html"),
    scripts: &[
        include_str!("page/html/axis.js"),
        include_str!("page/html/timeline.js"),
        include_str!("page/html/run.js"),
    ],
};
const CAMPAIGN: Template = Template {
    style: include_str!("page/html/campaign.css"),
    body: include_str!("page/html/campaign.html"),
    scripts: &[include_str!("page/html/campaign.js")],
};

const CHECKS: Template = Template {
    style: include_str!("page/html/checks.css"),
    body: include_str!("page/html/checks.html"),
    scripts: &[],
};

/// What a kind of page is made of.
struct Template {
    style: &'static str,
    body: &'static str,
    scripts: &'static [&'static str],
}

/// The page of one run: its timeline, and the model against what was seen.
pub fn run(of: &Run<'_>) -> String {
    let verdict = match of.verdict {
        Verdict::Held => "held".to_owned(),
        Verdict::Violated(violation) => violation.rule.to_string(),
        Verdict::Unknown { .. } => "unknown".to_owned(),
    };
    let title = format!("{verdict} on {} - Shakedown", of.target);
    let data = run::Data::of(of);
    RUN.fill(&title, &data, &plain::run::parts(of, data.looks.last()))
}

/// The page of a finding: the timeline of the run that shows it.
pub fn finding(of: &Finding, site: SiteKind, replay: &str) -> String {
    run(&Run {
        target: &of.target,
        site,
        plan: &of.plan,
        seed: of.seed,
        verdict: &Verdict::Violated(of.violation.clone()),
        history: &of.history,
        settled: None,
        left_out: &[],
        origin: &of.provenance(),
        replay,
        finding: Some(of),
    })
}

/// The page of a campaign, a soak or a merge of shards.
pub fn campaign(of: &Campaign) -> String {
    let title = format!("{} - Shakedown", of.title);
    let charts = campaign::Charts::of(of);
    CAMPAIGN.fill(&title, &charts, &plain::campaign::parts(of))
}

/// The page of checks that have names.
pub fn checks(of: &Checks) -> String {
    let title = format!("{} - Shakedown", of.title);
    CHECKS.fill(&title, &(), &plain::checks::parts(of))
}

/// Writes a page, and makes its folder where it is missing.
///
/// # Errors
/// Where the folder cannot be made or the file not be written.
pub fn write(path: &Path, page: &str) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::create_dir_all(folder)?,
        _ => {}
    }
    std::fs::write(path, page)
}

impl Template {
    /// `parts` are HTML, by the name of their place in the body: `{{name}}`.
    fn fill(&self, title: &str, data: &impl Serialize, parts: &[(&str, String)]) -> String {
        let data = serde_json::to_string(data).expect("the data of a page have string keys only");
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>\n{BASE_STYLE}{}</style>\n\
             </head>\n<body>\n",
            escaped(title),
            self.style,
        );
        let (first, places) = self.body.split_once("{{").expect("a body has places");
        page.push_str(first);
        for place in places.split("{{") {
            let (name, rest) = place.split_once("}}").expect("a place ends");
            let part = parts.iter().find(|(of, _)| *of == name);
            let (_, part) = part.expect("each place has its part");
            page.push_str(part);
            page.push_str(rest);
        }
        page.push_str("<script type=\"application/json\" id=\"data\">");
        page.push_str(&inert(&data));
        page.push_str("</script>\n<script>\n\"use strict\";\n");
        page.push_str(BASE_SCRIPT);
        for script in self.scripts {
            page.push_str(script);
        }
        page.push_str("</script>\n</body>\n</html>\n");
        page
    }
}

/// JSON that ends no script element and begins no comment, whatever its strings hold.
fn inert(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out
}

/// Text as the content of an element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod browser;

#[cfg(test)]
mod tests;
