//! What a site should hold: the one question of judgement that depends on how sites are built.
//!
//! A rule asks an [`Oracle`]; it knows no file of a site by name. The simulated target answers with
//! a twin of its build in Rust, others with builds of the tester's own, and [`ByReferences`] with
//! nothing but what is in the objects.

mod own;
mod references;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

pub use crate::history::Objects;
use crate::history::{Content, OwnBuild};
use crate::plan::{ClientId, Mark};
use crate::profile::{Profile, SiteShape};

pub use references::assets;

/// A build that a site may show.
#[derive(Clone, Copy, Debug)]
pub struct BuildOfMarks<'a> {
    /// Whose site it is of.
    pub client: &'a ClientId,
    /// The marks in the sources, in the order in which the build lists them.
    pub marks: &'a [Mark],
    /// Whether the build leaves something out with a warning.
    pub warns: bool,
    /// What the tester built itself, of these marks and of others.
    pub own: &'a [Arc<OwnBuild>],
}

impl BuildOfMarks<'_> {
    /// The good builds of the tester's own.
    fn known(&self) -> impl Iterator<Item = &OwnBuild> {
        let builds = self.own.iter().map(|build| &**build);
        builds.filter(|build| build.is_good_of(self.marks))
    }
}

/// Knows what a site should hold.
///
/// Where the tester built the commit itself, the site is compared with that build. Otherwise the
/// methods that a type does not write itself go by marks and references alone, and accuse only where
/// no build could have made what is seen.
pub trait Oracle: Debug + Send + Sync {
    /// What in the sites is a page.
    fn shape(&self) -> &SiteShape;

    /// The marks of the build that a site shows, by its front page; `None` where it has none.
    fn marks<'a>(&self, site: &'a Objects) -> Option<&'a [Mark]> {
        let mut front = self.shape().front.iter();
        front
            .find_map(|key| site.get(&**key))
            .map(|page| &*page.marks)
    }

    /// Whether a key is a page, which names assets, rather than an asset.
    fn page(&self, key: &str) -> bool {
        self.shape().is_page(key)
    }

    /// The assets that a page names, itself or by the assets that it names, as the site has them.
    fn references(&self, page: &Content, site: &Objects) -> BTreeSet<Arc<str>> {
        let mut known = BTreeSet::new();
        let mut new: Vec<&Arc<str>> = page.names.iter().collect();
        while let Some(name) = new.pop() {
            if !self.page(name) && known.insert(name.clone()) {
                new.extend(site.get(name).iter().flat_map(|content| &content.names));
            }
        }
        known
    }

    /// What a site lacks of a good build that the tester did not build itself.
    fn lacks(&self, build: BuildOfMarks<'_>, site: &Objects) -> Option<String> {
        if self.marks(site) != Some(build.marks) {
            return Some("the front page is of another build".into());
        }
        missing_asset(self, site)
    }

    /// What in a site is not of such a build.
    fn left_over(&self, build: BuildOfMarks<'_>, site: &Objects) -> Option<String> {
        let is_foreign = |mark: &Mark| !build.marks.contains(mark);
        let of_build = |key: &str| !self.shape().ignores(key);
        let mut objects = site.iter().filter(|(key, _)| of_build(key));
        let (key, _) = objects.find(|(_, content)| content.marks.iter().any(is_foreign))?;
        Some(format!("{key} is of another build"))
    }

    /// Whether everything that the good build makes is in the site.
    fn whole(&self, build: BuildOfMarks<'_>, site: &Objects) -> bool {
        let mut known = build.known().peekable();
        match known.peek() {
            Some(_) => known.any(|own| own::lacks(self, own, site).is_none()),
            None => self.lacks(build, site).is_none(),
        }
    }

    /// How a site differs from exactly the good build. Where there are several builds of its marks,
    /// it may be any of them.
    fn difference(&self, build: BuildOfMarks<'_>, site: &Objects) -> Option<String> {
        let of_own = |own: &OwnBuild| {
            own::lacks(self, own, site).or_else(|| own::left_over(self, own, site))
        };
        let mut known = build.known().map(of_own).peekable();
        let Some(first) = known.peek().cloned() else {
            let lack = self.lacks(build, site);
            return lack.or_else(|| self.left_over(build, site));
        };
        known
            .all(|difference| difference.is_some())
            .then_some(first)?
    }
}

/// An asset that a page of a site names and the site has not.
fn missing_asset<O: Oracle + ?Sized>(oracle: &O, site: &Objects) -> Option<String> {
    let pages = site.iter().filter(|(key, _)| oracle.page(key));
    pages
        .flat_map(|(_, page)| oracle.references(page, site))
        .find(|name| !site.contains_key(name))
        .map(|name| format!("{name} is missing"))
}

/// Goes by marks and references alone.
#[derive(Clone, Debug)]
pub struct ByReferences(pub Arc<Profile>);

impl Oracle for ByReferences {
    fn shape(&self) -> &SiteShape {
        &self.0.site
    }
}

/// The oracle that a model asks. All are equal: it is nothing that is known of a system.
#[derive(Clone, Debug)]
pub struct Asked(pub Arc<dyn Oracle>);

impl Default for Asked {
    fn default() -> Self {
        Self(Arc::new(ByReferences(Profile::reference())))
    }
}

impl Deref for Asked {
    type Target = dyn Oracle;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for Asked {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Asked {}

impl Hash for Asked {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
