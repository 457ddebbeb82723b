//! A system that is deployed on AWS, and what of its account may be touched: the section `[aws]`.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::fields::Template;
use super::start::Accept;
use super::text::Text;
use crate::plan::{ClientId, SessionId, fill_name};

/// What a deployed system is, and what may be done to it. What is not listed is not touched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deployed {
    /// The accounts that may be tested.
    pub accounts: Vec<String>,
    /// Those that must not, whatever else is said.
    pub forbidden: Vec<String>,
    /// Of those with an alias that looks like production, the ones that are none.
    pub alias_checked: Vec<String>,
    /// The regions.
    pub regions: Vec<String>,
    /// The tag that every resource has to have.
    pub tag: (String, String),
    /// The role of the system's worker.
    pub role: String,
    /// The sessions that there are.
    pub sessions: Vec<SessionId>,
    /// The buckets.
    pub buckets: Vec<String>,
    /// The queues.
    pub queues: Vec<String>,
    /// The tables.
    pub tables: Vec<String>,
    /// The cluster whose services run the worker.
    pub cluster: Option<String>,
    /// Those services.
    pub services: Vec<String>,
    /// The alarm that stops a run.
    pub alarm: String,
    /// Where AWS is, where that is not AWS itself.
    pub endpoint: Option<String>,
    /// The repository of a client; `None` where the tester cannot read it.
    pub git: Option<String>,
    /// The environment variable with the token for it.
    pub git_token: Option<String>,
    /// Whether the workspaces outlive the task that uses them.
    pub keeps_workspace: bool,
    /// The attribute of a session's record in which the system reads which failure is injected.
    pub failure_injection: Option<String>,
    /// The role with which the Fault Injection Service cuts tasks off; without it they are not.
    pub fis_role: Option<String>,
    /// Whether the queues of instructions need not be FIFO ones.
    pub standard_queues: bool,
    /// How many runs may be made to see that a finding that was made smaller elsewhere shows there too.
    pub shrink_runs: u32,
    /// The text of a message with an instruction; that of the built-in worker without it.
    pub message: Option<Text>,
}

impl Deployed {
    /// The URL of a client's repository.
    pub fn repository(&self, client: &ClientId) -> Option<String> {
        let git = self.git.as_ref()?;
        Some(fill_name(git, client, None))
    }

    /// The service that runs a client's container: the only one, or the only one that has its name.
    pub fn service(&self, client: &ClientId) -> Option<&String> {
        let of_client = |service: &&String| service.contains(&*client.0);
        let is_alone = self.sessions.iter().all(|it| it.client == *client);
        let mut named = self.services.iter().filter(of_client);
        match (&self.services[..], named.next(), named.next()) {
            ([one], ..) if is_alone => Some(one),
            (_, Some(one), None) => Some(one),
            _ => None,
        }
    }
}

/// The section `[aws]`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AwsSection {
    /// The accounts that may be tested, by their ids.
    #[schemars(with = "Vec<String>", length(min = 1))]
    accounts: Spanned<Vec<String>>,
    /// The accounts that must never be tested; at least production.
    #[schemars(with = "Vec<String>", length(min = 1))]
    forbid: Spanned<Vec<String>>,
    /// Of the accounts, those that may have an alias with `prod` or `live` in it.
    #[serde(default)]
    alias_checked: Vec<String>,
    /// The regions that may be tested.
    #[schemars(with = "Vec<String>", length(min = 1))]
    regions: Spanned<Vec<String>>,
    /// The tag that every resource has to have, as `key=value` [default: shakedown=allowed].
    #[schemars(with = "Option<String>")]
    tag: Option<Spanned<String>>,
    /// The ARN of the worker's role: faults are for it alone.
    #[schemars(with = "String")]
    role: Spanned<String>,
    /// The sessions that work is given to, as `client/thread`.
    #[schemars(with = "Vec<String>", length(min = 1))]
    sessions: Spanned<Vec<String>>,
    /// The buckets that may be touched.
    buckets: Vec<String>,
    /// The queues that may be touched, by their names.
    queues: Vec<String>,
    /// The tables that may be touched.
    #[serde(default)]
    tables: Vec<String>,
    /// The ECS cluster of the worker's services.
    cluster: Option<String>,
    /// The ECS services that run the worker.
    #[serde(default)]
    services: Vec<String>,
    /// The CloudWatch alarm that has to be quiet.
    alarm: String,
    /// Where AWS is, where it is not AWS itself.
    endpoint: Option<String>,
    /// The URL of a client's repository, such as "https://git.example.com/{client}.git"; the sessions'
    /// branches are looked at there. Without it, they are not.
    #[schemars(with = "Option<Template>")]
    git: Option<Spanned<Template>>,
    /// The environment variable that has the token for that repository.
    git_token: Option<String>,
    /// Whether a task that ECS starts in the place of another finds the same workspaces, as on EFS.
    #[serde(default)]
    keeps_workspace: bool,
    /// The attribute of a session's record in which the system reads that a build is to fail (`BUILD_ERROR`) or to
    /// warn (`BUILD_WARNING`) [default: failureInjection for the built-in worker's messages, else none].
    failure_injection: Option<String>,
    /// The ARN of the role with which the Fault Injection Service (FIS) cuts tasks off; without it they are not.
    #[schemars(with = "Option<String>")]
    fis_role: Option<Spanned<String>>,
    /// Whether the queues of instructions are standard ones, which keep no order: a client's next instruction is
    /// then sent when the one before is gone from the queue.
    #[serde(default)]
    standard_queues: bool,
    /// How many runs may be made there for a finding that was made smaller on sim or local, to see that it shows
    /// there too [default: 1].
    shrink_runs: Option<u32>,
}

impl AwsSection {
    /// What the section says, or what makes no sense, by its byte.
    pub(super) fn deployed(self, accept: Vec<Accept>) -> Result<Deployed, (usize, String)> {
        let is_account = |id: &String| id.len() == 12 && id.bytes().all(|it| it.is_ascii_digit());
        for (list, name) in [(&self.accounts, "accounts"), (&self.forbid, "forbid")] {
            let why = if list.get_ref().is_empty() {
                format!("`{name}` is empty: list at least one account")
            } else if let Some(id) = list.get_ref().iter().find(|id| !is_account(id)) {
                format!("`{id}` is not the id of an account, which has twelve digits")
            } else {
                continue;
            };
            return Err((list.span().start, why));
        }
        let byte = self.accounts.span().start;
        let accounts = self.accounts.into_inner();
        let forbidden = self.forbid.into_inner();
        if let Some(both) = accounts.iter().find(|id| forbidden.contains(id)) {
            return Err((byte, format!("the account {both} is also in `forbid`")));
        }
        if self.regions.get_ref().is_empty() {
            return Err((
                self.regions.span().start,
                "`regions` is empty: none may be tested".into(),
            ));
        }
        let tag = match &self.tag {
            None => ("shakedown".to_owned(), "allowed".to_owned()),
            Some(tag) => match tag.get_ref().split_once('=') {
                Some((key, value)) if !key.is_empty() => (key.to_owned(), value.to_owned()),
                _ => {
                    let why = "write the tag as key=value, such as shakedown=allowed";
                    return Err((tag.span().start, why.into()));
                }
            },
        };
        let role = self.role.get_ref();
        let is_role_of = |id: &String, role: &str| {
            let begin = format!(":iam::{id}:role/");
            role.starts_with("arn:aws") && role.contains(&begin)
        };
        if !accounts.iter().any(|id| is_role_of(id, role)) {
            let why = "`role` is not the ARN of a role of one of `accounts`, such as arn:aws:iam::123456789012:role/worker";
            return Err((self.role.span().start, why.into()));
        }
        if let Some(role) = &self.fis_role
            && !accounts.iter().any(|id| is_role_of(id, role.get_ref()))
        {
            let why = "`fis-role` is not the ARN of a role of one of `accounts`";
            return Err((role.span().start, why.into()));
        }
        let mut sessions = Vec::new();
        for text in self.sessions.get_ref() {
            let session = SessionId::parse(text).ok_or_else(|| {
                let why = format!("`{text}` is not a session: write client/thread");
                (self.sessions.span().start, why)
            })?;
            sessions.push(session);
        }
        if sessions.is_empty() {
            return Err((
                self.sessions.span().start,
                "`sessions` is empty: there is no work to give".into(),
            ));
        }
        if let Some(git) = &self.git {
            let url = &git.get_ref().0;
            let rest = url.split_once("://").map_or("", |(_, rest)| rest);
            let why = if !url.starts_with("https://") && !url.starts_with("http://") {
                "write the URL of the repository, such as https://git.example.com/{client}.git"
            } else if rest
                .split('/')
                .next()
                .is_some_and(|host| host.contains('@'))
            {
                "`git` has a password or token in it: name its variable in `git-token`"
            } else if !url.contains("{client") {
                "`git` is the same for all clients: give it {client}"
            } else {
                ""
            };
            if !why.is_empty() {
                return Err((git.span().start, why.into()));
            }
        }
        let is_by_queue = |it: &Accept| matches!(it, Accept::Sqs { .. });
        if !accept.is_empty() && !accept.iter().any(is_by_queue) {
            let why = "a deployed system is given work by its queue: add a section [[accept]] with via = \"sqs\"";
            return Err((byte, why.into()));
        }
        let message = accept.into_iter().find_map(|it| match it {
            Accept::Sqs { body, .. } => Some(body),
            _ => None,
        });
        let of_own = message.is_none().then(|| "failureInjection".to_owned());
        Ok(Deployed {
            accounts,
            forbidden,
            alias_checked: self.alias_checked,
            regions: self.regions.into_inner(),
            tag,
            role: self.role.into_inner(),
            sessions,
            buckets: self.buckets,
            queues: self.queues,
            tables: self.tables,
            cluster: self.cluster,
            services: self.services,
            alarm: self.alarm,
            endpoint: self.endpoint,
            git: self.git.map(|git| git.into_inner().0),
            git_token: self.git_token,
            keeps_workspace: self.keeps_workspace,
            failure_injection: self.failure_injection.or(of_own),
            fis_role: self.fis_role.map(Spanned::into_inner),
            standard_queues: self.standard_queues,
            shrink_runs: self.shrink_runs.unwrap_or(1),
            message,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "accounts = [\"123456789012\"]\nforbid = [\"999999999999\"]\nregions = [\"us-west-2\"]\n\
        role = \"arn:aws:iam::123456789012:role/worker\"\nsessions = [\"acme/home\"]\nbuckets = [\"b\"]\nqueues = [\"q\"]\n\
        alarm = \"a\"\n";

    fn read(text: &str) -> Result<Deployed, String> {
        let section: AwsSection = toml::from_str(text).map_err(|error| error.to_string())?;
        section.deployed(Vec::new()).map_err(|(_, why)| why)
    }

    #[test]
    fn a_list_that_allows_everything_or_nothing_is_refused() {
        let tag = read(GOOD).unwrap().tag;
        assert_eq!(tag, ("shakedown".into(), "allowed".into()));
        for (from, to, part) in [
            ("[\"123456789012\"]", "[]", "`accounts` is empty"),
            ("[\"999999999999\"]", "[]", "`forbid` is empty"),
            (
                "[\"999999999999\"]",
                "[\"123456789012\"]",
                "is also in `forbid`",
            ),
            ("[\"999999999999\"]", "[\"prod\"]", "twelve digits"),
            ("[\"us-west-2\"]", "[]", "`regions` is empty"),
            ("role/worker", "user/worker", "not the ARN of a role"),
            (
                "123456789012:role",
                "123456789013:role",
                "not the ARN of a role of one",
            ),
            (
                "alarm =",
                "fis-role = \"arn:aws:iam::999999999999:role/fis\"\nalarm =",
                "`fis-role` is not the ARN",
            ),
            ("[\"acme/home\"]", "[]", "`sessions` is empty"),
            ("[\"acme/home\"]", "[\"acme\"]", "is not a session"),
            ("alarm =", "tag = \"x\"\nalarm =", "as key=value"),
            ("alarm = \"a\"", "", "alarm"),
            ("forbid =", "forbids =", "forbids"),
            (
                "alarm =",
                "git = \"git@host:{client}\"\nalarm =",
                "the URL of the repository",
            ),
            (
                "alarm =",
                "git = \"https://me:token@host/{client}\"\nalarm =",
                "in `git-token`",
            ),
            (
                "alarm =",
                "git = \"https://host/all.git\"\nalarm =",
                "give it {client}",
            ),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = read(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(part), "{to}: {error}");
        }
    }
}
