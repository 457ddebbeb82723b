//! Git over HTTP: `git http-backend` run for each request, with a token and a record.
//!
//! A push is two requests: for the refs, and with the commands and the objects. A client that sees
//! from the refs that it is behind sends no second one.

mod wire;

use std::io::{self, Seek, Write};
use std::process::Stdio;
use std::sync::Arc;

use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};

use super::CloudConfig;
use super::answer::{Answer, Body, full};
use super::credentials::{GIT_BASIC, GIT_TOKEN};
use super::remote::Remote;
use super::route::{Asked, text};
use super::services::Services;
use crate::history::{GitOutcome, What};
use crate::plan::{ClientId, SessionId};
use crate::process;

/// What a request wants of which repository.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Wish {
    client: ClientId,
    part: Exchange,
}

/// The requests of git's HTTP protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Exchange {
    FetchRefs,
    PushRefs,
    /// Of protocol 2: the refs, in a request of their own.
    FetchListing,
    FetchObjects,
    Push,
}

impl Exchange {
    fn is_push(self) -> bool {
        matches!(self, Self::PushRefs | Self::Push)
    }
}

/// Answers a request to the git remote.
pub(super) async fn answer(services: &Arc<Services>, asked: Asked) -> Answer {
    let Some(wish) = wish(&asked) else {
        return text(StatusCode::NOT_FOUND, "Not Found\n");
    };
    if !services.remote.has(&wish.client) {
        return text(StatusCode::NOT_FOUND, "Repository not found.\n");
    }
    if asked.faults.git_is_down() {
        record_failure(services, &asked, &wish, GitOutcome::Unavailable);
        return match services.faults.either() {
            true => Answer::Never,
            false => Answer::Close,
        };
    }
    if asked.faults.git_refuses() || !is_authorized(&asked.parts) {
        // A first request without credentials only asks whether some are needed.
        if asked.parts.headers.contains_key(AUTHORIZATION) {
            record_failure(services, &asked, &wish, GitOutcome::AuthFailed);
        }
        return unauthorized();
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

/// Reads `/git/<client>.git/...`.
fn wish(asked: &Asked) -> Option<Wish> {
    let path = asked.parts.uri.path().strip_prefix("/git/")?;
    let (client, rest) = path.split_once(".git/")?;
    let query = asked.parts.uri.query().unwrap_or_default();
    let is_listing = || {
        let start = &asked.body[..asked.body.len().min(64)];
        String::from_utf8_lossy(start).contains("command=ls-refs")
    };
    let part = match (rest, query) {
        ("info/refs", "service=git-upload-pack") => Exchange::FetchRefs,
        ("info/refs", "service=git-receive-pack") => Exchange::PushRefs,
        ("git-upload-pack", _) if is_listing() => Exchange::FetchListing,
        ("git-upload-pack", _) => Exchange::FetchObjects,
        ("git-receive-pack", _) => Exchange::Push,
        _ => return None,
    };
    Some(Wish {
        client: client.into(),
        part,
    })
}

/// Makes of a request to a host of repositories one for the client's own, whatever it is called there.
pub(super) fn as_own(client: &ClientId, parts: &mut Parts) {
    const ENDS: [&str; 3] = ["/info/refs", "/git-upload-pack", "/git-receive-pack"];
    let path = parts.uri.path();
    let Some(end) = ENDS.into_iter().find(|end| path.ends_with(end)) else {
        return;
    };
    let query = parts.uri.query().map(|query| format!("?{query}"));
    let own = format!("/git/{client}.git{end}{}", query.unwrap_or_default());
    if let Ok(own) = own.parse() {
        parts.uri = own;
    }
}

fn is_authorized(parts: &Parts) -> bool {
    let value = parts.headers.get(AUTHORIZATION);
    let Some((scheme, credentials)) = value
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split_once(' '))
    else {
        return false;
    };
    if scheme.eq_ignore_ascii_case("basic") {
        credentials == GIT_BASIC
    } else {
        scheme.eq_ignore_ascii_case("bearer") && credentials == GIT_TOKEN
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
fn record_failure(services: &Services, asked: &Asked, wish: &Wish, outcome: GitOutcome) {
    let client = asked.client.clone();
    if !wish.part.is_push() {
        return services.recorder.record(What::Fetched { client, outcome });
    }
    let session = match wish.part {
        Exchange::Push => wire::commands(&asked.body)
            .iter()
            .find_map(|command| session_of(services, wish, command)),
        _ => None,
    };
    services.recorder.record(What::Pushed {
        client,
        session,
        outcome,
        branch: None,
    });
}

/// The session whose branch a push wants to change.
fn session_of(services: &Services, wish: &Wish, command: &wire::Command) -> Option<SessionId> {
    let branch = command.name.strip_prefix("refs/heads/")?;
    let CloudConfig {
        sessions, profile, ..
    } = &services.config;
    let mut own = sessions.iter().filter(|it| it.client == wish.client);
    own.find(|session| profile.names.branch(session) == branch)
        .cloned()
}

/// Lets `git http-backend` answer, and records the result.
fn serve(services: &Services, asked: &Asked, wish: &Wish) -> io::Result<Response<Body>> {
    if wish.part == Exchange::Push {
        return push(services, asked, wish);
    }
    // Who sees where a branch is sees it after the push that brought it there was recorded, however
    // long that takes: nothing that follows from it comes first in the record.
    let _lock = match wish.part {
        Exchange::FetchObjects => None,
        _ => services.remote.lock(&wish.client),
    };
    let (response, _) = run(&services.remote, asked, wish)?;
    let is_version_2 = asked
        .parts
        .headers
        .get("git-protocol")
        .is_some_and(|value| value.as_bytes().starts_with(b"version=2"));
    match wish.part {
        Exchange::PushRefs => services.recorder.record(What::PushBegan {
            client: asked.client.clone(),
        }),
        // Each fetch sees the refs once: here, or in protocol 2 by asking for them.
        Exchange::FetchRefs if is_version_2 => {}
        Exchange::FetchRefs | Exchange::FetchListing => services.recorder.record(What::Fetched {
            client: asked.client.clone(),
            outcome: GitOutcome::Done,
        }),
        Exchange::FetchObjects | Exchange::Push => {}
    }
    Ok(response)
}

/// A push, recorded in the order in which the branches change.
fn push(services: &Services, asked: &Asked, wish: &Wish) -> io::Result<Response<Body>> {
    let _lock = services.remote.lock(&wish.client);
    let (response, said) = run(&services.remote, asked, wish)?;
    let report = wire::report(&said);
    for command in wire::commands(&asked.body) {
        let Some(session) = session_of(services, wish, &command) else {
            continue;
        };
        let branch = services.remote.branch(&session)?.unwrap_or_default();
        let is_done = match report.get(&command.name) {
            Some(is_done) => *is_done,
            // The client did not ask for a report: the branch shows it.
            None => services.remote.tip(&wish.client, &command.name)? == command.new,
        };
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

/// Runs `git http-backend` for a request; returns its answer, and the answer's body once more.
fn run(remote: &Remote, asked: &Asked, wish: &Wish) -> io::Result<(Response<Body>, Vec<u8>)> {
    let header = |name: &HeaderName| {
        let value = asked.parts.headers.get(name)?;
        value.to_str().ok()
    };
    let path = asked.parts.uri.path();
    let mut backend = process::git(remote.backend());
    backend
        .env("GIT_PROJECT_ROOT", remote.root())
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", asked.parts.method.as_str())
        .env("PATH_INFO", path.strip_prefix("/git").unwrap_or(path))
        .env("QUERY_STRING", asked.parts.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header(&CONTENT_TYPE).unwrap_or_default())
        .env("CONTENT_LENGTH", asked.body.len().to_string())
        .env("REMOTE_USER", wish.client.to_string())
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("GATEWAY_INTERFACE", "CGI/1.1");
    if let Some(encoding) = header(&CONTENT_ENCODING) {
        backend.env("HTTP_CONTENT_ENCODING", encoding);
    }
    if let Some(protocol) = header(&HeaderName::from_static("git-protocol")) {
        backend.env("GIT_PROTOCOL", protocol);
    }
    if !asked.body.is_empty() {
        // From a file, which cannot block as a pipe could.
        let mut body = tempfile::tempfile()?;
        body.write_all(&asked.body)?;
        body.rewind()?;
        backend.stdin(Stdio::from(body));
    }
    let output = remote.children.run(&mut backend)?;
    // What a push is answered has what went wrong in it; what a fetch is answered is all content.
    let answered: &[u8] = match wish.part {
        Exchange::Push => &output.stdout,
        _ => &[],
    };
    let said = [&output.stderr, answered].map(String::from_utf8_lossy);
    if let Some(words) = said.iter().find_map(|said| shortage(said)) {
        return Err(io::Error::other(words));
    }
    cgi_response(&output.stdout)
}

/// The words for what no system can be blamed for, where a program says them: those of the system's
/// errors for a machine that lacks something.
fn shortage(said: &str) -> Option<&'static str> {
    const WORDS: [&str; 8] = [
        "No space left on device",
        "Disk quota exceeded",
        "Cannot allocate memory",
        "Out of memory",
        "Resource temporarily unavailable",
        "Too many open files",
        "Read-only file system",
        "Input/output error",
    ];
    // As git says it, behind a colon at the end of a line; a file may hold any words.
    let is_said = |words: &&str| {
        let mut lines = said.lines().map(str::trim_end);
        lines.any(|line| {
            let is_of_git = ["fatal: ", "error: "]
                .iter()
                .any(|kind| line.contains(kind));
            is_of_git && line.ends_with(*words)
        })
    };
    WORDS.into_iter().find(is_said)
}

/// Reads a CGI program's output: header lines, an empty line, the body.
fn cgi_response(output: &[u8]) -> io::Result<(Response<Body>, Vec<u8>)> {
    let unreadable = || io::Error::other("git http-backend gave no answer");
    let end = output
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .ok_or_else(unreadable)?;
    let body = output[end + 4..].to_vec();
    let mut response = Response::new(full(body.clone()));
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        let (name, value) = line.split_once(": ").ok_or_else(unreadable)?;
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().and_then(|code| code.parse().ok());
            *response.status_mut() = code.ok_or_else(unreadable)?;
        } else {
            let name: HeaderName = name.parse().map_err(io::Error::other)?;
            let value = HeaderValue::from_str(value).map_err(io::Error::other)?;
            response.headers_mut().insert(name, value);
        }
    }
    Ok((response, body))
}

#[cfg(test)]
mod tests;
