//! A history that was written down before, read and judged again.

use std::io;
use std::path::{Path, PathBuf};

use crate::history::{Header, History, Incomplete, ReadHistory, What};
use crate::judge;
use crate::reading;
use crate::site::SiteKind;
use crate::verdict::Verdict;

/// A history from a file.
#[derive(Clone, Debug)]
pub struct Saved {
    pub header: Header,
    pub site: SiteKind,
    pub history: History,
    /// Why it is not all of a run, where it is not.
    pub incomplete: Option<Incomplete>,
}

/// Why a history could not be read. Its text begins with the place, as compilers write it.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    #[error("{}: cannot read the history: {why}; check the path", path.display())]
    Io { path: PathBuf, why: io::Error },
    /// Without a header that this program understands, no event can be judged.
    #[error("{}:{}: {}; incomplete: not judged to the end", path.display(), of.line, of.why)]
    NoHeader { path: PathBuf, of: Incomplete },
}

/// Reads a history, as far as it goes.
///
/// # Errors
/// Where the file cannot be read, or does not begin with a header.
pub fn read(path: &Path) -> Result<Saved, SavedError> {
    let bytes = reading::bytes(path, reading::LARGEST_RECORD).map_err(|why| SavedError::Io {
        path: path.to_owned(),
        why,
    })?;
    parse(&bytes).map_err(|of| SavedError::NoHeader {
        path: path.to_owned(),
        of,
    })
}

fn parse(bytes: &[u8]) -> Result<Saved, Incomplete> {
    let ReadHistory {
        header,
        history,
        incomplete,
    } = ReadHistory::parse(bytes)?;
    let of_header = |why| Incomplete { line: 1, why };
    header.profile.read().map_err(of_header)?;
    let site = SiteKind::by_name(&header.site).ok_or_else(|| {
        let site = &header.site;
        of_header(format!(
            "the header names the site `{site}`, which is unknown"
        ))
    })?;
    Ok(Saved {
        header,
        site,
        history,
        incomplete,
    })
}

/// Judges the bytes of a history's file again, as `shakedown report` does.
///
/// # Errors
/// Where they do not begin with a header that this program understands.
pub fn judge_again(bytes: &[u8]) -> Result<Verdict, Incomplete> {
    let saved = parse(bytes)?;
    Ok(saved.judge(saved.site))
}

impl Saved {
    /// Judges the history again. One that is not all of a run is never held; neither is one whose
    /// run ended otherwise than its events say.
    pub fn judge(&self, site: SiteKind) -> Verdict {
        let end = self.history.end.as_ref();
        let settled = end.and_then(|end| end.settled.as_deref());
        let judged = judge::judge(
            &self.header.plan,
            site,
            self.history.profile(),
            &self.history.events,
            settled,
        );
        let unknown = |why: String| Verdict::Unknown { why };
        match (judged, end.map(|end| &end.verdict)) {
            // It may have been the machine's doing.
            (Verdict::Violated(_), Some(Verdict::Unknown { why })) => unknown(why.clone()),
            // What was seen at the end is explained by what is missing.
            (Verdict::Violated(_), Some(Verdict::Held)) if !self.has_every_step() => {
                unknown("the run held, but some of its steps are not here".into())
            }
            (judged @ (Verdict::Violated(_) | Verdict::Unknown { .. }), _) => judged,
            (Verdict::Held, None) => unknown(match &self.incomplete {
                Some(place) => format!("incomplete: not judged to the end; {place}"),
                None => "incomplete: not judged to the end".into(),
            }),
            (Verdict::Held, Some(Verdict::Held)) if settled.is_none() => {
                unknown("the run held, but what was seen after recovery is not here".into())
            }
            (Verdict::Held, Some(Verdict::Held)) if !self.has_every_step() => {
                unknown("the run held, but some of its steps are not here".into())
            }
            (Verdict::Held, Some(Verdict::Held)) => Verdict::Held,
            (Verdict::Held, Some(Verdict::Violated(violation))) => unknown(format!(
                "the run, judged by version {}, violated {} ({}); judged again, no rule is broken",
                self.header.program, violation.rule, violation.kind
            )),
            (Verdict::Held, Some(Verdict::Unknown { why })) => unknown(why.clone()),
        }
    }

    /// Whether every step of the plan began or was left out, and recovery began.
    fn has_every_step(&self) -> bool {
        let events = &self.history.events;
        let begun = |what: &&What| matches!(what, What::StepBegan { index: Some(_), .. });
        let begun = events.iter().map(|event| &event.what).filter(begun).count();
        let end = self.history.end.as_ref();
        let left_out = end.map_or(0, |end| end.left_out.len());
        begun + left_out == self.header.plan.steps.len()
            && events.iter().any(|event| event.what == What::Healed)
    }
}

#[cfg(test)]
mod tests;
