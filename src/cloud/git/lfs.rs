//! Git LFS: the batch API, and the large files themselves, which are kept where git-lfs keeps those of a bare repository.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::transfer::pieces;
use super::{Repository, called};
use crate::cloud::answer::{self, Answer, Body, full, reply};
use crate::cloud::credentials::has_secret;
use crate::cloud::hosts::base_url;
use crate::cloud::protocol::header;
use crate::cloud::route::Asked;
use crate::cloud::services::Services;
use crate::history::What;

/// What stands between the path of a repository and that of a request for large files.
pub(super) const INSIDE: &str = "/info/lfs/";
const JSON: &str = "application/vnd.git-lfs+json";

/// What a request of the API asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Large {
    /// Where files can be sent, or fetched.
    Batch,
    Send(String),
    Fetch(String),
    /// Which files are locked: none ever is.
    Locks,
    Other,
}

impl Large {
    /// Reads what a request asks for; `None` where it is none of the API.
    pub(super) fn read(parts: &Parts) -> Option<Self> {
        let (_, rest) = parts.uri.path().split_once(INSIDE)?;
        Some(
            match (
                &parts.method,
                rest.split('/').collect::<Vec<_>>().as_slice(),
            ) {
                (&Method::POST, ["objects", "batch"]) => Self::Batch,
                (&Method::PUT, ["objects", id]) if is_id(id) => Self::Send((*id).to_owned()),
                (&Method::GET, ["objects", id]) if is_id(id) => Self::Fetch((*id).to_owned()),
                (&Method::POST, ["locks", "verify"]) | (&Method::GET, ["locks"]) => Self::Locks,
                _ => Self::Other,
            },
        )
    }

    /// Whether it is a part of a push; what is not is a part of a fetch.
    pub(super) fn is_of_push(&self, body: &[u8]) -> bool {
        match self {
            Self::Batch => {
                let request: Value = serde_json::from_slice(body).unwrap_or_default();
                request["operation"] == "upload"
            }
            Self::Send(_) | Self::Locks => true,
            Self::Fetch(_) | Self::Other => false,
        }
    }
}

/// Whether a text is the name of a file: the SHA-256 of what is in it.
fn is_id(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
}

/// The files of a repository.
struct Store(PathBuf);

impl Store {
    fn path(&self, id: &str) -> PathBuf {
        self.0
            .join("objects")
            .join(&id[..2])
            .join(&id[2..4])
            .join(id)
    }

    fn size(&self, id: &str) -> Option<u64> {
        Some(self.path(id).metadata().ok()?.len())
    }
}

/// Answers a request whose sender may use the repository.
///
/// # Errors
/// When a file cannot be written or read.
pub(super) fn serve(
    services: &Services,
    asked: &Asked,
    repository: &Repository,
    large: &Large,
) -> io::Result<Response<Body>> {
    let store = Store(services.remote.folder(&repository.name).join("lfs"));
    Ok(match large {
        Large::Batch => batch(asked, &store),
        Large::Send(id) => {
            let is_done = keep(asked, &store, id)?;
            if has_secret(&asked.body) {
                services.recorder.record(What::SecretSeen {
                    client: asked.client.clone(),
                    place: format!("large file in {}", repository.name).into(),
                });
            }
            called(services, asked, repository, "push of a large file", is_done);
            match is_done {
                true => Response::new(full("")),
                false => refused(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "the file has another SHA-256 than its name",
                ),
            }
        }
        Large::Fetch(id) => {
            let file = File::open(store.path(id));
            called(
                services,
                asked,
                repository,
                "fetch of a large file",
                file.is_ok(),
            );
            match file {
                Ok(file) => whole(file)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => not_found(),
                Err(error) => return Err(error),
            }
        }
        Large::Locks => json_reply(
            StatusCode::OK,
            &json!({ "ours": [], "theirs": [], "locks": [] }),
        ),
        Large::Other => {
            let what = format!("{} {}", asked.parts.method, asked.parts.uri.path());
            called(services, asked, repository, &what, false);
            not_found()
        }
    })
}

/// Says where each file goes to or comes from: to this service, with the credential of the request. A file that is
/// there already is not sent again.
fn batch(asked: &Asked, store: &Store) -> Response<Body> {
    let Ok(request) = serde_json::from_slice::<Value>(&asked.body) else {
        return refused(StatusCode::BAD_REQUEST, "the request is no JSON");
    };
    let is_upload = match request["operation"].as_str() {
        Some("upload") => true,
        Some("download") => false,
        _ => {
            return refused(
                StatusCode::UNPROCESSABLE_ENTITY,
                "`operation` is upload or download",
            );
        }
    };
    let path = asked.parts.uri.path();
    let here = path.strip_suffix("/batch").unwrap_or(path);
    let here = format!("{}{here}", base_url(&asked.parts));
    let credential = header(&asked.parts, AUTHORIZATION.as_str()).unwrap_or_default();
    let of = |object: &Value| {
        let id = object["oid"].as_str().unwrap_or_default();
        let mut answer = json!({ "oid": id, "size": object["size"], "authenticated": true });
        let wrong = |code: u16, message| json!({ "code": code, "message": message });
        let action =
            || json!({ "href": format!("{here}/{id}"), "header": { "Authorization": credential } });
        let known = is_id(id).then(|| store.size(id));
        match (is_upload, known) {
            (_, None) => answer["error"] = wrong(422, "`oid` is no SHA-256"),
            (true, Some(Some(_))) => {}
            (true, Some(None)) => answer["actions"] = json!({ "upload": action() }),
            (false, Some(Some(size))) => {
                answer["size"] = size.into();
                answer["actions"] = json!({ "download": action() });
            }
            (false, Some(None)) => answer["error"] = wrong(404, "Object does not exist"),
        }
        answer
    };
    let objects = request["objects"].as_array().into_iter().flatten();
    let objects: Vec<Value> = objects.map(of).collect();
    let answer = json!({ "transfer": "basic", "objects": objects, "hash_algo": "sha256" });
    json_reply(StatusCode::OK, &answer)
}

/// Keeps a file that was sent. Returns whether it is the one that its name says.
fn keep(asked: &Asked, store: &Store, id: &str) -> io::Result<bool> {
    let path = store.path(id);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let mut hash = Sha256::new();
    match &asked.spooled {
        Some(spooled) => {
            let mut from = spooled.try_clone()?;
            from.rewind()?;
            let mut piece = vec![0; 1 << 16];
            loop {
                let length = from.read(&mut piece)?;
                if length == 0 {
                    break;
                }
                hash.update(&piece[..length]);
                file.write_all(&piece[..length])?;
            }
        }
        None => {
            hash.update(&asked.body);
            file.write_all(&asked.body)?;
        }
    }
    let digest: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if digest != id {
        return Ok(false);
    }
    file.persist(path)?;
    Ok(true)
}

/// All of a file, read as it is sent.
fn whole(file: File) -> io::Result<Response<Body>> {
    let length = file.metadata()?.len();
    let mut response = reply(StatusCode::OK, "application/octet-stream", "");
    *response.body_mut() = pieces(file);
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    Ok(response)
}

fn not_found() -> Response<Body> {
    refused(StatusCode::NOT_FOUND, "Not found.")
}

fn refused(status: StatusCode, message: &str) -> Response<Body> {
    json_reply(status, &json!({ "message": message }))
}

fn json_reply(status: StatusCode, body: &Value) -> Response<Body> {
    reply(status, JSON, body.to_string())
}

/// Refuses who gives no good credential, as the API says it.
pub(super) fn unauthorized() -> Answer {
    let body = json!({ "message": "Credentials needed" });
    let mut answer = answer::json(StatusCode::UNAUTHORIZED, JSON, &body);
    if let Answer::Reply(response) = &mut answer {
        let basic = HeaderValue::from_static("Basic realm=\"loopback\"");
        response.headers_mut().insert("lfs-authenticate", basic);
    }
    answer
}
