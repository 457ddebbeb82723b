//! Which bucket a host name is of: `bucket.localhost`, `bucket.s3.region.amazonaws.com`.

use hyper::header::{AUTHORIZATION, HOST};
use hyper::http::request::Parts;
use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

use super::store::Buckets;

/// What is asked at a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Site {
    /// S3 itself: the bucket is the first part of the path.
    Service,
    /// A bucket, by S3's own protocol.
    Bucket(String),
    /// A bucket as a web site, for browsers.
    Website(String),
}

impl Site {
    /// What a host is, given which names are buckets.
    pub(super) fn of(host: &str, is_bucket: impl Fn(&str) -> bool) -> Self {
        let host = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let host = host.to_ascii_lowercase();
        if is_bucket(&host) {
            return Self::Bucket(host);
        }
        let local = host.strip_suffix(".localhost");
        if let Some(bucket) = local.and_then(|name| name.strip_suffix(".s3-website")) {
            return Self::Website(bucket.into());
        }
        if let Some(name) = local {
            return match name.strip_suffix(".s3").unwrap_or(name) {
                "s3" => Self::Service,
                bucket => Self::Bucket(bucket.into()),
            };
        }
        let Some(name) = host.strip_suffix(".amazonaws.com") else {
            return Self::Service;
        };
        // Of `bucket.s3.region` the last label with S3 in it ends the bucket's name.
        let labels: Vec<&str> = name.split('.').collect();
        let at = labels
            .iter()
            .rposition(|label| *label == "s3" || label.starts_with("s3-"));
        match at {
            Some(at) if at > 0 => {
                let bucket = labels[..at].join(".");
                match labels[at].starts_with("s3-website") {
                    true => Self::Website(bucket),
                    false => Self::Bucket(bucket),
                }
            }
            _ => Self::Service,
        }
    }

    /// What a request is for. Who comes to a bucket's own name without a signature is a browser.
    pub(super) fn asked(parts: &Parts, buckets: &Buckets) -> Self {
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.unwrap_or_default();
        let query = parts.uri.query().unwrap_or_default();
        let is_signed = parts.headers.contains_key(AUTHORIZATION) || query.contains("Signature=");
        match Self::of(host, |name| buckets.has(name)) {
            Self::Bucket(bucket) if !is_signed && host.split(':').next() == Some(&bucket) => {
                Self::Website(bucket)
            }
            site => site,
        }
    }
}

/// Tells `s3s` the bucket of a host.
pub(super) struct Hosts(pub(super) Buckets);

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let site = Site::of(host, |name| self.0.has(name));
        Ok(match site {
            Site::Bucket(bucket) => VirtualHost::new(host).with_bucket(bucket),
            Site::Service | Site::Website(_) => VirtualHost::new(host),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_names_a_bucket_in_each_of_the_usual_forms() {
        let bucket = || Site::Bucket("edit.acme.com".into());
        let website = || Site::Website("edit.acme.com".into());
        for (host, site) in [
            ("127.0.0.1:4566", Site::Service),
            ("localhost:4566", Site::Service),
            ("s3.localhost", Site::Service),
            ("s3.us-west-2.amazonaws.com", Site::Service),
            ("s3.amazonaws.com", Site::Service),
            ("cloud", Site::Service),
            ("edit.acme.com.localhost:4566", bucket()),
            ("edit.acme.com.s3.localhost:4566", bucket()),
            ("edit.acme.com.s3.amazonaws.com", bucket()),
            ("edit.acme.com.s3.us-west-2.amazonaws.com:443", bucket()),
            ("edit.acme.com.s3-us-west-2.amazonaws.com", bucket()),
            (
                "Edit.Acme.com.s3.dualstack.us-west-2.amazonaws.com",
                bucket(),
            ),
            ("edit.acme.com", bucket()),
            ("edit.acme.com.s3-website.localhost:4566", website()),
            (
                "edit.acme.com.s3-website-us-west-2.amazonaws.com",
                website(),
            ),
            (
                "edit.acme.com.s3-website.us-west-2.amazonaws.com",
                website(),
            ),
        ] {
            assert_eq!(
                Site::of(host, |name| name == "edit.acme.com"),
                site,
                "{host}"
            );
        }
    }
}
