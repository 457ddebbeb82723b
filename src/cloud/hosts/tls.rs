//! Certificates for hosts, by a CA that exists as long as the run.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// The CA, and what it has certified.
pub(super) struct Tls {
    issuer: Issuer<'static, KeyPair>,
    /// One key serves for all hosts.
    key: KeyPair,
    configs: Mutex<BTreeMap<String, Arc<ServerConfig>>>,
}

impl Tls {
    /// Makes a CA. Returns also its certificate, in PEM.
    pub(super) fn new() -> io::Result<(Self, String)> {
        let mut params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let name = "Shakedown loopback CA";
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        let tls = Self {
            issuer: Issuer::new(params, key),
            key: KeyPair::generate().map_err(io::Error::other)?,
            configs: Mutex::default(),
        };
        Ok((tls, certificate.pem()))
    }

    /// How a server shows itself to be this host.
    pub(super) fn config(&self, host: &str) -> io::Result<Arc<ServerConfig>> {
        let name = certified_name(host);
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = configs.get(&name) {
            return Ok(config.clone());
        }
        let mut names = vec![name.clone()];
        if host == "localhost" {
            names.extend(["127.0.0.1".into(), "::1".into()]);
        }
        let params = CertificateParams::new(names).map_err(io::Error::other)?;
        let certificate = params.signed_by(&self.key, &self.issuer);
        let chain = vec![certificate.map_err(io::Error::other)?.into()];
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        let mut config = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::Pkcs8(key))
            .map_err(io::Error::other)?;
        config.alpn_protocols = vec![b"http/1.1".into()];
        let config = Arc::new(config);
        configs.insert(name, config.clone());
        Ok(config)
    }
}

/// The name in a host's certificate. That of a bucket is behind a wildcard, as on AWS: it does not fit a bucket with
/// dots, and clients that check it refuse it there as here.
fn certified_name(host: &str) -> String {
    let labels: Vec<&str> = host.split('.').collect();
    let of_s3 = labels
        .iter()
        .rposition(|label| *label == "s3" || label.starts_with("s3-"));
    match of_s3 {
        Some(at) if at > 0 && host.ends_with(".amazonaws.com") => {
            format!("*.{}", labels[at..].join("."))
        }
        _ => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_of_a_bucket_is_a_wildcards_as_on_aws() {
        for (host, name) in [
            ("s3.us-west-2.amazonaws.com", "s3.us-west-2.amazonaws.com"),
            (
                "plain.s3.us-west-2.amazonaws.com",
                "*.s3.us-west-2.amazonaws.com",
            ),
            ("edit.acme.com.s3.amazonaws.com", "*.s3.amazonaws.com"),
            ("github.com", "github.com"),
        ] {
            assert_eq!(certified_name(host), name, "{host}");
        }
    }

    #[test]
    fn a_host_is_certified_once() {
        let (tls, certificate) = Tls::new().unwrap();
        assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----"));
        let first = tls.config("github.com").unwrap();
        assert!(Arc::ptr_eq(&first, &tls.config("github.com").unwrap()));
        assert!(!Arc::ptr_eq(&first, &tls.config("localhost").unwrap()));
    }
}
