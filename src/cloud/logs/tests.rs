use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use std::sync::LazyLock;
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
    put_at(
        &Client::new(sdk),
        &[(now.as_millis() as i64 - began(), line)],
    )
    .await
    .unwrap();
}

/// A minute before the tests began, in milliseconds.
fn began() -> i64 {
    static BEGAN: LazyLock<i64> = LazyLock::new(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        now.as_millis() as i64 - 60_000
    });
    *BEGAN
}

/// Writes lines with times counted from a minute before the tests began.
async fn put_at(logs: &Client, lines: &[(i64, &str)]) -> Result<(), String> {
    let mut request = logs
        .put_log_events()
        .log_group_name(LOG_GROUP)
        .log_stream_name("acme");
    for (at, line) in lines {
        let event = InputLogEvent::builder()
            .timestamp(began() + at)
            .message(*line);
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
    recorded(&cloud);
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
    let events = recorded(&cloud);
    let lines = events
        .iter()
        .filter(|what| matches!(what, What::Logged { .. }));
    assert_eq!(lines.count(), 1, "refused lines are no events");
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
        let times = times.map(|time| time - began());
        Some(times.collect::<Vec<i64>>())
    };
    assert_eq!(found("").await, Some(vec![1, 2, 3]));
    assert_eq!(found("\"S3 sync failed\"").await, Some(vec![2, 3]));
    assert_eq!(found("sync -ERROR").await, Some(vec![1, 2]));
    assert_eq!(found("?attempt ?retries").await, Some(vec![1, 3]));
    assert_eq!(found("sync Denied").await, Some(vec![2]));
    assert_eq!(found("{ $.level }").await, None);

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
    let back = second.next_backward_token().map(str::to_owned);
    let before = soon(page(back)).await.unwrap();
    assert_eq!(before.events(), first.events());
    let beginning = before.next_backward_token().map(str::to_owned);
    let nothing = soon(page(beginning.clone())).await.unwrap();
    assert_eq!(nothing.events().len(), 0);
    assert_eq!(nothing.next_backward_token(), beginning.as_deref());
}

#[tokio::test]
async fn lines_that_are_too_old_or_too_new_are_rejected_and_the_others_kept() {
    let cloud = cloud();
    let sdk = sdk(&front(&cloud)).await;
    make_stream(&sdk).await;
    let logs = Client::new(&sdk);
    let group = |days| {
        let retain = logs.put_retention_policy().log_group_name(LOG_GROUP);
        retain.retention_in_days(days).send()
    };
    assert!(soon(group(2)).await.is_err(), "there is no such retention");
    soon(group(1)).await.unwrap();
    let hour = 60 * 60 * 1000;
    let put = async |times: &[i64]| {
        let mut put = logs.put_log_events().log_group_name(LOG_GROUP);
        for at in times {
            let event = InputLogEvent::builder().timestamp(began() + at * hour);
            put = put.log_events(event.message("x").build().unwrap());
        }
        let put = soon(put.log_stream_name("acme").send()).await.unwrap();
        let rejected = put.rejected_log_events_info.unwrap();
        (
            rejected.too_old_log_event_end_index,
            rejected.expired_log_event_end_index,
            rejected.too_new_log_event_start_index,
        )
    };
    assert_eq!(put(&[-1, 0, 3]).await, (None, None, Some(2)));
    assert_eq!(put(&[-25, -24, -2]).await, (None, Some(2), None));
    assert_eq!(put(&[-15 * 24]).await, (Some(1), None, None));
    let found = logs.filter_log_events().log_group_name(LOG_GROUP).send();
    assert_eq!(soon(found).await.unwrap().events().len(), 3);
}

#[tokio::test]
async fn a_secret_in_a_line_is_seen() {
    let cloud = cloud();
    let sdk = sdk(&front(&cloud)).await;
    make_stream(&sdk).await;
    recorded(&cloud);
    put(&sdk, &format!("ERROR the key {AGENT_KEY} is wrong")).await;
    assert!(matches!(recorded(&cloud)[0], What::SecretSeen { .. }));
}
