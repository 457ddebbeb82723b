//! Bringing a branch to the remote: push, and where others were faster, rebase or merge.

use super::container::Worker;
use super::ports::{Force, Kind, PortError, PortResult, PushError, Rebase, SessionRecord};
use crate::history::Level;
use crate::plan::SessionId;

impl Worker {
    /// Pushes the session's branch; where that cannot be done now, the work is saved locally and
    /// the push put off. The record says which; the caller saves it.
    pub(super) async fn publish(&self, session: &SessionId, record: &mut SessionRecord) {
        match self.push_with_retries(session).await {
            Ok(conflict) => {
                self.unpushed.borrow_mut().remove(session);
                record.push_put_off = None;
                record.saved_locally.clear();
                record.push_warning = conflict;
                self.say(Level::Info, Some(session), "Git push complete")
                    .await;
            }
            Err(error) => {
                self.unpushed.borrow_mut().insert(session.clone());
                let text = format!("Saved work locally: git push failed: {error}");
                self.say(Level::Error, Some(session), &text).await;
                record.push_put_off = Some(text);
                if let Ok(status) = self.ports.workspace.status(session).await {
                    record.saved_locally = status
                        .ahead
                        .into_iter()
                        .filter(|id| !id.is_empty())
                        .collect();
                }
            }
        }
    }

    /// Returns the warning for a conflict that was resolved on the way, if there was one.
    async fn push_with_retries(&self, session: &SessionId) -> PortResult<Option<String>> {
        let mut conflict = None;
        let mut attempt = 1;
        loop {
            let limit = self.settings.git_limit;
            let push = self.ports.workspace.push(session, Force::Never);
            let pushed = self
                .ask("git", limit, async {
                    match push.await {
                        Ok(()) => Ok(None),
                        Err(PushError::Rejected(text)) => Ok(Some(text)),
                        Err(PushError::Failed(error)) => Err(error),
                    }
                })
                .await;
            let error = match pushed {
                Ok(None) => return Ok(conflict),
                Ok(Some(text)) => {
                    let text = format!("git push rejected: {text}");
                    self.say(Level::Warn, Some(session), &text).await;
                    match self.integrate(session).await {
                        Ok(warning) => conflict = warning.or(conflict),
                        Err(error) => self.say_push_error(session, &error).await,
                    }
                    PortError::new(Kind::Other, text)
                }
                Err(error) => {
                    self.say_push_error(session, &error).await;
                    error
                }
            };
            // Credentials do not get better by trying again at once.
            if attempt >= self.settings.push.attempts || error.kind == Kind::Denied {
                return Err(error);
            }
            let chance = self.ports.clock.chance();
            let wait = self.settings.push.wait(attempt, chance, error.retry_after);
            self.ports.clock.sleep(wait).await;
            attempt += 1;
        }
    }

    async fn say_push_error(&self, session: &SessionId, error: &PortError) {
        let text = match error.kind {
            Kind::Denied => format!("Authentication failed: {error}"),
            _ => format!("git push failed: {error}"),
        };
        self.say(Level::Error, Some(session), &text).await;
    }

    /// Takes in what the remote has: by a rebase, or where that conflicts by a merge that keeps
    /// both histories. Returns the warning for a conflict.
    async fn integrate(&self, session: &SessionId) -> PortResult<Option<String>> {
        self.say(Level::Info, Some(session), "Pulling changes")
            .await;
        let workspace = &self.ports.workspace;
        self.ask("git", self.settings.git_limit, workspace.fetch(session))
            .await?;
        self.say(Level::Info, Some(session), "Rebasing").await;
        if workspace.rebase(session).await? == Rebase::Done {
            return Ok(None);
        }
        let text = "Merge conflict with an outside change: both are kept in the history, the \
                    session's version stands";
        self.say(Level::Warn, Some(session), text).await;
        workspace.merge(session).await?;
        Ok(Some(text.into()))
    }

    /// Tries a push that was put off, if there is still something to push.
    pub(super) async fn push_put_off(&self, session: &SessionId) {
        let mut record = self.session_record(session).await;
        let opened = self
            .ask(
                "git",
                self.settings.git_limit,
                self.ports.workspace.open(session),
            )
            .await;
        match opened {
            Ok(true) => self.tell_lost_work(session, &mut record).await,
            Ok(false) => {}
            Err(error) => return self.say_push_error(session, &error).await,
        }
        match self.ports.workspace.status(session).await {
            Ok(status) if status.ahead.is_empty() => {
                self.unpushed.borrow_mut().remove(session);
                record.push_put_off = None;
                record.saved_locally.clear();
            }
            Ok(_) => self.publish(session, &mut record).await,
            Err(error) => return self.say_push_error(session, &error).await,
        }
        self.save_session(session, &record).await;
    }
}
