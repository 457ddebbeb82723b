//! Pull requests: what they hold, and what is asked of them.

use std::collections::BTreeMap;
use std::io;

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::cloud::remote::Repository;
use crate::cloud::services::Services;

/// A pull request.
#[derive(Clone)]
pub(super) struct Pull {
    title: String,
    body: Value,
    /// Its branch.
    head: String,
    /// The branch that it is to be merged into.
    base: String,
    is_draft: bool,
    is_closed: bool,
    created: String,
    comments: Vec<Value>,
}

/// A status with a document, or with what is wrong.
pub(super) type Outcome = Result<(StatusCode, Value), (StatusCode, Value)>;

pub(super) fn refused(status: StatusCode, message: &str) -> (StatusCode, Value) {
    (status, json!({ "message": message }))
}

/// What cannot be made of what was sent.
fn invalid(error: Value) -> (StatusCode, Value) {
    let body = json!({ "message": "Validation Failed", "errors": [error] });
    (StatusCode::UNPROCESSABLE_ENTITY, body)
}

/// A repository as the API shows it.
pub(super) struct View<'a> {
    pub(super) services: &'a Services,
    pub(super) repository: &'a Repository,
    pub(super) full_name: &'a str,
    /// The address of the API.
    pub(super) base: String,
}

impl View<'_> {
    pub(super) fn repository(&self) -> Value {
        let Self {
            full_name, base, ..
        } = self;
        let (owner, name) = full_name.split_once('/').unwrap_or(("", full_name));
        json!({
            "id": 1,
            "name": name,
            "full_name": full_name,
            "private": true,
            "owner": { "login": owner, "id": 1, "type": "Organization" },
            "default_branch": "main",
            "url": format!("{base}/repos/{full_name}"),
            "html_url": format!("{base}/{full_name}"),
            "clone_url": format!("{base}/{full_name}.git"),
        })
    }

    fn tip(&self, branch: &str) -> io::Result<String> {
        let name = format!("refs/heads/{branch}");
        self.services.remote.tip(&self.repository.name, &name)
    }

    fn branch(&self, name: &str) -> Value {
        let owner = self.full_name.split('/').next().unwrap_or_default();
        json!({
            "label": format!("{owner}:{name}"),
            "ref": name,
            "sha": self.tip(name).unwrap_or_default(),
            "user": { "login": owner, "id": 1, "type": "Organization" },
            "repo": self.repository(),
        })
    }

    fn pull(&self, pull: &Pull, number: usize) -> Value {
        let Self {
            full_name, base, ..
        } = self;
        json!({
            "id": number,
            "number": number,
            "state": if pull.is_closed { "closed" } else { "open" },
            "locked": false,
            "title": pull.title,
            "body": pull.body,
            "draft": pull.is_draft,
            "user": { "login": "loopback", "id": 2, "type": "User" },
            "head": self.branch(&pull.head),
            "base": self.branch(&pull.base),
            "comments": pull.comments.len(),
            "created_at": pull.created,
            "updated_at": pull.created,
            "closed_at": pull.is_closed.then_some(&pull.created),
            "merged_at": null,
            "merged": false,
            "mergeable": null,
            "url": format!("{base}/repos/{full_name}/pulls/{number}"),
            "html_url": format!("{base}/{full_name}/pull/{number}"),
            "issue_url": format!("{base}/repos/{full_name}/issues/{number}"),
            "comments_url": format!("{base}/repos/{full_name}/issues/{number}/comments"),
        })
    }

    pub(super) fn create(&self, pulls: &mut Vec<Pull>, request: &Value) -> Outcome {
        let text = |field: &str| request[field].as_str().filter(|text| !text.is_empty());
        let of_pull = |field: &str, code: &str| {
            invalid(json!({ "resource": "PullRequest", "field": field, "code": code }))
        };
        let custom = |message: String| {
            invalid(json!({ "resource": "PullRequest", "code": "custom", "message": message }))
        };
        let missing = |field: &'static str| of_pull(field, "missing_field");
        let title = text("title").ok_or_else(|| missing("title"))?;
        let head = text("head").ok_or_else(|| missing("head"))?;
        // The owner before it is that of the repository: there are no forks.
        let head = head.rsplit(':').next().unwrap_or(head);
        let base = text("base").ok_or_else(|| missing("base"))?;
        let failed = |error: io::Error| refused(StatusCode::BAD_GATEWAY, &error.to_string());
        let tips = [head, base].map(|branch| self.tip(branch));
        for (tip, field) in tips.iter().zip(["head", "base"]) {
            if tip.as_ref().is_ok_and(String::is_empty) {
                return Err(of_pull(field, "invalid"));
            }
        }
        let [of_head, of_base] = tips;
        if of_head.map_err(failed)? == of_base.map_err(failed)? {
            return Err(custom(format!("No commits between {base} and {head}")));
        }
        let is_same = |pull: &Pull| !pull.is_closed && pull.head == head && pull.base == base;
        if pulls.iter().any(is_same) {
            let owner = self.full_name.split('/').next().unwrap_or_default();
            let message = format!("A pull request already exists for {owner}:{head}.");
            return Err(custom(message));
        }
        let pull = Pull {
            title: title.to_owned(),
            body: request["body"].clone(),
            head: head.to_owned(),
            base: base.to_owned(),
            is_draft: request["draft"] == true,
            is_closed: false,
            created: self.now(),
            comments: vec![],
        };
        pulls.push(pull.clone());
        Ok((StatusCode::CREATED, self.pull(&pull, pulls.len())))
    }

    /// The newest first, those that the query asks for.
    pub(super) fn list(&self, pulls: &[Pull], parts: &Parts) -> Value {
        let query = parts.uri.query().unwrap_or_default();
        let query: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let is_wanted = |pull: &&Pull| {
            let state = query.get("state").map_or("open", String::as_str);
            let head = query.get("head").and_then(|head| head.rsplit(':').next());
            (state == "all" || pull.is_closed == (state == "closed"))
                && head.is_none_or(|head| head == pull.head)
                && query.get("base").is_none_or(|base| *base == pull.base)
        };
        let number = |field: &str| query.get(field).and_then(|text| text.parse::<usize>().ok());
        let size = number("per_page").unwrap_or(30).clamp(1, 100);
        let page = number("page").unwrap_or(1).max(1);
        let numbered = pulls
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, pull)| is_wanted(pull));
        numbered
            .skip((page - 1).saturating_mul(size))
            .take(size)
            .map(|(at, pull)| self.pull(pull, at + 1))
            .collect()
    }

    /// What is asked of one pull request.
    pub(super) fn one(
        &self,
        operation: &str,
        pull: &mut Pull,
        number: usize,
        request: &Value,
    ) -> Outcome {
        match operation {
            "comment on pull request" => {
                let body = request["body"].as_str().filter(|body| !body.is_empty());
                let missing = || {
                    invalid(json!({
                        "resource": "IssueComment", "field": "body", "code": "missing_field",
                    }))
                };
                let now = self.now();
                let comment = json!({
                    "id": number * 1_000_000 + pull.comments.len() + 1,
                    "body": body.ok_or_else(missing)?,
                    "user": { "login": "loopback", "id": 2, "type": "User" },
                    "created_at": now,
                    "updated_at": now,
                    "issue_url": format!("{}/repos/{}/issues/{number}", self.base, self.full_name),
                });
                pull.comments.push(comment.clone());
                Ok((StatusCode::CREATED, comment))
            }
            "list comments" => Ok((StatusCode::OK, Value::Array(pull.comments.clone()))),
            _ => {
                // One that is only read names nothing to change.
                let text = |field: &str| request[field].as_str().map(str::to_owned);
                pull.title = text("title").unwrap_or_else(|| pull.title.clone());
                pull.base = text("base").unwrap_or_else(|| pull.base.clone());
                if request["body"].is_string() {
                    pull.body = request["body"].clone();
                }
                if let Some(state) = text("state") {
                    pull.is_closed = state == "closed";
                }
                Ok((StatusCode::OK, self.pull(pull, number)))
            }
        }
    }

    fn now(&self) -> String {
        let recorder = &self.services.recorder;
        let seconds = recorder.unix(recorder.now()).as_secs();
        let time = DateTime::from_secs(seconds.try_into().unwrap_or(i64::MAX));
        time.fmt(DateTimeFormat::DateTime).unwrap_or_default()
    }
}
