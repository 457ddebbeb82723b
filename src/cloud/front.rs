//! A front: the listener that one container calls, so that each request is known to be its
//! own, and it can be cut off alone.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, EXPECT, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::answer::{Answer, Body};
use super::route::answer;
use super::services::Services;
use crate::plan::ClientId;
use crate::profile::Names;

/// The endpoint of one client's container: every service of the cloud, at one address.
pub struct Front {
    client: ClientId,
    address: SocketAddr,
    names: Names,
    cut: watch::Sender<Cut>,
    /// The last cut that it has carried out.
    carried_out: watch::Receiver<Cut>,
}

/// Whether a front is cut off, and how often it was, so that a late reader sees that too.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Cut {
    is_on: bool,
    times: u64,
}

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 128;

/// How a connection ends before its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Close,
    Reset,
}

impl Front {
    /// Listens on a free port of the loopback interface. The future serves the front until it is
    /// dropped.
    pub(super) fn open(
        services: Arc<Services>,
        client: ClientId,
    ) -> io::Result<(Self, impl Future<Output = ()> + Send)> {
        // A bound socket that never listens keeps the port while the front is cut off.
        let reserve = socket(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = reserve.local_addr()?;
        let listener = socket(address)?.listen(BACKLOG)?;
        let (cut, cuts) = watch::channel(Cut::default());
        let (carrying_out, carried_out) = watch::channel(Cut::default());
        let front = Self {
            client: client.clone(),
            address,
            names: services.config.profile.names.clone(),
            cut,
            carried_out,
        };
        let serving = async move {
            let _reserve = reserve;
            serve(services, client, listener, address, cuts, carrying_out).await;
        };
        Ok((front, serving))
    }

    pub fn client(&self) -> &ClientId {
        &self.client
    }

    /// The base URL of every AWS service and of the agent API, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base URL of the git remote: the client's repository is `<base>/<client>.git`.
    pub fn git_url(&self) -> String {
        format!("{}/git", self.url())
    }

    pub fn instruction_queue_url(&self) -> String {
        self.queue_url(&self.names.queue(&self.client))
    }

    pub fn retry_queue_url(&self) -> String {
        self.queue_url(&self.names.retry_queue(&self.client))
    }

    #[cfg(test)]
    pub fn dead_letter_queue_url(&self) -> String {
        self.queue_url(&self.names.dead_letters(&self.client))
    }

    fn queue_url(&self, queue: &str) -> String {
        super::sqs::url(&self.url(), queue)
    }

    /// Cuts the container off: its connections are reset and new ones refused, until healed.
    pub fn set_partition(&self, on: bool) {
        self.cut.send_modify(|cut| {
            cut.times += u64::from(on && !cut.is_on);
            cut.is_on = on;
        });
    }

    /// Waits until it is as it was set: a container that is healed must not be refused any more.
    pub async fn settled(&self) {
        let cut = *self.cut.borrow();
        // A front that is not served any more never settles.
        let _ = self.carried_out.clone().wait_for(|is| *is == cut).await;
    }
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Front({} at {})", self.client, self.address)
    }
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Accepts connections while the front is not cut off. Dropping the future ends all of them.
async fn serve(
    services: Arc<Services>,
    client: ClientId,
    mut listener: TcpListener,
    address: SocketAddr,
    mut cuts: watch::Receiver<Cut>,
    carrying_out: watch::Sender<Cut>,
) {
    loop {
        let mut connections = JoinSet::new();
        let until_cut = CutOff {
            cuts: cuts.clone(),
            times: carrying_out.borrow().times,
        };
        accept(&services, &client, &listener, &until_cut, &mut connections).await;
        drop(listener);
        while connections.join_next().await.is_some() {}
        let times = cuts.borrow().times;
        carrying_out.send_replace(Cut { is_on: true, times });
        let Ok(healed) = cuts.wait_for(|cut| !cut.is_on).await.map(|cut| *cut) else {
            return;
        };
        // The reserve keeps the port free of others; only sockets that are closing can be in the
        // way, and not for long.
        listener = loop {
            match socket(address).and_then(|socket| socket.listen(BACKLOG)) {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        carrying_out.send_replace(healed);
    }
}

/// The next time that a front is cut off.
#[derive(Clone)]
struct CutOff {
    cuts: watch::Receiver<Cut>,
    /// How often it was before.
    times: u64,
}

impl CutOff {
    async fn comes(mut self) {
        let times = self.times;
        // A front that is gone cuts its connections off too.
        let _ = self.cuts.wait_for(|cut| cut.times != times).await;
    }
}

/// Accepts connections until the front is cut off.
async fn accept(
    services: &Arc<Services>,
    client: &ClientId,
    listener: &TcpListener,
    until_cut: &CutOff,
    connections: &mut JoinSet<()>,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = until_cut.clone().comes() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection =
                    connection(services.clone(), client.clone(), stream, until_cut.clone());
                connections.spawn(connection);
            }
            // One that was given up meanwhile is none; without files or memory, the machine is short.
            Err(error) => {
                if error.kind() != io::ErrorKind::ConnectionAborted {
                    let failure =
                        format!("a connection of {client} could not be accepted: {error}");
                    services.recorder.fail(failure);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Whether a connection must end after a request. `hyper` does not ask a client to go on that
/// expects to be asked and has nothing to send; botocore then believes that the connection was
/// answered for good, and never sends the body of its next request.
fn ends_after(request: &Request<Incoming>) -> bool {
    request.headers().contains_key(EXPECT) && request.body().size_hint().exact() == Some(0)
}

/// Serves one connection until one side ends it, or the front is cut off.
async fn connection(
    services: Arc<Services>,
    client: ClientId,
    stream: TcpStream,
    until_cut: CutOff,
) {
    // Small answers go out at once. A stream that is gone shows itself soon enough.
    let _ = stream.set_nodelay(true);
    let (end, mut ended) = watch::channel(None);
    let service = service_fn(move |request: Request<Incoming>| {
        let (services, client, end) = (services.clone(), client.clone(), end.clone());
        async move {
            let ends = ends_after(&request);
            let how = match answer(services, client, request).await {
                Answer::Reply(mut response) => {
                    if ends {
                        let close = HeaderValue::from_static("close");
                        response.headers_mut().insert(CONNECTION, close);
                    }
                    return Ok::<Response<Body>, Infallible>(response);
                }
                Answer::Never => None,
                Answer::Close => Some(End::Close),
                Answer::Reset => Some(End::Reset),
            };
            end.send_replace(how);
            std::future::pending().await
        }
    });
    let mut serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // Cutting off comes first: an answer that is ready must not slip out.
    let how = tokio::select! {
        biased;
        () = until_cut.comes() => End::Reset,
        Ok(how) = ended.wait_for(Option::is_some) => how.unwrap_or(End::Close),
        _ = &mut serving => End::Close,
    };
    let stream = serving.into_parts().io.into_inner();
    if how == End::Reset {
        // Dropped with zero linger, a socket is reset.
        let _ = stream.set_zero_linger();
    }
}
