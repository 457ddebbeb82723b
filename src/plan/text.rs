//! The text form of a plan: one step a line, comments kept, errors with their place.

use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::time::Duration;

use super::{ClientId, Edit, Fault, Outage, Outsider, Phase, Plan, SessionId, Step};

/// The first line of every plan; the version lets old plans be read for ever.
pub const VERSION_LINE: &str = "# shakedown plan v1";

/// The longest `wait` that a plan may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// What is wrong with a plan's text, and where. Lines and columns count from 1.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ParseError {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

/// Whether a text can name a client or a thread: it becomes part of bucket and branch names.
pub(super) fn is_name(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comments_at = |f: &mut fmt::Formatter<'_>, at: usize| {
            self.comments
                .iter()
                .filter(|(before, _)| *before == at)
                .try_for_each(|(_, text)| writeln!(f, "#{text}"))
        };
        writeln!(f, "{VERSION_LINE}")?;
        comments_at(f, 0)?;
        for session in &self.sessions {
            writeln!(f, "session {session}")?;
        }
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "{step}")?;
            comments_at(f, index + 1)?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plus = |f: &mut fmt::Formatter<'_>, requests: u32| match requests {
            0 => Ok(()),
            n => write!(f, " +{n}"),
        };
        match self {
            Self::Instruct(session, edit) => write!(f, "instruct {session} {edit}"),
            Self::Until {
                session,
                phase,
                requests,
            } => {
                write!(f, "until {session} {phase}")?;
                plus(f, *requests)
            }
            Self::UntilStarted { client, requests } => {
                write!(f, "until {client} started")?;
                plus(f, *requests)
            }
            Self::Wait(time) => {
                let millis = time.as_millis();
                if millis.is_multiple_of(1000) {
                    write!(f, "wait {}s", millis / 1000)
                } else {
                    write!(f, "wait {millis}ms")
                }
            }
            Self::PushFromOutside(session, kind) => write!(f, "push-from-outside {session} {kind}"),
            Self::Inject(fault) => write!(f, "inject {fault}"),
            Self::Heal(fault) => write!(f, "heal {fault}"),
            Self::Crash(client) => write!(f, "crash {client}"),
            Self::LoseWorkspace(client) => write!(f, "workspace-lost {client}"),
            Self::RetryPush(session) => write!(f, "retry-push {session}"),
            Self::Redeliver(session) => write!(f, "redeliver {session}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::S3Denied(None)
            | Self::GitAuth
            | Self::GitDown
            | Self::AgentSlow
            | Self::StoreThrottled => Ok(()),
            Self::S3Denied(Some(client))
            | Self::S3Missing(client)
            | Self::S3AckLost(client)
            | Self::OutOfMemory(client)
            | Self::Partition(client) => write!(f, " {client}"),
            Self::S3Down(outage) => write!(f, " {outage}"),
            Self::S3Partial { client, taken } => write!(f, " {client} {taken}"),
            Self::BuildError(session) | Self::BuildWarning(session) => write!(f, " {session}"),
            Self::AgentError(status) => write!(f, " {status}"),
        }
    }
}

/// The word of each variant, both ways.
macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),+ })
            }
        }

        impl FromStr for $type {
            type Err = Unknown;
            fn from_str(text: &str) -> Result<Self, Unknown> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(Unknown(&[$($word),+])),
                }
            }
        }
    };
}

/// A word that is none of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unknown(pub &'static [&'static str]);

words!(Edit {
    Change = "change",
    BreakBuild = "break-build",
    Repair = "repair",
    Warn = "warn",
    MemoryHungry = "memory-hungry",
});
words!(Phase {
    Received = "received",
    Thinking = "thinking",
    Editing = "editing",
    Committing = "committing",
    Pushing = "pushing",
    Building = "building",
    Deploying = "deploying",
    Done = "done",
});
words!(Outage {
    SlowDown = "slow-down",
    Refused = "refused",
    Reset = "reset",
    Timeout = "timeout",
});
words!(Outsider {
    Clean = "clean",
    Conflicting = "conflicting",
});

pub(crate) const STEP_WORDS: [&str; 11] = [
    "session",
    "instruct",
    "until",
    "wait",
    "push-from-outside",
    "inject",
    "heal",
    "crash",
    "workspace-lost",
    "retry-push",
    "redeliver",
];
pub(crate) const FAULT_WORDS: [&str; 14] = [
    "s3-denied",
    "s3-missing",
    "s3-down",
    "s3-partial",
    "s3-ack-lost",
    "git-auth",
    "git-down",
    "build-error",
    "build-warning",
    "out-of-memory",
    "partition",
    "agent-slow",
    "agent-error",
    "store-throttled",
];
const AGENT_STATUSES: [u16; 3] = [429, 500, 529];

impl FromStr for Plan {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut plan = Self::default();
        let mut lines = text.lines().enumerate();
        match lines.next() {
            Some((_, first)) if first.trim_end() == VERSION_LINE => {}
            Some((_, first)) if first.starts_with("# shakedown plan v") => {
                return Err(ParseError {
                    line: 1,
                    column: "# shakedown plan ".len() + 1,
                    message: format!(
                        "`{first}` is a version that this program does not know; it reads \
                         `{VERSION_LINE}`, so use a newer program"
                    ),
                });
            }
            _ => {
                return Err(ParseError {
                    line: 1,
                    column: 1,
                    message: format!("a plan begins with the line `{VERSION_LINE}`; add it"),
                });
            }
        }
        for (index, line) in lines {
            if let Some(comment) = line.trim_start().strip_prefix('#') {
                plan.comments
                    .push((plan.steps.len(), comment.trim_end().to_owned()));
                continue;
            }
            let mut words = Words::new(line, index + 1);
            let Some(word) = words.next() else { continue };
            parse_line(word, &mut words, &mut plan)?;
            words.end()?;
        }
        Ok(plan)
    }
}

fn parse_line<'a>(
    word: Word<'a>,
    words: &mut Words<'a>,
    plan: &mut Plan,
) -> Result<(), ParseError> {
    let step = match word.text {
        "session" => {
            let name = words.need("a session, as client/thread")?;
            let session = SessionId::parse(name.text).ok_or_else(|| {
                words.error(
                    name,
                    format!(
                        "`{}` is not a session; write client/thread in lower-case letters, digits \
                         and inner hyphens",
                        name.text
                    ),
                )
            })?;
            if plan.sessions.contains(&session) {
                return Err(words.error(name, format!("session `{session}` is declared twice")));
            }
            if !plan.steps.is_empty() {
                return Err(words.error(
                    word,
                    "sessions are declared before the first step; move this line up".into(),
                ));
            }
            plan.sessions.push(session);
            return Ok(());
        }
        "instruct" => Step::Instruct(session(words, plan)?, one_of(words, "an edit")?),
        "until" => until(words, plan)?,
        "wait" => Step::Wait(duration(words)?),
        "push-from-outside" => {
            Step::PushFromOutside(session(words, plan)?, one_of(words, "a kind of push")?)
        }
        "inject" => Step::Inject(fault(words, plan)?),
        "heal" => Step::Heal(fault(words, plan)?),
        "crash" => Step::Crash(client(words, plan)?),
        "workspace-lost" => Step::LoseWorkspace(client(words, plan)?),
        "retry-push" => Step::RetryPush(session(words, plan)?),
        "redeliver" => Step::Redeliver(session(words, plan)?),
        _ => return Err(words.unknown(word, "step", &STEP_WORDS)),
    };
    plan.steps.push(step);
    Ok(())
}

fn until(words: &mut Words<'_>, plan: &Plan) -> Result<Step, ParseError> {
    let subject = words.need("a session or a client")?;
    if subject.text.contains('/') {
        let session = session_of(words, subject, plan)?;
        let phase = one_of(words, "a phase")?;
        let requests = plus(words)?;
        return Ok(Step::Until {
            session,
            phase,
            requests,
        });
    }
    let client = client_of(words, subject, plan)?;
    let started = words.need("`started`")?;
    if started.text != "started" {
        return Err(words.unknown(started, "state of a container", &["started"]));
    }
    let requests = plus(words)?;
    Ok(Step::UntilStarted { client, requests })
}

fn plus(words: &mut Words<'_>) -> Result<u32, ParseError> {
    let Some(word) = words.next() else {
        return Ok(0);
    };
    word.text
        .strip_prefix('+')
        .and_then(|digits| digits.parse().ok())
        .filter(|n| (1..=1000).contains(n))
        .ok_or_else(|| {
            words.error(
                word,
                format!(
                    "`{}` is not a number of requests; write +1 to +1000",
                    word.text
                ),
            )
        })
}

fn duration(words: &mut Words<'_>) -> Result<Duration, ParseError> {
    let word = words.need("a time, such as 30s")?;
    let digits = word
        .text
        .trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &word.text[digits.len()..] {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    digits
        .parse::<u64>()
        .ok()
        .zip(unit)
        .and_then(|(n, unit)| n.checked_mul(unit))
        .map(Duration::from_millis)
        .filter(|time| (Duration::from_millis(1)..=LONGEST_WAIT).contains(time))
        .ok_or_else(|| {
            words.error(
                word,
                format!(
                    "`{}` is not a time; write a whole number with ms, s, m or h, from 1ms to 24h",
                    word.text
                ),
            )
        })
}

fn fault(words: &mut Words<'_>, plan: &Plan) -> Result<Fault, ParseError> {
    let word = words.need("a fault")?;
    Ok(match word.text {
        "s3-denied" => match words.next() {
            None => Fault::S3Denied(None),
            Some(name) => Fault::S3Denied(Some(client_of(words, name, plan)?)),
        },
        "s3-missing" => Fault::S3Missing(client(words, plan)?),
        "s3-down" => Fault::S3Down(one_of(words, "how S3 is down")?),
        "s3-partial" => Fault::S3Partial {
            client: client(words, plan)?,
            taken: number(words, "a number of objects", 0..=1000)?,
        },
        "s3-ack-lost" => Fault::S3AckLost(client(words, plan)?),
        "git-auth" => Fault::GitAuth,
        "git-down" => Fault::GitDown,
        "build-error" => Fault::BuildError(session(words, plan)?),
        "build-warning" => Fault::BuildWarning(session(words, plan)?),
        "out-of-memory" => Fault::OutOfMemory(client(words, plan)?),
        "partition" => Fault::Partition(client(words, plan)?),
        "agent-slow" => Fault::AgentSlow,
        "agent-error" => {
            let word = words.need("a status")?;
            let status = word.text.parse().ok();
            match status.filter(|status| AGENT_STATUSES.contains(status)) {
                Some(status) => Fault::AgentError(status),
                None => return Err(words.unknown(word, "status", &["429", "500", "529"])),
            }
        }
        "store-throttled" => Fault::StoreThrottled,
        _ => return Err(words.unknown(word, "fault", &FAULT_WORDS)),
    })
}

fn number(
    words: &mut Words<'_>,
    what: &str,
    range: std::ops::RangeInclusive<u32>,
) -> Result<u32, ParseError> {
    let word = words.need(what)?;
    word.text
        .parse()
        .ok()
        .filter(|n| range.contains(n))
        .ok_or_else(|| {
            let text = format!(
                "`{}` is not {what}; write a whole number from {} to {}",
                word.text,
                range.start(),
                range.end()
            );
            words.error(word, text)
        })
}

fn session(words: &mut Words<'_>, plan: &Plan) -> Result<SessionId, ParseError> {
    let word = words.need("a session, as client/thread")?;
    session_of(words, word, plan)
}

fn session_of(words: &Words<'_>, word: Word<'_>, plan: &Plan) -> Result<SessionId, ParseError> {
    plan.sessions
        .iter()
        .find(|session| session.to_string() == word.text)
        .cloned()
        .ok_or_else(|| {
            words.error(
                word,
                format!(
                    "session `{0}` was not declared; add the line `session {0}` at the top",
                    word.text
                ),
            )
        })
}

fn client(words: &mut Words<'_>, plan: &Plan) -> Result<ClientId, ParseError> {
    let word = words.need("a client")?;
    client_of(words, word, plan)
}

fn client_of(words: &Words<'_>, word: Word<'_>, plan: &Plan) -> Result<ClientId, ParseError> {
    plan.sessions
        .iter()
        .map(|session| &session.client)
        .find(|client| &*client.0 == word.text)
        .cloned()
        .ok_or_else(|| {
            words.error(
                word,
                format!(
                    "client `{0}` has no declared session; add a line such as `session {0}/home` \
                     at the top",
                    word.text
                ),
            )
        })
}

fn one_of<T: FromStr<Err = Unknown>>(
    words: &mut Words<'_>,
    what: &'static str,
) -> Result<T, ParseError> {
    let word = words.need(what)?;
    word.text.parse().map_err(|Unknown(known)| {
        let what = what.trim_start_matches("an ").trim_start_matches("a ");
        words.unknown(word, what, known)
    })
}

/// A word and its column, from 1.
#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    column: usize,
}

/// The words of one line.
struct Words<'a> {
    line_text: &'a str,
    line: usize,
    at: usize,
}

impl<'a> Words<'a> {
    fn new(line_text: &'a str, line: usize) -> Self {
        Self {
            line_text,
            line,
            at: 0,
        }
    }

    fn next(&mut self) -> Option<Word<'a>> {
        let rest = &self.line_text[self.at..];
        let start = self.at + (rest.len() - rest.trim_start().len());
        let text = self.line_text[start..].split_whitespace().next()?;
        self.at = start + text.len();
        Some(Word {
            text,
            column: self.line_text[..start].chars().count() + 1,
        })
    }

    fn need(&mut self, what: &str) -> Result<Word<'a>, ParseError> {
        let end = self.line_text.trim_end().chars().count() + 1;
        self.next().ok_or_else(|| ParseError {
            line: self.line,
            column: end,
            message: format!("the line ends where {what} is needed"),
        })
    }

    fn end(&mut self) -> Result<(), ParseError> {
        match self.next() {
            None => Ok(()),
            Some(word) => Err(self.error(
                word,
                format!(
                    "`{}` is more than this step takes; remove it, or put a comment on a line of \
                     its own",
                    word.text
                ),
            )),
        }
    }

    fn error(&self, word: Word<'_>, message: String) -> ParseError {
        ParseError {
            line: self.line,
            column: word.column,
            message,
        }
    }

    fn unknown(&self, word: Word<'_>, what: &str, known: &[&str]) -> ParseError {
        let mut message = format!("unknown {what} `{}`; known: ", word.text);
        for (n, word) in known.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            let _ = write!(message, "{comma}{word}");
        }
        self.error(word, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_error(line: &str, column: usize, part: &str) {
        let text = format!("{VERSION_LINE}\nsession acme/home\n{line}\n");
        let error = text.parse::<Plan>().unwrap_err();
        assert_eq!((error.line, error.column), (3, column), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }

    #[test]
    fn errors_name_their_place_and_the_remedy() {
        check_error("instrct acme/home change", 1, "unknown step `instrct`");
        check_error(
            "instruct acme/blog change",
            10,
            "add the line `session acme/blog`",
        );
        check_error(
            "  instruct acme/home chnge",
            22,
            "known: change, break-build",
        );
        check_error("crash globex", 7, "no declared session");
        check_error("wait 30", 6, "not a time");
        check_error("wait 99999999999999999999h", 6, "not a time");
        check_error("wait 25h", 6, "from 1ms to 24h");
        check_error("until acme/home pushing +0", 25, "+1 to +1000");
        check_error("until acme stopped", 12, "known: started");
        check_error("inject s3-denid", 8, "unknown fault `s3-denid`");
        check_error("inject agent-error 418", 20, "known: 429, 500, 529");
        check_error("inject s3-partial acme -1", 24, "from 0 to 1000");
        check_error("inject", 7, "the line ends where a fault is needed");
        check_error("crash acme now", 12, "more than this step takes");
        check_error("session acme/home", 9, "declared twice");
        check_error("session Acme", 9, "is not a session");
    }

    #[test]
    fn the_version_line_comes_first() {
        for (text, part) in [
            ("", "begins with the line"),
            ("session acme/home\n", "begins with the line"),
            ("# shakedown plan v2\n", "use a newer program"),
        ] {
            let error = text.parse::<Plan>().unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn comments_and_odd_spacing_are_read() {
        let text = "# shakedown plan v1\n# why\n\nsession acme/home\n\tinstruct  acme/home\tchange \n#  then\nwait 2m\n";
        let plan: Plan = text.parse().unwrap();
        assert_eq!(
            plan.to_string(),
            "# shakedown plan v1\n# why\nsession acme/home\ninstruct acme/home change\n#  then\nwait 120s\n"
        );
    }
}
