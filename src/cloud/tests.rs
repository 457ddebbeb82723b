//! What the tests of the services share, and the tests of the cloud as a whole.

use std::path::Path;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Credentials, Region};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::history::What;

pub(super) fn home() -> SessionId {
    SessionId::new("acme", "home")
}

pub(super) fn other() -> SessionId {
    SessionId::new("globex", "home")
}

/// A cloud of two clients, on the test's own runtime.
pub(super) fn cloud() -> Cloud {
    let config = CloudConfig::of(vec![home(), SessionId::new("acme", "blog"), other()]);
    Cloud::start(config, &Handle::current()).unwrap()
}

pub(super) fn front(cloud: &Cloud) -> Arc<Front> {
    cloud.open_front(&home().client).unwrap()
}

/// A client's configuration as a container has it, but that nothing is tried twice.
pub(super) async fn sdk(front: &Front) -> aws_config::SdkConfig {
    sdk_with_key(front, SECRET_KEY).await
}

pub(super) async fn sdk_with_key(front: &Front, secret_key: &str) -> aws_config::SdkConfig {
    let credentials = Credentials::new(ACCESS_KEY, secret_key, None, None, "test");
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(credentials)
        .endpoint_url(front.url())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .load()
        .await
}

/// What was recorded since the last call.
pub(super) fn recorded(cloud: &Cloud) -> Vec<What> {
    let events = cloud.recorder().drain();
    assert!(events.is_sorted_by_key(|event| event.at));
    events.into_iter().map(|event| event.what).collect()
}

/// Whether nothing comes of a future for a while, in which it would have long been ready.
pub(super) async fn is_silent<T>(future: impl Future<Output = T>) -> bool {
    tokio::time::timeout(Duration::from_millis(150), future)
        .await
        .is_err()
}

/// Fails where a test that waits for the network would otherwise hang.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("no answer within 20 s")
}

async fn accepts(front: &Front) -> bool {
    let address = front.url().replace("http://", "");
    TcpStream::connect(address).await.is_ok()
}

async fn until_accepts(front: &Front, wanted: bool) {
    soon(async {
        while accepts(front).await != wanted {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_left_behind() {
    let cloud = cloud();
    let front = front(&cloud);
    let folder = cloud.folder().to_owned();
    assert!(folder.join("git/acme.git").is_dir());
    assert!(folder.join("git/globex.git").is_dir());
    assert!(accepts(&front).await);
    drop(cloud);
    assert!(!folder.exists());
    until_accepts(&front, false).await;
}

#[test]
fn nothing_is_left_behind_by_requests_under_way() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || runtime.block_on(stopped));
    let cloud = Cloud::start(CloudConfig::of(vec![home()]), &handle).unwrap();
    let front = front(&cloud);
    for n in 0..4 {
        let front = front.clone();
        handle.spawn(async move {
            let sdk = sdk(&front).await;
            let config = aws_sdk_s3::config::Builder::from(&sdk).force_path_style(true);
            let s3 = aws_sdk_s3::Client::from_conf(config.build());
            // Until the cloud is gone.
            for m in 0.. {
                let put = s3.put_object().bucket("edit.acme.webordinary.com");
                if put.key(format!("{n}/{m}")).send().await.is_err() {
                    break;
                }
            }
        });
    }
    let wanted = std::time::Instant::now() + Duration::from_secs(20);
    while cloud.sites()[&home().client].len() < 20 {
        assert!(std::time::Instant::now() < wanted, "nothing was put");
        std::thread::sleep(Duration::from_millis(5));
    }
    let folder = cloud.folder().to_owned();
    drop(cloud);
    assert!(!folder.exists());
    std::thread::sleep(Duration::from_millis(100));
    assert!(!folder.exists(), "a request made it again");
    stop.send(()).unwrap();
    thread.join().unwrap().unwrap();
}

#[tokio::test]
async fn a_cloud_that_cannot_start_says_why_and_leaves_nothing() {
    let mut config = CloudConfig::of(vec![home()]);
    config.git = "git-that-is-not-there".into();
    let before = folders(&std::env::temp_dir());
    let error = Cloud::start(config, &Handle::current())
        .err()
        .expect("started without git");
    let text = error.to_string();
    assert!(
        text.contains("`git-that-is-not-there` cannot be run"),
        "{text}"
    );
    assert!(text.contains("install git"), "{text}");
    // Other tests' folders come and go meanwhile; one of this test's would stay.
    soon(async {
        let is_empty = |name: &String| {
            let is_new = !before.contains(name);
            is_new && !std::env::temp_dir().join(name).join("git").exists()
        };
        while folders(&std::env::temp_dir()).iter().any(is_empty) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_time_scale_that_is_no_scale_is_refused() {
    for time_scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let mut config = CloudConfig::of(vec![home()]);
        config.time_scale = time_scale;
        let refused = Cloud::start(config, &Handle::current()).err();
        let text = refused.expect("a cloud without time started").to_string();
        assert!(text.contains("time scale"), "{text}");
    }
}

fn folders(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root).unwrap();
    entries
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name.starts_with("shakedown-cloud-"))
        .collect()
}

#[tokio::test]
async fn a_partition_cuts_one_container_off_and_keeps_its_port() {
    let cloud = cloud();
    let (mine, theirs) = (front(&cloud), cloud.open_front(&other().client).unwrap());
    let queues = aws_sdk_sqs::Client::new(&sdk(&mine).await);
    let poll = queues
        .receive_message()
        .queue_url(mine.instruction_queue_url())
        .wait_time_seconds(20);
    let under_way = tokio::spawn(poll.clone().send());
    while cloud.recorder().requests(&home().client) == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }

    let fault = Fault::Partition(home().client);
    cloud.set_fault(&fault, true).unwrap();
    let cut = soon(under_way).await.unwrap();
    assert!(cut.is_err(), "a connection survived: {cut:?}");
    until_accepts(&mine, false).await;
    assert!(poll.clone().send().await.is_err());
    assert!(accepts(&theirs).await);

    cloud.set_fault(&fault, false).unwrap();
    until_accepts(&mine, true).await;
    let healed = soon(poll.clone().wait_time_seconds(0).send()).await;
    assert!(healed.is_ok(), "{healed:?}");

    // However short a cut is, it ends the connections that there are, and then it is over.
    for _ in 0..50 {
        // One that was kept from before the last cut may be found gone.
        let kept = poll.clone().wait_time_seconds(0);
        if soon(kept.clone().send()).await.is_err() {
            assert!(soon(kept.send()).await.is_ok());
        }
        cloud.set_fault(&fault, true).unwrap();
        cloud.set_fault(&fault, false).unwrap();
        cloud.settled(&home().client).await.unwrap();
        assert!(accepts(&mine).await);
        cloud.set_fault(&fault, true).unwrap();
        cloud.settled(&home().client).await.unwrap();
        // A child process that is being started holds the listener for a moment longer.
        until_accepts(&mine, false).await;
        cloud.set_fault(&fault, false).unwrap();
        cloud.settled(&home().client).await.unwrap();
        assert!(accepts(&mine).await);
    }
}

#[tokio::test]
async fn a_front_is_opened_once_for_each_client() {
    let cloud = cloud();
    let url = front(&cloud).url();
    assert_eq!(front(&cloud).url(), url);
    assert_ne!(cloud.open_front(&other().client).unwrap().url(), url);
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
}

#[tokio::test]
async fn a_container_that_reached_its_phase_waits_for_the_next_step() {
    let cloud = cloud();
    let front = front(&cloud);
    let sdk = sdk(&front).await;
    super::logs::tests::make_stream(&sdk).await;
    cloud
        .recorder()
        .record(What::delivered(&home(), Mark::Edit(1), 1));
    cloud.recorder().set_trap(Trap::Phase {
        session: home(),
        phase: crate::plan::Phase::Pushing,
        requests: 0,
    });
    let writer = sdk.clone();
    let held = tokio::spawn(async move {
        super::logs::tests::put(&writer, "INFO [acme/home] [pushing] Pushing edit-1").await;
    });
    soon(async {
        loop {
            let changed = cloud.recorder().changed();
            if cloud.recorder().sprung() {
                break;
            }
            changed.await;
        }
    })
    .await;
    let table = aws_sdk_dynamodb::Client::new(&sdk);
    let ask = || table.list_tables().send();
    assert!(is_silent(ask()).await, "a request got past the trap");
    assert!(!held.is_finished());
    cloud.recorder().release();
    soon(held).await.unwrap();
    assert!(soon(ask()).await.is_ok());
}

#[tokio::test]
async fn what_is_not_served_is_refused_in_its_own_shape_and_recorded_as_that() {
    let cloud = cloud();
    let address = front(&cloud).url().replace("http://", "");
    let ask = async |scope: &str, path: &str, header: (&str, &str), body: &str| {
        let scope = format!("{ACCESS_KEY}/20261129/{REGION}/{scope}/aws4_request");
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\
             authorization: AWS4-HMAC-SHA256 Credential={scope}, Signature=0\r\n{}: {}\r\n\r\n{body}",
            body.len(),
            header.0,
            header.1,
        );
        let mut stream = TcpStream::connect(&*address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon(stream.read_to_string(&mut answer)).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse::<u16>().unwrap(), body.to_owned())
    };
    let form = ("content-type", "application/x-www-form-urlencoded");
    let glue = ask("glue", "/", ("x-amz-target", "AWSGlue.GetJob"), "{}").await;
    assert_eq!(glue.0, 400);
    assert!(glue.1.contains("UnknownOperationException"), "{}", glue.1);
    let sns = ask("sns", "/", form, "Action=Publish&Version=2010-03-31").await;
    assert!(sns.1.contains("<Code>InvalidAction</Code>"), "{}", sns.1);
    let lambda = ask("lambda", "/2015-03-31/functions/x", ("a", "b"), "{}").await;
    assert_eq!(lambda.0, 404);
    assert!(lambda.1.starts_with('{'), "{}", lambda.1);
    let front = ask("cloudfront", "/2020-05-31/distribution", ("a", "b"), "").await;
    assert!(front.1.contains("<ErrorResponse>"), "{}", front.1);
    let logs = ask(
        "logs",
        "/",
        ("x-amz-target", "Logs_20140328.GetQuery"),
        "{}",
    )
    .await;
    assert!(logs.1.contains("UnknownOperationException"), "{}", logs.1);
    let calls: Vec<String> = recorded(&cloud)
        .into_iter()
        .map(|what| match what {
            What::Called { client, call } => {
                assert_eq!(client, home().client);
                call.to_string()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        calls,
        [
            "glue GetJob: not served",
            "sns Publish: not served",
            "lambda POST /2015-03-31/functions/x: not served",
            "cloudfront POST /2020-05-31/distribution: not served",
            "logs GetQuery: not served",
        ]
    );
}
