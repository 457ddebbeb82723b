//! The configuration of a worker process, from its environment.

use std::fmt;
use std::path::PathBuf;

use super::secrets::Secrets;
use crate::plan::{ClientId, SessionId};

/// A worker process's configuration. It holds secrets, so it cannot be printed.
#[derive(Clone)]
pub struct Config {
    pub client: ClientId,
    /// One endpoint for all AWS services, instead of Amazon's own.
    pub aws_endpoint: Option<String>,
    pub region: String,
    pub instruction_queue: String,
    pub retry_queue: String,
    pub table: String,
    pub bucket: String,
    pub log_group: String,
    pub log_stream: String,
    pub git_base: String,
    /// How the branches of sessions are called.
    pub branch_pattern: String,
    pub git_token: String,
    pub agent_base: String,
    pub agent_key: String,
    pub agent_model: String,
    pub workspace_root: PathBuf,
    /// The shell command that builds a checkout.
    pub build_command: String,
    /// The folder in the checkout that the build fills.
    pub build_output: String,
    /// Real time for each unit of the worker's own time.
    pub time_scale: f64,
    /// What the queues take for one of the worker's seconds, in seconds of theirs.
    pub queue_scale: f64,
    /// Everything that must stay secret.
    pub secrets: Secrets,
}

/// Which variables are missing or wrong, and what each is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    pub problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot start the worker, its environment is not complete:\n")?;
        for problem in &self.problems {
            writeln!(f, "  {problem}")?;
        }
        f.write_str("set these variables and start it again")
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the configuration; `get` looks a variable up.
    ///
    /// # Errors
    /// Names every variable that is missing or wrong, not only the first.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let set = |name: &str| get(name).filter(|text| !text.is_empty());
        let or = |name: &str, default: &str| set(name).unwrap_or_else(|| default.into());
        let scales = ["TIME_SCALE", "QUEUE_TIME_SCALE"].map(|name| (name, or(name, "1")));
        let mut needed = |name: &str, meaning: &str| {
            set(name).unwrap_or_else(|| {
                problems.push(format!("{name} is missing: {meaning}"));
                String::new()
            })
        };
        let client = needed("CLIENT_ID", "the client whose sessions it works on");
        let mut config = Self {
            client: client.as_str().into(),
            aws_endpoint: set("AWS_ENDPOINT_URL"),
            region: needed("AWS_REGION", "the AWS region"),
            instruction_queue: needed(
                "INSTRUCTION_QUEUE_URL",
                "the SQS queue that instructions arrive on",
            ),
            retry_queue: needed(
                "RETRY_QUEUE_URL",
                "the SQS queue that RETRY_GIT_PUSH arrives on",
            ),
            table: needed(
                "SESSION_TABLE",
                "the DynamoDB table of the sessions, with the key sessionId",
            ),
            bucket: needed("SITE_BUCKET", "the S3 bucket of the client's site"),
            log_group: needed("LOG_GROUP", "the CloudWatch Logs group"),
            log_stream: needed("LOG_STREAM", "its stream in that group"),
            git_base: needed(
                "GIT_BASE_URL",
                "the URL under which the client's repository is <client>.git",
            ),
            branch_pattern: or("BRANCH_PATTERN", "thread-{thread}"),
            git_token: needed("GIT_TOKEN", "the token that fetch and push are allowed by"),
            agent_base: or("ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
            agent_key: needed("ANTHROPIC_API_KEY", "the key of the agent API"),
            agent_model: or("ANTHROPIC_MODEL", "claude-sonnet-4-5"),
            workspace_root: needed(
                "WORKSPACE_ROOT",
                "the folder that holds the checkouts, one for each session",
            )
            .into(),
            build_command: or("BUILD_COMMAND", "sh build.sh"),
            build_output: or("BUILD_OUTPUT", "dist"),
            time_scale: 1.0,
            queue_scale: 1.0,
            secrets: Secrets::default(),
        };
        if !client.is_empty() && SessionId::parse(&format!("{client}/x")).is_none() {
            problems.push(format!(
                "CLIENT_ID is `{client}`: it must be small letters, digits and inner hyphens"
            ));
        }
        let read = scales.map(|(name, text)| match text.parse::<f64>() {
            Ok(scale) if scale.is_finite() && scale > 0.0 => scale,
            _ => {
                problems.push(format!("{name} is `{text}`: it must be a number above 0"));
                1.0
            }
        });
        [config.time_scale, config.queue_scale] = read;
        if has_password(&config.git_base) {
            // A URL is shown in errors and kept in checkouts; a token is not.
            problems.push("GIT_BASE_URL holds a password: give it in GIT_TOKEN instead".into());
        }
        if !problems.is_empty() {
            return Err(ConfigError { problems });
        }
        let aws = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"].map(&get);
        config.secrets = Secrets::new(
            [config.git_token.clone(), config.agent_key.clone()]
                .into_iter()
                .chain(aws.into_iter().flatten()),
        );
        Ok(config)
    }
}

/// Whether a URL has a user part, as in `https://user:password@host/`.
fn has_password(url: &str) -> bool {
    url.split_once("://")
        .and_then(|(_, rest)| rest.split('/').next())
        .is_some_and(|host| host.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(name: &str) -> Option<String> {
        Some(match name {
            "AWS_ENDPOINT_URL" | "BUILD_OUTPUT" | "QUEUE_TIME_SCALE" => return None,
            "CLIENT_ID" => "acme".into(),
            "TIME_SCALE" => "0.25".into(),
            "GIT_BASE_URL" => "http://127.0.0.1:1/git".into(),
            other => format!("value of {other}"),
        })
    }

    #[test]
    fn a_complete_environment_is_read_and_defaults_fill_in() {
        let config = Config::read(complete).unwrap();
        assert_eq!(config.client, "acme".into());
        assert_eq!(config.aws_endpoint, None);
        assert_eq!(config.build_output, "dist");
        assert_eq!(config.time_scale, 0.25);
        assert_eq!(config.secrets.hide("x value of GIT_TOKEN y"), "x *** y");
    }

    #[test]
    fn every_missing_variable_is_named_with_its_meaning() {
        let Err(error) = Config::read(|_| None) else {
            panic!("an empty environment was accepted");
        };
        let text = error.to_string();
        let named = |name: &str| text.contains(&format!("\n  {name} is missing: the "));
        for name in [
            "CLIENT_ID",
            "AWS_REGION",
            "INSTRUCTION_QUEUE_URL",
            "RETRY_QUEUE_URL",
            "SESSION_TABLE",
            "SITE_BUCKET",
            "LOG_GROUP",
            "GIT_BASE_URL",
            "GIT_TOKEN",
            "ANTHROPIC_API_KEY",
            "WORKSPACE_ROOT",
        ] {
            assert!(named(name), "{name}: {text}");
        }
        assert_eq!(error.problems.len(), 12, "{text}");
    }

    #[test]
    fn wrong_values_are_reported_by_name() {
        for (name, wrong) in [
            ("CLIENT_ID", "Acme Inc"),
            ("TIME_SCALE", "0"),
            ("TIME_SCALE", "fast"),
            ("QUEUE_TIME_SCALE", "-1"),
            ("GIT_BASE_URL", "https://user:password@host/git"),
        ] {
            let Err(error) = Config::read(|asked| {
                if asked == name {
                    Some(wrong.into())
                } else {
                    complete(asked)
                }
            }) else {
                panic!("{name}={wrong} was accepted");
            };
            assert_eq!(error.problems.len(), 1, "{error}");
            assert!(error.problems[0].starts_with(name), "{error}");
        }
    }
}
