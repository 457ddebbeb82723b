//! JUnit XML for CI. Of a campaign: a test case for each kept plan, one for the generated plans, and
//! one for each violation among them. Of checks that have names: one for each.

use std::io;

use quick_xml::events::{BytesDecl, BytesText, Event};
use quick_xml::writer::Writer;

use super::checks::{self, Checks};
use super::page::campaign::{Campaign, ViolationRow};
use crate::campaign::{CampaignEnd, Finished};
use crate::verdict::{NotAsked, Verdict};

/// A kept plan that was run again, as a test case.
#[derive(Clone, Debug)]
pub struct KeptCase {
    name: String,
    seconds: f64,
    result: CaseResult,
}

/// A test case's result, with a headline and the whole story.
#[derive(Clone, Debug)]
enum CaseResult {
    Passed,
    Failed {
        kind: String,
        message: String,
        text: String,
    },
    Error {
        text: String,
    },
}

impl KeptCase {
    /// The case of a plan that has run, if it is a kept one.
    pub fn of(finished: &Finished<'_>) -> Option<Self> {
        let path = finished.kept?;
        let result = match finished.verdict {
            Verdict::Held => CaseResult::Passed,
            Verdict::Violated(violation) => CaseResult::Failed {
                kind: format!("{} ({})", violation.rule, violation.kind),
                message: violation.observed.clone(),
                text: format!(
                    "seen {}\nexpected: {}\nobserved: {}\n\n{}",
                    violation.place(),
                    violation.expected,
                    violation.observed,
                    finished.plan
                ),
            },
            Verdict::Unknown { why } => CaseResult::Error { text: why.clone() },
        };
        Some(Self {
            name: path.display().to_string(),
            seconds: finished.took.as_secs_f64(),
            result,
        })
    }
}

/// One test case, ready to be written.
struct Case {
    class: String,
    name: String,
    seconds: f64,
    result: CaseResult,
}

/// The report of a campaign. Its kept plans are given apart, with their times.
pub fn junit(of: &Campaign, kept: &[KeptCase]) -> String {
    written(&Suite {
        title: &of.title,
        seconds: of.seconds,
        properties: properties([&of.target, &of.seed, &of.command], &of.not_asked),
        cases: cases(of, kept),
    })
}

/// The report of checks that have names.
pub fn junit_of_checks(of: &Checks) -> String {
    let case = |check: &checks::Check| {
        let text = format!(
            "{}\n\nrepeat it: {}",
            check.complaints.join("\n"),
            check.repeat
        );
        Case {
            class: format!("shakedown.{}.{}", of.target, of.kind),
            name: check.name.clone(),
            seconds: check.seconds,
            result: match check.result {
                checks::CheckResult::Passed => CaseResult::Passed,
                checks::CheckResult::Failed => CaseResult::Failed {
                    kind: of.kind.into(),
                    message: check.complaints.first().cloned().unwrap_or_default(),
                    text,
                },
                checks::CheckResult::Unknown => CaseResult::Error { text },
            },
        }
    };
    let mut cases: Vec<Case> = of.checks.iter().map(case).collect();
    if of.interrupted {
        cases.push(Case {
            class: format!("shakedown.{}.{}", of.target, of.kind),
            name: "those that had not run".into(),
            seconds: 0.0,
            result: CaseResult::Error {
                text: "interrupted before all had run".into(),
            },
        });
    }
    written(&Suite {
        title: &of.title,
        seconds: of.checks.iter().map(|check| check.seconds).sum(),
        properties: properties([&of.target, &of.seed, &of.command], &of.not_asked),
        cases,
    })
}

/// Test cases, and what they have in common.
struct Suite<'a> {
    title: &'a str,
    seconds: f64,
    properties: Vec<(&'static str, String)>,
    cases: Vec<Case>,
}

/// What a suite is of, and a property for each thing that was not asked.
fn properties<'a>(
    [target, seed, command]: [&String; 3],
    not_asked: impl IntoIterator<Item = &'a NotAsked>,
) -> Vec<(&'static str, String)> {
    let of = [("target", target), ("seed", seed), ("command", command)];
    let of = of.map(|(name, value)| (name, value.clone())).into_iter();
    let not_asked = not_asked.into_iter();
    of.chain(not_asked.map(|it| ("not-asked", it.to_string())))
        .collect()
}

fn written(of: &Suite<'_>) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    // Writing to memory does not fail.
    let written = write(&mut writer, of);
    debug_assert!(written.is_ok());
    let mut text = String::from_utf8_lossy(&writer.into_inner()).into_owned();
    text.push('\n');
    text
}

fn cases(of: &Campaign, kept: &[KeptCase]) -> Vec<Case> {
    let class = |what: &str| format!("shakedown.{}.{what}", of.target);
    let replayed = kept.iter().map(|case| Case {
        class: class("kept"),
        name: case.name.clone(),
        seconds: case.seconds,
        result: case.result.clone(),
    });
    let kept_seconds: f64 = kept.iter().map(|case| case.seconds).sum();
    let whole = Case {
        class: class("generated"),
        name: format!(
            "{} generated plans, seed {}",
            of.plans.saturating_sub(of.replayed),
            of.seed
        ),
        seconds: (of.seconds - kept_seconds).max(0.0),
        result: whole(of),
    };
    let found = of.violations.iter().filter(|row| !row.is_known);
    let found = found.map(|row| Case {
        class: class("violation"),
        name: format!("{} ({}): {}", row.rule, row.kind, row.file),
        seconds: 0.0,
        result: failed(row),
    });
    replayed.chain([whole]).chain(found).collect()
}

/// The result of the generated plans together: their violations are cases of their own.
fn whole(of: &Campaign) -> CaseResult {
    let unjudged: Vec<String> = of
        .unjudged
        .iter()
        .map(|row| format!("{} ({})", row.why, row.file))
        .collect();
    match of.ended {
        CampaignEnd::Interrupted => CaseResult::Error {
            text: "interrupted before all plans had run".into(),
        },
        CampaignEnd::GaveUp => CaseResult::Error {
            text: format!("the harness failed every time: {}", unjudged.join("; ")),
        },
        _ if !unjudged.is_empty() => CaseResult::Error {
            text: format!("not all could be judged: {}", unjudged.join("; ")),
        },
        _ => CaseResult::Passed,
    }
}

fn failed(row: &ViolationRow) -> CaseResult {
    CaseResult::Failed {
        kind: format!("{} ({})", row.rule, row.kind),
        message: row.observed.clone(),
        text: format!(
            "{}\n\nseen {}\nexpected: {}\nobserved: {}\n\n{}\n\nreplay it: {}\n\n{}",
            row.words, row.place, row.expected, row.observed, row.origin, row.replay, row.plan
        ),
    }
}

fn write(writer: &mut Writer<Vec<u8>>, of: &Suite<'_>) -> io::Result<()> {
    let cases = &of.cases;
    let count = |is: fn(&CaseResult) -> bool| cases.iter().filter(|c| is(&c.result)).count();
    let figures = [
        ("tests", cases.len().to_string()),
        (
            "failures",
            count(|r| matches!(r, CaseResult::Failed { .. })).to_string(),
        ),
        (
            "errors",
            count(|r| matches!(r, CaseResult::Error { .. })).to_string(),
        ),
        ("time", format!("{:.3}", of.seconds)),
    ];
    let figures = || figures.iter().map(|(name, value)| (*name, value.as_str()));
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let suites = writer.create_element("testsuites");
    let suites = suites.with_attribute(("name", "shakedown"));
    suites
        .with_attributes(figures())
        .write_inner_content(|writer| {
            let name = allowed(of.title);
            let suite = writer.create_element("testsuite");
            let suite = suite.with_attribute(("name", name.as_str()));
            suite
                .with_attributes(figures())
                .write_inner_content(|writer| {
                    write_properties(writer, &of.properties)?;
                    cases.iter().try_for_each(|case| write_case(writer, case))
                })?;
            Ok(())
        })?;
    Ok(())
}

fn write_properties(writer: &mut Writer<Vec<u8>>, all: &[(&str, String)]) -> io::Result<()> {
    let element = writer.create_element("properties");
    element.write_inner_content(|writer| {
        for (name, value) in all {
            let value = allowed(value);
            let property = writer.create_element("property");
            property
                .with_attributes([("name", *name), ("value", value.as_str())])
                .write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

fn write_case(writer: &mut Writer<Vec<u8>>, case: &Case) -> io::Result<()> {
    let (name, class) = (allowed(&case.name), allowed(&case.class));
    let seconds = format!("{:.3}", case.seconds);
    let element = writer.create_element("testcase").with_attributes([
        ("classname", class.as_str()),
        ("name", name.as_str()),
        ("time", seconds.as_str()),
    ]);
    let (tag, kind, message, text) = match &case.result {
        CaseResult::Passed => {
            element.write_empty()?;
            return Ok(());
        }
        CaseResult::Failed {
            kind,
            message,
            text,
        } => ("failure", kind.as_str(), message, text),
        CaseResult::Error { text } => ("error", "unknown", text, text),
    };
    let [kind, message, text] = [kind, message, text].map(allowed);
    element.write_inner_content(|writer| {
        writer
            .create_element(tag)
            .with_attributes([("type", kind.as_str()), ("message", message.as_str())])
            .write_text_content(BytesText::new(&text))?;
        Ok(())
    })?;
    Ok(())
}

/// The text without what XML 1.0 cannot hold, such as the escapes of a coloured log line.
fn allowed(text: &str) -> String {
    let is_allowed = |c: char| match c {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        _ => c >= ' ',
    };
    text.chars()
        .map(|c| if is_allowed(c) { c } else { '\u{fffd}' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::page::campaign::UnjudgedRow;

    fn campaign() -> Campaign {
        Campaign {
            title: "Campaign on sim".into(),
            target: "sim".into(),
            seed: "0x7".into(),
            plans: 12,
            replayed: 2,
            seconds: 2.5,
            ..Campaign::default()
        }
    }

    fn kept(name: &str, result: CaseResult) -> KeptCase {
        KeptCase {
            name: name.into(),
            seconds: 0.5,
            result,
        }
    }

    /// An element's name and attributes.
    type Element = (String, Vec<(String, String)>);

    /// Reads the XML: its elements, each with its attributes.
    fn read(xml: &str) -> Vec<Element> {
        let mut reader = quick_xml::Reader::from_str(xml);
        let mut elements = Vec::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Start(element) | Event::Empty(element) => {
                    let name = String::from_utf8_lossy(element.name().as_ref()).into_owned();
                    let attributes = element.attributes().map(|attribute| {
                        let attribute = attribute.unwrap();
                        let key = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
                        let value = String::from_utf8_lossy(&attribute.value).into_owned();
                        (
                            key,
                            quick_xml::escape::unescape(&value).unwrap().into_owned(),
                        )
                    });
                    elements.push((name, attributes.collect()));
                }
                Event::Eof => return elements,
                _ => {}
            }
        }
    }

    fn attribute<'a>(element: &'a Element, name: &str) -> &'a str {
        let found = element.1.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    #[test]
    fn a_case_for_each_kept_plan_one_for_the_rest_and_one_for_each_violation() {
        let mut of = campaign();
        let row = |is_known| ViolationRow {
            rule: "fresh".into(),
            kind: "stale".into(),
            file: "a.plan".into(),
            place: "while it recovered".into(),
            observed: "it <shows> \u{1b}[31mold\u{1b}[0m & \"others\"".into(),
            is_known,
            ..ViolationRow::default()
        };
        of.violations = vec![row(false), row(true)];
        let failed = CaseResult::Failed {
            kind: "fresh (stale)".into(),
            message: "old".into(),
            text: "expected: new\nobserved: old".into(),
        };
        let cases = [kept("a.plan", CaseResult::Passed), kept("b.plan", failed)];
        let xml = junit(&of, &cases);
        let elements = read(&xml);
        let all = |name: &str| {
            elements
                .iter()
                .filter(|(n, _)| n == name)
                .collect::<Vec<_>>()
        };
        let names: Vec<&str> = all("testcase")
            .iter()
            .map(|e| attribute(e, "name"))
            .collect();
        assert_eq!(
            names,
            [
                "a.plan",
                "b.plan",
                "10 generated plans, seed 0x7",
                "fresh (stale): a.plan"
            ],
            "a kept plan's violation is reported once"
        );
        let suite = all("testsuite")[0];
        assert_eq!(attribute(suite, "tests"), "4");
        assert_eq!(attribute(suite, "failures"), "2");
        assert_eq!(attribute(suite, "errors"), "0");
        assert_eq!(all("failure").len(), 2);
        assert!(xml.contains("seen while it recovered"), "{xml}");
        assert!(xml.contains("it &lt;shows&gt; \u{fffd}[31mold"), "{xml}");
    }

    #[test]
    fn what_could_not_be_judged_is_an_error_and_no_pass() {
        let mut of = campaign();
        let xml = junit(&of, &[]);
        assert!(
            xml.contains("errors=\"0\"") && !xml.contains("<error"),
            "{xml}"
        );
        of.unjudged.push(UnjudgedRow {
            why: "git is missing".into(),
            file: "a.plan".into(),
        });
        let cases = [kept(
            "k.plan",
            CaseResult::Error {
                text: "no ports".into(),
            },
        )];
        let xml = junit(&of, &cases);
        assert!(xml.contains("errors=\"2\""), "{xml}");
        assert!(
            xml.contains("not all could be judged: git is missing (a.plan)"),
            "{xml}"
        );
        of.ended = CampaignEnd::Interrupted;
        assert!(junit(&of, &[]).contains("interrupted before all plans had run"));
    }
}
