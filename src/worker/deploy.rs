//! Bringing a build to the site: assets first, pages next, deletions last, only what changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::breaker::Admission;
use super::container::Worker;
use super::ports::{
    Build, BuildStatus, GoodBuild, Kind, PortError, PortResult, SessionRecord, SiteRecord, Wanted,
};
use crate::history::Level;
use crate::plan::SessionId;

/// A good build, and what it is of.
#[derive(Clone, Debug)]
pub struct Built {
    pub wanted: Wanted,
    pub files: BTreeMap<Arc<str>, Arc<[u8]>>,
}

/// What is left of a build that the site should show.
enum Remains {
    Build(BTreeMap<Arc<str>, Arc<[u8]>>),
    /// It cannot be built any more.
    Nothing,
    /// That could not be found out now.
    Unknown,
}

pub(super) enum Deployed {
    Done,
    /// Why it waits.
    PutOff(String),
}

impl Worker {
    /// Makes a new good build the one that the site should show, and deploys it.
    ///
    /// What is wanted is written down before the first request, so that a deploy that is
    /// cut off is finished later.
    pub(super) async fn deploy_new(
        &self,
        id: &str,
        built: Built,
        record: &SessionRecord,
    ) -> Deployed {
        let session = built.wanted.session_id.clone();
        let mut site = self.site_record().await;
        site.wanted = Some(built.wanted.clone());
        site.deployed = false;
        let good = GoodBuild {
            session_id: session.clone(),
            instruction: id.into(),
        };
        site.good.retain(|other| *other != good);
        site.good.push(good);
        if site.good.len() > SiteRecord::REMEMBERED {
            site.good.remove(0);
        }
        if !site.waiting.contains(&session) {
            // The container that finishes this deploy has to clear the session's error.
            site.waiting.push(session.clone());
        }
        self.save_site(&site).await;
        self.built.replace(Some(built.clone()));
        let deployed = self.sync(&session, &built.files).await;
        if let Deployed::PutOff(why) = &deployed {
            self.undeployed.set(Some(self.put_off()));
            // Written before the message is acknowledged, together with the build's warnings.
            let mut record = record.clone();
            record.deploy_put_off = Some(why.clone());
            self.save_session(&session, &record).await;
        } else {
            self.settle_deploy(Some(&session)).await;
        }
        deployed
    }

    /// Tries a deploy that was put off, of the newest good build.
    pub(super) async fn deploy_put_off(&self) {
        let site = self.site_record().await;
        let Some(wanted) = site.wanted.filter(|_| !site.deployed) else {
            return self.undeployed.set(None);
        };
        let mut session = wanted.session_id.clone();
        let mut remains = self.files_of(&wanted).await;
        if let Remains::Nothing = remains
            && let Some(older) = self.fall_back(&session).await
        {
            remains = self.files_of(&older).await;
            session = older.session_id;
        }
        if let Remains::Build(files) = remains
            && let Deployed::Done = self.sync(&session, &files).await
        {
            self.settle_deploy(None).await;
        }
    }

    /// What was wanted is gone and cannot be built again: wants the newest good build that is left,
    /// and where there is none leaves the site as it is.
    async fn fall_back(&self, session: &SessionId) -> Option<Wanted> {
        let mut site = self.site_record().await;
        let found = match self.newest_left(&site.good).await {
            // Without any work the branch still makes the site whole. It is not what is wanted.
            Ok(None) => match self.best_of_opened(session).await {
                Ok(Some(bare)) => return Some(bare),
                other => other,
            },
            other => other,
        };
        match found {
            Ok(found) => site.wanted = found,
            Err(error) => {
                let text = format!("Cannot look for an older build: {error}");
                self.say(Level::Error, Some(session), &text).await;
                return None;
            }
        }
        let text = match &site.wanted {
            Some(_) => {
                "What the site should show is lost: going back to the newest build that is left"
            }
            None => "What the site should show is lost, and no other build is left",
        };
        self.say(Level::Error, Some(session), text).await;
        self.save_site(&site).await;
        if site.wanted.is_none() {
            self.settle_deploy(None).await;
        }
        site.wanted
    }

    /// The newest of the good builds whose instruction is still on its branch, as that is now.
    async fn newest_left(&self, good: &[GoodBuild]) -> PortResult<Option<Wanted>> {
        for build in good.iter().rev() {
            let session = &build.session_id;
            let record = self.opened(session).await?;
            let workspace = &self.ports.workspace;
            if workspace
                .has_instruction(session, &build.instruction)
                .await?
                && let Some(found) = self.best_of(session, &record).await?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Makes the session's checkout usable, and returns its record.
    async fn opened(&self, session: &SessionId) -> PortResult<SessionRecord> {
        let mut record = self.session_record(session).await;
        self.open(session, &mut record).await?;
        Ok(record)
    }

    async fn best_of_opened(&self, session: &SessionId) -> PortResult<Option<Wanted>> {
        let record = self.opened(session).await?;
        self.best_of(session, &record).await
    }

    /// The session's branch as it is, or the newest of its instructions with which it builds.
    async fn best_of(
        &self,
        session: &SessionId,
        record: &SessionRecord,
    ) -> PortResult<Option<Wanted>> {
        if record.failure_injection.as_deref() == Some("BUILD_ERROR") {
            // No build of the session is good for now: it is tried again.
            let text = "the session's builds are made to fail";
            return Err(PortError::new(Kind::Other, text));
        }
        let head = self.ports.workspace.status(session).await?.head;
        let of_head = self.ports.builder.build(session, &head).await?;
        if !matches!(of_head.status, BuildStatus::Failed(_)) {
            let (session_id, commit) = (session.clone(), head);
            return Ok(Some(Wanted { session_id, commit }));
        }
        self.newest_good(session).await
    }

    /// The newest commit of the session's instructions that builds. A rebase gives commits other
    /// names than those that were written down.
    async fn newest_good(&self, session: &SessionId) -> PortResult<Option<Wanted>> {
        for commit in self.ports.workspace.instructed(session).await? {
            let build = self.ports.builder.build(session, &commit).await?;
            if !matches!(build.status, BuildStatus::Failed(_)) {
                let session_id = session.clone();
                return Ok(Some(Wanted { session_id, commit }));
            }
        }
        Ok(None)
    }

    /// Writes down that the site shows what it should, and clears the errors of all that waited
    /// for it; `current` is the session whose record the caller holds and saves itself.
    async fn settle_deploy(&self, current: Option<&SessionId>) {
        let mut site = self.site_record().await;
        for session in std::mem::take(&mut site.waiting) {
            if Some(&session) == current {
                continue;
            }
            let mut record = self.session_record(&session).await;
            if record.deploy_put_off.take().is_some() {
                self.save_session(&session, &record).await;
            }
        }
        site.deployed = true;
        self.save_site(&site).await;
        self.undeployed.set(None);
    }

    /// The files of a good build: kept from before, or built again after a restart.
    async fn files_of(&self, wanted: &Wanted) -> Remains {
        if let Some(built) = &*self.built.borrow()
            && built.wanted == *wanted
        {
            return Remains::Build(built.files.clone());
        }
        let session = &wanted.session_id;
        let mut build = self.ports.builder.build(session, &wanted.commit).await;
        let is_missing =
            |build: &PortResult<Build>| matches!(build, Err(error) if error.kind == Kind::Missing);
        if is_missing(&build) {
            // The workspace may be new, and the remote have it.
            build = match self.opened(session).await {
                Ok(_) => self.ports.builder.build(session, &wanted.commit).await,
                Err(error) => Err(error),
            };
        }
        match build {
            _ if is_missing(&build) => Remains::Nothing,
            Ok(build) if !matches!(build.status, BuildStatus::Failed(_)) => {
                self.built.replace(Some(Built {
                    wanted: wanted.clone(),
                    files: build.files.clone(),
                }));
                Remains::Build(build.files)
            }
            Ok(_) => Remains::Nothing,
            Err(error) => {
                let text = format!("Cannot build what the site should show: {error}");
                self.say(Level::Error, Some(session), &text).await;
                Remains::Unknown
            }
        }
    }

    /// One sync with all its attempts, if the breaker admits it.
    async fn sync(&self, session: &SessionId, files: &BTreeMap<Arc<str>, Arc<[u8]>>) -> Deployed {
        let admission = self.admit_sync().await;
        if admission == Admission::Prevented {
            let text = "Circuit breaker prevented S3 sync; it is put off";
            self.say(Level::Error, Some(session), text).await;
            return Deployed::PutOff(text.into());
        }
        let attempts = self.settings.sync.attempts;
        let mut attempt = 1;
        let error = loop {
            let text = format!("S3 sync attempt {attempt}/{attempts}");
            self.say(Level::Info, Some(session), &text).await;
            let limit = self.settings.sync_attempt_limit;
            match self.ask("S3", limit, self.sync_once(files)).await {
                Ok(changed) => {
                    self.count_sync(admission, true).await;
                    let text = format!("S3 sync complete: {changed} objects changed");
                    self.say(Level::Info, Some(session), &text).await;
                    return Deployed::Done;
                }
                Err(error) if attempt >= attempts => break error,
                Err(error) => {
                    let text = format!("Attempt {attempt} failed: {error}");
                    self.say(Level::Warn, Some(session), &text).await;
                    let chance = self.ports.clock.chance();
                    let wait = self.settings.sync.wait(attempt, chance, error.retry_after);
                    self.ports.clock.sleep(wait).await;
                    attempt += 1;
                }
            }
        };
        let opened = self.count_sync(admission, false).await;
        let text = format!("S3 sync failed after retries: {error}");
        self.say(Level::Error, Some(session), &text).await;
        if opened {
            let text = "Circuit breaker open for S3";
            self.say(Level::Error, Some(session), text).await;
        }
        Deployed::PutOff(text)
    }

    /// One attempt. A page is put only when every asset that it names is there, and nothing is
    /// deleted that a page of the site still names.
    async fn sync_once(&self, files: &BTreeMap<Arc<str>, Arc<[u8]>>) -> PortResult<usize> {
        let site = &self.ports.site;
        let there = site.list().await?;
        let changed = |key: &str, bytes: &[u8]| {
            there
                .get(key)
                .is_none_or(|digest| *digest != site.digest(bytes))
        };
        let mut count = 0;
        for pages in [false, true] {
            for (key, bytes) in files.iter().filter(|(key, _)| is_page(key) == pages) {
                if changed(key, bytes) {
                    site.put(key, bytes).await?;
                    count += 1;
                }
            }
        }
        for pages in [true, false] {
            let stale = there
                .keys()
                .filter(|key| is_page(key) == pages && !files.contains_key(*key));
            for key in stale {
                site.delete(key).await?;
                count += 1;
            }
        }
        Ok(count)
    }
}

/// Whether a file of a build is a page, which goes up when what it names is there.
pub(crate) fn is_page(key: &str) -> bool {
    key.ends_with(".html")
}
