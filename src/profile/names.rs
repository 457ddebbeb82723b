//! How a system names things, and the shape of its records.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::fields::{Pointer, Template};
use crate::history::Record;
use crate::plan::{ClientId, SessionId, fill_name};

/// How the system names sessions, branches and buckets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Names {
    session: Template,
    branch: Template,
    bucket: Template,
    queue: Template,
    retry_queue: Template,
    dead_letters: Template,
    repositories: Vec<Template>,
    /// The log group.
    pub log_group: String,
}

/// The section `[names]`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct NamesSection {
    /// How log lines, records and messages name a session.
    #[schemars(with = "Template")]
    session: Spanned<Template>,
    /// The branch that holds a session's work.
    #[schemars(with = "Template")]
    branch: Spanned<Template>,
    /// The bucket that a client's site is served from.
    #[schemars(with = "Template")]
    bucket: Spanned<Template>,
    /// The queue of a client's instructions.
    #[serde(default = "queue")]
    queue: Template,
    /// The queue that takes requests to push again.
    #[serde(default = "retry_queue")]
    retry_queue: Template,
    /// The queue of instructions that were given up.
    #[serde(default = "dead_letters")]
    dead_letters: Template,
    /// The repositories of a client, by their paths on the remote without `.git`. The first one has
    /// the branches of its sessions; all begin with the template of the site.
    #[serde(default = "repositories")]
    #[schemars(with = "Vec<Template>")]
    repositories: Vec<Spanned<Template>>,
    /// The group of its log in CloudWatch Logs.
    #[serde(default)]
    log_group: String,
}

fn repositories() -> Vec<Spanned<Template>> {
    vec![Spanned::new(0..0, Template("{client}".into()))]
}

fn queue() -> Template {
    Template("instructions-{client}.fifo".into())
}

fn retry_queue() -> Template {
    Template("retries-{client}".into())
}

fn dead_letters() -> Template {
    Template("dead-letters-{client}.fifo".into())
}

impl NamesSection {
    /// The names, or the field whose placeholders cannot distinguish what they name, by its byte.
    pub(super) fn names(self) -> Result<Names, (usize, String)> {
        let has = |template: &Template, words: &[&str]| {
            words.iter().any(|word| {
                template.0.contains(&format!("{{{word}}}"))
                    || template.0.contains(&format!("{{{word}.uuid}}"))
            })
        };
        for (field, template) in [("session", &self.session), ("branch", &self.branch)] {
            if !has(template.get_ref(), &["thread", "session"]) {
                let why = format!(
                    "`{field}` is the same for all sessions of a client: give it {{thread}} or {{session}}"
                );
                return Err((template.span().start, why));
            }
        }
        let bucket = self.bucket.span().start;
        if has(self.bucket.get_ref(), &["thread", "session"]) {
            let why = "`bucket` is of a client, so it has {client} and no session";
            return Err((bucket, why.into()));
        }
        if !has(self.bucket.get_ref(), &["client"]) {
            let why = "`bucket` is the same for all clients: give it {client}";
            return Err((bucket, why.into()));
        }
        for repository in &self.repositories {
            let path = &repository.get_ref().0;
            let is_bad = |part: &str| matches!(part, "" | "." | "..") || part.ends_with(".git");
            let why = if has(repository.get_ref(), &["thread", "session"])
                || !path.contains("{client")
            {
                "is of a client, so it has {client} and no session"
            } else if path.split('/').any(is_bad) || path.contains(char::is_whitespace) {
                "is a path such as {client}/site, without `.git` and without a slash at its ends"
            } else {
                continue;
            };
            let why = format!("a name in `repositories` {why}");
            return Err((repository.span().start, why));
        }
        let repositories: Vec<Template> = self
            .repositories
            .into_iter()
            .map(Spanned::into_inner)
            .collect();
        if repositories.is_empty() {
            let why =
                "`repositories` is empty: leave it out, or give it a path such as {client}/site";
            return Err((bucket, why.into()));
        }
        Ok(Names {
            session: self.session.into_inner(),
            branch: self.branch.into_inner(),
            bucket: self.bucket.into_inner(),
            queue: self.queue,
            retry_queue: self.retry_queue,
            dead_letters: self.dead_letters,
            repositories,
            log_group: self.log_group,
        })
    }
}

impl Names {
    /// The repositories of a client, by their paths on the remote without `.git`; the first one has
    /// the branches of its sessions.
    pub fn repositories(&self, client: &ClientId) -> Vec<String> {
        let names = self.repositories.iter();
        names.map(|name| fill_name(&name.0, client, None)).collect()
    }

    /// The first of these.
    pub fn repository(&self, client: &ClientId) -> String {
        fill_name(&self.repositories[0].0, client, None)
    }

    /// The name of a session in log lines, records and messages.
    pub fn session(&self, session: &SessionId) -> String {
        fill_name(&self.session.0, &session.client, Some(session))
    }

    /// The git branch that holds a session's work, without `refs/heads/`.
    pub fn branch(&self, session: &SessionId) -> String {
        fill_name(&self.branch.0, &session.client, Some(session))
    }

    /// The same, with its placeholders.
    pub fn branch_pattern(&self) -> &str {
        &self.branch.0
    }

    /// The bucket that a client's site is served from.
    pub fn bucket(&self, client: &ClientId) -> String {
        fill_name(&self.bucket.0, client, None)
    }

    /// The queue of a client's instructions.
    pub fn queue(&self, client: &ClientId) -> String {
        fill_name(&self.queue.0, client, None)
    }

    /// The queue that takes requests to push again.
    pub fn retry_queue(&self, client: &ClientId) -> String {
        fill_name(&self.retry_queue.0, client, None)
    }

    /// The queue of a client's instructions that were given up.
    pub fn dead_letters(&self, client: &ClientId) -> String {
        fill_name(&self.dead_letters.0, client, None)
    }
}

/// Where a session's record is kept, and where in it things are (JSON pointers).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordShape {
    /// The table.
    pub table: String,
    /// The attribute that is the table's key; its value is the session's name.
    pub key: String,
    /// The session's status.
    pub status: Option<String>,
    /// The current error; absent, null or empty where there is none.
    pub error: String,
    /// The warnings: a text, or a list of texts.
    pub warnings: Option<String>,
}

impl RecordShape {
    /// What there is in an item, which is as DynamoDB's JSON has it.
    pub fn read(&self, item: Value) -> Record {
        // What is no item has nothing in it.
        let item = serde_json::from_value::<serde_dynamo::Item>(item).unwrap_or_default();
        let item: Value = serde_dynamo::from_item(item).unwrap_or_default();
        let at = |place: &Option<String>| item.pointer(place.as_deref()?).cloned();
        let warnings = match at(&self.warnings) {
            Some(Value::Array(all)) => all.iter().filter_map(text).collect(),
            Some(one) => text(&one).into_iter().collect(),
            None => Vec::new(),
        };
        Record {
            status: at(&self.status).as_ref().and_then(text).unwrap_or_default(),
            last_error: item.pointer(&self.error).and_then(text),
            warnings,
        }
    }
}

/// A value as a person reads it; `None` where it is null, or an empty text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        other => Some(other.to_string()),
    }
}

/// The shape of the reference worker's records.
impl Default for RecordShape {
    fn default() -> Self {
        Self {
            table: SESSION_TABLE.into(),
            key: "sessionId".into(),
            status: Some("/status".into()),
            error: "/lastError".into(),
            warnings: Some("/warnings".into()),
        }
    }
}

/// The name of the reference worker's table.
pub(crate) const SESSION_TABLE: &str = "webordinary-edit-sessions";

/// The section `[record]`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RecordSection {
    table: String,
    key: String,
    status: Option<Pointer>,
    error: Pointer,
    warnings: Option<Pointer>,
}

impl From<RecordSection> for RecordShape {
    fn from(section: RecordSection) -> Self {
        Self {
            table: section.table,
            key: section.key,
            status: section.status.map(|at| at.0),
            error: section.error.0,
            warnings: section.warnings.map(|at| at.0),
        }
    }
}
