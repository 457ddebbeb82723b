//! The reference of profiles as Markdown, made from their JSON Schema.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::schema;

/// What the page begins with.
const HEAD: &str = "\
# Every key of a profile

`shakedown profile reference` prints this page, from the schema that profiles are read by. [Profiles](profiles.md) says what the
sections are for. A key with `needed` has to be there where its section is.
";

/// How the kinds of texts are called here, by their names in the schema.
const TEXTS: [(&str, &str); 6] = [
    ("Answer", "answer"),
    ("Pattern", "expression"),
    ("Period", "time"),
    ("Pointer", "pointer"),
    ("Template", "name"),
    ("Text", "text"),
];

/// The whole page.
pub fn reference() -> String {
    let schema = schema();
    let page = Page(&schema);
    let mut out = String::from(HEAD);
    out.push_str("\n## Values\n\n| value | what it is |\n|---|---|\n");
    for (name, called) in TEXTS {
        let about = line(text(&schema["$defs"][name], "description"));
        let _ = writeln!(out, "| {called} | {about} |");
    }
    out.push_str("\n## Before the first section\n\n");
    page.keys(&mut out, &schema, |of| !page.is_section(of));
    for (name, of) in properties(&schema) {
        if page.is_section(of) {
            page.section(&mut out, name, of);
        }
    }
    out
}

/// A schema whose types are looked up in it.
struct Page<'a>(&'a Value);

impl<'a> Page<'a> {
    /// What a value is by itself: the type that it names, without `null`.
    fn itself(&self, of: &'a Value) -> &'a Value {
        if let Some(name) = named(of) {
            return self.itself(&self.0["$defs"][name]);
        }
        match alternatives(of, "anyOf").find(|it| it["type"] != "null") {
            Some(other) => self.itself(other),
            None => of,
        }
    }

    /// Whether it is written below a heading of its own.
    fn is_section(&self, of: &'a Value) -> bool {
        let of = self.itself(of);
        let is_of_tables = of["type"] == "array" && self.is_section(&of["items"]);
        let is_one_of = alternatives(of, "oneOf").any(|it| !properties(it).is_empty());
        let has_keys = !properties(of).is_empty()
            || of.get("additionalProperties").is_some_and(Value::is_object);
        is_of_tables || has_keys || is_one_of && named_text(of, self.0).is_none()
    }

    /// A section with all its keys, and those within it.
    fn section(&self, out: &mut String, name: &str, given: &'a Value) {
        let of = self.itself(given);
        let (heading, of) = match of["type"] == "array" {
            true => (format!("[[{name}]]"), self.itself(&of["items"])),
            false => (format!("[{name}]"), of),
        };
        let _ = writeln!(out, "\n## `{heading}`\n");
        let about = match text(given, "description") {
            "" => text(of, "description"),
            own => own,
        };
        if !about.is_empty() {
            let _ = writeln!(out, "{}\n", line(about));
        }
        for one in alternatives(of, "oneOf") {
            let _ = writeln!(out, "{}\n", line(text(one, "description")));
            self.keys(out, one, |_| true);
            out.push('\n');
        }
        if let Some(values) = of.get("additionalProperties").filter(|it| it.is_object()) {
            let _ = writeln!(out, "Each name is given: {}.", self.takes(values));
        } else if !properties(of).is_empty() {
            self.keys(out, of, |of| !self.is_section(of));
            for (inner, of) in properties(of) {
                if self.is_section(of) {
                    self.section(out, &format!("{name}.{inner}"), of);
                }
            }
        }
        while out.ends_with("\n\n") {
            out.pop();
        }
    }

    /// A table of those keys that `is_here` chooses.
    fn keys(&self, out: &mut String, of: &'a Value, is_here: impl Fn(&'a Value) -> bool) {
        out.push_str("| key | takes | default | what it says |\n|---|---|---|---|\n");
        let needed = of["required"].as_array().into_iter().flatten();
        let needed: Vec<&str> = needed.filter_map(Value::as_str).collect();
        for (name, given) in properties(of).iter().filter(|(_, of)| is_here(of)) {
            let default = match given.get("default") {
                _ if needed.contains(&name.as_str()) => "needed".into(),
                None | Some(Value::Null) => String::new(),
                Some(default) => format!("`{default}`"),
            };
            let about = text(given, "description");
            let takes = self.takes(given);
            let _ = writeln!(out, "| `{name}` | {takes} | {default} | {} |", line(about));
        }
    }

    /// What a key is given, in a few words.
    fn takes(&self, of: &'a Value) -> String {
        if let Some(called) = named_text(of, self.0) {
            return called.into();
        }
        let of = self.itself(of);
        let consts = alternatives(of, "oneOf").filter_map(|it| it.get("const"));
        let consts: Vec<String> = consts.map(|it| format!("`{it}`")).collect();
        if !consts.is_empty() {
            return consts.join(", ");
        }
        if let Some(only) = of.get("const") {
            return format!("`{only}`");
        }
        if !properties(of).is_empty() {
            let inner = properties(of).iter();
            let inner = inner.map(|(name, of)| format!("`{name}` = {}", self.takes(of)));
            return format!("a table: {}", inner.collect::<Vec<_>>().join(", "));
        }
        let types = match &of["type"] {
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect::<Vec<_>>(),
        };
        match types.iter().find(|it| **it != "null") {
            Some(&"array") => format!("a list of: {}", self.takes(&of["items"])),
            Some(&"string") => "string".into(),
            Some(&"boolean") => "`true`, `false`".into(),
            Some(&"integer") => "a whole number".into(),
            Some(&"object") => {
                format!("a table of: {}", self.takes(&of["additionalProperties"]))
            }
            Some(other) => (*other).into(),
            None => "any value".into(),
        }
    }
}

/// The name of a kind of text that a value is of.
fn named_text(of: &Value, schema: &Value) -> Option<&'static str> {
    let is =
        |name: &str| named(of) == Some(name) || std::ptr::eq(of, &raw const schema["$defs"][name]);
    let direct = TEXTS.iter().find(|(name, _)| is(name));
    let mut others = alternatives(of, "anyOf").filter_map(|it| named_text(it, schema));
    direct.map(|(_, called)| *called).or_else(|| others.next())
}

/// The type that a value names.
fn named(of: &Value) -> Option<&str> {
    of.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

fn alternatives<'a>(of: &'a Value, how: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    of.get(how).and_then(Value::as_array).into_iter().flatten()
}

fn properties(of: &Value) -> &Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    of.get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&NONE)
}

fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A text in a cell of a table.
fn line(of: &str) -> String {
    of.replace('\n', " ").replace('|', "\\|")
}
