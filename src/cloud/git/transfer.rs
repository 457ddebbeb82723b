//! What goes to `git http-backend` and comes from it: large packs in files, never whole in memory.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::process::Stdio;

use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::Response;
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};

use super::{Exchange, Wish};
use crate::cloud::answer::{Body, full};
use crate::cloud::protocol::header;
use crate::cloud::remote::Remote;
use crate::cloud::route::Asked;
use crate::process;

/// How much of what is pushed is held: the names of some thousand branches.
const HELD: usize = 1 << 20;
/// How much of a pack is read at once.
const PIECE: usize = 1 << 16;

/// Receives what is pushed: its beginning, and a file with the whole where that is not all. `None`
/// where the client goes away.
///
/// # Errors
/// When the file cannot be written.
pub(in crate::cloud) async fn receive(
    mut body: Incoming,
) -> io::Result<Option<(Bytes, Option<File>)>> {
    let mut begin = Vec::new();
    let mut file: Option<File> = None;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Ok(None);
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        match &mut file {
            Some(file) => file.write_all(&data)?,
            None => {
                begin.extend_from_slice(&data);
                if begin.len() > HELD {
                    let mut spool = tempfile::tempfile()?;
                    spool.write_all(&begin)?;
                    file = Some(spool);
                }
            }
        }
    }
    Ok(Some((begin.into(), file)))
}

/// Runs `git http-backend` for a request; returns its answer, and what it answered a push.
pub(super) fn run(
    remote: &Remote,
    asked: &Asked,
    wish: &Wish,
) -> io::Result<(Response<Body>, Vec<u8>)> {
    let of = |name: &HeaderName| header(&asked.parts, name.as_str());
    let input = match &asked.spooled {
        Some(file) => Some(file.try_clone()?),
        None if asked.body.is_empty() => None,
        None => {
            // From a file, which cannot block as a pipe could.
            let mut file = tempfile::tempfile()?;
            file.write_all(&asked.body)?;
            Some(file)
        }
    };
    let length = match &input {
        Some(file) => file.metadata()?.len(),
        None => 0,
    };
    let mut backend = process::git(remote.backend());
    let path = format!("/{}.git{}", wish.repository, wish.rest);
    backend
        .env("GIT_PROJECT_ROOT", remote.root())
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", asked.parts.method.as_str())
        .env("PATH_INFO", path)
        .env("QUERY_STRING", asked.parts.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", of(&CONTENT_TYPE).unwrap_or_default())
        .env("CONTENT_LENGTH", length.to_string())
        .env("REMOTE_USER", asked.client.to_string())
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("GATEWAY_INTERFACE", "CGI/1.1");
    if let Some(encoding) = of(&CONTENT_ENCODING) {
        backend.env("HTTP_CONTENT_ENCODING", encoding);
    }
    if let Some(protocol) = of(&HeaderName::from_static("git-protocol")) {
        backend.env("GIT_PROTOCOL", protocol);
    }
    if let Some(mut file) = input {
        file.rewind()?;
        backend.stdin(Stdio::from(file));
    }
    if wish.part == Exchange::FetchObjects {
        let out = tempfile::tempfile()?;
        let output = remote
            .children
            .run_into(&mut backend, out.try_clone()?.into())?;
        check(&[&output.stderr])?;
        return Ok((from_file(out)?, Vec::new()));
    }
    let output = remote.children.run(&mut backend)?;
    // What a push is answered has what went wrong in it; what a fetch is answered is all content.
    let answered: &[u8] = match wish.part {
        Exchange::Push => &output.stdout,
        _ => &[],
    };
    check(&[&output.stderr, answered])?;
    let (mut response, begin) = head(&output.stdout)?;
    let body = output.stdout[begin..].to_vec();
    *response.body_mut() = full(body.clone());
    Ok((response, body))
}

/// An error where the machine lacks something.
fn check(said: &[&[u8]]) -> io::Result<()> {
    let said = said.iter().map(|said| String::from_utf8_lossy(said));
    match said.into_iter().find_map(|said| shortage(&said)) {
        Some(words) => Err(io::Error::other(words)),
        None => Ok(()),
    }
}

/// The words for what no system can be blamed for, where a program says them: those of the system's
/// errors for a machine that lacks something.
pub(super) fn shortage(said: &str) -> Option<&'static str> {
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

/// An answer that a CGI program wrote into a file.
fn from_file(mut file: File) -> io::Result<Response<Body>> {
    let length = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    let mut begin = Vec::new();
    (&file).take(PIECE as u64).read_to_end(&mut begin)?;
    let (mut response, at) = head(&begin)?;
    let at = at as u64;
    file.seek(SeekFrom::Start(at))?;
    *response.body_mut() = pieces(file);
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length - at));
    Ok(response)
}

/// The rest of a file, read as it is sent; what was just written is still in the cache of the system.
pub(super) fn pieces(file: File) -> Body {
    let pieces = std::iter::from_fn(move || {
        let mut piece = Vec::with_capacity(PIECE);
        match (&file).take(PIECE as u64).read_to_end(&mut piece) {
            Ok(0) => None,
            Ok(_) => Some(Ok(Frame::data(Bytes::from(piece)))),
            Err(error) => Some(Err(error)),
        }
    });
    StreamBody::new(stream::iter(pieces)).boxed_unsync()
}

/// Reads the beginning of a CGI program's output: header lines, an empty line. Returns the answer
/// without its body, and where that begins.
fn head(output: &[u8]) -> io::Result<(Response<Body>, usize)> {
    let unreadable = || io::Error::other("git http-backend gave no answer");
    let end = output
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .ok_or_else(unreadable)?;
    let mut response = Response::new(full(""));
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
    Ok((response, end + 4))
}
