//! The builds of other people's systems, as the shims on their PATH report them: see `shakedown build-shim`.
//!
//! They come by a socket in the file system, which is no part of a container's network: neither a network of its own
//! nor a partition keeps them away.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::services::Services;
use crate::history::{BuildEnd, What};
use crate::plan::{ClientId, Injection, SessionId};

/// What a shim reports of a build, one a line; it is answered with an empty line, or with [`TO_FAIL`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuildReport {
    /// It is about to be started, in this folder.
    Began(Box<str>, Box<str>),
    /// It ended.
    Ended(Box<str>, BuildEnd),
}

/// The answer to the beginning of a build that is to fail, whatever comes of it.
pub const TO_FAIL: &str = "fail";

/// Where the sessions of a client have their checkouts.
pub(super) type Checkouts = Vec<(SessionId, PathBuf)>;

/// The longest path that the name of a socket can be on every system, with some room.
const LONGEST: usize = 90;

/// Does something with the path of a socket, or with a short one that leads to it: the names of sockets are limited.
///
/// # Errors
/// As what is done with it, and where the folder cannot be opened.
pub fn with_short_path<T>(path: &Path, with: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (folder, name) = match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) if path.as_os_str().len() > LONGEST => (folder, name),
        _ => return with(path),
    };
    let folder = std::fs::File::open(folder)?;
    let number = std::os::fd::AsRawFd::as_raw_fd(&folder);
    with(&Path::new("/dev/fd").join(number.to_string()).join(name))
}

/// Takes the reports of a client's container until it is dropped.
pub(super) async fn watch(
    services: Arc<Services>,
    client: ClientId,
    listener: UnixListener,
    checkouts: Checkouts,
) {
    let checkouts = Arc::new(checkouts);
    let mut reports = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let checkouts = checkouts.clone();
                reports.spawn(take(services.clone(), client.clone(), stream, checkouts));
            }
            Err(error) => {
                let failure =
                    format!("a report of a build of {client} could not be taken: {error}");
                services.recorder.fail(failure);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        while reports.try_join_next().is_some() {}
    }
}

/// Takes one report. Who was killed meanwhile waits for no answer.
async fn take(
    services: Arc<Services>,
    client: ClientId,
    stream: UnixStream,
    checkouts: Arc<Checkouts>,
) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    if stream.read_line(&mut line).await.is_err() {
        return;
    }
    let Ok(report) = serde_json::from_str::<BuildReport>(&line) else {
        return;
    };
    services.recorder.while_held(&client).await;
    let built_in = match &report {
        BuildReport::Began(_, folder) => Some(PathBuf::from(&**folder)),
        BuildReport::Ended(..) => None,
    };
    services.recorder.record(match report {
        BuildReport::Began(command, _) => What::BuildBegan {
            client: client.clone(),
            command: command.into(),
        },
        BuildReport::Ended(command, end) => What::BuildEnded {
            client: client.clone(),
            command: command.into(),
            end: Arc::new(end),
        },
    });
    services.recorder.while_held(&client).await;
    let fails = built_in.is_some_and(|folder| is_to_fail(&services, &checkouts, &folder));
    let answer = if fails { TO_FAIL } else { "" };
    let _ = stream.write_all(format!("{answer}\n").as_bytes()).await;
}

/// Whether a build in this folder is one of a session whose builds are to fail.
fn is_to_fail(services: &Services, checkouts: &Checkouts, folder: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = real(folder);
    let holds = |(_, checkout): &&(SessionId, PathBuf)| folder.starts_with(real(checkout));
    // A checkout may be in another's folder.
    let own = checkouts
        .iter()
        .filter(holds)
        .max_by_key(|(_, checkout)| checkout.as_os_str().len());
    own.is_some_and(|(session, _)| {
        services.faults.active().injection(session) == Some(Injection::Error)
    })
}
