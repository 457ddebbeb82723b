//! Lines for the log group on CloudWatch Logs.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use tokio::sync::Mutex;

use super::clock::WallClock;
use super::secrets::Secrets;
use crate::history::Dialect;
use crate::worker::ports::{Clock, Line, Log};

/// The most lines that are kept while they cannot be sent; older ones are dropped.
const KEPT: usize = 10_000;
/// The most lines of one request (CloudWatch Logs quotas: 10,000 events and 1 MiB).
const AT_ONCE: usize = 500;
/// The longest line, in bytes: what fits 500 times into one request.
const LONGEST: usize = 2_000;
/// How long one try to send may hold the worker up.
const LIMIT: Duration = Duration::from_secs(2);
/// How long after a failed try lines are only kept.
const PAUSE: Duration = Duration::from_secs(2);

/// A log stream, and the lines that are not in it yet.
pub struct CloudWatchLog {
    client: Client,
    group: String,
    stream: String,
    clock: Rc<WallClock>,
    secrets: Secrets,
    dialect: Arc<Dialect>,
    kept: RefCell<VecDeque<InputLogEvent>>,
    /// One request at a time, so that lines arrive in the order they were written.
    sending: Mutex<()>,
    /// Until when nothing is sent, because it failed.
    paused_until: Cell<Duration>,
    dropped: Cell<usize>,
}

/// The result of a request with lines.
#[derive(PartialEq)]
enum Put {
    Done,
    /// The group or the stream does not exist.
    NoStream,
    Failed,
}

impl CloudWatchLog {
    pub fn new(
        client: Client,
        group: &str,
        stream: &str,
        clock: Rc<WallClock>,
        secrets: Secrets,
        dialect: Arc<Dialect>,
    ) -> Self {
        Self {
            client,
            group: group.into(),
            stream: stream.into(),
            clock,
            secrets,
            dialect,
            kept: RefCell::default(),
            sending: Mutex::default(),
            paused_until: Cell::default(),
            dropped: Cell::default(),
        }
    }

    /// Sends what could not be sent at once, for as long as it is polled.
    pub async fn send_kept(&self) {
        loop {
            self.clock.sleep(PAUSE).await;
            self.send().await;
        }
    }

    /// Sends all lines, oldest first, as far as that can be done soon.
    pub async fn send(&self) {
        let send = async {
            let _one_at_a_time = self.sending.lock().await;
            while !self.kept.borrow().is_empty() && self.clock.now() >= self.paused_until.get() {
                let lines: Vec<InputLogEvent> =
                    self.kept.borrow().iter().take(AT_ONCE).cloned().collect();
                let count = lines.len();
                let dropped = self.dropped.get();
                let put = self.put(lines).await;
                if put == Put::NoStream && self.create().await {
                    continue;
                }
                if put != Put::Done {
                    return self.pause();
                }
                // Lines that were dropped meanwhile were at the front too.
                let gone = self.dropped.get() - dropped;
                let sent = count.saturating_sub(gone);
                self.kept.borrow_mut().drain(..sent);
            }
        };
        let limit = self.clock.real(LIMIT);
        if tokio::time::timeout(limit, send).await.is_err() {
            // The lines stay: a line that comes twice is better than one that never comes.
            self.pause();
        }
    }

    fn pause(&self) {
        self.paused_until.set(self.clock.now() + PAUSE);
    }

    async fn put(&self, lines: Vec<InputLogEvent>) -> Put {
        let put = self
            .client
            .put_log_events()
            .log_group_name(&self.group)
            .log_stream_name(&self.stream)
            .set_log_events(Some(lines))
            .send()
            .await;
        match put {
            Ok(_) => Put::Done,
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_resource_not_found_exception()) =>
            {
                Put::NoStream
            }
            Err(_) => Put::Failed,
        }
    }

    /// Makes the group, which may be there, and the stream. Returns whether the stream is new.
    async fn create(&self) -> bool {
        let group = self.client.create_log_group().log_group_name(&self.group);
        // A group that is missing after all shows when the stream cannot be made.
        let _ = group.send().await;
        let stream = self
            .client
            .create_log_stream()
            .log_group_name(&self.group)
            .log_stream_name(&self.stream);
        stream.send().await.is_ok()
    }

    fn keep(&self, line: &Line) {
        let mut text = self.secrets.hide(&(self.dialect)(line));
        text.truncate(text.floor_char_boundary(LONGEST));
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_millis();
        let event = InputLogEvent::builder()
            .timestamp(i64::try_from(now).unwrap_or(i64::MAX))
            .message(text)
            .build();
        let mut kept = self.kept.borrow_mut();
        // Building fails only without a time or a text.
        kept.extend(event);
        if kept.len() > KEPT {
            kept.pop_front();
            self.dropped.set(self.dropped.get() + 1);
        }
    }
}

#[async_trait(?Send)]
impl Log for CloudWatchLog {
    async fn write(&self, line: Line) {
        self.keep(&line);
        if self.clock.now() >= self.paused_until.get() {
            self.send().await;
        }
    }
}
