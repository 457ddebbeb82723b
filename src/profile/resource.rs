//! What is there before the first container starts, besides what `[names]` and `[record]` name: the
//! sections `[[resource]]`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::fields::Period;
use super::{Text, Values};
use crate::plan::ClientId;

/// The queues, tables, secrets and parameters that a system has for itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Resources {
    /// The names of queues, for each client, and for how long they hide a message that was received.
    queues: Vec<(Text, Duration)>,
    /// The names of tables, and of their key, which is a text.
    pub tables: Vec<(String, String)>,
    /// Secrets and parameters, for each client.
    pub settings: Vec<Setting>,
}

/// A value that a system reads when it starts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// Where it is kept.
    pub kind: SettingKind,
    /// Its name there.
    pub name: Text,
    /// What it is.
    pub value: Text,
}

/// Where a setting is kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SettingKind {
    /// In Secrets Manager.
    Secret,
    /// In the Parameter Store of Systems Manager.
    Parameter,
}

impl Resources {
    /// The queues of a client.
    pub fn queues(&self, client: &ClientId) -> impl Iterator<Item = (String, Duration)> {
        let values = Values::of(client);
        self.queues.iter().filter_map(move |(name, visibility)| {
            // A name with nothing but names in it, as was looked at when it was read.
            let name = name.fill(&values, |_| None).ok()?;
            Some((name, *visibility))
        })
    }

    /// The name of a table's key.
    pub fn key_of(&self, table: &str) -> Option<&str> {
        let mut tables = self.tables.iter();
        tables
            .find(|(name, _)| name == table)
            .map(|(_, key)| &**key)
    }
}

/// A section `[[resource]]`: a queue, a table, a secret or a parameter.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ResourceSection {
    /// The name of a queue, one for each client; a FIFO queue where it ends with .fifo.
    queue: Option<Text>,
    /// For how long the queue hides a message that was received [default: 30s].
    visibility: Option<Period>,
    /// The name of a table, one for all clients.
    table: Option<String>,
    /// The table's key, which is a text.
    key: Option<String>,
    /// The name of a secret of Secrets Manager, one for each client.
    secret: Option<Text>,
    /// The name of a parameter of Systems Manager, one for each client.
    parameter: Option<Text>,
    /// What the secret or the parameter holds, such as "{git.token}", "{agent.key}" or "{bucket}".
    value: Option<Text>,
}

/// How long a queue of SQS hides a message where nobody says.
const VISIBILITY: Duration = Duration::from_secs(30);

/// What the sections say, or what makes no sense, by its byte.
pub(super) fn resources(
    sections: Vec<Spanned<ResourceSection>>,
) -> Result<Resources, (usize, String)> {
    let mut resources = Resources::default();
    for section in sections {
        let byte = section.span().start;
        let ResourceSection {
            queue,
            visibility,
            table,
            key,
            secret,
            parameter,
            value,
        } = section.into_inner();
        let settings = [
            (SettingKind::Secret, secret),
            (SettingKind::Parameter, parameter),
        ];
        let mut settings = settings
            .into_iter()
            .filter_map(|(kind, name)| Some((kind, name?)));
        match (queue, table, settings.next(), settings.next()) {
            (Some(queue), None, None, None) if key.is_none() && value.is_none() => {
                if let Err(why) = fits(&queue, &[]) {
                    let why = format!("a queue has the name of its client at most: {why}");
                    return Err((byte, why));
                }
                let visibility = visibility.map_or(VISIBILITY, |it| it.0);
                resources.queues.push((queue, visibility));
            }
            (None, Some(table), None, None)
                if !table.is_empty() && visibility.is_none() && value.is_none() =>
            {
                let key = key.filter(|key| !key.is_empty());
                let key = key.ok_or_else(|| (byte, NOT_ONE.to_owned()))?;
                resources.tables.push((table, key));
            }
            (None, None, Some((kind, name)), None) if visibility.is_none() && key.is_none() => {
                let value = value.ok_or_else(|| (byte, NOT_ONE.to_owned()))?;
                let filled = fits(&name, &["bucket"]).and_then(|()| fits(&value, &IN_SETTINGS));
                if let Err(why) = filled {
                    return Err((byte, format!("in a secret or a parameter {why}")));
                }
                resources.settings.push(Setting { kind, name, value });
            }
            _ => return Err((byte, NOT_ONE.to_owned())),
        }
    }
    Ok(resources)
}

const NOT_ONE: &str = "a resource is a `queue`, with `visibility` or without, a `table` and its `key`, or a `secret` or \
                       `parameter` and its `value`";

/// What a setting may name besides its client.
const IN_SETTINGS: [&str; 3] = ["agent.key", "bucket", "git.token"];

/// Whether a text names nothing but its client and these; if not, why.
fn fits(text: &Text, names: &[&'static str]) -> Result<(), String> {
    let values = Values::of(&ClientId::from("client"));
    let values = names
        .iter()
        .fold(values, |values, name| values.with(name, "x"));
    text.fill(&values, |_| None).map(drop)
}
