//! The conditions of a statement.

use hyper::HeaderMap;
use hyper::header::{HeaderName, REFERER, USER_AGENT};
use serde_json::{Map, Value};

use super::{Ask, CALLER, is_match, strings};
use crate::cloud::credentials::ACCOUNT;

/// One condition: a key of the request, compared with values.
pub(super) struct Condition {
    key: String,
    values: Vec<String>,
    /// How it is compared, or why it cannot be.
    test: Result<Test, String>,
}

struct Test {
    kind: Kind,
    /// Whether no value may match, instead of one having to.
    is_negated: bool,
    /// Whether it holds where the request has no such key.
    if_exists: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Equals,
    EqualsIgnoringCase,
    /// With `*` and `?`.
    Like,
    Number(fn(&f64, &f64) -> bool),
    /// Whether the key is absent.
    Null,
}

/// Reads the conditions of a statement.
///
/// # Errors
/// Why S3 would call them malformed.
pub(super) fn parse(operators: &Map<String, Value>) -> Result<Vec<Condition>, String> {
    let mut conditions = Vec::new();
    for (operator, keys) in operators {
        let Value::Object(keys) = keys else {
            return Err(format!("Policy has an invalid condition: {operator}"));
        };
        for (key, values) in keys {
            let values = strings(values).ok_or("Policy has an invalid condition value")?;
            conditions.push(Condition {
                test: test(operator, key, &values),
                key: key.clone(),
                values,
            });
        }
    }
    Ok(conditions)
}

/// How an operator compares, or why it is not evaluated.
fn test(operator: &str, key: &str, values: &[String]) -> Result<Test, String> {
    let (name, if_exists) = match operator.strip_suffix("IfExists") {
        Some(name) => (name, true),
        None => (operator, false),
    };
    let (kind, is_negated) = match name {
        "StringEquals" | "Bool" => (Kind::Equals, false),
        "StringNotEquals" => (Kind::Equals, true),
        "StringEqualsIgnoreCase" => (Kind::EqualsIgnoringCase, false),
        "StringNotEqualsIgnoreCase" => (Kind::EqualsIgnoringCase, true),
        "StringLike" | "ArnEquals" | "ArnLike" => (Kind::Like, false),
        "StringNotLike" | "ArnNotEquals" | "ArnNotLike" => (Kind::Like, true),
        "NumericEquals" => (Kind::Number(|a, b| a == b), false),
        "NumericNotEquals" => (Kind::Number(|a, b| a == b), true),
        "NumericLessThan" => (Kind::Number(|a, b| a < b), false),
        "NumericLessThanEquals" => (Kind::Number(|a, b| a <= b), false),
        "NumericGreaterThan" => (Kind::Number(|a, b| a > b), false),
        "NumericGreaterThanEquals" => (Kind::Number(|a, b| a >= b), false),
        "Null" => (Kind::Null, false),
        _ => return Err(format!("the operator {operator} of {key} is not evaluated")),
    };
    if !is_known(key) {
        return Err(format!("nothing here has a {key}"));
    }
    if values.iter().any(|value| value.contains("${")) {
        return Err(format!(
            "the variables in the values of {key} are not evaluated"
        ));
    }
    Ok(Test {
        kind,
        is_negated,
        if_exists,
    })
}

impl Condition {
    /// Whether a request meets it; none meets one that cannot be evaluated.
    pub(super) fn holds(&self, ask: &Ask<'_>) -> bool {
        let Ok(test) = &self.test else { return false };
        let there = value(ask, &self.key);
        if let Kind::Null = test.kind {
            let is_absent = there.is_none().to_string();
            return self.values.contains(&is_absent);
        }
        let Some(there) = there else {
            return test.if_exists || test.is_negated;
        };
        let matches = |value: &String| match test.kind {
            Kind::Equals => *value == there,
            Kind::EqualsIgnoringCase => value.to_lowercase() == there.to_lowercase(),
            Kind::Like => is_match(value, &there),
            Kind::Number(compares) => match (there.parse(), value.parse()) {
                (Ok(there), Ok(value)) => compares(&there, &value),
                _ => false,
            },
            Kind::Null => false,
        };
        self.values.iter().any(matches) != test.is_negated
    }

    /// Whether it keeps a statement from being public: a fixed value of who asks, or from where.
    pub(super) fn fixes_who(&self) -> bool {
        const WHO: [&str; 9] = [
            "aws:principalaccount",
            "aws:principalarn",
            "aws:principalorgid",
            "aws:sourceaccount",
            "aws:sourcearn",
            "aws:sourceip",
            "aws:sourcevpc",
            "aws:sourcevpce",
            "aws:userid",
        ];
        let is_negated = self.test.as_ref().is_ok_and(|test| test.is_negated);
        WHO.contains(&&*self.key.to_ascii_lowercase())
            && !is_negated
            && !self
                .values
                .iter()
                .any(|value| value == "*" || value == "0.0.0.0/0")
    }

    /// Why it is not evaluated, where it is not.
    pub(super) fn not_evaluated(&self) -> Option<&str> {
        self.test.as_ref().err().map(String::as_str)
    }
}

/// Whether requests here have, or may have, a key.
fn is_known(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key.starts_with("s3:x-amz-")
        || matches!(
            &*key,
            "s3:prefix"
                | "s3:delimiter"
                | "s3:max-keys"
                | "s3:resourceaccount"
                | "aws:principalarn"
                | "aws:principalaccount"
                | "aws:resourceaccount"
                | "aws:username"
                | "aws:useragent"
                | "aws:referer"
                | "aws:securetransport"
        )
}

/// The value of a key that is known, where the request has it.
fn value(ask: &Ask<'_>, key: &str) -> Option<String> {
    let key = key.to_ascii_lowercase();
    let signed = |value: &str| ask.is_signed.then(|| value.to_owned());
    match &*key {
        "s3:prefix" | "s3:delimiter" | "s3:max-keys" => {
            let name = key.strip_prefix("s3:")?;
            let mut pairs = url::form_urlencoded::parse(ask.query.as_bytes());
            let (_, value) = pairs.find(|(key, _)| key == name)?;
            Some(value.into_owned())
        }
        "aws:principalarn" => signed(CALLER),
        "aws:principalaccount" => signed(ACCOUNT),
        "aws:username" => signed("loopback"),
        "s3:resourceaccount" | "aws:resourceaccount" => Some(ACCOUNT.into()),
        // The loopback address stands for the real one, which is asked over TLS.
        "aws:securetransport" => Some("true".into()),
        "aws:useragent" => header(ask.headers, &USER_AGENT),
        "aws:referer" => header(ask.headers, &REFERER),
        _ => {
            let name = key.strip_prefix("s3:")?.parse().ok()?;
            header(ask.headers, &name)
        }
    }
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(condition: &str, query: &str, is_signed: bool) -> bool {
        let Value::Object(operators) = serde_json::from_str(condition).unwrap() else {
            panic!("{condition}")
        };
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-acl", "public-read".parse().unwrap());
        let ask = Ask {
            action: "s3:ListBucket",
            bucket: "b",
            key: "",
            is_signed,
            headers: &headers,
            query,
        };
        parse(&operators).unwrap().iter().all(|it| it.holds(&ask))
    }

    #[test]
    fn conditions_compare_as_iam_documents() {
        let query = "list-type=2&prefix=home%2F&max-keys=5";
        for (condition, is) in [
            (r#"{"StringEquals":{"s3:prefix":["a","home/"]}}"#, true),
            (r#"{"StringEquals":{"s3:prefix":"home"}}"#, false),
            (r#"{"StringNotEquals":{"s3:prefix":["a","home/"]}}"#, false),
            (r#"{"StringLike":{"s3:prefix":"ho*"}}"#, true),
            (r#"{"StringEqualsIgnoreCase":{"s3:Prefix":"HOME/"}}"#, true),
            (r#"{"NumericLessThanEquals":{"s3:max-keys":"10"}}"#, true),
            (r#"{"NumericGreaterThan":{"s3:max-keys":10}}"#, false),
            (
                r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/*"}}"#,
                true,
            ),
            (
                r#"{"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::1:root"}}"#,
                true,
            ),
            (r#"{"Bool":{"aws:SecureTransport":"false"}}"#, false),
            (r#"{"StringEquals":{"s3:x-amz-acl":"public-read"}}"#, true),
            (
                r#"{"StringEquals":{"s3:x-amz-storage-class":"GLACIER"}}"#,
                false,
            ),
            (
                r#"{"StringNotEquals":{"s3:x-amz-storage-class":"GLACIER"}}"#,
                true,
            ),
            (
                r#"{"StringEqualsIfExists":{"s3:x-amz-storage-class":"GLACIER"}}"#,
                true,
            ),
            (r#"{"Null":{"s3:x-amz-storage-class":"true"}}"#, true),
            (r#"{"Null":{"s3:prefix":"true"}}"#, false),
            // All must hold.
            (
                r#"{"Null":{"s3:prefix":"false"},"StringLike":{"s3:prefix":"b*"}}"#,
                false,
            ),
        ] {
            assert_eq!(holds(condition, query, true), is, "{condition}");
        }
        let account = r#"{"StringEquals":{"aws:PrincipalAccount":"000000000000"}}"#;
        assert!(holds(account, "", true) && !holds(account, "", false));
    }

    #[test]
    fn what_cannot_be_evaluated_says_so_and_never_holds() {
        for condition in [
            r#"{"IpAddress":{"aws:SourceIp":"127.0.0.1"}}"#,
            r#"{"StringNotEquals":{"aws:SourceVpce":"vpce-1"}}"#,
            r#"{"StringEquals":{"aws:username":"${aws:username}"}}"#,
        ] {
            let Value::Object(operators) = serde_json::from_str(condition).unwrap() else {
                panic!("{condition}")
            };
            let conditions = parse(&operators).unwrap();
            assert!(conditions[0].not_evaluated().is_some(), "{condition}");
            assert!(!holds(condition, "", true), "{condition}");
        }
    }
}
