//! The kinds of site, by their sources, and what the scripted agent does to them.

use std::sync::Arc;

use super::{BANNER, CHANGES, HUNGRY_CHANGES, LeafletTwin, PACKAGE, Tree, Twin, mark_in};
use crate::files::FileChange;
use crate::oracle::{ByReferences, Oracle};
use crate::profile::Profile;

/// What the sites of a system are built with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum SiteKind {
    /// A POSIX shell script, which needs nothing else.
    #[default]
    Shell,
    /// Astro, with packages from npm.
    Astro,
    /// The sources of the shell site with another template, built by another script.
    Leaflet,
}

/// The sources of one kind; the list of changes is the same in all.
struct Sources {
    package: &'static str,
    banner: (&'static str, &'static str),
    /// What of the banner's text a syntax error replaces, and by what.
    syntax_error: (&'static str, &'static str),
    others: &'static [(&'static str, &'static str)],
}

const SHELL: Sources = Sources {
    package: "{\n  \"name\": \"site\",\n  \"scripts\": { \"build\": \"sh build.sh\" }\n}\n",
    banner: (BANNER, "banner: Welcome;\n"),
    syntax_error: ("Welcome;", "Welcome"),
    others: &[("build.sh", include_str!("../../site/build.sh"))],
};

const LEAFLET: Sources = Sources {
    others: &[("build.sh", include_str!("../../site/leaflet.sh"))],
    ..SHELL
};

const ASTRO: Sources = Sources {
    package: include_str!("../../site-astro/package.json"),
    banner: (
        "src/components/Banner.astro",
        include_str!("../../site-astro/src/components/Banner.astro"),
    ),
    syntax_error: ("\"Welcome\"", "\"Welcome"),
    others: &[
        (
            "astro.config.mjs",
            include_str!("../../site-astro/astro.config.mjs"),
        ),
        ("build.sh", include_str!("../../site-astro/build.sh")),
        ("package-lock.json", SiteKind::ASTRO_LOCK),
        (
            "src/components/Nothing.astro",
            include_str!("../../site-astro/src/components/Nothing.astro"),
        ),
        (
            "src/pages/history.astro",
            include_str!("../../site-astro/src/pages/history.astro"),
        ),
        (
            "src/pages/index.astro",
            include_str!("../../site-astro/src/pages/index.astro"),
        ),
        (
            "src/style.css",
            include_str!("../../site-astro/src/style.css"),
        ),
    ],
};

impl SiteKind {
    /// The packages that an Astro site needs, each with its version and checksum.
    pub const ASTRO_LOCK: &str = include_str!("../../site-astro/package-lock.json");

    /// Its name on the command line and in histories.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Astro => "astro",
            Self::Leaflet => "leaflet",
        }
    }

    /// The kind of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Shell, Self::Astro, Self::Leaflet]
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    /// What knows how sites of this kind should look.
    pub fn oracle(self, profile: &Arc<Profile>) -> Arc<dyn Oracle> {
        match self {
            Self::Shell => Arc::new(Twin(profile.clone())),
            Self::Astro => Arc::new(ByReferences(profile.clone())),
            Self::Leaflet => Arc::new(LeafletTwin(profile.clone())),
        }
    }

    fn sources(self) -> &'static Sources {
        match self {
            Self::Shell => &SHELL,
            Self::Leaflet => &LEAFLET,
            Self::Astro => &ASTRO,
        }
    }

    /// The sources that every site of this kind starts from.
    pub fn template(self) -> Tree {
        let sources = self.sources();
        [(CHANGES, ""), (PACKAGE, sources.package), sources.banner]
            .iter()
            .chain(sources.others)
            .map(|(path, text)| ((*path).into(), (*text).into()))
            .collect()
    }

    /// What the scripted agent answers to an instruction's text; `None` where it has no script.
    pub fn script(self, text: &str) -> Option<Vec<FileChange>> {
        let mark = mark_in(text)?;
        let wish = &text[..text.rfind('(')?];
        let Sources {
            package,
            banner: (banner, banner_text),
            syntax_error: (sound, broken),
            ..
        } = self.sources();
        let mut changes = vec![FileChange::Append {
            path: CHANGES.into(),
            line: mark.to_string().into(),
        }];
        let write = |path: &str, text: &str| FileChange::Write {
            path: path.into(),
            text: text.into(),
        };
        match wish.trim_end() {
            "Change the headline" => {}
            "Delete package.json file" => changes.push(FileChange::Delete {
                path: PACKAGE.into(),
            }),
            "Restore package.json file" => {
                changes.push(write(PACKAGE, package));
                changes.push(write(banner, banner_text));
            }
            "Create syntax error in component" => {
                changes.push(write(banner, &banner_text.replace(sound, broken)));
            }
            "Create 1000 large files" => {
                HUNGRY_CHANGES.with(|files| changes.extend_from_slice(files));
            }
            _ => return None,
        }
        Some(changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Edit, Mark};
    use crate::site::instruction_text;

    fn after(kind: SiteKind, edits: &[Edit]) -> Tree {
        let mut tree = kind.template();
        for edit in edits {
            let text = instruction_text(*edit, Mark::Edit(1));
            for change in kind.script(&text).unwrap() {
                change.apply_to(&mut tree);
            }
        }
        tree.remove(CHANGES);
        tree
    }

    #[test]
    fn edits_break_and_repair_every_kind_of_site() {
        for kind in [SiteKind::Shell, SiteKind::Leaflet, SiteKind::Astro] {
            let sound = after(kind, &[Edit::Change]);
            let broken = after(kind, &[Edit::BreakBuild]);
            assert!(sound.contains_key(PACKAGE) && !broken.contains_key(PACKAGE));
            let warned = after(kind, &[Edit::Warn]);
            let differ = |path: &&Arc<str>| sound.get(*path) != warned.get(*path);
            let differing: Vec<&str> = sound.keys().filter(differ).map(|path| &**path).collect();
            assert_eq!(differing, [kind.sources().banner.0]);
            let edits = [Edit::BreakBuild, Edit::Warn, Edit::Repair];
            assert_eq!(after(kind, &edits), sound);
        }
    }
}
