//! What is in a site, at every moment.

use super::*;

#[test]
fn no_broken_deploy() {
    let broken = Story::of("instruct acme/home break-build\n").steps();
    let page = render_parts(&[edit(1)], true, false).files["index.html"].clone();
    broken
        .delivered(edit(1))
        .put("index.html", &page)
        .is("no-broken-deploy broken");

    let injected = "inject build-error acme/home\ninstruct acme/home change\n";
    let style = &render_parts(&[edit(1)], true, true).files;
    let (key, bytes) = style.first_key_value().unwrap();
    Story::of(injected)
        .steps()
        .delivered(edit(1))
        .put(key, bytes)
        .is("no-broken-deploy injected");
    // Healed in between: that build may have been good.
    Story::of(&format!("{injected}heal build-error acme/home\n"))
        .step(0)
        .step(1)
        .delivered(edit(1))
        .step(2)
        .put(key, bytes)
        .is("held");
}

#[test]
fn the_exit_code_of_a_build_says_whether_its_objects_may_be_in_a_site() {
    let style = &render_parts(&[edit(1)], true, true).files;
    let (key, bytes) = style.first_key_value().unwrap();
    let story = |edit_1| {
        Story::of(&format!(
            "instruct acme/home {edit_1}\ninstruct acme/home change\n"
        ))
        .steps()
        .delivered(edit(1))
    };
    let began = || What::BuildBegan {
        client: acme(),
        command: "npm run build".into(),
    };
    let ended = |code, marks: &[Mark]| What::BuildEnded {
        client: acme(),
        command: "npm run build".into(),
        end: Arc::new(BuildEnd {
            code: Some(code),
            marks: marks.to_vec(),
            ..BuildEnd::default()
        }),
    };
    let failed = |edit_1| story(edit_1).and(began()).and(ended(1, &[edit(1)]));
    let wrong = "no-broken-deploy exit-code";
    failed("change").put(key, bytes).is(wrong);
    // The container died in between: what is there is as broken as before.
    failed("change")
        .and(died(Death::Crash))
        .put(key, bytes)
        .is(wrong);
    // Another session's build, long before, has nothing to do with it.
    let other = story("change").and(began()).and(ended(0, &[edit(2)]));
    other
        .and(began())
        .and(ended(1, &[edit(1)]))
        .put(key, bytes)
        .is(wrong);

    // It was built again, and is good, or a good build found nothing to do; or it may be by now.
    failed("change")
        .and(began())
        .and(ended(0, &[edit(1)]))
        .put(key, bytes)
        .is("held");
    failed("change")
        .and(began())
        .and(ended(0, &[]))
        .put(key, bytes)
        .is("held");
    failed("change").and(began()).put(key, bytes).is("held");
    // What an earlier, good build made is deployed.
    let earlier = story("change").and(began()).and(ended(0, &[edit(1)]));
    let broken = [edit(1), edit(2)];
    earlier
        .and(began())
        .and(ended(1, &broken))
        .put(key, bytes)
        .is("held");
    // It wrote nothing of this, or left out what it warns of.
    let nothing = story("change").and(began()).and(ended(1, &[]));
    nothing.put(key, bytes).is("held");
    failed("warn").put(key, bytes).is("held");
}

#[test]
fn a_page_needs_what_its_style_sheets_name_and_no_page_that_it_links_to() {
    const PAGE: &[u8] = b"<link rel=stylesheet href=../a.css><a href=/next.html>Next</a> edit-1";
    const STYLE: &[u8] = b"@import 'b.css'; /* edit-1 */";
    const IMPORTED: &[u8] = b"@font-face { src: url(/fonts/f.woff2) } /* edit-1 */";
    let assets = || {
        Story::of("instruct acme/home change\n")
            .steps()
            .delivered(edit(1))
            .put("a.css", STYLE)
            .put("b.css", IMPORTED)
    };
    assets()
        .put("about/index.html", PAGE)
        .is("no-dangling-page page-first");
    let whole = || {
        assets()
            .put("fonts/f.woff2", b"")
            .put("about/index.html", PAGE)
    };
    whole().is("held");
    whole()
        .delete("fonts/f.woff2")
        .is("no-dangling-page deleted-first");
}

#[test]
fn no_dangling_page() {
    let files = render_parts(&[edit(1)], true, true).files;
    let story = || {
        Story::of("instruct acme/home change\n")
            .steps()
            .delivered(edit(1))
    };
    story()
        .put("index.html", &files["index.html"])
        .is("no-dangling-page page-first");
    let style = files.keys().find(|key| key.contains("style")).unwrap();
    story()
        .deployed(&[edit(1)])
        .delete(style)
        .is("no-dangling-page deleted-first");
    story()
        .deployed(&[edit(1)])
        .delete("history.html")
        .delete("index.html")
        .delete(style)
        .is("held");
}
