//! What the shell site must look like, byte for byte.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use super::{cksum, render_parts};
use crate::oracle::{BuildOfMarks, Objects, Oracle};
use crate::plan::Mark;
use crate::profile::{Profile, SiteShape};

/// Judges shell sites by rendering them.
#[derive(Clone, Debug)]
pub struct Twin(pub Arc<Profile>);

impl Default for Twin {
    fn default() -> Self {
        Self(Profile::reference())
    }
}

/// Judges leaflets by rendering them.
#[derive(Clone, Debug)]
pub struct LeafletTwin(pub Arc<Profile>);

/// The files of a build, by their key in the site.
type Files = BTreeMap<Arc<str>, Arc<[u8]>>;

/// What the build of another template makes of the same sources: its pages are folders and have more
/// around their text, its assets are elsewhere, and there is a page that names no change.
pub fn leaflet(files: &Files) -> Files {
    let moved = |text: &str| text.replace("assets/", "_static/");
    let key = |key: &str| match key.strip_suffix(".html") {
        Some(page) if page != "index" => format!("{page}/index.html"),
        _ => moved(key),
    };
    let made = files.iter().map(|(own, bytes)| {
        let text = String::from_utf8_lossy(bytes);
        let text = match own.ends_with(".html") {
            true => moved(&text).replace("<p>", "<main lang=\"en\">\n<p class=\"news\">"),
            false => text.into_owned(),
        };
        (key(own).into(), text.into_bytes().into())
    });
    let mut made: Files = made.collect();
    made.insert(
        "404.html".into(),
        b"<!doctype html>\n<p>Not here</p>\n"[..].into(),
    );
    made
}

/// The digests of a good build's files, by key.
type Digests = Vec<(Arc<str>, u32)>;

thread_local! {
    /// The same builds are asked for again and again: those without and with warnings, and those of
    /// leaflets likewise.
    static BUILDS: RefCell<[HashMap<Vec<Mark>, Rc<Digests>>; 4]> = RefCell::default();
}

/// How many builds a thread remembers.
const REMEMBERED: usize = 4096;

fn good_build(marks: &[Mark], warns: bool, is_leaflet: bool) -> Rc<Digests> {
    BUILDS.with_borrow_mut(|builds| {
        let builds = &mut builds[usize::from(warns) + 2 * usize::from(is_leaflet)];
        if let Some(known) = builds.get(marks) {
            return known.clone();
        }
        if builds.len() >= REMEMBERED {
            builds.clear();
        }
        let mut files = render_parts(marks, !warns, true).files;
        if is_leaflet {
            files = leaflet(&files);
        }
        let digests = files.iter().map(|(key, bytes)| (key.clone(), cksum(bytes)));
        let made = Rc::new(digests.collect());
        builds.insert(marks.to_vec(), Rc::clone(&made));
        made
    })
}

impl Oracle for Twin {
    fn shape(&self) -> &SiteShape {
        &self.0.site
    }

    fn lacks(&self, build: BuildOfMarks<'_>, site: &Objects) -> Option<String> {
        lacks(&good_build(build.marks, build.warns, false), site)
    }

    fn left_over(&self, build: BuildOfMarks<'_>, site: &Objects) -> Option<String> {
        left_over(&good_build(build.marks, build.warns, false), &self.0, site)
    }
}

impl Oracle for LeafletTwin {
    fn shape(&self) -> &SiteShape {
        &self.0.site
    }

    fn lacks(&self, build: BuildOfMarks<'_>, site: &Objects) -> Option<String> {
        lacks(&good_build(build.marks, build.warns, true), site)
    }

    fn left_over(&self, build: BuildOfMarks<'_>, site: &Objects) -> Option<String> {
        left_over(&good_build(build.marks, build.warns, true), &self.0, site)
    }
}

fn left_over(files: &Digests, profile: &Profile, site: &Objects) -> Option<String> {
    let is_made = |key: &str| files.iter().any(|(made, _)| **made == *key);
    let left_over = site
        .keys()
        .find(|key| !is_made(key) && !profile.site.ignores(key))?;
    Some(format!("{left_over} of an older build is left over"))
}

fn lacks(files: &Digests, site: &Objects) -> Option<String> {
    files.iter().find_map(|(key, digest)| match site.get(key) {
        None => Some(format!("{key} is missing")),
        Some(content) if content.digest != *digest => {
            let marks: Vec<String> = content.marks.iter().map(Mark::to_string).collect();
            let marks = match marks.is_empty() {
                true => "nothing".into(),
                false => marks.join(", "),
            };
            Some(format!("{key} is of another build, with {marks}"))
        }
        Some(_) => None,
    })
}
