//! What the shell site must look like, byte for byte.

use std::cell::RefCell;
use std::collections::HashMap;
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

/// The digests of a good build's files, by key.
type Digests = Vec<(Arc<str>, u32)>;

thread_local! {
    /// The same builds are asked for again and again: those without and with warnings.
    static BUILDS: RefCell<[HashMap<Vec<Mark>, Rc<Digests>>; 2]> = RefCell::default();
}

/// How many builds a thread remembers.
const REMEMBERED: usize = 4096;

fn good_build(marks: &[Mark], warns: bool) -> Rc<Digests> {
    BUILDS.with_borrow_mut(|builds| {
        let builds = &mut builds[usize::from(warns)];
        if let Some(known) = builds.get(marks) {
            return known.clone();
        }
        if builds.len() >= REMEMBERED {
            builds.clear();
        }
        let files = render_parts(marks, !warns, true).files;
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
        lacks(&good_build(build.marks, build.warns), site)
    }

    fn left_over(&self, build: BuildOfMarks<'_>, site: &Objects) -> Option<String> {
        let files = good_build(build.marks, build.warns);
        let is_made = |key: &str| files.iter().any(|(made, _)| **made == *key);
        let left_over = site
            .keys()
            .find(|key| !is_made(key) && !self.0.site.ignores(key))?;
        Some(format!("{left_over} of an older build is left over"))
    }
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
