//! A front: the listener that one container calls, so that each request is known to be its
//! own, and it can be cut off alone.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, EXPECT, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

use futures::future::join_all;
use nix::sys::socket::{Backlog, Shutdown, listen, shutdown};

use super::answer::{Answer, Body};
use super::hosts;
use super::route::answer;
use super::services::Services;
use crate::error::TargetError;
use crate::plan::ClientId;
use crate::process::namespace::{Made, Namespace};
use crate::profile::Names;

/// The endpoint of one client's container: every service of the cloud, at one address.
pub struct Front {
    client: ClientId,
    address: SocketAddr,
    names: Names,
    /// The network of its container, where that has one of its own.
    namespace: Option<Arc<Namespace>>,
    services: Arc<Services>,
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
    /// Listens on a free port of the loopback interface, and in a network of its container's own, where it is to have
    /// one. The future serves the front until it is dropped.
    ///
    /// # Errors
    /// When no port is free, or the profile asks for a network that cannot be made.
    pub(super) fn open(
        services: Arc<Services>,
        client: ClientId,
    ) -> Result<(Self, impl Future<Output = ()> + Send), TargetError> {
        let failed = |error: io::Error| {
            TargetError::new(
                format!("listening on 127.0.0.1 for the container of {client}"),
                error,
                "close programs that hold many ports or files, or raise `ulimit -n`",
            )
        };
        let outside = Port::outside().map_err(failed)?;
        let address = outside.address().map_err(failed)?;
        let made = match &services.hosts {
            Some(hosts) if services.config.encloses => hosts.enclose(address.port())?,
            _ => None,
        };
        let mut ports = vec![outside];
        let (mut namespace, mut names) = (None, None);
        if let Some(made) = made {
            let Made {
                namespace: of,
                listening,
                names: asked,
            } = made;
            ports.extend(listening.into_iter().map(Port::Inside));
            namespace = Some(Arc::new(of));
            names = asked.map(name_socket).transpose().map_err(failed)?;
        }
        let listeners: io::Result<Vec<TcpListener>> = ports.iter().map(Port::listen).collect();
        let listeners = listeners.map_err(failed)?;
        let (cut, cuts) = watch::channel(Cut::default());
        let (carrying_out, carried_out) = watch::channel(Cut::default());
        let front = Self {
            client: client.clone(),
            address,
            names: services.config.profile.names.clone(),
            namespace,
            services: services.clone(),
            cut,
            carried_out,
        };
        let serving = async move {
            let of_names = (services.clone(), client.clone());
            let serve_names = async move {
                if let Some(socket) = names {
                    hosts::serve_names(of_names.0, of_names.1, socket).await;
                }
            };
            let serve = serve(services, client, ports, listeners, cuts, carrying_out);
            tokio::join!(serve, serve_names);
        };
        Ok((front, serving))
    }

    /// The network of its container; `None` where that is the machine's.
    pub fn namespace(&self) -> Option<&Arc<Namespace>> {
        self.namespace.as_ref()
    }

    /// What its container needs in its environment to find the hosts that it takes for the outer world.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let Some(hosts) = &self.services.hosts else {
            return Vec::new();
        };
        let url = self.url();
        hosts.environment(self.namespace.is_none().then_some(&url))
    }

    /// The file with the certificate of the CA that its container is to trust, where it has to do with one.
    pub fn ca(&self) -> Option<&std::path::Path> {
        Some(self.services.hosts.as_ref()?.ca())
    }

    pub fn client(&self) -> &ClientId {
        &self.client
    }

    /// The base URL of every AWS service and of the agent API, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base URL of the git remote.
    pub fn git_url(&self) -> String {
        format!("{}/git", self.url())
    }

    /// The URL of the repository with the branches of the client's sessions.
    pub fn repository_url(&self) -> String {
        format!(
            "{}/{}.git",
            self.git_url(),
            self.names.repository(&self.client)
        )
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

/// Where a front can be called.
enum Port {
    /// In the machine's network. The socket, which is bound and never listens, keeps the port while the front is cut
    /// off.
    Outside(TcpSocket),
    /// In a network of its container's own, where it stays bound.
    Inside(OwnedFd),
}

impl Port {
    fn outside() -> io::Result<Self> {
        socket(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).map(Self::Outside)
    }

    fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Outside(reserve) => reserve.local_addr(),
            Self::Inside(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn listen(&self) -> io::Result<TcpListener> {
        match self {
            Self::Outside(reserve) => socket(reserve.local_addr()?)?.listen(BACKLOG),
            Self::Inside(bound) => {
                listen(bound, Backlog::new(BACKLOG.cast_signed())?)?;
                let listener = std::net::TcpListener::from(bound.try_clone()?);
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener)
            }
        }
    }

    /// Refuses connections, once nothing listens any more.
    fn close(&self) {
        if let Self::Inside(bound) = self {
            // Closed by another copy of it, it would go on.
            let _ = shutdown(bound.as_raw_fd(), Shutdown::Both);
        }
    }
}

fn name_socket(socket: OwnedFd) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::from(socket);
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
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
    ports: Vec<Port>,
    mut listeners: Vec<TcpListener>,
    mut cuts: watch::Receiver<Cut>,
    carrying_out: watch::Sender<Cut>,
) {
    loop {
        let until_cut = CutOff {
            cuts: cuts.clone(),
            times: carrying_out.borrow().times,
        };
        let accepting = listeners
            .iter()
            .map(|listener| accept(&services, &client, listener, &until_cut));
        let connections = join_all(accepting).await;
        drop(listeners);
        ports.iter().for_each(Port::close);
        for mut connections in connections {
            while connections.join_next().await.is_some() {}
        }
        let times = cuts.borrow().times;
        carrying_out.send_replace(Cut { is_on: true, times });
        let Ok(healed) = cuts.wait_for(|cut| !cut.is_on).await.map(|cut| *cut) else {
            return;
        };
        // Nobody else can have the ports; only sockets that are closing can be in the way, and not for long.
        listeners = loop {
            match ports.iter().map(Port::listen).collect() {
                Ok(listeners) => break listeners,
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

/// Accepts connections until the front is cut off. Returns those that are to end for that.
async fn accept(
    services: &Arc<Services>,
    client: &ClientId,
    listener: &TcpListener,
    until_cut: &CutOff,
) -> JoinSet<()> {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = until_cut.clone().comes() => return connections,
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
    let opened = tokio::select! {
        biased;
        () = until_cut.clone().comes() => return,
        opened = hosts::open(&services, &client, stream) => opened,
    };
    let Ok(Some((stream, opening))) = opened else {
        return;
    };
    let (end, mut ended) = watch::channel(None);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (services, client, end) = (services.clone(), client.clone(), end.clone());
        request.extensions_mut().insert(opening.clone());
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
        let _ = stream.tcp().set_zero_linger();
    }
}
