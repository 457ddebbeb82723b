//! The site that the default system edits: its sources, what the scripted agent does to them, and
//! what its build makes of them.
//!
//! There are three kinds of it. The shell site is built by `site/build.sh`, and leaflets, which have
//! other keys and pages, by `site/leaflet.sh`; `render` and `leaflet` are their twins in Rust for the
//! simulated target and for judging, and a test holds them together byte for byte.
//! The Astro site in `site-astro/` has no twin: it is compared with what the tester builds itself.

mod kind;
mod twin;

use std::collections::BTreeMap;
use std::sync::Arc;

use crc::{CRC_32_CKSUM, Crc};

use crate::files::FileChange;
use crate::history::Content;
use crate::oracle::assets;
use crate::plan::{Edit, Mark};

pub use crate::files::Tree;
pub use kind::SiteKind;
pub use twin::{LeafletTwin, Twin, leaflet};

/// Where every edit leaves its mark, one a line.
pub const CHANGES: &str = "content/changes.txt";
/// Where clean outsiders leave theirs, one file each.
pub const OUTSIDE: &str = "content/outside/";
/// Without this the build fails.
pub const PACKAGE: &str = "package.json";
/// The shell site's component whose syntax errors make a build partial.
pub const BANNER: &str = "components/banner.txt";

/// What a user writes to the agent for an edit; the mark makes it traceable.
pub fn instruction_text(edit: Edit, mark: Mark) -> String {
    format!("{} ({mark})", wish(edit))
}

fn wish(edit: Edit) -> &'static str {
    match edit {
        Edit::Change => "Change the headline",
        Edit::BreakBuild => "Delete package.json file",
        Edit::Repair => "Restore package.json file",
        Edit::Warn => "Create syntax error in component",
        Edit::MemoryHungry => "Create 1000 large files",
    }
}

/// The last instruction in a text that may have more around it: a prompt, a message.
pub fn instruction_in(text: &str) -> Option<&str> {
    let found = Edit::ALL.iter().filter_map(|edit| {
        let begin = text.rfind(&format!("{} (edit-", wish(*edit)))?;
        let end = begin + text[begin..].find(')')? + 1;
        mark_in(&text[begin..end]).map(|_| (begin, end))
    });
    found.max().map(|(begin, end)| &text[begin..end])
}

/// The mark that a text ends with, as [`instruction_text`] writes it.
pub fn mark_in(text: &str) -> Option<Mark> {
    let rest = &text[text.rfind('(')? + 1..];
    Mark::parse(&rest[..rest.find(')')?])
}

/// How many files a memory-hungry edit writes, and the bytes of each.
pub const HUNGRY_FILES: (usize, usize) = (1000, 24 * 1024);

thread_local! {
    /// The files of a memory-hungry edit, made once: plans run by the thousand.
    static HUNGRY_CHANGES: Vec<FileChange> = {
        let (count, bytes) = HUNGRY_FILES;
        let text: Arc<str> = "x".repeat(bytes).into();
        (0..count)
            .map(|n| FileChange::Write {
                path: format!("public/large-{n}.txt").into(),
                text: text.clone(),
            })
            .collect()
    };
}

/// What an outsider's commit does to the sources.
pub fn outsider_change(conflicting: bool, mark: Mark) -> FileChange {
    if conflicting {
        FileChange::Append {
            path: CHANGES.into(),
            line: mark.to_string().into(),
        }
    } else {
        FileChange::Write {
            path: format!("{OUTSIDE}{mark}.txt").into(),
            text: format!("{mark}\n").into(),
        }
    }
}

/// Every mark in a checkout, as often as it occurs, in the order that the build lists them.
pub fn marks_in_tree(tree: &Tree) -> Vec<Mark> {
    let changes = tree.get(CHANGES).into_iter();
    let outside = tree
        .range::<str, _>((
            std::ops::Bound::Included(OUTSIDE),
            std::ops::Bound::Excluded("content/outside0"),
        ))
        .map(|(_, text)| text);
    changes
        .chain(outside)
        .flat_map(|text| text.lines())
        .filter_map(Mark::parse)
        .collect()
}

/// What a build made, and how it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rendered {
    /// The files by their key in the site; for a failed build, those made before it failed.
    pub files: BTreeMap<Arc<str>, Arc<[u8]>>,
    /// Why the build failed, if it did.
    pub error: Option<&'static str>,
    /// What the build warned of.
    pub warning: Option<&'static str>,
}

/// Builds a checkout as `site/build.sh` does.
#[cfg(test)]
pub fn render(tree: &Tree) -> Rendered {
    render_parts(
        &marks_in_tree(tree),
        has_good_banner(tree.get(BANNER).map(|text| &**text)),
        tree.contains_key(PACKAGE),
    )
}

/// Whether the text of the banner's component, if there is one, is free of syntax errors.
pub fn has_good_banner(text: Option<&str>) -> bool {
    let is_banner = |line: &str| line.starts_with("banner: ") && line.ends_with(';');
    text.is_some_and(|text| text.lines().any(is_banner))
}

/// What a build of these marks makes; the whole input of a build comes down to this.
pub fn render_parts(marks: &[Mark], banner_is_good: bool, has_package: bool) -> Rendered {
    let mut changes = String::new();
    for mark in marks {
        changes.push_str(&mark.to_string());
        changes.push(' ');
    }
    let mut files = BTreeMap::new();
    let mut asset = |name: &str, extension: &str, text: String| {
        let path = format!("assets/{name}-{}.{extension}", cksum(text.as_bytes()));
        files.insert(path.as_str().into(), text.into_bytes().into());
        path
    };
    // The shell drops the last newline-turned-space of nothing; with marks one space stays.
    let style = asset(
        "style",
        "css",
        format!("/* {changes}*/ body {{ margin: 2em }}\n"),
    );
    let banner = banner_is_good.then(|| asset("banner", "js", format!("// {changes}\n")));
    let mut page = |file: &str, title: &str| {
        let mut text = format!(
            "<!doctype html>\n<title>{title}</title>\n<link rel=\"stylesheet\" href=\"/{style}\">\n"
        );
        if let Some(banner) = &banner {
            text.push_str(&format!("<script src=\"/{banner}\"></script>\n"));
        }
        text.push_str(&format!("<p>{changes}</p>\n"));
        files.insert(file.into(), text.into_bytes().into());
    };
    page("index.html", "Site");
    if has_package {
        page("history.html", "History");
    }
    Rendered {
        files,
        error: (!has_package).then_some("error: package.json is missing"),
        warning: (!banner_is_good)
            .then_some("warning: components/banner.txt: syntax error, the banner is left out"),
    }
}

/// POSIX `cksum`: the CRC, then the length, least significant byte first.
pub fn cksum(bytes: &[u8]) -> u32 {
    const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_CKSUM);
    let mut digest = CRC.digest();
    digest.update(bytes);
    let mut length = bytes.len();
    while length > 0 {
        digest.update(&[(length & 0xff) as u8]);
        length >>= 8;
    }
    digest.finalize()
}

/// Reads what judgement needs from an object of a site: the marks in it and the assets that it names.
pub fn read_content(key: &str, bytes: &[u8]) -> Content {
    Content {
        digest: cksum(bytes),
        size: bytes.len(),
        marks: marks_in(bytes),
        names: assets(key, bytes),
    }
}

/// The marks in a file, in their order.
pub fn marks_in(bytes: &[u8]) -> Vec<Mark> {
    let text = String::from_utf8_lossy(bytes);
    let mut marks = Vec::new();
    for (prefix, make) in [
        ("edit-", Mark::Edit as fn(u32) -> Mark),
        ("outside-", Mark::Outside),
    ] {
        for (at, _) in text.match_indices(prefix) {
            let digits: String = text[at + prefix.len()..]
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            if let Ok(n) = digits.parse() {
                marks.push((at, make(n)));
            }
        }
    }
    marks.sort_unstable();
    marks.into_iter().map(|(_, mark)| mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Files = BTreeMap<Arc<str>, Arc<[u8]>>;

    /// Builds a checkout with the shell script and returns what is in `dist`.
    fn build_with_shell(tree: &Tree) -> (Files, bool, String) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in tree {
            let path = folder.path().join(&**path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text.as_bytes()).unwrap();
        }
        let out = crate::process::command("sh")
            .arg("build.sh")
            .current_dir(folder.path())
            .output()
            .unwrap();
        let mut files = Files::new();
        for sub in ["", "assets/", "_static/", "history/"] {
            let Ok(entries) = std::fs::read_dir(folder.path().join("dist").join(sub)) else {
                continue;
            };
            for entry in entries {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_file() {
                    let key = format!("{sub}{}", entry.file_name().to_str().unwrap());
                    files.insert(
                        key.as_str().into(),
                        std::fs::read(entry.path()).unwrap().into(),
                    );
                }
            }
        }
        let errors = String::from_utf8(out.stderr).unwrap();
        (files, out.status.success(), errors)
    }

    fn check(edits: &[Edit], outsiders: &[bool]) {
        check_kind(SiteKind::Shell, edits, outsiders, Files::clone);
        check_kind(SiteKind::Leaflet, edits, outsiders, leaflet);
    }

    fn check_kind(kind: SiteKind, edits: &[Edit], outsiders: &[bool], made: fn(&Files) -> Files) {
        let mut tree = kind.template();
        for (n, edit) in edits.iter().enumerate() {
            let text = instruction_text(*edit, Mark::Edit(n as u32 + 1));
            for change in kind.script(&text).unwrap() {
                change.apply_to(&mut tree);
            }
        }
        for (n, conflicting) in outsiders.iter().enumerate() {
            outsider_change(*conflicting, Mark::Outside(n as u32 + 1)).apply_to(&mut tree);
        }
        let (files, ok, errors) = build_with_shell(&tree);
        let rendered = render(&tree);
        assert_eq!(made(&rendered.files), files);
        assert_eq!(rendered.error.is_none(), ok);
        let printed: Vec<&str> = rendered.warning.into_iter().chain(rendered.error).collect();
        assert_eq!(printed.join("\n"), errors.trim_end());
        for (key, bytes) in &rendered.files {
            assert_eq!(read_content(key, bytes).marks, marks_in_tree(&tree));
        }
    }

    #[test]
    fn the_twins_make_what_the_scripts_make() {
        check(&[], &[]);
        check(&[Edit::Change], &[]);
        check(&[Edit::Change, Edit::Warn], &[false, true]);
        check(&[Edit::BreakBuild], &[false]);
        check(
            &[Edit::BreakBuild, Edit::Warn, Edit::Repair],
            &[true, false],
        );
        check(&[Edit::Change; 12], &[false; 12]);
    }
}
