//! The same worker as other systems would have it: with another profile (`profiles/other.toml`), whole
//! or in one part only. No rule may object to any of them.

use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Defect, wrap};
use crate::history::{Dialect, Level, Line};
use crate::plan::{Phase, SessionId};
use crate::profile::{Limits, OTHER, Profile, REFERENCE};
use crate::site::{SiteKind, leaflet};
use crate::target::sim::Sim;
use crate::worker::ports::{Build, Builder, CommitId, PortResult, Ports};
use crate::worker::settings::Settings;

/// A system with another profile.
pub struct OtherSystem {
    pub name: &'static str,
    /// What it has otherwise than the reference.
    pub what: &'static str,
    /// The sections of the profile that are the other one's.
    sections: &'static [&'static str],
    /// Whether it deploys before it pushes.
    deploys_first: bool,
    /// What its sites are built from, on sim.
    site: SiteKind,
}

/// Each with a single difference.
static SINGLE: [OtherSystem; 6] = [
    OtherSystem {
        name: "other-names",
        what: "sessions are UUIDs; branches, buckets and the log group have other names",
        sections: &["names"],
        deploys_first: false,
        site: SiteKind::Shell,
    },
    OtherSystem {
        name: "other-words",
        what: "the log has other words, with a prefix and terminal colours",
        sections: &["words"],
        deploys_first: false,
        site: SiteKind::Shell,
    },
    OtherSystem {
        name: "other-numbers",
        what: "other attempts, time-outs, receives, visibility, cool-down and restart",
        sections: &["limits"],
        deploys_first: false,
        site: SiteKind::Shell,
    },
    OtherSystem {
        name: "no-record",
        what: "there is no session record: failures are reported by the log alone",
        sections: &["record", "outcome"],
        deploys_first: false,
        site: SiteKind::Shell,
    },
    OtherSystem {
        name: "deploys-first",
        what: "a build is deployed before its commit is pushed",
        sections: &[],
        deploys_first: true,
        site: SiteKind::Shell,
    },
    OtherSystem {
        name: "other-template",
        what: "its sites have another template: other keys, pages and assets",
        sections: &[],
        deploys_first: false,
        site: SiteKind::Leaflet,
    },
];

/// Every one: each with a single difference, and one with all.
pub fn other_systems() -> impl Iterator<Item = &'static OtherSystem> {
    SINGLE.iter().chain([&WHOLE])
}

/// The system with all differences.
pub static WHOLE: OtherSystem = OtherSystem {
    name: "other-profile",
    what: "all of these together, as profiles/other.toml has it",
    sections: &["names", "words", "record", "outcome", "limits"],
    deploys_first: true,
    site: SiteKind::Leaflet,
};

impl OtherSystem {
    /// Its profile: the reference's with some sections of the other one.
    pub fn profile(&self) -> Arc<Profile> {
        let text = with_sections(REFERENCE, OTHER, self.sections);
        Arc::new(Profile::parse(&text).expect("a test reads them all"))
    }

    /// Makes a worker that is about to start work as this system does.
    pub fn alter(&self, settings: &mut Settings) {
        promise(settings, &self.profile().limits);
        settings.deploys_first = self.deploys_first;
    }

    /// It on the simulated target, with a defect in every container where one is given.
    pub fn sim(&'static self, defect: Option<&'static Defect>) -> Sim {
        let profile = self.profile();
        let limits = profile.limits;
        let alter = Arc::new(move |ports: &mut Ports, settings: &mut Settings| {
            if self.site == SiteKind::Leaflet {
                wrap(&mut ports.builder, |inner| Rc::new(LeafletBuilder(inner)));
            }
            promise(settings, &limits);
            settings.deploys_first = self.deploys_first;
            if let Some(defect) = defect {
                defect.plant(ports, settings);
            }
        });
        let sim = match defect {
            Some(defect) => Sim::planted(defect.name, alter),
            None => Sim::altered(alter),
        };
        sim.with_profile(profile, self.dialect())
            .with_site(self.site)
    }

    /// How it writes its log.
    pub fn dialect(&self) -> Arc<Dialect> {
        let profile = self.profile();
        let write = match self.sections.contains(&"words") {
            true => other_words,
            false => reference_words,
        };
        Arc::new(move |line| {
            let session = line.session.as_ref().map(|id| profile.names.session(id));
            write(line, session.as_deref())
        })
    }
}

/// Builds leaflets.
struct LeafletBuilder(Rc<dyn Builder>);

#[async_trait(?Send)]
impl Builder for LeafletBuilder {
    async fn build(&self, session: &SessionId, commit: &CommitId) -> PortResult<Build> {
        let build = self.0.build(session, commit).await?;
        let files = leaflet(&build.files);
        Ok(Build { files, ..build })
    }
}

/// Makes the worker keep the numbers that a profile promises.
fn promise(settings: &mut Settings, limits: &Limits) {
    settings.sync.attempts = limits.sync_attempts;
    settings.agent.attempts = limits.agent_attempts;
    settings.agent.cap = limits.agent_wait;
    settings.agent_limit = limits.agent_timeout;
    settings.push.attempts = limits.push_attempts;
    settings.last_receive = limits.receives;
    settings.visibility = limits.visibility;
    settings.breaker_failures = limits.breaker_failures;
    settings.cool_down = limits.cool_down;
}

/// The text of a profile with some sections of another's, or without them where that has none.
fn with_sections(text: &str, other: &str, sections: &[&str]) -> String {
    let is_others = |block: &&str| {
        let name = block
            .strip_prefix('[')
            .and_then(|rest| rest.split([']', '.']).next());
        name.is_some_and(|name| sections.contains(&name))
    };
    let (own, others) = (blocks(text), blocks(other));
    let own = own.into_iter().filter(|block| !is_others(block));
    own.chain(others.into_iter().filter(is_others)).collect()
}

/// A profile's text in parts, each of which begins at a section.
fn blocks(text: &str) -> Vec<&str> {
    let mut begins = vec![0];
    begins.extend(text.match_indices("\n[").map(|(at, _)| at + 1));
    begins.push(text.len());
    begins
        .windows(2)
        .map(|pair| &text[pair[0]..pair[1]])
        .collect()
}

/// A line in the reference's form, with the session's name as the profile has it.
fn reference_words(line: &Line, session: Option<&str>) -> String {
    let bare = Line {
        session: None,
        phase: None,
        ..line.clone()
    };
    let (text, name) = (bare.to_string(), session.map(|name| format!("[{name}] ")));
    let phase = line.phase.map(|phase| format!("[{phase}] "));
    let at = text.len() - line.text.len();
    let (name, phase) = (name.unwrap_or_default(), phase.unwrap_or_default());
    format!("{}{name}{phase}{}", &text[..at], line.text)
}

/// The words of `profiles/other.toml`.
fn other_words(line: &Line, session: Option<&str>) -> String {
    let (level, colour) = match line.level {
        Level::Info => ("notice", 36),
        Level::Warn => ("warning", 33),
        Level::Error => ("fatal", 31),
    };
    let session = session.map(|name| format!("ticket=\u{1b}[1m{name}\u{1b}[0m "));
    let session = session.unwrap_or_default();
    let phase = line.phase.map_or("", |phase| match phase {
        Phase::Received => "Ticket taken: ",
        Phase::Thinking => "Asking: ",
        Phase::Editing => "Applying: ",
        Phase::Committing => "Recording: ",
        Phase::Pushing => "Publishing: ",
        Phase::Building => "Compiling: ",
        Phase::Deploying => "Uploading: ",
        Phase::Done => "Ticket closed: ",
    });
    let text = &line.text;
    let other = OTHER_WORDS
        .iter()
        .find_map(|(own, other)| Some(format!("{other}{}", text.strip_prefix(own)?)));
    let text = other.as_ref().unwrap_or(text);
    format!(
        "\u{1b}[2msite-editor[7]:\u{1b}[0m \u{1b}[{colour}m{level}\u{1b}[0m {session}» {phase}{text}"
    )
}

/// What the worker's own words become.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("S3 sync attempt", "Upload try"),
    ("S3 sync complete", "Upload finished"),
    ("S3 sync failed after retries", "Upload given up"),
    (
        "Circuit breaker prevented S3 sync",
        "The fuse held back an upload",
    ),
    ("Circuit breaker open", "The fuse blew"),
    ("Git push complete", "Branch published"),
    ("Saved work locally", "Work kept here"),
    ("Build completed with warnings", "Compiled with warnings"),
    ("Build complete", "Compiled"),
    ("Build failed", "Did not compile"),
];

/// Why a defect of the built-in worker is a habit, and no mistake, of [`WHOLE`].
pub fn habit_of_whole(defect: &str) -> Option<&'static str> {
    (defect == "builds-before-rebase")
        .then_some("it deploys before it pushes, so it builds before it rebases")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Claim;
    use crate::profile::LineReader;

    #[test]
    fn every_system_reads_the_lines_that_it_writes() {
        let session = SessionId::new("acme", "home");
        for system in other_systems() {
            let profile = system.profile();
            let reader = LineReader::new(profile.clone(), std::slice::from_ref(&session));
            let read = |line: &Line| reader.read(&system.dialect()(line));
            let mut line = Line {
                level: Level::Error,
                session: Some(session.clone()),
                phase: None,
                text: "S3 sync attempt 2/4".into(),
            };
            let seen = read(&line);
            assert_eq!(seen.claim, Some(Claim::SyncAttempt(2)), "{}", system.name);
            assert_eq!((seen.level, seen.phase), (Level::Error, None));
            assert_eq!(seen.session.as_ref(), Some(&session));
            line.phase = Some(Phase::Pushing);
            line.level = Level::Info;
            let seen = read(&line);
            assert_eq!(
                (seen.level, seen.phase),
                (Level::Info, Some(Phase::Pushing))
            );
            line.session = None;
            assert_eq!(read(&line).session, None);
        }
        assert_eq!(WHOLE.profile().limits, Profile::other().limits);
        assert!(WHOLE.profile().record.is_none());
    }
}
