//! Pages without scripts, on paper, on a telephone, and for those who cannot see them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::chromium::{self, Page};
use super::{Folder, check, click, count, look, open, picture, samples, text};
use crate::history::{Level, What};

/// The rules of axe-core, where it is installed: at `SHAKEDOWN_AXE`, or as `.ci/run` leaves it.
fn axe() -> Option<String> {
    let asked = std::env::var_os("SHAKEDOWN_AXE").map(PathBuf::from);
    let is_required = asked.is_some();
    let installed =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe/node_modules/axe-core/axe.min.js");
    let path = asked.unwrap_or(installed);
    match std::fs::read_to_string(&path) {
        Ok(script) => Some(script),
        Err(why) if is_required => panic!("SHAKEDOWN_AXE={}: {why}", path.display()),
        Err(_) => {
            println!(
                "SKIPPED: axe-core is not installed: npm install --prefix target/axe axe-core"
            );
            None
        }
    }
}

/// What axe finds: the rule, and the elements.
fn findings(page: &mut Page, script: &str) -> Value {
    page.eval(script);
    page.eval(
        "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => \
         `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 120)).join(' | ')}`))",
    )
}

/// The pages of a violated run, of a held one, and of a campaign.
fn pages(folder: &Folder) -> [(PathBuf, &'static str); 3] {
    let scratch = tempfile::tempdir().unwrap();
    let mut small = samples::small();
    small.explanation = Some(samples::explanation(&small));
    let (_, campaign) = samples::campaign(scratch.path());
    [
        (folder.write("plain-small.html", &small.page()), "VIOLATED"),
        (
            folder.write("plain-held.html", &samples::held().page()),
            "HELD",
        ),
        (folder.write("plain-campaign.html", &campaign), "VIOLATED"),
    ]
}

#[test]
fn pages_speak_without_scripts_fit_a_telephone_and_keep_the_rules_of_axe() {
    let Some(program) = chromium::program() else {
        return;
    };
    let folder = Folder::new();
    let axe = axe();
    for (file, verdict) in pages(&folder) {
        let page = &mut open(&program, &file, 1366, false);
        if let Some(axe) = &axe {
            for dark in [false, true] {
                page.show(1366, 768, dark);
                assert_eq!(findings(page, axe), json!([]), "{}", file.display());
            }
        }
        page.show(390, 844, false);
        look(page, &file, 390);
        if let Some(axe) = &axe {
            assert_eq!(findings(page, axe), json!([]), "{} at 390", file.display());
        }
        page.without_scripts(&file);
        page.show(1366, 768, false);
        picture(page, &file.with_extension("no-script.png"), true);
        assert_eq!(text(page, ".badge"), verdict);
        assert!(text(page, ".command code").starts_with("shakedown "));
        assert_eq!(count(page, ".command button"), 0);
        assert!(count(page, "#legend dt") > 5);
    }
}

#[test]
fn all_of_the_timeline_is_printed() {
    let Some(program) = chromium::program() else {
        return;
    };
    let folder = Folder::new();
    let file = folder.write("printed.html", &samples::large().page());
    let page = &mut open(&program, &file, 1366, false);
    page.eval("document.querySelector('[aria-label=Wider]').click()");
    page.eval("dispatchEvent(new Event('beforeprint'))");
    let numbers = "[...document.querySelectorAll('#slices svg')].flatMap((part) => { \
        const [from, , width] = part.getAttribute('viewBox').split(' ').map(Number); \
        return [...part.querySelectorAll('text.number')].filter((text) => { \
            const x = Number(text.getAttribute('x')); return x >= from && x < from + width; }); \
        }).length";
    assert_eq!(page.eval(numbers), 60);
    page.eval("dispatchEvent(new Event('afterprint'))");
    assert_eq!(count(page, "#slices svg"), 0);
    page.as_printed(true);
    let shown =
        "[...document.querySelectorAll('#plan .step')].filter((step) => step.offsetHeight).length";
    // With the row of the recovery.
    assert_eq!(page.eval(shown), 61);
    page.as_printed(false);
    let printed = page.print();
    assert!(printed.starts_with(b"%PDF"));
    if std::env::var_os("SHAKEDOWN_PAGES").is_some() {
        std::fs::write(file.with_extension("pdf"), printed).unwrap();
    }
}

/// Text that would be more than text in a page that was put together carelessly.
const HOSTILE: &str =
    "</script><img src=x onerror=\"document.title='owned'\"><!-- \u{2028}&lt;b&gt; ]]>";

#[test]
fn text_of_the_system_stays_text() {
    let Some(program) = chromium::program() else {
        return;
    };
    let folder = Folder::new();
    let mut sample = samples::held();
    let mut lines = 0;
    for event in &mut sample.outcome.history.events {
        if let What::Logged { text, level, .. } = &mut event.what {
            *text = format!("{HOSTILE} {}", "long".repeat(200)).into();
            *level = Level::Error;
            lines += 1;
        }
    }
    sample.plan.comments.push((0, HOSTILE.into()));
    let file = folder.write("hostile.html", &sample.page());
    let page = &mut open(&program, &file, 1366, false);
    click(page, "#all-steps");
    assert_ne!(page.eval("document.title"), "owned");
    assert_eq!(count(page, "img"), 0);
    let script = format!(
        "[...document.querySelectorAll('#events td')].filter(d => d.textContent.includes({})).length",
        json!(HOSTILE)
    );
    assert_eq!(page.eval(&script), lines);
    check(page, "hostile text");
}
