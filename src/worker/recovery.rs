//! What a container does at its start, before the first instruction.

use std::time::Duration;

use super::container::Worker;
use super::ports::{PortResult, SessionRecord};
use crate::history::Level;
use crate::plan::SessionId;

impl Worker {
    /// Repairs what a crash left: unfinished git operations, unpushed commits, a deploy that was
    /// cut off, work that was lost with the workspace.
    pub(super) async fn recover(&self) {
        let site = self.site_record().await;
        let is_undeployed = site.wanted.is_some() && !site.deployed;
        self.undeployed.set(is_undeployed.then_some(Duration::ZERO));
        let mut sessions = site.sessions;
        match self.ports.workspace.sessions().await {
            Ok(here) => sessions.extend(here),
            Err(error) => {
                let text = format!("Cannot list the workspaces: {error}");
                self.say(Level::Error, None, &text).await;
            }
        }
        sessions.sort();
        sessions.dedup();
        // All are looked at by the first round of what was put off, which also tries again.
        let due = sessions
            .into_iter()
            .map(|session| (session, Duration::ZERO));
        self.unpushed.borrow_mut().extend(due);
        self.do_put_off().await;
    }

    /// Makes the session's checkout usable, and writes what is lost from it into the record.
    pub(super) async fn open(
        &self,
        session: &SessionId,
        record: &mut SessionRecord,
    ) -> PortResult<()> {
        let open = self.ports.workspace.open(session);
        self.ask("git", self.settings.git_limit, open).await?;
        self.record_lost_work(session, record).await;
        Ok(())
    }

    /// Says by name what was saved locally and is on the branch no more: it was lost with an
    /// older workspace. The branch shows that, not the container that cloned it, for a crash can
    /// follow the clone.
    async fn record_lost_work(&self, session: &SessionId, record: &mut SessionRecord) {
        let mut lost = Vec::new();
        for id in record.saved_locally.clone() {
            if let Ok(false) = self.ports.workspace.has_instruction(session, &id).await {
                lost.push(id);
            }
        }
        if lost.is_empty() {
            return;
        }
        let text = format!("lost with the workspace: {}", lost.join(", "));
        self.say(Level::Error, Some(session), &text).await;
        record.lost_work = Some(text);
        record.saved_locally.retain(|id| !lost.contains(id));
        // A message that was not acknowledged yet is delivered and carried out again.
        record.handled.retain(|id| !lost.contains(id));
        self.save_session(session, record).await;
    }

    /// Keeps the session in the client's list, so that a restart without a workspace finds it.
    pub(super) async fn remember_session(&self, session: &SessionId) {
        let mut site = self.site_record().await;
        if !site.sessions.contains(session) {
            site.sessions.push(session.clone());
            self.save_site(&site).await;
        }
    }
}
