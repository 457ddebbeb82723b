//! Tokens and keys, which are removed from every text that leaves the worker.

use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Shorter secrets are no secrets, and hiding them would garble ordinary words.
const SHORTEST: usize = 4;

/// The secrets that a worker was given.
#[derive(Clone, Default)]
pub struct Secrets(Rc<[String]>);

impl Secrets {
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut all: Vec<String> = secrets
            .into_iter()
            .filter(|secret| secret.len() >= SHORTEST)
            .collect();
        // The header that git sends contains the token too.
        let headers: Vec<String> = all.iter().map(|token| basic_credentials(token)).collect();
        all.extend(headers);
        // Longer ones first, so that no rest of one is left when it holds another.
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(all.into())
    }

    /// The text with every secret replaced by `***`.
    pub fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &*self.0 {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), "***");
            }
        }
        text
    }
}

/// A token in the form of HTTP's basic authentication, for the user that git hosts expect.
pub fn basic_credentials(token: &str) -> String {
    STANDARD.encode(format!("x-access-token:{token}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_in_every_form_that_they_travel_in() {
        let secrets = Secrets::new(["abc1234".into(), "abc1234567".into(), "ab".into()]);
        let text = format!("{} abc1234567 ab", basic_credentials("abc1234"));
        assert_eq!(secrets.hide(&text), "*** *** ab");
    }
}
