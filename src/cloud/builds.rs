//! The builds of other people's systems, as the shims on their PATH report them: see `shakedown build-shim`.
//!
//! They come by a socket in the file system, which is no part of a container's network: neither a network of its own
//! nor a partition keeps them away.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::services::Services;
use crate::history::{BuildEnd, What};
use crate::plan::ClientId;

/// What a shim reports of a build, one a line; it is answered with an empty line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuildReport {
    /// It is about to be started.
    Began(Box<str>),
    /// It ended.
    Ended(Box<str>, BuildEnd),
}

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
pub(super) async fn watch(services: Arc<Services>, client: ClientId, listener: UnixListener) {
    let mut reports = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                reports.spawn(take(services.clone(), client.clone(), stream));
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
async fn take(services: Arc<Services>, client: ClientId, stream: UnixStream) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    if stream.read_line(&mut line).await.is_err() {
        return;
    }
    let Ok(report) = serde_json::from_str::<BuildReport>(&line) else {
        return;
    };
    services.recorder.while_held(&client).await;
    services.recorder.record(match report {
        BuildReport::Began(command) => What::BuildBegan {
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
    let _ = stream.write_all(b"\n").await;
}
