//! What the agent does turn by turn: the changes of its script, by the tools that it is offered.
//!
//! The API keeps no state: what was done is read off the conversation, in which each turn used the
//! tools that the script used there, in that order.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::message::ToolUse;
use super::request::ToolResult;
use super::tools::{Kind, Tool, Toolbox};
use crate::files::FileChange;

/// How a change is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Append,
    Delete,
    Read,
    Edit,
    Write,
    Shell,
    /// The file that was written becomes the others by a command.
    Copy,
}

/// A change that is to be made, and what was tried for it.
struct Job {
    change: FileChange,
    /// Further files that get the same text.
    copies: Vec<Arc<str>>,
    past: Vec<(Step, ToolResult)>,
}

/// The changes that are to be made, by the tools that there are.
pub(super) struct Script {
    tools: Toolbox,
    /// Where paths begin; relative without it.
    folder: Option<String>,
    jobs: Vec<Job>,
    /// Whether commands are tried first, where there is a shell: they take the fewest turns.
    by_shell: bool,
}

/// The most files that are written one by one with the same text, where a command can copy them.
const FEW_FILES: usize = 4;

impl Script {
    pub(super) fn new(tools: Toolbox, folder: Option<String>, changes: Vec<FileChange>) -> Self {
        let mut jobs: Vec<Job> = Vec::new();
        let is_same = |job: &Job, text: &Arc<str>| matches!(&job.change, FileChange::Write { text: of, .. } if Arc::ptr_eq(of, text));
        let of_last = |change: &FileChange| match change {
            FileChange::Write { path, text } => Some((path.clone(), text.clone())),
            FileChange::Append { .. } | FileChange::Delete { .. } => None,
        };
        let copies = tools.has(Kind::Shell) && changes.len() > FEW_FILES;
        for change in changes {
            match (of_last(&change), jobs.last_mut()) {
                (Some((path, text)), Some(last)) if copies && is_same(last, &text) => {
                    last.copies.push(path);
                }
                _ => jobs.push(Job {
                    change,
                    copies: vec![],
                    past: vec![],
                }),
            }
        }
        Self {
            tools,
            folder,
            jobs,
            by_shell: false,
        }
    }

    /// The same by commands, where there is a shell.
    pub(super) fn by_shell(self, by_shell: bool) -> Self {
        Self { by_shell, ..self }
    }

    /// Whether there is a tool for each change.
    pub(super) fn is_possible(&self) -> bool {
        self.jobs.iter().all(|job| job.is_possible(&self.tools))
    }

    /// Takes notice of a turn that is over.
    pub(super) fn see(&mut self, turn: Vec<Option<ToolResult>>) {
        for ((job, step), result) in self.next().into_iter().zip(turn) {
            if let Some(result) = result {
                self.jobs[job].past.push((step, result));
            }
        }
    }

    /// What is done next: the next step of each change that is not made.
    fn next(&self) -> Vec<(usize, Step)> {
        let jobs = self.jobs.iter().enumerate();
        jobs.filter_map(|(n, job)| Some((n, job.next(&self.tools, self.by_shell)?)))
            .collect()
    }

    /// What could not be changed, and what the last try was answered.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&str, &str)> {
        self.jobs.iter().filter_map(|job| {
            let (_, last) = job.past.last()?;
            last.is_error.then_some((job.path(), &*last.text))
        })
    }

    /// The tools that are used next, at most so many; none where all is done.
    pub(super) fn uses(self, most: usize, id: &str) -> impl Iterator<Item = ToolUse> + use<> {
        let mut next = self.next();
        next.truncate(most);
        let id = format!("toolu_{id}");
        let uses = next.into_iter().enumerate();
        uses.map(move |(n, (job, step))| self.make(job, step, format!("{id}_{n}")))
    }

    pub(super) fn is_done(&self) -> bool {
        self.next().is_empty()
    }

    fn make(&self, job: usize, step: Step, id: String) -> ToolUse {
        let job = &self.jobs[job];
        let path = match &self.folder {
            Some(folder) => format!("{folder}/{}", job.path()),
            None => job.path().to_owned(),
        };
        let tool = |kind| self.tools.get(kind);
        let made = match step {
            Step::Append => {
                tool(Kind::Append).map(|tool| (tool, tool.input(&[&path, &job.text()])))
            }
            Step::Delete => tool(Kind::Delete).map(|tool| (tool, tool.input(&[&path]))),
            Step::Read => tool(Kind::Read).map(|tool| (tool, tool.input(&[&path]))),
            Step::Write => tool(Kind::Write).map(|tool| {
                let before = job.content().unwrap_or_default();
                (tool, tool.input(&[&path, &job.whole(&before)]))
            }),
            Step::Edit => self.tools.editor().map(|tool: &Tool| {
                let last = job.last_lines().unwrap_or_default();
                let text = format!("{last}\n{}", job.text());
                (tool, tool.input(&[&path, &last, &text]))
            }),
            Step::Shell => tool(Kind::Shell).map(|tool| (tool, tool.input(&[&job.command(&path)]))),
            Step::Copy => tool(Kind::Shell).map(|tool| {
                let folder = self.folder.as_deref();
                (tool, tool.input(&[&job.copy_command(&path, folder)]))
            }),
        };
        let (name, input) =
            made.map_or_else(Default::default, |(tool, input)| (tool.name.clone(), input));
        ToolUse { id, name, input }
    }
}

impl Job {
    fn path(&self) -> &str {
        match &self.change {
            FileChange::Write { path, .. }
            | FileChange::Append { path, .. }
            | FileChange::Delete { path } => path,
        }
    }

    fn text(&self) -> Arc<str> {
        match &self.change {
            FileChange::Write { text, .. } => text.clone(),
            FileChange::Append { line, .. } => line.clone(),
            FileChange::Delete { .. } => "".into(),
        }
    }

    fn is_possible(&self, tools: &Toolbox) -> bool {
        tools.has(Kind::Shell)
            || match &self.change {
                FileChange::Write { .. } => tools.has(Kind::Write),
                FileChange::Append { .. } => {
                    tools.has(Kind::Append) || (tools.has(Kind::Read) && tools.has(Kind::Write))
                }
                FileChange::Delete { .. } => tools.has(Kind::Delete),
            }
    }

    /// The next step; `None` where the change is made, or no way is left.
    fn next(&self, tools: &Toolbox, by_shell: bool) -> Option<Step> {
        match self.past.last() {
            Some((Step::Copy, _)) => return None,
            Some((Step::Read, _)) | None => {}
            Some((_, result)) if result.is_error => {}
            Some(_) => return (!self.copies.is_empty()).then_some(Step::Copy),
        }
        let ways = [
            Step::Append,
            Step::Delete,
            Step::Read,
            Step::Edit,
            Step::Write,
            Step::Shell,
        ];
        let first = by_shell.then_some(Step::Shell);
        let ways = first.into_iter().chain(ways);
        let mut left = ways.filter(|step| !self.has_tried(*step));
        left.find(|step| self.can(*step, tools))
    }

    fn has_tried(&self, step: Step) -> bool {
        self.past.iter().any(|(tried, _)| *tried == step)
    }

    /// Whether a step helps, with these tools. Clients refuse to write to a file that was not read.
    fn can(&self, step: Step, tools: &Toolbox) -> bool {
        let is_append = matches!(self.change, FileChange::Append { .. });
        let is_write = matches!(self.change, FileChange::Write { .. });
        match step {
            Step::Append => is_append && tools.has(Kind::Append),
            Step::Delete => {
                matches!(self.change, FileChange::Delete { .. }) && tools.has(Kind::Delete)
            }
            Step::Read => {
                tools.has(Kind::Read)
                    && tools.has(Kind::Write)
                    && (is_write || (is_append && !tools.has(Kind::Append)))
            }
            Step::Edit => is_append && tools.editor().is_some() && self.last_lines().is_some(),
            Step::Write => {
                tools.has(Kind::Write) && (is_write || (is_append && self.content().is_some()))
            }
            Step::Shell => tools.has(Kind::Shell),
            Step::Copy => false,
        }
    }

    /// What is in the file, where that was seen; nothing where there is no file.
    fn content(&self) -> Option<String> {
        let mut read = self.past.iter().filter(|(step, _)| *step == Step::Read);
        let (_, result) = read.next()?;
        if !result.is_error {
            return Some(without_numbers(&result.text));
        }
        let said = result.text.to_lowercase();
        let is_missing = ["not exist", "no such file", "not found", "enoent"];
        is_missing
            .iter()
            .any(|words| said.contains(words))
            .then(String::new)
    }

    /// The last lines of the file, as few as are there once.
    fn last_lines(&self) -> Option<String> {
        let content = self.content()?;
        let lines: Vec<&str> = content.trim_end_matches('\n').split('\n').collect();
        let mut ends = (0..lines.len()).rev().map(|from| lines[from..].join("\n"));
        ends.find(|end| !end.trim().is_empty() && content.matches(&**end).count() == 1)
    }

    /// The whole file, after what was in it.
    fn whole(&self, before: &str) -> Arc<str> {
        match &self.change {
            FileChange::Append { line, .. } if before.is_empty() || before.ends_with('\n') => {
                format!("{before}{line}\n").into()
            }
            FileChange::Append { line, .. } => format!("{before}\n{line}\n").into(),
            FileChange::Write { .. } | FileChange::Delete { .. } => self.text(),
        }
    }

    /// The command that makes the change.
    fn command(&self, path: &str) -> String {
        let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
        let (folder, path) = (quoted(folder), quoted(path));
        let text = quoted(&self.text());
        match &self.change {
            FileChange::Delete { .. } => format!("rm -f {path}"),
            FileChange::Append { .. } => {
                format!("mkdir -p {folder} && printf '%s\\n' {text} >> {path}")
            }
            FileChange::Write { .. } => {
                format!("mkdir -p {folder} && printf '%s' {text} > {path}")
            }
        }
    }

    /// The command that copies the file to the others, without a process for each of them.
    fn copy_command(&self, path: &str, folder: Option<&str>) -> String {
        let begin = folder.map_or(String::new(), |folder| format!("cd {} && ", quoted(folder)));
        let folders = self.copies.iter().filter_map(|path| path.rsplit_once('/'));
        let folders: BTreeSet<String> = folders.map(|(folder, _)| quoted(folder)).collect();
        let folders: Vec<String> = folders.into_iter().collect();
        let copies: Vec<String> = self.copies.iter().map(|path| quoted(path)).collect();
        let (folders, copies, path) = (folders.join(" "), copies.join(" "), quoted(path));
        // What a shell takes from a command loses its last line breaks.
        format!(
            "{begin}mkdir -p . {folders} && text=$(cat {path}; echo .) && text=${{text%.}} && \
             for copy in {copies}; do printf '%s' \"$text\" > \"$copy\" || exit 1; done"
        )
    }
}

/// A word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The lines that a tool numbered, as Claude Code does; all else is left as it is.
fn without_numbers(text: &str) -> String {
    let line = |line: &str| {
        let rest = line
            .trim_start()
            .trim_start_matches(|c: char| c.is_ascii_digit());
        let is_numbered = rest.len() < line.trim_start().len();
        let rest = rest.strip_prefix('→').or_else(|| rest.strip_prefix('\t'));
        rest.filter(|_| is_numbered).map(str::to_owned)
    };
    let text = text.trim_matches('\n');
    let lines: Option<Vec<String>> = text.lines().map(line).collect();
    match lines {
        Some(lines) if !lines.is_empty() => format!("{}\n", lines.join("\n")),
        _ if text.trim().is_empty() => String::new(),
        _ => text.to_owned(),
    }
}
