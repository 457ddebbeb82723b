//! Bringing a branch to the remote: push, and where others were faster, rebase or merge.

use super::container::Worker;
use super::ports::{Force, Kind, PortError, PortResult, PushError, Rebase, SessionRecord};
use crate::history::Level;
use crate::plan::SessionId;

/// The warning for a conflict that was resolved.
const CONFLICT: &str = "an outside change conflicted: both changes are kept in the history, the \
                        session's version stands";

impl Worker {
    /// Pushes the session's branch; where that cannot be done now, the work is saved locally and
    /// the push put off. The record says which; the caller saves it.
    pub(super) async fn publish(&self, session: &SessionId, record: &mut SessionRecord) {
        if let Ok(status) = self.ports.workspace.status(session).await
            && !status.ahead.is_empty()
        {
            // A merge that waits here is a conflict that a push cut off by a crash resolved.
            let resolved = status.ahead.iter().any(|id| id.is_empty());
            let warning = resolved.then(|| CONFLICT.to_owned());
            if record.push_warning != warning {
                // Written before the push that carries it: after that, nothing shows it any more.
                record.push_warning = warning;
                self.save_session(session, record).await;
            }
        }
        match self.push_with_retries(session, record).await {
            Ok(()) => {
                self.unpushed.borrow_mut().remove(session);
                record.push_put_off = None;
                record.saved_locally.clear();
                self.say(Level::Info, Some(session), "Git push complete")
                    .await;
            }
            Err(error) => {
                let due = self.put_off();
                self.unpushed.borrow_mut().insert(session.clone(), due);
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

    async fn push_with_retries(
        &self,
        session: &SessionId,
        record: &mut SessionRecord,
    ) -> PortResult<()> {
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
                Ok(None) => return Ok(()),
                Ok(Some(text)) => {
                    let text = format!("git push rejected: {text}");
                    self.say(Level::Warn, Some(session), &text).await;
                    if let Err(error) = self.integrate(session, record).await {
                        self.say_push_error(session, &error).await;
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
    /// both histories.
    async fn integrate(&self, session: &SessionId, record: &mut SessionRecord) -> PortResult<()> {
        self.say(Level::Info, Some(session), "Pulling changes")
            .await;
        let workspace = &self.ports.workspace;
        self.ask("git", self.settings.git_limit, workspace.fetch(session))
            .await?;
        self.say(Level::Info, Some(session), "Rebasing").await;
        if workspace.rebase(session).await? == Rebase::Done {
            return Ok(());
        }
        let text = format!("Merge conflict with {CONFLICT}");
        self.say(Level::Warn, Some(session), &text).await;
        workspace.merge(session).await?;
        record.push_warning = Some(CONFLICT.into());
        self.save_session(session, record).await;
        Ok(())
    }

    /// Tries a push that was put off, if there is still something to push.
    pub(super) async fn push_put_off(&self, session: &SessionId) {
        let mut record = self.session_record(session).await;
        if let Err(error) = self.open(session, &mut record).await {
            return self.say_push_error(session, &error).await;
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
