//! What is particular to one system: its names, words, numbers and promises, and what can be seen
//! of it.
//!
//! The judge knows the contract, a [`Profile`] knows one system. It is read from a TOML file, with
//! the place of every mistake; that of the reference worker is built in, and read by the same reader.

mod aws;
mod evidence;
mod fields;
mod file;
mod limits;
mod names;
mod network;
mod outcome;
mod place;
mod reference;
mod resource;
mod site;
mod start;
mod text;
mod words;

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

pub use aws::Deployed;
pub use evidence::{Evidence, Seen};
pub use file::schema;
pub use limits::Limits;
#[cfg(test)]
pub(crate) use names::SESSION_TABLE;
pub use names::{Names, RecordShape};
pub use network::{HostService, Network, NetworkMode};
pub use outcome::{EndedBy, OutcomeShape};
pub use place::{Mistake, ProfileError};
pub use reference::reference;
pub use resource::{Resources, Setting, SettingKind};
pub use site::{BuildCommand, SiteShape};
pub use start::{Accept, ItemKey, Per, Ready, Setup, Start};
pub use text::{Text, Values};
pub use words::{LineReader, Reading, Words};

use crate::plan::Step;
use crate::reading;
use crate::verdict::{Heeded, Rule};

/// All that is particular to one system.
#[derive(Clone, Debug)]
pub struct Profile {
    /// What reports call the system.
    pub name: String,
    /// A sentence about it.
    pub description: String,
    /// How it names sessions, branches and buckets.
    pub names: Names,
    /// Where a session's record is kept; `None` where the system keeps none.
    pub record: Option<RecordShape>,
    /// What in its sites is a page, and how a commit is built.
    pub site: SiteShape,
    /// How the tester starts it; `None` where it is the built-in worker.
    pub start: Option<Start>,
    /// What it finds where it believes the outer world to be; `None` where that is the machine's network.
    pub network: Option<Network>,
    /// What it has for itself before a container starts.
    pub resources: Resources,
    /// Where it is deployed on AWS, and what of that may be touched; `None` where it is not.
    pub deployed: Option<Deployed>,
    /// The folder of its file, to which the paths in it are relative.
    pub folder: PathBuf,
    /// What the lines of its log say.
    pub words: Words,
    /// How it reports that an instruction ended.
    pub outcome: OutcomeShape,
    /// The numbers that it promises.
    pub limits: Limits,
    /// What cannot be seen of the system, and why.
    pub unseen: BTreeMap<Evidence, String>,
    /// The rules that it does not promise, and why.
    pub unpromised: BTreeMap<Rule, String>,
    /// The faults that cannot be injected, by name, and why.
    pub impossible: BTreeMap<String, String>,
    /// What a run ends at, of all that breaks a rule; it is not of the file.
    pub heeded: Heeded,
    /// Whether the system is deployed and looked at now and then, see [`as_deployed`](Self::as_deployed);
    /// it is not of the file.
    pub is_polled: bool,
    source: Arc<str>,
    hash: u64,
}

/// The reference worker's profile, as its file has it.
pub const REFERENCE: &str = include_str!("../profiles/reference.toml");

/// Another profile of the same worker: see [`Profile::other`].
pub const OTHER: &str = include_str!("../profiles/other.toml");

impl Profile {
    /// The reference worker's profile, which is the default.
    pub fn reference() -> Arc<Self> {
        static PARSED: LazyLock<Arc<Profile>> = LazyLock::new(|| {
            Arc::new(Profile::parse(REFERENCE).expect("a test reads the built-in profile"))
        });
        PARSED.clone()
    }

    /// The profile of the same worker as another system would have it: other names, words and numbers,
    /// and no session record.
    pub fn other() -> Arc<Self> {
        static PARSED: LazyLock<Arc<Profile>> =
            LazyLock::new(|| Arc::new(Profile::parse(OTHER).expect("a test reads it")));
        PARSED.clone()
    }

    /// Reads a profile from the text of its file.
    ///
    /// # Errors
    /// Names each mistake that was found, with its line and column.
    pub fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        file::parse(text)
    }

    /// Reads a profile from the bytes of its file.
    ///
    /// # Errors
    /// Its mistakes, in the order of their places.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Self, Vec<Mistake>> {
        let text = reading::text(bytes).map_err(|no| {
            vec![Mistake {
                line: no.line,
                column: no.column,
                message: no.why,
            }]
        })?;
        Self::parse(text)
    }

    /// Reads a profile from a file.
    ///
    /// # Errors
    /// Where the file cannot be read, or has mistakes.
    pub fn read(path: &Path) -> Result<Self, ProfileError> {
        let bytes = reading::bytes(path, reading::LARGEST_TEXT)
            .map_err(|error| ProfileError::unreadable(path, &error))?;
        let mut profile =
            Self::parse_bytes(&bytes).map_err(|mistakes| ProfileError::mistaken(path, mistakes))?;
        profile.folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(profile)
    }

    /// The same profile for runs that end at other breaches.
    #[must_use]
    pub fn heeding(self: Arc<Self>, heeded: &Heeded) -> Arc<Self> {
        match self.heeded == *heeded {
            true => self,
            false => Arc::new(Self {
                heeded: heeded.clone(),
                ..(*self).clone()
            }),
        }
    }

    /// The same profile for a system that is deployed: nobody is between it and the services that it asks,
    /// so that only what came of its requests is seen, by looking now and then.
    #[must_use]
    pub fn as_deployed(self: Arc<Self>) -> Arc<Self> {
        if self.is_polled {
            return self;
        }
        let mut polled = (*self).clone();
        let mut hide = |evidence, why: &str| {
            polled.unseen.entry(evidence).or_insert_with(|| why.into());
        };
        hide(
            Evidence::Requests,
            "a deployed system is looked at now and then, and what happens between two looks has no order",
        );
        hide(
            Evidence::Secrets,
            "the tester does not know those of a deployed system",
        );
        hide(Evidence::Agent, "a deployed system asks its agent directly");
        hide(Evidence::Workspace, "the disk of a task cannot be read");
        if self.names.log_group.is_empty() {
            hide(Evidence::Log, "the profile has no `log-group` in [names]");
        }
        let aws = self.deployed.as_ref();
        if aws.is_none_or(|aws| aws.git.is_none()) {
            hide(Evidence::Remote, "the profile has no `git` in [aws]");
        }
        if aws.is_none_or(|aws| aws.cluster.is_none() || aws.services.is_empty()) {
            hide(
                Evidence::Process,
                "the profile has no `cluster` and `services` in [aws]",
            );
        }
        polled.is_polled = true;
        Arc::new(polled)
    }

    /// The text that it was read from.
    pub fn source(&self) -> &Arc<str> {
        &self.source
    }

    /// A hash of the text that it was read from (FNV-1a, 64 bits).
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How the system is kept from the real network. One whose server the tester calls is in the machine's.
    pub fn network_mode(&self) -> NetworkMode {
        let is_called = self.start.as_ref().is_some_and(Start::is_called);
        let mode = self
            .network
            .as_ref()
            .map_or(NetworkMode::Proxy, |it| it.mode);
        match mode {
            NetworkMode::Auto if is_called => NetworkMode::Proxy,
            mode => mode,
        }
    }

    /// Why this cannot be seen of the system; `None` where it can.
    pub fn unseen(&self, evidence: Evidence) -> Option<&str> {
        if evidence != Evidence::Report {
            return self.unseen.get(&evidence).map(String::as_str);
        }
        // One place where failures are reported is enough.
        let places = self.outcome.reported_by.iter();
        let mut places = places.map(|place| self.unseen.get(place));
        let first = places.next()??;
        places.all(|place| place.is_some()).then_some(first)
    }

    /// Whether this can be seen of the system.
    pub fn sees(&self, evidence: Evidence) -> bool {
        self.unseen(evidence).is_none()
    }

    /// Whether failures that are reported there can be seen.
    pub fn reports_by(&self, place: Evidence) -> bool {
        self.outcome.reported_by.contains(&place) && self.unseen(place).is_none()
    }

    /// Whether failures may be reported after the message is deleted: by a line that comes late, or by
    /// a request of its own.
    pub fn reports_late(&self) -> bool {
        self.reports_by(Evidence::Log) || self.reports_by(Evidence::Outcome)
    }

    /// Where failures are reported, as a sentence has it.
    pub fn report_words(&self) -> String {
        let places = [
            (Evidence::Record, "a lastError in its session's record"),
            (
                Evidence::Log,
                "an ERROR line of the log that names its session",
            ),
            (Evidence::Outcome, "an outcome that says so"),
        ];
        let places = places.iter().filter(|(place, _)| self.reports_by(*place));
        let words: Vec<&str> = places.map(|(_, words)| *words).collect();
        words.join(", or ")
    }

    /// Whether every rule is asked with all its parts.
    pub fn asks_all(&self) -> bool {
        self.unseen.is_empty() && self.unpromised.is_empty()
    }

    /// Why a rule whose check needs this evidence is not asked; `None` where it is.
    pub fn not_asked(&self, rule: Rule, needs: &[Evidence]) -> Option<String> {
        if let Some(why) = self.unpromised.get(&rule) {
            return Some(format!("the system does not promise it: {why}"));
        }
        let unseen = needs.iter().find_map(|it| Some((it, self.unseen(*it)?)));
        unseen.map(|(evidence, why)| format!("its {evidence} cannot be seen: {why}"))
    }

    /// The first section in which it says other words, names or places than another profile; `None`
    /// where the output of a system with the one can be read with the other.
    pub fn section_unlike(&self, other: &Self) -> Option<&'static str> {
        let sections = |of: &Self| of.source.parse::<toml::Table>().unwrap_or_default();
        let (own, others) = (sections(self), sections(other));
        let differs = |section: &&str| match (own.get(*section), others.get(*section)) {
            // A record that the profile leaves out is not looked at.
            (None, _) if *section == "record" => false,
            (own, others) => own != others,
        };
        ["names", "record", "site", "words"]
            .into_iter()
            .find(|it| differs(it))
    }

    /// Why a step cannot be made, where the profile says so.
    pub fn cannot(&self, step: &Step) -> Option<String> {
        let (Step::Inject(fault) | Step::Heal(fault)) = step else {
            return None;
        };
        self.impossible.get(fault.name()).cloned()
    }
}

/// Profiles are the same where their texts are.
impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        let is_same = Arc::ptr_eq(&self.source, &other.source) || self.source == other.source;
        is_same && self.heeded == other.heeded && self.is_polled == other.is_polled
    }
}

impl Eq for Profile {}

/// Hashes nothing: within one run there is one profile, and states are hashed by the million.
impl Hash for Profile {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

#[cfg(test)]
mod tests;
