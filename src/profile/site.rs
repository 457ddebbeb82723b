//! The section `[site]`: what in a site is a page, and how a commit is built.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::fields::Period;

/// What is to be known of a system's sites.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SiteShape {
    /// The endings of the keys of pages, which name assets.
    pub pages: Vec<String>,
    /// The keys of the front page; the first one that a site has counts.
    pub front: Vec<String>,
    /// The keys that no build makes, and the folders of such keys, which end with `/`.
    pub ignore: Vec<String>,
    /// The lines of the `.gitignore` that the repositories begin with; without any there is none.
    pub gitignore: Vec<String>,
    /// How the tester builds a commit itself; `None` where it does not.
    pub build: Option<BuildCommand>,
}

/// How the tester builds a commit, in a clean checkout of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BuildCommand {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The folder in the checkout that it fills.
    pub output: String,
    /// The variables of the container's environment that it gets, besides `PATH`.
    pub environment: Vec<String>,
    /// How long it may run, in real time.
    pub within: Duration,
}

impl SiteShape {
    /// Whether a key is a page, which names assets, rather than an asset.
    pub fn is_page(&self, key: &str) -> bool {
        self.pages.iter().any(|ending| key.ends_with(&**ending))
    }

    /// Whether a key is of no build.
    pub fn ignores(&self, key: &str) -> bool {
        self.ignore
            .iter()
            .any(|ignored| key == ignored || ignored.ends_with('/') && key.starts_with(&**ignored))
    }
}

/// The section `[site]`.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SiteSection {
    /// The endings of the keys of pages.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pages: Spanned<Vec<String>>,
    /// The keys of the front page; the first one that a site has counts.
    #[schemars(with = "Vec<String>", length(min = 1))]
    front: Spanned<Vec<String>>,
    /// Keys that no build makes, and folders of such keys, which end with /.
    ignore: Vec<String>,
    /// The lines of the .gitignore that the repositories begin with.
    gitignore: Vec<String>,
    /// The program, with its arguments, that builds a checkout.
    #[schemars(with = "Option<Vec<String>>", length(min = 1))]
    build: Option<Spanned<Vec<String>>>,
    /// The folder in the checkout that the build fills.
    #[schemars(with = "String")]
    output: Spanned<String>,
    /// The variables of the container's environment that the build gets, besides PATH.
    #[schemars(with = "Vec<String>")]
    environment: Spanned<Vec<String>>,
    /// How long a build may run.
    within: Period,
}

impl Default for SiteSection {
    fn default() -> Self {
        let list = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        Self {
            pages: Spanned::new(0..0, list(&[".html", ".htm", ".xhtml", "/"])),
            front: Spanned::new(0..0, list(&["index.html"])),
            ignore: Vec::new(),
            gitignore: Vec::new(),
            build: None,
            output: Spanned::new(0..0, "dist".into()),
            environment: Spanned::new(0..0, Vec::new()),
            within: Period(Duration::from_secs(120)),
        }
    }
}

impl SiteSection {
    /// The shape of sites, or what makes no sense, by its byte.
    pub(super) fn shape(self) -> Result<SiteShape, (usize, String)> {
        let wrong = |byte: usize, why: &str| Err((byte, why.to_owned()));
        if self.pages.get_ref().is_empty() || self.pages.get_ref().contains(&String::new()) {
            let why = "`pages` lists the endings of pages, such as \".html\"; none is empty";
            return wrong(self.pages.span().start, why);
        }
        if self.front.get_ref().is_empty() {
            let why = "`front` lists the keys of the front page, such as \"index.html\"";
            return wrong(self.front.span().start, why);
        }
        if let Some(build) = &self.build
            && build.get_ref().first().is_none_or(String::is_empty)
        {
            let why =
                "`build` is a program and its arguments, such as [\"npm\", \"run\", \"build\"]";
            return wrong(build.span().start, why);
        }
        let mut parts = self.output.get_ref().split('/');
        if parts.any(|part| matches!(part, "" | "..")) {
            let why = "`output` is a folder in the checkout, such as \"dist\"";
            return wrong(self.output.span().start, why);
        }
        let is_secret = |name: &String| name.starts_with("GIT_") || name.starts_with("AWS_");
        if self.environment.get_ref().iter().any(is_secret) {
            let why = "a build gets no variable that begins with GIT_ or AWS_";
            return wrong(self.environment.span().start, why);
        }
        let front = self.front.span().start;
        let shape = SiteShape {
            pages: self.pages.into_inner(),
            front: self.front.into_inner(),
            ignore: self.ignore,
            gitignore: self.gitignore,
            build: self.build.map(|command| BuildCommand {
                command: command.into_inner(),
                output: self.output.into_inner(),
                environment: self.environment.into_inner(),
                within: self.within.0,
            }),
        };
        let is_no_page = |key: &&String| !shape.is_page(key) || shape.ignores(key);
        match shape.front.iter().find(is_no_page) {
            Some(key) => Err((
                front,
                format!("`{key}` is no page: `pages` has no ending of it, or `ignore` has it"),
            )),
            None => Ok(shape),
        }
    }
}
