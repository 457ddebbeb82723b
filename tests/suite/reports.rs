//! What commands write, from outside: pages, JSON lines, JUnit XML.

use std::path::Path;
use std::process::Output;

use crate::program::{check, run as shakedown};
use serde_json::Value;

fn stdout(out: &Output) -> String {
    String::from_utf8(out.stdout.clone()).unwrap()
}

/// The data that a page carries.
fn data(page: &Path) -> Value {
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("id=\"data\">").expect("a page has data");
    let (json, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(json).unwrap()
}

fn read(page: &Path) -> String {
    std::fs::read_to_string(page).unwrap()
}

/// The pages of runs that a page links to.
fn linked(page: &str) -> Vec<&str> {
    let after = page.split("href=\"").skip(1);
    after
        .filter_map(|rest| Some(rest.split_once('"')?.0))
        .filter(|link| link.ends_with(".html"))
        .collect()
}

const DEFECT: [&str; 8] = [
    "run",
    "--target",
    "sim",
    "--seed",
    "1",
    "--defect",
    "force-push",
    "--quiet",
];

#[test]
fn a_violation_is_reported_to_people_machines_and_ci() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut args = DEFECT.to_vec();
    args.extend(["--json", "--html", "pages", "--junit", "ci/junit.xml"]);
    let out = shakedown(folder.path(), &args);
    check(&out, 1, &["VIOLATED commits-preserved"]);
    // Standard output is lines of JSON and nothing else.
    let lines: Vec<Value> = stdout(&out)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (summary, plans) = lines.split_last().unwrap();
    assert!(
        plans
            .iter()
            .all(|line| line["type"] == "plan" && line["version"] == 2)
    );
    let numbers: Vec<u64> = plans
        .iter()
        .map(|line| line["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=plans.len() as u64).collect::<Vec<_>>());
    let violated = plans.last().unwrap();
    assert_eq!(violated["verdict"], "violated");
    assert_eq!(violated["rule"], "commits-preserved");
    let plan = violated["plan"].as_str().unwrap();
    assert!(plan.starts_with("# shakedown plan v1\n"), "{plan}");
    assert!(at(violated["file"].as_str().unwrap()).exists());
    assert_eq!(summary["type"], "summary");
    assert_eq!(summary["plans"], plans.len());
    assert_eq!(
        (&summary["violated"], &summary["ended"]),
        (&1.into(), &"at-violation".into())
    );
    // The campaign's page links to the violation's, which shows the smallest plan.
    let campaign = read(&at("pages/index.html"));
    let run = data(&at("pages").join(linked(&campaign)[0]));
    assert_eq!(run["verdict"], "violated");
    let plan = run["plan"].as_str().unwrap();
    assert!(campaign.contains(plan), "{plan} in {campaign}");
    // It says why, too: the smallest plan needs at least one of its steps.
    let steps = run["explanation"]["steps"].as_array().unwrap();
    let needed = |step: &&Value| step["without"]["outcome"]["outcome"] == "holds";
    assert!(steps.iter().any(|step| needed(&step)), "{steps:#?}");
    assert!(
        data(&at("pages/index.html"))["samples"]
            .as_array()
            .is_some_and(|samples| !samples.is_empty())
    );
    let junit = std::fs::read_to_string(at("ci/junit.xml")).unwrap();
    assert!(junit.contains("failures=\"1\""), "{junit}");
    assert!(
        junit.contains("<failure type=\"commits-preserved ("),
        "{junit}"
    );
    // The command that is printed shows it again.
    let mut commands = campaign.split("<code>").skip(1);
    let replay = commands.find(|rest| rest.contains(" replay ")).unwrap();
    let (replay, _) = replay.split_once("</code>").unwrap();
    let words: Vec<&str> = replay.split(' ').skip(1).collect();
    let again = shakedown(folder.path(), &words);
    check(&again, 1, &["VIOLATED commits-preserved"]);
}

#[test]
fn every_report_says_alike_when_a_violation_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    let plan = "# shakedown plan v1\nsession acme/home\ninstruct acme/home break-build\n";
    std::fs::write(folder.path().join("k.plan"), plan).unwrap();
    let defect = "--target sim --seed 1 --defect deploys-failed-build --quiet --json";
    let run = |command: &str| {
        let args = format!("{command} {defect}");
        let out = shakedown(folder.path(), &args.split(' ').collect::<Vec<_>>());
        // The build's first object goes up once all has been healed: no fault had begun.
        let parts = ["on sim, while it recovered, ", "Seen while it recovered. "];
        check(&out, 1, &parts);
        let first = stdout(&out).lines().next().unwrap().to_owned();
        serde_json::from_str::<Value>(&first).unwrap()
    };
    let first = run("replay k.plan");
    assert_eq!(
        (&first["step"], &first["after_recovery"]),
        (&Value::Null, &false.into())
    );
    // A generated plan comes to the same when it is shrunk.
    run("run --html pages --junit junit.xml");
    let campaign = read(&folder.path().join("pages/index.html"));
    let page = folder.path().join("pages").join(linked(&campaign)[0]);
    for page in [&campaign, &read(&page)] {
        assert!(page.contains("while it recovered"), "{page}");
    }
    let run = data(&page);
    let last = run["events"].as_array().unwrap().len() - 1;
    assert_eq!(run["violating"], last);
    assert_eq!(run["explanation"]["decisive"], serde_json::json!([last]));
    let junit = std::fs::read_to_string(folder.path().join("junit.xml")).unwrap();
    assert!(junit.contains("seen while it recovered\n"), "{junit}");
}

#[test]
fn the_page_of_a_violation_is_written_unasked_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = shakedown(folder.path(), &DEFECT);
    let text = stdout(&out);
    let line = text.lines().find_map(|line| line.strip_prefix("Timeline "));
    let page = folder
        .path()
        .join(line.unwrap_or_else(|| panic!("no page in {text}")));
    assert!(page.starts_with(folder.path().join("shakedown-out")));
    assert_eq!(data(&page)["rule"], "commits-preserved");
    // The first plan's history was kept beside it; its page can be made later.
    let found = std::fs::read_dir(folder.path().join("shakedown-out")).unwrap();
    let mut found = found.map(|entry| entry.unwrap().path());
    let history = found
        .find(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .unwrap();
    let out = shakedown(
        folder.path(),
        &["report", history.to_str().unwrap(), "--html", "later.html"],
    );
    check(&out, 1, &["VIOLATED commits-preserved"]);
    let later = data(&folder.path().join("later.html"));
    assert_eq!(later["rule"], "commits-preserved");
    assert!(later["steps"].as_array().unwrap().len() >= 2);
}

#[test]
fn a_held_plan_has_a_page_too_and_ci_passes() {
    let folder = tempfile::tempdir().unwrap();
    let plan = "# shakedown plan v1\nsession acme/home\ninstruct acme/home change\ncrash acme\n";
    std::fs::create_dir(folder.path().join("proptest-regressions")).unwrap();
    let kept = "proptest-regressions/kept.plan";
    std::fs::write(folder.path().join(kept), plan).unwrap();
    let out = shakedown(
        folder.path(),
        &[
            "replay",
            kept,
            "--html",
            "held.html",
            "--history",
            "held.jsonl",
        ],
    );
    check(&out, 0, &[]);
    assert_eq!(data(&folder.path().join("held.html"))["verdict"], "held");
    let out = shakedown(folder.path(), &["report", "held.jsonl"]);
    check(&out, 0, &[]);
    let args = [
        "run",
        "--target",
        "sim",
        "--cases",
        "5",
        "--seed",
        "2",
        "--quiet",
        "--json",
        "--junit",
        "junit.xml",
        "--html",
        "c.html",
    ];
    let out = shakedown(folder.path(), &args);
    check(&out, 0, &[]);
    let text = stdout(&out);
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["kept"], kept);
    assert_eq!(
        text.lines().count(),
        7,
        "the kept plan, five others, the summary"
    );
    let junit = std::fs::read_to_string(folder.path().join("junit.xml")).unwrap();
    assert!(
        junit.contains("tests=\"2\" failures=\"0\" errors=\"0\""),
        "{junit}"
    );
    assert!(junit.contains(&format!("name=\"{kept}\"")), "{junit}");
    let page = read(&folder.path().join("c.html"));
    assert!(page.contains("<b>6</b><span>held</span>"), "{page}");
}

/// Every line of standard output, which has JSON and nothing else.
fn lines(out: &Output) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    stdout(out).lines().map(parse).collect()
}

#[test]
fn scenarios_are_reported_to_people_machines_and_ci() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let args = "scenario all --defect force-push --json --html pages --junit ci/junit.xml";
    let out = shakedown(folder.path(), &args.split(' ').collect::<Vec<_>>());
    check(&out, 1, &["12 of 13 passed on sim"]);
    let lines = lines(&out);
    let (summary, scenarios) = lines.split_last().unwrap();
    assert_eq!(scenarios.len(), 13);
    assert!(scenarios.iter().all(|line| line["type"] == "scenario"));
    assert_eq!(
        (&summary["type"], &summary["passed"], &summary["failed"]),
        (&"summary".into(), &12.into(), &1.into())
    );
    let failed = scenarios.iter().find(|line| line["result"] == "failed");
    let failed = failed.unwrap();
    assert_eq!(failed["name"], "push-conflict");
    let run = &failed["runs"][0];
    assert_eq!(run["rule"], "commits-preserved");
    let complaints = failed["complaints"].as_array().unwrap();
    assert!(complaints.len() > 1, "{complaints:?}");
    // The page of all has what the lines have, and links to the timelines.
    let page = read(&at("pages/index.html"));
    let timelines = linked(&page);
    assert_eq!(timelines.len(), 13);
    let mut violated = 0;
    for timeline in timelines {
        let timeline = data(&at("pages").join(timeline));
        let is_explained = !timeline["explanation"].is_null();
        assert_eq!(is_explained, timeline["verdict"] == "violated");
        violated += usize::from(is_explained);
    }
    assert_eq!(violated, 1);
    let junit = std::fs::read_to_string(at("ci/junit.xml")).unwrap();
    assert!(
        junit.contains("tests=\"13\" failures=\"1\" errors=\"0\""),
        "{junit}"
    );
    // One alone has the same, and its command shows it again.
    let repeat: Vec<&str> = failed["repeat"].as_str().unwrap().split(' ').collect();
    let again = shakedown(folder.path(), &repeat[1..]);
    check(&again, 1, &["FAILED   3 push-conflict"]);
}

#[test]
fn one_run_is_reported_as_a_page_and_as_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let plan = "# shakedown plan v1\nsession acme/home\nsession acme/blog\ncrash acme\n\
                instruct acme/home break-build\nwait 30s\n";
    std::fs::write(at("long.plan"), plan).unwrap();
    let run = |args: &str| {
        let out = shakedown(folder.path(), &args.split(' ').collect::<Vec<_>>());
        let [line] = lines(&out).try_into().expect("one line");
        (out.status.code(), line)
    };
    let defect = "--seed 1 --defect deploys-failed-build --json --quiet";
    let (code, line) = run(&format!("replay long.plan {defect} --html replay.html"));
    assert_eq!(code, Some(1));
    assert_eq!((&line["type"], &line["steps"]), (&"plan".into(), &3.into()));
    assert_eq!(line["rule"], data(&at("replay.html"))["rule"]);

    let (code, line) = run(&format!("shrink long.plan {defect} --html small.html"));
    assert_eq!(code, Some(1));
    assert_eq!(line["type"], "shrunk");
    assert_eq!(
        (&line["first_steps"], &line["steps"]),
        (&3.into(), &1.into())
    );
    let page = data(&at("small.html"));
    assert_eq!(page["plan"], line["plan"]);
    assert_eq!(page["rule"], "no-broken-deploy");
    assert!(!page["explanation"].is_null());
    let kept = std::fs::read_to_string(at(line["file"].as_str().unwrap())).unwrap();
    assert!(kept.contains("instruct acme/home break-build"), "{kept}");

    // What holds has both, too.
    let (code, line) = run("shrink long.plan --seed 1 --json --quiet --html held.html");
    assert_eq!(code, Some(0));
    assert_eq!(
        (&line["type"], &line["verdict"]),
        (&"plan".into(), &"held".into())
    );
    assert_eq!(data(&at("held.html"))["verdict"], "held");
}

#[test]
fn what_cannot_be_written_or_read_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let args = [
        "run",
        "--target",
        "sim",
        "--cases",
        "1",
        "--seed",
        "2",
        "--quiet",
        "--junit",
        "file/junit.xml",
    ];
    let out = shakedown(folder.path(), &args);
    check(&out, 2, &["while writing file/junit.xml: "]);
    // The same of what only one scenario has to report.
    let args = ["scenario", "build-error", "--html", "file/page.html"];
    let out = shakedown(folder.path(), &args);
    check(&out, 2, &["while writing file/"]);
    std::fs::write(folder.path().join("no.jsonl"), "not json\n").unwrap();
    let out = shakedown(folder.path(), &["report", "no.jsonl"]);
    check(
        &out,
        2,
        &[
            "no.jsonl:1: this is no history",
            "incomplete: not judged to the end",
        ],
    );
}
