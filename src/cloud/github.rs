//! The part of GitHub's REST API by which agents open pull requests and talk in them. Nothing is merged.

mod pulls;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde_json::Value;

use self::pulls::{Outcome, Pull, View, refused};
use super::answer::{Answer, json as json_answer};
use super::credentials::has_secret;
use super::git::is_authorized;
use super::hosts::base_url;
use super::protocol::request_id;
use super::remote::Repository;
use super::route::Asked;
use super::services::Services;
use crate::history::{CallAnswer, ServiceCall, What};

/// The pull requests of each repository, in their order.
#[derive(Default)]
pub(super) struct GitHub(Mutex<BTreeMap<String, Vec<Pull>>>);

/// That a request came to a host of repositories, by its real name; an extension of the request.
#[derive(Clone)]
pub(super) struct AtHost;

/// What a request is about: the repository as it is called there, and what comes after.
struct Wish<'a> {
    full_name: String,
    rest: Vec<&'a str>,
}

/// Whether a path is one of the API.
pub(super) fn is_rest(path: &str) -> bool {
    wish(path).is_some()
}

fn wish(path: &str) -> Option<Wish<'_>> {
    let path = path.strip_prefix("/api/v3").unwrap_or(path);
    let mut parts = path
        .strip_prefix("/repos/")?
        .trim_end_matches('/')
        .split('/');
    let (owner, name) = (parts.next()?, parts.next()?);
    Some(Wish {
        full_name: format!("{owner}/{name}"),
        rest: parts.collect(),
    })
}

/// Answers a request to the API.
pub(super) async fn answer(services: &Arc<Services>, asked: Asked) -> Answer {
    if asked.faults.git_is_down() {
        let what = format!("{} {}", asked.parts.method, asked.parts.uri.path());
        called(
            services,
            &asked,
            &what,
            None,
            CallAnswer::Failed("no answer".into()),
        );
        return match services.faults.either() {
            true => Answer::Never,
            false => Answer::Close,
        };
    }
    let of = services.clone();
    // git is asked for branches.
    match tokio::task::spawn_blocking(move || serve(&of, &asked)).await {
        Ok(answer) => answer,
        Err(error) => {
            let failure = format!("answering as GitHub failed: {error}");
            services.recorder.fail(failure);
            Answer::Close
        }
    }
}

fn serve(services: &Services, asked: &Asked) -> Answer {
    let path = asked.parts.uri.path();
    let (operation, about, outcome) = match wish(path) {
        Some(wish) => {
            let (operation, outcome) = outcome(services, asked, &wish);
            (operation, Some(wish.full_name), outcome)
        }
        None => (None, None, Err(refused(StatusCode::NOT_FOUND, "Not Found"))),
    };
    let (how, (status, mut body)) = match (operation, outcome) {
        (None, outcome) => (CallAnswer::NotServed, outcome.unwrap_or_else(|error| error)),
        (Some(_), Ok(done)) => (CallAnswer::Done, done),
        (Some(_), Err(error)) => (CallAnswer::Failed(error.0.as_str().into()), error),
    };
    let unnamed = format!("{} {path}", asked.parts.method);
    called(services, asked, operation.unwrap_or(&unnamed), about, how);
    if has_secret(&asked.body) {
        services.recorder.record(What::SecretSeen {
            client: asked.client.clone(),
            place: "pull request".into(),
        });
    }
    if !status.is_success() {
        body["status"] = status.as_str().into();
        body["documentation_url"] = "https://docs.github.com/rest".into();
    }
    let mut answer = json_answer(status, "application/json; charset=utf-8", &body);
    if let (Answer::Reply(response), Ok(id)) = (&mut answer, HeaderValue::from_str(&request_id())) {
        response.headers_mut().insert("x-github-request-id", id);
    }
    answer
}

/// What a request does, by its name, which those that are not served have not; and what comes of it.
fn outcome(services: &Services, asked: &Asked, wish: &Wish) -> (Option<&'static str>, Outcome) {
    let not_found = || Err(refused(StatusCode::NOT_FOUND, "Not Found"));
    let method = asked.parts.method.as_str();
    let rest = &wish.rest[..];
    let number = rest.get(1).and_then(|number| number.parse::<usize>().ok());
    let operation = match (method, rest, number) {
        ("GET", [], _) => "get repository",
        ("POST", ["pulls"], _) => "create pull request",
        ("GET", ["pulls"], _) => "list pull requests",
        ("GET", ["pulls", _], Some(_)) => "get pull request",
        ("PATCH", ["pulls", _], Some(_)) => "update pull request",
        ("POST", ["issues", _, "comments"], Some(_)) => "comment on pull request",
        ("GET", ["issues", _, "comments"], Some(_)) => "list comments",
        _ => return (None, not_found()),
    };
    if asked.faults.git_refuses() || !is_authorized(&asked.parts) {
        let error = refused(StatusCode::UNAUTHORIZED, "Bad credentials");
        return (Some(operation), Err(error));
    }
    let Some(repository) = repository(services, asked, wish) else {
        return (Some(operation), not_found());
    };
    if repository.client != asked.client {
        services.recorder.record(What::Trespassed {
            client: asked.client.clone(),
            owner: repository.client.clone(),
            what: format!("the repository {}", repository.name).into(),
        });
        return (Some(operation), not_found());
    }
    let view = View {
        services,
        repository,
        full_name: &wish.full_name,
        base: format!(
            "{}{}",
            base_url(&asked.parts),
            asked
                .parts
                .uri
                .path()
                .split("/repos/")
                .next()
                .unwrap_or_default()
        ),
    };
    let request: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let mut pulls = services
        .github
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let pulls = pulls.entry(repository.name.clone()).or_default();
    let outcome = match (operation, number) {
        ("get repository", _) => Ok((StatusCode::OK, view.repository())),
        ("create pull request", _) => view.create(pulls, &request),
        ("list pull requests", _) => Ok((StatusCode::OK, view.list(pulls, &asked.parts))),
        (_, None) => not_found(),
        (_, Some(number)) => {
            let pull = number.checked_sub(1).and_then(|at| pulls.get_mut(at));
            pull.map_or_else(not_found, |pull| {
                view.one(operation, pull, number, &request)
            })
        }
    };
    (Some(operation), outcome)
}

/// The repository that is meant. Where a host leads here for its name, any is the client's own.
fn repository<'a>(services: &'a Services, asked: &Asked, wish: &Wish) -> Option<&'a Repository> {
    let (_, short) = wish.full_name.split_once('/')?;
    let own = || services.config.profile.names.repository(&asked.client);
    let is_at_host = asked.parts.extensions.get::<AtHost>().is_some();
    let find = |name: &str| services.remote.find(name);
    find(&wish.full_name)
        .or_else(|| find(short))
        .or_else(|| find(&own()).filter(|_| is_at_host))
}

fn called(
    services: &Services,
    asked: &Asked,
    operation: &str,
    about: Option<String>,
    answer: CallAnswer,
) {
    services.recorder.record(What::Called {
        client: asked.client.clone(),
        call: Arc::new(ServiceCall {
            service: "github".into(),
            operation: operation.into(),
            about: about.map(Arc::from),
            answer,
        }),
    });
}

#[cfg(test)]
mod tests;
