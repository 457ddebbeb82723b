//! The pages, opened in a real browser. With `SHAKEDOWN_PAGES=FOLDER` the pages and pictures of
//! them are left there, to be looked at.

mod chromium;
mod samples;

use std::path::{Path, PathBuf};

use chromium::Page;

/// Where the pages go: the folder that is asked for, else one that is removed.
struct Folder {
    path: PathBuf,
    _scratch: Option<tempfile::TempDir>,
}

impl Folder {
    fn new() -> Self {
        match std::env::var_os("SHAKEDOWN_PAGES") {
            Some(path) => {
                std::fs::create_dir_all(&path).unwrap();
                Self {
                    path: std::fs::canonicalize(path).unwrap(),
                    _scratch: None,
                }
            }
            None => {
                let scratch = tempfile::tempdir().unwrap();
                Self {
                    path: scratch.path().to_owned(),
                    _scratch: Some(scratch),
                }
            }
        }
    }

    fn write(&self, name: &str, page: &str) -> PathBuf {
        let path = self.path.join(name);
        std::fs::write(&path, page).unwrap();
        path
    }
}

/// Pictures at the widths of laptops, where they are asked for.
fn shoot(program: &Path, file: &Path) {
    if std::env::var_os("SHAKEDOWN_PAGES").is_none() {
        return;
    }
    for (width, height, dark) in [(1366, 768, false), (1440, 900, true)] {
        let mut page = Page::open(program, file, width, height, dark);
        let name = |what: &str| file.with_extension(format!("{width}{what}.png"));
        page.shoot(&name(""), false);
        page.shoot(&name("-whole"), true);
    }
}

#[test]
fn pages_for_the_eye() {
    let Some(program) = chromium::program() else {
        return;
    };
    let folder = Folder::new();
    let scratch = tempfile::tempdir().unwrap();
    for (name, page) in [
        ("campaign.html", samples::campaign(scratch.path()).1),
        ("large.html", samples::large().page()),
        ("small.html", samples::small().page()),
        ("held.html", samples::held().page()),
    ] {
        let file = folder.write(name, &page);
        shoot(&program, &file);
        let mut page = Page::open(&program, &file, 1366, 768, false);
        assert_eq!(page.complaints(), Vec::<String>::new(), "{name}");
    }
}
