//! Git over HTTP: `git http-backend` run for each request, with a token and a record.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Seek, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};

use super::answer::{Answer, Body, full};
use super::branch::{branch_tells_secret, isolate};
use super::credentials::{GIT_BASIC, GIT_TOKEN};
use super::remote::Remote;
use super::route::{Asked, text};
use super::services::Services;
use crate::history::{GitOutcome, What};
use crate::plan::{ClientId, SessionId};

/// What the server remembers of a client between its requests.
#[derive(Default)]
pub(super) struct GitMemory(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    /// The session that the client's log spoke of last.
    last_session: BTreeMap<ClientId, SessionId>,
    /// Clients that were shown the refs for a push, and have pushed nothing since.
    shown_refs: BTreeSet<ClientId>,
}

/// What a request wants of which repository.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Wish {
    client: ClientId,
    part: Part,
}

/// The requests of git's HTTP protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    FetchRefs,
    PushRefs,
    /// Of protocol 2: the refs, in a request of their own.
    FetchListing,
    FetchObjects,
    Push,
}

impl Part {
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
        record_failure(services, &asked.client, &wish, GitOutcome::Unavailable).await;
        return match services.faults.either() {
            true => Answer::Never,
            false => Answer::Close,
        };
    }
    if asked.faults.git_refuses() || !is_authorized(&asked.parts) {
        // A first request without credentials only asks whether some are needed.
        if asked.parts.headers.contains_key(AUTHORIZATION) {
            record_failure(services, &asked.client, &wish, GitOutcome::AuthFailed).await;
        }
        return unauthorized();
    }
    let services = services.clone();
    let serving = tokio::task::spawn_blocking(move || serve(&services, &asked, &wish));
    match serving.await {
        Ok(Ok(response)) => Answer::Reply(response),
        Ok(Err(error)) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
        Err(_) => Answer::Close,
    }
}

/// A line of the client's log speaks of a session. Where it says that a push was rejected, and
/// the client was shown the refs for a push and then pushed nothing, that is the push: git itself
/// sees from the refs that the remote has more, and does not ask again.
pub(super) async fn note_line(services: &Arc<Services>, session: &SessionId, line: &str) {
    let is_rejection = line.starts_with("git push") && line.contains("rejected");
    {
        let mut memory = services.git_memory.lock();
        let client = &session.client;
        memory.last_session.insert(client.clone(), session.clone());
        if !(is_rejection && memory.shown_refs.remove(client)) {
            return;
        }
    }
    record_push(services, session, GitOutcome::Rejected).await;
}

impl GitMemory {
    fn lock(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        ("info/refs", "service=git-upload-pack") => Part::FetchRefs,
        ("info/refs", "service=git-receive-pack") => Part::PushRefs,
        ("git-upload-pack", _) if is_listing() => Part::FetchListing,
        ("git-upload-pack", _) => Part::FetchObjects,
        ("git-receive-pack", _) => Part::Push,
        _ => return None,
    };
    Some(Wish {
        client: client.into(),
        part,
    })
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

/// Records a fetch or push that got no further.
async fn record_failure(
    services: &Arc<Services>,
    client: &ClientId,
    wish: &Wish,
    outcome: GitOutcome,
) {
    if !wish.part.is_push() {
        services.recorder.record(What::Fetched {
            client: client.clone(),
            outcome,
        });
        return;
    }
    // A push that is refused at the door has not said its branch yet. The container works on one
    // session at a time, and its log says which.
    let session = {
        let memory = services.git_memory.lock();
        let last = memory.last_session.get(&wish.client).cloned();
        let mut known = services.config.sessions.iter();
        last.or_else(|| known.find(|session| session.client == wish.client).cloned())
    };
    if let Some(session) = session {
        record_push(services, &session, outcome).await;
    }
}

/// Records a push with the branch as it stands.
async fn record_push(services: &Arc<Services>, session: &SessionId, outcome: GitOutcome) {
    let (services, session) = (services.clone(), session.clone());
    let recording = move || {
        let _lock = services.remote.lock(&session.client);
        record_push_now(&services, &session, outcome)
    };
    // A failure to read the branch has been recorded as well as it can be.
    let _ = tokio::task::spawn_blocking(recording).await;
}

/// As [`record_push`], for a caller that holds the repository's lock.
fn record_push_now(
    services: &Services,
    session: &SessionId,
    outcome: GitOutcome,
) -> io::Result<()> {
    let branch = services.remote.branch(session)?.unwrap_or_default();
    services.recorder.record(What::Pushed {
        session: session.clone(),
        outcome,
        branch: Arc::new(branch),
    });
    Ok(())
}

/// Lets `git http-backend` answer, and records what came of it.
fn serve(services: &Services, asked: &Asked, wish: &Wish) -> io::Result<Response<Body>> {
    if wish.part == Part::Push {
        return push(services, asked, wish);
    }
    let (response, _) = run(&services.remote, asked, wish)?;
    let is_version_2 = asked
        .parts
        .headers
        .get("git-protocol")
        .is_some_and(|value| value.as_bytes().starts_with(b"version=2"));
    match wish.part {
        Part::PushRefs => {
            let mut memory = services.git_memory.lock();
            memory.shown_refs.insert(asked.client.clone());
        }
        // Each fetch sees the refs once: here, or in protocol 2 by asking for them.
        Part::FetchRefs if is_version_2 => {}
        Part::FetchRefs | Part::FetchListing => services.recorder.record(What::Fetched {
            client: asked.client.clone(),
            outcome: GitOutcome::Done,
        }),
        Part::FetchObjects | Part::Push => {}
    }
    Ok(response)
}

/// A push, recorded in the order in which the branches change.
fn push(services: &Services, asked: &Asked, wish: &Wish) -> io::Result<Response<Body>> {
    let _lock = services.remote.lock(&wish.client);
    let (response, said) = run(&services.remote, asked, wish)?;
    for branch in pushed_branches(&asked.body) {
        let mut memory = services.git_memory.lock();
        memory.shown_refs.remove(&asked.client);
        drop(memory);
        let session = branch
            .strip_prefix("refs/heads/thread-")
            .and_then(|thread| SessionId::parse(&format!("{}/{thread}", wish.client)));
        let Some(session) = session else { continue };
        let is_done = contains(&said, format!("ok {branch}\n").as_bytes());
        let outcome = match is_done {
            true => GitOutcome::Done,
            false => GitOutcome::Rejected,
        };
        record_push_now(services, &session, outcome)?;
        if is_done && branch_tells_secret(&services.remote.path(&wish.client), &session)? {
            services.recorder.record(What::SecretSeen {
                client: asked.client.clone(),
                place: format!("commit on {session}").into(),
            });
        }
    }
    Ok(response)
}

/// The refs that a push wants to change: lines of `<old> <new> <ref>`, the first with
/// capabilities after a NUL, each behind its length in four hexadecimal digits.
fn pushed_branches(body: &[u8]) -> Vec<String> {
    let mut branches = Vec::new();
    let mut rest = body;
    while let Some(length) = rest
        .get(..4)
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| usize::from_str_radix(digits, 16).ok())
        .filter(|length| *length > 4)
    {
        let Some(line) = rest.get(4..length) else {
            break;
        };
        let command = line.split(|byte| *byte == 0).next().unwrap_or_default();
        let command = String::from_utf8_lossy(command);
        if let Some(branch) = command.split_whitespace().nth(2) {
            branches.push(branch.to_owned());
        }
        rest = &rest[length..];
    }
    branches
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Runs `git http-backend` for a request; returns its answer, and the answer's body once more.
fn run(remote: &Remote, asked: &Asked, wish: &Wish) -> io::Result<(Response<Body>, Vec<u8>)> {
    let header = |name: &HeaderName| {
        let value = asked.parts.headers.get(name)?;
        value.to_str().ok()
    };
    let path = asked.parts.uri.path();
    let mut backend = Command::new(remote.backend());
    isolate(&mut backend);
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
    cgi_response(&output)
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
