//! What comes before the first request of a connection: that it is to be passed on to a host, and TLS.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::server::TlsStream;

use super::{Opening, host_name, is_own, record_unknown};
use crate::cloud::services::Services;
use crate::plan::ClientId;

/// A connection, with TLS or without.
pub(in crate::cloud) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// The connection below.
    fn tcp(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Stream for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// The first byte of TLS.
const HANDSHAKE: u8 = 0x16;
/// The longest request to be passed on to a host.
const LONGEST_HEAD: usize = 8192;

/// Reads what comes before the first request, if anything does. `None` where the connection ends with that.
///
/// # Errors
/// When the other side breaks off.
pub(in crate::cloud) async fn open(
    services: &Arc<Services>,
    client: &ClientId,
    mut stream: TcpStream,
) -> io::Result<Option<(Box<dyn Stream>, Opening)>> {
    let Some(hosts) = &services.hosts else {
        return Ok(Some((Box::new(stream), Opening::default())));
    };
    let mut opened_for = None;
    let mut first = first_byte(&stream).await?;
    // No other method that a client of these services has begins so.
    if first == Some(b'C') {
        let Some(host) = passed_on_to(&mut stream).await? else {
            return Ok(None);
        };
        if !is_own(&host) {
            if hosts.service(&host).is_none() {
                record_unknown(services, client, &host);
                let refusal =
                    b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(refusal).await?;
                return Ok(None);
            }
            opened_for = Some(host);
        }
        let taken = b"HTTP/1.1 200 Connection established\r\n\r\n";
        stream.write_all(taken).await?;
        first = first_byte(&stream).await?;
    }
    match first {
        None => Ok(None),
        Some(HANDSHAKE) => {
            let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
            let named = begun.client_hello().server_name().map(host_name);
            let host = named.or(opened_for);
            if let Some(host) = &host
                && !is_own(host)
                && hosts.service(host).is_none()
            {
                record_unknown(services, client, host);
                return Ok(None);
            }
            let config = hosts.tls.config(host.as_deref().unwrap_or("localhost"))?;
            let stream = begun.into_stream(config).await?;
            Ok(Some((Box::new(stream), Opening { host, is_tls: true })))
        }
        Some(_) => Ok(Some((
            Box::new(stream),
            Opening {
                host: opened_for,
                is_tls: false,
            },
        ))),
    }
}

/// The first byte that the other side sends, which stays to be read; `None` where it sends none.
async fn first_byte(stream: &TcpStream) -> io::Result<Option<u8>> {
    let mut first = [0];
    let read = stream.peek(&mut first).await?;
    Ok((read > 0).then_some(first[0]))
}

/// The host that a connection is to be passed on to; `None` where the request says something else.
async fn passed_on_to(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == LONGEST_HEAD {
            return Ok(None);
        }
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let mut words = head.split(' ');
    Ok(match (words.next(), words.next()) {
        (Some("CONNECT"), Some(host)) => Some(host_name(host)),
        _ => None,
    })
}
