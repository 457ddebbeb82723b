//! How the tester starts a system of its own user: the sections `[start]`, `[ready]`, `[accept]`,
//! `[agent]`, `[build]` and `[workspace]`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::fields::{Pattern, Period};
use super::text::Text;
use super::{EndedBy, OutcomeShape};
use crate::history::OutcomeChannel;

/// How a container comes to be, what gives it work, and where its checkouts are.
#[derive(Clone, Debug)]
pub struct Start {
    /// The program and its arguments.
    pub command: Vec<Text>,
    /// The folder that it runs in; relative to the profile's own.
    pub folder: Option<Text>,
    /// Folders that come first on its PATH; relative to the profile's own.
    pub path: Vec<Text>,
    /// Folders that it writes to, besides those that it is given; relative to the profile's own.
    pub writes: Vec<Text>,
    /// Whether a container lives on, or handles one instruction.
    pub per: Per,
    /// Commands that prepare the folder once, and the files in it that their result depends on.
    pub setup: Setup,
    /// All that its environment has, besides `PATH`, `HOME`, `TMPDIR` and the locale.
    pub environment: BTreeMap<String, Text>,
    /// Files that are written before it starts; `~/` is its own HOME.
    pub files: BTreeMap<String, Text>,
    /// What shows that it is ready to work.
    pub ready: Ready,
    /// What `instruct` does, in order.
    pub accept: Vec<Accept>,
    /// The programs on its PATH that are the agent; the tester's own take their place.
    pub agents: Vec<String>,
    /// The commands on its PATH whose beginning and end the tester sees.
    pub builds: Builds,
    /// Whether the scripted agent edits by commands where its client offers a shell.
    pub edits_by_shell: bool,
    /// The checkout of a session; `None` where none can be looked at.
    pub checkout: Option<Text>,
}

/// The commands that are builds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Builds {
    /// Each a program, and what its arguments begin with.
    pub commands: Vec<String>,
    /// The folder that they fill, from where they run.
    pub output: String,
}

impl Builds {
    /// The programs, each once.
    pub fn programs(&self) -> BTreeSet<&str> {
        let commands = self.commands.iter();
        commands
            .filter_map(|command| command.split_whitespace().next())
            .collect()
    }
}

/// For whom there is a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// One for each client, which handles its instructions one after the other.
    #[default]
    Client,
    /// One for each instruction, which ends with it.
    Instruction,
}

/// What is done once, before the first start.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Setup {
    /// The commands, in the folder of the worker.
    pub commands: Vec<Vec<String>>,
    /// The files on which their result depends; while these are the same, nothing is done again.
    #[serde(default)]
    pub reads: Vec<String>,
    /// What they make; where one of these is missing, they are run again.
    #[serde(default)]
    pub makes: Vec<String>,
}

/// What shows that a container is ready to work.
#[derive(Clone, Debug)]
pub struct Ready {
    /// A line of its log; without it, its first line or request.
    pub log: Option<Regex>,
    /// A URL that answers with a status of 2xx.
    pub http: Option<Text>,
    /// How long it may take, in real time.
    pub within: Duration,
}

/// One thing that hands an instruction to the system.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "via")]
pub enum Accept {
    /// A message to a queue.
    Sqs {
        /// The name of the queue [default: that of `[names]`].
        queue: Option<Text>,
        /// Its text.
        body: Text,
        /// An item; while there is one, nothing is sent.
        unless: Option<ItemKey>,
    },
    /// A request to a server of the system's, which is made again until it is taken (2xx).
    Http {
        /// Its URL, such as "http://127.0.0.1:{port}/jobs".
        url: Text,
        /// Its method.
        #[serde(default = "post")]
        method: String,
        /// Its headers, besides Content-Type: application/json.
        #[serde(default)]
        headers: BTreeMap<String, Text>,
        /// Its body.
        body: Text,
    },
    /// A file.
    File {
        /// Its path.
        path: Text,
        /// Its text.
        text: Text,
    },
    /// A command that the tester runs.
    Command {
        /// The program and its arguments.
        command: Vec<Text>,
    },
}

/// An item of a table of `[[resource]]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ItemKey {
    /// The table.
    pub table: String,
    /// What the item has as its key.
    pub key: Text,
}

fn post() -> String {
    "POST".into()
}

/// The section `[start]`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct StartSection {
    /// The program and its arguments.
    #[schemars(with = "Vec<Text>", length(min = 1))]
    command: Spanned<Vec<Text>>,
    /// The folder that it runs in; relative to the profile's own, or from a variable: ${WORKER}.
    folder: Option<Text>,
    /// Folders that come first on its PATH, such as "node_modules/.bin"; relative to the profile's own.
    #[serde(default)]
    path: Vec<Text>,
    /// Folders that it writes to, besides `folder`, its HOME, its workspace, `/tmp` and `/var/tmp`; relative to the
    /// profile's own. In a network namespace all others are read-only.
    #[serde(default)]
    writes: Vec<Text>,
    /// For whom there is a process: `client`, or `instruction`.
    #[serde(default)]
    per: Per,
    /// What is done once, before the first start.
    #[serde(default)]
    setup: Setup,
    /// Its environment; everything else of the caller's is kept out.
    #[serde(default)]
    env: BTreeMap<String, Text>,
    /// Files that are written before it starts; `~/` is its own HOME.
    #[serde(default)]
    files: BTreeMap<String, Text>,
}

/// The section `[ready]`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ReadySection {
    /// A line of the log that shows that a container is ready; without it, its first line or request.
    log: Option<Pattern>,
    /// A URL of the container that answers with 2xx once it is ready, such as
    /// "http://127.0.0.1:{port}/health".
    http: Option<Text>,
    /// How long it may take.
    within: Option<Period>,
}

/// The section `[agent]`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AgentSection {
    /// The programs on the container's PATH that are the agent, such as `claude`: the tester's own take
    /// their place.
    stub: Vec<String>,
    /// Whether the agent that the tester plays edits by commands first, where it is offered a shell. That takes
    /// fewer turns than to read a file and to write it, where a system allows few.
    by_shell: bool,
}

/// The section `[build]`.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BuildSection {
    /// The commands on the container's PATH that are builds, such as "npm run build": a program, and what its
    /// arguments begin with. The tester sees them begin and end.
    #[schemars(with = "Vec<String>")]
    shim: Spanned<Vec<String>>,
    /// The folder that they fill, from where they run.
    output: String,
}

impl Default for BuildSection {
    fn default() -> Self {
        Self {
            shim: Spanned::new(0..0, Vec::new()),
            output: "dist".into(),
        }
    }
}

impl BuildSection {
    /// The builds, or what makes no sense, by its byte.
    fn builds(self, agents: &[String]) -> Result<Builds, (usize, String)> {
        let byte = self.shim.span().start;
        let builds = Builds {
            commands: self.shim.into_inner(),
            output: self.output,
        };
        let is_name = |program: &str| !program.contains('/');
        let is_whole = builds.commands.iter().all(|it| !it.trim().is_empty());
        if !is_whole || !builds.programs().into_iter().all(is_name) {
            let why = "`shim` lists commands that are found by the PATH, such as \"npm run build\"";
            return Err((byte, why.into()));
        }
        let programs = builds.programs();
        if let Some(agent) = agents.iter().find(|it| programs.contains(it.as_str())) {
            let why = format!("`{agent}` cannot be the agent of [agent] and a build");
            return Err((byte, why));
        }
        Ok(builds)
    }
}

/// The section `[workspace]`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WorkspaceSection {
    /// The checkout of a session, such as "{workspace}/{thread}".
    checkout: Text,
}

/// How long a container may take to be ready, where the profile does not say.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// The sections that say how a system is started, or what makes no sense, by its byte.
pub(super) fn start(
    section: StartSection,
    ready: ReadySection,
    accept: Vec<Spanned<Accept>>,
    (agent, build): (AgentSection, BuildSection),
    workspace: Option<WorkspaceSection>,
    outcome: &OutcomeShape,
) -> Result<Start, (usize, String)> {
    let wrong = |byte: usize, why: &str| Err((byte, why.to_owned()));
    let begins = section.command.span().start;
    if section
        .command
        .get_ref()
        .first()
        .is_none_or(|program| program.0.trim().is_empty())
    {
        let why = "`command` is a program and its arguments, such as [\"node\", \"worker.js\"]";
        return wrong(begins, why);
    }
    if accept.is_empty() && section.per == Per::Client {
        let why = "a system that is started has to be given work: add a section [[accept]], such as via = \"sqs\" and a body with {instruction.json}";
        return wrong(begins, why);
    }
    let gives_instruction = accept.iter().any(|one| {
        let texts = one.get_ref().texts();
        texts.iter().any(|text| text.has("instruction"))
    });
    let process = section.command.get_ref().iter();
    let process = process
        .chain(section.env.values())
        .chain(section.files.values());
    let by_process =
        section.per == Per::Instruction && process.clone().any(|text| text.has("instruction"));
    if !gives_instruction && !by_process {
        let byte = accept.first().map_or(begins, |one| one.span().start);
        let why = "nothing hands over the instruction's text: write {instruction} or {instruction.json} where it goes";
        return wrong(byte, why);
    }
    if section.per == Per::Client {
        let is_by_http = |one: &Spanned<Accept>| matches!(one.get_ref(), Accept::Http { .. });
        let reports = [OutcomeChannel::Callback, OutcomeChannel::Http];
        let is_reported = reports.iter().any(|channel| outcome.has(*channel));
        match outcome.ended_by {
            EndedBy::Deleted => {
                if let Some(by_http) = accept.iter().find(|one| is_by_http(one)) {
                    let why = "what comes by HTTP has no message that could be deleted: write `ended-by = \"report\"` in [outcome]";
                    return wrong(by_http.span().start, why);
                }
            }
            EndedBy::Report if !is_reported => {
                let why = "`ended-by = \"report\"` needs \"http\" or \"callback\" in `reported-by` of [outcome]";
                return wrong(begins, why);
            }
            EndedBy::Report => {}
        }
    } else if outcome.ended_by == EndedBy::Report {
        let why = "a process for each instruction ends its instruction: leave `ended-by` of [outcome] out";
        return wrong(begins, why);
    }
    let builds = build.builds(&agent.stub)?;
    Ok(Start {
        command: section.command.into_inner(),
        folder: section.folder,
        path: section.path,
        writes: section.writes,
        per: section.per,
        setup: section.setup,
        environment: section.env,
        files: section.files,
        ready: Ready {
            log: ready.log.map(|it| it.0),
            http: ready.http,
            within: ready.within.map_or(READY_WITHIN, |it| it.0),
        },
        accept: accept.into_iter().map(Spanned::into_inner).collect(),
        agents: agent.stub,
        edits_by_shell: agent.by_shell,
        builds,
        checkout: workspace.map(|it| it.checkout),
    })
}

impl Start {
    /// Whether the tester calls a server of the container.
    pub fn is_called(&self) -> bool {
        let is_by_http = |one: &Accept| matches!(one, Accept::Http { .. });
        self.ready.http.is_some() || self.accept.iter().any(is_by_http)
    }
}

impl Accept {
    /// The texts that are filled in for an instruction.
    fn texts(&self) -> Vec<&Text> {
        match self {
            Self::Sqs { queue, body, .. } => queue.iter().chain([body]).collect(),
            Self::Http {
                url, headers, body, ..
            } => headers.values().chain([url, body]).collect(),
            Self::File { path, text } => vec![path, text],
            Self::Command { command } => command.iter().collect(),
        }
    }
}
