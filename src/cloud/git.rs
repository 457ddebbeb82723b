//! Git over HTTP: `git http-backend` run for each request, with a token and a record.
//!
//! A push is two requests: for the refs, and with the commands and the objects. A client that sees
//! from the refs that it is behind sends no second one.
//!
//! Large files may go beside it, by Git LFS.

mod lfs;
mod transfer;
mod wire;

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use percent_encoding::percent_decode_str;

pub(super) use self::transfer::receive;

use self::lfs::Large;
use super::CloudConfig;
use super::answer::{Answer, Body};
use super::credentials::GIT_TOKEN;
use super::protocol::header;
use super::remote::Repository;
use super::route::{Asked, text};
use super::services::Services;
use crate::history::{CallAnswer, GitOutcome, ServiceCall, What};
use crate::plan::{ClientId, SessionId};

/// What a request wants of which repository.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Wish {
    /// The repository's path, without `.git`.
    repository: String,
    /// How the path goes on.
    rest: String,
    part: Exchange,
}

/// The requests of git's HTTP protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Exchange {
    FetchRefs,
    PushRefs,
    /// Of protocol 2: the refs, in a request of their own.
    FetchListing,
    FetchObjects,
    Push,
    /// Of Git LFS, and whether a push begins with it.
    Large(Large, bool),
}

/// Whether a request is one of git's protocol, whatever repository it names.
pub(super) fn is_git(parts: &Parts) -> bool {
    exchange(parts, &[]).is_some()
}

/// Whether it sends what is pushed.
pub(super) fn is_push(parts: &Parts) -> bool {
    let sends = |part| matches!(part, Exchange::Push | Exchange::Large(Large::Send(_), _));
    exchange(parts, &[]).is_some_and(sends)
}

fn exchange(parts: &Parts, body: &[u8]) -> Option<Exchange> {
    if let Some(large) = Large::read(parts) {
        let is_of_push = large.is_of_push(body);
        return Some(Exchange::Large(large, is_of_push));
    }
    let is_listing = || {
        let start = &body[..body.len().min(64)];
        String::from_utf8_lossy(start).contains("command=ls-refs")
    };
    let last = parts.uri.path().rsplit('/').next()?;
    let query = parts.uri.query().unwrap_or_default();
    match (last, query) {
        ("refs", "service=git-upload-pack") => Some(Exchange::FetchRefs),
        ("refs", "service=git-receive-pack") => Some(Exchange::PushRefs),
        ("git-upload-pack", _) if is_listing() => Some(Exchange::FetchListing),
        ("git-upload-pack", _) => Some(Exchange::FetchObjects),
        ("git-receive-pack", _) => Some(Exchange::Push),
        _ => None,
    }
    .filter(|exchange| match exchange {
        Exchange::FetchRefs | Exchange::PushRefs => parts.method == Method::GET,
        _ => parts.method == Method::POST,
    })
}

/// Answers a request to the git remote.
pub(super) async fn answer(services: &Arc<Services>, asked: Asked) -> Answer {
    let Some(wish) = wish(&asked) else {
        return text(StatusCode::NOT_FOUND, "Not Found\n");
    };
    let not_found = || text(StatusCode::NOT_FOUND, "Repository not found.\n");
    let Some(repository) = services.remote.find(&wish.repository) else {
        return not_found();
    };
    if asked.faults.git_is_down() {
        record_failure(services, &asked, &wish, repository, GitOutcome::Unavailable);
        return match services.faults.either() {
            true => Answer::Never,
            false => Answer::Close,
        };
    }
    if asked.faults.git_refuses() || !is_authorized(&asked.parts) {
        // A first request without credentials only asks whether some are needed.
        if asked.parts.headers.contains_key(AUTHORIZATION) {
            record_failure(services, &asked, &wish, repository, GitOutcome::AuthFailed);
        }
        return match wish.part {
            Exchange::Large(..) => lfs::unauthorized(),
            _ => unauthorized(),
        };
    }
    if repository.client != asked.client {
        services.recorder.record(What::Trespassed {
            client: asked.client.clone(),
            owner: repository.client.clone(),
            what: format!("the repository {}", repository.name).into(),
        });
        return not_found();
    }
    let (recorder, services) = (services.clone(), services.clone());
    let serving = tokio::task::spawn_blocking(move || serve(&services, &asked, &wish));
    match serving.await {
        Ok(Ok(response)) => Answer::Reply(response),
        Ok(Err(error)) => {
            recorder
                .recorder
                .fail(format!("the git remote failed: {error}"));
            text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n"))
        }
        Err(error) => {
            recorder
                .recorder
                .fail(format!("the git remote failed: {error}"));
            Answer::Close
        }
    }
}

/// Reads what a request wants of which repository.
fn wish(asked: &Asked) -> Option<Wish> {
    let (repository, rest) = repository_in(&asked.parts)?;
    Some(Wish {
        repository,
        rest,
        part: exchange(&asked.parts, &asked.body)?,
    })
}

/// Reads `/git/<repository>.git/...`, where `/git` and `.git` may be left out. Returns what comes after it, too.
fn repository_in(parts: &Parts) -> Option<(String, String)> {
    const RESTS: [&str; 4] = [
        lfs::INSIDE,
        "/info/refs",
        "/git-upload-pack",
        "/git-receive-pack",
    ];
    let path = percent_decode_str(parts.uri.path()).decode_utf8_lossy();
    let at = RESTS.iter().find_map(|rest| path.find(rest))?;
    let (path, rest) = path.split_at(at);
    let path = path.strip_prefix("/git/").unwrap_or(path).trim_matches('/');
    let name = path.strip_suffix(".git").unwrap_or(path);
    Some((name.to_owned(), rest.to_owned()))
}

/// Makes of a request to a host of repositories one for the client's own, where none has the path that
/// is asked for.
pub(super) fn as_own(services: &Services, client: &ClientId, parts: &mut Parts) {
    let Some((named, rest)) = repository_in(parts) else {
        return;
    };
    if services.remote.find(&named).is_some() {
        return;
    }
    let own = services.config.profile.names.repository(client);
    let query = parts.uri.query().map(|query| format!("?{query}"));
    let own = format!("/git/{own}.git{rest}{}", query.unwrap_or_default());
    if let Ok(own) = own.parse() {
        parts.uri = own;
    }
}

/// Whether a request has the token: alone, or as either half of a user and a password.
pub(super) fn is_authorized(parts: &Parts) -> bool {
    let value = header(parts, AUTHORIZATION.as_str());
    let Some((scheme, credentials)) = value.and_then(|text| text.split_once(' ')) else {
        return false;
    };
    let credentials = credentials.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => {
            let decoded = BASE64_STANDARD.decode(credentials).unwrap_or_default();
            let mut halves = decoded.splitn(2, |byte| *byte == b':');
            halves.any(|half| half == GIT_TOKEN.as_bytes())
        }
        "bearer" | "token" => credentials == GIT_TOKEN,
        _ => false,
    }
}

fn unauthorized() -> Answer {
    let mut answer = text(
        StatusCode::UNAUTHORIZED,
        "remote: Invalid username or token.\n",
    );
    if let Answer::Reply(response) = &mut answer {
        response.headers_mut().insert(
            "www-authenticate",
            HeaderValue::from_static("Basic realm=\"loopback\""),
        );
    }
    answer
}

/// Records a fetch or push that got no further. A push says its branch only in its last request.
fn record_failure(
    services: &Services,
    asked: &Asked,
    wish: &Wish,
    repository: &Repository,
    outcome: GitOutcome,
) {
    let client = asked.client.clone();
    let session = match wish.part {
        // git-lfs asks again at once, whatever the system does: that is no try of the push.
        Exchange::Large(_, is_push) => {
            let what = if is_push { "push" } else { "fetch" };
            let what = format!("{what} of a large file");
            return called(services, asked, repository, &what, false);
        }
        Exchange::FetchRefs | Exchange::FetchListing | Exchange::FetchObjects => {
            return services.recorder.record(What::Fetched { client, outcome });
        }
        Exchange::PushRefs => None,
        Exchange::Push => wire::commands(&asked.body)
            .iter()
            .find_map(|command| session_of(services, repository, command)),
    };
    services.recorder.record(What::Pushed {
        client,
        session,
        outcome,
        branch: None,
    });
}

/// The session whose branch a push wants to change.
fn session_of(
    services: &Services,
    repository: &Repository,
    command: &wire::Command,
) -> Option<SessionId> {
    let branch = command.name.strip_prefix("refs/heads/")?;
    let CloudConfig {
        sessions, profile, ..
    } = &services.config;
    let mut own = sessions
        .iter()
        .filter(|it| repository.is_site && it.client == repository.client);
    own.find(|session| profile.names.branch(session) == branch)
        .cloned()
}

/// Lets `git http-backend` answer, and records the result.
fn serve(services: &Services, asked: &Asked, wish: &Wish) -> io::Result<Response<Body>> {
    let no_such = || io::Error::other(format!("there is no repository {}", wish.repository));
    let repository = services.remote.find(&wish.repository).ok_or_else(no_such)?;
    match &wish.part {
        Exchange::Push => return push(services, asked, wish, repository),
        Exchange::Large(large, _) => return lfs::serve(services, asked, repository, large),
        _ => {}
    }
    // Who sees where a branch is sees it after the push that brought it there was recorded, however
    // long that takes: nothing that follows from it comes first in the record.
    let _lock = match wish.part {
        Exchange::FetchObjects => None,
        _ => Some(repository.lock()),
    };
    let (response, _) = transfer::run(&services.remote, asked, wish)?;
    let is_version_2 = asked
        .parts
        .headers
        .get("git-protocol")
        .is_some_and(|value| value.as_bytes().starts_with(b"version=2"));
    match wish.part {
        Exchange::FetchObjects | Exchange::Push | Exchange::Large(..) => {}
        // Each fetch sees the refs once: here, or in protocol 2 by asking for them.
        Exchange::FetchRefs if is_version_2 => {}
        Exchange::PushRefs if repository.is_site => services.recorder.record(What::PushBegan {
            client: asked.client.clone(),
        }),
        Exchange::PushRefs => {}
        Exchange::FetchRefs | Exchange::FetchListing if repository.is_site => {
            services.recorder.record(What::Fetched {
                client: asked.client.clone(),
                outcome: GitOutcome::Done,
            });
        }
        Exchange::FetchRefs | Exchange::FetchListing => {
            called(services, asked, repository, "fetch", true);
        }
    }
    Ok(response)
}

/// Records what concerns no session's branch.
fn called(
    services: &Services,
    asked: &Asked,
    repository: &Repository,
    operation: &str,
    is_done: bool,
) {
    services.recorder.record(What::Called {
        client: asked.client.clone(),
        call: Arc::new(ServiceCall {
            service: "git".into(),
            operation: operation.into(),
            about: Some(repository.name.as_str().into()),
            answer: match is_done {
                true => CallAnswer::Done,
                false => CallAnswer::Failed("rejected".into()),
            },
        }),
    });
}

/// A push, recorded in the order in which the branches change.
fn push(
    services: &Services,
    asked: &Asked,
    wish: &Wish,
    repository: &Repository,
) -> io::Result<Response<Body>> {
    let _lock = repository.lock();
    let (response, said) = transfer::run(&services.remote, asked, wish)?;
    let report = wire::report(&said);
    for command in wire::commands(&asked.body) {
        let is_done = match report.get(&command.name) {
            Some(is_done) => *is_done,
            // The client did not ask for a report: the branch shows it.
            None => services.remote.tip(&repository.name, &command.name)? == command.new,
        };
        let Some(session) = session_of(services, repository, &command) else {
            let what = match command.deletes() {
                true => format!("deletion of {}", command.name),
                false => format!("push of {}", command.name),
            };
            called(services, asked, repository, &what, is_done);
            continue;
        };
        let branch = services.remote.branch(&session)?.unwrap_or_default();
        let outcome = match is_done {
            true => GitOutcome::Done,
            false => GitOutcome::Rejected,
        };
        services.recorder.record(What::Pushed {
            client: asked.client.clone(),
            session: Some(session.clone()),
            outcome,
            branch: Some(Arc::new(branch)),
        });
        if is_done && services.remote.has_secret(&session)? {
            services.recorder.record(What::SecretSeen {
                client: asked.client.clone(),
                place: format!("commit on {session}").into(),
            });
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests;
