//! Which hosts of the outer world the tester answers for: the section `[network]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

/// What a system finds where it believes the outer world to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Network {
    /// How it is kept from the real one.
    pub mode: NetworkMode,
    /// The hosts, as a name or as `*.` and what comes after; the first one that fits counts.
    hosts: Vec<(String, HostService)>,
}

/// How a system is kept from the real network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkMode {
    /// In a network namespace where this user may make one, else by proxy settings.
    #[default]
    Auto,
    /// In a network namespace with nothing but its loopback interface: nothing else can be reached.
    Namespace,
    /// By proxy settings, and for Node by a preload: a program that follows neither reaches the real hosts.
    Proxy,
}

/// Who answers for a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HostService {
    /// The services of AWS, and buckets by virtual hosts.
    Aws,
    /// The git remote.
    Git,
    /// The agent's API.
    Agent,
}

/// The hosts that need not be listed.
const USUAL: [(&str, HostService); 7] = [
    ("*.amazonaws.com", HostService::Aws),
    ("*.api.aws", HostService::Aws),
    ("*.on.aws", HostService::Aws),
    ("github.com", HostService::Git),
    ("api.github.com", HostService::Git),
    ("gitlab.com", HostService::Git),
    ("api.anthropic.com", HostService::Agent),
];

/// The section `[network]`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct NetworkSection {
    /// How the system is kept from the real network: `auto`, `namespace` or `proxy`.
    #[serde(default)]
    mode: NetworkMode,
    /// Who answers for hosts besides `*.amazonaws.com`, `github.com`, `gitlab.com` and `api.anthropic.com`:
    /// `aws`, `git` or `agent`. A name may begin with `*.`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, HostService>")]
    hosts: BTreeMap<Spanned<String>, HostService>,
}

impl NetworkSection {
    /// What the section says, or what makes no sense, by its byte.
    pub(super) fn network(self) -> Result<Network, (usize, String)> {
        let mut hosts = Vec::new();
        for (name, service) in self.hosts {
            let text = name.get_ref().to_ascii_lowercase();
            if !is_host(text.strip_prefix("*.").unwrap_or(&text)) {
                let why = format!(
                    "`{}` is not the name of a host: write one such as git.example.com or *.example.com, without port or path",
                    name.get_ref()
                );
                return Err((name.span().start, why));
            }
            hosts.push((text, service));
        }
        // A whole name says more than a pattern, and a longer pattern more than a short one.
        hosts.sort_by_key(|(name, _)| (name.starts_with('*'), usize::MAX - name.len()));
        hosts.extend(Network::default().hosts);
        Ok(Network {
            mode: self.mode,
            hosts,
        })
    }
}

/// Whether a text is the name of a host, in small letters.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() < 64
            && label.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
            })
    };
    text.len() < 254 && text.split('.').all(is_label)
}

impl Default for Network {
    fn default() -> Self {
        Self {
            mode: NetworkMode::Auto,
            hosts: USUAL
                .map(|(name, service)| (name.to_owned(), service))
                .into(),
        }
    }
}

impl Network {
    /// Who answers for a host, by its name in small letters.
    pub fn service(&self, host: &str) -> Option<HostService> {
        let fits = |pattern: &str| match pattern.strip_prefix('*') {
            Some(end) => host.len() > end.len() && host.ends_with(end),
            None => host == pattern,
        };
        let found = self.hosts.iter().find(|(pattern, _)| fits(pattern));
        found.map(|(_, service)| *service)
    }

    /// The hosts that have a whole name.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        let names = self.hosts.iter().map(|(name, _)| name.as_str());
        names.filter(|name| !name.starts_with('*'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Result<Network, String> {
        let section: NetworkSection = toml::from_str(text).map_err(|error| error.to_string())?;
        section.network().map_err(|(_, why)| why)
    }

    #[test]
    fn a_host_is_found_by_its_name_or_by_a_pattern() {
        let own = "hosts = { \"*.example.com\" = \"agent\", \"git.example.com\" = \"git\" }";
        let network = network(own).unwrap();
        for (host, service) in [
            ("sqs.us-west-2.amazonaws.com", Some(HostService::Aws)),
            (
                "edit.acme.com.s3.us-west-2.amazonaws.com",
                Some(HostService::Aws),
            ),
            ("amazonaws.com", None),
            ("notamazonaws.com", None),
            ("github.com", Some(HostService::Git)),
            ("raw.github.com", None),
            ("git.example.com", Some(HostService::Git)),
            ("api.example.com", Some(HostService::Agent)),
            ("example.com", None),
            ("pypi.org", None),
        ] {
            assert_eq!(network.service(host), service, "{host}");
        }
        assert_eq!(network.mode, NetworkMode::Auto);
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for name in [
            "https://a.com",
            "a.com:443",
            "a..com",
            "",
            "*",
            "a.*.com",
            "a b",
        ] {
            let text = format!("hosts = {{ \"{name}\" = \"git\" }}");
            let error = network(&text).unwrap_err();
            assert!(
                error.contains("is not the name of a host"),
                "{name}: {error}"
            );
        }
        assert!(network("mode = \"vpn\"").is_err());
    }
}
