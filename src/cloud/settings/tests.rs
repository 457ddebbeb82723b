use std::sync::Arc;

use super::*;

fn shelf(kind: SettingKind) -> Shelf {
    let profile = "version = 1\nname = \"x\"\n[names]\nsession = \"{session}\"\n\
                   branch = \"thread-{thread}\"\nbucket = \"site-{client}\"\n\
                   [[resource]]\nsecret = \"{client}/git\"\nvalue = '{\"token\":\"{git.token}\"}'\n\
                   [[resource]]\nparameter = \"/{client}/bucket\"\nvalue = \"{bucket}\"\n";
    let profile = Arc::new(crate::profile::Profile::parse(profile).unwrap());
    Settings::new(profile.names.clone(), profile.resources.clone()).declared(&"acme".into(), kind)
}

/// The code, or what is at a place of the answer.
fn at(result: Option<Result<Value, AwsError>>, place: &str) -> Value {
    match result.unwrap() {
        Ok(answer) => answer.pointer(place).cloned().unwrap_or_default(),
        Err(error) => error.code.into(),
    }
}

#[test]
fn secrets_are_found_by_name_and_arn_and_have_versions() {
    let mut shelf = shelf(SettingKind::Secret);
    let mut ask = |operation: &str, request: Value, place: &str| {
        at(secrets(operation, &request, &mut shelf, 7.0), place)
    };
    let token = format!("{{\"token\":\"{GIT_TOKEN}\"}}");
    let own = json!({ "SecretId": "acme/git" });
    assert_eq!(ask("GetSecretValue", own.clone(), "/SecretString"), token);
    let arn = ask("DescribeSecret", own.clone(), "/ARN");
    let by_arn = json!({ "SecretId": arn });
    assert_eq!(ask("GetSecretValue", by_arn, "/Name"), "acme/git");
    let short = json!({ "SecretId": arn.as_str().unwrap().rsplit_once('-').unwrap().0 });
    assert_eq!(ask("GetSecretValue", short, "/Name"), "acme/git");
    let none = json!({ "SecretId": "none" });
    assert_eq!(ask("GetSecretValue", none.clone(), ""), NO_SECRET);
    assert_eq!(ask("PutSecretValue", none, ""), NO_SECRET);

    let new = json!({ "Name": "new", "SecretString": "1" });
    let first = ask("CreateSecret", new.clone(), "/VersionId");
    assert_eq!(ask("CreateSecret", new, ""), "ResourceExistsException");
    let changed = json!({ "SecretId": "new", "SecretString": "2" });
    assert_ne!(ask("PutSecretValue", changed, "/VersionId"), first);
    let named = json!({ "SecretId": "new" });
    assert_eq!(ask("GetSecretValue", named.clone(), "/SecretString"), "2");
    assert_eq!(ask("ListSecrets", json!({}), "/SecretList/1/Name"), "new");
    assert_eq!(ask("DeleteSecret", named.clone(), "/Name"), "new");
    assert_eq!(ask("GetSecretValue", named, ""), NO_SECRET);
    assert!(secrets("RotateSecret", &own, &mut shelf, 7.0).is_none());
}

#[test]
fn parameters_are_decrypted_where_that_is_asked_and_listed_by_path() {
    let mut shelf = shelf(SettingKind::Parameter);
    let mut ask = |operation: &str, request: Value, place: &str| {
        at(parameters(operation, &request, &mut shelf, 7.0), place)
    };
    let named = |name: &str| json!({ "Name": name, "WithDecryption": true });
    let value = "/Parameter/Value";
    assert_eq!(
        ask("GetParameter", named("/acme/bucket"), value),
        "site-acme"
    );
    let versioned = "/Parameter/Name";
    assert_eq!(
        ask("GetParameter", named("/acme/bucket:1"), versioned),
        "/acme/bucket"
    );
    let kept = ask("GetParameter", json!({ "Name": "/acme/bucket" }), value);
    assert!(kept.as_str().unwrap().len() > 40, "{kept}");
    assert_eq!(ask("GetParameter", named("/none"), ""), NO_PARAMETER);

    let put = |value: &str| json!({ "Name": "/acme/deep/n", "Value": value, "Type": "String" });
    assert_eq!(ask("PutParameter", put("1"), "/Version"), 1);
    assert_eq!(ask("PutParameter", put("2"), ""), "ParameterAlreadyExists");
    let mut again = put("2");
    again["Overwrite"] = true.into();
    assert_eq!(ask("PutParameter", again, "/Version"), 2);
    assert_eq!(
        ask("GetParameter", json!({ "Name": "/acme/deep/n" }), value),
        "2"
    );
    let both = json!({ "Names": ["/acme/deep/n", "/none"] });
    assert_eq!(
        ask("GetParameters", both.clone(), "/Parameters/0/Value"),
        "2"
    );
    assert_eq!(ask("GetParameters", both, "/InvalidParameters/0"), "/none");
    let count = |answer: Value| answer.as_array().map(Vec::len);
    let direct = json!({ "Path": "/acme" });
    assert_eq!(
        count(ask("GetParametersByPath", direct, "/Parameters")),
        Some(1)
    );
    let all = json!({ "Path": "/acme", "Recursive": true });
    assert_eq!(
        count(ask("GetParametersByPath", all, "/Parameters")),
        Some(2)
    );
    let gone = json!({ "Name": "/acme/deep/n" });
    assert_eq!(ask("DeleteParameter", gone.clone(), ""), json!({}));
    assert_eq!(ask("DeleteParameter", gone, ""), NO_PARAMETER);
}
