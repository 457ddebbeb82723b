//! One instruction, from its receipt to an outcome that is durable.

use super::container::Worker;
use super::deploy::{Built, Deployed};
use super::ports::{
    Build, BuildStatus, CommitId, FileChange, Instruction, Kind, PortError, SessionRecord, Turn,
    Wanted,
};
use crate::history::Level;
use crate::plan::{Phase, SessionId};

impl Worker {
    /// Carries out an instruction. When this returns, the session's record holds the outcome, and
    /// the message may be deleted.
    pub(super) async fn carry_out(&self, instruction: &Instruction, receives: u32) {
        let session = &instruction.session_id;
        let id = &instruction.instruction_id;
        let mut record = self.session_record(session).await;
        if record.saved_locally.contains(id) {
            // A workspace that was lost since took it along, and then it is done again.
            self.open_workspace(session, &mut record).await;
        }
        if record.handled.contains(id) {
            let text = format!("Instruction {id} was handled before");
            return self.say(Level::Info, Some(session), &text).await;
        }
        let text = format!("Received instruction {id}, receive {receives}");
        self.enter(session, Phase::Received, text).await;
        if receives > 1 {
            let text = format!("Handling {id} again: container killed or cut off on the last try");
            self.say(Level::Warn, Some(session), &text).await;
        }
        record.status = "running".into();
        record.failure = None;
        record.lost_work = None;
        if receives >= self.settings.last_receive {
            // Written now: if this try ends as the others did, no container is left to write it.
            let text = format!(
                "instruction {id} was cut off {} times; if it is again, it goes to the \
                 dead-letter queue",
                receives - 1
            );
            self.say(Level::Error, Some(session), &text).await;
            record.failure = Some(text);
        }
        self.save_session(session, &record).await;
        self.remember_session(session).await;

        self.open_workspace(session, &mut record).await;
        let failure = match self.edit_once(instruction, &mut record).await {
            Ok(()) if self.settings.deploys_first => {
                let failure = self.build_and_deploy(instruction, &mut record).await;
                self.push(instruction, &mut record).await;
                failure
            }
            Ok(()) => {
                self.push(instruction, &mut record).await;
                self.build_and_deploy(instruction, &mut record).await
            }
            Err(failure) => Some(failure),
        };
        let outcome = match &failure {
            Some(failure) => format!("failed: {failure}"),
            None if record.deploy_put_off.is_some() => "deploy put off".into(),
            None if record.push_put_off.is_some() => "push put off".into(),
            None => "deployed".into(),
        };
        record.failure = failure;
        record.handled.push(id.clone());
        if record.handled.len() > SessionRecord::REMEMBERED {
            record.handled.remove(0);
        }
        self.save_session(session, &record).await;
        self.enter(session, Phase::Done, format!("Finished {id}: {outcome}"))
            .await;
    }

    /// Makes the session's checkout usable, waiting for the remote where it must be cloned.
    pub(super) async fn open_workspace(&self, session: &SessionId, record: &mut SessionRecord) {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.open(session, record).await {
                Ok(()) => return self.record_nothing_waits(session, record).await,
                Err(error) => {
                    if attempt == 1 {
                        let text = format!("Cannot open the workspace, trying again: {error}");
                        self.say(Level::Error, Some(session), &text).await;
                        record.push_put_off = Some(text);
                        self.save_session(session, record).await;
                    }
                    let chance = self.ports.clock.chance();
                    let wait = self.settings.store.wait(attempt, chance, None);
                    self.ports.clock.sleep(wait).await;
                }
            }
        }
    }

    /// Clears the error of a push or an opening that was put off, where nothing is left to push.
    async fn record_nothing_waits(&self, session: &SessionId, record: &mut SessionRecord) {
        if record.push_put_off.is_some()
            && let Ok(status) = self.ports.workspace.status(session).await
            && status.ahead.is_empty()
        {
            record.push_put_off = None;
            record.saved_locally.clear();
        }
    }

    /// Brings the branch to the remote.
    async fn push(&self, instruction: &Instruction, record: &mut SessionRecord) {
        let (session, id) = (&instruction.session_id, &instruction.instruction_id);
        self.enter(session, Phase::Pushing, format!("Pushing {id}"))
            .await;
        self.publish(session, record).await;
    }

    /// Brings the instruction's commit onto the branch, once.
    async fn edit_once(
        &self,
        instruction: &Instruction,
        record: &mut SessionRecord,
    ) -> Result<(), String> {
        let session = &instruction.session_id;
        let id = &instruction.instruction_id;
        let workspace = &self.ports.workspace;
        let is_committed = workspace
            .has_instruction(session, id)
            .await
            .map_err(|error| format!("git failed: {error}"));
        if !self.logged(session, is_committed).await? {
            let edited = self.edit(instruction).await;
            if edited.is_err() {
                // What a first turn changed is not left lying about.
                self.open_workspace(session, record).await;
            }
            self.logged(session, edited).await?;
        }
        Ok(())
    }

    /// Asks the agent, applies its changes and commits them.
    async fn edit(&self, instruction: &Instruction) -> Result<(), String> {
        let session = &instruction.session_id;
        let id = &instruction.instruction_id;
        let workspace = &self.ports.workspace;
        self.enter(session, Phase::Thinking, format!("Asking Claude for {id}"))
            .await;
        let mut turns: Vec<Turn> = Vec::new();
        loop {
            let turn = self.ask_agent(instruction, &turns).await?;
            if turn.changes.is_empty() {
                break;
            }
            if turns.is_empty() {
                self.enter(session, Phase::Editing, format!("Editing for {id}"))
                    .await;
            }
            let changes: &[FileChange] = &turn.changes;
            workspace
                .apply(session, changes)
                .await
                .map_err(|error| format!("cannot write the agent's changes: {error}"))?;
            turns.push(turn);
        }
        self.say(Level::Info, Some(session), "Claude command completed")
            .await;
        self.enter(session, Phase::Committing, format!("Committing {id}"))
            .await;
        workspace
            .commit(session, &instruction.instruction, id)
            .await
            .map_err(|error| format!("git commit failed: {error}"))?;
        Ok(())
    }

    async fn ask_agent(&self, instruction: &Instruction, turns: &[Turn]) -> Result<Turn, String> {
        let session = Some(&instruction.session_id);
        let mut attempt = 1;
        loop {
            let limit = self.settings.agent_limit;
            let ask = self.ports.agent.ask(instruction, turns);
            let error = match self.ask("agent", limit, ask).await {
                Ok(turn) => return Ok(turn),
                Err(error) => error,
            };
            let described = describe_agent_error(&error);
            self.say(Level::Error, session, &described).await;
            if attempt >= self.settings.agent.attempts || error.kind == Kind::Denied {
                return Err(format!(
                    "agent failed after {attempt} attempts: {described}"
                ));
            }
            let chance = self.ports.clock.chance();
            let wait = self.settings.agent.wait(attempt, chance, error.retry_after);
            let text = format!("Backing off {:.1} seconds", wait.as_secs_f64());
            self.say(Level::Info, session, &text).await;
            self.ports.clock.sleep(wait).await;
            attempt += 1;
            let text = format!("Retrying Claude request, attempt {attempt}");
            self.say(Level::Info, session, &text).await;
        }
    }

    /// Builds the branch as it is and deploys what is good. Returns why the instruction failed.
    async fn build_and_deploy(
        &self,
        instruction: &Instruction,
        record: &mut SessionRecord,
    ) -> Option<String> {
        let session = &instruction.session_id;
        let id = &instruction.instruction_id;
        self.enter(session, Phase::Building, format!("Building {id}"))
            .await;
        let (commit, build) = match self.build_head(session).await {
            Ok(built) => built,
            Err(error) => {
                let text = format!("Build failed: {error}");
                self.say(Level::Error, Some(session), &text).await;
                return Some(format!("build failed: {error}"));
            }
        };
        record.build_warnings = Vec::new();
        match build.status {
            BuildStatus::Failed(why) => {
                let text = format!("Build failed: {why}");
                self.say(Level::Error, Some(session), &text).await;
                return Some(format!("build failed: {why}"));
            }
            BuildStatus::Warned(warnings) => {
                let text = format!("Build completed with warnings: {}", warnings.join("; "));
                self.say(Level::Warn, Some(session), &text).await;
                record.build_warnings = warnings;
            }
            BuildStatus::Good => {
                self.say(Level::Info, Some(session), "Build complete").await;
            }
        }
        self.enter(session, Phase::Deploying, format!("Deploying {id}"))
            .await;
        let built = Built {
            wanted: Wanted {
                session_id: session.clone(),
                commit,
            },
            files: build.files,
        };
        record.deploy_put_off = match self.deploy_new(id, built, record).await {
            Deployed::Done => None,
            Deployed::PutOff(why) => Some(why),
        };
        None
    }

    /// Builds the newest commit, as the session's `failureInjection` lets it end.
    async fn build_head(&self, session: &SessionId) -> Result<(CommitId, Build), PortError> {
        let injected = self.session_record(session).await.failure_injection;
        let head = self.ports.workspace.status(session).await?.head;
        let mut build = self.ports.builder.build(session, &head).await?;
        match injected.as_deref() {
            Some("BUILD_ERROR") => {
                build.status = BuildStatus::Failed("injected build error".into());
            }
            Some("BUILD_WARNING") if build.status == BuildStatus::Good => {
                build.status = BuildStatus::Warned(vec!["injected build warning".into()]);
            }
            _ => {}
        }
        Ok((head, build))
    }

    /// Logs an error, and returns it.
    async fn logged<T>(&self, session: &SessionId, result: Result<T, String>) -> Result<T, String> {
        if let Err(text) = &result {
            let text = format!("Instruction failed: {text}");
            self.say(Level::Error, Some(session), &text).await;
        }
        result
    }
}

/// An error of the agent in the contract's words.
fn describe_agent_error(error: &PortError) -> String {
    match (error.status, error.kind) {
        (Some(status), _) => format!("Claude API error: {status} {error}"),
        (None, Kind::Network) if error.text.contains("no answer within") => {
            format!("Claude request timeout: {error}")
        }
        (None, _) => format!("Claude API error: {error}"),
    }
}
