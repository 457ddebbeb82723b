use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cloud::tests::{cloud, front, home, recorded, sdk, soon};
use crate::cloud::{AGENT_KEY, LOG_GROUP};
use crate::history::{Claim, Level, What};
use crate::plan::Phase;

pub(in crate::cloud) async fn make_stream(sdk: &SdkConfig) {
    let logs = Client::new(sdk);
    let group = logs.create_log_group().log_group_name(LOG_GROUP);
    soon(group.send()).await.unwrap();
    let stream = logs.create_log_stream().log_group_name(LOG_GROUP);
    soon(stream.log_stream_name("acme").send()).await.unwrap();
}

/// Writes one line with the present time.
pub(in crate::cloud) async fn put(sdk: &SdkConfig, line: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    put_at(&Client::new(sdk), &[(now.as_millis() as i64, line)])
        .await
        .unwrap();
}

async fn put_at(logs: &Client, lines: &[(i64, &str)]) -> Result<(), String> {
    let mut request = logs
        .put_log_events()
        .log_group_name(LOG_GROUP)
        .log_stream_name("acme");
    for (at, line) in lines {
        let event = InputLogEvent::builder().timestamp(*at).message(*line);
        request = request.log_events(event.build().unwrap());
    }
    let put = soon(request.send()).await;
    put.map(drop).map_err(|error| format!("{error:?}"))
}

#[tokio::test]
async fn lines_become_events_with_their_phase_and_claim() {
    let cloud = cloud();
    let sdk = sdk(&front(&cloud)).await;
    make_stream(&sdk).await;
    put(&sdk, "INFO [acme/home] [pushing] Pushing edit-1").await;
    put(&sdk, "ERROR [acme/home] S3 sync failed after retries: no").await;
    put(&sdk, "no form at all").await;
    let events = recorded(&cloud);
    let [
        What::Logged {
            client,
            stamp,
            session,
            level,
            text,
            phase,
            claim,
        },
        second,
        third,
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((client, session), (&home().client, &Some(home())));
    assert_eq!((&**text, *level), ("Pushing edit-1", Level::Info));
    assert_eq!((*phase, *claim), (Some(Phase::Pushing), None));
    assert!(*stamp <= cloud.recorder().now());
    assert!(*stamp + Duration::from_secs(60) > cloud.recorder().now());
    assert!(matches!(
        second,
        What::Logged {
            level: Level::Error,
            claim: Some(Claim::SyncFailed),
            phase: None,
            ..
        }
    ));
    assert!(matches!(third, What::Logged { session: None, .. }));
}

#[tokio::test]
async fn groups_and_streams_must_exist_once() {
    let cloud = cloud();
    let sdk = sdk(&front(&cloud)).await;
    let logs = Client::new(&sdk);
    let missing = put_at(&logs, &[(1, "a")]).await.unwrap_err();
    assert!(missing.contains("ResourceNotFoundException"), "{missing}");
    make_stream(&sdk).await;
    let again = soon(logs.create_log_group().log_group_name(LOG_GROUP).send()).await;
    let again = again.unwrap_err().into_service_error();
    assert!(again.is_resource_already_exists_exception());
    let backwards = put_at(&logs, &[(2, "a"), (1, "b")]).await.unwrap_err();
    assert!(
        backwards.contains("InvalidParameterException"),
        "{backwards}"
    );
    put_at(&logs, &[(1, "a")]).await.unwrap();
    let streams = logs.describe_log_streams().log_group_name(LOG_GROUP);
    let streams = soon(streams.send()).await.unwrap();
    assert_eq!(streams.log_streams()[0].log_stream_name(), Some("acme"));
    assert_eq!(recorded(&cloud).len(), 1, "refused lines are no events");
}

#[tokio::test]
async fn lines_are_found_by_terms_and_read_in_pages() {
    let cloud = cloud();
    let sdk = sdk(&front(&cloud)).await;
    make_stream(&sdk).await;
    let logs = Client::new(&sdk);
    let lines = [
        (1, "INFO S3 sync attempt 1/3"),
        (2, "WARN S3 sync failed: Access Denied"),
        (3, "ERROR S3 sync failed after retries"),
    ];
    put_at(&logs, &lines).await.unwrap();
    let found = async |pattern: &str| {
        let filter = logs.filter_log_events().log_group_name(LOG_GROUP);
        let found = soon(filter.filter_pattern(pattern).send()).await.ok()?;
        let times = found.events().iter().filter_map(|event| event.timestamp());
        Some(times.collect::<Vec<i64>>())
    };
    assert_eq!(found("").await, Some(vec![1, 2, 3]));
    assert_eq!(found("\"S3 sync failed\"").await, Some(vec![2, 3]));
    assert_eq!(found("sync -ERROR").await, Some(vec![1, 2]));
    assert_eq!(found("?attempt ?retries").await, Some(vec![1, 3]));
    assert_eq!(found("sync Denied").await, Some(vec![2]));
    assert_eq!(found("{ $.level = 1 }").await, None);

    let page = |token: Option<String>| {
        let get = logs.get_log_events().log_group_name(LOG_GROUP);
        let get = get.log_stream_name("acme").start_from_head(true).limit(2);
        get.set_next_token(token).send()
    };
    let first = soon(page(None)).await.unwrap();
    assert_eq!(first.events().len(), 2);
    let token = first.next_forward_token().map(str::to_owned);
    let second = soon(page(token)).await.unwrap();
    assert_eq!(second.events()[0].message(), Some(lines[2].1));
}

#[tokio::test]
async fn a_secret_in_a_line_is_seen() {
    let cloud = cloud();
    let sdk = sdk(&front(&cloud)).await;
    make_stream(&sdk).await;
    put(&sdk, &format!("ERROR the key {AGENT_KEY} is wrong")).await;
    assert!(matches!(recorded(&cloud)[0], What::SecretSeen { .. }));
}
