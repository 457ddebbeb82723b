//! One event as one readable line: when, who, what.

use super::{Branch, Death, Event, GitOutcome, Level, S3Operation, S3Outcome, What};
use crate::plan::Mark;

/// The event in one line.
pub(crate) fn line(event: &Event) -> String {
    let (who, what) = describe(&event.what);
    let text = format!("{:>9.3} s  {who:<12} {what}", event.at.as_secs_f64());
    text.replace(['\n', '\r'], " ")
}

/// Who did it or whom it concerns, and what it was.
pub(crate) fn describe(what: &What) -> (String, String) {
    match what {
        What::StepBegan { index, step, .. } => tester(match index {
            Some(index) => format!("step {}: {step}", index + 1),
            None => format!("{step}"),
        }),
        What::Healed => tester("all faults healed, recovery begins".into()),
        What::OutsiderPushed {
            session,
            mark,
            branch,
        } => of(
            session,
            format!("{mark} came from outside; remote has {}", commits(branch)),
        ),
        What::SiteBuilt { client, build } => {
            let made = match &build.error {
                None => format!("{} files", build.files.len()),
                Some(error) => format!("it fails: {error}"),
            };
            let of_marks = marks(&build.marks);
            of(
                client,
                format!("the tester built {of_marks} itself: {made}"),
            )
        }
        What::Sent { session, mark } => of(session, format!("instruction {mark} sent")),
        What::Delivered {
            session,
            mark,
            receives,
        } => of(
            session,
            format!("instruction {mark} delivered, receive {receives}"),
        ),
        What::Acknowledged { session, mark } => of(session, format!("{mark} acknowledged")),
        What::DeadLettered { session, mark } => {
            of(session, format!("{mark} moved to the dead letters"))
        }
        What::RetrySent { session } => of(session, "RETRY_GIT_PUSH sent".into()),
        What::RetryDelivered { session } => of(session, "RETRY_GIT_PUSH delivered".into()),
        What::AgentAsked {
            client,
            mark,
            status,
            retry_after,
            cut,
        } => {
            let wish = mark.map(|mark| format!(" for {mark}")).unwrap_or_default();
            let answer = status.map_or("no answer".into(), |status| status.to_string());
            let wait = retry_after
                .map(|wait| format!(", retry after {:.1} s", wait.as_secs_f64()))
                .unwrap_or_default();
            let cut = cut.map(|cut| format!(", cut: {cut}")).unwrap_or_default();
            of(client, format!("agent asked{wish}: {answer}{cut}{wait}"))
        }
        What::Fetched { client, outcome } => of(client, format!("git fetch: {}", git(*outcome))),
        What::PushBegan { client } => of(client, "git push began".into()),
        What::Pushed {
            client,
            session,
            outcome,
            branch,
        } => {
            let branch = branch.as_ref().map(|branch| commits(branch));
            let branch = branch.map(|it| format!("; remote has {it}"));
            let who = session
                .as_ref()
                .map_or_else(|| client.to_string(), ToString::to_string);
            let branch = branch.unwrap_or_default();
            of(&who, format!("git push: {}{branch}", git(*outcome)))
        }
        What::Committed { session, branch } => {
            of(session, format!("workspace has {}", commits(branch)))
        }
        What::ObjectPut {
            client,
            key,
            content,
            answered,
        } => {
            let lost = if *answered { "" } else { ", answer lost" };
            of(
                client,
                format!("S3 put {key} with {}{lost}", marks(&content.marks)),
            )
        }
        What::ObjectDeleted { client, key } => of(client, format!("S3 delete {key}")),
        What::S3Asked {
            client,
            operation,
            outcome,
        } => of(
            client,
            format!("S3 {}: {}", operation_word(*operation), s3(*outcome)),
        ),
        What::RecordWritten { session, record } => {
            let mut text = format!("record: {}", record.status);
            if let Some(error) = &record.last_error {
                text.push_str(&format!(", lastError {error:?}"));
            }
            if !record.warnings.is_empty() {
                text.push_str(&format!(", warnings {:?}", record.warnings));
            }
            of(session, text)
        }
        What::Refused { client, place } => of(client, format!("{place}: refused")),
        What::TaskReported {
            client,
            token,
            report,
            refused,
        } => {
            let refused = refused
                .as_ref()
                .map(|code| format!(": refused with {code}"));
            let refused = refused.unwrap_or_default();
            of(client, format!("task {token} {report}{refused}"))
        }
        What::OutcomeReported {
            session,
            mark,
            outcome,
            by,
        } => of(session, format!("{mark} reported as {outcome} by {by}")),
        What::Called { client, call } => of(client, call.to_string()),
        What::BuildBegan { client, command } => of(client, format!("build began: {command}")),
        What::BuildEnded {
            client,
            command,
            end,
        } => of(
            client,
            format!("build ended: {command}: {end}, {}", marks(&end.marks)),
        ),
        What::Trespassed {
            client,
            owner,
            what,
        } => of(client, format!("refused: {what}, which is {owner}'s")),
        What::SecretSeen { client, place } => of(client, format!("a secret is in {place}")),
        What::Started { client } => of(client, "container started".into()),
        What::Died { client, cause } => of(client, format!("container died: {}", death(*cause))),
        What::Logged {
            client,
            session,
            level,
            text,
            phase,
            ..
        } => {
            let who = session
                .as_ref()
                .map_or_else(|| client.to_string(), ToString::to_string);
            let level = match level {
                Level::Info => "log",
                Level::Warn => "log WARN",
                Level::Error => "log ERROR",
            };
            let phase = phase.map(|phase| format!(" [{phase}]")).unwrap_or_default();
            (who, format!("{level}{phase} {text}"))
        }
    }
}

fn tester(text: String) -> (String, String) {
    ("tester".into(), text)
}

fn of(who: &impl ToString, text: String) -> (String, String) {
    (who.to_string(), text)
}

fn commits(branch: &Branch) -> String {
    let each = branch.commits.iter().map(|commit| {
        if commit.merge {
            "a merge".into()
        } else {
            marks(&commit.adds)
        }
    });
    let all: Vec<String> = each.collect();
    if all.is_empty() {
        return "no commit".into();
    }
    all.join(", ")
}

fn marks(marks: &[Mark]) -> String {
    if marks.is_empty() {
        return "no mark".into();
    }
    let all: Vec<String> = marks.iter().map(Mark::to_string).collect();
    all.join(" ")
}

fn git(outcome: GitOutcome) -> &'static str {
    match outcome {
        GitOutcome::Done => "done",
        GitOutcome::Rejected => "rejected",
        GitOutcome::AuthFailed => "authentication failed",
        GitOutcome::Unavailable => "no answer",
    }
}

fn s3(outcome: S3Outcome) -> &'static str {
    match outcome {
        S3Outcome::Done => "done",
        S3Outcome::Denied => "AccessDenied",
        S3Outcome::NoSuchBucket => "NoSuchBucket",
        S3Outcome::Unavailable => "unavailable",
    }
}

fn operation_word(operation: S3Operation) -> &'static str {
    match operation {
        S3Operation::List => "list",
        S3Operation::Get => "get",
        S3Operation::Put => "put",
        S3Operation::Delete => "delete",
    }
}

/// What a container died of.
pub(crate) fn death(cause: Death) -> &'static str {
    match cause {
        Death::Crash => "crash",
        Death::OutOfMemory => "out of memory",
        Death::WorkspaceLost => "crash, and its workspace is lost",
        Death::Exit => "it ended by itself",
    }
}
