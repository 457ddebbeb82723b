use super::*;

const BUCKET: &str = "edit.acme.webordinary.com";

fn policy(effect: &str, action: &str, resource: &str) -> Result<Policy, String> {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","Principal":"*",
           "Action":"{action}","Resource":"arn:aws:s3:::{resource}"}}]}}"#
    );
    Policy::parse(&text, BUCKET)
}

fn decide(policy: &Policy, action: &str, key: &str, is_signed: bool) -> Option<Effect> {
    policy.decide(&Ask {
        action,
        bucket: BUCKET,
        key,
        is_signed,
        headers: &HeaderMap::new(),
        query: "",
    })
}

#[test]
fn a_deny_hits_its_actions_and_resources_only() {
    let denies = |action: &str, resource: &str, asked: &str, key: &str| {
        let policy = policy("Deny", action, &format!("{BUCKET}{resource}")).unwrap();
        decide(&policy, asked, key, true) == Some(Effect::Deny)
    };
    assert!(denies("s3:PutObject", "/*", "s3:PutObject", "index.html"));
    assert!(denies("s3:putobject", "/*", "s3:PutObject", "index.html"));
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
fn an_allow_allows_whom_it_names() {
    let all = policy("Allow", "s3:GetObject", &format!("{BUCKET}/*")).unwrap();
    assert_eq!(
        decide(&all, "s3:GetObject", "a", false),
        Some(Effect::Allow)
    );
    assert_eq!(decide(&all, "s3:PutObject", "a", false), None);
    assert!(all.is_public());
    let of = |principal: &str| {
        let text = format!(
            r#"{{"Statement":{{"Effect":"Deny","Principal":{principal},
               "Action":["s3:*"],"Resource":["arn:aws:s3:::{BUCKET}/*"]}}}}"#
        );
        Policy::parse(&text, BUCKET)
    };
    let hits = |principal: &str, is_signed| {
        decide(&of(principal).unwrap(), "s3:GetObject", "a", is_signed).is_some()
    };
    for account in [ACCOUNT, CALLER, "arn:aws:iam::000000000000:root"] {
        let principal = format!(r#"{{"AWS":["{account}"]}}"#);
        assert!(hits(&principal, true) && !hits(&principal, false));
    }
    assert!(hits(r#"{"AWS":"*"}"#, false));
    assert!(!hits(r#"{"AWS":"arn:aws:iam::123456789012:root"}"#, true));
    assert!(!hits(r#"{"Service":"cloudfront.amazonaws.com"}"#, true));
    assert!(of("7").is_err());
}

#[test]
fn what_is_negated_hits_all_else() {
    let text = format!(
        r#"{{"Statement":{{"Effect":"Deny","NotPrincipal":{{"AWS":"{ACCOUNT}"}},
           "NotAction":"s3:GetObject","NotResource":"arn:aws:s3:::{BUCKET}/open/*"}}}}"#
    );
    let policy = Policy::parse(&text, BUCKET).unwrap();
    let denied = Some(Effect::Deny);
    assert_eq!(decide(&policy, "s3:PutObject", "a", false), denied);
    assert_eq!(decide(&policy, "s3:PutObject", "a", true), None);
    assert_eq!(decide(&policy, "s3:GetObject", "a", false), None);
    assert_eq!(decide(&policy, "s3:PutObject", "open/a", false), None);
}

#[test]
fn what_s3_would_not_take_is_refused() {
    assert!(policy("Deny", "s3:*", "another.bucket/*").is_err());
    assert!(
        policy("Deny", "s3:*", "*").is_ok(),
        "a pattern that is of it too"
    );
    assert!(policy("Forbid", "s3:*", &format!("{BUCKET}/*")).is_err());
    assert!(Policy::parse("nonsense", BUCKET).is_err());
    assert!(Policy::parse("{}", BUCKET).is_err());
}

#[test]
fn patterns_match_whole_texts() {
    for (pattern, text, is) in [
        ("*", "", true),
        ("a*b*c", "aXbXbXc", true),
        ("a*b*c", "aXbXbX", false),
        ("?", "ü", true),
        ("?", "", false),
        ("a", "ab", false),
        ("**a", "ba", true),
    ] {
        assert_eq!(is_match(pattern, text), is, "{pattern} {text}");
    }
    // As fast as it is long, whatever the pattern.
    assert!(!is_match(&"*a".repeat(40), &"a".repeat(39)));
}
