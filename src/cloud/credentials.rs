//! The keys and tokens of the loopback cloud. They open nothing else; they are still secrets to
//! the system under test, which must never reveal them.

use std::sync::LazyLock;

use regex::bytes::Regex;

/// The password of the git remote; its user is `x-access-token`.
pub const GIT_TOKEN: &str = "loopback-git-token-0123456789abcdef";

/// The AWS access key id.
pub const ACCESS_KEY: &str = "LOOPBACKACCESSKEY000";
/// The AWS secret key.
pub const SECRET_KEY: &str = "loopback-secret-key-0123456789abcdefghij";
/// The AWS account.
pub const ACCOUNT: &str = "000000000000";
/// The AWS region.
pub const REGION: &str = "us-west-2";
/// The key of the agent API.
pub const AGENT_KEY: &str = "loopback-agent-key-0123456789abcdef";

/// `x-access-token` and [`GIT_TOKEN`] as HTTP's Basic scheme writes them.
pub(super) const GIT_BASIC: &str =
    "eC1hY2Nlc3MtdG9rZW46bG9vcGJhY2stZ2l0LXRva2VuLTAxMjM0NTY3ODlhYmNkZWY=";

pub(super) const SECRETS: [&str; 4] = [SECRET_KEY, GIT_TOKEN, AGENT_KEY, GIT_BASIC];

/// Whether one of the secrets is in the bytes.
pub(super) fn has_secret(bytes: &[u8]) -> bool {
    static ANY: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let secrets = SECRETS.map(regex::escape);
        Regex::new(&secrets.join("|")).ok()
    });
    ANY.as_ref().is_some_and(|any| any.is_match(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_seen_wherever_they_stand() {
        assert!(has_secret(
            format!("fetch https://x-access-token:{GIT_TOKEN}@host").as_bytes()
        ));
        assert!(has_secret(GIT_BASIC.as_bytes()));
        assert!(!has_secret(ACCESS_KEY.as_bytes()), "an id is no secret");
        assert!(!has_secret(b""));
    }
}
