//! The keys and tokens of the loopback cloud. They open nothing else; they are still secrets to
//! the system under test, which must never reveal them.

use std::sync::LazyLock;

use regex::bytes::Regex;

/// The token of the git remote: as the password of any user, or as the user with any password.
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

/// What [`GIT_TOKEN`] looks like where HTTP's Basic scheme has it, by how many bytes stand before it
/// in a group of three.
const GIT_BASIC: [&str; 3] = [
    "bG9vcGJhY2stZ2l0LXRva2VuLTAxMjM0NTY3ODlhYmNkZW",
    "xvb3BiYWNrLWdpdC10b2tlbi0wMTIzNDU2Nzg5YWJjZGVm",
    "sb29wYmFjay1naXQtdG9rZW4tMDEyMzQ1Njc4OWFiY2RlZ",
];

pub(super) const SECRETS: [&str; 6] = [
    SECRET_KEY,
    GIT_TOKEN,
    AGENT_KEY,
    GIT_BASIC[0],
    GIT_BASIC[1],
    GIT_BASIC[2],
];

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
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD as STANDARD;

    use super::*;

    #[test]
    fn secrets_are_seen_wherever_they_stand() {
        assert!(has_secret(
            format!("fetch https://x-access-token:{GIT_TOKEN}@host").as_bytes()
        ));
        for user in ["", "x", "me", "git", "x-access-token", "oauth2"] {
            for basic in [format!("{user}:{GIT_TOKEN}"), format!("{GIT_TOKEN}:{user}")] {
                assert!(has_secret(STANDARD.encode(basic).as_bytes()));
            }
        }
        assert!(!has_secret(ACCESS_KEY.as_bytes()), "an id is no secret");
        assert!(!has_secret(b""));
    }
}
