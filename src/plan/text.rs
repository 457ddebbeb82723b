//! The text form of a plan: one step a line, comments kept, errors with their place.

use std::fmt;
use std::str::FromStr;

use super::line::{ParseError, Word, Words};
use super::name::FORM;
use super::{Plan, SessionId, StepKind};
use crate::terminal::{is_order, quoted};

/// The first line of every plan; the version lets old plans be read for ever.
pub const VERSION_LINE: &str = "# shakedown plan v1";

/// The first word of a line that declares a session.
const SESSION: &str = "session";

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

impl FromStr for Plan {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut plan = Self::default();
        no_orders(text)?;
        let mut lines = text.lines().enumerate();
        match lines.next() {
            Some((_, first)) if first.trim_end() == VERSION_LINE => {}
            Some((_, first)) if first.starts_with("# shakedown plan v") => {
                return Err(ParseError {
                    line: 1,
                    column: "# shakedown plan ".len() + 1,
                    message: format!(
                        "`{}` is a version that this program does not know; it reads \
                         `{VERSION_LINE}`, so use a newer program",
                        quoted(first)
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
            if word.text == SESSION {
                let session = session(word, &mut words, &plan)?;
                plan.sessions.push(session);
            } else if let Some(kind) = StepKind::named(word.text, words.peek()) {
                plan.steps.push(kind.read(&mut words, &plan)?);
            } else {
                return Err(words.unknown(word, "step", words_of_lines()));
            }
            words.end()?;
        }
        Ok(plan)
    }
}

/// A plan has no characters that a terminal obeys: it is printed, and sent to colleagues.
fn no_orders(text: &str) -> Result<(), ParseError> {
    let Some((line, number)) = text
        .lines()
        .zip(1..)
        .find(|(line, _)| line.contains(is_order))
    else {
        return Ok(());
    };
    let before = line.chars().take_while(|c| !is_order(*c)).count();
    let order = line.chars().nth(before).unwrap_or_default();
    Err(ParseError {
        line: number,
        column: before + 1,
        message: format!(
            "the control character {} is not part of a plan; remove it",
            order.escape_unicode()
        ),
    })
}

/// Each word that a line can begin with.
fn words_of_lines() -> impl Iterator<Item = &'static str> {
    // Two kinds are called `until`.
    let is_new = |at: &usize| {
        let before = &StepKind::ALL[..*at];
        before
            .iter()
            .all(|kind| kind.name() != StepKind::ALL[*at].name())
    };
    let names = (0..StepKind::ALL.len()).filter(is_new);
    std::iter::once(SESSION).chain(names.map(|at| StepKind::ALL[at].name()))
}

/// Reads the declaration of a session.
fn session(word: Word<'_>, words: &mut Words<'_>, plan: &Plan) -> Result<SessionId, ParseError> {
    let name = words.need("a session, as client/thread")?;
    let session = SessionId::parse(name.text).ok_or_else(|| {
        let remedy = format!("`{}` is not a session; write {FORM}", quoted(name.text));
        words.error(name, remedy)
    })?;
    if plan.sessions.contains(&session) {
        return Err(words.error(name, format!("session `{session}` is declared twice")));
    }
    if !plan.steps.is_empty() {
        let remedy = "sessions are declared before the first step; move this line up";
        return Err(words.error(word, remedy.into()));
    }
    Ok(session)
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
            "add the line `session acme/blog` below the first one",
        );
        check_error(
            "  instruct acme/home chnge",
            22,
            "known: change, break-build",
        );
        check_error("crash globex", 7, "no declared session");
        check_error(
            "instruct home change",
            10,
            "`home` is not a session; write client/thread",
        );
        check_error("crash Acme!", 7, "`Acme!` is not a client");
        check_error("# a \u{1b}]0;title\u{7}", 5, "control character \\u{1b}");
        check_error(
            &format!("crash {}", "x".repeat(10_000_000)),
            7,
            "… (10000000 bytes)",
        );
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
