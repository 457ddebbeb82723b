//! What an Astro site must look like. Its bytes are Astro's own affair; but every file lists the
//! marks that it was built from, assets are named by their content, and pages name their assets.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::oracle::{BuildOfMarks, Objects, Oracle};
use crate::plan::Mark;
use crate::profile::{Profile, SiteShape};

/// Judges Astro sites.
#[derive(Clone, Debug)]
pub struct Astro(pub Arc<Profile>);

impl Oracle for Astro {
    fn shape(&self) -> &SiteShape {
        &self.0.site
    }

    fn whole(&self, build: BuildOfMarks<'_>, site: &Objects) -> bool {
        lacks(build.marks, build.warns, site).is_none()
    }

    fn difference(&self, build: BuildOfMarks<'_>, site: &Objects) -> Option<String> {
        lacks(build.marks, build.warns, site).or_else(|| left_over(site))
    }
}

const PAGES: [&str; 2] = ["index.html", "history.html"];

/// What a site lacks of the good build of these marks; one that warns leaves out the banner.
fn lacks(marks: &[Mark], warns: bool, site: &Objects) -> Option<String> {
    let find = |key: &str| site.get(key);
    let check = |key: &str| match find(key) {
        None => Some(format!("{key} is missing")),
        Some(content) if content.marks != marks => Some(format!("{key} is of another build")),
        Some(_) => None,
    };
    PAGES.iter().find_map(|page| {
        check(page).or_else(|| {
            let names = &find(page)?.names;
            let has = |extension| names.iter().any(|name| name.ends_with(extension));
            if !has(".css") {
                return Some(format!("{page} names no style"));
            }
            match (has(".js"), warns) {
                (true, true) => Some(format!("{page} names the script of a banner left out")),
                (false, false) => Some(format!("{page} does not name the banner's script")),
                _ => names.iter().find_map(|name| check(name)),
            }
        })
    })
}

/// What in a site is neither one of its pages nor named by one.
fn left_over(site: &Objects) -> Option<String> {
    let named: BTreeSet<&str> = PAGES
        .iter()
        .filter_map(|page| site.get(*page))
        .flat_map(|page| &page.names)
        .map(|name| &**name)
        .chain(PAGES)
        .collect();
    let key = site.keys().find(|key| !named.contains(&***key))?;
    Some(format!("{key} of an older build is left over"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::read_content;

    /// A site as Astro builds it of one edit.
    fn built_of(edit: u32, with_banner: bool) -> Objects {
        let mut texts = vec![(format!("assets/style.{edit}.css"), format!("edit-{edit}"))];
        let mut head = format!("<link rel=stylesheet href=\"/assets/style.{edit}.css\">");
        if with_banner {
            texts.push((format!("assets/banner.{edit}.js"), format!("edit-{edit} ")));
            head.push_str(&format!("<script src=\"/assets/banner.{edit}.js\">"));
        }
        for page in PAGES {
            texts.push((page.into(), format!("{head}<p>edit-{edit} </p>")));
        }
        texts
            .into_iter()
            .map(|(key, text)| {
                let content = read_content(&key, text.as_bytes());
                (key.into(), content.into())
            })
            .collect()
    }

    fn judge(edit: u32, warns: bool, site: &Objects) -> Option<String> {
        lacks(&[Mark::Edit(edit)], warns, site).or_else(|| left_over(site))
    }

    #[test]
    fn a_whole_build_is_whole_and_no_other() {
        assert_eq!(judge(1, false, &built_of(1, true)), None);
        assert_eq!(judge(1, true, &built_of(1, false)), None);
        for (edit, warns, site) in [
            (2, false, built_of(1, true)),
            (1, true, built_of(1, true)),
            (1, false, built_of(1, false)),
            (1, false, Objects::new()),
        ] {
            assert!(lacks(&[Mark::Edit(edit)], warns, &site).is_some());
        }
    }

    #[test]
    fn every_object_is_needed_and_no_other() {
        let whole = built_of(1, true);
        for key in whole.keys() {
            let mut site = whole.clone();
            site.remove(key);
            let lack = judge(1, false, &site).unwrap();
            assert_eq!(lack, format!("{key} is missing"));
        }
        for (key, content) in built_of(2, true) {
            let mut site = whole.clone();
            site.insert(key.clone(), content);
            let difference = judge(1, false, &site).unwrap();
            assert!(difference.contains(&*key), "{difference}");
        }
        let mut site = whole.clone();
        site.insert(
            "old.html".into(),
            read_content("old.html", b"edit-1").into(),
        );
        assert!(judge(1, false, &site).is_some());
    }
}
