//! What the lines of a system's log say.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use regex::{Regex, RegexSet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::Profile;
use super::fields::Pattern;
use crate::history::{Claim, Level, What};
use crate::plan::{ClientId, Phase, SessionId};

/// The regular expressions for a system's log.
#[derive(Clone, Debug)]
pub struct Words {
    line: Option<Regex>,
    colours: bool,
    error: Option<Regex>,
    warning: Option<Regex>,
    claims: RegexSet,
    /// The claim of each expression of `claims`, and the expression itself.
    kinds: Vec<(ClaimWord, Regex)>,
    phases: Vec<(Phase, Regex)>,
}

/// A claim, by its name in a profile.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
enum ClaimWord {
    SyncAttempt,
    SyncDone,
    SyncFailed,
    SyncPrevented,
    BreakerOpened,
    PushDone,
    SavedLocally,
    BuildDone,
    BuildFailed,
}

impl ClaimWord {
    fn name(self) -> String {
        // As profiles write it.
        let word = serde_json::to_value(self).unwrap_or_default();
        word.as_str().unwrap_or_default().to_owned()
    }
}

/// The section `[words]`.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct WordsSection {
    /// Takes a line apart, by the groups level, session, phase and text.
    #[schemars(with = "Option<Pattern>")]
    line: Option<Spanned<Pattern>>,
    /// Whether lines have terminal colours, which are taken out first.
    colours: bool,
    /// Lines of level ERROR, where `line` has no group `level`.
    error: Option<Pattern>,
    /// Lines of level WARN, likewise.
    warning: Option<Pattern>,
    /// What the text of a line claims. `sync-attempt` has a group `attempt`, a number from 1.
    #[schemars(with = "BTreeMap<ClaimWord, Pattern>")]
    claims: BTreeMap<ClaimWord, Spanned<Pattern>>,
    /// The text by which a phase begins, where `line` has no group `phase`.
    #[schemars(with = "BTreeMap<String, Pattern>")]
    phases: BTreeMap<Phase, Pattern>,
}

impl WordsSection {
    /// The words, or what one of them lacks, by its byte.
    pub(super) fn words(self) -> Result<Words, (usize, String)> {
        const GROUPS: [&str; 4] = ["level", "session", "phase", "text"];
        let groups = |of: &Spanned<Pattern>| -> Vec<String> {
            let names = of.get_ref().0.capture_names().flatten();
            names.map(str::to_owned).collect()
        };
        if let Some(line) = &self.line {
            let named = groups(line);
            let other = named.iter().find(|name| !GROUPS.contains(&name.as_str()));
            let why = match other {
                Some(other) => Some(format!(
                    "`line` has a group `{other}`: the groups are {}",
                    GROUPS.join(", ")
                )),
                None if !named.iter().any(|name| name == "text") => Some(
                    "`line` has no group `text`: write (?<text>.*) where the message is".into(),
                ),
                None => None,
            };
            if let Some(why) = why {
                return Err((line.span().start, why));
            }
        }
        if let Some(attempt) = self.claims.get(&ClaimWord::SyncAttempt)
            && !groups(attempt).iter().any(|name| name == "attempt")
        {
            let why = "`sync-attempt` has no group `attempt`: write (?<attempt>[0-9]+) where the number is";
            return Err((attempt.span().start, why.into()));
        }
        let kinds: Vec<(ClaimWord, Regex)> = self
            .claims
            .into_iter()
            .map(|(word, it)| (word, it.into_inner().0))
            .collect();
        let claims = RegexSet::new(kinds.iter().map(|(_, it)| it.as_str()))
            .map_err(|error| (0, format!("the claims are too large together: {error}")))?;
        Ok(Words {
            line: self.line.map(|it| it.into_inner().0),
            colours: self.colours,
            error: self.error.map(|it| it.0),
            warning: self.warning.map(|it| it.0),
            claims,
            kinds,
            phases: self
                .phases
                .into_iter()
                .map(|(phase, it)| (phase, it.0))
                .collect(),
        })
    }
}

impl Words {
    /// Whether some lines say that this phase begins.
    pub fn shows(&self, phase: Phase) -> bool {
        let line = self.line.iter().flat_map(Regex::capture_names);
        line.flatten().any(|group| group == "phase")
            || self.phases.iter().any(|(known, _)| *known == phase)
    }

    /// Every expression with its place in the profile, to see which ones match.
    pub fn expressions(&self) -> Vec<(String, &Regex)> {
        let single = [
            ("line", &self.line),
            ("error", &self.error),
            ("warning", &self.warning),
        ];
        let single = single
            .into_iter()
            .filter_map(|(name, it)| Some((name.to_owned(), it.as_ref()?)));
        let claims = self
            .kinds
            .iter()
            .map(|(word, it)| (format!("claims.{}", word.name()), it));
        let phases = self
            .phases
            .iter()
            .map(|(phase, it)| (format!("phases.{phase}"), it));
        single.chain(claims).chain(phases).collect()
    }

    /// What the text of a line claims; the first expression that matches counts.
    pub fn claim(&self, text: &str) -> Option<Claim> {
        // Most lines claim nothing, and that is found out without anything to remember.
        if !self.claims.is_match(text) {
            return None;
        }
        let first = self.claims.matches(text).iter().next()?;
        let (word, expression) = &self.kinds[first];
        Some(match word {
            ClaimWord::SyncAttempt => {
                let number = expression.captures(text)?.name("attempt")?;
                Claim::SyncAttempt(number.as_str().parse().ok()?)
            }
            ClaimWord::SyncDone => Claim::SyncDone,
            ClaimWord::SyncFailed => Claim::SyncFailed,
            ClaimWord::SyncPrevented => Claim::SyncPrevented,
            ClaimWord::BreakerOpened => Claim::BreakerOpened,
            ClaimWord::PushDone => Claim::PushDone,
            ClaimWord::SavedLocally => Claim::SavedLocally,
            ClaimWord::BuildDone => Claim::BuildDone,
            ClaimWord::BuildFailed => Claim::BuildFailed,
        })
    }

    /// Whether a record's error says that the breaker stopped a sync.
    pub fn says_prevented(&self, error: &str) -> bool {
        self.says(error, &[ClaimWord::SyncPrevented])
    }

    /// Whether a record's error says that a deploy waits.
    pub fn says_undeployed(&self, error: &str) -> bool {
        self.says(error, &[ClaimWord::SyncPrevented, ClaimWord::SyncFailed])
    }

    /// Whether a record's error says that commits wait to be pushed.
    pub fn says_unpushed(&self, error: &str) -> bool {
        self.says(error, &[ClaimWord::SavedLocally])
    }

    /// Whether a record's error has such words of the log, anywhere.
    fn says(&self, error: &str, words: &[ClaimWord]) -> bool {
        self.kinds.iter().any(|(word, expression)| {
            words.contains(word)
                && (expression.is_match(error)
                    || error
                        .match_indices(|c: char| c.is_whitespace() || c == ';' || c == ':')
                        .any(|(at, between)| expression.is_match(&error[at + between.len()..])))
        })
    }
}

/// A line of the log, as the words understand it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reading {
    /// How grave the system calls it; INFO where it does not say.
    pub level: Level,
    /// The session that the line names.
    pub session: Option<SessionId>,
    /// The phase that it says begins.
    pub phase: Option<Phase>,
    /// What it claims.
    pub claim: Option<Claim>,
    /// The message itself.
    pub text: Arc<str>,
}

impl Reading {
    /// The event of a line of a client's container that was written at `stamp`.
    pub fn logged(self, client: ClientId, stamp: Duration) -> What {
        What::Logged {
            client,
            stamp,
            session: self.session,
            level: self.level,
            text: self.text,
            phase: self.phase,
            claim: self.claim,
        }
    }
}

/// Reads the lines of one run, whose sessions are known.
#[derive(Clone, Debug)]
pub struct LineReader {
    profile: Arc<Profile>,
    sessions: Vec<(String, SessionId)>,
}

impl LineReader {
    /// A reader for a system with these sessions.
    pub fn new(profile: Arc<Profile>, sessions: &[SessionId]) -> Self {
        let named = |id: &SessionId| (profile.names.session(id), id.clone());
        Self {
            sessions: sessions.iter().map(named).collect(),
            profile,
        }
    }

    /// The profile of the system that it reads.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// What the text of a line claims.
    pub fn claim(&self, text: &str) -> Option<Claim> {
        self.profile.words.claim(text)
    }

    /// What a line of the log group says.
    pub fn read(&self, raw: &str) -> Reading {
        let words = &self.profile.words;
        let raw = if words.colours {
            without_colours(raw)
        } else {
            Cow::Borrowed(raw)
        };
        let captures = words.line.as_ref().and_then(|line| line.captures(&raw));
        let group = |name: &str| Some(captures.as_ref()?.name(name)?.as_str());
        let text = group("text").unwrap_or(&raw);
        let level = match group("level") {
            Some(word) => level(word),
            None if words.error.as_ref().is_some_and(|it| it.is_match(&raw)) => Level::Error,
            None if words.warning.as_ref().is_some_and(|it| it.is_match(&raw)) => Level::Warn,
            None => Level::Info,
        };
        let session = group("session").and_then(|name| {
            let known = self.sessions.iter().find(|(own, _)| own == name)?;
            Some(known.1.clone())
        });
        let of_text = || {
            let first = words.phases.iter().find(|(_, it)| it.is_match(text))?;
            Some(first.0)
        };
        let phase = group("phase")
            .and_then(|word| word.parse().ok())
            .or_else(of_text);
        Reading {
            level,
            session,
            phase,
            claim: words.claim(text),
            text: text.into(),
        }
    }
}

/// A level by the words that loggers use for it.
fn level(word: &str) -> Level {
    match word.to_ascii_lowercase().as_str() {
        "error" | "err" | "fatal" | "critical" | "crit" | "panic" => Level::Error,
        "warn" | "warning" => Level::Warn,
        _ => Level::Info,
    }
}

/// Takes the colours of a terminal out of a line (CSI sequences of ECMA-48).
fn without_colours(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\u{1b}') {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find("\u{1b}[") {
        text.push_str(&rest[..at]);
        let sequence = &rest[at + 2..];
        let end = sequence.find(|c: char| ('\u{40}'..='\u{7e}').contains(&c));
        rest = end.map_or("", |end| &sequence[end + 1..]);
    }
    text.push_str(rest);
    Cow::Owned(text)
}
