//! The pages of many runs: campaigns, soaks, shards together, scenarios.

use std::path::PathBuf;

use crate::report::page::campaign::Campaign;
use crate::report::{self, checks::Checks};
use crate::scenario::Scenario;
use crate::soak;
use serde_json::Value;

use super::chromium::{self, Page};
use super::{Folder, count, open, reopen, samples, text};

#[test]
fn the_page_of_a_campaign_shows_what_was_reached_and_found() {
    let Some(program) = chromium::program() else {
        return;
    };
    let folder = Folder::new();
    let scratch = tempfile::tempdir().unwrap();
    let (summary, html) = samples::campaign(scratch.path());
    assert!(!summary.found.is_empty());
    let file = folder.write("campaign.html", &html);
    let page = &mut open(&program, &file, 1440, true);
    reopen(page, &file, 1366, false);
    assert_eq!(text(page, ".badge"), "VIOLATED");
    assert_eq!(count(page, ".violation") as usize, summary.found.len());
    assert_eq!(
        count(page, ".violation a[href$='.html']") as usize,
        summary.found.len()
    );
    assert_eq!(
        count(page, ".violation .command") as usize,
        summary.found.len()
    );
    let missing = summary.totals.coverage.not_reached();
    assert_eq!(
        count(page, "#sometimes li.unreached") as usize,
        missing.len()
    );
    assert_eq!(count(page, "#sometimes li"), 27);
    assert_eq!(count(page, ".chart path.line"), 6);
    // A cell of the heat map says what was counted.
    let cells: Value = page.eval("[...document.querySelectorAll('#heat tbody tr')].find(r => r.cells[0].textContent === 'crash').innerText.split('\\t')");
    let crashes = &summary.totals.coverage.disturbed["crash"];
    assert_eq!(cells[11], crashes.idle.to_string(), "{cells}");
}

/// The titles of the charts, each with what it ends at.
fn charts(page: &mut Page) -> Vec<(String, String)> {
    let script = "[...document.querySelectorAll('.chart h2')].map(h => [h.firstChild.textContent, h.lastChild.textContent])";
    serde_json::from_value(page.eval(script)).unwrap()
}

#[test]
fn the_pages_of_soaks_show_memory_and_rates_over_time() {
    let Some(program) = chromium::program() else {
        return;
    };
    let folder = Folder::new();
    let scratch = tempfile::tempdir().unwrap();
    let shards = samples::shards(scratch.path());
    let mut of = Campaign::of_soak(&shards[0], "shakedown soak --resume");
    // What an hour counts, and a month.
    for row in &mut of.disturbances {
        row.made = row.made.map(|n| n * 1_000_000 + 123_456);
        row.hit = row.hit.map(|n| n * 10_000_000 + 123_456);
        row.phases.iter_mut().for_each(|n| *n *= 123_456);
    }
    let file = folder.write("soak.html", &report::page::campaign(&of));
    let page = &mut open(&program, &file, 1280, false);
    reopen(page, &file, 1440, true);
    let plans = shards[0].state.totals.cases;
    let reached = shards[0].state.totals.coverage.sometimes.len();
    let name = |(name, end): (&str, String)| (name.to_owned(), end);
    let last = charts(page);
    // The end of the soak, and not of its last sample.
    assert_eq!(last[0], name(("Plans", plans.to_string())));
    assert_eq!(last[3], name(("Memory in use", "60.0 MB".into())));
    assert_eq!(last[5], name(("Sometimes reached", reached.to_string())));
    let rates = [&last[1].0, &last[2].0];
    assert_eq!(
        rates,
        ["Plans a second", "Plans for each second of the processor"]
    );
    // The pointer shows what it was before.
    let at = "(b => [b.x + b.width / 2, b.y + b.height / 2])(document.querySelectorAll('.chart svg')[3].getBoundingClientRect())";
    page.eval("document.querySelectorAll('.chart svg')[3].scrollIntoView()");
    let at = page.eval(at);
    page.point(at[0].as_f64().unwrap(), at[1].as_f64().unwrap());
    let shown = charts(page)[3].1.clone();
    assert!(shown.starts_with("50.0 MB at "), "{shown}");

    let folders: Vec<PathBuf> = (0..2)
        .map(|index| scratch.path().join(format!("shard-{index}")))
        .collect();
    let mut merged = soak::merge(&folders).unwrap();
    for (part, ended) in merged.parts.iter_mut().zip(&shards) {
        part.samples = ended.state.samples.clone();
        part.worked_ms = ended.state.worked_ms;
        part.cpu_ms = ended.state.cpu_ms;
    }
    let of = Campaign::of_merged(&merged, "shakedown merge FOLDER");
    let file = folder.write("merge.html", &report::page::campaign(&of));
    let page = &mut open(&program, &file, 1280, false);
    assert_eq!(text(page, "h1"), "Soak of 4 shards on sim, 2 missing");
    let last = charts(page);
    let plans: u64 = shards.iter().map(|shard| shard.state.totals.cases).sum();
    assert_eq!(last[0], name(("Plans", plans.to_string())));
    assert_eq!(
        last[3],
        name(("Memory of the largest shard", "90.0 MB".into()))
    );
}

#[test]
fn the_page_of_scenarios_shows_which_failed_and_why() {
    let Some(program) = chromium::program() else {
        return;
    };
    let folder = Folder::new();
    let checks = Scenario::all().iter().map(|scenario| {
        let ended = samples::scenario(scenario);
        let page = format!("{}.html", scenario.name);
        report::scenario_check(&ended, "shakedown scenario NAME", 1.5, Some(page))
    });
    let of = Checks {
        title: "Scenarios on sim".into(),
        kind: "scenario",
        target: "sim".into(),
        seed: "0x1".into(),
        command: "shakedown scenario all --defect force-push".into(),
        not_asked: [].into(),
        interrupted: false,
        checks: checks.collect(),
    };
    let file = folder.write("scenarios.html", &report::page::checks(&of));
    let page = &mut open(&program, &file, 1280, false);
    reopen(page, &file, 1440, true);
    assert_eq!(text(page, ".badge"), "FAILED");
    assert_eq!(count(page, ".check"), 13);
    assert_eq!(count(page, ".check.passed"), 12);
    assert_eq!(count(page, ".check a[href='push-conflict.html']"), 1);
    let shown = text(page, ".check.failed li");
    assert!(
        shown.contains("broke the rule commits-preserved"),
        "{shown}"
    );
    // Those that passed need no command.
    assert_eq!(count(page, ".check .command"), 1);
}
