//! Bucket policies, as far as they deny: what the seed's S3 permission error is made with.

use serde_json::Value;

/// A bucket's policy. Statements that allow change nothing, for the bucket's owner asks.
pub(super) struct Policy {
    text: String,
    denials: Vec<Denial>,
}

struct Denial {
    actions: Vec<String>,
    resources: Vec<String>,
}

impl Policy {
    /// Reads a policy document for a bucket.
    ///
    /// # Errors
    /// Why S3 would call it malformed, or why it is not supported here.
    pub(super) fn parse(text: &str, bucket: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(text)
            .map_err(|_| "Policies must be valid JSON and the first byte must be '{'")?;
        let statements = match &document["Statement"] {
            Value::Array(statements) => statements.iter().collect(),
            statement @ Value::Object(_) => vec![statement],
            _ => return Err("Missing required field Statement".into()),
        };
        let mut denials = Vec::new();
        for statement in statements {
            let actions = strings(&statement["Action"]).ok_or("Policy has invalid action")?;
            let resources = strings(&statement["Resource"]).ok_or("Policy has invalid resource")?;
            if statement["Principal"].is_null() {
                return Err("Missing required field Principal".into());
            }
            if !statement["Condition"].is_null() {
                return Err("Conditions are not supported by the loopback cloud".into());
            }
            let of_bucket = format!("arn:aws:s3:::{bucket}");
            if let Some(other) = resources.iter().find(|of| !of.starts_with(&of_bucket)) {
                return Err(format!("Policy has invalid resource: {other}"));
            }
            match statement["Effect"].as_str() {
                Some("Allow") => {}
                Some("Deny") => denials.push(Denial { actions, resources }),
                _ => return Err("Invalid effect".into()),
            }
        }
        Ok(Self {
            text: text.into(),
            denials,
        })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether an action is denied on a key, or on the bucket itself where the key is empty.
    pub(super) fn denies(&self, action: &str, bucket: &str, key: &str) -> bool {
        let resource = match key {
            "" => format!("arn:aws:s3:::{bucket}"),
            key => format!("arn:aws:s3:::{bucket}/{key}"),
        };
        let matches = |patterns: &[String], text: &str| {
            patterns.iter().any(|pattern| is_match(pattern, text))
        };
        self.denials
            .iter()
            .any(|denial| matches(&denial.actions, action) && matches(&denial.resources, &resource))
    }
}

/// A string, or a list of strings.
fn strings(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(values) => values
            .iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    }
}

/// Whether a pattern with `*` (anything) and `?` (one character) matches all of a text.
fn is_match(pattern: &str, text: &str) -> bool {
    match pattern.as_bytes() {
        [] => text.is_empty(),
        [b'*', ..] => (0..=text.len())
            .filter(|at| text.is_char_boundary(*at))
            .any(|at| is_match(&pattern[1..], &text[at..])),
        [first, ..] => {
            let mut rest = text.chars();
            match rest.next() {
                Some(c) if *first == b'?' || pattern.starts_with(c) => {
                    let width = pattern.chars().next().map_or(1, char::len_utf8);
                    is_match(&pattern[width..], rest.as_str())
                }
                _ => false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUCKET: &str = "edit.acme.webordinary.com";

    fn policy(effect: &str, action: &str, resource: &str) -> Result<Policy, String> {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","Principal":"*",
               "Action":"{action}","Resource":"arn:aws:s3:::{resource}"}}]}}"#
        );
        Policy::parse(&text, BUCKET)
    }

    #[test]
    fn a_deny_hits_its_actions_and_resources_only() {
        let denies = |action: &str, resource: &str, asked: &str, key: &str| {
            policy("Deny", action, &format!("{BUCKET}{resource}"))
                .unwrap()
                .denies(asked, BUCKET, key)
        };
        assert!(denies("s3:PutObject", "/*", "s3:PutObject", "index.html"));
        assert!(denies("s3:*", "/*", "s3:PutObject", "assets/a.css"));
        assert!(denies(
            "s3:Put*",
            "/assets/?.css",
            "s3:PutObject",
            "assets/a.css"
        ));
        assert!(!denies("s3:PutObject", "/*", "s3:DeleteObject", "a"));
        assert!(!denies("s3:PutObject", "/assets/*", "s3:PutObject", "a"));
        assert!(!denies("s3:*", "/*", "s3:ListBucket", ""));
        assert!(denies("s3:*", "", "s3:ListBucket", ""));
    }

    #[test]
    fn an_allow_denies_nothing() {
        let policy = policy("Allow", "s3:*", &format!("{BUCKET}/*")).unwrap();
        assert!(!policy.denies("s3:PutObject", BUCKET, "a"));
    }

    #[test]
    fn what_s3_would_not_take_is_refused() {
        assert!(policy("Deny", "s3:*", "another.bucket/*").is_err());
        assert!(policy("Forbid", "s3:*", &format!("{BUCKET}/*")).is_err());
        assert!(Policy::parse("nonsense", BUCKET).is_err());
        assert!(Policy::parse("{}", BUCKET).is_err());
    }
}
