//! What is there before the first container starts, besides what `[names]` and `[record]` name: the
//! sections `[[resource]]`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::fields::Period;
use super::{Text, Values};
use crate::plan::ClientId;

/// The queues and tables that a system has for itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Resources {
    /// The names of queues, for each client, and for how long they hide a message that was received.
    queues: Vec<(Text, Duration)>,
    /// The names of tables, and of their key, which is a text.
    pub tables: Vec<(String, String)>,
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

/// A section `[[resource]]`: a queue or a table.
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
        match section.into_inner() {
            ResourceSection {
                queue: Some(queue),
                visibility,
                table: None,
                key: None,
            } => {
                let client = ClientId::from("client");
                if let Err(why) = queue.fill(&Values::of(&client), |_| None) {
                    let why = format!("a queue has the name of its client at most: {why}");
                    return Err((byte, why));
                }
                let visibility = visibility.map_or(VISIBILITY, |it| it.0);
                resources.queues.push((queue, visibility));
            }
            ResourceSection {
                queue: None,
                visibility: None,
                table: Some(table),
                key: Some(key),
            } if !table.is_empty() && !key.is_empty() => resources.tables.push((table, key)),
            _ => {
                let why = "a resource is a `queue`, with `visibility` or without, or a `table` and its `key`";
                return Err((byte, why.into()));
            }
        }
    }
    Ok(resources)
}
