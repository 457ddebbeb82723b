//! Checks that have names, each with its result.

use super::super::escaped;
use super::{command, headline, not_asked, seconds};
use crate::report::checks::{Check, CheckResult, Checks};

pub fn parts(of: &Checks) -> [(&'static str, String); 2] {
    let checks: String = of.checks.iter().map(check).collect();
    [
        ("head", head(of)),
        ("checks", format!("{checks}{}", not_asked(&of.not_asked))),
    ]
}

fn words(of: CheckResult) -> (&'static str, &'static str, &'static str) {
    match of {
        CheckResult::Passed => ("good", "PASSED", "passed"),
        CheckResult::Failed => ("bad", "FAILED", "failed"),
        CheckResult::Unknown => ("odd", "UNKNOWN", "unknown"),
    }
}

fn head(of: &Checks) -> String {
    let count = |result| of.count(result);
    let result = match () {
        () if count(CheckResult::Failed) > 0 => CheckResult::Failed,
        () if count(CheckResult::Unknown) > 0 || of.interrupted => CheckResult::Unknown,
        () => CheckResult::Passed,
    };
    let all = [
        CheckResult::Passed,
        CheckResult::Failed,
        CheckResult::Unknown,
    ];
    let mut facts: Vec<String> = all
        .into_iter()
        .filter(|result| count(*result) > 0)
        .map(|result| format!("{} {}", count(result), words(result).2))
        .collect();
    if of.interrupted {
        facts.push("interrupted before all had run".into());
    }
    facts.push(format!("run seed {}", of.seed));
    let (tone, verdict, _) = words(result);
    format!(
        "{}{}",
        headline(tone, verdict, &of.title, &facts),
        command(&of.command)
    )
}

fn check(of: &Check) -> String {
    let (tone, verdict, class) = words(of.result);
    let links: String = of
        .runs
        .iter()
        .filter_map(|run| {
            let page = run.page.as_ref()?;
            Some(format!(
                "<a href=\"{}\">timeline on {}</a>",
                escaped(page).replace('"', "&quot;"),
                run.target
            ))
        })
        .collect();
    let mut facts = vec![of.facts.clone(), seconds(of.seconds)];
    facts.retain(|fact| !fact.is_empty());
    let complaints = of
        .complaints
        .iter()
        .map(|text| format!("<li>{}</li>", escaped(text)));
    let complaints: String = complaints.collect();
    let complaints = match complaints.is_empty() {
        true => complaints,
        false => format!("<ul>{complaints}</ul>"),
    };
    let repeat = match of.result {
        CheckResult::Passed => String::new(),
        CheckResult::Failed | CheckResult::Unknown => command(&of.repeat),
    };
    format!(
        "<article class=\"panel check {class}\" id=\"{name}\"><div class=\"first\">\
         <span class=\"badge {tone}\">{verdict}</span><b>{name}</b><span>{}</span>{links}\
         <span class=\"muted facts\">{}</span></div>{complaints}{repeat}</article>",
        escaped(&of.title),
        escaped(&facts.join(" · ")),
        name = escaped(&of.name).replace('"', "&quot;"),
    )
}
