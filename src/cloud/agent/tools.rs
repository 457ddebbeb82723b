//! The tools that a client offers its agent, told by their names and what they take.

use serde_json::{Map, Value, json};

/// What a tool is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Write,
    Append,
    Delete,
    Read,
    /// Replaces a text that occurs once.
    Edit,
    /// The same with a list of replacements.
    Edits,
    Shell,
}

/// Names of tools in lower case, without what stands between words.
const NAMES: [(Kind, &[&str]); 7] = [
    (Kind::Write, &["write", "writefile", "createfile"]),
    (Kind::Append, &["appendline", "appendtofile", "appendfile"]),
    (Kind::Delete, &["deletefile", "removefile"]),
    (Kind::Read, &["read", "readfile", "readtextfile"]),
    (Kind::Edit, &["edit", "editfile", "strreplace"]),
    (Kind::Edits, &["multiedit"]),
    (
        Kind::Shell,
        &[
            "bash",
            "shell",
            "runcommand",
            "executecommand",
            "runshellcommand",
        ],
    ),
];

const PATHS: &[&str] = &["path", "file_path", "filename", "file"];
const OLD: &[&str] = &["old_string", "old_str", "old_text"];
const NEW: &[&str] = &["new_string", "new_str", "new_text"];

impl Kind {
    /// The fields that it takes, each by the names that it may have.
    fn fields(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Write => &[PATHS, &["text", "content", "contents", "file_text"]],
            Self::Append => &[PATHS, &["line", "text", "content"]],
            Self::Delete | Self::Read => &[PATHS],
            Self::Edit => &[PATHS, OLD, NEW],
            Self::Edits => &[PATHS, &["edits"]],
            Self::Shell => &[&["command", "cmd"]],
        }
    }
}

/// A tool that the agent can use.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Tool {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// The names of its fields.
    fields: Vec<&'static str>,
    /// What else it has to be given.
    others: Map<String, Value>,
}

impl Tool {
    /// Reads a tool that a client offers; of the kinds that the API itself defines there are several
    /// in one.
    fn read(offered: &Value) -> Vec<Self> {
        let Some(name) = offered["name"].as_str() else {
            return vec![];
        };
        let kind = offered["type"].as_str().unwrap_or_default();
        if kind.starts_with("text_editor_") {
            return [
                (Kind::Write, "create", &["path", "file_text"][..]),
                (Kind::Read, "view", &["path"]),
                (Kind::Edit, "str_replace", &["path", "old_str", "new_str"]),
            ]
            .map(|(kind, command, fields)| Self {
                kind,
                name: name.to_owned(),
                fields: fields.into(),
                others: Map::from_iter([("command".to_owned(), command.into())]),
            })
            .into();
        }
        // As a server of the Model Context Protocol offers it, after the server's name.
        let short = name.rsplit("__").next().unwrap_or(name);
        let short = short.replace(['_', '-'], "").to_lowercase();
        let Some((kind, _)) = NAMES.iter().find(|(_, names)| names.contains(&&*short)) else {
            return vec![];
        };
        let schema = &offered["input_schema"];
        Self::of(*kind, name, schema).into_iter().collect()
    }

    /// A tool of this kind, if what it takes can be given.
    fn of(kind: Kind, name: &str, schema: &Value) -> Option<Self> {
        let properties = schema["properties"].as_object();
        let field = |names: &&'static [&'static str]| match properties {
            Some(properties) => names.iter().find(|name| properties.contains_key(**name)),
            None => names.first(),
        };
        let fields: Option<Vec<&str>> = kind
            .fields()
            .iter()
            .map(|names| field(names).copied())
            .collect();
        let fields = fields?;
        let mut others = Map::new();
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().filter(|name| !fields.contains(name));
            let Some(name) = name else { continue };
            let of = &schema["properties"][name];
            let value = match of["type"].as_str()? {
                "string" if of["enum"].is_array() => of["enum"][0].clone(),
                "string" => "As the instruction asks.".into(),
                "boolean" => false.into(),
                _ => return None,
            };
            others.insert(name.to_owned(), value);
        }
        Some(Self {
            kind,
            name: name.to_owned(),
            fields,
            others,
        })
    }

    /// Its input, with the fields in the order of its kind.
    pub(super) fn input(&self, values: &[&str]) -> String {
        let mut input = self.others.clone();
        let fields = self.fields.iter();
        if self.kind == Kind::Edits {
            let [path, old, new] = values else {
                return Value::Object(input).to_string();
            };
            let edit = json!({ "old_string": old, "new_string": new });
            input.extend([
                (self.fields[0].to_owned(), (*path).into()),
                (self.fields[1].to_owned(), json!([edit])),
            ]);
        } else {
            let given = fields.zip(values);
            input.extend(given.map(|(name, value)| ((*name).to_owned(), (*value).into())));
        }
        Value::Object(input).to_string()
    }
}

/// The tools of one request.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Toolbox(Vec<Tool>);

impl Toolbox {
    pub(super) fn read<'a>(offered: impl Iterator<Item = &'a Value>) -> Self {
        Self(offered.flat_map(Tool::read).collect())
    }

    pub(super) fn get(&self, kind: Kind) -> Option<&Tool> {
        self.0.iter().find(|tool| tool.kind == kind)
    }

    pub(super) fn has(&self, kind: Kind) -> bool {
        self.get(kind).is_some()
    }

    /// The tool that replaces a text.
    pub(super) fn editor(&self) -> Option<&Tool> {
        self.get(Kind::Edit).or_else(|| self.get(Kind::Edits))
    }
}
