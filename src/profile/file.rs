//! The file of a profile: its sections, and the reader that finds the place of each mistake.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::aws::AwsSection;
use super::fields::Answer;
use super::limits::LimitsSection;
use super::names::{NamesSection, RecordSection};
use super::network::{Network, NetworkMode, NetworkSection};
use super::outcome::OutcomeSection;
use super::resource::{self, ResourceSection};
use super::site::SiteSection;
use super::start::{
    self, Accept, AgentSection, BuildSection, ReadySection, Start, StartSection, WorkspaceSection,
};
use super::words::WordsSection;
use super::{Evidence, Mistake, Profile};
use crate::plan::FaultKind;
use crate::verdict::{Heeded, Rule};

/// The form of the file that this program reads.
const VERSION: i64 = 1;
/// Mistakes that one reading looks for; more would only repeat themselves.
const MOST: usize = 20;

/// A profile's file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "Shakedown profile")]
struct File {
    /// The form of this file: 1.
    #[schemars(with = "i64", range(min = 1, max = 1))]
    version: Spanned<i64>,
    /// What reports call the system.
    #[schemars(with = "String")]
    name: Spanned<String>,
    /// A sentence about it.
    #[serde(default)]
    description: String,
    /// How the system names things.
    names: NamesSection,
    /// Where a session's record is kept; leave it out where there is none.
    record: Option<RecordSection>,
    /// What in a site is a page, and how a commit is built.
    #[serde(default)]
    site: SiteSection,
    /// How a container of the system is started.
    start: Option<StartSection>,
    /// What shows that a container is ready to work.
    #[serde(default)]
    ready: ReadySection,
    /// What it finds where it believes the outer world to be; without it, the machine's own network.
    network: Option<NetworkSection>,
    /// Where it is deployed on AWS, and what of that may be touched.
    aws: Option<AwsSection>,
    /// What is there before the first container starts, besides what `[names]` and `[record]` name.
    #[serde(default)]
    #[schemars(with = "Vec<ResourceSection>")]
    resource: Vec<Spanned<ResourceSection>>,
    /// What hands an instruction to the system, in order.
    #[serde(default)]
    #[schemars(with = "Vec<Accept>")]
    accept: Vec<Spanned<Accept>>,
    /// How the system reaches its agent.
    #[serde(default)]
    agent: AgentSection,
    /// How the tester sees its builds.
    #[serde(default)]
    build: BuildSection,
    /// Where the checkouts of its sessions are.
    workspace: Option<WorkspaceSection>,
    /// Regular expressions for the log.
    #[serde(default)]
    words: WordsSection,
    /// Where the system reports how an instruction ended.
    #[serde(default)]
    outcome: OutcomeSection,
    /// The numbers that the system promises, where they are not the contract's.
    #[serde(default)]
    limits: LimitsSection,
    /// What can be seen of the system.
    #[serde(default)]
    sees: BTreeMap<Evidence, Answer>,
    /// The rules that it promises.
    #[serde(default)]
    promises: BTreeMap<Rule, Answer>,
    /// The faults that can be injected.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Answer>")]
    faults: BTreeMap<Spanned<String>, Answer>,
}

/// The JSON Schema of profiles, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(File).to_value()
}

/// Reads the text of a profile.
pub(super) fn parse(text: &str) -> Result<Profile, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let mut left = text.to_owned();
    loop {
        match toml::from_str::<File>(&left) {
            Ok(file) if mistakes.is_empty() => return profile(file, text),
            // What was blanked out is missing now, so nothing more can be said.
            Ok(_) => return Err(mistakes),
            Err(error) => {
                let message = error.message().trim().replace('\n', "; ");
                let is_follow_up = !mistakes.is_empty() && message.starts_with("missing field");
                let byte = error.span().map_or(text.len(), |span| span.start);
                if is_follow_up || mistakes.len() == MOST {
                    return Err(mistakes);
                }
                mistakes.push(Mistake::at(text, byte, message));
                if !blank(&mut left, byte) {
                    return Err(mistakes);
                }
            }
        }
    }
}

/// Takes the line at a byte out of the text, where it is an entry by itself, so that what comes after
/// it can be read too.
fn blank(text: &mut String, byte: usize) -> bool {
    let byte = byte.min(text.len());
    let begins = text[..byte].rfind('\n').map_or(0, |at| at + 1);
    let ends = text[byte..].find('\n').map_or(text.len(), |at| byte + at);
    let line = &text[begins..ends];
    let is_entry = !line.trim_start().starts_with('[')
        && line.contains('=')
        && line.parse::<toml::Table>().is_ok();
    if is_entry {
        let spaces = " ".repeat(ends - begins);
        text.replace_range(begins..ends, &spaces);
    }
    is_entry
}

/// What the file says, where it makes sense.
fn profile(file: File, text: &str) -> Result<Profile, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let mut wrong = |byte: usize, message: String| mistakes.push(Mistake::at(text, byte, message));
    if *file.version.get_ref() != VERSION {
        wrong(
            file.version.span().start,
            format!("this program reads profiles of version {VERSION} only"),
        );
    }
    if file.name.get_ref().trim().is_empty() || file.name.get_ref().contains(char::is_control) {
        wrong(
            file.name.span().start,
            "a profile has a name of one line".into(),
        );
    }
    for name in file.faults.keys() {
        if !FaultKind::ALL
            .iter()
            .any(|kind| kind.name() == name.get_ref())
        {
            wrong(
                name.span().start,
                format!(
                    "`{}` is not a fault: the faults are {}",
                    name.get_ref(),
                    FaultKind::ALL.map(FaultKind::name).join(", ")
                ),
            );
        }
    }
    let mut unseen: BTreeMap<Evidence, String> = reasons(file.sees);
    if file.start.is_some() && file.workspace.is_none() {
        let why = || "the profile has no section [workspace]".into();
        unseen.entry(Evidence::Workspace).or_insert_with(why);
    }
    if file.record.is_none() {
        let why = || "the profile has no section [record]".into();
        unseen.entry(Evidence::Record).or_insert_with(why);
    }
    let names = file.names.names();
    let names = names.map_err(|(byte, why)| wrong(byte, why)).ok();
    let words = file.words.words();
    let words = words.map_err(|(byte, why)| wrong(byte, why)).ok();
    let site = file.site.shape();
    let site = site.map_err(|(byte, why)| wrong(byte, why)).ok();
    let outcome = file.outcome.shape();
    // A deployed system is given work in the same way, as far as that is by its queue.
    let of_aws: Vec<Accept> = file.accept.iter().map(|it| it.get_ref().clone()).collect();
    let resources = resource::resources(file.resource);
    let resources = resources.map_err(|(byte, why)| wrong(byte, why)).ok();
    for (resources, accept) in resources
        .iter()
        .flat_map(|it| file.accept.iter().map(move |of| (it, of)))
    {
        if let Accept::Sqs {
            unless: Some(item), ..
        } = accept.get_ref()
            && resources.key_of(&item.table).is_none()
        {
            let why = format!("there is no [[resource]] with the table `{}`", item.table);
            wrong(accept.span().start, why);
        }
    }
    let start = file.start.map(|section| {
        let (ready, accept) = (file.ready, file.accept);
        let replaced = (file.agent, file.build);
        start::start(section, ready, accept, replaced, file.workspace, &outcome)
    });
    let start = start
        .transpose()
        .map_err(|(byte, why)| wrong(byte, why))
        .ok();
    let network = file.network.map(NetworkSection::network).transpose();
    let network = network.map_err(|(byte, why)| wrong(byte, why)).ok();
    let is_enclosed = |it: &Network| it.mode == NetworkMode::Namespace;
    if network.iter().flatten().any(is_enclosed) && start.iter().flatten().any(Start::is_called) {
        let why = "a server in a network of its own cannot be called by the tester: write mode = \"proxy\" in [network]";
        let byte = text.find("[network]").unwrap_or_default();
        wrong(byte, why.into());
    }
    let deployed = file.aws.map(|aws| aws.deployed(of_aws)).transpose();
    let deployed = deployed.map_err(|(byte, why)| wrong(byte, why)).ok();
    let (
        Some(deployed),
        Some(resources),
        Some(names),
        Some(site),
        Some(words),
        Some(start),
        Some(network),
        true,
    ) = (
        deployed,
        resources,
        names,
        site,
        words,
        start,
        network,
        mistakes.is_empty(),
    )
    else {
        mistakes.sort();
        return Err(mistakes);
    };
    Ok(Profile {
        name: file.name.into_inner(),
        description: file.description,
        names,
        record: file.record.map(Into::into),
        site,
        folder: PathBuf::new(),
        words,
        outcome,
        limits: file.limits.limits(),
        unseen,
        unpromised: reasons(file.promises),
        start,
        network,
        deployed,
        resources,
        impossible: reasons(file.faults)
            .into_iter()
            .map(|(name, why)| (name.into_inner(), why))
            .collect(),
        heeded: Heeded::All,
        is_polled: false,
        source: text.into(),
        hash: text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        }),
    })
}

/// What is answered with a no, and why.
fn reasons<K: Ord>(answers: BTreeMap<K, Answer>) -> BTreeMap<K, String> {
    answers
        .into_iter()
        .filter_map(|(key, answer)| Some((key, answer.0?)))
        .collect()
}
