//! The hosts that containers take for the outer world: which service each is, TLS with a CA of the run, the names
//! that lead here, and what is refused.

mod dns;
mod opening;
mod tls;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::header::HOST;
use hyper::http::request::Parts;
use hyper::{StatusCode, Uri};

pub(super) use self::dns::serve as serve_names;
pub(super) use self::opening::open;
use self::tls::Tls;
use super::CloudConfig;
use super::answer::Answer;
use super::protocol::header;
use super::route::text;
use super::services::Services;
use super::watch::Request;
use crate::error::TargetError;
use crate::history::{CallAnswer, ServiceCall, What};
use crate::plan::ClientId;
use crate::process::namespace::{self, Made, Wanted};
use crate::profile::{HostService, Network, NetworkMode};

/// What containers find where they believe the outer world to be.
pub(super) struct Hosts {
    network: Network,
    mode: NetworkMode,
    /// Each is also a host: the web site of the bucket.
    buckets: Vec<String>,
    tls: Tls,
    /// The certificate of the CA, for clients; the folder has all other files too.
    ca: PathBuf,
    folder: PathBuf,
    /// Where containers may write.
    writable: Vec<PathBuf>,
}

/// How a connection was opened.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Opening {
    /// The host that it is for, where that was said before the first request.
    host: Option<String>,
    is_tls: bool,
}

/// The address that a request came to, without its path.
pub(super) fn base_url(parts: &Parts) -> String {
    let is_tls = parts.extensions.get().is_some_and(|of: &Opening| of.is_tls);
    let scheme = if is_tls { "https" } else { "http" };
    format!(
        "{scheme}://{}",
        header(parts, HOST.as_str()).unwrap_or_default()
    )
}

/// The preload that leads Node here, where there is no namespace.
const PRELOAD: &str = include_str!("hosts/preload.js");

/// Variables by which programs find the CA that they are to trust.
const CA_VARIABLES: [&str; 6] = [
    "AWS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
];

impl Hosts {
    /// Makes a CA, and the files that containers are given.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub(super) fn new(
        network: &Network,
        config: &CloudConfig,
        folder: &Path,
    ) -> Result<Self, TargetError> {
        let folder = folder.join("hosts");
        let failed = |why: &dyn std::fmt::Display| {
            TargetError::new(
                format!("making the CA of a run in {}", folder.display()),
                why,
                "set TMPDIR to a folder that can be written to",
            )
        };
        let (tls, certificate) = Tls::new().map_err(|error| failed(&error))?;
        let own = Self {
            network: network.clone(),
            mode: config.profile.network_mode(),
            writable: config.writable.clone(),
            buckets: config.buckets().into_values().collect(),
            tls,
            ca: folder.join("ca.pem"),
            folder: folder.clone(),
        };
        // Programs ask for the machine's own name too.
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let hosts: Vec<&str> = own
            .network
            .named()
            .chain([machine.trim()])
            .chain(own.buckets.iter().map(String::as_str))
            .collect();
        let files = [
            ("ca.pem", certificate),
            ("preload.js", PRELOAD.to_owned()),
            (
                "hosts",
                format!("127.0.0.1 localhost {}\n::1 localhost\n", hosts.join(" ")),
            ),
            (
                "resolv.conf",
                "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n".into(),
            ),
            (
                "nsswitch.conf",
                "passwd: files\ngroup: files\nhosts: files dns\n".into(),
            ),
        ];
        std::fs::create_dir_all(&folder).map_err(|error| failed(&error))?;
        for (name, text) in files {
            std::fs::write(folder.join(name), text).map_err(|error| failed(&error))?;
        }
        Ok(own)
    }

    /// A network of its own for a front at this port; `None` where proxy settings have to do.
    ///
    /// # Errors
    /// Where the profile asks for one and none can be made.
    pub(super) fn enclose(&self, port: u16) -> Result<Option<Made>, TargetError> {
        if self.mode == NetworkMode::Proxy {
            return Ok(None);
        }
        let file = |name: &str, to: &str| (self.folder.join(name), PathBuf::from(to));
        let made = namespace::make(&Wanted {
            ports: vec![80, 443, port],
            names: true,
            writable: self.writable.clone(),
            files: vec![
                file("hosts", "/etc/hosts"),
                file("resolv.conf", "/etc/resolv.conf"),
                file("nsswitch.conf", "/etc/nsswitch.conf"),
                // A program that is told of no CA looks here.
                file("ca.pem", "/etc/ssl/certs/ca-certificates.crt"),
                file("ca.pem", "/etc/pki/tls/certs/ca-bundle.crt"),
            ],
        });
        match made {
            Ok(made) => Ok(Some(made)),
            Err(error) if self.mode == NetworkMode::Auto => {
                tracing::info!("no network namespace can be made: {error}");
                Ok(None)
            }
            Err(error) => Err(TargetError::new(
                "making a network of its own for a container",
                error,
                "allow this user namespaces (`shakedown doctor` tries them), or write mode = \"proxy\" \
                 in [network] of the profile",
            )),
        }
    }

    /// What a process needs in its environment to take the hosts for the real ones; `proxy` is the front's
    /// address, where the process has no network of its own.
    pub(super) fn environment(&self, proxy: Option<&str>) -> Vec<(&'static str, String)> {
        let ca = self.ca.display().to_string();
        let mut all: Vec<_> = CA_VARIABLES.map(|name| (name, ca.clone())).into();
        let Some(url) = proxy else {
            return all;
        };
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
            all.push((name, url.to_owned()));
        }
        for name in ["NO_PROXY", "no_proxy"] {
            all.push((name, "127.0.0.1,localhost".into()));
        }
        let preload = self.folder.join("preload.js");
        all.push(("NODE_OPTIONS", format!("--require={}", preload.display())));
        all.push((
            "SHAKEDOWN_FRONT",
            url.trim_start_matches("http://").to_owned(),
        ));
        all
    }

    /// The file with the certificate of the CA.
    pub(super) fn ca(&self) -> &Path {
        &self.ca
    }

    /// Who answers for a host.
    fn service(&self, host: &str) -> Option<HostService> {
        let of_bucket = || {
            self.buckets
                .iter()
                .any(|it| it == host)
                .then_some(HostService::Aws)
        };
        self.network.service(host).or_else(of_bucket)
    }
}

/// Whether a host is this machine itself.
fn is_own(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost"
        || host.ends_with(".localhost")
        || address.is_ok_and(|address| address.is_loopback())
}

/// A host in small letters, without its port and a dot at the end.
fn host_name(text: &str) -> String {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let host = match text.rsplit_once(':') {
        Some((host, port)) if is_port(port) && !host.ends_with(':') => host,
        _ => text,
    };
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// Records that a container asked for a host that nobody answers for.
fn record_unknown(services: &Services, client: &ClientId, host: &str) {
    services.recorder.record(What::Called {
        client: client.clone(),
        call: Arc::new(ServiceCall {
            service: ServiceCall::UNKNOWN_HOST.into(),
            operation: host.into(),
            about: None,
            answer: CallAnswer::NotServed,
        }),
    });
    services.watch.show(|| Request {
        at: services.recorder.now(),
        client: client.clone(),
        what: format!("{} {host}", ServiceCall::UNKNOWN_HOST),
        status: None,
    });
}

/// Which service a request means by its host; `None` where only its path says so. The request then names no host
/// in its first line any more.
///
/// # Errors
/// The answer to a request for a host that nobody answers for.
pub(super) fn asked(
    services: &Services,
    client: &ClientId,
    parts: &mut Parts,
) -> Result<Option<HostService>, Box<Answer>> {
    let Some(hosts) = &services.hosts else {
        return Ok(None);
    };
    let opened_for = parts
        .extensions
        .get()
        .and_then(|of: &Opening| of.host.clone());
    // A proxy is asked with the whole address.
    let of_proxy = parts.uri.authority().map(|it| it.host().to_owned());
    if of_proxy.is_some() {
        let path = parts.uri.path_and_query();
        parts.uri = path.map_or_else(|| Uri::from_static("/"), |path| path.clone().into());
    }
    let of_header = || header(parts, HOST.as_str()).map(str::to_owned);
    let Some(host) = opened_for.or(of_proxy).or_else(of_header) else {
        return Ok(None);
    };
    let host = host_name(&host);
    let service = hosts.service(&host);
    if service.is_none() && !is_own(&host) {
        record_unknown(services, client, &host);
        let words = format!("the loopback cloud does not answer for {host}\n");
        return Err(Box::new(text(StatusCode::FORBIDDEN, &words)));
    }
    Ok(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_without_its_port_and_case() {
        for (text, host, own) in [
            (
                "S3.us-west-2.amazonaws.com:443",
                "s3.us-west-2.amazonaws.com",
                false,
            ),
            ("github.com.", "github.com", false),
            ("127.0.0.1:4566", "127.0.0.1", true),
            ("[::1]:80", "[::1]", true),
            ("a.localhost", "a.localhost", true),
            ("169.254.169.254", "169.254.169.254", false),
        ] {
            assert_eq!(
                (host_name(text).as_str(), is_own(&host_name(text))),
                (host, own),
                "{text}"
            );
        }
    }
}
