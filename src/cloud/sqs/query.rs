//! The older protocol of SQS: a form in, XML out. Both are turned to what the JSON protocol has.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::cloud::protocol::{escape, request_id};

/// What the names of a form mean: `A.1`, `A.2` are a list, and where they have names and values, a map.
enum Kind {
    List(&'static str),
    /// The list's name, and what an entry has its name and its value in.
    Map(&'static str, &'static str, &'static str),
}

const NAMES: [(&str, Kind); 10] = [
    ("AttributeName", Kind::List("AttributeNames")),
    ("Attribute", Kind::Map("Attributes", "Name", "Value")),
    ("MessageAttributeName", Kind::List("MessageAttributeNames")),
    (
        "MessageSystemAttributeName",
        Kind::List("MessageSystemAttributeNames"),
    ),
    (
        "MessageAttribute",
        Kind::Map("MessageAttributes", "Name", "Value"),
    ),
    (
        "MessageSystemAttribute",
        Kind::Map("MessageSystemAttributes", "Name", "Value"),
    ),
    ("Tag", Kind::Map("Tags", "Key", "Value")),
    ("TagKey", Kind::List("TagKeys")),
    ("Result", Kind::List("Results")),
    ("QueueUrl", Kind::List("QueueUrls")),
];

/// The request of a form, as JSON has it.
pub(super) fn request(form: &[u8]) -> Value {
    let mut root = Node::default();
    for (name, value) in form_urlencoded::parse(form) {
        let mut node = &mut root;
        for part in name.split('.') {
            node = node.fields.entry(part.to_owned()).or_default();
        }
        node.text = Some(value.into_owned());
    }
    root.json()
}

/// A name of a form with what is below it.
#[derive(Default)]
struct Node {
    text: Option<String>,
    fields: BTreeMap<String, Node>,
}

impl Node {
    fn json(&self) -> Value {
        if let Some(text) = &self.text {
            return text.as_str().into();
        }
        let mut object = Map::new();
        for (name, node) in &self.fields {
            let entries = node.entries();
            let known = NAMES.iter().find(|(own, _)| own == name);
            let (name, value) = match known {
                Some((_, kind)) if !entries.is_empty() => kind.json(&entries),
                _ if name.ends_with("BatchRequestEntry") => {
                    let entries = entries.iter().map(|entry| entry.json()).collect();
                    ("Entries", Value::Array(entries))
                }
                _ => (name.as_str(), node.json()),
            };
            object.insert(name.to_owned(), value);
        }
        object.into()
    }

    /// What is numbered below it, in order.
    fn entries(&self) -> Vec<&Node> {
        let numbered = self.fields.iter();
        let mut numbered: Vec<(u32, &Node)> = numbered
            .filter_map(|(number, node)| Some((number.parse().ok()?, node)))
            .collect();
        numbered.sort_by_key(|(number, _)| *number);
        numbered.into_iter().map(|(_, node)| node).collect()
    }
}

impl Kind {
    fn json(&self, entries: &[&Node]) -> (&'static str, Value) {
        match self {
            Self::List(name) => {
                let values = entries.iter().map(|entry| entry.json()).collect();
                (name, Value::Array(values))
            }
            Self::Map(name, key, value) => {
                let pairs = entries.iter().filter_map(|entry| {
                    let key = entry.fields.get(*key)?.text.clone()?;
                    let value = entry.fields.get(*value).map(Node::json);
                    Some((key, value.unwrap_or_default()))
                });
                (name, Value::Object(pairs.collect()))
            }
        }
    }
}

/// The answer to an operation in XML.
pub(super) fn answer(operation: &str, answer: &Value) -> String {
    let mut body = String::new();
    for (name, value) in answer.as_object().into_iter().flatten() {
        write(&mut body, operation, name, value);
    }
    let result = match body.is_empty() {
        true => String::new(),
        false => format!("<{operation}Result>{body}</{operation}Result>"),
    };
    format!(
        "<?xml version=\"1.0\"?><{operation}Response \
         xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\">{result}<ResponseMetadata><RequestId>{}\
         </RequestId></ResponseMetadata></{operation}Response>",
        request_id()
    )
}

fn write(out: &mut String, operation: &str, name: &str, value: &Value) {
    let element = match name {
        "Successful" => format!("{operation}ResultEntry"),
        "Failed" => "BatchResultErrorEntry".into(),
        "Messages" => "Message".into(),
        "queueUrls" => "QueueUrl".into(),
        name => {
            let singular = NAMES.iter().find(|(_, kind)| match kind {
                Kind::List(list) | Kind::Map(list, ..) => *list == name,
            });
            singular.map_or(name, |(singular, _)| singular).to_owned()
        }
    };
    let map = NAMES.iter().find_map(|(_, kind)| match kind {
        Kind::Map(map, key, value) if *map == name => Some((key, value)),
        _ => None,
    });
    match (value, map) {
        (Value::Array(all), _) => all
            .iter()
            .for_each(|one| write(out, operation, &element, one)),
        (Value::Object(pairs), Some((key, holds))) => {
            for (own, value) in pairs {
                let _ = write!(out, "<{element}><{key}>{}</{key}>", escape(own));
                write(out, operation, holds, value);
                let _ = write!(out, "</{element}>");
            }
        }
        (Value::Object(fields), None) => {
            let _ = write!(out, "<{element}>");
            for (name, value) in fields {
                write(out, operation, name, value);
            }
            let _ = write!(out, "</{element}>");
        }
        (Value::Null, _) => {}
        (Value::String(text), _) => {
            let _ = write!(out, "<{element}>{}</{element}>", escape(text));
        }
        (other, _) => {
            let _ = write!(out, "<{element}>{other}</{element}>");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_form_is_what_json_says() {
        let form = "Action=SendMessageBatch&QueueUrl=http%3A%2F%2Fx%2Fq&\
                    SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=b+c&\
                    SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n&\
                    SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=String&\
                    SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue=v&\
                    SendMessageBatchRequestEntry.10.Id=z&SendMessageBatchRequestEntry.2.Id=y&\
                    AttributeName.1=All&Attribute.1.Name=DelaySeconds&Attribute.1.Value=3";
        let attribute = json!({ "n": { "DataType": "String", "StringValue": "v" } });
        assert_eq!(
            request(form.as_bytes()),
            json!({
                "Action": "SendMessageBatch",
                "QueueUrl": "http://x/q",
                "Entries": [
                    { "Id": "a", "MessageBody": "b c", "MessageAttributes": attribute },
                    { "Id": "y" },
                    { "Id": "z" },
                ],
                "AttributeNames": ["All"],
                "Attributes": { "DelaySeconds": "3" },
            })
        );
    }

    #[test]
    fn an_answer_is_xml() {
        let said = json!({
            "Messages": [{ "Body": "<a>", "Attributes": { "SenderId": "me" } }],
        });
        let text = answer("ReceiveMessage", &said);
        let wanted = "<ReceiveMessageResult><Message><Attribute><Name>SenderId</Name><Value>me</Value>\
                      </Attribute><Body>&lt;a&gt;</Body></Message></ReceiveMessageResult>";
        assert!(text.contains(wanted), "{text}");
        assert!(!answer("DeleteMessage", &json!({})).contains("Result"));
        let batch = json!({ "Failed": [{ "Id": "a", "SenderFault": true }] });
        let text = answer("DeleteMessageBatch", &batch);
        assert!(
            text.contains("<BatchResultErrorEntry><Id>a</Id><SenderFault>true<"),
            "{text}"
        );
    }
}
