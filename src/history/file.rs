//! Histories as files: JSON lines, the header first, then an event a line, how it ended last.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, LineWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Event, FORMAT, Header, History, HistoryEnd};
use crate::reading::{self, has_long_number, too_large};

/// Writes a history while it happens.
pub struct Writer<W: Write> {
    to: W,
    /// What went wrong first; nothing is written after it.
    failed: Option<io::Error>,
}

impl Writer<LineWriter<File>> {
    /// Begins a history in a file, in which each event is as soon as it is written.
    ///
    /// # Errors
    /// Where the file cannot be made or written.
    pub fn create(path: &Path, header: &Header) -> io::Result<Self> {
        Self::begin(LineWriter::new(File::create(path)?), Some(header))
    }
}

impl<W: Write> Writer<W> {
    /// Begins a history.
    ///
    /// # Errors
    /// What `to` reports.
    pub fn begin(to: W, header: Option<&Header>) -> io::Result<Self> {
        let mut writer = Self { to, failed: None };
        header.map_or(Ok(()), |header| writer.line(header))?;
        Ok(writer)
    }

    /// Adds an event. Where that fails, [`Self::finish`] returns why.
    pub fn event(&mut self, event: &Event) {
        if self.failed.is_none() {
            self.failed = self.line(event).err();
        }
    }

    /// Adds the last line.
    ///
    /// # Errors
    /// What `to` reported first, of anything that was to be written.
    pub fn finish(mut self, end: Option<&HistoryEnd>) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        end.map_or(Ok(()), |end| self.line(&Last { end }))?;
        self.to.flush()
    }

    fn line(&mut self, of: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(of)?;
        line.push(b'\n');
        self.to.write_all(&line)
    }
}

#[derive(Serialize, Deserialize)]
struct Last<E> {
    end: E,
}

impl History {
    /// Writes the history to a file, as [`Self::write_json_lines`] does.
    ///
    /// # Errors
    /// Where the file cannot be made or written.
    pub fn write_file(&self, path: &Path) -> io::Result<()> {
        self.write_json_lines(&mut BufWriter::new(File::create(path)?))
    }

    /// Writes the history as JSON lines.
    ///
    /// # Errors
    /// What `to` reports.
    pub fn write_json_lines(&self, to: &mut impl Write) -> io::Result<()> {
        let mut writer = Writer::begin(to, self.header.as_ref())?;
        for event in &self.events {
            writer.event(event);
        }
        writer.finish(self.end.as_ref())
    }
}

/// A history that was read, as far as it could be.
#[derive(Clone, Debug)]
pub struct ReadHistory {
    /// What the run was.
    pub header: Header,
    /// The history; it has no end where it is incomplete.
    pub history: History,
    /// Why it is not all of a run, where it is not.
    pub incomplete: Option<Incomplete>,
}

/// Where a history ends that is not all of a run, and why.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Incomplete {
    /// Counts from 1.
    pub line: usize,
    /// Why it failed.
    pub why: String,
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

impl ReadHistory {
    /// Reads a history from the bytes of its file.
    ///
    /// # Errors
    /// Where it does not begin with a header of a form that this program knows: nothing can be said
    /// of its events then.
    pub fn parse(bytes: &[u8]) -> Result<Self, Incomplete> {
        let lines = bytes.split(|byte| *byte == b'\n').zip(1..);
        let is_blank = |line: &[u8]| line.iter().all(u8::is_ascii_whitespace);
        let mut lines = lines.filter(|(line, _)| !is_blank(line));
        let (first, number) = lines.next().unwrap_or_default();
        let header = header(first).map_err(|why| Incomplete {
            line: number.max(1),
            why,
        })?;
        let (mut events, mut end, mut last) = (Vec::new(), None, number);
        let mut incomplete = None;
        for (line, number) in lines {
            last = number;
            let read = match end {
                None => read_line(&header, line, events.len()),
                Some(_) => Err("it comes after the last line of a run".into()),
            };
            match read {
                Ok(Line::Event(event)) => events.push(event),
                Ok(Line::End(of)) => end = Some(of),
                Err(why) => {
                    incomplete = Some(Incomplete { line: number, why });
                    break;
                }
            }
        }
        if incomplete.is_none() && end.is_none() {
            incomplete = Some(Incomplete {
                line: last,
                why: "nothing comes after this line, which does not say how the run ended".into(),
            });
        }
        Ok(Self {
            history: History {
                header: Some(header.clone()),
                events,
                end: end.filter(|_| incomplete.is_none()),
            },
            header,
            incomplete,
        })
    }
}

enum Line {
    Event(Event),
    End(HistoryEnd),
}

fn header(line: &[u8]) -> Result<Header, String> {
    if line.is_empty() {
        return Err("the file is empty".into());
    }
    let line = reading::text(line).map_err(|no| no.why)?;
    let value: Value = serde_json::from_str(line)
        .map_err(|why| format!("this is no history, which begins with a header: {why}"))?;
    match value.get("history").and_then(Value::as_u64) {
        Some(version) if version == u64::from(FORMAT) => {
            if let Some(why) = too_large(&value) {
                return Err(format!("the header cannot be read: {why}"));
            }
            let header: Header = serde_json::from_value(value)
                .map_err(|why| format!("the header cannot be read: {why}"))?;
            match header.time_scale {
                Some(scale) if !(1e-6..=1e3).contains(&scale) => {
                    Err(format!("the header's time scale is {scale}, which is none of a run"))
                }
                _ => Ok(header),
            }
        }
        Some(version) => Err(format!(
            "the history has format {version}, and this program knows {FORMAT}; use a newer program"
        )),
        None if value.get("event").is_some() => Err(
            "the history begins with an event, so an older program wrote it, without a header; run \
             its plan again"
                .into(),
        ),
        None => Err("this is no history, which begins with a header".into()),
    }
}

fn read_line(header: &Header, line: &[u8], events: usize) -> Result<Line, String> {
    if has_long_number(line)
        && let Some(why) = serde_json::from_slice(line)
            .ok()
            .as_ref()
            .and_then(too_large)
    {
        return Err(why);
    }
    if line.starts_with(b"{\"end\"") {
        let Last { end } = serde_json::from_slice::<Last<HistoryEnd>>(line)
            .map_err(|why| format!("the last line cannot be read: {why}"))?;
        return match header.objects_to_end(&end, events) {
            Some(why) => Err(why),
            None => Ok(Line::End(end)),
        };
    }
    let event: Event =
        serde_json::from_slice(line).map_err(|why| format!("this is no event: {why}"))?;
    match header.objects_to(&event) {
        Some(why) => Err(why),
        None => Ok(Line::Event(event)),
    }
}
