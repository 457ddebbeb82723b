use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use super::Table;

use crate::cloud::tests::{cloud, front, home, recorded, sdk, soon};
use tokio::runtime::Handle;

use crate::cloud::{Cloud, CloudConfig, GIT_TOKEN};
use crate::history::{Record, What};
use crate::plan::{Fault, Place, SessionId};
use crate::process;
use crate::profile::{Profile, REFERENCE, SESSION_TABLE};

async fn client(cloud: &Cloud) -> Client {
    Client::new(&sdk(&front(cloud)).await)
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// Writes a record as the worker does, by an update.
async fn update(db: &Client, key: &str, expression: &str, value: AttributeValue) -> bool {
    let update = db.update_item().table_name(SESSION_TABLE);
    let update = update
        .key("sessionId", text(key))
        .update_expression(expression)
        .expression_attribute_names("#s", "status")
        .expression_attribute_values(":v", value);
    soon(update.send()).await.is_ok()
}

async fn item(db: &Client, key: &str) -> Option<HashMap<String, AttributeValue>> {
    let get = db.get_item().table_name(SESSION_TABLE);
    let get = get.key("sessionId", text(key)).consistent_read(true);
    soon(get.send()).await.unwrap().item
}

fn written(record: Record) -> What {
    What::RecordWritten {
        session: home(),
        record: record.into(),
    }
}

#[tokio::test]
async fn records_are_recorded_as_they_stand_after_a_write() {
    let cloud = cloud();
    let db = client(&cloud).await;
    assert!(update(&db, "acme/home", "SET #s = :v", text("running")).await);
    let put = db
        .put_item()
        .table_name(SESSION_TABLE)
        .item("sessionId", text("acme/home"))
        .item("status", text("running"))
        .item("lastError", text("build failed"))
        .item("warnings", AttributeValue::L(vec![text("careful")]));
    soon(put.send()).await.unwrap();
    // An item of another kind that names the session is no write to it.
    let wanted = AttributeValue::M([("sessionId".into(), text("acme/home"))].into());
    assert!(update(&db, "site#acme", "SET #s = :v", wanted).await);
    let record = Record {
        status: "running".into(),
        last_error: Some("build failed".into()),
        warnings: vec!["careful".into()],
    };
    let first = Record {
        status: "running".into(),
        ..Record::default()
    };
    assert_eq!(recorded(&cloud), [written(first), written(record.clone())]);
    assert_eq!(cloud.records(), [(home(), record)].into());
    assert!(item(&db, "site#acme").await.is_some());
}

#[tokio::test]
async fn a_condition_that_fails_changes_and_records_nothing() {
    let cloud = cloud();
    let db = client(&cloud).await;
    let put = || {
        db.put_item()
            .table_name(SESSION_TABLE)
            .item("sessionId", text("acme/home"))
            .condition_expression("attribute_not_exists(sessionId)")
    };
    soon(put().send()).await.unwrap();
    let refused = soon(put().send()).await.unwrap_err().into_service_error();
    assert!(refused.is_conditional_check_failed_exception());
    assert_eq!(recorded(&cloud).len(), 1);
}

#[tokio::test]
async fn a_throttled_table_refuses_everything() {
    let cloud = cloud();
    let db = client(&cloud).await;
    cloud.set_fault(&Fault::StoreThrottled, true).unwrap();
    let get = db.get_item().table_name(SESSION_TABLE);
    let refused = soon(get.key("sessionId", text("acme/home")).send()).await;
    let refused = refused.unwrap_err().into_service_error();
    assert!(refused.is_provisioned_throughput_exceeded_exception());
    assert!(!update(&db, "acme/home", "SET #s = :v", text("x")).await);
    let client = home().client;
    let refusals = [(); 2].map(|()| What::Refused {
        client: client.clone(),
        place: Place::Table,
    });
    assert_eq!(recorded(&cloud), refusals);
    cloud.set_fault(&Fault::StoreThrottled, false).unwrap();
    assert!(update(&db, "acme/home", "SET #s = :v", text("x")).await);
}

#[tokio::test]
async fn failures_are_injected_on_the_record_and_healed() {
    let cloud = cloud();
    let db = client(&cloud).await;
    let injection = async |session: &SessionId| {
        let item = item(&db, &session.to_string()).await?;
        item.get("failureInjection")?.as_s().ok().cloned()
    };
    let (error, warning) = (Fault::BuildError(home()), Fault::BuildWarning(home()));
    cloud.set_fault(&error, true).unwrap();
    assert_eq!(injection(&home()).await.as_deref(), Some("BUILD_ERROR"));
    cloud.set_fault(&warning, true).unwrap();
    assert_eq!(injection(&home()).await.as_deref(), Some("BUILD_WARNING"));
    assert!(update(&db, "acme/home", "SET #s = :v", text("running")).await);
    assert_eq!(injection(&home()).await.as_deref(), Some("BUILD_WARNING"));
    cloud.set_fault(&warning, false).unwrap();
    assert_eq!(injection(&home()).await, None);
    let blog = SessionId::new("acme", "blog");
    cloud
        .set_fault(&Fault::BuildError(blog.clone()), false)
        .unwrap();
    assert_eq!(item(&db, "acme/blog").await, None, "a heal makes no item");
}

#[tokio::test]
async fn strangers_are_refused_and_secrets_seen() {
    let cloud = cloud();
    let sdk = sdk(&front(&cloud)).await;
    let credentials =
        aws_sdk_dynamodb::config::Credentials::new("ANOTHER", "key", None, None, "test");
    let config = aws_sdk_dynamodb::config::Builder::from(&sdk).credentials_provider(credentials);
    let stranger = Client::from_conf(config.build());
    let refused = soon(stranger.list_tables().send()).await.unwrap_err();
    let refused = format!("{refused:?}");
    assert!(refused.contains("UnrecognizedClientException"), "{refused}");

    let db = client(&cloud).await;
    let message = text(&format!("fetch with {GIT_TOKEN} failed"));
    assert!(update(&db, "acme/home", "SET #s = :v", message).await);
    let seen = recorded(&cloud).into_iter();
    let seen = seen.filter(|what| matches!(what, What::SecretSeen { .. }));
    assert_eq!(seen.count(), 1);
}

#[tokio::test]
async fn what_dynamodb_would_refuse_is_refused() {
    let cloud = cloud();
    let db = client(&cloud).await;
    let get = db.get_item().table_name("another-table");
    let missing = soon(get.key("sessionId", text("a")).send()).await;
    assert!(
        missing
            .unwrap_err()
            .into_service_error()
            .is_resource_not_found_exception()
    );
    let get = db.get_item().table_name(SESSION_TABLE);
    let wrong_key = soon(get.key("id", text("a")).send()).await;
    let wrong_key = format!("{:?}", wrong_key.unwrap_err());
    assert!(wrong_key.contains("ValidationException"), "{wrong_key}");
}

#[test]
fn a_record_is_read_where_the_profile_says() {
    let other = REFERENCE
        .replace("\"/lastError\"", "\"/state/problem\"")
        .replace("\"/warnings\"", "\"/state/notes\"")
        .replace("key = \"sessionId\"", "key = \"thread\"")
        .replace("session = \"{session}\"", "session = \"s-{thread}\"");
    let table = Table::new(&Profile::parse(&other).unwrap(), &[home()]).unwrap();
    let put = |state: Value| {
        let item =
            json!({ "thread": { "S": "s-home" }, "status": { "S": "idle" }, "state": state });
        let request = json!({ "TableName": SESSION_TABLE, "Item": item });
        table.own("PutItem", &request).unwrap();
        let mut named = BTreeSet::new();
        table.keys_in(&request, &mut named);
        assert_eq!(named, [home()].into());
        table.records(&[home()]).remove(&home()).unwrap()
    };
    let record = put(json!({ "M": {
        "problem": { "M": { "code": { "N": "7" } } },
        "notes": { "SS": ["careful"] },
    } }));
    assert_eq!(record.status, "idle");
    assert_eq!(record.last_error.as_deref(), Some("{\"code\":7}"));
    assert_eq!(record.warnings, ["careful"]);
    let well = put(json!({ "M": { "problem": { "NULL": true }, "notes": { "S": "" } } }));
    assert_eq!((well.last_error, well.warnings), (None, Vec::new()));
}

#[tokio::test]
async fn what_a_profile_names_as_resources_is_there() {
    let text = format!(
        "{REFERENCE}\n[[resource]]\ntable = \"owners\"\nkey = \"project\"\n\
         [[resource]]\nqueue = \"claims-{{client}}\"\n"
    );
    let text = text.replace("[site]\n", "[site]\ngitignore = [\"dist/\", \"*.log\"]\n");
    let config = CloudConfig {
        profile: Profile::parse(&text).unwrap().into(),
        ..CloudConfig::of(vec![home()])
    };
    let cloud = Cloud::start(config, &Handle::current()).unwrap();
    let owners = client(&cloud).await;
    assert!(!cloud.has_item("owners", "acme"));
    let put = owners.put_item().table_name("owners");
    soon(put.item("project", AttributeValue::S("acme".into())).send())
        .await
        .unwrap();
    assert!(cloud.has_item("owners", "acme"));
    assert!(!cloud.has_item("owners", "globex"));
    assert!(!cloud.has_item("others", "acme"));
    cloud.send_text(&home(), "claims-acme", "take it").unwrap();
    let queues = aws_sdk_sqs::Client::new(&sdk(&front(&cloud)).await);
    let url = soon(queues.get_queue_url().queue_name("claims-acme").send());
    let url = url.await.unwrap().queue_url.unwrap();
    let taken = soon(queues.receive_message().queue_url(url).send()).await;
    assert_eq!(taken.unwrap().messages()[0].body(), Some("take it"));
    let mut git = process::git("git");
    let repository = cloud.repository(&home().client);
    git.arg("-C")
        .arg(repository)
        .args(["show", "main:.gitignore"]);
    let shown = process::output(&mut git);
    assert_eq!(shown.unwrap().stdout, b"dist/\n*.log\n");
}
