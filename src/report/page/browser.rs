//! The pages, opened in a real browser. With `SHAKEDOWN_PAGES=FOLDER` the pages and pictures of
//! them are left there, to be looked at.

mod chromium;
mod overviews;
mod plain;
mod samples;

use std::path::{Path, PathBuf};

use crate::history::What;
use crate::verdict::Verdict;
use chromium::Page;
use serde_json::json;

const CHECKS: &str = include_str!("browser/checks.js");

/// Where the pages go: the folder that is asked for, else one that is removed.
struct Folder {
    path: PathBuf,
    _scratch: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let asked = std::env::var_os("SHAKEDOWN_PAGES").map(PathBuf::from);
        let path = asked.unwrap_or_else(|| scratch.path().to_owned());
        std::fs::create_dir_all(&path).unwrap();
        Self {
            path: std::fs::canonicalize(path).unwrap(),
            _scratch: scratch,
        }
    }

    fn write(&self, name: &str, page: &str) -> PathBuf {
        let path = self.path.join(name);
        std::fs::write(&path, page).unwrap();
        path
    }
}

/// Opens a page at a laptop's width and asks of it what is asked of all of them.
fn open(program: &Path, file: &Path, width: u32, dark: bool) -> Page {
    let mut page = Page::open(program, file, width, height(width), dark);
    page.eval(CHECKS);
    look(&mut page, file, width);
    page
}

/// The same of an open page, at another width and in other colours.
fn reopen(page: &mut Page, file: &Path, width: u32, dark: bool) {
    page.show(width, height(width), dark);
    look(page, file, width);
}

fn look(page: &mut Page, file: &Path, width: u32) {
    // Two frames later it has drawn what the new width asks for.
    page.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
    check(page, &format!("{} at {width}", file.display()));
    picture(page, &file.with_extension(format!("{width}.png")), false);
    picture(
        page,
        &file.with_extension(format!("{width}-whole.png")),
        true,
    );
}

fn height(width: u32) -> u32 {
    if width < 1400 { 768 } else { 900 }
}

/// Takes a picture where pictures are asked for.
fn picture(page: &mut Page, to: &Path, whole: bool) {
    if std::env::var_os("SHAKEDOWN_PAGES").is_some() {
        page.shoot(to, whole);
    }
}

#[track_caller]
fn check(page: &mut Page, what: &str) {
    for ask in ["overlaps", "contrast", "nameless"] {
        let bad = page.eval(&format!("checks.{ask}()"));
        assert_eq!(bad, json!([]), "{ask} of {what}");
    }
    assert_eq!(page.complaints(), Vec::<String>::new(), "{what}");
}

fn count(page: &mut Page, selector: &str) -> u64 {
    let script = format!("document.querySelectorAll({}).length", json!(selector));
    page.eval(&script).as_u64().unwrap()
}

fn text(page: &mut Page, selector: &str) -> String {
    let script = format!("document.querySelector({}).textContent", json!(selector));
    page.eval(&script).as_str().unwrap().to_owned()
}

fn click(page: &mut Page, selector: &str) {
    page.eval(&format!(
        "document.querySelector({}).dispatchEvent(new MouseEvent('click', {{bubbles: true}}))",
        json!(selector)
    ));
}

/// Sets a filter's value, as a person would.
fn set(page: &mut Page, id: &str, value: &str, event: &str) {
    page.eval(&format!(
        "{{ const field = document.getElementById({}); field.value = {}; \
         field.dispatchEvent(new Event({}, {{bubbles: true}})); }}",
        json!(id),
        json!(value),
        json!(event),
    ));
}

/// The lanes' names, of one kind.
fn lanes(page: &mut Page, kind: &str) -> Vec<String> {
    let script = format!(
        "[...document.querySelectorAll('.label')].filter(l => l.dataset.kind === {}).map(l => l.textContent)",
        json!(kind)
    );
    serde_json::from_value(page.eval(&script)).unwrap()
}

#[test]
fn a_violated_run_of_60_steps_and_5_sessions_is_readable() {
    let Some(program) = chromium::program() else {
        return;
    };
    let folder = Folder::new();
    let sample = samples::large();
    assert_eq!(
        (sample.plan.steps.len(), sample.plan.sessions.len()),
        (60, 5)
    );
    let file = folder.write("large.html", &sample.page());
    let page = &mut open(&program, &file, 1280, false);
    reopen(page, &file, 1440, true);
    reopen(page, &file, 1366, false);
    assert_eq!(text(page, ".badge"), "VIOLATED");
    assert_eq!(lanes(page, "session").len(), 5);
    assert_eq!(lanes(page, "branch").len(), 5);
    assert_eq!(
        lanes(page, "site"),
        ["acme site", "globex site", "initech site"]
    );
    assert_eq!(lanes(page, "container").len(), 3);
    assert_eq!(lanes(page, "breaker"), ["S3 breaker"]);
    assert_eq!(lanes(page, "faults"), ["faults"]);
    assert!(count(page, ".bar.fault") > 3);
    // It was seen after recovery: the line is at the end, and recovery is what is shown.
    assert_eq!(count(page, "line.violation"), 1);
    assert_eq!(text(page, "#plan .violated .t"), "(all healed; recovery)");
    assert!(count(page, "#model tr.differs") > 0);
    // All of the steps are numbered, in whatever way time runs; nothing overlaps when it is wide.
    for mode in ["time", "compressed", "order"] {
        click(page, &format!("[data-mode={mode}]"));
        check(page, mode);
        picture(page, &file.with_extension(format!("{mode}.png")), false);
    }
    assert_eq!(count(page, "text.number"), 60);
    let scrolls = "(s => s.scrollWidth > s.clientWidth)(document.querySelector('.scroller'))";
    assert_eq!(page.eval(scrolls), false, "all of it is in sight");
    for _ in 0..3 {
        click(page, "[aria-label=Wider]");
        check(page, "zoomed in");
    }
    picture(page, &file.with_extension("wide.png"), false);
    let wide = page.eval("document.querySelector('#timeline svg').clientWidth");
    assert!(wide.as_f64().unwrap() > 8000.0, "{wide}");
}

#[test]
fn a_violation_at_an_event_is_marked_and_reported_with_what_the_model_expected() {
    let Some(program) = chromium::program() else {
        return;
    };
    let folder = Folder::new();
    let sample = samples::small();
    let Verdict::Violated(violation) = &sample.outcome.verdict else {
        panic!("{:?}", sample.outcome.verdict)
    };
    let file = folder.write("small.html", &sample.page());
    let page = &mut open(&program, &file, 1366, false);
    assert_eq!(
        text(page, "h1"),
        format!("{} ({})", violation.rule, violation.kind)
    );
    assert!(text(page, ".side.expected").contains(&violation.expected));
    assert!(text(page, ".side.observed").contains(&violation.observed));
    assert_eq!(count(page, ".mark.violating"), 1);
    assert_eq!(count(page, "#events tr.violating"), 1);
    // What it is about is marked, and the rule; the run had no time for what was to come true yet.
    assert!(text(page, "#model tr.differs").starts_with(&format!("rule {}", violation.rule)));
    assert!((1..=2).contains(&count(page, "#model tr.differs")));
    // An address that is changed by hand chooses the step.
    page.eval("location.hash = '#step=2'");
    page.eval("new Promise((done) => setTimeout(done, 50))");
    assert!(text(page, "#model h2").ends_with("after step 2"));
    // Every step shows what the model expected of each thing then.
    for step in 1..=sample.plan.steps.len() {
        click(
            page,
            &format!(
                "#plan li:nth-child({}) .step",
                sample.plan.sessions.len() + step
            ),
        );
        let title = text(page, "#model h2");
        let is_here = violation.step == Some(step - 1);
        let place = match is_here {
            true => "at the violation".into(),
            false => format!("after step {step}"),
        };
        assert_eq!(title, format!("Model against observation, {place}"));
        assert!(count(page, "#model tbody tr") > 5);
        assert_eq!(page.eval("location.hash"), format!("#step={step}"));
    }
    check(page, "the last step");
}

#[test]
fn a_held_run_can_be_filtered_and_walked_by_keys() {
    let Some(program) = chromium::program() else {
        return;
    };
    let folder = Folder::new();
    let sample = samples::held();
    assert_eq!(sample.outcome.verdict, Verdict::Held);
    let file = folder.write("held.html", &sample.page());
    let page = &mut open(&program, &file, 1440, true);
    assert_eq!(
        (text(page, ".badge").as_str(), count(page, ".violation")),
        ("HELD", 0)
    );
    let all = count(page, ".mark");
    assert!(all > 50, "{all} marks");

    click(page, "[data-kind=log]");
    let without_logs = count(page, ".mark");
    assert!(without_logs < all);
    click(page, "[data-kind=log]");
    assert_eq!(count(page, ".mark"), all);

    set(page, "filter-client", "globex", "change");
    assert_eq!(lanes(page, "session"), ["globex/home"]);
    assert!(count(page, ".mark") < all);
    set(page, "filter-client", "", "change");
    set(page, "filter-session", "acme/home", "change");
    assert_eq!(lanes(page, "branch"), ["acme/home branch"]);
    assert_eq!(lanes(page, "container"), ["acme container"]);
    set(page, "filter-session", "", "change");

    set(page, "filter-text", "EDIT-2 acknowledged", "input");
    assert_eq!(count(page, ".mark"), 1);
    assert!(text(page, "#count").starts_with("1 of "));
    click(page, "#all-steps");
    assert_eq!(count(page, "#events tr[data-event]"), 1);
    set(page, "filter-text", "no event has this", "input");
    assert_eq!(count(page, ".mark"), 0);
    check(page, "nothing but lanes");
    set(page, "filter-text", "", "input");
    assert_eq!(count(page, ".mark"), all);

    // The pointer and the keys both bring up an event's text.
    let at = page.eval("(b => [b.x + b.width / 2, b.y + b.height / 2])(document.querySelector('.mark').getBoundingClientRect())");
    page.point(at[0].as_f64().unwrap(), at[1].as_f64().unwrap());
    assert_eq!(page.eval("document.getElementById('tip').hidden"), false);
    picture(page, &file.with_extension("tip.png"), false);
    page.point(1.0, 1.0);
    page.eval("document.querySelector('#timeline svg').focus()");
    for (key, _) in [("ArrowDown", 0), ("ArrowDown", 1), ("ArrowRight", 2)] {
        page.press(key);
    }
    assert_eq!(count(page, ".mark.current"), 1);
    let text = page.eval(
        "[document.getElementById('live').textContent, document.getElementById('tip').textContent]",
    );
    assert!(
        text[0] == text[1] && text[0].as_str().unwrap().contains(" s "),
        "{text}"
    );
    page.press("Enter");
    assert_eq!(count(page, "#events tr.current"), 1);
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn an_explanation_stands_at_its_steps() {
    let Some(program) = chromium::program() else {
        return;
    };
    let folder = Folder::new();
    let mut sample = samples::small();
    sample.explanation = Some(samples::explanation(&sample));
    let file = folder.write("explained.html", &sample.page());
    let page = &mut open(&program, &file, 1366, false);
    assert!(text(page, ".summary").contains("On sim, without step 1: every rule holds."));
    let chips = "[...document.querySelectorAll('.without')].map(w => w.textContent)";
    assert_eq!(
        page.eval(chips),
        json!(["needed", "not needed", "without it: fresh", "unclear"])
    );
    assert!(count(page, "#events tr.matters") > 0);
    click(
        page,
        &format!(
            "#plan li:nth-child({}) .step",
            sample.plan.sessions.len() + 3
        ),
    );
    let shown = text(page, "#model .explained");
    assert!(
        shown.contains("Without this step fresh (stale) is violated: it shows edit-1"),
        "{shown}"
    );
    click(
        page,
        &format!(
            "#plan li:nth-child({}) .step",
            sample.plan.sessions.len() + 4
        ),
    );
    let shown = text(page, "#model .explained");
    assert!(shown.starts_with("Without steps 4, 1, 2 ("), "{shown}");
    check(page, "an explained step");
}

#[test]
fn runs_without_events_and_with_very_many_are_drawn() {
    let Some(program) = chromium::program() else {
        return;
    };
    let folder = Folder::new();
    let mut sample = samples::held();
    let mut events = Vec::new();
    for event in sample.outcome.history.events.drain(..) {
        let times = match event.what {
            What::Logged { .. } => 300,
            _ => 1,
        };
        events.extend(std::iter::repeat_n(event, times));
    }
    let many = events.len();
    assert!(many > 10_000, "{many} events");
    sample.outcome.history.events = events;
    let file = folder.write("many.html", &sample.page());
    let page = &mut open(&program, &file, 1366, false);
    assert_eq!(count(page, ".label"), 12);
    // However many there are, there is room for so many marks only.
    assert!(count(page, ".mark") < 2000);
    click(page, "#all-steps");
    click(page, ".more");
    assert!(count(page, "#events tr[data-event]") > 3000);

    sample.outcome.history.events.clear();
    sample.outcome.settled = None;
    sample.outcome.verdict = Verdict::Unknown {
        why: "while starting: no port is free; end what uses them".into(),
    };
    let file = folder.write("empty.html", &sample.page());
    let page = &mut open(&program, &file, 1366, false);
    assert_eq!(text(page, ".badge"), "UNKNOWN");
    assert!(text(page, "header").contains("no port is free"));
    assert_eq!((count(page, ".mark"), count(page, ".label")), (0, 12));
    click(page, "#plan li:nth-child(3) .step");
    assert_eq!(
        text(page, "#model .legend"),
        "The run ended before this step."
    );
    check(page, "a step that did not come");
}
