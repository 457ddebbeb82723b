//! From a request at a front to the service that answers it.

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Bytes, Incoming};
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;

use super::answer::{Answer, AwsError, JSON_1_0, JSON_1_1, aws_json, reply};
use super::credentials::ACCESS_KEY;
use super::faults::Active;
use super::services::Services;
use super::watch::Request;
use super::{agent, git, logs, s3, sqs, table};
use crate::plan::ClientId;

/// A request as a service sees it: whole, of a known container, with the faults of its arrival.
pub(super) struct Asked {
    pub(super) client: ClientId,
    pub(super) parts: Parts,
    pub(super) body: Bytes,
    pub(super) faults: Active,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Service {
    Table,
    Sqs,
    Logs,
    Git,
    Agent,
    AgentStub,
    S3,
}

/// Answers a request of the client's container.
pub(super) async fn answer(
    services: Arc<Services>,
    client: ClientId,
    request: hyper::Request<Incoming>,
) -> Answer {
    let (parts, body) = request.into_parts();
    // The body is read first, so that the server notices when the container goes away meanwhile.
    let Ok(body) = body.collect().await else {
        return Answer::Close;
    };
    let service = service_of(&parts);
    let what = named(service, &parts);
    let counts = service != Service::Logs;
    services.recorder.arrive(&client, counts).await;
    let asked = Asked {
        client: client.clone(),
        parts,
        body: body.to_bytes(),
        faults: services.faults.active(),
    };
    let polls = service == Service::Sqs && sqs::polls(&asked);
    let work = serve(services.clone(), service, asked);
    let answer = if polls {
        // Ends with the connection: a container that is gone takes no message with it.
        work.await
    } else {
        // What has begun is done, although the container may be gone before the answer.
        match tokio::spawn(work).await {
            Ok(answer) => answer,
            Err(error) => {
                // Where the cloud is taken down, nobody asks any more.
                let failure = format!("answering a request of {client} failed: {error}");
                services.recorder.fail(failure);
                Answer::Close
            }
        }
    };
    services.recorder.while_held(&client).await;
    services.watch.show(|| Request {
        at: services.recorder.now(),
        client,
        what,
        status: match &answer {
            Answer::Reply(response) => Some(response.status().as_u16()),
            Answer::Never | Answer::Close | Answer::Reset => None,
        },
    });
    answer
}

/// What a request asks, for a person.
fn named(service: Service, parts: &Parts) -> String {
    match operation_in(parts) {
        "" => format!("{service:?} {} {}", parts.method, parts.uri),
        operation => format!("{service:?} {operation}"),
    }
}

fn service_of(parts: &Parts) -> Service {
    let target = parts
        .headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .unwrap_or_default();
    let path = parts.uri.path();
    if target.starts_with("DynamoDB_20120810.") {
        Service::Table
    } else if target.starts_with("AmazonSQS.") {
        Service::Sqs
    } else if target.starts_with("Logs_20140328.") {
        Service::Logs
    } else if path.starts_with("/git/") {
        Service::Git
    } else if path == "/v1/messages" {
        Service::Agent
    } else if path == crate::agent_stub::PATH {
        Service::AgentStub
    } else {
        Service::S3
    }
}

async fn serve(services: Arc<Services>, service: Service, asked: Asked) -> Answer {
    match service {
        Service::S3 => s3::answer(&services, asked).await,
        Service::Git => git::answer(&services, asked).await,
        Service::Agent => agent::answer(&services, &asked),
        Service::AgentStub => agent::answer_stub(&services, &asked),
        Service::Table => {
            signed(&asked, JSON_1_0).unwrap_or_else(|| table::answer(&services, &asked))
        }
        Service::Sqs => match signed(&asked, JSON_1_0) {
            Some(refused) => refused,
            None => sqs::answer(&services, &asked).await,
        },
        Service::Logs => match signed(&asked, JSON_1_1) {
            Some(refused) => refused,
            None => logs::answer(&services, &asked),
        },
    }
}

/// Refuses a request that does not name the right access key. S3 checks whole signatures; for the
/// others the key's name shows well enough that the container was configured.
fn signed(asked: &Asked, content_type: &'static str) -> Option<Answer> {
    let authorization = asked
        .parts
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let (code, message) = match authorization {
        Some(text) if text.contains(&format!("Credential={ACCESS_KEY}/")) => return None,
        Some(_) => (
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
        None => (
            "MissingAuthenticationTokenException",
            "Request is missing Authentication Token",
        ),
    };
    Some(aws_json(content_type, Err(AwsError::new(code, message))))
}

/// The operation that an AWS JSON request names.
pub(super) fn operation(asked: &Asked) -> &str {
    operation_in(&asked.parts)
}

fn operation_in(parts: &Parts) -> &str {
    parts
        .headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .and_then(|target| target.split_once('.'))
        .map_or("", |(_, operation)| operation)
}

/// A plain text answer.
pub(super) fn text(status: StatusCode, message: &str) -> Answer {
    Answer::Reply(reply(status, "text/plain", message.to_owned()))
}
