//! HTML pages that need nothing but themselves: the timeline of a run, a campaign, and checks
//! that have names.
//!
//! A page is data as JSON and a template that draws it in the browser. It asks for nothing from
//! anywhere: what it may load is forbidden by its own policy. The data are escaped here, once,
//! and the script makes text nodes of them, so that no log line can become part of the page.

mod bars;
pub mod campaign;
mod lanes;
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
use run::Run;

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
    scripts: &[include_str!("page/html/checks.js")],
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
    RUN.fill(&title, &run::Data::of(of))
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
    CAMPAIGN.fill(&format!("{} - Shakedown", of.title), of)
}

/// The page of checks that have names.
pub fn checks(of: &Checks) -> String {
    CHECKS.fill(&format!("{} - Shakedown", of.title), of)
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
    fn fill(&self, title: &str, data: &impl Serialize) -> String {
        let data = serde_json::to_string(data).expect("the data of a page have string keys only");
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>\n{BASE_STYLE}{}</style>\n\
             </head>\n<body>\n{}",
            escaped(title),
            self.style,
            self.body,
        );
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
