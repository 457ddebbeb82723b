//! From a request at a front to the service that answers it.

use std::fs::File;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use serde_json::{Value, json};

use super::answer::{Answer, AwsError, ErrorCode, reply};
use super::credentials::{ACCESS_KEY, has_secret};
use super::faults::Active;
use super::protocol::{self, AwsCall, Protocol};
use super::services::Services;
use super::watch::Request;
use super::{agent, ecs, git, github, hosts, logs, outcomes, s3, settings, sqs, sts, table, tasks};
use crate::history::{CallAnswer, ServiceCall, What};
use crate::plan::ClientId;
use crate::profile::HostService;

/// A request as a service sees it: whole, of a known container, with the faults of its arrival.
pub(super) struct Asked {
    pub(super) client: ClientId,
    pub(super) parts: Parts,
    pub(super) body: Bytes,
    /// The whole body, where what is held of it is its beginning.
    pub(super) spooled: Option<File>,
    pub(super) faults: Active,
    /// What it asks of AWS, where it is not for S3.
    pub(super) call: Option<AwsCall>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Service {
    Table,
    Sqs,
    Logs,
    Tasks,
    Ecs,
    Sts,
    Secrets,
    Parameters,
    Sinks,
    Git,
    GitHub,
    Agent,
    AgentStub,
    Outcome,
    S3,
    /// None that is served.
    Unserved,
}

/// A service of AWS that is served, and how requests name it.
struct Row {
    service: Service,
    /// Its name in signatures.
    scope: &'static str,
    /// What comes before the operation in `X-Amz-Target`, or the version in a form.
    prefix: &'static str,
    /// Whether it also takes forms.
    takes_forms: bool,
    /// Operations that are no event of their own kind: others record their effects, or they have none.
    quiet: &'static [&'static str],
}

const AWS: [Row; 10] = [
    Row {
        service: Service::Table,
        scope: "dynamodb",
        prefix: "DynamoDB_20120810",
        takes_forms: false,
        quiet: table::QUIET,
    },
    Row {
        service: Service::Sqs,
        scope: "sqs",
        prefix: "AmazonSQS",
        takes_forms: true,
        quiet: sqs::QUIET,
    },
    Row {
        service: Service::Logs,
        scope: "logs",
        prefix: "Logs_20140328",
        takes_forms: false,
        quiet: logs::QUIET,
    },
    Row {
        service: Service::Tasks,
        scope: "states",
        prefix: "AWSStepFunctions",
        takes_forms: false,
        quiet: tasks::QUIET,
    },
    Row {
        service: Service::Ecs,
        scope: "ecs",
        prefix: "AmazonEC2ContainerServiceV20141113",
        takes_forms: false,
        quiet: &[],
    },
    Row {
        service: Service::Sts,
        scope: "sts",
        prefix: "AWSSecurityTokenServiceV20110615",
        takes_forms: true,
        quiet: &[],
    },
    Row {
        service: Service::Secrets,
        scope: "secretsmanager",
        prefix: "secretsmanager",
        takes_forms: false,
        quiet: &[],
    },
    Row {
        service: Service::Parameters,
        scope: "ssm",
        prefix: "AmazonSSM",
        takes_forms: false,
        quiet: &[],
    },
    Row {
        service: Service::Sinks,
        scope: "monitoring",
        prefix: "GraniteServiceVersion20100801",
        takes_forms: true,
        quiet: &[],
    },
    Row {
        service: Service::Sinks,
        scope: "events",
        prefix: "AWSEvents",
        takes_forms: false,
        quiet: &[],
    },
];

/// The other services, by how their paths begin.
const PATHS: [(&str, Service); 7] = [
    ("/git/", Service::Git),
    ("/repos/", Service::GitHub),
    ("/api/v3/", Service::GitHub),
    ("/v1/", Service::Agent),
    ("/model/", Service::Agent),
    (agent::STUB_PATH, Service::AgentStub),
    (outcomes::OUTCOME_PATH, Service::Outcome),
];

fn row(call: &AwsCall) -> Option<&'static Row> {
    AWS.iter().find(|row| match call.protocol {
        Protocol::Json(_) => call.prefix == row.prefix,
        Protocol::Query => row.takes_forms && call.service == row.scope,
        Protocol::Cbor => row.service == Service::Sinks && call.prefix == row.prefix,
        Protocol::Ec2 | Protocol::RestJson | Protocol::RestXml => false,
    })
}

fn service_of(parts: &Parts, call: Option<&AwsCall>, host: Option<HostService>) -> Service {
    match host {
        Some(HostService::Git) if github::is_rest(parts.uri.path()) => return Service::GitHub,
        Some(HostService::Git) => return Service::Git,
        Some(HostService::Agent) => return Service::Agent,
        Some(HostService::Aws) | None => {}
    }
    if let Some(call) = call {
        if call.service.starts_with("bedrock") && agent::is_bedrock(parts.uri.path()) {
            return Service::Agent;
        }
        return row(call).map_or(Service::Unserved, |row| row.service);
    }
    let is_of_s3 = protocol::credential(parts).is_some_and(|of| of.contains("/s3"));
    if !is_of_s3 && git::is_git(parts) {
        return Service::Git;
    }
    let mut paths = PATHS.iter().filter(|_| !is_of_s3);
    let found = paths.find(|(begin, _)| parts.uri.path().starts_with(begin));
    found.map_or(Service::S3, |(_, service)| *service)
}

/// Answers a request of the client's container.
pub(super) async fn answer(
    services: Arc<Services>,
    client: ClientId,
    request: hyper::Request<Incoming>,
) -> Answer {
    let (mut parts, body) = request.into_parts();
    // The body is read first, so that the server notices when the container goes away meanwhile.
    let received = match git::is_push(&parts) {
        true => git::receive(body).await,
        false => match body.collect().await {
            Ok(body) => Ok(Some((body.to_bytes(), None))),
            Err(_) => Ok(None),
        },
    };
    let (body, spooled) = match received {
        Ok(Some(received)) => received,
        Ok(None) => return Answer::Close,
        Err(error) => {
            let failure = format!("keeping a push of {client} failed: {error}");
            services.recorder.fail(failure);
            return Answer::Close;
        }
    };
    let host = match hosts::asked(&services, &client, &mut parts) {
        Ok(host) => host,
        Err(refused) => return *refused,
    };
    let call = match host {
        Some(HostService::Git | HostService::Agent) => None,
        Some(HostService::Aws) | None => AwsCall::read(&parts, &body),
    };
    let service = service_of(&parts, call.as_ref(), host);
    if host == Some(HostService::Git) {
        git::as_own(&services, &client, &mut parts);
        parts.extensions.insert(github::AtHost);
    }
    let what = match &call {
        Some(call) => format!("{} {}", call.service, call.operation),
        None => format!("{service:?} {} {}", parts.method, parts.uri),
    };
    // What a container asks beside its work, and at any time, says nothing of how far it is.
    let counts = match service {
        Service::Tasks => !what.ends_with("Heartbeat"),
        Service::Agent => agent::is_turn(&parts, &body),
        Service::Logs | Service::Ecs | Service::Sts | Service::Secrets | Service::Parameters => {
            false
        }
        Service::Sinks | Service::Unserved => false,
        _ => true,
    };
    services.recorder.arrive(&client, counts).await;
    let asked = Asked {
        client: client.clone(),
        parts,
        body,
        spooled,
        faults: services.faults.active(),
        call,
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

async fn serve(services: Arc<Services>, service: Service, asked: Asked) -> Answer {
    let Some(call) = &asked.call else {
        return match service {
            Service::Git => git::answer(&services, asked).await,
            Service::GitHub => github::answer(&services, asked).await,
            Service::Agent => agent::answer(&services, &asked),
            Service::AgentStub => agent::answer_stub(&services, &asked),
            Service::Outcome => outcomes::answer(&services, &asked),
            _ => s3::answer(&services, asked).await,
        };
    };
    if let Some(refused) = unsigned(&asked, call) {
        return refused;
    }
    let answer = match service {
        Service::Table => table::answer(&services, &asked),
        Service::Sqs => sqs::answer(&services, &asked).await,
        Service::Logs => logs::answer(&services, &asked),
        Service::Tasks => tasks::answer(&services, &asked),
        Service::Ecs => ecs::answer(&services, &asked),
        Service::Sts => sts::answer(&services, &asked),
        Service::Secrets => settings::answer_secrets(&services, &asked),
        Service::Parameters => settings::answer_parameters(&services, &asked),
        Service::Sinks => sinks(call, &asked.body),
        Service::Agent => return agent::answer(&services, &asked),
        _ => unserved(call),
    };
    record(&services, &asked, call, &answer);
    answer
}

/// Refuses a request that does not name the right access key. S3 checks whole signatures; for the
/// others the key's name shows well enough that the container was configured.
fn unsigned(asked: &Asked, call: &AwsCall) -> Option<Answer> {
    if call.service == "sts" && sts::UNSIGNED.contains(&&*call.operation) {
        return None;
    }
    // SQS kept the codes of its older protocol.
    let is_form = matches!(call.protocol, Protocol::Query | Protocol::Ec2) || call.service == "sqs";
    let (status, code, message) = match protocol::credential(&asked.parts) {
        Some(credential) if credential.split('/').next() == Some(ACCESS_KEY) => return None,
        Some(_) if is_form => (
            StatusCode::FORBIDDEN,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        ),
        Some(_) => (
            StatusCode::BAD_REQUEST,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
        None if is_form => (
            StatusCode::FORBIDDEN,
            "MissingAuthenticationToken",
            "Request is missing Authentication Token",
        ),
        None => (
            StatusCode::BAD_REQUEST,
            "MissingAuthenticationTokenException",
            "Request is missing Authentication Token",
        ),
    };
    Some(protocol::error(call, status, code, message))
}

/// What is answered for a service that there is not.
fn unserved(call: &AwsCall) -> Answer {
    let status = match call.protocol {
        Protocol::RestJson | Protocol::RestXml => StatusCode::NOT_FOUND,
        _ => StatusCode::BAD_REQUEST,
    };
    let AwsError { code, message } = protocol::not_served(call);
    protocol::error(call, status, code, &message)
}

/// Takes metrics and events, which go nowhere: nobody asks for the one, and there are no rules for the
/// other.
fn sinks(call: &AwsCall, body: &[u8]) -> Answer {
    match &*call.operation {
        "PutMetricData" => protocol::done(call),
        "PutEvents" => {
            let request: Value = serde_json::from_slice(body).unwrap_or_default();
            let entries = request["Entries"].as_array().map_or(0, Vec::len);
            let ids: Vec<Value> = (0..entries)
                .map(|_| json!({ "EventId": protocol::request_id() }))
                .collect();
            let taken = json!({ "FailedEntryCount": 0, "Entries": ids });
            protocol::answer(call, Ok(taken))
        }
        _ => unserved(call),
    }
}

/// Records a call whose effects are no events of their own.
fn record(services: &Services, asked: &Asked, call: &AwsCall, answer: &Answer) {
    let Answer::Reply(response) = answer else {
        return;
    };
    let error = response.extensions().get::<ErrorCode>();
    let row = row(call);
    let quiet = row.map_or(&[][..], |row| row.quiet);
    let is_setting =
        row.is_some_and(|row| matches!(row.service, Service::Secrets | Service::Parameters));
    let is_missing = |code: &str| matches!(code, settings::NO_SECRET | settings::NO_PARAMETER);
    let answer = match error {
        Some(code) if protocol::is_not_served(code) => CallAnswer::NotServed,
        // What nobody declared: a system that needs it behaves otherwise than where it is there.
        Some(ErrorCode(code)) if is_setting && is_missing(code) => CallAnswer::NotServed,
        _ if quiet.contains(&&*call.operation) => return,
        Some(ErrorCode(code)) => CallAnswer::Failed(code.clone()),
        None => CallAnswer::Done,
    };
    // Those two are where secrets belong.
    if !is_setting && has_secret(&asked.body) {
        services.recorder.record(What::SecretSeen {
            client: asked.client.clone(),
            place: call.service.as_str().into(),
        });
    }
    services.recorder.record(What::Called {
        client: asked.client.clone(),
        call: Arc::new(ServiceCall {
            service: call.service.as_str().into(),
            operation: call.operation.as_str().into(),
            about: about(&asked.body),
            answer,
        }),
    });
}

/// What names the thing that a request is about.
const ABOUT: [&str; 11] = [
    "QueueUrl",
    "QueueName",
    "SourceArn",
    "TableName",
    "logGroupName",
    "task",
    "cluster",
    "stateMachineArn",
    "SecretId",
    "Name",
    "Path",
];

fn about(body: &[u8]) -> Option<Arc<str>> {
    if let Ok(request) = serde_json::from_slice::<Value>(body) {
        return ABOUT
            .iter()
            .find_map(|name| request[name].as_str())
            .map(Arc::from);
    }
    let mut form = url::form_urlencoded::parse(body);
    let found = form.find(|(name, _)| ABOUT.contains(&&**name));
    found.map(|(_, value)| value.into())
}

/// The operation that an AWS request names.
pub(super) fn operation(asked: &Asked) -> &str {
    asked.call.as_ref().map_or("", |call| &call.operation)
}

/// A plain text answer.
pub(super) fn text(status: StatusCode, message: &str) -> Answer {
    Answer::Reply(reply(status, "text/plain", message.to_owned()))
}
