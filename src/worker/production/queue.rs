//! A queue on SQS.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageSystemAttributeName;

use super::aws::read_error;
use super::secrets::Secrets;
use crate::worker::ports::{Delivery, Kind, PortError, PortResult, Queue};

pub struct SqsQueue {
    pub client: Client,
    pub url: String,
    /// What it takes for one of the worker's seconds, in seconds of its own.
    pub time_scale: f64,
    pub secrets: Secrets,
}

#[async_trait(?Send)]
impl Queue for SqsQueue {
    async fn receive(&self, wait: Duration) -> PortResult<Option<Delivery>> {
        let received = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(1)
            .wait_time_seconds(self.whole_seconds(wait).min(20))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .send()
            .await
            .map_err(|error| read_error("ReceiveMessage", &error, &self.secrets))?;
        let Some(message) = received.messages.unwrap_or_default().pop() else {
            return Ok(None);
        };
        let receives = message
            .attributes()
            .and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount))
            .and_then(|count| count.parse().ok());
        match (message.body, message.receipt_handle, receives) {
            (Some(body), Some(receipt), Some(receives)) => Ok(Some(Delivery {
                body: body.into(),
                receipt: receipt.into(),
                receives,
            })),
            _ => Err(PortError::new(
                Kind::Other,
                "ReceiveMessage: a message came without its body, receipt or receive count",
            )),
        }
    }

    async fn extend(&self, receipt: &str, visibility: Duration) -> PortResult<()> {
        self.client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt)
            .visibility_timeout(self.whole_seconds(visibility))
            .send()
            .await
            .map_err(|error| read_error("ChangeMessageVisibility", &error, &self.secrets))?;
        Ok(())
    }

    async fn delete(&self, receipt: &str) -> PortResult<()> {
        self.client
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(receipt)
            .send()
            .await
            .map_err(|error| read_error("DeleteMessage", &error, &self.secrets))?;
        Ok(())
    }
}

impl SqsQueue {
    /// SQS counts in whole seconds.
    fn whole_seconds(&self, time: Duration) -> i32 {
        let seconds = time.mul_f64(self.time_scale).as_secs();
        i32::try_from(seconds).unwrap_or(i32::MAX)
    }
}
