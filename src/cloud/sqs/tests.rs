use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use std::time::{Duration, Instant};

use crate::cloud::tests::{cloud, front, home, recorded, sdk, soon};
use crate::cloud::{Cloud, Front};
use crate::history::What;
use crate::plan::{Edit, Fault, Mark, Outage, Place};
use crate::worker::ports::Instruction;

async fn client(front: &Front) -> Client {
    Client::new(&sdk(front).await)
}

async fn receive(sqs: &Client, queue: &str, wait: i32, visibility: i32) -> Option<Message> {
    let receive = sqs.receive_message().queue_url(queue);
    let receive = receive
        .wait_time_seconds(wait)
        .visibility_timeout(visibility)
        .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
    let received = soon(receive.send()).await.unwrap();
    received.messages.unwrap_or_default().pop()
}

fn receives(message: &Message) -> &str {
    let attributes = message.attributes.as_ref().unwrap();
    &attributes[&MessageSystemAttributeName::ApproximateReceiveCount]
}

async fn delete(sqs: &Client, queue: &str, message: &Message) -> Result<(), String> {
    let receipt = message.receipt_handle().unwrap_or_default();
    let delete = sqs
        .delete_message()
        .queue_url(queue)
        .receipt_handle(receipt);
    let deleted = soon(delete.send()).await;
    deleted.map(drop).map_err(|error| format!("{error:?}"))
}

fn instruct(cloud: &Cloud, n: u32) {
    cloud
        .send_instruction(&home(), Edit::Change, Mark::Edit(n))
        .unwrap();
}

fn delivered(n: u32, receives: u32) -> What {
    What::Delivered {
        session: home(),
        mark: Mark::Edit(n),
        receives,
    }
}

fn sent(n: u32) -> What {
    What::Sent {
        session: home(),
        mark: Mark::Edit(n),
    }
}

fn acknowledged(n: u32) -> What {
    What::Acknowledged {
        session: home(),
        mark: Mark::Edit(n),
    }
}

#[tokio::test]
async fn a_queue_that_is_down_refuses_or_keeps_silent_and_a_reset_may_hide_a_deletion() {
    let cloud = cloud();
    let front = front(&cloud);
    let sqs = client(&front).await;
    let queue = front.instruction_queue_url();
    let set = |outage, on| cloud.set_fault(&Fault::QueueDown(outage), on).unwrap();
    let refused = What::Refused {
        client: home().client,
        place: Place::Queue,
    };
    for outage in [Outage::SlowDown, Outage::Refused, Outage::Reset] {
        set(outage, true);
        let request = sqs.receive_message().queue_url(&queue);
        let error = soon(request.send()).await.unwrap_err();
        let status = error.raw_response().map(|answer| answer.status().as_u16());
        assert_eq!(status, (outage == Outage::SlowDown).then_some(503));
        set(outage, false);
    }
    set(Outage::Timeout, true);
    let request = sqs.receive_message().queue_url(&queue);
    let silent = tokio::time::timeout(Duration::from_millis(200), request.send()).await;
    assert!(silent.is_err(), "there is no answer");
    set(Outage::Timeout, false);
    assert_eq!(recorded(&cloud), [(); 4].map(|()| refused.clone()));
    let mut hidden = 0;
    for n in 1..=16 {
        instruct(&cloud, n);
        let message = receive(&sqs, &queue, 0, 120).await.unwrap();
        set(Outage::Reset, true);
        assert!(delete(&sqs, &queue, &message).await.is_err());
        set(Outage::Reset, false);
        hidden += usize::from(cloud.queued().is_empty());
        delete(&sqs, &queue, &message).await.unwrap();
    }
    assert!((1..16).contains(&hidden), "{hidden}");
}

#[tokio::test]
async fn instructions_are_delivered_in_order_acknowledged_and_delivered_again_on_demand() {
    let cloud = cloud();
    let front = front(&cloud);
    let sqs = client(&front).await;
    let queue = front.instruction_queue_url();
    assert!(!cloud.redeliver(&home()), "nothing was handled yet");
    instruct(&cloud, 1);
    instruct(&cloud, 2);
    assert_eq!(cloud.queued(), [Mark::Edit(1), Mark::Edit(2)]);
    let first = receive(&sqs, &queue, 0, 120).await.unwrap();
    let body: Instruction = serde_json::from_str(first.body().unwrap_or_default()).unwrap();
    assert_eq!(&*body.instruction_id, "edit-1");
    assert_eq!(&*body.instruction, "Change the headline (edit-1)");
    assert_eq!(receives(&first), "1");
    assert_eq!(receive(&sqs, &queue, 0, 120).await, None, "it blocks");
    delete(&sqs, &queue, &first).await.unwrap();
    let second = receive(&sqs, &queue, 0, 120).await.unwrap();
    assert!(cloud.redeliver(&home()));
    delete(&sqs, &queue, &second).await.unwrap();
    let again = receive(&sqs, &queue, 0, 120).await.unwrap();
    assert_eq!(again.body(), first.body());
    assert_eq!(
        recorded(&cloud),
        [
            sent(1),
            sent(2),
            delivered(1, 1),
            acknowledged(1),
            delivered(2, 1),
            acknowledged(2),
            delivered(1, 1),
        ]
    );
}

#[tokio::test]
async fn what_is_not_deleted_comes_again_and_then_goes_to_the_dead_letters() {
    let cloud = cloud();
    let front = front(&cloud);
    let sqs = client(&front).await;
    let queue = front.instruction_queue_url();
    instruct(&cloud, 1);
    let mut late = None;
    for n in 1..=3 {
        // Three seconds of the system's time are a tenth of a second here.
        let began = Instant::now();
        let message = receive(&sqs, &queue, 20, 3).await.unwrap();
        assert_eq!(receives(&message), n.to_string());
        assert!(n == 1 || began.elapsed() > Duration::from_millis(50));
        late.get_or_insert(message);
    }
    let expired = delete(&sqs, &queue, &late.unwrap()).await.unwrap_err();
    assert!(expired.contains("expired"), "{expired}");
    assert_eq!(receive(&sqs, &queue, 6, 3).await, None);
    assert_eq!(cloud.dead_letters(), [Mark::Edit(1)]);
    assert_eq!(cloud.queued(), []);
    let depths = cloud.depths(&home().client);
    assert_eq!(
        (depths.visible, depths.hidden, depths.dead_letters),
        (0, 0, 1)
    );
    let dead = receive(&sqs, &front.dead_letter_queue_url(), 0, 3).await;
    assert!(dead.is_some());
    let events = recorded(&cloud);
    assert_eq!(
        events[..4],
        [sent(1), delivered(1, 1), delivered(1, 2), delivered(1, 3)]
    );
    assert!(matches!(events[4], What::DeadLettered { .. }));
}

#[tokio::test]
async fn a_message_is_kept_invisible_while_it_is_worked_on() {
    let cloud = cloud();
    let front = front(&cloud);
    let sqs = client(&front).await;
    let queue = front.instruction_queue_url();
    instruct(&cloud, 1);
    let message = receive(&sqs, &queue, 0, 6).await.unwrap();
    let extend = sqs
        .change_message_visibility()
        .queue_url(&queue)
        .receipt_handle(message.receipt_handle().unwrap_or_default())
        .visibility_timeout(60);
    soon(extend.send()).await.unwrap();
    assert_eq!(receive(&sqs, &queue, 12, 6).await, None);
    assert_eq!(cloud.queued(), [Mark::Edit(1)], "in flight still counts");
    delete(&sqs, &queue, &message).await.unwrap();
}

#[tokio::test]
async fn a_long_poll_ends_with_a_message_or_its_time() {
    let cloud = cloud();
    let front = front(&cloud);
    let sqs = client(&front).await;
    let queue = front.instruction_queue_url();
    let began = Instant::now();
    assert_eq!(receive(&sqs, &queue, 6, 120).await, None);
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(190), "{waited:?}");
    let poller = {
        let (sqs, queue) = (sqs.clone(), queue.clone());
        tokio::spawn(async move { receive(&sqs, &queue, 20, 120).await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    instruct(&cloud, 1);
    assert!(soon(poller).await.unwrap().is_some());
}

#[tokio::test]
async fn a_poller_that_is_gone_takes_no_message_with_it() {
    let cloud = cloud();
    let front = front(&cloud);
    let sqs = client(&front).await;
    let queue = front.instruction_queue_url();
    let poller = {
        let (sqs, queue) = (client(&front).await, queue.clone());
        tokio::spawn(async move { receive(&sqs, &queue, 20, 120).await })
    };
    while cloud.recorder().requests(&home().client) == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    poller.abort();
    let _ = poller.await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    instruct(&cloud, 1);
    let message = receive(&sqs, &queue, 0, 120).await;
    assert!(message.is_some(), "the dead poller took the message");
}

#[tokio::test]
async fn retries_have_a_queue_of_their_own() {
    let cloud = cloud();
    let front = front(&cloud);
    let sqs = client(&front).await;
    cloud.send_retry(&home()).unwrap();
    assert_eq!(cloud.depths(&home().client).retries, 1);
    let message = receive(&sqs, &front.retry_queue_url(), 0, 120)
        .await
        .unwrap();
    assert_eq!(
        message.body(),
        Some(r#"{"action":"RETRY_GIT_PUSH","sessionId":"acme/home"}"#)
    );
    delete(&sqs, &front.retry_queue_url(), &message)
        .await
        .unwrap();
    assert_eq!(cloud.depths(&home().client).retries, 0);
    assert_eq!(
        recorded(&cloud),
        [
            What::RetrySent { session: home() },
            What::RetryDelivered { session: home() },
        ]
    );
}

#[tokio::test]
async fn queues_are_found_by_name_and_described() {
    let cloud = cloud();
    let front = front(&cloud);
    let sqs = client(&front).await;
    instruct(&cloud, 1);
    let url = sqs.get_queue_url().queue_name("instructions-acme.fifo");
    let url = soon(url.send()).await.unwrap();
    assert_eq!(url.queue_url(), Some(&*front.instruction_queue_url()));
    let attributes = sqs
        .get_queue_attributes()
        .queue_url(front.instruction_queue_url())
        .attribute_names(QueueAttributeName::All);
    let attributes = soon(attributes.send()).await.unwrap().attributes.unwrap();
    let visible = &attributes[&QueueAttributeName::ApproximateNumberOfMessages];
    assert_eq!(visible, "1");
    let missing = soon(sqs.get_queue_url().queue_name("nobody").send()).await;
    assert!(
        missing
            .unwrap_err()
            .into_service_error()
            .is_queue_does_not_exist()
    );
    let stranger = sqs
        .send_message()
        .queue_url(front.instruction_queue_url())
        .message_body("{}");
    let refused = soon(stranger.clone().send()).await;
    assert!(refused.is_err(), "a FIFO queue wants a group");
    let grouped = stranger.message_group_id("acme");
    let refused = soon(grouped.clone().send()).await;
    assert!(refused.is_err(), "and an id, as its content is none");
    soon(grouped.message_deduplication_id("1").send())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_session_that_was_not_declared_is_an_error() {
    let cloud = cloud();
    let stranger = crate::plan::SessionId::new("nobody", "home");
    let error = cloud.send_retry(&stranger).unwrap_err();
    assert!(error.to_string().contains("no such queue"), "{error}");
}
