//! A bucket's policy with one statement of ours, and how it comes back as it was.

use serde_json::{Value, json};

/// The policy with a statement more, which denies the worker's role, and nobody else, to write objects.
///
/// # Errors
/// Where what is there is no policy.
pub(super) fn with_denial(
    before: Option<&str>,
    bucket: &str,
    role: &str,
    statement: &str,
) -> Result<String, String> {
    let empty = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let mut policy: Value = serde_json::from_str(before.unwrap_or(empty))
        .map_err(|error| format!("its policy cannot be read: {error}"))?;
    let ours = json!({
        "Sid": statement,
        "Effect": "Deny",
        "Principal": { "AWS": role },
        "Action": ["s3:PutObject", "s3:DeleteObject"],
        "Resource": format!("arn:aws:s3:::{bucket}/*"),
    });
    match &mut policy["Statement"] {
        Value::Array(statements) => statements.push(ours),
        // One statement may stand without a list.
        one @ Value::Object(_) => *one = json!([one.take(), ours]),
        _ => return Err("its policy has no statements".into()),
    }
    Ok(policy.to_string())
}

/// What takes our statement back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Undo {
    /// It is not there.
    Nothing,
    /// The policy is ours: the one before comes back, or none.
    PutBack,
    /// Somebody else has changed the policy since: it stays, without our statement.
    Keep(String),
    /// The same, where nothing else is left in it.
    Remove,
}

/// How our statement is taken out of the policy that is there now.
///
/// # Errors
/// Where what is there is no policy.
pub(super) fn undo(now: Option<&str>, ours: &str, statement: &str) -> Result<Undo, String> {
    let Some(now) = now else {
        return Ok(Undo::Nothing);
    };
    let read = |text: &str| serde_json::from_str::<Value>(text);
    let mut policy = read(now).map_err(|error| format!("the policy cannot be read: {error}"))?;
    // AWS may keep the same policy with other spaces.
    if read(ours).is_ok_and(|ours| ours == policy) {
        return Ok(Undo::PutBack);
    }
    let is_ours = |of: &Value| of["Sid"] == statement;
    let left = match &mut policy["Statement"] {
        Value::Array(statements) => {
            let before = statements.len();
            statements.retain(|of| !is_ours(of));
            match statements.len() {
                left if left == before => return Ok(Undo::Nothing),
                left => left,
            }
        }
        one => match is_ours(one) {
            true => 0,
            false => return Ok(Undo::Nothing),
        },
    };
    Ok(match left {
        0 => Undo::Remove,
        _ => Undo::Keep(policy.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/worker";
    const OTHER: &str = r#"{"Sid":"other","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}"#;

    fn policy(statements: &str) -> String {
        format!("{{\"Version\":\"2012-10-17\",\"Statement\":{statements}}}")
    }

    #[test]
    fn only_the_role_is_denied_only_to_write() {
        for (before, statements) in [
            (None, 1),
            (Some(policy(&format!("[{OTHER}]"))), 2),
            (Some(policy(OTHER)), 2),
        ] {
            let ours = with_denial(before.as_deref(), "b", ROLE, "mine").unwrap();
            let ours: Value = serde_json::from_str(&ours).unwrap();
            let all = ours["Statement"].as_array().unwrap();
            assert_eq!(all.len(), statements, "{ours}");
            let mine = all.last().unwrap();
            assert_eq!(mine["Principal"], json!({ "AWS": ROLE }));
            assert_eq!(mine["Action"], json!(["s3:PutObject", "s3:DeleteObject"]));
        }
        assert!(with_denial(Some("no policy"), "b", ROLE, "mine").is_err());
        assert!(with_denial(Some("{}"), "b", ROLE, "mine").is_err());
    }

    #[test]
    fn what_somebody_else_changed_stays_without_our_statement() {
        let before = policy(&format!("[{OTHER}]"));
        let ours = with_denial(Some(&before), "b", ROLE, "mine").unwrap();
        let undone = |now: Option<&str>| undo(now, &ours, "mine").unwrap();
        assert_eq!(undone(Some(&ours)), Undo::PutBack);
        assert_eq!(undone(Some(&ours.replace(",", ", "))), Undo::PutBack);
        assert_eq!(undone(Some(&before)), Undo::Nothing);
        assert_eq!(undone(None), Undo::Nothing);
        let third = OTHER.replace("other", "third");
        let now = with_denial(
            Some(&policy(&format!("[{OTHER},{third}]"))),
            "b",
            ROLE,
            "mine",
        )
        .unwrap();
        let Undo::Keep(kept) = undone(Some(&now)) else {
            panic!("{:?}", undone(Some(&now)));
        };
        assert!(
            kept.contains("third") && kept.contains("other") && !kept.contains("mine"),
            "{kept}"
        );
        let alone = with_denial(None, "b", ROLE, "mine").unwrap();
        assert_eq!(undone(Some(&alone)), Undo::Remove);
        assert!(undo(Some("no policy"), &ours, "mine").is_err());
    }
}
