//! `shakedown init`: the files that a system of one's own begins with.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::dispatch::{Exit, print};
use crate::invariant;
use crate::plan::FaultKind;
use crate::profile::{Evidence, REFERENCE};
use crate::repeat::{program, quoted};

const START: &str = include_str!("init/start.toml");
const PLAN: &str = include_str!("init/first.plan");
const WORKFLOW: &str = include_str!("init/workflow.yml");

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct InitArgs {
    /// Where to write the files [default: here]
    pub folder: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  shakedown init
  shakedown init my-system

Writes shakedown.toml (the profile), plans/first.plan and .github/workflows/shakedown.yml. It
overwrites nothing: where one of them exists, it writes none.";

/// Writes the files and prints what to do next.
pub fn run(args: &InitArgs) -> Exit {
    let folder = args.folder.clone().unwrap_or_default();
    let files = [
        (
            "shakedown.toml",
            profile(),
            "what is particular to your system",
        ),
        (
            "plans/first.plan",
            PLAN.to_owned(),
            "a first plan, to be changed",
        ),
        (
            ".github/workflows/shakedown.yml",
            WORKFLOW.to_owned(),
            "all of it at each push",
        ),
    ];
    let there = files.iter().map(|(name, ..)| folder.join(name));
    if let Some(path) = there.into_iter().find(|path| path.exists()) {
        eprintln!(
            "{} exists, so nothing was written; name another folder, or move the file away",
            path.display()
        );
        return Exit::Usage;
    }
    for (name, text, what) in files {
        let path = folder.join(name);
        if let Err(why) = write_new(&path, &text) {
            eprintln!(
                "while writing {}: {why}; name a folder that can be written to",
                path.display()
            );
            return Exit::Unknown;
        }
        print(&format!("wrote {}: {what}\n", path.display()));
    }
    print(&next(&folder));
    Exit::Held
}

/// Writes a file that does not exist.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())
}

fn next(folder: &Path) -> String {
    let (program, plan) = (program(), quoted(folder.join("plans/first.plan")));
    let profile = quoted(folder.join("shakedown.toml"));
    format!(
        "
Next:
  {program} replay {plan}
    runs the plan on the built-in worker, in virtual time; change it and look
  {program} profile check {profile}
    checks the profile after each change, and prints which rules it leaves unasked
  {program} run --profile {profile}
    judges the built-in worker by your numbers and promises; once the section [start]
    is uncommented, starts your system on loopback services and judges that
A system written in Rust can be tested from its own tests, too: docs/library.md.
"
    )
}

/// The profile to begin with: that of the built-in worker, and as comments how a system of one's own
/// is started, and every answer that can be given about it.
fn profile() -> String {
    let mut out = String::from(
        "# The profile of your system: what a tester has to know of it. Each value is that of the worker that is part of
# Shakedown; change what is different in your system. `shakedown profile check` finds mistakes, and
# `shakedown profile schema` prints the schema for your editor.
",
    );
    // The file's own head is about the built-in worker.
    let body = REFERENCE.lines().skip_while(|line| line.starts_with('#'));
    for line in body {
        let line = match line.split_once(" = ") {
            Some(("name", _)) => "name = \"my-system\"",
            Some(("description", _)) => "description = \"what it does, in a sentence\"",
            _ => line,
        };
        let _ = writeln!(out, "{line}");
        match line {
            "description = \"what it does, in a sentence\"" => {
                out.push_str("\n# Without [start] the built-in worker runs.\n");
                out.push_str(&commented(START));
            }
            "[sees]" => answers(&mut out, evidence()),
            "[promises]" => answers(
                &mut out,
                invariant::rules()
                    .into_iter()
                    .map(|rule| (rule.to_string(), rule.words().to_owned())),
            ),
            "[faults]" => answers(
                &mut out,
                FaultKind::ALL
                    .into_iter()
                    .map(|kind| (kind.name().to_owned(), kind.about().to_owned())),
            ),
            _ => {}
        }
    }
    out
}

/// Each line of a text as a comment.
fn commented(text: &str) -> String {
    let line = |line| format!("# {line}").trim_end().to_owned() + "\n";
    text.lines().map(line).collect()
}

/// A line to be uncommented for each, below what it is about.
fn answers(out: &mut String, of: impl IntoIterator<Item = (String, String)>) {
    for (name, sentence) in of {
        let _ = writeln!(out, "\n# {sentence}\n# {name} = {{ not = \"the reason\" }}");
    }
}

/// The kinds of evidence and their sentences, as the schema has them.
fn evidence() -> Vec<(String, String)> {
    let schema = schemars::schema_for!(Evidence).to_value();
    let kinds = schema["oneOf"].as_array().cloned();
    let text =
        |of: &serde_json::Value, key: &str| of[key].as_str().map(|text| text.replace('\n', " "));
    let kinds = kinds.unwrap_or_default();
    let each = kinds
        .iter()
        .filter_map(|kind| Some((text(kind, "const")?, text(kind, "description")?)));
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Profile, schema};
    use crate::runner;
    use crate::target::sim::Sim;
    use crate::verdict::Verdict;

    #[test]
    fn the_profile_is_that_of_the_built_in_worker_under_another_name() {
        let written = Profile::parse(&profile()).unwrap();
        assert_eq!(written.name, "my-system");
        assert_eq!(written.section_unlike(&Profile::reference()), None);
        assert_eq!(written.limits, Profile::reference().limits);
        assert!(written.asks_all() && written.impossible.is_empty());
    }

    #[test]
    fn the_profile_has_every_answer_and_each_can_be_uncommented() {
        let text = profile();
        let mut answers = 0;
        let uncommented: String = text
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(answer) if answer.ends_with("{ not = \"the reason\" }") => {
                    answers += 1;
                    format!("{answer}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        let written = Profile::parse(&uncommented).unwrap();
        let (rules, faults) = (invariant::rules().len(), FaultKind::ALL.len());
        assert_eq!(answers, Evidence::ALL.len() + rules + faults);
        assert_eq!(written.unseen.len(), Evidence::ALL.len());
        assert_eq!(written.unpromised.len(), rules);
        assert_eq!(written.impossible.len(), faults);
        // And every section and entry that a profile may have.
        let schema = schema();
        let sections = schema["properties"].as_object().unwrap();
        for section in sections.keys() {
            assert!(text.contains(section), "no {section}");
        }
    }

    #[test]
    fn the_section_that_starts_a_system_can_be_uncommented() {
        let text = profile().replace(&commented(START), START);
        assert!(Profile::parse(&text).unwrap().start.is_some());
    }

    #[test]
    fn the_plan_holds() {
        let plan = PLAN.parse().unwrap();
        assert_eq!(
            runner::run(&Sim::default(), &plan, 0).verdict,
            Verdict::Held
        );
    }
}
