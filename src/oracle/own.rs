//! Comparing a site with what the tester's own build of the commit made.

use super::{Objects, Oracle, missing_asset};
use crate::history::{OwnBuild, OwnFile};
use crate::plan::Mark;

/// What a site lacks of a build.
pub(super) fn lacks<O: Oracle + ?Sized>(
    oracle: &O,
    build: &OwnBuild,
    site: &Objects,
) -> Option<String> {
    let made = build.files.iter();
    let mut made = made.filter(|(key, _)| !oracle.shape().ignores(key));
    let lack = made.find_map(|(key, file)| {
        let Some(content) = site.get(key) else {
            return Some(format!("{key} is missing"));
        };
        let is_it = match file {
            OwnFile::Same(digest) => content.digest == *digest,
            OwnFile::Varies(marks) => content.marks == *marks,
        };
        (!is_it).then(|| {
            let marks: Vec<String> = content.marks.iter().map(Mark::to_string).collect();
            let marks = match marks.is_empty() {
                true => "no mark".into(),
                false => marks.join(", "),
            };
            format!("{key} is not what a build of the commit makes; it has {marks}")
        })
    });
    // Otherwise the files are those that the pages of the system's build name.
    lack.or_else(|| {
        build
            .keys_vary
            .then(|| missing_asset(oracle, site))
            .flatten()
    })
}

/// What in a site is not of a build.
pub(super) fn left_over<O: Oracle + ?Sized>(
    oracle: &O,
    build: &OwnBuild,
    site: &Objects,
) -> Option<String> {
    let mut others = site
        .keys()
        .filter(|key| !build.files.contains_key(*key) && !oracle.shape().ignores(key));
    let is_named = |key: &str| {
        let pages = || site.iter().filter(|(page, _)| oracle.page(page));
        !oracle.page(key) && pages().any(|(_, page)| oracle.references(page, site).contains(key))
    };
    let left = others.find(|key| !build.keys_vary || !is_named(key))?;
    Some(format!("{left} of an older build is left over"))
}
