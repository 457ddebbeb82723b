//! Bucket policies: kept whole, and evaluated as far as they say who may do what.
//!
//! A statement whose condition cannot be evaluated here applies to nothing, and is reported.

mod condition;

use hyper::HeaderMap;
use serde_json::Value;

use self::condition::Condition;
use super::acl::OWNER_ID;
use crate::cloud::credentials::ACCOUNT;

/// Who signs with the cloud's access key.
pub(super) const CALLER: &str = "arn:aws:iam::000000000000:user/loopback";

/// What is asked of a bucket, as far as policies look at it.
pub(super) struct Ask<'a> {
    /// The action, as `s3:GetObject`.
    pub(super) action: &'a str,
    pub(super) bucket: &'a str,
    /// The key, empty for the bucket itself.
    pub(super) key: &'a str,
    pub(super) is_signed: bool,
    pub(super) headers: &'a HeaderMap,
    /// The query of the request, still encoded.
    pub(super) query: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// A bucket's policy.
pub(super) struct Policy {
    text: String,
    statements: Vec<Statement>,
}

struct Statement {
    effect: Effect,
    principals: Listed<Principal>,
    actions: Listed<String>,
    resources: Listed<String>,
    conditions: Vec<Condition>,
}

/// A list of which one must match, or none (`NotAction` and its like).
struct Listed<T> {
    entries: Vec<T>,
    is_negated: bool,
}

enum Principal {
    Anyone,
    Arn(String),
    /// Whom no request here comes from: a service, another identity provider.
    Other,
}

impl Policy {
    /// Reads a policy document for a bucket.
    ///
    /// # Errors
    /// Why S3 would call it malformed.
    pub(super) fn parse(text: &str, bucket: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(text)
            .map_err(|_| "Policies must be valid JSON and the first byte must be '{'")?;
        let statements = match &document["Statement"] {
            Value::Array(statements) => statements.iter().collect(),
            statement @ Value::Object(_) => vec![statement],
            _ => return Err("Missing required field Statement".into()),
        };
        let statements = statements
            .into_iter()
            .map(|statement| Statement::parse(statement, bucket))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            text: text.into(),
            statements,
        })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What the policy says of a request: a denial before anything else, `None` where nothing.
    pub(super) fn decide(&self, ask: &Ask<'_>) -> Option<Effect> {
        let has = |effect| {
            let mut all = self.statements.iter();
            all.any(|statement| statement.effect == effect && statement.applies(ask))
        };
        [Effect::Deny, Effect::Allow]
            .into_iter()
            .find(|effect| has(*effect))
    }

    /// Whether it allows something to everybody.
    pub(super) fn is_public(&self) -> bool {
        self.statements.iter().any(|statement| {
            let anyone = |principal: &Principal| matches!(principal, Principal::Anyone);
            statement.effect == Effect::Allow
                && (statement.principals.is_negated
                    || statement.principals.entries.iter().any(anyone))
                && !statement.conditions.iter().any(Condition::fixes_who)
        })
    }

    /// What of it is not evaluated, and why.
    pub(super) fn not_evaluated(&self) -> Vec<String> {
        let conditions = self
            .statements
            .iter()
            .enumerate()
            .flat_map(|(n, statement)| {
                let conditions = statement.conditions.iter();
                conditions.filter_map(move |condition| Some((n + 1, condition.not_evaluated()?)))
            });
        conditions
            .map(|(n, why)| format!("its statement {n} applies to nothing here: {why}"))
            .collect()
    }
}

impl Statement {
    fn parse(value: &Value, bucket: &str) -> Result<Self, String> {
        let effect = match value["Effect"].as_str() {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            _ => return Err("Invalid effect".into()),
        };
        let principals = Listed::parse(value, "Principal", principals)
            .ok_or("Missing required field Principal")??;
        let actions =
            Listed::parse(value, "Action", strings).ok_or("Missing required field Action")??;
        let resources = Listed::parse(value, "Resource", strings)
            .ok_or("Missing required field Resource")??;
        let of_bucket = format!("arn:aws:s3:::{bucket}");
        let is_foreign = |of: &&String| !of.starts_with(&of_bucket) && !is_match(of, &of_bucket);
        if let Some(other) = resources.entries.iter().find(is_foreign) {
            return Err(format!("Policy has invalid resource: {other}"));
        }
        let conditions = match &value["Condition"] {
            Value::Null => Vec::new(),
            Value::Object(operators) => condition::parse(operators)?,
            _ => return Err("Policy has an invalid condition".into()),
        };
        Ok(Self {
            effect,
            principals,
            actions,
            resources,
            conditions,
        })
    }

    fn applies(&self, ask: &Ask<'_>) -> bool {
        let resource = match ask.key {
            "" => format!("arn:aws:s3:::{}", ask.bucket),
            key => format!("arn:aws:s3:::{}/{key}", ask.bucket),
        };
        let action = ask.action.to_ascii_lowercase();
        self.principals.matches(|principal| principal.is(ask))
            && self
                .actions
                .matches(|pattern| is_match(&pattern.to_ascii_lowercase(), &action))
            && self
                .resources
                .matches(|pattern| is_match(pattern, &resource))
            && self.conditions.iter().all(|condition| condition.holds(ask))
    }
}

impl<T> Listed<T> {
    /// Reads the list of a field, or of its negation; `None` where there is neither.
    fn parse(
        statement: &Value,
        field: &str,
        read: impl Fn(&Value) -> Option<Vec<T>>,
    ) -> Option<Result<Self, String>> {
        let negated = format!("Not{field}");
        let (value, is_negated) = match (&statement[field], &statement[&*negated]) {
            (Value::Null, Value::Null) => return None,
            (Value::Null, value) => (value, true),
            (value, _) => (value, false),
        };
        let bad = || format!("Policy has invalid {}", field.to_ascii_lowercase());
        Some(read(value).ok_or_else(bad).map(|entries| Self {
            entries,
            is_negated,
        }))
    }

    fn matches(&self, is_it: impl Fn(&T) -> bool) -> bool {
        self.entries.iter().any(is_it) != self.is_negated
    }
}

impl Principal {
    fn is(&self, ask: &Ask<'_>) -> bool {
        match self {
            Self::Anyone => true,
            Self::Arn(arn) => {
                let root = format!("arn:aws:iam::{ACCOUNT}:root");
                ask.is_signed
                    && (*arn == CALLER || *arn == root || *arn == ACCOUNT || *arn == OWNER_ID)
            }
            Self::Other => false,
        }
    }
}

fn principals(value: &Value) -> Option<Vec<Principal>> {
    let of_account = |value: &Value| {
        Some(
            strings(value)?
                .into_iter()
                .map(|arn| match &*arn {
                    "*" => Principal::Anyone,
                    _ => Principal::Arn(arn),
                })
                .collect::<Vec<_>>(),
        )
    };
    match value {
        Value::String(all) if all == "*" => Some(vec![Principal::Anyone]),
        Value::Object(kinds) => {
            let mut principals = Vec::new();
            for (kind, value) in kinds {
                match kind.as_str() {
                    "AWS" | "CanonicalUser" => principals.extend(of_account(value)?),
                    "Service" | "Federated" => principals.push(Principal::Other),
                    _ => return None,
                }
            }
            Some(principals)
        }
        _ => None,
    }
}

/// A string, or a list of strings.
fn strings(value: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => Some(vec![text(value)?]),
    }
}

/// Whether a pattern with `*` (anything) and `?` (one character) matches all of a text.
fn is_match(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where the last star is, and how far its text goes.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((at, end)) => {
                    *end += 1;
                    (p, t) = (*at + 1, *end);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests;
